"""What every replica does, however it is fed: it shows views, and says how fresh they are.

Readers take no lock: `_view` is one reference, replaced as a whole by whoever feeds the replica.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, overload

from hotbook import _calls
from hotbook._pace import Pace
from hotbook._view import Scope, View
from hotbook_shared.digest import ContentDigest
from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    InvalidArgument,
    Stale,
    Unavailable,
    Unsupported,
)
from hotbook_shared.following import HEARTBEAT_MS, Follower, heartbeat_ms
from hotbook_shared.model import (
    Exposure,
    HotkeyCounts,
    HotkeyDigest,
    Position,
    TradePair,
    Verification,
)
from hotbook_shared.pairs import Pairs
from hotbook_shared.record import Record

STALL_S = 5.0
"""A feed that is silent for so long, heartbeats and all, is begun again."""

VERIFY_TRIES = 20
PROBLEMS_TOLD = 100


class Reads:
    """The reading side of a replica. `timeout_s` is taken for the client's sake: nothing waits."""

    def __init__(
        self,
        target: str,
        hotkeys: Iterable[str] | None,
        *,
        open_only: bool,
        max_lag_ms: float | None,
    ) -> None:
        self._target = target
        self._scope = Scope(hotkeys, open_only=open_only)
        self._max_lag_ms = _lag(max_lag_ms)
        beat_ms = HEARTBEAT_MS if self._max_lag_ms is None else heartbeat_ms(self._max_lag_ms)
        self._follower = Follower(self._scope.hotkeys, open_only=open_only, heartbeat_ms=beat_ms)
        self._pairs = Pairs({})
        self._view: View | None = None
        self._heard_s = time.monotonic()
        self._pace = Pace(self._heard_s, beat_ms)
        self._started = self._closed = False
        self._has_failed = False  # the server will not have it, whenever it is asked
        self.is_connected = False
        """Whether the feed is being followed at this moment."""
        self.last_error: HotbookError | None = None
        """What ended the feed the last time that it ended."""

    # ---------------------------------------------------------------- freshness

    @property
    def revision(self) -> int:
        """The revision that readers see, or would see if it were not too old for them."""
        return self._shown().revision

    @property
    def lag_ms(self) -> float:
        """How old the answers may be: nothing that happened before that is missing."""
        return self._follower.freshness.lag_ms(time.monotonic())

    @property
    def snapshots(self) -> int:
        """How often it was filled: once, and again whenever it could not go on from what it had."""
        return self._follower.snapshots

    # ---------------------------------------------------------------- reading

    def view(self, *, max_lag_ms: float | None = None) -> View:
        """The whole book at one revision, never to change. Costs nothing to take."""
        return self._at(max_lag_ms)

    def open_position(
        self,
        hotkey: str,
        trade_pair: str,
        *,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> Position | None:
        """What a hotkey has open on a pair, legs of campaigns aside; None where it is nothing."""
        view = self._view
        if view is None or max_lag_ms is not None or self._max_lag_ms is not None:
            view = self._at(max_lag_ms)
        return view.open_position(hotkey, trade_pair)

    def open_positions(
        self, hotkey: str, *, max_lag_ms: float | None = None, timeout_s: float | None = None
    ) -> list[Position]:
        """All that a hotkey has open, legs included, by open time."""
        return self._at(max_lag_ms).open_positions(hotkey)

    def get(
        self,
        hotkey: str,
        position_uuid: str,
        *,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> Position | None:
        """The position of a hotkey under a uuid; None where there is none."""
        return self._at(max_lag_ms).get(hotkey, position_uuid)

    @overload
    def positions(  # type: ignore[overload-overlap] # a str is meant as one hotkey
        self,
        hotkeys: str,
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> list[Position]: ...

    @overload
    def positions(
        self,
        hotkeys: Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, list[Position]]: ...

    def positions(
        self,
        hotkeys: str | Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> list[Position] | dict[str, list[Position]]:
        """Positions of one hotkey as a list, or of many as a dict with every one of them.

        Closed ones by close time, then the open ones by open time; all of one revision.
        `opened_after` (an aware datetime or epoch milliseconds) is strict.
        """
        view = self._at(max_lag_ms)
        return view.positions(hotkeys, open_only=open_only, opened_after=opened_after)

    def book(
        self,
        *,
        open_only: bool = False,
        max_lag_ms: float | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Position]:
        """Every position of the book, all of one revision."""
        return self._at(max_lag_ms).book(open_only=open_only)

    def hotkeys(
        self, *, max_lag_ms: float | None = None, timeout_s: float | None = None
    ) -> list[HotkeyCounts]:
        """Every hotkey that has positions, in alphabetical order, with its counts."""
        return self._at(max_lag_ms).hotkeys()

    def exposure(
        self, hotkey: str, *, max_lag_ms: float | None = None, timeout_s: float | None = None
    ) -> Exposure:
        """What a hotkey's open positions amount to: by pair, by category and in all."""
        return self._at(max_lag_ms).exposure(hotkey)

    # ---------------------------------------------------------------- being fed

    def _at(self, max_lag_ms: float | None) -> View:
        """What readers see. Raises Stale rather than show what is too old."""
        most = self._max_lag_ms if max_lag_ms is None else _lag(max_lag_ms)
        view = self._shown()
        if most is None:
            return view
        lag = self.lag_ms
        while self._view is not view:  # another came meanwhile, and the lag may be that one's
            view, lag = self._shown(), self.lag_ms
        if lag > most:
            raise Stale(
                f"the replica of {self._target} is {lag:.0f} ms old; at most {most:g} are accepted"
                + (f" (last: {self.last_error.message})" if self.last_error else ""),
                lag_ms=lag,
                max_lag_ms=most,
            )
        return view

    def _shown(self) -> View:
        """The same, however old it is."""
        view = self._view
        if view is None or self._closed:
            said = "is closed" if self._closed else "has no book yet"
            raise Unavailable(f"this replica of {self._target} {said}", target=self._target)
        return view

    def _starts(self) -> None:
        """Begins its one life."""
        if self._started or self._closed:
            raise InvalidArgument(
                f"this replica of {self._target} was started or closed already: make another"
            )
        self._started, self._heard_s = True, time.monotonic()

    @property
    def _is_filled(self) -> bool:
        """Whether there is a book, and it is known how fresh."""
        return self._view is not None and self.lag_ms < float("inf")

    def _take_in(self, frame: Any) -> bool:
        """Lets readers see a frame. Returns whether to watch on at another pace."""
        self._heard_s = time.monotonic()
        self._follower.take_in(frame)
        self.is_connected = True
        picture = self._follower.picture
        if picture is not None and not self._closed:
            self._view = View(picture, self._pairs, self._scope)
        self._follower.is_shown(frame, self._heard_s)
        changes_pace = self._pace.note(self._follower.freshness.late_ms, self._heard_s)
        self._follower.cursor.gather_ms = self._pace.gather_ms
        return changes_pace and picture is not None

    def _lost(self, error: HotbookError) -> None:
        """The feed has ended. A replica that was filled never gives up."""
        self.is_connected = False
        self.last_error = error
        self._has_failed = self._view is None and isinstance(error, InvalidArgument | Unsupported)

    def _learn_pairs(self, pairs: Iterable[TradePair]) -> None:
        self._pairs = Pairs({pair.trade_pair: pair for pair in pairs})

    def _is_settled(self) -> bool:
        """Whether a replica that is being filled need not wait any more."""
        return self._is_filled or self._has_failed or self._closed

    def _left_s(self, patience_s: float) -> float:
        """How long nothing may come from now on."""
        return self._heard_s + patience_s - time.monotonic()

    def _not_filled(self, waited_s: float) -> HotbookError:
        error = self.last_error or Unavailable("nothing came")
        if self._has_failed:
            return error
        return Unavailable(
            f"no book came from {self._target} within {waited_s:g} s: is the server running? "
            f"(`hotbook serve` starts one; last: {error.message})",
            target=self._target,
        )

    def _late(self, wanted: int, stands: int, waited_s: float) -> HotbookError:
        return DeadlineExceeded(
            f"the replica of {self._target} is at revision {stands}, not at {wanted}, after "
            f"{waited_s:g} s",
            target=self._target,
        )

    # ---------------------------------------------------------------- verifying

    @property
    def _is_whole(self) -> bool:
        return not self._scope.hotkeys and not self._scope.open_only

    def _is_confirmed(self, revision: int) -> bool:
        """Whether the server's digest was ours at that revision or later."""
        return self._closed or self._follower.confirmed >= revision

    def _comparison(self) -> Comparison:
        return Comparison(self._scope, self._shown)

    def _verified(self, problems: list[str]) -> Verification:
        picture = self._shown().picture
        problems = [*problems, *picture.problems()]
        return Verification(
            revision=picture.revision,
            ok=not problems,
            problems=tuple(problems[:PROBLEMS_TOLD]),
            problem_count=len(problems),
            digest=picture.digest,
            positions=sum(map(len, picture.positions.by_hotkey.values())),
            open_positions=sum(map(len, picture.positions.open.values())),
            changes_checked=0,
        )


class Comparison:
    """A part of the book against the server's digests of it, hotkey by hotkey.

    The server's answer is of one revision, which no view of ours need be of. But a hotkey whose
    positions are the same before the question and after the answer had them at that revision too.
    What changed meanwhile is looked at again.
    """

    def __init__(self, scope: Scope, look: Callable[[], View]) -> None:
        self.call = _calls.digests_at(scope.hotkeys, scope.open_only)
        self._look = look
        self._before = look()
        self._unsure: set[str] = set()
        self._differ: set[str] = set()
        self._equal: set[str] = set()

    def begin(self) -> None:
        self._before = self._look()

    def is_settled(self, digests: Iterable[HotkeyDigest]) -> bool:
        """Compares what did not change meanwhile. Returns whether nothing is left to compare."""
        told = {found.hotkey: found.digest for found in digests}
        before, after = (view.picture.positions.by_hotkey for view in (self._before, self._look()))
        self._unsure, self._differ = set(), set()
        for hotkey in (told.keys() | after.keys() | before.keys()) - self._equal:
            if before.get(hotkey) is not after.get(hotkey):
                self._unsure.add(hotkey)
            elif told.get(hotkey, NOTHING) == _digest_of(after.get(hotkey, {}).values()):
                self._equal.add(hotkey)
            else:
                self._differ.add(hotkey)
        return not self._unsure

    def problems(self) -> list[str]:
        return [f"the positions of {hotkey} are not the server's" for hotkey in self._differ] + [
            f"the positions of {hotkey} changed whenever they were compared"
            for hotkey in self._unsure
        ]


def _digest_of(records: Iterable[Record]) -> str:
    digest = ContentDigest()
    for record in records:
        digest.add(record.wire)
    return str(digest)


NOTHING = _digest_of(())


def _lag(max_lag_ms: float | None) -> float | None:
    if max_lag_ms is None:
        return None
    if (
        isinstance(max_lag_ms, bool)
        or not isinstance(max_lag_ms, int | float)
        or not max_lag_ms >= 0
    ):
        raise InvalidArgument(
            f"max_lag_ms must be milliseconds, not {max_lag_ms!r}", field="max_lag_ms"
        )
    return max_lag_ms


def wanted_revision(revision: int) -> int:
    if isinstance(revision, bool) or not isinstance(revision, int) or revision < 0:
        raise InvalidArgument(f"revision must be a number, not {revision!r}", field="revision")
    return revision
