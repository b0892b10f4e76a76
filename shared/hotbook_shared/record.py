"""Record and Change: what the Book holds, and the one way in which it changes.

A record is the header that indexes and rules need, and the position's wire bytes. Both are
immutable; two books, the feed and the journal share one record without copying it.
"""

from __future__ import annotations

import hashlib
import sys
from enum import IntEnum

import msgspec

from hotbook_shared.pb import records_pb2 as raw

DIGEST_BYTES = 16
DIGEST_MASK = (1 << 8 * DIGEST_BYTES) - 1


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One position as the Book holds it.

    `gc=False` keeps a million records out of the garbage collector's walks; a record holds only
    texts, numbers and bytes, so it cannot be part of a cycle. On disk it is msgpack, which reads
    back four times as fast as the header is parsed from the wire bytes: fields may be added at the
    end, with a default, never moved.
    """

    hotkey: str
    position_uuid: str
    trade_pair: str
    open_ms: int
    close_ms: int | None
    campaign_id: str
    net_leverage: str
    version: int
    revision: int
    wire: bytes
    digest: bytes

    @property
    def is_open(self) -> bool:
        return self.close_ms is None

    @property
    def is_leg(self) -> bool:
        return bool(self.campaign_id)


encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode


def digest_of(wire: bytes) -> bytes:
    """The digest of one record. A book's digest is the sum of those of its records."""
    return hashlib.sha256(wire).digest()[:DIGEST_BYTES]


def record_from(wire: bytes) -> Record:
    """The record of a position's wire bytes. Raises DecodeError where they are none.

    Hotkeys and trade pairs are interned: a book repeats few of them over and over.
    """
    header = raw.PositionHeader.FromString(wire)
    return Record(
        sys.intern(header.hotkey),
        header.position_uuid,
        sys.intern(header.trade_pair),
        header.open_ms,
        header.close_ms if header.HasField("close_ms") else None,
        header.campaign_id,
        header.net_leverage,
        header.version,
        header.revision,
        wire,
        digest_of(wire),
    )


def seal(body: bytes, version: int, revision: int, updated_ms: int) -> bytes:
    """The wire bytes of a position: its body, and what the server says of it.

    Protobuf messages that are written one after the other are one message, so the body is not
    encoded again.
    """
    tail = raw.PositionTail(version=version, revision=revision, updated_ms=updated_ms)
    return body + tail.SerializeToString()


class ChangeKind(IntEnum):
    """The numbers are on disk: never change their meaning."""

    SAVED = 1
    REMOVED = 2
    CLEARED = 3


class Change(msgspec.Struct, frozen=True, gc=False):
    """A fact with a revision.

    SAVED: `record` now stands under `key`, its uuid.
    REMOVED: nothing stands under `key`, a uuid, any more.
    CLEARED: nothing stands under `key`, a hotkey, any more; the empty key clears the whole book.
    """

    revision: int
    kind: ChangeKind
    key: str
    record: Record | None = None
