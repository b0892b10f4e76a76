"""The minute of a validator: read everything that may need marking, mark it, save what changed.

The original's way reads the whole book, then each open position anew, and saves it: as its
drawdown checker does once a minute. (Its core outputs read the whole book once more in that
minute; that is left out.) Ours asks for what is open, and saves all of it at once, on disk when
it is answered; the original's saves are in the page cache.

Time is the caller's, from the first request to the last answer. Bytes are the kernel's count for
the connection to the server, both ways.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

import hotbook
from hotbook import Position
from tests.bench import data
from tests.bench.figures import OURS, Figure, Rounds, counted, measured, ratios
from tests.bench.original_position import OriginalPosition
from tests.bench.peers import original
from tests.bench.rig import fill, rig
from tests.bench.wire_bytes import wire_bytes

ORIGINAL, LISTING = "the original's way", "List of what is open, SaveMany"
TIME, BYTES = "The minute of a validator, time", "The minute of a validator, bytes"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    hotkeys: int = 256
    positions: int = 100_000
    open_positions: int = 1_500


class Way(msgspec.Struct):
    """One way of doing the minute's work: how it reads what it needs, and how it saves that."""

    port: int
    read: Callable[[], list[Any]]
    mark_and_save: Callable[[list[Any]], None]


def measure(scale: Scale) -> list[Figure]:
    book = data.dealt(scale.positions, scale.hotkeys, scale.open_positions)
    hotkeys = sorted({position.hotkey for position in book})
    with contextlib.ExitStack() as stack:
        ways = {
            ORIGINAL: _original(stack, book, hotkeys),
            LISTING: _listing(stack, book, hotkeys),
        }
        del book
        found = Rounds(scale.rounds, ways)
        for name in found:
            _spend(ways[name], name, found, scale.open_positions)
    figures = [
        counted("hotkeys", scale.hotkeys),
        counted("positions", scale.positions),
        counted("of them open", scale.open_positions),
    ]
    for name in ways:
        line = "" if name == ORIGINAL else OURS
        figures += [
            measured(name, found[name], "s", picture=TIME, line=line),
            measured(f"{name}, of that reading", found[f"{name}, read"], "s"),
            measured(f"{name}, bytes", found[f"{name}, bytes"], "B", picture=BYTES, line=line),
        ]
    return figures + _comparisons(found)


def _comparisons(found: Rounds) -> list[Figure]:
    less_time = ratios(found[ORIGINAL], found[LISTING])
    fewer_bytes = ratios(found[f"{ORIGINAL}, bytes"], found[f"{LISTING}, bytes"])
    return [
        measured(f"{LISTING}: times less time", less_time, "x"),
        measured(f"{LISTING}: times fewer bytes", fewer_bytes, "x"),
    ]


def _spend(way: Way, name: str, found: Rounds, open_positions: int) -> None:
    """One minute's work, and what it took."""
    bytes_before, started = wire_bytes(way.port), time.perf_counter()
    standing = way.read()
    read = time.perf_counter()
    assert len(standing) == open_positions
    way.mark_and_save(standing)
    found.add(name, time.perf_counter() - started)
    found.add(f"{name}, read", read - started)
    found.add(f"{name}, bytes", wire_bytes(way.port) - bytes_before)


# ------------------------------------------------------------------ ways


def _folder(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))


def _original(stack: contextlib.ExitStack, book: list[Position], hotkeys: list[str]) -> Way:
    way = stack.enter_context(original.running(_folder(stack)))
    way.fill(book)
    prices = _Prices()

    def read() -> list[OriginalPosition]:
        held = way.positions.get_positions_for_hotkeys(hotkeys)
        return [p for positions in held.values() for p in positions if not p.is_closed_position]

    def mark_and_save(standing: list[OriginalPosition]) -> None:
        prices.move()
        for seen in standing:
            position = way.positions.get_position(seen.miner_hotkey, seen.position_uuid)
            gain = float(prices.gain(str(position.trade_pair[0]))) * position.net_leverage
            position.unrealized_pnl = gain * position.account_size
            position.current_return = position.return_at_close = 1 + gain
            way.positions.save_miner_position(position)

    return Way(way.port, read, mark_and_save)


def _listing(stack: contextlib.ExitStack, book: list[Position], hotkeys: list[str]) -> Way:
    folder = _folder(stack)
    fill(folder, [data.record(position, number + 1) for number, position in enumerate(book)])
    stand = stack.enter_context(rig(folder))
    client = stack.enter_context(hotbook.connect(stand.target, timeout_s=60))
    prices = _Prices()

    def read() -> list[Position]:
        held = client.positions(hotkeys, open_only=True)
        return [position for positions in held.values() for position in positions]

    def mark_and_save(standing: list[Position]) -> None:
        prices.move()
        answers = client.save_many(_marked(position, prices) for position in standing)
        assert all(isinstance(answer, hotbook.Saved) for answer in answers)

    return Way(int(stand.target.rpartition(":")[2]), read, mark_and_save)


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
