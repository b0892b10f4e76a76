"""A journal without a disk: for tests, experiments and `--durability memory`.

Keeps what the SQLite journal keeps, in dicts over the same records, so that reload and verify
mean the same in both. Nothing survives the process.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from hotbook_server.journal.base import (
    CHAIN_START,
    Batch,
    Checked,
    Commit,
    Each,
    KeptRequest,
    Loaded,
    Progress,
    chained,
)
from hotbook_shared.book import Book
from hotbook_shared.errors import Unsupported
from hotbook_shared.record import Record


class MemoryJournal:
    def __init__(self) -> None:
        self.book_id = uuid.uuid4().hex
        self._book = Book()
        self.link = CHAIN_START
        self._requests: dict[int, tuple[KeptRequest, bytes]] = {}
        self._forgotten = 0  # the sequence up to which they are forgotten

    def load(self, progress: Progress | None = None, each: Each | None = None) -> Loaded:
        records = sorted(self._book.positions.by_uuid.values(), key=lambda record: record.revision)
        if each is not None:
            for record in records:
                each(record)
        if progress is not None:
            progress(len(records), len(records))
        requests = [kept for kept, _ in self._requests.values()]
        campaigns = list(self._book.campaigns.by_id.values())
        marks = list(self._book.marks.by_pair.values())
        return Loaded(records, campaigns, marks, self._book.revision, requests, quarantined=0)

    def append(self, batch: Batch) -> None:
        for change, _flags, _crc, link in chained(self.link, batch.changes):
            self._book.apply(change)
            self.link = link
        for kept, outcome in batch.requests:
            self._requests[kept.sequence] = kept, outcome
        for sequence in range(self._forgotten + 1, batch.forget_requests_until + 1):
            self._requests.pop(sequence, None)
        self._forgotten = max(self._forgotten, batch.forget_requests_until)

    def outcome(self, sequence: int) -> bytes | None:
        kept = self._requests.get(sequence)
        return None if kept is None else kept[1]

    def wire_of(self, record: Record) -> bytes | None:
        stands = self._book.positions.by_uuid.get(record.position_uuid)
        return stands.wire if stands is not None and stands.digest == record.digest else None

    def commits(self, after: int, room_bytes: int) -> list[Commit]:  # noqa: ARG002 - it keeps none
        return []

    def link_at(self, revision: int) -> bytes | None:
        return self.link if revision == self._book.revision else None

    def quarantined(self) -> int:
        return 0

    def snapshot(self) -> MemorySnapshot:
        return MemorySnapshot([held.copy() for held in _held(self._book)])

    def backup(self, to: Path) -> int:
        raise Unsupported(f"a book in memory has no store to copy to {to.name}")

    def flush(self) -> None:
        """Nothing is ever left to be brought to disk."""

    def close(self) -> None:
        """Nothing to let go of."""


class MemorySnapshot:
    def __init__(self, held: list[dict[str, Any]]) -> None:
        self._held = held

    def check(self, book: Book) -> Checked:
        same = self._held == _held(book)
        return Checked([] if same else ["the journal in memory differs from the book"], 0)

    def close(self) -> None:
        """Nothing to let go of."""


def _held(book: Book) -> list[dict[str, Any]]:
    return [book.positions.by_uuid, book.campaigns.by_id, book.marks.by_pair]
