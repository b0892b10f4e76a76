"""The original's layout of one position as types: today's schema, and those of old files.

Owns the names. Numbers are taken as literals, so that none is ever a float on its way. Fields that
the original does not write any more, or never did, have defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Raw

from hotbook_shared.model import MS_MAX
from hotbook_shared.wire import ORDER_SOURCES

EXTRA = "hotbook:extra"
"""What cannot stand among the original's fields, for its name is taken; in the JSON alone."""

MENDED = "hotbook:mended"
"""field -> [what stood in the JSON, what was made of it]; in our `extra` alone."""


Number: TypeAlias = Any  # the literal of a float, an int, or None: see the decoder in reading.py
Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MS_MAX)]
SideName: TypeAlias = Literal["LONG", "SHORT", "FLAT"]


class Level(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What the three levels share: a place for what they do not know."""

    extra: Raw = msgspec.field(default=Raw(), name=EXTRA)


class PriceSource(Level, gc=False, kw_only=True):
    source: str = ""
    timespan_ms: int = 0
    open: Number = None
    close: Number = None
    vwap: Number = None
    high: Number = None
    low: Number = None
    start_ms: int = 0
    websocket: bool = False
    lag_ms: int = 0
    bid: Number = None
    ask: Number = None


class Order(Level, gc=False, kw_only=True):
    order_type: SideName
    leverage: Number = None
    value: Number = None
    quantity: Number = None
    execution_type: Literal["MARKET", "LIMIT", "BRACKET", "LIMIT_CANCEL"] | None = None
    limit_price: Number = None
    stop_loss: Number = None
    take_profit: Number = None
    price: Number
    bid: Number = None
    ask: Number = None
    slippage: Number = None
    quote_usd_rate: Number = None
    usd_base_rate: Number = None
    processed_ms: Time
    order_uuid: str | int
    price_sources: list[PriceSource] = []
    src: Annotated[int, msgspec.Meta(ge=0, lt=len(ORDER_SOURCES))] = 0


class Position(Level, gc=False, kw_only=True):
    miner_hotkey: str
    position_uuid: str
    open_ms: Time
    trade_pair: Raw
    orders: list[Order] = []
    current_return: Number = None
    close_ms: Time | msgspec.UnsetType | None = msgspec.UNSET
    net_leverage: Number = None
    net_value: Number = None
    net_quantity: Number = None
    return_at_close: Number = None
    average_entry_price: Number = None
    cumulative_entry_value: Number = None
    account_size: Number = None
    realized_pnl: Number = None
    unrealized_pnl: Number = None
    position_type: SideName | None = None
    is_closed_position: bool = False
    initial_entry_price: Raw = Raw()  # of old files
    # Only positions that hotbook wrote have these: the original passes over them.
    quantity: Number = None
    stop_loss: Number = None
    exit_price: Number = None
    campaign_id: str | None = None
    pattern_type: Literal["SPRING", "AR", "SOS", "LPS"] | None = None
    signal_id: str | None = None
    timeframe: str | None = None
