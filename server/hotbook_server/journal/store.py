"""The store as a thing on disk: its folder, its owner, its schema.

One process owns a folder, by a lock that ends with the process.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from importlib import resources
from pathlib import Path
from typing import IO

import apsw

from hotbook_shared.disk import sync
from hotbook_shared.model import Durability

STORE_NAME = "hotbook.db"
LOCK_NAME = "hotbook.lock"
BACKUP_PREFIX = "backup-"
WAL_PAGES_MAX = 16_384  # 64 MiB: how far the log may grow before it is folded into the store


class FolderInUse(Exception):
    """Another process owns the data folder."""


class StoreTooNew(Exception):
    """The store was written by a newer version, which this one does not know."""


def make_folder(folder: Path) -> None:
    """Makes the data folder, so that its name survives a power cut as well."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        sync(folder.parent)


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


def open_store(path: Path, durability: Durability, vfs: str | None = None) -> apsw.Connection:
    """The one connection that writes, brought to the newest schema."""
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(10_000)
    synchronous = "FULL" if durability is Durability.FSYNC else "NORMAL"
    # NB: each pragma that answers with a row must be read, or the next one does not run.
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "wal_autocheckpoint = 0",  # SQLite's own folding keeps a failed sync to itself
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    assert connection.execute("PRAGMA journal_mode").get == "wal"
    migrate(connection)
    return connection


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


def book_id_of(connection: apsw.Connection) -> str:
    with connection:
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('book_id', ?)", (uuid.uuid4().hex,))
    return str(connection.execute("SELECT value FROM meta WHERE name = 'book_id'").get)
