"""The rules of legs: positions that belong to a campaign. Pure.

A leg and its campaign change together: whatever saves a leg lets its campaign have a next version,
in the same commit. A leg of a campaign that stands is never removed, and never leaves it. A leg
whose campaign does not stand is a position like others. What the figures of a leg may be is in
leg_figures.py.
"""

from __future__ import annotations

from decimal import Decimal

from hotbook_server.commands import AddLeg, CloseLeg, LegDone
from hotbook_server.rules.campaigns import (
    campaign_of,
    check_not_ahead,
    head_of,
    made_id,
    written,
)
from hotbook_server.rules.leg_figures import check_saved, result_of
from hotbook_server.rules.positions import check_version
from hotbook_server.rules.standing import message_of
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.book.legs import Leg
from hotbook_shared.errors import (
    AlreadyExists,
    CampaignEnded,
    InvalidArgument,
    LegClosed,
    LegKept,
    NotFound,
    RiskLimitExceeded,
)
from hotbook_shared.money import SUMS, ZERO, from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change, ChangeKind, Record, record_from, seal


def decide_add_leg(
    book: Book, add: AddLeg, now_ms: int, terms: Terms
) -> tuple[list[Change], LegDone]:
    """A leg is opened in a campaign, as far as the limits of risk let it."""
    campaign = campaign_of(book, add.campaign_id)
    _check_campaign_version(campaign, add.expected_version)
    _check_takes_legs(campaign)
    leg = pb.Position.FromString(add.leg)
    leg.hotkey, leg.trade_pair = campaign.hotkey, campaign.trade_pair
    leg.campaign_id = campaign.campaign_id
    leg.timeframe = leg.timeframe or campaign.timeframe
    leg.open_ms = leg.open_ms or now_ms
    check_not_ahead(leg.open_ms, now_ms, "opened_ms")
    revision = book.revision + 1
    leg.position_uuid = leg.position_uuid or made_id("leg", revision, campaign.campaign_id)
    if leg.position_uuid in book.positions.by_uuid:
        raise AlreadyExists(
            f"there is a position {leg.position_uuid} already", position_uuid=leg.position_uuid
        )
    record = record_from(seal(leg.SerializeToString(), 1, revision, now_ms))
    _check_risk(book, campaign, Leg.of(record), terms)
    touched = _touched(campaign, leg.open_ms, revision + 1, now_ms)
    changes = [Change.saved(record), Change.campaign_saved(touched)]
    return changes, LegDone(revision + 1, record.wire, touched.version, b"")


def decide_close_leg(book: Book, close: CloseLeg, now_ms: int) -> tuple[list[Change], LegDone]:
    """A leg is closed at a price; it stays where it is, for ever."""
    campaign = campaign_of(book, close.campaign_id)
    _check_campaign_version(campaign, close.expected_version)
    record = book.positions.by_uuid.get(close.position_uuid)
    if record is None or record.campaign_id != campaign.campaign_id:
        raise NotFound(
            f"campaign {campaign.campaign_id} has no leg {close.position_uuid}",
            campaign_id=campaign.campaign_id,
            position_uuid=close.position_uuid,
        )
    if record.close_ms is not None:
        raise LegClosed(
            f"leg {record.position_uuid} was closed at {record.close_ms}",
            position_uuid=record.position_uuid,
            closed_ms=record.close_ms,
        )
    closed_ms = close.closed_ms or max(now_ms, record.open_ms)
    check_not_ahead(closed_ms, now_ms, "closed_ms", at_least_ms=record.open_ms)
    if closed_ms < record.open_ms:
        raise InvalidArgument(
            f"closed_ms ({closed_ms}) lies before the leg was opened ({record.open_ms})",
            field="closed_ms",
        )
    message = message_of(record)
    _close(message, Leg.of(record), Decimal(close.exit_price), closed_ms)
    revision = book.revision + 1
    wire = seal(message.SerializeToString(), record.version + 1, revision, now_ms)
    made = record_from(wire)
    touched = _touched(campaign, closed_ms, revision + 1, now_ms)
    changes = [Change.saved(made, record), Change.campaign_saved(touched)]
    return changes, LegDone(revision + 1, made.wire, touched.version, b"")


def _close(message: pb.Position, leg: Leg, exit_price: Decimal, closed_ms: int) -> None:
    message.close_ms = closed_ms
    message.exit_price = f"{exit_price:f}"
    message.realized_pnl = f"{result_of(leg, exit_price):f}"  # whole: totals are rounded once
    message.net_quantity = message.unrealized_pnl = "0"


def with_campaigns(book: Book, made: list[Change], now_ms: int) -> list[Change]:
    """What a command on positions changes, and with it the campaigns of those that are legs."""
    changes = made
    for change in made:
        if change.kind is ChangeKind.CLEARED:
            continue
        old = book.positions.by_uuid.get(change.key)
        touched = _campaigns_of(book, old, change.record)
        for campaign in touched:
            if changes is made:
                changes = list(made)
            at_ms = (
                0 if change.record is None else (change.record.close_ms or change.record.open_ms)
            )
            saved = _touched(campaign, at_ms, changes[-1].revision + 1, now_ms)
            changes.append(Change.campaign_saved(saved))
    return changes


def _campaigns_of(book: Book, old: Record | None, new: Record | None) -> list[CampaignRecord]:
    """The campaign that a saved position is a leg of, if it stands, and takes it so."""
    by_id = book.campaigns.by_id
    was_in = by_id.get(old.campaign_id) if old is not None else None
    is_in = by_id.get(new.campaign_id) if new is not None else None
    if old is not None and was_in is not None and was_in is not is_in:
        raise LegKept(
            f"{old.position_uuid} is a leg of campaign {was_in.campaign_id}, which keeps it for "
            "ever: close it with close_leg",
            position_uuid=old.position_uuid,
            campaign_id=was_in.campaign_id,
        )
    if is_in is None or new is None:
        return []
    if (new.hotkey, new.trade_pair) != (is_in.hotkey, is_in.trade_pair):
        raise InvalidArgument(
            f"campaign {is_in.campaign_id} is of {is_in.hotkey} on {is_in.trade_pair}, not of "
            f"{new.hotkey} on {new.trade_pair}",
            field="position.campaign_id",
        )
    leg_before = old if was_in is is_in else None
    check_saved(leg_before, new)
    if new.is_open and leg_before is None:
        _check_takes_legs(is_in)
    return [is_in]


def _touched(campaign: CampaignRecord, at_ms: int, revision: int, now_ms: int) -> CampaignRecord:
    """A campaign's next version, for its legs have changed."""
    head = head_of(campaign)
    head.last_activity_ms = max(head.last_activity_ms, at_ms)
    return written(head, campaign.wire[: campaign.patterns_size], revision, now_ms)


def _check_campaign_version(campaign: CampaignRecord, expected: int | None) -> None:
    check_version(campaign.version, expected, f"campaign {campaign.campaign_id}",
                  "campaign_id", campaign.campaign_id)  # fmt: skip


def _check_takes_legs(campaign: CampaignRecord) -> None:
    if campaign.has_ended:
        raise CampaignEnded(
            f"campaign {campaign.campaign_id} has ended: it takes no more legs",
            campaign_id=campaign.campaign_id,
        )


def _check_risk(book: Book, campaign: CampaignRecord, leg: Leg, terms: Terms) -> None:
    """What a leg would risk counts with what its campaign, and its hotkey, risk already."""
    whole = SUMS.add(book.campaigns.legs_of(campaign.campaign_id).sums.risk, leg.risk)
    heat = SUMS.add(book.campaigns.risk.get(campaign.hotkey, ZERO), leg.risk)
    account = max(book.campaigns.account_of(campaign.hotkey), from_text(campaign.account_size))
    for what, risk, limit, is_held in (
        (f"campaign {campaign.campaign_id}", whole, from_text(campaign.risk_limit),
         bool(campaign.risk_limit)),
        (f"all campaigns of {campaign.hotkey}", heat, SUMS.multiply(account, terms.risks.heat),
         bool(account)),
    ):  # fmt: skip
        if is_held and risk > limit:
            raise RiskLimitExceeded(
                f"{what} would risk {risk.normalize():f}; at most {limit.normalize():f} is allowed",
                risk=f"{risk.normalize():f}",
                limit=f"{limit.normalize():f}",
                campaign_id=campaign.campaign_id,
            )
