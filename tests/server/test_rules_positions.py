"""The rules of positions, as tables: what stands, what is asked, what comes of it."""

from __future__ import annotations

import pytest

from hotbook_server.commands import Clear, Delete
from hotbook_server.rules.positions import decide_clear, decide_delete, decide_save
from hotbook_shared.book import Book
from hotbook_shared.errors import (
    AlreadyOpen,
    CountMismatch,
    HotbookError,
    IdentityChanged,
    VersionConflict,
)
from hotbook_shared.model import Position
from tests.make import NOW_MS, closed, leg, position, record, save

A, B = position("A"), position("B")
A_CLOSED, B_CLOSED = closed("A"), closed("B")

SAVES = [
    # what stands, what is saved, asked with          outcome: version, what is open after, changes
    ([], A, {}, (1, {"A"}, 1)),
    ([], A_CLOSED, {}, (1, set(), 1)),
    ([A], A, {}, (2, {"A"}, 1)),
    ([A], A_CLOSED, {}, (2, set(), 1)),
    ([A_CLOSED], A, {}, (2, {"A"}, 1)),
    ([A_CLOSED], A_CLOSED, {}, (2, set(), 1)),
    ([A_CLOSED], B, {}, (1, {"B"}, 1)),
    ([A], B, {}, AlreadyOpen),
    ([A, B_CLOSED], B, {}, AlreadyOpen),
    ([A], B, {"replace_open": True}, (1, {"B"}, 2)),
    ([A], B_CLOSED, {}, (1, {"A"}, 1)),
    ([A], B_CLOSED, {"replace_open": True}, (1, set(), 2)),
    ([A], A, {"replace_open": True}, (2, {"A"}, 1)),
    ([], A, {"replace_open": True}, (1, {"A"}, 1)),
    ([A], position("B", trade_pair="ETHUSD"), {}, (1, {"A", "B"}, 1)),
    ([A], position("B", hotkey="other"), {}, (1, {"A", "B"}, 1)),
    ([A], position("A", trade_pair="ETHUSD"), {}, IdentityChanged),
    ([A], position("A", hotkey="other"), {}, IdentityChanged),
    ([A_CLOSED], closed("A", trade_pair="ETHUSD"), {}, IdentityChanged),
    ([], A, {"expected_version": 0}, (1, {"A"}, 1)),
    ([], A, {"expected_version": 1}, VersionConflict),
    ([A], A, {"expected_version": 1}, (2, {"A"}, 1)),
    ([A], A, {"expected_version": 0}, VersionConflict),
    ([A], A, {"expected_version": 2}, VersionConflict),
    ([A], B, {"expected_version": 1}, VersionConflict),
    ([A], leg("L"), {}, (1, {"A", "L"}, 1)),
    ([leg("L")], A, {}, (1, {"A", "L"}, 1)),
    ([leg("L")], leg("M"), {}, (1, {"L", "M"}, 1)),
    ([A, leg("L")], position("L"), {}, AlreadyOpen),
    ([A], position("L", orders=()), {}, AlreadyOpen),
    ([], position("Z", orders=()), {}, (1, {"Z"}, 1)),
]


def book_of(stands: list[Position]) -> Book:
    return Book([record(p, 1, n + 1) for n, p in enumerate(stands)], revision=len(stands))


def open_uuids(book: Book) -> set[str]:
    return {uuid for held in book.positions.open.values() for uuid in held}


@pytest.mark.parametrize(("stands", "saved", "asked", "outcome"), SAVES)
def test_save(
    stands: list[Position],
    saved: Position,
    asked: dict[str, object],
    outcome: tuple[int, set[str], int] | type[HotbookError],
) -> None:
    """A save is decided by what stands; indexes are right after it; a refusal changes nothing."""
    book = book_of(stands)
    before = book.digest

    if isinstance(outcome, type):
        with pytest.raises(outcome):
            decide_save(book, save(saved, **asked), NOW_MS)
        assert (book.digest, book.revision) == (before, len(stands))
        return
    version, opened, count = outcome
    changes, done = decide_save(book, save(saved, **asked), NOW_MS)
    assert book.digest == before, "deciding changes nothing"
    for change in changes:
        book.apply(change)

    assert done.version == version
    assert done.revision == book.revision == len(stands) + count
    assert len(changes) == count
    assert open_uuids(book) == opened
    assert not list(book.positions.problems())


def test_the_refusal_of_a_second_open_position_names_the_first() -> None:
    """AlreadyOpen says which position is open, so that a caller can close it."""
    with pytest.raises(AlreadyOpen) as refused:
        decide_save(book_of([A]), save(B), NOW_MS)

    assert refused.value.open_uuid == "A"
    assert "A" in refused.value.message


def test_a_version_conflict_names_the_version_that_stands() -> None:
    """VersionConflict says the current version, 0 where nothing stands."""
    with pytest.raises(VersionConflict) as refused:
        decide_save(book_of([A]), save(A, expected_version=7), NOW_MS)
    assert refused.value.current_version == 1

    with pytest.raises(VersionConflict) as refused:
        decide_save(book_of([]), save(A, expected_version=7), NOW_MS)
    assert refused.value.current_version == 0


def test_the_server_sets_version_revision_and_time() -> None:
    """What a client claims in these fields is overwritten by what the server knows."""
    claimed = position("A", version=99, revision=99, updated_ms=99)

    changes, _ = decide_save(book_of([]), save(claimed), NOW_MS)

    made = changes[0].record
    assert made is not None
    assert (made.version, made.revision) == (1, 1)


DELETES = [
    ([A], Delete("hk", "A"), (True, set())),
    ([A_CLOSED], Delete("hk", "A"), (True, set())),
    ([A], Delete("hk", "B"), (False, {"A"})),
    ([A], Delete("other", "A"), (False, {"A"})),
    ([], Delete("hk", "A"), (False, set())),
    ([A], Delete("hk", "A", 1), (True, set())),
    ([A], Delete("hk", "A", 2), VersionConflict),
    ([], Delete("hk", "A", 1), VersionConflict),
    ([], Delete("hk", "A", 0), (False, set())),
    ([A, leg("L")], Delete("hk", "L"), (True, {"A"})),
]


@pytest.mark.parametrize(("stands", "asked", "outcome"), DELETES)
def test_delete(
    stands: list[Position],
    asked: Delete,
    outcome: tuple[bool, set[str]] | type[HotbookError],
) -> None:
    """A delete tells the truth about whether there was something, and leaves right indexes."""
    book = book_of(stands)
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            decide_delete(book, asked)
        return
    changes, done = decide_delete(book, asked)
    for change in changes:
        book.apply(change)

    assert (done.existed, open_uuids(book)) == outcome
    assert done.revision == book.revision
    assert not list(book.positions.problems())


CLEARS = [
    ([A, B_CLOSED], Clear("hk", 2), (2, 0)),
    ([A, position("X", hotkey="other")], Clear("hk", 1), (1, 1)),
    ([A, position("X", hotkey="other")], Clear("", 2), (2, 0)),
    ([A], Clear("hk", 2), CountMismatch),
    ([A], Clear("", 0), CountMismatch),
    ([A], Clear("nobody", 0), (0, 1)),
    ([], Clear("", 0), (0, 0)),
]


@pytest.mark.parametrize(("stands", "asked", "outcome"), CLEARS)
def test_clear(
    stands: list[Position], asked: Clear, outcome: tuple[int, int] | type[HotbookError]
) -> None:
    """A clear removes exactly what the caller counted, or nothing; cleared hotkeys are gone."""
    book = book_of(stands)
    if isinstance(outcome, type):
        with pytest.raises(outcome) as refused:
            decide_clear(book, asked)
        assert isinstance(refused.value, CountMismatch)
        assert refused.value.actual_count == 1
        return
    changes, done = decide_clear(book, asked)
    for change in changes:
        book.apply(change)

    assert (done.removed, len(book.positions.by_uuid)) == outcome
    assert asked.hotkey not in book.positions.by_hotkey
    assert not list(book.positions.problems())
