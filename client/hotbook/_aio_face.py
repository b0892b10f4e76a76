# Made from _face.py by scripts/faces: edit that file, then run the script.
"""What every face of the client stands on: a transport, and how calls are run over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar

from hotbook import _calls
from hotbook._aio_transport import Transport
from hotbook._calls import Ahead, Begun, Call
from hotbook._connection import DEFAULT_TIMEOUT_S
from hotbook._procedures import Procedure
from hotbook_shared.errors import DeadlineExceeded, HotbookError

_T = TypeVar("_T")


class Face:
    """A connection to one server, and the deadline of calls that are given none of their own."""

    def __init__(self, target: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._transport = Transport(target)
        self._timeout_s = _calls.seconds(timeout_s, DEFAULT_TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<hotbook.aio.Client of {self._transport.target}>"

    @property
    def revision(self) -> int:
        """The newest revision that an answer to this client has told. After a write of any kind, a
        replica that has waited for it shows what was written."""
        return self._transport.revision

    async def close(self) -> None:
        """Ends the connection, and every call that is under way. Closing twice is no error."""
        await self._transport.close()

    async def _run(self, call: Call[_T], timeout_s: float | None) -> _T:
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        reply = await self._transport.call(call.method, call.request, whole_s)
        return call.read(reply)

    async def _run_all(self, procedure: Procedure[_T], timeout_s: float | None) -> _T:
        """Runs the calls of a procedure inside one deadline."""
        left_s = self._countdown(timeout_s)
        try:
            step = next(procedure)
            while True:
                try:
                    answer = await self._take(step, left_s())
                except HotbookError as error:
                    step = procedure.throw(error)
                else:
                    step = procedure.send(answer)
        except StopIteration as end:
            result: _T = end.value
            return result

    async def _take(self, step: Call[Any] | Ahead | Begun, timeout_s: float) -> Any:
        """Runs a call, or begins one, or waits for the answer of one that was begun."""
        if isinstance(step, Ahead):
            call = step.call
            return Begun(call, await self._transport.begin(call.method, call.request, timeout_s))
        if isinstance(step, Begun):
            reply = await self._transport.end(step.reply)
            return step.call.read(reply)
        return await self._run(step, timeout_s)

    def _countdown(self, timeout_s: float | None) -> Callable[[], float]:
        """What is left of a deadline that several calls share."""
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        deadline_s = time.monotonic() + whole_s

        def left_s() -> float:
            left = deadline_s - time.monotonic()
            if left <= 0 < whole_s:
                raise self._transport.told(DeadlineExceeded("time is up"), whole_s)
            return max(left, 0.0)

        return left_s

    def _frames(
        self, method: str, request: Any, timeout_s: float | None
    ) -> AsyncGenerator[Any, None]:
        """A stream of replies; begun again while that may help, until the first has come."""
        return self._follow(method, request, _calls.seconds(timeout_s, self._timeout_s))

    async def _follow(self, method: str, request: Any, stall_s: float) -> AsyncGenerator[Any, None]:
        attempts, begun = self._transport.attempts(stall_s, request), False
        while True:
            try:
                async with aclosing(self._transport.stream(method, request, stall_s)) as frames:
                    async for frame in frames:
                        begun = True
                        yield frame
                return
            except HotbookError as failure:
                error = failure
            await asyncio.sleep(attempts.pause_s(error, is_last=begun))
