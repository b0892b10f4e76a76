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
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from hotbook_server.clock import Clock
from hotbook_server.commands import (
    AnyOutcome,
    Clear,
    Command,
    Delete,
    RefusedOutcome,
    Save,
    SaveDone,
    SaveMany,
    SaveManyDone,
    decode_outcome,
    encode_outcome,
)
from hotbook_server.config import Settings
from hotbook_server.journal.base import (
    Batch,
    DiskIsFull,
    Journal,
    JournalBroken,
    KeptRequest,
    Loaded,
    Progress,
)
from hotbook_server.logs import log
from hotbook_server.rules.positions import decide_clear, decide_delete, decide_save
from hotbook_server.telemetry import Telemetry
from hotbook_shared.book import Book
from hotbook_shared.book.book import Undo
from hotbook_shared.errors import (
    DeadlineExceeded,
    DiskFull,
    HotbookError,
    JournalFailed,
    QueueFull,
    RequestReused,
    Unavailable,
    error_from,
)
from hotbook_shared.record import Change

_T = TypeVar("_T")

BATCH_MAX_BYTES = 16 * 1024 * 1024
QUIET_S = 0.001  # nobody came for so long: no more company is to be expected
YIELD_EVERY = 128  # items of one large command between two turns of the loop
_HOUR_MS = 3_600_000


class RequestKey(msgspec.Struct, frozen=True):
    """What makes a request the same request."""

    request_id: str
    fingerprint: int


def request_key(request_id: str, method: str, body: bytes) -> RequestKey | None:
    """The key of a request; None where the caller gave no id."""
    if not request_id:
        return None
    fingerprint = hashlib.sha256(method.encode())
    fingerprint.update(body)
    return RequestKey(request_id, int.from_bytes(fingerprint.digest()[:8], "big"))


class _Ticket:
    """A command on its way, and those who wait for its outcome."""

    __slots__ = ("command", "deadline_s", "key", "size", "waiting")

    def __init__(
        self, command: Command, key: RequestKey | None, deadline_s: float, size: int
    ) -> None:
        self.command = command
        self.key = key
        self.deadline_s = deadline_s
        self.size = size
        self.waiting: list[asyncio.Future[AnyOutcome]] = []

    @property
    def is_abandoned(self) -> bool:
        return all(future.done() for future in self.waiting)

    def answer(self, outcome: AnyOutcome) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(outcome)

    def fail(self, error: HotbookError) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


class Engine:
    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self.book = Book()
        self.quarantined = 0  # damaged rows that the journal has set aside
        self.journal = journal
        self.failure: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Done when the journal has failed: nothing is acknowledged any more."""
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._on_step = on_step
        self._ahead = Book()
        self._queue: deque[_Ticket] = deque()
        self._queue_bytes = 0
        self._turns: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()
        self._in_flight: dict[str, _Ticket] = {}
        self._requests: dict[str, KeptRequest] = {}
        self._sequence = 0
        self._company = 0  # how many others the last batch held
        self._wake = asyncio.Event()
        self.stopping = asyncio.Event()
        """Set when no new work is accepted any more."""
        self.room = asyncio.Event()
        """Set whenever the queue has become shorter; cleared when it is full."""
        self._writer: asyncio.Task[None] | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="hotbook-journal")
        self._changed_since_flush = False

    # ---------------------------------------------------------------- life

    async def start(self, progress: Progress | None = None) -> None:
        loaded = await self._on_journal(self.journal.load, progress)
        self._take_over(loaded)
        self._requests = {kept.request_id: kept for kept in loaded.requests}
        self._sequence = max((kept.sequence for kept in loaded.requests), default=0)
        self._writer = asyncio.create_task(self._write(), name="hotbook-writer")
        if self._settings.durability == "relaxed":
            self._flusher = asyncio.create_task(self._flush(), name="hotbook-flusher")

    def _take_over(self, loaded: Loaded) -> None:
        self.book = Book(loaded.records, loaded.revision)
        self._ahead = self.book.copy()
        self.quarantined = loaded.quarantined

    @property
    def state(self) -> str:
        if self.failure.done():
            return "failed"
        return "draining" if self.stopping.is_set() else "serving"

    @property
    def queue_depth(self) -> int:
        return len(self._queue)

    def refuse_new_work(self) -> None:
        """What was accepted will be answered; nothing more is accepted."""
        self.stopping.set()
        self._wake.set()

    async def stop(self) -> None:
        """Answers what was accepted, then lets go of the journal."""
        self.refuse_new_work()
        if self._writer is not None:
            await self._writer
        if self._flusher is not None:
            self._flusher.cancel()
        if not self.failure.done():
            await self._on_journal(self.journal.flush)
        await self._on_journal(self.journal.close)
        self._journal_thread.shutdown()

    # ---------------------------------------------------------------- accepting

    async def submit(
        self, command: Command, key: RequestKey | None = None, *, timeout_s: float, size: int = 0
    ) -> AnyOutcome:
        """Hands a command to the writer and waits for its outcome. A refusal is raised."""
        outcome = await self.enqueue(command, key, timeout_s=timeout_s, size=size)
        if isinstance(outcome, RefusedOutcome):
            raise outcome.as_error()
        return outcome

    def enqueue(
        self, command: Command, key: RequestKey | None = None, *, timeout_s: float, size: int = 0
    ) -> Awaitable[AnyOutcome]:
        """The same without waiting: what is awaited ends in an outcome, a refusal included."""
        self._check_working()
        ticket = None
        if key is not None:
            kept = self._requests.get(key.request_id)
            if kept is not None:
                _check_same(key, kept.fingerprint)
                return self._repeat(kept)
            ticket = self._in_flight.get(key.request_id)
        if ticket is None:
            ticket = self._accept(command, key, timeout_s, size)
        elif key is not None and ticket.key is not None:
            _check_same(key, ticket.key.fingerprint)
        future: asyncio.Future[AnyOutcome] = asyncio.get_running_loop().create_future()
        ticket.waiting.append(future)
        return future

    def _accept(
        self, command: Command, key: RequestKey | None, timeout_s: float, size: int
    ) -> _Ticket:
        settings = self._settings
        self.room.clear()
        if len(self._queue) >= settings.queue_depth_max:
            raise QueueFull(
                f"{len(self._queue)} writes are waiting: try again in a moment",
                queue_depth_max=settings.queue_depth_max,
            )
        if self._queue_bytes + size > settings.queue_max_bytes:
            raise QueueFull(
                f"{self._queue_bytes} bytes of writes are waiting: try again in a moment",
                queue_max_bytes=settings.queue_max_bytes,
            )
        ticket = _Ticket(command, key, self._clock.monotonic_s() + timeout_s, size)
        if key is not None:
            self._in_flight[key.request_id] = ticket
        self._queue.append(ticket)
        self._queue_bytes += size
        self._wake.set()
        return ticket

    async def _repeat(self, kept: KeptRequest) -> AnyOutcome:
        data = await self._on_journal(self.journal.outcome, kept.sequence)
        assert data is not None, "an id is forgotten before its outcome is"
        return decode_outcome(data)

    def _check_working(self) -> None:
        if self.failure.done():
            raise JournalFailed("the journal has failed: this server stops")
        if self.stopping.is_set():
            raise Unavailable("the server is stopping")

    async def in_turn(self, act: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs `act` between two batches, when both books are equal and the journal is at rest."""
        self._check_working()
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        async def turn() -> None:
            try:
                result = await act()
            except Exception as error:  # the caller's, whatever it is
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self._turns.append(turn)
        self._wake.set()
        return await done

    # ---------------------------------------------------------------- writing

    async def _write(self) -> None:
        while not self.failure.done():
            if not self._queue and not self._turns:
                if self.stopping.is_set():
                    return
                self._wake.clear()
                await self._wake.wait()
            while self._turns:
                await self._turns.popleft()()
            await self._wait_for_company()
            batch = self._take_batch()
            if not batch:
                continue
            try:
                await self._commit(batch)
            except Exception as error:
                self._give_up(batch, error)
                return

    async def _wait_for_company(self) -> None:
        """Waits while others keep arriving, if the last batch shows that others are writing.

        A lone caller is never made to wait. Without this, batches of two or three are all that
        forms, and the commit of each costs nearly as much as that of a hundred.
        """
        if not self._company or self.stopping.is_set():
            return
        until_s = self._clock.monotonic_s() + self._settings.batch_wait_ms / 1000
        seen = 0
        while seen < len(self._queue) < self._settings.batch_max:
            seen = len(self._queue)
            await asyncio.sleep(QUIET_S)
            if self._clock.monotonic_s() >= until_s:
                return

    def _take_batch(self) -> list[_Ticket]:
        batch: list[_Ticket] = []
        size = 0
        while self._queue and len(batch) < self._settings.batch_max and size < BATCH_MAX_BYTES:
            ticket = self._queue.popleft()
            self._queue_bytes -= ticket.size
            size += ticket.size
            batch.append(ticket)
        self._company = max(0, len(batch) - 1)
        self.room.set()
        return batch

    async def _commit(self, batch: list[_Ticket]) -> None:
        """One batch, from decision to answer."""
        now_ms = self._clock.now_ms()
        start = self._ahead.revision
        undo: Undo = []
        changes: list[Change] = []
        answers: list[tuple[_Ticket, AnyOutcome]] = []
        for ticket in batch:
            if not self._is_still_wanted(ticket):
                continue
            outcome = await self._decide(ticket.command, now_ms, changes, undo)
            answers.append((ticket, outcome))
        self._step("decided")
        kept = self._requests_of(answers, now_ms)
        if changes or kept:
            try:
                await self._journal_batch(changes, kept, now_ms)
            except DiskIsFull as error:
                self._ahead.revert(undo, start)
                self._refuse_for_room(answers, error)
                return
        self._step("journaled")
        for change in changes:
            self.book.apply(change)
        self._step("applied")
        for request, _ in kept:
            self._requests[request.request_id] = request
        for ticket, outcome in answers:
            self._forget_flight(ticket)
            ticket.answer(outcome)
        self._step("answered")
        self._telemetry.record("commit.changes", len(changes))

    async def _journal_batch(
        self, changes: list[Change], kept: list[tuple[KeptRequest, bytes]], now_ms: int
    ) -> None:
        started = self._clock.monotonic_s()
        forget = self._oldest_requests(now_ms)
        await self._on_journal(self.journal.append, Batch(changes, kept, now_ms, forget))
        self._changed_since_flush = True
        self._telemetry.record("commit.seconds", self._clock.monotonic_s() - started)

    def _is_still_wanted(self, ticket: _Ticket) -> bool:
        """False for a command whose caller has left or whose time is up: it changes nothing."""
        late = self._clock.monotonic_s() > ticket.deadline_s
        if not late and not ticket.is_abandoned:
            return True
        self._forget_flight(ticket)
        ticket.fail(DeadlineExceeded("the deadline passed before the write began: nothing changed"))
        return False

    async def _decide(
        self, command: Command, now_ms: int, changes: list[Change], undo: Undo
    ) -> AnyOutcome:
        """One command against the book ahead. What it changes is applied there; a refusal isn't."""
        revision, changed, undone = self._ahead.revision, len(changes), len(undo)
        try:
            if isinstance(command, SaveMany):
                return await self._decide_many(command, now_ms, changes, undo)
            return self._decide_one(command, now_ms, changes, undo)
        except HotbookError as refusal:
            self._ahead.revert(undo[undone:], revision)
            del changes[changed:], undo[undone:]
            return RefusedOutcome.of(refusal, revision)

    def _decide_one(
        self, command: Command, now_ms: int, changes: list[Change], undo: Undo
    ) -> AnyOutcome:
        made: list[Change]
        outcome: AnyOutcome
        match command:
            case Save():
                made, outcome = decide_save(self._ahead, command, now_ms)
            case Delete():
                made, outcome = decide_delete(self._ahead, command)
            case Clear():
                made, outcome = decide_clear(self._ahead, command)
            case _:
                raise AssertionError(f"no rule for {type(command).__name__}")
        for change in made:
            undo += self._ahead.apply(change)
        changes += made
        return outcome

    async def _decide_many(
        self, command: SaveMany, now_ms: int, changes: list[Change], undo: Undo
    ) -> SaveManyDone:
        outcomes: list[SaveDone | RefusedOutcome] = []
        for number, save in enumerate(command.saves):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)  # readers go on; only the writer touches `ahead`
            try:
                outcome = self._decide_one(save, now_ms, changes, undo)
                assert isinstance(outcome, SaveDone)
                outcomes.append(outcome)
            except HotbookError as refusal:
                if command.all_or_nothing:
                    raise _at_item(refusal, number) from None
                outcomes.append(RefusedOutcome.of(refusal, self._ahead.revision))
        return SaveManyDone(self._ahead.revision, tuple(outcomes))

    def _refuse_for_room(
        self, answers: list[tuple[_Ticket, AnyOutcome]], error: DiskIsFull
    ) -> None:
        log.error("disk full", reason=str(error), writes_refused=len(answers))
        self._telemetry.record("commit.disk_full")
        for ticket, _ in answers:
            self._forget_flight(ticket)
            ticket.fail(DiskFull(f"{error}: nothing changed; make room and try again"))

    def _give_up(self, batch: list[_Ticket], error: Exception) -> None:
        """The journal, or the engine itself, has failed: nobody is acknowledged any more."""
        if self.failure.done():
            return
        log.critical("the journal has failed", reason=str(error), exc_info=error)
        self.failure.set_result(error)
        self._wake.set()
        for ticket in (*batch, *self._queue):
            ticket.fail(JournalFailed(f"the journal has failed, the outcome is unknown: {error}"))
        self._queue.clear()

    # ---------------------------------------------------------------- requests

    def _requests_of(
        self, answers: list[tuple[_Ticket, AnyOutcome]], now_ms: int
    ) -> list[tuple[KeptRequest, bytes]]:
        kept = []
        for ticket, outcome in answers:
            if ticket.key is not None:
                self._sequence += 1
                key = ticket.key
                request = KeptRequest(key.request_id, key.fingerprint, self._sequence, now_ms)
                kept.append((request, encode_outcome(outcome)))
        return kept

    def _oldest_requests(self, now_ms: int) -> int:
        """Forgets the requests that are too many or too old; returns the last one's sequence."""
        horizon_ms = now_ms - int(self._settings.requests_kept_hours * _HOUR_MS)
        last = 0
        while self._requests:
            oldest = next(iter(self._requests.values()))
            if (
                len(self._requests) <= self._settings.requests_kept_max
                and oldest.at_ms >= horizon_ms
            ):
                break
            last = oldest.sequence
            del self._requests[oldest.request_id]
        return last

    def _forget_flight(self, ticket: _Ticket) -> None:
        if ticket.key is not None:
            self._in_flight.pop(ticket.key.request_id, None)

    # ---------------------------------------------------------------- operations

    async def rebuild(self) -> bool:
        """Makes the indexes anew from the truth. Returns whether the old ones were wrong."""

        async def act() -> bool:
            changed = await asyncio.to_thread(lambda: any(self.book.positions.problems()))
            fresh = await asyncio.to_thread(
                Book, list(self.book.positions.by_uuid.values()), self.book.revision
            )
            self.book, self._ahead = fresh, fresh.copy()
            return changed

        return await self.in_turn(act)

    async def reload(self) -> bool:
        """Makes the book anew from the journal. Returns whether memory and journal differed."""

        async def act() -> bool:
            before = self.book
            wrong = await asyncio.to_thread(lambda: any(before.positions.problems()))
            self._take_over(await self._on_journal(self.journal.load, None))
            same = (before.digest, before.revision) == (self.book.digest, self.book.revision)
            return wrong or not same

        return await self.in_turn(act)

    async def verify(self) -> tuple[Book, list[str], int]:
        """A copy of the book, everything that is wrong with it, and the changes checked."""

        async def act() -> tuple[Book, bool, Any]:
            snapshot = await self._on_journal(self.journal.snapshot)
            agree = self._ahead.positions.by_uuid == self.book.positions.by_uuid
            return self.book.copy(), agree, snapshot

        def look() -> tuple[list[str], int]:
            checked = snapshot.check(book.positions.by_uuid, book.revision)
            return [*book.positions.problems(), *checked.problems], checked.changes

        book, agree, snapshot = await self.in_turn(act)
        try:
            problems, changes = await asyncio.to_thread(look)
        finally:
            await asyncio.to_thread(snapshot.close)
        if not agree:
            problems.append("the book ahead differs from the book between two batches")
        return book, problems, changes

    # ---------------------------------------------------------------- threads and steps

    async def _on_journal(self, act: Callable[..., _T], *args: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._journal_thread, act, *args)

    async def _flush(self) -> None:
        """Relaxed mode: what was acknowledged is on disk within a second."""
        while True:
            await asyncio.sleep(0.5)
            if self._changed_since_flush:
                self._changed_since_flush = False
                try:
                    await self._on_journal(self.journal.flush)
                except JournalBroken as error:
                    self._give_up([], error)
                    return

    def _step(self, name: str) -> None:
        if self._on_step is not None:
            self._on_step(name)


def _check_same(key: RequestKey, fingerprint: int) -> None:
    if key.fingerprint != fingerprint:
        raise RequestReused(
            f"request {key.request_id} came before with another body: give each request its own id",
            request_id=key.request_id,
        )


def _at_item(refusal: HotbookError, number: int) -> HotbookError:
    """The refusal of one item, as that of the whole request."""
    details = {**refusal.details, "item": str(number)}
    return error_from(refusal.code, f"items[{number}]: {refusal.message}", details)
