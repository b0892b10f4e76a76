"""The rule of splitting, as tables: what stands, and what becomes of `P` and of its parts.

What comes of it is written as in the tables of orders: a line for each position that changes.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hotbook_server.commands import SplitDone, SplitPosition
from hotbook_server.rpc.shape import check_position
from hotbook_server.rules.splitting import decide_split, may_need_split, plan_of
from hotbook_shared import splitting
from hotbook_shared.book import Book
from hotbook_shared.errors import HotbookError, NotFound, SplitConflict
from hotbook_shared.fills import filled
from hotbook_shared.model import Order, Position
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, record_from, seal
from hotbook_shared.wire import position_to_wire
from tests.make import CLOSE_MS, NOW_MS, content, record
from tests.server.test_rules_orders import (
    PAIRS,
    F,
    L,
    S,
    as_it_is,
    at,
    book_of,
    made_of,
    stands,
    terms,
    told,
)


def split(book: Book, uuid: str = "P", hotkey: str = "hk") -> tuple[list[Change], SplitDone]:
    return decide_split(book, SplitPosition(hotkey, uuid), NOW_MS, terms())


def apply(book: Book, changes: list[Change]) -> None:
    for change in changes:
        book.apply(change)


def whole(*orders: Order, **changed: Any) -> Position:
    return as_it_is("P", *orders, **changed)


SHUT: dict[str, Any] = {"close_ms": CLOSE_MS}
SIMPLE = whole(L("A"), F("B"), S("C"))
TWICE = whole(L("A"), F("B"), S("C"), S("D"))
TWICE_SHUT = whole(*TWICE.orders, **SHUT)
THREE = whole(L("A"), F("B"), S("C"), F("D"), L("E"))
THREE_SHUT = whole(L("A"), F("B"), S("C"), F("D"), L("E"), **SHUT)

ALONE: list[tuple[Position, list[str], tuple[int, int]]] = [
    # P, what comes of it, and how many parts were closed by a FLAT and by their net
    (SIMPLE, ["P closed: A B", "C SHORT -0.1: C"], (1, 0)),
    (whole(L("A"), F("B"), S("C"), **SHUT), ["P closed: A B", "C SHORT -0.1: C"], (1, 0)),
    (TWICE, ["P closed: A B", "C SHORT -0.2: C D"], (1, 0)),
    (THREE, ["P closed: A B", "C closed: C D", "E LONG 0.1: E"], (2, 0)),
    (whole(L("A"), F("B"), S("C"), L("D")), ["P closed: A B", "C closed: C D"], (1, 0)),
    (whole(L("A", "2"), S("B", "2"), L("C")), ["P closed: A B", "C LONG 0.1: C"], (0, 1)),
    (whole(L("A", "2"), S("B", "3"), L("C")), ["P closed: A B", "C LONG 0.1: C"], (0, 1)),
    (whole(S("A"), L("B", "3"), S("C")), ["P closed: A B", "C SHORT -0.1: C"], (0, 1)),
    (whole(L("A"), S("B", "0.0999999999"), L("C")), ["P closed: A B", "C LONG 0.1: C"], (0, 1)),
    (whole(L("A"), S("B"), L("C"), F("D"), S("E")),
     ["P closed: A B", "C closed: C D", "E SHORT -0.1: E"], (1, 1)),
    (whole(L("A"), F("B"), F("C"), S("D")), ["P closed: A B C", "D SHORT -0.1: D"], (1, 0)),
    (whole(L("A"), S("B"), F("C"), S("D")), ["P closed: A B C", "D SHORT -0.1: D"], (0, 1)),
    (whole(F("A"), L("B"), F("C"), S("D")), ["P closed: A B C", "D SHORT -0.1: D"], (1, 0)),
    (whole(L("A"), F("B"), L("C", "0"), S("D")), ["P closed: A B", "C SHORT -0.1: C D"], (1, 0)),
    (whole(L("A", None, quantity="2"), S("B", None, quantity="2"), L("C", None, quantity="1")),
     ["P closed: A B", "C LONG 1q: C"], (0, 1)),
    (whole(L("A"), F("B"), L("C", None, quantity="1")), ["P closed: A B", "C LONG 1q: C"], (1, 0)),
    (whole(L("A", "1e400"), F("B"), S("C")), ["P closed: A B", "C SHORT -0.1: C"], (1, 0)),
    (whole(L("A"), L("B"), S("C", "0.1")), [], (0, 0)),
    (whole(L("A"), F("B")), [], (0, 0)),
    (whole(L("A"), F("B"), F("C")), [], (0, 0)),
    (whole(L("A"), F("B"), L("C", "0")), [], (0, 0)),
    (whole(F("A"), F("B"), F("C")), [], (0, 0)),
    (whole(L("A"), S("B", "3")), [], (0, 0)),
    (whole(L("A")), [], (0, 0)),
    (whole(), [], (0, 0)),
    (whole(L("A"), F("B"), S("C"), campaign_id="c1"), [], (0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("position", "wanted", "closed"), ALONE,
    ids=[" ".join(f"{o.type} {o.leverage}" for o in p.orders) or "none" for p, _, _ in ALONE],
)  # fmt: skip
def test_split(position: Position, wanted: list[str], closed: tuple[int, int]) -> None:
    """Each part becomes a position of its own, in one commit; doing it again changes nothing."""
    book = book_of(position)
    before = book.digest

    changes, done = split(book)

    made = made_of(changes)
    assert book.digest == before, "deciding changes nothing"
    assert [told(p) for p in made] == wanted
    assert [p.version for p in made] == [2, 1, 1][: len(made)]
    assert done.split.parts == (tuple(p.position_uuid for p in made) or ("P",))
    assert (done.split.closed_by_flat, done.split.closed_by_net) == closed
    assert done.split.kept == ()
    apply(book, changes)
    assert book.revision == done.revision == 1 + len(wanted)
    assert not list(book.positions.problems())
    for uuid in done.split.parts:
        changes, done = split(book, uuid)
        assert (changes, done.split.parts) == ([], (uuid,))


@pytest.mark.parametrize(("position", "wanted", "closed"), ALONE)
def test_a_client_would_split_it_in_the_same_way(
    position: Position, wanted: list[str], closed: tuple[int, int]
) -> None:
    """`splitting.split`, which needs no server, makes the same positions; each is what fills make
    of its orders; and the return after it is the product over those that are closed."""
    changes, done = split(book_of(position))

    here = splitting.split(position, PAIRS.of(position.trade_pair))
    there = [content(p) for p in made_of(changes)]
    assert there == (here if wanted else [])
    assert [filled(p, PAIRS.of(p.trade_pair)) for p in there] == there
    product = Decimal(1)
    for p in there:
        product *= p.return_at_close if p.close_ms is not None else 1
    assert done.split.return_after == product
    assert done.split.return_before == position.return_at_close
    planned = plan_of(record(position), terms()) if not position.campaign_id else done.split
    assert planned.parts == done.split.parts
    assert sum(closed) == max(len(done.split.parts) - 1, 0)


def test_the_quick_look_never_misses_a_position_that_needs_it() -> None:
    """Where `may_need_split` says no, nothing would be split: over every row, and at random."""
    chance = random.Random(7)
    rows = [position for position, _, _ in ALONE]
    for _ in range(500):
        made = [chance.choice([L, S, F])(name) for name in "ABCDEFGH"[: chance.randrange(9)]]
        sizes = [Decimal(chance.choice(["0", "0.1", "0.2"])) for _ in made]
        pairs = zip(made, sizes, strict=True)
        rows.append(whole(*(msgspec.structs.replace(o, leverage=size) for o, size in pairs)))

    for position in rows:
        if not may_need_split(record(position)):
            assert not splitting.needs_split(position), told(position)
        changes, _ = split(book_of(position))
        assert bool(changes) == splitting.needs_split(position)


CONFLICT = {"hotkey": "hk", "position_uuid": "P", "part_uuid": "C"}
Wanted = tuple[list[str], list[str]] | tuple[type[HotbookError], dict[str, str]]

CHILDREN: list[tuple[str, list[Position], Wanted]] = [
    # what stands beside P; what changes and what is kept, or the refusal and its details
    ("the same", [TWICE_SHUT, stands("C", S("C"), S("D"))], (["P closed: A B"], ["C"])),
    ("longer", [TWICE_SHUT, stands("C", S("C"), S("D"), S("E"))],
     (["P closed: A B"], ["C"])),
    ("longer and closed", [TWICE, stands("C", S("C"), S("D"), F("E"))],
     (["P closed: A B"], ["C"])),
    ("shorter", [TWICE_SHUT, stands("C", S("C"))],
     (["P closed: A B", "C SHORT -0.2: C D"], [])),
    ("without orders", [TWICE_SHUT, as_it_is("C")],
     (["P closed: A B", "C SHORT -0.2: C D"], [])),
    ("one of two", [THREE, stands("C", S("C"), F("D"))],
     (["P closed: A B", "E LONG 0.1: E"], ["C"])),
    ("all", [THREE_SHUT, stands("C", S("C"), F("D")), stands("E", L("E"))],
     (["P closed: A B"], ["C", "E"])),
    ("an open one that this closes", [THREE_SHUT, stands("C", S("C"))],
     (["P closed: A B", "C closed: C D", "E LONG 0.1: E"], [])),
    ("others' orders", [SIMPLE, as_it_is("C", L("X"), **SHUT)], (SplitConflict, CONFLICT)),
    ("one other order", [TWICE, stands("C", S("C"), F("X"))], (SplitConflict, CONFLICT)),
    ("another first order", [TWICE, as_it_is("C", S("X"), S("C"), S("D"), **SHUT)],
     (SplitConflict, CONFLICT)),
    ("orders of the next part", [THREE, as_it_is("C", S("C"), F("D"), L("E"), **SHUT)],
     (SplitConflict, CONFLICT)),
    ("another pair", [SIMPLE, stands("C", S("C"), trade_pair="Y")], (SplitConflict, CONFLICT)),
    ("another hotkey", [SIMPLE, stands("C", S("C"), hotkey="other")], (SplitConflict, CONFLICT)),
    ("a leg", [SIMPLE, stands("C", S("C"), campaign_id="c1")], (SplitConflict, CONFLICT)),
    ("a leg that is shorter", [TWICE, stands("C", S("C"), campaign_id="c1")],
     (SplitConflict, CONFLICT)),
    ("a rival", [whole(*SIMPLE.orders, **SHUT), stands("R", L("X"))],
     (SplitConflict, {**CONFLICT, "open_uuid": "R"})),
    ("a rival that does not matter",
     [whole(*SIMPLE.orders, F("D"), **SHUT), stands("R", L("X"))],
     (["P closed: A B", "C closed: C D"], [])),
    ("a rival on another pair", [SIMPLE, stands("R", L("X"), trade_pair="Y")],
     (["P closed: A B", "C SHORT -0.1: C"], [])),
    ("a leg on the pair", [SIMPLE, stands("R", L("X"), campaign_id="c1")],
     (["P closed: A B", "C SHORT -0.1: C"], [])),
    ("a longer part that is open and not the last", [THREE_SHUT, as_it_is("C", S("C"), F("D"),
     L("X"))], (SplitConflict, {**CONFLICT, "part_uuid": "E", "open_uuid": "C"})),
    ("two parts of one name", [whole(L("A"), F("B"), S("C"), F("D"), L("C"))],
     (SplitConflict, {"hotkey": "hk", "position_uuid": "P"})),
    ("a part with P's own name", [whole(L("A"), F("B"), S("P"))],
     (SplitConflict, {"hotkey": "hk", "position_uuid": "P"})),
    ("nothing", [], (NotFound, {"hotkey": "hk", "position_uuid": "P"})),
    ("P of another hotkey", [as_it_is("P", *SIMPLE.orders, hotkey="other")],
     (NotFound, {"hotkey": "hk", "position_uuid": "P"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "wanted"), [row[1:] for row in CHILDREN], ids=[row[0] for row in CHILDREN]
)
def test_split_beside_others(held: list[Position], wanted: Wanted) -> None:
    """What stands already with the same orders or more is kept; what disagrees is told."""
    book = book_of(*held)
    before = book.digest

    if isinstance(wanted[0], type):
        with pytest.raises(wanted[0]) as refused:
            split(book)
        assert dict(refused.value.details) == wanted[1]
        assert (book.digest, book.revision) == (before, len(held))
        return
    changes, done = split(book)
    assert ([told(p) for p in made_of(changes)], list(done.split.kept)) == wanted
    apply(book, changes)
    assert not list(book.positions.problems())
    assert split(book)[0] == []


def test_the_first_part_keeps_what_the_whole_had() -> None:
    """Extra fields, and those of a newer contract, of the position and of every order."""
    message = position_to_wire(whole(*SIMPLE.orders, extra={"a": 1}, stop_loss=Decimal(5)))
    newer = b"\xca\x3e\x05later"  # field 1001, which this contract does not know
    message.MergeFromString(newer)
    for order in message.orders:
        order.MergeFromString(newer)
    book = Book([record_from(seal(message.SerializeToString(), 1, 1, NOW_MS))], revision=1)

    changes, _ = split(book)

    first, second = (
        pb.Position.FromString(change.record.wire) for change in changes if change.record
    )
    assert (first.extra, first.stop_loss) == ('{"a":1}', "5")
    assert newer in first.SerializeToString().replace(first.orders[0].SerializeToString(), b"")
    for order in (*first.orders, *second.orders):
        assert order.SerializeToString().endswith(newer)
    for made in (first, second):
        check_position(made, 5000)


def test_a_shorter_part_keeps_what_it_had_beside_its_orders() -> None:
    """Its orders are completed; its extra fields and its stop loss are nobody else's, and stay."""
    child = stands("C", S("C"), extra={"note": 1}, stop_loss=Decimal(5))
    book = book_of(TWICE_SHUT, child)

    changes, _ = split(book)

    [_, made] = made_of(changes)
    assert told(made) == "C SHORT -0.2: C D"
    assert (made.version, made.extra, made.stop_loss) == (2, {"note": 1}, Decimal(5))


def test_the_original_examples() -> None:
    """The worked examples of the original: times, clipped sizes and returns are the same."""
    account = {"trade_pair": "BTCUSD", "account_size": Decimal(100_000)}
    flat = whole(L("A", "1"), F("B", price="110"), S("C", "1", price="120"), **account)
    net = whole(L("A", "2"), S("B", "3", price="110"), L("C", "1", price="120"), **account)

    changes, done = split(book_of(flat))
    first, second = made_of(changes)
    assert (first.close_ms, first.return_at_close) == (at("B"), Decimal("1.0989"))
    assert (second.open_ms, second.return_at_close) == (at("C"), Decimal("0.999"))
    assert first.orders[1].leverage == -1
    assert done.split.return_after == Decimal("1.0989")

    changes, done = split(book_of(net))
    first, _ = made_of(changes)
    assert (first.close_ms, first.return_at_close) == (at("B"), Decimal("1.1976"))
    assert first.orders[1].leverage == -2
