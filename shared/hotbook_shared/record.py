"""Record and Change: what the Book holds, and the one way in which it changes.

A record is the header that indexes and rules need, and the position's wire bytes. Both are
immutable; two books, the feed and the journal share one record without copying it.
"""

from __future__ import annotations

import hashlib
import sys
from enum import IntEnum
from typing import Protocol, cast

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
    held: bytes
    """The wire bytes; or, put there by `hold`, an object that has them: see Holder."""
    digest: bytes

    @property
    def wire(self) -> bytes:
        held = self.held
        return held if type(held) is bytes else cast(Holder, held).wire_of(self)

    @property
    def is_open(self) -> bool:
        return self.close_ms is None

    @property
    def is_leg(self) -> bool:
        return bool(self.campaign_id)


class Holder(Protocol):
    """What stands in for the wire bytes of a record: it knows where they are, or more of them.

    What a record says never changes, whoever holds its bytes. A holder that has to read them
    raises a HotbookError where it cannot.
    """

    def wire_of(self, record: Record) -> bytes: ...


def hold(record: Record, holder: Holder | bytes) -> None:
    """Lets `holder` have the bytes of a record from now on."""
    msgspec.structs.force_setattr(record, "held", holder)


HEADER = tuple(name for name in Record.__struct_fields__ if name != "held")


def with_wire(record: Record, wire: bytes) -> Record:
    """A copy of a record that has its bytes itself."""
    return msgspec.structs.replace(record, held=wire)


def says_the_same(record: Record, other: Record) -> bool:
    return all(getattr(record, name) == getattr(other, name) for name in HEADER)


_encode = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode


def encode_record(record: Record) -> bytes:
    """What is on disk of a record: its header and its bytes, whoever holds those."""
    held: object = record.held
    return _encode(record if type(held) is bytes else with_wire(record, record.wire))


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
    REMOVED: nothing stands under `key`, a uuid of `hotkey`, any more.
    CLEARED: nothing stands under `key`, a hotkey, any more; the empty key clears the whole book.

    `was_open`: what stood under the uuid before was open. The book needs neither this nor the
    hotkey of what was removed; those who follow a part of it do.
    """

    revision: int
    kind: ChangeKind
    key: str
    record: Record | None = None
    hotkey: str = ""
    was_open: bool = False

    @classmethod
    def saved(cls, record: Record, old: Record | None = None) -> Change:
        was_open = old is not None and old.is_open
        revision, uuid, hotkey = record.revision, record.position_uuid, record.hotkey
        return cls(revision, ChangeKind.SAVED, uuid, record, hotkey, was_open)

    @classmethod
    def removed(cls, revision: int, old: Record) -> Change:
        uuid, hotkey = old.position_uuid, old.hotkey
        return cls(revision, ChangeKind.REMOVED, uuid, None, hotkey, old.is_open)

    @classmethod
    def cleared(cls, revision: int, hotkey: str) -> Change:
        return cls(revision, ChangeKind.CLEARED, hotkey, None, hotkey)
