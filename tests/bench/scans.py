"""An open position by index, against a scan: in process, and over the wire."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

import hotbook
from hotbook_shared.book import Book
from hotbook_shared.record import Record
from tests.bench import data
from tests.bench.rig import Figure, fill, median, rig

PAIR = "SOLUSD"
SIZES = (10, 100, 1_000)


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 7
    lookups: int = 1_000
    calls: int = 20


def measure(scale: Scale) -> list[Figure]:
    figures = []
    for size in SIZES:
        figures += _in_process(scale, size)
    for size in SIZES:
        figures += _over_the_wire(scale, size)
    return figures


def _in_process(scale: Scale, size: int) -> list[Figure]:
    book = Book(data.records(size, per_hotkey=size), revision=size)
    owner = data.hotkey(0)
    positions = book.positions

    def scan() -> Record | None:
        held = positions.by_hotkey[owner].values()
        return next((r for r in held if r.is_open and r.trade_pair == PAIR), None)

    assert scan() is positions.open_on_pair(owner, PAIR) is not None
    indexed, scanned = _alternate(
        scale.rounds, scale.lookups, lambda: positions.open_on_pair(owner, PAIR), scan
    )
    name = f"in process, {size:,} positions a hotkey"
    return [
        Figure(f"index, {name}", median(indexed) * 1e6, "us"),
        Figure(f"scan, {name}", median(scanned) * 1e6, "us"),
        _gain(indexed, scanned, f"index against scan, {name}"),
    ]


def _over_the_wire(scale: Scale, size: int) -> list[Figure]:
    owner = data.hotkey(0)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), data.records(size, per_hotkey=size))
        with rig(Path(folder)) as stand, hotbook.connect(stand.target) as book:

            def scan() -> hotbook.Position:
                held = book.positions(owner)
                return next(p for p in held if p.is_open and p.trade_pair == PAIR)

            assert scan() == book.open_position(owner, PAIR)
            indexed, scanned = _alternate(
                scale.rounds, scale.calls, lambda: book.open_position(owner, PAIR), scan
            )
    name = f"over the wire, {size:,} positions a hotkey"
    return [
        Figure(f"index, {name}", median(indexed) * 1e6, "us"),
        Figure(f"scan, {name}", median(scanned) * 1e6, "us"),
        _gain(indexed, scanned, f"index against scan, {name}"),
    ]


def _alternate(
    rounds: int, count: int, one: Callable[[], object], other: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Seconds for one act of each, in rounds that alternate."""
    ones, others = [], []
    for _ in range(rounds):
        ones.append(_timed(count, one))
        others.append(_timed(count, other))
    return ones, others


def _timed(count: int, act: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(count):
        act()
    return (time.perf_counter() - started) / count


def _gain(indexed: list[float], scanned: list[float], name: str) -> Figure:
    return Figure(name, median([b / a for a, b in zip(indexed, scanned, strict=True)]), "x")
