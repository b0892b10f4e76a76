"""The nouns of campaigns: what groups a hotkey's positions, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from hotbook_shared.market import Mark
from hotbook_shared.model import Durability, Noun, PatternType, Position, utc
from hotbook_shared.money import ZERO


class CampaignState(StrEnum):
    FORMING = "FORMING"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

    @property
    def is_live(self) -> bool:
        """Whether patterns are filed into it."""
        return self in (CampaignState.FORMING, CampaignState.ACTIVE)

    @property
    def has_ended(self) -> bool:
        return self in (CampaignState.COMPLETED, CampaignState.FAILED)


MAY_FOLLOW: Mapping[CampaignState, tuple[CampaignState, ...]] = {
    CampaignState.FORMING: (CampaignState.ACTIVE, CampaignState.DORMANT, CampaignState.FAILED),
    CampaignState.ACTIVE: (CampaignState.COMPLETED, CampaignState.FAILED, CampaignState.DORMANT),
    CampaignState.DORMANT: (CampaignState.ACTIVE, CampaignState.FAILED, CampaignState.COMPLETED),
    CampaignState.COMPLETED: (),
    CampaignState.FAILED: (),
}
"""What a campaign may become: every other step is refused."""


class ExitReason(StrEnum):
    """Why a campaign was completed."""

    UNKNOWN = "UNKNOWN"
    TARGET_HIT = "TARGET_HIT"
    STOP_OUT = "STOP_OUT"
    TIME_EXIT = "TIME_EXIT"
    PHASE_E = "PHASE_E"
    MANUAL_EXIT = "MANUAL_EXIT"


class Pattern(Noun, frozen=True, kw_only=True):
    """What a detector saw. `at_ms` is the time of the event, not of the call."""

    signal_id: str
    type: PatternType
    at_ms: int
    price: Decimal
    support: Decimal | None = None
    resistance: Decimal | None = None
    volume_ratio: Decimal | None = None
    extra: Mapping[str, Any] = {}

    @property
    def at(self) -> datetime:
        return utc(self.at_ms)


class PatternFiling(Noun, frozen=True, kw_only=True):
    """A pattern, and where it belongs. `account_size` is that of a campaign that it begins,
    `expected_version` that of the campaign that it is filed into; 0: it must begin one."""

    hotkey: str
    trade_pair: str
    pattern: Pattern
    range_id: str | None = None
    timeframe: str | None = None
    account_size: Decimal | None = None
    expected_version: int | None = None


class Campaign(Noun, frozen=True, kw_only=True):
    """A plan of one hotkey on one trade pair: its patterns; its legs are positions.

    What is told in a FollowFrame has no patterns, but their count.
    """

    campaign_id: str
    hotkey: str
    trade_pair: str
    state: CampaignState
    started_ms: int
    deadline_ms: int
    last_activity_ms: int
    range_id: str | None = None
    phase: str | None = None
    timeframe: str | None = None
    last_pattern_ms: int | None = None
    patterns: tuple[Pattern, ...] = ()
    pattern_count: int = 0
    support: Decimal | None = None
    resistance: Decimal | None = None
    account_size: Decimal | None = None
    risk_limit: Decimal | None = None
    allocation: Decimal | None = None
    exit_price: Decimal | None = None
    ended_ms: int | None = None
    exit_reason: ExitReason = ExitReason.UNKNOWN
    failure_reason: str | None = None
    range_bar: int = 0
    """How many bars its pair had seen when its range last changed."""
    created: int = 0
    """The revision that made it."""
    version: int = 0
    revision: int = 0
    updated_ms: int = 0

    @property
    def started_at(self) -> datetime:
        return utc(self.started_ms)

    @property
    def deadline(self) -> datetime:
        return utc(self.deadline_ms)

    @property
    def ended_at(self) -> datetime | None:
        return None if self.ended_ms is None else utc(self.ended_ms)


class CampaignTotals(Noun, frozen=True, kw_only=True, omit_defaults=False):
    """What a campaign's legs amount to, each figure with 8 decimals.

    Shares, average entry and risk are of open legs. An open leg counts by the pair's mark, unless
    that is older than the leg, or there is none: then it stands at its entry.
    """

    campaign_id: str
    total_shares: Decimal = ZERO
    weighted_avg_entry: Decimal = ZERO
    total_risk: Decimal = ZERO
    total_pnl: Decimal = ZERO
    open_pnl: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    open_count: int = 0
    closed_count: int = 0
    mark: Decimal | None = None
    marked_ms: int | None = None


class CampaignPositions(Noun, frozen=True, kw_only=True):
    """A campaign's legs, the open ones first, each kind by open time; and what they amount to."""

    revision: int
    campaign_version: int
    totals: CampaignTotals
    positions: tuple[Position, ...]


class AddedPattern(Noun, frozen=True, kw_only=True):
    """Where a pattern was filed. `repeated`: it stood there already, and nothing changed."""

    campaign_id: str
    version: int
    created: bool = False
    repeated: bool = False
    campaign: Campaign | None = None
    """As it then stands, where one pattern alone was filed."""


class LegChanged(Noun, frozen=True, kw_only=True):
    """A leg that was added or closed, and its campaign's totals in the same revision."""

    revision: int
    leg: Position
    campaign_version: int
    totals: CampaignTotals
    durability: Durability


class CampaignStatistics(Noun, frozen=True, kw_only=True):
    """Counts and results. A result of exactly 0 is neither won nor lost: it is `even`."""

    revision: int
    total: int
    by_state: Mapping[str, int]
    by_exit_reason: Mapping[str, int]
    won: int
    lost: int
    even: int
    success_rate: Decimal
    """Completed, of all that have ended."""
    win_rate: Decimal
    """Won, of won and lost."""
    total_result: Decimal
    mean_result: Decimal
    median_result: Decimal
    best_result: Decimal
    worst_result: Decimal


class Alert(Noun, frozen=True, kw_only=True):
    """The risk of a campaign has come near its limit, or gone back from it; without a campaign_id
    that of all of a hotkey's."""

    revision: int
    hotkey: str
    level: str
    risk: Decimal
    limit: Decimal
    at_ms: int
    campaign_id: str | None = None


class CampaignUpdated(Noun, frozen=True, kw_only=True):
    """A campaign, without its patterns, and its totals."""

    campaign: Campaign
    totals: CampaignTotals


class CampaignNews(Noun, frozen=True, kw_only=True):
    """What a follower of campaigns is told at once."""

    revision: int
    is_reload: bool = False
    """Forget what you had: what follows, up to `is_last`, is everything as it stands."""
    campaigns: tuple[CampaignUpdated, ...] = ()
    removed: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    alerts: tuple[Alert, ...] = ()
    is_last: bool = True
    mark: str = ""
    """Of the revision: what stands for the whole history up to it."""
