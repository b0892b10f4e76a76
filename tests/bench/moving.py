"""Moving in: importing the original's tree of files, and splitting on load.

The import's peer is reading the same files with pydantic alone, in one process: what the original
does at each start, and what any program that moves this data has to do at least. The import reads
them, too, and besides sends, checks, indexes and saves each position, on disk when it is done.

Splitting is measured as what it adds to a start: the same store is loaded with and without it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import msgspec

import hotbook
from hotbook import Order, Position, Side
from hotbook.transfer.importing import import_tree
from hotbook_shared.record import Record
from tests.bench import data
from tests.bench.figures import Figure, alternate, counted, measured, ratios
from tests.bench.rig import fill, rig
from tests.legacy_tree import write_tree

NEEDY_SHARE = 0.05


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    files: int = 100_000
    positions: int = 100_000


def measure(scale: Scale) -> list[Figure]:
    return _importing(scale) + _splitting(scale)


# ------------------------------------------------------------------ importing


def _importing(scale: Scale) -> list[Figure]:
    files = scale.files
    with tempfile.TemporaryDirectory() as tree:
        write_tree(Path(tree), files)
        found = alternate(
            scale.rounds,
            {
                "import": lambda: files / _import(Path(tree), files),
                "peer": lambda: files / _read_with_pydantic(Path(tree)),
            },
        )
    gains = ratios(found["import"], found["peer"])
    return [
        counted("files in the tree", files),
        measured("import, files to disk", found["import"], "positions/s", at_least=10_000),
        measured("reading the files with pydantic", found["peer"], "positions/s"),
        measured("import against reading with pydantic", gains, "x"),
    ]


def _import(tree: Path, files: int) -> float:
    """Seconds that an import into an empty book takes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        rig(Path(folder)) as stand,
        hotbook.connect(stand.target, timeout_s=60) as book,
    ):
        started = time.perf_counter()
        report = import_tree(book, tree)
        seconds = time.perf_counter() - started
        assert report.saved == files == book.status().positions
    return seconds


def _read_with_pydantic(tree: Path) -> float:
    command = [sys.executable, "-m", "tests.bench.load", "peer", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


# ------------------------------------------------------------------ splitting


def _splitting(scale: Scale) -> list[Figure]:
    records, needy = _records(scale.positions)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        fill(store, records)
        del records
        found = alternate(
            scale.rounds,
            {
                "plain": lambda: _start(store, split_on_load=False),
                "split": lambda: _start_on_a_copy(store, Path(folder) / "copy"),
            },
        )
    return [
        counted("positions in the store", scale.positions),
        counted("of them in need of splitting", needy),
        measured("start without splitting", found["plain"], "s"),
        measured("start with splitting", found["split"], "s"),
        measured(
            "start with splitting against without", ratios(found["split"], found["plain"]), "x"
        ),
    ]


def _start_on_a_copy(store: Path, copy: Path) -> float:
    """Splitting writes: each time on a store that has not been split yet."""
    shutil.copytree(store, copy)
    seconds = _start(copy, split_on_load=True)
    shutil.rmtree(copy)
    return seconds


def _start(store: Path, *, split_on_load: bool) -> float:
    """Seconds until a server on the store answers."""
    started = time.perf_counter()
    with rig(store, split_on_load=split_on_load) as stand:
        with hotbook.connect(stand.target) as book:
            book.status()
        return time.perf_counter() - started


def _records(count: int) -> tuple[list[Record], int]:
    """A book in which one position of twenty goes on after its close."""
    records = data.records(count, per_hotkey=100)
    every = round(1 / NEEDY_SHARE)
    for number in range(0, count, every):
        old = records[number]
        records[number] = data.record(_needy(number, old.hotkey), old.revision)
    return records, len(range(0, count, every))


def _needy(number: int, hotkey: str) -> Position:
    """Closed by a FLAT, and then opened and closed again."""
    uuid = f"needy-{number:012}"
    legs = ((Side.LONG, "0.1"), (Side.LONG, "0.2"), (Side.FLAT, None)) * 2
    orders = tuple(
        Order(
            order_uuid=uuid if place == 0 else f"{uuid}-{place}",
            type=side,
            processed_ms=data.START_MS + number * 1000 + place,
            leverage=None if leverage is None else Decimal(leverage),
            price=Decimal(60_000 + place),
        )
        for place, (side, leverage) in enumerate(legs)
    )
    return Position(
        hotkey=hotkey,
        position_uuid=uuid,
        trade_pair="BTCUSD",
        side=Side.FLAT,
        open_ms=orders[0].processed_ms,
        close_ms=orders[2].processed_ms,
        orders=orders,
        account_size=Decimal(100_000),
    )
