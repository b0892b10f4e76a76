"""A position file of the original system has a place for everything: in, through a server, out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import hotbook
from hotbook import (
    ExecutionType,
    Order,
    OrderSource,
    Position,
    PriceSource,
    Side,
)

FILE = json.loads("""{
 "miner_hotkey": "5EUTaAo7vCGxvLDWRXRrEuqctPjt9fKZmgkaeFZocWECUe9X",
 "position_uuid": "6955409a-031e-47df-8614-4488208497a6", "open_ms": 1734000000000,
 "trade_pair": ["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5],
 "orders": [{"order_type": "LONG", "leverage": 0.1, "value": 10000.0,
   "quantity": 0.1540822315298162, "execution_type": "MARKET", "limit_price": null,
   "stop_loss": null, "take_profit": null, "price": 64900.41, "bid": 0.0, "ask": 0.0,
   "slippage": 0.0, "quote_usd_rate": 1.0, "usd_base_rate": 1.540822315298162e-05,
   "processed_ms": 1734000000000, "order_uuid": "6955409a", "price_sources": [
     {"source": "Polygon_ws", "timespan_ms": 1000, "open": 64900.41, "close": 64901.2,
      "vwap": 64900.9, "high": 64905.0, "low": 64890.1, "start_ms": 1734000000000,
      "websocket": true, "lag_ms": 132, "bid": 64900.1, "ask": 64901.3}], "src": 0}],
 "current_return": 1.0, "close_ms": null, "net_leverage": 0.1, "net_value": 10000.0,
 "net_quantity": 0.1540822315298162, "return_at_close": 0.9999,
 "average_entry_price": 64900.41, "cumulative_entry_value": 10000.0, "account_size": 100000.0,
 "realized_pnl": 0.0, "unrealized_pnl": 0.0, "position_type": "LONG",
 "is_closed_position": false, "initial_entry_price": 64900.41}""")

FIGURES = ("current_return", "net_leverage", "net_value", "net_quantity", "return_at_close",
           "average_entry_price", "cumulative_entry_value", "account_size", "realized_pnl",
           "unrealized_pnl")  # fmt: skip
ORDER_FIGURES = ("leverage", "value", "quantity", "limit_price", "stop_loss", "take_profit",
                 "price", "bid", "ask", "slippage", "quote_usd_rate", "usd_base_rate")  # fmt: skip
QUOTES = ("open", "close", "vwap", "high", "low", "bid", "ask")


def number(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def as_float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def source_in(file: dict[str, Any]) -> PriceSource:
    fields: dict[str, Any] = {k: number(v) if k in QUOTES else v for k, v in file.items()}
    return PriceSource(**fields)


def order_in(file: dict[str, Any]) -> Order:
    return Order(
        order_uuid=file["order_uuid"],
        type=Side(file["order_type"]),
        processed_ms=file["processed_ms"],
        execution_type=ExecutionType(file["execution_type"]),
        source=list(OrderSource)[file["src"]],
        price_sources=tuple(map(source_in, file["price_sources"])),
        **{name: number(file[name]) for name in ORDER_FIGURES},  # type: ignore[arg-type]
    )


def position_in(file: dict[str, Any]) -> Position:
    return Position(
        hotkey=file["miner_hotkey"],
        position_uuid=file["position_uuid"],
        trade_pair=file["trade_pair"][0],
        open_ms=file["open_ms"],
        close_ms=file["close_ms"],
        side=Side(file["position_type"]),
        orders=tuple(map(order_in, file["orders"])),
        extra={
            "trade_pair": file["trade_pair"],
            "initial_entry_price": file["initial_entry_price"],
        },
        **{name: number(file[name]) for name in FIGURES},  # type: ignore[arg-type]
    )


def source_out(s: PriceSource) -> dict[str, Any]:
    names = s.__struct_fields__
    return {n: as_float(getattr(s, n)) if n in QUOTES else getattr(s, n) for n in names[:-1]}


def order_out(o: Order) -> dict[str, Any]:
    return {
        "order_type": str(o.type),
        "execution_type": str(o.execution_type),
        "processed_ms": o.processed_ms,
        "order_uuid": o.order_uuid,
        "price_sources": [source_out(source) for source in o.price_sources],
        "src": list(OrderSource).index(o.source),
        **{name: as_float(getattr(o, name)) for name in ORDER_FIGURES},
    }


def position_out(p: Position) -> dict[str, Any]:
    return {
        "miner_hotkey": p.hotkey,
        "position_uuid": p.position_uuid,
        "open_ms": p.open_ms,
        "close_ms": p.close_ms,
        "orders": [order_out(o) for o in p.orders],
        "position_type": str(p.side),
        "is_closed_position": not p.is_open,
        **{name: as_float(getattr(p, name)) for name in FIGURES},
        **p.extra,
    }


def test_nothing_of_a_file_is_lost(target: str) -> None:
    """Every field, and every float to the last bit, comes out as it went in."""
    with hotbook.connect(target) as book:
        book.save(position_in(FILE))
        book.reload()
        found = book.get(FILE["miner_hotkey"], FILE["position_uuid"])

    assert found is not None
    assert position_out(found) == FILE
