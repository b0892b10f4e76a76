"""The shape that the peers share, and what is common to starting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from hotbook import Position

SETUP = "scripts/bench --setup installs it"

to_json = msgspec.json.Encoder().encode
"""The fastest JSON in Python there is, typed both ways: what a peer's user would do well to use."""

from_json = msgspec.json.Decoder(Position).decode

Save = Callable[[Position], object]


class Reader(Protocol):
    def fill(self, positions: Sequence[Position]) -> None:
        """Puts positions in, before anything is measured."""

    def open_position(self, hotkey: str, trade_pair: str) -> object:
        """What is open, as an object that can be worked with; None where it is nothing."""


class Store(Reader, Protocol):
    def saver(self) -> Save:
        """A durable save for one thread, over a connection of its own."""
