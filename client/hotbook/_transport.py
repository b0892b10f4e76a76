"""The transport: one request to one reply, inside one deadline. Knows no nouns.

Owns the channel, the retries and the translation of failures. Every request of hotbook is safe to
repeat (reads by nature, mutations by their request id), so whatever may pass is tried again with
the very same bytes until the deadline.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import grpc

from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    LimitReached,
    MessageTooLarge,
    QueueFull,
    Unavailable,
)
from hotbook_shared.pb.hotbook_pb2_grpc import OperationsStub, PositionsStub
from hotbook_shared.wire import error_from_call

BACKOFF_FIRST_S = 0.025
BACKOFF_MOST_S = 1.0

OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),  # the server says what is too large, by name
    # A server that comes back is found again within a fraction of a second.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),  # ours know the deadline and the error codes
]


class Transport:
    """A channel to one server. Safe to use from any thread."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._channel = grpc.insecure_channel(target, options=OPTIONS)
        self._stubs: tuple[Any, ...] = (
            PositionsStub(self._channel),  # type: ignore[no-untyped-call]
            OperationsStub(self._channel),  # type: ignore[no-untyped-call]
        )

    def call(self, method: str, request: Any, timeout_s: float) -> Any:
        """One request to one reply; tried again until the deadline while that may help."""
        rpc = self._rpc(method)
        deadline_s = time.monotonic() + timeout_s
        pauses = backoff()
        while True:
            try:
                return rpc(request, timeout=max(deadline_s - time.monotonic(), 0.001))
            except grpc.RpcError as failure:
                error = _error_of(failure)
            pause_s = next(pauses)
            if not error.retryable or time.monotonic() + pause_s >= deadline_s:
                raise self._told(error, timeout_s) from None
            time.sleep(pause_s)

    def stream(self, method: str, request: Any, timeout_s: float | None) -> Iterator[Any]:
        """One request, or an iterator of them, to a stream of replies; not tried again."""
        try:
            yield from self._rpc(method)(request, timeout=timeout_s)
        except grpc.RpcError as failure:
            raise _error_of(failure) from None

    def close(self) -> None:
        self._channel.close()

    def _rpc(self, method: str) -> Any:
        for stub in self._stubs:
            rpc = getattr(stub, method, None)
            if rpc is not None:
                return rpc
        raise AssertionError(f"no rpc is called {method}")

    def _told(self, error: HotbookError, timeout_s: float) -> HotbookError:
        """An error as the user should read it: with the target, and what to do."""
        if type(error) is Unavailable:
            return Unavailable(
                f"no answer from {self.target} within {timeout_s:g} s: is the server running? "
                f"(`hotbook serve` starts one; last: {error.message})",
                target=self.target,
            )
        if type(error) is DeadlineExceeded:
            return DeadlineExceeded(
                f"{self.target} did not answer within {timeout_s:g} s; a write may or may not "
                "have happened",
                target=self.target,
            )
        return error


def _error_of(failure: grpc.RpcError) -> HotbookError:
    error = error_from_call(failure)
    if type(error) is LimitReached:  # by gRPC itself, which has one status for two limits
        kind = MessageTooLarge if "larger than max" in error.message else QueueFull
        return kind(error.message)
    return error


def backoff() -> Iterator[float]:
    """Pauses that double from 25 ms to 1 s, each cut at random so that callers spread out."""
    longest_s = BACKOFF_FIRST_S
    while True:
        yield random.uniform(longest_s / 2, longest_s)  # noqa: S311 - spreads load, guards nothing
        longest_s = min(longest_s * 2, BACKOFF_MOST_S)
