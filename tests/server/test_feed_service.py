"""The Feed service over an engine: what happens between two of its frames."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from hotbook_server.config import Settings
from hotbook_server.engine import Engine
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
