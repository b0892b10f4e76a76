"""The keeper of a book: what every server has, one that takes writes or one that follows it.

Owns the book that readers see and the feed that tells of it. Services read from it and hand it
commands; how those end is the business of the engine, which journals them, or of the follower,
which refuses them.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hotbook_server.alerts import Alerts
from hotbook_server.archive import Archive
from hotbook_server.clock import Clock
from hotbook_server.commands import AnyOutcome, Command, RefusedOutcome
from hotbook_server.config import Settings
from hotbook_server.feed import Feed
from hotbook_server.intake import Intake
from hotbook_server.journal.base import Journal, Progress
from hotbook_server.market import Freshness
from hotbook_server.requests import RequestKey
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import JournalFailed, Unavailable

_T = TypeVar("_T")

OPERATIONS_AT_ONCE = 2
ALERTS_LOOK_S = 1.0
"""How often alerts are looked for that time alone brings."""


class Keeper(ABC):
    def __init__(self, settings: Settings, journal: Journal, clock: Clock) -> None:
        self.book = Book()
        self.feed = Feed(settings, clock, self.as_of_s)
        self.alerts = Alerts(settings)
        self.terms = Terms.of(settings)
        self.freshness = Freshness(settings, clock)
        self.journal = journal
        self.archive = Archive(journal, settings.closed_in_memory_max)
        self.quarantined = 0  # damaged rows that the journal has set aside
        self.intake = Intake(settings)
        self.stopping = asyncio.Event()
        """Set when no new work is accepted any more."""
        self.failure: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Done when the journal has failed: nothing is acknowledged any more."""
        self._settings = settings
        self._clock = clock
        self._operations = ThreadPoolExecutor(OPERATIONS_AT_ONCE, "hotbook-operations")
        self._standstill = ThreadPoolExecutor(1, "hotbook-standstill")

    @abstractmethod
    async def start(self, progress: Progress | None = None) -> None: ...

    @abstractmethod
    async def stop(self) -> None:
        """Answers what was accepted, then lets go of everything."""

    @property
    def state(self) -> str:
        if self.failure.done():
            return "failed"
        return "draining" if self.stopping.is_set() else "serving"

    @property
    def book_id(self) -> str:
        return self.journal.book_id

    def as_of_s(self) -> float:
        """When, by our clock, nothing had happened yet that the book does not have."""
        return self._clock.monotonic_s()

    @property
    def lag_ms(self) -> float:
        """How old the book may be."""
        return (self._clock.monotonic_s() - self.as_of_s()) * 1000

    def refuse_new_work(self) -> None:
        """What was accepted will be answered; nothing more is accepted."""
        self.stopping.set()
        self.feed.wake()
        self.freshness.close()

    async def submit(
        self, command: Command, key: RequestKey | None = None, *, timeout_s: float, size: int = 0
    ) -> AnyOutcome:
        """Hands a command to the writer and waits for its outcome. A refusal is raised."""
        outcome = await self.enqueue(command, key, timeout_s=timeout_s, size=size)
        if isinstance(outcome, RefusedOutcome):
            raise outcome.as_error()
        return outcome

    @abstractmethod
    def enqueue(
        self, command: Command, key: RequestKey | None = None, *, timeout_s: float, size: int = 0
    ) -> asyncio.Future[AnyOutcome]:
        """The same without waiting: what is awaited ends in an outcome, a refusal included."""

    async def watch_alerts(self) -> None:
        """For ever: tells followers of alerts that were held back, once their pause is over."""
        while True:
            await asyncio.sleep(ALERTS_LOOK_S)
            if self.alerts.look_again(self.book, self._clock.now_ms()):
                self.feed.wake()

    @abstractmethod
    async def rebuild(self) -> bool:
        """Makes the indexes anew from the truth. Returns whether the old ones were wrong."""

    @abstractmethod
    async def reload(self) -> bool:
        """Makes the book anew from where it came from. Returns whether memory was wrong."""

    @abstractmethod
    async def verify(self) -> tuple[Book, list[str], int]:
        """A copy of the book, everything that is wrong with it, and the changes checked."""

    async def operate(self, act: Callable[..., _T], *args: object) -> _T:
        """Runs what takes long, a few at once; others wait. Reads have threads of their own: none
        of them ever stands behind a backup."""
        return await asyncio.get_running_loop().run_in_executor(self._operations, act, *args)

    async def _standing_still(self, act: Callable[..., _T], *args: object) -> _T:
        """Runs what the book has to stand still for: it never stands behind a backup either."""
        return await asyncio.get_running_loop().run_in_executor(self._standstill, act, *args)

    def _end_threads(self) -> None:
        for threads in (self._operations, self._standstill):
            threads.shutdown(wait=False, cancel_futures=True)

    def check_working(self) -> None:
        if self.failure.done():
            raise JournalFailed("the journal has failed: this server stops")
        if self.stopping.is_set():
            raise Unavailable("the server is stopping")


def has_problems(book: Book) -> bool:
    return any(book.problems(in_memory_only=True))
