"""What every face of the client stands on: a transport, and how calls are run over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from hotbook import _calls
from hotbook._transport import Transport, backoff
from hotbook_shared.errors import DeadlineExceeded, HotbookError

_T = TypeVar("_T")

DEFAULT_TIMEOUT_S = 10.0


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

    def close(self) -> None:
        self._transport.close()

    def _frames(self, method: str, request: Any, timeout_s: float | None) -> Iterator[Any]:
        """A stream of replies; begun again while that may help, until the first has come."""
        return self._follow(method, request, _calls.seconds(timeout_s, self._timeout_s))

    def _follow(self, method: str, request: Any, stall_s: float) -> Iterator[Any]:
        deadline_s, pauses, begun = time.monotonic() + stall_s, backoff(), False
        while True:
            try:
                for frame in self._transport.stream(method, request, stall_s):
                    begun = True
                    yield frame
                return
            except HotbookError as error:
                pause_s = next(pauses)
                late = time.monotonic() + pause_s >= deadline_s
                if begun or late or not error.retryable:
                    raise self._transport.told(error, stall_s, request) from None
                time.sleep(pause_s)

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

    def _run(self, call: _calls.Call[_T], timeout_s: float | None) -> _T:
        reply = self._transport.call(
            call.method, call.request, _calls.seconds(timeout_s, self._timeout_s)
        )
        return call.read(reply)
