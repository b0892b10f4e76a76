"""Statistics: what campaigns have come to. Counts by state cost nothing; results are read from the
completed ones, some at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from statistics import median

from hotbook_shared.book import Book
from hotbook_shared.campaign import CampaignState, CampaignStatistics, ExitReason
from hotbook_shared.campaign_wire import EXIT_REASONS, STATE_NUMBER, state_of
from hotbook_shared.money import SUMS, ZERO, ratio, to_places
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord

LOOKED_AT_ONCE = 1_000


async def statistics_of(book: Book, hotkey: str = "", trade_pair: str = "") -> CampaignStatistics:
    """Of all campaigns, or of those of a hotkey, a pair, or both; zeros where there are none."""
    revision = book.revision
    found = [record for record in book.campaigns.listed((), hotkey)
             if not trade_pair or record.trade_pair == trade_pair]  # fmt: skip
    states = Counter(state_of(record.state) for record in found)
    completed = [r for r in found if r.state == pb.CAMPAIGN_COMPLETED]
    results = [book.campaigns.legs_of(r.campaign_id).sums.realized for r in completed]
    reasons: Counter[ExitReason] = Counter()
    for start in range(0, len(completed), LOOKED_AT_ONCE):
        await asyncio.sleep(0)
        reasons.update(map(_reason_of, completed[start : start + LOOKED_AT_ONCE]))
    won, lost = sum(r > 0 for r in results), sum(r < 0 for r in results)
    total = ZERO
    for result in results:
        total = SUMS.add(total, result)
    ended = len(completed) + states[CampaignState.FAILED]
    return CampaignStatistics(
        revision=revision,
        total=len(found),
        by_state={state.value: states[state] for state in STATE_NUMBER if state is not None},
        by_exit_reason={reason.value: reasons[reason] for reason in ExitReason},
        won=won,
        lost=lost,
        even=len(results) - won - lost,
        success_rate=ratio(Decimal(len(completed)), Decimal(ended)),
        win_rate=ratio(Decimal(won), Decimal(won + lost)),
        total_result=to_places(total),
        mean_result=ratio(total, Decimal(len(results))),
        median_result=to_places(_median(results)),
        best_result=to_places(max(results, default=ZERO)),
        worst_result=to_places(min(results, default=ZERO)),
    )


def _median(results: list[Decimal]) -> Decimal:
    return median(results) if results else ZERO


def _reason_of(record: CampaignRecord) -> ExitReason:
    return EXIT_REASONS[pb.Campaign.FromString(record.wire[record.patterns_size :]).exit_reason]
