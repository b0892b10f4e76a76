"""Records: the twins of the wire contract, the header, the seal and the digest."""

from __future__ import annotations

import hashlib

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from hotbook_shared.book import Book
from hotbook_shared.model import Position
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import DIGEST_BYTES, ChangeKind, digest_of, record_from, seal
from hotbook_shared.wire import position_from_wire, position_to_wire
from tests.make import CLOSE_MS, NOW_MS, OPEN_MS, closed, leg, position, record

TWINS = {
    "PositionHeader": "Position",
    "PositionTail": "Position",
    "PositionParts": "Position",
    "OrderTail": "Order",
    "LegFigures": "Position",
    "CampaignHeader": "Campaign",
    "MarkHeader": "Mark",
}
OURS_ALONE = {"hotbook.records.v1.CampaignHeader.patterns_size"}  # reserved in the contract
OF_NO_TWIN = {"NestedHeader", "OrdersOnly"}  # probes, which are only ever read
LENGTH_DELIMITED = {
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
}


def wire_type(field: FieldDescriptor) -> tuple[object, ...]:
    """What decides how a field stands on the wire, and whether its absence can be told."""
    kind = "length-delimited" if field.type in LENGTH_DELIMITED else field.type
    return field.number, kind, field.is_repeated, field.has_presence or kind == "length-delimited"


def twin_fields() -> list[tuple[FieldDescriptor, Descriptor]]:
    found = []
    for name, message in raw.DESCRIPTOR.message_types_by_name.items():
        if name in OF_NO_TWIN:
            continue
        twin = pb.DESCRIPTOR.message_types_by_name[TWINS.get(name, name)]
        found += [(f, twin) for f in message.fields if f.full_name not in OURS_ALONE]
    return found


@pytest.mark.parametrize(("field", "twin"), twin_fields(), ids=lambda made: made.full_name)
def test_a_twin_has_the_same_number_and_wire_type(field: FieldDescriptor, twin: Descriptor) -> None:
    """A field of records.proto is the field of hotbook.proto, by name, number and wire type."""
    original = twin.fields_by_name[field.name]

    assert wire_type(field) == wire_type(original)


REPLIES = sorted(set(raw.DESCRIPTOR.message_types_by_name) - set(TWINS) - OF_NO_TWIN)


@pytest.mark.parametrize("name", REPLIES)
def test_a_twin_of_a_reply_leaves_nothing_out(name: str) -> None:
    """A reply made with a twin can say all that the contract's reply can."""
    ours = raw.DESCRIPTOR.message_types_by_name[name]
    theirs = pb.DESCRIPTOR.message_types_by_name[name]

    assert {f.name for f in ours.fields} == {f.name for f in theirs.fields}


def test_the_tail_and_header_have_all_that_the_server_sets() -> None:
    """What the seal writes is what the contract says a client's values are ignored for."""
    tail = raw.DESCRIPTOR.message_types_by_name["PositionTail"]

    assert {field.name for field in tail.fields} == {"version", "revision", "updated_ms"}


POSITIONS = [position(), closed(), leg(), position("u" * 256, hotkey="é💶"), position(orders=())]


@pytest.mark.parametrize("made", POSITIONS)
def test_a_sealed_body_is_the_position_with_what_the_server_says(made: Position) -> None:
    """The seal changes nothing of the body and adds version, revision and time."""
    body = position_to_wire(made).SerializeToString()
    sealed = seal(body, 3, 2**63 - 1, NOW_MS)
    back = pb.Position.FromString(sealed)

    assert sealed.startswith(body)
    assert (back.version, back.revision, back.updated_ms) == (3, 2**63 - 1, NOW_MS)
    for own in ("version", "revision", "updated_ms"):
        back.ClearField(own)
    assert position_from_wire(back) == made


def test_the_last_seal_counts() -> None:
    """A body that claims a version of its own does not get past the seal."""
    claimed = seal(position_to_wire(position()).SerializeToString(), 99, 99, 99)

    back = record_from(seal(claimed, 1, 2, NOW_MS))

    assert (back.version, back.revision) == (1, 2)


@pytest.mark.parametrize("made", POSITIONS)
def test_a_record_says_what_its_position_says(made: Position) -> None:
    """Each field of the header is the position's own."""
    held = record(made, version=4, revision=9)

    assert (held.hotkey, held.position_uuid) == (made.hotkey, made.position_uuid)
    assert (held.trade_pair, held.net_leverage) == (made.trade_pair, str(made.net_leverage))
    assert (held.open_ms, held.close_ms) == (made.open_ms, made.close_ms)
    assert held.campaign_id == (made.campaign_id or "")
    assert (held.is_open, held.is_leg) == (made.is_open, made.campaign_id is not None)
    assert (held.version, held.revision) == (4, 9)
    assert held.digest == digest_of(held.wire)


def test_a_close_at_the_epoch_is_a_close() -> None:
    """Zero is a time: a position that was closed at 0 is not open."""
    assert not record(position(open_ms=0, close_ms=0)).is_open
    assert record(position(open_ms=OPEN_MS)).is_open
    assert not record(closed(close_ms=CLOSE_MS)).is_open


@pytest.mark.parametrize("garbage", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x00"])
def test_bytes_that_are_no_position_make_no_record(garbage: bytes) -> None:
    """Damage is an error of its own, so that whoever reads a store can set it aside."""
    with pytest.raises(DecodeError):
        record_from(garbage)


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_the_digest_is_of_all_the_bytes(wire: bytes) -> None:
    """A record's digest is the head of the SHA-256 of its bytes: another byte, another digest."""
    digest = digest_of(wire)

    assert digest.hex() == hashlib.sha256(wire).hexdigest()[: 2 * DIGEST_BYTES]
    assert digest_of(wire + b"\x00") != digest


def test_the_digest_of_a_book_does_not_know_an_order() -> None:
    """Two books with the same records, filled in another order, have the same digest."""
    held = [record(position(f"p{n}", trade_pair=f"T{n}"), 1, n + 1) for n in range(5)]

    assert Book(held, revision=5).digest == Book(held[::-1], revision=5).digest
    assert Book(held, revision=5).digest != Book(held[:4], revision=5).digest


def test_the_kinds_of_changes_keep_their_numbers() -> None:
    """The numbers are on disk."""
    assert {kind.name: kind.value for kind in ChangeKind} == {
        "SAVED": 1,
        "REMOVED": 2,
        "CLEARED": 3,
        "CAMPAIGN_SAVED": 4,
        "CAMPAIGN_REMOVED": 5,
        "MARKED": 6,
    }
