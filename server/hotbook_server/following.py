"""A server that follows another: it has the same book, answers every read, and takes no writes.

Owns the feed from the leader. It applies the leader's changes and publishes them again, with the
same revisions and marks, so that watchers may follow either server and go from one to the other.
Its frames are as old as what it knows of the leader: who follows it sees the true lag.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import msgspec

from hotbook_server.clock import Clock
from hotbook_server.commands import AnyOutcome
from hotbook_server.config import Settings
from hotbook_server.journal.base import Progress
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.keeper import Keeper, has_problems
from hotbook_server.logs import log
from hotbook_shared.answers import trade_pair_from_wire
from hotbook_shared.book import Book
from hotbook_shared.book.book import Cleared
from hotbook_shared.errors import ReadOnly, Unavailable
from hotbook_shared.following import Follower
from hotbook_shared.pairs import Pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import hotbook_pb2_grpc as stubs
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.status import error_from_call

PAUSE_FIRST_S, PAUSE_MOST_S = 0.05, 1.0
STALL_S = 5.0
"""A leader that is silent for so long, heartbeats and all, is asked again."""

STUBS: Any = stubs
WATCH = "/hotbook.v1.Feed/Watch"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Following(Keeper):
    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings, MemoryJournal(), clock)
        assert settings.follow is not None
        self.leader = settings.follow
        self._follower = Follower(let_go=_free)
        self._book_id = ""
        self._channel = grpc.aio.insecure_channel(self.leader, options=OPTIONS)
        self._filled = asyncio.Event()
        self._between_frames = asyncio.Lock()
        """Held while a frame is taken in, and while the book has to stand still."""
        self._task: asyncio.Task[None] | None = None
        self._alerter: asyncio.Task[None] | None = None
        self._progress: Progress | None = None
        self._heard_s = 0.0
        self._is_connected = False
        self._why = "it does not answer"

    # ---------------------------------------------------------------- life

    async def start(self, progress: Progress | None = None) -> None:
        """Waits until the leader's book is here, however large, for as long as more of it comes.
        Raises Unavailable where nothing does."""
        self._progress = progress
        self._heard_s = self._clock.monotonic_s()
        self._begin()
        self._alerter = asyncio.create_task(self.watch_alerts(), name="hotbook-alerter")
        patience_s = self._settings.call_timeout_s
        while not self._filled.is_set():
            left_s = self._heard_s + patience_s - self._clock.monotonic_s()
            if left_s <= 0:
                await self.stop()
                raise Unavailable(
                    f"no book came from {self.leader} within {patience_s:g} s ({self._why}): is "
                    "that server running?"
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._filled.wait()

    async def stop(self) -> None:
        self.refuse_new_work()
        if self._alerter is not None:
            self._alerter.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._channel.close()
        self._end_threads()

    @property
    def book_id(self) -> str:
        """The leader's: it is the same book."""
        return self._book_id

    def as_of_s(self) -> float:
        now_s = self._clock.monotonic_s()
        return max(now_s - self._follower.freshness.lag_ms(now_s) / 1000, 0.0)

    # ---------------------------------------------------------------- commands

    def enqueue(self, *_: object, **__: object) -> asyncio.Future[AnyOutcome]:
        self.check_working()
        raise ReadOnly(
            f"this server follows {self.leader} and takes no writes: send them there",
            leader=self.leader,
        )

    async def rebuild(self) -> bool:
        async with self._between_frames:
            before = self.book
            wrong = await self._standing_still(has_problems, before)
            self.book = self._follower.book = await self._standing_still(before.anew)
            if wrong:  # watchers may have been told a wrong digest
                self.feed.restart(self.book.revision, self.feed.mark, self.book.digest)
            return wrong

    async def reload(self) -> bool:
        """Takes the leader's whole book anew."""
        before = self.book.revision, self.book.digest
        wrong = await self.operate(has_problems, self.book.copy())
        self._follower.start_over()
        self._begin()
        await self._filled.wait()
        same_revision = before[0] == self.book.revision
        return wrong or (same_revision and before[1] != self.book.digest)

    async def verify(self) -> tuple[Book, list[str], int]:
        book = self.book.copy()
        problems = await self.operate(lambda: list(book.problems()))
        problems = [f"index: {problem}" for problem in problems]
        if self._follower.confirmed != book.revision:
            problems.append(f"feed: {self.leader} has not confirmed revision {book.revision}")
        if not self._is_connected:
            problems.append(f"feed: {self.leader} is out of reach")
        return book, problems, 0

    # ---------------------------------------------------------------- following

    def _begin(self) -> None:
        """Follows from now on, in place of the task that did so. A task that is cancelled takes in
        nothing more, so that there is one of them, whoever else asks and whoever leaves."""
        if self._task is not None:
            self._task.cancel()
        self._filled.clear()
        self._task = asyncio.create_task(self._follow(), name="hotbook-following")

    async def _follow(self) -> None:
        """For ever: the leader's feed, from what there is."""
        pause_s = PAUSE_FIRST_S
        while True:
            self._follower.freshness.begin()
            try:
                await self._learn()
                async for frame in self._frames():
                    async with self._between_frames:
                        self._take_in(frame)
                    pause_s = PAUSE_FIRST_S
                why = "the feed ended"
            except grpc.RpcError as failure:
                why = error_from_call(failure).message
            except TimeoutError:
                why = f"nothing came for {STALL_S:g} s"
            except Exception as failure:  # whatever it is, a new snapshot does not stand on it
                self._follower.start_over()
                why = f"its feed cannot be followed: {failure!r}"
            if self._is_connected:
                log.warning("the leader is lost", leader=self.leader, reason=why)
            self._is_connected, self._why = False, why
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MOST_S)

    async def _learn(self) -> None:
        """What the feed does not say: which book it is, and which pairs are in force."""
        status = await STUBS.OperationsStub(self._channel).Status(
            pb.StatusRequest(), timeout=STALL_S
        )
        reply = await STUBS.OrdersStub(self._channel).ListPairs(
            pb.ListPairsRequest(), timeout=STALL_S
        )
        self._book_id = status.book_id
        pairs = [trade_pair_from_wire(pair) for pair in reply.pairs]
        known = Pairs({pair.trade_pair: pair for pair in pairs})
        self.terms = msgspec.structs.replace(self.terms, pairs=known)

    async def _frames(self) -> AsyncIterator[raw.WatchFrame]:
        watch: Any = self._channel.unary_stream(
            WATCH, pb.WatchRequest.SerializeToString, raw.WatchFrame.FromString
        )
        call = watch(self._follower.cursor.request())
        try:
            while True:
                async with asyncio.timeout(STALL_S):
                    frame = await call.read()
                if frame is grpc.aio.EOF:
                    await call.code()  # raises what ended it
                    return
                yield frame
        finally:
            call.cancel()

    def _take_in(self, frame: raw.WatchFrame) -> None:
        self._heard_s = self._clock.monotonic_s()
        changes = self._follower.take_in(frame)
        if changes is None:
            self.book = self._follower.book
            self.feed.restart(frame.revision, frame.mark, self.book.digest)
            self.alerts.restart(self.book, self._clock.now_ms())
            log.info("filled", leader=self.leader, revision=frame.revision,
                     positions=len(self.book.positions.by_uuid),
                     campaigns=len(self.book.campaigns.by_id))  # fmt: skip
        elif changes:
            self.feed.publish(changes, frame.mark, self.book.digest)
            self.freshness.note(changes)
            self.alerts.observe(changes, self.book, self._clock.now_ms())
        self._follower.is_shown(frame, self._heard_s)
        if frame.is_newest and self._follower.picture is not None:  # it is known how fresh
            self._filled.set()
        if self._progress is not None and frame.HasField("snapshot"):
            part = frame.snapshot
            self._progress(part.first + len(part.positions), part.total)
        if not self._is_connected:
            self._is_connected = True
            log.info("following", leader=self.leader)


def _free(cleared: Cleared) -> None:
    """On a thread, for it may be a million records."""
    asyncio.get_running_loop().run_in_executor(None, cleared.let_go)
