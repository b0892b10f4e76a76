"""The engine: batches, what readers see, what callers are told when something goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hotbook_server.commands import Clear, Delete, RefusedOutcome, SaveDone, SaveMany, SaveManyDone
from hotbook_server.engine import Engine
from hotbook_server.journal.base import Batch, DiskIsFull, JournalBroken
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.requests import RequestKey
from hotbook_shared.book import Book
from hotbook_shared.book.book import Cleared
from hotbook_shared.errors import (
    AlreadyOpen,
    DeadlineExceeded,
    DiskFull,
    JournalFailed,
    QueueFull,
    RequestReused,
    Unavailable,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, Record
from tests.conftest import FakeClock, StartEngine
from tests.make import campaign_record, closed, leg, mark_record, position, record, save


class GatedJournal(MemoryJournal):
    """A journal that waits at each commit until it is let through, or fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.arrived = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.batches: list[int] = []

    def append(self, batch: Batch) -> None:
        self.loop.call_soon_threadsafe(self.arrived.set)
        asyncio.run_coroutine_threadsafe(self.gate.wait(), self.loop).result()
        self.batches.append(len(batch.changes))
        if self.failure is not None:
            raise self.failure
        super().append(batch)


def begin(engine: Engine, command: Any, key: RequestKey | None = None) -> asyncio.Task[Any]:
    return asyncio.ensure_future(engine.submit(command, key, timeout_s=60))


async def test_readers_never_see_what_could_still_be_lost(start_engine: StartEngine) -> None:
    """Until the journal has a change, the book that readers see does not."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    saving = begin(engine, save(position("A")))
    await journal.arrived.wait()

    assert engine.book.positions.by_uuid == {}
    assert engine.book.revision == 0

    journal.gate.set()
    await saving
    assert engine.book.revision == 1


async def test_what_waits_during_a_commit_goes_into_the_next_together(
    start_engine: StartEngine,
) -> None:
    """However many wait, they share one commit; each gets its own answer."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    first = begin(engine, save(closed("first")))
    await journal.arrived.wait()
    others = [begin(engine, save(closed(f"p{number}"))) for number in range(50)]
    await asyncio.sleep(0)
    journal.gate.set()
    outcomes = await asyncio.gather(first, *others)

    assert journal.batches == [1, 50]
    assert sorted(outcome.revision for outcome in outcomes) == list(range(1, 52))


async def test_decisions_within_a_batch_see_each_other(start_engine: StartEngine) -> None:
    """Two that open the same pair in one batch: the second is refused, the first stands."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    blocker = begin(engine, save(closed("blocker")))
    await journal.arrived.wait()
    one, two = begin(engine, save(position("A"))), begin(engine, save(position("B")))
    await asyncio.sleep(0)
    journal.gate.set()
    await blocker

    assert (await one).version == 1
    with pytest.raises(AlreadyOpen):
        await two


async def test_a_refusal_is_answered_only_when_its_batch_is_on_disk(
    start_engine: StartEngine,
) -> None:
    """A refusal may rest on a change of its own batch: it must not be told before that is safe."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    opening, refused = begin(engine, save(position("A"))), begin(engine, save(position("B")))
    await journal.arrived.wait()

    assert not refused.done()

    journal.gate.set()
    await opening
    with pytest.raises(AlreadyOpen):
        await refused


async def test_a_full_disk_refuses_the_batch_and_nothing_else(start_engine: StartEngine) -> None:
    """Writes are refused with nothing changed, reads go on, and writes resume with the room."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    await engine.submit(save(position("A")), timeout_s=60)
    before = engine.book.digest
    journal.failure = DiskIsFull("full")
    failed = [
        begin(engine, save(closed("A")), RequestKey("r1", 1)),
        begin(engine, save(position("B"), replace_open=True)),
        begin(engine, Delete("hk", "A")),
    ]
    for one in failed:
        with pytest.raises(DiskFull):
            await one

    assert engine.book.digest == before
    assert (await engine.verify())[1] == []
    journal.failure = None
    again = await engine.submit(save(closed("A")), RequestKey("r1", 1), timeout_s=60)
    assert isinstance(again, SaveDone)
    assert again.version == 2, "the refused request had no effect and was not remembered"


async def test_a_broken_journal_ends_all_acknowledgement(start_engine: StartEngine) -> None:
    """At the first failure those in flight are told so, and every later write as well."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    await engine.submit(save(position("A")), timeout_s=60)
    journal.gate.clear()
    journal.failure = JournalBroken("input/output error")
    flying = begin(engine, save(closed("A")))
    await asyncio.sleep(0)
    waiting = begin(engine, save(closed("B")))
    await asyncio.sleep(0)
    journal.gate.set()
    for one in (flying, waiting):
        with pytest.raises(JournalFailed):
            await one

    assert engine.failure.done()
    assert engine.state == "failed"
    with pytest.raises(JournalFailed):
        await engine.submit(save(closed("C")), timeout_s=60)
    opened = engine.book.positions.open_on_pair("hk", "BTCUSD")
    assert opened is not None, "readers still see what was acknowledged, and nothing more"


async def test_the_queue_is_bounded_in_number_and_bytes(start_engine: StartEngine) -> None:
    """Beyond the limits a write is refused at once; what was accepted is not disturbed."""
    journal = GatedJournal()
    engine = await start_engine(journal, queue_depth_max=2, queue_max_bytes=2_000)
    journal.gate.clear()
    flying = begin(engine, save(closed("flying")))
    await journal.arrived.wait()
    accepted = [engine.enqueue(save(closed(f"p{n}")), timeout_s=60, size=900) for n in range(2)]

    with pytest.raises(QueueFull):
        engine.enqueue(save(closed("too many")), timeout_s=60)
    journal.gate.set()
    await flying
    await asyncio.gather(*accepted)
    journal.gate.clear()
    journal.arrived.clear()
    alone = engine.enqueue(save(closed("large, alone")), timeout_s=60, size=2_001)
    await journal.arrived.wait()
    beside = engine.enqueue(save(closed("beside")), timeout_s=60, size=1_999)
    with pytest.raises(QueueFull):
        engine.enqueue(save(closed("too large")), timeout_s=60, size=2)
    journal.gate.set()
    await asyncio.gather(alone, beside)

    assert len(engine.book.positions.by_uuid) == 5


async def test_a_command_that_is_late_or_abandoned_changes_nothing(
    start_engine: StartEngine, clock: FakeClock
) -> None:
    """Before the commit begins, time and interest are looked at once more; after it, never."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    flying = begin(engine, save(closed("flying")))
    await journal.arrived.wait()
    late = asyncio.ensure_future(engine.submit(save(closed("late")), timeout_s=1))
    abandoned = begin(engine, save(closed("abandoned")))
    await asyncio.sleep(0)
    abandoned.cancel()
    clock.move(2_000)
    journal.gate.set()
    await flying
    with pytest.raises(DeadlineExceeded):
        await late

    assert set(engine.book.positions.by_uuid) == {"flying"}


async def test_one_request_in_flight_twice_has_one_effect(start_engine: StartEngine) -> None:
    """A repeat that overtakes the answer waits for the same outcome; another body is refused."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    one = begin(engine, save(closed("A")), RequestKey("r", 1))
    await journal.arrived.wait()
    two = begin(engine, save(closed("A")), RequestKey("r", 1))
    with pytest.raises(RequestReused):
        await begin(engine, save(closed("B")), RequestKey("r", 2))
    journal.gate.set()

    assert await one == await two
    assert await begin(engine, save(closed("A")), RequestKey("r", 1)) == await one
    assert engine.book.revision == 1


async def test_stopping_answers_what_was_accepted_and_refuses_the_rest(
    start_engine: StartEngine,
) -> None:
    """A drain loses nothing that was accepted."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.gate.clear()
    accepted = [begin(engine, save(closed(f"p{number}"))) for number in range(5)]
    await journal.arrived.wait()
    engine.refuse_new_work()

    with pytest.raises(Unavailable):
        await engine.submit(save(closed("late")), timeout_s=60)
    journal.gate.set()
    assert len(await asyncio.gather(*accepted)) == 5


async def test_save_many_all_or_nothing(engine: Engine) -> None:
    """The first refusal names its item and takes everything of the request back."""
    await engine.submit(save(position("A")), timeout_s=60)
    before = engine.book.digest
    batch = (save(closed("B")), save(closed("A")), save(position("C")), save(position("D")))

    with pytest.raises(AlreadyOpen) as refused:
        await engine.submit(SaveMany(batch, all_or_nothing=True), timeout_s=60)

    assert refused.value.details["item"] == "3"
    assert refused.value.open_uuid == "C"
    assert engine.book.digest == before
    assert (await engine.verify())[1] == []


async def test_save_many_each_on_its_own(engine: Engine) -> None:
    """A refusal is an answer among the others, which stand."""
    batch = (save(position("A")), save(position("B")), save(closed("A")), save(position("B")))

    done = await engine.submit(SaveMany(batch), timeout_s=60)

    assert isinstance(done, SaveManyDone)
    kinds = [type(outcome) for outcome in done.outcomes]
    assert kinds == [SaveDone, RefusedOutcome, SaveDone, SaveDone]
    assert done.revision == 3
    assert (await engine.verify())[1] == []


STEPS = ["decided", "journaled", "applied", "answered"]


async def test_the_steps_of_a_write_come_in_order(start_engine: StartEngine) -> None:
    """Decide, journal, apply, answer: never another order."""
    seen: list[str] = []
    engine = await start_engine(on_step=seen.append)

    await engine.submit(save(position("A")), timeout_s=60)

    assert seen == STEPS


def harm_index(engine: Engine) -> None:
    del engine.book.positions.open_by_pair["hk"]


def harm_count(engine: Engine) -> None:
    engine.book.positions.open_count = 7


def harm_truth(engine: Engine) -> None:
    engine.book.positions.put("A", None)


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        (harm_index, "rebuild"),
        (harm_count, "rebuild"),
        (harm_index, "reload"),
        (harm_truth, "reload"),
    ],
)
async def test_rebuild_and_reload_mend_what_verify_finds(
    engine: Engine, harm: Callable[[Engine], None], mend: str
) -> None:
    """Rebuild mends the indexes from the truth, Reload the truth from disk; both say so."""
    await engine.submit(save(position("A")), timeout_s=60)
    harm(engine)
    assert (await engine.verify())[1]

    assert await getattr(engine, mend)() is True

    assert (await engine.verify())[1] == []
    assert await getattr(engine, mend)() is False


HARMS_BESIDE: list[tuple[Callable[[Book], object], str]] = [
    (lambda book: book.campaigns.deadlines.put(book.campaigns.by_id["c1"], None), "rebuild"),
    (lambda book: book.campaigns.legs.clear(), "rebuild"),
    (lambda book: setattr(book.marks, "digest", 1), "rebuild"),
    (lambda book: book.campaigns.put("c1", None), "reload"),
    (lambda book: book.marks.put("BTCUSD", None), "reload"),
    (lambda book: book.campaigns.legs.clear(), "reload"),
]


@pytest.mark.parametrize(("harm", "mend"), HARMS_BESIDE)
async def test_campaigns_and_marks_are_mended_as_positions_are(
    start_engine: StartEngine, harm: Callable[[Book], object], mend: str
) -> None:
    """Verify, Rebuild and Reload are about all that the book holds; so is a start."""
    journal = MemoryJournal()
    changes = [
        Change.campaign_saved(campaign_record("c1", 1)),
        Change.saved(record(leg("L"), 1, 2)),
        Change.marked(mark_record("BTCUSD", 3)),
    ]
    journal.append(Batch(changes, [], at_ms=1))
    engine = await start_engine(journal)
    assert (await engine.verify())[1] == []
    before = engine.book.digest

    harm(engine.book)
    assert (await engine.verify())[1]
    assert await getattr(engine, mend)() is True

    assert (await engine.verify())[1] == []
    assert await getattr(engine, mend)() is False
    assert (engine.book.digest, engine.book.revision) == (before, 3)
    assert (set(engine.book.campaigns.by_id), set(engine.book.marks.by_pair)) == (
        {"c1"},
        {"BTCUSD"},
    )


@pytest.mark.parametrize(
    "harm",
    [
        lambda book: book.campaigns.put("c1", campaign_record("c1", 1)),
        lambda book: book.marks.put("BTCUSD", mark_record("BTCUSD", 1)),
    ],
)
async def test_a_book_ahead_that_differs_is_found(
    engine: Engine, harm: Callable[[Book], object]
) -> None:
    """Between two batches both books are the same, campaigns and marks included."""
    harm(engine._ahead)

    assert (await engine.verify())[1] == [
        "index: the book ahead differs from the book between two batches"
    ]


async def test_a_wrong_digest_that_was_mended_is_told_no_more(engine: Engine) -> None:
    """After a rebuild watchers hear the right digest, and what was told before is not told again:
    else each replica would fill itself anew, again and again."""
    revision = (await engine.submit(save(closed("A")), timeout_s=60)).revision
    engine.book.positions.digest += 1
    await engine.submit(save(closed("B")), timeout_s=60)

    assert await engine.rebuild() is True

    told = pb.WatchFrame.FromString(engine.feed.heartbeat())
    assert told.digest == Book(engine.book.positions.by_uuid.values()).digest
    assert engine.feed.seek(revision) is None, "the commit with the wrong digest"


async def test_a_disk_that_fails_under_a_reload_ends_acknowledgement(
    start_engine: StartEngine,
) -> None:
    """The first failure counts wherever it comes up, not under a write alone."""
    journal = GatedJournal()
    engine = await start_engine(journal)

    def fail(progress: object = None, each: object = None) -> Any:
        raise JournalBroken("input/output error")

    journal.load = fail  # type: ignore[method-assign]
    with pytest.raises(JournalFailed):
        await engine.reload()

    assert engine.failure.done()
    with pytest.raises(JournalFailed):
        await engine.submit(save(closed("A")), timeout_s=60)


async def test_a_verify_whose_caller_leaves_does_no_harm(engine: Engine) -> None:
    """What a verify holds is let go where it is used, whoever waits for it."""
    await engine.submit(save(position("A")), timeout_s=60)
    leaving = asyncio.ensure_future(engine.verify())
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await engine.verify())[1] == []


@pytest.mark.parametrize("key", ["", "hk"])
async def test_what_was_cleared_is_freed_on_a_thread(start_engine: StartEngine, key: str) -> None:
    """Whoever asked has the answer before; what the two books held is let go beside the loop, and
    what was saved in the same batch stands."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    await engine.submit(SaveMany((save(closed("A")), save(closed("B", hotkey="other")))),
                        timeout_s=60)  # fmt: skip
    freed: list[tuple[threading.Thread, list[Record]]] = []
    let_go = Cleared.let_go
    journal.gate.clear()
    journal.arrived.clear()
    first = begin(engine, save(closed("C")))
    await journal.arrived.wait()
    batch = [begin(engine, one) for one in (Clear(key, 2 + (not key)), save(closed("D")),
                                            Clear(key, 1), save(closed("E")))]  # fmt: skip
    journal.gate.set()

    def seen(one: Cleared) -> None:
        freed.append((threading.current_thread(), list(one.positions)))
        let_go(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cleared, "let_go", seen)
        await asyncio.gather(first, *batch)
        await asyncio.get_running_loop().shutdown_default_executor()

    assert threading.main_thread() not in {thread for thread, _ in freed}
    names = [sorted(record.position_uuid for record in held) for _, held in freed]
    gone = ["A", "C"] if key else ["A", "B", "C"]
    assert sorted(names) == sorted([gone, gone, ["D"], ["D"]])
    assert set(engine.book.positions.by_uuid) == ({"B", "E"} if key else {"E"})
    assert not list(engine.book.problems())
