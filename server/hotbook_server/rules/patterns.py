"""The rules of patterns: which campaign one is filed into. Pure.

A pattern is filed into the live campaign of its hotkey, pair and range that was touched last, among
those in whose window it lies:

    started - gap <= at <= started + window,  and  at <= last pattern + gap       (all inclusive)

Where there is none it begins a campaign, unless it lies too long before all that are live there,
or that campaign would be overdue as it begins.

What is overdue by the pattern's time fails first, and so does what is overdue by the engine's
clock, where campaigns fail by that too: the timer that looks for these may come a moment later, and
what is filed must not depend on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter

from hotbook_server.commands import (
    AddPattern,
    PatternDone,
)
from hotbook_server.rules.campaigns import (
    check_not_ahead,
    check_room,
    expiry_of,
    head_of,
    made_id,
    patterns_of,
    risk_limit,
    written,
)
from hotbook_server.rules.positions import check_version
from hotbook_server.rules.terms import CampaignTerms, Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import (
    OutOfOrder,
    SignalReused,
    TooManyPatterns,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change

PATTERNS_MAX_BYTES = 1024 * 1024
"""Most bytes of one campaign's patterns: each more of them writes all of them again."""

_at_ms = attrgetter("at_ms")


def decide_add_pattern(
    book: Book, add: AddPattern, now_ms: int, terms: Terms
) -> tuple[list[Change], PatternDone]:
    """A pattern is filed where it belongs, or begins a campaign."""
    pattern = pb.Pattern.FromString(add.pattern)
    check_not_ahead(pattern.at_ms, now_ms, "pattern.at_ms")
    due_ms = max(pattern.at_ms, now_ms) if terms.expires_by_clock else pattern.at_ms
    if (known := _known(_here(book, add, due_ms), pattern)) is not None:
        return [], PatternDone(
            book.revision, known.campaign_id, known.version, known.wire, repeated=True
        )
    live = book.campaigns.live_of_hotkey(add.hotkey)
    changes = _expired(live, pattern.at_ms, due_ms, book.revision, now_ms)
    revision = book.revision + len(changes) + 1
    at_ms = pattern.at_ms
    found = match(book, add.hotkey, add.trade_pair, add.range_id, at_ms, terms, due_ms)
    if found is None:
        _check_order(_here(book, add, due_ms), add, at_ms, terms)
        _check_not_overdue(add, at_ms, now_ms, terms)
        check_version(0, add.expected_version, "the campaign of this pattern", "hotkey", add.hotkey)
        standing = (record for record in live if record.deadline_ms >= due_ms)
        check_room(add.hotkey, standing, add.timeframe, terms)
        made = _begun(book, add, pattern, revision, now_ms, terms)
    else:
        check_version(found.version, add.expected_version, f"campaign {found.campaign_id}",
                      "campaign_id", found.campaign_id)  # fmt: skip
        made = _filed(book, found, pattern, revision, now_ms, terms)
    changes.append(Change.campaign_saved(made))
    return changes, PatternDone(
        revision, made.campaign_id, made.version, made.wire, created=found is None
    )


def match(
    book: Book,
    hotkey: str,
    trade_pair: str,
    range_id: str,
    at_ms: int,
    terms: Terms,
    due_ms: int = 0,
) -> CampaignRecord | None:
    """The campaign that a pattern belongs to: the last touched of those that it fits, and whose
    deadline does not lie before `due_ms`. Usually one of the first few; the rest are looked at only
    where none of these fits."""
    for record in book.campaigns.live_on_pair(hotkey, trade_pair):
        if (
            record.range_id == range_id
            and record.deadline_ms >= due_ms
            and fits(record, at_ms, terms.of_timeframe(record.timeframe))
        ):
            return record
    return None


def fits(record: CampaignRecord, at_ms: int, terms: CampaignTerms) -> bool:
    """Whether an event lies in a live campaign's window, its ends included."""
    since_ms = at_ms - record.started_ms
    newest_ms = record.last_pattern_ms or record.started_ms
    return (
        -terms.gap_ms <= since_ms <= terms.window_ms
        and at_ms - newest_ms <= terms.gap_ms
        and at_ms <= record.deadline_ms
    )


def _here(book: Book, add: AddPattern, due_ms: int) -> Iterator[CampaignRecord]:
    """The live campaigns of a pattern's hotkey, pair and range, but for what is overdue."""
    for record in book.campaigns.live_on_pair(add.hotkey, add.trade_pair):
        if record.range_id == add.range_id and record.deadline_ms >= due_ms:
            yield record


def _expired(
    live: list[CampaignRecord], at_ms: int, due_ms: int, revision: int, now_ms: int
) -> list[Change]:
    """What is overdue fails: by the time of the event, or else by the clock."""
    changes: list[Change] = []
    for record in live:
        if record.deadline_ms < due_ms:
            ended_ms = at_ms if record.deadline_ms < at_ms else now_ms
            changes.append(expiry_of(record, ended_ms, revision + len(changes) + 1, now_ms))
    return changes


def _known(here: Iterator[CampaignRecord], pattern: pb.Pattern) -> CampaignRecord | None:
    """The campaign that has this very pattern already."""
    signal = pattern.signal_id.encode()
    for record in here:
        if signal not in record.wire[: record.patterns_size]:
            continue
        for filed in patterns_of(record):
            if filed.signal_id == pattern.signal_id:
                if filed == pattern:
                    return record
                raise SignalReused(
                    f"signal {pattern.signal_id} stands in campaign {record.campaign_id} already, "
                    "with other content",
                    signal_id=pattern.signal_id,
                    campaign_id=record.campaign_id,
                )
    return None


def _check_order(here: Iterator[CampaignRecord], add: AddPattern, at_ms: int, terms: Terms) -> None:
    """A pattern that comes long after its time is refused, for the campaigns that it would have
    belonged to have begun without it."""
    starts = [record.started_ms - terms.of_timeframe(record.timeframe).gap_ms for record in here]
    if starts and at_ms < min(starts):
        raise OutOfOrder(
            f"the pattern ({at_ms}) lies before {min(starts)}, the earliest that the live "
            f"campaigns of {add.hotkey} on {add.trade_pair} take",
            at_ms=at_ms,
            earliest_ms=min(starts),
        )


def _check_not_overdue(add: AddPattern, at_ms: int, now_ms: int, terms: Terms) -> None:
    """A campaign that is overdue as it begins would stand until the timer comes by."""
    earliest_ms = now_ms - terms.of_timeframe(add.timeframe).expiry_ms
    if terms.expires_by_clock and at_ms < earliest_ms:
        raise OutOfOrder(
            f"the pattern ({at_ms}) lies before {earliest_ms}: a campaign that it begins would be "
            "overdue at once by this server's clock; to replay history, set market_clock to manual",
            at_ms=at_ms,
            earliest_ms=earliest_ms,
        )


def _begun(
    book: Book, add: AddPattern, pattern: pb.Pattern, revision: int, now_ms: int, terms: Terms
) -> CampaignRecord:
    head = pb.Campaign(
        campaign_id=made_id("campaign", revision, add.hotkey, add.trade_pair),
        hotkey=add.hotkey,
        trade_pair=add.trade_pair,
        range_id=add.range_id,
        state=pb.CAMPAIGN_FORMING,
        timeframe=add.timeframe,
        started_ms=pattern.at_ms,
        deadline_ms=pattern.at_ms + terms.of_timeframe(add.timeframe).expiry_ms,
        account_size=add.account_size,
        risk_limit=risk_limit(add.account_size, terms),
        created=revision,
    )
    return _with_pattern(book, head, b"", pattern, revision, now_ms, terms)


def _filed(
    book: Book, found: CampaignRecord, pattern: pb.Pattern, revision: int, now_ms: int, terms: Terms
) -> CampaignRecord:
    if found.pattern_count >= terms.patterns_max:
        raise TooManyPatterns(
            f"campaign {found.campaign_id} has {found.pattern_count} patterns, as many as it may",
            campaign_id=found.campaign_id,
            campaign_patterns_max=terms.patterns_max,
        )
    size = found.patterns_size + pattern.ByteSize()
    if size > PATTERNS_MAX_BYTES:
        raise TooManyPatterns(
            f"campaign {found.campaign_id} would have {size} bytes of patterns; at most "
            f"{PATTERNS_MAX_BYTES} are held: let them have less in `extra`",
            campaign_id=found.campaign_id,
            patterns_max_bytes=PATTERNS_MAX_BYTES,
        )
    patterns = found.wire[: found.patterns_size]
    return _with_pattern(book, head_of(found), patterns, pattern, revision, now_ms, terms)


def _with_pattern(
    book: Book, head: pb.Campaign, filed: bytes, pattern: pb.Pattern, revision: int, now_ms: int,
    terms: Terms,
) -> CampaignRecord:  # fmt: skip
    """A campaign with one pattern more, in order of time."""
    added = pb.Campaign(patterns=[pattern]).SerializeToString()
    if pattern.at_ms >= head.last_pattern_ms and pattern.type != pb.PATTERN_AR:
        filed += added
        head.phase = phase_of([pattern])
    else:  # it has to be seen among the others
        patterns = list(pb.Campaign.FromString(filed).patterns)
        patterns.insert(bisect_right(patterns, pattern.at_ms, key=_at_ms), pattern)
        filed = pb.Campaign(patterns=patterns).SerializeToString()
        head.phase = phase_of(patterns)
    head.pattern_count += 1
    head.last_pattern_ms = max(head.last_pattern_ms, pattern.at_ms)
    head.last_activity_ms = max(head.last_activity_ms, pattern.at_ms)
    _widen(book, head, pattern)
    needed = terms.of_timeframe(head.timeframe).patterns_min
    if head.state == pb.CAMPAIGN_FORMING and head.pattern_count >= needed:
        head.state = pb.CAMPAIGN_ACTIVE
    return written(head, filed, revision, now_ms)


def _widen(book: Book, head: pb.Campaign, pattern: pb.Pattern) -> None:
    """The range goes as far as patterns have told; its volume is counted anew when it changes."""
    before = head.support, head.resistance
    low, high = pattern.support, pattern.resistance
    if low and (not head.support or Decimal(low) < Decimal(head.support)):
        head.support = low
    if high and (not head.resistance or Decimal(high) > Decimal(head.resistance)):
        head.resistance = high
    if (head.support, head.resistance) != before:
        mark = book.marks.by_pair.get(head.trade_pair)
        head.range_bar = mark.bars if mark is not None else 0


def phase_of(patterns: list[pb.Pattern]) -> str:
    """By the last pattern: SOS and LPS are D, a SPRING is C, an AR is C after a SPRING, else B."""
    kinds = [pattern.type for pattern in patterns]
    last = kinds[-1]
    if last in (pb.PATTERN_SOS, pb.PATTERN_LPS):
        return "D"
    return "C" if last == pb.PATTERN_SPRING or pb.PATTERN_SPRING in kinds else "B"
