"""Legs: the positions of campaigns, and what they amount to, as running sums.

Invariant: the sums of a campaign are those of its legs. They are exact, so the order in which legs
came and went leaves no trace in them. Reading totals costs the same with ten legs and with a
hundred thousand, and so does a moving mark: it is stored once, for its pair.

Held are the records that the Book holds anyway, and one set of sums for a campaign. What a leg adds
to them is read from its record when it comes, when it goes, and while no mark is as young as it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


class Leg(msgspec.Struct, frozen=True, gc=False):
    """What one leg adds to its campaign's sums. Of a closed one only its result counts."""

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


class Sums(msgspec.Struct, frozen=True, gc=False):
    """What legs amount to, without a mark. Values, not digits, are what two of them compare.

    Kept by side: nearly always one side is nothing, and all that is nothing is one number.
    """

    long: Decimal = ZERO
    """Shares of the legs that gain when the mark rises."""
    long_cost: Decimal = ZERO
    short: Decimal = ZERO
    short_cost: Decimal = ZERO
    risk: Decimal = ZERO
    realized: Decimal = ZERO

    def plus(self, leg: Leg, times: Decimal) -> Sums:
        """With one leg more (times 1), or less (times -1)."""
        long, long_cost, short, short_cost = self.long, self.long_cost, self.short, self.short_cost
        if leg.sign == ONE_LESS:
            short = _moved(short, leg.shares, times)
            short_cost = _moved(short_cost, leg.cost, times)
        else:
            long = _moved(long, leg.shares, times)
            long_cost = _moved(long_cost, leg.cost, times)
        risk, realized = (
            _moved(self.risk, leg.risk, times),
            _moved(self.realized, leg.realized, times),
        )
        return Sums(long, long_cost, short, short_cost, risk, realized)


def _moved(total: Decimal, by: Decimal, times: Decimal) -> Decimal:
    return (SUMS.fma(by, times, total) or ZERO) if by else total


NOTHING = Sums()


def leg_order(record: Record) -> tuple[int, str]:
    return record.open_ms, record.position_uuid


_NO_RECORDS: Ordered[Record] = Ordered(leg_order)
"""Of a campaign that has none of a status: one for all of them, never changed."""


class Legs:
    """The legs of one campaign, by status, each in order of open time."""

    __slots__ = ("closed", "open", "sums")

    open: Ordered[Record]
    closed: Ordered[Record]
    sums: Sums

    def __init__(self, records: Iterable[Record] = (), sums: Sums = NOTHING) -> None:
        """`sums`: those of these records."""
        held = sorted(records, key=leg_order)
        self.open = _ordered([record for record in held if record.is_open])
        self.closed = _ordered([record for record in held if not record.is_open])
        self.sums = sums

    def add(self, leg: Leg) -> None:
        """One that comes."""
        record = leg.record
        if record.is_open:
            if self.open is _NO_RECORDS:
                self.open = Ordered(leg_order)
            self.open.put(None, record)
        else:
            if self.closed is _NO_RECORDS:
                self.closed = Ordered(leg_order)
            self.closed.put(None, record)
        self.sums = self.sums.plus(leg, ONE_MORE)

    def remove(self, leg: Leg) -> None:
        """One that goes."""
        held = self.open if leg.record.is_open else self.closed
        held.put(leg.record, None)
        self.sums = self.sums.plus(leg, ONE_LESS)

    def copy(self) -> Legs:
        twin = Legs.__new__(Legs)
        twin.open = _NO_RECORDS if self.open is _NO_RECORDS else self.open.copy()
        twin.closed = _NO_RECORDS if self.closed is _NO_RECORDS else self.closed.copy()
        twin.sums = self.sums
        return twin

    def __iter__(self) -> Iterator[Record]:
        """The open ones, then the closed ones."""
        yield from self.open
        yield from self.closed

    def __len__(self) -> int:
        return len(self.open) + len(self.closed)

    def open_pnl(self, mark: MarkRecord | None) -> Decimal:
        """By the mark. Legs that were opened after it stand at their entry until the next."""
        eldest = self.open.first
        if mark is None or eldest is None or eldest.open_ms > mark.at_ms:
            return ZERO
        marked = self.sums
        for record in self.open.after((mark.at_ms + 1,)):
            marked = marked.plus(Leg.of(record), ONE_LESS)
        net = SUMS.subtract(marked.long, marked.short)
        net_cost = SUMS.subtract(marked.long_cost, marked.short_cost)
        return SUMS.subtract(_times(Decimal(mark.price), net), net_cost)

    def totals(self, campaign_id: str, mark: MarkRecord | None) -> CampaignTotals:
        sums, open_pnl = self.sums, self.open_pnl(mark)
        shares, cost = _add(sums.long, sums.short), _add(sums.long_cost, sums.short_cost)
        return CampaignTotals(
            campaign_id=campaign_id,
            total_shares=to_places(shares),
            weighted_avg_entry=ratio(cost, shares),
            total_risk=to_places(sums.risk),
            total_pnl=to_places(_add(open_pnl, sums.realized)),
            open_pnl=to_places(open_pnl),
            realized_pnl=to_places(sums.realized),
            open_count=len(self.open),
            closed_count=len(self.closed),
            mark=None if mark is None else Decimal(mark.price),
            marked_ms=None if mark is None else mark.at_ms,
        )


def _ordered(records: list[Record]) -> Ordered[Record]:
    return Ordered(leg_order, records) if records else _NO_RECORDS


NO_LEGS = Legs()
"""Of a campaign that has none: to be read, never changed."""
