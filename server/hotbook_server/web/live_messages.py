"""The messages of /api/v1/live, and what each frame of news comes to in them.

Invariant: a number says what its reader has. Whoever was told it, and goes on from it, misses
nothing. So of what happened at once all messages but the last keep the number before; and while
everything is told anew, all but the very last have 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

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
    """The first message, from the client. Each of the three that is named narrows what is followed;
    none of them: every campaign."""

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
    history: str = Field(
        "",
        max_length=64,
        examples=["5f1c0a"],
        description="What came with that number: shows that it is of this very history.",
    )


class Numbered(Told):
    """What every message has."""

    number: Revision = Field(description="Give it back as `from`, to go on from here.")
    history: Text = Field(description="Give it back with the number.", examples=["5f1c0a"])


class CampaignUpdated(Numbered):
    """A campaign, its legs or their mark have changed: its totals now, all of them."""

    type: Literal["campaign_updated"] = "campaign_updated"
    campaign_id: CampaignName
    campaign: Campaign
    totals: CampaignTotals


class CampaignRemoved(Numbered):
    type: Literal["campaign_removed"] = "campaign_removed"
    campaign_id: CampaignName


class Mark(Told):
    """The price of a trade pair."""

    trade_pair: PairName
    price: Number
    at: Time = Field(validation_alias="at_ms")
    last_volume: Number | None
    bars: Count = Field(description="With a volume, so far.")
    revision: Revision


class MarkMoved(Numbered):
    type: Literal["mark"] = "mark"
    mark: Mark


class Alert(Told):
    """The risk of a campaign has come near its limit, or gone back; without a campaign_id that of
    all of a hotkey's."""

    revision: Revision
    hotkey: HotkeyName
    campaign_id: CampaignName | None
    level: Literal["NORMAL", "WARNING", "CRITICAL"]
    risk: Number
    limit: Number = Field(description="0 with NORMAL: it has none any more.")
    at: Time = Field(validation_alias="at_ms")


class RiskAlert(Numbered):
    type: Literal["alert"] = "alert"
    alert: Alert


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

    def __init__(self, number: int = 0, history: str = "") -> None:
        self.number = number
        self.history = history

    def messages(self, news: CampaignNews) -> Iterator[Numbered]:
        """What a frame comes to, each message with what its reader has once it is read."""
        if news.is_reload:
            self.number, self.history = 0, ""
            yield Reload(number=0, history="")
        waiting: Numbered | None = None
        for message in self._messages(news):
            if waiting is not None:
                yield waiting
            waiting = message
        if news.is_last:
            self.number, self.history = news.revision, news.mark
            ended: dict[str, Any] = {"number": self.number, "history": self.history}
            waiting = waiting.model_copy(update=ended) if waiting else Heartbeat(**ended)
        if waiting is not None:
            yield waiting

    def _messages(self, news: CampaignNews) -> Iterator[Numbered]:
        has: dict[str, Any] = {"number": self.number, "history": self.history}
        for mark in news.marks:
            yield MarkMoved(**has, mark=Mark.model_validate(mark))
        for one in news.campaigns:
            yield CampaignUpdated(
                **has,
                campaign_id=one.campaign.campaign_id,
                campaign=Campaign.model_validate(one.campaign),
                totals=CampaignTotals.model_validate(one.totals),
            )
        for campaign_id in news.removed:
            yield CampaignRemoved(**has, campaign_id=campaign_id)
        for alert in news.alerts:
            yield RiskAlert(**has, alert=Alert.model_validate(alert))
