"""model <-> protobuf, error <-> gRPC status. Tables written out; no rules live here.

Encoding reports only what cannot be put on the wire at all (a float, a text that is no text);
what a server accepts is the server's to judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hotbook_shared import errors, model
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.fills import FIGURES, Fills
from hotbook_shared.model import (
    Durability,
    ExecutionType,
    Order,
    OrderSource,
    PatternType,
    Position,
    PriceSource,
    Side,
)
from hotbook_shared.money import ONE, from_text, from_text_or_none, to_text
from hotbook_shared.pb import hotbook_pb2 as pb

_T = TypeVar("_T")

# ------------------------------------------------------------------ enums: the order is the number

NUMBERS = tuple(name for name in FIGURES if name != "side")

SIDES: tuple[Side | None, ...] = (None, Side.LONG, Side.SHORT, Side.FLAT)
_ORDER_TYPES = (Side.FLAT, *Side)  # 0 is never stored
EXECUTION_TYPES = (
    ExecutionType.MARKET,  # 0 is "not given", and read as MARKET
    ExecutionType.MARKET,
    ExecutionType.LIMIT,
    ExecutionType.BRACKET,
    ExecutionType.LIMIT_CANCEL,
)
PATTERN_TYPES: tuple[PatternType | None, ...] = (None, *PatternType)
ORDER_SOURCES = tuple(OrderSource)
DURABILITIES = (Durability.MEMORY, Durability.FSYNC, Durability.RELAXED, Durability.MEMORY)

_SIDE_NUMBER = {side: number for number, side in enumerate(SIDES)}
_EXECUTION_NUMBER = {kind: number for number, kind in enumerate(EXECUTION_TYPES)}
_PATTERN_NUMBER = {pattern: number for number, pattern in enumerate(PATTERN_TYPES)}
SOURCE_NUMBER = {source: number for number, source in enumerate(ORDER_SOURCES)}
DURABILITY_NUMBER = {
    Durability.FSYNC: pb.DURABILITY_FSYNC,
    Durability.RELAXED: pb.DURABILITY_RELAXED,
    Durability.MEMORY: pb.DURABILITY_MEMORY,
}


def _number(table: Mapping[Any, int], value: object, field: str) -> int:
    try:
        return table[value]
    except (KeyError, TypeError):
        wanted = ", ".join(str(key) for key in table if key is not None)
        raise InvalidArgument(
            f"{field} must be one of {wanted}, not {value!r}", field=field
        ) from None


# ------------------------------------------------------------------ extra: one JSON object as text

_extra_decoder = msgspec.json.Decoder(dict[str, Any])


def _extra_text(extra: Mapping[str, Any], field: str) -> str:
    if not extra:
        return ""
    try:
        text = msgspec.json.encode(extra).decode()
        if (
            "null" in text
        ):  # msgspec writes NaN and infinities as null: no JSON, and not what was meant
            json.dumps(extra, allow_nan=False, skipkeys=True, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{field} is not JSON: {error}", field=field) from None
    return text


def extra_from(text: str) -> dict[str, Any]:
    return _extra_decoder.decode(text) if text else {}


# ------------------------------------------------------------------ positions


def position_to_wire(position: Position) -> pb.Position:
    """The message for a position. Raises InvalidArgument for what the wire cannot carry."""
    try:
        return _position_to_wire(position)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(f"this is not a position that can be sent: {error}") from None


def _position_to_wire(p: Position) -> pb.Position:
    return pb.Position(
        hotkey=p.hotkey,
        position_uuid=p.position_uuid,
        trade_pair=p.trade_pair,
        side=_number(_SIDE_NUMBER, p.side, "position.side"),  # type: ignore[arg-type]
        open_ms=model.epoch_ms(p.open_ms, "position.open_ms"),
        close_ms=None if p.close_ms is None else model.epoch_ms(p.close_ms, "position.close_ms"),
        orders=[_order_to_wire(o, f"position.orders[{i}]") for i, o in enumerate(p.orders)],
        account_size=to_text(p.account_size, "position.account_size"),
        quantity=to_text(p.quantity, "position.quantity"),
        net_quantity=to_text(p.net_quantity, "position.net_quantity"),
        net_leverage=to_text(p.net_leverage, "position.net_leverage"),
        net_value=to_text(p.net_value, "position.net_value"),
        average_entry_price=to_text(p.average_entry_price, "position.average_entry_price"),
        cumulative_entry_value=to_text(p.cumulative_entry_value, "position.cumulative_entry_value"),
        realized_pnl=to_text(p.realized_pnl, "position.realized_pnl"),
        unrealized_pnl=to_text(p.unrealized_pnl, "position.unrealized_pnl"),
        current_return=to_text(p.current_return, "position.current_return"),
        return_at_close=to_text(p.return_at_close, "position.return_at_close"),
        stop_loss=to_text(p.stop_loss, "position.stop_loss"),
        exit_price=to_text(p.exit_price, "position.exit_price"),
        campaign_id=p.campaign_id or "",
        pattern_type=_number(_PATTERN_NUMBER, p.pattern_type, "position.pattern_type"),  # type: ignore[arg-type]
        signal_id=p.signal_id or "",
        timeframe=p.timeframe or "",
        extra=_extra_text(p.extra, "position.extra"),
    )


def _order_to_wire(o: Order, at: str) -> pb.Order:
    return pb.Order(
        order_uuid=o.order_uuid,
        type=_number(_SIDE_NUMBER, o.type, at + ".type"),  # type: ignore[arg-type]
        leverage=to_text(o.leverage, at + ".leverage"),
        quantity=to_text(o.quantity, at + ".quantity"),
        value=to_text(o.value, at + ".value"),
        price=to_text(o.price, at + ".price"),
        bid=to_text(o.bid, at + ".bid"),
        ask=to_text(o.ask, at + ".ask"),
        slippage=to_text(o.slippage, at + ".slippage"),
        quote_usd_rate=to_text(o.quote_usd_rate, at + ".quote_usd_rate"),
        usd_base_rate=to_text(o.usd_base_rate, at + ".usd_base_rate"),
        limit_price=to_text(o.limit_price, at + ".limit_price"),
        stop_loss=to_text(o.stop_loss, at + ".stop_loss"),
        take_profit=to_text(o.take_profit, at + ".take_profit"),
        execution_type=_number(_EXECUTION_NUMBER, o.execution_type, at + ".execution_type"),  # type: ignore[arg-type]
        source=_number(SOURCE_NUMBER, o.source, at + ".source"),  # type: ignore[arg-type]
        processed_ms=model.epoch_ms(o.processed_ms, at + ".processed_ms"),
        price_sources=[
            _price_source_to_wire(s, f"{at}.price_sources[{i}]")
            for i, s in enumerate(o.price_sources)
        ],
        extra=_extra_text(o.extra, at + ".extra"),
    )


def _price_source_to_wire(s: PriceSource, at: str) -> pb.PriceSource:
    return pb.PriceSource(
        source=s.source,
        timespan_ms=s.timespan_ms,
        open=to_text(s.open, at + ".open"),
        close=to_text(s.close, at + ".close"),
        vwap=to_text(s.vwap, at + ".vwap"),
        high=to_text(s.high, at + ".high"),
        low=to_text(s.low, at + ".low"),
        start_ms=s.start_ms,
        websocket=s.websocket,
        lag_ms=s.lag_ms,
        bid=to_text(s.bid, at + ".bid"),
        ask=to_text(s.ask, at + ".ask"),
        extra=_extra_text(s.extra, at + ".extra"),
    )


def write_fills(message: pb.Position, fills: Fills) -> None:
    """Writes what a position's orders amount to; of the orders themselves the clipped one."""
    message.side = _SIDE_NUMBER[fills.side]  # type: ignore[assignment]
    message.open_ms = fills.open_ms
    for name in NUMBERS:
        setattr(message, name, str(getattr(fills, name)))
    message.ClearField("close_ms")
    if fills.close_ms is not None and fills.closing is not None and fills.clipped is not None:
        message.close_ms = fills.close_ms
        write_sizes(message.orders[fills.closing], fills.clipped)


def write_sizes(message: pb.Order, order: Order) -> None:
    message.leverage = to_text(order.leverage)
    message.quantity = to_text(order.quantity)
    message.value = to_text(order.value)


def position_from_wire(m: pb.Position) -> Position:
    """The position of a message. Raises InternalError for what only a newer version knows."""
    try:
        return _position_from_wire(m)
    except (LookupError, ValueError, ArithmeticError, RecursionError) as error:
        raise errors.InternalError(
            f"position {m.position_uuid} cannot be read by this version: {error}",
            position_uuid=m.position_uuid,
        ) from error


def _known(table: Sequence[_T], number: int, field: str) -> _T:
    if not 0 <= number < len(table):
        raise LookupError(f"{field} has the unknown value {number}")
    return table[number]


def _position_from_wire(m: pb.Position) -> Position:
    return Position(
        hotkey=m.hotkey,
        position_uuid=m.position_uuid,
        trade_pair=m.trade_pair,
        side=_known(SIDES, m.side, "side"),
        open_ms=m.open_ms,
        close_ms=m.close_ms if m.HasField("close_ms") else None,
        orders=tuple([_order_from_wire(order) for order in m.orders]),
        account_size=from_text(m.account_size),
        quantity=from_text(m.quantity),
        net_quantity=from_text(m.net_quantity),
        net_leverage=from_text(m.net_leverage),
        net_value=from_text(m.net_value),
        average_entry_price=from_text(m.average_entry_price),
        cumulative_entry_value=from_text(m.cumulative_entry_value),
        realized_pnl=from_text(m.realized_pnl),
        unrealized_pnl=from_text(m.unrealized_pnl),
        current_return=from_text(m.current_return, ONE),
        return_at_close=from_text(m.return_at_close, ONE),
        stop_loss=from_text_or_none(m.stop_loss),
        exit_price=from_text_or_none(m.exit_price),
        campaign_id=m.campaign_id or None,
        pattern_type=_known(PATTERN_TYPES, m.pattern_type, "pattern_type"),
        signal_id=m.signal_id or None,
        timeframe=m.timeframe or None,
        version=m.version,
        revision=m.revision,
        updated_ms=m.updated_ms,
        extra=extra_from(m.extra),
    )


def _order_from_wire(m: pb.Order) -> Order:
    side = _known(SIDES, m.type, "type")
    if side is None:
        raise LookupError("an order has no type")
    return Order(
        order_uuid=m.order_uuid,
        type=side,
        leverage=from_text_or_none(m.leverage),
        quantity=from_text_or_none(m.quantity),
        value=from_text_or_none(m.value),
        price=from_text(m.price),
        bid=from_text(m.bid),
        ask=from_text(m.ask),
        slippage=from_text(m.slippage),
        quote_usd_rate=from_text(m.quote_usd_rate),
        usd_base_rate=from_text(m.usd_base_rate),
        limit_price=from_text_or_none(m.limit_price),
        stop_loss=from_text_or_none(m.stop_loss),
        take_profit=from_text_or_none(m.take_profit),
        execution_type=_known(EXECUTION_TYPES, m.execution_type, "execution_type"),
        source=_known(ORDER_SOURCES, m.source, "source"),
        processed_ms=m.processed_ms,
        price_sources=tuple([_price_source_from_wire(source) for source in m.price_sources]),
        extra=extra_from(m.extra),
    )


def _price_source_from_wire(m: pb.PriceSource) -> PriceSource:
    return PriceSource(
        source=m.source,
        timespan_ms=m.timespan_ms,
        open=from_text_or_none(m.open),
        close=from_text_or_none(m.close),
        vwap=from_text_or_none(m.vwap),
        high=from_text_or_none(m.high),
        low=from_text_or_none(m.low),
        start_ms=m.start_ms,
        websocket=m.websocket,
        lag_ms=m.lag_ms,
        bid=from_text_or_none(m.bid),
        ask=from_text_or_none(m.ask),
        extra=extra_from(m.extra),
    )


def order_to_wire(order: Order) -> pb.Order:
    """The message for an order. Raises InvalidArgument for what the wire cannot carry."""
    try:
        return _order_to_wire(order, "order")
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidArgument(f"this is not an order that can be sent: {error}") from None


def fill_from_wire(m: pb.Order) -> Order:
    """An order as fills look at it: its sizes, its price, its time; a third of the work."""
    return Order(
        order_uuid=m.order_uuid,
        type=_ORDER_TYPES[m.type],
        processed_ms=m.processed_ms,
        leverage=from_text_or_none(m.leverage),
        quantity=from_text_or_none(m.quantity),
        value=from_text_or_none(m.value),
        price=from_text(m.price),
        slippage=from_text(m.slippage),
        quote_usd_rate=from_text(m.quote_usd_rate),
        usd_base_rate=from_text(m.usd_base_rate),
    )
