"""Saving as a pipeline, for asyncio: the twin of `_pipeline.py`.

The caller's iterator is asked for more by a task of ours, one at a time. Of all that is done here
this alone outlives an attempt, so that the end of an attempt does not end the caller's iterator;
it ends with the pipeline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing

from hotbook import _calls
from hotbook._aio_transport import Transport
from hotbook._connection import Attempts
from hotbook._pipeline import Sent
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
                    async for outcome in replies:
                        attempts = None
                        yield _calls.save_outcome(outcome, pipeline.answered())
                break
            except HotbookError as failure:
                error = failure
            attempts = attempts or transport.attempts(timeout_s)
            await asyncio.sleep(attempts.pause_s(error))
        if pipeline.failure is not None:
            raise pipeline.failure


class _Pipeline(Sent):
    """Takes positions as gRPC asks for them."""

    def __init__(self, positions: Iterable[Position] | AsyncIterable[Position]) -> None:
        super().__init__()
        self._positions = _iterate(positions)
        self._drawing: asyncio.Task[None] | None = None

    def requests(self) -> AsyncIterator[pb.SaveRequest]:
        """First what has no answer yet, then what comes next."""
        return self._requests(*self.begin())

    async def aclose(self) -> None:
        """Ends the last attempt, and the waiting for the caller's iterator."""
        self.begin()
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.wait({self._drawing})

    async def _requests(self, attempt: int, cursor: int) -> AsyncIterator[pb.SaveRequest]:
        while attempt == self._attempt:
            request = self._sent(cursor)
            if request is not None:
                cursor += 1
                yield request
            elif self._ended:
                return
            else:
                self._drawing = self._drawing or asyncio.create_task(self._draw())
                await asyncio.wait({self._drawing})

    async def _draw(self) -> None:
        try:
            position = await anext(self._positions)
            self._add(position, _calls.save_request(position))
        except StopAsyncIteration:
            self._end()
        except Exception as error:
            self._end(error)
        finally:
            self._drawing = None


def _iterate(
    positions: Iterable[Position] | AsyncIterable[Position],
) -> AsyncIterator[Position]:
    if isinstance(positions, AsyncIterable):
        return aiter(positions)
    return _each(_calls.iterate(positions, "positions"))


async def _each(positions: Iterable[Position]) -> AsyncIterator[Position]:
    for position in positions:
        yield position
