"""What a request must look like, whatever the book holds. Raises InvalidArgument with the field.

Nothing here knows the book. What is certainly right is let through by a quick look at its bytes;
the rest is judged field by field, with the path of each at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from google.protobuf.message import DecodeError

from hotbook_server.rpc.extras import check_extra
from hotbook_server.rpc.quick_look import (
    PRICE_SOURCES_MAX,
    is_order_right,
    is_position_right,
    varint,
)
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import MS_MAX
from hotbook_shared.money import (
    DIGITS_MAX,
    LEG_RESULT_DIGITS_MAX,
    check_leg_number,
    check_number,
    from_text,
)
from hotbook_shared.names import (
    UUID_MAX,
    check_hotkey,
    check_id,
    check_trade_pair,
    check_uuid,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.wire import EXECUTION_TYPES, ORDER_SOURCES, PATTERN_TYPES, SIDES

REQUEST_ID_MAX = 128
TIMEFRAME_MAX = 16
SOURCE_NAME_MAX = 128
VERSION_MAX = 2**63 - 1

Expecting = (
    pb.SaveRequest
    | pb.SaveItem
    | pb.DeleteRequest
    | pb.AddPatternRequest
    | pb.TransitionCampaignRequest
    | pb.CompleteCampaignRequest
    | pb.FailCampaignRequest
    | pb.DeleteCampaignRequest
    | pb.AddLegRequest
    | pb.CloseLegRequest
)
"""What may name the version that it changes."""

_POSITION_SIGNED = (
    "account_size", "quantity", "net_quantity", "net_leverage", "net_value",
    "average_entry_price", "cumulative_entry_value", "unrealized_pnl", "current_return",
    "return_at_close",
)  # fmt: skip
_POSITION_UNSIGNED = ("stop_loss", "exit_price")
_LEG = ("quantity", "net_quantity", "average_entry_price", "stop_loss", "exit_price")
_ORDER_SIGNED = ("leverage", "quantity", "value", "slippage")
_ORDER_UNSIGNED = (
    "price", "bid", "ask", "quote_usd_rate", "usd_base_rate", "limit_price", "stop_loss",
    "take_profit",
)  # fmt: skip
_SOURCE_UNSIGNED = ("open", "close", "vwap", "high", "low", "bid", "ask")


def check_position(position: pb.Position, orders_max: int, at: str = "position") -> bytes:
    """A position, without what the server says of it. Returns its wire form."""
    wire = position.SerializeToString()
    if not is_position_right(position, wire, orders_max):
        _judge_position(position, orders_max, at)
    return wire


def check_hotkeys(hotkeys: Sequence[str], most: int) -> None:
    """Names of hotkeys in one request."""
    if len(hotkeys) > most:
        raise InvalidArgument(
            f"hotkeys has {len(hotkeys)} names; at most {most} are taken", field="hotkeys"
        )
    for number, hotkey in enumerate(hotkeys):
        check_hotkey(hotkey, f"hotkeys[{number}]")


def check_request_id(text: str) -> None:
    if text:
        check_id(text, "request_id", REQUEST_ID_MAX)


def check_time(ms: int, field: str) -> None:
    if not 0 <= ms <= MS_MAX:
        raise InvalidArgument(
            f"{field} must be epoch milliseconds, from 0 to the end of the year 9999: {ms}",
            field=field,
        )


def expected_version(request: Expecting, at: str = "") -> int | None:
    """The version that a change names; None: whatever stands. `at` is where it stands in a larger
    request."""
    if not request.HasField("expected_version"):
        return None
    version, field = request.expected_version, f"{at}expected_version"
    if version > VERSION_MAX:
        raise InvalidArgument(f"{field} is no version: {version}", field=field)
    return version


def check_order(order: pb.Order) -> bytes:
    """One order by itself: its shape, and that its signs say what its type says. Returns its wire
    form."""
    wire = order.SerializeToString()
    if not is_order_right(wire):
        _judge_order(order, "order")
    check_listable(_FIELD_7 + varint(len(wire)) + wire, "order")
    if order.slippage and abs(from_text(order.slippage)) > 1:
        raise InvalidArgument(
            f"order.slippage must be from -1 to 1: {order.slippage}", field="order.slippage"
        )
    if order.type == pb.SIDE_LONG:
        for name in ("leverage", "quantity", "value"):
            if getattr(order, name).startswith("-"):
                raise InvalidArgument(
                    f"order.{name} of a LONG must not be negative: {getattr(order, name)}",
                    field=f"order.{name}",
                )
    return wire


def check_listable(body: bytes, at: str) -> None:
    """Unknown fields may be nested so deep that they parse here, but no more in a listing."""
    inner = _FIELD_1 + varint(len(body)) + body
    try:
        raw.NestedHeader.FromString(_FIELD_1 + varint(len(inner)) + inner)
    except DecodeError:
        raise InvalidArgument(f"{at} is nested too deep", field=at) from None


# Tags of fields that hold bytes, by their number: the orders of a position are field 7.
_FIELD_1, _FIELD_7 = b"\x0a", b"\x3a"


def _judge_position(position: pb.Position, orders_max: int, at: str) -> None:
    check_hotkey(position.hotkey, f"{at}.hotkey")
    check_uuid(position.position_uuid, f"{at}.position_uuid")
    check_trade_pair(position.trade_pair, f"{at}.trade_pair")
    check_enum(position.side, SIDES, f"{at}.side")
    check_time(position.open_ms, f"{at}.open_ms")
    if position.HasField("close_ms"):
        check_time(position.close_ms, f"{at}.close_ms")
        if position.close_ms < position.open_ms:
            raise InvalidArgument(
                f"{at}.close_ms ({position.close_ms}) lies before open_ms ({position.open_ms})",
                field=f"{at}.close_ms",
            )
    _check_numbers(position, at, _POSITION_SIGNED, signed=True)
    _check_numbers(position, at, _POSITION_UNSIGNED, signed=False)
    digits_max = LEG_RESULT_DIGITS_MAX if position.campaign_id else DIGITS_MAX
    check_number(position.realized_pnl, f"{at}.realized_pnl", digits_max=digits_max)
    if position.stop_loss and not Decimal(position.stop_loss):
        raise InvalidArgument(f"{at}.stop_loss must be above 0", field=f"{at}.stop_loss")
    check_extra(position.extra, f"{at}.extra")
    _check_leg(position, at)
    if len(position.orders) > orders_max:
        raise InvalidArgument(
            f"{at}.orders has {len(position.orders)} orders; at most {orders_max} are taken",
            field=f"{at}.orders",
        )
    for number, order in enumerate(position.orders):
        _judge_order(order, f"{at}.orders[{number}]")


def _judge_order(order: pb.Order, at: str) -> None:
    check_id(order.order_uuid, f"{at}.order_uuid", UUID_MAX)
    if not order.type:
        raise InvalidArgument(f"{at}.type is missing: LONG, SHORT or FLAT", field=f"{at}.type")
    check_enum(order.type, SIDES, f"{at}.type")
    check_enum(order.execution_type, EXECUTION_TYPES, f"{at}.execution_type")
    check_enum(order.source, ORDER_SOURCES, f"{at}.source")
    check_time(order.processed_ms, f"{at}.processed_ms")
    _check_numbers(order, at, _ORDER_SIGNED, signed=True)
    _check_numbers(order, at, _ORDER_UNSIGNED, signed=False)
    check_extra(order.extra, f"{at}.extra")
    if len(order.price_sources) > PRICE_SOURCES_MAX:
        raise InvalidArgument(
            f"{at}.price_sources has {len(order.price_sources)} sources; at most "
            f"{PRICE_SOURCES_MAX} are taken",
            field=f"{at}.price_sources",
        )
    for number, source in enumerate(order.price_sources):
        _judge_price_source(source, f"{at}.price_sources[{number}]")


def _judge_price_source(source: pb.PriceSource, at: str) -> None:
    if len(source.source) > SOURCE_NAME_MAX:
        raise InvalidArgument(
            f"{at}.source is longer than {SOURCE_NAME_MAX} characters", field=f"{at}.source"
        )
    _check_numbers(source, at, _SOURCE_UNSIGNED, signed=False)
    check_extra(source.extra, f"{at}.extra")


def _check_leg(position: pb.Position, at: str) -> None:
    if position.campaign_id:
        check_id(position.campaign_id, f"{at}.campaign_id", UUID_MAX)
        for name in _LEG:
            check_leg_number(getattr(position, name), f"{at}.{name}")
    check_enum(position.pattern_type, PATTERN_TYPES, f"{at}.pattern_type")
    if position.signal_id:
        check_id(position.signal_id, f"{at}.signal_id", UUID_MAX)
    if position.timeframe:
        check_id(position.timeframe, f"{at}.timeframe", TIMEFRAME_MAX)


def _check_numbers(message: object, at: str, names: tuple[str, ...], *, signed: bool) -> None:
    for name in names:
        check_number(getattr(message, name), f"{at}.{name}", signed=signed)


def check_enum(number: int, known: Sequence[object], field: str) -> None:
    if not 0 <= number < len(known):
        raise InvalidArgument(f"{field} has the unknown value {number}", field=field)
