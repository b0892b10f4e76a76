"""The campaigns, legs and marks of the workloads: made from a number, always the same.

A tenth of the campaigns is ACTIVE, and three tenths each FORMING, COMPLETED and FAILED, as in the
original's own measurements; a hotkey has seven of them, of which at most three are live.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hotbook_server.rules.campaigns import written
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import (
    CampaignRecord,
    MarkRecord,
    Record,
    mark_record_from,
    record_from,
)
from tests.bench.data import PAIRS, START_MS, hotkey

PER_HOTKEY = 7
HOUR_MS = 3_600_000
NOW_MS = START_MS + 40 * HOUR_MS
"""The newest campaign has just begun, the oldest forty hours ago: patterns still join them all."""

FORMING, ACTIVE = pb.CAMPAIGN_FORMING, pb.CAMPAIGN_ACTIVE
DONE, FAILED = pb.CAMPAIGN_COMPLETED, pb.CAMPAIGN_FAILED
STATES = (DONE, FORMING, FAILED, DONE, ACTIVE, FAILED, FORMING, DONE, FAILED, FORMING)
"""Of ten campaigns that follow each other; of seven in a row three are live, or fewer."""

KINDS = (pb.PATTERN_SPRING, pb.PATTERN_SOS)


def campaign_id(number: int) -> str:
    return f"3f0c8a52-6f1e-4c1b-9d57-{number:012x}"


def range_id(number: int) -> str:
    return f"range-{number % 1_000}"


def campaigns(
    count: int, pairs: Sequence[str] = PAIRS, states: Sequence[int] = STATES
) -> list[CampaignRecord]:
    """So many, over forty hours, on these pairs in turn; the number of each is its revision less
    one."""
    apart_ms = 40 * HOUR_MS / count
    return [
        _campaign(number, pairs[number % len(pairs)], states[number % len(states)],
                  START_MS + round(number * apart_ms))
        for number in range(count)
    ]  # fmt: skip


def _campaign(number: int, trade_pair: str, state: int, started_ms: int) -> CampaignRecord:
    has_ended = state in (DONE, FAILED)
    seen = 1 if state == FORMING else 2
    last_ms = started_ms + seen - 1
    patterns = [pattern(number * 10 + place, started_ms + place) for place in range(seen)]
    rest = pb.Campaign(
        campaign_id=campaign_id(number),
        hotkey=hotkey(number // PER_HOTKEY),
        trade_pair=trade_pair,
        range_id=range_id(number),
        state=state,  # type: ignore[arg-type]
        phase="C" if state == FORMING else "D",
        timeframe="15m",
        started_ms=started_ms,
        last_pattern_ms=last_ms,
        last_activity_ms=last_ms,
        deadline_ms=started_ms + 72 * HOUR_MS,
        pattern_count=seen,
        support="148.25",
        resistance="155.75",
        account_size="100000",
        risk_limit="5000.00000000",
        ended_ms=last_ms if has_ended else 0,
        created=number + 1,
        version=seen + has_ended - 1,
    )
    return written(rest, pb.Campaign(patterns=patterns).SerializeToString(), number + 1, last_ms)


def pattern(number: int, at_ms: int) -> pb.Pattern:
    return pb.Pattern(
        signal_id=f"signal-{number:012x}",
        type=KINDS[number % 2],
        at_ms=at_ms,
        price="152.00",
        support="148.25",
        resistance="155.75",
        volume_ratio="0.7",
    )


def leg(campaign: CampaignRecord, number: int, revision: int, *, is_open: bool = True) -> Record:
    """A leg that was opened before the campaigns' marks, and closed, if it was, with a result."""
    open_ms = START_MS - 2_000_000 + number
    return record_from(
        pb.Position(
            hotkey=campaign.hotkey,
            position_uuid=f"{number:08x}-6f1e-4c1b-9d57-{campaign.created:012x}",
            trade_pair=campaign.trade_pair,
            side=pb.SIDE_LONG,
            open_ms=open_ms,
            close_ms=None if is_open else open_ms + 60_000,
            quantity=str(100 + number % 50),
            average_entry_price=str(Decimal("150.00") + Decimal(number % 400) / 100),
            stop_loss="148.00",
            exit_price="" if is_open else "158.00",
            realized_pnl="" if is_open else "62.50000000",
            campaign_id=campaign.campaign_id,
            pattern_type=KINDS[number % 2],
            signal_id=f"signal-{number:012x}",
            timeframe="15m",
            version=1,
            revision=revision,
            updated_ms=open_ms,
        ).SerializeToString()
    )


def mark(trade_pair: str, cents: int, revision: int) -> MarkRecord:
    """The mark of a pair after so many bars of twenty volumes."""
    volumes = [str(Decimal(1_000 + cents % 100 + place)) for place in range(20)]
    return mark_record_from(
        pb.Mark(
            trade_pair=trade_pair,
            price=str(Decimal("150.00") + Decimal(cents % 1_000) / 100),
            at_ms=NOW_MS + cents,
            bars=20 + cents,
            volumes=volumes,
            volume_sum=str(sum(map(Decimal, volumes))),
            last_volume=volumes[-1],
            revision=revision,
        ).SerializeToString()
    )
