"""The feed while the server is killed: watchers that come back, and replicas, miss nothing."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import grpc
import pytest

import hotbook
from hotbook import HotbookError, Position, Replica, Stale
from hotbook_shared.errors import FellBehind, Unavailable
from hotbook_shared.following import Follower
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.status import error_from_call
from tests.client.test_retry import ServerProcess, served
from tests.grpc.test_lifecycle import eventually
from tests.make import CLOSE_MS, position
from tests.watching import UNBOUNDED

PATIENCE_S = 60.0

CHANGES = 100_000
WATCHERS = 4
RESUMES = 1_000
KILLS = 8
AT_ONCE = 250


class Resuming:
    """A watcher that breaks off at random points, and goes on from what it has."""

    def __init__(self, target: str, seed: int) -> None:
        self.target = target
        self.follower = Follower(heartbeat_ms=50)
        self.told: list[int] = []  # what each change said, as a checksum, from revision 1 on
        self.resumes = 0
        self._chance = random.Random(seed)

    @property
    def revision(self) -> int:
        return self.follower.book.revision

    def run(self, written: Future[int]) -> None:
        """Until it has everything that was written, and came back often enough."""
        while (
            not written.done()
            or self.revision < written.result()
            or self.resumes < RESUMES // WATCHERS
        ):
            with contextlib.suppress(grpc.RpcError), self._frames() as frames:
                for _, frame in zip(range(self._chance.randint(1, 6)), frames, strict=False):
                    self._take_in(frame)
            self.resumes += 1

    @contextlib.contextmanager
    def _frames(self) -> Iterator[Iterator[raw.WatchFrame]]:
        """A call on a connection of its own, which says how it ended where it was not we."""
        with grpc.insecure_channel(self.target, options=UNBOUNDED) as channel:
            watch = channel.unary_stream(
                "/hotbook.v1.Feed/Watch",
                pb.WatchRequest.SerializeToString,
                raw.WatchFrame.FromString,
            )
            call = watch(self.follower.cursor.request(), timeout=PATIENCE_S, wait_for_ready=True)
            try:
                yield call
            except grpc.RpcError as error:
                told = error_from_call(error)
                assert isinstance(told, Unavailable | FellBehind), told
                raise
            finally:
                call.cancel()

    def _take_in(self, frame: raw.WatchFrame) -> None:
        self.follower.take_in(frame)  # it checks the order, that nothing lacks, and the digest
        for change in frame.changes:
            assert change.revision == len(self.told) + 1
            self.told.append(crc32(change.SerializeToString()))


def small(hotkey: str, number: int, turn: int) -> Position:
    is_open = number % 5 == 0
    return position(
        f"{hotkey}-{number}",
        hotkey=hotkey,
        trade_pair=f"P{number}",
        orders=(),
        close_ms=None if is_open else CLOSE_MS + turn,
    )


def write(target: str, name: str, changes: int) -> None:
    """So many changes of one hotkey: many saves, now and then a few removals, or a clear."""
    with hotbook.connect(target, timeout_s=PATIENCE_S) as book:
        made = turn = 0
        while made < changes:
            turn += 1
            answers = book.save_many([small(name, number, turn) for number in range(AT_ONCE)])
            assert all(isinstance(answer, hotbook.Saved) for answer in answers), answers[:3]
            made += AT_ONCE
            if turn % 5 == 0:
                made += sum(book.delete(name, f"{name}-{number}") for number in range(4))
            if turn % 17 == 0:
                book.clear(name, expected_count=AT_ONCE - (4 if turn % 5 == 0 else 0))
                made += 1


def kill_now_and_then(process: ServerProcess, watchers: list[Resuming]) -> None:
    chance = random.Random(11)
    for number in range(1, KILLS + 1):
        least = chance.uniform(number - 0.8, number) * CHANGES / (KILLS + 1)
        eventually(
            lambda least=least: max(watcher.revision for watcher in watchers) >= least,  # type: ignore[misc]
            f"revision {least:.0f}",
        )
        process.kill()
        process.start()


@pytest.mark.timeout(300)
def test_a_thousand_resumes_under_kills(tmp_path: Path) -> None:
    """A hundred thousand changes, the server killed eight times, watchers that come back a thousand
    times at random points: each has every change once and in order, by ring and table, without a
    second snapshot; and ends with the server's digest."""
    settings = {"changes_kept_max": 2 * CHANGES, "feed_changes_max": 4_000}
    with served(tmp_path / "served", **settings) as process, ThreadPoolExecutor() as pool:
        written: Future[int] = Future()
        watchers = [Resuming(process.target, seed) for seed in range(WATCHERS)]
        watching = [pool.submit(watcher.run, written) for watcher in watchers]
        writing = [pool.submit(write, process.target, f"w{n}", CHANGES // 2) for n in range(2)]
        killing = pool.submit(kill_now_and_then, process, watchers)
        revision = 0
        try:
            for future in (*writing, killing):
                future.result(4 * PATIENCE_S)
            with hotbook.connect(process.target, timeout_s=PATIENCE_S) as book:
                status = book.status()
            revision = status.revision
        finally:
            written.set_result(revision)
        for future in watching:
            future.result(4 * PATIENCE_S)

    assert status.revision >= CHANGES
    assert sum(watcher.resumes for watcher in watchers) >= RESUMES
    for watcher in watchers:
        assert len(watcher.told) == status.revision
        assert watcher.told == watchers[0].told
        assert watcher.follower.book.digest == status.digest
        assert watcher.follower.snapshots == 1, "of the empty book, at the very start"


# -------------------------------------------------------------------- replicas

REPLICAS = 20


class Reader(threading.Thread):
    """Reads replicas in turn, and keeps every error."""

    def __init__(self, replicas: list[Replica], max_lag_ms: float | None) -> None:
        super().__init__()
        self.errors: list[HotbookError] = []
        self.reads = 0
        self._replicas = replicas
        self._max_lag_ms = max_lag_ms
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.002):
            replica = self._replicas[self.reads % len(self._replicas)]
            self.reads += 1
            try:
                replica.open_position("w0", "P0", max_lag_ms=self._max_lag_ms)
                replica.positions("w0", open_only=True, max_lag_ms=self._max_lag_ms)
            except HotbookError as error:
                self.errors.append(error)

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.mark.timeout(300)
def test_twenty_replicas_converge_after_kills(tmp_path: Path) -> None:
    """The server is killed under twenty replicas, again and again while others write: readers have
    answers all the while (Stale, where they ask for fresh ones); at the end all are as the server
    is, and none needed to be filled again."""
    with (
        served(tmp_path / "served") as process,
        hotbook.connect(process.target, timeout_s=PATIENCE_S) as book,
        contextlib.ExitStack() as stack,
    ):
        book.save_many([small("w0", number, 0) for number in range(AT_ONCE)])
        parts: list[dict[str, object]] = [{}, {}, {"hotkeys": ["w0"]}, {"open_only": True}]
        replicas = [
            stack.enter_context(Replica(process.target, **parts[n % 4], timeout_s=PATIENCE_S))  # type: ignore[arg-type]
            for n in range(REPLICAS)
        ]
        readers = [Reader(replicas, None), Reader(replicas, 100.0)]
        for reader in readers:
            reader.start()
        try:
            for kill in range(4):
                for turn in range(25):
                    book.save_many([small("w0", number, turn) for number in range(20)])
                    book.save(small(f"w{kill}", 999, turn))
                process.kill()
                eventually(
                    lambda: any(isinstance(e, Stale) for e in readers[1].errors), "a stale answer"
                )
                readers[1].errors.clear()
                process.start()
            last = book.save(small("w0", 1_000, 0))
            for replica in replicas:
                assert replica.wait_for(last.revision, timeout_s=PATIENCE_S) == last.revision
        finally:
            for reader in readers:
                reader.end()
        status = book.status()
        whole = [replica for number, replica in enumerate(replicas) if number % 4 < 2]
        assert {replica.view().digest for replica in whole} == {status.digest}
        for replica in replicas[:4]:
            found = replica.verify(timeout_s=PATIENCE_S)
            assert (found.ok, found.problems) == (True, ())

    assert min(reader.reads for reader in readers) > 100
    assert readers[0].errors == []
    assert {type(error) for error in readers[1].errors} <= {Stale}
    assert {replica.snapshots for replica in replicas} == {1}
