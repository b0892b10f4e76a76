"""The Book: all state at one revision, changed only by `apply`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hotbook_shared.book.positions import Listed, Positions
from hotbook_shared.record import Change, ChangeKind, Record

Undo = list[tuple[str, Record | None]]
"""What stood under each uuid before a change, in order of change."""


class Book:
    """Plain dicts over immutable records. Not locked: one thread owns a book.

    Applying the same changes to equal books gives equal books; their digests prove it.
    """

    __slots__ = ("positions", "revision")

    def __init__(self, records: Iterable[Record] = (), revision: int = 0) -> None:
        self.positions = Positions(records)
        self.revision = revision

    def apply(self, change: Change) -> Undo:
        """Applies the next change. Returns what `revert` needs to take it back."""
        assert change.revision == self.revision + 1, "changes come in order, without gaps"
        self.revision = change.revision
        put = self.positions.put
        if change.kind is ChangeKind.CLEARED:
            held = self.positions.by_uuid
            if change.key:
                held = self.positions.by_hotkey.get(change.key, {})
            return [(uuid, put(uuid, None)) for uuid in list(held)]
        return [(change.key, put(change.key, change.record))]

    def revert(self, undo: Undo, revision: int) -> None:
        """Goes back to an earlier revision, given all that `apply` returned since."""
        for uuid, old in reversed(undo):
            self.positions.put(uuid, old)
        self.revision = revision

    def copy(self) -> Book:
        """An independent book over the same records."""
        twin = Book.__new__(Book)
        twin.positions = self.positions.copy()
        twin.revision = self.revision
        return twin

    def picture(self) -> Picture:
        return Picture(self.positions.picture(), self.revision, self.digest)

    @property
    def digest(self) -> str:
        return f"{self.positions.digest:032x}"


class Picture(msgspec.Struct, frozen=True):
    """The whole book at one revision. It stays as it is while the book goes on."""

    positions: Listed
    revision: int
    digest: str

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with it: indexes, records and digest against a fresh scan."""
        held = self.positions.by_hotkey.values()
        fresh = Positions(record for records in held for record in records.values())
        yield from fresh.problems()
        yield from self.positions.differences(fresh)
        if self.digest != f"{fresh.digest:032x}":
            yield f"the digest is {self.digest}, not {fresh.digest:032x}"
