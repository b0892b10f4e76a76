"""Statistics: what campaigns have come to. What is counted is gathered at once, and worked out on
another thread, so that many campaigns keep nobody waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal

from hotbook_shared.book import Book
from hotbook_shared.campaign import CampaignState, CampaignStatistics, ExitReason
from hotbook_shared.campaign_wire import EXIT_REASONS, STATE_NUMBER, state_of
from hotbook_shared.money import SUMS, ZERO, ZERO_PLACES, ratio, to_places
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord


async def statistics_of(book: Book, hotkey: str = "", trade_pair: str = "") -> CampaignStatistics:
    """Of all campaigns, or of those of a hotkey, a pair, or both; zeros where there are none."""
    campaigns = book.campaigns
    held = campaigns.by_hotkey.get(hotkey, ()) if hotkey else campaigns.by_id.values()
    found = [record for record in held if not trade_pair or record.trade_pair == trade_pair]
    completed = [record for record in found if record.state == pb.CAMPAIGN_COMPLETED]
    results = [campaigns.legs_of(record.campaign_id).sums.realized for record in completed]
    # None of these ever changes: the rest is of this revision, wherever it is worked out.
    return await asyncio.to_thread(_worked_out, book.revision, found, completed, results)


def _worked_out(
    revision: int,
    found: list[CampaignRecord],
    completed: list[CampaignRecord],
    results: list[Decimal],
) -> CampaignStatistics:
    states = Counter(state_of(record.state) for record in found)
    reasons = Counter(map(_reason_of, completed))
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
        median_result=_median(results),
        best_result=to_places(max(results, default=ZERO)),
        worst_result=to_places(min(results, default=ZERO)),
    )


def _median(results: list[Decimal]) -> Decimal:
    """The one in the middle, or the mean of the two there; rounded once."""
    if not results:
        return ZERO_PLACES
    ordered, middle = sorted(results), len(results) // 2
    if len(ordered) % 2:
        return to_places(ordered[middle])
    return ratio(SUMS.add(ordered[middle - 1], ordered[middle]), Decimal(2))


def _reason_of(record: CampaignRecord) -> ExitReason:
    return EXIT_REASONS[pb.Campaign.FromString(record.wire[record.patterns_size :]).exit_reason]
