"""The messages of /api/v1/live, and what each frame of news comes to in them.

Invariant: a number says what its reader has. Whoever was told it, and goes on from it, misses
nothing. So the messages of one frame keep the number before, and the last of them has the frame's
own; while everything is told anew, all but the very last message have 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hotbook_server.web.models import Campaign, CampaignTotals
from hotbook_server.web.words import (
    Asked,
    AskedCampaign,
    AskedHotkey,
    AskedPair,
    CampaignName,
    Count,
    HotkeyName,
    Number,
    PairName,
    Revision,
    Text,
    Time,
    Told,
)
from hotbook_shared.campaign import CampaignNews

NAMES_MAX = 1_000
"""Most names of a kind in one subscription."""


class LiveSubscription(Asked):
    """The first message, from the client. None of the three named: every campaign."""

    campaigns: tuple[AskedCampaign, ...] = Field((), max_length=NAMES_MAX)
    hotkeys: tuple[AskedHotkey, ...] = Field((), max_length=NAMES_MAX)
    trade_pairs: tuple[AskedPair, ...] = Field((), max_length=NAMES_MAX)
    from_number: int | None = Field(
        None,
        alias="from",
        ge=0,
        le=2**63 - 1,
        examples=[4711],
        description="The last number that was told; absent: everything comes first.",
    )


class Numbered(Told):
    number: Revision = Field(description="Give it back as `from`, to go on from here.")


class CampaignUpdated(Numbered):
    """A campaign, its legs or their mark have changed: its totals now, all of them."""

    type: Literal["campaign_updated"] = "campaign_updated"
    campaign_id: CampaignName
    campaign: Campaign
    totals: CampaignTotals


class CampaignRemoved(Numbered):
    type: Literal["campaign_removed"] = "campaign_removed"
    campaign_id: CampaignName


class MarkMoved(Numbered):
    """The price of a trade pair."""

    type: Literal["mark"] = "mark"
    trade_pair: PairName
    price: Number
    at: Time
    last_volume: Number | None
    bars: Count


class RiskAlert(Numbered):
    """The risk of a campaign, or of all of a hotkey's, has come near its limit, or gone back."""

    type: Literal["alert"] = "alert"
    hotkey: HotkeyName
    campaign_id: CampaignName | None
    level: Literal["NORMAL", "WARNING", "CRITICAL"]
    risk: Number
    limit: Number
    at: Time


class Reload(Numbered):
    """Forget what you had: everything as it stands follows, and then a number above 0."""

    type: Literal["reload"] = "reload"


class Heartbeat(Numbered):
    """Nothing more has happened up to this number."""

    type: Literal["heartbeat"] = "heartbeat"


class LiveError(Numbered):
    """Why the server closes the connection."""

    type: Literal["error"] = "error"
    code: Text
    message: Text
    details: dict[str, str] = Field(examples=[{"field": "hotkeys"}])


LiveMessage = Annotated[
    CampaignUpdated | CampaignRemoved | MarkMoved | RiskAlert | Reload | Heartbeat | LiveError,
    Field(discriminator="type"),
]


class Numbers:
    """What the reader of one connection may go on from."""

    def __init__(self, had: int | None) -> None:
        self.had = had or 0
        self._reloads = False

    def messages(self, news: CampaignNews) -> Iterator[Numbered]:
        """What a frame comes to. Each but the last has the number before; a heartbeat ends what
        would have no message of its own."""
        if news.is_reload and not self._reloads:
            self._reloads = True
            self.had = 0
            yield Reload(number=0)
        is_complete = news.is_last or not self._reloads
        waiting: Numbered | None = None
        for message in _messages(news, self.had):
            if waiting is not None:
                yield waiting
            waiting = message
        if is_complete:
            self._reloads = False
            self.had = news.revision
            ended = {"number": news.revision}
            waiting = waiting.model_copy(update=ended) if waiting else Heartbeat(number=self.had)
        if waiting is not None:
            yield waiting


def _messages(news: CampaignNews, number: int) -> Iterator[Numbered]:
    for one in news.campaigns:
        yield CampaignUpdated(
            number=number,
            campaign_id=one.campaign.campaign_id,
            campaign=Campaign.model_validate(one.campaign),
            totals=CampaignTotals.model_validate(one.totals),
        )
    for campaign_id in news.removed:
        yield CampaignRemoved(number=number, campaign_id=campaign_id)
    for mark in news.marks:
        yield MarkMoved(
            number=number,
            trade_pair=mark.trade_pair,
            price=mark.price,
            at=mark.at_ms,
            last_volume=mark.last_volume,
            bars=mark.bars,
        )
    for alert in news.alerts:
        yield RiskAlert(
            number=number,
            hotkey=alert.hotkey,
            campaign_id=alert.campaign_id,
            level=alert.level,  # type: ignore[arg-type]
            risk=alert.risk,
            limit=alert.limit,
            at=alert.at_ms,
        )
