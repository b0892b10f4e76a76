"""The rules of the market, as tables: where a mark stands, what bars come, where it stands then."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotbook_server.commands import PushBars, PushDone, PushedBar
from hotbook_server.config import load_settings
from hotbook_server.rules.market import decide_push
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.campaign_wire import mark_from_wire
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.market import Mark
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.chance import examples
from tests.make import NOW_MS

TERMS = msgspec.structs.replace(Terms.of(load_settings(data_dir="unused")), volume_window=3)


def bars(*made: tuple[str, int, str, str]) -> PushBars:
    return PushBars(tuple(PushedBar(*one) for one in made))


def push(book: Book, command: PushBars) -> PushDone:
    """Decides and applies, as the engine does."""
    before = book.digest
    changes, done = decide_push(book, command, NOW_MS, TERMS)
    assert book.digest == before, "deciding changes nothing"
    for change in changes:
        book.apply(change)
    assert list(book.problems()) == []
    assert done.revision == book.revision
    return done


def mark_of(book: Book, trade_pair: str = "BTC") -> Mark:
    return mark_from_wire(pb.Mark.FromString(book.marks.by_pair[trade_pair].wire))


PUSHES = [
    # bars of BTC as time, close, volume     accepted, stale, price, at, bars, volumes, last volume
    ([(1, "10", "5")], (1, 0, "10", 1, 1, [5], 5)),
    ([(1, "10", "")], (1, 0, "10", 1, 0, [], None)),
    ([(1, "10", "5"), (2, "11", "6")], (2, 0, "11", 2, 2, [5, 6], 6)),
    ([(1, "10", "5"), (2, "11", "")], (2, 0, "11", 2, 1, [5], None)),
    ([(2, "11", "6"), (1, "10", "5")], (1, 1, "11", 2, 1, [6], 6)),
    ([(2, "11", "6"), (1, "10", ""), (1, "9", "")], (1, 2, "11", 2, 1, [6], 6)),
    # the same bar again: the price moves, its volume counts once
    ([(1, "10", "5"), (1, "12", "7")], (2, 0, "12", 1, 1, [7], 7)),
    ([(1, "10", "5"), (1, "12", "")], (2, 0, "12", 1, 1, [5], 5)),
    ([(1, "10", ""), (1, "12", "7")], (2, 0, "12", 1, 1, [7], 7)),
    ([(1, "10", ""), (1, "12", "")], (2, 0, "12", 1, 0, [], None)),
    ([(1, "10", "5"), (2, "11", ""), (2, "12", "7")], (3, 0, "12", 2, 2, [5, 7], 7)),
    ([(1, "1", "1"), (2, "2", "2"), (2, "3", "4"), (2, "3", "3")], (4, 0, "3", 2, 2, [1, 3], 3)),
    ([(1, "1", "0")], (1, 0, "1", 1, 1, [0], 0)),
    ([(n, "1", str(n)) for n in range(1, 6)], (5, 0, "1", 5, 5, [3, 4, 5], 5)),
    ([(1, "1e3", "2E+1")], (1, 0, "1000", 1, 1, [20], 20)),  # written out, whatever came
]


@pytest.mark.parametrize("at_once", [True, False], ids=["one command", "a command each"])
@pytest.mark.parametrize(("given_", "expected"), PUSHES)
def test_what_bars_do_to_a_mark(
    at_once: bool, given_: list[tuple[int, str, str]], expected: tuple[object, ...]
) -> None:
    """One command or one for each bar: the mark stands at the same price, time and volumes."""
    book = Book()
    made = [("BTC", *bar) for bar in given_]

    commands = [bars(*made)] if at_once else [bars(one) for one in made]
    done = [push(book, command) for command in commands]

    accepted, stale = sum(one.accepted for one in done), sum(one.stale for one in done)
    mark = mark_of(book)
    assert (
        accepted, stale, f"{mark.price}", mark.at_ms, mark.bars, list(mark.volumes),
        mark.last_volume,
    ) == expected  # fmt: skip
    assert mark.volume_sum == sum(mark.volumes)
    assert mark.revision == book.revision == (1 if at_once else accepted)


def test_one_change_a_pair_and_command() -> None:
    """However many bars: a pair's mark changes once, in the order in which pairs first came."""
    book = Book()
    push(book, bars(("SOL", 9, "1", "1")))

    changes, done = decide_push(
        book,
        bars(
            ("ETH", 1, "1", "1"),
            ("SOL", 5, "1", "1"),  # stale, and all that comes of SOL
            ("BTC", 1, "1", "1"),
            ("ETH", 2, "2", "1"),
            ("BTC", 2, "3", "1"),
        ),
        NOW_MS,
        TERMS,
    )

    assert [(change.key, change.revision) for change in changes] == [("ETH", 2), ("BTC", 3)]
    assert done == PushDone(3, 4, 1)


def test_only_stale_bars_change_nothing() -> None:
    """A command of stale bars alone has the book's revision, and counts them."""
    book = Book()
    push(book, bars(("BTC", 5, "1", "1")))

    assert decide_push(book, bars(("BTC", 4, "2", "1")), NOW_MS, TERMS) == ([], PushDone(1, 0, 1))


@pytest.mark.parametrize("volume", ["NaN", "Infinity", "-1"])
def test_what_is_no_volume_reaches_no_sum(volume: str) -> None:
    """Whoever asks in process, past the service's checks, is refused as well: nothing changes."""
    with pytest.raises(InvalidArgument, match="finite and not negative"):
        decide_push(Book(), bars(("BTC", 1, "1", "1"), ("BTC", 2, "1", volume)), NOW_MS, TERMS)


def test_a_window_that_was_made_smaller_keeps_the_newest() -> None:
    """Another setting at the next start: the mark's volumes are the newest of those that stood."""
    book = Book()
    push(book, bars(*[("BTC", n, "1", str(n)) for n in range(1, 5)]))

    terms = msgspec.structs.replace(TERMS, volume_window=2)
    changes, _ = decide_push(book, bars(("BTC", 9, "1", "9")), NOW_MS, terms)

    assert changes[0].price_mark is not None
    mark = mark_from_wire(pb.Mark.FromString(changes[0].price_mark.wire))
    assert mark.volumes == (Decimal(4), Decimal(9))
    assert (mark.volume_sum, mark.bars) == (Decimal(13), 5)


BARS = st.tuples(
    st.sampled_from(["BTC", "ETH", "SOL"]),
    st.integers(1, 8),
    st.sampled_from(["1", "2.5", "0.00000001", "9999999999.99999999"]),
    st.sampled_from(["", "0", "1", "0.1", "9999999999.99999999"]),
)


class Naive:
    """The same by keeping every bar that was accepted, and looking at all of them."""

    def __init__(self) -> None:
        self.kept: dict[str, list[list[object]]] = {}

    def push(self, made: Sequence[tuple[str, int, str, str]]) -> int:
        """Returns how many were stale."""
        stale = 0
        for trade_pair, at_ms, close, volume in made:
            held = self.kept.setdefault(trade_pair, [])
            if held and at_ms < held[-1][0]:  # type: ignore[operator]
                stale += 1
            elif held and at_ms == held[-1][0]:
                held[-1] = [at_ms, close, volume or held[-1][2]]
            else:
                held.append([at_ms, close, volume])
        return stale

    def mark(self, trade_pair: str) -> tuple[object, ...] | None:
        held = self.kept.get(trade_pair)
        if not held:
            return None
        volumes = [Decimal(str(bar[2])) for bar in held if bar[2]]
        at_ms, close, volume = held[-1]
        newest = tuple(volumes[-TERMS.volume_window :])
        last = Decimal(str(volume)) if volume else None
        return (Decimal(str(close)), at_ms, len(volumes), newest, sum(newest), last)


@settings(max_examples=examples(150))
@given(st.lists(st.lists(BARS, min_size=1, max_size=6), max_size=8))
def test_marks_are_those_of_every_bar_that_came(
    commands: list[list[tuple[str, int, str, str]]],
) -> None:
    """Any bars in any commands: marks, volumes and counts are those of a naive list of bars."""
    book, naive = Book(), Naive()

    for made in commands:
        done = push(book, bars(*made))
        stale = naive.push(made)
        assert (done.accepted, done.stale) == (len(made) - stale, stale)
        for trade_pair in ("BTC", "ETH", "SOL"):
            expected = naive.mark(trade_pair)
            assert (trade_pair in book.marks.by_pair) == (expected is not None)
            if expected is not None:
                m = mark_of(book, trade_pair)
                stands = m.price, m.at_ms, m.bars, m.volumes, m.volume_sum, m.last_volume
                assert stands == expected
