"""The Book: its indexes under every change, and a verifier that finds what is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from hotbook import Position
from hotbook_shared.book import Book
from hotbook_shared.book.positions import Positions
from hotbook_shared.record import Change, ChangeKind, Record
from tests.make import CLOSE_MS, OPEN_MS, closed, leg, position, record

OPEN, CLOSED, LEG = position("A"), closed("A"), leg("A")
CLOSED_LEG, OTHER_PAIR = leg("A", close_ms=CLOSE_MS), position("A", trade_pair="ETHUSD")
STATES: list[Position | None] = [None, OPEN, CLOSED, LEG, CLOSED_LEG]


@pytest.mark.parametrize("old", STATES)
@pytest.mark.parametrize("new", STATES)
def test_every_transition_leaves_right_indexes(old: Position | None, new: Position | None) -> None:
    """From anything to anything, the indexes equal a scan; nothing empty is left behind."""
    positions = Positions()
    neighbour = record(position("N", trade_pair="EURUSD"))
    positions.put("N", neighbour)
    for state in (old, new):
        positions.put("A", None if state is None else record(state))

    assert not list(positions.problems())
    opened = {uuid for held in positions.open.values() for uuid in held}
    assert opened == {"N"} | ({"A"} if new is not None and new.is_open else set())
    found = positions.open_on_pair("hk", "BTCUSD")
    assert (found is not None) == (new is OPEN)


def test_the_last_position_of_a_hotkey_takes_the_hotkey_along() -> None:
    """A hotkey without positions is in no index."""
    positions = Positions([record(position("A"))])

    positions.put("A", None)

    assert not positions.by_hotkey
    assert not positions.open
    assert not positions.open_by_pair


def test_listing_order() -> None:
    """Closed ones by close time, then open ones by open time; ties by open time, then uuid."""
    made = [
        position("open-late", open_ms=OPEN_MS + 5),
        position("open-early", open_ms=OPEN_MS, trade_pair="ETHUSD"),
        closed("closed-late", close_ms=CLOSE_MS + 1),
        closed("b-tie"),
        closed("a-tie"),
        closed("tie-opened-later", open_ms=OPEN_MS + 1),
    ]
    random.Random(7).shuffle(made)

    listed = [r.position_uuid for r in Positions(map(record, made)).of_hotkey("hk")]

    assert listed == [
        "a-tie", "b-tie", "tie-opened-later", "closed-late", "open-early", "open-late",
    ]  # fmt: skip


def test_a_copy_is_independent_and_equal() -> None:
    """A copy has the same digest and records, and does not follow later changes."""
    book = Book([record(OPEN)], revision=1)
    twin = book.copy()
    before = twin.digest

    book.apply(Change(2, ChangeKind.REMOVED, "A"))

    assert twin.digest == before
    assert twin.revision == 1
    assert twin.positions.open_on_pair("hk", "BTCUSD") is not None
    assert not list(twin.positions.problems())


OF_POSITIONS = (ChangeKind.SAVED, ChangeKind.REMOVED, ChangeKind.CLEARED)
"""What campaigns and marks do is in test_campaigns.py."""


def random_changes(chance: random.Random, count: int) -> list[Change]:
    changes = []
    for revision in range(1, count + 1):
        uuid = f"u{chance.randrange(8)}"
        hotkey = f"hk{int(uuid[1]) % 3}"
        kind = chance.choices(OF_POSITIONS, weights=(12, 3, 1))[0]
        if kind is ChangeKind.SAVED:
            make = chance.choice([closed, closed, leg])
            made = record(make(uuid, hotkey=hotkey), revision, revision)
            changes.append(Change(revision, kind, uuid, made))
        elif kind is ChangeKind.REMOVED:
            changes.append(Change(revision, kind, uuid))
        else:
            changes.append(Change(revision, kind, chance.choice(["", "hk0", "hk1"])))
    return changes


@pytest.mark.parametrize("seed", range(20))
def test_reverting_is_the_exact_opposite_of_applying(seed: int) -> None:
    """Whatever was applied can be taken back, to the very same book."""
    chance = random.Random(seed)
    book = Book()
    changes = random_changes(chance, 60)
    middle = chance.randrange(60)
    for change in changes[:middle]:
        book.apply(change)
    before, records = book.digest, dict(book.positions.by_uuid)
    undo = [step for change in changes[middle:] for step in book.apply(change)]

    book.revert(undo, middle)

    assert (book.digest, book.revision) == (before, middle)
    assert book.positions.by_uuid == records
    assert not list(book.positions.problems())


def test_equal_changes_make_equal_books() -> None:
    """Two books that apply the same changes have one digest after each of them."""
    one, two = Book(), Book()
    for change in random_changes(random.Random(1), 100):
        one.apply(change)
        two.apply(change)
        assert one.digest == two.digest


def test_a_gap_in_the_changes_is_refused() -> None:
    """A change that is not the next one is a bug, and stops."""
    with pytest.raises(AssertionError):
        Book().apply(Change(2, ChangeKind.REMOVED, "A"))


def stale_open(positions: Positions, _: Record) -> None:
    positions.open["hk"]["gone"] = record(position("gone"))


def missing_open(positions: Positions, _: Record) -> None:
    del positions.open["hk"]


def closed_in_index(positions: Positions, held: Record) -> None:
    positions.open["hk"]["A"] = record(closed("A"))


def stale_pair(positions: Positions, held: Record) -> None:
    positions.open_by_pair["hk"]["ETHUSD"] = held


def missing_pair(positions: Positions, _: Record) -> None:
    del positions.open_by_pair["hk"]["BTCUSD"]


def empty_entry(positions: Positions, _: Record) -> None:
    positions.open_by_pair["nobody"] = {}


def missing_hotkey(positions: Positions, _: Record) -> None:
    del positions.by_hotkey["hk"]["A"]


def equal_but_other_record(positions: Positions, _: Record) -> None:
    positions.open["hk"]["A"] = record(position("A"))


def wrong_count(positions: Positions, _: Record) -> None:
    positions.open_count += 1


def wrong_digest(positions: Positions, _: Record) -> None:
    positions.digest += 1


def lost_in_truth(positions: Positions, _: Record) -> None:
    del positions.by_uuid["A"]


def wrong_key(positions: Positions, held: Record) -> None:
    positions.by_uuid["other"] = held


def two_open_on_a_pair(positions: Positions, _: Record) -> None:
    second = record(position("B"))
    positions.by_uuid["B"] = second
    positions.by_hotkey["hk"]["B"] = second
    positions.open["hk"]["B"] = second
    positions.open_count += 1
    positions.digest += int.from_bytes(second.digest, "big")


@pytest.mark.parametrize(
    "harm",
    [
        stale_open, missing_open, closed_in_index, stale_pair, missing_pair, empty_entry,
        missing_hotkey, equal_but_other_record, wrong_count, wrong_digest, lost_in_truth,
        wrong_key, two_open_on_a_pair,
    ],
)  # fmt: skip
def test_the_verifier_finds_every_harm(harm: Callable[[Positions, Record], None]) -> None:
    """Whatever is wrong, in the truth or in an index, in either direction, is a problem."""
    held = record(OPEN)
    positions = Positions([held])
    assert not list(positions.problems())

    harm(positions, held)

    assert list(positions.problems())
