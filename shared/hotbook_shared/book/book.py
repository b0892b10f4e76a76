"""The Book: all state at one revision, changed only by `apply`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hotbook_shared.book.campaigns import Campaigns
from hotbook_shared.book.marks import Marks
from hotbook_shared.book.positions import Listed, Positions
from hotbook_shared.record import (
    DIGEST_MASK,
    AnyRecord,
    CampaignRecord,
    Change,
    ChangeKind,
    MarkRecord,
    Record,
)


class Cleared(msgspec.Struct, frozen=True):
    """What a clear has taken away: the records of a hotkey; of every hotkey, what held them, which
    nobody changes any more."""

    records: list[Record]
    campaigns: list[CampaignRecord]
    whole: tuple[Positions, Campaigns] | None = None

    @property
    def positions(self) -> Iterable[Record]:
        return self.records if self.whole is None else self.whole[0].by_uuid.values()

    def let_go(self) -> None:
        """Frees them a little at a time: on a thread of its own this lets others go on, where
        dropping a million in one step would not."""
        for held in (self.records, self.campaigns):
            while held:
                held.pop()
        for whole in self.whole or ():
            whole.let_go()


Undone = tuple[ChangeKind, str, AnyRecord | Cleared | None]
Undo = list[Undone]
"""What stood under each key before a change, in order of change, and what saves such a thing; of a
clear, all that it has taken away."""


def cleared_in(undo: Undo) -> list[Cleared]:
    return [old for _, _, old in undo if isinstance(old, Cleared)]


class Book:
    """Plain dicts over immutable records. Not locked: one thread owns a book.

    Applying the same changes to equal books gives equal books; their digests prove it.
    """

    __slots__ = ("campaigns", "marks", "positions", "revision")

    def __init__(
        self,
        records: Iterable[Record] = (),
        revision: int = 0,
        campaigns: Iterable[CampaignRecord] = (),
        marks: Iterable[MarkRecord] = (),
    ) -> None:
        self.positions = Positions(records)
        self.campaigns = Campaigns(campaigns, self.positions.by_uuid.values())
        self.marks = Marks(marks)
        self.revision = revision

    def apply(self, change: Change) -> Undo:
        """Applies the next change. Returns what `revert` needs to take it back."""
        assert change.revision == self.revision + 1, "changes come in order, without gaps"
        self.revision = change.revision
        match change.kind:
            case ChangeKind.SAVED | ChangeKind.REMOVED:
                return [self._put_position(change.key, change.record)]
            case ChangeKind.MARKED:
                return [self._put(ChangeKind.MARKED, change.key, change.price_mark)]
            case ChangeKind.CAMPAIGN_SAVED | ChangeKind.CAMPAIGN_REMOVED:
                return [self._put(ChangeKind.CAMPAIGN_SAVED, change.key, change.campaign)]
            case ChangeKind.CLEARED:
                return [(change.kind, change.key, self._clear(change.key))]

    def revert(self, undo: Undo, revision: int) -> None:
        """Goes back to an earlier revision, given all that `apply` returned since."""
        for kind, key, old in reversed(undo):
            if isinstance(old, Cleared):
                self._put_back(old)
            else:
                self._put(kind, key, old)
        self.revision = revision

    def copy(self) -> Book:
        """An independent book over the same records."""
        twin = Book.__new__(Book)
        twin.positions = self.positions.copy()
        twin.campaigns = self.campaigns.copy()
        twin.marks = self.marks.copy()
        twin.revision = self.revision
        return twin

    def anew(self) -> Book:
        """A book over the same records, every index of it made from them."""
        marks = self.marks.by_pair.values()
        campaigns = self.campaigns.by_id.values()
        return Book(self.positions.by_uuid.values(), self.revision, campaigns, marks)

    def holds_the_same(self, other: Book) -> bool:
        """Whether both hold equal records, whatever their indexes say."""
        return (
            self.positions.by_uuid == other.positions.by_uuid
            and self.campaigns.by_id == other.campaigns.by_id
            and self.marks.by_pair == other.marks.by_pair
        )

    def rebuild(self) -> None:
        """Makes every index anew from the truth."""
        self.positions.rebuild()
        self.campaigns.rebuild(self.positions.by_uuid.values())

    def picture(self) -> Picture:
        return Picture(self.positions.picture(), self.revision, self.digest, self._beside)

    def problems(self, *, in_memory_only: bool = False) -> Iterator[str]:
        """Everything that is wrong with it: indexes, records and digests against a fresh scan."""
        yield from self.positions.problems(in_memory_only=in_memory_only)
        yield from self.campaigns.problems(self.positions.by_uuid.values())
        yield from self.marks.problems()

    @property
    def digest(self) -> str:
        return f"{self.positions.digest + self._beside & DIGEST_MASK:032x}"

    @property
    def _beside(self) -> int:
        """What campaigns and marks add to the digest."""
        beside: int = self.campaigns.digest + self.marks.digest
        return beside

    def _put_position(self, uuid: str, new: Record | None) -> Undone:
        old = self.positions.put(uuid, new)
        if (old is not None and old.campaign_id) or (new is not None and new.campaign_id):
            self.campaigns.put_leg(old, new)
        return ChangeKind.SAVED, uuid, old

    def _put(self, kind: ChangeKind, key: str, new: AnyRecord | None) -> Undone:
        """Lets `new` stand under the key. Returns the same of what stood there before."""
        if kind is ChangeKind.CAMPAIGN_SAVED:
            assert new is None or isinstance(new, CampaignRecord)
            return kind, key, self.campaigns.put(key, new)
        if kind is ChangeKind.MARKED:
            assert new is None or isinstance(new, MarkRecord)
            return kind, key, self.marks.put(key, new)
        assert new is None or isinstance(new, Record)
        return self._put_position(key, new)

    def _clear(self, hotkey: str) -> Cleared:
        """In bulk: one by one, a million of them would keep everybody waiting for seconds."""
        if hotkey:
            records = self.positions.drop(hotkey)
            return Cleared(records, self.campaigns.drop(hotkey, records))
        whole = self.positions, self.campaigns
        self.positions, self.campaigns = Positions(), Campaigns()
        return Cleared([], [], whole)

    def _put_back(self, cleared: Cleared) -> None:
        if cleared.whole is not None:
            self.positions, self.campaigns = cleared.whole
        for record in cleared.records:
            self._put_position(record.position_uuid, record)
        for campaign in cleared.campaigns:
            self.campaigns.put(campaign.campaign_id, campaign)


class Picture(msgspec.Struct, frozen=True):
    """The positions at one revision. They stay as they are while the book goes on."""

    positions: Listed
    revision: int
    digest: str
    beside: int = 0
    """What campaigns and marks, which are not in it, add to the digest."""

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with it: indexes, records and digest against a fresh scan."""
        held = self.positions.by_hotkey.values()
        fresh = Positions(record for records in held for record in records.values())
        yield from fresh.problems()
        yield from self.positions.differences(fresh)
        expected = f"{fresh.digest + self.beside & DIGEST_MASK:032x}"
        if self.digest != expected:
            yield f"the digest is {self.digest}, not {expected}"
