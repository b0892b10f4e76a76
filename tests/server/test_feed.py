"""The ring of commits: what it keeps, where a cursor stands, who gets what, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from hotbook import Position
from hotbook_server.clock import SystemClock
from hotbook_server.config import Settings
from hotbook_server.feed import Feed, Part
from hotbook_server.frames import FRAME_BYTES
from hotbook_shared.errors import FellBehind, QueueFull
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Change, Record, hold
from tests.changes import Changing, campaign, change_of, price_mark
from tests.conftest import FakeClock
from tests.make import closed, leg, order, position, record

WHOLE = Part()

MakeFeed = Callable[..., Feed]


@pytest.fixture
def make_feed(settings: Settings, clock: FakeClock) -> MakeFeed:
    """A feed that begins at a revision, with the settings that a test names."""

    def make(revision: int = 0, **changed: Any) -> Feed:
        feed = Feed(settings.model_copy(update=changed), clock, clock.monotonic_s)
        feed.restart(revision, mark(revision), digest="d")
        return feed

    return make


def mark(revision: int) -> str:
    return f"mark-{revision}"


def publish(feed: Feed, *sizes: int) -> None:
    """Commits with so many changes each."""
    for size in sizes:
        first = feed.revision + 1
        changes = [change_of(revision, f"p{revision}") for revision in range(first, first + size)]
        feed.publish(changes, mark(first + size - 1), "d")


def read(feed: Feed, cursor: int, part: Part = WHOLE) -> list[raw.WatchFrame]:
    """All frames that a cursor is owed."""
    frames = []
    while cursor != feed.end:
        data, cursor = feed.frame(cursor, part)
        frames.append(raw.WatchFrame.FromString(data))
    return frames


def revisions(frames: list[raw.WatchFrame]) -> list[int]:
    return [change.revision for frame in frames for change in frame.changes]


def follow(feed: Feed, revision: int, mark: str = "") -> list[int]:
    """The revisions of what one gets who has a revision."""
    cursor = feed.seek(revision, mark)
    assert cursor is not None
    return revisions(read(feed, cursor))


# -------------------------------------------------------------------- the ring


@pytest.mark.parametrize("most", [1, 2, 15, 16, 17, 100])
def test_the_ring_holds_the_newest_changes_up_to_its_bound(make_feed: MakeFeed, most: int) -> None:
    """Never more changes than feed_changes_max, and never fewer than 15 of 16 once it was full."""
    feed = make_feed(feed_changes_max=most)
    for number in range(1, 3 * most + 1):
        publish(feed, 1)
        assert min(number, most - most // 16) <= feed.changes <= most
        oldest = feed.revision - feed.changes
        assert follow(feed, oldest) == list(range(oldest + 1, feed.revision + 1))
        assert feed.seek(oldest - 1) is None


def heavy_change(revision: int, made: Position, size: int) -> Change:
    """A position, or a campaign that is about as large."""
    if revision % 2:
        return Change.saved(record(made, 1, revision))
    return Change.campaign_saved(campaign("c1", revision, failure_reason="x" * (size - 60)))


def test_the_ring_is_bounded_in_bytes_as_well(make_feed: MakeFeed) -> None:
    """However few the changes, their positions and campaigns take no more than feed_max_bytes,
    encoded copies for watchers included."""
    feed = make_feed(feed_max_bytes=80_000)
    heavy = position(orders=tuple(order(n, extra={"weight": "x" * 1000}) for n in range(5)))
    size = len(record(heavy).wire)
    for revision in range(1, 41):
        feed.publish([heavy_change(revision, heavy, size)], mark(revision), "")

    kept = follow(feed, feed.revision - feed.changes)
    assert 30_000 // size <= len(kept) <= 40_000 // size
    assert kept[-1] == 40


def test_the_newest_commit_stays_whatever_its_size(make_feed: MakeFeed) -> None:
    """A commit larger than the whole ring is handed on like any other; the one before it is not."""
    feed = make_feed(feed_changes_max=5)
    publish(feed, 3, 20)

    assert follow(feed, 3, mark(3)) == list(range(4, 24))
    assert feed.seek(0) is None


def test_who_falls_behind_the_ring_is_told_so(make_feed: MakeFeed) -> None:
    """A cursor that points at what is forgotten is an error, not a gap."""
    feed = make_feed(feed_changes_max=4)
    cursor = feed.seek(0)
    assert cursor is not None
    publish(feed, 1, 1, 1, 1)
    assert revisions(read(feed, cursor)) == [1, 2, 3, 4]

    publish(feed, 1)

    with pytest.raises(FellBehind, match="watch again"):
        feed.frame(cursor, WHOLE)


def test_a_restart_cuts_everybody_off_and_goes_on_from_its_revision(make_feed: MakeFeed) -> None:
    """Whatever a watcher had, its next frame is FellBehind; who comes anew is served."""
    feed = make_feed()
    publish(feed, 2, 1)
    before, after = feed.seek(2), feed.seek(3)
    assert before is not None
    assert after is not None

    feed.restart(3, mark(3), "d")

    for cursor in (before, after):
        assert cursor != feed.end, "whoever looks finds that there is something for it"
        with pytest.raises(FellBehind):
            feed.frame(cursor, WHOLE)
    assert feed.seek(2) is None
    publish(feed, 1)
    assert follow(feed, 3, mark(3)) == [4]


def test_a_restart_never_hands_out_a_frame_of_before(make_feed: MakeFeed) -> None:
    """Frames that were made a moment ago belong to the history that they were made of."""
    feed = make_feed()
    publish(feed, 1)
    assert follow(feed, 0) == [1]

    feed.restart(0, mark(0), "")
    feed.publish([change_of(1, "another")], "other", "")

    cursor = feed.seek(0, mark(0))
    assert cursor is not None
    [frame] = read(feed, cursor)
    assert (frame.changes[0].position_uuid, frame.mark) == ("another", "other")


# -------------------------------------------------------------------- seeking


def test_a_cursor_is_found_for_every_revision_that_is_kept(make_feed: MakeFeed) -> None:
    """Who has a commit gets what came after it, all and once; others get None."""
    feed = make_feed(revision=10)
    publish(feed, 1, 3, 2, 1)
    ends = (10, 11, 14, 16, 17)

    for end in ends:
        due = list(range(end + 1, 18))
        assert follow(feed, end) == due
        assert follow(feed, end, mark(end)) == due
        assert feed.seek(end, "another") is None
    assert feed.seek(9) is None
    assert feed.seek(18) is None
    assert feed.seek(12, mark(12)) is None, "there is no mark of a revision inside a commit"


def test_marks_tell_two_histories_apart_before_the_first_commit(make_feed: MakeFeed) -> None:
    """Also where nothing has happened yet, the mark says which book it is."""
    feed = make_feed(revision=7)

    assert feed.seek(7, mark(7)) == feed.end
    assert feed.seek(7, "another") is None


# -------------------------------------------------------------------- parts


def campaign_saved(name: str, **said: Any) -> Change:
    return Change.campaign_saved(campaign(name, 1, **said))


CHANGES: list[tuple[str, Change, tuple[bool, bool, bool, bool]]] = [
    # What it is, and who gets it: ann's, bob's, what is open, what is open of ann's.
    ("opened", Change.saved(record(position("o", hotkey="ann"))), (True, False, True, True)),
    ("saved closed", Change.saved(record(closed("c", hotkey="ann"))), (True, False, False, False)),
    (
        "closed",
        Change.saved(record(closed("o", hotkey="ann")), record(position("o", hotkey="ann"))),
        (True, False, True, True),
    ),
    (
        "opened again",
        Change.saved(record(position("o", hotkey="ann")), record(closed("o", hotkey="ann"))),
        (True, False, True, True),
    ),
    ("a leg", Change.saved(record(leg("l", hotkey="bob"))), (False, True, True, False)),
    (
        "open one removed",
        Change.removed(1, record(position("o", hotkey="ann"))),
        (True, False, True, True),
    ),
    (
        "closed one removed",
        Change.removed(1, record(closed("c", hotkey="ann"))),
        (True, False, False, False),
    ),
    ("ann's campaign", campaign_saved("c1", hotkey="ann"), (True, False, False, False)),
    (
        "ann's campaign removed",
        Change.campaign_removed(1, campaign("c1", 1, hotkey="ann")),
        (True, False, False, False),
    ),
    ("a mark", Change.marked(price_mark("BTCUSD", "1.5", 1)), (False, False, False, False)),
    ("bob cleared", Change.cleared(1, "bob"), (False, True, True, False)),
    ("all cleared", Change.cleared(1, ""), (True, True, True, True)),
]
PARTS = (
    Part(["ann"]),
    Part(["bob"]),
    Part(open_only=True),
    Part(["ann"], open_only=True),
)


@pytest.mark.parametrize(("_", "change", "who"), CHANGES, ids=[case[0] for case in CHANGES])
def test_each_part_gets_what_concerns_it(
    make_feed: MakeFeed, _: str, change: Change, who: tuple[bool, ...]
) -> None:
    """A part hears of its hotkeys; of what is not open only that it is so no longer. Campaigns are
    nothing open, and marks nobody's."""
    feed = make_feed()
    feed.publish([change], mark(1), "")

    assert len(read(feed, feed.first)[0].changes) == 1
    for part, is_concerned in zip(PARTS, who, strict=True):
        [frame] = read(feed, feed.first, part)
        assert (len(frame.changes) == 1) is is_concerned, part.key
        assert (frame.revision, frame.mark) == (1, mark(1)), "everybody hears how far it is"


def test_a_frame_says_what_a_watcher_needs(make_feed: MakeFeed, clock: FakeClock) -> None:
    """Position, kind, whose it is, whether it was open; and revision, mark, digest, time."""
    feed = make_feed()
    was = record(position("o"), 1, 1)
    now = record(closed("o"), 2, 2)
    feed.publish([Change.saved(was)], "m1", "d1")
    feed.publish(
        [Change.saved(now, was), Change.removed(3, now), Change.cleared(4, "hk")], "m4", "d4"
    )
    plan, price = campaign("c1", 5), price_mark("BTCUSD", "1.5", 7)
    feed.publish(
        [Change.campaign_saved(plan), Change.campaign_removed(6, plan), Change.marked(price)],
        "m7",
        "d7",
    )
    [frame] = read(feed, feed.first)

    assert [(c.revision, c.kind, c.position_uuid, c.hotkey, c.was_open) for c in frame.changes] == [
        (1, pb.CHANGE_SAVED, "o", "hk", False),
        (2, pb.CHANGE_SAVED, "o", "hk", True),
        (3, pb.CHANGE_REMOVED, "o", "hk", False),
        (4, pb.CHANGE_CLEARED, "", "hk", False),
        (5, pb.CHANGE_CAMPAIGN_SAVED, "", "hk", False),
        (6, pb.CHANGE_CAMPAIGN_REMOVED, "", "hk", False),
        (7, pb.CHANGE_MARKED, "", "", False),
    ]
    assert [c.position for c in frame.changes[:2]] == [was.wire, now.wire]
    assert not any(c.HasField("position") for c in frame.changes[2:])
    assert [c.campaign_id for c in frame.changes] == ["", "", "", "", "c1", "c1", ""]
    assert [c.campaign for c in frame.changes if c.HasField("campaign")] == [plan.wire]
    assert [c.price_mark for c in frame.changes if c.HasField("price_mark")] == [price.wire]
    assert (frame.revision, frame.mark, frame.digest, frame.is_newest) == (7, "m7", "d7", True)
    assert frame.as_of_ms == clock.ms


def test_the_two_encodings_of_a_frame_say_the_same(make_feed: MakeFeed) -> None:
    """What is sent with positions as bytes is read with positions as messages."""
    feed = make_feed()
    changing = Changing(seed=1)
    for _ in range(40):
        feed.publish(changing.commit(), "m", "")
    data, _ = feed.frame(feed.first, WHOLE)

    as_bytes, as_messages = raw.WatchFrame.FromString(data), pb.WatchFrame.FromString(data)

    for one, other in zip(as_bytes.changes, as_messages.changes, strict=True):
        assert pb.Change.FromString(one.SerializeToString()) == other


# -------------------------------------------------------------------- frames


def test_frames_are_of_bounded_size_and_only_the_last_is_the_newest(make_feed: MakeFeed) -> None:
    """A lot is sent in frames of about half a MiB, which end where commits end."""
    feed = make_feed()
    heavy = tuple(order(n, extra={"weight": "x" * 1000}) for n in range(40))
    made = position(orders=heavy)
    size = len(record(made).wire)
    count = 3 * FRAME_BYTES // size
    for revision in range(1, count + 1):
        feed.publish([Change.saved(record(made, 1, revision))], mark(revision), "")

    frames = read(feed, feed.first)

    assert revisions(frames) == list(range(1, count + 1))
    assert len(frames) in (3, 4)
    assert all(frame.ByteSize() < FRAME_BYTES + size + 1000 for frame in frames)
    assert [frame.is_newest for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert all(frame.revision == frame.changes[-1].revision for frame in frames)


class CountingHolder:
    """Has the bytes of a record, and counts how often they are asked for."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.asked = 0

    def wire_of(self, record: Record) -> bytes:
        self.asked += 1
        return self.wire


def test_a_change_is_encoded_once_for_all_watchers(make_feed: MakeFeed) -> None:
    """However many watchers, of whatever parts: the bytes of a position are taken once."""
    feed = make_feed()
    kept = record(position("o", hotkey="ann"))
    holder = CountingHolder(kept.wire)
    hold(kept, holder)
    feed.publish([Change.saved(kept)], "m", "")
    assert holder.asked == 1, "to know their size"

    for number in range(100):
        for part in (*PARTS, Part([f"hk{number}"]), WHOLE):
            feed.frame(feed.first, part)

    assert holder.asked == 2


def test_a_frame_is_made_once_for_watchers_of_the_same(make_feed: MakeFeed) -> None:
    """Watchers at the same place, of the same part, are sent the very same bytes."""
    feed = make_feed()
    publish(feed, 3, 3)

    made = [feed.frame(feed.first, Part(["b", "a"]))[0] for _ in range(3)]
    also = [feed.frame(feed.first, Part(["a", "b"]))[0] for _ in range(3)]

    assert len({id(data) for data in made + also}) == 1
    assert feed.frames == 6
    publish(feed, 1)
    assert feed.frame(feed.first, Part(["a", "b"]))[0] is not made[0]


# -------------------------------------------------------------------- watchers


def test_there_are_at_most_so_many_watchers(make_feed: MakeFeed) -> None:
    """One more is QueueFull, at once; when one leaves, there is room again."""
    feed = make_feed(watchers_max=2)
    with feed.watching():
        with feed.watching():
            with pytest.raises(QueueFull, match="2 watchers"), feed.watching():
                pass
            assert feed.watchers == 2
        with feed.watching():
            assert feed.watchers == 2
    assert feed.watchers == 0


@pytest.mark.parametrize(
    ("watchers", "pacing"),
    [
        (1, {"watch_frame_ms": 40.0}),
        (10, {"watch_frame_ms": 0.0, "watch_frames_per_s_max": 250.0}),
    ],
)
async def test_watchers_are_woken_no_more_often_than_the_settings_say(
    settings: Settings, watchers: int, pacing: dict[str, float]
) -> None:
    """Publishing without a pause wakes each every 40 ms at most; and all come to the end."""
    clock = SystemClock()
    feed = Feed(settings.model_copy(update=pacing), clock, clock.monotonic_s)
    feed.restart(0, "", "")
    woken = [0] * watchers

    async def watch(number: int) -> None:
        with feed.watching():
            cursor, seen = feed.first, feed.wakings
            while feed.revision < last or cursor != feed.end:
                await feed.arrival(seen, 10)
                seen = feed.wakings
                woken[number] += 1
                while cursor != feed.end:
                    _, cursor = feed.frame(cursor, WHOLE)

    last, began_s = 10**9, time.monotonic()
    watching = [asyncio.create_task(watch(number)) for number in range(watchers)]
    while time.monotonic() < began_s + 0.4:
        publish(feed, 1)
        await asyncio.sleep(0)
    last = feed.revision
    publish(feed, 1)
    async with asyncio.timeout(10):
        await asyncio.gather(*watching)
    elapsed_s = time.monotonic() - began_s

    assert feed.revision > 100
    assert max(woken) <= elapsed_s / 0.040 + 2
    assert min(woken) >= 2


async def test_a_lone_change_is_told_at_once(make_feed: MakeFeed, clock: FakeClock) -> None:
    """Where nothing was sent lately, nobody waits for company."""
    feed = make_feed(watch_frame_ms=60_000.0)
    clock.move(60_000)
    with feed.watching():
        waiting = asyncio.create_task(feed.arrival(feed.wakings, 30))
        await asyncio.sleep(0)
        publish(feed, 1)
        async with asyncio.timeout(5):
            await waiting


async def test_waiting_for_news_has_an_end(make_feed: MakeFeed) -> None:
    """A watcher that hears nothing goes on after its time, to send a heartbeat."""
    feed = make_feed()
    with feed.watching():
        async with asyncio.timeout(5):
            await feed.arrival(feed.wakings, 0.01)
    assert raw.WatchFrame.FromString(feed.heartbeat()).is_newest
