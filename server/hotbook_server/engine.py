"""The engine: the one writer. Decide, journal, apply, answer; in batches.

Owns both books. `ahead` holds every change that has been decided; rules read it. `book` holds
every change that the journal has; readers read it, and never wait. They are equal whenever no
batch is under way. Everything here runs on the server's loop, but for the journal's own work,
which has a thread to itself.

What if the process dies here? Before the journal's commit: the batch is gone, and nobody was
answered. After it: the batch stands, and a caller who was not answered repeats the request with
the same id and gets the answer that was kept with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from hotbook_server.archive import Archive
from hotbook_server.clock import Clock
from hotbook_server.commands import (
    AnyOutcome,
    Command,
    Expire,
    ExpireDone,
    RefusedOutcome,
    decode_outcome,
    encode_outcome,
)
from hotbook_server.config import Settings
from hotbook_server.draft import Draft
from hotbook_server.feed import mark_of
from hotbook_server.intake import Ticket
from hotbook_server.journal.base import (
    Batch,
    DiskIsFull,
    Journal,
    JournalBroken,
    KeptRequest,
    Loaded,
    Progress,
)
from hotbook_server.keeper import Keeper, has_problems
from hotbook_server.logs import log
from hotbook_server.requests import RequestKey, Requests
from hotbook_server.telemetry import Telemetry
from hotbook_shared.book import Book
from hotbook_shared.book.book import Cleared, cleared_in
from hotbook_shared.errors import (
    DeadlineExceeded,
    DiskFull,
    FellBehind,
    HotbookError,
    InternalError,
    JournalFailed,
    RequestReused,
    Unreadable,
)
from hotbook_shared.model import Durability
from hotbook_shared.record import ChangeKind

_T = TypeVar("_T")

NOT_OF_THE_BOOK = {Unreadable.code, FellBehind.code, InternalError.code}
QUIET_S = 0.001  # nobody came for so long: no more company is to be expected
EXPIRE_LOOK_S = 1.0  # how often the clock is compared with the campaigns' deadlines
EXPIRE_PATIENCE_S = 30.0
FLUSH_S = 0.5  # relaxed mode: what was acknowledged is on disk within a second


class Engine(Keeper):
    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(settings, journal, clock)
        self._telemetry = telemetry
        self._on_step = on_step
        self._ahead = Book()
        self._requests = Requests(settings)
        self._turns: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._wake = asyncio.Event()
        self._had_company = False  # whether the last batch held more than one command
        self._writer: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._expirer: asyncio.Task[None] | None = None
        self._alerter: asyncio.Task[None] | None = None
        self._unflushed = False
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="hotbook-journal")

    # ---------------------------------------------------------------- life

    async def start(self, progress: Progress | None = None) -> None:
        # On this thread, for nobody is served yet: in a thread of its own, whose memory comes from
        # another arena, loading takes twice as long.
        loaded, archive = self._load(progress)
        self._take_over(loaded, loaded.book(), archive)
        self._requests.remember(loaded.requests)
        self._writer = asyncio.create_task(self._write(), name="hotbook-writer")
        if self._settings.durability is Durability.RELAXED:
            self._flusher = asyncio.create_task(self._flush(), name="hotbook-flusher")
        if self._settings.market_clock == "live":
            self._expirer = asyncio.create_task(self._expire(), name="hotbook-expirer")
        self._alerter = asyncio.create_task(self.watch_alerts(), name="hotbook-alerter")

    def _load(self, progress: Progress | None = None) -> tuple[Loaded, Archive]:
        """The journal's book, and an archive that sent bytes away while it was being read."""
        archive = self.archive.anew()
        return self.journal.load(progress, archive.admit if archive.is_bounded else None), archive

    def _take_over(self, loaded: Loaded, book: Book, archive: Archive) -> None:
        self.book = book
        self.archive = archive
        self._ahead = self.book.copy()
        self.quarantined = loaded.quarantined
        self.feed.restart(book.revision, self._mark(), book.digest)
        self.alerts.restart(book, self._clock.now_ms())
        for what in loaded.damaged:
            log.error("damage found and set aside", what=what)

    def refuse_new_work(self) -> None:
        super().refuse_new_work()
        self._wake.set()

    async def stop(self) -> None:
        self.refuse_new_work()
        for timer in (self._expirer, self._alerter):
            if timer is not None:
                timer.cancel()
        if self._writer is not None:
            await self._writer
        if self._flusher is not None:
            self._flusher.cancel()
        try:
            if not self.failure.done():
                await self._on_journal(self.journal.flush)
        finally:
            await self._on_journal(self.journal.close)
            self._journal_thread.shutdown()
            self._end_threads()

    def _mark(self) -> str:
        """What stands for the history of the book, to those who follow it."""
        return mark_of(self.journal.link, self.quarantined)

    # ---------------------------------------------------------------- accepting

    def enqueue(
        self, command: Command, key: RequestKey | None = None, *, timeout_s: float, size: int = 0
    ) -> asyncio.Future[AnyOutcome]:
        self.check_working()
        ticket = None
        if key is not None:
            if (kept := self._requests.find(key)) is not None:
                return asyncio.ensure_future(self._repeat(kept))
            ticket = self.intake.find(key)
        deadline_s = self._clock.monotonic_s() + timeout_s
        if ticket is None:
            ticket = Ticket(command, key, deadline_s, size)
            self.intake.take_in(ticket)
            self._wake.set()
        ticket.deadline_s = max(ticket.deadline_s, deadline_s)  # the longest of those who wait
        return ticket.wait()

    async def _repeat(self, kept: KeptRequest) -> AnyOutcome:
        data = await self._on_journal(self.journal.outcome, kept.sequence)
        if data is None:  # forgotten in this very moment
            raise RequestReused(
                "this request was forgotten in this very moment: ask the book what stands"
            )
        return decode_outcome(data)

    async def in_turn(self, act: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs `act` between two batches, when both books are equal and the journal is at rest."""
        self.check_working()
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        is_wanted = True

        async def turn() -> None:
            if not is_wanted:  # the caller has left: as a command that nobody waits for
                return
            try:
                result = await act()
            except JournalBroken as error:
                self._give_up([], error)
            except DiskIsFull as error:
                done.set_exception(DiskFull(f"{error}: make room and try again"))
            except Exception as error:  # the caller's, whatever it is
                done.set_exception(error)
            else:
                done.set_result(result)

        self._turns.append(turn)
        self._wake.set()
        ends: set[asyncio.Future[Any]] = {done, self.failure}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)  # cancels neither
        finally:
            is_wanted = False
        if not done.done():
            raise JournalFailed("the journal has failed: this server stops")
        return done.result()

    # ---------------------------------------------------------------- writing

    async def _write(self) -> None:
        while not self.failure.done():
            if not self.intake and not self._turns:
                if self.stopping.is_set():
                    return
                self._wake.clear()
                await self._wake.wait()
            while self._turns and not self.failure.done():
                await self._turns.popleft()()
            await self._wait_for_company()
            batch = self.intake.take_batch()
            self._had_company = len(batch) > 1
            try:
                if batch:
                    await self._commit(batch)
            except Exception as error:
                self._give_up(batch, error)

    async def _wait_for_company(self) -> None:
        """Waits while others keep arriving, if the last batch shows that others are writing.

        A lone caller is never made to wait. Without this, batches of two or three are all that
        forms, and the commit of each costs nearly as much as that of a hundred.
        """
        if not self._had_company or not self._settings.batch_wait_ms or self.stopping.is_set():
            return
        until_s = self._clock.monotonic_s() + self._settings.batch_wait_ms / 1000
        seen = 0
        while seen < len(self.intake) < self._settings.batch_max:
            seen = len(self.intake)
            await asyncio.sleep(QUIET_S)
            if self._clock.monotonic_s() >= until_s:
                return

    async def _commit(self, batch: list[Ticket]) -> None:
        """One batch, from decision to answer."""
        now_ms = self._clock.now_ms()
        draft = Draft(self._ahead, now_ms, self.terms, self.archive)
        answers = [
            (ticket, await draft.decide(ticket.command))
            for ticket in batch
            if self._is_still_wanted(ticket)
        ]
        self._step("decided")
        kept = [
            (self._requests.next(ticket.key, now_ms), encode_outcome(outcome))
            for ticket, outcome in answers
            if ticket.key is not None and _is_of_the_book(outcome)
        ]
        try:
            await self._journal(draft, kept, now_ms)
        except DiskIsFull as error:
            draft.take_back()
            self._refuse_for_room(answers, error)
            return
        self._step("journaled")
        self._apply(draft)
        if draft.changes:
            self.feed.publish(
                draft.changes, self._mark(), self.book.digest, at_once=self.archive.is_bounded
            )
            self.freshness.note(draft.changes)
            self.alerts.observe(draft.changes, self.book, now_ms)
            self.archive.take_in(draft.changes, self.book.positions.by_uuid)
        self._step("applied")
        self._requests.remember(request for request, _ in kept)
        for ticket, outcome in answers:
            self.intake.land(ticket)
            ticket.answer(outcome)
        self._step("answered")

    def _apply(self, draft: Draft) -> None:
        """Lets readers see what is in the journal."""
        cleared: list[Cleared] = []
        for change in draft.changes:
            undo = self.book.apply(change)
            if change.kind is ChangeKind.CLEARED:
                cleared += cleared_in(undo)
        if cleared:
            cleared += cleared_in(draft.undo)
        for one in cleared:  # on a thread, for it may be a million records
            asyncio.get_running_loop().run_in_executor(None, one.let_go)

    async def _journal(
        self, draft: Draft, kept: list[tuple[KeptRequest, bytes]], now_ms: int
    ) -> None:
        """Brings a draft to disk, with the requests that made it."""
        if not draft.changes and not kept:
            return
        started_s = self._clock.monotonic_s()
        forget = self._requests.due(now_ms)
        batch = Batch(draft.changes, kept, now_ms, forget)
        await self._on_journal(self.journal.append, batch)
        if self.failure.done():  # relaxed mode: a flush has failed meanwhile
            raise JournalBroken("nothing is acknowledged after a write to disk has failed")
        self._requests.forget(forget)
        self._unflushed = True
        self._telemetry.record("commit.seconds", self._clock.monotonic_s() - started_s)
        self._telemetry.record("commit.changes", len(draft.changes))

    def _is_still_wanted(self, ticket: Ticket) -> bool:
        """False for a command whose caller has left or whose time is up: it changes nothing."""
        late = self._clock.monotonic_s() > ticket.deadline_s
        if not late and not ticket.is_abandoned:
            return True
        self.intake.land(ticket)
        ticket.fail(DeadlineExceeded("the deadline passed before the write began: nothing changed"))
        return False

    def _refuse_for_room(self, answers: list[tuple[Ticket, AnyOutcome]], error: DiskIsFull) -> None:
        log.error("disk full", reason=str(error), writes_refused=len(answers))
        self._telemetry.record("commit.disk_full")
        for ticket, _ in answers:
            self.intake.land(ticket)
            ticket.fail(DiskFull(f"{error}: nothing changed; make room and try again"))

    def _give_up(self, batch: list[Ticket], error: Exception) -> None:
        """The journal, or the engine itself, has failed: nobody is acknowledged any more."""
        told = JournalFailed(f"the journal has failed, the outcome is unknown: {error}")
        for ticket in batch:
            ticket.fail(told)
        if self.failure.done():  # a flush and the batch after it may both fail
            return
        log.critical("the journal has failed", reason=str(error), exc_info=error)
        self.failure.set_result(error)
        self.intake.fail_all(told)
        self._wake.set()

    # ---------------------------------------------------------------- campaigns' deadlines

    async def expire(self, now_ms: int) -> int:
        """Lets every campaign fail whose deadline lies strictly before. Returns how many did."""
        count = 0
        while not self.stopping.is_set():
            first = self.book.campaigns.deadlines.first
            if first is None or first.deadline_ms >= now_ms:
                break
            outcome = await self.submit(Expire(now_ms), timeout_s=EXPIRE_PATIENCE_S)
            assert isinstance(outcome, ExpireDone)
            count += outcome.expired
        return count

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_LOOK_S)
            try:
                if count := await self.expire(self._clock.now_ms()):
                    log.info("campaigns have expired", campaigns=count)
            except HotbookError as error:  # a full disk, a long queue: the next look tries again
                log.warning("campaigns cannot expire", reason=error.message)
            except Exception as error:  # a bug of ours: campaigns go on to be looked at
                log.error("campaigns cannot expire", exc_info=error)

    # ---------------------------------------------------------------- operations

    async def rebuild(self) -> bool:
        async def act() -> bool:
            before = self.book
            wrong = await self._standing_still(has_problems, before)
            self.book = await self._standing_still(before.anew)
            self._ahead = self.book.copy()
            if wrong:  # watchers may have been told a wrong digest
                self.feed.restart(self.book.revision, self._mark(), self.book.digest)
            return wrong

        return await self.in_turn(act)

    async def reload(self) -> bool:
        async def act() -> bool:
            before = self.book
            wrong = await self._standing_still(has_problems, before)
            loaded, archive = await self._on_journal(self._load)
            book = await self._standing_still(loaded.book)
            self._take_over(loaded, book, archive)
            same = (before.digest, before.revision) == (book.digest, book.revision)
            return wrong or not same

        return await self.in_turn(act)

    async def verify(self) -> tuple[Book, list[str], int]:
        async def act() -> tuple[Book, bool, Any]:
            snapshot = await self._on_journal(self.journal.snapshot)
            return self.book.copy(), self._ahead.holds_the_same(self.book), snapshot

        def look() -> tuple[list[str], int]:
            with contextlib.closing(snapshot):  # here, for a caller may leave meanwhile
                checked = snapshot.check(book)
            found = book.problems(in_memory_only=True)  # the store's check has the rest
            in_memory = [f"index: {problem}" for problem in found]
            return in_memory + [f"store: {p}" for p in checked.problems], checked.changes

        book, agree, snapshot = await self.in_turn(act)
        problems, changes = await self.operate(look)
        if not agree:
            problems.append("index: the book ahead differs from the book between two batches")
        return book, problems, changes

    # ---------------------------------------------------------------- threads and steps

    async def _on_journal(self, act: Callable[..., _T], *args: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, act, *args)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._unflushed:
                self._unflushed = False
                try:
                    await self._on_journal(self.journal.flush)
                except JournalBroken as error:
                    self._give_up([], error)
                    return

    def _step(self, name: str) -> None:
        if self._on_step is not None:
            self._on_step(name)


def _is_of_the_book(outcome: AnyOutcome) -> bool:
    """False for a refusal because the disk could not be read, or a rule has a bug: it is not what
    the book says, and asked again the answer may be another."""
    return not (isinstance(outcome, RefusedOutcome) and outcome.code in NOT_OF_THE_BOOK)
