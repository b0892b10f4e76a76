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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import apsw
import msgspec

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
from hotbook_shared.record import Change, ChangeKind, Record, decode_record, encode_record

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
        make_folder(folder)
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
            sync(folder)  # in this mode SQLite itself does not see to the log's name

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
            raise self._broken(error) from error
        except apsw.Error as error:
            self._roll_back()
            raise self._broken(error) from error

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
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)",
            [_request_row(kept, outcome) for kept, outcome in batch.requests],
        )
        self._prune(batch)
        self._step("journal written")
        execute("COMMIT")
        if rows:
            self._chain = rows[-1][-1]

    def _write_positions(self, changes: Sequence[Change]) -> None:
        """Brings the positions table to what the changes amount to."""
        standing: dict[str, Record] = {}
        gone: set[str] = set()
        for change in changes:
            if change.kind is ChangeKind.CLEARED:
                self._write_standing(standing, gone)
                standing.clear()
                gone.clear()
                self._clear(change.key)
            elif change.record is not None:
                standing[change.key] = change.record
            else:
                standing.pop(change.key, None)
                gone.add(change.key)
        self._write_standing(standing, gone)

    def _write_standing(self, standing: Mapping[str, Record], gone: Iterable[str]) -> None:
        """Removals first, then closed positions, then legs, then what is open on a pair.

        In this order no moment has two open positions on a pair, in whatever order they changed.
        """
        records = sorted(standing.values(), key=lambda record: (record.is_open, not record.is_leg))
        delete = "DELETE FROM positions WHERE position_uuid = ?"
        self._connection.executemany(delete, [(key,) for key in gone])
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

    def _broken(self, error: apsw.Error) -> JournalBroken:
        """Nothing is written or synced from here on, not even by closing."""
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return JournalBroken(f"{self._path}: {error}")

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
        try:
            self._connection.close()
        finally:
            self._lock.close()

    # ---------------------------------------------------------------- reading

    def load(self, progress: Progress | None = None) -> Loaded:
        with _as_broken(self._path):
            records, damaged = read_records(self._connection, progress)
            found = self._set_aside(damaged) if damaged else []
            newest = self._value("SELECT max(revision) FROM changes") or 0
            # Should the newest changes have been lost, revisions still never run backwards.
            newest = max(newest, max((record.revision for record in records), default=0))
            requests = self._load_requests()
            quarantined = self.quarantined()
        return Loaded(records, newest, requests, quarantined, found)

    def _load_requests(self) -> list[KeptRequest]:
        """The requests that are remembered. A damaged one is set aside, and known no more."""
        requests, damaged = [], []
        for sequence, request_id, fingerprint, outcome, at_ms, crc in self._connection.execute(
            READ_REQUESTS
        ):
            if _request_crc(sequence, request_id, fingerprint, outcome, at_ms) == crc:
                known = int.from_bytes(fingerprint, "big")
                requests.append(KeptRequest(request_id.decode(), known, sequence, at_ms))
            else:
                damaged.append((sequence,))
        if damaged:
            with self._connection:
                self._connection.executemany(QUARANTINE_REQUEST, damaged)
                self._connection.executemany("DELETE FROM requests WHERE sequence = ?", damaged)
        return requests

    def _set_aside(self, damaged: list[tuple[int, str]]) -> list[str]:
        """Moves damaged rows into quarantine. Returns what they are, and what is wrong."""
        now_ms = time.time_ns() // 1_000_000
        told = []
        with self._connection:
            for rowid, reason in damaged:
                uuid_as_found = self._value(UUID_AS_FOUND, (rowid,))
                told.append(f"position {uuid_as_found.decode(errors='replace')}: {reason}")
                self._connection.execute(QUARANTINE_POSITION, (now_ms, reason, rowid))
                self._connection.execute("DELETE FROM positions WHERE rowid = ?", (rowid,))
        return told

    def outcome(self, sequence: int) -> bytes | None:
        with _as_broken(self._path):
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

    def check(self, records: Mapping[str, Record], revision: int) -> Checked:
        try:
            problems = [*self._position_problems(records)]
            count, chain_problems = self._check_chain(revision, records)
            return Checked(problems + chain_problems, count)
        except (apsw.Error, UnicodeDecodeError) as error:
            return Checked([f"the store cannot be read: {error}"], 0)

    def _position_problems(self, records: Mapping[str, Record]) -> Iterator[str]:
        held: set[str] = set()
        for sound, *row in self._connection.execute(CHECK_POSITIONS):
            key = row[0].decode(errors="replace")
            held.add(key)
            record = records.get(key)
            if record is None:
                yield f"the store holds {key}, the book does not"
            elif not sound or row != [_as_bytes(value) for value in _row(record)]:
                yield f"the store's row of {key} differs from the book's position"
        for missing in records.keys() - held:
            yield f"the book holds {missing}, the store does not"

    def _check_chain(self, revision: int, records: Mapping[str, Record]) -> tuple[int, list[str]]:
        """Follows the chain of changes; what it says last of each position must stand."""
        problems: list[str] = []
        count, expected, chain = 0, None, None
        last: dict[str, int | None] = {}
        for at, kind, key, key_type, wire, crc, stored_link in self._connection.execute(
            READ_CHANGES
        ):
            count += 1
            said = b"%d %s %s\0%s" % (at, str(kind).encode(), key, wire or b"")
            if at == 1:
                expected, chain = 1, CHAIN_START
            if expected is not None and at != expected:
                problems.append(f"changes {expected} to {at - 1} are missing")
            elif key_type != "text" or crc_of(said) != crc:
                problems.append(f"change {at} does not match its checksum")
            elif chain is not None and link(chain, said) != stored_link:
                problems.append(f"change {at} does not follow from the one before")
            else:
                _note_last(last, kind, key.decode(), at)
            expected, chain = at + 1, stored_link
        newest = (expected or 1) - 1
        if newest != revision:
            problems.append(f"the newest change is {newest}, the book is at {revision}")
        for key, at in last.items():
            stands = records.get(key)
            if (None if stands is None else stands.revision) != at:
                problems.append(f"position {key} is not what the changes say last of it")
        return count, problems

    def close(self) -> None:
        self._connection.close()


# -------------------------------------------------------------------- rows

COLUMNS = (
    "position_uuid", "hotkey", "trade_pair", "campaign_id", "open_ms", "close_ms",
    "version", "revision", "record", "crc",
)  # fmt: skip

UPSERT = (
    f"INSERT INTO positions ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    "ON CONFLICT (position_uuid) DO UPDATE SET "
    # Hotkey and pair of a uuid never change, so that their indexes need no look.
    + ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[3:])
)

# Damage can change a value's type, too. What is no text is not even read as one.
READ_POSITIONS = (
    "SELECT rowid, CAST(position_uuid AS BLOB), "
    "CASE typeof(record) WHEN 'blob' THEN record ELSE x'' END, crc FROM positions"
)
TYPES = ("text",) * 4 + ("integer",) * 4 + ("blob", "integer")
_TYPES_ARE_RIGHT = " AND ".join(
    f"typeof({column}) IN ('{kind}', 'null')" for column, kind in zip(COLUMNS, TYPES, strict=True)
)
_VALUES = ", ".join(
    column if kind == "integer" else f"CAST({column} AS BLOB)"
    for column, kind in zip(COLUMNS, TYPES, strict=True)
)
CHECK_POSITIONS = f"SELECT {_TYPES_ARE_RIGHT}, {_VALUES} FROM positions"
READ_CHANGES = (
    "SELECT revision, kind, CAST(key AS BLOB), typeof(key), CAST(wire AS BLOB), crc, chain "
    "FROM changes ORDER BY revision"
)
READ_REQUESTS = (
    "SELECT sequence, CAST(request_id AS BLOB), CAST(fingerprint AS BLOB), "
    "CAST(outcome AS BLOB), at_ms, crc FROM requests ORDER BY sequence"
)

UUID_AS_FOUND = "SELECT CAST(position_uuid AS BLOB) FROM positions WHERE rowid = ?"
QUARANTINE_POSITION = (
    "INSERT INTO quarantine SELECT ?, position_uuid, hotkey, ?, record "
    "FROM positions WHERE rowid = ?"
)
QUARANTINE_REQUEST = (
    "INSERT INTO quarantine SELECT at_ms, NULL, NULL, 'a damaged request', outcome "
    "FROM requests WHERE sequence = ?"
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
    rows = connection.execute(READ_POSITIONS)
    for number, (rowid, key, data, crc) in enumerate(rows):
        if progress is not None and number % PROGRESS_ROWS == 0:
            progress(number, total)
        if crc32(data, crc32(key)) == crc:
            try:
                records.append(decode_record(data))
            except msgspec.DecodeError as error:
                damaged.append((rowid, f"not a position: {error}"))
        else:
            damaged.append((rowid, "the position does not match its checksum"))
    if progress is not None:
        progress(total, total)
    return records, damaged


def _row(record: Record) -> tuple[Any, ...]:
    data = encode_record(record)
    return (
        record.position_uuid,
        record.hotkey,
        record.trade_pair,
        record.campaign_id or None,
        record.open_ms,
        record.close_ms,
        record.version,
        record.revision,
        data,
        crc32(data, crc32(record.position_uuid.encode())),
    )


def _as_bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def _wire_of(change: Change) -> bytes | None:
    return None if change.record is None else change.record.wire


def _request_row(kept: KeptRequest, outcome: bytes) -> tuple[Any, ...]:
    fingerprint = kept.fingerprint.to_bytes(8, "big")
    request_id = kept.request_id.encode()
    crc = _request_crc(kept.sequence, request_id, fingerprint, outcome, kept.at_ms)
    return kept.sequence, kept.request_id, fingerprint, outcome, kept.at_ms, crc


def _request_crc(
    sequence: int, request_id: bytes, fingerprint: bytes, outcome: bytes, at_ms: object
) -> int:
    return crc_of(
        b"%d %s %b%b%b" % (sequence, str(at_ms).encode(), request_id, fingerprint, outcome)
    )


def _note_last(last: dict[str, int | None], kind: int, key: str, at: int) -> None:
    """What a change says of the positions it is about: the revision that now stands, or None."""
    if kind == ChangeKind.CLEARED:
        last.clear()  # a clear names no positions: what came before says nothing any more
    else:
        last[key] = at if kind == ChangeKind.SAVED else None


# -------------------------------------------------------------------- opening


def make_folder(folder: Path) -> None:
    """Makes the data folder, so that its name survives a power cut as well."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        sync(folder.parent)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    except apsw.FullError as error:
        raise JournalBroken(f"{path} cannot be opened: the disk is full") from error
    except (apsw.Error, UnicodeDecodeError, TypeError) as error:
        if isinstance(error, apsw.IOError) and shutil.disk_usage(path.parent).free < _SHM_BYTES:
            raise JournalBroken(f"{path} cannot be opened: the disk is full") from error
        raise JournalBroken(
            f"{path} cannot be read ({error}): restore a backup with `hotbook restore`"
        ) from error
