"""What a request must look like: every limit at its edge, and the quick look against the judge."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotbook_server.rpc import shape
from hotbook_server.rpc.extras import EXTRA_MAX_BYTES
from hotbook_server.rpc.quick_look import is_position_right, number_forms
from hotbook_server.rpc.shape import _judge_position, check_position
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import MS_MAX
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.chance import examples
from tests.make import OPEN_MS

ORDERS_MAX = 3
NINES = "9" * 28


def valid() -> pb.Position:
    """A position with one order that has one price source: right in every field."""
    source = pb.PriceSource(source="feed", open="1", close="2", start_ms=OPEN_MS)
    order = pb.Order(
        order_uuid="o1", type=pb.SIDE_LONG, leverage="0.1", price="1", processed_ms=OPEN_MS
    )
    order.price_sources.append(source)
    return pb.Position(
        hotkey="hk", position_uuid="p1", trade_pair="BTCUSD", side=pb.SIDE_LONG, open_ms=OPEN_MS,
        net_leverage="0.1", orders=[order],
    )  # fmt: skip


def place(position: pb.Position, at: str) -> Any:
    """The message inside a position that `at` speaks of."""
    if at == "position":
        return position
    order = position.orders[0]
    return order if at == "order" else order.price_sources[0]


PATHS = {"position": "position", "order": "position.orders[0]"}
PATHS["source"] = "position.orders[0].price_sources[0]"

# ------------------------------------------------------------------ every limit, at its edge

Row = tuple[str, str, object, bool]


def ids(at: str, name: str, length_max: int, *, needed: bool) -> list[Row]:
    bad = [" a", "a b", "a\t", "a\n", "\u00a0", "a\u2003b", "\x00", "\x7f", "\u200b", "\ufeff"]
    good = [
        "a",
        "../../x",
        "a/b",
        "a'b;--",
        "%s{0}",
        "é💶中",
        "-",
        "x" * length_max,
        "é" * length_max,
    ]
    return [
        *((at, name, text, True) for text in good if len(text) <= length_max),
        *((at, name, text, False) for text in [*bad, "x" * (length_max + 1)]),
        (at, name, "", not needed),
    ]


def times(at: str, name: str, first_ms: int = 0) -> list[Row]:
    good, bad = (first_ms, MS_MAX), (-1, first_ms - 1, MS_MAX + 1, 2**63 - 1, -(2**63))
    return [*((at, name, ms, True) for ms in good), *((at, name, ms, False) for ms in bad)]


def enums(at: str, name: str, most: int, least: int = 0) -> list[Row]:
    good, bad = range(least, most + 1), (least - 1, most + 1, -(2**31), 2**31 - 1)
    return [*((at, name, n, True) for n in good), *((at, name, n, False) for n in bad)]


def numbers(at: str, *names: str, signed: bool) -> list[Row]:
    good = ["", "0", "1", NINES, "0." + NINES, "1e400", "1e-400", "0.00", "-0"]
    bad = ["nan", "inf", "x", " 1", "1\n", "1\n2", NINES + "9", "1e401", "9e-401", "1_0", "٣"]
    return [
        row
        for name in names
        for row in (
            *((at, name, text, True) for text in good),
            *((at, name, text, False) for text in bad),
            *((at, name, text, signed) for text in ("-1", "-" + NINES, "-1e400", "-0.001")),
        )
    ]


def extras(at: str) -> list[Row]:
    most = EXTRA_MAX_BYTES
    good = ["", "{}", '{"a": [1, {"b": null}]}', '{"a": "é"}', _filled("x", most), _nested(60)]
    bad = ["[]", "1", "null", '"a"', "{", '{"a"}', "{} {}", '{"a": NaN}', "{'a': 1}", "\ufeff{}"]
    bad += [_filled("x", most + 1), _filled("é", most + 1), _nested(100_000), "[" * 100_000]
    return [
        *((at, "extra", text, True) for text in good),
        *((at, "extra", text, False) for text in bad),
    ]


def _filled(letter: str, size: int) -> str:
    """A JSON object that is so many bytes long."""
    frame = '{"a":""}'
    count, rest = divmod(size - len(frame), len(letter.encode()))
    return f'{{"a":"{letter * count}{"x" * rest}"}}'


def _nested(depth: int) -> str:
    return '{"a":' * depth + "{}" + "}" * depth


SIGNED = (*shape._POSITION_SIGNED, "realized_pnl")  # that of a leg may have more digits
LIMITS: list[Row] = [
    *ids("position", "hotkey", 128, needed=True),
    *ids("position", "position_uuid", 256, needed=True),
    *ids("position", "trade_pair", 32, needed=True),
    *ids("position", "campaign_id", 256, needed=False),
    *ids("position", "signal_id", 256, needed=False),
    *ids("position", "timeframe", 16, needed=False),
    *ids("order", "order_uuid", 256, needed=True),
    ("source", "source", "any text: é\n" + "x" * 116, True),
    ("source", "source", "x" * 129, False),
    *times("position", "open_ms"),
    *times("position", "close_ms", OPEN_MS),
    *times("order", "processed_ms"),
    *enums("position", "side", 3),
    *enums("position", "pattern_type", 4),
    *enums("order", "type", 3, least=1),
    *enums("order", "execution_type", 4),
    *enums("order", "source", 10),
    *numbers("position", *SIGNED, signed=True),
    *numbers("position", "exit_price", signed=False),
    *numbers("order", *shape._ORDER_SIGNED, signed=True),
    *numbers("order", *shape._ORDER_UNSIGNED, signed=False),
    *numbers("source", *shape._SOURCE_UNSIGNED, signed=False),
    *extras("position"),
    *extras("order"),
    *extras("source"),
]


def label(value: object) -> str | None:
    return repr(value)[:24] if isinstance(value, str) else None


@pytest.mark.parametrize(("at", "name", "value", "is_right"), LIMITS, ids=label)
def test_a_limit_holds_at_its_edge(at: str, name: str, value: object, is_right: bool) -> None:
    """What is within a limit is taken; one step beyond it is refused, by the path of the field."""
    position = valid()
    field = place(position, at).DESCRIPTOR.fields_by_name[name]
    if name == "open_ms" and value == MS_MAX:
        position.close_ms = MS_MAX
    setattr(place(position, at), field.name, value)

    assert_judged(position, is_right, f"{PATHS[at]}.{name}")


def is_certain(position: pb.Position) -> bool:
    """What the quick look says."""
    return is_position_right(position, position.SerializeToString(), ORDERS_MAX)


def assert_not_misled(position: pb.Position) -> None:
    """What the judge refuses, the quick look is not certain of."""
    with contextlib.suppress(InvalidArgument):
        _judge_position(position, ORDERS_MAX, "position")
        return
    assert not is_certain(position)


def assert_judged(position: pb.Position, is_right: bool, field: str) -> None:
    if is_right:
        check_position(position, ORDERS_MAX)
        _judge_position(position, ORDERS_MAX, "position")
        return
    assert not is_certain(position), "the quick look lets nothing wrong by"
    with pytest.raises(InvalidArgument) as refused:
        check_position(position, ORDERS_MAX)
    assert refused.value.field == field
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize(("text", "is_right"), [("0.01", True), ("", True), ("0", False)])
def test_a_stop_loss_is_above_zero(text: str, is_right: bool) -> None:
    """A position's stop loss is > 0 or not given, as the contract says."""
    position = valid()
    position.stop_loss = text

    assert_judged(position, is_right, "position.stop_loss")


@pytest.mark.parametrize("name", shape._LEG)
@pytest.mark.parametrize(
    ("text", "is_right"),
    [("9999999999.99999999", True), ("10000000000", False), ("0.000000001", False), ("", True)],
)
def test_a_leg_has_narrower_numbers(name: str, text: str, is_right: bool) -> None:
    """Ten integer digits and eight decimals bind a leg; an ordinary position has no such limit."""
    position = valid()
    setattr(position, name, text)
    assert_judged(position, True, "")
    position.campaign_id = "c1"

    assert_judged(position, is_right, f"position.{name}")


def test_orders_are_counted() -> None:
    """As many orders as the setting says are taken, and not one more."""
    position = valid()
    position.orders.extend([position.orders[0]] * (ORDERS_MAX - 1))
    assert_judged(position, True, "")
    position.orders.append(position.orders[0])

    assert_judged(position, False, "position.orders")


def test_the_path_names_the_very_order_and_source() -> None:
    """A caller reads from the error which of many orders and sources is wrong."""
    position = valid()
    position.orders.extend([position.orders[0]] * 2)
    position.orders[2].price_sources.add(bid="x")

    assert_judged(position, False, "position.orders[2].price_sources[1].bid")


SMALL: list[tuple[Callable[[], object], str]] = [
    (lambda: shape.check_request_id("x" * 129), "request_id"),
    (lambda: shape.check_request_id(" "), "request_id"),
    (lambda: shape.check_request_id("a\n"), "request_id"),
    (lambda: shape.expected_version(pb.DeleteRequest(expected_version=2**63)), "expected_version"),
    (
        lambda: shape.expected_version(pb.CloseLegRequest(expected_version=2**64 - 1)),
        "expected_version",
    ),
    (
        lambda: shape.expected_version(pb.SaveItem(expected_version=2**63), "items[3]."),
        "items[3].expected_version",
    ),
    (lambda: check_hotkey(""), "hotkey"),
    (lambda: check_uuid("x" * 257), "position_uuid"),
    (lambda: check_trade_pair("x" * 33), "trade_pair"),
    (lambda: shape.check_time(-1, "opened_after_ms"), "opened_after_ms"),
]


@pytest.mark.parametrize(("check", "field"), SMALL)
def test_each_small_check_names_its_field(check: Callable[[], object], field: str) -> None:
    """Each check outside of positions refuses one step over its edge, by name."""
    with pytest.raises(InvalidArgument) as refused:
        check()

    assert refused.value.field == field


def test_small_checks_take_what_is_at_the_edge() -> None:
    """A request id may be left out or be 128 long; the greatest version is 2^63 - 1."""
    shape.check_request_id("")
    shape.check_request_id("x" * 128)
    edge = 2**63 - 1
    assert shape.expected_version(pb.DeleteRequest(expected_version=edge)) == edge
    assert shape.expected_version(pb.DeleteRequest()) is None
    shape.check_time(MS_MAX, "opened_after_ms")


# ------------------------------------------------------------------ the quick look and the judge

VALUES: dict[tuple[str, str], list[object]] = {}
for _at, _name, _value, _ in LIMITS:
    if len(str(_value)) < 1000:
        VALUES.setdefault((_at, _name), []).append(_value)

tampering = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key]))
    ),
    max_size=4,
)
number_texts = st.from_regex(r"-?[0-9]{0,11}\.?[0-9]{0,29}", fullmatch=True)


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tampering, number_texts, number_texts, st.none() | st.integers(0, 2 * OPEN_MS))
def test_what_the_quick_look_lets_through_the_judge_finds_right(
    changes: list[tuple[tuple[str, str], object]], signed: str, unsigned: str, close: int | None
) -> None:
    """Certainly right means right; what the judge refuses, the quick look does not let through."""
    position = valid()
    if close is not None:
        position.close_ms = close
    position.realized_pnl, position.orders[0].price = signed, unsigned
    for (at, name), value in changes:
        setattr(place(position, at), name, value)

    assert_not_misled(position)


# Texts that look like what stands between fields: lengths, and tags of texts, numbers and times.
MISLEADING = "0123456789.-e\x00\x01\x02\x05\x06\x07\n\x10\x12\x1a\x22*2:BJRZbjrz\x7f"
misleading = st.text(MISLEADING, max_size=40) | st.builds(
    # a field that another text has in it, with a length that is right
    lambda tag, inner: f"1{tag}{chr(len(inner))}{inner}",
    st.sampled_from("\x1a\x22*2:BJRZbjr"),
    st.text("0123456789.", max_size=9),
)
TEXTS = [
    (at, field.name)
    for at in PATHS
    for field in place(valid(), at).DESCRIPTOR.fields
    if field.type == FieldDescriptor.TYPE_STRING
]


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(TEXTS), misleading), max_size=5))
def test_no_text_is_taken_for_fields(changes: list[tuple[tuple[str, str], str]]) -> None:
    """Bytes in one field that look like other fields, lengths and all, do not mislead the quick
    look: it lets nothing through that the judge refuses."""
    position = valid()
    for (at, name), text in changes:
        setattr(place(position, at), name, text)

    assert_not_misled(position)


@pytest.mark.parametrize(("at", "name"), [
    *(("position", name) for name in (*SIGNED, *shape._POSITION_UNSIGNED)),
    *(("order", name) for name in (*shape._ORDER_SIGNED, *shape._ORDER_UNSIGNED)),
    *(("source", name) for name in shape._SOURCE_UNSIGNED),
])  # fmt: skip
@pytest.mark.parametrize("text", [
    "", "1", "0.00012", "65000.25", "1e-05", "1.5e+16", "9" * 28, "9" * 5 + "." + "9" * 23,
    "0." + "9" * 28,
])  # fmt: skip
def test_usual_numbers_take_the_quick_way(at: str, name: str, text: str) -> None:
    """Each number of a position in each of the forms that senders write, signed where it may be."""
    position = valid()
    setattr(place(position, at), name, text)
    assert is_certain(position)
    if text and name in (*SIGNED, *shape._ORDER_SIGNED):
        setattr(place(position, at), name, f"-{text}")
        assert is_certain(position)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("length", range(40))
def test_each_form_of_a_number_is_as_long_as_its_length_says(length: int, signed: bool) -> None:
    """On this rests that the quick look never takes bytes of one field for another's."""
    for form in number_forms(length, signed=signed):
        for text in ("1" * 50, "-" + "1" * 50, "0." + "1" * 50, "-0." + "1" * 50, "1.5e-05"):
            found = re.match(form, text.encode())
            assert found is None or found.end() == length
    assert bool(number_forms(length, signed=signed)) == (length <= 30 + signed)


def test_what_is_no_number_is_looked_at_closely() -> None:
    """Two dots, a sign alone, one digit too many: there is something to say."""
    for text in ("1.2.3", ".", "-", "-.", "1-", "e-05", "9" * 29, "0." + "9" * 29, "1e400"):
        position = valid()
        position.realized_pnl = text
        assert not is_certain(position), text
        position = valid()
        position.orders[0].quantity = text
        assert not is_certain(position), text


def test_what_is_unknown_is_looked_at_closely() -> None:
    """Fields of a newer contract, wherever they stand."""
    newer = b"\xfa\x07\x01x"  # field 127
    assert not is_certain(pb.Position.FromString(valid().SerializeToString() + newer))
    order = pb.Order.FromString(valid().orders[0].SerializeToString() + newer)
    position = valid()
    position.orders[0].CopyFrom(order)
    assert not is_certain(position)


def test_usual_positions_take_the_quick_way() -> None:
    """An ordinary position, open or closed, is found right without a closer look."""
    position = valid()
    assert is_certain(position)
    position.close_ms = OPEN_MS
    position.extra = position.orders[0].extra = '{"a":1}'

    assert is_certain(position)
    position.stop_loss = "0"
    assert not is_certain(position)
