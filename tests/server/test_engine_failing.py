"""The engine where something fails beneath it: every caller is told, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from hotbook_server import draft
from hotbook_server import engine as engine_module
from hotbook_server.commands import Delete, Save, SaveDone, SaveMany
from hotbook_server.engine import Engine
from hotbook_server.journal.base import Batch, JournalBroken
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.requests import RequestKey
from hotbook_server.rpc.pipelined import begin as begin_when_there_is_room
from hotbook_server.rules.positions import decide_save
from hotbook_server.splitter import Splitter
from hotbook_shared.book import Book
from hotbook_shared.errors import InternalError, JournalFailed
from hotbook_shared.model import Durability
from hotbook_shared.record import Change
from tests.conftest import StartEngine
from tests.make import closed, leg, position, save
from tests.server.test_engine import GatedJournal, begin
from tests.server.test_splitter import LAST_OPEN, traded

PATIENCE_S = 20.0


class FlushFails(MemoryJournal):
    """A journal whose first flush fails, once it is let through; what comes after it fails too,
    or seems to succeed."""

    def __init__(self, *, appends_fail: bool) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.flushing = asyncio.Event()
        self.gate = threading.Event()
        self._appends_fail = appends_fail
        self._is_broken = False

    def flush(self) -> None:
        self.loop.call_soon_threadsafe(self.flushing.set)
        assert self.gate.wait(PATIENCE_S)
        self._is_broken = True
        raise JournalBroken("the sync has failed")

    def append(self, batch: Batch) -> None:
        if self._is_broken and self._appends_fail:
            raise JournalBroken("input/output error")
        super().append(batch)


@pytest.mark.parametrize("appends_fail", [True, False])
async def test_a_batch_behind_a_failed_flush_is_told_so(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch, appends_fail: bool
) -> None:
    """Relaxed mode: a batch that waits for the disk while a flush fails is never acknowledged,
    whether its own write succeeds or not; and it is not left without an answer."""
    monkeypatch.setattr(engine_module, "FLUSH_S", 0.001)
    journal = FlushFails(appends_fail=appends_fail)
    decided = asyncio.Event()
    engine = await start_engine(
        journal,
        lambda step: decided.set() if step == "decided" else None,
        durability=Durability.RELAXED,
    )
    await engine.submit(save(closed("A")), timeout_s=60)
    await journal.flushing.wait()
    decided.clear()
    flying = begin(engine, save(closed("B")))
    await decided.wait()
    journal.gate.set()

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(JournalFailed):
            await flying
    assert set(engine.book.positions.by_uuid) == {"A"}, "readers never saw the other"


async def test_who_waits_for_room_is_told_that_the_journal_has_failed(
    start_engine: StartEngine,
) -> None:
    """There will be no room any more: a stream that waits for it ends, as every other write."""
    journal = GatedJournal()
    engine = await start_engine(journal, queue_depth_max=1)
    journal.gate.clear()
    journal.failure = JournalBroken("input/output error")
    flying = begin(engine, save(closed("flying")))
    await journal.arrived.wait()
    queued = begin(engine, save(closed("queued")))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(
        begin_when_there_is_room(engine, save(closed("waiting")), None, 60, 1)
    )
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.gate.set()

    async with asyncio.timeout(PATIENCE_S):
        for one in (flying, queued, waiting):
            with pytest.raises(JournalFailed):
                await one


async def test_splitting_the_book_ends_with_the_journal(start_engine: StartEngine) -> None:
    """More needs splitting than may wait, and the disk fails: that ends it, and no position is
    told as refused."""
    journal = GatedJournal()
    engine = await start_engine(journal, queue_depth_max=2)
    for number in range(20):
        needy = traded(f"u{number}", LAST_OPEN, hotkey=f"hk{number}")
        await engine.submit(save(needy), timeout_s=60)
    journal.failure = JournalBroken("input/output error")

    async def split_all() -> None:
        async for step in Splitter(engine).split_all():
            assert not step.refused

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(JournalFailed):
            await split_all()


# -------------------------------------------------------------------- a bug of ours


class Bug(Exception):
    """What nobody expected."""


def fails_on(uuid: str) -> Any:
    def decide(ahead: Book, command: Save, now_ms: int) -> Any:
        if command.position_uuid == uuid:
            raise Bug
        return decide_save(ahead, command, now_ms)

    return decide


async def test_a_bug_in_a_rule_costs_the_command_that_met_it(
    start_engine: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One caller is told INTERNAL and the log has the traceback; others of the same batch stand."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    monkeypatch.setattr(draft, "decide_save", fails_on("met"))
    journal.gate.clear()
    first = begin(engine, save(closed("first")))
    await journal.arrived.wait()
    before, met, after = (begin(engine, save(closed(u))) for u in ("before", "met", "after"))
    await asyncio.sleep(0)
    with capture_logs() as logs:
        journal.gate.set()
        with pytest.raises(InternalError, match="nothing changed"):
            await met
        await asyncio.gather(first, before, after)

    assert [type(one["exc_info"]) for one in logs if one["log_level"] == "error"] == [Bug]
    assert set(engine.book.positions.by_uuid) == {"first", "before", "after"}
    assert engine.state == "serving"
    assert (await engine.verify())[1] == []


async def test_what_a_command_did_before_it_met_a_bug_is_taken_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book ahead is exactly as before, legs and all; and the request is not remembered: sent
    again to a server without the bug, it has its effect."""
    opened = position("A", net_leverage=Decimal(1))
    await engine.submit(save(opened), timeout_s=60)
    ahead = engine._ahead.digest, engine._ahead.revision
    many = SaveMany(tuple(map(save, (closed("A"), leg("L"), position("B"), closed("met")))))
    with monkeypatch.context() as patched:
        patched.setattr(draft, "decide_save", fails_on("met"))
        with pytest.raises(InternalError):
            await engine.submit(many, RequestKey("r", 1), timeout_s=60)

    assert (engine._ahead.digest, engine._ahead.revision) == ahead
    assert (await engine.verify())[1] == []
    done = await engine.submit(many, RequestKey("r", 1), timeout_s=60)
    assert engine.book.revision > ahead[1]
    assert set(engine.book.positions.by_uuid) == {"A", "L", "B", "met"}
    assert done == await engine.submit(many, RequestKey("r", 1), timeout_s=60), "now it is kept"


async def test_a_book_that_took_a_change_in_part_ends_acknowledgement(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what the book ahead holds then, so nothing is decided by it any more."""
    await engine.submit(save(position("A")), timeout_s=60)

    def in_part(book: Book, change: Change) -> Any:
        book.revision = change.revision
        raise Bug

    monkeypatch.setattr(Book, "apply", in_part)
    with pytest.raises(JournalFailed):
        await engine.submit(Delete("hk", "A"), timeout_s=60)

    assert engine.state == "failed"


# -------------------------------------------------------------------- turns


async def test_a_turn_whose_caller_has_left_is_not_taken(start_engine: StartEngine) -> None:
    """An operation that nobody waits for any more holds up no write; the next one is taken."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    taken: list[str] = []

    async def act(name: str) -> None:
        taken.append(name)

    journal.gate.clear()
    flying = begin(engine, save(closed("flying")))
    await journal.arrived.wait()
    left = asyncio.ensure_future(engine.in_turn(lambda: act("left")))
    stays = asyncio.ensure_future(engine.in_turn(lambda: act("stays")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait((left,))
    journal.gate.set()
    await stays

    assert isinstance(await flying, SaveDone)
    assert taken == ["stays"]


async def test_a_caller_who_leaves_during_a_turn_does_no_harm(start_engine: StartEngine) -> None:
    """What has begun is brought to its end, and writing goes on."""
    engine = await start_engine()
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def act() -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    leaving = asyncio.ensure_future(engine.in_turn(act))
    await begun.wait()
    leaving.cancel()
    await asyncio.wait((leaving,))
    go_on.set()

    async with asyncio.timeout(PATIENCE_S):
        await engine.submit(save(closed("A")), timeout_s=60)
    assert ended.is_set()
