"""What an import reads from, whichever layout it has: texts of positions, hotkey by hotkey."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from hotbook.transfer.names import is_name_of
from hotbook.transfer.report import Tally
from hotbook_shared.pb import hotbook_pb2 as pb

TEXT_MAX_BYTES = 64 * 1024 * 1024
"""No larger text is read: a position of this size is far above what any server takes."""


class Found(msgspec.Struct):
    """The text of one position, and what its place says of it; None where it says nothing."""

    place: str
    text: bytes
    hotkey: str
    trade_pair: str | None = None
    state: str | None = None
    name: str | None = None

    def misplaced(self, position: pb.Position) -> str:
        """In what the place and the position disagree; empty where they agree."""
        for what, told, held in (
            ("hotkey", self.hotkey, position.hotkey),
            ("trade pair", self.trade_pair, position.trade_pair),
            ("uuid", self.name, position.position_uuid),
        ):
            if told is not None and told != held and not is_name_of(told, held):
                return f"its {what} is {held!r:.300}, and its place says {told!r:.300}"
        return ""


class Source(Protocol):
    """Where positions are read from.

    `open_close_ms`: what an open position has as its close_ms there.
    """

    open_close_ms: int | None

    def count(self) -> int:
        """How many texts there are, about: for a progress bar."""
        ...

    def hotkeys(self, tally: Tally) -> Iterator[Iterator[Found]]:
        """All texts, in order, hotkey by hotkey. What is no text of a position is named."""
        ...
