"""Random changes to a book: saves, closings, removals and clears, in commits of a few.

Names are few, so that they meet each other: a uuid that was removed comes back, perhaps under
another hotkey. Positions of one hotkey never share a pair, for a book takes what rules have let by.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from hotbook_shared.book import Book, Picture
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Change, ChangeKind, Record
from tests.make import CLOSE_MS, position, record

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
        number = self._chance.randrange(self._uuids)
        old = self.book.positions.by_uuid.get(f"u{number}")
        if old is not None and what < 0.25:
            return Change.removed(revision, old)
        return Change.saved(self._saved(number, revision, old), old)

    def _saved(self, number: int, revision: int, old: Record | None) -> Record:
        made = position(
            f"u{number}",
            hotkey=old.hotkey if old is not None else self._chance.choice(self._hotkeys),
            trade_pair=f"PAIR{number}",
            close_ms=self._chance.choice([None, CLOSE_MS + revision]),
            campaign_id=None if number % 3 else "c1",
            signal_id=f"at-{revision}",
        )
        return record(made, 1 if old is None else old.version + 1, revision)


def change_of(revision: int, uuid: str = "p1", **changed: object) -> Change:
    """Saves a small position of its own."""
    return Change.saved(record(position(uuid, **changed), revision, revision))


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
