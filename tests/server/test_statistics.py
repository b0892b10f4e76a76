"""Statistics of campaigns: figures with every digit, rounded once."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from fractions import Fraction
from statistics import median

import pytest

from hotbook_server.statistics import statistics_of
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.campaigns import Desk, add_leg, close_leg, create, go_to


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10])
def test_results_near_the_edge_are_exact(count: int) -> None:
    """Total, mean and median, best and worst, of results of twenty integer digits."""
    chance, desk, due = random.Random(count), Desk(), []
    for number in range(count):
        name = f"c{number}"
        desk.ask(create(name))
        entry, shares, leaves = (
            Decimal(f"{chance.randrange(least, 10**18)}e-8") for least in (10**17 + 1, 10**17, 1)
        )
        desk.ask(add_leg(name, f"{entry:f}", f"{shares:f}", "0.00000001", campaign_id=name))
        desk.ask(close_leg(name, f"{leaves:f}", campaign_id=name))
        desk.ask(go_to(pb.CAMPAIGN_ACTIVE, name))
        desk.ask(go_to(pb.CAMPAIGN_COMPLETED, name))
        due.append((Fraction(leaves) - Fraction(entry)) * Fraction(shares))

    found = asyncio.run(statistics_of(desk.book))

    told = (found.total_result, found.mean_result, found.median_result, found.best_result,
            found.worst_result)  # fmt: skip
    wanted = (sum(due), sum(due) / count, median(due), max(due), min(due))
    assert [Fraction(one) for one in told] == [Fraction(round(w * 10**8), 10**8) for w in wanted]
