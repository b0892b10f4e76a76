"""The ways of doing a validator's minute, each run in a process of its own by `minute.py`.

The original's way: the checker reads the whole book, then each open position anew, and saves it;
the outputs read the whole book. Its saves are in the page cache.

Ours keep what they have read, and save all that changed by one SaveMany, on disk when it is
answered. `ListChanged`: each reader has a client of its own; the checker asks for what is open or
changed since its last minute, the outputs for what changed, and put it into what they have.
`replica`: each reader has a replica of its own.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

import hotbook
from hotbook import Client, Position
from tests.bench import data
from tests.bench.original_position import OriginalPosition
from tests.bench.peers import original
from tests.bench.processes import answer, asked
from tests.bench.rig import fill, rig
from tests.bench.wire_bytes import wire_bytes

ORIGINAL, CHANGED, REPLICA = "the original's way", "ListChanged, SaveMany", "replica, SaveMany"
Lists = dict[str, list[Any]]


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    hotkeys: int = 256
    positions: int = 100_000
    open_positions: int = 1_500
    idle_s: float = 3.0


class Way(msgspec.Struct):
    """One way of doing the minute's work."""

    port: int
    read: Callable[[], list[Any]]
    """The checker's: what may need marking."""

    mark_and_save: Callable[[list[Any]], None]
    read_all: Callable[[], Lists]
    """The outputs'."""

    idle_bytes: float = 0
    """What goes over the wire in a minute in which nothing happens."""


class Spent(msgspec.Struct):
    """What one minute's work took."""

    seconds: float
    reading_s: float
    wire_bytes: float


# ------------------------------------------------------------------ in a way's own process


def _process(name: str, scale: Scale) -> None:
    book = data.dealt(scale.positions, scale.hotkeys, scale.open_positions)
    with contextlib.ExitStack() as stack:
        way = WAYS[name](stack, book, scale)
        del book
        answer("ready")
        for _ in asked():
            answer(_spend(way, scale))


def _spend(way: Way, scale: Scale) -> Spent:
    """One minute's work, and what it took."""
    bytes_before, started = wire_bytes(way.port), time.perf_counter()
    standing = way.read()
    has_read = time.perf_counter()
    way.mark_and_save(standing)
    has_saved = time.perf_counter()
    outputs = way.read_all()
    ended = time.perf_counter()
    taken = wire_bytes(way.port) - bytes_before
    assert len(standing) == scale.open_positions
    assert sum(map(len, outputs.values())) == scale.positions
    return Spent(ended - started, has_read - started + ended - has_saved, taken + way.idle_bytes)


# ------------------------------------------------------------------ ways


def _folder(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))


def _original(stack: contextlib.ExitStack, book: list[Position], scale: Scale) -> Way:
    hotkeys = _hotkeys(scale)
    way = stack.enter_context(original.running(_folder(stack)))
    way.fill(book)
    prices = _Prices()

    def read_all() -> Lists:
        held: Lists = way.positions.get_positions_for_hotkeys(hotkeys)
        return held

    def read() -> list[OriginalPosition]:
        return [
            p for positions in read_all().values() for p in positions if not p.is_closed_position
        ]

    def mark_and_save(standing: list[OriginalPosition]) -> None:
        prices.move()
        for seen in standing:
            position = way.positions.get_position(seen.miner_hotkey, seen.position_uuid)
            gain = float(prices.gain(str(position.trade_pair[0]))) * position.net_leverage
            position.unrealized_pnl = gain * position.account_size
            position.current_return = position.return_at_close = 1 + gain
            way.positions.save_miner_position(position)

    return Way(way.port, read, mark_and_save, read_all)


def _serve(stack: contextlib.ExitStack, book: list[Position]) -> str:
    folder = _folder(stack)
    fill(folder, [data.record(position, number + 1) for number, position in enumerate(book)])
    return stack.enter_context(rig(folder)).target


def _hotkeys(scale: Scale) -> list[str]:
    return [data.hotkey(number) for number in range(scale.hotkeys)]


def _changed(stack: contextlib.ExitStack, book: list[Position], scale: Scale) -> Way:
    target = _serve(stack, book)
    checker = stack.enter_context(hotbook.connect(target, timeout_s=60))
    outputs = stack.enter_context(hotbook.connect(target, timeout_s=60))
    prices, kept = _Prices(), _Kept()
    kept.take_in(outputs.changed_since(0))
    revision, mark = kept.revision, kept.mark

    def read() -> list[Position]:
        nonlocal revision, mark
        changed = checker.changed_since(revision, mark=mark, open_too=True)
        revision, mark = changed.revision, changed.mark
        return [position for position in changed.positions if position.is_open]

    def read_all() -> Lists:
        kept.take_in(outputs.changed_since(kept.revision, mark=kept.mark))
        return kept.lists()

    def mark_and_save(standing: list[Position]) -> None:
        _save(checker, standing, prices)

    return Way(_port(target), read, mark_and_save, read_all)


def _replica(stack: contextlib.ExitStack, book: list[Position], scale: Scale) -> Way:
    target, hotkeys = _serve(stack, book), _hotkeys(scale)
    client = stack.enter_context(hotbook.connect(target, timeout_s=60))
    checker = stack.enter_context(hotbook.Replica(target))
    outputs = stack.enter_context(hotbook.Replica(target))
    prices, saved = _Prices(), 0

    def read() -> list[Position]:
        checker.wait_for(saved)
        return list(checker.book(open_only=True))

    def read_all() -> Lists:
        outputs.wait_for(saved)
        return outputs.positions(hotkeys)

    def mark_and_save(standing: list[Position]) -> None:
        nonlocal saved
        saved = _save(client, standing, prices)

    return Way(
        _port(target), read, mark_and_save, read_all, _idle_bytes(_port(target), scale.idle_s)
    )


def _idle_bytes(port: int, idle_s: float) -> float:
    """What heartbeats take in a minute, from what they take in a few seconds."""
    before, started = wire_bytes(port), time.perf_counter()
    time.sleep(idle_s)
    return (wire_bytes(port) - before) * 60 / (time.perf_counter() - started)


def _port(target: str) -> int:
    return int(target.rpartition(":")[2])


class _Kept:
    """The whole book, as a reader that asks for changes keeps it."""

    def __init__(self) -> None:
        self.revision, self.mark = 0, ""
        self._by_uuid: dict[str, Position] = {}
        self._by_hotkey: dict[str, dict[str, Position]] = {}

    def take_in(self, changed: hotbook.Changed) -> None:
        if changed.is_whole:
            self._by_uuid, self._by_hotkey = {}, {}
        for uuid in changed.removed:
            if (gone := self._by_uuid.pop(uuid, None)) is not None:
                del self._by_hotkey[gone.hotkey][uuid]
        for position in changed.positions:
            self._by_uuid[position.position_uuid] = position
            self._by_hotkey.setdefault(position.hotkey, {})[position.position_uuid] = position
        self.revision, self.mark = changed.revision, changed.mark

    def lists(self) -> Lists:
        """Closed ones by close time, then the open ones by open time."""
        return {
            hotkey: sorted(
                held.values(),
                key=lambda p: (p.is_open, p.open_ms if p.close_ms is None else p.close_ms),
            )
            for hotkey, held in self._by_hotkey.items()
        }


def _save(client: Client, standing: Iterable[Position], prices: _Prices) -> int:
    """Marks, saves, and returns the revision at which all of it stands."""
    prices.move()
    answers = client.save_many(_marked(position, prices) for position in standing)
    revisions = [answer.revision for answer in answers if isinstance(answer, hotbook.Saved)]
    assert len(revisions) == len(answers)
    return max(revisions)


def _marked(position: Position, prices: _Prices) -> Position:
    gain = prices.gain(position.trade_pair) * position.net_leverage
    return msgspec.structs.replace(
        position,
        unrealized_pnl=gain * position.account_size,
        current_return=1 + gain,
        return_at_close=1 + gain,
    )


class _Prices:
    """How far each pair stands from its entry price; every minute elsewhere, so all change."""

    def __init__(self) -> None:
        self._minute = 0

    def move(self) -> None:
        self._minute += 1

    def gain(self, pair: str) -> Decimal:
        return Decimal(self._minute * 7 % 101 + data.PAIRS.index(pair)) / 10_000


WAYS: dict[str, Callable[[contextlib.ExitStack, list[Position], Scale], Way]] = {
    ORIGINAL: _original,
    CHANGED: _changed,
    REPLICA: _replica,
}

if __name__ == "__main__":
    _process(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Scale))
