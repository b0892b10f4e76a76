"""A server that follows another: what it answers and refuses, and what becomes of its leader."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook import Client, HotbookError, Order, ReadOnly, Side, Stale, Unsupported
from hotbook.testing import server
from tests.client.test_retry import PATIENCE_S, ServerProcess, served
from tests.make import OPEN_MS, closed, position


class Pair:
    """A leader that can be stopped and started, and a server that follows it."""

    def __init__(self, leader: ServerProcess, follower: str) -> None:
        self.leader = leader
        self.follower = follower

    @contextlib.contextmanager
    def clients(self) -> Iterator[tuple[Client, Client]]:
        with (
            hotbook.connect(self.leader.target, timeout_s=PATIENCE_S) as writer,
            hotbook.connect(self.follower, timeout_s=PATIENCE_S) as reader,
        ):
            yield writer, reader


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with served(tmp_path) as leader, server(follow=leader.target) as follower:
        yield Pair(leader, follower)


def until(reader: Client, is_so: Callable[[Client], bool]) -> None:
    """Waits until what a server follows has reached it; each look is a call."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so(reader):
        assert time.monotonic() < deadline_s, "the follower has not caught up"


WRITES: dict[str, Callable[[Client], object]] = {
    "save": lambda book: book.save(position("x")),
    "save_many": lambda book: book.save_many([position("x")]),
    "save_many all": lambda book: book.save_many([position("x")], all_or_nothing=True),
    "save_stream": lambda book: list(book.save_stream([position("x")])),
    "delete": lambda book: book.delete("hk", "a"),
    "clear": lambda book: book.clear("hk", expected_count=1),
    "place_order": lambda book: book.place_order("hk", "BTCUSD", filled()),
    "close_position": lambda book: book.close_position("hk", "BTCUSD", price=Decimal(1)),
    "close_all": lambda book: book.close_all(["BTCUSD"]),
    "split": lambda book: book.split("hk", "a"),
}


def filled() -> Order:
    return Order(order_uuid="new", type=Side.LONG, processed_ms=OPEN_MS + 5_000,
                 leverage=Decimal("0.01"), price=Decimal(65_000))  # fmt: skip


def test_writes_are_refused_with_where_to_send_them(pair: Pair) -> None:
    """Every call that would change the book names the leader, and changes nothing."""
    with pair.clients() as (writer, reader):
        saved = writer.save(position("a"))
        until(reader, lambda book: book.status().revision == saved.revision)
        for name, write in WRITES.items():
            with pytest.raises(ReadOnly) as refused:
                write(reader)
            assert refused.value.leader == pair.leader.target, name
        assert writer.status().revision == reader.status().revision == saved.revision


def test_what_needs_a_store_of_its_own_is_refused(pair: Pair, tmp_path: Path) -> None:
    """A follower has nothing on disk to back up, and says where to ask."""
    with pair.clients() as (_, reader), pytest.raises(Unsupported) as refused:
        reader.backup(tmp_path / "copy.db")

    assert pair.leader.target in refused.value.message


def test_it_says_whom_it_follows(pair: Pair) -> None:
    """Its status has the leader, the leader's book and digest, and how far behind it is."""
    with pair.clients() as (writer, reader):
        writer.save_many(closed(str(n)) for n in range(50))
        until(reader, lambda book: book.status().revision == 50)
        theirs, ours = writer.status(), reader.status()

    assert (theirs.leader, theirs.lag_ms) == ("", 0.0)
    assert ours.leader == pair.leader.target
    assert (ours.book_id, ours.digest) == (theirs.book_id, theirs.digest)
    assert (ours.durability, ours.data_dir) == (hotbook.Durability.MEMORY, "")
    assert 0 <= ours.lag_ms < PATIENCE_S * 1000


def test_it_follows_its_leader_through_a_restart(pair: Pair) -> None:
    """Killed and started again, the leader goes on being followed; its watchers miss nothing."""
    with pair.clients() as (writer, reader), hotbook.Replica(pair.follower) as replica:
        writer.save(position("before"))
        pair.leader.kill()
        pair.leader.start()
        saved = writer.save(closed("after"))

        replica.wait_for(saved.revision, PATIENCE_S)
        assert replica.snapshots == 1
        assert replica.get("hk", "before") == writer.get("hk", "before")
        assert replica.verify(timeout_s=PATIENCE_S).ok
        until(reader, lambda book: book.verify().ok)


def test_it_goes_on_answering_without_its_leader(pair: Pair) -> None:
    """What it has it answers, and tells ever more truly how old it is, down to who follows it."""
    with pair.clients() as (writer, reader), hotbook.Replica(pair.follower) as replica:
        saved = writer.save(position("a"))
        replica.wait_for(saved.revision)
        pair.leader.kill()
        lost_s = time.monotonic()

        until(reader, lambda book: book.status().lag_ms > 1_000)
        assert time.monotonic() - lost_s > 0.5, "it was told older than it could be"
        assert reader.open_position("hk", "BTCUSD") == replica.open_position("hk", "BTCUSD")
        while replica.lag_ms < 900:  # it follows with the follower's next heartbeat
            assert time.monotonic() - lost_s < PATIENCE_S
        with pytest.raises(Stale):
            replica.open_position("hk", "BTCUSD", max_lag_ms=900)
        problems = reader.verify().problems
        assert any(pair.leader.target in problem for problem in problems), problems


def test_a_watcher_goes_from_one_to_the_other(pair: Pair) -> None:
    """A revision and a mark of the leader's are good for the follower, and the other way round."""
    with pair.clients() as (writer, reader):
        first = [writer.save(closed(str(n))).revision for n in range(5)][-1]
        seen = next(iter(writer.watch(first - 3)))
        until(reader, lambda book: book.status().revision == first)
        last = [writer.save(closed(str(n))).revision for n in range(5, 10)][-1]

        for book in (reader, writer):
            changes = []
            for update in book.watch(seen.revision, mark=seen.mark):
                assert update.snapshot is None
                changes += [change.revision for change in update.changes]
                if update.revision >= last:
                    break
            assert changes == list(range(seen.revision + 1, last + 1))


def test_a_leader_with_another_book_is_followed_from_its_snapshot(tmp_path: Path) -> None:
    """Where the leader comes back with another history, follower and watchers begin anew."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with served(tmp_path / "one") as leader, server(follow=leader.target) as follower:
        with hotbook.connect(leader.target) as writer:
            writer.save_many(closed(f"old-{n}") for n in range(5))
        with hotbook.Replica(follower) as replica:
            replica.wait_for(5, PATIENCE_S)
            leader.kill()
            other = ServerProcess(tmp_path / "two")
            other.target = leader.target
            other.start()
            try:
                with hotbook.connect(other.target) as writer:
                    last = [writer.save(closed(f"new-{n}")).revision for n in range(7)][-1]
                replica.wait_for(last, PATIENCE_S)
                names = {p.position_uuid for p in replica.book()}
                assert names == {f"new-{n}" for n in range(7)}
                assert replica.verify(timeout_s=PATIENCE_S).ok
            finally:
                other.send(signal.SIGTERM)
                other.ended()


def test_operators_may_rebuild_and_reload_it(pair: Pair) -> None:
    """Rebuild and reload find nothing wrong, and leave the book as the leader's."""
    with pair.clients() as (writer, reader):
        saved = writer.save_many(closed(str(n)) for n in range(20))
        until(reader, lambda book: book.status().revision == 20)
        assert not reader.rebuild().changed
        assert not reader.reload().changed
        assert reader.status().digest == writer.status().digest
        assert len(saved) == 20


def test_it_does_not_start_without_its_leader() -> None:
    """One line on stderr says who did not answer, and the exit code is that of a failed start."""
    ended = subprocess.run(
        [sys.executable, "-m", "hotbook_server", "--follow=127.0.0.1:1", "--listen=127.0.0.1:0",
         "--metrics-listen=off", "--call-timeout-s=0.5", "--log-level=error"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "127.0.0.1:1" in ended.stderr
    assert "is that server running?" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_it_stops_as_every_server_does(pair: Pair) -> None:
    """Watchers of a follower that stops are told, and it exits with 0."""
    ends: list[HotbookError] = []

    def watch() -> None:
        try:
            with hotbook.connect(follower.target) as book:
                for update in book.watch(timeout_s=0.5):
                    begun.set()
                    del update
        except HotbookError as error:
            ends.append(error)

    begun = threading.Event()
    follower = ServerProcess(pair.leader.log.parent / "unused", follow=pair.leader.target)
    follower.log.parent.mkdir()
    follower.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    assert begun.wait(PATIENCE_S)
    follower.send(signal.SIGTERM)

    assert follower.ended() == 0
    watcher.join(PATIENCE_S)
    assert [type(error) for error in ends] == [hotbook.Unavailable]
