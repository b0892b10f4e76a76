"""Saving as a pipeline, for asyncio: the twin of `_pipeline.py`.

The caller's iterator is asked for more by a task of ours, ahead of what is sent. Of all that is
done here this alone outlives an attempt, so that the end of an attempt does not end the caller's
iterator; it ends with the pipeline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing

from hotbook import _calls
from hotbook._aio_transport import Transport
from hotbook._connection import Attempts
from hotbook._pipeline import COMPANY_S, Sent
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb


async def save_stream(
    transport: Transport,
    positions: Iterable[Position] | AsyncIterable[Position],
    timeout_s: float,
) -> AsyncGenerator[Saved | HotbookError, None]:
    async with aclosing(_Pipeline(positions)) as pipeline:
        attempts: Attempts | None = None  # since the last answer
        while True:
            replies = transport.stream(
                "SaveStream", pipeline.requests(), timeout_s, pipeline.has_unanswered
            )
            try:
                async with aclosing(replies):
                    async for reply in replies:
                        attempts = None
                        for outcome in reply.outcomes:
                            yield _calls.save_outcome(outcome, pipeline.answered())
                break
            except HotbookError as failure:
                error = failure
            attempts = attempts or transport.attempts(timeout_s)
            await asyncio.sleep(attempts.pause_s(error))
        if pipeline.failure is not None:
            raise pipeline.failure


class _Pipeline(Sent):
    """Draws positions in a task of its own, and gives messages to gRPC as it asks for them."""

    def __init__(self, positions: Iterable[Position] | AsyncIterable[Position]) -> None:
        super().__init__()
        self._positions = _iterate(positions)
        self._news = asyncio.Event()
        self._drawing = asyncio.create_task(self._draw(), name="hotbook-pipeline")

    def requests(self) -> AsyncIterator[pb.SaveStreamRequest]:
        """First what has no answer yet, then what comes next."""
        attempt = self.begin()
        self._tell()
        return self._messages(attempt)

    def answered(self) -> str:
        uuid = super().answered()
        if not self._taken:
            self._tell()
        return uuid

    async def aclose(self) -> None:
        """Ends the last attempt, and the waiting for the caller's iterator."""
        self.begin()
        self._tell()
        self._drawing.cancel()
        await asyncio.wait({self._drawing})

    async def _messages(self, attempt: int) -> AsyncIterator[pb.SaveStreamRequest]:
        while True:
            await self._wait_until(lambda: self.has_news(attempt))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMPANY_S):
                    await self._wait_until(lambda: self.is_due(attempt))
            message = self.take(attempt)
            self._tell()
            if message is None:
                return
            yield message

    async def _draw(self) -> None:
        failure: BaseException | None = None
        try:
            async for position in self._positions:
                self.add(position, _calls.save_request(position))
                self._tell()
                await self._wait_until(self.has_room)
        except BaseException as error:  # the caller's, a cancel of something of his included
            failure = error
        self.end(failure)
        self._tell()

    def _tell(self) -> None:
        """Something has happened: whoever waits may look."""
        self._news.set()
        self._news = asyncio.Event()

    async def _wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self._news.wait()


def _iterate(
    positions: Iterable[Position] | AsyncIterable[Position],
) -> AsyncIterator[Position]:
    if isinstance(positions, AsyncIterable):
        return aiter(positions)
    return _each(_calls.iterate(positions, "positions"))


async def _each(positions: Iterable[Position]) -> AsyncIterator[Position]:
    for position in positions:
        yield position
