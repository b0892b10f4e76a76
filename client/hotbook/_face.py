"""What every face of the client stands on: a transport, and how calls are run over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar

from hotbook import _calls
from hotbook._calls import Ahead, Begun, Call
from hotbook._connection import DEFAULT_TIMEOUT_S
from hotbook._procedures import Procedure
from hotbook._transport import Transport
from hotbook_shared.errors import DeadlineExceeded, HotbookError

_T = TypeVar("_T")


class Face:
    """A connection to one server, and the deadline of calls that are given none of their own."""

    def __init__(self, target: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._transport = Transport(target)
        self._timeout_s = _calls.seconds(timeout_s, DEFAULT_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hotbook.Client of {self._transport.target}>"

    @property
    def revision(self) -> int:
        """The newest revision that an answer to this client has told. After a write of any kind, a
        replica that has waited for it shows what was written."""
        return self._transport.revision

    def close(self) -> None:
        """Ends the connection, and every call that is under way. Closing twice is no error."""
        self._transport.close()

    def _run(self, call: Call[_T], timeout_s: float | None) -> _T:
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        reply = self._transport.call(call.method, call.request, whole_s)
        return call.read(reply)

    def _run_all(self, procedure: Procedure[_T], timeout_s: float | None) -> _T:
        """Runs the calls of a procedure inside one deadline."""
        left_s = self._countdown(timeout_s)
        try:
            step = next(procedure)
            while True:
                try:
                    answer = self._take(step, left_s())
                except HotbookError as error:
                    step = procedure.throw(error)
                else:
                    step = procedure.send(answer)
        except StopIteration as end:
            result: _T = end.value
            return result

    def _take(self, step: Call[Any] | Ahead | Begun, timeout_s: float) -> Any:
        """Runs a call, or begins one, or waits for the answer of one that was begun."""
        if isinstance(step, Ahead):
            call = step.call
            return Begun(call, self._transport.begin(call.method, call.request, timeout_s))
        if isinstance(step, Begun):
            reply = self._transport.end(step.reply)
            return step.call.read(reply)
        return self._run(step, timeout_s)

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
    ) -> Generator[Any, None, None]:
        """A stream of replies; begun again while that may help, until the first has come."""
        return self._follow(method, request, _calls.seconds(timeout_s, self._timeout_s))

    def _follow(self, method: str, request: Any, stall_s: float) -> Generator[Any, None, None]:
        attempts, begun = self._transport.attempts(stall_s, request), False
        while True:
            try:
                with closing(self._transport.stream(method, request, stall_s)) as frames:
                    for frame in frames:
                        begun = True
                        yield frame
                return
            except HotbookError as failure:
                error = failure
            time.sleep(attempts.pause_s(error, is_last=begun))
