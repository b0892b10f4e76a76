"""What came of a replay: counts, the book that stands at the end, and how each strategy fared.

All but the seconds is the same in every run of the same file, strategies and settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from hotbook_server.replay.crew import Participant
from hotbook_shared.book import Book
from hotbook_shared.model import Position
from hotbook_shared.money import ONE, SUMS, ZERO, from_text, ratio
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import position_from_wire


class StrategyResult(msgspec.Struct, frozen=True):
    """One strategy: how long it took part, and what came of what it asked for."""

    name: str
    steps: int
    asked: int
    done: int
    refused: dict[str, int]
    """By the code of the refusal."""
    ended: str
    """Why it took no more part; empty: it stayed to the end."""
    has_failed: bool


class HotkeyResult(msgspec.Struct, frozen=True):
    """What a hotkey holds at the end. A closed position counts by its realized result; where it has
    none, for no account size is known, by its return. One of exactly nothing is neither won nor
    lost."""

    hotkey: str
    positions: int
    open: int
    won: int
    lost: int
    realized_pnl: Decimal
    mean_return: Decimal
    """Of closed positions, as they stood at their close; 1 where there are none."""


class ReplayReport(msgspec.Struct, frozen=True):
    steps: int
    first_ms: int
    last_ms: int
    bars: int
    stale_bars: int
    orders: int
    """Of the file."""
    orders_refused: int
    expired: int
    """Campaigns whose deadline passed."""
    revision: int
    digest: str
    positions: int
    open: int
    campaigns: int
    realized_pnl: Decimal
    strategies: tuple[StrategyResult, ...]
    hotkeys: tuple[HotkeyResult, ...]
    refusals: tuple[str, ...]
    """The first of them, in words."""
    seconds: float

    @property
    def has_failed(self) -> bool:
        return any(one.has_failed for one in self.strategies)

    @property
    def steps_per_s(self) -> float:
        return self.steps / self.seconds if self.seconds else 0.0


def strategy_result(one: Participant) -> StrategyResult:
    return StrategyResult(
        one.name, one.steps, one.asked, one.done, dict(sorted(one.refused.items())), one.ended,
        one.has_failed,
    )  # fmt: skip


def hotkey_results(book: Book) -> Iterator[HotkeyResult]:
    by_hotkey = book.positions.by_hotkey
    for hotkey in sorted(by_hotkey):
        yield _result_of(hotkey, list(by_hotkey[hotkey].values()))


def _result_of(hotkey: str, records: list[Record]) -> HotkeyResult:
    realized, returns, closed, won, lost = ZERO, ZERO, 0, 0, 0
    for record in records:
        figures = pb.Position.FromString(record.wire)
        result = from_text(figures.realized_pnl)
        realized = SUMS.add(realized, result)
        if not record.is_open:
            closed += 1
            gained = from_text(figures.return_at_close, ONE)
            returns = SUMS.add(returns, gained)
            result = result or SUMS.subtract(gained, ONE)
            won, lost = won + (result > 0), lost + (result < 0)
    mean = ratio(returns, Decimal(closed)) if closed else ONE
    return HotkeyResult(hotkey, len(records), len(records) - closed, won, lost, realized, mean)


def positions_of(book: Book) -> Iterator[Position]:
    """Every position, hotkey by hotkey, in the order in which they are listed."""
    for hotkey in sorted(book.positions.by_hotkey):
        for record in book.positions.of_hotkey(hotkey):
            yield position_from_wire(pb.Position.FromString(record.wire))
