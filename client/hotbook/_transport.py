"""The transport: one request to one reply, inside one deadline. Knows no nouns.

Owns the channel and the waiting; `_aio_transport.py` is its twin for asyncio.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import grpc
from grpc import experimental

from hotbook._connection import OPTIONS, Attempts, Connection, Patience
from hotbook_shared.errors import DeadlineExceeded

# Whoever reads a stream waits for it himself: a thread of gRPC's between the two would cost a turn
# of the interpreter's lock for each message, and busy threads make those dear.
OWN_OPTIONS = [(experimental.ChannelOptions.SingleThreadedUnaryStream, 1)]

Reply = Callable[[], Any]


class Transport(Connection):
    """A channel to one server. Safe to use from any thread."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._channel = grpc.insecure_channel(target, options=[*OPTIONS, *OWN_OPTIONS])
        self._open(self._channel)

    def call(self, method: str, request: Any, timeout_s: float) -> Any:
        """One request to one reply; tried again until the deadline while that may help."""
        attempts = self.attempts(timeout_s, request)
        return self._reply(self._rpc(method), request, attempts)

    def begin(self, method: str, request: Any, timeout_s: float) -> Reply:
        """The same, begun: it is under way while the caller does something else."""
        attempts = self.attempts(timeout_s, request)
        rpc = self._rpc(method)
        try:
            first = rpc.future(request, timeout=attempts.left_s())
        except ValueError as failure:
            raise self._error_of(failure) from None
        return lambda: self._reply(rpc, request, attempts, first.result)

    def end(self, reply: Reply) -> Any:
        """Waits for the reply of what was begun; tried again like any call."""
        return reply()

    def _reply(self, rpc: Any, request: Any, attempts: Attempts, first: Reply | None = None) -> Any:
        while True:
            try:
                reply = first() if first is not None else rpc(request, timeout=attempts.left_s())
                return self.noted(reply)
            except (grpc.RpcError, ValueError) as failure:
                error = self._error_of(failure)
            first = None
            time.sleep(attempts.pause_s(error))

    def stream(
        self,
        method: str,
        request: Any,
        stall_s: float,
        is_due: Callable[[], bool] = lambda: True,
    ) -> Generator[Any, None, None]:
        """A request, or an iterator of them, to a stream of replies; not tried again.

        It may stand still for `stall_s` while a reply is due. The caller's own pauses don't count.
        """
        patience = Patience(stall_s, is_due)
        try:
            call = self._rpc(method)(request)
            with _Watch(call, patience):
                while True:
                    patience.waiting_since_s = time.monotonic()
                    reply = next(call, None)
                    patience.waiting_since_s = None
                    if reply is None:
                        return
                    yield self.noted(reply)
        except (grpc.RpcError, ValueError) as failure:
            if patience.is_over:
                late = DeadlineExceeded("it stood still")
                raise self.told(late, stall_s, request) from None
            raise self._error_of(failure) from None

    def close(self) -> None:
        self._closed = True
        self._channel.close()


class _Watch:
    """Ends a streaming call that stands still while a reply is due."""

    def __init__(self, call: Any, patience: Patience) -> None:
        self._call = call
        self._patience = patience
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(self._patience.look_every_s):
            if self._patience.look():
                self._patience.is_over = True
                self._call.cancel()
                return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._call.cancel()
