"""The splitter over an engine, and a server that splits on load."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook import HotbookError, Order, Position, Side, Split, SplitStats, Status
from hotbook.testing import server
from hotbook_server.engine import Engine
from hotbook_server.splitter import Splitter, Step
from hotbook_shared import splitting
from hotbook_shared.fills import filled
from hotbook_shared.pairs import known_pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire
from tests.client.test_retry import ServerProcess, served
from tests.make import CLOSE_MS, NOW_MS, OPEN_MS, content, save

LONG, SHORT, FLAT = Side.LONG, Side.SHORT, Side.FLAT
TWO_CLOSED = (LONG, FLAT, SHORT, FLAT)
LAST_OPEN = (LONG, SHORT, LONG)


def traded(uuid: str, sides: tuple[Side, ...], **changed: object) -> Position:
    """Closed, with an order of 0.1 for each side: uuid-0, uuid-1 and so on."""
    orders = tuple(
        Order(
            order_uuid=f"{uuid}-{number}",
            type=side,
            processed_ms=OPEN_MS + number,
            leverage=None if side is FLAT else Decimal("0.1"),
            price=Decimal(100 + number),
        )
        for number, side in enumerate(sides)
    )
    fields: dict[str, object] = {
        "hotkey": "hk",
        "position_uuid": uuid,
        "trade_pair": "BTCUSD",
        "open_ms": OPEN_MS,
        "close_ms": CLOSE_MS,
        "orders": orders,
        "account_size": Decimal(100_000),
    }
    return Position(**fields | changed)  # type: ignore[arg-type]


def parts_of(whole: Position) -> list[Position]:
    return splitting.split(whole, known_pairs().of(whole.trade_pair))


async def fill(engine: Engine, *stands: Position) -> None:
    for made in stands:
        await engine.submit(save(made), timeout_s=10)


def book_of(engine: Engine) -> dict[str, Position]:
    held = engine.book.positions.by_uuid
    return {
        uuid: content(position_from_wire(pb.Position.FromString(record.wire)))
        for uuid, record in held.items()
    }


async def split_all(engine: Engine, *, dry_run: bool = False) -> list[Step]:
    return [step async for step in Splitter(engine).split_all(dry_run=dry_run)]


async def check_refused(engine: Engine, *uuids: str) -> None:
    """These are told as refused, and the book stays as it is."""
    before, revision = book_of(engine), engine.book.revision
    steps = await split_all(engine)
    refused = [(r.position_uuid, error.code) for step in steps for r, error in step.refused]
    assert sorted(refused) == [(uuid, "SPLIT_CONFLICT") for uuid in uuids]
    assert not any(step.splits for step in steps)
    assert (book_of(engine), engine.book.revision) == (before, revision)


async def test_it_splits_what_needs_it_and_nothing_else(engine: Engine) -> None:
    """Every part is what fills makes of its orders; legs and whole positions stay untouched."""
    whole = traded("A", TWO_CLOSED, extra={"note": 1})
    one, leg = traded("B", (LONG, SHORT, FLAT)), traded("L", TWO_CLOSED, campaign_id="c1")
    await fill(engine, whole, one, leg)

    steps = await split_all(engine)

    made = [split for step in steps for split in step.splits]
    assert [split.parts for split in made] == [("A", "A-2")]
    assert book_of(engine) == {p.position_uuid: p for p in (*parts_of(whole), one, leg)}
    assert not (await engine.verify())[1]


async def test_again_it_changes_nothing(engine: Engine) -> None:
    """Splitting is done once: the second time finds nothing, and the revision stays."""
    await fill(engine, traded("A", TWO_CLOSED), traded("B", LAST_OPEN))
    await split_all(engine)
    revision = engine.book.revision

    steps = await split_all(engine)

    assert not any(step.splits or step.refused for step in steps)
    assert engine.book.revision == revision


async def test_a_dry_run_tells_and_changes_nothing(engine: Engine) -> None:
    """What a dry run tells is what splitting then does."""
    await fill(engine, traded("A", TWO_CLOSED), traded("B", (LONG, SHORT, SHORT, FLAT)))
    revision = engine.book.revision

    told = [split for step in await split_all(engine, dry_run=True) for split in step.splits]

    assert engine.book.revision == revision
    made = [split for step in await split_all(engine) for split in step.splits]
    assert [(s.parts, s.closed_by_flat, s.closed_by_net) for s in told] == [
        (s.parts, s.closed_by_flat, s.closed_by_net) for s in made
    ]


async def test_what_stood_in_the_way_may_be_split_meanwhile(engine: Engine) -> None:
    """A's last part would be open beside B; B is split after it, and A is tried once more."""
    first = traded("A", LAST_OPEN)
    second = traded("B", TWO_CLOSED, close_ms=None)
    await fill(engine, first, second)

    steps = await split_all(engine)

    assert not any(step.refused for step in steps)
    assert book_of(engine) == {p.position_uuid: p for p in (*parts_of(first), *parts_of(second))}


@pytest.mark.parametrize("more", [0, 1])
async def test_a_part_that_stands_with_as_much_or_more_is_kept(engine: Engine, more: int) -> None:
    """A child that has gone on since is never overwritten: it is told as kept."""
    whole = traded("A", LAST_OPEN)
    child = parts_of(whole)[1]
    later = traded("later", (LONG,) * more).orders
    child = content(traded("A-2", (), orders=(*child.orders, *later), extra={"newer": True}))
    await fill(engine, whole, child)

    made = [split for step in await split_all(engine) for split in step.splits]

    assert [(split.parts, split.kept) for split in made] == [(("A", "A-2"), ("A-2",))]
    assert book_of(engine) == {"A": parts_of(whole)[0], "A-2": child}


async def test_a_part_that_stands_with_less_is_completed(engine: Engine) -> None:
    """A child left behind by an older run has the first of its orders: it gets them all."""
    whole = traded("A", TWO_CLOSED)
    parts = parts_of(whole)
    behind = traded("A-2", (), orders=parts[1].orders[:1])
    await fill(engine, whole, behind)

    await split_all(engine)

    assert book_of(engine) == {part.position_uuid: part for part in parts}
    assert engine.book.positions.by_uuid["A-2"].version == 2


async def test_a_part_that_is_completed_keeps_what_it_has_beside(engine: Engine) -> None:
    """Its own fields stay, and its figures are what its orders amount to in its own account."""
    whole = traded("A", TWO_CLOSED)
    behind = traded(
        "A-2", (), orders=whole.orders[2:3], account_size=Decimal(50_000), extra={"note": 1}
    )
    await fill(engine, whole, behind)

    await split_all(engine)

    found = book_of(engine)["A-2"]
    assert (found.extra, found.account_size) == (behind.extra, behind.account_size)
    assert found == filled(found, known_pairs().of("BTCUSD"))


IN_THE_WAY = {
    "other orders": traded("A-2", (LONG,)),
    "of another hotkey": traded("A-2", (), orders=traded("A", TWO_CLOSED).orders[2:], hotkey="no"),
    "of another pair": traded("A-2", (), orders=traded("A", TWO_CLOSED).orders[2:],
                              trade_pair="ETHUSD"),
}  # fmt: skip


@pytest.mark.parametrize("child", IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_a_part_that_stands_as_another_is_a_conflict(engine: Engine, child: Position) -> None:
    """Nobody can say which is right, so neither changes."""
    await fill(engine, traded("A", TWO_CLOSED), child)
    await check_refused(engine, "A")


async def test_a_leg_that_stands_where_a_part_goes_is_a_conflict(engine: Engine) -> None:
    """A campaign's leg never becomes an ordinary position by a split of another."""
    whole = traded("A", TWO_CLOSED)
    await fill(engine, whole, traded("A-2", (), orders=whole.orders[2:3], campaign_id="c1"))
    await check_refused(engine, "A")


async def test_two_open_positions_on_a_pair_are_a_conflict(engine: Engine) -> None:
    """The last part would be open beside what is open: the whole stays as it is."""
    await fill(engine, traded("A", LAST_OPEN), traded("B", (LONG,), close_ms=None))
    await check_refused(engine, "A")


async def test_parts_of_one_name_are_a_conflict(engine: Engine) -> None:
    """Two parts whose first orders share a uuid cannot both be saved under it."""
    whole = traded("A", (LONG, FLAT, LONG, FLAT, LONG, FLAT))
    orders = [*whole.orders]
    orders[4] = Order(order_uuid="A-2", type=LONG, processed_ms=NOW_MS, leverage=Decimal("0.1"))
    await fill(engine, traded("A", (), orders=tuple(orders)))
    await check_refused(engine, "A")


async def test_more_than_is_looked_at_once(engine: Engine) -> None:
    """Steps tell how far it is, up to the end, and each position is split once."""
    await fill(engine, *(traded(f"p{n}", TWO_CLOSED, hotkey=f"hk{n}") for n in range(1_100)))

    steps = await split_all(engine)

    assert [(step.done, step.total) for step in steps] == [
        (500, 1_100), (1_000, 1_100), (1_100, 1_100), (1_100, 1_100)
    ]  # fmt: skip
    assert [len(step.splits) for step in steps] == [500, 500, 100, 0]
    assert len(engine.book.positions.by_uuid) == 2_200


# -------------------------------------------------------------------- on load

NEEDY = [traded(f"p{n}", TWO_CLOSED, hotkey=f"hk{n % 3}") for n in range(30)]
BLOCKED = traded("blocked", TWO_CLOSED)
STRANGER = traded("blocked-2", (LONG, LONG))
QUIET = traded("quiet", (LONG, SHORT))


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that splits on load, not yet in its second life: the first one has filled it."""
    folder = tmp_path / "served"
    first = server(durability="fsync", data_dir=folder / "data")
    with first as target, hotbook.connect(target) as book:
        answers = book.save_many([*NEEDY, BLOCKED, STRANGER, QUIET])
        assert not [one for one in answers if isinstance(one, HotbookError)]
    with served(folder, split_on_load=True) as made:
        yield made


@contextlib.contextmanager
def next_life(process: ServerProcess, **settings: object) -> Iterator[ServerProcess]:
    """A server over the same folder that also splits on load, with other settings."""
    made = ServerProcess(process.log.parent, split_on_load=True, **settings)
    try:
        made.start()
        yield made
    finally:
        made.kill()


def test_the_first_read_after_a_start_is_right(process: ServerProcess) -> None:
    """Nobody sees a whole: parts stand from the first answer on, and the statistics say so."""
    with hotbook.connect(process.target) as book:
        stands = {p.position_uuid: content(p) for p in book.book()}
        due = [part for whole in NEEDY for part in parts_of(whole)]
        assert stands == {p.position_uuid: p for p in (*due, BLOCKED, STRANGER, QUIET)}
        found = book.split_stats("hk0")
        assert (found.positions, found.parts, found.closed_by_flat) == (10, 20, 10)
        assert book.split_stats("hk") == SplitStats()
        assert book.verify().ok


def test_another_start_changes_nothing(process: ServerProcess) -> None:
    """Same revision, same book, and nothing was split."""
    before = status_of(process)
    process.kill()
    process.start()
    after = status_of(process)

    assert (after.revision, after.digest) == (before.revision, before.digest)
    with hotbook.connect(process.target) as book:
        assert book.split_stats("hk0") == SplitStats()


def test_more_needs_it_than_may_wait(process: ServerProcess) -> None:
    """A queue that is shorter than what needs splitting delays it, and no more than that."""
    with hotbook.connect(process.target) as book:
        for whole in NEEDY:  # whole again; the parts stand beside
            book.save(whole)
    process.kill()
    with next_life(process, queue_depth_max=4) as short:
        book = hotbook.connect(short.target)
        for whole in NEEDY:
            found = book.get(whole.hotkey, whole.position_uuid)
            assert found is not None
            assert content(found) == parts_of(whole)[0]
        book.close()


def test_a_full_disk_leaves_positions_whole_and_serves(process: ServerProcess) -> None:
    """Splitting is refused like every write, the log has it, and reads go on."""
    with hotbook.connect(process.target) as book:
        book.save(NEEDY[0])
    process.kill()
    with next_life(process, disk_free_min_bytes=2**62) as full:
        book = hotbook.connect(full.target)
        found = book.get(NEEDY[0].hotkey, NEEDY[0].position_uuid)
        assert found is not None
        assert content(found) == NEEDY[0]
        book.close()
        assert f'"position": "{NEEDY[0].position_uuid}"' in full.log.read_text()


def test_a_conflict_is_in_the_log_at_each_start(process: ServerProcess) -> None:
    """The whole stays, the reason is told, and splitting works once the way is free."""
    reason = "a part of blocked of hk would be blocked-2"
    assert process.log.read_text().count(reason) == 1
    with hotbook.connect(process.target) as book:
        [refused] = book.split_all()
        assert isinstance(refused, hotbook.SplitConflict)
        assert book.delete("hk", "blocked-2")
    process.kill()
    process.start()

    assert process.log.read_text().count(reason) == 1
    with hotbook.connect(process.target) as book:
        assert [content(p) for p in book.positions("hk") if p.position_uuid != "quiet"] == (
            parts_of(BLOCKED)
        )
        assert isinstance(book.split("hk", "blocked"), Split)


def status_of(process: ServerProcess) -> Status:
    with hotbook.connect(process.target) as book:
        return book.status()
