"""What campaigns cost: a thousand patterns through the engine, and the memory of the indexes.

The engine is the server's own, over a journal in memory: each pattern is decided, journaled,
applied to both books, published and answered. Memory is counted by the interpreter's own tracer,
so it is the same in every run: the records alone, then one book's indexes over them, then those of
a second one, as the server has. The dict by id is the truth, and no index; what it would be as one
is told too. Campaigns without legs are held to a bound; with legs, whose sums come to it, the
share is that of campaigns and legs together, and told.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable

import msgspec

from hotbook_server.clock import SystemClock
from hotbook_server.commands import (
    AddPattern,
    AddPatterns,
    Command,
    Outcome,
    PatternDone,
    PatternsDone,
    RefusedOutcome,
    Transition,
)
from hotbook_server.config import load_settings
from hotbook_server.engine import Engine
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.telemetry import Telemetry
from hotbook_shared.book.campaigns import Campaigns
from hotbook_shared.record import CampaignRecord, campaign_record_from
from tests.bench import campaign_data as data
from tests.bench.campaigns import evenly
from tests.bench.data import PAIRS, hotkey
from tests.bench.figures import Figure, Rounds, counted, measured

ADDS_MAX_MS = 500
INDEXES_MAX_PERCENT = 20
LEGS = 3
ONE_BY_ONE, AT_ONCE = "one by one", "in one command"
TIMEOUT_S = 60


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    size: int = 1_000
    adds: int = 1_000
    held: int = 100_000
    """Campaigns whose memory is counted."""

    held_with_legs: int = 20_000


class StandingClock(SystemClock):
    """The wall's time stands still, so that campaigns stay as they are."""

    def now_ms(self) -> int:
        return data.NOW_MS


class Filing:
    """An engine with so many campaigns, and patterns for those of them that live."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._numbers = itertools.count(size)

    async def start(self, data_dir: str) -> None:
        settings = load_settings(data_dir=data_dir, campaigns_live_max=data.PER_HOTKEY)
        self.engine = Engine(settings, MemoryJournal(), StandingClock(), Telemetry())
        await self.engine.start()
        for number in range(self.size):
            await self._begin(number)
        held = self.engine.book.campaigns.by_id.values()
        self._live = [record for record in held if record.is_live]
        assert len(held) == self.size

    async def _begin(self, number: int) -> None:
        """The campaign of this number, as far as its state."""
        state = data.STATES[number % len(data.STATES)]
        done = await self._ask(self._pattern(number))
        if state != data.FORMING:
            done = await self._ask(self._pattern(number))
        assert isinstance(done, PatternDone)
        if state in (data.DONE, data.FAILED):
            await self._ask(Transition(done.campaign_id, state, at_ms=data.NOW_MS))

    async def one_by_one(self, adds: int) -> None:
        for like in evenly(self._live, adds):
            done = await self._ask(self._pattern_for(like))
            assert isinstance(done, PatternDone)
            assert not done.created

    async def at_once(self, adds: int) -> None:
        patterns = tuple(self._pattern_for(like) for like in evenly(self._live, adds))
        done = await self._ask(AddPatterns(patterns))
        assert isinstance(done, PatternsDone)
        assert not any(isinstance(one, RefusedOutcome) or one.created for one in done.outcomes)

    async def _ask(self, command: Command) -> Outcome:
        return await self.engine.submit(command, timeout_s=TIMEOUT_S)

    def _pattern(self, number: int) -> AddPattern:
        owner, place = divmod(number, data.PER_HOTKEY)
        return self._add(hotkey(owner), PAIRS[place], data.range_id(number))

    def _pattern_for(self, like: CampaignRecord) -> AddPattern:
        return self._add(like.hotkey, like.trade_pair, like.range_id)

    def _add(self, owner: str, trade_pair: str, range_id: str) -> AddPattern:
        made = data.pattern(next(self._numbers), data.NOW_MS).SerializeToString()
        return AddPattern(owner, trade_pair, range_id, "15m", made, "100000")


def measure(scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_filed(scale, folder))
    figures = [
        measured(f"{scale.adds:,} patterns {how}, {scale.size:,} campaigns", found[how], "ms",
                 factor=1e3, at_most=ADDS_MAX_MS)
        for how in (ONE_BY_ONE, AT_ONCE)
    ]  # fmt: skip
    return [*figures, *_memory(scale)]


async def _filed(scale: Scale, folder: str) -> Rounds:
    filing = Filing(scale.size)
    await filing.start(folder)
    sides: dict[str, Callable[[int], Awaitable[None]]] = {
        ONE_BY_ONE: filing.one_by_one,
        AT_ONCE: filing.at_once,
    }
    found = Rounds(scale.rounds, sides)
    for side in found:
        started = time.perf_counter()
        await sides[side](scale.adds)
        found.add(side, time.perf_counter() - started)
    await filing.engine.stop()
    return found


class Held(msgspec.Struct):
    """Bytes, all told: of the records, of the dict by id of the campaigns, and of the indexes that
    one book has over them, and then a second one."""

    records: int
    by_id: int
    indexes: int
    second: int


def _memory(scale: Scale) -> list[Figure]:
    size, few = scale.held, scale.held_with_legs
    alone, legged = _held(size, 0), _held(few, LEGS)
    both = legged.by_id + legged.indexes + legged.second
    with_legs, of_all = f"with {LEGS} open legs each", "share of campaigns and legs"
    return [
        counted(f"a campaign's record, of {size:,}", alone.records / size, "B"),
        counted("its place by id", alone.by_id / size, "B"),
        counted("its places in the indexes", alone.indexes / size, "B"),
        counted("its places in the server's second book, by id included", alone.second / size, "B"),
        _share("memory of the indexes, share of the campaigns", alone.indexes, alone,
               INDEXES_MAX_PERCENT),
        _share("memory of the indexes and by id, share of the campaigns",
               alone.by_id + alone.indexes, alone, INDEXES_MAX_PERCENT),
        _share("memory of both books, share of the campaigns",
               alone.by_id + alone.indexes + alone.second, alone),
        counted(f"a campaign's record and those of its {LEGS} open legs, of {few:,}",
                legged.records / few, "B"),
        counted(f"their places in the indexes, {with_legs}", legged.indexes / few, "B"),
        _share(f"memory of the indexes, {with_legs}, {of_all}", legged.indexes, legged),
        _share(f"memory of both books, {with_legs}, {of_all}", both, legged),
    ]  # fmt: skip


def _share(name: str, part: int, of: Held, at_most: float | None = None) -> Figure:
    return Figure(name=name, unit="%", value=100 * part / of.records, at_most=at_most)


def _held(size: int, legs: int) -> Held:
    """So many campaigns with so many legs each, and two books of them, each with sums of its own:
    so stands a server whose campaigns have all changed since its start."""
    plans = data.campaigns(size)
    gc.collect()
    tracemalloc.start(1)
    try:
        records = [campaign_record_from(bytes(bytearray(plan.wire))) for plan in plans]
        positions = [
            data.leg(record, record.created * legs + number, number + 1)
            for record in records
            for number in range(legs)
        ]
        alone = _traced()
        book = Campaigns(records, positions)
        whole = _traced()
        ahead = Campaigns(records, positions)
        both = _traced()
        book.by_id = {}
        without_truth = both - _traced()
    finally:
        tracemalloc.stop()
    assert len(ahead.by_id) == size
    return Held(alone, without_truth, whole - alone - without_truth, both - whole)


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
