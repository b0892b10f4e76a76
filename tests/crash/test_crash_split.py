"""The server is killed while it splits, and while orders turn positions round.

A split and a reversal are several changes in one commit: whatever the step, all of them stand or
none does.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook import HotbookError, Order, Placed, Position, Side, Split
from hotbook.testing import server
from hotbook_shared import splitting
from hotbook_shared.fills import filled
from hotbook_shared.pairs import known_pairs
from tests.crash.test_crash import STEPS
from tests.make import CLOSE_MS, OPEN_MS, content

WHOLES = 400
SPLITTERS = 4


def needy(number: int) -> Position:
    """Three parts: closed by a FLAT, closed by its net, and the last one still open or closed."""
    sizes = [("0.1", Side.LONG), ("0", Side.FLAT), ("0.2", Side.SHORT), ("0.2", Side.LONG)]
    sizes += [("0.3", Side.LONG), ("0", Side.FLAT)][: 1 + number % 2]
    orders = tuple(
        Order(
            order_uuid=f"p{number}-{n}",
            type=side,
            processed_ms=OPEN_MS + n,
            leverage=Decimal(size),
            price=Decimal(100 + n),
        )
        for n, (size, side) in enumerate(sizes)
    )
    return Position(
        hotkey=f"hk{number}",
        position_uuid=f"p{number}",
        trade_pair="BTCUSD",
        open_ms=OPEN_MS,
        close_ms=CLOSE_MS if number % 3 else None,
        orders=orders,
        account_size=Decimal(100_000),
        extra={"number": number},
    )


NEEDY = {made.position_uuid: made for made in map(needy, range(WHOLES))}


def parts_of(whole: Position) -> dict[str, Position]:
    made = splitting.split(whole, known_pairs().of(whole.trade_pair))
    assert len(made) == 3
    return {part.position_uuid: part for part in made}


@pytest.fixture(scope="module")
def filled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with many positions that need splitting."""
    folder = tmp_path_factory.mktemp("filled") / "data"
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        assert not [a for a in book.save_many(NEEDY.values()) if isinstance(a, HotbookError)]
    return folder


@pytest.fixture
def folder(filled_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled_folder, tmp_path / "data"))


@contextlib.contextmanager
def dying_server(
    step: str, count: int, folder: Path, **settings: object
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Gives its address, which is empty where it dies before it has one, and its process."""
    chosen = {"listen": "127.0.0.1:0", "metrics_listen": "off", "web_listen": "off",
              "log_level": "error", "data_dir": folder, **settings}  # fmt: skip
    flags = [f"{name}={value}" for name, value in chosen.items()]
    command = [sys.executable, "-m", "tests.crash.dying_server", step, str(count), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def split_until_death(target: str, process: subprocess.Popen[str]) -> list[Split]:
    """Threads that split one by one, then one that splits all. Returns what was acknowledged."""
    acknowledged: list[Split] = []
    begun = threading.Event()

    def one_by_one(share: int) -> None:
        with hotbook.connect(target, timeout_s=1) as book, contextlib.suppress(HotbookError):
            shared = range(share, WHOLES, SPLITTERS)
            for number in shared:
                acknowledged.append(book.split(f"hk{number}", f"p{number}"))
                begun.set()

    def all_at_once() -> None:
        begun.wait(timeout=60)  # its own would take all places in the queue
        with hotbook.connect(target, timeout_s=1) as book, contextlib.suppress(HotbookError):
            acknowledged.extend(made for made in book.split_all() if isinstance(made, Split))

    threads = [threading.Thread(target=one_by_one, args=(n,)) for n in range(SPLITTERS)]
    threads.append(threading.Thread(target=all_at_once))
    for thread in threads:
        thread.start()
    process.wait(timeout=60)
    for thread in threads:
        thread.join(timeout=60)
    return acknowledged


def check_whole_or_parts(stands: dict[str, Position]) -> set[str]:
    """Returns the uuids of those that are split. Nothing else stands in the book."""
    split: set[str] = set()
    for uuid, whole in NEEDY.items():
        found = content(stands.pop(uuid))
        if found == whole:
            assert not any(part in stands for part in parts_of(whole))
            continue
        split.add(uuid)
        due = parts_of(whole)
        assert found == due.pop(uuid)
        for part_uuid, part in due.items():
            assert content(stands.pop(part_uuid)) == part
    assert stands == {}
    return split


def stands_in(book: hotbook.Client) -> dict[str, Position]:
    return {made.position_uuid: made for made in book.book()}


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_it_splits(step: str, folder: Path) -> None:
    """Each position is whole, or all of its parts stand; what was acknowledged is split; and
    splitting goes on from there."""
    with dying_server(step, 20, folder, batch_max=5) as (target, process):
        acknowledged = split_until_death(target, process)
        assert process.returncode == -signal.SIGKILL
    assert acknowledged

    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        split = check_whole_or_parts(stands_in(book))
        assert split >= {made.position_uuid for made in acknowledged}
        assert split < NEEDY.keys()
        made = book.split_all()
        assert {m.position_uuid for m in made if isinstance(m, Split)} == NEEDY.keys() - split
        assert check_whole_or_parts(stands_in(book)) == NEEDY.keys()
        revision = book.status().revision
        assert book.split_all() == []
        assert book.status().revision == revision
        assert book.verify().ok


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_it_splits_on_load(step: str, folder: Path) -> None:
    """It dies before anybody is served; the next start finishes what it began."""
    settings = {"split_on_load": True, "batch_max": 5}
    for passing in (20, 20):  # killed again while it goes on
        with dying_server(step, passing, folder, **settings) as (address, process):
            assert process.wait(timeout=60) == -signal.SIGKILL
            assert address == ""
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        split = check_whole_or_parts(stands_in(book))
        assert 0 < len(split) < WHOLES

    again = server(durability="fsync", data_dir=folder, **settings)
    with again as target, hotbook.connect(target) as book:
        assert check_whole_or_parts(stands_in(book)) == NEEDY.keys()
        assert book.verify().ok


# -------------------------------------------------------------------- reversals


class Turner(threading.Thread):
    """Turns its position round with each order, until the server is gone."""

    def __init__(self, target: str, hotkey: str) -> None:
        super().__init__()
        self.target = target
        self.hotkey = hotkey
        self.placed: list[Placed] = []

    def run(self) -> None:
        with hotbook.connect(self.target, timeout_s=1) as book, contextlib.suppress(HotbookError):
            for number in range(100_000):
                order = Order(
                    order_uuid=f"{self.hotkey}-{number}",
                    type=Side.SHORT if number % 2 else Side.LONG,
                    processed_ms=0,
                    leverage=Decimal("0.2" if number else "0.1"),
                    price=Decimal(100 + number % 7),
                )
                self.placed.append(
                    book.place_order(self.hotkey, "BTCUSD", order, on_flip="reverse")
                )


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_orders_reverse(step: str, tmp_path: Path) -> None:
    """Closing and opening stand together or not at all; each acknowledged order has a position."""
    with dying_server(step, 40, tmp_path) as (target, process):
        turners = [Turner(target, f"hk{number}") for number in range(4)]
        for turner in turners:
            turner.start()
        process.wait(timeout=60)
        for turner in turners:
            turner.join(timeout=60)
        assert process.returncode == -signal.SIGKILL
    assert any(len(turner.placed) > 5 for turner in turners)

    with server(durability="fsync", data_dir=tmp_path) as target, hotbook.connect(target) as book:
        for turner in turners:
            check_turns(turner, {p.position_uuid: p for p in book.positions(turner.hotkey)})
        assert book.verify().ok


def check_turns(turner: Turner, stands: dict[str, Position]) -> None:
    """One position for each order, the last one open; at most one order was not acknowledged."""
    names = [f"{turner.hotkey}-{number}" for number in range(len(stands))]
    assert stands.keys() == set(names)
    assert len(turner.placed) <= len(stands) <= len(turner.placed) + 1
    for number, name in enumerate(names):
        found, is_last = stands[name], number == len(names) - 1
        assert found.is_open is is_last
        assert [o.order_uuid for o in found.orders] == ([name] if is_last else [name, name[::-1]])
        assert filled(found, known_pairs().of("BTCUSD")) == found
        assert abs(found.orders[0].leverage or 0) == Decimal("0.1")
    for done in turner.placed:
        stood = stands[done.position.position_uuid]
        assert stood == done.position or stood.version == done.position.version + 1
