"""Freshness: which trade pairs have data at the current step; and the market as callers see it.

Owns the steps of time. A generation is one step's set of pairs, whole and immutable, with a number
of its own; it is published by replacing one attribute, so a reader on any thread sees the old one
or the new one, takes no lock, and may hold it for ever. Nothing here is stored: after a restart
generations begin anew, and marks have the age that they have.

    live     a step is so many milliseconds of the clock. A pair is fresh once a bar of it has come
             in the step whose own time is not older than the step before. A step that begins is a
             new generation, and so is every pair that becomes fresh in it.
    manual   a step is what lies between two calls of `advance`: the pairs that were pushed in it.

Only the server's loop writes; `current` may be asked on any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_shared.book import Book
from hotbook_shared.campaign_wire import mark_from_wire
from hotbook_shared.errors import OutOfOrder, Unavailable, Unsupported
from hotbook_shared.market import Generation, Mark, PairMarket, VolumeLevel
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change
from hotbook_shared.volume import level_of, mean, newest

_T = TypeVar("_T")

NOTHING_FRESH: frozenset[str] = frozenset()
YIELD_EVERY = 50  # pairs of one answer between two turns of the loop


class Freshness:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._is_manual = settings.market_clock == "manual"
        self._long_ms = settings.market_step_ms
        self._clock = clock
        self._seen_ms = 0  # the latest time that an event or a step has had
        self._next: set[str] = set()  # manual: what came since the last step
        now_ms = 0 if self._is_manual else clock.now_ms()
        step_ms = now_ms - now_ms % self._long_ms
        self._published = Generation(generation=1, step_ms=step_ms, fresh=NOTHING_FRESH)
        self._turned = asyncio.Event()
        self._is_closed = False

    # ---------------------------------------------------------------- reading

    def current(self) -> Generation:
        """The generation of this moment. On any thread, without a lock.

        Live, a step in which nothing came needs no timer to begin: its generation follows from the
        last that was published and the clock, so all who ask see the same, and nobody writes.
        """
        published = self._published
        if self._is_manual:
            return published
        steps = (self._clock.now_ms() - published.step_ms) // self._long_ms
        if steps <= 0:  # this step; or the clock was set back, and steps never go back
            return published
        return Generation(
            generation=published.generation + steps,
            step_ms=published.step_ms + steps * self._long_ms,
            fresh=NOTHING_FRESH,
        )

    def event_now_ms(self) -> int:
        """What time it is for campaigns and marks: the clock's, or what steps and events say."""
        return self._seen_ms if self._is_manual else self._clock.now_ms()

    async def wait_for(self, generation: int) -> Generation:
        """The current generation, once it is that one or a later one. Waits for as long as it
        takes: bound it. Raises Unavailable where the server stops first."""
        while (now := self.current()).generation < generation:
            if self._is_closed:
                raise Unavailable("the server is stopping: wait again when it is back")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_turn_s()):
                    await self._turned.wait()
        return now

    def _until_turn_s(self) -> float | None:
        if self._is_manual:
            return None
        return (self._long_ms - self._clock.now_ms() % self._long_ms) / 1000

    # ---------------------------------------------------------------- writing

    def see(self, at_ms: int) -> None:
        """An event of this time has happened."""
        self._seen_ms = max(self._seen_ms, at_ms)

    def note(self, changes: Iterable[Change]) -> None:
        """A commit that readers can see: the pairs whose marks it moved have data now."""
        marks = [change.price_mark for change in changes if change.price_mark is not None]
        if not marks:
            return
        self.see(max(mark.at_ms for mark in marks))
        if self._is_manual:
            self._next.update(mark.trade_pair for mark in marks)
            return
        now = self.current()
        oldest_ms = now.step_ms - self._long_ms
        new = {mark.trade_pair for mark in marks if mark.at_ms >= oldest_ms} - now.fresh
        if new:  # mostly there are none, and a set of all pairs is not made for nothing
            self._publish(now.generation + 1, now.step_ms, now.fresh | new)

    def advance(self, to_ms: int) -> Generation:
        """Makes what came since the last step the current one, then wakes who waits for it.

        The same step again changes nothing, so that a caller who had no answer may repeat it.
        """
        self.check_advance(to_ms)
        if to_ms > self._published.step_ms:
            fresh, self._next = frozenset(self._next), set()
            self.see(to_ms)
            self._publish(self._published.generation + 1, to_ms, fresh)
        return self._published

    def check_advance(self, to_ms: int) -> None:
        """Raises what is in the way of a step."""
        if not self._is_manual:
            raise Unsupported("market_clock is live: steps follow the clock, nobody makes them")
        if to_ms < self._published.step_ms:
            raise OutOfOrder(
                f"to_ms ({to_ms}) lies before the current step ({self._published.step_ms}): steps "
                "never go back",
                field="to_ms",
                step_ms=self._published.step_ms,
            )

    def close(self) -> None:
        """Lets everybody go who waits."""
        self._is_closed = True
        self._wake()

    def _publish(self, generation: int, step_ms: int, fresh: frozenset[str]) -> None:
        # NB: one assignment of one whole object, and only then does anybody wake.
        self._published = Generation(generation=generation, step_ms=step_ms, fresh=fresh)
        self._wake()

    def _wake(self) -> None:
        self._turned.set()
        self._turned = asyncio.Event()


# ------------------------------------------------------------------ the market


def market_of(
    book: Book,
    generation: Generation,
    now_ms: int,
    settings: Settings,
    trade_pairs: Iterable[str] | None = None,
    campaign: CampaignRecord | None = None,
) -> Iterator[PairMarket]:
    """What is known of some trade pairs; none named: of the campaign's, or of all that have a mark,
    by name. With a campaign, its pair's volume is that of the bars since its range last changed.

    The marks are taken at once: however long the rest takes, it is of one revision.
    """
    named = list(dict.fromkeys(trade_pairs or ()))
    if not named:
        named = sorted(book.marks.by_pair) if campaign is None else [campaign.trade_pair]
    marks = [book.marks.by_pair.get(trade_pair) for trade_pair in named]

    def made() -> Iterator[PairMarket]:
        for trade_pair, record in zip(named, marks, strict=True):
            if record is None:
                yield PairMarket(trade_pair=trade_pair)
                continue
            mark = mark_from_wire(pb.Mark.FromString(record.wire))
            is_of_campaign = campaign is not None and campaign.trade_pair == trade_pair
            since = campaign.range_bar if campaign is not None and is_of_campaign else 0
            yield pair_market(mark, trade_pair in generation.fresh, now_ms, settings, since)

    return made()


async def in_turns(pairs: Iterable[PairMarket], make: Callable[[PairMarket], _T]) -> list[_T]:
    """What `make` makes of each. A large market does not keep others waiting."""
    made: list[_T] = []
    for number, pair in enumerate(pairs):
        if number % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
        made.append(make(pair))
    return made


def pair_market(
    mark: Mark, is_fresh: bool, now_ms: int, settings: Settings, since_bar: int = 0
) -> PairMarket:
    """What is known of a pair that has a mark; its volume, since it had that many bars."""
    window = settings.volume_window
    count = max(min(mark.bars - since_bar, window, len(mark.volumes)), 0)
    total = mark.volume_sum
    if count != len(mark.volumes):  # of a range that has changed lately, or a window made shorter
        total, _ = newest(mark.volumes, count)
    level = VolumeLevel.UNKNOWN
    if count == window:
        low_below, high_from = settings.volume_low_below, settings.volume_high_from
        level = level_of(mark.last_volume, total, count, low_below, high_from)
    return PairMarket(
        trade_pair=mark.trade_pair,
        price=mark.price,
        at_ms=mark.at_ms,
        age_ms=max(now_ms - mark.at_ms, 0),
        is_fresh=is_fresh,
        average_volume=mean(total, count),
        last_volume=mark.last_volume,
        bars=count,
        is_ready=count == window,
        volume_level=level,
    )
