"""model <-> protobuf, error <-> gRPC status. Tables written out; no rules live here.

Encoding reports only what cannot be put on the wire at all (a float, a text that is no text);
what a server accepts is the server's to judge.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
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
from hotbook_shared.money import ONE, ZERO, from_text, from_text_or_none, to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.sealed import NOTHING, sealed
from hotbook_shared.sendable import check_order, check_position, extra_text

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

SIDE_NUMBER = {side: number for number, side in enumerate(SIDES)}
_EXECUTION_NUMBER = {kind: number for number, kind in enumerate(EXECUTION_TYPES)}
PATTERN_NUMBER = {pattern: number for number, pattern in enumerate(PATTERN_TYPES)}
ON_FLIP = {"close": pb.ON_FLIP_CLOSE, "reverse": pb.ON_FLIP_REVERSE}
ON_LIMIT = {"refuse": pb.ON_LIMIT_REFUSE, "close": pb.ON_LIMIT_CLOSE}
SOURCE_NUMBER = {source: number for number, source in enumerate(ORDER_SOURCES)}
DURABILITY_NUMBER = {
    Durability.FSYNC: pb.DURABILITY_FSYNC,
    Durability.RELAXED: pb.DURABILITY_RELAXED,
    Durability.MEMORY: pb.DURABILITY_MEMORY,
}


# ------------------------------------------------------------------ extra: one JSON object as text

_extra_decoder = msgspec.json.Decoder(dict[str, Any])


def extra_from(text: str) -> dict[str, Any]:
    return _extra_decoder.decode(text) if text else {}


def sealed_extra(text: str) -> Mapping[str, Any]:
    """That of a noun, which is immutable to its last list."""
    extra: Mapping[str, Any] = sealed(_extra_decoder.decode(text)) if text else NOTHING
    return extra


# ------------------------------------------------------------------ positions


# Encoding names no field, and writes nothing for what is not given: sendable.py says what is wrong.
_FAILURES = (InvalidArgument, LookupError, TypeError, ValueError, AttributeError, OverflowError)
_LOOKING = (TypeError, ValueError, AttributeError, OverflowError)


def position_to_wire(position: Position) -> pb.Position:
    """The message for a position. Raises InvalidArgument for what the wire cannot carry."""
    try:
        return _position_to_wire(position)
    except _FAILURES as error:
        with contextlib.suppress(*_LOOKING):
            check_position(position)
        raise InvalidArgument(f"this is not a position that can be sent: {error}") from None


def _text(number: Decimal | None) -> str | None:
    """The wire's form of a number; nothing to write where it is not given."""
    if type(number) is Decimal:
        return str(number)
    return None if number is None else to_text(number)


def _position_to_wire(p: Position) -> pb.Position:
    return pb.Position(
        hotkey=p.hotkey,
        position_uuid=p.position_uuid,
        trade_pair=p.trade_pair,
        side=SIDE_NUMBER[p.side],  # type: ignore[arg-type]
        open_ms=model.epoch_ms(p.open_ms),
        close_ms=None if p.close_ms is None else model.epoch_ms(p.close_ms),
        orders=[_order_to_wire(order) for order in p.orders],
        account_size=_text(p.account_size),
        quantity=_text(p.quantity),
        net_quantity=_text(p.net_quantity),
        net_leverage=_text(p.net_leverage),
        net_value=_text(p.net_value),
        average_entry_price=_text(p.average_entry_price),
        cumulative_entry_value=_text(p.cumulative_entry_value),
        realized_pnl=_text(p.realized_pnl),
        unrealized_pnl=_text(p.unrealized_pnl),
        current_return=_text(p.current_return),
        return_at_close=_text(p.return_at_close),
        stop_loss=_text(p.stop_loss),
        exit_price=_text(p.exit_price),
        campaign_id=p.campaign_id or None,
        pattern_type=PATTERN_NUMBER[p.pattern_type],  # type: ignore[arg-type]
        signal_id=p.signal_id or None,
        timeframe=p.timeframe or None,
        extra=extra_text(p.extra) if p.extra else None,
    )


def _order_to_wire(o: Order) -> pb.Order:
    return pb.Order(
        order_uuid=o.order_uuid,
        type=SIDE_NUMBER[o.type],  # type: ignore[arg-type]
        leverage=_text(o.leverage),
        quantity=_text(o.quantity),
        value=_text(o.value),
        price=_text(o.price),
        bid=_text(o.bid),
        ask=_text(o.ask),
        slippage=_text(o.slippage),
        quote_usd_rate=_text(o.quote_usd_rate),
        usd_base_rate=_text(o.usd_base_rate),
        limit_price=_text(o.limit_price),
        stop_loss=_text(o.stop_loss),
        take_profit=_text(o.take_profit),
        execution_type=_EXECUTION_NUMBER[o.execution_type],  # type: ignore[arg-type]
        source=SOURCE_NUMBER[o.source],  # type: ignore[arg-type]
        processed_ms=model.epoch_ms(o.processed_ms),
        price_sources=[*map(_price_source_to_wire, o.price_sources)] if o.price_sources else None,
        extra=extra_text(o.extra) if o.extra else None,
    )


def _price_source_to_wire(s: PriceSource) -> pb.PriceSource:
    return pb.PriceSource(
        source=s.source,
        timespan_ms=s.timespan_ms,
        open=_text(s.open),
        close=_text(s.close),
        vwap=_text(s.vwap),
        high=_text(s.high),
        low=_text(s.low),
        start_ms=s.start_ms,
        websocket=s.websocket,
        lag_ms=s.lag_ms,
        bid=_text(s.bid),
        ask=_text(s.ask),
        extra=extra_text(s.extra) if s.extra else None,
    )


def write_fills(message: pb.Position, fills: Fills) -> None:
    """Writes what a position's orders amount to; of the orders themselves the clipped one."""
    message.side = SIDE_NUMBER[fills.side]  # type: ignore[assignment]
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
        extra=sealed_extra(m.extra),
    )


# Of an order as much as there is in one go: each reading costs, whatever it reads.
_read_order = attrgetter(
    "order_uuid", "type", "leverage", "quantity", "value", "price", "bid", "ask", "slippage",
    "quote_usd_rate", "usd_base_rate", "limit_price", "stop_loss", "take_profit", "execution_type",
    "source", "processed_ms", "price_sources", "extra",
)  # fmt: skip


def _order_from_wire(m: pb.Order) -> Order:
    (
        uuid, kind, leverage, quantity, value, price, bid, ask, slippage,
        quote_usd_rate, usd_base_rate, limit_price, stop_loss, take_profit, execution_type,
        source, processed_ms, price_sources, extra,
    ) = _read_order(m)  # fmt: skip
    side = _known(SIDES, kind, "type")
    if side is None:
        raise LookupError("an order has no type")
    return Order(
        order_uuid=uuid,
        type=side,
        leverage=Decimal(leverage) if leverage else None,
        quantity=Decimal(quantity) if quantity else None,
        value=Decimal(value) if value else None,
        price=Decimal(price) if price else ZERO,
        bid=Decimal(bid) if bid else ZERO,
        ask=Decimal(ask) if ask else ZERO,
        slippage=Decimal(slippage) if slippage else ZERO,
        quote_usd_rate=Decimal(quote_usd_rate) if quote_usd_rate else ZERO,
        usd_base_rate=Decimal(usd_base_rate) if usd_base_rate else ZERO,
        limit_price=Decimal(limit_price) if limit_price else None,
        stop_loss=Decimal(stop_loss) if stop_loss else None,
        take_profit=Decimal(take_profit) if take_profit else None,
        execution_type=_known(EXECUTION_TYPES, execution_type, "execution_type"),
        source=_known(ORDER_SOURCES, source, "source"),
        processed_ms=processed_ms,
        price_sources=tuple(map(_price_source_from_wire, price_sources)) if price_sources else (),
        extra=sealed_extra(extra),
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
        extra=sealed_extra(m.extra),
    )


def order_to_wire(order: Order) -> pb.Order:
    """The message for an order. Raises InvalidArgument for what the wire cannot carry."""
    try:
        return _order_to_wire(order)
    except _FAILURES as error:
        with contextlib.suppress(*_LOOKING):
            check_order(order, "order")
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
