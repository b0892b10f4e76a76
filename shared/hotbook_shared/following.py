"""Following: what a watcher makes of the feed's frames. No IO, no threads.

A Cursor knows where a watcher is, and so what to ask for when it begins again. A Follower keeps a
book by it: a snapshot, then changes, the same that the server applied, by the same class.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hotbook_shared.book import Book, Picture
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Change, ChangeKind, Record, record_from

BASE_WINDOW_S = 300.0


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

    def request(self) -> pb.WatchRequest:
        """What to ask for, the first time or after a break."""
        return pb.WatchRequest(
            from_revision=self.revision,
            mark=self._mark,
            hotkeys=sorted(self.hotkeys),
            open_only=self.open_only,
            with_snapshot=self._with_snapshot,
            heartbeat_ms=self._heartbeat_ms,
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
    quickest one of late as their times say, and what it tells was true so much earlier.
    """

    def __init__(self) -> None:
        self._as_of_s: float | None = None
        self.begin()

    def begin(self) -> None:
        """A new connection, perhaps to another sender, by another clock."""
        self._base_s = self._lately_s = float("inf")
        self._window_s = 0.0

    def note(self, as_of_ms: int, now_s: float, *, is_newest: bool) -> None:
        took_s = now_s - as_of_ms / 1000
        if now_s - self._window_s > BASE_WINDOW_S:
            self._base_s, self._lately_s, self._window_s = self._lately_s, took_s, now_s
        self._lately_s = min(self._lately_s, took_s)
        self._base_s = min(self._base_s, self._lately_s)
        if is_newest:
            as_of_s = now_s - (took_s - self._base_s)
            self._as_of_s = as_of_s if self._as_of_s is None else max(self._as_of_s, as_of_s)

    def lag_ms(self, now_s: float) -> float:
        """Nothing that happened earlier than so long ago is missing."""
        return float("inf") if self._as_of_s is None else (now_s - self._as_of_s) * 1000


class Follower:
    """A book that follows another, or a part of it. One thread at a time gives it frames.

    Readers look at `picture`, which is replaced as a whole after each frame, on any thread.
    """

    def __init__(
        self, hotkeys: Iterable[str] = (), *, open_only: bool = False, heartbeat_ms: int = 0
    ) -> None:
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
        self._parts: list[Record] = []

    def take_in(self, frame: raw.WatchFrame, now_s: float) -> list[Change] | None:
        """Lets a frame have its effect. Returns its changes; None where the book is another now.

        Raises OutOfStep, with the book as it was, where the frame does not follow.
        """
        changes: list[Change] | None = []
        if frame.HasField("snapshot"):
            if self._collect(frame):
                changes = None
                self._show(self.book.picture(), frame)
                self.snapshots += 1
        elif frame.changes:
            changes = self._apply(frame)
            self._show(self.book.picture(), frame)
        elif self.picture is not None:
            self._check_step(frame, self.picture.revision)
            self.book.revision = frame.revision
            stands = self.picture
            self._show(Picture(stands.positions, frame.revision, stands.digest), frame)
        self.cursor.take_in(frame)
        self.freshness.note(frame.as_of_ms, now_s, is_newest=frame.is_newest)
        return changes

    def start_over(self) -> None:
        """Ask for a snapshot next; what stands is still shown."""
        self.cursor.start_over()

    def _collect(self, frame: raw.WatchFrame) -> bool:
        """Takes in a part of a snapshot. Returns whether it was the last."""
        part = frame.snapshot
        if part.first == 0:
            self._parts = []
        if part.first != len(self._parts):
            raise OutOfStep(f"{part.first} positions came before this part, not {len(self._parts)}")
        self._parts += map(record_from, part.positions)
        if not part.is_last:
            return False
        if len(self._parts) != part.total:
            raise OutOfStep(f"a snapshot of {part.total} positions has {len(self._parts)}")
        self.book, self._parts = Book(self._parts, frame.revision), []
        return True

    def _apply(self, frame: raw.WatchFrame) -> list[Change]:
        if self.picture is None:
            raise OutOfStep("changes came before the snapshot")
        changes = [self._change(sent) for sent in frame.changes]
        at = self.book.revision
        for change in changes:
            if change.revision <= at or (self._is_whole and change.revision != at + 1):
                raise OutOfStep(f"change {change.revision} came after {at}")
            at = change.revision
        self._check_step(frame, at)
        for change in changes:
            self.book.revision = change.revision - 1  # what is left out is not of our part
            self.book.apply(change)
        self.book.revision = frame.revision
        return changes

    def _change(self, sent: raw.Change) -> Change:
        kind = ChangeKind(sent.kind)
        key = sent.hotkey if kind is ChangeKind.CLEARED else sent.position_uuid
        record = record_from(sent.position) if sent.HasField("position") else None
        if record is not None and self.cursor.open_only and not record.is_open:
            kind, record = ChangeKind.REMOVED, None
        return Change(sent.revision, kind, key, record, sent.hotkey, sent.was_open)

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
