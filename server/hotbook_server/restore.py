"""`python -m hotbook_server.restore`: puts a backup in place of a data folder's store.

Works on a folder that no server owns. The backup is checked before anything is touched; the store
that stood there is kept beside it under another name; the backup takes its place in one rename.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import apsw
import click
import msgspec
from google.protobuf.message import DecodeError

from hotbook_server.config import BadSettings, load_settings
from hotbook_server.journal.base import JournalBroken
from hotbook_server.journal.snapshot import SqliteSnapshot
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import (
    STORE_NAME,
    FolderInUse,
    StoreTooNew,
    lock_folder,
    make_folder,
    migrations,
)
from hotbook_server.journal.tables import read_held
from hotbook_shared.bar import LateBar
from hotbook_shared.book import Book
from hotbook_shared.disk import sync

EXIT_REFUSED = 4
EXIT_USAGE = 2
EXIT_PROBLEMS = 8


class CannotRestore(Exception):
    """Nothing was changed; the message says why."""


class Contents(msgspec.Struct, frozen=True):
    """What a store holds."""

    positions: int
    revision: int


class NoBackup(CannotRestore):
    """There is no file of that name."""


def inspect_backup(backup: Path, bar: LateBar) -> Contents:
    """Reads all of a backup. Raises CannotRestore at the first thing that is wrong with it."""
    with _opened(backup) as connection:
        return _inspect(connection, backup, bar)


@contextlib.contextmanager
def _opened(backup: Path) -> Iterator[apsw.Connection]:
    """A store that SQLite finds sound, to be read."""
    if not backup.is_file():
        raise NoBackup(f"there is no backup {backup}")
    try:
        connection = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            _check_store(connection, backup)
            yield connection
        finally:
            connection.close()
    except (apsw.Error, DecodeError, UnicodeDecodeError, JournalBroken) as error:
        raise CannotRestore(f"{backup} is not a store of hotbook: {error}") from error


def _check_store(connection: apsw.Connection, backup: Path) -> None:
    schema = connection.execute("PRAGMA user_version").get
    if schema == 0:
        raise CannotRestore(f"{backup} is not a store of hotbook")
    if not 0 < schema <= migrations()[-1][0]:
        raise CannotRestore(f"{backup} has schema {schema}, which this version does not know")
    sound = connection.execute("PRAGMA integrity_check").get
    if sound != "ok":
        raise CannotRestore(f"{backup} is damaged: {sound}")


@contextlib.contextmanager
def without_damage(backup: Path) -> Iterator[tuple[Path, list[str]]]:
    """A copy of a backup whose damaged rows are set aside, just as a start of a server does it; and
    what they are."""
    with tempfile.TemporaryDirectory(prefix="hotbook-restore-") as folder:
        copy = Path(folder) / STORE_NAME
        with _opened(backup):
            _copy(backup, copy)
            journal = SqliteJournal(Path(folder))
            try:
                damaged = journal.load().damaged
            finally:
                journal.close()
        yield copy, damaged


def _inspect(connection: apsw.Connection, backup: Path, bar: LateBar) -> Contents:
    held = read_held(connection, bar)
    for table, row, reason in held.damaged:
        raise CannotRestore(
            f"{backup} is damaged: {reason} (row {row} of {table.name}): take another backup, or "
            "pass --set-damaged-aside to restore all but such rows"
        )
    revision = connection.execute("SELECT max(revision) FROM changes").get or 0
    book = Book(held.positions, max(revision, held.newest), held.campaigns, held.marks)
    checked = SqliteSnapshot(backup)
    try:
        problems = checked.check(book).problems
    finally:
        checked.close()
    if problems:
        raise CannotRestore(f"{backup} is damaged: {problems[0]}")
    return Contents(len(held.positions), book.revision)


def restore(backup: Path, folder: Path, *, overwrite: bool) -> Path | None:
    """Puts an inspected backup in place. Returns where the store that stood there is kept."""
    make_folder(folder)
    store = folder / STORE_NAME
    with lock_folder(folder):
        if store.exists() and not overwrite:
            raise CannotRestore(f"{folder} holds a store already: pass --overwrite to replace it")
        fresh = folder / f"{STORE_NAME}.restoring"
        for leftover in folder.glob(f"{fresh.name}*"):
            leftover.unlink()
        _copy(backup, fresh)
        _make_new_book(fresh)
        kept = _keep_aside(store) if store.exists() else None
        fresh.rename(store)
        sync(folder)
    return kept


def _copy(backup: Path, fresh: Path) -> None:
    """All that the backup holds, its log included where it has one."""
    connection = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        connection.execute("VACUUM INTO ?", (str(fresh),))
    finally:
        connection.close()


def _make_new_book(store: Path) -> None:
    """A restored book is another book: its revisions may say other things from here on."""
    connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    with connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'book_id'", (uuid.uuid4().hex,))
    connection.close()
    sync(store)


def _keep_aside(store: Path) -> Path:
    """Copies the old store and its log; then folds the log, which must not meet the new store."""
    kept = store.with_name(f"{store.name}.replaced-{time.time_ns() // 1_000_000}")
    for ending in ("", "-wal"):
        part = store.with_name(store.name + ending)
        if part.exists():
            copy = kept.with_name(kept.name + ending)
            shutil.copyfile(part, copy)
            sync(copy)
    sync(store.parent)
    _fold(store)
    for ending in ("-wal", "-shm"):
        store.with_name(store.name + ending).unlink(missing_ok=True)
    sync(store.parent)
    return kept


def _fold(store: Path) -> None:
    """Brings the log into the store. A store too damaged for that is kept all the same."""
    with contextlib.suppress(apsw.Error):
        connection = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()


@click.command(name="restore", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("backup", type=click.Path(path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where to restore.")
@click.option(
    "--config", type=click.Path(path_type=Path), envvar="HOTBOOK_CONFIG",
    help="The settings file, if it is not ./hotbook.toml.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the store that stands there; it is kept.")
@click.option(
    "--set-damaged-aside", is_flag=True,
    help="Restore all but damaged rows, which are kept in quarantine; exits with 8 if there are.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
def main(
    backup: Path,
    data_dir: Path | None,
    config: Path | None,
    overwrite: bool,
    set_damaged_aside: bool,
    yes: bool,
) -> None:
    """Puts a BACKUP in place of a data folder's store, while no server runs on the folder."""
    damaged: list[str] = []
    try:
        flags = {} if data_dir is None else {"data_dir": data_dir}
        folder = load_settings(config, **flags).data_dir
        with contextlib.ExitStack() as stack:
            source = backup
            if set_damaged_aside:
                source, damaged = stack.enter_context(without_damage(backup))
            _restore_checked(backup, source, damaged, folder, overwrite=overwrite, yes=yes)
    except (BadSettings, NoBackup) as error:
        _stop(str(error), EXIT_USAGE)
    except (CannotRestore, FolderInUse, StoreTooNew, JournalBroken) as error:
        _stop(str(error), EXIT_REFUSED)
    except OSError as error:
        _stop(f"cannot restore: {error}", EXIT_REFUSED)
    if damaged:
        sys.exit(EXIT_PROBLEMS)


def _restore_checked(
    backup: Path, source: Path, damaged: list[str], folder: Path, *, overwrite: bool, yes: bool
) -> None:
    """Restores from the source, which is the backup or what is sound of it."""
    with LateBar("reading the backup") as bar:
        contents = inspect_backup(source, bar)
    for what in damaged:
        click.echo(f"damaged, set aside: {what}")
    click.echo(
        f"{backup} holds {contents.positions:,} positions at revision {contents.revision}. "
        f"It becomes the store of {folder}."
    )
    if overwrite and not yes:
        _ask(contents.positions)
    kept = restore(source, folder, overwrite=overwrite)
    click.echo(f"restored {contents.positions:,} positions into {folder}")
    if kept is not None:
        click.echo(f"what stood there is kept as {kept}")


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise CannotRestore("nobody is there to ask: pass --yes to go on")
    try:
        typed = click.prompt(f"Type {count} to go on", default="", show_default=False, err=True)
    except click.Abort:
        typed = ""
    if typed.strip() != str(count):
        raise CannotRestore("not confirmed: nothing was changed")


def _stop(message: str, code: int) -> None:
    click.echo(f"hotbook: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name=os.environ.pop("HOTBOOK_PROGRAM", None))
