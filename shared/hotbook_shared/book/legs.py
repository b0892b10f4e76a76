"""Legs: the positions of campaigns, and what they amount to, as running sums.

Invariant: the sums of a campaign are those of its legs. They are exact, so the order in which legs
came and went leaves no trace in them. Reading totals costs the same with ten legs and with a
hundred thousand, and so does a moving mark: it is stored once, for its pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from hotbook_shared.book.ordered import Ordered
from hotbook_shared.campaign import CampaignTotals
from hotbook_shared.money import SUMS, ZERO, from_text, ratio, to_places
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import MarkRecord, Record

ONE_MORE, ONE_LESS = Decimal(1), Decimal(-1)

_times, _add = SUMS.multiply, SUMS.add


class Leg(msgspec.Struct, frozen=True):
    """One leg, and what it adds to its campaign's sums. Of a closed one only its result counts."""

    record: Record
    shares: Decimal
    cost: Decimal
    """Shares times entry."""
    risk: Decimal
    """What its stop would cost; without a stop nothing is known, and nothing counts."""
    sign: Decimal
    """1 for LONG, -1 for SHORT."""
    realized: Decimal

    @classmethod
    def of(cls, record: Record) -> Leg:
        if not record.is_open:
            return cls(record, ZERO, ZERO, ZERO, ONE_MORE, from_text(_realized_pnl(record)))
        figures = raw.LegFigures.FromString(record.wire)
        sign = ONE_LESS if figures.side == pb.SIDE_SHORT else ONE_MORE
        # A position out of orders has no quantity of its own: it is sent as 0.
        shares = (from_text(figures.quantity) or from_text(figures.net_quantity)).copy_abs()
        entry = from_text(figures.average_entry_price)
        stop = from_text(figures.stop_loss)
        at_risk = _times(SUMS.subtract(entry, stop), shares) if stop else ZERO
        return cls(record, shares, _times(shares, entry), _times(sign, at_risk), sign, ZERO)


def _realized_pnl(record: Record) -> str:
    """The result of a closed leg, without a look at the disk where its bytes are there alone."""
    known: str | None = getattr(record.held, "realized_pnl", None)
    return raw.LegFigures.FromString(record.wire).realized_pnl if known is None else known


class Sums(msgspec.Struct, frozen=True):
    """What legs amount to, without a mark. Values, not digits, are what two of them compare."""

    shares: Decimal = ZERO
    cost: Decimal = ZERO
    risk: Decimal = ZERO
    net: Decimal = ZERO
    """Shares, with the sign of the side: what the mark is multiplied by."""
    net_cost: Decimal = ZERO
    realized: Decimal = ZERO

    def plus(self, leg: Leg, times: Decimal) -> Sums:
        """With one leg more (times 1), or less (times -1)."""
        signed = _times(times, leg.sign)
        return Sums(
            _add(self.shares, _times(times, leg.shares)),
            _add(self.cost, _times(times, leg.cost)),
            _add(self.risk, _times(times, leg.risk)),
            _add(self.net, _times(signed, leg.shares)),
            _add(self.net_cost, _times(signed, leg.cost)),
            _add(self.realized, _times(times, leg.realized)),
        )


NOTHING = Sums()


def leg_order(leg: Leg) -> tuple[int, str]:
    return leg.record.open_ms, leg.record.position_uuid


class Legs:
    """The legs of one campaign, by status."""

    __slots__ = ("by_uuid", "closed", "open", "sums")

    def __init__(self, legs: Iterable[Leg] = ()) -> None:
        self.by_uuid = {leg.record.position_uuid: leg for leg in legs}
        held = self.by_uuid.values()
        self.open = Ordered(leg_order, (leg for leg in held if leg.record.is_open))
        self.closed = Ordered(leg_order, (leg for leg in held if not leg.record.is_open))
        self.sums = NOTHING
        for leg in held:
            self.sums = self.sums.plus(leg, ONE_MORE)

    def put(self, old: Leg | None, new: Leg | None) -> None:
        if old is not None:
            del self.by_uuid[old.record.position_uuid]
            self._of(old).put(old, None)
            self.sums = self.sums.plus(old, ONE_LESS)
        if new is not None:
            self.by_uuid[new.record.position_uuid] = new
            self._of(new).put(None, new)
            self.sums = self.sums.plus(new, ONE_MORE)

    def _of(self, leg: Leg) -> Ordered[Leg]:
        return self.open if leg.record.is_open else self.closed

    def copy(self) -> Legs:
        twin = Legs.__new__(Legs)
        twin.by_uuid = self.by_uuid.copy()
        twin.open, twin.closed = self.open.copy(), self.closed.copy()
        twin.sums = self.sums
        return twin

    def open_pnl(self, mark: MarkRecord | None) -> Decimal:
        """By the mark. Legs that were opened after it stand at their entry until the next."""
        if mark is None:
            return ZERO
        net, net_cost = self.sums.net, self.sums.net_cost
        for leg in self.open.after((mark.at_ms + 1,)):
            net = SUMS.subtract(net, _times(leg.sign, leg.shares))
            net_cost = SUMS.subtract(net_cost, _times(leg.sign, leg.cost))
        return SUMS.subtract(_times(Decimal(mark.price), net), net_cost)

    def totals(self, campaign_id: str, mark: MarkRecord | None) -> CampaignTotals:
        sums, open_pnl = self.sums, self.open_pnl(mark)
        return CampaignTotals(
            campaign_id=campaign_id,
            total_shares=to_places(sums.shares),
            weighted_avg_entry=ratio(sums.cost, sums.shares),
            total_risk=to_places(sums.risk),
            total_pnl=to_places(_add(open_pnl, sums.realized)),
            open_pnl=to_places(open_pnl),
            realized_pnl=to_places(sums.realized),
            open_count=len(self.open),
            closed_count=len(self.closed),
            mark=None if mark is None else Decimal(mark.price),
            marked_ms=None if mark is None else mark.at_ms,
        )


NO_LEGS = Legs()
"""Of a campaign that has none: to be read, never changed."""
