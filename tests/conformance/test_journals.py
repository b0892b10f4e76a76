"""One contract for every journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from hotbook import Position
from hotbook_server.journal.base import Batch, Journal, KeptRequest
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_shared.book import Book
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, ChangeKind, Record
from tests.make import campaign_record, closed, leg, mark_record, position, record

Open = Callable[[], Journal]


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the journal; called again, it closes it and opens it anew where it lasts."""
    in_memory = MemoryJournal()
    on_disk: list[SqliteJournal] = []

    def again() -> Journal:
        if request.param == "memory":
            return in_memory
        if on_disk:
            on_disk.pop().close()
        on_disk.append(SqliteJournal(tmp_path))
        return on_disk[0]

    yield again
    for journal in on_disk:
        journal.close()


def saved(revision: int, made: Position, version: int = 1) -> Change:
    kept = record(made, version, revision)
    return Change(revision, ChangeKind.SAVED, made.position_uuid, kept)


def write(journal: Journal, *changes: Change) -> None:
    journal.append(Batch(changes, [], at_ms=1))


def book_in(journal: Journal) -> Book:
    return journal.load().book()


def expected(*changes: Change) -> Book:
    book = Book()
    for change in changes:
        book.apply(change)
    return book


def check(journal: Journal, book: Book) -> list[str]:
    snapshot = journal.snapshot()
    try:
        return snapshot.check(book).problems
    finally:
        snapshot.close()


def campaign(revision: int, campaign_id: str = "c1", **changed: object) -> Change:
    return Change.campaign_saved(campaign_record(campaign_id, revision, **changed))


def dropped(revision: int) -> Change:
    return Change.campaign_removed(revision, campaign_record())


SEQUENCES: dict[str, tuple[Change, ...]] = {
    "nothing": (),
    "one": (saved(1, position("A")),),
    "opened, closed": (saved(1, position("A")), saved(2, closed("A"), 2)),
    "closed, opened": (saved(1, closed("A")), saved(2, position("A"), 2)),
    "removed": (saved(1, position("A")), Change(2, ChangeKind.REMOVED, "A")),
    "replaced": (
        saved(1, position("A")),
        Change(2, ChangeKind.REMOVED, "A"),
        saved(3, position("B")),
    ),
    "handed on and back": (
        saved(1, position("A")),
        saved(2, closed("A"), 2),
        saved(3, position("B")),
        saved(4, closed("B"), 2),
        saved(5, position("A"), 3),
    ),
    "removed, and saved by another": (
        saved(1, position("A")),
        Change(2, ChangeKind.REMOVED, "A"),
        saved(3, position("A", hotkey="other", trade_pair="ETHUSD")),
    ),
    "legs beside": (saved(1, position("A")), saved(2, leg("L")), saved(3, leg("M"))),
    "one hotkey cleared": (
        saved(1, position("A")),
        saved(2, position("X", hotkey="other")),
        Change(3, ChangeKind.CLEARED, "hk"),
    ),
    "all cleared, and begun anew": (
        saved(1, position("A")),
        Change(2, ChangeKind.CLEARED, ""),
        saved(3, position("B")),
    ),
    "a campaign saved, changed": (campaign(1), campaign(2, state=pb.CAMPAIGN_ACTIVE)),
    "a campaign removed": (campaign(1), dropped(2)),
    "a campaign removed, and saved by another": (
        campaign(1),
        dropped(2),
        campaign(3, hotkey="other", trade_pair="ETHUSD"),
    ),
    "a campaign and its legs": (
        campaign(1),
        saved(2, leg("L")),
        saved(3, closed("L", campaign_id="c1", realized_pnl=Decimal("1.5")), 2),
        campaign(4, state=pb.CAMPAIGN_COMPLETED, version=2),
    ),
    "marked, and marked again": (
        Change.marked(mark_record("BTCUSD", 1)),
        Change.marked(mark_record("ETHUSD", 2)),
        Change.marked(mark_record("BTCUSD", 3, "101")),
    ),
    "one hotkey cleared, campaigns with it": (
        campaign(1),
        campaign(2, "c2", hotkey="other"),
        saved(3, leg("L")),
        Change.marked(mark_record("BTCUSD", 4)),
        Change.cleared(5, "hk"),
    ),
    "all cleared but marks, and begun anew": (
        Change.marked(mark_record("BTCUSD", 1)),
        campaign(2),
        Change.cleared(3, ""),
        campaign(4, "c2"),
        Change.marked(mark_record("BTCUSD", 5, "99")),
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_written_is_what_is_loaded(reopen: Open, name: str, at_once: bool) -> None:
    """In one batch or in many, before a restart and after it: the book of the changes."""
    changes = SEQUENCES[name]
    journal = reopen()
    batches = [changes] if at_once else [(change,) for change in changes]
    for batch in batches:
        write(journal, *batch)
    due = expected(*changes)

    for restarted in (False, True):
        opened = reopen() if restarted else journal
        book = book_in(opened)
        assert (book.digest, book.revision) == (due.digest, due.revision)
        assert book.holds_the_same(due)
        assert not list(book.problems())
        assert check(opened, book) == []


def test_requests_are_kept_with_their_batch(reopen: Open) -> None:
    """A request's id, fingerprint and outcome come back after a restart, in order."""
    journal = reopen()
    kept = [KeptRequest(f"r{n}", 2**64 - n, n, at_ms=n) for n in (1, 2, 3)]
    journal.append(Batch([], [(request, b"%d" % request.sequence) for request in kept], at_ms=1))

    journal = reopen()

    assert journal.load().requests == kept
    assert [journal.outcome(n) for n in (1, 2, 3, 4)] == [b"1", b"2", b"3", None]


def test_requests_are_forgotten_up_to_a_sequence(reopen: Open) -> None:
    """What is no longer needed goes, and nothing else."""
    journal = reopen()
    kept = [KeptRequest(f"r{n}", n, n, at_ms=n) for n in (1, 2, 3)]
    journal.append(Batch([], [(request, b"x") for request in kept], at_ms=1))

    journal.append(Batch([], [], at_ms=2, forget_requests_until=2))

    assert [request.request_id for request in reopen().load().requests] == ["r3"]


def test_a_snapshot_stays_as_it_was(reopen: Open) -> None:
    """What is appended after a snapshot does not show in it."""
    journal = reopen()
    write(journal, saved(1, position("A")))
    book = book_in(journal)
    snapshot = journal.snapshot()

    write(journal, saved(2, closed("A"), 2))

    assert snapshot.check(book).problems == []
    snapshot.close()


def _differing(one: Book) -> Iterator[Book]:
    """A book with one thing too few, too many or other, of each kind."""
    others: list[Callable[[Book], object]] = [
        lambda book: book.positions.put("B", None),
        lambda book: book.positions.put("C", record(closed("C"))),
        lambda book: book.positions.put("B", record(closed("B"), version=2)),
        lambda book: book.campaigns.put("c1", None),
        lambda book: book.campaigns.put("c2", campaign_record("c2")),
        lambda book: book.campaigns.put("c1", campaign_record("c1", 3, version=2)),
        lambda book: book.marks.put("BTCUSD", None),
        lambda book: book.marks.put("ETHUSD", mark_record("ETHUSD")),
        lambda book: book.marks.put("BTCUSD", mark_record("BTCUSD", 4, "99")),
    ]
    for change in others:
        other = one.copy()
        change(other)
        yield other


def test_a_check_sees_a_book_that_differs(reopen: Open) -> None:
    """A position, a campaign or a mark too few, too many or other is a problem."""
    journal = reopen()
    mark = Change.marked(mark_record("BTCUSD", 4))
    write(journal, saved(1, position("A")), saved(2, closed("B")), campaign(3), mark)
    book = book_in(journal)
    assert check(journal, book) == []
    for other in _differing(book):
        assert check(journal, other)
        assert not book.holds_the_same(other)


def test_commits_are_given_back_as_they_were_written(tmp_path: Path) -> None:
    """Whatever they save, remove, clear or mark, before a restart and after it."""
    made = record(position("A"), 1, 3)
    batches = [
        (campaign(1), Change.marked(mark_record("BTCUSD", 2)), Change.saved(made)),
        (campaign(4, state=pb.CAMPAIGN_ACTIVE, version=2), Change.removed(5, made)),
        (dropped(6), Change.marked(mark_record("ETHUSD", 7)), Change.cleared(8, "hk")),
    ]
    journal = SqliteJournal(tmp_path)
    for batch in batches:
        write(journal, *batch)
    for _ in range(2):
        commits = journal.commits(0, 10**6)
        assert [tuple(commit.changes) for commit in commits] == batches
        assert commits[-1].link == journal.link
        journal.close()
        journal = SqliteJournal(tmp_path)
    journal.close()


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_bytes_of_what_stands_can_be_read(reopen: Open, name: str) -> None:
    """One position at a time, before a restart and after it; of what stands no more they are the
    very same or none, and never another's."""
    changes = SEQUENCES[name]
    write(reopen(), *changes)
    stands = expected(*changes).positions.by_uuid.values()

    for _ in range(2):
        journal = reopen()
        assert [journal.wire_of(record) for record in stands] == [r.wire for r in stands]
        for change in changes:
            if change.record is not None:
                assert journal.wire_of(change.record) in {change.record.wire, None}


def test_records_are_handed_out_while_they_are_read(reopen: Open) -> None:
    """In the order in which positions were first written, each with its bytes."""
    journal = reopen()
    write(journal, saved(1, closed("A")), saved(2, closed("B")), saved(3, closed("C")))
    seen: list[Record] = []

    loaded = reopen().load(None, seen.append)

    assert [record.position_uuid for record in seen] == ["A", "B", "C"]
    assert all(one is other for one, other in zip(seen, loaded.records, strict=True))


def test_the_book_has_an_identity(reopen: Open) -> None:
    """A store's id is made once and stays."""
    first = reopen().book_id

    assert first
    assert reopen().book_id == first
