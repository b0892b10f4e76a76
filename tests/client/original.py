"""What a program of the original has of its own: classes, as far as its client meets them; JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

from pydantic import BaseModel, model_validator

from tests.make import CLOSE_MS, OPEN_MS


class RPCConnectionMode(Enum):
    LOCAL = 0
    RPC = 1


class OrderType(Enum):
    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


class ExecutionType(Enum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"


class OrderSource(IntEnum):
    ORGANIC = 0
    ELIMINATION_FLAT = 1


class TradePair(Enum):
    BTCUSD = ["BTCUSD", "BTC/USD", 0.001, 0.01, 0.5, "crypto"]  # noqa: RUF012 - so it is there
    EURUSD = ["EURUSD", "EUR/USD", 0.00007, 0.1, 5, "forex"]  # noqa: RUF012

    @property
    def trade_pair_id(self) -> Any:
        return self.value[0]

    @property
    def trade_pair(self) -> Any:
        return self.value[1]

    @property
    def fees(self) -> Any:
        return self.value[2]

    @property
    def min_leverage(self) -> Any:
        return self.value[3]

    @property
    def max_leverage(self) -> Any:
        return self.value[4]


@dataclass
class PriceSource:
    source: str = ""
    close: float = 0.0
    start_ms: int = 0


class Order(BaseModel):
    trade_pair: TradePair
    order_type: OrderType
    leverage: float | None = None
    execution_type: ExecutionType = ExecutionType.MARKET
    price: float
    processed_ms: int
    order_uuid: str
    price_sources: list[PriceSource] = []
    src: int = OrderSource.ORGANIC


class Position(BaseModel):
    miner_hotkey: str
    position_uuid: str
    open_ms: int
    trade_pair: TradePair
    orders: list[Order] = []
    close_ms: int | None = None
    net_leverage: float = 0.0
    current_return: float = 1.0
    return_at_close: float = 1.0
    position_type: OrderType | None = None
    is_closed_position: bool = False

    @model_validator(mode="before")
    @classmethod
    def _stamp(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The position's trade pair, given as the JSON's list, is that of its orders too."""
        pair = values["trade_pair"]
        pair = pair if isinstance(pair, TradePair) else TradePair[pair[0]]
        orders = [
            order if isinstance(order, Order) else {**order, "trade_pair": pair}
            for order in values.get("orders", [])
        ]
        return {**values, "trade_pair": pair, "orders": orders}

    @property
    def is_open_position(self) -> bool:
        return not self.is_closed_position


def fields_of(hk: str, name: object = "a", **changed: Any) -> dict[str, Any]:
    """The original's JSON of an open position, as a dict."""
    buy = {"order_type": "LONG", "leverage": 0.1, "price": 64900.41, "processed_ms": OPEN_MS}
    fields: dict[str, Any] = {
        "miner_hotkey": hk,
        "position_uuid": f"{hk}-{name}",
        "open_ms": OPEN_MS,
        "trade_pair": ["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5],
        "orders": [{**buy, "order_uuid": f"{hk}-{name}-0"}],
        "net_leverage": 0.1,
        "position_type": "LONG",
        "is_closed_position": False,
    }
    return fields | changed


def closed_fields_of(hk: str, name: object = "a", **changed: Any) -> dict[str, Any]:
    how = {"close_ms": CLOSE_MS, "position_type": "FLAT", "is_closed_position": True}
    return fields_of(hk, name, **{**how, **changed})


def names(found: list[Any]) -> list[str]:
    return [each.position_uuid.rpartition("-")[2] for each in found]
