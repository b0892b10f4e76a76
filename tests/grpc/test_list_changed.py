"""ListChanged over gRPC: what has changed since a revision, as two listings would show it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

import hotbook
from hotbook_server.journal.base import Batch
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Record, record_from
from tests.changes import change_of
from tests.grpc.test_bad_input import INVALID, refusal
from tests.grpc.test_lifecycle import Served, serving
from tests.make import CLOSE_MS, closed, order, position
from tests.watching import PATIENCE_S, UNBOUNDED

STORES: dict[str, dict[str, Any]] = {
    "ring": {"durability": "fsync"},
    "table": {"durability": "fsync", "feed_changes_max": 1},
    "memory": {"durability": "memory", "feed_changes_max": 8},
}
HOTKEYS = ("ann", "bob", "cid")


class Answer(NamedTuple):
    """All frames of an answer as one."""

    revision: int
    is_whole: bool
    positions: dict[str, Record]
    removed: set[str]


def ask(target: str, since: int, **asked: Any) -> Answer:
    """One call, checked for what holds of every answer."""
    with grpc.insecure_channel(target, options=UNBOUNDED) as channel:
        rpc: Any = channel.unary_stream(
            "/hotbook.v1.Feed/ListChanged",
            pb.ListChangedRequest.SerializeToString,
            raw.ChangedFrame.FromString,
        )
        request = pb.ListChangedRequest(since_revision=since, **asked)
        frames: list[raw.ChangedFrame] = list(rpc(request, timeout=PATIENCE_S))
    records = [record_from(wire) for frame in frames for wire in frame.positions]
    assert len({(frame.revision, frame.is_whole, frame.total) for frame in frames}) == 1
    assert frames[0].total == len(records)
    assert not any(frame.removed for frame in frames[1:])
    positions = {record.position_uuid: record for record in records}
    assert len(positions) == len(records), "none comes twice"
    return Answer(frames[0].revision, frames[0].is_whole, positions, set(frames[0].removed))


@pytest.fixture(params=STORES)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with serving(data_dir=tmp_path / "served", **STORES[request.param]) as made:
        yield made


@pytest.fixture
def book(served: Served) -> Iterator[hotbook.Client]:
    with hotbook.connect(served.target, timeout_s=PATIENCE_S) as made:
        yield made


# -------------------------------------------------------------------- against two listings

Listing = dict[str, Record]


def of_hotkeys(listing: Listing, hotkeys: tuple[str, ...]) -> Listing:
    return {uuid: kept for uuid, kept in listing.items() if not hotkeys or kept.hotkey in hotkeys}


def check(answer: Answer, before: Listing, now: Listing, *, open_too: bool) -> None:
    """An answer against the listings at the revision asked for, and now."""
    if answer.is_whole:
        assert answer.positions == now
        return
    differ = {uuid for uuid, kept in now.items() if before.get(uuid) != kept}
    opened = {uuid for uuid, kept in now.items() if kept.is_open} if open_too else set()
    assert answer.positions == {uuid: now[uuid] for uuid in differ | opened}
    assert before.keys() - now.keys() <= answer.removed
    assert not answer.removed & now.keys()


def act(book: hotbook.Client, chance: random.Random) -> None:
    """One commit, or none: uuids come back under other hotkeys once they are gone."""
    number, hotkey = chance.randrange(8), chance.choice(HOTKEYS)
    what = chance.random()
    if what < 0.04:
        count = len(book.positions(hotkey))
        book.clear(hotkey, expected_count=count)
    elif what < 0.3:
        for one in HOTKEYS:
            book.delete(one, f"u{number}")
    else:
        many = [(number + step) % 8 for step in range(chance.choice([1, 1, 3]))]
        book.save_many(
            position(
                f"u{one}",
                hotkey=hotkey,
                trade_pair=f"P{one}",
                close_ms=chance.choice([None, CLOSE_MS]),
            )
            for one in many
        )


@pytest.mark.parametrize("seed", range(3))
def test_it_says_what_two_listings_say(book: hotbook.Client, served: Served, seed: int) -> None:
    """From every revision of a random history, for all or for some, with what is open or without:
    the listing of then and the answer make the listing of now, and nothing comes needlessly."""
    chance = random.Random(seed)
    listings: dict[int, Listing] = {0: {}}
    for _ in range(25):
        act(book, chance)
        held = served.server.engine.book
        listings[held.revision] = dict(held.positions.by_uuid)
    newest = max(listings)
    kept = 0

    for since, before in listings.items():
        for hotkeys in ((), ("ann",), ("bob", "cid", "nobody")):
            for open_too in (False, True):
                answer = ask(served.target, since, hotkeys=hotkeys, open_too=open_too)
                assert answer.revision == newest
                kept += not answer.is_whole
                check(
                    answer,
                    of_hotkeys(before, hotkeys),
                    of_hotkeys(listings[newest], hotkeys),
                    open_too=open_too,
                )
    assert kept >= 12, "many of the answers are not the whole book"


# -------------------------------------------------------------------- one by one


def test_a_uuid_that_moved_to_another_hotkey_is_gone(book: hotbook.Client, served: Served) -> None:
    """Who asks for a hotkey never gets another's position, whatever its uuid was once."""
    since = book.save(closed("u", hotkey="ann")).revision
    book.delete("ann", "u")
    book.save(closed("u", hotkey="bob"))

    anns = ask(served.target, since, hotkeys=["ann"])
    assert (anns.positions, anns.removed) == ({}, {"u"})
    bobs = ask(served.target, since, hotkeys=["bob"])
    assert (set(bobs.positions), bobs.removed) == ({"u"}, set())


def test_a_revision_inside_a_commit_is_one_like_others(
    served: Served, book: hotbook.Client
) -> None:
    """What a save was told is good to ask from, whatever was saved in the same commit."""
    book.save_many([closed(f"u{n}") for n in range(5)])

    for since in range(6):
        answer = ask(served.target, since)
        assert set(answer.positions) == {f"u{n}" for n in range(since, 5)}
        assert not answer.is_whole


def test_nothing_changed(book: hotbook.Client, served: Served) -> None:
    """At the newest revision there is nothing to tell but what is open, if that was asked for."""
    book.save_many([position("open"), closed("closed")])

    assert ask(served.target, 2) == Answer(2, False, {}, set())
    assert set(ask(served.target, 2, open_too=True).positions) == {"open"}


@pytest.mark.parametrize("hotkey", ["hk", None])
def test_after_a_clear_the_whole_comes(
    book: hotbook.Client, served: Served, hotkey: str | None
) -> None:
    """A clear names no positions: what does not come is gone. Others' hotkeys are not touched."""
    book.save_many([closed("a"), closed("b"), closed("c", hotkey="other")])
    book.clear(hotkey, expected_count=2 if hotkey else 3)
    at = book.save(closed("d")).revision

    assert ask(served.target, 3) == ask(served.target, 3, hotkeys=["hk", "other"])
    assert ask(served.target, 3).is_whole
    assert set(ask(served.target, 3, hotkeys=["hk"]).positions) == {"d"}
    assert ask(served.target, 3, hotkeys=["other"]).is_whole is (hotkey is None)
    assert not ask(served.target, at).is_whole


def test_what_is_kept_no_more_or_never_was_is_answered_with_the_whole(tmp_path: Path) -> None:
    """A revision that is too old, or in the future: is_whole, and every position."""
    with serving(feed_changes_max=2) as made, hotbook.connect(made.target) as book:
        for number in range(6):
            book.save(closed(f"u{number}"))
        for since in (0, 3, 7, 2**63):
            answer = ask(made.target, since)
            assert answer.is_whole
            assert len(answer.positions) == 6
        assert not ask(made.target, 4).is_whole


def test_a_large_answer_comes_in_frames(book: hotbook.Client, served: Served) -> None:
    """More than a message holds: many frames of one answer."""
    weight = order(extra={"weight": "x" * 50_000})
    for first in range(0, 100, 50):
        book.save_many(closed(f"u{n}", orders=(weight,)) for n in range(first, first + 50))

    assert len(ask(served.target, 0).positions) == 100


def test_what_is_not_yet_to_be_seen_does_not_spoil_the_answer(tmp_path: Path) -> None:
    """A commit that is on disk a moment before the book has it is not told, nor is the whole book
    sent for it."""
    settings: dict[str, Any] = STORES["table"]
    with (
        serving(data_dir=tmp_path / "s", **settings) as made,
        hotbook.connect(made.target) as book,
    ):
        for number in range(4):
            book.save(closed(f"u{number}"))
        # What the journal's thread does before the loop goes on, held at that very moment.
        made.server.engine.journal.append(Batch([change_of(5, "early")], [], at_ms=1))

        answer = ask(made.target, 1)

    assert (answer.revision, answer.is_whole) == (4, False)
    assert set(answer.positions) == {"u1", "u2", "u3"}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("hotkeys[1]", {"hotkeys": ["fine", ""]}),
    ("hotkeys[0]", {"hotkeys": ["x" * 300]}),
    ("hotkeys", {"hotkeys": [f"hk{n}" for n in range(10_001)]}),
    ("mark", {"mark": "x" * 129}),
]


@pytest.mark.parametrize(("field", "asked"), BAD, ids=["empty", "long", "many", "mark"])
def test_bad_requests_are_refused_by_field(
    shared_target: str, field: str, asked: dict[str, Any]
) -> None:
    """What cannot be right is refused before anything is looked up."""
    with grpc.insecure_channel(shared_target) as channel:
        sent = pb.ListChangedRequest(**asked).SerializeToString()
        assert refusal(channel, "ListChanged", sent) == (INVALID, field)


def test_a_mark_shows_that_the_book_is_another(book: hotbook.Client, served: Served) -> None:
    """With the mark of an earlier answer the changes come; with another history's, the book."""
    book.save(closed("first"))
    seen = book.changed_since(0)
    book.save(closed("second"))

    same = book.changed_since(seen.revision, mark=seen.mark)
    other = book.changed_since(seen.revision, mark="0" * 32)

    assert [p.position_uuid for p in same.positions] == ["second"]
    assert same.is_whole == (served.server.settings.feed_changes_max == 1 and is_in_memory(served))
    assert (other.is_whole, len(other.positions), other.mark) == (True, 2, same.mark)


def is_in_memory(served: Served) -> bool:
    return not served.server.settings.on_disk


def test_a_follower_of_the_whole_book_by_polls(book: hotbook.Client, served: Served) -> None:
    """Polling with the revision of the last answer, again and again, keeps a copy true."""
    chance = random.Random(7)
    copy: Listing = {}
    since = 0
    for _ in range(60):
        act(book, chance)
        answer = ask(served.target, since)
        if answer.is_whole:
            copy = {}
        for uuid in answer.removed:
            copy.pop(uuid, None)
        copy |= answer.positions
        since = answer.revision
        assert copy == served.server.engine.book.positions.by_uuid
