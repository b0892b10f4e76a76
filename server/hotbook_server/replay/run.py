"""A replay: a tape and strategies, in lock-step, over a real book in memory.

Owns the order of things at a step: the bars of all pairs move the marks; the step becomes the
current generation; campaigns that are due expire; the orders of the file are placed; then every
participant looks at the same picture, and what they ask for is done in the order of their names.
The engine, its rules and the services are those that serve; only the clock is simulated, and the
journal keeps nothing.

Invariant: the book at the end depends on tape, strategies and settings alone: neither on the number
of threads nor on the time of day. Only a participant that takes too long is judged by a real clock.

    clock.at_ms = t1 | bars | generation 2 | orders of the file | a looks, b looks | a's, b's asks
    clock.at_ms = t2 | bars | generation 3 | ...
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice

import uvloop

from hotbook_server.commands import PushBars, PushDone, PushedBar
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.replay.crew import Crew, Participant
from hotbook_server.replay.report import ReplayReport, hotkey_results, strategy_result
from hotbook_server.replay.sight import Ask, Market, ReplayBook, Step, Strategy
from hotbook_server.replay.tape import Minute, Order, Tape
from hotbook_server.rpc.campaigns import CampaignsService
from hotbook_server.rpc.guard import Call, method_of
from hotbook_server.rpc.orders import OrdersService
from hotbook_server.telemetry import Telemetry
from hotbook_shared.book import Book
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Durability
from hotbook_shared.money import SUMS, ZERO

CALL_TIMEOUT_S = 600.0
REFUSALS_MAX = 20
"""Refusals that are told in words; all are counted."""

Progress = Callable[[int, int], None]


class ReplayClock:
    """Wall time is simulated. Durations are real: they say how long something takes."""

    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_s(self) -> float:
        return time.monotonic()


class _InProcess:
    """What a call knows of its caller, where that is no connection."""

    def time_remaining(self) -> None:
        return None


class Desk:
    """Makes calls on the services, as if they had come over the wire, one batch after another."""

    def __init__(self, *services: object) -> None:
        self._services = services
        self._calls: dict[str, Callable[..., Awaitable[object]]] = {}

    async def make(self, asks: Sequence[Ask], at_once: int) -> list[HotbookError | None]:
        """Makes the calls in their order. Returns the refusal of each, None where it was done.

        A service judges a request and hands it to the engine without waiting for anything, so those
        that are begun together are decided in the order in which they were begun.
        """
        told: list[HotbookError | None] = []
        left = iter(asks)
        while batch := list(islice(left, at_once)):
            told += await asyncio.gather(*(self._make(ask) for ask in batch))
        return told

    async def _make(self, ask: Ask) -> HotbookError | None:
        act = self._calls.get(ask.rpc)
        if act is None:
            act = self._calls[ask.rpc] = method_of(self._services, ask.rpc)
        call = Call(ask.rpc, b"", _InProcess(), CALL_TIMEOUT_S)
        try:
            await act(ask.request, call)
        except HotbookError as refusal:
            return refusal
        return None


class Replay:
    """One replay; `run` may be called once."""

    def __init__(
        self,
        tape: Tape,
        strategies: Mapping[str, Strategy],
        settings: Settings,
        *,
        threads: int = 1,
        step_timeout_s: float = 10.0,
    ) -> None:
        self.book = Book()
        """The book; after `run`, as it stood at the end."""
        self._tape = tape
        self._settings = replayed(settings)
        self._clock = ReplayClock()
        self._strategies = strategies
        self._threads = threads
        self._step_timeout_s = step_timeout_s
        self._stale = self._expired = self._orders_refused = 0
        self._refusals: list[str] = []

    def run(self, progress: Progress | None = None) -> ReplayReport:
        return uvloop.run(self._run(progress))

    async def _run(self, progress: Progress | None) -> ReplayReport:
        began_s = time.perf_counter()
        engine = Engine(self._settings, MemoryJournal(), self._clock, Telemetry())
        await engine.start()
        self._engine, self.book = engine, engine.book
        self._desk = Desk(
            OrdersService(self._settings, engine),
            CampaignsService(self._settings, engine),
        )
        self._crew = Crew(self._strategies, self._threads, self._step_timeout_s)
        try:
            for number, minute in enumerate(self._tape.minutes, start=1):
                await self._step(number, minute)
                if progress is not None:
                    progress(number, len(self._tape.minutes))
        finally:
            self._crew.stop()
            await engine.stop()
        return self._report(time.perf_counter() - began_s)

    async def _step(self, number: int, minute: Minute) -> None:
        self._clock.at_ms = minute.at_ms
        await self._push(minute.bars)
        generation = self._engine.freshness.advance(minute.at_ms)
        self._expired += await self._engine.expire(minute.at_ms)
        await self._place(number, minute.orders)
        if not self._crew.present:
            return
        book, step = self._engine.book, Step(number, minute.at_ms)
        marks = book.marks.by_pair.copy()
        market = Market(generation, marks, minute.at_ms, self._settings)
        picture = book.picture()

        def see(one: Participant) -> ReplayBook:
            return ReplayBook(
                picture, book, step, market,
                name=one.name, decoded=one.decoded, refusals=one.refusals,
            )  # fmt: skip

        # The loop stands still meanwhile: nothing happens to the book while they look at it.
        await self._do(step, self._crew.turn(step, market, see))

    async def _push(self, bars: tuple[PushedBar, ...]) -> None:
        most = self._settings.items_max
        for start in range(0, len(bars), most):
            push = PushBars(bars[start : start + most])
            done = await self._engine.submit(push, timeout_s=CALL_TIMEOUT_S)
            assert isinstance(done, PushDone)
            self._stale += done.stale

    async def _place(self, number: int, orders: tuple[Order, ...]) -> None:
        """The file's own orders; one without a price is filled at its pair's mark."""
        marks = self._engine.book.marks.by_pair
        for order in orders:
            mark, message = marks.get(order.request.trade_pair), order.request.order
            if not message.price and mark is not None:
                message.price = mark.price
        told = await self._make([Ask("PlaceOrder", order.request) for order in orders])
        for order, refusal in zip(orders, told, strict=True):
            if refusal is not None:
                self._orders_refused += 1
                self._tell(f"step {number}, {order.place}: {refusal.message}")

    async def _do(self, step: Step, books: list[tuple[Participant, ReplayBook]]) -> None:
        """What everybody has asked for, participant by participant."""
        told = iter(await self._make([ask for _, book in books for ask in book.asks]))
        for one, book in books:
            of_one = [(ask, next(told)) for ask in book.asks]
            refusals = [refusal for _, refusal in of_one if refusal is not None]
            one.asked += len(of_one)
            one.done += len(of_one) - len(refusals)
            one.refusals = tuple(refusals)
            for refusal in refusals:
                one.refused[refusal.code] = one.refused.get(refusal.code, 0) + 1
                self._tell(f"step {step.number}, {one.name}: {refusal.message}")

    async def _make(self, asks: Sequence[Ask]) -> list[HotbookError | None]:
        return await self._desk.make(asks, self._settings.batch_max) if asks else []

    def _tell(self, refusal: str) -> None:
        if len(self._refusals) < REFUSALS_MAX:
            self._refusals.append(refusal)

    def _report(self, seconds: float) -> ReplayReport:
        tape, book = self._tape, self.book
        hotkeys = tuple(hotkey_results(book))
        realized = ZERO
        for one in hotkeys:
            realized = SUMS.add(realized, one.realized_pnl)
        return ReplayReport(
            steps=len(tape.minutes),
            first_ms=tape.minutes[0].at_ms,
            last_ms=tape.minutes[-1].at_ms,
            bars=tape.bars,
            stale_bars=self._stale,
            orders=tape.orders,
            orders_refused=self._orders_refused,
            expired=self._expired,
            revision=book.revision,
            digest=book.digest,
            positions=len(book.positions.by_uuid),
            open=book.positions.open_count,
            campaigns=len(book.campaigns.by_id),
            realized_pnl=realized,
            strategies=tuple(strategy_result(one) for one in self._crew.participants),
            hotkeys=hotkeys,
            refusals=tuple(self._refusals),
            seconds=seconds,
        )


def replayed(settings: Settings) -> Settings:
    """The settings as a replay has them: nothing on disk, time by hand, nobody who watches, and a
    commit waits for no company, for all that is coming is there."""
    return settings.model_copy(
        update={
            "durability": Durability.MEMORY,
            "market_clock": "manual",
            "follow": None,
            "closed_in_memory_max": None,
            "batch_wait_ms": 0.0,
            "feed_changes_max": 1,
        }
    )
