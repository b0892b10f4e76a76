"""Freshness and the market: whole generations on any thread, and what pairs amount to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from hotbook_server.commands import CreateCampaign, PushBars, PushDone, PushedBar
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.market import Freshness, market_of
from hotbook_shared.book import Book
from hotbook_shared.errors import OutOfOrder, Unavailable, Unsupported
from hotbook_shared.market import Generation, VolumeLevel
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import (
    CampaignRecord,
    Change,
    MarkRecord,
    campaign_record_from,
    mark_record_from,
)
from tests.conftest import FakeClock, StartEngine
from tests.make import NOW_MS

STEP_MS = 60_000
STEP = NOW_MS - NOW_MS % STEP_MS  # the step in which tests begin
UNTIL_TURN_MS = STEP + STEP_MS - NOW_MS


def marked(trade_pair: str, at_ms: int, price: str = "1", **fields: Any) -> Change:
    made = pb.Mark(trade_pair=trade_pair, at_ms=at_ms, price=price, revision=1, **fields)
    return Change.marked(mark_record_from(made.SerializeToString()))


def fresh(generation: Generation) -> list[str]:
    return sorted(generation.fresh)


@pytest.fixture
def live(settings: Settings, clock: FakeClock) -> Freshness:
    return Freshness(settings, clock)


@pytest.fixture
def manual(settings: Settings, clock: FakeClock) -> Freshness:
    return Freshness(settings.model_copy(update={"market_clock": "manual"}), clock)


# ------------------------------------------------------------------ live


AGES = [
    # how long before the current step begins the bar lies     fresh
    (-STEP_MS, True),  # from the future, as another's clock may have it
    (-1, True),
    (0, True),
    (STEP_MS, True),
    (STEP_MS + 1, False),
    (3_600_000, False),
]


@pytest.mark.parametrize(("before_ms", "is_fresh"), AGES)
def test_a_pair_is_fresh_by_a_bar_of_this_step_or_the_one_before(
    live: Freshness, before_ms: int, is_fresh: bool
) -> None:
    """What arrives now counts for now, unless the bar's own time is older than the last step."""
    live.note([marked("BTC", STEP - before_ms)])
    assert fresh(live.current()) == (["BTC"] if is_fresh else [])


def test_each_pair_that_becomes_fresh_is_a_generation(live: Freshness) -> None:
    """A generation number stands for one set: the set grows, and so does the number."""
    first = live.current()
    live.note([marked("BTC", NOW_MS)])
    second = live.current()
    live.note([marked("BTC", NOW_MS + 1)])  # fresh already
    third = live.current()
    live.note([marked("ETH", NOW_MS), marked("SOL", NOW_MS)])
    fourth = live.current()

    assert [one.generation for one in (first, second, third, fourth)] == [1, 2, 2, 3]
    assert [fresh(one) for one in (first, second, fourth)] == [[], ["BTC"], ["BTC", "ETH", "SOL"]]
    assert {one.step_ms for one in (first, second, third, fourth)} == {STEP}
    assert third is second


def test_a_commit_without_bars_is_no_generation(live: Freshness) -> None:
    """Saves and campaigns leave freshness alone."""
    live.note([Change.cleared(1, "hk")])
    assert live.current().generation == 1


def test_a_quiet_market_becomes_not_fresh_by_itself(live: Freshness, clock: FakeClock) -> None:
    """Each step that begins is a generation, although nothing came: nobody has to say so."""
    live.note([marked("BTC", NOW_MS)])

    clock.move(UNTIL_TURN_MS - 1)
    assert fresh(live.current()) == ["BTC"]
    clock.move(1)
    assert live.current() == Generation(generation=3, step_ms=STEP + STEP_MS, fresh=frozenset()), (
        "the next step"
    )
    clock.move(2 * STEP_MS)
    assert live.current() == Generation(generation=5, step_ms=STEP + 3 * STEP_MS, fresh=frozenset())


def test_a_generation_number_never_stands_for_two_sets(live: Freshness, clock: FakeClock) -> None:
    """Quiet steps, bars that are too old, and bars: whoever asks meanwhile, numbers only grow."""
    seen: dict[int, Generation] = {}

    def look() -> None:
        now = live.current()
        assert seen.setdefault(now.generation, now) == now
        assert now.generation == max(seen)

    for number in range(40):
        look()
        clock.move(UNTIL_TURN_MS // 3 + number * 7_000)
        look()
        old = live.current().step_ms - 2 * STEP_MS
        live.note([marked("OLD", old)] if number % 3 else [marked(f"P{number}", clock.now_ms())])
    look()
    assert any(one.fresh for one in seen.values())
    assert not any("OLD" in one.fresh for one in seen.values())


def test_a_clock_that_is_set_back_does_not_take_a_step_back(
    live: Freshness, clock: FakeClock
) -> None:
    """Steps never go back: the last one stands until the clock has caught up."""
    clock.move(STEP_MS)
    live.note([marked("BTC", clock.now_ms())])
    stands = live.current()

    clock.move(-3 * STEP_MS)

    assert live.current() is stands
    live.note([marked("ETH", clock.now_ms())])  # older than the step before the one that stands
    assert live.current() is stands


def test_live_steps_follow_the_clock_alone(live: Freshness, clock: FakeClock) -> None:
    """Advance is refused, and time is the clock's, whatever events say."""
    with pytest.raises(Unsupported, match="live"):
        live.advance(NOW_MS)
    live.note([marked("BTC", NOW_MS + 10**9)])
    assert live.event_now_ms() == clock.now_ms()


# ------------------------------------------------------------------ manual


def test_a_step_has_what_was_pushed_since_the_last(manual: Freshness) -> None:
    """S1-08: until the step is made nothing is seen; then all of it, in one generation."""
    before = manual.current()
    manual.note([marked("BTC", 10)])
    manual.note([marked("ETH", 10), marked("BTC", 11)])
    assert manual.current() is before

    assert manual.advance(60) == Generation(
        generation=2, step_ms=60, fresh=frozenset({"BTC", "ETH"})
    )
    manual.note([marked("ETH", 61)])
    assert fresh(manual.advance(120)) == ["ETH"]
    assert fresh(manual.advance(180)) == []


def test_a_step_never_goes_back(manual: Freshness) -> None:
    """An earlier step is refused, and what was pushed waits for the next."""
    manual.advance(120)
    manual.note([marked("BTC", 130)])

    with pytest.raises(OutOfOrder, match=r"60.*120") as refused:
        manual.advance(60)

    assert refused.value.details["field"] == "to_ms"
    assert manual.current().generation == 2
    assert fresh(manual.advance(180)) == ["BTC"]


def test_the_same_step_again_changes_nothing(manual: Freshness) -> None:
    """Whoever had no answer may ask again: it is the same generation."""
    manual.note([marked("BTC", 10)])
    first = manual.advance(60)
    manual.note([marked("ETH", 61)])

    assert manual.advance(60) is first
    assert fresh(manual.advance(120)) == ["ETH"]


def test_manual_time_is_the_latest_that_was_seen(manual: Freshness) -> None:
    """Steps and events move it, none of them back; the server's clock never does."""
    times = [manual.event_now_ms()]
    for act in (
        lambda: manual.note([marked("BTC", 50), marked("ETH", 40)]),
        lambda: manual.advance(45),
        lambda: manual.advance(60),
        lambda: manual.see(90),
        lambda: manual.see(70),
        lambda: manual.advance(80),
    ):
        act()
        times.append(manual.event_now_ms())
    assert times == [0, 50, 50, 60, 90, 90, 90]


def test_a_generation_that_is_held_never_changes(manual: Freshness) -> None:
    """The trap of two buffers in turns: the old one is refilled under a reader. Here it is not."""
    manual.note([marked("BTC", 1)])
    held = manual.advance(60)
    copy = set(held.fresh)

    for step in range(2, 50):
        manual.note([marked(f"P{step}", step)])
        manual.advance(step * 60)

    assert held.fresh == copy
    assert held.generation == 2


STEPS = 60
PAIRS = [f"P{number}" for number in range(20)]


def due(step: int) -> frozenset[str]:
    """The pairs that have data at a step."""
    return frozenset(pair for n, pair in enumerate(PAIRS) if (step * 7 + n * 3) % 5 < 2)


class Reader(threading.Thread):
    """Reads the current generation all the time, until it has seen the last."""

    def __init__(self, freshness: Freshness) -> None:
        super().__init__()
        self.seen: list[Generation] = [freshness.current()]
        self.met = threading.Semaphore(0)  # once for each generation at which it is waited for
        self._freshness = freshness

    def run(self) -> None:
        while self.seen[-1].generation <= STEPS:
            now = self._freshness.current()
            if now is not self.seen[-1]:
                self.seen.append(now)
                if is_meeting(now):
                    self.met.release()


def is_meeting(generation: Generation) -> bool:
    return generation.step_ms % 20 == 0


def replayed(settings: Settings) -> list[Generation]:
    """Every generation of a replay; threads read while it goes on, and see what it made."""
    freshness = Freshness(settings.model_copy(update={"market_clock": "manual"}), FakeClock())
    made = [freshness.current()]
    readers = [Reader(freshness) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(1, STEPS + 1):
        freshness.note([marked(pair, step) for pair in due(step)])
        made.append(freshness.advance(step))
        if is_meeting(made[-1]):
            assert all(reader.met.acquire(timeout=30) for reader in readers)
    for reader in readers:
        reader.join()
        numbers = [one.generation for one in reader.seen]
        assert numbers == sorted(set(numbers)), "never back, never two with one number"
        assert all(one is made[one.generation - 1] for one in reader.seen), "whole, as published"
    return made


def test_ten_replays_are_the_same_and_readers_see_whole_generations(settings: Settings) -> None:
    """S1-17: ten runs give identical generations, while threads read without a lock."""
    runs = [replayed(settings) for _ in range(10)]

    assert all(run == runs[0] for run in runs)
    assert [one.fresh for one in runs[0][1:]] == [due(step) for step in range(1, STEPS + 1)]


# ------------------------------------------------------------------ waiting


async def test_the_swap_comes_before_anybody_wakes(manual: Freshness) -> None:
    """S1-10: whoever waits for a generation wakes when it can be seen, and all see the same."""
    waiting = [asyncio.create_task(manual.wait_for(2)) for _ in range(5)]
    later = asyncio.create_task(manual.wait_for(3))
    await asyncio.sleep(0)
    manual.note([marked("BTC", 1)])

    made = manual.advance(60)
    async with asyncio.timeout(10):
        seen = await asyncio.gather(*waiting)

    assert all(one is made for one in seen)
    assert not later.done()
    third = manual.advance(120)
    async with asyncio.timeout(10):
        assert await later is third


async def test_a_generation_that_is_there_is_not_waited_for(manual: Freshness) -> None:
    """One that was published before is answered with the current one."""
    manual.advance(60)
    now = manual.advance(120)
    async with asyncio.timeout(10):
        assert await manual.wait_for(2) is now
        assert await manual.wait_for(0) is now


async def test_live_waiting_ends_when_the_step_turns(settings: Settings) -> None:
    """A quiet step is waited for as well: no bar has to come."""

    class RealClock(FakeClock):
        def now_ms(self) -> int:
            return self.ms + int(asyncio.get_running_loop().time() * 1000)

    freshness = Freshness(settings.model_copy(update={"market_step_ms": 20}), RealClock())
    async with asyncio.timeout(10):
        now = await freshness.wait_for(4)
    assert now.generation >= 4
    assert now.fresh == frozenset()


async def test_waiting_ends_with_the_server(engine: Engine) -> None:
    """Whoever waits when the server stops is told so, and holds up no stop."""
    waiting = asyncio.create_task(engine.freshness.wait_for(10**6))
    await asyncio.sleep(0)

    engine.refuse_new_work()

    with pytest.raises(Unavailable, match="stopping"):
        async with asyncio.timeout(10):
            await waiting


# ------------------------------------------------------------------ the market


def held(*changes: Change, campaigns: Iterable[CampaignRecord] = ()) -> Book:
    marks: list[MarkRecord] = [c.price_mark for c in changes if c.price_mark is not None]
    return Book(revision=1, marks=marks, campaigns=campaigns)


def volumes(*given: int) -> Mapping[str, Any]:
    """The volumes of a mark whose window is 3 bars, after so many bars."""
    newest = given[-3:]
    return {
        "bars": len(given),
        "volumes": map(str, newest),
        "volume_sum": str(sum(newest)),
        "last_volume": str(given[-1]),
    }


def campaign(range_bar: int, trade_pair: str = "BTC") -> CampaignRecord:
    made = pb.Campaign(
        campaign_id="c1", hotkey="hk", trade_pair=trade_pair, state=pb.CAMPAIGN_ACTIVE,
        range_bar=range_bar, created=1, revision=1,
    )  # fmt: skip
    return campaign_record_from(made.SerializeToString())


NOW = Generation(generation=7, step_ms=STEP, fresh=frozenset({"BTC"}))

AVERAGES = [
    # volumes of all bars, bar at which the range changed     average, bars, ready, level
    ((100, 100, 70), None, ("90", 3, True, VolumeLevel.LOW)),
    ((100, 100, 100), None, ("100", 3, True, VolumeLevel.NORMAL)),
    ((9, 9, 100, 100, 400), None, ("200", 3, True, VolumeLevel.HIGH)),
    ((100, 400), None, ("250", 2, False, VolumeLevel.UNKNOWN)),
    ((0, 0, 0), None, ("0", 3, True, VolumeLevel.UNKNOWN)),
    ((9, 9, 100, 100, 400), 2, ("200", 3, True, VolumeLevel.HIGH)),
    ((9, 9, 100, 100, 400), 3, ("250", 2, False, VolumeLevel.UNKNOWN)),
    ((9, 9, 100, 100, 400), 5, ("0", 0, False, VolumeLevel.UNKNOWN)),
    ((9, 9, 100, 100, 400), 0, ("200", 3, True, VolumeLevel.HIGH)),
]


@pytest.mark.parametrize(("given_", "range_bar", "expected"), AVERAGES)
def test_the_volume_of_a_pair_and_of_a_campaign_on_it(
    settings: Settings,
    given_: tuple[int, ...],
    range_bar: int | None,
    expected: tuple[str, int, bool, VolumeLevel],
) -> None:
    """The mean of the window, or of the bars since the campaign's range changed; a level only
    when it is ready (S1-20 to S1-27)."""
    book = held(marked("BTC", NOW_MS, **volumes(*given_)))
    asks = None if range_bar is None else campaign(range_bar)

    (pair,) = market_of(book, NOW, NOW_MS, window_of(settings, 3), ["BTC"], asks)

    average, bars, is_ready, level = expected
    assert pair.average_volume == Decimal(average)
    assert (pair.bars, pair.is_ready, pair.volume_level) == (bars, is_ready, level)
    assert pair.last_volume == given_[-1]


def window_of(settings: Settings, window: int) -> Settings:
    return settings.model_copy(update={"volume_window": window})


def test_a_mark_without_a_volume_has_no_level(settings: Settings) -> None:
    """The newest bar had none: there is an average, but nothing to compare with it."""
    made = dict(volumes(1, 1, 1))
    del made["last_volume"]
    (pair,) = market_of(
        held(marked("BTC", NOW_MS, **made)), NOW, NOW_MS, window_of(settings, 3), None, None
    )
    assert (pair.is_ready, pair.last_volume) == (True, None)
    assert pair.volume_level is VolumeLevel.UNKNOWN


def test_the_market_says_how_old_a_mark_is_and_whether_it_is_fresh(settings: Settings) -> None:
    """Age by the time that is given, never negative; pairs without a mark have a name alone."""
    book = held(marked("ETH", NOW_MS - 5_000, "2.5"), marked("BTC", NOW_MS + 5_000, "1.5"))

    every = market_of(book, NOW, NOW_MS, settings)
    named = market_of(book, NOW, NOW_MS, settings, ["ETH", "NONE", "ETH"])

    assert [(p.trade_pair, p.price, p.age_ms, p.is_fresh) for p in every] == [
        ("BTC", Decimal("1.5"), 0, True),
        ("ETH", Decimal("2.5"), 5_000, False),
    ]
    assert [(p.trade_pair, p.price, p.age_ms) for p in named] == [
        ("ETH", Decimal("2.5"), 5_000),
        ("NONE", None, None),
    ]


def test_a_campaign_asks_for_its_own_pair(settings: Settings) -> None:
    """Where no pair is named it is the campaign's; another that is named has its whole window."""
    book = held(
        marked("BTC", NOW_MS, **volumes(1, 1, 4)), marked("ETH", NOW_MS, **volumes(2, 2, 2))
    )
    three = window_of(settings, 3)

    (own,) = market_of(book, NOW, NOW_MS, three, None, campaign(2))
    both = market_of(book, NOW, NOW_MS, three, ["BTC", "ETH"], campaign(2))

    assert (own.trade_pair, own.bars, own.average_volume) == ("BTC", 1, Decimal(4))
    assert [(pair.trade_pair, pair.bars) for pair in both] == [("BTC", 1), ("ETH", 3)]


def test_levels_follow_the_settings(settings: Settings) -> None:
    """The shares of low and high are settings."""
    book = held(marked("BTC", NOW_MS, **volumes(100, 100, 100)))
    chosen = window_of(settings, 3).model_copy(update={"volume_high_from": Decimal(1)})
    (pair,) = market_of(book, NOW, NOW_MS, chosen)
    assert pair.volume_level is VolumeLevel.HIGH


# ------------------------------------------------------------------ over an engine


def bar(trade_pair: str, at_ms: int, close: str = "1", volume: str = "1") -> PushedBar:
    return PushedBar(trade_pair, at_ms, close, volume)


async def test_bars_that_are_answered_are_fresh(start_engine: StartEngine) -> None:
    """When a push is answered its marks stand in the book, and the next step has them."""
    engine = await start_engine(market_clock="manual")

    done = await engine.submit(
        PushBars((bar("BTC", 60), bar("ETH", 60), bar("BTC", 30))), timeout_s=10
    )

    assert done == PushDone(2, 2, 1)
    assert engine.book.marks.by_pair["BTC"].at_ms == 60
    assert engine.freshness.event_now_ms() == 60
    assert fresh(engine.freshness.advance(60)) == ["BTC", "ETH"]


async def test_stale_bars_make_nothing_fresh(start_engine: StartEngine) -> None:
    """What did not move a mark is no data of the step."""
    engine = await start_engine(market_clock="manual")
    await engine.submit(PushBars((bar("BTC", 60),)), timeout_s=10)
    engine.freshness.advance(60)

    await engine.submit(PushBars((bar("BTC", 59),)), timeout_s=10)

    assert fresh(engine.freshness.advance(120)) == []


async def test_the_timer_goes_by_the_engines_clock(
    start_engine: StartEngine, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is overdue by it fails with nobody asking; at its very deadline it still stands."""
    monkeypatch.setattr("hotbook_server.engine.EXPIRE_LOOK_S", 0.001)
    engine = await start_engine()
    for campaign_id, started_ms in (("first", clock.now_ms() - 1), ("later", clock.now_ms())):
        made = pb.Campaign(
            campaign_id=campaign_id, hotkey="hk", trade_pair="BTC", started_ms=started_ms
        )
        await engine.submit(CreateCampaign(made.SerializeToString()), timeout_s=10)
    by_id = engine.book.campaigns.by_id

    clock.ms = by_id["later"].deadline_ms
    async with asyncio.timeout(10):
        while by_id["first"].state != pb.CAMPAIGN_FAILED:
            await engine.feed.arrival(engine.feed.wakings, 0.01)

    assert by_id["later"].state == pb.CAMPAIGN_FORMING


async def test_a_manual_clock_lets_nothing_expire_by_itself(
    start_engine: StartEngine, clock: FakeClock
) -> None:
    """Only steps and events do, so that a replay is the same every time."""
    engine = await start_engine(market_clock="manual")

    assert engine._expirer is None
