"""The races that the original lost, with real clients against a real server on disk."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import hotbook
from hotbook import AlreadyOpen, Position, Refused, Saved, VersionConflict
from tests.make import closed, position

PAIRS = ("BTCUSD", "ETHUSD", "EURUSD")


def together(count: int, act: Callable[[int], None]) -> None:
    """Runs `act` on so many threads that start at one moment; an error of any of them is raised."""
    gate = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        gate.wait()
        try:
            act(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_many_threads_open_different_positions_on_one_pair(target: str) -> None:
    """Sixty clients open a position each on one pair: one stands, the others are told which."""
    won: list[Saved] = []
    lost: list[AlreadyOpen] = []

    def open_one(number: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            try:
                won.append(book.save(position(f"p{number}")))
            except AlreadyOpen as refused:
                lost.append(refused)

    together(60, open_one)

    assert len(won) == 1
    assert len(lost) == 59
    assert {refused.open_uuid for refused in lost} == {won[0].position_uuid}
    with hotbook.connect(target) as book:
        assert [p.position_uuid for p in book.positions("hk")] == [won[0].position_uuid]
        assert book.verify().ok


def test_many_writers_and_readers(target: str) -> None:
    """A hundred writers save ten times each beside readers: only rules refuse, indexes are true."""
    stop = threading.Event()
    torn: list[str] = []

    def read() -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            while not stop.is_set():
                for number in range(10):
                    opened = book.open_positions(f"hk{number}")
                    pairs = [p.trade_pair for p in opened]
                    if len(pairs) != len(set(pairs)) or not all(p.is_open for p in opened):
                        torn.append(f"hk{number}: {opened}")

    def write(number: int) -> None:
        hotkey = f"hk{number % 10}"
        with hotbook.connect(target, timeout_s=60) as book:
            for turn in range(10):
                make = closed if turn % 3 == 2 else position
                made: Position = make(
                    f"{hotkey}-{number}", hotkey=hotkey, trade_pair=PAIRS[number % 3]
                )
                try:
                    book.save(made, replace_open=turn % 4 == 1)
                except Refused:
                    if turn % 5 == 4:
                        book.delete(hotkey, made.position_uuid)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        together(100, write)
    finally:
        stop.set()
        for reader in readers:
            reader.join()

    assert torn == []
    with hotbook.connect(target) as book:
        found = book.verify(timeout_s=60)
        assert found.ok, found.problems
        for counts in book.hotkeys():
            stands = book.positions(counts.hotkey)
            assert counts.positions == len(stands)
            for pair in PAIRS:
                opened = [p for p in stands if p.is_open and p.trade_pair == pair]
                assert len(opened) <= 1
                assert book.open_position(counts.hotkey, pair) == (opened[0] if opened else None)


def test_no_update_is_lost_under_expected_version(target: str) -> None:
    """Twenty clients count up in one position, each reading and saving: every count is there."""

    def count_up(_: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            for _ in range(5):
                while True:
                    stands = book.get("hk", "counter")
                    count = 0 if stands is None else stands.extra["count"]
                    version = 0 if stands is None else stands.version
                    made = closed("counter", extra={"count": count + 1})
                    try:
                        book.save(made, expected_version=version)
                        break
                    except VersionConflict:
                        continue

    together(20, count_up)

    with hotbook.connect(target) as book:
        stands = book.get("hk", "counter")
        assert stands is not None
        assert (stands.version, stands.extra["count"]) == (100, 100)


def test_closing_against_opening(target: str) -> None:
    """While A closes and opens again and again, B gets in only when A is closed."""
    seen_both: list[list[Position]] = []

    def alternate(number: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            for turn in range(30):
                make = position if turn % 2 == 0 else closed
                with contextlib.suppress(AlreadyOpen):
                    book.save(make("AB"[number % 2]))
                opened = book.open_positions("hk")
                if len(opened) > 1:
                    seen_both.append(opened)

    together(8, alternate)

    assert seen_both == []
    with hotbook.connect(target) as book:
        assert book.verify().ok


def test_delete_against_save(target: str) -> None:
    """Deletes and saves of one position, side by side: each delete tells the truth."""
    deleted: list[bool] = []
    saved: list[int] = []

    def act(number: int) -> None:
        with hotbook.connect(target, timeout_s=60) as book:
            for _ in range(10):
                if number % 2:
                    deleted.append(book.delete("hk", "A"))
                else:
                    saved.append(book.save(position("A")).version)

    together(10, act)

    with hotbook.connect(target) as book:
        stands = book.get("hk", "A")
        # Each first version followed a delete that found something, but for the very first one.
        assert saved.count(1) == deleted.count(True) + (stands is not None)
        assert book.verify().ok
