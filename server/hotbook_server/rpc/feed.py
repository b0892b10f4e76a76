"""The Feed service: a watcher from its first frame to its last, and what has changed since.

A watcher is served in up to three steps: a snapshot; the changes that are in the journal alone; and
then the ring, for as long as it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from hotbook_server.config import Settings
from hotbook_server.feed import OF_POSITIONS, Part, Published, mark_of
from hotbook_server.frames import FRAME_BYTES, pieces, snapshot_parts
from hotbook_server.keeper import Keeper
from hotbook_server.rpc import shape
from hotbook_server.rpc.guard import Call
from hotbook_shared.errors import FellBehind, InvalidArgument
from hotbook_shared.following import HEARTBEAT_LEAST_MS
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import CampaignRecord, ChangeKind, Record

HEARTBEAT_MOST_MS = 60_000
GATHER_MOST_MS = 1_000
MARK_MAX = 128


class FeedService:
    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        self._settings = settings
        self._keeper = keeper
        self._feed = keeper.feed

    # ---------------------------------------------------------------- watching

    async def watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[bytes]:
        part, beat_s, gather_s = self._part(request), *self._pace(request)
        call.when_stalled = self._stalled
        with self._feed.watching():
            revision, mark = request.from_revision, request.mark
            quarantined = self._keeper.quarantined
            if not request.HasField("from_revision") and not request.with_snapshot:
                revision, mark = self._feed.revision, self._feed.mark
            elif request.with_snapshot or not await self._has(revision, mark):
                revision, mark = self._feed.revision, self._feed.mark
                async for frame in self._snapshot(part):
                    yield frame
            while (cursor := self._feed.seek(revision, mark)) is None:
                commits = await self._stored(revision)
                if self._keeper.quarantined != quarantined:
                    raise FellBehind(
                        "damage was set aside meanwhile: watch again from what you have"
                    )
                revision, mark = commits[-1].revision, commits[-1].mark
                yield self._frame(commits, part)
            if (rest := self._feed.remainder(cursor, revision)) is not None:
                yield self._frame([rest], part)
                cursor += 1
            async for frame in self._live(cursor, part, beat_s, gather_s):
                yield frame

    async def _live(
        self, cursor: int, part: Part, beat_s: float, gather_s: float
    ) -> AsyncIterator[bytes]:
        """What the ring has for a cursor, and heartbeats while it has nothing: one at once."""
        feed = self._feed
        while True:
            self._keeper.check_working()
            seen, is_at_end = feed.wakings, cursor == feed.end
            if is_at_end:
                yield feed.heartbeat()
            while not is_at_end:  # what comes while a frame is on its way waits for the next waking
                seen = feed.wakings
                frame, cursor = feed.frame(cursor, part)
                is_at_end = cursor == feed.end
                yield frame
            await feed.arrival(seen, beat_s)
            if gather_s and cursor != feed.end:
                await asyncio.sleep(gather_s)

    def _frame(self, commits: list[Published], part: Part) -> bytes:
        """Commits that are not in the ring, or not all of one."""
        last = commits[-1]
        head = self._feed.head(last.revision, last.mark, last.digest, is_newest=False)
        return b"".join([*(commit.encoded(part) for commit in commits), head])

    async def _snapshot(self, part: Part) -> AsyncIterator[bytes]:
        """The book as it stands at the first frame, whatever happens until the last."""
        records = self._records(part.hotkeys, open_only=part.open_only)
        marks = list(self._keeper.book.marks.by_pair.values()) if part.is_whole else []
        now = self._feed.revision, self._feed.mark, self._feed.digest
        head = self._feed.head(*now, is_newest=False)
        parts = snapshot_parts(records, self._campaigns(part), marks)
        async for snapshot in self._keeper.archive.draw(parts):
            self._keeper.check_working()
            yield raw.WatchFrame(snapshot=snapshot).SerializeToString() + head

    async def _has(self, revision: int, mark: str) -> bool:
        """Whether a watcher with this revision and mark can go on from there."""
        if self._feed.seek(revision, mark) is not None:
            return True
        if revision >= self._feed.revision:
            return False
        return await asyncio.to_thread(self._is_stored, revision, mark)

    def _is_stored(self, revision: int, mark: str) -> bool:
        journal = self._keeper.journal
        if mark:
            link = journal.link_at(revision)
            if link is None or mark != mark_of(link, self._keeper.quarantined):
                return False
        return bool(journal.commits(revision, 0))

    async def _stored(self, revision: int) -> list[Published]:
        """Commits after a revision that are in the journal alone, and that readers see."""
        self._keeper.check_working()
        journal, quarantined = self._keeper.journal, self._keeper.quarantined
        stored = await asyncio.to_thread(journal.commits, revision, FRAME_BYTES)
        commits = [Published(one.changes, mark_of(one.link, quarantined)) for one in stored]
        # The newest may be on disk a moment before it is in the book.
        commits = [commit for commit in commits if commit.revision <= self._feed.revision]
        if not commits:
            raise FellBehind(f"what came after revision {revision} is not kept: watch again")
        return commits

    def _stalled(self, seconds: float) -> FellBehind:
        return FellBehind(f"nothing was read for {seconds:g} s: watch again from what you have")

    # ---------------------------------------------------------------- changed since

    async def list_changed(
        self,
        request: pb.ListChangedRequest,
        call: Call,  # noqa: ARG002
    ) -> AsyncIterator[bytes]:
        hotkeys = self._part(request).hotkeys
        check_mark(request.mark)
        changed = await self._changed_since(request.since_revision, request.mark, hotkeys)
        # Nothing is awaited between here and `records`.
        revision, mark = self._feed.revision, self._feed.mark
        removed: list[str] = []
        if changed is None:
            records = self._records(hotkeys, open_only=False)
        else:
            stands = self._keeper.book.positions.by_uuid
            found = {uuid: _of(stands.get(uuid), hotkeys) for uuid in changed}
            removed = [uuid for uuid, record in found.items() if record is None]
            records = [record for record in found.values() if record is not None]
            if request.open_too:
                opened = self._records(hotkeys, open_only=True)
                records += [record for record in opened if record.position_uuid not in found]
        async for first, positions in self._keeper.archive.draw(pieces(records)):
            yield raw.ChangedFrame(
                revision=revision,
                is_whole=changed is None,
                total=len(records),
                positions=positions,
                removed=removed if first == 0 else (),
                mark=mark,
            ).SerializeToString()

    async def _changed_since(
        self, revision: int, mark: str, hotkeys: frozenset[str]
    ) -> dict[str, None] | None:
        """The uuids that changes after a revision are about; None where these are no longer kept,
        or never were, or where one is a clear, which names no positions."""
        quarantined = self._keeper.quarantined
        if mark and not await self._has(revision, mark):
            return None
        changed: dict[str, None] = {}
        while (cursor := self._feed.seek(revision)) is None:
            if revision > self._feed.revision:
                return None
            try:
                commits = await self._stored(revision)
            except FellBehind:
                return None
            if not _note(changed, commits, hotkeys):
                return None
            revision = commits[-1].revision
        rest = self._feed.remainder(cursor, revision)
        commits = (
            self._feed.since(cursor) if rest is None else [rest, *self._feed.since(cursor + 1)]
        )
        if not _note(changed, commits, hotkeys) or self._keeper.quarantined != quarantined:
            return None
        return changed

    # ---------------------------------------------------------------- parts

    def _records(self, hotkeys: frozenset[str], *, open_only: bool) -> list[Record]:
        positions = self._keeper.book.positions
        if not hotkeys and not open_only:
            return list(positions.by_uuid.values())
        index = positions.open if open_only else positions.by_hotkey
        held = index.values() if not hotkeys else (index.get(hotkey, {}) for hotkey in hotkeys)
        return [record for records in held for record in records.values()]

    def _campaigns(self, part: Part) -> list[CampaignRecord]:
        campaigns = self._keeper.book.campaigns
        if part.open_only:
            return []
        if part.is_whole:
            return list(campaigns.by_id.values())
        return [one for hotkey in part.hotkeys for one in campaigns.by_hotkey.get(hotkey, ())]

    def _part(self, request: pb.WatchRequest | pb.ListChangedRequest) -> Part:
        shape.check_hotkeys(request.hotkeys, self._settings.hotkeys_max)
        open_only = isinstance(request, pb.WatchRequest) and request.open_only
        return Part(request.hotkeys, open_only=open_only)

    def _pace(self, request: pb.WatchRequest) -> tuple[float, float]:
        """How long nothing may be sent, and how long changes are gathered, in seconds."""
        check_mark(request.mark)
        if request.mark and not request.HasField("from_revision"):
            raise InvalidArgument("mark goes with the revision it came with", field="mark")
        asked = request.heartbeat_ms or self._settings.watch_heartbeat_ms
        if not HEARTBEAT_LEAST_MS <= asked <= HEARTBEAT_MOST_MS:
            raise InvalidArgument(
                f"heartbeat_ms must be {HEARTBEAT_LEAST_MS} to {HEARTBEAT_MOST_MS}, not {asked}",
                field="heartbeat_ms",
            )
        if request.gather_ms > GATHER_MOST_MS:
            raise InvalidArgument(
                f"gather_ms must be at most {GATHER_MOST_MS}, not {request.gather_ms}",
                field="gather_ms",
            )
        return asked / 1000, request.gather_ms / 1000


def check_mark(mark: str) -> None:
    if len(mark) > MARK_MAX:
        raise InvalidArgument("mark is not one of this server's", field="mark")


def _of(record: Record | None, hotkeys: frozenset[str]) -> Record | None:
    """A record, where it is one of the hotkeys': a uuid may come back under another."""
    return record if record is not None and (not hotkeys or record.hotkey in hotkeys) else None


def _note(changed: dict[str, None], commits: Iterable[Published], hotkeys: frozenset[str]) -> bool:
    """Adds the uuids of positions that commits are about. False where one is a clear."""
    for commit in commits:
        for change in commit.changes:
            if change.kind is ChangeKind.CLEARED:
                if not hotkeys or not change.key or change.key in hotkeys:
                    return False
            elif change.kind in OF_POSITIONS and (not hotkeys or change.hotkey in hotkeys):
                changed[change.key] = None
    return True
