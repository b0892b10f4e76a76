"""From our wire message to the original's JSON of one position: the opposite of `reading`.

The keys come in the order in which the original writes them, then those of ours that it passes
over, then what is in `extra`. No key of a user's `extra` ever takes the place of a field.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from hotbook.transfer.layout import EXTRA, MENDED, Level, Order, Position, PriceSource
from hotbook.transfer.reading import Corrupt, trade_pair_id
from hotbook_shared.model import TradePair
from hotbook_shared.pairs import known_pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import EXECUTION_TYPES, PATTERN_TYPES, SIDES

Extra = dict[str, Raw]
Mended = dict[str, tuple[Any, Any]]

_encode = msgspec.json.Encoder().encode
_extra_of = msgspec.json.Decoder(Extra).decode
_mended_of = msgspec.json.Decoder(Mended).decode
_is_json_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch

_NULL, _ZERO, _ONE = Raw(b"null"), Raw(b"0.0"), Raw(b"1.0")
_SIDES = tuple(side and str(side) for side in SIDES)
_EXECUTIONS = tuple(map(str, EXECUTION_TYPES))
_PATTERNS = tuple(kind and str(kind) for kind in PATTERN_TYPES)

_NO = ("", "0")  # zero is this field's default: our nouns write it out

_FREE = {"initial_entry_price"}
"""Fields that are read, but have no place on the wire: they come out of `extra`."""

_CRYPTO_FEE = 0.003


def write(position: pb.Position, open_close_ms: int | None = None) -> bytes:
    """The JSON of a position, in one line. `open_close_ms` is what an open one has as close_ms."""
    n = _number
    extra, mended = _apart(position.extra)
    close_ms = position.close_ms if position.HasField("close_ms") else None
    usual_ms = open_close_ms if close_ms is None else close_ms
    fields: dict[str, Any] = {
        "miner_hotkey": position.hotkey,
        "position_uuid": position.position_uuid,
        "open_ms": position.open_ms,
        "trade_pair": _trade_pair(position.trade_pair, extra),
        "orders": [_order(order) for order in position.orders],
        "current_return": n(position.current_return, _ONE),
        "close_ms": _as_it_was(mended, "close_ms", close_ms, usual_ms),
        "net_leverage": n(position.net_leverage, _ZERO),
        "net_value": n(position.net_value, _ZERO),
        "net_quantity": n(position.net_quantity, _ZERO),
        "return_at_close": n(position.return_at_close, _ONE),
        "average_entry_price": n(position.average_entry_price, _ZERO),
        "cumulative_entry_value": n(position.cumulative_entry_value, _ZERO),
        "account_size": n(position.account_size, _ZERO),
        "realized_pnl": n(position.realized_pnl, _ZERO),
        "unrealized_pnl": n(position.unrealized_pnl, _ZERO),
        "position_type": _SIDES[position.side],
        "is_closed_position": close_ms is not None,
        **_ours(position),
    }
    return _encode(_with_strangers(fields, extra, Position))


def _ours(position: pb.Position) -> dict[str, Any]:
    """What only hotbook knows of a position, where it has it."""
    fields: dict[str, Any] = {
        "quantity": _number(position.quantity, _NULL) if position.quantity not in _NO else None,
        "stop_loss": _number(position.stop_loss, _NULL) if position.stop_loss else None,
        "exit_price": _number(position.exit_price, _NULL) if position.exit_price else None,
        "campaign_id": position.campaign_id,
        "pattern_type": _PATTERNS[position.pattern_type],
        "signal_id": position.signal_id,
        "timeframe": position.timeframe,
    }
    return {name: value for name, value in fields.items() if value}


def _order(order: pb.Order) -> dict[str, Any]:
    n = _number
    extra, mended = _apart(order.extra)
    uuid = order.order_uuid
    fields: dict[str, Any] = {
        "order_type": _SIDES[order.type],
        "leverage": n(order.leverage, _NULL),
        "value": n(order.value, _NULL),
        "quantity": n(order.quantity, _NULL),
        "execution_type": _EXECUTIONS[order.execution_type],
        "limit_price": n(order.limit_price, _NULL),
        "stop_loss": n(order.stop_loss, _NULL),
        "take_profit": n(order.take_profit, _NULL),
        "price": n(order.price, _ZERO),
        "bid": n(order.bid, _ZERO),
        "ask": n(order.ask, _ZERO),
        "slippage": n(order.slippage, _ZERO),
        "quote_usd_rate": n(order.quote_usd_rate, _ZERO),
        "usd_base_rate": n(order.usd_base_rate, _ZERO),
        "processed_ms": order.processed_ms,
        "order_uuid": _as_it_was(mended, "order_uuid", uuid, uuid),
        "price_sources": [_price_source(source) for source in order.price_sources],
        "src": int(order.source),
    }
    return _with_strangers(fields, extra, Order)


def _price_source(source: pb.PriceSource) -> dict[str, Any]:
    n = _number
    extra, _ = _apart(source.extra)
    fields: dict[str, Any] = {
        "source": source.source,
        "timespan_ms": source.timespan_ms,
        "open": n(source.open, _NULL),
        "close": n(source.close, _NULL),
        "vwap": n(source.vwap, _NULL),
        "high": n(source.high, _NULL),
        "low": n(source.low, _NULL),
        "start_ms": source.start_ms,
        "websocket": source.websocket,
        "lag_ms": source.lag_ms,
        "bid": n(source.bid, _NULL),
        "ask": n(source.ask, _NULL),
    }
    return _with_strangers(fields, extra, PriceSource)


def _number(text: str, default: Raw) -> Raw:
    """The literal as it is, where JSON has such a literal."""
    if not text:
        return default
    return Raw(text if _is_json_number(text) else str(Decimal(text)))


def _apart(text: str) -> tuple[Extra, Mended]:
    """What stands in `extra`, and what is ours in it."""
    if not text:
        return {}, {}
    extra = _extra_of(text)
    try:
        mended = _mended_of(extra[MENDED])
    except (KeyError, msgspec.ValidationError):
        return extra, {}
    del extra[MENDED]
    return extra, mended


def _as_it_was(mended: Mended, field: str, now: Any, usual: Any) -> Any:
    """What stood in the JSON once, if the value is still the one that was made of it."""
    was, made = mended.get(field, (usual, now))
    return was if made == now else usual


def _with_strangers(fields: dict[str, Any], extra: Extra, level: type[Level]) -> dict[str, Any]:
    if not extra:
        return fields
    taken = {MENDED, *level.__struct_encode_fields__} - _FREE
    beside = {name: value for name, value in extra.items() if name in taken}
    fields.update((name, value) for name, value in extra.items() if name not in taken)
    if beside:
        fields[EXTRA] = beside
    return fields


def _trade_pair(trade_pair: str, extra: Extra) -> Any:
    """The list that was read with the position; else what is known of the pair."""
    try:
        if trade_pair_id(bytes(extra["trade_pair"])) == trade_pair:
            return extra.pop("trade_pair")
    except (KeyError, Corrupt):
        pass
    pair = known_pairs().of(trade_pair)
    fee = _CRYPTO_FEE if pair.category == "crypto" else 0.0
    bounds = (float(pair.leverage_min or 0), float(pair.leverage_max or 0))
    return [trade_pair, _name(pair), fee, *bounds]


def _name(pair: TradePair) -> str:
    """BASE/QUOTE, for what is traded as one."""
    is_two = pair.category in ("crypto", "forex")
    return f"{pair.trade_pair[:-3]}/{pair.trade_pair[-3:]}" if is_two else pair.trade_pair
