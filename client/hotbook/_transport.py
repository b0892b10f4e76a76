"""The transport: one request to one reply, inside one deadline. Knows no nouns.

Owns the channel, the retries and the translation of failures. Every request of hotbook is safe to
repeat (reads by nature, mutations by their request id), so whatever may pass is tried again with
the very same bytes until the deadline.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

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
from hotbook_shared.status import error_from_call

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


SERVICES = pb.DESCRIPTOR.services_by_name
STUBS: tuple[Any, ...] = (
    stubs.PositionsStub,
    stubs.OrdersStub,
    stubs.SplittingStub,
    stubs.FeedStub,
    stubs.OperationsStub,
)


class Transport:
    """A channel to one server. Safe to use from any thread."""

    def __init__(self, target: str) -> None:
        if not isinstance(target, str) or not is_address(target):
            raise InvalidArgument(f"target must be HOST:PORT, not {target!r}", field="target")
        self.target = target
        self._closed = False
        self._channel = grpc.insecure_channel(target, options=OPTIONS)
        self._stubs = [stub(self._channel) for stub in STUBS]

    def call(self, method: str, request: Any, timeout_s: float) -> Any:
        """One request to one reply; tried again until the deadline while that may help."""
        rpc = self._rpc(method)
        deadline_s = time.monotonic() + timeout_s
        pauses = backoff()
        cause: HotbookError | None = None
        while True:
            try:
                return rpc(request, timeout=max(deadline_s - time.monotonic(), 0.001))
            except (grpc.RpcError, ValueError) as failure:
                error = self._error_of(failure)
            if isinstance(error, JournalFailed):
                cause = error  # what comes after it, while the server is gone, tells less
            pause_s = next(pauses)
            if not error.retryable or time.monotonic() + pause_s >= deadline_s:
                raise self.told(cause or error, timeout_s, request) from None
            time.sleep(pause_s)

    def stream(
        self,
        method: str,
        request: Any,
        stall_s: float,
        is_due: Callable[[], bool] = lambda: True,
        read: Callable[[bytes], Any] | None = None,
    ) -> Iterator[Any]:
        """A request, or an iterator of them, to a stream of replies; not tried again.

        It may stand still for `stall_s` while a reply is due. The caller's own pauses don't count.
        `read` takes the replies' bytes in another way than as the messages that they are.
        """
        watch = _Watch(stall_s, is_due)
        rpc = self._rpc(method) if read is None else self._rpc_read_by(method, read)
        try:
            with watch.over(rpc(request)):
                yield from watch.replies()
        except (grpc.RpcError, ValueError) as failure:
            if watch.has_fired:
                late = DeadlineExceeded("it stood still")
                raise self.told(late, stall_s, request) from None
            raise self._error_of(failure) from None

    def close(self) -> None:
        self._closed = True
        self._channel.close()

    def told(self, error: HotbookError, timeout_s: float, request: Any = None) -> HotbookError:
        """An error as the user should read it: with the target, and what to do."""
        if self._closed:
            return Unavailable("this client is closed", target=self.target)
        if type(error) is Unavailable:
            return Unavailable(
                f"no answer from {self.target} within {timeout_s:g} s: is the server running? "
                f"(`hotbook serve` starts one; last: {error.message})",
                target=self.target,
            )
        if type(error) is DeadlineExceeded:
            is_write = request is None or hasattr(request, "request_id")
            unknown = "; the write may or may not have happened" if is_write else ""
            return DeadlineExceeded(
                f"{self.target} did not answer within {timeout_s:g} s{unknown}", target=self.target
            )
        return error

    def _rpc(self, method: str) -> Any:
        for stub in self._stubs:
            rpc = getattr(stub, method, None)
            if rpc is not None:
                return rpc
        raise AssertionError(f"no rpc is called {method}")

    def _rpc_read_by(self, method: str, read: Callable[[bytes], Any]) -> Any:
        service = next(s for s in SERVICES.values() if method in s.methods_by_name)
        request = GetMessageClass(service.methods_by_name[method].input_type)
        return self._channel.unary_stream(
            f"/{service.full_name}/{method}", request.SerializeToString, read
        )

    def _error_of(self, failure: Exception) -> HotbookError:
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


class _Watch:
    """Ends a streaming call that stands still while a reply is due."""

    def __init__(self, stall_s: float, is_due: Callable[[], bool]) -> None:
        self.has_fired = False
        self._call: Any = None
        self._stall_s = stall_s
        self._is_due = is_due
        self._waiting_since_s: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def replies(self) -> Iterator[Any]:
        while True:
            self._waiting_since_s = time.monotonic()
            try:
                reply = next(self._call)
            except StopIteration:
                return
            finally:
                self._waiting_since_s = None
            yield reply

    def _look(self) -> None:
        idle_s = time.monotonic()  # when nothing was due for the last time
        while not self._over.wait(min(self._stall_s / 4, 1.0)):
            now_s, since_s = time.monotonic(), self._waiting_since_s
            if since_s is None or not self._is_due():
                idle_s = now_s
            elif now_s - max(since_s, idle_s) > self._stall_s:
                self.has_fired = True
                self._call.cancel()
                return

    def over(self, call: Any) -> _Watch:
        self._call = call
        return self

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._call.cancel()


def backoff() -> Iterator[float]:
    """Pauses that double from 25 ms to 1 s, each cut at random so that callers spread out."""
    longest_s = BACKOFF_FIRST_S
    while True:
        yield random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads load, guards nothing
        longest_s = min(longest_s * 2, BACKOFF_MOST_S)
