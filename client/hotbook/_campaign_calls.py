"""Each rpc of campaigns once: its request, and what its reply means. No IO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from hotbook import _feed_calls
from hotbook._calls import (
    CHUNK_BYTES,
    CHUNK_POSITIONS,
    Call,
    at_ms,
    built,
    iterate,
    request_id,
)
from hotbook._procedures import Procedure, batches, begun_anew, in_order
from hotbook_shared import campaign_wire, wire
from hotbook_shared.campaign import (
    AddedPattern,
    Campaign,
    CampaignNews,
    CampaignPositions,
    CampaignState,
    CampaignStatistics,
    CampaignTotals,
    ExitReason,
    LegChanged,
    Pattern,
    PatternFiling,
)
from hotbook_shared.errors import HotbookError, InvalidArgument, PageExpired
from hotbook_shared.model import PatternType, Position, Side
from hotbook_shared.money import to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.sendable import choice, extra_text

_PATTERNS = {p: n for p, n in campaign_wire.PATTERN_NUMBER.items() if p}
_LEG_SIDES = {Side.LONG: pb.SIDE_LONG, Side.SHORT: pb.SIDE_SHORT}


# ---------------------------------------------------------------- patterns


def add_pattern(filing: PatternFiling) -> Call[AddedPattern]:
    request = _filing(filing)
    request.request_id = request_id()
    return Call("AddPattern", request, campaign_wire.added_one_from_wire)


def add_patterns(filings: Iterable[PatternFiling]) -> Procedure[list[AddedPattern | HotbookError]]:
    """Any number in requests of a few hundred. All are made before the first is sent."""
    given = enumerate(iterate(filings, "patterns"))
    items = [_filing(filing, f"patterns[{number}]") for number, filing in given]
    answers = yield from in_order(map(_add_some, batches(items, CHUNK_POSITIONS, CHUNK_BYTES)))
    return [answer for some in answers for answer in some]


def _add_some(items: list[pb.AddPatternRequest]) -> Call[list[AddedPattern | HotbookError]]:
    def read(m: pb.AddPatternsReply) -> list[AddedPattern | HotbookError]:
        return [campaign_wire.added_from_wire(outcome) for outcome in m.outcomes]

    request = pb.AddPatternsRequest(patterns=items, request_id=request_id())
    return Call("AddPatterns", request, read)


def _filing(filing: PatternFiling, at: str = "") -> pb.AddPatternRequest:
    """`at` is where it stands among others."""
    if not isinstance(filing, PatternFiling):
        raise InvalidArgument(f"{at} is no PatternFiling: {filing!r:.80}", field=at)
    if not isinstance(filing.pattern, Pattern):
        raise InvalidArgument(f"{at}pattern is no Pattern: {filing.pattern!r:.80}", field="pattern")
    choice(_PATTERNS, filing.pattern.type, "pattern.type")
    return built(
        lambda: pb.AddPatternRequest(
            hotkey=filing.hotkey,
            trade_pair=filing.trade_pair,
            range_id=filing.range_id or "",
            timeframe=filing.timeframe or "",
            pattern=campaign_wire.pattern_to_wire(filing.pattern),
            account_size=to_text(filing.account_size, "account_size"),
            expected_version=filing.expected_version,
        )
    )


# ---------------------------------------------------------------- campaigns


def create_campaign(
    hotkey: str,
    trade_pair: str,
    *,
    campaign_id: str | None,
    range_id: str | None,
    timeframe: str | None,
    started: datetime | int | None,
    **figures: Decimal | None,
) -> Call[Campaign]:
    request = built(
        lambda: pb.CreateCampaignRequest(
            campaign_id=campaign_id or "",
            hotkey=hotkey,
            trade_pair=trade_pair,
            range_id=range_id or "",
            timeframe=timeframe or "",
            started_ms=at_ms(started, "started"),
            request_id=request_id(),
            **{name: to_text(figure, name) for name, figure in figures.items()},
        )
    )
    return Call("CreateCampaign", request, _campaign)


def get_campaign(campaign_id: str) -> Call[Campaign | None]:
    request = built(lambda: pb.GetCampaignRequest(campaign_id=campaign_id))

    def read(m: pb.CampaignReply) -> Campaign | None:
        return _campaign(m) if m.HasField("campaign") else None

    return Call("GetCampaign", request, read)


def transition_campaign(
    campaign_id: str, to: CampaignState, expected_version: int | None
) -> Call[Campaign]:
    request = built(
        lambda: pb.TransitionCampaignRequest(
            campaign_id=campaign_id,
            to=_state(to, "to"),
            request_id=request_id(),
            expected_version=expected_version,
        )
    )
    return Call("TransitionCampaign", request, _campaign)


def complete_campaign(
    campaign_id: str,
    exit_price: Decimal | None,
    reason: ExitReason,
    at: datetime | int | None,
    expected_version: int | None,
) -> Call[Campaign]:
    request = built(
        lambda: pb.CompleteCampaignRequest(
            campaign_id=campaign_id,
            exit_price=to_text(exit_price, "exit_price"),
            reason=choice(campaign_wire.EXIT_REASON_NUMBER, reason, "reason"),
            at_ms=at_ms(at),
            request_id=request_id(),
            expected_version=expected_version,
        )
    )
    return Call("CompleteCampaign", request, _campaign)


def fail_campaign(
    campaign_id: str, reason: str, at: datetime | int | None, expected_version: int | None
) -> Call[Campaign]:
    request = built(
        lambda: pb.FailCampaignRequest(
            campaign_id=campaign_id,
            reason=reason,
            at_ms=at_ms(at),
            request_id=request_id(),
            expected_version=expected_version,
        )
    )
    return Call("FailCampaign", request, _campaign)


def delete_campaign(campaign_id: str, expected_version: int | None) -> Call[bool]:
    request = built(
        lambda: pb.DeleteCampaignRequest(
            campaign_id=campaign_id, request_id=request_id(), expected_version=expected_version
        )
    )
    return Call("DeleteCampaign", request, lambda m: bool(m.existed))


def statistics(hotkey: str | None, trade_pair: str | None) -> Call[CampaignStatistics]:
    request = built(
        lambda: pb.CampaignStatisticsRequest(hotkey=hotkey or "", trade_pair=trade_pair or "")
    )
    return Call("CampaignStatistics", request, campaign_wire.statistics_from_wire)


def campaigns(
    states: CampaignState | Iterable[CampaignState],
    live: bool,
    hotkey: str | None,
    trade_pair: str | None,
) -> Procedure[list[Campaign]]:
    """Every page of a listing; begun anew where the server forgot it in between."""
    chosen = [states] if isinstance(states, str) else iterate(states, "states")
    wanted = [_state(state, "states") for state in chosen]

    def page(token: str) -> Call[tuple[list[Campaign], str]]:
        request = built(
            lambda: pb.ListCampaignsRequest(
                states=wanted,
                live_only=live,
                hotkey=hotkey or "",
                trade_pair=trade_pair or "",
                page_token=token,
            )
        )
        return Call("ListCampaigns", request, _campaign_page)

    def pages() -> Procedure[list[Campaign]]:
        found: list[Campaign] = []
        token = ""
        while True:
            part, token = yield page(token)
            found += part
            if not token:
                return found

    return begun_anew(pages)


def _campaign_page(m: pb.ListCampaignsReply) -> tuple[list[Campaign], str]:
    return [campaign_wire.campaign_from_wire(one) for one in m.campaigns], m.next_page_token


def _campaign(m: pb.CampaignReply) -> Campaign:
    return campaign_wire.campaign_from_wire(m.campaign)


def _state(state: CampaignState, field: str) -> Any:
    return choice({s: n for s, n in campaign_wire.STATE_NUMBER.items() if s}, state, field)


# ---------------------------------------------------------------- legs


def add_leg(
    campaign_id: str,
    *,
    pattern_type: PatternType,
    side: Side,
    figures: Mapping[str, Decimal],
    opened: datetime | int | None,
    names: Mapping[str, str | None],
    extra: Mapping[str, Any] | None,
    expected_version: int | None,
) -> Call[LegChanged]:
    request = built(
        lambda: pb.AddLegRequest(
            campaign_id=campaign_id,
            pattern_type=choice(_PATTERNS, pattern_type, "pattern_type"),
            side=choice(_LEG_SIDES, side, "side"),
            opened_ms=at_ms(opened, "opened"),
            request_id=request_id(),
            expected_version=expected_version,
            extra=extra_text(extra) if extra else None,
            **{name: to_text(figure, name) for name, figure in figures.items()},
            **{name: text or "" for name, text in names.items()},
        )
    )
    return Call("AddLeg", request, campaign_wire.leg_changed_from_wire)


def close_leg(
    campaign_id: str,
    position_uuid: str,
    exit_price: Decimal,
    closed: datetime | int | None,
    expected_version: int | None,
) -> Call[LegChanged]:
    request = built(
        lambda: pb.CloseLegRequest(
            campaign_id=campaign_id,
            position_uuid=position_uuid,
            exit_price=to_text(exit_price, "exit_price"),
            closed_ms=at_ms(closed, "closed"),
            request_id=request_id(),
            expected_version=expected_version,
        )
    )
    return Call("CloseLeg", request, campaign_wire.leg_changed_from_wire)


class _LegPage(msgspec.Struct):
    """One page of a campaign's legs, and what it says of all of them."""

    revision: int
    campaign_version: int
    totals: CampaignTotals
    legs: list[Position]
    next_token: str


def campaign_positions(campaign_id: str, include_closed: bool) -> Procedure[CampaignPositions]:
    """Every page, all of one version of the campaign; begun anew where it changes in between."""

    def page(token: str) -> Call[_LegPage]:
        request = built(
            lambda: pb.CampaignPositionsRequest(
                campaign_id=campaign_id, include_closed=include_closed, page_token=token
            )
        )
        return Call("CampaignPositions", request, _leg_page)

    def pages() -> Procedure[CampaignPositions]:
        first: _LegPage = yield page("")
        last, legs = first, first.legs
        while last.next_token:
            last = yield page(last.next_token)
            if last.campaign_version != first.campaign_version:
                raise PageExpired(
                    f"campaign {campaign_id} changes faster than its legs are read: read again"
                )
            legs += last.legs
        return CampaignPositions(
            revision=first.revision,
            campaign_version=first.campaign_version,
            totals=first.totals,
            positions=tuple(legs),
        )

    return begun_anew(pages)


def _leg_page(m: pb.CampaignPositionsReply) -> _LegPage:
    return _LegPage(
        m.revision,
        m.campaign_version,
        campaign_wire.totals_from_wire(m.totals),
        [wire.position_from_wire(leg) for leg in m.positions],
        m.next_page_token,
    )


# ---------------------------------------------------------------- following


class Following:
    """Where a follower of campaigns stands, and so what it asks for next.

    It has something to go on from once everything up to a revision has come. Of a reload that
    broke off in the middle it has nothing, and what it had before is forgotten.
    """

    def __init__(
        self,
        campaign_ids: Iterable[str] | None,
        hotkeys: Iterable[str] | None,
        trade_pairs: Iterable[str] | None,
        from_revision: int | None,
        mark: str,
    ) -> None:
        self._campaign_ids = _feed_calls.named(campaign_ids, "campaign_ids")
        self._hotkeys = _feed_calls.named(hotkeys, "hotkeys")
        self._trade_pairs = _feed_calls.named(trade_pairs, "trade_pairs")
        self._from_revision = from_revision
        self._mark = mark

    def request(self) -> pb.FollowRequest:
        return built(
            lambda: pb.FollowRequest(
                campaign_ids=self._campaign_ids,
                hotkeys=self._hotkeys,
                trade_pairs=self._trade_pairs,
                from_revision=self._from_revision,
                mark=self._mark,
            )
        )

    def take_in(self, frame: pb.FollowFrame) -> CampaignNews:
        if frame.is_reload:
            self._from_revision, self._mark = None, ""
        if frame.is_last:
            self._from_revision, self._mark = frame.revision, frame.mark
        return campaign_wire.news_from_wire(frame)
