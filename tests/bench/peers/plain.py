"""A plain nested dict in the caller's own process: the least that a lookup can cost in Python."""

from __future__ import annotations

from collections.abc import Sequence

from hotbook import Position


class PlainDict:
    """hotkey -> trade pair -> open position."""

    def __init__(self) -> None:
        self.open: dict[str, dict[str, Position]] = {}

    def fill(self, positions: Sequence[Position]) -> None:
        for position in positions:
            if position.is_open:
                self.open.setdefault(position.hotkey, {})[position.trade_pair] = position

    def open_position(self, hotkey: str, trade_pair: str) -> Position | None:
        held = self.open.get(hotkey)
        return None if held is None else held.get(trade_pair)
