"""An open position by index, against a scan: in process, and over the wire."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

import hotbook
from hotbook_shared.book import Book
from hotbook_shared.record import Record
from tests.bench import data
from tests.bench.figures import Figure, Rounds, alternate, measured, ratios, timed
from tests.bench.rig import fill, rig

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
    sides = {
        "index": lambda: timed(scale.lookups, lambda: positions.open_on_pair(owner, PAIR)),
        "scan": lambda: timed(scale.lookups, scan),
    }
    return _figures(alternate(scale.rounds, sides), f"in process, {size:,} positions a hotkey")


def _over_the_wire(scale: Scale, size: int) -> list[Figure]:
    owner = data.hotkey(0)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), data.records(size, per_hotkey=size))
        with rig(Path(folder)) as stand, hotbook.connect(stand.target) as book:

            def scan() -> hotbook.Position:
                held = book.positions(owner)
                return next(p for p in held if p.is_open and p.trade_pair == PAIR)

            assert scan() == book.open_position(owner, PAIR)
            sides = {
                "index": lambda: timed(scale.calls, lambda: book.open_position(owner, PAIR)),
                "scan": lambda: timed(scale.calls, scan),
            }
            found = alternate(scale.rounds, sides)
    return _figures(found, f"over the wire, {size:,} positions a hotkey")


def _figures(found: Rounds, name: str) -> list[Figure]:
    return [
        measured(f"index, {name}", found["index"], "us", factor=1e6),
        measured(f"scan, {name}", found["scan"], "us", factor=1e6),
        measured(f"index against scan, {name}", ratios(found["scan"], found["index"]), "x"),
    ]
