"""The intake: commands that wait for the writer, bounded in number and in bytes.

A command and those who wait for its outcome are a ticket. Two requests with one id share it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from hotbook_server.commands import AnyOutcome, Command
from hotbook_server.config import Settings
from hotbook_server.requests import RequestKey, check_same
from hotbook_shared.errors import HotbookError, QueueFull

BATCH_MAX_BYTES = 16 * 1024 * 1024


class Ticket:
    """A command on its way."""

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

    def wait(self) -> asyncio.Future[AnyOutcome]:
        """A future for one more who waits; whoever leaves does not disturb the others."""
        future: asyncio.Future[AnyOutcome] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return future

    def answer(self, outcome: AnyOutcome) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(outcome)

    def fail(self, error: HotbookError) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


class Intake:
    def __init__(self, settings: Settings) -> None:
        self.room = asyncio.Event()
        """Set whenever the intake has become shorter; cleared when something is taken in."""
        self._depth_max = settings.queue_depth_max
        self._bytes_max = settings.queue_max_bytes
        self._batch_max = settings.batch_max
        self._waiting: deque[Ticket] = deque()
        self._bytes = 0
        self._in_flight: dict[str, Ticket] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def find(self, key: RequestKey) -> Ticket | None:
        """The ticket of a request that has no outcome yet. Another body under the id is refused."""
        ticket = self._in_flight.get(key.request_id)
        if ticket is not None and ticket.key is not None:
            check_same(key, ticket.key.fingerprint)
        return ticket

    def take_in(self, ticket: Ticket) -> None:
        """Queues a ticket, or refuses it at once."""
        self.room.clear()
        if len(self._waiting) >= self._depth_max:
            raise QueueFull(
                f"{len(self._waiting)} writes are waiting: try again in a moment",
                queue_depth_max=self._depth_max,
            )
        if self._waiting and self._bytes + ticket.size > self._bytes_max:
            raise QueueFull(
                f"{self._bytes} bytes of writes are waiting: try again in a moment",
                queue_max_bytes=self._bytes_max,
            )
        if ticket.key is not None:
            self._in_flight[ticket.key.request_id] = ticket
        self._waiting.append(ticket)
        self._bytes += ticket.size

    def take_batch(self) -> list[Ticket]:
        """The oldest tickets, up to the limits of one commit. They stay in flight."""
        batch: list[Ticket] = []
        size = 0
        while self._waiting and len(batch) < self._batch_max and size < BATCH_MAX_BYTES:
            ticket = self._waiting.popleft()
            size += ticket.size
            batch.append(ticket)
        self._bytes -= size
        self.room.set()
        return batch

    def land(self, ticket: Ticket) -> None:
        """The ticket has its outcome, or will have none: its request is no longer in flight."""
        if ticket.key is not None:
            self._in_flight.pop(ticket.key.request_id, None)

    def fail_all(self, error: HotbookError) -> None:
        while self._waiting:
            self._waiting.popleft().fail(error)
        self.room.set()  # who waits for room is told why there will be none
