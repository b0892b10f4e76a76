"""Every answer is the same, byte for byte, with a bound on closed positions in memory and without.

Two engines are given the same commands at the same times; one has a bound of two. Whatever a client
can read is asked of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
from hypothesis import given, settings

from hotbook_server.commands import Clear, Command
from hotbook_server.config import Settings, load_settings
from hotbook_server.engine import Engine
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.rpc.feed import FeedService
from hotbook_server.rpc.guard import Call
from hotbook_server.rpc.operations import OperationsService
from hotbook_server.rpc.orders import OrdersService
from hotbook_server.rpc.positions import PositionsService
from hotbook_server.splitter import Splitter
from hotbook_server.telemetry import Telemetry
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.chance import examples
from tests.conftest import FakeClock
from tests.model.naive_orders import ORDERS_MAX
from tests.model.strategies import HOTKEYS, several_commands


class Reader:
    """Asks an engine's services whatever a client can read of it."""

    def __init__(self, engine: Engine, config: Settings, clock: FakeClock) -> None:
        self.engine = engine
        self.positions = PositionsService(config, engine, clock)
        self.orders = OrdersService(config, engine)
        self.operations = OperationsService(config, engine, clock, Telemetry())
        self.feed = FeedService(config, engine)
        self.call = cast(Call, _NoCall())

    async def answers(self, since: int) -> dict[str, Any]:
        uuids = sorted(self.engine.book.positions.by_uuid)
        found: dict[str, Any] = {}
        for hotkey in HOTKEYS:
            for uuid in uuids:
                asked = pb.GetRequest(hotkey=hotkey, position_uuid=uuid)
                found[f"get {hotkey} {uuid}"] = await self.positions.get(asked, self.call)
        for size in (1, 3, 100):
            found[f"list by {size}"] = await self.pages(size)
        streams = self.positions.stream_book(pb.StreamBookRequest(), self.call)
        found["book"] = [frame async for frame in streams]
        found["digests"] = await self.operations.digests(pb.DigestsRequest(), self.call)
        found["span"] = await self.orders.order_span(pb.OrderSpanRequest(), self.call)
        changed = self.feed.list_changed(pb.ListChangedRequest(since_revision=since), self.call)
        found["changed"] = [frame async for frame in changed]
        found["watch"] = await self.watched(pb.WatchRequest(with_snapshot=True))
        found["watch on"] = await self.watched(pb.WatchRequest(from_revision=since))
        split = Splitter(self.engine).split_all(dry_run=True)
        found["splits"] = [step.splits async for step in split]
        found["verify"] = (await self.engine.verify())[1]
        return found | {"digest": self.engine.book.digest}

    async def pages(self, size: int) -> list[pb.ListReply]:
        """A listing to its last page. Its token is random, and says nothing."""
        asked = pb.ListRequest(hotkeys=HOTKEYS, page_size=size)
        pages = []
        while True:
            reply = pb.ListReply.FromString(await self.positions.list(asked, self.call))
            asked.page_token = reply.next_page_token
            reply.ClearField("next_page_token")
            pages.append(reply)
            if not asked.page_token:
                return pages

    async def watched(self, asked: pb.WatchRequest) -> list[bytes]:
        """What a watcher is sent until it has the newest."""
        frames = []
        async with contextlib.aclosing(cast(Any, self.feed.watch(asked, self.call))) as watching:
            async for data in watching:
                frame = pb.WatchFrame.FromString(data)
                frames.append(data)
                if frame.is_newest:
                    return frames
        raise AssertionError("a watcher is always told what is newest")


class _NoCall:
    """What a read needs of its call."""

    when_stalled: Any = None


@contextlib.asynccontextmanager
async def reading(clock: FakeClock, bound: int | None) -> AsyncIterator[Reader]:
    with tempfile.TemporaryDirectory() as folder:
        config = load_settings(
            data_dir=Path(folder),
            batch_wait_ms=0,
            position_orders_max=ORDERS_MAX,
            closed_in_memory_max=bound,
        )
        engine = Engine(config, SqliteJournal(Path(folder)), clock, Telemetry())
        await engine.start()
        try:
            yield Reader(engine, config, clock)
        finally:
            await engine.stop()


async def do(engine: Engine, several: list[Command]) -> None:
    waiting = [engine.enqueue(command, timeout_s=60) for command in several]
    for one in waiting:
        await one


@settings(max_examples=examples(100), deadline=None)
@given(
    batches=st.lists(several_commands, min_size=1, max_size=4),
    cleared=st.sampled_from([None, None, None, "", *HOTKEYS]),
    since=st.integers(0, 6),
)
def test_answers_are_the_same(
    batches: list[list[Command]], cleared: str | None, since: int
) -> None:
    """Get, List, StreamBook, Digests, OrderSpan, ListChanged, Watch, SplitAll and Verify."""

    async def compare() -> None:
        clock = FakeClock()
        async with reading(clock, None) as whole, reading(clock, 2) as bounded:
            for batch in batches:
                await do(whole.engine, batch)
                await do(bounded.engine, batch)
                assert await bounded.answers(since) == await whole.answers(since)
            if cleared is not None:
                held = whole.engine.book.positions
                count = len(held.by_hotkey.get(cleared, {}) if cleared else held.by_uuid)
                await do(whole.engine, [Clear(cleared, count)])
                await do(bounded.engine, [Clear(cleared, count)])
                assert await bounded.answers(since) == await whole.answers(since)

    asyncio.run(compare())
