"""What both transports stand on: an address, its methods, what a failure means, when to try again.

Owns neither a channel nor a wait. Every request of hotbook is safe to repeat (reads by nature,
mutations by their request id), so whatever may pass is tried again with the very same bytes until
the deadline.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from hotbook_shared.address import is_address
from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    InvalidArgument,
    JournalFailed,
    LimitReached,
    MessageTooLarge,
    QueueFull,
    Unavailable,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import hotbook_pb2_grpc as stubs
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.status import error_from_call

DEFAULT_TARGET = "127.0.0.1:50700"
DEFAULT_TIMEOUT_S = 10.0
BACKOFF_FIRST_S = 0.025
BACKOFF_MOST_S = 1.0

OPTIONS: list[tuple[str, int]] = [
    # The server says what is too large, by name; what it holds, it may send.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that comes back is found again within a fraction of a second.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # in truth: how long one attempt may take
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),  # ours know the deadline and the error codes
]


class RecordsStub:
    """Watch as replicas read it: with positions as the bytes that they are."""

    def __init__(self, channel: Any) -> None:
        self.WatchRecords = channel.unary_stream(
            "/hotbook.v1.Feed/Watch", pb.WatchRequest.SerializeToString, raw.WatchFrame.FromString
        )


STUBS: tuple[Any, ...] = (
    stubs.PositionsStub,
    stubs.OrdersStub,
    stubs.SplittingStub,
    stubs.FeedStub,
    stubs.CampaignsStub,
    stubs.MarketStub,
    stubs.OperationsStub,
    RecordsStub,
)


class Connection:
    """One server. A transport opens the channel, and waits."""

    def __init__(self, target: str) -> None:
        if not isinstance(target, str) or not is_address(target):
            raise InvalidArgument(f"target must be HOST:PORT, not {target!r}", field="target")
        self.target = target
        self.revision = 0
        """The newest revision that an answer has told."""
        self._closed = False
        self._stubs: list[Any] = []
        self._noting = threading.Lock()

    def attempts(self, timeout_s: float, request: Any = None) -> Attempts:
        """Begins a deadline, inside which one thing is tried until it succeeds."""
        return Attempts(timeout_s, lambda error: self.told(error, timeout_s, request))

    def told(self, error: HotbookError, timeout_s: float, request: Any = None) -> HotbookError:
        """An error as the user should read it: with the target, and what to do."""
        if self._closed:
            return Unavailable("this client is closed", target=self.target)
        within = f"{round(timeout_s, 3):g} s"
        if type(error) is Unavailable:
            return Unavailable(
                f"no answer from {self.target} within {within}: is the server running? "
                f"(`hotbook serve` starts one; last: {error.message})",
                target=self.target,
            )
        if type(error) is DeadlineExceeded:
            is_write = request is None or hasattr(request, "request_id")
            unknown = "; the write may or may not have happened" if is_write else ""
            return DeadlineExceeded(
                f"{self.target} did not answer within {within}{unknown}", target=self.target
            )
        return error

    def noted(self, reply: Any) -> Any:
        """A reply, once its revision has been noted."""
        revision: int = getattr(reply, "revision", 0)
        if revision > self.revision:
            with self._noting:  # two threads at once: the newest of both
                self.revision = max(self.revision, revision)
        return reply

    def _open(self, channel: Any) -> None:
        self._stubs = [stub(channel) for stub in STUBS]

    def _rpc(self, method: str) -> Any:
        for stub in self._stubs:
            rpc = getattr(stub, method, None)
            if rpc is not None:
                return rpc
        raise AssertionError(f"no rpc is called {method}")

    def _error_of(self, failure: Exception) -> HotbookError:
        """The error behind a failed call. What is no failure of a call is raised as it is."""
        if self._closed:
            return _Closed("this client is closed", target=self.target)
        if not isinstance(failure, grpc.RpcError):
            raise failure
        error = error_from_call(failure)
        if type(error) is LimitReached:  # by gRPC itself, which has one status for two limits
            kind = MessageTooLarge if "larger than max" in error.message else QueueFull
            return kind(error.message)
        return error


class _Closed(Unavailable):
    """Not worth another try: the client was closed meanwhile."""

    retryable = False


class Attempts:
    """How long the next attempt may take, and how long to wait before it."""

    def __init__(self, timeout_s: float, told: Callable[[HotbookError], HotbookError]) -> None:
        self._deadline_s = time.monotonic() + timeout_s
        self._told = told
        self._pauses = backoff()
        self._cause: HotbookError | None = None

    def left_s(self) -> float:
        return max(self._deadline_s - time.monotonic(), 0.001)

    def pause_s(self, error: HotbookError, *, is_last: bool = False) -> float:
        """The pause after an error; raises the error where another attempt is of no use."""
        if isinstance(error, JournalFailed):
            self._cause = error  # what comes after it, while the server is gone, tells less
        pause_s = next(self._pauses)
        late = time.monotonic() + pause_s >= self._deadline_s
        if is_last or late or not error.retryable:
            raise self._told(self._cause or error) from None
        return pause_s


class Patience:
    """Whether a stream stands still while a reply is due. The caller's own pauses don't count."""

    def __init__(self, stall_s: float, is_due: Callable[[], bool]) -> None:
        self.waiting_since_s: float | None = None
        """When the transport began to wait for the next reply; None while the caller has one."""
        self.look_every_s = min(stall_s / 4, 1.0)
        self.is_over = False
        """Set by whoever ends the call for it."""
        self._stall_s = stall_s
        self._is_due = is_due
        self._idle_s = time.monotonic()  # when nothing was due for the last time

    def look(self) -> bool:
        """Whether the stream stands still. To be asked every `look_every_s`."""
        now_s, since_s = time.monotonic(), self.waiting_since_s
        if since_s is None or not self._is_due():
            self._idle_s = now_s
            return False
        return now_s - max(since_s, self._idle_s) > self._stall_s


def backoff() -> Iterator[float]:
    """Pauses that double from 25 ms to 1 s, each cut at random so that callers spread out."""
    longest_s = BACKOFF_FIRST_S
    while True:
        yield random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads load, guards nothing
        longest_s = min(longest_s * 2, BACKOFF_MOST_S)
