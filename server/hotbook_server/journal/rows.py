"""Rows of the store: how records, changes and requests are written, read and checked.

Owns the queries. Every row carries a checksum over what matters in it, which is looked at whenever
the row is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

import apsw
import msgspec

from hotbook_server.journal.base import (
    ENDS_COMMIT,
    WAS_OPEN,
    Commit,
    Each,
    KeptRequest,
    Progress,
    RowDamaged,
    crc_of,
    said_of,
)
from hotbook_shared.record import (
    Change,
    ChangeKind,
    Record,
    decode_record,
    encode_record,
    record_from,
)

PROGRESS_ROWS = 10_000

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
_KEY = (
    "position_uuid || ' ' || hotkey || ' ' || trade_pair || ' ' || ifnull(campaign_id, '') "
    "|| ' ' || ifnull(close_ms, '')"
)
"""What the store itself goes by, in indexes and when it clears; key_of says the same."""

READ_POSITIONS = (
    f"SELECT rowid, ifnull(CAST({_KEY} AS BLOB), x''), "
    "CASE typeof(record) WHEN 'blob' THEN record ELSE x'' END, crc FROM positions"
)
READ_POSITION = f"{READ_POSITIONS} WHERE position_uuid = ?"
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
    "SELECT revision, kind, flags, CAST(key AS BLOB), CAST(hotkey AS BLOB), CAST(wire AS BLOB), "
    "typeof(key) = 'text' AND typeof(hotkey) = 'text', crc, chain "
    "FROM changes WHERE revision > ? ORDER BY revision"
)
WIRE_AT = "SELECT CAST(wire AS BLOB) FROM changes WHERE revision = ?"
LINK_AT = "SELECT chain FROM changes WHERE revision = ?"
READ_REQUESTS = (
    "SELECT sequence, CAST(request_id AS BLOB), CAST(fingerprint AS BLOB), "
    "CAST(outcome AS BLOB), at_ms, crc FROM requests ORDER BY sequence"
)

UUID_AS_FOUND = "SELECT CAST(position_uuid AS BLOB) FROM positions WHERE rowid = ?"
QUARANTINED_UUIDS = (
    "SELECT CAST(position_uuid AS BLOB) FROM quarantine WHERE position_uuid IS NOT NULL"
)
QUARANTINE_POSITION = (
    "INSERT INTO quarantine SELECT ?, position_uuid, hotkey, ?, record "
    "FROM positions WHERE rowid = ?"
)
QUARANTINE_REQUEST = (
    "INSERT INTO quarantine SELECT at_ms, NULL, NULL, 'a damaged request', outcome "
    "FROM requests WHERE sequence = ?"
)

OUTCOME = "SELECT outcome FROM requests WHERE sequence = ?"


def read_records(
    connection: apsw.Connection, progress: Progress | None = None, each: Each | None = None
) -> tuple[list[Record], list[tuple[int, str]]]:
    """Every position of a store; and the rows that are damaged, each with what is wrong."""
    total = connection.execute("SELECT count(*) FROM positions").get
    records: list[Record] = []
    damaged: list[tuple[int, str]] = []
    rows = connection.execute(READ_POSITIONS)
    for number, (rowid, key, data, crc) in enumerate(rows):
        if progress is not None and number % PROGRESS_ROWS == 0:
            progress(number, total)
        try:
            record = sound_record(key, data, crc)
        except RowDamaged as error:
            damaged.append((rowid, str(error)))
            continue
        records.append(record)
        if each is not None:
            each(record)
    if progress is not None:
        progress(total, total)
    return records, damaged


def sound_record(key: bytes, data: bytes, crc: object) -> Record:
    """The record of a row of READ_POSITIONS."""
    if crc32(data, crc32(key)) != crc:
        raise RowDamaged("the position does not match its checksum")
    try:
        return decode_record(data)
    except msgspec.DecodeError as error:
        raise RowDamaged(f"not a position: {error}") from error


def row_of(record: Record) -> tuple[Any, ...]:
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
        crc32(data, crc32(key_of(record))),
    )


def key_of(record: Record) -> bytes:
    closed = "" if record.close_ms is None else record.close_ms
    return (
        f"{record.position_uuid} {record.hotkey} {record.trade_pair} {record.campaign_id} {closed}"
    ).encode()


def change_row(change: Change, flags: int, crc: int, chain: bytes, at_ms: int) -> tuple[Any, ...]:
    wire = None if change.record is None else change.record.wire
    told = change.revision, int(change.kind), flags, change.key, change.hotkey
    return (*told, wire, at_ms, crc, chain)


class StoredChange(NamedTuple):
    """A row of READ_CHANGES, as it was found."""

    revision: int
    kind: int
    flags: int
    key: bytes
    hotkey: bytes
    wire: bytes | None
    has_texts: bool
    crc: int
    chain: bytes

    @property
    def said(self) -> bytes:
        return said_of(*self[:5], self.wire or b"")

    @property
    def is_sound(self) -> bool:
        return bool(self.has_texts) and crc_of(self.said) == self.crc

    @property
    def change(self) -> Change:
        record = None if self.wire is None else record_from(self.wire)
        key, hotkey, kind = self.key.decode(), self.hotkey.decode(), ChangeKind(self.kind)
        return Change(self.revision, kind, key, record, hotkey, bool(self.flags & WAS_OPEN))


def commits_of(rows: Iterable[tuple[Any, ...]], after: int, room_bytes: int) -> list[Commit]:
    """Whole commits out of rows that follow a revision, up to the first gap or damage."""
    commits: list[Commit] = []
    changes: list[Change] = []
    for row in map(StoredChange._make, rows):
        after += 1
        if row.revision != after or not row.is_sound:
            break
        changes.append(row.change)
        room_bytes -= len(row.wire or b"") + len(row.key)
        if row.flags & ENDS_COMMIT:
            commits.append(Commit(changes, row.chain))
            changes = []
            if room_bytes <= 0:
                break
    return commits


def request_row(kept: KeptRequest, outcome: bytes) -> tuple[Any, ...]:
    fingerprint = kept.fingerprint.to_bytes(8, "big")
    request_id = kept.request_id.encode()
    crc = request_crc(kept.sequence, request_id, fingerprint, outcome, kept.at_ms)
    return kept.sequence, kept.request_id, fingerprint, outcome, kept.at_ms, crc


def request_crc(
    sequence: int, request_id: bytes, fingerprint: bytes, outcome: bytes, at_ms: object
) -> int:
    return crc_of(
        b"%d %s %b%b%b" % (sequence, str(at_ms).encode(), request_id, fingerprint, outcome)
    )
