"""Operations that take long, beside everything else that a server does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from hotbook_server.config import Settings
from hotbook_server.keeper import OPERATIONS_AT_ONCE
from hotbook_server.server import Server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import hotbook_pb2_grpc as stubs
from hotbook_shared.wire import position_to_wire
from tests.make import closed

PATIENCE_S = 20.0
STUBS: Any = stubs


class SlowCopies:
    """Lets no backup of a server begin before it is let through."""

    def __init__(self, server: Server) -> None:
        self._loop = asyncio.get_running_loop()
        self._copy = server.engine.journal.backup
        self._gate = threading.Event()
        self.arrivals = 0
        self.arrived = asyncio.Condition()
        server.engine.journal.backup = self._wait  # type: ignore[method-assign]

    def _wait(self, to: Path) -> int:
        asyncio.run_coroutine_threadsafe(self._note(), self._loop).result(PATIENCE_S)
        assert self._gate.wait(PATIENCE_S)
        return self._copy(to)

    async def _note(self) -> None:
        async with self.arrived:
            self.arrivals += 1
            self.arrived.notify_all()

    async def are(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self.arrived:
            await self.arrived.wait_for(lambda: self.arrivals == count)

    def let_through(self) -> None:
        self._gate.set()


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """On disk, with no closed position in memory, and with one thread for all reads."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    made = Server(settings.model_copy(update={"closed_in_memory_max": 0}))
    await made.start()
    yield made
    await made.stop()


async def test_backups_hold_up_neither_reads_nor_a_rebuild(server: Server) -> None:
    """However many are asked for, a few are made at once and all of them come; meanwhile a
    position is read from disk, and the indexes are made anew."""
    copies, asked = SlowCopies(server), OPERATIONS_AT_ONCE + 2

    async with grpc.aio.insecure_channel(server.address) as channel:
        positions, operations = STUBS.PositionsStub(channel), STUBS.OperationsStub(channel)
        await positions.Save(pb.SaveRequest(position=position_to_wire(closed("A"))))

        async def back_up() -> int:
            frames = [frame async for frame in operations.Backup(pb.BackupRequest())]
            assert sum(len(frame.data) for frame in frames) == frames[0].total_bytes
            return int(frames[-1].revision)

        backups = [asyncio.create_task(back_up()) for _ in range(asked)]
        await copies.are(OPERATIONS_AT_ONCE)
        async with asyncio.timeout(PATIENCE_S / 2):
            read = await positions.Get(pb.GetRequest(hotkey="hk", position_uuid="A"))
            await operations.Rebuild(pb.RebuildRequest())
            assert read.position.position_uuid == "A"
            assert copies.arrivals == OPERATIONS_AT_ONCE
        copies.let_through()
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.gather(*backups) == [1] * asked
