"""What an import did: a report that names all that is not as it should be.

The tally grows while the work goes on; the report is what is left of it at the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

import msgspec

from hotbook.transfer.names import printable

Progress = Callable[[int, int], None]


class Kind(StrEnum):
    """Why something is named."""

    TWIN = "twin"
    DOUBLY_OPEN = "doubly_open"
    MENDED = "mended"
    WRONG_FOLDER = "wrong_folder"
    CORRUPT = "corrupt"
    EMPTY = "empty"
    FOREIGN = "foreign"
    MISPLACED = "misplaced"
    CONFLICT = "conflict"
    REFUSED = "refused"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the report names. `left_out`: the book does not hold what stands there."""

    kind: Kind
    place: str
    reason: str
    left_out: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and what became of it.

    `refused_by_strict`: something was wrong, so nothing was written. With `dry_run`, `saved` is
    what would be. `left_alone` are files that belong to other services.
    """

    read: int
    saved: int
    there_already: int
    twin: int
    doubly_open: int
    mended: int
    wrong_folder: int
    corrupt: int
    empty: int
    foreign: int
    misplaced: int
    conflict: int
    refused: int
    left_alone: int
    seconds: float
    dry_run: bool
    refused_by_strict: bool
    rejects: str | None
    named: tuple[Named, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the book now holds everything that was there."""
        return not self.refused_by_strict and not any(one.left_out for one in self.named)


class Tally:
    """Counts and names, while an import goes on."""

    def __init__(self) -> None:
        self.read = 0
        self.saved = 0
        self.there_already = 0
        self.left_alone = 0
        self._named: list[Named] = []
        self._began_s = time.monotonic()

    def name(self, kind: Kind, place: str, reason: str, *, left_out: bool = True) -> None:
        place, reason = printable(place), printable(reason)
        self._named.append(Named(kind=kind, place=place, reason=reason, left_out=left_out))

    @property
    def has_faults(self) -> bool:
        """Whether something that was read could not be taken as it is: what `strict` refuses."""
        late = (Kind.CONFLICT, Kind.REFUSED)  # the book's doing, not that of what was read
        return any(one.left_out and one.kind not in late for one in self._named)

    def report(
        self, *, dry_run: bool = False, refused_by_strict: bool = False, rejects: str | None = None
    ) -> Report:
        counts = Counter(str(one.kind) for one in self._named)
        return Report(
            read=self.read,
            saved=self.saved,
            there_already=self.there_already,
            left_alone=self.left_alone,
            seconds=round(time.monotonic() - self._began_s, 3),
            dry_run=dry_run,
            refused_by_strict=refused_by_strict,
            rejects=rejects,
            named=tuple(self._named),
            **{kind: counts[kind] for kind in map(str, Kind)},
        )
