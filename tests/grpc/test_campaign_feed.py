"""Campaigns, legs and marks in the feed: watchers, replicas and a server that follows have them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

import hotbook
from hotbook import ChangeKind, Replica, Update
from hotbook.testing import server
from hotbook_server.engine import Engine
from hotbook_server.frames import FRAME_BYTES
from hotbook_server.journal.base import Batch
from hotbook_shared.following import Follower
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import CampaignsStub
from hotbook_shared.record import Change, MarkRecord
from tests.changes import beside, campaign, price_mark
from tests.grpc.test_lifecycle import Served, serving
from tests.make import NOW_MS, closed, position
from tests.watching import PATIENCE_S, watching

Campaigns = Any


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


@pytest.fixture
def book(served: Served) -> Iterator[hotbook.Client]:
    with hotbook.connect(served.target, timeout_s=PATIENCE_S) as made:
        yield made


@contextlib.contextmanager
def campaigns_of(target: str) -> Iterator[Campaigns]:
    with grpc.insecure_channel(target) as channel:
        yield CampaignsStub(channel)  # type: ignore[no-untyped-call]


def put_in(served: Served, change: Change) -> None:
    """Commits a change that no command makes so, as the writer commits those of commands."""
    engine = served.server.engine
    assert isinstance(engine, Engine)

    async def act() -> None:
        engine.journal.append(Batch([change], [], NOW_MS))
        for book in (engine._ahead, engine.book):
            book.apply(change)
        engine.feed.publish([change], engine._mark(), engine.book.digest)

    asyncio.run_coroutine_threadsafe(engine.in_turn(act), served.loop).result(PATIENCE_S)


def mark_of(served: Served, trade_pair: str, price: str) -> MarkRecord:
    mark = price_mark(trade_pair, price, served.server.engine.book.revision + 1)
    put_in(served, Change.marked(mark))
    return mark


def some_history(served: Served, book: hotbook.Client) -> int:
    """Campaigns of two hotkeys, a leg, marks, a clear; gives the revision after it: 12."""
    with campaigns_of(served.target) as stub:
        for number, hotkey in enumerate(("ann", "ann", "bob", "cid")):
            stub.CreateCampaign(
                pb.CreateCampaignRequest(
                    campaign_id=f"c{number}", hotkey=hotkey, trade_pair="BTCUSD", range_id=hotkey
                )
            )
        mark_of(served, "BTCUSD", "65000.25")
        stub.AddLeg(
            pb.AddLegRequest(
                campaign_id="c0", position_uuid="leg", pattern_type=pb.PATTERN_SPRING,
                side=pb.SIDE_LONG, entry="64000", shares="2", stop="63000",
            )
        )  # fmt: skip
        stub.DeleteCampaign(pb.DeleteCampaignRequest(campaign_id="c2"))
    book.save(position("b", hotkey="bob"))
    book.save(closed("d", hotkey="cid"))
    book.clear("cid", expected_count=1, expected_campaigns=1)
    mark_of(served, "BTCUSD", "66000.5")
    return book.status().revision


def updates_until(book: hotbook.Client, revision: int, **asked: Any) -> list[Update]:
    """What a watcher is told up to a revision."""
    found = []
    with contextlib.closing(book.watch(**asked)) as updates:  # type: ignore[type-var]
        for update in updates:
            found.append(update)
            if update.revision >= revision and (update.snapshot is None or update.ends_snapshot):
                return found
    raise AssertionError("a feed has no end")


def test_a_watcher_is_told_of_campaigns_and_marks(book: hotbook.Client, served: Served) -> None:
    """Each kind in its order, with what stands; those who follow a hotkey hear of its own."""
    now = some_history(served, book)
    whole = [c for one in updates_until(book, now, from_revision=0) for c in one.changes]
    bobs = [c for one in updates_until(book, now, from_revision=0, hotkeys=["bob"])
            for c in one.changes]  # fmt: skip
    opened = [c for one in updates_until(book, now, from_revision=0, open_only=True)
              for c in one.changes]  # fmt: skip

    assert [change.revision for change in whole] == list(range(1, now + 1))
    marks = [c.price_mark for c in whole if c.kind is ChangeKind.MARKED]
    assert [(m and m.trade_pair, m and str(m.price)) for m in marks] == [
        ("BTCUSD", "65000.25"),
        ("BTCUSD", "66000.5"),
    ]
    saved = [(c.campaign_id, c.hotkey) for c in whole if c.campaign is not None]
    assert saved == [("c0", "ann"), ("c1", "ann"), ("c2", "bob"), ("c3", "cid"), ("c0", "ann")]
    assert [(str(c.kind), c.campaign_id or c.position_uuid) for c in bobs] == [
        ("campaign_saved", "c2"),
        ("campaign_removed", "c2"),
        ("saved", "b"),
    ]
    assert {c.kind for c in opened} == {ChangeKind.SAVED, ChangeKind.CLEARED}
    assert [c.position_uuid for c in opened] == ["leg", "b", ""]


def test_a_snapshot_has_campaigns_and_marks(book: hotbook.Client, served: Served) -> None:
    """All of the book's; of a hotkey its campaigns; of what is open neither."""
    now = some_history(served, book)

    def snapshot(**asked: Any) -> tuple[set[str], set[str]]:
        parts = updates_until(book, now, with_snapshot=True, **asked)
        assert parts[0].starts_snapshot
        return (
            {c.campaign_id for part in parts for c in part.snapshot_campaigns},
            {m.trade_pair for part in parts for m in part.snapshot_marks},
        )

    assert snapshot() == ({"c0", "c1"}, {"BTCUSD"})
    assert snapshot(hotkeys=["ann", "bob"]) == ({"c0", "c1"}, set())
    assert snapshot(hotkeys=["bob"]) == (set(), set())
    assert snapshot(open_only=True) == (set(), set())


def test_many_campaigns_come_in_parts_of_one_revision(book: hotbook.Client, served: Served) -> None:
    """Also where there is no position at all: parts of bounded size, and one book at their end."""
    weight = "x" * 20_000
    for number in range(1, 61):
        put_in(served, Change.campaign_saved(campaign(f"c{number}", number, failure_reason=weight)))
    follower = Follower()
    with watching(served.target, with_snapshot=True) as watch:
        frames = watch.until(60)
    for frame in frames:
        follower.take_in(frame)
    parts = [frame.snapshot for frame in frames if frame.HasField("snapshot")]

    assert len(parts) == 3
    assert [part.is_last for part in parts] == [False, False, True]
    assert all(part.ByteSize() < FRAME_BYTES + 2 * len(weight) for part in parts)
    assert follower.book.digest == book.status().digest
    assert beside(follower.book) == beside(served.server.engine.book)
    assert follower.snapshots == 1


def test_changed_since_is_about_positions(book: hotbook.Client, served: Served) -> None:
    """Campaigns and marks are passed over: their names are no uuids."""
    put_in(served, Change.campaign_saved(campaign("plan", 1)))
    mark_of(served, "BTCUSD", "1.5")
    book.save(closed("a"))
    put_in(served, Change.campaign_removed(4, campaign("plan", 1)))

    found = book.changed_since(0)

    assert (found.revision, found.is_whole, found.removed) == (4, False, ())
    assert [p.position_uuid for p in found.positions] == ["a"]


PARTS: list[dict[str, Any]] = [{}, {"hotkeys": ["ann"]}, {"hotkeys": ["cid"]}, {"open_only": True}]


@pytest.mark.parametrize("asked", PARTS, ids=str)
def test_a_replica_follows_through_campaigns_and_marks(
    book: hotbook.Client, served: Served, asked: dict[str, Any]
) -> None:
    """Filled before them or after, it goes on without another snapshot, and is verified."""
    with Replica(served.target, **asked, timeout_s=PATIENCE_S) as before:
        now = some_history(served, book)
        with Replica(served.target, **asked, timeout_s=PATIENCE_S) as after:
            mark_of(served, "ETHUSD", "3000")
            last = book.save(position("late", hotkey="ann", trade_pair="ETHUSD")).revision
            for replica in (before, after):
                assert replica.wait_for(last) == last == now + 2
                assert replica.verify().problems == ()
                assert replica.snapshots == 1


def test_a_server_that_follows_has_them_too(book: hotbook.Client, served: Served) -> None:
    """It answers for campaigns as its leader does, with its digest, and is well by its own check;
    its watchers are told the same."""
    with server(follow=served.target) as target, hotbook.connect(target) as follower:
        now = some_history(served, book)
        until_s = time.monotonic() + PATIENCE_S
        while follower.status().revision < now:
            assert time.monotonic() < until_s, "the follower has not caught up"
        asked = pb.GetCampaignRequest(campaign_id="c0")
        legs = pb.CampaignPositionsRequest(campaign_id="c0")
        with campaigns_of(served.target) as theirs, campaigns_of(target) as ours:
            assert ours.GetCampaign(asked) == theirs.GetCampaign(asked)
            assert ours.CampaignPositions(legs) == theirs.CampaignPositions(legs)
            assert ours.CampaignPositions(legs).totals.mark == "66000.5"
        assert follower.status().digest == book.status().digest
        told = [update.changes for update in updates_until(follower, now, from_revision=0)]
        due = [update.changes for update in updates_until(book, now, from_revision=0)]
        assert [c for changes in told for c in changes] == [c for changes in due for c in changes]
        assert follower.verify().problems == ()
        assert not follower.rebuild().changed
        assert not follower.reload().changed
