"""The journal on disk: SQLite through apsw, in WAL mode, one folder for one process.

Owns the data folder. Invariant: after `append` returns in fsync mode, the batch is on disk; a
batch is never there in part. The positions table is what the chain of changes amounts to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import IO, Any

import apsw
from google.protobuf.message import DecodeError

from hotbook_server.journal.base import (
    CHAIN_START,
    Batch,
    Checked,
    DiskIsFull,
    JournalBroken,
    KeptRequest,
    Loaded,
    Progress,
    chained,
    crc_of,
    link,
)
from hotbook_shared.errors import DiskFull
from hotbook_shared.model import Durability
from hotbook_shared.record import Change, ChangeKind, Record, record_from

STORE_NAME = "hotbook.db"
LOCK_NAME = "hotbook.lock"
BACKUP_PREFIX = "backup-"
PROGRESS_ROWS = 10_000
WAL_PAGES_MAX = 16_384  # 64 MiB: how far the log may grow before it is folded into the store

# What SQLite says when the disk is full while it extends its shared-memory file.
_IOERR_SHMSIZE = apsw.SQLITE_IOERR_SHMSIZE


class FolderInUse(Exception):
    """Another process owns the data folder."""


class StoreTooNew(Exception):
    """The store was written by a newer version, which this one does not know."""


class SqliteJournal:
    def __init__(
        self,
        folder: Path,
        durability: Durability = Durability.FSYNC,
        *,
        changes_kept_max: int = 100_000,
        disk_free_min_bytes: int = 0,
        vfs: str | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = folder
        self._changes_kept_max = changes_kept_max
        self._disk_free_min_bytes = disk_free_min_bytes
        self._on_step = on_step
        self._path = folder / STORE_NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(folder)
        for leftover in folder.glob(f"{BACKUP_PREFIX}*"):  # of a process that died meanwhile
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            with _as_broken(self._path):
                self._connection = _open(self._path, vfs)
                _set_up(self._connection, durability)
                self.book_id = _book_id(self._connection)
                self._chain = self._chain_end()
        except BaseException:
            self._lock.close()
            raise
        self._wal: int | None = None
        if durability is Durability.RELAXED:
            self._wal = os.open(f"{self._path}-wal", os.O_RDONLY)

    # ---------------------------------------------------------------- writing

    def append(self, batch: Batch) -> None:
        self._check_room()
        try:
            self._write(batch)
        except apsw.FullError as error:
            self._roll_back()
            raise DiskIsFull(f"the disk of {self._folder} is full") from error
        except apsw.IOError as error:
            self._roll_back()
            if getattr(error, "extendedresult", 0) == _IOERR_SHMSIZE and not self._has_room(
                _SHM_BYTES
            ):
                raise DiskIsFull(f"the disk of {self._folder} is full") from error
            raise JournalBroken(f"{self._path}: {error}") from error
        except apsw.Error as error:
            self._roll_back()
            raise JournalBroken(f"{self._path}: {error}") from error

    def _write(self, batch: Batch) -> None:
        execute, executemany = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        self._step("journal begun")
        rows = [
            (change.revision, change.kind, change.key, _wire_of(change), batch.at_ms, crc, chain)
            for change, crc, chain in chained(self._chain, batch.changes)
        ]
        self._write_positions(batch.changes)
        executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        executemany(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?)",
            [
                (kept.sequence, kept.request_id, _fingerprint(kept), outcome, kept.at_ms)
                for kept, outcome in batch.requests
            ],
        )
        self._prune(batch)
        self._step("journal written")
        execute("COMMIT")
        if rows:
            self._chain = rows[-1][-1]

    def _write_positions(self, changes: Sequence[Change]) -> None:
        """Brings the positions table to what the changes amount to."""
        last: dict[str, Change] = {}
        for change in changes:
            if change.kind is ChangeKind.CLEARED:
                self._write_last(last)
                last.clear()
                self._clear(change.key)
            else:
                last[change.key] = change
        self._write_last(last)

    def _write_last(self, last: Mapping[str, Change]) -> None:
        """Writes the last change of each uuid: removals, then closed ones, then open ones.

        In this order no moment has two open positions on a pair, in whatever order they changed.
        """
        gone = [(key,) for key, change in last.items() if change.record is None]
        records = [change.record for change in last.values() if change.record is not None]
        records.sort(key=lambda record: record.is_open)
        self._connection.executemany("DELETE FROM positions WHERE position_uuid = ?", gone)
        self._connection.executemany(UPSERT, map(_row, records))

    def _clear(self, hotkey: str) -> None:
        if hotkey:
            self._connection.execute("DELETE FROM positions WHERE hotkey = ?", (hotkey,))
        else:
            self._connection.execute("DELETE FROM positions")

    def _prune(self, batch: Batch) -> None:
        """Forgets the oldest changes, a thousand at a time, and the requests no longer needed."""
        if batch.changes:
            newest = batch.changes[-1].revision
            if newest // 1000 != (batch.changes[0].revision - 1) // 1000:
                oldest = newest - self._changes_kept_max
                self._connection.execute("DELETE FROM changes WHERE revision <= ?", (oldest,))
        if batch.forget_requests_until:
            self._connection.execute(
                "DELETE FROM requests WHERE sequence <= ?", (batch.forget_requests_until,)
            )

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._connection.execute("ROLLBACK")

    def _check_room(self) -> None:
        if not self._has_room(self._disk_free_min_bytes):
            raise DiskIsFull(
                f"the disk of {self._folder} has less than {self._disk_free_min_bytes} bytes free"
            )

    def _has_room(self, wanted_bytes: int) -> bool:
        return shutil.disk_usage(self._folder).free >= wanted_bytes

    def flush(self) -> None:
        if self._wal is not None:
            try:
                os.fdatasync(self._wal)
            except OSError as error:
                raise JournalBroken(f"{self._path}-wal: {error}") from error

    def close(self) -> None:
        if self._wal is not None:
            os.close(self._wal)
            self._wal = None
        self._connection.close()
        self._lock.close()

    # ---------------------------------------------------------------- reading

    def load(self, progress: Progress | None = None) -> Loaded:
        with _as_broken(self._path):
            records, damaged = read_records(self._connection, progress)
            if damaged:
                self._set_aside(damaged)
            newest = self._value("SELECT max(revision) FROM changes") or 0
            # Should the newest changes have been lost, revisions still never run backwards.
            newest = max(newest, max((record.revision for record in records), default=0))
            requests = [
                KeptRequest(request_id, int.from_bytes(fingerprint, "big"), sequence, at_ms)
                for sequence, request_id, fingerprint, at_ms in self._connection.execute(
                    "SELECT sequence, request_id, fingerprint, at_ms FROM requests "
                    "ORDER BY sequence"
                )
            ]
        return Loaded(records, newest, requests, self.quarantined())

    def _set_aside(self, damaged: list[tuple[int, str]]) -> None:
        now_ms = time.time_ns() // 1_000_000
        with self._connection:
            self._connection.executemany(
                "INSERT INTO quarantine (found_ms, position_uuid, hotkey, reason, digest, wire) "
                "SELECT ?, position_uuid, hotkey, ?, digest, wire FROM positions WHERE rowid = ?",
                [(now_ms, reason, rowid) for rowid, reason in damaged],
            )
            self._connection.executemany(
                "DELETE FROM positions WHERE rowid = ?", [(rowid,) for rowid, _ in damaged]
            )

    def outcome(self, sequence: int) -> bytes | None:
        return self._value(OUTCOME, (sequence,))  # type: ignore[no-any-return]

    def quarantined(self) -> int:
        return int(self._value("SELECT count(*) FROM quarantine"))

    def snapshot(self) -> SqliteSnapshot:
        return SqliteSnapshot(self._path)

    def backup(self, to: Path) -> int:
        source = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            source.execute("VACUUM INTO ?", (str(to),))
        except apsw.FullError as error:
            raise DiskFull(f"no room for a copy of the store in {to.parent}") from error
        finally:
            source.close()
        copy = apsw.Connection(str(to), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return int(copy.execute("SELECT max(revision) FROM changes").get or 0)
        finally:
            copy.close()

    def _chain_end(self) -> bytes:
        newest = "SELECT chain FROM changes ORDER BY revision DESC LIMIT 1"
        return self._value(newest) or CHAIN_START

    def _value(self, query: str, bindings: tuple[Any, ...] = ()) -> Any:
        return self._connection.execute(query, bindings).get

    def _step(self, name: str) -> None:
        if self._on_step is not None:
            self._on_step(name)


class SqliteSnapshot:
    """A read transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(10_000)
        self._connection.execute("BEGIN")
        # The transaction sees what stands at its first read: this one.
        self._connection.execute("SELECT count(*) FROM meta").fetchall()

    def check(self, records: dict[str, Record], revision: int) -> Checked:
        try:
            problems = [*self._position_problems(records)]
            count, chain_problems = self._check_chain(revision)
            return Checked(problems + chain_problems, count)
        except apsw.Error as error:
            return Checked([f"the store cannot be read: {error}"], 0)

    def _position_problems(self, records: dict[str, Record]) -> Iterator[str]:
        stored = 0
        for row in self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM positions"):
            stored += 1
            record = records.get(row[0])
            if record is None:
                yield f"the store holds {row[0]}, the book does not"
            elif row != _row(record):
                yield f"the store's row of {row[0]} differs from the book's position"
        if stored < len(records):
            held = {
                uuid for (uuid,) in self._connection.execute("SELECT position_uuid FROM positions")
            }
            for uuid in records.keys() - held:
                yield f"the book holds {uuid}, the store does not"

    def _check_chain(self, revision: int) -> tuple[int, list[str]]:
        problems: list[str] = []
        count, expected, chain = 0, None, None
        rows = self._connection.execute(
            "SELECT revision, kind, key, wire, crc, chain FROM changes ORDER BY revision"
        )
        for at, kind, key, wire, crc, stored_link in rows:
            count += 1
            said = b"%d %d %s\0%s" % (at, kind, key.encode(), wire or b"")
            if expected is not None and at != expected:
                problems.append(f"changes {expected} to {at - 1} are missing")
            elif crc_of(said) != crc:
                problems.append(f"change {at} does not match its checksum")
            elif chain is not None and link(chain, said) != stored_link:
                problems.append(f"change {at} does not follow from the one before")
            expected, chain = at + 1, stored_link
        newest = (expected or 1) - 1
        if newest != revision:
            problems.append(f"the newest change is {newest}, the book is at {revision}")
        return count, problems

    def close(self) -> None:
        self._connection.close()


# -------------------------------------------------------------------- rows

COLUMNS = (
    "position_uuid", "hotkey", "trade_pair", "campaign_id", "open_ms", "close_ms",
    "version", "revision", "digest", "wire",
)  # fmt: skip

UPSERT = (
    f"INSERT INTO positions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    "ON CONFLICT (position_uuid) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
)

OUTCOME = "SELECT outcome FROM requests WHERE sequence = ?"

_SHM_BYTES = 64 * 1024


def read_records(
    connection: apsw.Connection, progress: Progress | None = None
) -> tuple[list[Record], list[tuple[int, str]]]:
    """Every position of a store; and the rows that are damaged, each with what is wrong."""
    total = connection.execute("SELECT count(*) FROM positions").get
    records: list[Record] = []
    damaged: list[tuple[int, str]] = []
    rows = connection.execute("SELECT rowid, digest, wire FROM positions")
    for number, (rowid, digest, wire) in enumerate(rows):
        if progress is not None and number % PROGRESS_ROWS == 0:
            progress(number, total)
        try:
            record = record_from(wire)
        except (DecodeError, TypeError) as error:
            damaged.append((rowid, f"not a position: {error}"))
            continue
        if record.digest.to_bytes(16, "big") == digest:
            records.append(record)
        else:
            damaged.append((rowid, "the position does not match its digest"))
    if progress is not None:
        progress(total, total)
    return records, damaged


def _row(record: Record) -> tuple[Any, ...]:
    return (
        record.position_uuid,
        record.hotkey,
        record.trade_pair,
        record.campaign_id or None,
        record.open_ms,
        record.close_ms,
        record.version,
        record.revision,
        record.digest.to_bytes(16, "big"),
        record.wire,
    )


def _wire_of(change: Change) -> bytes | None:
    return None if change.record is None else change.record.wire


def _fingerprint(kept: KeptRequest) -> bytes:
    return kept.fingerprint.to_bytes(8, "big")


# -------------------------------------------------------------------- opening


def lock_folder(folder: Path) -> IO[str]:
    """Makes this process the folder's owner until the returned file is closed."""
    file = (folder / LOCK_NAME).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise FolderInUse(f"{folder} is in use by another server (process {owner})") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _open(path: Path, vfs: str | None) -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(10_000)
    return connection


def _set_up(connection: apsw.Connection, durability: Durability) -> None:
    synchronous = "FULL" if durability is Durability.FSYNC else "NORMAL"
    # NB: each pragma that answers with a row must be read, or the next one does not run.
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        f"wal_autocheckpoint = {WAL_PAGES_MAX}",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    assert connection.execute("PRAGMA journal_mode").get == "wal"
    migrate(connection)


def migrations() -> list[tuple[int, str]]:
    """The numbered SQL files, in order."""
    folder = resources.files("hotbook_server.journal") / "migrations"
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.split("_")[0]), file.read_text("utf-8")) for file in files)


def migrate(connection: apsw.Connection) -> None:
    """Brings the store to the newest schema, one commit for each step."""
    steps = migrations()
    known = steps[-1][0]
    found = connection.execute("PRAGMA user_version").get
    if found > known:
        raise StoreTooNew(f"the store has schema {found}; this version knows up to {known}")
    for number, sql in steps:
        if number > found:
            with connection:
                connection.execute(sql).fetchall()
                connection.execute(f"PRAGMA user_version = {number}").fetchall()


def _book_id(connection: apsw.Connection) -> str:
    with connection:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('book_id', ?)", (uuid.uuid4().hex,))
    return str(connection.execute("SELECT value FROM meta WHERE name = 'book_id'").get)


@contextlib.contextmanager
def _as_broken(path: Path) -> Iterator[None]:
    """What SQLite cannot read is told as a broken journal, with what to do about it."""
    try:
        yield
    except apsw.Error as error:
        raise JournalBroken(
            f"{path} cannot be read ({error}): restore a backup with `hotbook restore`"
        ) from error
