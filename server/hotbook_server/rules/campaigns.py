"""The rules of campaigns: their states, their deadlines and their end. Pure.

A live campaign fails strictly after its deadline, by the time of events of its hotkey and by the
engine's clock. What patterns do to campaigns is in patterns.py, what legs do in legs.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal

from hotbook_server.commands import (
    CampaignDone,
    CreateCampaign,
    DeleteCampaign,
    DeleteDone,
    Expire,
    ExpireDone,
    Transition,
)
from hotbook_server.rules.leg_figures import check_alone
from hotbook_server.rules.positions import check_version
from hotbook_server.rules.terms import HOUR_MS, Terms
from hotbook_shared.book import Book
from hotbook_shared.campaign import MAY_FOLLOW
from hotbook_shared.campaign_wire import state_of
from hotbook_shared.errors import (
    AlreadyExists,
    HasLegs,
    IllegalTransition,
    InvalidArgument,
    NotFound,
    TooManyCampaigns,
)
from hotbook_shared.money import SUMS, from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import CampaignRecord, Change, campaign_record_from

EARLY_MS = 5 * 60_000
"""How far ahead of the clock an event may lie: clocks differ."""

EXPIRED_AT_ONCE = 250
"""Most campaigns that one command lets fail."""


def decide_create(
    book: Book, create: CreateCampaign, now_ms: int, terms: Terms
) -> tuple[list[Change], CampaignDone]:
    """A campaign is begun by hand."""
    head = pb.Campaign.FromString(create.campaign)
    revision = book.revision + 1
    head.campaign_id = head.campaign_id or made_id(
        "campaign", revision, head.hotkey, head.trade_pair
    )
    if head.campaign_id in book.campaigns.by_id:
        raise AlreadyExists(
            f"there is a campaign {head.campaign_id} already", campaign_id=head.campaign_id
        )
    _check_strays(book, head)
    due = terms.of_timeframe(head.timeframe)
    check_room(head.hotkey, book.campaigns.live_of_hotkey(head.hotkey), head.timeframe, terms)
    head.state = pb.CAMPAIGN_FORMING
    head.started_ms = head.last_activity_ms = head.started_ms or now_ms
    check_not_ahead(head.started_ms, now_ms, "started_ms")
    head.deadline_ms = head.started_ms + due.expiry_ms
    head.risk_limit = head.risk_limit or risk_limit(head.account_size, terms)
    mark = book.marks.by_pair.get(head.trade_pair)
    head.range_bar = mark.bars if mark is not None else 0
    head.created = revision
    made = written(head, b"", revision, now_ms)
    return [Change.campaign_saved(made)], CampaignDone(revision, made.wire)


def _check_strays(book: Book, head: pb.Campaign) -> None:
    """Positions that name a campaign before it stands become its legs: all are of its pair, and
    have the figures of legs."""
    for stray in book.campaigns.legs_of(head.campaign_id):
        if (stray.hotkey, stray.trade_pair) != (head.hotkey, head.trade_pair):
            raise InvalidArgument(
                f"{stray.position_uuid} of {stray.hotkey} on {stray.trade_pair} names a campaign "
                f"{head.campaign_id} already",
                field="campaign_id",
            )
        try:
            check_alone(stray)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"{stray.position_uuid} of {stray.hotkey} would be a leg of {head.campaign_id}: "
                f"{error.message}",
                field="campaign_id",
            ) from None


def decide_transition(
    book: Book, ask: Transition, now_ms: int, terms: Terms
) -> tuple[list[Change], CampaignDone]:
    """A campaign goes to another state, as far as the table lets it."""
    record = campaign_of(book, ask.campaign_id)
    check_version(record.version, ask.expected_version, f"campaign {record.campaign_id}",
                  "campaign_id", record.campaign_id)  # fmt: skip
    check_step(record, ask.to)
    open_count = len(book.campaigns.legs_of(record.campaign_id).open)
    if ask.to == pb.CAMPAIGN_COMPLETED and open_count:
        raise HasLegs(
            f"campaign {record.campaign_id} has {_legs(open_count, 'open leg')} to be closed first",
            legs=open_count,
            campaign_id=record.campaign_id,
        )
    head = head_of(record)
    at_ms = ask.at_ms or max(now_ms, record.started_ms)
    check_not_ahead(at_ms, now_ms, "at_ms", at_least_ms=record.started_ms)
    if ask.to in (pb.CAMPAIGN_COMPLETED, pb.CAMPAIGN_FAILED):
        if at_ms < record.started_ms:
            raise InvalidArgument(
                f"at_ms ({at_ms}) lies before the campaign's start ({record.started_ms})",
                field="at_ms",
            )
        head.ended_ms = at_ms
        head.exit_price = ask.exit_price
        head.exit_reason = ask.exit_reason  # type: ignore[assignment]
        head.failure_reason = ask.failure_reason
    if ask.to == pb.CAMPAIGN_ACTIVE and not record.is_live:  # woken: its time begins anew
        due = terms.of_timeframe(record.timeframe)
        live = book.campaigns.live_of_hotkey(record.hotkey)
        check_room(record.hotkey, live, record.timeframe, terms)
        head.deadline_ms = max(head.deadline_ms, at_ms + due.expiry_ms)
    head.state = ask.to  # type: ignore[assignment]
    head.last_activity_ms = max(head.last_activity_ms, at_ms)
    return _saved(book, record, head, now_ms)


def check_step(record: CampaignRecord, to: int) -> None:
    now, then = state_of(record.state), state_of(to)
    if then not in MAY_FOLLOW[now]:
        may = ", ".join(MAY_FOLLOW[now]) or "nothing: it has ended"
        raise IllegalTransition(
            f"campaign {record.campaign_id} is {now} and cannot become {then}; from {now} it may "
            f"become {may}",
            current_state=now,
            asked_state=then,
            campaign_id=record.campaign_id,
        )


def decide_expire(book: Book, expire: Expire, now_ms: int) -> tuple[list[Change], ExpireDone]:
    """What is overdue fails, the longest first, so many at once."""
    overdue = book.campaigns.overdue(expire.now_ms)[:EXPIRED_AT_ONCE]
    changes = [
        expiry_of(record, expire.now_ms, book.revision + number, now_ms)
        for number, record in enumerate(overdue, start=1)
    ]
    return changes, ExpireDone(book.revision + len(changes), len(changes))


def expiry_of(record: CampaignRecord, at_ms: int, revision: int, now_ms: int) -> Change:
    head = head_of(record)
    hours = Decimal(at_ms - record.started_ms) / HOUR_MS
    head.state = pb.CAMPAIGN_FAILED
    head.failure_reason = f"Expired after {hours:.1f} hours"
    head.ended_ms = at_ms
    patterns = record.wire[: record.patterns_size]
    return Change.campaign_saved(written(head, patterns, revision, now_ms))


def _legs(count: int, noun: str = "leg") -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def decide_delete_campaign(book: Book, delete: DeleteCampaign) -> tuple[list[Change], DeleteDone]:
    """A campaign goes, if it is there, and has no legs: these are kept for ever."""
    record = book.campaigns.by_id.get(delete.campaign_id)
    check_version(0 if record is None else record.version, delete.expected_version,
                  f"campaign {delete.campaign_id}", "campaign_id", delete.campaign_id)  # fmt: skip
    if record is None:
        return [], DeleteDone(book.revision, existed=False)
    legs = len(book.campaigns.legs_of(record.campaign_id))
    if legs:
        raise HasLegs(
            f"campaign {record.campaign_id} has {_legs(legs)}, and legs are kept for ever",
            legs=legs,
            campaign_id=record.campaign_id,
        )
    revision = book.revision + 1
    return [Change.campaign_removed(revision, record)], DeleteDone(revision, existed=True)


# ---------------------------------------------------------------------------- parts


def check_room(hotkey: str, live: Iterable[CampaignRecord], timeframe: str, terms: Terms) -> None:
    """Those of short timeframes and those of longer ones have room of their own."""
    due = terms.of_timeframe(timeframe)
    live_count = sum(terms.of_timeframe(record.timeframe) is due for record in live)
    if live_count >= due.live_max:
        which = "of an hour or less" if due is terms.short else "of more than an hour"
        raise TooManyCampaigns(
            f"{hotkey} has {live_count} live campaigns on timeframes {which}; at most "
            f"{due.live_max} are held: complete one, let it fail, or let it rest",
            live_count=live_count,
            live_max=due.live_max,
        )


def check_not_ahead(at_ms: int, now_ms: int, field: str, *, at_least_ms: int = 0) -> None:
    """What has happened lies in the past, but for clocks that differ; and but for what stands
    already (`at_least_ms`), which may not be earlier."""
    latest_ms = max(now_ms + EARLY_MS, at_least_ms)
    if at_ms > latest_ms:
        raise InvalidArgument(
            f"{field} ({at_ms}) lies in the future: it is {now_ms} now", field=field
        )


def campaign_of(book: Book, campaign_id: str) -> CampaignRecord:
    record = book.campaigns.by_id.get(campaign_id)
    if record is None:
        raise NotFound(f"there is no campaign {campaign_id}", campaign_id=campaign_id)
    return record


def head_of(record: CampaignRecord) -> pb.Campaign:
    """A campaign's message without its patterns; the caller's to change."""
    head = pb.Campaign.FromString(record.wire[record.patterns_size :])
    head.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
    return head


def patterns_of(record: CampaignRecord) -> Iterator[pb.Pattern]:
    yield from pb.Campaign.FromString(record.wire[: record.patterns_size]).patterns


def written(head: pb.Campaign, patterns: bytes, revision: int, now_ms: int) -> CampaignRecord:
    """The record of a campaign's next version: the patterns first, then the rest of it."""
    head.version += 1
    head.revision, head.updated_ms = revision, now_ms
    tail = raw.CampaignHeader(patterns_size=len(patterns))
    return campaign_record_from(patterns + head.SerializeToString() + tail.SerializeToString())


def _saved(
    book: Book, record: CampaignRecord, head: pb.Campaign, now_ms: int
) -> tuple[list[Change], CampaignDone]:
    revision = book.revision + 1
    made = written(head, record.wire[: record.patterns_size], revision, now_ms)
    return [Change.campaign_saved(made)], CampaignDone(revision, made.wire)


def made_id(kind: str, revision: int, *parts: str) -> str:
    """A name that nobody gave: always the same for the same history."""
    return str(uuid.uuid5(_NAMES, "\n".join((kind, str(revision), *parts))))


_NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def risk_limit(account_size: str, terms: Terms) -> str:
    """A campaign's share of its account; nothing is held where that is not known."""
    size = from_text(account_size)
    return f"{SUMS.multiply(size, terms.risks.campaign).normalize():f}" if size else ""
