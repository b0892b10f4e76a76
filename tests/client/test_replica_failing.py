"""A replica while servers stop, hang, die and come back: what it says, and what it does."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hotbook
from hotbook import InvalidArgument, Replica, Stale, Unavailable
from hotbook.testing import server
from tests.client.test_retry import ServerProcess, served
from tests.grpc.test_lifecycle import eventually
from tests.make import closed, position

PATIENCE_S = 20.0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    with served(tmp_path / "served") as made:
        yield made


@pytest.fixture
def book(process: ServerProcess) -> Iterator[hotbook.Client]:
    with hotbook.connect(process.target, timeout_s=PATIENCE_S) as made:
        made.save(position())
        yield made


def stale_at_last(read: Callable[[], object]) -> Stale:
    """Reads until an answer is refused as Stale."""
    raised: list[Stale] = []

    def is_stale() -> bool:
        try:
            read()
        except Stale as error:
            raised.append(error)
        return bool(raised)

    eventually(is_stale, "an answer that is refused as Stale")
    return raised[0]


# -------------------------------------------------------------------- at the start


def nobodys_target() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_where_no_server_is_it_says_so_in_time() -> None:
    """Unavailable, with the address and what to do, when the time that it was given is over."""
    target, before = nobodys_target(), set(threading.enumerate())
    began_s = time.monotonic()
    with pytest.raises(Unavailable) as told, Replica(target, timeout_s=0.5):
        pass

    assert 0.4 < time.monotonic() - began_s < 3
    for said in (target, "hotbook serve", "0.5 s"):
        assert said in told.value.message
    eventually(lambda: set(threading.enumerate()) <= before, "all its threads have ended")


def test_it_waits_for_a_server_that_is_about_to_start(tmp_path: Path) -> None:
    """A server that comes within the time is followed."""
    folder = tmp_path / "served"
    with served(folder) as process:
        process.kill()
        with ThreadPoolExecutor(1) as pool:
            made = Replica(process.target, timeout_s=PATIENCE_S)
            starting = pool.submit(made.start)
            eventually(lambda: made.last_error is not None or starting.done(), "it has asked")
            assert not starting.done()
            process.start()
            starting.result(PATIENCE_S)
        assert made.view().revision == 0
        made.close()


def test_what_the_server_will_never_take_is_told_at_once() -> None:
    """A refusal that no waiting helps against is raised as the server says it."""
    with server(hotkeys_max=2) as target:
        began_s = time.monotonic()
        with pytest.raises(InvalidArgument) as told, Replica(target, ["a", "b", "c"]):
            pass
    assert told.value.field == "hotkeys"
    assert time.monotonic() - began_s < 5


# -------------------------------------------------------------------- how old it is


def test_lag_is_the_time_since_the_server_was_last_heard_of(
    process: ServerProcess, book: hotbook.Client
) -> None:
    """While the server stands still lag grows as time does, and no less; readers who do not mind
    have answers all the while; when it goes on, lag is small again."""
    with Replica(process.target) as replica:
        replica.wait_for(1)
        eventually(lambda: replica.lag_ms < 500, "fresh")
        with process.asleep():
            since_s = time.monotonic()
            while (waited_s := time.monotonic() - since_s) < 1.2:
                lag_ms = replica.lag_ms
                least_ms = waited_s * 1000 - 50
                assert least_ms <= lag_ms <= (time.monotonic() - since_s) * 1000 + 800
                assert replica.open_position("hk", "BTCUSD") is not None
        eventually(lambda: replica.lag_ms < 500, "fresh again")


def test_what_is_too_old_is_an_error_and_no_answer(
    process: ServerProcess, book: hotbook.Client
) -> None:
    """Stale, for a replica that is made so and for a single read; with the lag, and what was
    accepted; when the server goes on, there are answers again."""
    with (
        Replica(process.target, max_lag_ms=300) as strict,
        Replica(process.target) as easy,
    ):
        for made in (strict, easy):
            made.wait_for(1)
        reads: list[Callable[[], object]] = [
            lambda: strict.open_position("hk", "BTCUSD"),
            lambda: strict.get("hk", "p1"),
            lambda: strict.positions(["hk"]),
            lambda: strict.view(),
            lambda: easy.open_position("hk", "BTCUSD", max_lag_ms=300),
            lambda: easy.hotkeys(max_lag_ms=300),
            lambda: list(easy.book(max_lag_ms=300)),
        ]
        with process.asleep():
            for read in reads:
                told = stale_at_last(read)
                assert told.lag_ms > 300
                assert "300" in told.message
                assert process.target in told.message
            assert easy.open_position("hk", "BTCUSD") is not None
            assert strict.open_position("hk", "BTCUSD", max_lag_ms=60_000) is not None
            assert strict.revision == 1, "where it is can be asked whenever"
        for read in reads:
            eventually(lambda read=read: not _is_stale(read), "an answer again")  # type: ignore[misc]


def _is_stale(read: Callable[[], object]) -> bool:
    try:
        read()
    except Stale:
        return True
    return False


def test_a_strict_replica_waits_through_being_stale(
    process: ServerProcess, book: hotbook.Client
) -> None:
    """wait_for waits for a revision, whatever readers are told meanwhile."""
    with Replica(process.target, max_lag_ms=100) as replica, ThreadPoolExecutor(2) as pool:
        with process.asleep():
            stale_at_last(replica.view)
            saving = pool.submit(book.save, closed("later"))
            waiting = pool.submit(replica.wait_for, 2, PATIENCE_S)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert saving.result(PATIENCE_S).revision == 2
        assert waiting.result(PATIENCE_S) == 2


def test_a_server_with_rare_heartbeats_is_heard_of_often_enough() -> None:
    """A replica asks for heartbeats of its own: it knows how old it is, whatever the server's
    default for others."""
    with server(watch_heartbeat_ms=60_000) as target, Replica(target) as replica:
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            assert replica.lag_ms < 1_200
        assert replica.last_error is None


def test_who_comes_to_a_stale_follower_is_told_how_stale_it_is(tmp_path: Path) -> None:
    """The lag of a replica is that of the server that it follows, and more: never less."""
    with (
        served(tmp_path / "leader") as leader,
        hotbook.connect(leader.target) as book,
        server(follow=leader.target) as target,
        hotbook.connect(target) as following,
    ):
        at = book.save(position()).revision
        eventually(lambda: following.status().revision == at, "the follower has it")
        with leader.asleep():
            since_s = time.monotonic()
            eventually(lambda: time.monotonic() > since_s + 1.5, "a second and a half")
            with Replica(target) as replica:
                assert replica.lag_ms >= (time.monotonic() - since_s) * 1000 - 300


# -------------------------------------------------------------------- servers that come and go


def test_a_restart_of_the_server_needs_no_second_snapshot(
    process: ServerProcess, book: hotbook.Client
) -> None:
    """Killed and started again, stopped and started again: it goes on from what it has, and
    readers have answers all the while."""
    with Replica(process.target) as replica:
        for number in range(4):
            process.kill()
            eventually(lambda: not replica.is_connected, "it knows that the server is gone")
            assert replica.open_position("hk", "BTCUSD") is not None
            process.start()
            saved = book.save(closed(f"after-{number}"))
            replica.wait_for(saved.revision, timeout_s=PATIENCE_S)
            assert replica.is_connected
        assert replica.snapshots == 1
        assert replica.verify().ok
        assert isinstance(replica.last_error, Unavailable)


def test_another_book_on_the_same_address_takes_the_place_of_the_first(
    process: ServerProcess, book: hotbook.Client, tmp_path: Path
) -> None:
    """Its revisions may be the same: what was there before is gone, views of it stay."""
    with Replica(process.target) as replica, Replica(process.target, ["hk"]) as part:
        before = replica.view()
        process.kill()
        shutil.rmtree(tmp_path / "served" / "data")
        process.start()
        assert book.save(position("other", trade_pair="ETHUSD")).revision == before.revision

        for made in (replica, part):
            eventually(lambda made=made: made.snapshots == 2, "the other book")  # type: ignore[misc]
            made.wait_for(1, timeout_s=PATIENCE_S)
            assert [p.position_uuid for p in made.positions("hk")] == ["other"]
            assert made.verify().ok
        assert [p.position_uuid for p in before.positions("hk")] == ["p1"]


def test_a_store_set_back_is_followed_back(
    process: ServerProcess, book: hotbook.Client, tmp_path: Path
) -> None:
    """A server that comes back with an older copy of its store: the replica has what it has, and
    not what was lost."""
    data, copy = tmp_path / "served" / "data", tmp_path / "copy"
    process.kill()
    shutil.copytree(data, copy)
    process.start()
    lost = book.save_many([closed(f"lost-{n}") for n in range(3)])
    with Replica(process.target) as replica:
        assert replica.revision == 1 + len(lost)
        process.kill()
        shutil.rmtree(data)
        copy.rename(data)
        process.start()
        eventually(lambda: replica.revision == 1, "the older revision")
        assert [p.position_uuid for p in replica.positions("hk")] == ["p1"]
        assert replica.snapshots == 2
        assert replica.verify().ok
