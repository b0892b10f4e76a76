"""The model test: random commands against the engine and against a list, compared after each.

The engine is the real one over a real SQLite store. Among the commands are restarts, and kills at
every step of the write path: the store's files are taken as they stand at that instant, which is
what `kill -9` leaves, and a new engine starts on them.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hotbook import Position
from hotbook_server.commands import (
    AnyOutcome,
    Clear,
    Command,
    Delete,
    DeleteDone,
    RefusedOutcome,
    SaveDone,
    SaveMany,
    SaveManyDone,
)
from hotbook_server.config import load_settings
from hotbook_server.engine import Engine
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import LOCK_NAME
from hotbook_server.requests import RequestKey
from hotbook_server.telemetry import Telemetry
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire
from tests.conftest import FakeClock
from tests.make import CLOSE_MS, OPEN_MS, content, order, position, save
from tests.model.naive import NaiveBook

HOTKEYS = ("ann", "bob")
PAIRS = ("BTCUSD", "ETHUSD")
UUIDS = ("u1", "u2", "u3", "u4", "u5")
BEFORE_COMMIT = ("decided", "journal begun", "journal written")
AFTER_COMMIT = ("journaled", "applied", "answered")

positions = st.builds(
    lambda uuid, hotkey, pair, closed_after, campaign, opened, orders: position(
        uuid,
        hotkey=hotkey,
        trade_pair=pair,
        open_ms=OPEN_MS + opened,
        close_ms=None if closed_after is None else CLOSE_MS + closed_after,
        campaign_id=campaign,
        orders=tuple(order(n) for n in range(orders)),
    ),
    st.sampled_from(UUIDS),
    st.sampled_from(HOTKEYS),
    st.sampled_from(PAIRS),
    st.sampled_from([None, None, 0, 1]),
    st.sampled_from([None, None, None, "c1"]),
    st.integers(0, 2),
    st.integers(0, 2),
)
expected_versions = st.sampled_from([None, None, None, 0, 1, 2])


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the engine runs after it."""


class BookMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="hotbook-model-"))
        self.lives = 0
        self.clock = FakeClock()
        self.naive = NaiveBook()
        self.kill_at: str | None = None
        self.asked: list[tuple[Command, RequestKey, AnyOutcome]] = []
        self.requests = 0
        self.open_engine()

    def open_engine(self) -> None:
        async def start() -> Engine:
            config = load_settings(data_dir=self.folder, batch_wait_ms=0)
            journal = SqliteJournal(self.folder, on_step=self.on_step)
            engine = Engine(config, journal, self.clock, Telemetry(), self.on_step)
            await engine.start()
            return engine

        self.engine = self.loop.run_until_complete(start())

    @property
    def folder(self) -> Path:
        return self.root / str(self.lives)

    def on_step(self, name: str) -> None:
        if name == self.kill_at:
            raise Killed

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.loop.run_until_complete(self.engine.stop())
            self.loop.close()
            shutil.rmtree(self.root)

    def ask(self, command: Command) -> AnyOutcome:
        self.requests += 1
        key = RequestKey(f"request-{self.requests}", self.requests)
        outcome = self.submit(command, key)
        self.asked.append((command, key, outcome))
        return outcome

    def submit(self, command: Command, key: RequestKey) -> AnyOutcome:
        async def submit() -> AnyOutcome:
            return await self.engine.enqueue(command, key, timeout_s=60)

        return self.loop.run_until_complete(submit())

    # ---------------------------------------------------------------- commands

    @rule(made=positions, expected=expected_versions, replace=st.booleans())
    def save(self, made: Position, expected: int | None, replace: bool) -> None:
        asked = save(made, expected_version=expected, replace_open=replace and not made.campaign_id)
        self.check_save(self.ask(asked), self.naive.save(made, asked))

    def check_save(self, outcome: Any, due: str | int) -> None:
        if isinstance(outcome, RefusedOutcome):
            assert outcome.code == due
        else:
            assert isinstance(outcome, SaveDone)
            assert outcome.version == due

    @rule(made=st.lists(positions, max_size=4), whole=st.booleans())
    def save_many(self, made: list[Position], whole: bool) -> None:
        saves = tuple(save(p) for p in made)
        trial = self.naive.copy()
        due = [trial.save(p, asked) for p, asked in zip(made, saves, strict=True)]
        outcome = self.ask(SaveMany(saves, all_or_nothing=whole))
        refusals = [code for code in due if isinstance(code, str)]
        if whole and refusals:
            assert isinstance(outcome, RefusedOutcome)
            assert outcome.code == refusals[0]
            return
        self.naive = trial
        assert isinstance(outcome, SaveManyDone)
        for one, wanted in zip(outcome.outcomes, due, strict=True):
            self.check_save(one, wanted)

    @rule(hotkey=st.sampled_from(HOTKEYS), uuid=st.sampled_from(UUIDS))
    def delete(self, hotkey: str, uuid: str) -> None:
        held = self.naive.of_uuid(uuid)
        existed = held is not None and held[0].hotkey == hotkey and self.naive.remove(uuid)
        outcome = self.ask(Delete(hotkey, uuid))
        assert isinstance(outcome, DeleteDone)
        assert outcome.existed == existed

    @rule(hotkey=st.sampled_from(("", *HOTKEYS)), off=st.sampled_from([0, 0, 1]))
    def clear(self, hotkey: str, off: int) -> None:
        trial = self.naive.copy()
        count = trial.clear(hotkey)
        outcome = self.ask(Clear(hotkey, count + off))
        if off:
            assert isinstance(outcome, RefusedOutcome)
            assert outcome.details["actual_count"] == str(count)
        else:
            self.naive = trial

    # ---------------------------------------------------------------- life

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same request again: the same answer, and no effect."""
        command, key, outcome = data.draw(st.sampled_from(self.asked[-5:]))
        assert self.submit(command, key) == outcome

    @rule()
    def rebuild(self) -> None:
        assert self.loop.run_until_complete(self.engine.rebuild()) is False

    @rule()
    def reload(self) -> None:
        assert self.loop.run_until_complete(self.engine.reload()) is False

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.engine.stop())
        self.open_engine()

    @rule(made=positions, step=st.sampled_from(BEFORE_COMMIT + AFTER_COMMIT))
    def kill(self, made: Position, step: str) -> None:
        """The process dies at a step of a save; asked again after that, it has one effect."""
        asked = save(made)
        self.requests += 1
        key = RequestKey(f"request-{self.requests}", self.requests)
        revision = self.engine.book.revision
        self.kill_at = step
        self.die(asked, key)
        self.kill_at = None
        trial = self.naive.copy()
        due = trial.save(made, asked)
        happened = step in AFTER_COMMIT and isinstance(due, int)
        assert (self.engine.book.revision > revision) == happened
        self.check_save(self.submit(asked, key), due)
        self.naive = trial

    def die(self, asked: Command, key: RequestKey) -> None:
        async def die() -> None:
            submitted = asyncio.ensure_future(self.engine.enqueue(asked, key, timeout_s=60))
            writer = self.engine._writer
            assert writer is not None
            await asyncio.wait({writer})
            assert isinstance(writer.exception(), Killed)
            submitted.cancel()

        self.loop.run_until_complete(die())
        dead, self.lives = self.folder, self.lives + 1
        shutil.copytree(dead, self.folder, ignore=shutil.ignore_patterns("*-shm", LOCK_NAME))
        self.engine.journal.close()
        self.open_engine()

    # ---------------------------------------------------------------- after every step

    @invariant()
    def engine_and_list_agree(self) -> None:
        if not hasattr(self, "engine"):
            return
        held = self.engine.book.positions
        stands = {
            uuid: (content(position_from_wire(pb.Position.FromString(r.wire))), r.version)
            for uuid, r in held.by_uuid.items()
        }
        assert stands == {p.position_uuid: (p, version) for p, version in self.naive.stands}
        for hotkey in HOTKEYS:
            listed = [record.position_uuid for record in held.of_hotkey(hotkey)]
            assert listed == self.naive.of_hotkey(hotkey)
            for pair in PAIRS:
                found = held.open_on_pair(hotkey, pair)
                due = self.naive.open_on(hotkey, pair)
                assert (found.position_uuid if found else None) == due
        assert set(held.by_hotkey) == {p.hotkey for p, _ in self.naive.stands}

    @invariant()
    def verify_finds_nothing(self) -> None:
        if hasattr(self, "engine"):
            book, problems, _ = self.loop.run_until_complete(self.engine.verify())
            assert problems == []
            assert book.digest == self.engine.book.digest


TestBook = BookMachine.TestCase
TestBook.settings = settings(
    max_examples=500,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
