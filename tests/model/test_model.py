"""The model test: random commands against the engine and against a list, compared after each.

The engine is the real one over a real SQLite store. Commands come alone and several at once, which
are then decided in one batch. Among them are restarts, and kills at every step of the write path:
the store's files are taken as they stand at that instant, which is what `kill -9` leaves, and a new
engine starts on them. Beside it go replicas of the whole book and of parts, by its feed: after
every step they answer as the list does.
"""

from __future__ import annotations

import asyncio
import operator
import shutil
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hotbook import Position
from hotbook_server.commands import AnyOutcome, Clear, Command
from hotbook_server.config import load_settings
from hotbook_server.engine import Engine
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import LOCK_NAME
from hotbook_server.requests import RequestKey
from hotbook_server.splitter import Splitter
from hotbook_server.telemetry import Telemetry
from hotbook_shared.book.exposure import exposure_of
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire
from tests.chance import examples, times
from tests.conftest import FakeClock
from tests.make import NOW_MS, content
from tests.model.compared import are_alike, check_answer
from tests.model.followed import Followed
from tests.model.naive import Refusal
from tests.model.naive_orders import ORDERS_MAX, Answer, NaiveOrders, Split
from tests.model.strategies import HOTKEYS, PAIRS, several_commands

pytestmark = pytest.mark.timeout(900 * times())  # a failure is made small first

BEFORE_COMMIT = ("decided", "journal begun", "journal written")
AFTER_COMMIT = ("journaled", "applied", "answered")

Stands = list[tuple[Position, int]]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the engine runs after it."""


class BookMachine(RuleBasedStateMachine):
    closed_in_memory_max: int | None = None
    make_naive: Callable[[int], Any] = NaiveOrders

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="hotbook-model-"))
        self.lives = 0
        self.clock = FakeClock()
        self.naive = type(self).make_naive(NOW_MS)
        self.names: dict[str, str] = {}
        self.kill_at: str | None = None
        self.asked: list[tuple[Command, RequestKey, AnyOutcome]] = []
        self.requests = 0
        self.replicas = [
            Followed(),
            Followed(),
            Followed(("ann",)),
            Followed(open_only=True),
            Followed(("bob",), open_only=True),
        ]
        self.open_engine()

    def open_engine(self) -> None:
        async def start() -> Engine:
            # The ring is so small that replicas are now and then sent on by the table.
            self.config = load_settings(
                data_dir=self.folder,
                batch_wait_ms=0,
                position_orders_max=ORDERS_MAX,
                closed_in_memory_max=self.closed_in_memory_max,
                feed_changes_max=6,
                market_clock="manual",  # campaigns expire by commands, which the list knows of
            )
            journal = SqliteJournal(self.folder, on_step=self.on_step)
            engine = Engine(self.config, journal, self.clock, Telemetry(), self.on_step)
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
            self.break_off()
            self.loop.run_until_complete(self.engine.stop())
            self.loop.close()
            shutil.rmtree(self.root)

    # ---------------------------------------------------------------- commands

    @rule(several=several_commands)
    def ask(self, several: list[Command]) -> None:
        due = self.foretell(several)
        keys = self.keys_for(several)
        outcomes = self.submit(several, keys)
        for outcome, (answer, stands) in zip(outcomes, due, strict=True):
            self.check(outcome, answer, stands)
        self.asked += zip(several, keys, outcomes, strict=True)

    def check(self, outcome: AnyOutcome, due: Any, stands: Stands) -> None:
        check_answer(outcome, due, stands)

    def foretell(self, several: Sequence[Command]) -> list[tuple[Answer, Stands]]:
        """What the list answers to each, and what stands in it then."""
        due = []
        self.changed = False
        for command in several:
            before = self.naive.state
            answer = self.naive.do(command)
            self.changed |= any(map(operator.is_not, before, self.naive.state))
            note(f"{command} -> {answer}")
            due.append((answer, self.naive.stands))
        return due

    def keys_for(self, several: Sequence[Command]) -> list[RequestKey]:
        first = self.requests + 1
        self.requests += len(several)
        return [RequestKey(f"request-{n}", n) for n in range(first, self.requests + 1)]

    def submit(
        self, several: Sequence[Command], keys: Sequence[RequestKey | None]
    ) -> list[AnyOutcome]:
        async def submit() -> list[AnyOutcome]:
            asked = zip(several, keys, strict=True)
            waiting = [self.engine.enqueue(one, key, timeout_s=60) for one, key in asked]
            return [await one for one in waiting]

        return self.loop.run_until_complete(submit())

    @rule(
        hotkey=st.sampled_from(("", *HOTKEYS)),
        off=st.sampled_from([(0, 0), (0, 0), (1, 0), (0, 1)]),
    )
    def clear(self, hotkey: str, off: tuple[int, int]) -> None:
        counts = self.naive.count(hotkey), self.naive.campaign_count(hotkey)
        self.ask([Clear(hotkey, counts[0] + off[0], counts[1] + off[1])])

    @rule()
    def split_all(self) -> None:
        """Every position that needs it, in the order in which the book has them."""
        held = self.engine.book.positions.by_uuid.values()
        names = [(record.hotkey, record.position_uuid) for record in held]

        async def split_all() -> dict[str, Split | Refusal]:
            made: dict[str, Split | Refusal] = {}
            async for step in Splitter(self.engine).split_all():
                made |= {s.position_uuid: Split([*s.parts], [*s.kept]) for s in step.splits}
                made |= {r.position_uuid: Refusal(error.code) for r, error in step.refused}
            return made

        made, due = self.loop.run_until_complete(split_all()), self.naive.split_all(names)
        assert {uuid: str(one) for uuid, one in made.items()} == {
            uuid: str(one) for uuid, one in due.items()
        }

    @rule(ms=st.sampled_from([1, 10]))
    def time_goes_on(self, ms: int) -> None:
        self.clock.move(ms)
        self.naive.now_ms += ms

    # ---------------------------------------------------------------- life

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same request again: the same answer, and no effect."""
        command, key, outcome = data.draw(st.sampled_from(self.asked[-5:]))
        assert self.submit([command], [key]) == [outcome]

    @rule()
    def rebuild(self) -> None:
        assert self.loop.run_until_complete(self.engine.rebuild()) is False

    @rule()
    def reload(self) -> None:
        assert self.loop.run_until_complete(self.engine.reload()) is False

    @rule(every=st.integers(1, 3))
    def break_off(self, every: int = 1) -> None:
        """Connections break; replicas come back from what they have."""
        for replica in self.replicas[::every]:
            self.loop.run_until_complete(replica.break_off())

    @rule()
    def restart(self) -> None:
        self.break_off()
        self.loop.run_until_complete(self.engine.stop())
        self.open_engine()

    @rule(
        several=several_commands,
        step=st.sampled_from(BEFORE_COMMIT + AFTER_COMMIT),
    )
    def kill(self, several: list[Command], step: str) -> None:
        """The process dies at a step of a batch: all of it stands or nothing; asked again after
        that, each command has had one effect."""
        keys, revision = self.keys_for(several), self.engine.book.revision
        self.break_off()
        self.kill_at = step
        self.die(several, keys)
        self.kill_at = None
        due = self.foretell(several)
        is_done = self.changed and step in AFTER_COMMIT
        assert (self.engine.book.revision > revision) == is_done
        for outcome, (answer, stands) in zip(self.submit(several, keys), due, strict=True):
            self.check(outcome, answer, stands)

    def die(self, several: Sequence[Command], keys: Sequence[RequestKey]) -> None:
        async def die() -> None:
            asked = zip(several, keys, strict=True)
            waiting = [self.engine.enqueue(one, key, timeout_s=60) for one, key in asked]
            writer = self.engine._writer
            assert writer is not None
            await asyncio.wait({writer})
            assert isinstance(writer.exception(), Killed)
            assert self.engine._alerter is not None
            self.engine._alerter.cancel()
            for one in waiting:
                asyncio.ensure_future(one).cancel()

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
        due = {p.position_uuid: (p, version) for p, version in self.naive.stands}
        assert held.by_uuid.keys() == due.keys()
        for uuid, record in held.by_uuid.items():
            found = content(position_from_wire(pb.Position.FromString(record.wire)))
            wanted, version = due[uuid]
            assert are_alike(found, wanted), f"\n{found}\n{wanted}"
            assert record.version == version
        for hotkey in HOTKEYS:
            listed = [record.position_uuid for record in held.of_hotkey(hotkey)]
            assert listed == self.naive.of_hotkey(hotkey)
            for pair in PAIRS:
                found_open, due_open = (
                    held.open_on_pair(hotkey, pair),
                    self.naive.open_on(hotkey, pair),
                )
                assert (found_open and found_open.position_uuid) == (
                    due_open and due_open.position_uuid
                )
            exposure = exposure_of(self.engine.book, hotkey, self.engine.terms.pairs)
            assert Fraction(exposure.leverage) == self.naive.portfolio(hotkey)
        assert set(held.by_hotkey) == {p.hotkey for p, _ in self.naive.stands}

    @invariant()
    def replicas_and_list_agree(self) -> None:
        if hasattr(self, "engine"):
            for number, replica in enumerate(self.replicas):
                if number == self.lives % 2:
                    continue  # one of the two whole ones sleeps through the life of an engine
                self.loop.run_until_complete(replica.catch_up(self.engine, self.config))
                replica.check(self.engine, self.naive)

    @invariant()
    def verify_finds_nothing(self) -> None:
        if hasattr(self, "engine"):
            book, problems, _ = self.loop.run_until_complete(self.engine.verify())
            assert problems == []
            assert book.digest == self.engine.book.digest


class BoundedMachine(BookMachine):
    """The same with two closed positions in memory; clients read any of them in between."""

    closed_in_memory_max = 2

    @precondition(lambda self: self.naive.stands)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        due, _ = data.draw(st.sampled_from(self.naive.stands))
        record = self.engine.book.positions.by_uuid[due.position_uuid]
        wire = self.loop.run_until_complete(self.engine.archive.use(record))
        assert are_alike(content(position_from_wire(pb.Position.FromString(wire))), due)

    @invariant()
    def the_bound_holds(self) -> None:
        """At most so many closed positions are in memory; what is open always is."""
        if not hasattr(self, "engine"):
            return
        stands = self.engine.book.positions.by_uuid.values()
        in_memory = [r for r in stands if type(r.held) is bytes]
        assert sum(not r.is_open for r in in_memory) <= 2
        assert sum(r.is_open for r in in_memory) == self.engine.book.positions.open_count


SETTINGS = settings(
    max_examples=examples(500),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBook = BookMachine.TestCase
TestBook.settings = SETTINGS
TestBoundedBook = BoundedMachine.TestCase
TestBoundedBook.settings = SETTINGS
