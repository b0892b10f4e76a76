"""Rows of the store: how records, changes and requests are written, read and checked.

Owns the queries. Every row carries a checksum over what matters in it, which is looked at whenever
the row is read.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import apsw
import msgspec

from hotbook_server.journal.base import KeptRequest, Progress, crc_of
from hotbook_shared.record import Change, Record, decode_record, encode_record

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


def wire_of(change: Change) -> bytes | None:
    return None if change.record is None else change.record.wire


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
