"""The archive: which closed positions have their bytes in memory, and that nobody notices."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import hypothesis.strategies as st
import pytest
from hypothesis import given

from hotbook import Position
from hotbook_server.archive import Away, may_hold
from hotbook_server.commands import Clear, Command, Delete, PlaceOrder, SaveMany
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.journal.base import Batch, DiskIsFull, Each, JournalBroken, Loaded, Progress
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import STORE_NAME
from hotbook_server.requests import RequestKey
from hotbook_server.rpc.positions import PositionsService
from hotbook_server.telemetry import Telemetry
from hotbook_shared.errors import DiskFull, FellBehind, PageExpired, Unreadable, VersionConflict
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record, encode_record, hold, with_wire
from hotbook_shared.wire import order_to_wire
from tests.conftest import FakeClock, StartEngine
from tests.make import OPEN_MS, closed, order, position, record, save

StartBounded = Callable[..., Awaitable[Engine]]


class Disk(SqliteJournal):
    """A journal on disk that fails, or waits, as it is told."""

    full = False
    unread = False
    most_at_once = 0  # records that had their bytes in memory at any time of a load

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    def append(self, batch: Batch) -> None:
        if self.full:
            raise DiskIsFull("the disk is full")
        super().append(batch)

    def wire_of(self, record: Record) -> bytes | None:
        if self.unread:
            raise JournalBroken("input/output error")
        if threading.current_thread() is not threading.main_thread():
            self.arrived.set()
            assert self.gate.wait(10)
        return super().wire_of(record)

    def load(self, progress: Progress | None = None, each: Each | None = None) -> Loaded:
        seen: list[Record] = []

        def watch(record: Record) -> None:
            seen.append(record)
            assert each is not None
            each(record)
            self.most_at_once = max(self.most_at_once, len(in_memory(seen)))

        return super().load(progress, watch)


@pytest.fixture
async def start(
    settings: Settings, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[StartBounded]:
    """Starts engines on one store, each in place of the one before; two closed in memory."""
    running: list[Engine] = []

    async def start(closed_in_memory_max: int = 2) -> Engine:
        while running:
            await running.pop().stop()
        chosen = settings.model_copy(update={"closed_in_memory_max": closed_in_memory_max})
        running.append(Engine(chosen, Disk(tmp_path / "store"), clock, Telemetry()))
        await running[0].start()
        return running[0]

    yield start
    while running:
        await running.pop().stop()


def disk(engine: Engine) -> Disk:
    assert isinstance(engine.journal, Disk)
    return engine.journal


async def do(engine: Engine, *commands: Command) -> None:
    for command in commands:
        await engine.submit(command, timeout_s=60)


async def five(engine: Engine) -> dict[str, bytes]:
    """Five closed positions, saved one after the other. Returns their bytes."""
    wires = {}
    for number in range(5):
        await do(engine, save(numbered(number)))
        wires[f"p{number}"] = record_in(engine, f"p{number}").wire
    return wires


def numbered(number: int, **changed: Any) -> Position:
    orders = (order(number),)
    return closed(f"p{number}", **{"orders": orders, **changed})


def record_in(engine: Engine, uuid: str) -> Record:
    return engine.book.positions.by_uuid[uuid]


def is_away(record: Record) -> bool:
    held: object = record.held
    return type(held) is Away


def in_memory(records: Any) -> list[str]:
    return [record.position_uuid for record in records if not is_away(record)]


def stands_in_memory(engine: Engine) -> list[str]:
    return sorted(in_memory(engine.book.positions.by_uuid.values()))


# ---------------------------------------------------------------- the bound


async def test_the_least_recently_used_go(start: StartBounded) -> None:
    """What was closed or read longest ago goes first; what is open never goes."""
    engine = await start()
    await do(engine, save(position("open", hotkey="other")))
    await five(engine)
    assert stands_in_memory(engine) == ["open", "p3", "p4"]

    await engine.archive.use(record_in(engine, "p0"))

    assert stands_in_memory(engine) == ["open", "p0", "p4"]


async def test_reads_by_clients_are_counted(start: StartBounded) -> None:
    """A hit for one in memory, a miss for one on disk; reads past the bound are neither."""
    engine = await start()
    wires = await five(engine)

    for uuid in ("p4", "p0", "p0", "p1"):
        assert await engine.archive.use(record_in(engine, uuid)) == wires[uuid]
    everyone = list(engine.book.positions.by_uuid.values())
    assert await engine.archive.run(lambda: [r.wire for r in everyone]) == list(wires.values())

    assert engine.archive.figures == {
        "closed_in_memory": 2,
        "closed_hits": 2,
        "closed_misses": 2,
        "closed_evictions": 3 + 2,
    }


async def test_without_a_bound_nothing_is_tracked(start_engine: StartEngine) -> None:
    """The default: every position stays whole, and there is nothing to tell."""
    engine = await start_engine()
    await five(engine)

    assert len(stands_in_memory(engine)) == 5
    assert engine.archive.figures == {}


@pytest.mark.parametrize("bound", [0, 2, 4])
async def test_a_start_never_holds_more_than_the_bound(start: StartBounded, bound: int) -> None:
    """While the store is read, bytes go as they come; what was first written last stays."""
    wires = await five(await start())
    engine = await start(closed_in_memory_max=bound)

    assert disk(engine).most_at_once == bound
    assert stands_in_memory(engine) == [f"p{n}" for n in range(5 - bound, 5)]
    assert {r.position_uuid: r.wire for r in engine.book.positions.by_uuid.values()} == wires

    assert await engine.reload() is False
    assert disk(engine).most_at_once == bound
    assert stands_in_memory(engine) == [f"p{n}" for n in range(5 - bound, 5)]


async def test_one_that_opens_again_stays_in_memory(start: StartBounded) -> None:
    """An open position has its bytes, wherever they were while it was closed."""
    engine = await start()
    await five(engine)
    await do(engine, save(position("p0")))
    await do(engine, save(numbered(5)), save(numbered(6)))

    assert stands_in_memory(engine) == ["p0", "p5", "p6"]


# ---------------------------------------------------------------- what is replaced or removed


@pytest.mark.parametrize(
    "command",
    [save(numbered(0, account_size=1)), save(position("p0")), Delete("hk", "p0")],
    ids=["saved over", "opened again", "deleted"],
)
async def test_an_old_record_can_be_read_for_ever(start: StartBounded, command: Command) -> None:
    """Whoever holds on to a record that a change replaces or removes, such as a listing, has its
    bytes as they were, though the store has others by now."""
    engine = await start()
    wires = await five(engine)
    old = record_in(engine, "p0")
    assert is_away(old)

    await do(engine, command)

    assert old.wire == wires["p0"]
    assert (await engine.verify())[1] == []


async def test_what_was_cleared_is_read_from_its_change(start: StartBounded) -> None:
    """After a clear, those that were on disk alone are read from the changes that made them; and
    where these are not kept any more, that is said."""
    engine = await start()
    wires = await five(engine)
    old = list(engine.book.positions.by_uuid.values())
    await do(engine, Clear("hk", 5))

    assert {r.position_uuid: r.wire for r in old} == wires
    assert engine.archive.figures["closed_in_memory"] == 0

    with _store(engine) as store:
        store.execute("DELETE FROM changes WHERE revision <= 5")
    assert in_memory(old) == ["p3", "p4"]
    for one in old[:3]:
        with pytest.raises(
            FellBehind, match=f"position {one.position_uuid} of hk is no longer in the store"
        ):
            await engine.archive.use(one)


async def test_what_is_taken_back_may_go_again(start: StartBounded) -> None:
    """A full disk, or a request that changes nothing in the end, leaves every position readable,
    and the bound in force."""
    engine = await start()
    wires = await five(engine)
    over = [save(numbered(n, account_size=1)) for n in range(5)]
    await do(engine, SaveMany(tuple(over), dry_run=True))
    assert len(stands_in_memory(engine)) == 2
    with pytest.raises(VersionConflict):
        await do(engine, SaveMany((*over, save(closed("p9"), expected_version=3)), True))
    assert len(stands_in_memory(engine)) == 2

    disk(engine).full = True
    for command in (*over, Delete("hk", "p1"), Clear("hk", 5)):
        with pytest.raises(DiskFull):
            await do(engine, command)
        assert len(stands_in_memory(engine)) <= 2
    disk(engine).full = False

    found = {r.position_uuid: r.wire for r in engine.book.positions.by_uuid.values()}
    assert found == wires
    assert (await engine.verify())[1] == []


async def test_what_was_never_written_cannot_go(start: StartBounded) -> None:
    """Of two versions in one batch the first is in no row; it stays whole while anybody has it,
    also where a later part of its request is taken back."""
    engine = await start()
    saves = [save(numbered(0, account_size=n)) for n in (1, 2)]
    twice = SaveMany((saves[0], saves[1], save(numbered(1)), save(numbered(2)), save(numbered(3))))
    over = tuple(save(numbered(n, account_size=3)) for n in range(4))
    again = SaveMany(over, dry_run=True)  # decided in the same batch
    waiting = [engine.enqueue(one, timeout_s=60) for one in (twice, again)]
    for one in waiting:
        await one

    changes = [change for commit in engine.feed.since(0) for change in commit.changes]
    assert [c.record.version for c in changes if c.record and c.key == "p0"] == [1, 2]
    assert changes[0].record is not None
    assert not is_away(changes[0].record)
    assert (await engine.verify())[1] == []


async def test_a_reader_that_comes_late_has_the_old_bytes(start: StartBounded) -> None:
    """A read that is on its way to the disk while the position is replaced ends with the bytes of
    the record that it was about."""
    engine = await start()
    wires = await five(engine)
    old = record_in(engine, "p0")
    disk(engine).gate.clear()
    disk(engine).arrived.clear()
    reading = asyncio.ensure_future(engine.archive.use(old))
    await asyncio.to_thread(disk(engine).arrived.wait, 10)

    await do(engine, save(numbered(0, account_size=1)))
    with _store(engine) as store:
        store.execute("DELETE FROM changes")
    disk(engine).gate.set()

    assert await reading == wires["p0"]
    assert record_in(engine, "p0").wire != wires["p0"]


# ---------------------------------------------------------------- listings


def lister(engine: Engine, settings: Settings, clock: FakeClock) -> Callable[..., Awaitable[Any]]:
    """Asks for pages of two of everything that "hk" has."""
    service = PositionsService(settings, engine, clock)

    async def page(token: str = "") -> pb.ListReply:
        asked = pb.ListRequest(hotkeys=["hk"], page_size=2, page_token=token)
        return pb.ListReply.FromString(await service.list(asked, None))  # type: ignore[arg-type]

    return page


async def test_a_listing_is_of_one_revision(
    start: StartBounded, settings: Settings, clock: FakeClock
) -> None:
    """Pages that are read after positions were replaced and cleared show what stood before."""
    engine = await start()
    wires = await five(engine)
    page = lister(engine, settings, clock)
    first = await page()
    await do(engine, save(numbered(2, account_size=1)), Delete("hk", "p3"), Clear("hk", 4))
    second = await page(first.next_page_token)
    third = await page(second.next_page_token)

    pages = [p.SerializeToString() for r in (first, second, third) for p in r.hotkeys[0].positions]
    assert pages == list(wires.values())


async def test_a_listing_that_was_cleared_begins_anew(
    start: StartBounded, settings: Settings, clock: FakeClock
) -> None:
    """Where what a page shows is nowhere any more, its reader is told to begin anew."""
    engine = await start()
    await five(engine)
    page = lister(engine, settings, clock)
    first = await page()
    await do(engine, Clear("hk", 5))
    with _store(engine) as store:
        store.execute("DELETE FROM changes WHERE revision <= 5")

    with pytest.raises(PageExpired, match="read again from the first page"):
        await page(first.next_page_token)


# ---------------------------------------------------------------- damage


def _store(engine: Engine) -> apsw.Connection:
    return apsw.Connection(str(disk(engine)._folder / STORE_NAME))


def _damage(engine: Engine, uuid: str) -> None:
    with _store(engine) as store:
        data = store.execute("SELECT record FROM positions WHERE position_uuid = ?", (uuid,)).get
        torn = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        store.execute("UPDATE positions SET record = ? WHERE position_uuid = ?", (torn, uuid))


async def test_damage_is_told_to_who_reads_it_alone(start: StartBounded) -> None:
    """A damaged row is named to its reader; all others are answered, and Verify names it."""
    engine = await start()
    wires = await five(engine)
    _damage(engine, "p0")

    with pytest.raises(Unreadable, match="position p0 of hk cannot be read") as caught:
        await engine.archive.use(record_in(engine, "p0"))
    assert caught.value.position_uuid == "p0"
    assert await engine.archive.use(record_in(engine, "p1")) == wires["p1"]
    await do(engine, save(numbered(5)))
    assert (await engine.verify())[1] == [
        "store: the store's row of position p0 differs from the book's"
    ]


@pytest.mark.parametrize("mend", ["reload", "save over", "delete"])
async def test_damage_is_mended_in_place(start: StartBounded, mend: str) -> None:
    """A reload sets it aside; it can be saved over and deleted, like any other."""
    engine = await start()
    await five(engine)
    _damage(engine, "p0")

    if mend == "reload":
        assert await engine.reload() is True
    else:
        await do(engine, save(numbered(0)) if mend == "save over" else Delete("hk", "p0"))

    assert (await engine.verify())[1] == []
    assert engine.quarantined == (mend == "reload")


async def test_a_disk_that_cannot_be_read_is_not_the_end(start: StartBounded) -> None:
    """A read that fails is told to its caller; nothing else stops."""
    engine = await start()
    await five(engine)
    disk(engine).unread = True

    with pytest.raises(Unreadable, match="input/output error"):
        await engine.archive.use(record_in(engine, "p0"))
    await do(engine, save(numbered(0)), save(numbered(5)), Delete("hk", "p1"))

    disk(engine).unread = False
    assert not engine.failure.done()
    assert (await engine.verify())[1] == []


async def test_totals_need_no_disk(start: StartBounded) -> None:
    """What closed legs have come to is at hand while their bytes are on disk alone: after a start,
    in a rebuild, and where the disk cannot be read at all."""
    engine = await start()
    for number in range(5):
        figures = {"campaign_id": "c1", "realized_pnl": Decimal(number)}
        await do(engine, save(numbered(number, **figures)))
    engine = await start()
    assert len(stands_in_memory(engine)) == 2
    disk(engine).unread = True

    assert await engine.rebuild() is False

    totals = engine.book.campaigns.legs_of("c1").totals("c1", None)
    assert (totals.closed_count, totals.realized_pnl) == (5, Decimal(10))
    assert len(stands_in_memory(engine)) == 2
    with pytest.raises(Unreadable):
        await engine.archive.use(record_in(engine, "p0"))


def _place(uuid: str) -> PlaceOrder:
    given = order(0, order_uuid=uuid, processed_ms=OPEN_MS)
    return PlaceOrder("hk", "BTCUSD", order_to_wire(given).SerializeToString(), "1000")


async def test_an_order_is_looked_for_without_the_disk(start: StartBounded) -> None:
    """An order that no position has is placed without a read; one that may stand in a position that
    cannot be read is refused, and the refusal is not remembered."""
    engine = await start()
    await five(engine)
    disk(engine).unread = True

    await do(engine, _place("another"))
    key = RequestKey("again", 1)
    with pytest.raises(Unreadable):
        await engine.submit(_place("order-0"), key, timeout_s=60)

    disk(engine).unread = False
    outcome: Any = await engine.submit(_place("order-0"), key, timeout_s=60)
    assert outcome.repeated


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8))
def test_a_quick_look_never_misses_an_order(uuids: list[str]) -> None:
    """Whether its bytes are here or away, a position may hold each order that it holds."""
    made = record(closed("p", orders=tuple(order(order_uuid=uuid) for uuid in uuids)))
    away = with_wire(made, made.wire)
    hold(away, Away.of(MemoryJournal(), made.wire))
    for uuid in uuids:
        assert may_hold(made, uuid.encode())
        assert may_hold(away, uuid.encode())
    if "never" not in uuids:
        assert not may_hold(away, b"never")


# ---------------------------------------------------------------- what is written


async def test_what_is_written_of_a_record_is_the_same(start: StartBounded) -> None:
    """On disk a record is its header and its bytes, never what stands in for them."""
    engine = await start()
    await five(engine)
    one = record_in(engine, "p0")
    assert is_away(one)

    assert encode_record(one) == encode_record(with_wire(one, one.wire))
    assert is_away(one)
