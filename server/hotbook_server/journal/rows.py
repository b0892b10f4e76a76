"""Rows of the store: how changes and requests are written, read and checked.

Owns the queries; those of what the book holds are in tables.py. Every row carries a checksum over
what matters in it, which is looked at whenever the row is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hotbook_server.journal.base import (
    ENDS_COMMIT,
    WAS_OPEN,
    Commit,
    KeptRequest,
    crc_of,
    said_of,
)
from hotbook_shared.record import Change, ChangeKind

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

QUARANTINE_REQUEST = (
    "INSERT INTO quarantine SELECT at_ms, 'request', NULL, NULL, 'a damaged request', outcome "
    "FROM requests WHERE sequence = ?"
)

OUTCOME = "SELECT outcome FROM requests WHERE sequence = ?"


def change_row(change: Change, flags: int, crc: int, chain: bytes, at_ms: int) -> tuple[Any, ...]:
    wire = None if change.held is None else change.held.wire
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
        key, hotkey, kind = self.key.decode(), self.hotkey.decode(), ChangeKind(self.kind)
        was_open = bool(self.flags & WAS_OPEN)
        return Change.stored(self.revision, kind, key, self.wire, hotkey, was_open)


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
