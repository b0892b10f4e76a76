"""What a campaign's legs amount to, and a mark that moves, with ten legs and a hundred thousand.

The running sums of the Book stand against the formulas taken anew over all legs, whose figures are
decoded already; both give the same totals. Moving a mark is the rule of a bar, the change that it
makes, and reading the totals that come of it; against it, the result of each leg is worked out and
written down, as the original does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec

from hotbook_server.commands import PushBars, PushedBar
from hotbook_server.config import load_settings
from hotbook_server.rules.market import decide_push
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.book.legs import Leg
from hotbook_shared.campaign import CampaignTotals
from hotbook_shared.money import SUMS, ZERO, ratio, to_places
from hotbook_shared.record import MarkRecord
from tests.bench import campaign_data as data
from tests.bench.figures import Figure, Rounds, alternate, measured, ratios, timed

READ, MOVE = "reading totals", "moving a mark"
SUMMED, ANEW = "running sums", "every leg anew"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 9
    sizes: tuple[int, ...] = (10, 1_000, 100_000)
    reads: int = 2_000
    legs_anew: int = 100_000
    """Over so many legs the formulas are taken in each round, however often that is."""


class Standing:
    """One campaign with so many legs, all of them open, and its pair's mark."""

    def __init__(self, size: int, scale: Scale) -> None:
        self._scale = scale
        self._terms = Terms.of(load_settings())
        self._campaign = data.campaigns(2)[1]
        assert self._campaign.is_live
        pair, self._id = self._campaign.trade_pair, self._campaign.campaign_id
        legs = [data.leg(self._campaign, number, number + 1) for number in range(size)]
        first = data.mark(pair, 1, size + 1)
        self._book = Book(legs, size + 1, [self._campaign], [first])
        self._legs = [Leg.of(record) for record in legs]
        self._result: dict[str, Decimal] = {}
        self._prices = itertools.count(2)
        assert self._read() == self._anew(first), "both find the same"

    def sides(self) -> dict[str, Callable[[], float]]:
        again = max(self._scale.legs_anew // len(self._legs) // 10, 1)
        return {
            f"{READ} {SUMMED}": partial(timed, self._scale.reads, self._read),
            f"{READ} {ANEW}": partial(timed, again, lambda: self._anew(self._mark)),
            f"{MOVE} {SUMMED}": partial(timed, self._scale.reads, self._move),
            f"{MOVE} {ANEW}": partial(timed, again, self._move_anew),
        }

    @property
    def _mark(self) -> MarkRecord:
        return self._book.marks.by_pair[self._campaign.trade_pair]

    def _read(self) -> CampaignTotals:
        return self._book.campaigns.legs_of(self._id).totals(self._id, self._mark)

    def _move(self) -> CampaignTotals:
        changes, done = decide_push(self._book, PushBars((self._bar(),)), data.NOW_MS, self._terms)
        assert done.accepted
        for change in changes:
            self._book.apply(change)
        return self._read()

    def _bar(self) -> PushedBar:
        number = next(self._prices)
        at_ms, close = data.NOW_MS + number, f"15{number % 10}.{number % 100:02}"
        return PushedBar(self._campaign.trade_pair, at_ms, close, f"{1_000 + number % 100}")

    def _anew(self, mark: MarkRecord) -> CampaignTotals:
        price, add, times = Decimal(mark.price), SUMS.add, SUMS.multiply
        shares = cost = risk = result = ZERO
        for leg in self._legs:
            shares, cost = add(shares, leg.shares), add(cost, leg.cost)
            risk = add(risk, leg.risk)
            gained = SUMS.subtract(times(price, leg.shares), leg.cost)
            result = add(result, times(leg.sign, gained))
        return CampaignTotals(
            campaign_id=self._id,
            total_shares=to_places(shares),
            weighted_avg_entry=ratio(cost, shares),
            total_risk=to_places(risk),
            total_pnl=to_places(result),
            open_pnl=to_places(result),
            realized_pnl=to_places(ZERO),
            open_count=len(self._legs),
            mark=price,
            marked_ms=mark.at_ms,
        )

    def _move_anew(self) -> CampaignTotals:
        price = Decimal(self._bar().close)
        for leg in self._legs:
            gained = SUMS.subtract(SUMS.multiply(price, leg.shares), leg.cost)
            self._result[leg.record.position_uuid] = SUMS.multiply(leg.sign, gained)
        return self._anew(self._mark)


def measure(scale: Scale) -> list[Figure]:
    by_size = {size: Standing(size, scale).sides() for size in scale.sizes}
    names = [f"{asked} {who}" for asked in (READ, MOVE) for who in (SUMMED, ANEW)]
    sides = {f"{size} {name}": by_size[size][name] for name in names for size in scale.sizes}
    found = alternate(scale.rounds, sides)
    return [figure for asked in (READ, MOVE) for figure in _figures(found, scale, asked)]


def _figures(found: Rounds, scale: Scale, asked: str) -> list[Figure]:
    least, most = scale.sizes[0], scale.sizes[-1]
    figures = [
        measured(f"{asked}, {who}, {size:,} legs", found[f"{size} {asked} {who}"], "us",
                 factor=1e6, picture=f"Legs: {asked}", line=who, x=size)
        for who in (SUMMED, ANEW)
        for size in scale.sizes
    ]  # fmt: skip
    grown = ratios(found[f"{most} {asked} {SUMMED}"], found[f"{least} {asked} {SUMMED}"])
    gained = ratios(found[f"{most} {asked} {ANEW}"], found[f"{most} {asked} {SUMMED}"])
    return [
        *figures,
        measured(f"{asked}, {most:,} legs against {least:,}", grown, "x", at_most=1.2),
        measured(f"{asked}, sums against every leg anew, {most:,} legs", gained, "x", at_least=50),
    ]
