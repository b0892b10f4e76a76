"""Campaigns and the market <-> protobuf. Tables written out; no rules live here."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hotbook_shared.campaign import (
    AddedPattern,
    Alert,
    Campaign,
    CampaignNews,
    CampaignState,
    CampaignStatistics,
    CampaignTotals,
    CampaignUpdated,
    ExitReason,
    LegChanged,
    Pattern,
)
from hotbook_shared.errors import HotbookError
from hotbook_shared.market import (
    Bar,
    Generation,
    Mark,
    MarketView,
    PairMarket,
    Pushed,
    VolumeLevel,
)
from hotbook_shared.model import PatternType, epoch_ms
from hotbook_shared.money import ZERO, from_text, from_text_or_none, to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.sendable import extra_text
from hotbook_shared.status import refusal_from_wire
from hotbook_shared.wire import DURABILITIES, PATTERN_TYPES, position_from_wire, sealed_extra

STATES: tuple[CampaignState | None, ...] = (None, *CampaignState)
EXIT_REASONS = tuple(ExitReason)
VOLUME_LEVELS = tuple(VolumeLevel)
STATE_NUMBER = {state: number for number, state in enumerate(STATES)}
EXIT_REASON_NUMBER = {reason: number for number, reason in enumerate(EXIT_REASONS)}
PATTERN_NUMBER = {pattern: number for number, pattern in enumerate(PATTERN_TYPES)}
VOLUME_NUMBER = {level: number for number, level in enumerate(VOLUME_LEVELS)}


def state_of(number: int) -> CampaignState:
    state = STATES[number]
    assert state is not None, "a campaign has a state"
    return state


def pattern_to_wire(p: Pattern) -> pb.Pattern:
    return pb.Pattern(
        signal_id=p.signal_id,
        type=PATTERN_NUMBER[p.type],  # type: ignore[arg-type]
        at_ms=epoch_ms(p.at_ms, "pattern.at_ms"),
        price=to_text(p.price, "pattern.price"),
        support=to_text(p.support, "pattern.support"),
        resistance=to_text(p.resistance, "pattern.resistance"),
        volume_ratio=to_text(p.volume_ratio, "pattern.volume_ratio"),
        extra=extra_text(p.extra) if p.extra else None,
    )


def pattern_from_wire(m: pb.Pattern) -> Pattern:
    kind = PATTERN_TYPES[m.type]
    assert isinstance(kind, PatternType)
    return Pattern(
        signal_id=m.signal_id,
        type=kind,
        at_ms=m.at_ms,
        price=Decimal(m.price),
        support=from_text_or_none(m.support),
        resistance=from_text_or_none(m.resistance),
        volume_ratio=from_text_or_none(m.volume_ratio),
        extra=sealed_extra(m.extra),
    )


def campaign_from_wire(m: pb.Campaign) -> Campaign:
    return Campaign(
        campaign_id=m.campaign_id,
        hotkey=m.hotkey,
        trade_pair=m.trade_pair,
        state=state_of(m.state),
        started_ms=m.started_ms,
        deadline_ms=m.deadline_ms,
        last_activity_ms=m.last_activity_ms,
        range_id=m.range_id or None,
        phase=m.phase or None,
        timeframe=m.timeframe or None,
        last_pattern_ms=m.last_pattern_ms or None,
        patterns=tuple(map(pattern_from_wire, m.patterns)),
        pattern_count=m.pattern_count,
        support=from_text_or_none(m.support),
        resistance=from_text_or_none(m.resistance),
        account_size=from_text_or_none(m.account_size),
        risk_limit=from_text_or_none(m.risk_limit),
        allocation=from_text_or_none(m.allocation),
        exit_price=from_text_or_none(m.exit_price),
        ended_ms=m.ended_ms or None,
        exit_reason=EXIT_REASONS[m.exit_reason],
        failure_reason=m.failure_reason or None,
        range_bar=m.range_bar,
        created=m.created,
        version=m.version,
        revision=m.revision,
        updated_ms=m.updated_ms,
    )


def totals_to_wire(t: CampaignTotals) -> pb.CampaignTotals:
    return pb.CampaignTotals(
        campaign_id=t.campaign_id,
        total_shares=f"{t.total_shares:f}",
        weighted_avg_entry=f"{t.weighted_avg_entry:f}",
        total_risk=f"{t.total_risk:f}",
        total_pnl=f"{t.total_pnl:f}",
        open_pnl=f"{t.open_pnl:f}",
        realized_pnl=f"{t.realized_pnl:f}",
        open_count=t.open_count,
        closed_count=t.closed_count,
        mark=to_text(t.mark),
        marked_ms=t.marked_ms or 0,
    )


def totals_from_wire(m: pb.CampaignTotals) -> CampaignTotals:
    return CampaignTotals(
        campaign_id=m.campaign_id,
        total_shares=from_text(m.total_shares),
        weighted_avg_entry=from_text(m.weighted_avg_entry),
        total_risk=from_text(m.total_risk),
        total_pnl=from_text(m.total_pnl),
        open_pnl=from_text(m.open_pnl),
        realized_pnl=from_text(m.realized_pnl),
        open_count=m.open_count,
        closed_count=m.closed_count,
        mark=from_text_or_none(m.mark),
        marked_ms=m.marked_ms if m.mark else None,
    )


def added_one_from_wire(m: pb.AddPatternReply) -> AddedPattern:
    campaign = campaign_from_wire(m.campaign)
    return AddedPattern(
        campaign_id=campaign.campaign_id,
        version=campaign.version,
        created=m.created,
        repeated=m.repeated,
        campaign=campaign,
    )


def added_from_wire(m: pb.PatternOutcome) -> AddedPattern | HotbookError:
    if m.HasField("refused"):
        return refusal_from_wire(m.refused)
    return AddedPattern(
        campaign_id=m.campaign_id, version=m.version, created=m.created, repeated=m.repeated
    )


def leg_changed_from_wire(m: pb.LegReply) -> LegChanged:
    return LegChanged(
        revision=m.revision,
        leg=position_from_wire(m.leg),
        campaign_version=m.campaign_version,
        totals=totals_from_wire(m.totals),
        durability=DURABILITIES[m.durability],
    )


def statistics_to_wire(s: CampaignStatistics) -> pb.CampaignStatisticsReply:
    return pb.CampaignStatisticsReply(
        revision=s.revision,
        total=s.total,
        by_state=s.by_state,
        by_exit_reason=s.by_exit_reason,
        won=s.won,
        lost=s.lost,
        even=s.even,
        success_rate=f"{s.success_rate:f}",
        win_rate=f"{s.win_rate:f}",
        total_result=f"{s.total_result:f}",
        mean_result=f"{s.mean_result:f}",
        median_result=f"{s.median_result:f}",
        best_result=f"{s.best_result:f}",
        worst_result=f"{s.worst_result:f}",
    )


def statistics_from_wire(m: pb.CampaignStatisticsReply) -> CampaignStatistics:
    return CampaignStatistics(
        revision=m.revision,
        total=m.total,
        by_state=dict(sorted(m.by_state.items())),
        by_exit_reason=dict(sorted(m.by_exit_reason.items())),
        won=m.won,
        lost=m.lost,
        even=m.even,
        success_rate=from_text(m.success_rate),
        win_rate=from_text(m.win_rate),
        total_result=from_text(m.total_result),
        mean_result=from_text(m.mean_result),
        median_result=from_text(m.median_result),
        best_result=from_text(m.best_result),
        worst_result=from_text(m.worst_result),
    )


def alert_to_wire(a: Alert) -> pb.Alert:
    return pb.Alert(
        revision=a.revision,
        hotkey=a.hotkey,
        campaign_id=a.campaign_id or "",
        level=a.level,
        risk=f"{a.risk:f}",
        limit=f"{a.limit:f}",
        at_ms=a.at_ms,
    )


def alert_from_wire(m: pb.Alert) -> Alert:
    return Alert(
        revision=m.revision,
        hotkey=m.hotkey,
        campaign_id=m.campaign_id or None,
        level=m.level,
        risk=Decimal(m.risk),
        limit=Decimal(m.limit),
        at_ms=m.at_ms,
    )


def news_from_wire(m: pb.FollowFrame) -> CampaignNews:
    return CampaignNews(
        revision=m.revision,
        is_reload=m.is_reload,
        campaigns=tuple(
            CampaignUpdated(
                campaign=campaign_from_wire(one.campaign), totals=totals_from_wire(one.totals)
            )
            for one in m.campaigns
        ),
        removed=tuple(m.removed),
        marks=tuple(map(mark_from_wire, m.marks)),
        alerts=tuple(map(alert_from_wire, m.alerts)),
        is_last=m.is_last,
        mark=m.mark,
    )


# ------------------------------------------------------------------ market


def bar_to_wire(b: Bar) -> pb.Bar:
    return pb.Bar(
        trade_pair=b.trade_pair,
        at_ms=epoch_ms(b.at_ms, "bar.at_ms"),
        close=to_text(b.close, "bar.close"),
        volume=to_text(b.volume, "bar.volume"),
    )


def mark_from_wire(m: pb.Mark) -> Mark:
    return Mark(
        trade_pair=m.trade_pair,
        price=Decimal(m.price),
        at_ms=m.at_ms,
        bars=m.bars,
        volumes=tuple(map(Decimal, m.volumes)),
        volume_sum=from_text(m.volume_sum, ZERO),
        last_volume=from_text_or_none(m.last_volume),
        revision=m.revision,
    )


def pair_market_to_wire(p: PairMarket) -> pb.PairMarket:
    return pb.PairMarket(
        trade_pair=p.trade_pair,
        price=_plain(p.price),
        at_ms=p.at_ms or 0,
        age_ms=p.age_ms or 0,
        is_fresh=p.is_fresh,
        average_volume=f"{p.average_volume:f}",
        last_volume=_plain(p.last_volume),
        bars=p.bars,
        is_ready=p.is_ready,
        volume_level=VOLUME_NUMBER[p.volume_level],  # type: ignore[arg-type]
    )


def pair_market_from_wire(m: pb.PairMarket) -> PairMarket:
    is_marked = bool(m.price)
    return PairMarket(
        trade_pair=m.trade_pair,
        price=from_text_or_none(m.price),
        at_ms=m.at_ms if is_marked else None,
        age_ms=m.age_ms if is_marked else None,
        is_fresh=m.is_fresh,
        average_volume=from_text(m.average_volume),
        last_volume=from_text_or_none(m.last_volume),
        bars=m.bars,
        is_ready=m.is_ready,
        volume_level=VOLUME_LEVELS[m.volume_level],
    )


def market_from_wire(m: pb.GetMarketReply) -> MarketView:
    return MarketView(
        revision=m.revision,
        generation=m.generation,
        step_ms=m.step_ms,
        pairs=tuple(map(pair_market_from_wire, m.pairs)),
    )


def generation_from_wire(m: pb.GenerationReply) -> Generation:
    return Generation(generation=m.generation, step_ms=m.step_ms, fresh=frozenset(m.fresh))


def pushed_from_wire(replies: Iterable[pb.PushBarsReply]) -> Pushed:
    """What came of one message of bars, or of many."""
    revision = accepted = stale = 0
    for reply in replies:
        revision = max(revision, reply.revision)
        accepted += reply.accepted
        stale += reply.stale
    return Pushed(revision=revision, accepted=accepted, stale=stale)


def _plain(number: Decimal | None) -> str:
    """Written out: what the server tells of the market has no exponents."""
    return "" if number is None else f"{number:f}"
