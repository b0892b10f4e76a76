"""The contract of a journal. tests/conformance runs one suite over every implementation."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from hotbook_shared.book import Book
from hotbook_shared.record import CampaignRecord, Change, MarkRecord, Record

CHAIN_START = bytes(16)
"""What the first change of a book is chained to."""

Progress = Callable[[int, int], None]
"""Called now and then with what is done, and how much there is."""


Each = Callable[[Record], None]


class KeptRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that was answered: enough to know it again. The outcome stays in the journal."""

    request_id: str
    fingerprint: int
    sequence: int
    at_ms: int


class Batch(msgspec.Struct, frozen=True):
    """What one commit writes, all of it or nothing."""

    changes: Sequence[Change]
    requests: Sequence[tuple[KeptRequest, bytes]]
    at_ms: int
    forget_requests_until: int = 0
    """Requests up to this sequence are no longer needed."""


class Loaded(msgspec.Struct, frozen=True):
    """The book as the journal holds it."""

    records: list[Record]
    campaigns: list[CampaignRecord]
    marks: list[MarkRecord]
    revision: int
    requests: list[KeptRequest]
    quarantined: int
    """How many damaged rows are set aside in all."""
    damaged: list[str] = []
    """Those that this load has found: which, and what is wrong with each."""

    def book(self) -> Book:
        return Book(self.records, self.revision, self.campaigns, self.marks)


class Checked(msgspec.Struct, frozen=True):
    """What a check of the journal against the book of the same revision found."""

    problems: list[str]
    changes: int


class Commit(msgspec.Struct, frozen=True):
    """Changes that were written together, and the chain's link at the last of them."""

    changes: Sequence[Change]
    link: bytes


class DiskIsFull(Exception):
    """Nothing of the batch was written; later ones may be, when there is room."""


class JournalBroken(Exception):
    """The store cannot be trusted any more; whether the batch was written is unknown."""


class RowDamaged(Exception):
    """A row is not as it was written. The others are well."""


class Journal(Protocol):
    """One writer calls `append`, `outcome` and `flush` from one thread at a time; `load` while no
    append is under way; `commits`, `link_at`, `wire_of` and `backup` from any thread, always."""

    book_id: str
    link: bytes
    """The chain's end. It stands for every change that led here."""

    def load(self, progress: Progress | None = None, each: Each | None = None) -> Loaded:
        """Everything. What is damaged is set aside and counted.

        `each` is called with every position as it is read, in the order in which they were first
        written.
        """

    def append(self, batch: Batch) -> None:
        """Writes a batch. When it returns, the batch is as safe as the mode promises."""

    def outcome(self, sequence: int) -> bytes | None:
        """The outcome that was kept with a request."""

    def wire_of(self, record: Record) -> bytes | None:
        """The bytes of a record that was appended once: from where it stands, or else from the
        change that made it. None where it does not stand and its change is not kept.

        Raises RowDamaged where it stands and is not as it was written.
        """

    def commits(self, after: int, room_bytes: int) -> list[Commit]:
        """Commits after a revision, in order, as many as fill about so many bytes.

        None at all where the next change is not kept any more, or never was; a book without a disk
        keeps none. What is damaged ends the list.
        """

    def link_at(self, revision: int) -> bytes | None:
        """The chain's link at a change, where it is still kept; at 0 that before the first."""

    def quarantined(self) -> int:
        """How many damaged rows have been set aside."""

    def snapshot(self) -> Snapshot:
        """A view of the journal as it stands now; later appends do not show in it."""

    def backup(self, to: Path) -> int:
        """Writes a complete copy of the store as it stands. Returns the copy's revision."""

    def flush(self) -> None:
        """Brings to disk what an append left to be brought there later (relaxed mode)."""

    def close(self) -> None: ...


class Snapshot(Protocol):
    """The journal at one revision, to be read at leisure on another thread, then closed."""

    def check(self, book: Book) -> Checked:
        """Compares all that is stored with what the book holds, and every change with its chain."""

    def close(self) -> None: ...


WAS_OPEN, ENDS_COMMIT = 1, 2
"""The flags of a change on disk."""


def said_of(
    revision: object, kind: object, flags: object, key: bytes, hotkey: bytes, wire: bytes
) -> bytes:
    """What a change says, for checksums: the same on every machine and version."""
    return b"%s %s %s\0%s" % (f"{revision} {kind} {flags}".encode(), key, hotkey, wire)


def crc_of(said: bytes) -> int:
    return zlib.crc32(said)


def link(chain: bytes, said: bytes) -> bytes:
    """The next value of the chain: no change can be altered, dropped or moved unseen."""
    return hashlib.sha256(chain + said).digest()[:16]


def chained(chain: bytes, changes: Sequence[Change]) -> Iterator[tuple[Change, int, int, bytes]]:
    """Each change of a commit with its flags, checksum and link, following the chain's end."""
    for number, change in enumerate(changes, start=1):
        flags = WAS_OPEN * change.was_open + ENDS_COMMIT * (number == len(changes))
        held = change.held
        wire = held.wire if held is not None else b""
        key, hotkey = change.key.encode(), change.hotkey.encode()
        said = said_of(change.revision, int(change.kind), flags, key, hotkey, wire)
        chain = link(chain, said)
        yield change, flags, crc_of(said), chain
