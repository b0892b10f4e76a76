"""The journal on disk: SQLite through apsw, in WAL mode, one folder for one process.

Owns what is written, and when it is safe. Invariant: after `append` returns in fsync mode, the
batch is on disk; a batch is never there in part. The tables of what the book holds are what the
chain of changes amounts to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from hotbook_server.journal import store
from hotbook_server.journal.base import (
    CHAIN_START,
    Batch,
    Commit,
    DiskIsFull,
    Each,
    JournalBroken,
    KeptRequest,
    Loaded,
    Progress,
    chained,
)
from hotbook_server.journal.reader import Reader
from hotbook_server.journal.rows import (
    LINK_AT,
    OUTCOME,
    QUARANTINE_REQUEST,
    READ_CHANGES,
    READ_REQUESTS,
    change_row,
    commits_of,
    request_crc,
    request_row,
)
from hotbook_server.journal.snapshot import SqliteSnapshot
from hotbook_server.journal.store import (
    BACKUP_PREFIX,
    STORE_NAME,
    book_id_of,
    lock_folder,
    make_folder,
    open_store,
)
from hotbook_server.journal.tables import (
    CLEARED,
    POSITIONS,
    TABLE_OF,
    TABLES,
    Table,
    read_held,
)
from hotbook_shared.disk import sync
from hotbook_shared.errors import DiskFull
from hotbook_shared.model import Durability
from hotbook_shared.record import Change, ChangeKind, Record

# What SQLite says when the disk is full while it extends its shared-memory file.
_IOERR_SHMSIZE = apsw.SQLITE_IOERR_SHMSIZE
_SHM_BYTES = 64 * 1024


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
        self._log_pages = 0
        self._reader = Reader(self._path)
        make_folder(folder)
        self._lock = lock_folder(folder)
        for leftover in folder.glob(f"{BACKUP_PREFIX}*"):  # of a process that died meanwhile
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            with _as_broken(self._path):
                self._connection = open_store(self._path, durability, vfs)
                self.book_id = book_id_of(self._connection)
                self.link = self._chain_end()
                self._connection.set_wal_hook(self._note_pages)
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
        rows = [change_row(*one, batch.at_ms) for one in chained(self.link, batch.changes)]
        self._write_held(batch.changes)
        executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        executemany(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)",
            [request_row(kept, outcome) for kept, outcome in batch.requests],
        )
        self._prune(batch)
        self._step("journal written")
        execute("COMMIT")
        if rows:
            self.link = rows[-1][-1]
        self._fold()

    def _note_pages(self, _: apsw.Connection, __: str, pages: int) -> int:
        """Called by SQLite at each commit with the length of its log."""
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _fold(self) -> None:
        """Folds a long log into the store. The batch is safe already, whatever comes of it.

        A failed sync is told as such, and ends all acknowledgement; no room is no harm yet.
        """
        if self._log_pages >= store.WAL_PAGES_MAX:
            with contextlib.suppress(apsw.FullError, apsw.BusyError):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _write_held(self, changes: Sequence[Change]) -> None:
        """Brings the tables to what the changes amount to."""
        due = _nothing_due()
        for change in changes:
            if change.kind is ChangeKind.CLEARED:
                self._write_due(due)
                due = _nothing_due()
                self._clear(change.key)
                continue
            standing, gone = due[TABLE_OF[change.kind].name]
            if change.held is not None:
                standing[change.key] = change.held
            else:
                standing.pop(change.key, None)
                gone.add(change.key)
        self._write_due(due)

    def _write_due(self, due: Mapping[str, _Due]) -> None:
        """Removals first, then closed positions, then legs, then what is open on a pair.

        In this order no moment has two open positions on a pair, in whatever order they changed.
        """
        for table in TABLES:
            standing, gone = due[table.name]
            records = list(standing.values())
            if table is POSITIONS:
                records.sort(key=lambda record: (record.is_open, not record.is_leg))
            self._connection.executemany(table.delete, [(key,) for key in gone])
            self._connection.executemany(table.upsert, map(table.row_of, records))

    def _clear(self, hotkey: str) -> None:
        for table in CLEARED:
            if hotkey:
                self._connection.execute(table.clear_hotkey, (hotkey,))
            else:
                self._connection.execute(table.clear)

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

    def _broken(self, error: Exception) -> JournalBroken:
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
                raise self._broken(error) from error

    def close(self) -> None:
        if self._wal is not None:
            os.close(self._wal)
            self._wal = None
        try:
            self._reader.close()
            self._connection.close()
        finally:
            self._lock.close()

    # ---------------------------------------------------------------- reading

    def load(self, progress: Progress | None = None, each: Each | None = None) -> Loaded:
        with _as_broken(self._path):
            held = read_held(self._connection, progress, each)
            found = self._set_aside(held.damaged) if held.damaged else []
            newest = self._value("SELECT max(revision) FROM changes") or 0
            # Should the newest changes have been lost, revisions still never run backwards.
            newest = max(newest, held.newest)
            requests = self._load_requests()
            quarantined = self.quarantined()
        return Loaded(
            held.positions, held.campaigns, held.marks, newest, requests, quarantined, found
        )

    def _load_requests(self) -> list[KeptRequest]:
        """The requests that are remembered. A damaged one is set aside, and known no more."""
        requests, damaged = [], []
        for row in self._connection.execute(READ_REQUESTS):
            sequence, request_id, fingerprint, outcome, at_ms, crc = row
            is_whole = None not in row
            if is_whole and request_crc(sequence, request_id, fingerprint, outcome, at_ms) == crc:
                known = int.from_bytes(fingerprint, "big")
                requests.append(KeptRequest(request_id.decode(), known, sequence, at_ms))
            else:
                damaged.append((sequence,))
        if damaged:
            with self._connection:
                self._connection.executemany(QUARANTINE_REQUEST, damaged)
                self._connection.executemany("DELETE FROM requests WHERE sequence = ?", damaged)
        return requests

    def _set_aside(self, damaged: list[tuple[Table[Any], int, str]]) -> list[str]:
        """Moves damaged rows into quarantine. Returns what they are, and what is wrong."""
        now_ms = time.time_ns() // 1_000_000
        told = []
        with self._connection:
            for table, rowid, reason in damaged:
                found: bytes = self._value(table.key_as_found, (rowid,)) or b""
                key = found.decode(errors="replace")
                told.append(f"{table.noun} {key}: {reason}")
                self._connection.execute(table.quarantine, (now_ms, reason, rowid))
                self._connection.execute(table.delete_row, (rowid,))
        return told

    def outcome(self, sequence: int) -> bytes | None:
        with _as_broken(self._path):
            return self._value(OUTCOME, (sequence,))  # type: ignore[no-any-return]

    def wire_of(self, record: Record) -> bytes | None:
        with _as_broken(self._path):
            return self._reader.wire_of(record)

    def commits(self, after: int, room_bytes: int) -> list[Commit]:
        with self._reading() as connection:
            return commits_of(connection.execute(READ_CHANGES, (after,)), after, room_bytes)

    def link_at(self, revision: int) -> bytes | None:
        if revision == 0:
            return CHAIN_START
        with self._reading() as connection:
            return connection.execute(LINK_AT, (revision,)).get  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        """A connection of its own, for reads on other threads."""
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(10_000)
            with _as_broken(self._path):
                yield connection
        finally:
            connection.close()

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


_Due = tuple[dict[str, Any], set[str]]
"""Of a table: the records that stand in the end, by key, and the keys that were removed."""


def _nothing_due() -> dict[str, _Due]:
    return {table.name: ({}, set()) for table in TABLES}


@contextlib.contextmanager
def _as_broken(path: Path) -> Iterator[None]:
    """What SQLite cannot read is told as a broken journal, with what to do about it."""
    try:
        yield
    except apsw.FullError as error:
        raise DiskIsFull(f"{path} cannot be opened: the disk is full") from error
    except (apsw.Error, UnicodeDecodeError) as error:
        if isinstance(error, apsw.IOError) and shutil.disk_usage(path.parent).free < _SHM_BYTES:
            raise DiskIsFull(f"{path} cannot be opened: the disk is full") from error
        raise JournalBroken(
            f"{path} cannot be read ({error}): restore a backup with `hotbook restore`"
        ) from error
