"""The wire: what is put on it comes back unchanged, and what cannot be is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_type_hints

import grpc
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hotbook
from hotbook import ExecutionType, Order, OrderSource, PatternType, Position, PriceSource, Side
from hotbook_shared import wire
from hotbook_shared.errors import HotbookError, InvalidArgument
from hotbook_shared.model import MS_MAX, epoch_ms
from hotbook_shared.money import to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import PositionsStub
from hotbook_shared.sendable import extra_text
from tests.chance import examples
from tests.make import OPEN_MS, content, order, position

# ------------------------------------------------------------------ there and back

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None)
optional_numbers = st.none() | numbers
texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.none() | texts.filter(bool)
times = st.integers(0, MS_MAX)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | texts
json_values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
extras = st.dictionaries(texts, json_values, max_size=3)


def built(noun: type[msgspec.Struct], **known: Any) -> st.SearchStrategy[Any]:
    """Every field of a noun, by its type; a field that is added to the noun is drawn at once."""
    by_type = {Decimal: numbers, Decimal | None: optional_numbers, str: texts, bool: st.booleans()}
    fields = {
        name: known.get(name, times if name.endswith("_ms") else by_type.get(kind))
        for name, kind in get_type_hints(noun).items()
        if name in noun.__struct_fields__
    }
    return st.builds(noun, **{name: drawn for name, drawn in fields.items() if drawn is not None})


sources = built(PriceSource, extra=extras)
orders = built(
    Order,
    type=st.sampled_from(Side),
    execution_type=st.sampled_from(ExecutionType),
    source=st.sampled_from(OrderSource),
    price_sources=st.lists(sources, max_size=2).map(tuple),
    extra=extras,
)
positions = built(
    Position,
    side=st.none() | st.sampled_from(Side),
    close_ms=st.none() | times,
    orders=st.lists(orders, max_size=2).map(tuple),
    pattern_type=st.none() | st.sampled_from(PatternType),
    campaign_id=names,
    signal_id=names,
    timeframe=names,
    extra=extras,
    version=st.just(0),
    revision=st.just(0),
    updated_ms=st.just(0),
)


def digits(noun: msgspec.Struct) -> list[object]:
    """The exact form of each number of a noun, where == would take 1.10 for 1.1."""
    values = [getattr(noun, name) for name in noun.__struct_fields__]
    inner = [v for value in values if isinstance(value, tuple) for v in value]
    return [v.as_tuple() if isinstance(v, Decimal) else None for v in values] + [
        digits(noun) for noun in inner
    ]


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(positions)
def test_a_position_survives_the_wire_unchanged(made: Position) -> None:
    """Any position, to bytes and back, is what it was: each field, each digit, each `extra`."""
    data = wire.position_to_wire(made).SerializeToString()
    back = wire.position_from_wire(pb.Position.FromString(data))

    assert back == made
    assert digits(back) == digits(made)


def test_an_aware_datetime_is_sent_as_its_milliseconds() -> None:
    """A time may be given as an aware datetime; it comes back as epoch milliseconds."""
    moment = datetime(2024, 12, 12, 10, 40, tzinfo=UTC)
    made: Any = position(open_ms=moment, close_ms=moment, orders=(order(processed_ms=moment),))

    message = wire.position_to_wire(made)

    assert message.open_ms == message.close_ms == message.orders[0].processed_ms == OPEN_MS


def test_what_the_server_sets_is_not_sent() -> None:
    """A client does not even say version, revision and time of a position."""
    message = wire.position_to_wire(position(version=9, revision=9, updated_ms=9))

    assert (message.version, message.revision, message.updated_ms) == (0, 0, 0)


# ------------------------------------------------------------------ what cannot be sent

NUMBER_FIELDS = [
    (at, name)
    for at, noun in (("position", Position), ("order", Order), ("source", PriceSource))
    for name, kind in get_type_hints(noun).items()
    if kind in (Decimal, Decimal | None)
]
PATHS = {"position": "position", "order": "position.orders[1]"}
PATHS["source"] = "position.orders[1].price_sources[0]"


def changed(at: str, **fields: Any) -> Position:
    """A position, with fields changed in itself, its second order or that one's price source."""
    if at == "position":
        return position(**fields)
    if at == "order":
        return position(orders=(order(), order(1, **fields)))
    return changed("order", price_sources=(PriceSource(**fields),))


@pytest.mark.parametrize(("at", "name"), NUMBER_FIELDS)
@pytest.mark.parametrize("value", [0.5, float("nan"), True])
def test_a_float_is_refused_by_the_path_of_its_field(at: str, name: str, value: object) -> None:
    """Each number of a position, an order and a price source refuses floats and bools by name."""
    with pytest.raises(InvalidArgument) as refused:
        wire.position_to_wire(changed(at, **{name: value}))

    assert refused.value.field == f"{PATHS[at]}.{name}"


CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE
DEEP: dict[str, Any] = {}
for _ in range(5_000):
    DEEP = {"deeper": DEEP}

NOT_SENT: list[tuple[str, str, object]] = [
    ("position", "side", "SIDEWAYS"),
    ("position", "side", 1),
    ("position", "side", []),
    ("position", "pattern_type", "UTAD"),
    ("position", "open_ms", datetime(2024, 12, 12)),
    ("position", "open_ms", 1.5),
    ("position", "open_ms", None),
    ("position", "close_ms", datetime(2024, 12, 12)),
    ("position", "extra", {"a": object()}),
    ("position", "extra", {"a": "\ud800"}),
    ("position", "extra", {"a": float("nan")}),
    ("position", "extra", {"a": [float("inf")]}),
    ("position", "extra", CYCLE),
    ("position", "extra", DEEP),
    ("order", "type", "BUY"),
    ("order", "execution_type", "ICEBERG"),
    ("order", "execution_type", None),
    ("order", "source", 3),
    ("order", "processed_ms", datetime(2024, 12, 12)),
    ("order", "extra", {"a": {1, object()}}),
    ("source", "extra", {"a": float("-inf")}),
]


@pytest.mark.parametrize(("at", "name", "value"), NOT_SENT)
def test_what_the_wire_cannot_carry_is_refused_by_name(at: str, name: str, value: object) -> None:
    """Unknown enum values, naive times, and an `extra` that JSON cannot hold: field and reason."""
    with pytest.raises(InvalidArgument) as refused:
        wire.position_to_wire(changed(at, **{name: value}))

    assert refused.value.field == f"{PATHS[at]}.{name}"


# What may be put in any field: some of it has a place there, most has none.
STRANGE: list[Any] = [
    None, True, 1, -1, 1.0, 1.5, float("nan"), 2**64, "", "LONG", "1.5", b"1", "\ud800", (), [], {},
    {"a": 1}, {"a": object()}, Decimal("1.10"), Decimal("NaN"), datetime(2024, 12, 12),
    datetime(2024, 12, 12, tzinfo=UTC), Side.LONG, PatternType.LPS, (None,), ("candle",),
]  # fmt: skip


NAMES = ("campaign_id", "signal_id", "timeframe")


def encoded_plainly(noun: Any, message: Any, at: str) -> None:
    """A noun field by field, in the order of its message, with the path of each at hand."""
    kinds = get_type_hints(type(noun))
    for described in message.DESCRIPTOR.fields:
        name, field = described.name, f"{at}.{described.name}"
        value, kind = getattr(noun, name), kinds[name]
        if name in ("version", "revision", "updated_ms"):
            continue
        if name in ("orders", "price_sources"):
            for number, inner in enumerate(value):
                encoded_plainly(inner, getattr(message, name).add(), f"{field}[{number}]")
        elif name == "extra":
            message.extra = extra_text(value, field)
        elif described.enum_type is not None:
            set_enum(message, name, value, field)
        elif kind in (Decimal, Decimal | None):
            setattr(message, name, to_text(value, field))
        elif name in ("open_ms", "processed_ms") or (name == "close_ms" and value is not None):
            setattr(message, name, epoch_ms(value, field))
        elif value is not None and (value or name not in NAMES):
            setattr(message, name, value)


def set_enum(message: Any, name: str, value: object, field: str) -> None:
    known: list[object] = list(wire.EXECUTION_TYPES[1:] if name == "execution_type" else ())
    known += {"side": wire.SIDES, "type": wire.SIDES, "source": wire.ORDER_SOURCES}.get(name, ())
    known += wire.PATTERN_TYPES if name == "pattern_type" else ()
    if value not in known:
        raise InvalidArgument(f"{field} {value!r}", field=field)
    setattr(message, name, known.index(value) + (name == "execution_type"))


def told(encode: Callable[[], pb.Position]) -> bytes | str:
    """The bytes of a position; or the field that a refusal names, if it does."""
    try:
        return encode().SerializeToString(deterministic=True)
    except InvalidArgument as error:
        return error.field
    except (TypeError, ValueError, AttributeError, OverflowError):
        return ""


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=positions, drawn=st.data())
def test_what_is_sent_is_what_a_plain_encoder_writes(made: Position, drawn: st.DataObject) -> None:
    """Whatever stands in one of the fields: the same bytes, or a refusal that names the same field,
    as from an encoder that looks at one field after the other."""
    inside = [made, *made.orders, *(s for one in made.orders for s in one.price_sources)]
    noun = drawn.draw(st.sampled_from(inside))
    name = drawn.draw(st.sampled_from(noun.__struct_fields__))
    msgspec.structs.force_setattr(noun, name, drawn.draw(st.sampled_from(STRANGE)))

    def plainly() -> pb.Position:
        message = pb.Position()
        encoded_plainly(made, message, "position")
        return message

    assert told(lambda: wire.position_to_wire(made)) == told(plainly)


NO_POSITIONS: list[tuple[str, dict[str, object]]] = [
    ("position", {"hotkey": None}),
    ("position", {"hotkey": 5}),
    ("position", {"hotkey": "\ud800"}),
    ("position", {"trade_pair": ["BTCUSD"]}),
    ("position", {"open_ms": 2**63}),
    ("position", {"orders": 5}),
    ("position", {"orders": (None,)}),
    ("position", {"net_leverage": "\udfff"}),
    ("order", {"order_uuid": b"\xff"}),
    ("order", {"price_sources": ("candle",)}),
    ("source", {"timespan_ms": 1.5}),
    ("source", {"start_ms": datetime(2024, 12, 12, tzinfo=UTC)}),
    ("source", {"websocket": "yes"}),
    ("source", {"websocket": 2**64}),
]


@pytest.mark.parametrize(("at", "fields"), NO_POSITIONS)
def test_a_value_of_a_wrong_type_is_an_invalid_argument(at: str, fields: dict[str, Any]) -> None:
    """Whatever stands in a field, encoding raises InvalidArgument and nothing else."""
    if fields.get("hotkey", "") is None:
        assert wire.position_to_wire(changed(at, **fields)).hotkey == "", "missing, says the server"
        return
    with pytest.raises(InvalidArgument):
        wire.position_to_wire(changed(at, **fields))


def set_side(message: pb.Position, number: int) -> None:
    message.side = number  # type: ignore[assignment]


def set_pattern(message: pb.Position, number: int) -> None:
    message.pattern_type = number  # type: ignore[assignment]


def set_type(message: pb.Position, number: int) -> None:
    message.orders[0].type = number  # type: ignore[assignment]


def set_source(message: pb.Position, number: int) -> None:
    message.orders[0].source = number  # type: ignore[assignment]


def set_execution(message: pb.Position, number: int) -> None:
    message.orders[0].execution_type = number  # type: ignore[assignment]


@pytest.mark.parametrize("change", [set_side, set_pattern, set_type, set_source, set_execution])
@pytest.mark.parametrize("number", [99, -1])
def test_an_enum_value_of_a_newer_server_is_told_and_never_guessed(
    change: Callable[[pb.Position, int], None], number: int
) -> None:
    """A value that this client does not know is an error of ours: no IndexError, no other value."""
    message = wire.position_to_wire(position())
    change(message, number)

    with pytest.raises(HotbookError):
        wire.position_from_wire(message)


# ------------------------------------------------------------------ newer clients

# Field 2000 of a newer contract: a text in the position, its order and its price source.
NEWER = b"\x82\x7d\x05newer"


def test_unknown_fields_of_a_newer_client_are_kept(book: hotbook.Client, target: str) -> None:
    """What this version does not know, at any depth, survives a save, a reload and a get."""
    made = position(orders=(order(price_sources=(PriceSource(source="s"),)),))
    message = wire.position_to_wire(made)
    message.orders[0].price_sources[0].MergeFromString(NEWER)
    message.orders[0].MergeFromString(NEWER)
    message.MergeFromString(NEWER)

    with grpc.insecure_channel(target) as channel:
        stub = PositionsStub(channel)  # type: ignore[no-untyped-call]
        stub.Save(pb.SaveRequest(position=message))
        book.reload()
        got = stub.Get(pb.GetRequest(hotkey="hk", position_uuid="p1")).position

    assert got.SerializeToString().count(NEWER) == 3
    assert got.orders[0].price_sources[0].SerializeToString().endswith(NEWER)
    assert content(wire.position_from_wire(got)) == made
