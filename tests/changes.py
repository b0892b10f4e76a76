"""Random changes to a book: saves, closings, removals, clears, campaigns and marks, in commits of
a few.

Names are few, so that they meet each other: a uuid that was removed comes back, perhaps under
another hotkey. Positions of one hotkey never share a pair, legs aside, for a book takes what rules
have let by.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from hotbook_shared.book import Book, Picture
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import (
    CampaignRecord,
    Change,
    ChangeKind,
    MarkRecord,
    Record,
    campaign_record_from,
    mark_record_from,
)
from tests.make import CLOSE_MS, NOW_MS, OPEN_MS, position, record

HOTKEYS = ("ann", "bob", "cid")


class Changing:
    """A book that random commits happen to."""

    def __init__(self, seed: int, hotkeys: tuple[str, ...] = HOTKEYS, uuids: int = 10) -> None:
        self.book = Book()
        self.commits: list[list[Change]] = []
        self._chance = random.Random(seed)
        self._hotkeys = hotkeys
        self._uuids = uuids

    def commit(self, most: int = 4) -> list[Change]:
        """A few changes that are one commit. The book has them already."""
        changes = []
        for _ in range(self._chance.randint(1, most)):
            changes.append(self._change(self.book.revision + 1))
            self.book.apply(changes[-1])
        self.commits.append(changes)
        return changes

    def _change(self, revision: int) -> Change:
        what = self._chance.random()
        if what < 0.02:
            return Change.cleared(revision, "")
        if what < 0.06:
            return Change.cleared(revision, self._chance.choice(self._hotkeys))
        if what < 0.14:
            pair, price = f"PAIR{self._chance.randrange(self._uuids)}", f"{revision}.5"
            return Change.marked(price_mark(pair, price, revision))
        if what < 0.26:
            return self._campaign(revision)
        number = self._chance.randrange(self._uuids)
        old = self.book.positions.by_uuid.get(f"u{number}")
        if old is not None and what < 0.42:
            return Change.removed(revision, old)
        return Change.saved(self._saved(number, revision, old), old)

    def _saved(self, number: int, revision: int, old: Record | None) -> Record:
        is_leg = number % 3 == 0  # two of a campaign, on one pair
        made = position(
            f"u{number}",
            hotkey=old.hotkey if old is not None else self._chance.choice(self._hotkeys),
            trade_pair=f"PAIR{number // 6 * 6 if is_leg else number}",
            close_ms=self._chance.choice([None, CLOSE_MS + revision]),
            campaign_id=f"c{number // 6}" if is_leg else None,
            signal_id=f"at-{revision}",
        )
        return record(made, 1 if old is None else old.version + 1, revision)

    def _campaign(self, revision: int) -> Change:
        number = self._chance.randrange(4)
        old = self.book.campaigns.by_id.get(f"c{number}")
        if old is not None and self._chance.random() < 0.3:
            return Change.campaign_removed(revision, old)
        said: dict[str, Any] = {"state": self._chance.randint(1, 5)}
        if old is None:
            return Change.campaign_saved(
                campaign(f"c{number}", revision, hotkey=self._chance.choice(self._hotkeys), **said)
            )
        said |= {"created": old.created, "version": old.version + 1}
        return Change.campaign_saved(campaign(f"c{number}", revision, hotkey=old.hotkey, **said))


def campaign(campaign_id: str, revision: int, **said: Any) -> CampaignRecord:
    """A campaign of "hk" on BTCUSD that a revision has made, or left so."""
    fields: dict[str, Any] = {
        "hotkey": "hk",
        "trade_pair": "BTCUSD",
        "state": pb.CAMPAIGN_ACTIVE,
        "started_ms": OPEN_MS,
        "deadline_ms": OPEN_MS + 72 * 3_600_000,
        "created": revision,
        "version": 1,
    }
    made = pb.Campaign(campaign_id=campaign_id, revision=revision, **fields | said)
    return campaign_record_from(made.SerializeToString())


def price_mark(trade_pair: str, price: str, revision: int) -> MarkRecord:
    mark = pb.Mark(trade_pair=trade_pair, price=price, at_ms=NOW_MS + revision, revision=revision)
    return mark_record_from(mark.SerializeToString())


def change_of(revision: int, uuid: str = "p1", **changed: object) -> Change:
    """Saves a small position of its own."""
    return Change.saved(record(position(uuid, **changed), revision, revision))


def beside(book: Book, hotkeys: Iterable[str] = (), *, open_only: bool = False) -> dict[str, bytes]:
    """The campaigns of a part of a book by id, and its marks by pair."""
    wanted = frozenset(hotkeys)
    campaigns = {
        campaign_id: kept.wire
        for campaign_id, kept in book.campaigns.by_id.items()
        if (not wanted or kept.hotkey in wanted) and not open_only
    }
    marks = {pair: kept.wire for pair, kept in book.marks.by_pair.items()}
    return campaigns if wanted or open_only else campaigns | marks


def wires(book: Book | Picture) -> dict[str, bytes]:
    """What a book or a picture holds, by uuid."""
    held = book.positions.by_hotkey.values()
    return {uuid: kept.wire for records in held for uuid, kept in records.items()}


def part_of(book: Book, hotkeys: Iterable[str], *, open_only: bool) -> dict[str, bytes]:
    """The same of a part of a book, by looking at every position."""
    wanted = frozenset(hotkeys)
    return {
        uuid: kept.wire
        for uuid, kept in book.positions.by_uuid.items()
        if (not wanted or kept.hotkey in wanted) and (kept.is_open or not open_only)
    }


def frames_of(data: Iterable[bytes]) -> list[raw.WatchFrame]:
    return [raw.WatchFrame.FromString(one) for one in data]


def names(changes: Iterable[Change]) -> list[tuple[int, ChangeKind, str]]:
    return [(change.revision, change.kind, change.key) for change in changes]
