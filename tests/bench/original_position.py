"""A position as the original has it: a pydantic model of floats, made from JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from hotbook import Position


class OriginalOrder(BaseModel):
    order_uuid: str
    order_type: str
    leverage: float
    quantity: float
    value: float
    price: float
    bid: float = 0
    ask: float = 0
    slippage: float = 0
    quote_usd_rate: float = 0
    usd_base_rate: float = 0
    processed_ms: int
    execution_type: str = "MARKET"
    limit_price: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    price_sources: list[dict[str, float | str]] = []
    src: int = 0


class OriginalPosition(BaseModel):
    miner_hotkey: str
    position_uuid: str
    open_ms: int
    trade_pair: list[str | float]
    orders: list[OriginalOrder] = []
    current_return: float = 1
    close_ms: int | None = None
    net_leverage: float = 0
    net_value: float = 0
    net_quantity: float = 0
    return_at_close: float = 1
    average_entry_price: float = 0
    cumulative_entry_value: float = 0
    account_size: float = 0
    realized_pnl: float = 0
    unrealized_pnl: float = 0
    position_type: str | None = None
    is_closed_position: bool = False


def original_json(position: Position) -> dict[str, Any]:
    orders = [
        {
            "order_uuid": o.order_uuid,
            "order_type": o.type,
            "leverage": float(o.leverage or 0),
            "quantity": float(o.quantity or 0),
            "value": float(o.value or 0),
            "price": float(o.price),
            "bid": float(o.bid),
            "ask": float(o.ask),
            "slippage": float(o.slippage),
            "quote_usd_rate": float(o.quote_usd_rate),
            "usd_base_rate": float(o.usd_base_rate),
            "processed_ms": o.processed_ms,
            "execution_type": o.execution_type,
        }
        for o in position.orders
    ]
    return {
        "miner_hotkey": position.hotkey,
        "position_uuid": position.position_uuid,
        "open_ms": position.open_ms,
        "trade_pair": [position.trade_pair, "BTC/USD", 0.003, 0.01, 0.5],
        "orders": orders,
        "current_return": float(position.current_return),
        "close_ms": position.close_ms,
        "net_leverage": float(position.net_leverage),
        "net_value": float(position.net_value),
        "net_quantity": float(position.net_quantity),
        "return_at_close": float(position.return_at_close),
        "average_entry_price": float(position.average_entry_price),
        "cumulative_entry_value": float(position.cumulative_entry_value),
        "account_size": float(position.account_size),
        "realized_pnl": float(position.realized_pnl),
        "position_type": position.side,
        "is_closed_position": not position.is_open,
    }
