"""Campaigns, legs and marks for tests, as records and as changes; and a book that random ones
happen to.

Names are few, so that they meet each other: a campaign that was removed comes back, perhaps under
another hotkey, on another pair. A leg has its campaign's hotkey and pair, for a book takes what
rules have let by.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from hotbook import Side
from hotbook_server.engine import Engine
from hotbook_server.journal.base import Batch
from hotbook_server.rules.campaigns import head_of, written
from hotbook_shared.book import Book
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change, MarkRecord, Record, mark_record_from
from tests.make import NOW_MS, OPEN_MS, leg, position, record

DAY_MS = 86_400_000
PATTERN = pb.Pattern(signal_id="s1", type=pb.PATTERN_SPRING, at_ms=OPEN_MS, price="100")
HOTKEYS = ("ann", "bob", "cid")
PAIRS = ("BTCUSD", "ETHUSD", "SPX")
STATES = (pb.CAMPAIGN_FORMING, pb.CAMPAIGN_ACTIVE, pb.CAMPAIGN_DORMANT, pb.CAMPAIGN_FAILED)


def campaign(revision: int, campaign_id: str = "c1", **changed: Any) -> CampaignRecord:
    """An ACTIVE campaign of "hk" on BTCUSD with two patterns."""
    fields: dict[str, Any] = {
        "campaign_id": campaign_id,
        "hotkey": "hk",
        "trade_pair": "BTCUSD",
        "state": pb.CAMPAIGN_ACTIVE,
        "started_ms": NOW_MS,
        "deadline_ms": NOW_MS + DAY_MS,
        "pattern_count": 2,
        "created": revision,
    }
    patterns = pb.Campaign(patterns=[PATTERN, PATTERN]).SerializeToString()
    return written(pb.Campaign(**fields | changed), patterns, revision, NOW_MS)


def changed(old: CampaignRecord, revision: int, **fields: Any) -> CampaignRecord:
    """Its next version."""
    head = head_of(old)
    for name, value in fields.items():
        setattr(head, name, value)
    return written(head, old.wire[: old.patterns_size], revision, NOW_MS)


def leg_of(
    owner: CampaignRecord, revision: int, uuid: str = "leg1", *, shares: str = "2",
    entry: str = "100", stop: str = "95", **changed: Any,
) -> Record:  # fmt: skip
    """An open LONG leg that risks 10."""
    fields: dict[str, Any] = {
        "hotkey": owner.hotkey,
        "trade_pair": owner.trade_pair,
        "campaign_id": owner.campaign_id,
        "side": Side.LONG,
        "quantity": Decimal(shares),
        "average_entry_price": Decimal(entry),
        "stop_loss": Decimal(stop),
    }
    return record(leg(uuid, **fields | changed), revision, revision)


def mark_of(
    revision: int, price: str = "110", trade_pair: str = "BTCUSD", at_ms: int = NOW_MS
) -> MarkRecord:
    made = pb.Mark(trade_pair=trade_pair, price=price, at_ms=at_ms, revision=revision)
    return mark_record_from(made.SerializeToString())


def happen(engine: Engine, *changes: Change) -> None:
    """Lets changes be one commit of an engine, as if rules had made them."""
    engine.journal.append(Batch(list(changes), [], NOW_MS, 0))
    for change in changes:
        engine._ahead.apply(change)
        engine.book.apply(change)
    engine.feed.publish(changes, engine._mark(), engine.book.digest)
    engine.alerts.observe(changes, engine.book, engine._clock.now_ms())


class Campaigning:
    """A book that random commits of campaigns, legs and marks happen to."""

    def __init__(self, seed: int, campaigns: int = 8) -> None:
        self.book = Book()
        self._chance = random.Random(seed)
        self._campaigns = campaigns

    def commit(self, most: int = 3) -> list[Change]:
        """A few changes that are one commit. The book has them already."""
        changes: list[Change] = []
        for _ in range(self._chance.randint(1, most)):
            for change in self._happened(self.book.revision + 1):
                self.book.apply(change)
                changes.append(change)
        return changes

    def _happened(self, revision: int) -> list[Change]:
        what = self._chance.random()
        if what < 0.03:
            return [Change.cleared(revision, self._chance.choice(("", *HOTKEYS)))]
        if what < 0.25:
            at_ms = OPEN_MS + self._chance.randrange(100)
            price, pair = str(self._chance.randint(80, 120)), self._chance.choice(PAIRS)
            return [Change.marked(mark_of(revision, price, pair, at_ms))]
        if what < 0.30:
            stray = position(f"stray{self._chance.randrange(3)}", trade_pair="XRPUSD",
                             campaign_id=self._chance.choice([None, "nobody"]))  # fmt: skip
            return [Change.saved(record(stray, revision, revision))]
        return self._of_campaign(f"c{self._chance.randrange(self._campaigns)}", revision)

    def _of_campaign(self, campaign_id: str, revision: int) -> list[Change]:
        old = self.book.campaigns.by_id.get(campaign_id)
        if old is None:
            made = campaign(
                revision, campaign_id, hotkey=self._chance.choice(HOTKEYS),
                trade_pair=self._chance.choice(PAIRS), state=self._chance.choice(STATES),
                account_size="1000", risk_limit="50",
            )  # fmt: skip
            return [Change.campaign_saved(made)]
        legs, what = self.book.campaigns.legs_of(campaign_id), self._chance.random()
        if what < 0.25 and not legs:
            return [Change.campaign_removed(revision, old)]
        if what < 0.4:
            state = self._chance.choice(STATES)
            return [Change.campaign_saved(changed(old, revision, state=state))]
        saved = self._leg(old, revision)
        before = self.book.positions.by_uuid.get(saved.position_uuid)
        after = changed(old, revision + 1, last_activity_ms=OPEN_MS + revision)
        return [Change.saved(saved, before), Change.campaign_saved(after)]

    def _leg(self, owner: CampaignRecord, revision: int) -> Record:
        """Opened or closed, on either side, some of them after the newest mark."""
        is_long = self._chance.random() < 0.5
        figures: dict[str, Any] = {"open_ms": OPEN_MS + self._chance.randrange(100)}
        if self._chance.random() < 0.4:
            figures |= {"close_ms": OPEN_MS + 1_000, "exit_price": Decimal(101),
                        "realized_pnl": Decimal(self._chance.randint(-9, 9))}  # fmt: skip
        return leg_of(
            owner, revision, f"{owner.campaign_id}-{owner.created}-{self._chance.randrange(4)}",
            shares=str(self._chance.randint(1, 9)), entry=str(self._chance.randint(90, 110)),
            stop="85" if is_long else "115", side=Side.LONG if is_long else Side.SHORT, **figures,
        )  # fmt: skip
