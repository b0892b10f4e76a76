"""A replica: the server's book in the caller's own process, kept current by the feed.

One thread of its own follows the feed: it fills the replica, applies what happens, and begins again
whenever the feed ends, from what it has. Readers never wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from google.protobuf.message import DecodeError

from hotbook import _calls, _order_calls
from hotbook._connection import DEFAULT_TARGET, DEFAULT_TIMEOUT_S, backoff
from hotbook._reads import STALL_S, VERIFY_TRIES, Reads, wanted_revision
from hotbook._transport import Transport
from hotbook_shared.errors import HotbookError, InternalError, Unavailable
from hotbook_shared.following import OutOfStep
from hotbook_shared.model import Verification


class Replica(Reads):
    """A copy of the server's book, or of a part of it, in this process.

        with hotbook.Replica("127.0.0.1:50700") as replica:
            position = replica.open_position(hotkey, "BTCUSD")

    Entering it fills it. From then on it follows the server, through restarts and breaks, and
    answers from memory, in any thread, at once. `lag_ms` says how old an answer may be; with
    `max_lag_ms`, for one read or for all of them, an older one is refused as Stale.

    `hotkeys` and `open_only` make it hold, and hear of, only a part of the book.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        hotkeys: Iterable[str] | None = None,
        open_only: bool = False,
        *,
        max_lag_ms: float | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        super().__init__(target, hotkeys, open_only=open_only, max_lag_ms=max_lag_ms)
        self._timeout_s = _calls.seconds(timeout_s, DEFAULT_TIMEOUT_S)
        self._transport = Transport(target)
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="hotbook-replica", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hotbook.Replica of {self._target}>"

    def start(self) -> None:
        """Begins to follow, and waits until the replica is filled.

        Raises what the server says, or Unavailable where nothing comes for `timeout_s`.
        """
        self._heard_s = time.monotonic()
        self._thread.start()
        with self._news:
            while not self._is_filled and not self._has_failed:
                left_s = self._heard_s + self._timeout_s - time.monotonic()
                if left_s <= 0:
                    break
                self._news.wait(left_s)
            if self._is_filled:
                return
        error = self.last_error or Unavailable("nothing came")
        self.close()
        raise error if self._has_failed else self._told(error, self._timeout_s)

    def close(self) -> None:
        """Stops following, and lets go of the book. Views that were taken stay valid."""
        with self._news:
            self._closed, self._view, self.is_connected = True, None, False
            self._news.notify_all()
        self._transport.close()
        if self._thread.is_alive():
            self._thread.join()

    # ---------------------------------------------------------------- waiting

    def wait_for(self, revision: int, timeout_s: float | None = None) -> int:
        """Waits until readers see a revision, for example that of a save. Returns what they see."""
        wanted = wanted_revision(revision)
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        with self._news:
            self._news.wait_for(lambda: self._closed or self.revision >= wanted, whole_s)
            if (stands := self.revision) < wanted:
                raise self._late(wanted, stands, whole_s)
            return stands

    def verify(self, *, timeout_s: float | None = None) -> Verification:
        """Checks this replica against the server, and its indexes against its positions.

        The whole book by the digest that comes with the feed, a part of it by the digests of
        its hotkeys' positions.
        """
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        status = self._ask(_calls.status(), whole_s)
        self.wait_for(status.revision, whole_s)
        if self._is_whole:
            with self._news:
                if not self._news.wait_for(lambda: self._is_confirmed(status.revision), whole_s):
                    raise self._late(status.revision, self._follower.confirmed, whole_s)
            return self._verified([])
        comparison = self._comparison()
        for _ in range(VERIFY_TRIES):
            comparison.begin()
            revision, digests = self._ask(comparison.call, whole_s)
            self.wait_for(revision, whole_s)
            if comparison.is_settled(digests):
                break
        return self._verified(comparison.problems())

    def _ask(self, call: _calls.Call[_calls.Result], timeout_s: float) -> _calls.Result:
        return call.read(self._transport.call(call.method, call.request, timeout_s))

    # ---------------------------------------------------------------- following

    def _follow(self) -> None:
        """Until it is closed: the feed, from what there is."""
        pauses = backoff()
        while not self._closed:
            self._follower.freshness.begin()
            try:
                pairs = self._ask(_order_calls.trade_pairs(), STALL_S)
                self._learn_pairs(pairs)
                request = self._follower.cursor.request()
                for frame in self._transport.stream("WatchRecords", request, STALL_S):
                    self._take_in(frame)
                    self._tell()
                    pauses = backoff()
                error: HotbookError = Unavailable("the feed ended", target=self._target)
            except HotbookError as failure:
                error = failure
            except (OutOfStep, DecodeError) as failure:
                self._follower.start_over()
                error = InternalError(f"the feed cannot be followed: {failure}")
            self._lost(error)
            self._tell()
            if self._has_failed:
                return
            with self._news:
                self._news.wait_for(lambda: self._closed, next(pauses))

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()
