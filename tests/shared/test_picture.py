"""Pictures: the positions at one revision, shared with a book that goes on."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from msgspec.structs import replace

from hotbook_shared.book import Book, Picture
from hotbook_shared.book.book import cleared_in
from hotbook_shared.book.positions import Listed, Positions
from hotbook_shared.record import Change, Record
from tests.changes import Changing, change_of
from tests.make import closed, leg, position, record

INDEXES = Listed.__slots__


def said(picture: Picture) -> dict[str, Any]:
    """Everything that a picture says, copied."""
    indexes = {name: copy.deepcopy(getattr(picture.positions, name)) for name in INDEXES}
    return {"revision": picture.revision, "digest": picture.digest, **indexes}


def of_hotkey(listed: Listed, hotkey: str) -> list[dict[str, Record] | None]:
    """The very dicts that each index has of a hotkey."""
    return [getattr(listed, name).get(hotkey) for name in INDEXES]


def book_of(hotkeys: int) -> Book:
    """Each hotkey has one open, one closed, and a leg."""
    made = [
        one
        for number in range(hotkeys)
        for one in (
            position(f"o{number}", hotkey=f"hk{number}"),
            closed(f"c{number}", hotkey=f"hk{number}"),
            leg(f"l{number}", hotkey=f"hk{number}"),
        )
    ]
    return Book(map(record, made), revision=3 * hotkeys)


@pytest.mark.parametrize("seed", range(10))
def test_a_picture_never_changes_while_the_book_goes_on(seed: int) -> None:
    """Taken at any moment, held for as long as anybody likes: it says what it said, and is right;
    while the book's own indexes go on being those of its positions."""
    changing, chance = Changing(seed), random.Random(seed)
    taken: list[tuple[Picture, dict[str, Any]]] = []
    for _ in range(120):
        changing.commit()
        assert list(changing.book.positions.problems()) == []
        for _ in range(chance.choice([0, 0, 1, 2])):
            picture = changing.book.picture()
            assert (picture.revision, picture.digest) == (
                changing.book.revision,
                changing.book.digest,
            )
            assert list(picture.positions.differences(changing.book.positions)) == []
            taken.append((picture, said(picture)))

    assert len(taken) > 50
    for picture, what in taken:
        assert said(picture) == what
        assert list(picture.problems()) == []


@pytest.mark.parametrize("key", ["", "hk1"])
def test_a_clear_leaves_pictures_alone(key: str) -> None:
    """Whatever happens to what was cleared: it is saved again, taken back, or freed for good."""
    book = book_of(hotkeys=3)
    before = book.picture()
    what, revision = said(before), book.revision
    undo = book.apply(Change.cleared(revision + 1, key))
    undo += book.apply(change_of(revision + 2, "o1", hotkey="hk1"))
    between = book.picture()
    told = said(between)
    undo += book.apply(change_of(revision + 3, "new", hotkey="hk1", trade_pair="ETHUSD"))

    book.revert(undo, revision)

    assert not list(book.problems())
    assert (said(before), said(between)) == (what, told)
    assert said(book.picture()) == what
    undo = book.apply(Change.cleared(revision + 1, key))
    for cleared in cleared_in(undo):
        cleared.let_go()
        assert not list(cleared.positions)
    assert not list(book.problems())
    assert (said(before), said(between)) == (what, told)


def test_a_reverted_change_leaves_pictures_alone() -> None:
    """Taking back is a change like others."""
    changing = Changing(seed=4)
    for _ in range(20):
        changing.commit()
    book = changing.book.copy()
    before = book.picture()
    what, revision = said(before), book.revision
    undo = book.apply(Change.cleared(revision + 1, ""))
    cleared = book.picture()

    book.revert(undo, revision)

    assert said(before) == what
    assert len(cleared.positions.by_hotkey) == 0
    assert said(book.picture()) == what


def test_what_no_change_touches_is_not_copied() -> None:
    """Between two pictures, only the dicts of the hotkeys that changed are other ones."""
    book = book_of(hotkeys=50)
    first = book.picture()
    book.apply(change_of(book.revision + 1, "o7", hotkey="hk7"))
    book.apply(change_of(book.revision + 1, "new", hotkey="hk9", trade_pair="ETHUSD"))
    book.apply(Change.cleared(book.revision + 1, "hk11"))
    second = book.picture()
    third = book.picture()

    for number in range(50):
        hotkey = f"hk{number}"
        before, after = (of_hotkey(each.positions, hotkey) for each in (first, second))
        is_same = all(one is other for one, other in zip(before, after, strict=True))
        assert is_same is (number not in (7, 9, 11)), hotkey
        also = of_hotkey(third.positions, hotkey)
        assert all(one is other for one, other in zip(after, also, strict=True))


def test_a_hotkey_is_copied_once_between_two_pictures() -> None:
    """A thousand changes to one hotkey after a picture cost one copy, not a thousand."""
    book = book_of(hotkeys=3)
    book.picture()
    book.apply(change_of(book.revision + 1, "o1", hotkey="hk1"))
    dicts = of_hotkey(book.positions, "hk1")
    for _ in range(1_000):
        book.apply(change_of(book.revision + 1, "o1", hotkey="hk1"))

    for before, after in zip(dicts[:2], of_hotkey(book.positions, "hk1"), strict=False):
        assert before is after


def test_without_pictures_nothing_is_copied() -> None:
    """A book that nobody takes pictures of, as the server's, changes its dicts in place."""
    book = book_of(hotkeys=3)
    dicts = of_hotkey(book.positions, "hk1")
    book.apply(change_of(book.revision + 1, "o1", hotkey="hk1"))

    for before, after in zip(dicts[:2], of_hotkey(book.positions, "hk1"), strict=False):
        assert before is after


@pytest.mark.parametrize("twin", ["copy", "rebuild"])
def test_a_copy_and_a_rebuild_leave_pictures_alone(twin: str) -> None:
    """Whichever way a book's dicts are made anew, a picture keeps its own."""
    book = book_of(hotkeys=3)
    picture = book.picture()
    what = said(picture)
    if twin == "copy":
        other = book.copy()
    else:
        other = book
        other.positions.rebuild()
    for each in (other, book):
        each.apply(Change.cleared(each.revision + 1, "hk1"))
        each.apply(change_of(each.revision + 1, "o0", hotkey="hk0"))

    assert said(picture) == what
    assert list(picture.problems()) == []


# -------------------------------------------------------------------- problems


def spoiled(how: str) -> Picture:
    """A picture of a book with something wrong in it."""
    positions: Any = Positions(map(record, (position("a"), closed("b"), leg("c"))))
    picture = Book(positions.by_uuid.values(), 3).picture()
    listed: Any = picture.positions
    match how:
        case "another record":
            listed.by_hotkey["hk"]["a"] = record(position("a", signal_id="other"))
        case "bytes that say something else":
            wire = record(closed("a")).wire
            listed.by_hotkey["hk"]["a"] = replace(listed.by_hotkey["hk"]["a"], held=wire)
        case "one missing":
            del listed.by_hotkey["hk"]["b"]
        case "not in open":
            del listed.open["hk"]["a"]
        case "closed in open":
            listed.open["hk"]["b"] = listed.by_hotkey["hk"]["b"]
        case "not on its pair":
            del listed.open_by_pair["hk"]["BTCUSD"]
        case "a leg on the pair":
            listed.open_by_pair["hk"]["ETHUSD"] = listed.by_hotkey["hk"]["c"]
        case "an empty entry":
            listed.open["nobody"] = {}
        case "the digest":
            return Picture(listed, 3, "00" * 16)
    return picture


WRONGS = (
    "another record", "bytes that say something else", "one missing", "not in open",
    "closed in open", "not on its pair", "a leg on the pair", "an empty entry", "the digest",
)  # fmt: skip


def test_a_right_picture_has_no_problems() -> None:
    """Nothing wrong, nothing told."""
    assert list(spoiled("not at all").problems()) == []


@pytest.mark.parametrize("how", WRONGS)
def test_every_wrong_is_told(how: str) -> None:
    """Records, indexes in both directions, and the digest: what differs from a fresh scan."""
    assert list(spoiled(how).problems())
