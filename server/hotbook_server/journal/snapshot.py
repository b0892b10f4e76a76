"""A snapshot of the store at one revision, to be checked at leisure against the book."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
from google.protobuf.message import DecodeError

from hotbook_server.journal.base import CHAIN_START, Checked, link
from hotbook_server.journal.rows import READ_CHANGES, StoredChange
from hotbook_server.journal.tables import CLEARED, TABLE_OF, TABLES, Table
from hotbook_shared.book import Book
from hotbook_shared.record import (
    AnyRecord,
    ChangeKind,
    Record,
    decode_record,
    record_from,
    says_the_same,
    with_wire,
)


class SqliteSnapshot:
    """A read transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        self._connection.set_busy_timeout(10_000)
        self._connection.execute("BEGIN")
        # The transaction sees what stands at its first read: this one.
        self._connection.execute("SELECT count(*) FROM meta").fetchall()

    def check(self, book: Book) -> Checked:
        try:
            problems = [found for table in TABLES for found in self._table_problems(table, book)]
            count, last, chain_problems = self._check_chain(book.revision)
            told = [*self._told_problems(last, book)]
            return Checked(problems + chain_problems + told, count)
        except (apsw.Error, UnicodeDecodeError) as error:
            return Checked([f"the store cannot be read: {error}"], 0)

    def _table_problems(self, table: Table[Any], book: Book) -> Iterator[str]:
        stands: dict[str, AnyRecord] = table.stands(book)
        held: set[str] = set()
        for sound, *row in self._connection.execute(table.check):
            key = row[0].decode(errors="replace")
            held.add(key)
            record = stands.get(key)
            if record is None:
                yield f"the store holds {table.noun} {key}, the book does not"
            elif not sound or not _is_row_of(row, record, table):
                yield f"the store's row of {table.noun} {key} differs from the book's"
        for missing in stands.keys() - held:
            yield f"the book holds {table.noun} {missing}, the store does not"

    def _check_chain(self, revision: int) -> tuple[int, _Last, list[str]]:
        """Follows the chain of changes: how many there are, and what they say last of each key."""
        problems: list[str] = []
        count, expected, chain = 0, None, None
        last = _nothing_said()
        for row in map(StoredChange._make, self._connection.execute(READ_CHANGES, (-1,))):
            count += 1
            at = row.revision
            if at == 1:
                expected, chain = 1, CHAIN_START
            if expected is not None and at != expected:
                problems.append(f"changes {expected} to {at - 1} are missing")
            elif not row.is_sound:
                problems.append(f"change {at} does not match its checksum")
            elif chain is not None and link(chain, row.said) != row.chain:
                problems.append(f"change {at} does not follow from the one before")
            else:
                _note_last(last, row)
            expected, chain = at + 1, row.chain
        newest = (expected or 1) - 1
        if newest != revision:
            problems.append(f"the newest change is {newest}, the book is at {revision}")
        return count, last, problems

    def _told_problems(self, last: _Last, book: Book) -> Iterator[str]:
        """What the changes say last of each key must stand."""
        for table in TABLES:
            stands: dict[str, AnyRecord] = table.stands(book)
            aside = {key for (key,) in self._connection.execute(table.quarantined_keys)}
            for key, said in last[table.name].items():
                record = stands.get(key)
                if record is None and key.encode() in aside:
                    continue  # it was damaged: Status counts it
                if (None if record is None else record.revision) != said:
                    yield f"{table.noun} {key} is not what the changes say last of it"

    def close(self) -> None:
        self._connection.close()


def _is_row_of(row: list[Any], record: AnyRecord, table: Table[Any]) -> bool:
    """Whether a row says what a record says. Where the record's bytes are on disk alone they are
    the row's own, if they make this very record."""
    if isinstance(record, Record):
        wire: object = record.held
        if type(wire) is not bytes:
            try:
                wire = decode_record(row[-2]).wire
                if not says_the_same(record, record_from(wire)):
                    return False
            except (msgspec.DecodeError, DecodeError):
                return False
        record = with_wire(record, wire)  # a copy: it may be sent away in this very moment
    return row == [_as_bytes(value) for value in table.row_of(record)]


def _as_bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


_Last = dict[str, dict[str, int | None]]
"""By table and key: the revision that now stands, or None, by what the changes say."""


def _nothing_said() -> _Last:
    return {table.name: {} for table in TABLES}


def _note_last(last: _Last, row: StoredChange) -> None:
    if row.kind == ChangeKind.CLEARED:
        for table in CLEARED:  # a clear names none: what came before says nothing any more
            last[table.name].clear()
    else:
        stands = row.revision if row.wire is not None else None
        last[TABLE_OF[row.kind].name][row.key.decode()] = stands
