"""A snapshot of the store at one revision, to be checked at leisure against the book."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import msgspec
from google.protobuf.message import DecodeError

from hotbook_server.journal.base import CHAIN_START, Checked, link
from hotbook_server.journal.rows import (
    CHECK_POSITIONS,
    QUARANTINED_UUIDS,
    READ_CHANGES,
    StoredChange,
    row_of,
)
from hotbook_shared.record import (
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
            elif not sound or not _is_row_of(row, record):
                yield f"the store's row of {key} differs from the book's position"
        for missing in records.keys() - held:
            yield f"the book holds {missing}, the store does not"

    def _check_chain(self, revision: int, records: Mapping[str, Record]) -> tuple[int, list[str]]:
        """Follows the chain of changes; what it says last of each position must stand."""
        problems: list[str] = []
        count, expected, chain = 0, None, None
        last: dict[str, int | None] = {}
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
                _note_last(last, row.kind, row.key.decode(), at)
            expected, chain = at + 1, row.chain
        newest = (expected or 1) - 1
        if newest != revision:
            problems.append(f"the newest change is {newest}, the book is at {revision}")
        aside = {key for (key,) in self._connection.execute(QUARANTINED_UUIDS)}
        for key, said in last.items():
            stands = records.get(key)
            if stands is None and key.encode() in aside:
                continue  # it was damaged: Status counts it
            if (None if stands is None else stands.revision) != said:
                problems.append(f"position {key} is not what the changes say last of it")
        return count, problems

    def close(self) -> None:
        self._connection.close()


def _is_row_of(row: list[Any], record: Record) -> bool:
    """Whether a row says what a record says. Where the record's bytes are on disk alone they are
    the row's own, if they make this very record."""
    wire: object = record.held
    if type(wire) is not bytes:
        try:
            wire = decode_record(row[-2]).wire
            if not says_the_same(record, record_from(wire)):
                return False
        except (msgspec.DecodeError, DecodeError):
            return False
    # A copy: the record itself may be sent away in this very moment.
    return row == [_as_bytes(value) for value in row_of(with_wire(record, wire))]


def _as_bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def _note_last(last: dict[str, int | None], kind: int, key: str, at: int) -> None:
    """What a change says of the positions it is about: the revision that now stands, or None."""
    if kind == ChangeKind.CLEARED:
        last.clear()  # a clear names no positions: what came before says nothing any more
    else:
        last[key] = at if kind == ChangeKind.SAVED else None
