"""The transport for asyncio: one request to one reply, inside one deadline. Knows no nouns.

Owns the channel and the waiting, like its twin `_transport.py`. It lives on the loop of its first
call, and has neither a loop nor a thread of its own. (grpc.aio itself has one thread for the whole
process, which tells the loop that something has arrived.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from hotbook._connection import OPTIONS, Attempts, Connection, Patience
from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    InternalError,
    InvalidArgument,
    Unavailable,
)

_T = TypeVar("_T")

Reply = Callable[[], Awaitable[Any]]

SECOND_LOOK_S = 0.01


class _EndedError(Exception):
    """The call was ended by us, which grpc.aio tells as if the caller's task were cancelled."""


_FAILURES = (grpc.RpcError, grpc.aio.BaseError, _EndedError)


class Transport(Connection):
    """A channel to one server. Safe to use from any task of one event loop."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def call(self, method: str, request: Any, timeout_s: float) -> Any:
        """One request to one reply; tried again until the deadline while that may help."""
        return await self._reply(method, request, self.attempts(timeout_s, request))

    async def begin(self, method: str, request: Any, timeout_s: float) -> Reply:
        """The same, begun: it is under way while the caller does something else."""
        attempts = self.attempts(timeout_s, request)
        try:
            first = self._rpc(method)(request, timeout=attempts.left_s())
        except _FAILURES as failure:
            raise self._error_of(failure) from None
        await asyncio.sleep(0)  # in this turn of the loop grpc.aio hands it to its thread
        return lambda: self._reply(method, request, attempts, first)

    async def end(self, reply: Reply) -> Any:
        """Waits for the reply of what was begun; tried again like any call."""
        return await reply()

    async def _reply(
        self, method: str, request: Any, attempts: Attempts, first: Awaitable[Any] | None = None
    ) -> Any:
        while True:
            try:
                reply = first or self._rpc(method)(request, timeout=attempts.left_s())
                return self.noted(await _reply(reply))
            except _FAILURES as failure:
                error = self._error_of(failure)
            first = None
            await asyncio.sleep(attempts.pause_s(error))

    async def stream(
        self,
        method: str,
        request: Any,
        stall_s: float,
        is_due: Callable[[], bool] = lambda: True,
    ) -> AsyncGenerator[Any, None]:
        """A request, or an async iterator of them, to a stream of replies; not tried again.

        It may stand still for `stall_s` while a reply is due. The caller's own pauses don't count.
        """
        patience = Patience(stall_s, is_due)
        try:
            call = self._rpc(method)(request)
            with _Watch(call, patience):
                replies = aiter(call)
                while True:
                    patience.waiting_since_s = time.monotonic()
                    reply = await _reply(anext(replies, None))
                    patience.waiting_since_s = None
                    if reply is None:
                        return
                    yield self.noted(reply)
        except _FAILURES as failure:
            if patience.is_over:
                late = DeadlineExceeded("it stood still")
                raise self.told(late, stall_s, request) from None
            raise self._error_of(failure) from None

    async def close(self) -> None:
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    def _rpc(self, method: str) -> Any:
        """The rpc of that name. The first one opens the channel, for the loop that runs now."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise _EndedError
        if self._loop is None:
            self._loop = loop
            self._channel = grpc.aio.insecure_channel(self.target, options=OPTIONS)
            self._open(self._channel)
        if loop is not self._loop:
            raise InvalidArgument(
                "this client belongs to another event loop: connect() once for each loop"
            )
        return super()._rpc(method)

    def _error_of(self, failure: Exception) -> HotbookError:
        if not self._closed and not isinstance(failure, grpc.RpcError):
            return Unavailable(str(failure) or "the call was ended", target=self.target)
        error = super()._error_of(failure)
        if type(error) is InternalError and error.message == "Internal error from Core":
            # A write that met the call's end hides why it ended (grpc/grpc#36066): ask again.
            return Unavailable(error.message, target=self.target)
        return error


async def _reply(reply: Awaitable[_T]) -> _T:
    """Awaits what grpc.aio gives. CancelledError comes out where the caller's task is cancelled."""
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    try:
        return await reply
    except asyncio.CancelledError:
        if task is None or task.cancelling() > cancels:
            raise
        raise _EndedError from None


class _Watch:
    """Ends a streaming call that stands still while a reply is due.

    It looks twice: where the loop was held up by something else, a reply may have come meanwhile,
    which nobody could take.
    """

    def __init__(self, call: Any, patience: Patience) -> None:
        self._call = call
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._seems_over = False

    def _look(self) -> None:
        stands_still = self._patience.look()
        if stands_still and self._seems_over:
            self._patience.is_over = True
            self._call.cancel()
            return
        self._seems_over = stands_still
        pause_s = SECOND_LOOK_S if stands_still else self._patience.look_every_s
        self._timer = self._loop.call_later(pause_s, self._look)

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(self._patience.look_every_s, self._look)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._call.cancel()
