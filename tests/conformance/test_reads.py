"""What every face that reads answers: one suite, over all of them.

A face that cannot write, and has its book from elsewhere, is tested by its own entry in READERS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import hotbook
from hotbook import Client, HotkeyCounts, InvalidArgument, PairExposure, Position
from hotbook.testing import server
from hotbook_shared.model import utc
from tests.conformance.conftest import READS, Reading, caught_up
from tests.faces import Connect
from tests.make import CLOSE_MS, OPEN_MS, closed, leg, position


def of(hk: str, name: object, make: Callable[..., Position] = position, **changed: Any) -> Position:
    return make(f"{hk}-{name}", **{"hotkey": hk, **changed})


def names(found: Any) -> list[str]:
    return [re.sub(".*-", "", p.position_uuid) for p in found]


def test_a_position_is_read_as_it_was_saved(reading: Reading, hk: str) -> None:
    """Every way to a position gives it whole, with its version, revision and time."""
    reading.writer.save(of(hk, "a", extra={"note": ["as", {"it": "was"}]}))
    reading.writer.save(of(hk, "a", extra={"note": "anew"}))
    expected = reading.writer.get(hk, f"{hk}-a")

    book = reading.reader()
    assert expected is not None
    assert (expected.version, dict(expected.extra)) == (2, {"note": "anew"})
    assert book.get(hk, f"{hk}-a") == expected
    assert book.open_position(hk, "BTCUSD") == expected
    assert book.open_positions(hk) == [expected]
    assert book.positions(hk) == [expected]
    assert book.positions([hk]) == {hk: [expected]}
    assert [p for p in book.book() if p.hotkey == hk] == [expected]


def test_what_is_not_there_is_nothing_and_no_error(reading: Reading, hk: str) -> None:
    """Unknown hotkeys, pairs and uuids, and another's position: None, empty, or nothing at all."""
    reading.writer.save(of(hk, "a"))

    book = reading.reader()
    assert book.get(hk, "unknown") is None
    assert book.get("unknown", f"{hk}-a") is None
    assert book.open_position(hk, "ETHUSD") is None
    assert book.open_position("unknown", "BTCUSD") is None
    assert book.open_positions("unknown") == []
    assert book.positions("unknown") == []
    assert book.positions([]) == {}
    assert book.positions(["unknown"]) == {"unknown": []}
    assert "unknown" not in {counts.hotkey for counts in book.hotkeys()}
    nobody = book.exposure("unknown")
    assert (nobody.hotkey, nobody.leverage, nobody.pairs) == ("unknown", Decimal(0), ())


def test_every_change_shows(reading: Reading, hk: str) -> None:
    """Saved, closed, open again, replaced, deleted: what is open and what there is follow."""
    steps: list[tuple[Callable[[Client], object], list[str], list[str]]] = [
        # the change                                                         open   all
        (lambda book: book.save(of(hk, "a")), ["a"], ["a"]),
        (lambda book: book.save(of(hk, "a", closed)), [], ["a"]),
        (lambda book: book.save(of(hk, "leg", leg, open_ms=OPEN_MS + 9)), ["leg"], ["a", "leg"]),
        (lambda book: book.save(of(hk, "b")), ["b", "leg"], ["a", "b", "leg"]),
        (lambda book: book.save(of(hk, "c"), replace_open=True), ["c", "leg"], ["a", "c", "leg"]),
        (lambda book: book.delete(hk, f"{hk}-leg"), ["c"], ["a", "c"]),
        (lambda book: book.clear(hk, expected_count=2), [], []),
    ]
    for change, open_now, all_now in steps:
        change(reading.writer)
        book = reading.reader()
        assert names(book.open_positions(hk)) == open_now
        assert names(book.positions(hk)) == all_now
        assert names(book.positions(hk, open_only=True)) == open_now
        assert names([found] if (found := book.open_position(hk, "BTCUSD")) else []) == [
            name for name in open_now if name != "leg"
        ]
        counts = HotkeyCounts(hotkey=hk, positions=len(all_now), open_positions=len(open_now))
        assert [c for c in book.hotkeys() if c.hotkey == hk] == ([counts] if all_now else [])
        assert {*names(p for p in book.book() if p.hotkey == hk)} == {*all_now}
        assert {*names(p for p in book.book(open_only=True) if p.hotkey == hk)} == {*open_now}


def test_closed_ones_by_close_time_then_open_ones_by_open_time(reading: Reading, hk: str) -> None:
    """One order, whatever order they were saved in; the open ones alone in the same."""
    reading.writer.save_many(
        [
            of(hk, "open2", open_ms=OPEN_MS + 2, trade_pair="ETHUSD"),
            of(hk, "late", closed, close_ms=CLOSE_MS + 9),
            of(hk, "open1", open_ms=OPEN_MS + 1, trade_pair="EURUSD"),
            of(hk, "early", closed, close_ms=CLOSE_MS + 1, open_ms=OPEN_MS + 5),
            of(hk, "open3", leg, open_ms=OPEN_MS + 3),
        ]
    )

    book = reading.reader()
    assert names(book.positions(hk)) == ["early", "late", "open1", "open2", "open3"]
    assert names(book.open_positions(hk)) == ["open1", "open2", "open3"]
    assert book.open_positions(hk) == book.positions(hk, open_only=True)


def test_many_hotkeys_come_as_they_were_asked_for(reading: Reading, hk: str) -> None:
    """A dict with each of them once, in the order of asking, from any iterable."""
    reading.writer.save(of(hk, "a"))

    found = reading.reader().positions(iter(["unknown-2", hk, "unknown-1", hk]))

    assert list(found) == ["unknown-2", hk, "unknown-1"]
    assert [names(held) for held in found.values()] == [[], ["a"], []]


MOMENTS = [(None, 3), (OPEN_MS - 1, 3), (OPEN_MS, 2), (utc(OPEN_MS), 2), (OPEN_MS + 2, 0), (0, 3)]


@pytest.mark.parametrize(("opened_after", "left"), MOMENTS)
def test_opened_after_is_strict(
    reading: Reading, hk: str, opened_after: datetime | int | None, left: int
) -> None:
    """What was opened at the very moment is left out, however the moment is given."""
    reading.writer.save_many(of(hk, n, closed, open_ms=OPEN_MS + n) for n in range(3))

    book = reading.reader()
    assert len(book.positions(hk, opened_after=opened_after)) == left
    assert len(book.positions([hk], opened_after=opened_after)[hk]) == left


def test_exposure_is_of_what_is_open(reading: Reading, hk: str) -> None:
    """By pair with its sign, in all by size and multiplier, at the book's revision; legs count."""
    reading.writer.save(of(hk, "a", net_leverage=Decimal("0.2")))
    reading.writer.save(of(hk, "b", leg, net_leverage=Decimal("-0.05")))
    reading.writer.save(of(hk, "c", trade_pair="EURUSD", net_leverage=Decimal(2)))
    last = reading.writer.save(of(hk, "d", closed, trade_pair="ETHUSD"))

    found = reading.reader().exposure(hk)

    assert found.pairs == (
        PairExposure(
            trade_pair="BTCUSD", category="crypto", net_leverage=Decimal("0.15"),
            multiplier=Decimal(10), leverage=Decimal("2.5"),
        ),
        PairExposure(
            trade_pair="EURUSD", category="forex", net_leverage=Decimal(2),
            multiplier=Decimal(1), leverage=Decimal(2),
        ),
    )  # fmt: skip
    assert (found.hotkey, found.leverage) == (hk, Decimal("4.5"))
    assert found.revision == last.revision


BAD: dict[str, Callable[[Any], object]] = {
    "a number as hotkey": lambda book: book.get(7, "p1"),
    "a number as uuid": lambda book: book.get("hk", 7),
    "no hotkey": lambda book: book.get("", "p1"),
    "no uuid": lambda book: book.get("hk", ""),
    "half a character": lambda book: book.open_position("\ud800", "BTCUSD"),
    "white space": lambda book: book.open_position("h k", "BTCUSD"),
    "a number as pair": lambda book: book.open_position("hk", 7),
    "no pair": lambda book: book.open_position("hk", ""),
    "None": lambda book: book.open_positions(None),
    "too long a hotkey": lambda book: book.open_positions("h" * 129),
    "a number as hotkeys": lambda book: book.positions(7),
    "numbers as hotkeys": lambda book: book.positions([7]),
    "no hotkey to list": lambda book: book.positions(""),
    "a naive time": lambda book: book.positions("hk", opened_after=datetime(2026, 1, 1)),
    "a time that is a text": lambda book: book.positions("hk", opened_after="now"),
    "a time out of range": lambda book: book.positions("hk", opened_after=2**70),
    "a float as time": lambda book: book.positions("hk", opened_after=0.5),
    "a text as a yes": lambda book: book.positions("hk", open_only="yes"),
    "a text as a yes for the book": lambda book: list(book.book(open_only="yes")),
    "exposure of a number": lambda book: book.exposure(7),
    "exposure of nobody": lambda book: book.exposure(""),
}


@pytest.mark.parametrize("ask", BAD.values(), ids=BAD)
def test_what_cannot_be_asked_is_an_invalid_argument(
    reading: Reading, ask: Callable[[Any], object]
) -> None:
    """A wrong type or an impossible value is refused by every face, and says more than nothing."""
    with pytest.raises(InvalidArgument) as refused:
        ask(reading.reader())

    assert refused.value.message


def test_pages_are_put_together(hk: str, connect_reader: Connect) -> None:
    """A listing of many pages is whole, in order, and of all that were asked for."""
    keys = [f"{hk}-{n}" for n in range(3)]
    with server(page_size_default=2) as target, connect_reader(target) as book:
        with hotbook.connect(target) as writer:
            for key in keys:
                writer.save_many(of(key, n, closed, close_ms=CLOSE_MS + n) for n in range(5))
            caught_up(book, writer)

        found = book.positions([*keys, "unknown"])

    assert {key: names(held) for key, held in found.items()} == {
        **{key: ["0", "1", "2", "3", "4"] for key in keys},
        "unknown": [],
    }


def test_an_empty_book(connect_reader: Connect) -> None:
    """Nothing, from a server that holds nothing."""
    with server() as target, connect_reader(target) as book:
        assert list(book.book()) == list(book.book(open_only=True)) == []
        assert book.hotkeys() == []
        assert book.exposure("hk").revision == 0


def test_a_book_that_is_not_read_to_its_end(reading: Reading, hk: str) -> None:
    """Whoever stops early, stops: the face goes on."""
    reading.writer.save_many(of(hk, n, closed) for n in range(10))
    book = reading.reader()
    positions: Iterator[Position] = book.book()

    assert next(positions)
    del positions
    assert len(book.positions(hk)) == 10


def test_times_are_utc(reading: Reading, hk: str) -> None:
    """What a position says of its times is aware, and in UTC."""
    reading.writer.save(of(hk, "a"))
    found = reading.reader().open_position(hk, "BTCUSD")

    assert found is not None
    assert found.opened_at == datetime.fromtimestamp(OPEN_MS / 1000, UTC)


def test_every_reading_method_is_tried() -> None:
    """READS are methods of the client, and this suite asks each."""
    with open(__file__) as suite:
        asked = set(re.findall(r"book\.(\w+)\(", suite.read()))

    assert asked >= READS
    assert all(callable(getattr(Client, name)) for name in READS)
