"""A follower from the inside: when it is filled, and what becomes of its one task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from hotbook import aio
from hotbook_server.clock import SystemClock
from hotbook_server.config import Settings
from hotbook_server.following import Following
from hotbook_shared.book import Book
from hotbook_shared.errors import Unavailable
from hotbook_shared.pb import records_pb2 as raw
from tests.conftest import FakeClock
from tests.grpc.test_lifecycle import eventually
from tests.make import closed, position
from tests.shared.test_following import frame, part

PATIENCE_S = 20.0


@pytest.fixture
async def follower(shared_target: str, settings: Settings) -> AsyncIterator[Following]:
    """A follower of a real server."""
    chosen = settings.model_copy(update={"follow": shared_target})
    made = Following(chosen, SystemClock())
    await made.start()
    yield made
    await made.stop()


async def until(is_so: Callable[[], bool]) -> None:
    await asyncio.to_thread(eventually, is_so, "the follower has it")


def following_tasks() -> int:
    return sum(task.get_name() == "hotbook-following" for task in asyncio.all_tasks())


async def test_reloads_at_once_and_abandoned_leave_one_follower(
    follower: Following, shared_target: str, hk: str
) -> None:
    """Many who ask at once have their answer, callers who leave do no harm, and afterwards one
    task goes on following."""
    async with aio.connect(shared_target) as book:
        await book.save(position(f"{hk}-a", hotkey=hk))
        for pause in range(5):
            abandoned = asyncio.create_task(follower.reload())
            for _ in range(pause):
                await asyncio.sleep(0)
            abandoned.cancel()
            await asyncio.wait((abandoned,))
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.gather(*(follower.reload() for _ in range(5))) == [False] * 5
        saved = await book.save(closed(f"{hk}-b", hotkey=hk))
        await until(lambda: follower.book.revision == saved.revision)
        status = await book.status()

    assert following_tasks() == 1
    assert follower.book.digest == status.digest


async def test_a_follower_that_goes_wrong_makes_itself_anew(
    follower: Following, shared_target: str, hk: str
) -> None:
    """Where a change cannot even be applied, the leader's whole book takes the place of its own."""
    async with aio.connect(shared_target) as book:
        at = (await book.save(closed(f"{hk}-a", hotkey=hk))).revision
        await until(lambda: follower.book.revision == at)
        spoiled = follower.book
        spoiled.positions.by_hotkey[hk] = {}
        saved = await book.save(closed(f"{hk}-a", hotkey=hk, signal_id="again"))
        await until(lambda: follower.book is not spoiled)

    assert follower.book.revision == saved.revision
    assert list(follower.book.positions.problems()) == []


async def test_a_rebuild_leaves_the_loop_to_others_and_loses_nothing(
    follower: Following, shared_target: str, hk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The indexes are made on another thread; what the leader sends meanwhile comes after them."""
    loop, begun, gate = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    make_anew = Book.anew

    def anew(book: Book) -> Book:
        loop.call_soon_threadsafe(begun.set)
        assert gate.wait(PATIENCE_S)
        return make_anew(book)

    monkeypatch.setattr(Book, "anew", anew)
    async with aio.connect(shared_target) as book, asyncio.timeout(PATIENCE_S):
        at = (await book.save(position(f"{hk}-a", hotkey=hk))).revision
        await until(lambda: follower.book.revision == at)
        rebuilding = asyncio.create_task(follower.rebuild())
        await begun.wait()
        saved = await book.save(closed(f"{hk}-b", hotkey=hk))
        assert follower.book.revision == at
        gate.set()
        assert await rebuilding is False
        await until(lambda: follower.book.revision == saved.revision)
        status = await book.status()

    assert follower.book.digest == status.digest
    assert follower.book is follower._follower.book
    assert list(follower.book.problems()) == []


async def test_a_wrong_digest_that_was_mended_is_told_no_more(
    follower: Following, shared_target: str, hk: str
) -> None:
    """After a rebuild watchers hear the right digest, and begin anew from there."""
    async with aio.connect(shared_target) as book:
        at = (await book.save(closed(f"{hk}-a", hotkey=hk))).revision
    await until(lambda: follower.book.revision == at)
    before, first = follower.book.digest, follower.feed.first
    follower.book.positions.digest += 1

    assert await follower.rebuild() is True

    told = raw.WatchFrame.FromString(follower.feed.heartbeat())
    assert (told.digest, told.revision) == (before, at)
    assert follower.feed.first != first, "watchers are cut off"
    assert await follower.rebuild() is False


async def test_it_is_filled_when_it_is_known_how_fresh_it_is(settings: Settings) -> None:
    """Nobody is served a book of unknown age: after the snapshot it waits for the leader's news."""
    chosen = settings.model_copy(update={"follow": "127.0.0.1:1", "call_timeout_s": PATIENCE_S})
    made = Following(chosen, SystemClock())
    starting = asyncio.create_task(made.start())
    await asyncio.sleep(0)
    for one in (part(10, "ab", as_of_ms=1), frame(11, as_of_ms=2)):
        one.revision = 10
        made._take_in(one)
        told = raw.WatchFrame.FromString(made.feed.heartbeat())
        assert told.as_of_ms == 0, "what is not known is as old as can be"
        assert not made._filled.is_set()
    made._take_in(frame(10, as_of_ms=3, is_newest=True))

    async with asyncio.timeout(PATIENCE_S):
        await starting
    assert made.lag_ms < PATIENCE_S * 1000
    await made.stop()


async def test_a_large_book_may_take_its_time(settings: Settings, clock: FakeClock) -> None:
    """A start waits for as long as more of the book comes, and no longer."""
    chosen = settings.model_copy(update={"follow": "127.0.0.1:1", "call_timeout_s": 0.05})
    made = Following(chosen, clock)
    starting = asyncio.create_task(made.start())
    await asyncio.sleep(0)
    for first, uuid in enumerate("abcd"):
        clock.move(40)
        made._take_in(part(10, uuid, first=first, total=4))
    await asyncio.sleep(
        2 * chosen.call_timeout_s
    )  # whatever the time of others, the clock's counts
    assert not starting.done()
    made._take_in(frame(10, as_of_ms=1, is_newest=True))
    async with asyncio.timeout(PATIENCE_S):
        await starting
    assert len(made.book.positions.by_uuid) == 4
    await made.stop()

    made = Following(chosen, clock)
    starting = asyncio.create_task(made.start())
    await asyncio.sleep(0)
    made._take_in(part(10, "a", total=2))
    clock.move(60)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unavailable, match=r"no book came .* within 0\.05 s"):
            await starting
