"""Campaigns, legs and marks in the Book, against a model that has no index and no running sum."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import pytest

from hotbook import Position, Side
from hotbook_shared.book import Book
from hotbook_shared.book.book import Undo
from hotbook_shared.book.legs import NO_LEGS, Legs
from hotbook_shared.book.ordered import Ordered
from hotbook_shared.campaign import CampaignTotals
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change, MarkRecord, Record, hold
from tests.make import OPEN_MS, campaign_record, closed, leg, mark_record, position, record

HOTKEYS = ("ann", "bob")
PAIRS = ("BTCUSD", "ETHUSD")
CAMPAIGNS = tuple(f"c{number}" for number in range(7))
STATES = tuple(range(pb.CAMPAIGN_FORMING, pb.CAMPAIGN_FAILED + 1))
LIVE = (pb.CAMPAIGN_FORMING, pb.CAMPAIGN_ACTIVE)
SHARES = tuple(map(Decimal, ("1", "0.00000001", "3.14159265", "9999999999.99999999", "-250", "0")))
PRICES = tuple(map(Decimal, ("100", "0.00000003", "64900.41", "9999999999.99999999", "1E+3")))
MARKS = ("100", "64900.4100", "0.1234567890123456789012345678", "7E-11", "1234567890123456789.5")


class Naive(NamedTuple):
    """What stands, and nothing else: every question is answered by looking at all of it."""

    campaigns: dict[str, CampaignRecord]
    positions: dict[str, Position]
    marks: dict[str, MarkRecord]

    def copy(self) -> Naive:
        return Naive(self.campaigns.copy(), self.positions.copy(), self.marks.copy())

    def listed(self, states: tuple[int, ...], hotkey: str, after: int) -> list[str]:
        found = [
            c for c in self.campaigns.values()
            if (not states or c.state in states) and hotkey in ("", c.hotkey) and c.created > after
        ]  # fmt: skip
        return [c.campaign_id for c in sorted(found, key=lambda c: c.created)]

    def live(self, hotkey: str, trade_pair: str = "") -> list[str]:
        found = [
            c for c in self.campaigns.values()
            if c.state in LIVE and c.hotkey == hotkey and trade_pair in ("", c.trade_pair)
        ]  # fmt: skip
        return [c.campaign_id for c in sorted(found, key=lambda c: -c.revision)]

    def overdue(self, now_ms: int) -> list[str]:
        found = [c for c in self.campaigns.values() if c.state in LIVE and c.deadline_ms < now_ms]
        return [c.campaign_id for c in sorted(found, key=lambda c: (c.deadline_ms, c.created))]

    def legs(self, campaign_id: str, *, are_open: bool) -> list[Position]:
        found = [
            p for p in self.positions.values()
            if p.campaign_id == campaign_id and p.is_open is are_open
        ]  # fmt: skip
        return sorted(found, key=lambda p: (p.open_ms, p.position_uuid))

    def open_on_pair(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for p in self.positions.values():
            if p.is_open and p.campaign_id:
                found.setdefault(p.trade_pair, set()).add(p.campaign_id)
        return found

    def risk(self, hotkey: str) -> Fraction:
        held = [p for p in self.positions.values() if p.hotkey == hotkey and p.campaign_id]
        return sum((_risk(p) for p in held if p.is_open), Fraction(0))

    def figures(self, campaign_id: str, mark: MarkRecord | None) -> dict[str, Fraction]:
        legs = self.legs(campaign_id, are_open=True)
        shares = sum(map(_shares, legs), Fraction(0))
        cost = sum((_shares(p) * _entry(p) for p in legs), Fraction(0))
        marked = [p for p in legs if mark is not None and p.open_ms <= mark.at_ms]
        price = Fraction(mark.price) if mark is not None else Fraction(0)
        open_pnl = sum((_sign(p) * (price - _entry(p)) * _shares(p) for p in marked), Fraction(0))
        ended = self.legs(campaign_id, are_open=False)
        realized = sum((Fraction(p.realized_pnl) for p in ended), Fraction(0))
        return {
            "total_shares": shares,
            "weighted_avg_entry": cost / shares if shares else Fraction(0),
            "total_risk": sum(map(_risk, legs), Fraction(0)),
            "open_pnl": open_pnl,
            "realized_pnl": realized,
            "total_pnl": open_pnl + realized,
        }


def _shares(p: Position) -> Fraction:
    return abs(Fraction(p.quantity or p.net_quantity))


def _entry(p: Position) -> Fraction:
    return Fraction(p.average_entry_price)


def _sign(p: Position) -> int:
    return -1 if p.side is Side.SHORT else 1


def _risk(p: Position) -> Fraction:
    if not p.stop_loss:
        return Fraction(0)
    return _sign(p) * (_entry(p) - Fraction(p.stop_loss)) * _shares(p)


class Happening:
    """A book and its model, to which random changes happen, and are taken back."""

    def __init__(self, seed: int) -> None:
        self.book, self.naive = Book(), Naive({}, {}, {})
        self.chance = random.Random(seed)
        self._before: list[tuple[Naive, Undo]] = []

    def step(self) -> None:
        if self._before and self.chance.random() < 0.12:
            self.take_back(min(self.chance.choice((1, 2, 5, 30)), len(self._before)))
            return
        before = self.naive.copy()
        undo = self.book.apply(self._change(self.book.revision + 1))
        self._before.append((before, undo))

    def take_back(self, count: int) -> None:
        undo = [step for _, undo in self._before[-count:] for step in undo]
        self.naive = self._before[-count][0]
        self.book.revert(undo, self.book.revision - count)
        del self._before[-count:]

    def _change(self, revision: int) -> Change:
        """A change that is in the model already."""
        what = self.chance.random()
        if what < 0.30:
            return self._saved_campaign(revision)
        if what < 0.35 and self.naive.campaigns:
            campaign_id = self.chance.choice(list(self.naive.campaigns))
            return Change.campaign_removed(revision, self.naive.campaigns.pop(campaign_id))
        if what < 0.50:
            return self._marked(revision)
        if what < 0.53:
            return self._cleared(revision)
        if what < 0.60 and self.naive.positions:
            uuid = self.chance.choice(list(self.naive.positions))
            return Change.removed(revision, record(self.naive.positions.pop(uuid)))
        return self._saved_position(revision)

    def _saved_campaign(self, revision: int) -> Change:
        campaign_id = self.chance.choice(CAMPAIGNS)
        old = self.naive.campaigns.get(campaign_id)
        made = campaign_record(
            campaign_id,
            revision,
            hotkey=old.hotkey if old else self.chance.choice(HOTKEYS),
            trade_pair=old.trade_pair if old else self.chance.choice(PAIRS),
            created=old.created if old else revision,
            version=old.version + 1 if old else 1,
            state=self.chance.choice(STATES),
            deadline_ms=OPEN_MS + self.chance.randrange(4),
        )
        self.naive.campaigns[campaign_id] = made
        return Change.campaign_saved(made)

    def _marked(self, revision: int) -> Change:
        at_ms = OPEN_MS + self.chance.randrange(6)
        made = mark_record(self.chance.choice(PAIRS), revision, self.chance.choice(MARKS), at_ms)
        self.naive.marks[made.trade_pair] = made
        return Change.marked(made)

    def _cleared(self, revision: int) -> Change:
        hotkey = self.chance.choice(("", *HOTKEYS))
        stands: tuple[dict[str, Any], ...] = self.naive.campaigns, self.naive.positions
        for held in stands:
            for key, one in list(held.items()):
                if hotkey in ("", one.hotkey):
                    del held[key]
        return Change.cleared(revision, hotkey)

    def _saved_position(self, revision: int) -> Change:
        number = self.chance.randrange(14)
        made = self._position(f"u{number}", f"OWN{number}")
        self.naive.positions[made.position_uuid] = made
        return Change.saved(record(made, revision, revision))

    def _position(self, uuid: str, own_pair: str) -> Position:
        """A leg, open or closed, mostly; else an ordinary one, alone on its pair."""
        pick = self.chance.choice
        campaign_id = pick((*CAMPAIGNS, None))
        quantity = pick(SHARES)
        return position(
            uuid,
            hotkey=pick(HOTKEYS),
            trade_pair=pick(PAIRS) if campaign_id else own_pair,
            campaign_id=campaign_id,
            side=pick((Side.LONG, Side.SHORT)),
            open_ms=OPEN_MS + self.chance.randrange(6),
            close_ms=pick((None, None, OPEN_MS + 9)),
            quantity=quantity,
            net_quantity=Decimal(0) if quantity else pick(SHARES),
            average_entry_price=pick(PRICES),
            stop_loss=pick((None, *PRICES)),
            realized_pnl=pick((*SHARES, *PRICES)),
        )


def check(book: Book, naive: Naive) -> None:
    """Every question that the book answers by an index or a sum."""
    campaigns = book.campaigns
    assert not list(book.problems())
    for hotkey in ("", *HOTKEYS):
        for states in ((), LIVE, (pb.CAMPAIGN_DORMANT,), STATES):
            for after in (0, book.revision // 2):
                found = campaigns.listed(states, hotkey, after)
                assert ids(found) == naive.listed(states, hotkey, after)
    for hotkey in HOTKEYS:
        for pair in PAIRS:
            assert ids(campaigns.live_on_pair(hotkey, pair)) == naive.live(hotkey, pair)
        assert ids(campaigns.live_of_hotkey(hotkey)) == naive.live(hotkey)
        assert Fraction(campaigns.risk.get(hotkey, Decimal(0))) == naive.risk(hotkey)
    for now_ms in range(OPEN_MS, OPEN_MS + 6):
        assert ids(campaigns.overdue(now_ms)) == naive.overdue(now_ms)
    assert {pair: set(held) for pair, held in campaigns.open_on_pair.items()} == (
        naive.open_on_pair()
    )
    for campaign_id in CAMPAIGNS:
        check_legs(book, naive, campaign_id)


def ids(records: Any) -> list[str]:
    return [record.campaign_id for record in records]


def check_legs(book: Book, naive: Naive, campaign_id: str) -> None:
    legs = book.campaigns.legs_of(campaign_id)
    for held, are_open in ((legs.open, True), (legs.closed, False)):
        due = naive.legs(campaign_id, are_open=are_open)
        assert [leg.position_uuid for leg in held] == [p.position_uuid for p in due]
    for mark in (None, *(book.marks.by_pair.get(pair) for pair in PAIRS)):
        totals = legs.totals(campaign_id, mark)
        assert (totals.open_count, totals.closed_count) == (len(legs.open), len(legs.closed))
        for name, due_figure in naive.figures(campaign_id, mark).items():
            assert getattr(totals, name) == rounded(due_figure), name
            assert str(getattr(totals, name).as_tuple().exponent) == "-8", name
    assert book.marks.by_pair == naive.marks


def rounded(figure: Fraction) -> Decimal:
    """To 8 places, half-even, by integers alone."""
    return Decimal(f"{round(figure * 10**8)}E-8")


@pytest.mark.parametrize("seed", range(12))
def test_indexes_and_sums_are_what_a_scan_gives(seed: int) -> None:
    """After each of any changes, whatever was taken back between them, every answer is that of a
    look at everything; totals are exact, and rounded once."""
    happening = Happening(seed)
    for _ in range(150):
        happening.step()
        check(happening.book, happening.naive)


@pytest.mark.parametrize("seed", range(12, 16))
def test_a_book_made_of_the_records_is_the_same_book(seed: int) -> None:
    """However it came to be: by changes, as a copy, rebuilt, or loaded in any order."""
    happening = Happening(seed)
    for _ in range(80):
        happening.step()
    book, naive = happening.book, happening.naive
    shuffled: list[list[Any]] = [
        list(book.positions.by_uuid.values()),
        list(book.campaigns.by_id.values()),
        list(book.marks.by_pair.values()),
    ]
    for records in shuffled:
        happening.chance.shuffle(records)
    rebuilt = book.copy()
    rebuilt.rebuild()

    loaded = Book(shuffled[0], book.revision, shuffled[1], shuffled[2])

    for other in (loaded, rebuilt, book.anew(), book.copy()):
        check(other, naive)
        assert other.holds_the_same(book)
        assert other.digest == book.digest


def test_a_copy_does_not_follow() -> None:
    """What happens to a book leaves a copy of it as it was, in every index and sum."""
    happening = Happening(99)
    for _ in range(60):
        happening.step()
    twin, then = happening.book.copy(), happening.naive.copy()

    for _ in range(60):
        happening.step()

    check(twin, then)


def test_a_leg_counts_by_the_mark_from_the_time_that_it_was_opened() -> None:
    """Opened at the mark's very time it counts by it; a moment later it stands at its entry."""
    due = {"side": Side.LONG, "quantity": Decimal(2), "average_entry_price": Decimal(90)}
    mark = mark_record("BTCUSD", 3, "100", OPEN_MS + 5)
    for open_ms, pnl in ((OPEN_MS + 5, "20.00000000"), (OPEN_MS + 6, "0.00000000")):
        book = Book([record(leg("L", open_ms=open_ms, **due))], 3, [], [mark])
        assert f"{_totals(book, mark).total_pnl:f}" == pnl


def test_no_legs_amount_to_zero_with_all_its_places() -> None:
    """Of a campaign without legs every figure is 0.00000000, whatever the mark."""
    for mark in (None, mark_record()):
        totals = NO_LEGS.totals("c1", mark)
        figures = [totals.total_shares, totals.weighted_avg_entry, totals.total_risk,
                   totals.total_pnl, totals.open_pnl, totals.realized_pnl]  # fmt: skip
        assert {f"{figure:f}" for figure in figures} == {"0.00000000"}


def test_halves_are_rounded_to_even() -> None:
    """A quotient that lies between two figures goes to the even one, on either side of zero."""
    for result, shown in (
        ("0.000000005", "0.00000000"),
        ("0.000000015", "0.00000002"),
        ("-0.000000005", "0.00000000"),
        ("-0.000000025", "-0.00000002"),
    ):
        book = Book([record(closed("L", campaign_id="c1", realized_pnl=Decimal(result)))])
        assert f"{_totals(book, None).total_pnl:f}" == shown


def _totals(book: Book, mark: MarkRecord | None) -> CampaignTotals:
    return book.campaigns.legs_of("c1").totals("c1", mark)


class OnDiskAlone:
    """Holds a closed leg's bytes where nobody must look for them."""

    realized_pnl = "12.5"

    def wire_of(self, record: Record) -> bytes:
        raise AssertionError(f"{record.position_uuid} was read")


def test_a_closed_leg_is_counted_without_its_bytes() -> None:
    """Totals, indexes and the check of them need no disk, also when all is made anew."""
    kept = record(closed("L", campaign_id="c1", realized_pnl=Decimal("12.5")))
    hold(kept, OnDiskAlone())

    book = Book([kept], 1).anew()

    assert _totals(book, None).realized_pnl == Decimal("12.5")
    assert not list(book.problems(in_memory_only=True))
    undo = book.apply(Change.cleared(2, "hk"))
    book.revert(undo, 1)
    assert _totals(book, None).closed_count == 1


class CountedLooks:
    """A key that counts how often an item is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, item: int) -> int:
        self.looks += 1
        return item


def test_a_place_is_found_by_a_few_looks() -> None:
    """Whatever stands before it: in a hundred thousand, a place costs some seventeen looks."""
    key = CountedLooks()
    held = Ordered(key, range(100_000))
    acts: list[Callable[[], object]] = [
        lambda: next(held.after(99_998)),
        lambda: held.before(3),
        lambda: held.put(None, 100_000),
        lambda: held.put(100_000, None),
    ]
    for act in acts:
        key.looks = 0
        act()
        assert key.looks <= 40


@pytest.mark.parametrize("count", [0, 1, 16, 17, 60])
def test_leaving_many_out_is_the_same_as_one_by_one(count: int) -> None:
    """Few or many: the others stay, in their order."""
    everything = [(number,) for number in range(60)]
    gone = random.Random(count).sample(everything, count)
    held, one_by_one = (Ordered(itemgetter(0), everything) for _ in range(2))

    held.drop(gone)

    for item in gone:
        one_by_one.put(item, None)
    assert list(held) == list(one_by_one)


def test_a_clear_costs_no_look_at_each() -> None:
    """Of every hotkey: what held them is put aside whole, and comes back as it was. Of one with
    very many: they are left out in one pass, without finding a place for each."""
    book = _standing()
    stood = book.positions, book.campaigns
    undo = book.apply(Change.cleared(book.revision + 1, ""))
    assert not list(book.problems())
    book.revert(undo, book.revision - 1)
    assert (book.positions, book.campaigns) == stood
    key, items = CountedLooks(), list(range(100_000))
    held = Ordered(key, items)
    key.looks = 0

    held.drop(items[:50_000])

    assert (len(held), held.first, key.looks) == (50_000, 50_000, 0)


def test_what_follows_is_reached_without_a_walk() -> None:
    """The last of very many is as near as the last of ten: totals look there at each mark."""
    near_s, far_s = _time_to_the_last(10), _time_to_the_last(300_000)

    assert far_s < 50 * near_s


def _time_to_the_last(count: int) -> float:
    """The best of many, so that a busy machine does not count."""
    held = Ordered(CountedLooks(), range(count))
    found_s = []
    for _ in range(50):
        started_s = time.perf_counter()
        assert next(held.after(count - 2)) == count - 1
        found_s.append(time.perf_counter() - started_s)
    return min(found_s)


# -------------------------------------------------------------------- what the check finds


def _standing() -> Book:
    """Two live campaigns and an ended one, with legs, and a mark."""
    campaigns = [
        campaign_record("c1", 1),
        campaign_record("c2", 2, state=pb.CAMPAIGN_ACTIVE),
        campaign_record("c3", 3, state=pb.CAMPAIGN_FAILED),
    ]
    due = {"quantity": Decimal(2), "average_entry_price": Decimal(90), "stop_loss": Decimal(80)}
    legs = [record(leg("L", **due), 1, 4), record(closed("M", campaign_id="c1"), 1, 5)]
    return Book(legs, 6, campaigns, [mark_record("BTCUSD", 6)])


def _harms() -> Iterator[tuple[str, Callable[[Book], object]]]:
    other = campaign_record("c9", 9)
    strange = msgspec.structs.replace(campaign_record("c1", 1), deadline_ms=7)
    yield "state: one missing", lambda b: b.campaigns.by_state.pop(pb.CAMPAIGN_FAILED)
    yield "state: one too many", lambda b: b.campaigns.by_state[pb.CAMPAIGN_FAILED].put(None, other)
    yield "hotkey: one missing", lambda b: b.campaigns.by_hotkey.pop("hk")
    yield "hotkey: one too many", lambda b: b.campaigns.by_hotkey["hk"].put(None, other)
    yield "live: none", lambda b: b.campaigns.live["hk"].pop("BTCUSD")
    yield (
        "live: one missing",
        lambda b: b.campaigns.live["hk"].update(BTCUSD=b.campaigns.by_id["c2"]),
    )
    yield "live: one too many", lambda b: b.campaigns.live["hk"].update(ETHUSD=other)
    yield "live: in another order", _touch_first
    yield "deadlines: one too many", lambda b: b.campaigns.deadlines.put(None, other)
    yield (
        "deadlines: one missing",
        lambda b: b.campaigns.deadlines.put(b.campaigns.by_id["c1"], None),
    )
    yield "legs: none", lambda b: b.campaigns.legs.clear()
    yield (
        "legs: one closed too many",
        lambda b: b.campaigns.legs["c1"].closed.put(None, record(closed("N", campaign_id="c1"))),
    )
    yield "legs: an empty entry", lambda b: b.campaigns.legs.update(c2=Legs())
    yield "legs: their sums", lambda b: setattr(b.campaigns.legs["c1"], "sums", NO_LEGS.sums)
    yield (
        "legs: of a campaign too many",
        lambda b: b.campaigns.legs.update(c8=b.campaigns.legs["c1"]),
    )
    yield "open on a pair: none", lambda b: b.campaigns.open_on_pair.clear()
    yield "open on a pair: too many", lambda b: b.campaigns.open_on_pair["BTCUSD"].update(c2=1)
    yield "risk", lambda b: b.campaigns.risk.update(hk=Decimal(1))
    yield "digest", lambda b: setattr(b.campaigns, "digest", 1)
    yield "a record that its bytes do not say", lambda b: b.campaigns.put("c1", strange)
    yield (
        "a record under another id",
        lambda b: b.campaigns.by_id.update(c1=b.campaigns.by_id["c2"]),
    )
    yield (
        "a mark that its bytes do not say",
        lambda b: b.marks.put(
            "BTCUSD", msgspec.structs.replace(mark_record("BTCUSD", 6), price="1")
        ),
    )
    yield "the marks' digest", lambda b: setattr(b.marks, "digest", 1)


def _touch_first(book: Book) -> None:
    held = book.campaigns.live_on_pair("hk", "BTCUSD")
    book.campaigns.live["hk"]["BTCUSD"] = Ordered(lambda record: -record.revision, held)


@pytest.mark.parametrize("harm", [harm for _, harm in _harms()], ids=[name for name, _ in _harms()])
def test_the_check_finds_what_is_wrong(harm: Callable[[Book], object]) -> None:
    """Whatever index, sum or record is not what it should be is a problem of the book."""
    book = _standing()
    assert not list(book.problems())

    harm(book)

    assert list(book.problems())
