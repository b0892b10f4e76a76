"""Terms: what the settings and the registry of trade pairs hold commands to."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hotbook_server.config import Settings
from hotbook_server.lru import Lru
from hotbook_shared.fills import Running
from hotbook_shared.pairs import Pairs, known_pairs, load_pairs
from hotbook_shared.record import Record

LATELY_MAX = 4_096
"""Positions of which is remembered what they amount to."""


class Lately:
    """What open positions amounted to when an order was last placed on them, by their digest.

    A memo: it saves decoding every order again for the next one, and can never be wrong, for what
    has a digest never changes.
    """

    def __init__(self) -> None:
        self._held: Lru[bytes, Running] = Lru(LATELY_MAX)

    def find(self, record: Record) -> Running | None:
        return self._held.get(record.digest)

    def keep(self, record: Record, running: Running) -> None:
        self._held.put(record.digest, running)


SHORT_TIMEFRAMES = frozenset({"", "1m", "5m", "15m", "1h"})
HOUR_MS = 3_600_000


class CampaignTerms(msgspec.Struct, frozen=True):
    """What holds for the campaigns of a timeframe."""

    window_ms: int
    gap_ms: int
    patterns_min: int
    expiry_ms: int
    live_max: int


class Risks(msgspec.Struct, frozen=True):
    """Shares of an account, and of a limit."""

    campaign: Decimal
    heat: Decimal


class Terms(msgspec.Struct, frozen=True):
    pairs: Pairs
    portfolio_leverage_max: Decimal
    position_orders_max: int
    order_cooldown_ms: int
    short: CampaignTerms
    long: CampaignTerms
    patterns_max: int
    risks: Risks
    volume_window: int
    expires_by_clock: bool
    """Whether campaigns fail by the engine's clock too, or by the time of events alone."""
    lately: Lately = msgspec.field(default_factory=Lately)

    def of_timeframe(self, timeframe: str) -> CampaignTerms:
        return self.short if timeframe in SHORT_TIMEFRAMES else self.long

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """Raises InvalidArgument where the file of trade pairs is none."""
        file = settings.pairs_file
        return cls(
            known_pairs() if file is None else load_pairs(file),
            settings.portfolio_leverage_max,
            settings.position_orders_max,
            settings.order_cooldown_ms,
            CampaignTerms(
                round(settings.campaign_window_hours * HOUR_MS),
                round(settings.campaign_gap_hours * HOUR_MS),
                settings.campaign_patterns_min,
                round(settings.campaign_expiry_hours * HOUR_MS),
                settings.campaigns_live_max,
            ),
            CampaignTerms(
                round(settings.campaign_long_window_hours * HOUR_MS),
                round(settings.campaign_long_gap_hours * HOUR_MS),
                settings.campaign_long_patterns_min,
                round(settings.campaign_long_expiry_hours * HOUR_MS),
                settings.campaigns_long_live_max,
            ),
            settings.campaign_patterns_max,
            Risks(settings.campaign_risk_percent / 100, settings.heat_percent / 100),
            settings.volume_window,
            settings.market_clock == "live",
        )
