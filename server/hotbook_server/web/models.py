"""What REST and WebSocket tell of positions, campaigns and the market, as OpenAPI has it.

Each is made of the noun of the same name; the times are theirs, written out. Nothing here looks
anything up, and no figure is worked out.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hotbook_server.web.words import (
    CampaignName,
    Count,
    Duration,
    Extra,
    Flag,
    HotkeyName,
    Lag,
    Number,
    PairName,
    Revision,
    Text,
    Time,
    Told,
    UuidName,
)
from hotbook_shared.campaign import CampaignState, ExitReason
from hotbook_shared.market import VolumeLevel
from hotbook_shared.model import (
    Durability,
    ExecutionType,
    OrderSource,
    PatternType,
    Side,
)


def _at(name: str, **more: Any) -> Any:
    """A time: the noun has it in milliseconds."""
    return Field(validation_alias=name, **more)


class PriceSource(Told):
    """One quote or candle that an order's price was taken from."""

    source: Text
    timespan_ms: Duration
    open: Number | None
    close: Number | None
    vwap: Number | None
    high: Number | None
    low: Number | None
    started_at: Time = _at("start_ms")
    websocket: Flag
    lag_ms: Duration
    bid: Number | None
    ask: Number | None
    extra: Extra


class Order(Told):
    """One fill inside a position."""

    order_uuid: UuidName
    type: Side
    processed_at: Time = _at("processed_ms")
    leverage: Number | None
    quantity: Number | None
    value: Number | None
    price: Number
    bid: Number
    ask: Number
    slippage: Number
    quote_usd_rate: Number
    usd_base_rate: Number
    limit_price: Number | None
    stop_loss: Number | None
    take_profit: Number | None
    execution_type: ExecutionType
    source: OrderSource
    price_sources: tuple[PriceSource, ...]
    extra: Extra


class Position(Told):
    """One holding of one hotkey in one trade pair; with a campaign_id it is a campaign's leg."""

    hotkey: HotkeyName
    position_uuid: UuidName
    trade_pair: PairName
    is_open: Flag
    side: Side | None
    opened_at: Time = _at("open_ms")
    closed_at: Time | None = _at("close_ms")
    orders: tuple[Order, ...]
    account_size: Number
    quantity: Number
    net_quantity: Number
    net_leverage: Number
    net_value: Number
    average_entry_price: Number
    cumulative_entry_value: Number
    realized_pnl: Number
    unrealized_pnl: Number
    current_return: Number
    return_at_close: Number
    stop_loss: Number | None
    exit_price: Number | None
    campaign_id: CampaignName | None
    pattern_type: PatternType | None
    signal_id: Text | None
    timeframe: Text | None
    version: Count
    revision: Revision
    updated_at: Time = _at("updated_ms")
    extra: Extra


class Pattern(Told):
    """What a detector saw."""

    signal_id: Text
    type: PatternType
    at: Time = _at("at_ms")
    price: Number
    support: Number | None
    resistance: Number | None
    volume_ratio: Number | None
    extra: Extra


class Campaign(Told):
    """A plan of one hotkey on one trade pair; its legs are positions."""

    campaign_id: CampaignName
    hotkey: HotkeyName
    trade_pair: PairName
    state: CampaignState
    range_id: Text | None
    phase: Text | None
    timeframe: Text | None
    started_at: Time = _at("started_ms")
    deadline: Time = _at("deadline_ms", description="FORMING and ACTIVE fail strictly after it.")
    last_activity_at: Time = _at("last_activity_ms")
    last_pattern_at: Time | None = _at("last_pattern_ms")
    pattern_count: Count
    support: Number | None
    resistance: Number | None
    account_size: Number | None
    risk_limit: Number | None
    allocation: Number | None
    exit_price: Number | None
    ended_at: Time | None = _at("ended_ms")
    exit_reason: ExitReason
    failure_reason: Text | None
    version: Count
    revision: Revision
    updated_at: Time = _at("updated_ms")


class CampaignInFull(Campaign):
    """A campaign with its patterns, in order of time."""

    patterns: tuple[Pattern, ...]


class CampaignTotals(Told):
    """What a campaign's legs amount to, each figure with 8 decimals.

    Shares, average entry and risk are of open legs. An open leg counts by the pair's mark, unless
    that is older than the leg, or there is none: then it stands at its entry.
    """

    campaign_id: CampaignName
    total_shares: Number
    weighted_avg_entry: Number
    total_risk: Number
    total_pnl: Number
    open_pnl: Number
    realized_pnl: Number
    open_count: Count
    closed_count: Count
    mark: Number | None
    marked_at: Time | None = _at("marked_ms")


class CampaignWithTotals(Told):
    campaign: Campaign
    totals: CampaignTotals


class CampaignStatistics(Told):
    """Counts and results. A result of exactly 0 is neither won nor lost: it is even."""

    revision: Revision
    total: Count
    by_state: dict[CampaignState, Count] = Field(examples=[{"ACTIVE": 2}])
    by_exit_reason: dict[ExitReason, Count] = Field(examples=[{"TARGET_HIT": 1}])
    won: Count
    lost: Count
    even: Count
    success_rate: Number = Field(description="Completed, of all that have ended.")
    win_rate: Number = Field(description="Won, of won and lost.")
    total_result: Number
    mean_result: Number
    median_result: Number
    best_result: Number
    worst_result: Number


class PairMarket(Told):
    """What is known of one trade pair."""

    trade_pair: PairName
    price: Number | None
    at: Time | None = _at("at_ms")
    age_ms: Duration | None = Field(description="By the server's clock.")
    is_fresh: Flag = Field(description="It has data at the current step.")
    average_volume: Number
    last_volume: Number | None
    bars: Count = Field(description="That the average is made of.")
    is_ready: Flag = Field(description="Those are as many as the window has.")
    volume_level: VolumeLevel


class HotkeyCounts(Told):
    hotkey: HotkeyName
    positions: Count
    open_positions: Count


# ------------------------------------------------------------------ answers


class CampaignAnswer(Told):
    revision: Revision
    campaign: CampaignInFull
    totals: CampaignTotals


class CampaignPage(Told):
    """In order of creation. A page may be shorter than asked; the last one has no token."""

    revision: Revision
    campaigns: tuple[CampaignWithTotals, ...]
    next_page_token: Text | None


class CampaignPositions(Told):
    """A campaign's legs, the open ones first, each kind by open time; the totals are of all."""

    revision: Revision
    campaign_version: Count
    totals: CampaignTotals
    positions: tuple[Position, ...]
    page: Count
    page_count: Count
    position_count: Count


class PositionAnswer(Told):
    revision: Revision
    position: Position


class PositionPage(Told):
    """The closed ones by close time, then the open ones by open time; all pages of one revision."""

    revision: Revision
    positions: tuple[Position, ...]
    next_page_token: Text | None


class HotkeyPage(Told):
    """In alphabetical order."""

    revision: Revision
    hotkeys: tuple[HotkeyCounts, ...]
    next_page_token: Text | None


class MarketAnswer(Told):
    """Trade pairs at one revision and one generation of the market."""

    revision: Revision
    generation: Count
    step_at: Time = _at("step_ms")
    pairs: tuple[PairMarket, ...]


class PairAnswer(Told):
    revision: Revision
    generation: Count
    step_at: Time = _at("step_ms")
    pair: PairMarket


class StatusAnswer(Told):
    """What the server is, holds and does. Its settings are told by gRPC alone."""

    revision: Revision
    server_version: Text
    book_id: Text
    state: Text
    durability: Durability
    positions: Count
    open_positions: Count
    hotkeys: Count
    campaigns: Count
    live_campaigns: Count
    marks: Count
    quarantined: Count
    digest: Text
    now: Time = _at("now_ms")
    queue_depth: Count
    leader: Text | None = Field(description="The server that this one follows.")
    lag_ms: Lag = Field(description="How old its book may be, where it follows another.")


class Problem(Told):
    """Why a request was refused. Codes are stable; messages may be worded better at any time."""

    code: Text = Field(examples=["NOT_FOUND"])
    message: Text = Field(examples=["there is no campaign c-1"])
    details: dict[str, str] = Field(examples=[{"campaign_id": "c-1"}])
