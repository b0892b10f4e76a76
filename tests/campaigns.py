"""Campaigns for tests: a book that commands are decided against, and what to ask of it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from hotbook_server.archive import Archive
from hotbook_server.commands import (
    AddLeg,
    AddPattern,
    AnyOutcome,
    CloseLeg,
    Command,
    CreateCampaign,
    RefusedOutcome,
    Transition,
)
from hotbook_server.config import Settings, load_settings
from hotbook_server.draft import Draft
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.rpc import campaign_shape as shape
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.campaign import Campaign, CampaignTotals
from hotbook_shared.campaign_wire import campaign_from_wire
from hotbook_shared.errors import HotbookError
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, mark_record_from
from tests.make import NOW_MS

HOUR_MS = 3_600_000
KINDS = {
    "SPRING": pb.PATTERN_SPRING,
    "AR": pb.PATTERN_AR,
    "SOS": pb.PATTERN_SOS,
    "LPS": pb.PATTERN_LPS,
}


class Desk:
    """A book, the terms of a server, and a clock; every step leaves it without problems.

    Campaigns fail by events alone, unless `market_clock` is live.
    """

    def __init__(self, settings: Settings | None = None, **changed: Any) -> None:
        self.book = Book()
        changed = {"data_dir": "unused", "market_clock": "manual", **changed}
        self.terms = Terms.of(settings or load_settings(**changed))
        self.now_ms = NOW_MS

    def ask(self, command: Command) -> AnyOutcome:
        """A command, decided and applied. A refusal is raised, and has changed nothing."""
        before = self.book.digest, self.book.revision
        draft = Draft(self.book, self.now_ms, self.terms, Archive(MemoryJournal(), None))
        outcome = asyncio.run(draft.decide(command))
        assert list(self.book.problems()) == []
        if isinstance(outcome, RefusedOutcome):
            assert (self.book.digest, self.book.revision) == before
            raise outcome.as_error()
        return outcome

    def refusal(self, command: Command) -> HotbookError:
        try:
            outcome = self.ask(command)
        except HotbookError as refusal:
            return refusal
        raise AssertionError(f"not refused: {outcome}")

    def mark(self, trade_pair: str, price: str, at_ms: int | None = None, bars: int = 0) -> None:
        revision = self.book.revision + 1
        wire = pb.Mark(trade_pair=trade_pair, price=price, at_ms=at_ms or self.now_ms, bars=bars,
                       revision=revision)  # fmt: skip
        self.book.apply(Change.marked(mark_record_from(wire.SerializeToString())))

    def campaign(self, campaign_id: str) -> Campaign:
        record = self.book.campaigns.by_id[campaign_id]
        return campaign_from_wire(pb.Campaign.FromString(record.wire))

    def totals(self, campaign_id: str) -> CampaignTotals:
        pair = self.book.campaigns.by_id[campaign_id].trade_pair
        legs = self.book.campaigns.legs_of(campaign_id)
        return legs.totals(campaign_id, self.book.marks.by_pair.get(pair))


def pattern(
    signal: str,
    at_ms: int,
    kind: str = "SPRING",
    *,
    hotkey: str = "hk",
    trade_pair: str = "GBPUSD",
    range_id: str = "",
    timeframe: str = "",
    account_size: str = "",
    expected_version: int | None = None,
    **given: Any,
) -> AddPattern:
    request = pb.AddPatternRequest(
        hotkey=hotkey,
        trade_pair=trade_pair,
        range_id=range_id,
        timeframe=timeframe,
        account_size=account_size,
        pattern=pb.Pattern(
            signal_id=signal, type=KINDS[kind], at_ms=at_ms, **{"price": "1.25", **given}
        ),
    )
    shape.check_pattern_request(request, "")
    wire = request.pattern.SerializeToString()
    return AddPattern(hotkey, trade_pair, range_id, timeframe, wire, account_size, expected_version)


def create(campaign_id: str = "c1", **given: Any) -> CreateCampaign:
    request = pb.CreateCampaignRequest(
        **{"campaign_id": campaign_id, "hotkey": "hk", "trade_pair": "GBPUSD", **given}
    )
    return CreateCampaign(shape.campaign_of(request).SerializeToString())


def add_leg(
    uuid: str,
    entry: str,
    shares: str,
    stop: str,
    kind: str = "SPRING",
    *,
    campaign_id: str = "c1",
    side: str = "LONG",
    opened_ms: int = 0,
    expected_version: int | None = None,
) -> AddLeg:
    request = pb.AddLegRequest(
        campaign_id=campaign_id,
        position_uuid=uuid,
        pattern_type=KINDS[kind],
        side=pb.SIDE_LONG if side == "LONG" else pb.SIDE_SHORT,
        entry=entry,
        shares=shares,
        stop=stop,
        opened_ms=opened_ms,
    )
    return AddLeg(campaign_id, shape.leg_of(request).SerializeToString(), expected_version)


def close_leg(
    uuid: str, exit_price: str, closed_ms: int = 0, *, campaign_id: str = "c1",
    expected_version: int | None = None,
) -> CloseLeg:  # fmt: skip
    return CloseLeg(campaign_id, uuid, exit_price, closed_ms, expected_version)


def go_to(state: int, campaign_id: str = "c1", **asked: Any) -> Transition:
    return Transition(campaign_id, state, **asked)


def places(text: str) -> Decimal:
    """A figure as totals tell it."""
    return Decimal(text).quantize(Decimal("1.00000000"))
