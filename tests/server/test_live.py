"""Campaigns followed in real time: what a follower is told, and when it must begin anew."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from hotbook_server import live as live_module
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.live import Live, LivePart, Place
from hotbook_server.rpc.follow import FollowService
from hotbook_server.rpc.guard import Call
from hotbook_shared.book import Book
from hotbook_shared.campaign_wire import news_from_wire, totals_to_wire
from hotbook_shared.errors import InvalidArgument, QueueFull, Unavailable
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change
from tests.campaigning import HOTKEYS, Campaigning, campaign, changed, happen, leg_of, mark_of
from tests.conftest import FakeClock, StartEngine
from tests.make import OPEN_MS

PATIENCE_S = 10.0
HEARTBEAT_S = 0.002

PARTS = (
    LivePart(),
    LivePart(campaign_ids=["c0", "c3", "nobody"]),
    LivePart(hotkeys=["ann"]),
    LivePart(hotkeys=[*HOTKEYS, "dan"], trade_pairs=["BTCUSD", "SPX"]),
    LivePart(trade_pairs=["ETHUSD"]),
    LivePart(campaign_ids=["c1", "c2", "c4"], hotkeys=["bob", "cid"], trade_pairs=["BTCUSD"]),
)


@pytest.fixture
async def engine(start_engine: StartEngine) -> Engine:
    """Followers are woken by every commit."""
    return await start_engine(watch_frame_ms=0.0)


@pytest.fixture
def live(engine: Engine, settings: Settings, clock: FakeClock) -> Live:
    return Live(settings, engine, clock)


class Picture:
    """What one has who has taken in some frames."""

    def __init__(self) -> None:
        self.campaigns: dict[str, pb.CampaignUpdated] = {}
        self.marks: dict[str, pb.Mark] = {}
        self.alerts: list[pb.Alert] = []
        self.has: tuple[int, str] = (0, "")

    def take_in(self, frame: pb.FollowFrame) -> None:
        if frame.is_reload:
            self.campaigns, self.marks, self.alerts = {}, {}, []
        self.campaigns |= {one.campaign.campaign_id: one for one in frame.campaigns}
        for campaign_id in frame.removed:
            self.campaigns.pop(campaign_id, None)
        self.marks |= {one.trade_pair: one for one in frame.marks}
        self.alerts += frame.alerts
        self.has = frame.revision, frame.mark

    def copy(self) -> Picture:
        twin = Picture()
        twin.campaigns, twin.marks = self.campaigns.copy(), self.marks.copy()
        twin.has = self.has
        return twin


class Follower:
    """A follower, and the picture that it has."""

    def __init__(self, frames: AsyncIterator[pb.FollowFrame], picture: Picture) -> None:
        self.picture = picture
        self._frames = frames

    @property
    def campaigns(self) -> dict[str, pb.CampaignUpdated]:
        return self.picture.campaigns

    async def next(self) -> pb.FollowFrame:
        async with asyncio.timeout(PATIENCE_S):
            frame = await anext(self._frames)
        self.picture.take_in(frame)
        return frame

    async def until(self, revision: int) -> list[pb.FollowFrame]:
        """The frames up to the last of what stands at a revision, or later."""
        frames = [await self.next()]
        while not frames[-1].is_last or frames[-1].revision < revision:
            frames.append(await self.next())
        return frames

    async def hears_nothing_until(self, revision: int) -> None:
        """Nothing but heartbeats is told up to a revision."""
        for frame in await self.until(revision):
            assert not frame.is_reload
            assert not [*frame.campaigns, *frame.removed, *frame.marks]


@contextlib.asynccontextmanager
async def following(
    live: Live, part: LivePart | None = None, has: Picture | None = None, **asked: Any
) -> AsyncIterator[Follower]:
    """One who follows, from everything or from a picture that it has."""
    revision, mark = (None, "") if has is None else has.has
    asked = {"heartbeat_s": HEARTBEAT_S, **asked}
    frames = live.follow(part or LivePart(), revision, mark=mark, **asked)
    async with contextlib.aclosing(frames):
        yield Follower(frames, has or Picture())


def due(book: Book, part: LivePart) -> dict[str, pb.CampaignUpdated]:
    """What stands of a part, found by looking at every campaign."""
    found = {}
    for record in book.campaigns.by_id.values():
        if part.has(record):
            whole = pb.Campaign.FromString(record.wire)
            whole.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
            whole.ClearField("patterns")
            legs = book.campaigns.legs_of(record.campaign_id)
            mark = book.marks.by_pair.get(record.trade_pair) if len(legs.open) else None
            totals = totals_to_wire(legs.totals(record.campaign_id, mark))
            found[record.campaign_id] = pb.CampaignUpdated(campaign=whole, totals=totals)
    return found


def due_marks(book: Book, part: LivePart) -> dict[str, pb.Mark]:
    """The marks of pairs where the part has a campaign that is live, or has open legs."""
    campaigns = book.campaigns
    pairs = {
        r.trade_pair
        for r in campaigns.by_id.values()
        if part.has(r) and (r.is_live or len(campaigns.legs_of(r.campaign_id).open))
    }
    marks = book.marks.by_pair
    return {pair: pb.Mark.FromString(marks[pair].wire) for pair in pairs & marks.keys()}


def is_of(follower: Follower, engine: Engine, part: LivePart) -> None:
    """The follower's picture is that of the book; of other pairs it may have an older mark."""
    picture, book = follower.picture, engine.book
    assert picture.campaigns == due(book, part)
    marks = due_marks(book, part)
    assert {pair: picture.marks.get(pair) for pair in marks} == marks
    assert picture.has == (book.revision, engine.feed.mark)


# -------------------------------------------------------------------- pictures


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_goes_on_from_any_revision_has_the_picture_of_a_fresh_follower(
    engine: Engine, live: Live, part: LivePart, seed: int
) -> None:
    """After every commit the picture of one who follows is that of the book; and whoever had one of
    those pictures and comes back at the end is told what it takes to have the newest."""
    changing = Campaigning(seed)
    pictures = []
    async with following(live, part) as follower:
        await follower.until(0)
        for _ in range(50):
            happen(engine, *changing.commit())
            await follower.until(engine.book.revision)
            is_of(follower, engine, part)
            pictures.append(follower.picture.copy())
    assert engine.book.digest == changing.book.digest

    async with following(live, part) as fresh:
        [first, *_] = await fresh.until(engine.book.revision)
        assert first.is_reload
        is_of(fresh, engine, part)
    for kept in pictures:
        async with following(live, part, kept) as follower:
            await follower.until(engine.book.revision)
            is_of(follower, engine, part)


async def test_a_frame_says_what_a_follower_needs(engine: Engine, live: Live) -> None:
    """A campaign without its patterns but with their count, its totals, the pair's mark; and what
    comes later by itself."""
    made = campaign(1)
    happen(engine, Change.campaign_saved(made), Change.saved(leg_of(made, 2)),
           Change.marked(mark_of(3, "110")))  # fmt: skip
    async with following(live) as follower:
        frame = await follower.next()
        [told] = frame.campaigns
        assert (frame.revision, frame.is_reload, frame.is_last) == (3, True, True)
        assert (len(told.campaign.patterns), told.campaign.pattern_count) == (0, 2)
        totals = told.totals
        assert (totals.total_pnl, totals.total_risk, totals.mark) == (
            "20.00000000", "10.00000000", "110",
        )  # fmt: skip
        assert [(mark.trade_pair, mark.price) for mark in frame.marks] == [("BTCUSD", "110")]

        happen(engine, Change.marked(mark_of(4, "111")))
        [frame] = await follower.until(4)
        assert not frame.is_reload
        assert [one.totals.total_pnl for one in frame.campaigns] == ["22.00000000"]
        assert [mark.price for mark in frame.marks] == ["111"]

        happen(engine, Change.campaign_removed(5, made))
        [frame] = await follower.until(5)
        assert (list(frame.removed), len(frame.campaigns)) == (["c1"], 0)


async def test_a_mark_does_not_tell_campaigns_without_open_legs_anew(
    engine: Engine, live: Live
) -> None:
    """Only the mark is told; and a campaign that no mark moves has none in its totals, for that
    would grow old."""
    made = campaign(1)
    shut = leg_of(made, 2, close_ms=OPEN_MS + 1)
    happen(engine, Change.campaign_saved(made), Change.saved(shut), Change.marked(mark_of(3)))
    async with following(live) as follower:
        await follower.until(3)
        assert follower.campaigns["c1"].totals.mark == ""

        happen(engine, Change.marked(mark_of(4, "111")))
        [frame] = await follower.until(4)
        assert ([mark.price for mark in frame.marks], len(frame.campaigns)) == (["111"], 0)


# -------------------------------------------------------------------- parts


async def test_parts_hear_of_nothing_else(engine: Engine, live: Live) -> None:
    """Changes and marks that are not of a part bring it heartbeats alone."""
    anns = campaign(1, "a", hotkey="ann")
    bobs = campaign(2, "b", hotkey="bob", trade_pair="ETHUSD")
    happen(engine, Change.campaign_saved(anns), Change.campaign_saved(bobs))
    for part in (
        LivePart(campaign_ids=["a"]),
        LivePart(hotkeys=["ann"]),
        LivePart(trade_pairs=["BTCUSD"]),
        LivePart(campaign_ids=["a", "b"], hotkeys=["ann"]),
    ):
        async with following(live, part) as follower:
            await follower.until(engine.book.revision)
            assert list(follower.campaigns) == ["a"]
            revision = engine.book.revision + 1
            bobs = changed(bobs, revision + 2)
            happen(
                engine,
                Change.marked(mark_of(revision, trade_pair="ETHUSD")),
                Change.saved(leg_of(bobs, revision + 1)),
                Change.campaign_saved(bobs),
            )
            await follower.hears_nothing_until(revision + 2)


async def test_a_clear_begins_anew_for_those_whom_it_concerns(engine: Engine, live: Live) -> None:
    """A clear names no campaigns; a follower of another hotkey is not disturbed by it."""
    happen(engine, Change.campaign_saved(campaign(1, "a", hotkey="ann")),
           Change.campaign_saved(campaign(2, "b", hotkey="bob")))  # fmt: skip
    async with (
        following(live) as every,
        following(live, LivePart(hotkeys=["ann"])) as anns,
        following(live, LivePart(hotkeys=["bob"])) as bobs,
    ):
        for follower in (every, anns, bobs):
            await follower.until(2)

        happen(engine, Change.cleared(3, "ann"))

        assert (await every.until(3))[0].is_reload
        assert (await anns.until(3))[0].is_reload
        await bobs.hears_nothing_until(3)
        assert (list(every.campaigns), list(anns.campaigns)) == (["b"], [])


# -------------------------------------------------------------------- beginning anew


async def test_whoever_has_too_little_or_another_history_begins_anew(
    start_engine: StartEngine, settings: Settings, clock: FakeClock
) -> None:
    """A revision that is no longer kept, that is not reached yet, or whose mark is another's."""
    engine = await start_engine(watch_frame_ms=0.0, feed_changes_max=3)
    live = Live(settings, engine, clock)
    marks = {}
    for revision in range(1, 8):
        happen(engine, Change.campaign_saved(campaign(revision, f"c{revision}")))
        marks[revision] = engine.feed.mark
    for has, is_reload in (
        ((7, marks[7]), False),
        ((5, marks[5]), False),
        ((5, ""), False),
        ((4, marks[4]), False),
        ((3, marks[3]), True),
        ((0, ""), True),
        ((5, marks[4]), True),
        ((8, ""), True),
    ):
        picture = Picture()
        picture.has = has
        async with following(live, has=picture) as follower:
            [first, *_] = await follower.until(7)
            assert first.is_reload is is_reload, has
            assert len(first.campaigns) == (7 if is_reload else 7 - has[0])


async def test_a_slow_follower_is_told_the_newest_once(
    start_engine: StartEngine, settings: Settings, clock: FakeClock
) -> None:
    """However often a campaign has changed since it read, it is told how that stands, once; where
    the ring has moved on, it begins anew. It holds nothing back meanwhile."""
    engine = await start_engine(watch_frame_ms=0.0, feed_changes_max=50)
    live = Live(settings, engine, clock)
    stands = campaign(1)
    happen(engine, Change.campaign_saved(stands))
    async with following(live, heartbeat_s=PATIENCE_S) as follower:
        await follower.until(1)
        for changes, is_reload in ((30, False), (60, True)):
            for _ in range(changes):
                stands = changed(stands, engine.book.revision + 1)
                happen(engine, Change.campaign_saved(stands))
            frame = await follower.next()
            assert (frame.is_reload, frame.is_last) == (is_reload, True)
            assert [one.campaign.version for one in frame.campaigns] == [stands.version]
            assert frame.revision == engine.book.revision


async def test_a_book_that_begins_anew_is_told_anew(engine: Engine, live: Live) -> None:
    """After a reload nothing that was told before can be gone on from, whatever its revision."""
    happen(engine, Change.campaign_saved(campaign(1)))
    async with following(live) as follower:
        await follower.until(1)
        engine.feed.restart(1, "another", "")
        frames = [await follower.next()]
        while not frames[-1].is_reload:
            frames.append(await follower.next())
        assert follower.picture.has == (1, "another")


# -------------------------------------------------------------------- much at once


async def test_much_comes_in_bounded_frames_and_what_changes_meanwhile_comes_after(
    engine: Engine, live: Live
) -> None:
    """Frames hold so many campaigns; nobody has anything to go on from before the last. What was
    changed, removed or begun between two frames is right in the end."""
    count = 2 * live_module.PIECES_MOST + 50
    records = [campaign(number + 1, f"c{number}") for number in range(count)]
    happen(engine, *map(Change.campaign_saved, records))
    async with following(live) as follower:
        frames = [await follower.next()]
        assert follower.picture.has == (0, "")
        revision = count + 1
        happen(
            engine,
            Change.campaign_saved(changed(records[0], revision, phase="D")),
            Change.campaign_removed(revision + 1, records[1]),
            Change.campaign_removed(revision + 2, records[-1]),
            Change.campaign_saved(campaign(revision + 3, "new")),
        )
        frames += await follower.until(count)

        assert [frame.is_reload for frame in frames] == [True, False, False]
        assert [frame.is_last for frame in frames] == [False, False, True]
        assert [frame.revision for frame in frames] == [0, 0, count]
        assert max(len(frame.campaigns) for frame in frames) == live_module.PIECES_MOST

        await follower.until(revision + 3)
        is_of(follower, engine, LivePart())


async def test_a_follower_that_leaves_between_frames_goes_on_from_before_them(
    engine: Engine, live: Live
) -> None:
    """In the middle of many changes its number is the one that it had."""
    count = live_module.PIECES_MOST + 10
    async with following(live) as follower:
        await follower.until(0)
        happen(engine, *(Change.campaign_saved(campaign(n + 1, f"c{n}")) for n in range(count)))
        frame = await follower.next()
        while not frame.campaigns:
            frame = await follower.next()
        assert (frame.is_last, frame.revision) == (False, 0)
    async with following(live, has=follower.picture) as again:
        await again.until(count)
        is_of(again, engine, LivePart())


def cost_s(live: Live, part: LivePart, has: Place) -> float:
    """The least that telling a follower what has happened took, of many times."""
    least = PATIENCE_S
    for _ in range(30):
        began_s = time.perf_counter()
        [frame] = live._frames(part, live._news(part, has), has, has)
        least = min(least, time.perf_counter() - began_s)
        assert len(frame.campaigns) == 1
    return least


async def test_a_mark_costs_a_follower_of_one_campaign_its_own_campaign(
    start_engine: StartEngine, settings: Settings, clock: FakeClock
) -> None:
    """Among 2,000 campaigns with 10,000 legs it takes not much longer than among 2 with 10."""
    took_s = []
    for campaigns in (2, 2_000):
        engine = await start_engine()
        live = Live(settings, engine, clock)
        for number in range(campaigns):
            made = campaign(engine.book.revision + 1, f"c{number}", hotkey=f"hk{number}")
            first = made.revision + 1
            legs = [leg_of(made, first + n, f"{number}-{n}") for n in range(5)]
            happen(engine, Change.campaign_saved(made), *map(Change.saved, legs))
        has = Place(engine.feed.revision, engine.feed.mark, engine.feed.end, 0)
        happen(engine, Change.marked(mark_of(engine.book.revision + 1)))
        by_id, by_hotkey = LivePart(campaign_ids=["c1"]), LivePart(hotkeys=["hk1"])
        took_s.append(cost_s(live, by_id, has) + cost_s(live, by_hotkey, has))
        frames = live._frames(LivePart(), live._news(LivePart(), has), has, has)
        assert sum(len(frame.campaigns) for frame in frames) == campaigns
    assert took_s[1] < 3 * took_s[0]


async def test_what_is_told_of_a_campaign_is_made_once(
    engine: Engine, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many follow it, as one of all or by itself."""
    made, asked = live_module._updated, []

    def counted(*parts: Any) -> pb.CampaignUpdated:
        asked.append(parts[0].campaign_id)
        return made(*parts)

    monkeypatch.setattr(live_module, "_updated", counted)
    stands = campaign(1)
    happen(engine, Change.campaign_saved(stands), Change.saved(leg_of(stands, 2)))
    for _ in range(3):
        for part in (LivePart(), LivePart(campaign_ids=["c1"]), LivePart(hotkeys=["hk"])):
            async with following(live, part) as follower:
                await follower.until(2)
    assert asked == ["c1"]

    happen(engine, Change.marked(mark_of(3)))
    async with following(live) as follower:
        await follower.until(3)
        is_of(follower, engine, LivePart())
    assert asked == ["c1", "c1"]

    happen(engine, Change.saved(leg_of(stands, 4, "leg2")))
    async with following(live) as follower:
        await follower.until(4)
        is_of(follower, engine, LivePart())


# -------------------------------------------------------------------- pace and end


async def test_a_follower_hears_that_nothing_has_happened(engine: Engine, live: Live) -> None:
    """Who goes on is told at once how far the book is, and again after every heartbeat."""
    happen(engine, Change.campaign_saved(campaign(1)))
    picture = Picture()
    picture.has = 1, engine.feed.mark
    async with following(live, has=picture) as follower:
        for _ in range(3):
            frame = await follower.next()
            assert (frame.revision, frame.mark, frame.is_last) == (1, engine.feed.mark, True)
            assert (
                frame.ByteSize()
                == pb.FollowFrame(revision=1, mark=engine.feed.mark, is_last=True).ByteSize()
            )


async def test_what_is_not_for_a_follower_does_not_keep_heartbeats_from_it(
    engine: Engine, live: Live, clock: FakeClock
) -> None:
    """Woken again and again for others, it still hears how far the book is when that is due."""
    part = LivePart(campaign_ids=["nobody"])
    async with following(live, part, heartbeat_s=60.0) as follower, following(live) as other:
        await follower.until(0)
        waiting = asyncio.create_task(follower.next())
        for revision in range(1, 6):
            happen(engine, Change.campaign_saved(campaign(revision, f"c{revision}")))
            await other.until(revision)
        clock.move(60_000)
        happen(engine, Change.campaign_saved(campaign(6, "c6")))
        async with asyncio.timeout(PATIENCE_S):
            frame = await waiting
        assert (frame.revision, len(frame.campaigns)) == (6, 0), "nothing before that was told"


async def test_followers_count_as_watchers_and_end_with_the_server(
    start_engine: StartEngine, settings: Settings, clock: FakeClock
) -> None:
    """One more than watchers_max is refused at once; who leaves makes room; a server that stops
    says so."""
    engine = await start_engine(watchers_max=1)
    live = Live(settings, engine, clock)
    async with following(live, heartbeat_s=PATIENCE_S) as follower:
        await follower.next()
        assert engine.feed.watchers == 1
        async with following(live) as other:
            with pytest.raises(QueueFull):
                await other.next()
    assert engine.feed.watchers == 0
    async with following(live, heartbeat_s=PATIENCE_S) as follower:
        await follower.next()
        engine.refuse_new_work()
        with pytest.raises(Unavailable, match="stopping"):
            await follower.next()


# -------------------------------------------------------------------- over gRPC


class NoCall:
    """A call, as far as the service looks at one."""

    when_stalled: Callable[[float], Exception]


async def test_the_service_hands_on_what_is_told(
    engine: Engine, live: Live, settings: Settings
) -> None:
    """Frames as bytes, of the part and from where the request says; and its place is given up when
    the caller leaves."""
    happen(engine, Change.campaign_saved(campaign(1)), Change.campaign_saved(campaign(2, "c2")))
    service = FollowService(settings, live)
    for asked, expected in (
        (pb.FollowRequest(), (True, ["c1", "c2"])),
        (pb.FollowRequest(campaign_ids=["c2"]), (True, ["c2"])),
        (pb.FollowRequest(from_revision=2, mark=engine.feed.mark), (False, [])),
    ):
        frames: Any = service.follow(asked, cast(Call, NoCall()))
        news = news_from_wire(pb.FollowFrame.FromString(await anext(frames)))
        told = [one.campaign.campaign_id for one in news.campaigns]
        assert (news.is_reload, told) == expected
        assert (news.revision, news.mark, news.is_last) == (2, engine.feed.mark, True)
        assert engine.feed.watchers == 1
        await frames.aclose()
        assert engine.feed.watchers == 0


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"campaign_ids": ["c1", ""]}, "campaign_ids[1]"),
        ({"hotkeys": ["a b"]}, "hotkeys[0]"),
        ({"trade_pairs": [""]}, "trade_pairs[0]"),
        ({"campaign_ids": [f"c{n}" for n in range(4)]}, "campaign_ids"),
        ({"hotkeys": [f"h{n}" for n in range(4)]}, "hotkeys"),
        ({"trade_pairs": [f"p{n}" for n in range(4)]}, "trade_pairs"),
        ({"mark": "m"}, "mark"),
        ({"mark": "m" * 129, "from_revision": 1}, "mark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_followed_is_refused(
    live: Live, settings: Settings, asked: dict[str, Any], field: str
) -> None:
    """The refusal names the field, and comes before anything is sent."""
    service = FollowService(settings.model_copy(update={"hotkeys_max": 3}), live)
    frames: Any = service.follow(pb.FollowRequest(**asked), cast(Call, NoCall()))
    with pytest.raises(InvalidArgument) as refusal:
        await anext(frames)
    assert refusal.value.details["field"] == field
