# Made from _replica.py by scripts/faces: edit that file, then run the script.
"""A replica: the server's book in the caller's own process, kept current by the feed.

It fills itself, applies what happens, and begins again whenever the feed ends, from what it has.
Readers never wait for any of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self

from hotbook import _calls, _order_calls
from hotbook._aio_feeding import Fed
from hotbook._connection import DEFAULT_TARGET, DEFAULT_TIMEOUT_S, backoff
from hotbook._reads import STALL_S, VERIFY_TRIES, wanted_revision
from hotbook_shared.errors import HotbookError, InternalError, Unavailable
from hotbook_shared.model import Verification


class Replica(Fed):
    """A copy of the server's book, or of a part of it, in this process.

        async with aio.Replica("127.0.0.1:50700") as replica:
            position = replica.open_position(hotkey, "BTCUSD")

    Entering it fills it. From then on it follows the server, through restarts and breaks, and
    answers from memory, without awaiting. `lag_ms` says how old an answer may be; with
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
        self._prepare(self._follow)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<hotbook.aio.Replica of {self._target}>"

    async def start(self) -> None:
        """Begins to follow, and waits until the replica is filled.

        Raises what the server says, or Unavailable where nothing comes for `timeout_s`.
        """
        self._starts()
        await self._begin()
        try:
            while not self._is_settled() and (left_s := self._left_s(self._timeout_s)) > 0:
                await self._wait_until(self._is_settled, left_s)
            if not self._is_filled:
                raise self._not_filled(self._timeout_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stops following, and lets go of the book. Views that were taken stay valid."""
        self._closed = True
        await self._end()
        self._view, self.is_connected = None, False

    # ---------------------------------------------------------------- waiting

    async def wait_for(self, revision: int, timeout_s: float | None = None) -> int:
        """Waits until readers see a revision, for example that of a save. Returns what they see."""
        wanted = wanted_revision(revision)
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        await self._wait_until(lambda: self._closed or self.revision >= wanted, whole_s)
        if (stands := self.revision) < wanted:
            raise self._late(wanted, stands, whole_s)
        return stands

    async def verify(self, *, timeout_s: float | None = None) -> Verification:
        """Checks this replica against the server, and its indexes against its positions.

        The whole book by the digest that comes with the feed, a part of it by the digests of
        its hotkeys' positions.
        """
        whole_s = _calls.seconds(timeout_s, self._timeout_s)
        status = await self._ask(_calls.status(), whole_s)
        await self.wait_for(status.revision, whole_s)
        if self._is_whole:
            if not await self._wait_until(lambda: self._is_confirmed(status.revision), whole_s):
                raise self._late(status.revision, self._follower.confirmed, whole_s)
            return self._verified([])
        comparison = self._comparison()
        for _ in range(VERIFY_TRIES):
            comparison.begin()
            revision, digests = await self._ask(comparison.call, whole_s)
            await self.wait_for(revision, whole_s)
            if comparison.is_settled(digests):
                break
        return self._verified(comparison.problems())

    async def _ask(self, call: _calls.Call[_calls.Result], timeout_s: float) -> _calls.Result:
        reply = await self._transport.call(call.method, call.request, timeout_s)
        return call.read(reply)

    # ---------------------------------------------------------------- following

    async def _follow(self) -> None:
        """Until it is closed: the feed, from what there is."""
        pauses = backoff()
        while not (self._closed or self._has_failed):
            error: HotbookError = Unavailable("the feed ended", target=self._target)
            try:
                if not self.is_connected:
                    self._follower.freshness.begin()
                    pairs = await self._ask(_order_calls.trade_pairs(), STALL_S)
                    self._learn_pairs(pairs)
                request = self._follower.cursor.request()
                async with aclosing(
                    self._transport.stream("WatchRecords", request, STALL_S)
                ) as frames:
                    async for frame in frames:
                        changes_pace = self._take_in(frame)
                        self._tell()
                        pauses = backoff()
                        if changes_pace:
                            break
                    else:
                        raise error
                continue
            except HotbookError as failure:
                error = failure
            except Exception as failure:  # whatever it is, a new snapshot does not stand on it
                self._follower.start_over()
                error = InternalError(f"the feed cannot be followed: {failure}")
            self._lost(error)
            self._tell()
            await self._wait_until(lambda: self._closed, next(pauses))
