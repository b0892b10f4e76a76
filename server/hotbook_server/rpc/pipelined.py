"""Commands that come as a stream: they are begun as they are read, and answered in their order.

Owns reading ahead: so many commands at most are begun and not answered. What a message holds, and
what an answer looks like, is the service's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from hotbook_server.commands import AnyOutcome, Command
from hotbook_server.keeper import Keeper
from hotbook_server.requests import RequestKey
from hotbook_shared.errors import QueueFull, Unavailable

Begun = asyncio.Queue[asyncio.Future[AnyOutcome] | None]
"""What has been begun, in order; None is the end."""


async def in_order(
    read: Callable[[Begun], Awaitable[None]], stopping: asyncio.Event, window: int
) -> AsyncGenerator[list[AnyOutcome]]:
    """The outcomes of what `read` begins, those together that are ready. What `read` raises comes
    in its place, when everything before it is answered. Close it: it has a task."""
    begun: Begun = asyncio.Queue(window)
    reader = asyncio.create_task(_read_to_the_end(read, begun, stopping))
    try:
        async for outcomes in _as_they_are_ready(begun):
            yield outcomes
    finally:
        reader.cancel()


async def begin(
    keeper: Keeper, command: Command, key: RequestKey | None, timeout_s: float, size: int
) -> asyncio.Future[AnyOutcome]:
    """Hands a command over; waits where too much is waiting already."""
    while True:
        try:
            return keeper.enqueue(command, key, timeout_s=timeout_s, size=size)
        except QueueFull:
            await keeper.intake.room.wait()


def decided(outcome: AnyOutcome) -> asyncio.Future[AnyOutcome]:
    """An outcome that need not be waited for."""
    future: asyncio.Future[AnyOutcome] = asyncio.get_running_loop().create_future()
    future.set_result(outcome)
    return future


async def _read_to_the_end(
    read: Callable[[Begun], Awaitable[None]], begun: Begun, stopping: asyncio.Event
) -> None:
    """Until the caller ends the stream, sends garbage, or the server stops."""
    reading = asyncio.ensure_future(read(begun))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
        else:
            raise Unavailable("the server is stopping: send again what was not answered")
        await begun.put(None)
    except Exception as error:  # whatever it is, the caller must not wait for ever
        await begun.put(_failed(error))
    finally:
        reading.cancel()
        stopped.cancel()


def _failed(error: Exception) -> asyncio.Future[AnyOutcome]:
    future: asyncio.Future[AnyOutcome] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


async def _as_they_are_ready(begun: Begun) -> AsyncIterator[list[AnyOutcome]]:
    """The outcomes in order, up to None; those together that need not be waited for."""
    ready: list[AnyOutcome] = []
    while (answer := await begun.get()) is not None:
        if ready and not (answer.done() and answer.exception() is None):
            yield ready
            ready = []
        ready.append(await answer)
        if begun.empty():
            yield ready
            ready = []
    if ready:
        yield ready
