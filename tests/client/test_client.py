"""Every method of the client, against a real server."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hotbook import (
    AlreadyOpen,
    Client,
    CountMismatch,
    HotbookError,
    HotkeyCounts,
    InvalidArgument,
    MessageTooLarge,
    Position,
    Saved,
    VersionConflict,
)
from hotbook.testing import server
from hotbook_shared.model import utc
from tests.faces import Connect
from tests.make import CLOSE_MS, OPEN_MS, closed, content, leg, order, position


@pytest.fixture(scope="module")
def client(shared_target: str, connect: Connect) -> Iterator[Client]:
    with connect(shared_target, timeout_s=20) as made:
        yield made


def of(hk: str, name: object, make: Callable[..., Position] = position, **changed: Any) -> Position:
    return make(f"{hk}-{name}", **{"hotkey": hk, **changed})


def closed_ones(hk: str, count: int) -> list[Position]:
    return [of(hk, n, closed, close_ms=CLOSE_MS + n) for n in range(count)]


def names(found: list[Position]) -> list[str]:
    return [p.position_uuid.rpartition("-")[2] for p in found]


class Boom(Exception):
    """What the caller's own generator raises."""


# -------------------------------------------------------------------- one position


def test_what_is_saved_is_read_back_with_version_and_revision(client: Client, hk: str) -> None:
    """A position comes back as it was, with the version and revision that its save was told."""
    sent = of(hk, "a", extra={"note": ["as", {"it": "was"}]})

    first, second = client.save(sent), client.save(sent)
    found = client.get(hk, sent.position_uuid)

    assert (first.version, second.version, second.revision) == (1, 2, first.revision + 1)
    assert first.position_uuid == sent.position_uuid
    assert found is not None
    assert content(found) == sent
    assert (found.version, found.revision) == (2, second.revision)
    assert found.updated_ms > 0


def test_it_knows_the_newest_revision_that_it_was_told(client: Client, hk: str) -> None:
    """After every kind of write it is the revision of that write, or a later one."""
    seen = [client.save(of(hk, "a")).revision]
    assert client.revision == seen[-1]
    for write in (
        lambda: client.delete(hk, f"{hk}-a"),
        lambda: client.save_many([of(hk, "b"), of(hk, "c", closed)]),
        lambda: list(client.save_stream([of(hk, "d", closed)])),
        lambda: client.close_position(hk, "BTCUSD", price=Decimal(1)),
        lambda: client.clear(hk, expected_count=3),
    ):
        write()
        assert client.revision > seen[-1]
        assert client.revision == client.status().revision
        seen.append(client.revision)


def test_what_is_not_there_is_none_and_no_error(client: Client, hk: str) -> None:
    """Unknown uuids, other hotkeys, unknown pairs: None, or an empty list."""
    client.save(of(hk, "a"))

    assert client.get(hk, "unknown") is None
    assert client.get("other", f"{hk}-a") is None
    assert client.open_position(hk, "ETHUSD") is None
    assert client.open_position("unknown", "BTCUSD") is None
    assert client.open_positions("unknown") == []
    assert client.positions("unknown") == []


def test_what_is_open_on_a_pair_follows_every_save(client: Client, hk: str) -> None:
    """Open, closed, open again: the open position of a pair is what was saved last; legs aside."""
    client.save(of(hk, "leg", leg))
    assert client.open_position(hk, "BTCUSD") is None
    for sent, expected in (
        (of(hk, "a"), True),
        (of(hk, "a", closed), False),
        (of(hk, "a"), True),
    ):
        client.save(sent)
        found = client.open_position(hk, "BTCUSD")
        assert (found is not None) is expected
    assert names(client.open_positions(hk)) == ["a", "leg"]


def test_a_save_may_name_what_it_expects_and_what_it_replaces(client: Client, hk: str) -> None:
    """`expected_version` and `replace_open` reach the rules, and their answers come back."""
    client.save(of(hk, "a"), expected_version=0)
    with pytest.raises(VersionConflict) as conflict:
        client.save(of(hk, "a"), expected_version=0)
    with pytest.raises(AlreadyOpen) as second:
        client.save(of(hk, "b"))
    replaced = client.save(of(hk, "b"), replace_open=True)

    assert conflict.value.current_version == 1
    assert second.value.open_uuid == f"{hk}-a"
    assert replaced.replaced_uuid == f"{hk}-a"
    assert names(client.positions(hk)) == ["b"]


def test_a_delete_tells_the_truth(client: Client, hk: str) -> None:
    """True where something went, False where nothing was; an unexpected version stays."""
    client.save(of(hk, "a"))

    with pytest.raises(VersionConflict):
        client.delete(hk, f"{hk}-a", expected_version=2)
    assert client.delete("other", f"{hk}-a") is False
    assert client.delete(hk, f"{hk}-a", expected_version=1) is True
    assert client.delete(hk, f"{hk}-a") is False
    assert client.positions(hk) == []


# -------------------------------------------------------------------- listings


def test_a_listing_has_closed_ones_by_close_time_then_open_ones(client: Client, hk: str) -> None:
    """Closed positions come by close time, then the open ones by open time."""
    client.save_many(
        [
            of(hk, "open2", open_ms=OPEN_MS + 2, trade_pair="ETHUSD"),
            of(hk, "late", closed, close_ms=CLOSE_MS + 9, open_ms=OPEN_MS),
            of(hk, "open1", open_ms=OPEN_MS + 1, trade_pair="EURUSD"),
            of(hk, "early", closed, close_ms=CLOSE_MS + 1, open_ms=OPEN_MS + 5),
            of(hk, "open3", leg, open_ms=OPEN_MS + 3),
        ]
    )

    assert names(client.positions(hk)) == ["early", "late", "open1", "open2", "open3"]
    assert names(client.positions(hk, open_only=True)) == ["open1", "open2", "open3"]
    assert names(client.open_positions(hk)) == ["open1", "open2", "open3"]


def test_every_hotkey_that_was_asked_for_is_in_the_answer(client: Client, hk: str) -> None:
    """Many hotkeys give a dict with each of them, unknown ones empty, in the order of asking."""
    client.save(of(hk, "a"))

    found = client.positions(iter(["unknown-2", hk, "unknown-1", hk]))

    assert list(found) == ["unknown-2", hk, "unknown-1"]
    assert [names(held) for held in found.values()] == [[], ["a"], []]
    assert client.positions([hk]).keys() == {hk}
    assert client.positions([]) == {}


BERLIN_MS = utc(OPEN_MS).astimezone(datetime.fromisoformat("2024-01-01T00:00+01:00").tzinfo)
AFTER = [
    # opened_after                                  what is left of positions opened at +0, +1, +2
    (None, ["0", "1", "2"]),
    (OPEN_MS - 1, ["0", "1", "2"]),
    (OPEN_MS, ["1", "2"]),
    (OPEN_MS + 2, []),
    (0, ["0", "1", "2"]),
    (utc(OPEN_MS), ["1", "2"]),
    (BERLIN_MS, ["1", "2"]),
    (utc(OPEN_MS) + timedelta(microseconds=1), ["1", "2"]),
    (utc(OPEN_MS) - timedelta(microseconds=1), ["0", "1", "2"]),
]


@pytest.mark.parametrize(("opened_after", "left"), AFTER)
def test_opened_after_is_strict(
    client: Client, hk: str, opened_after: datetime | int | None, left: list[str]
) -> None:
    """Positions opened at the very moment are left out, whichever way the moment is given."""
    client.save_many(of(hk, n, closed, open_ms=OPEN_MS + n) for n in range(3))

    assert names(client.positions(hk, opened_after=opened_after)) == left
    assert names(client.positions([hk], opened_after=opened_after)[hk]) == left


def test_pages_are_put_together(hk: str, connect: Connect) -> None:
    """A listing of many pages is whole, in order, and each page was asked for."""
    with server(page_size_default=3) as target, connect(target) as book:
        others = [f"{hk}-{n}" for n in range(3)]
        for other in others:
            book.save_many(closed_ones(other, 4))
        before = book.status().telemetry.get("rpc.List.count", 0)

        found = book.positions([*others, "unknown"])

        assert {key: names(held) for key, held in found.items()} == {
            **{other: ["0", "1", "2", "3"] for other in others},
            "unknown": [],
        }
        assert book.status().telemetry["rpc.List.count"] - before >= 4


def test_all_pages_of_a_listing_are_of_one_revision(hk: str, connect: Connect) -> None:
    """While a writer goes on, a listing of many pages never mixes two states of the book."""
    keys = [f"{hk}-{n}" for n in range(4)]
    finished = threading.Event()
    with server(page_size_default=1) as target, connect(target) as book:

        def write() -> None:
            for turn in itertools.count(1):
                same = Decimal(turn)
                made = [of(key, n, closed, net_leverage=same) for key in keys for n in range(2)]
                book.save_many(made, all_or_nothing=True)
                if finished.is_set():
                    return

        with ThreadPoolExecutor(1) as pool:
            book.save_many(
                [of(key, n, closed, net_leverage=Decimal(0)) for key in keys for n in range(2)]
            )
            writing = pool.submit(write)
            try:
                seen = [book.positions(keys) for _ in range(25)]
            finally:
                finished.set()
            writing.result(20)

    turns = [{p.net_leverage for held in found.values() for p in held} for found in seen]
    assert all(len(values) == 1 for values in turns), "one listing, one revision"
    assert len(set.union(*turns)) > 2, "the writer wrote meanwhile"


def test_the_whole_book_and_its_hotkeys(book: Client) -> None:
    """`book` gives every position, or the open ones; `hotkeys` is sorted and counts both."""
    assert list(book.book()) == []
    assert book.hotkeys() == []
    for key in ("b", "a", "C"):
        book.save_many([*closed_ones(key, 2), of(key, "open")])
    book.clear("C", expected_count=3)

    assert sorted(p.position_uuid for p in book.book()) == [
        "a-0", "a-1", "a-open", "b-0", "b-1", "b-open",
    ]  # fmt: skip
    assert sorted(p.position_uuid for p in book.book(open_only=True)) == ["a-open", "b-open"]
    assert book.hotkeys() == [
        HotkeyCounts(hotkey=key, positions=3, open_positions=1) for key in ("a", "b")
    ]


# -------------------------------------------------------------------- many at once


def test_each_of_many_stands_on_its_own(client: Client, hk: str) -> None:
    """A refusal is an answer at its own place; the others are saved."""
    answers = client.save_many(
        [of(hk, "a"), of(hk, "b"), of(hk, "c", hotkey="no spaces"), of(hk, "d", closed)]
    )

    assert [type(answer) for answer in answers] == [Saved, AlreadyOpen, InvalidArgument, Saved]
    assert names(client.positions(hk)) == ["d", "a"]
    assert isinstance(answers[2], InvalidArgument)
    assert answers[2].field == "items[2].position.hotkey"


def test_what_cannot_be_sent_is_an_answer_too(client: Client, hk: str) -> None:
    """A position with a float in it is refused at its own place; the others are saved."""
    unsendable = of(hk, "float", closed, net_leverage=0.1)

    answers = client.save_many([of(hk, "a"), unsendable, of(hk, "b", closed)])

    assert [type(answer) for answer in answers] == [Saved, InvalidArgument, Saved]


def test_all_or_nothing_is_one_commit_or_none(client: Client, hk: str) -> None:
    """The first refusal is raised, names its item, and nothing changed."""
    before = client.status().revision
    with pytest.raises(AlreadyOpen) as refused:
        client.save_many([of(hk, "a"), of(hk, "b")], all_or_nothing=True)
    assert refused.value.details["item"] == "1"
    assert client.status().revision == before

    saved = client.save_many([of(hk, "a"), of(hk, "b")], all_or_nothing=True, replace_open=True)
    assert [type(answer) for answer in saved] == [Saved, Saved]
    assert names(client.positions(hk)) == ["b"]


@pytest.mark.parametrize("all_or_nothing", [False, True])
def test_saving_nothing_is_no_error(client: Client, all_or_nothing: bool) -> None:
    """No positions, no answers, no change."""
    before = client.status().revision

    assert client.save_many([], all_or_nothing=all_or_nothing) == []
    assert list(client.save_stream([])) == []
    assert client.status().revision == before


def test_any_number_is_sent_in_small_requests(client: Client, hk: str) -> None:
    """1,201 positions go in five requests, of 100 to 500; they are saved and answered in order."""
    before = client.status().telemetry.get("rpc.SaveMany.count", 0)

    answers = client.save_many(iter(closed_ones(hk, 1_201)))

    assert [a.position_uuid for a in answers if isinstance(a, Saved)] == [
        f"{hk}-{n}" for n in range(1_201)
    ]
    revisions = [a.revision for a in answers if isinstance(a, Saved)]
    assert revisions == sorted(revisions)
    assert client.status().telemetry["rpc.SaveMany.count"] - before == 5


def heavy(hk: str, name: object, mib: float) -> Position:
    orders = tuple(
        order(n, extra={"weight": "x" * 250_000}) for n in range(round(mib * 1024 * 1024 / 250_000))
    )
    return of(hk, name, closed, orders=orders)


def test_very_large_positions_are_sent_one_by_one(client: Client, hk: str) -> None:
    """Positions of 1.5 MiB each, more than a message holds together, are all saved."""
    answers = client.save_many(heavy(hk, n, 1.5) for n in range(4))

    assert [type(answer) for answer in answers] == [Saved] * 4
    assert names(client.positions(hk)) == ["0", "1", "2", "3"]


def test_a_position_that_no_message_holds_is_refused_at_its_place(client: Client, hk: str) -> None:
    """MessageTooLarge by name; among many it is an answer, and those beside it are saved."""
    with pytest.raises(MessageTooLarge):
        client.save(heavy(hk, "big", 5))

    answers = client.save_many([of(hk, "a"), heavy(hk, "big", 5), of(hk, "b", closed)])

    assert [type(answer) for answer in answers] == [Saved, MessageTooLarge, Saved]


def test_a_stream_answers_in_order_and_refusals_are_answers(client: Client, hk: str) -> None:
    """One answer a position, in the order in which they were given, refusals included."""
    sent = [of(hk, "a"), of(hk, "b"), *closed_ones(hk, 700), of(hk, "x", hotkey="no spaces")]

    answers = list(client.save_stream(iter(sent)))

    assert isinstance(answers[1], AlreadyOpen)
    assert isinstance(answers[-1], InvalidArgument)
    assert [a.position_uuid for a in answers if isinstance(a, Saved)] == [
        f"{hk}-a", *(f"{hk}-{n}" for n in range(700)),
    ]  # fmt: skip


def breaking(sent: list[Position]) -> Iterator[Position]:
    yield from sent
    raise Boom


def test_the_error_of_the_callers_own_generator_is_raised_as_it_is(client: Client, hk: str) -> None:
    """What came before the error is saved and, on a stream, answered; then the error is raised."""
    answers: list[Saved | HotbookError] = []
    with pytest.raises(Boom):
        answers.extend(client.save_stream(breaking(closed_ones(hk, 3))))
    assert len(client.positions(hk)) == 3

    assert [type(answer) for answer in answers] == [Saved] * 3

    with pytest.raises(Boom):
        client.save_many(breaking([of(hk, "no", closed)]), all_or_nothing=True)
    assert client.get(hk, f"{hk}-no") is None


# -------------------------------------------------------------------- operating


def test_a_clear_removes_exactly_what_was_counted(book: Client) -> None:
    """Another number is refused with the true one; None clears the whole book."""
    for key in ("a", "b"):
        book.save_many(closed_ones(key, 3))

    with pytest.raises(CountMismatch) as refused:
        book.clear("a", expected_count=2)
    assert refused.value.actual_count == 3
    assert book.clear("a", expected_count=3) == 3
    assert book.clear("a", expected_count=0) == 0
    assert book.clear(expected_count=3) == 3
    assert list(book.book()) == []


def test_a_clear_removes_exactly_the_campaigns_that_were_counted(book: Client) -> None:
    """Campaigns that nobody counted stay, and both true numbers are told; counted, they go."""
    for number in range(3):
        book.create_campaign("planner", f"P{number}")

    for said in (0, 2, 4):
        with pytest.raises(CountMismatch) as refused:
            book.clear("planner", expected_count=0, expected_campaigns=said)
        assert (refused.value.actual_count, refused.value.actual_campaigns) == (0, 3)
    assert len(book.campaigns(hotkey="planner")) == 3

    assert book.clear("planner", expected_count=0, expected_campaigns=3) == 0
    assert book.campaigns(hotkey="planner") == []


def test_status_verify_rebuild_and_reload_agree(book: Client) -> None:
    """All four tell of the same book; a sound one is ok, and nothing differs from the disk."""
    book.save_many([*closed_ones("a", 5), of("a", "open"), of("b", "open")])

    status, checked = book.status(), book.verify()
    rebuilt, reloaded = book.rebuild(), book.reload()

    assert (status.positions, status.open_positions, status.hotkeys) == (7, 2, 2)
    assert (status.state, status.quarantined, status.durability) == ("serving", 0, "fsync")
    assert (checked.ok, checked.problems, checked.changes_checked) == (True, (), 7)
    assert status.digest == checked.digest == book.status().digest
    for made in (rebuilt, reloaded):
        assert (made.positions, made.open_positions, made.changed) == (7, 2, False)
        assert made.revision == status.revision == checked.revision


# -------------------------------------------------------------------- the client itself


def test_one_client_serves_many_threads(client: Client, hk: str) -> None:
    """Sixteen threads save and read through one client; each finds what it saved."""

    def work(number: int) -> bool:
        own = f"{hk}-{number}"
        for turn in range(10):
            saved = client.save(of(own, "a", closed, net_leverage=Decimal(turn)))
            found = client.get(own, f"{own}-a")
            if found is None or found.revision != saved.revision or found.net_leverage != turn:
                return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))


CALLS: dict[str, Callable[[Client], object]] = {
    "save": lambda book: book.save(position()),
    "save_many": lambda book: book.save_many([position()]),
    "save_stream": lambda book: list(book.save_stream([position()])),
    "get": lambda book: book.get("hk", "p1"),
    "positions": lambda book: book.positions("hk"),
    "book": lambda book: list(book.book()),
    "status": lambda book: book.status(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_closed_client_says_so(
    shared_target: str, connect: Connect, call: Callable[[Client], object]
) -> None:
    """A call on a closed client raises an error of hotbook at once; closing twice is no error."""
    made = connect(shared_target)
    made.status()
    made.close()
    made.close()

    with pytest.raises(HotbookError):
        call(made)


MISUSES: dict[str, Callable[[Any], object]] = {
    "a float": lambda book: book.save(position(net_leverage=0.1)),
    "no position": lambda book: book.save(None),
    "a negative version": lambda book: book.save(position(), expected_version=-1),
    "a number as hotkey": lambda book: book.get(7, "p1"),
    "no hotkey": lambda book: book.positions(""),
    "a number as hotkeys": lambda book: book.positions(7),
    "numbers as hotkeys": lambda book: book.positions([7]),
    "half a character": lambda book: book.open_position("\ud800", "BTCUSD"),
    "a naive time": lambda book: book.positions("hk", opened_after=datetime(2026, 1, 1)),
    "a time that is a text": lambda book: book.positions("hk", opened_after="now"),
    "a time out of range": lambda book: book.positions("hk", opened_after=2**70),
    "a negative count": lambda book: book.clear("hk", expected_count=-1),
    "a clear of no one": lambda book: book.clear("", expected_count=0),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_what_cannot_be_asked_is_an_invalid_argument(
    client: Client, misuse: Callable[[Any], object]
) -> None:
    """Wrong types and impossible values are InvalidArgument, never an error of another library."""
    with pytest.raises(InvalidArgument):
        misuse(client)


@pytest.mark.parametrize(
    ("misuse", "field"),
    [
        (lambda book: book.save("p1"), "position"),
        (lambda book: book.get(1, 2), "hotkey"),
        (lambda book: book.get("hk", 2), "position_uuid"),
        (lambda book: book.open_position("hk", b"\xff"), "trade_pair"),
        (lambda book: book.open_positions("\ud800"), "hotkey"),
        (lambda book: book.delete("hk", "p1", expected_version="1"), "expected_version"),
        (lambda book: book.clear(7, expected_count=0), "hotkey"),
        (lambda book: book.clear("hk", expected_count=-1), "expected_count"),
    ],
)
def test_the_argument_that_is_wrong_is_named(
    client: Client, misuse: Callable[[Any], object], field: str
) -> None:
    """`field` says which, and so does the message."""
    with pytest.raises(InvalidArgument, match=field) as refused:
        misuse(client)
    assert refused.value.field == field


@pytest.fixture
def silent_target() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


TIMEOUTS = [
    # of the client, of the call, what holds
    (0.3, None, 0.3),
    (30, 0.3, 0.3),
    (0.1, 0.5, 0.5),
    (30, 0, 0),
]


@pytest.mark.parametrize("call", ["get", "save", "book", "save_stream"])
@pytest.mark.parametrize(("of_client", "of_call", "holds"), TIMEOUTS)
def test_a_call_ends_at_its_deadline(
    silent_target: str,
    connect: Connect,
    call: str,
    of_client: float,
    of_call: float | None,
    holds: float,
) -> None:
    """A call's own deadline wins over the client's, and both are kept within a margin."""
    asks: dict[str, Callable[[Client], object]] = {
        "get": lambda made: made.get("hk", "p1", timeout_s=of_call),
        "save": lambda made: made.save(position(), timeout_s=of_call),
        "book": lambda made: list(made.book(timeout_s=of_call)),
        "save_stream": lambda made: list(made.save_stream([position()], timeout_s=of_call)),
    }
    made = connect(silent_target, timeout_s=of_client)
    began_s = time.monotonic()
    with ThreadPoolExecutor(1) as pool, made:
        failure = pool.submit(asks[call], made).exception(holds + 2)

    assert isinstance(failure, HotbookError)
    assert time.monotonic() - began_s < holds + 2
