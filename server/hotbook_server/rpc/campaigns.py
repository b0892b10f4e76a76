"""The Campaigns service: check the shape, ask the engine or the book, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from hotbook_server.archive import Look
from hotbook_server.commands import (
    AddLeg,
    AddPattern,
    AddPatterns,
    CampaignDone,
    CloseLeg,
    Command,
    CreateCampaign,
    DeleteCampaign,
    DeleteDone,
    LegDone,
    PatternDone,
    PatternsDone,
    RefusedOutcome,
    Transition,
)
from hotbook_server.config import Settings
from hotbook_server.frames import FRAME_BYTES
from hotbook_server.keeper import Keeper
from hotbook_server.requests import request_key
from hotbook_server.rpc import campaign_shape as shape
from hotbook_server.rpc.guard import Call
from hotbook_server.rpc.shape import check_request_id, check_time, expected_version
from hotbook_server.statistics import statistics_of
from hotbook_shared.book.campaigns import Campaigns
from hotbook_shared.book.legs import Legs
from hotbook_shared.campaign_wire import STATE_NUMBER, statistics_to_wire, totals_to_wire
from hotbook_shared.errors import HotbookError, NotFound
from hotbook_shared.names import check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import LIVE_STATES, CampaignRecord, Record
from hotbook_shared.wire import DURABILITY_NUMBER

ALL_STATES = tuple(STATE_NUMBER.values())
YIELD_EVERY = 250  # patterns of a message between two turns of the loop
LOOKED_AT_MOST = 20_000
"""Campaigns that one page looks at, where a filter has no index of its own."""


class CampaignsService:
    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        self._settings = settings
        self._keeper = keeper
        self._durability = DURABILITY_NUMBER[settings.durability]

    # ---------------------------------------------------------------- patterns

    async def add_pattern(self, request: pb.AddPatternRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        outcome = await self._submit(_add_of(request, ""), request.request_id, call)
        assert isinstance(outcome, PatternDone)
        return raw.AddPatternReply(
            revision=outcome.revision,
            campaign=outcome.campaign,
            created=outcome.created,
            repeated=outcome.repeated,
            durability=self._durability,
        ).SerializeToString()

    async def add_patterns(self, request: pb.AddPatternsRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_count(request.patterns, self._settings.items_max, "patterns")
        adds: list[AddPattern | RefusedOutcome] = []
        for number, one in enumerate(request.patterns):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)  # a large request does not keep readers waiting
            try:
                adds.append(_add_of(one, f"patterns[{number}]."))
            except HotbookError as refusal:
                adds.append(RefusedOutcome.of(refusal, self._keeper.book.revision))
        outcome = await self._submit(AddPatterns(tuple(adds)), request.request_id, call)
        assert isinstance(outcome, PatternsDone)
        reply = pb.AddPatternsReply(revision=outcome.revision, durability=self._durability)
        for number, done in enumerate(outcome.outcomes):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
            reply.outcomes.append(_pattern_outcome(done))
        return reply.SerializeToString()

    # ---------------------------------------------------------------- campaigns

    async def create_campaign(self, request: pb.CreateCampaignRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        campaign = shape.campaign_of(request).SerializeToString()
        return await self._changed(CreateCampaign(campaign), request.request_id, call)

    async def transition_campaign(self, request: pb.TransitionCampaignRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        shape.check_state(request.to, "to")
        ask = Transition(request.campaign_id, request.to, expected_version(request))
        return await self._changed(ask, request.request_id, call)

    async def complete_campaign(self, request: pb.CompleteCampaignRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        shape.check_price(request.exit_price, "exit_price", is_needed=False)
        shape.check_exit_reason(request.reason)
        check_time(request.at_ms, "at_ms")
        ask = Transition(
            request.campaign_id,
            pb.CAMPAIGN_COMPLETED,
            expected_version(request),
            request.at_ms,
            request.exit_price,
            request.reason,
        )
        return await self._changed(ask, request.request_id, call)

    async def fail_campaign(self, request: pb.FailCampaignRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        shape.check_text(request.reason, "reason")
        check_time(request.at_ms, "at_ms")
        ask = Transition(
            request.campaign_id,
            pb.CAMPAIGN_FAILED,
            expected_version(request),
            request.at_ms,
            failure_reason=request.reason,
        )
        return await self._changed(ask, request.request_id, call)

    async def delete_campaign(self, request: pb.DeleteCampaignRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        delete = DeleteCampaign(request.campaign_id, expected_version(request))
        outcome = await self._submit(delete, request.request_id, call)
        assert isinstance(outcome, DeleteDone)
        return pb.DeleteReply(
            revision=outcome.revision, existed=outcome.existed, durability=self._durability
        ).SerializeToString()

    async def get_campaign(self, request: pb.GetCampaignRequest, call: Call) -> bytes:  # noqa: ARG002
        shape.check_campaign_id(request.campaign_id)
        book = self._keeper.book
        record = book.campaigns.by_id.get(request.campaign_id)
        return raw.CampaignReply(
            revision=book.revision,
            campaign=None if record is None else record.wire,
            durability=self._durability,
        ).SerializeToString()

    async def list_campaigns(self, request: pb.ListCampaignsRequest, call: Call) -> bytes:  # noqa: ARG002
        shape.check_listing(request)
        size = shape.page_size_of(request.page_size, self._settings)
        after = shape.created_of(request.page_token)
        book = self._keeper.book
        found, token = campaigns_page(book.campaigns, request, size, after)
        return raw.ListCampaignsReply(
            revision=book.revision,
            campaigns=[record.wire for record in found],
            next_page_token=token,
        ).SerializeToString()

    async def campaign_statistics(
        self,
        request: pb.CampaignStatisticsRequest,
        call: Call,  # noqa: ARG002
    ) -> bytes:
        shape.check_part(request.hotkey, request.trade_pair)
        found = await statistics_of(self._keeper.book, request.hotkey, request.trade_pair)
        return statistics_to_wire(found).SerializeToString()

    # ---------------------------------------------------------------- legs

    async def add_leg(self, request: pb.AddLegRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        leg = shape.leg_of(request).SerializeToString()
        add = AddLeg(request.campaign_id, leg, expected_version(request))
        return self._leg_reply(await self._submit(add, request.request_id, call))

    async def close_leg(self, request: pb.CloseLegRequest, call: Call) -> bytes:
        check_request_id(request.request_id)
        shape.check_campaign_id(request.campaign_id)
        check_uuid(request.position_uuid)
        shape.check_price(request.exit_price, "exit_price")
        check_time(request.closed_ms, "closed_ms")
        close = CloseLeg(
            request.campaign_id,
            request.position_uuid,
            request.exit_price,
            request.closed_ms,
            expected_version(request),
        )
        return self._leg_reply(await self._submit(close, request.request_id, call))

    async def campaign_positions(
        self,
        request: pb.CampaignPositionsRequest,
        call: Call,  # noqa: ARG002
    ) -> bytes:
        shape.check_campaign_id(request.campaign_id)
        size = shape.page_size_of(request.page_size, self._settings)
        token = shape.leg_token_of(request.page_token)
        book = self._keeper.book
        campaign = book.campaigns.by_id.get(request.campaign_id)
        if campaign is None:
            raise NotFound(
                f"there is no campaign {request.campaign_id}", campaign_id=request.campaign_id
            )
        legs = book.campaigns.legs_of(campaign.campaign_id)
        mark = book.marks.by_pair.get(campaign.trade_pair)
        totals = totals_to_wire(legs.totals(campaign.campaign_id, mark))
        with_closed = request.include_closed or not request.HasField("include_closed")
        page = [*islice(legs_after(legs, token, with_closed=with_closed), size + 1)]
        revision = book.revision
        records = page[:size]
        wires = await self._keeper.archive.use_all(lambda look: _wires_of(records, look))
        return raw.CampaignPositionsReply(
            revision=revision,
            totals=totals,
            positions=wires,
            next_page_token=leg_token(records[len(wires) - 1]) if len(wires) < len(page) else "",
            campaign_version=campaign.version,
        ).SerializeToString()

    # ---------------------------------------------------------------- parts

    async def _changed(self, command: Command, request_id: str, call: Call) -> bytes:
        outcome = await self._submit(command, request_id, call)
        assert isinstance(outcome, CampaignDone)
        return raw.CampaignReply(
            revision=outcome.revision, campaign=outcome.campaign, durability=self._durability
        ).SerializeToString()

    def _leg_reply(self, outcome: object) -> bytes:
        assert isinstance(outcome, LegDone)
        return raw.LegReply(
            revision=outcome.revision,
            leg=outcome.leg,
            campaign_version=outcome.campaign_version,
            totals=pb.CampaignTotals.FromString(outcome.totals),
            durability=self._durability,
        ).SerializeToString()

    async def _submit(self, command: Command, request_id: str, call: Call) -> object:
        return await self._keeper.submit(
            command,
            request_key(request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )


def campaigns_page(
    campaigns: Campaigns, request: pb.ListCampaignsRequest, size: int, after: int
) -> tuple[list[CampaignRecord], str]:
    """A page, and the token of the next one. Live ones of a hotkey are few: they are one page, the
    last touched first."""
    pair, states = request.trade_pair, frozenset(request.states or ALL_STATES)
    if request.live_only:
        states &= frozenset(LIVE_STATES)
        if request.hotkey:
            live = campaigns.live_of_hotkey(request.hotkey)
            return [r for r in live if r.state in states and (not pair or r.trade_pair == pair)], ""
    if not states:
        return [], ""
    found: list[CampaignRecord] = []
    room_bytes = FRAME_BYTES
    # Of a hotkey's all are looked at here, whatever their state, so that they are counted.
    listed = campaigns.listed(() if request.hotkey else states, request.hotkey, after)
    for looked_at, record in enumerate(listed):
        if len(found) == size or room_bytes <= 0 or looked_at == LOOKED_AT_MOST:
            return found, str(after)
        after = record.created
        if record.state in states and (not pair or record.trade_pair == pair):
            found.append(record)
            room_bytes -= len(record.wire)
    return found, ""


def legs_after(
    legs: Legs, token: tuple[bool, int, str] | None, *, with_closed: bool
) -> Iterator[Record]:
    """The open legs, then the closed ones, each by open time, from after the one of a token."""
    was_open, *key = token or (True, -1, "")
    if was_open:
        yield from legs.open.after(tuple(key))
    if with_closed:
        yield from legs.closed.after((-1, "") if was_open else tuple(key))


def _wires_of(records: list[Record], look: Look) -> list[bytes]:
    """As many, from the first on, as a page has room for; one at least."""
    wires: list[bytes] = []
    room_bytes = FRAME_BYTES
    for record in records:
        if room_bytes <= 0:
            break
        wires.append(look(record))
        room_bytes -= len(wires[-1])
    return wires


def leg_token(record: Record) -> str:
    return f"{'o' if record.is_open else 'c'}{record.open_ms} {record.position_uuid}"


def _add_of(request: pb.AddPatternRequest, at: str) -> AddPattern:
    shape.check_pattern_request(request, at)
    return AddPattern(
        request.hotkey,
        request.trade_pair,
        request.range_id,
        request.timeframe,
        request.pattern.SerializeToString(),
        request.account_size,
        expected_version(request, at),
    )


def _pattern_outcome(outcome: PatternDone | RefusedOutcome) -> pb.PatternOutcome:
    if isinstance(outcome, RefusedOutcome):
        refused = pb.Refusal(code=outcome.code, message=outcome.message, details=outcome.details)
        return pb.PatternOutcome(refused=refused)
    return pb.PatternOutcome(
        campaign_id=outcome.campaign_id,
        version=outcome.version,
        created=outcome.created,
        repeated=outcome.repeated,
    )
