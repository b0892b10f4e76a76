"""The replica for asyncio where it waits: filling, following through breaks, and its end.

What it answers is in tests/conformance; that it is otherwise the blocking one, scripts/faces sees
to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hotbook import DeadlineExceeded, InvalidArgument, Stale, Unavailable, aio
from tests.client.test_retry import PATIENCE_S, ServerProcess, served
from tests.grpc.test_lifecycle import eventually
from tests.make import closed, position


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    with served(tmp_path / "served") as made:
        yield made


def replica_tasks() -> int:
    return sum(task.get_name() == "hotbook-replica" for task in asyncio.all_tasks())


async def test_it_follows_its_server_through_a_restart(process: ServerProcess) -> None:
    """It reads its own writes before a kill and after it, from one snapshot; and it is verified."""
    async with (
        aio.connect(process.target, timeout_s=PATIENCE_S) as book,
        aio.Replica(process.target) as replica,
    ):
        saved = await book.save(position("a"))
        await replica.wait_for(saved.revision)
        assert replica.open_position("hk", "BTCUSD") is not None

        process.kill()
        process.start()
        saved = await book.save(closed("b"))
        assert await replica.wait_for(saved.revision, PATIENCE_S) == saved.revision

        assert replica.get("hk", "b") is not None
        assert replica.snapshots == 1
        assert (await replica.verify(timeout_s=PATIENCE_S)).ok


async def test_many_wait_and_each_is_told(shared_target: str) -> None:
    """Tasks that wait for revisions are woken for their own; one whose time is over is told what
    stands; one that is cancelled leaves the others alone."""
    async with aio.connect(shared_target) as book, aio.Replica(shared_target) as replica:
        at = replica.revision
        waits = [asyncio.create_task(replica.wait_for(at + n, PATIENCE_S)) for n in range(1, 11)]
        gone = asyncio.create_task(replica.wait_for(at + 10, PATIENCE_S))
        await asyncio.sleep(0)
        gone.cancel()
        for n in range(10):
            await book.save(closed(f"waited-{n}"))
        async with asyncio.timeout(PATIENCE_S):
            stood = await asyncio.gather(*waits)
        with pytest.raises(DeadlineExceeded, match=str(at + 10)):
            await replica.wait_for(at + 11, timeout_s=0)

    assert all(stands >= at + n for n, stands in enumerate(stood, start=1))
    assert gone.cancelled()


async def test_an_old_answer_is_refused(process: ServerProcess) -> None:
    """While the server stands still, reads that mind are Stale; those that do not are answered."""
    async with aio.Replica(process.target) as replica:
        with process.asleep():
            await asyncio.to_thread(eventually, lambda: replica.lag_ms > 1_000, "a second of lag")
            with pytest.raises(Stale):
                replica.open_position("hk", "BTCUSD", max_lag_ms=1_000)
            assert replica.open_position("hk", "BTCUSD") is None
        assert replica.last_error is None


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_an_end_while_others_wait(shared_target: str, how: str) -> None:
    """Whoever waits on it is let go with Unavailable; no task of it is left, and no thread."""
    async with aio.connect(shared_target) as book:
        await book.status()  # grpc.aio has its one thread from now on
        threads = set(threading.enumerate())
        replica = aio.Replica(shared_target)
        if how == "closed":
            await replica.start()
            waiting = asyncio.create_task(replica.wait_for(10**9, PATIENCE_S))
            await asyncio.sleep(0)
            await replica.close()
            with pytest.raises(Unavailable, match="closed"):
                await waiting
        else:
            starting = asyncio.create_task(replica.start())
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting

    assert replica_tasks() == 0
    assert set(threading.enumerate()) <= threads
    with pytest.raises(Unavailable, match="closed"):
        replica.hotkeys()


async def test_it_has_one_life(shared_target: str) -> None:
    """Started twice or after its end, it says so, and one that lives goes on, with one task."""
    replica = aio.Replica(shared_target)
    async with replica:
        with pytest.raises(InvalidArgument, match="make another"):
            await replica.start()
        assert replica_tasks() == 1
        assert (await replica.verify()).ok
    with pytest.raises(InvalidArgument, match="make another"):
        await replica.start()


async def test_where_no_server_is_it_says_so_in_time() -> None:
    """Unavailable, with the address and what to do; and nothing of it is left."""
    with pytest.raises(Unavailable, match="hotbook serve"):
        await aio.Replica("127.0.0.1:1", timeout_s=0.3).start()
    assert replica_tasks() == 0
