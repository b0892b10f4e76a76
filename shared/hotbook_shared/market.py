"""The nouns of the market: bars, marks, and what is known of a trade pair's volume."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from hotbook_shared.model import Noun, utc
from hotbook_shared.money import ZERO


class Bar(Noun, frozen=True, kw_only=True):
    """One bar of a trade pair; without a volume it moves the mark alone."""

    trade_pair: str
    at_ms: int
    close: Decimal
    volume: Decimal | None = None

    @property
    def at(self) -> datetime:
        return utc(self.at_ms)


class Mark(Noun, frozen=True, kw_only=True):
    """The latest price of a trade pair, and the volumes that its average is made of."""

    trade_pair: str
    price: Decimal
    at_ms: int
    bars: int = 0
    """With a volume, so far."""
    volumes: tuple[Decimal, ...] = ()
    volume_sum: Decimal = ZERO
    last_volume: Decimal | None = None
    revision: int = 0

    @property
    def at(self) -> datetime:
        return utc(self.at_ms)


class VolumeLevel(StrEnum):
    """How the newest volume compares with the average; UNKNOWN where that is not ready, or zero."""

    UNKNOWN = "UNKNOWN"
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"


class PairMarket(Noun, frozen=True, kw_only=True):
    """What is known of one trade pair."""

    trade_pair: str
    price: Decimal | None = None
    at_ms: int | None = None
    age_ms: int | None = None
    is_fresh: bool = False
    """It has data at the current step."""
    average_volume: Decimal = ZERO
    last_volume: Decimal | None = None
    bars: int = 0
    """That the average is made of."""
    is_ready: bool = False
    """Those are as many as the window has."""
    volume_level: VolumeLevel = VolumeLevel.UNKNOWN


class MarketView(Noun, frozen=True, kw_only=True):
    """Trade pairs at one revision and one generation."""

    revision: int
    generation: int
    step_ms: int
    pairs: tuple[PairMarket, ...]


class Generation(Noun, frozen=True, kw_only=True):
    """Which pairs have data at a step: one whole, never to change; hold it as long as you like."""

    generation: int
    step_ms: int
    fresh: frozenset[str]


class Pushed(Noun, frozen=True, kw_only=True):
    """What came of bars. `stale`: older than their pair's mark, and ignored."""

    revision: int
    accepted: int
    stale: int
