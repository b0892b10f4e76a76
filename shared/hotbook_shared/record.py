"""Records and Change: what the Book holds, and the one way in which it changes.

A record is the header that indexes and rules need, and the position's wire bytes. Both are
immutable; two books, the feed and the journal share one record without copying it.
"""

from __future__ import annotations

import hashlib
import sys
from enum import IntEnum
from typing import Protocol, cast

import msgspec

from hotbook_shared.pb import hotbook_pb2 as pb
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
    raises a HotbookError where it cannot; of a leg it has the `realized_pnl` at hand, for totals
    are reckoned without a disk.
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


class CampaignRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One campaign as the Book holds it: what indexes and rules need, and its wire bytes.

    The bytes begin with the patterns, so that one more is put between them and the rest without
    reading either. On disk it is msgpack, as Record.
    """

    campaign_id: str
    hotkey: str
    trade_pair: str
    range_id: str
    state: int
    timeframe: str
    started_ms: int
    last_pattern_ms: int
    deadline_ms: int
    pattern_count: int
    account_size: str
    risk_limit: str
    range_bar: int
    created: int
    patterns_size: int
    version: int
    revision: int
    wire: bytes
    digest: bytes

    @property
    def is_live(self) -> bool:
        """FORMING or ACTIVE: patterns are filed into it, and it may expire."""
        return self.state in LIVE_STATES

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_STATES


LIVE_STATES = (pb.CAMPAIGN_FORMING, pb.CAMPAIGN_ACTIVE)
ENDED_STATES = (pb.CAMPAIGN_COMPLETED, pb.CAMPAIGN_FAILED)


def campaign_record_from(wire: bytes) -> CampaignRecord:
    """The record of a campaign's wire bytes. Raises DecodeError where they are none."""
    header = raw.CampaignHeader.FromString(wire)
    return CampaignRecord(
        header.campaign_id,
        sys.intern(header.hotkey),
        sys.intern(header.trade_pair),
        sys.intern(header.range_id),
        int(header.state),
        sys.intern(header.timeframe),
        header.started_ms,
        header.last_pattern_ms,
        header.deadline_ms,
        header.pattern_count,
        header.account_size,
        header.risk_limit,
        header.range_bar,
        header.created,
        header.patterns_size,
        header.version,
        header.revision,
        wire,
        digest_of(wire),
    )


class MarkRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The mark of a trade pair as the Book holds it."""

    trade_pair: str
    price: str
    at_ms: int
    bars: int
    revision: int
    wire: bytes
    digest: bytes


def mark_record_from(wire: bytes) -> MarkRecord:
    """The record of a mark's wire bytes. Raises DecodeError where they are none."""
    header = raw.MarkHeader.FromString(wire)
    return MarkRecord(
        sys.intern(header.trade_pair), header.price, header.at_ms, header.bars, header.revision,
        wire, digest_of(wire),
    )  # fmt: skip


AnyRecord = Record | CampaignRecord | MarkRecord

encode_other = _encode
decode_campaign = msgspec.msgpack.Decoder(CampaignRecord).decode
decode_mark = msgspec.msgpack.Decoder(MarkRecord).decode


class ChangeKind(IntEnum):
    """The numbers are on disk: never change their meaning."""

    SAVED = 1
    REMOVED = 2
    CLEARED = 3
    CAMPAIGN_SAVED = 4
    CAMPAIGN_REMOVED = 5
    MARKED = 6


class Change(msgspec.Struct, frozen=True, gc=False):
    """A fact with a revision.

    SAVED: `record` now stands under `key`, its uuid.
    REMOVED: nothing stands under `key`, a uuid of `hotkey`, any more.
    CLEARED: no position and no campaign stands under `key`, a hotkey, any more; the empty key
    clears all of them. Marks stay.
    CAMPAIGN_SAVED, CAMPAIGN_REMOVED: the same of `campaign`, under its id.
    MARKED: `price_mark` is the mark of `key`, its trade pair.

    `was_open`: what stood under the uuid before was open. The book needs neither this nor the
    hotkey of what was removed; those who follow a part of it do.
    """

    revision: int
    kind: ChangeKind
    key: str
    record: Record | None = None
    hotkey: str = ""
    was_open: bool = False
    campaign: CampaignRecord | None = None
    price_mark: MarkRecord | None = None

    @property
    def held(self) -> AnyRecord | None:
        """What now stands under the key, whatever it is."""
        return self.record or self.campaign or self.price_mark

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

    @classmethod
    def campaign_saved(cls, campaign: CampaignRecord) -> Change:
        key, hotkey = campaign.campaign_id, campaign.hotkey
        return cls(campaign.revision, ChangeKind.CAMPAIGN_SAVED, key, None, hotkey,
                   campaign=campaign)  # fmt: skip

    @classmethod
    def campaign_removed(cls, revision: int, old: CampaignRecord) -> Change:
        return cls(revision, ChangeKind.CAMPAIGN_REMOVED, old.campaign_id, None, old.hotkey)

    @classmethod
    def marked(cls, mark: MarkRecord) -> Change:
        return cls(mark.revision, ChangeKind.MARKED, mark.trade_pair, price_mark=mark)

    @classmethod
    def stored(cls, revision: int, kind: ChangeKind, key: str, wire: bytes | None,
               hotkey: str = "", was_open: bool = False) -> Change:  # fmt: skip
        """A change out of what was written of one."""
        record = campaign = mark = None
        if wire is not None and kind is ChangeKind.SAVED:
            record = record_from(wire)
        elif wire is not None and kind is ChangeKind.CAMPAIGN_SAVED:
            campaign = campaign_record_from(wire)
        elif wire is not None and kind is ChangeKind.MARKED:
            mark = mark_record_from(wire)
        return cls(revision, kind, key, record, hotkey, was_open, campaign, mark)
