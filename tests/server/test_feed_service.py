"""The Feed service over an engine: what happens between two of its frames."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from hotbook_server import feed as ring
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import STORE_NAME
from hotbook_server.rpc import feed as service
from hotbook_server.rpc.feed import FeedService
from hotbook_server.rpc.guard import Call
from hotbook_shared.errors import FellBehind
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from tests.conftest import StartEngine
from tests.make import closed, save

COMMITS = 6
PATIENCE_S = 20.0


class NoCall:
    """A call, as far as the service looks at one."""


@pytest.fixture
async def engine(start_engine: StartEngine, tmp_path: Path) -> Engine:
    """Every commit but the newest is in the journal alone."""
    return await start_engine(SqliteJournal(tmp_path / "s"), feed_changes_max=1)


@pytest.fixture
def feed(engine: Engine, settings: Settings) -> FeedService:
    return FeedService(settings, engine)


async def set_aside(engine: Engine, folder: Path, uuid: str) -> None:
    """A position is damaged on disk, and a reload finds it."""
    store = apsw.Connection(str(folder / "s" / STORE_NAME))
    store.execute("UPDATE positions SET crc = crc + 1 WHERE position_uuid = ?", (uuid,))
    store.close()
    await engine.reload()
    assert engine.quarantined == 1


async def test_damage_that_is_set_aside_while_a_watcher_catches_up(
    engine: Engine, feed: FeedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off, for it may have been sent what is in quarantine now; its mark tells so when it
    comes back."""
    monkeypatch.setattr(service, "FRAME_BYTES", 1)  # a commit a frame
    for n in range(COMMITS):
        await engine.submit(save(closed(f"p{n}")), timeout_s=10)
    marks = engine.journal.link_at(0)
    assert marks is not None
    request = pb.WatchRequest(from_revision=0, mark=marks.hex())
    frames = cast(AsyncGenerator[bytes, None], feed.watch(request, cast(Call, NoCall())))
    first = raw.WatchFrame.FromString(await anext(frames))
    assert (first.revision, len(first.changes)) == (1, 1)

    await set_aside(engine, tmp_path, "p0")
    with pytest.raises(FellBehind, match="set aside"):
        await anext(frames)

    again = pb.WatchRequest(from_revision=first.revision, mark=first.mark)
    frames = cast(AsyncGenerator[bytes, None], feed.watch(again, cast(Call, NoCall())))
    assert raw.WatchFrame.FromString(await anext(frames)).HasField("snapshot")
    await frames.aclose()


async def test_damage_that_is_set_aside_while_changes_are_listed(
    engine: Engine, feed: FeedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole book is the answer, for no change tells of what is in quarantine now."""
    for n in range(COMMITS):
        await engine.submit(save(closed(f"p{n}")), timeout_s=10)
    stored = feed._stored

    async def interrupted(revision: int) -> Any:
        commits = await stored(revision)
        await set_aside(engine, tmp_path, "p0")
        return commits

    monkeypatch.setattr(feed, "_stored", interrupted)
    request = pb.ListChangedRequest(since_revision=3)
    frames = [frame async for frame in feed.list_changed(request, cast(Call, NoCall()))]

    answer = raw.ChangedFrame.FromString(frames[0])
    assert (answer.is_whole, len(answer.positions)) == (True, COMMITS - 1)


async def test_an_old_revision_does_not_bring_all_changes_into_memory(
    engine: Engine, feed: FeedService
) -> None:
    """ListChanged reads what is in the journal some at a time, and keeps the uuids alone."""
    wide: dict[str, Any] = {"note": "x" * 60_000}
    for n in range(150):
        await engine.submit(save(closed(f"p{n % 2}", extra=wide)), timeout_s=10)
    request = pb.ListChangedRequest(since_revision=0)
    tracemalloc.start()
    try:
        frames = [frame async for frame in feed.list_changed(request, cast(Call, NoCall()))]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    answer = raw.ChangedFrame.FromString(frames[0])
    assert (len(frames), len(answer.positions), answer.is_whole) == (1, 2, False)
    assert peak_bytes < 4_000_000, f"{peak_bytes:,} of the 9 MB of changes were held at once"


# -------------------------------------------------------------------- the pace of frames


class Watching:
    """A watcher whose frames are taken one by one, at a feed that wakes only when it is told to."""

    def __init__(self, engine: Engine, feed: FeedService) -> None:
        request = pb.WatchRequest(heartbeat_ms=60_000)
        frames = feed.watch(request, cast(Call, NoCall()))
        self._frames = cast(AsyncGenerator[bytes, None], frames)
        self.feed = engine.feed
        self._engine = engine
        self._coming: asyncio.Task[bytes] | None = None
        engine.feed.wake()  # the next one is a minute away

    async def frame(self) -> raw.WatchFrame:
        coming, self._coming = self._coming, None
        async with asyncio.timeout(PATIENCE_S):
            return raw.WatchFrame.FromString(await (coming or anext(self._frames)))

    async def waits(self) -> bool:
        """Whether nothing is sent, however often the loop turns."""
        self._coming = asyncio.ensure_future(anext(self._frames))
        for _ in range(20):
            await asyncio.sleep(0)
        return not self._coming.done()

    async def change(self) -> int:
        await self._engine.submit(save(closed("p")), timeout_s=PATIENCE_S)
        return self._engine.book.revision

    async def close(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait((self._coming,))
        await self._frames.aclose()


@pytest.fixture
async def watcher(start_engine: StartEngine, settings: Settings) -> AsyncIterator[Watching]:
    paced = {"watch_frame_ms": 60_000.0}
    engine = await start_engine(MemoryJournal(), **paced)
    made = Watching(engine, FeedService(settings.model_copy(update=paced), engine))
    assert not (await made.frame()).changes, "the first says where it is"
    yield made
    await made.close()


async def test_what_comes_while_a_frame_is_on_its_way_waits_for_the_next_waking(
    watcher: Watching,
) -> None:
    """So that watchers are sent no more frames than they are woken for."""
    first = await watcher.change()
    assert await watcher.waits()
    watcher.feed.wake()
    assert [change.revision for change in (await watcher.frame()).changes] == [first]

    second = await watcher.change()  # the reader has the frame, and has not asked for another
    assert await watcher.waits()
    watcher.feed.wake()
    assert [change.revision for change in (await watcher.frame()).changes] == [second]


async def test_a_waking_while_a_frame_is_on_its_way_is_not_missed(watcher: Watching) -> None:
    """Whoever was busy when all were woken is sent what there is as soon as it is free."""
    first = await watcher.change()
    watcher.feed.wake()
    assert (await watcher.frame()).revision == first
    second = await watcher.change()
    watcher.feed.wake()  # nobody waits at this moment

    assert not await watcher.waits()
    assert [change.revision for change in (await watcher.frame()).changes] == [second]


async def test_who_is_behind_is_sent_frame_after_frame(
    watcher: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into one frame follows at once, and so does what came meanwhile."""
    monkeypatch.setattr(ring, "FRAME_BYTES", 1)  # a commit a frame
    for _ in range(3):
        await watcher.change()
    watcher.feed.wake()
    told = [(await watcher.frame()).revision for _ in range(2)]
    await watcher.change()
    told += [(await watcher.frame()).revision for _ in range(2)]

    assert told == [1, 2, 3, 4]
    assert await watcher.waits()
