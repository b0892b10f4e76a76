"""The feed: the newest commits, in order, for everybody who follows the book.

Owns a ring of commits, bounded in changes and in bytes, and when watchers are woken. A watcher is
no more than a cursor into the ring: it holds no buffer of its own, and `publish` does the same work
for one as for a thousand. Each change is encoded once, when the first watcher asks for it; a frame
that several watchers need is made once.

Invariant: the commits of the ring follow each other without a gap, and the last of them is the
book's. Everything here runs on the server's loop.

    ring    | c7 | c8 | c9 | c10 |
            ^ first          ^    ^ end
                             a watcher's cursor: it has had c9, and is owed c10
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_server.frames import FRAME_BYTES
from hotbook_shared.errors import FellBehind, QueueFull
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Change, ChangeKind

FRAMES_KEPT = 8  # frames that were made a moment ago, and may be asked for by others

OF_POSITIONS = (ChangeKind.SAVED, ChangeKind.REMOVED)
OF_CAMPAIGNS = (ChangeKind.CAMPAIGN_SAVED, ChangeKind.CAMPAIGN_REMOVED)


class Part:
    """What of the book a watcher follows."""

    def __init__(self, hotkeys: Iterable[str] = (), *, open_only: bool = False) -> None:
        self.hotkeys = frozenset(hotkeys)
        self.open_only = open_only
        self.key = (self.hotkeys, open_only)
        self.is_whole = not self.hotkeys and not open_only

    def has(self, change: Change) -> bool:
        """Marks belong to the whole book alone, and campaigns to nobody who follows what is
        open."""
        if change.kind is ChangeKind.MARKED:
            return self.is_whole
        if change.kind in OF_CAMPAIGNS and self.open_only:
            return False
        if change.kind is ChangeKind.CLEARED and not change.key:
            return True
        if self.hotkeys and change.hotkey not in self.hotkeys:
            return False
        if not self.open_only or change.was_open or change.kind is ChangeKind.CLEARED:
            return True
        return change.record is not None and change.record.is_open


WHOLE = Part()


class Published:
    """A commit, as watchers need it: its changes, and what they look like on the wire."""

    def __init__(self, changes: Sequence[Change], mark: str, digest: str = "") -> None:
        self.changes = changes
        self.revision = changes[-1].revision
        self.mark = mark
        self.digest = digest  # of the whole book after it, where that is known
        wires = (held.wire for change in changes if (held := change.held) is not None)
        self.size = 2 * sum(map(len, wires))  # as records, and encoded for watchers

    def encoded(self, part: Part) -> bytes:
        """The `changes` of a frame, as far as they belong to a part of the book."""
        if part.is_whole:
            return b"".join(self._parts)
        wanted = zip(self.changes, self._parts, strict=True)
        return b"".join(data for change, data in wanted if part.has(change))

    @cached_property
    def _parts(self) -> list[bytes]:
        return [raw.WatchFrame(changes=[_sent(c)]).SerializeToString() for c in self.changes]


class Feed:
    def __init__(self, settings: Settings, clock: Clock, as_of_s: Callable[[], float]) -> None:
        self.revision = 0
        self.mark = ""
        """What stands for the whole history up to the revision."""
        self.digest = ""
        self.frames = 0  # that were handed to watchers
        self.watchers = 0
        self.first = 0
        self._commits: list[Published] = []  # from `first` on
        self._origin = (0, "")  # the revision and mark before the first commit
        self._changes = 0
        self._bytes = 0
        self._settings = settings
        self._clock = clock
        self._as_of_s = as_of_s
        self._made: dict[object, tuple[bytes, int]] = {}
        self.wakings = 0
        """How often watchers have been woken."""
        self._arrival = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._woken_s = 0.0

    @property
    def end(self) -> int:
        return self.first + len(self._commits)

    @property
    def changes(self) -> int:
        """How many the ring holds."""
        return self._changes

    # ---------------------------------------------------------------- writing

    def restart(self, revision: int, mark: str, digest: str) -> None:
        """Begins anew at a revision. Whoever watches is cut off, and begins anew as well."""
        self.first = self.end + 1
        self._commits = []
        self._changes = self._bytes = 0
        self.revision, self.mark = self._origin = revision, mark
        self.digest = digest
        self.wake()

    def publish(
        self, changes: Sequence[Change], mark: str, digest: str, *, at_once: bool = False
    ) -> None:
        """Adds a commit that readers can see already. `at_once`: encode it now, and not when it is
        asked for, since the bytes of its positions may go to the disk."""
        commit = Published(changes, mark, digest)
        if at_once:
            commit.encoded(WHOLE)
        self._commits.append(commit)
        self.revision, self.mark, self.digest = commit.revision, mark, digest
        self._changes += len(changes)
        self._bytes += commit.size
        self._trim()
        if self.watchers and self._waking is None:
            loop = asyncio.get_running_loop()
            self._waking = loop.call_later(max(self._due_s(), 0.0), self.wake)

    def _trim(self) -> None:
        """Forgets the oldest, a sixteenth of the ring at a time; the newest commit always stays."""
        most, most_bytes = self._settings.feed_changes_max, self._settings.feed_max_bytes
        if self._changes <= most and self._bytes <= most_bytes:
            return
        gone = 0
        while gone < len(self._commits) - 1 and (
            self._changes > most - most // 16 or self._bytes > most_bytes - most_bytes // 16
        ):
            oldest = self._commits[gone]
            self._origin = oldest.revision, oldest.mark
            self._changes -= len(oldest.changes)
            self._bytes -= oldest.size
            gone += 1
        del self._commits[:gone]
        self.first += gone

    def _due_s(self) -> float:
        """When watchers may be woken again, from now. All of them together are sent a bounded
        number of frames a second: the more there are, the more changes a frame has."""
        pause_s = max(
            self._settings.watch_frame_ms / 1000,
            self.watchers / self._settings.watch_frames_per_s_max,
        )
        return self._woken_s + pause_s - self._clock.monotonic_s()

    def wake(self) -> None:
        """Lets every watcher look what there is."""
        if self._waking is not None:
            self._waking.cancel()
        self._waking = None
        self._woken_s = self._clock.monotonic_s()
        self.wakings += 1
        self._arrival.set()
        self._arrival = asyncio.Event()

    # ---------------------------------------------------------------- following

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """One more watcher, for as long as it follows."""
        most = self._settings.watchers_max
        if self.watchers >= most:
            raise QueueFull(f"{most} watchers follow already: try again later", watchers_max=most)
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1

    def seek(self, revision: int, mark: str = "") -> int | None:
        """The cursor of one who has a revision. None where what comes after it is not in the ring,
        or where the mark shows that the watcher's history is another."""
        if revision < self._origin[0] or revision > self.revision:
            return None
        place = bisect_left(self._commits, revision + 1, key=lambda commit: commit.revision)
        has, known = (
            (self._commits[place - 1].revision, self._commits[place - 1].mark)
            if place
            else self._origin
        )
        if mark and (has, known) != (revision, mark):
            return None
        return self.first + place

    def remainder(self, cursor: int, revision: int) -> Published | None:
        """What is left of the commit at a cursor, for one who has a part of it already."""
        if cursor == self.end:
            return None
        commit = self._commits[cursor - self.first]
        left = [change for change in commit.changes if change.revision > revision]
        if len(left) == len(commit.changes):
            return None
        return Published(left, commit.mark, commit.digest)

    async def arrival(self, seen: int, timeout_s: float) -> None:
        """Waits for a waking after those that a watcher has seen, or so long."""
        if self.wakings != seen:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._arrival.wait()

    def since(self, cursor: int) -> list[Published]:
        """Everything that a cursor is owed."""
        return self._commits[cursor - self.first :]

    def frame(self, cursor: int, part: Part) -> tuple[bytes, int]:
        """The next frame for a cursor, and where the cursor is after it."""
        if cursor < self.first:
            raise FellBehind(
                "the watcher fell behind what the feed keeps: watch again from what you have",
                feed_changes_max=self._settings.feed_changes_max,
            )
        key = (part.key, cursor, self.end)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= FRAMES_KEPT:
                self._made.clear()
            made = self._made[key] = self._frame(cursor, part)
        self.frames += 1
        return made

    def _frame(self, cursor: int, part: Part) -> tuple[bytes, int]:
        pieces, size, at = [], 0, cursor - self.first
        while at < len(self._commits) and size < FRAME_BYTES:
            pieces.append(self._commits[at].encoded(part))
            size += len(pieces[-1])
            at += 1
        last = self._commits[at - 1]
        pieces.append(
            self.head(last.revision, last.mark, last.digest, is_newest=at == len(self._commits))
        )
        return b"".join(pieces), self.first + at

    def heartbeat(self) -> bytes:
        self.frames += 1
        return self.head(self.revision, self.mark, self.digest, is_newest=True)

    def head(self, revision: int, mark: str, digest: str, *, is_newest: bool) -> bytes:
        """What a frame says beside its changes. Protobuf messages in a row are one message."""
        now_ms = int(self._clock.monotonic_s() * 1000)
        as_of_ms = int(max(self._as_of_s(), 0.0) * 1000)  # 0: a leader not heard of yet
        return raw.WatchFrame(
            revision=revision,
            mark=mark,
            as_of_ms=as_of_ms,
            lag_ms=max(now_ms - as_of_ms, 0),
            is_newest=is_newest,
            digest=digest,
        ).SerializeToString()


def mark_of(link: bytes, quarantined: int) -> str:
    """What stands for a history: the journal's chain, and how much of it was set aside since."""
    return f"{link.hex()}.{quarantined}" if quarantined else link.hex()


def _sent(change: Change) -> raw.Change:
    record, campaign, mark = change.record, change.campaign, change.price_mark
    return raw.Change(
        revision=change.revision,
        kind=_KINDS[change.kind],
        position_uuid=change.key if change.kind in OF_POSITIONS else "",
        hotkey=change.hotkey,
        position=None if record is None else record.wire,
        was_open=change.was_open,
        campaign=None if campaign is None else campaign.wire,
        price_mark=None if mark is None else mark.wire,
        campaign_id=change.key if change.kind in OF_CAMPAIGNS else "",
    )


_KINDS = {
    ChangeKind.SAVED: pb.CHANGE_SAVED,
    ChangeKind.REMOVED: pb.CHANGE_REMOVED,
    ChangeKind.CLEARED: pb.CHANGE_CLEARED,
    ChangeKind.CAMPAIGN_SAVED: pb.CHANGE_CAMPAIGN_SAVED,
    ChangeKind.CAMPAIGN_REMOVED: pb.CHANGE_CAMPAIGN_REMOVED,
    ChangeKind.MARKED: pb.CHANGE_MARKED,
}
