"""Disks that fail and disks that fill up: when acknowledging stops, and when it goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import hotbook
from hotbook.testing import server
from hotbook_server.commands import AnyOutcome
from hotbook_server.engine import Engine
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.requests import RequestKey
from hotbook_server.server import EXIT_JOURNAL_FAILED
from hotbook_shared.errors import DiskFull, JournalFailed, Unavailable
from hotbook_shared.model import Durability, Position
from tests.conftest import StartEngine
from tests.crash.faulty_server import FaultyVfs
from tests.crash.power import Author
from tests.make import order, position, save

DISK_BYTES = 4 * 1024 * 1024
BIG = {"orders": tuple(order(number) for number in range(300))}


def nth(number: int, **changed: object) -> Position:
    return position(f"p{number}", trade_pair=f"PAIR{number}", **changed)


async def submit(engine: Engine, number: int, key: str = "") -> AnyOutcome:
    named = RequestKey(key, 1) if key else None
    async with asyncio.timeout(10):
        return await engine.submit(save(nth(number)), named, timeout_s=5)


@pytest.fixture
def vfs(tmp_path: Path) -> Iterator[FaultyVfs]:
    made = FaultyVfs("fault", tmp_path / "fault-now")
    yield made
    made.unregister()


@pytest.fixture
def journal(tmp_path: Path, vfs: FaultyVfs) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "data", vfs=vfs.name)
    yield opened
    vfs.trigger.unlink(missing_ok=True)
    opened.close()


def reopened(folder: Path) -> set[str]:
    """The uuids that a sound journal on a sound disk finds there."""
    journal = SqliteJournal(folder)
    try:
        author = Author(journal)
        assert not author.problems()
        assert not journal.quarantined()
        return set(author.book.positions.by_uuid)
    finally:
        journal.close()


# -------------------------------------------------------------------- a sync fails


async def test_the_first_failed_sync_stops_acknowledging(
    start_engine: StartEngine, journal: SqliteJournal, vfs: FaultyVfs, tmp_path: Path
) -> None:
    """After one failed sync nobody is acknowledged, even though the next sync would succeed."""
    engine = await start_engine(journal)
    await submit(engine, 0)
    vfs.trigger.touch()

    failed = await asyncio.gather(*(submit(engine, n) for n in (1, 2)), return_exceptions=True)
    vfs.trigger.unlink()

    assert [type(error) for error in failed] == [JournalFailed] * 2
    assert engine.failure.done()
    assert engine.state == "failed"
    with pytest.raises(JournalFailed):
        await submit(engine, 3)
    assert set(engine.book.positions.by_uuid) == {"p0"}, "readers never saw what may be lost"
    await engine.stop()
    assert {"p0"} <= reopened(tmp_path / "data") <= {"p0", "p1", "p2"}


async def test_whoever_waits_when_the_journal_fails_is_told(
    start_engine: StartEngine, journal: SqliteJournal, vfs: FaultyVfs
) -> None:
    """The batch under way, the writes queued behind it and the verify in line all end at once."""
    under_way = asyncio.Event()
    engine = await start_engine(
        journal, lambda step: under_way.set() if step == "decided" else None, batch_max=1
    )
    vfs.trigger.touch()
    first = asyncio.create_task(submit(engine, 0))
    await under_way.wait()
    others = [submit(engine, 1), submit(engine, 2)]

    async with asyncio.timeout(5):
        told = await asyncio.gather(first, *others, engine.verify(), return_exceptions=True)

    assert [type(error) for error in told] == [JournalFailed] * 4


async def test_a_repeated_request_is_not_answered_by_a_failed_journal(
    start_engine: StartEngine, journal: SqliteJournal, vfs: FaultyVfs
) -> None:
    """A request in flight when the journal fails has an unknown outcome, asked once or twice."""
    engine = await start_engine(journal)
    vfs.trigger.touch()

    told = await asyncio.gather(
        submit(engine, 0, "once"), submit(engine, 0, "once"), return_exceptions=True
    )

    assert [type(error) for error in told] == [JournalFailed] * 2
    with pytest.raises(JournalFailed):
        await submit(engine, 0, "once")


async def test_a_failed_sync_is_never_tried_again(
    start_engine: StartEngine, journal: SqliteJournal, vfs: FaultyVfs, tmp_path: Path
) -> None:
    """The kernel forgets what it failed to write: not even the closing of the store syncs again."""
    engine = await start_engine(journal)
    await submit(engine, 0)
    vfs.trigger.touch()
    with pytest.raises(JournalFailed):
        await submit(engine, 1)

    await engine.stop()

    assert vfs.faults == 1
    vfs.trigger.unlink()
    assert {"p0"} <= reopened(tmp_path / "data") <= {"p0", "p1"}


async def test_a_failed_flush_stops_relaxed_mode(
    start_engine: StartEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In relaxed mode too, the first failed sync stops acknowledging."""
    journal = SqliteJournal(tmp_path / "data", Durability.RELAXED)
    engine = await start_engine(journal, durability=Durability.RELAXED)

    def fail(_file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    await submit(engine, 0)

    async with asyncio.timeout(5):
        await asyncio.shield(engine.failure)
    with pytest.raises(JournalFailed):
        await submit(engine, 1)
    await engine.stop()


def test_a_server_on_a_failed_disk_says_so_and_exits_with_74(tmp_path: Path) -> None:
    """Health turns to NOT_SERVING, callers get Unavailable, the process ends with 74."""
    trigger = tmp_path / "fault-now"
    command = [sys.executable, "-m", "tests.crash.faulty_server", str(tmp_path / "data")]
    with subprocess.Popen([*command, str(trigger)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        target = process.stdout.readline().strip()
        try:
            seen = _health_until_failure(target, trigger)
            code = process.wait(timeout=20)
        finally:
            process.kill()

    assert seen == ["SERVING", "NOT_SERVING"]
    assert code == EXIT_JOURNAL_FAILED
    assert reopened(tmp_path / "data") <= {"p0", "p1"}
    assert "p0" in reopened(tmp_path / "data")


def _health_until_failure(target: str, trigger: Path) -> list[str]:
    """Watches a server's health while its disk fails under a save."""
    with grpc.insecure_channel(target) as channel, hotbook.connect(target) as book:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=20
        )
        seen = [_status(next(watch))]
        book.save(nth(0))
        trigger.touch()
        with pytest.raises(Unavailable):  # JournalFailed, or that nobody answers any more
            book.save(nth(1), timeout_s=2)
        seen.append(_status(next(watch)))
        watch.cancel()
    return seen


def _status(reply: health_pb2.HealthCheckResponse) -> str:
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


# -------------------------------------------------------------------- a disk fills up


async def test_a_write_that_finds_no_room_is_refused_alone(
    start_engine: StartEngine, journal: SqliteJournal, vfs: FaultyVfs, tmp_path: Path
) -> None:
    """No room: nothing changes, reads and verify go on, and writes resume without a restart."""
    vfs.on = "write"
    engine = await start_engine(journal)
    await submit(engine, 0, "kept")
    vfs.trigger.touch()
    for _ in range(3):
        with pytest.raises(DiskFull, match="nothing changed"):
            await submit(engine, 1, "refused")
        assert set(engine.book.positions.by_uuid) == {"p0"}
        _, problems, changes = await engine.verify()
        assert (problems, changes) == ([], 1)
    assert (await submit(engine, 0, "kept")).revision == 1, "what was answered is still answered"
    vfs.trigger.unlink()

    assert (await submit(engine, 1, "refused")).revision == 2
    assert not engine.failure.done()
    assert (await engine.verify())[1:] == ([], 2)
    journal.close()
    assert reopened(tmp_path / "data") == {"p0", "p1"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; the fault VFS covers the rest")
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "hotbook", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, leave_bytes: int = 0) -> Path:
    """Takes all room but so many bytes. Returns the file that does."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        wanted = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - leave_bytes
        while wanted > 0:
            try:
                wanted -= file.write(bytes(min(wanted, 4096)))
            except OSError:
                break
    return ballast


def save_until_refused(book: hotbook.Client, first: int) -> list[int]:
    """Saves until there is no room; the numbers of those that were acknowledged."""
    saved: list[int] = []
    for number in range(first, first + 1000):
        try:
            book.save(nth(number, **BIG))
        except DiskFull:
            return saved
        saved.append(number)
    raise AssertionError("the disk never filled up")


@pytest.mark.parametrize("leave_bytes", [0, 4096, 50_000, 150_000])
def test_a_full_disk_refuses_writes_and_answers_reads(disk: Path, leave_bytes: int) -> None:
    """A real full disk: refused with DiskFull, reads right, nothing half; room: writes resume."""
    settings = {"durability": "fsync", "data_dir": disk / "data", "disk_free_min_bytes": 0}
    with server(**settings) as target, hotbook.connect(target) as book:
        book.save(nth(0))
        ballast = fill(disk, leave_bytes)
        held = {0, *save_until_refused(book, 1)}
        _assert_sound(book, held)
        for number in range(2000, 2020):
            with pytest.raises(DiskFull):
                book.save(nth(number, **BIG))
        _assert_sound(book, held)

        ballast.unlink()
        for number in range(2000, 2010):
            book.save(nth(number, **BIG))
        _assert_sound(book, held := held | set(range(2000, 2010)))

    assert reopened(disk / "data") == {f"p{number}" for number in held}


def _assert_sound(book: hotbook.Client, held: set[int]) -> None:
    """All that was acknowledged is read, and nothing else; and the store agrees."""
    assert {found.position_uuid for found in book.open_positions("hk")} == {
        f"p{number}" for number in held
    }
    verified = book.verify()
    assert verified.ok, verified.problems
    assert book.status().state == "serving"


def test_room_is_kept_free(disk: Path) -> None:
    """`disk_free_min_bytes`: writes are refused while there is less room, and resume above it."""
    least = 1024 * 1024
    settings = {"durability": "fsync", "data_dir": disk / "data", "disk_free_min_bytes": least}
    with server(**settings) as target, hotbook.connect(target) as book:
        book.save(nth(0))
        ballast = fill(disk, leave_bytes=least - 4096)
        with pytest.raises(DiskFull, match=str(least)):
            book.save(nth(1))
        assert book.open_position("hk", "PAIR0") is not None
        assert os.statvfs(disk).f_bavail > 0, "the room is left for what must be done then"

        os.truncate(ballast, ballast.stat().st_size - 200_000)
        book.save(nth(1))
        _assert_sound(book, {0, 1})


def test_a_backup_without_room_is_refused(disk: Path, tmp_path: Path) -> None:
    """A backup for which there is no room ends in DiskFull, leaves nothing, and harms nothing."""
    settings = {"durability": "fsync", "data_dir": disk / "data", "disk_free_min_bytes": 0}
    with server(**settings) as target, hotbook.connect(target) as book:
        for number in range(20):
            book.save(nth(number, **BIG))
        ballast = fill(disk, leave_bytes=50_000)
        with pytest.raises(DiskFull):
            book.backup(tmp_path / "copy.db")
        assert not list((disk / "data").glob("backup-*"))
        assert not list(tmp_path.glob("copy*"))
        ballast.unlink()
        assert book.backup(tmp_path / "copy.db") == 20


def test_a_start_on_a_full_disk_does_not_ask_for_a_backup(disk: Path) -> None:
    """A server that cannot start for want of room says that, and starts when there is room."""
    settings = {"durability": "fsync", "data_dir": disk / "data", "disk_free_min_bytes": 0}
    with server(**settings) as target, hotbook.connect(target) as book:
        book.save(nth(0))
    ballast = fill(disk)
    flags = ["--listen=127.0.0.1:0", "--metrics-listen=off", f"--data-dir={disk / 'data'}"]
    command = [sys.executable, "-m", "hotbook_server", *flags]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "restore" not in ended.stderr
    assert "full" in ended.stderr or "space" in ended.stderr
    ballast.unlink()
    with server(**settings) as target, hotbook.connect(target) as book:
        _assert_sound(book, {0})
