"""Following: what a watcher makes of the feed's frames. No IO, no threads.

A Cursor knows where a watcher is, and so what to ask for when it begins again. A Follower keeps a
book by it: a snapshot, then changes, the same that the server applied, by the same class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hotbook_shared.book import Book, Picture
from hotbook_shared.book.book import Cleared, Undo, cleared_in
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import (
    CampaignRecord,
    Change,
    ChangeKind,
    MarkRecord,
    Record,
    campaign_record_from,
    mark_record_from,
    record_from,
)

DRIFT = 1e-4
"""By how much two clocks may run apart: far more than quartz does."""

HEARTBEAT_MS, HEARTBEAT_LEAST_MS = 250, 10
"""How often a follower wants to hear from its sender, whatever that does by itself; and how often
it may want it."""

INFINITY = float("inf")

KINDS = frozenset(ChangeKind)
CARRIES = {
    ChangeKind.SAVED: ["position"],
    ChangeKind.CAMPAIGN_SAVED: ["campaign"],
    ChangeKind.MARKED: ["price_mark"],
}
"""What changes have with them; others nothing."""


def heartbeat_ms(patience_ms: float) -> int:
    """Often enough for one who minds when nothing has come for so long."""
    return int(min(max(patience_ms / 3, HEARTBEAT_LEAST_MS), HEARTBEAT_MS))


class OutOfStep(Exception):
    """What came does not follow from what stands: only a snapshot can help."""


class Cursor:
    """How far a watcher is: the last revision that it has, and the mark that came with it."""

    def __init__(
        self,
        hotkeys: Iterable[str] = (),
        *,
        open_only: bool = False,
        from_revision: int | None = None,
        mark: str = "",
        with_snapshot: bool = False,
        heartbeat_ms: int = 0,
    ) -> None:
        self.hotkeys = frozenset(hotkeys)
        self.open_only = open_only
        self.revision = from_revision
        self._mark = mark
        self._with_snapshot = with_snapshot
        self._heartbeat_ms = heartbeat_ms
        self.gather_ms = 0
        """How long the sender is to gather changes before it sends them."""

    def request(self) -> pb.WatchRequest:
        """What to ask for, the first time or after a break."""
        return pb.WatchRequest(
            from_revision=self.revision,
            mark=self._mark,
            hotkeys=sorted(self.hotkeys),
            open_only=self.open_only,
            with_snapshot=self._with_snapshot,
            heartbeat_ms=self._heartbeat_ms,
            gather_ms=self.gather_ms,
        )

    def take_in(self, frame: Any) -> None:
        """A frame was taken in. A snapshot counts when its last part has come."""
        if not frame.HasField("snapshot") or frame.snapshot.is_last:
            self.revision, self._mark = frame.revision, frame.mark
            self._with_snapshot = False

    def start_over(self) -> None:
        self._with_snapshot = True


class Freshness:
    """How old what a watcher has may be, by the sender's clock and our own.

    Only the differences of the sender's times are used: a frame took as much longer than the
    quickest one as their times say, and what it tells was true so much earlier. What the quickest
    one took is taken for a little more with time, for the two clocks may run apart.
    """

    def __init__(self) -> None:
        self._known_s = self._newest_s = -INFINITY
        self._base_s = INFINITY
        self.late_ms = 0.0
        """How much later the last frame came than it could have."""
        self.begin()

    def begin(self) -> None:
        """A new connection, perhaps to another sender, by another clock."""
        self._known_s = self._as_of_s()
        self._newest_s = -INFINITY
        self._base_s = INFINITY
        self._noted_s = 0.0

    def forget(self) -> None:
        """A snapshot takes the place of what was known: it may be of an earlier time, as that of
        another server that is behind."""
        self._known_s = self._newest_s = -INFINITY

    def note(self, as_of_ms: int, now_s: float, *, is_newest: bool, lag_ms: int = 0) -> None:
        """`lag_ms`: how much older than its own sending what the frame tells was already."""
        took_s = now_s - (as_of_ms + lag_ms) / 1000
        self._base_s = min(took_s, self._base_s + (now_s - self._noted_s) * DRIFT)
        self._noted_s = now_s
        self.late_ms = (took_s - self._base_s) * 1000
        if is_newest:
            self._newest_s = max(self._newest_s, as_of_ms / 1000)

    def lag_ms(self, now_s: float) -> float:
        """Nothing that happened earlier than so long ago is missing."""
        return (now_s - self._as_of_s()) * 1000

    def _as_of_s(self) -> float:
        """By our clock. It goes back where a quicker frame shows that an earlier one was late."""
        if self._newest_s == -INFINITY:
            return self._known_s
        return max(self._known_s, self._newest_s + self._base_s)


class Snapshot:
    """A snapshot as its parts come."""

    def __init__(self) -> None:
        self._positions: list[Record] = []
        self._campaigns: list[CampaignRecord] = []
        self._marks: list[MarkRecord] = []

    def add(self, part: raw.SnapshotPart) -> None:
        beside = len(self._campaigns) + len(self._marks)
        if (part.first, part.beside) != (len(self._positions), beside):
            raise OutOfStep(
                f"{part.first} positions and {part.beside} others came before this part, not "
                f"{len(self._positions)} and {beside}"
            )
        self._positions += map(record_from, part.positions)
        self._campaigns += map(campaign_record_from, part.campaigns)
        self._marks += map(mark_record_from, part.marks)

    def book(self, revision: int, total: int) -> Book:
        """When its last part has come."""
        if len(self._positions) != total:
            raise OutOfStep(f"a snapshot of {total} positions has {len(self._positions)}")
        return Book(self._positions, revision, self._campaigns, self._marks)


class Follower:
    """A book that follows another, or a part of it. One thread at a time gives it frames.

    Readers look at `picture`, which is replaced as a whole after each frame, on any thread.
    """

    def __init__(
        self,
        hotkeys: Iterable[str] = (),
        *,
        open_only: bool = False,
        heartbeat_ms: int = HEARTBEAT_MS,
        let_go: Callable[[Cleared], object] = Cleared.let_go,
    ) -> None:
        """`let_go` frees what a clear has taken away; on a thread, for one who has others wait."""
        self.cursor = Cursor(
            hotkeys, open_only=open_only, with_snapshot=True, heartbeat_ms=heartbeat_ms
        )
        self.freshness = Freshness()
        self.book = Book()
        self.picture: Picture | None = None
        """The book as of the last frame; None until the first snapshot is complete."""
        self.snapshots = 0
        self.confirmed = -1
        """The last revision at which the sender's digest of the whole book was ours."""
        self._is_whole = not self.cursor.hotkeys and not open_only
        self._snapshot = Snapshot()
        self._let_go = let_go

    def take_in(self, frame: raw.WatchFrame) -> list[Change] | None:
        """Lets a frame have its effect. Returns its changes; None where the book is another now.

        Raises OutOfStep, with the book as it was, where the frame does not follow.
        """
        changes: list[Change] | None = []
        if frame.HasField("snapshot"):
            if (book := self._collect(frame)) is not None:
                self._show(book.picture(), frame)
                self.freshness.forget()
                self.book, changes = book, None
                self.snapshots += 1
        elif frame.changes:
            changes = self._apply(frame)
        elif self.picture is not None:
            self._check_step(frame, self.picture.revision)
            stands = self.picture
            self._show(msgspec.structs.replace(stands, revision=frame.revision), frame)
            self.book.revision = frame.revision
        self.cursor.take_in(frame)
        return changes

    def is_shown(self, frame: raw.WatchFrame, now_s: float) -> None:
        """Readers see what a frame has led to: only now may they be told how fresh it is."""
        self.freshness.note(frame.as_of_ms, now_s, is_newest=frame.is_newest, lag_ms=frame.lag_ms)

    def start_over(self) -> None:
        """Ask for a snapshot next; what stands is still shown."""
        self.cursor.start_over()

    def _collect(self, frame: raw.WatchFrame) -> Book | None:
        """Takes in a part of a snapshot. Gives its book where it was the last."""
        part = frame.snapshot
        if part.first == 0 and part.beside == 0:
            self._snapshot = Snapshot()
        self._snapshot.add(part)
        if not part.is_last:
            return None
        whole, self._snapshot = self._snapshot, Snapshot()
        return whole.book(frame.revision, part.total)

    def _apply(self, frame: raw.WatchFrame) -> list[Change]:
        if self.picture is None:
            raise OutOfStep("changes came before the snapshot")
        changes = [self._change(sent) for sent in frame.changes]
        before = at = self.book.revision
        for change in changes:
            if change.revision <= at or (self._is_whole and change.revision != at + 1):
                raise OutOfStep(f"change {change.revision} came after {at}")
            at = change.revision
        self._check_step(frame, at)
        undo: Undo = []
        try:
            for change in changes:
                self.book.revision = change.revision - 1  # what is left out is not of our part
                undo += self.book.apply(change)
            self.book.revision = frame.revision
            self._show(self.book.picture(), frame)
        except Exception:
            self.book.revert(undo, before)
            raise
        for cleared in cleared_in(undo):
            self._let_go(cleared)
        return changes

    def _change(self, sent: raw.Change) -> Change:
        number = int(sent.kind)
        carried = [name for name in ("position", "campaign", "price_mark") if sent.HasField(name)]
        if number not in KINDS or carried != CARRIES.get(ChangeKind(number), []):
            raise OutOfStep(f"change {sent.revision} is of a kind that is not known here")
        kind, key = ChangeKind(number), sent.position_uuid or sent.campaign_id
        record = campaign = mark = None
        if kind is ChangeKind.SAVED:
            record = record_from(sent.position)
            if self.cursor.open_only and not record.is_open:
                kind, record = ChangeKind.REMOVED, None
        elif kind is ChangeKind.CAMPAIGN_SAVED:
            campaign = campaign_record_from(sent.campaign)
        elif kind is ChangeKind.MARKED:
            mark = mark_record_from(sent.price_mark)
            key = mark.trade_pair
        elif kind is ChangeKind.CLEARED:
            key = sent.hotkey
        said = sent.hotkey, sent.was_open
        return Change(sent.revision, kind, key, record, *said, campaign, mark)

    def _check_step(self, frame: raw.WatchFrame, at: int) -> None:
        """A frame says what the book is at after it: of a whole one, just what its changes say."""
        if at > frame.revision or (self._is_whole and at != frame.revision):
            raise OutOfStep(f"a frame of revision {frame.revision} leads to {at}")

    def _show(self, picture: Picture, frame: raw.WatchFrame) -> None:
        """Lets readers see a picture, unless the sender's digest proves that it is wrong."""
        if self._is_whole and frame.digest:
            if frame.digest != picture.digest:
                raise OutOfStep(f"the digests of revision {frame.revision} differ")
            self.confirmed = frame.revision
        self.picture = picture
