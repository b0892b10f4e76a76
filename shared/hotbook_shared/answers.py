"""model <-> protobuf for what calls answer beside positions. Tables written out; no rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotbook_shared.campaign_wire import campaign_from_wire, mark_from_wire
from hotbook_shared.errors import HotbookError
from hotbook_shared.feed import Change, Changed, ChangeKind, Update
from hotbook_shared.model import (
    Exposure,
    OrderSpan,
    PairExposure,
    Placed,
    Position,
    Saved,
    Split,
    SplitStats,
    TradePair,
)
from hotbook_shared.money import ONE, from_text, from_text_or_none, to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import refusal_from_wire
from hotbook_shared.wire import DURABILITIES, position_from_wire


def saved_from_wire(m: pb.SaveReply, position_uuid: str) -> Saved:
    return Saved(
        position_uuid=position_uuid,
        version=m.version,
        revision=m.revision,
        durability=DURABILITIES[m.durability],
        replaced_uuid=m.replaced_uuid or None,
    )


def placed_from_wire(m: pb.PlaceOrderReply) -> Placed:
    return Placed(
        position=position_from_wire(m.position),
        closed=position_from_wire(m.closed) if m.HasField("closed") else None,
        revision=m.revision,
        durability=DURABILITIES[m.durability],
        repeated=m.repeated,
    )


def exposure_to_wire(e: Exposure) -> pb.ExposureReply:
    return pb.ExposureReply(
        revision=e.revision,
        leverage=str(e.leverage),
        pairs=[
            pb.PairExposure(
                trade_pair=p.trade_pair,
                category=p.category,
                net_leverage=str(p.net_leverage),
                multiplier=str(p.multiplier),
                leverage=str(p.leverage),
            )
            for p in e.pairs
        ],
        categories={name: str(leverage) for name, leverage in e.categories.items()},
    )


def exposure_from_wire(m: pb.ExposureReply, hotkey: str) -> Exposure:
    return Exposure(
        hotkey=hotkey,
        revision=m.revision,
        leverage=from_text(m.leverage),
        pairs=tuple(
            PairExposure(
                trade_pair=p.trade_pair,
                category=p.category,
                net_leverage=from_text(p.net_leverage),
                multiplier=from_text(p.multiplier),
                leverage=from_text(p.leverage),
            )
            for p in m.pairs
        ),
        categories={name: from_text(text) for name, text in sorted(m.categories.items())},
    )


def order_span_from_wire(m: pb.OrderSpanReply) -> OrderSpan:
    return OrderSpan(
        revision=m.revision,
        first_ms=m.first_ms if m.HasField("first_ms") else None,
        last_ms=m.last_ms if m.HasField("last_ms") else None,
    )


def split_to_wire(s: Split) -> pb.SplitOutcome:
    return pb.SplitOutcome(
        hotkey=s.hotkey,
        position_uuid=s.position_uuid,
        parts=s.parts,
        kept=s.kept,
        closed_by_flat=s.closed_by_flat,
        closed_by_net=s.closed_by_net,
        return_before=str(s.return_before),
        return_after=str(s.return_after),
    )


def split_from_wire(m: pb.SplitOutcome) -> Split | HotbookError:
    if m.HasField("refused"):
        return refusal_from_wire(m.refused)
    return Split(
        hotkey=m.hotkey,
        position_uuid=m.position_uuid,
        parts=tuple(m.parts),
        kept=tuple(m.kept),
        closed_by_flat=m.closed_by_flat,
        closed_by_net=m.closed_by_net,
        return_before=from_text(m.return_before, ONE),
        return_after=from_text(m.return_after, ONE),
    )


def split_stats_to_wire(s: SplitStats) -> pb.SplitStatsReply:
    return pb.SplitStatsReply(
        positions=s.positions,
        parts=s.parts,
        closed_by_flat=s.closed_by_flat,
        closed_by_net=s.closed_by_net,
        return_before=str(s.return_before),
        return_after=str(s.return_after),
    )


def split_stats_from_wire(m: pb.SplitStatsReply) -> SplitStats:
    return SplitStats(
        positions=m.positions,
        parts=m.parts,
        closed_by_flat=m.closed_by_flat,
        closed_by_net=m.closed_by_net,
        return_before=from_text(m.return_before, ONE),
        return_after=from_text(m.return_after, ONE),
    )


def trade_pair_to_wire(p: TradePair) -> pb.TradePair:
    return pb.TradePair(
        trade_pair=p.trade_pair,
        category=p.category,
        leverage_min=to_text(p.leverage_min),
        leverage_max=to_text(p.leverage_max),
        multiplier=str(p.multiplier),
        lot_size=str(p.lot_size),
        spread_rate=str(p.spread_rate),
    )


def trade_pair_from_wire(m: pb.TradePair) -> TradePair:
    return TradePair(
        trade_pair=m.trade_pair,
        category=m.category,
        leverage_min=from_text_or_none(m.leverage_min),
        leverage_max=from_text_or_none(m.leverage_max),
        multiplier=from_text(m.multiplier, ONE),
        lot_size=from_text(m.lot_size, ONE),
        spread_rate=from_text(m.spread_rate),
    )


CHANGE_KINDS = {
    pb.CHANGE_SAVED: ChangeKind.SAVED,
    pb.CHANGE_REMOVED: ChangeKind.REMOVED,
    pb.CHANGE_CLEARED: ChangeKind.CLEARED,
    pb.CHANGE_CAMPAIGN_SAVED: ChangeKind.CAMPAIGN_SAVED,
    pb.CHANGE_CAMPAIGN_REMOVED: ChangeKind.CAMPAIGN_REMOVED,
    pb.CHANGE_MARKED: ChangeKind.MARKED,
}


def change_from_wire(m: pb.Change) -> Change:
    return Change(
        revision=m.revision,
        kind=CHANGE_KINDS[m.kind],
        hotkey=m.hotkey,
        position_uuid=m.position_uuid,
        position=position_from_wire(m.position) if m.HasField("position") else None,
        was_open=m.was_open,
        campaign_id=m.campaign_id,
        campaign=campaign_from_wire(m.campaign) if m.HasField("campaign") else None,
        price_mark=mark_from_wire(m.price_mark) if m.HasField("price_mark") else None,
    )


def update_from_wire(m: pb.WatchFrame) -> Update:
    at: Mapping[str, Any] = {"revision": m.revision, "mark": m.mark, "is_newest": m.is_newest}
    if not m.HasField("snapshot"):
        return Update(**at, changes=tuple(map(change_from_wire, m.changes)))
    part = m.snapshot
    return Update(
        **at,
        snapshot=tuple(map(position_from_wire, part.positions)),
        snapshot_campaigns=tuple(map(campaign_from_wire, part.campaigns)),
        snapshot_marks=tuple(map(mark_from_wire, part.marks)),
        snapshot_total=part.total,
        starts_snapshot=part.first == 0 and part.beside == 0,
        ends_snapshot=part.is_last,
    )


class Changing:
    """What has changed, as its frames arrive."""

    def __init__(self) -> None:
        self._positions: list[Position] = []
        self._removed: list[str] = []
        self._last = pb.ChangedFrame()

    def add(self, m: pb.ChangedFrame) -> None:
        self._positions += map(position_from_wire, m.positions)
        self._removed += m.removed
        self._last = m

    def done(self) -> Changed:
        return Changed(
            revision=self._last.revision,
            mark=self._last.mark,
            positions=tuple(self._positions),
            removed=tuple(self._removed),
            is_whole=self._last.is_whole,
        )
