"""Which field of a position cannot be put on the wire, and why.

`wire.py` encodes without looking for what is wrong, for nearly always nothing is, and the path of
every field at hand costs more than the rest. It comes here when it has failed. Nothing is made
here: a check returns, or raises InvalidArgument with the field. What a server accepts is the
server's to judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import (
    ExecutionType,
    Order,
    OrderSource,
    PatternType,
    Position,
    PriceSource,
    Side,
    epoch_ms,
)
from hotbook_shared.money import to_text

_POSITION = (
    "account_size", "quantity", "net_quantity", "net_leverage", "net_value", "average_entry_price",
    "cumulative_entry_value", "realized_pnl", "unrealized_pnl", "current_return",
    "return_at_close", "stop_loss", "exit_price",
)  # fmt: skip
_ORDER = (
    "leverage", "quantity", "value", "price", "bid", "ask", "slippage", "quote_usd_rate",
    "usd_base_rate", "limit_price", "stop_loss", "take_profit",
)  # fmt: skip
_SOURCE = ("open", "close", "vwap", "high", "low", "bid", "ask")


def check_position(p: Position) -> None:
    if p.side is not None:
        _check_member(p.side, Side, "position.side")
    epoch_ms(p.open_ms, "position.open_ms")
    if p.close_ms is not None:
        epoch_ms(p.close_ms, "position.close_ms")
    for number, order in enumerate(p.orders):
        check_order(order, f"position.orders[{number}]")
    _check_numbers(p, _POSITION, "position")
    if p.pattern_type is not None:
        _check_member(p.pattern_type, PatternType, "position.pattern_type")
    extra_text(p.extra, "position.extra")


def check_order(o: Order, at: str) -> None:
    if o.type is not None:
        _check_member(o.type, Side, f"{at}.type")
    _check_numbers(o, _ORDER, at)
    _check_member(o.execution_type, ExecutionType, f"{at}.execution_type")
    _check_member(o.source, OrderSource, f"{at}.source")
    epoch_ms(o.processed_ms, f"{at}.processed_ms")
    for number, source in enumerate(o.price_sources):
        _check_price_source(source, f"{at}.price_sources[{number}]")
    extra_text(o.extra, f"{at}.extra")


def _check_price_source(s: PriceSource, at: str) -> None:
    _check_numbers(s, _SOURCE, at)
    extra_text(s.extra, f"{at}.extra")


def _check_numbers(noun: object, names: tuple[str, ...], at: str) -> None:
    for name in names:
        to_text(getattr(noun, name), f"{at}.{name}")


def _check_member(value: object, known: type[StrEnum], field: str) -> None:
    members = list(known)
    if value not in members:
        wanted = ", ".join(members)
        raise InvalidArgument(f"{field} must be one of {wanted}, not {value!r}", field=field)


def choice(table: Mapping[Any, int], value: object, field: str) -> Any:
    """The number on the wire of one of a few words."""
    try:
        return table[value]
    except (KeyError, TypeError):
        wanted = " or ".join(repr(str(name)) for name in table if name is not None)
        raise InvalidArgument(f"{field} must be {wanted}, not {value!r}", field=field) from None


def extra_text(extra: Mapping[str, Any], field: str = "extra") -> str:
    """The wire's form of an `extra`: one JSON object; the empty text where there is nothing."""
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
