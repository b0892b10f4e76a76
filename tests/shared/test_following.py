"""What a watcher makes of frames: where it goes on, how fresh it is, and the book that it keeps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hotbook_server import frames as framing
from hotbook_server.config import load_settings
from hotbook_server.feed import Feed, Part
from hotbook_server.frames import snapshot_parts
from hotbook_shared.book import Book
from hotbook_shared.following import Cursor, Follower, Freshness, OutOfStep
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from tests.changes import Changing, beside, campaign, part_of, price_mark, wires
from tests.conftest import FakeClock
from tests.make import closed, position, record

SAVED, REMOVED, CLEARED = pb.CHANGE_SAVED, pb.CHANGE_REMOVED, pb.CHANGE_CLEARED


def frame(revision: int, *changes: raw.Change, **said: Any) -> raw.WatchFrame:
    return raw.WatchFrame(revision=revision, changes=changes, **{"mark": f"m{revision}", **said})


def change(revision: int, uuid: str = "p", **said: Any) -> raw.Change:
    kept = record(position(uuid, trade_pair=uuid), 1, revision)
    given: dict[str, Any] = {"kind": SAVED, "hotkey": "hk", "position": kept.wire}
    return raw.Change(revision=revision, position_uuid=uuid, **given | said)


def part(
    revision: int, uuids: Iterable[str], first: int = 0, total: int | None = None, **said: Any
) -> raw.WatchFrame:
    """A part of a snapshot; the last one, where nothing comes after it."""
    held = [record(position(uuid, trade_pair=uuid)).wire for uuid in uuids]
    total = first + len(held) if total is None else total
    snapshot = raw.SnapshotPart(
        total=total, first=first, positions=held, is_last=first + len(held) >= total
    )
    return frame(revision, snapshot=snapshot, **said)


def filled(revision: int = 10, **part_of_it: Any) -> Follower:
    """A follower that has a snapshot of two positions."""
    made = Follower(**part_of_it)
    made.take_in(part(revision, "ab"))
    return made


# -------------------------------------------------------------------- where it goes on


def test_a_cursor_asks_for_what_it_lacks() -> None:
    """First what it was told; then, after each frame, on from there."""
    cursor = Cursor(["b", "a"], open_only=True, with_snapshot=True, heartbeat_ms=50)
    part_asked: dict[str, Any] = {"hotkeys": ["a", "b"], "open_only": True, "heartbeat_ms": 50}
    assert cursor.request() == pb.WatchRequest(with_snapshot=True, **part_asked)

    cursor.take_in(part(10, "a", total=2))
    assert cursor.request() == pb.WatchRequest(with_snapshot=True, **part_asked), "half a snapshot"
    cursor.take_in(part(10, "b", first=1))
    assert cursor.request() == pb.WatchRequest(from_revision=10, mark="m10", **part_asked)
    cursor.take_in(frame(12, change(11), change(12)))
    cursor.take_in(frame(13))
    assert cursor.request() == pb.WatchRequest(from_revision=13, mark="m13", **part_asked)


def test_a_cursor_without_a_past_asks_for_no_revision() -> None:
    """No revision is not revision 0."""
    assert not Cursor().request().HasField("from_revision")
    assert Cursor(from_revision=0).request().HasField("from_revision")


def test_a_cursor_that_starts_over_asks_for_a_snapshot_until_it_has_it() -> None:
    """Whatever breaks in between."""
    cursor = Cursor(from_revision=5)
    cursor.start_over()
    for _ in range(2):
        assert cursor.request().with_snapshot
        cursor.take_in(part(20, "a", total=2))
    cursor.take_in(part(20, "b", first=1))
    assert not cursor.request().with_snapshot


# -------------------------------------------------------------------- how fresh it is

# The sender's clock, when it arrives by ours, and whether it is the newest; then when by our clock
# the lag is looked at, and what it is.
Arrival = tuple[float, float, bool]
LAGS: dict[str, tuple[list[Arrival], float, float]] = {
    "nothing came": ([], 5.0, float("inf")),
    "not the newest": ([(1.0, 100.0, False)], 101.0, float("inf")),
    "just came": ([(1.0, 100.0, True)], 100.0, 0.0),
    "some time ago": ([(1.0, 100.0, True)], 103.5, 3.5),
    "the sender's clock is far behind": ([(-9e6, 100.0, True)], 101.0, 1.0),
    "the sender's clock is far ahead": ([(9e6, 100.0, True)], 101.0, 1.0),
    "as quick as before": ([(1.0, 100.0, True), (2.0, 101.0, True)], 101.0, 0.0),
    "late by two": ([(1.0, 100.0, True), (2.0, 103.0, True)], 103.0, 2.0),
    "late, and not the newest": ([(1.0, 100.0, True), (2.0, 103.0, False)], 103.0, 3.0),
    "late after older news": ([(5.0, 100.0, True), (1.0, 101.0, True)], 101.0, 1.0),
    "the first was late": ([(1.0, 110.0, True), (11.0, 111.0, False)], 111.0, 10.0),
    "the first were late, all at once": (
        [(1.0, 110.0, True), (2.0, 110.0, True), (3.0, 110.0, True), (12.0, 111.0, False)],
        111.0,
        9.0,
    ),
    "a snapshot that took long": (
        [(1.0, 100.0, False), (1.0, 104.0, False), (5.0, 104.0, True)],
        104.0,
        0.0,
    ),
}


@pytest.mark.parametrize(("arrivals", "now_s", "lag_s"), LAGS.values(), ids=LAGS)
def test_lag(arrivals: list[Arrival], now_s: float, lag_s: float) -> None:
    """How old an answer may be, from nothing but differences of the sender's times."""
    freshness = Freshness()
    for sent_s, at_s, is_newest in arrivals:
        freshness.note(round(sent_s * 1000), at_s, is_newest=is_newest)

    assert freshness.lag_ms(now_s) == pytest.approx(lag_s * 1000, abs=2)  # the drift allowed for


def test_lag_has_that_of_the_sender_in_it() -> None:
    """What a server that follows another tells was old already when it was sent."""
    freshness = Freshness()
    for second in range(3):
        freshness.note(5_000, 100.0 + second, is_newest=True, lag_ms=2_000 + second * 1_000)
        assert freshness.lag_ms(100.0 + second) == pytest.approx(2_000 + second * 1_000)


def test_lag_goes_on_growing_through_a_break() -> None:
    """A new connection tells nothing until its first news; by another clock it is as good."""
    freshness = Freshness()
    freshness.note(1_000, 100.0, is_newest=True)
    for _ in range(2):
        freshness.begin()
        assert freshness.lag_ms(107.0) == pytest.approx(7_000)
    freshness.note(-5_000_000, 108.0, is_newest=False)
    assert freshness.lag_ms(108.0) == pytest.approx(8_000)

    freshness.note(-4_999_000, 109.0, is_newest=True)

    assert freshness.lag_ms(109.5) == pytest.approx(500)


@pytest.mark.parametrize("drift", [-1e-4, 1e-4])
def test_clocks_that_drift_apart_are_never_far_wrong(drift: float) -> None:
    """At 100 millionths (a bad clock) for a day: off by less than 0.1 s, where the clocks are off
    by 8 s; and what is late is still seen to be late."""
    freshness = Freshness()
    for second in range(24 * 3600):
        freshness.note(round(second * (1 + drift) * 1000), float(second), is_newest=True)
        assert -1 <= freshness.lag_ms(second) <= 100, second
    end_s = 24 * 3600
    freshness.note(round(end_s * (1 + drift) * 1000), end_s + 3.0, is_newest=True)

    assert 2_900 <= freshness.lag_ms(end_s + 3.0) <= 3_100


# -------------------------------------------------------------------- what does not follow

CAMPAIGN, MARKED = pb.CHANGE_CAMPAIGN_SAVED, pb.CHANGE_MARKED
PLAN = campaign("c", 11)


def plans(revision: int, names: Iterable[str], before: int = 0) -> raw.WatchFrame:
    """A part of a snapshot that has campaigns alone, and is not the last."""
    held = [campaign(name, number).wire for number, name in enumerate(names, start=before + 1)]
    return frame(revision, snapshot=raw.SnapshotPart(campaigns=held, beside=before))


def marks_of(revision: int, pairs: Iterable[str], before: int) -> raw.WatchFrame:
    """The last part of a snapshot, which has marks alone."""
    held = [price_mark(pair, "1.5", revision).wire for pair in pairs]
    return frame(revision, snapshot=raw.SnapshotPart(marks=held, beside=before, is_last=True))


WHOLE: dict[str, Any] = {}
SOME: dict[str, Any] = {"hotkeys": ["hk"]}
OUT_OF_STEP: dict[str, tuple[dict[str, Any], list[raw.WatchFrame]]] = {
    "a change is missing": (WHOLE, [frame(12, change(12))]),
    "a change is missing inside": (WHOLE, [frame(13, change(11), change(13))]),
    "a change came twice": (WHOLE, [frame(11, change(11)), frame(11, change(11))]),
    "a change came twice in a part": (SOME, [frame(12, change(12)), frame(12, change(12))]),
    "changes in another order": (WHOLE, [frame(12, change(12), change(11))]),
    "changes of a part in another order": (SOME, [frame(15, change(13), change(12))]),
    "an older change": (SOME, [frame(12, change(9))]),
    "a change beyond its frame": (WHOLE, [frame(11, change(11), change(12))]),
    "a change of a part beyond its frame": (SOME, [frame(11, change(12))]),
    "a frame beyond its changes": (WHOLE, [frame(12, change(11))]),
    "the revision goes back": (WHOLE, [frame(9)]),
    "the revision of a part goes back": (SOME, [frame(9)]),
    "the revision goes on without changes": (WHOLE, [frame(11)]),
    "the digest differs": (WHOLE, [frame(11, change(11), digest="00" * 16)]),
    "the digest of nothing new differs": (WHOLE, [frame(10, digest="00" * 16)]),
    "a kind that nobody knows": (WHOLE, [frame(11, change(11, kind=9))]),
    "no kind": (WHOLE, [frame(11, change(11, kind=0))]),
    "saved, and no position": (WHOLE, [frame(11, change(11, position=None))]),
    "removed, and a position": (WHOLE, [frame(11, change(11, kind=REMOVED))]),
    "a campaign with a position": (
        WHOLE,
        [frame(11, change(11, kind=CAMPAIGN, campaign=PLAN.wire))],
    ),
    "a campaign without one": (WHOLE, [frame(11, change(11, kind=CAMPAIGN, position=None))]),
    "a mark with a campaign": (
        WHOLE,
        [frame(11, change(11, kind=MARKED, position=None, campaign=PLAN.wire))],
    ),
    "a part with campaigns twice": (WHOLE, [plans(20, "cd"), plans(20, "e", 2), plans(20, "e", 2)]),
    "campaigns without those before": (WHOLE, [plans(20, "cd"), plans(20, "e", 3)]),
    "marks without the campaigns before": (WHOLE, [plans(20, "cd"), marks_of(20, "B", 1)]),
    "a snapshot from its middle": (WHOLE, [part(20, "c", first=1)]),
    "a snapshot with a gap": (WHOLE, [part(20, "c", total=9), part(20, "d", first=2, total=9)]),
    "a part twice": (
        WHOLE,
        [part(20, "c", total=9), part(20, "d", first=1, total=9), part(20, "d", first=1, total=9)],
    ),
    "a snapshot of another digest": (WHOLE, [part(20, "cde", digest="00" * 16)]),
    "a last part too early": (
        WHOLE,
        [
            frame(
                20,
                snapshot=raw.SnapshotPart(
                    total=9, first=0, positions=[record(closed("c")).wire], is_last=True
                ),
            )
        ],
    ),
}


@pytest.mark.parametrize(("asked", "frames"), OUT_OF_STEP.values(), ids=OUT_OF_STEP)
def test_what_does_not_follow_is_out_of_step_and_changes_nothing(
    asked: dict[str, Any], frames: list[raw.WatchFrame]
) -> None:
    """Picture, book and place stay as the last good frame left them; a snapshot makes it good."""
    follower = filled(**asked)
    *good, bad = frames
    for one in good:
        follower.take_in(one)
    picture, wanted = follower.picture, follower.cursor.request()
    assert picture is not None
    held, book = wires(picture), (wires(follower.book), follower.book.revision)

    with pytest.raises(OutOfStep):
        follower.take_in(bad)

    assert follower.picture is picture
    assert (wires(picture), list(picture.problems())) == (held, [])
    assert (wires(follower.book), follower.book.revision) == book
    assert list(follower.book.positions.problems()) == []
    assert follower.cursor.request() == wanted
    follower.start_over()
    assert follower.cursor.request().with_snapshot
    follower.take_in(part(30, "xyz"))
    assert follower.picture is not None
    assert set(wires(follower.picture)) == set("xyz")


def test_changes_before_the_first_snapshot_are_out_of_step() -> None:
    """There is nothing that they could change."""
    follower = Follower()
    with pytest.raises(OutOfStep):
        follower.take_in(frame(1, change(1)))
    assert follower.picture is None


def test_a_snapshot_that_breaks_off_shows_nothing_and_begins_anew() -> None:
    """Half a snapshot is no book: what stands is shown until the next one is complete."""
    follower = filled()
    follower.start_over()
    before = follower.picture
    follower.take_in(part(20, "cd", total=3))
    assert follower.picture is before
    assert follower.cursor.request().with_snapshot

    follower.take_in(part(21, "xy", total=4))
    assert follower.take_in(part(21, "zw", first=2)) is None, "the book is another now"

    assert follower.picture is not None
    assert set(wires(follower.picture)) == set("wxyz")
    assert (follower.picture.revision, follower.snapshots) == (21, 2)


def test_campaigns_and_marks_may_come_in_parts_of_their_own() -> None:
    """Of a book without positions as well, where a part says no more than how many came before."""
    follower = filled()
    for one in (plans(20, "xyz"), plans(20, "cd"), plans(20, "e", 2)):
        assert follower.take_in(one) == [], "it is not complete"
    assert follower.take_in(marks_of(20, "BE", 3)) is None, "the book is another now"

    book = follower.book
    assert (set(book.campaigns.by_id), set(book.marks.by_pair)) == (set("cde"), set("BE"))
    assert (wires(book), book.revision) == ({}, 20)


def test_a_snapshot_may_lead_back() -> None:
    """Another book on the same address: what a snapshot says counts, whatever was there before."""
    follower = filled(revision=10)
    follower.take_in(part(3, "z"))

    assert follower.picture is not None
    assert (set(wires(follower.picture)), follower.picture.revision) == ({"z"}, 3)
    assert follower.cursor.request().from_revision == 3


def test_a_snapshot_is_not_as_fresh_as_what_stood_before() -> None:
    """It may come from a server that is behind: only its own news tells how old it is."""
    follower = filled(revision=10)
    follower.is_shown(frame(10, as_of_ms=1_000, is_newest=True), 100.0)
    follower.freshness.begin()
    assert follower.freshness.lag_ms(101.0) == pytest.approx(1_000)

    follower.take_in(part(3, "z"))
    assert follower.freshness.lag_ms(101.0) == float("inf")
    follower.is_shown(frame(3, as_of_ms=7_000, is_newest=True), 101.0)

    assert follower.freshness.lag_ms(102.0) == pytest.approx(1_000)


def test_a_digest_confirms_a_whole_book_only() -> None:
    """That of a part cannot be compared: it is of everything."""
    whole, some = filled(), filled(**SOME)
    assert whole.picture is not None
    digest = whole.picture.digest
    for follower in (whole, some):
        assert follower.confirmed == -1
        follower.take_in(frame(10, digest=digest))
    some.take_in(frame(11, digest="00" * 16))

    assert (whole.confirmed, some.confirmed) == (10, -1)


# -------------------------------------------------------------------- what follows


class Leader:
    """A book that random commits happen to, and its feed."""

    def __init__(self, seed: int, changes_max: int) -> None:
        self.changing = Changing(seed)
        clock = FakeClock()
        settings = load_settings(feed_changes_max=changes_max)
        self.feed = Feed(settings, clock, clock.monotonic_s)
        self.feed.restart(0, "m0", self.book.digest)

    @property
    def book(self) -> Book:
        return self.changing.book

    def commit(self) -> None:
        changes = self.changing.commit()
        self.feed.publish(changes, f"m{changes[-1].revision}", self.book.digest)

    def frames(self, request: pb.WatchRequest, pause: Callable[[], None]) -> Iterable[bytes]:
        """What a server sends: a snapshot where the ring cannot help, then the ring."""
        part = Part(request.hotkeys, open_only=request.open_only)
        cursor = self.feed.seek(request.from_revision, request.mark)
        if request.with_snapshot or cursor is None:
            yield from self._snapshot(part, pause)
            cursor = self.feed.seek(*self._at)
        while cursor is not None and cursor >= self.feed.first:
            if cursor == self.feed.end:
                yield self.feed.heartbeat()
            else:
                data, cursor = self.feed.frame(cursor, part)
                yield data
            pause()

    def _snapshot(self, part: Part, pause: Callable[[], None]) -> Iterable[bytes]:
        self._at = self.feed.revision, self.feed.mark
        head = self.feed.head(*self._at, self.feed.digest, is_newest=False)
        kept = self.book.positions.by_uuid.values()
        records = [
            one
            for one in kept
            if (not part.hotkeys or one.hotkey in part.hotkeys)
            and (one.is_open or not part.open_only)
        ]
        held = self.book.campaigns.by_id.values()
        campaigns = [
            one
            for one in held
            if (not part.hotkeys or one.hotkey in part.hotkeys) and not part.open_only
        ]
        marks = list(self.book.marks.by_pair.values()) if part.is_whole else []
        for snapshot in snapshot_parts(records, campaigns, marks):
            yield raw.WatchFrame(snapshot=snapshot).SerializeToString() + head
            pause()


FOLLOWED: list[dict[str, Any]] = [
    {},
    {"hotkeys": ["ann"]},
    {"hotkeys": ["bob", "nobody"]},
    {"open_only": True},
    {"hotkeys": ["ann", "cid"], "open_only": True},
]


@pytest.mark.parametrize("asked", FOLLOWED, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_a_follower_has_what_a_look_at_every_position_gives(
    asked: dict[str, Any], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens, wherever the connection breaks, however little the ring keeps: after each
    frame the follower's part is that of the book at the frame's revision, indexes and all; and so
    are its campaigns and marks."""
    monkeypatch.setattr(framing, "FRAME_BYTES", 600)  # a snapshot has many parts
    leader = Leader(seed, changes_max=random.Random(seed).choice([5, 30, 1000]))
    chance = random.Random(seed)
    follower = Follower(**asked)
    hotkeys, open_only = asked.get("hotkeys", ()), asked.get("open_only", False)
    due: dict[int, tuple[dict[str, bytes], ...]] = {0: ({}, {})}

    def go_on() -> None:
        for _ in range(chance.choice([0, 0, 1, 3])):
            leader.commit()
            due[leader.book.revision] = (
                part_of(leader.book, hotkeys, open_only=open_only),
                beside(leader.book, hotkeys, open_only=open_only),
            )

    for _ in range(25):
        for number, data in enumerate(leader.frames(follower.cursor.request(), go_on)):
            follower.take_in(raw.WatchFrame.FromString(data))
            if (picture := follower.picture) is not None:
                positions, others = due[picture.revision]
                assert (wires(picture), beside(follower.book)) == (positions, others)
                assert list(picture.problems()) == []
                assert list(follower.book.problems()) == []
            if number > 2 and chance.random() < 0.15:
                break
        go_on()
    assert follower.picture is not None
    assert follower.picture.revision > 100
    if not asked:
        assert follower.confirmed == follower.picture.revision


@pytest.mark.parametrize("asked", FOLLOWED, ids=str)
def test_what_a_follower_tells_of_leads_another_book_the_same_way(asked: dict[str, Any]) -> None:
    """The changes that `take_in` gives are all that happened to its own book."""
    leader = Leader(seed=3, changes_max=1000)
    follower, copy = Follower(**asked), Book()

    def go_on() -> None:
        if leader.book.revision < 300:
            leader.commit()

    for data in leader.frames(follower.cursor.request(), go_on):
        changes = follower.take_in(raw.WatchFrame.FromString(data))
        if changes is None:
            copy = follower.book.copy()
        for one in changes or ():
            copy.revision = one.revision - 1
            copy.apply(one)
        assert follower.picture is not None
        assert wires(copy) == wires(follower.picture)
        assert beside(copy) == beside(follower.book)
        assert copy.digest == follower.picture.digest
        if follower.picture.revision >= 300:
            break
