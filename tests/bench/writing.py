"""The writers of a workload, in a process of their own: raw requests, encoded beforehand.

The positions are open ones, two of each hotkey. They are written over and over, each time with
another number: all of a SaveMany with the same, so that the two of a hotkey always change together
and to equal numbers. Times are those of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import uvloop

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.bench import data
from tests.bench.processes import answer, asked
from tests.bench.rig import Caller
from tests.bench.saves import SAVE, SAVE_MANY, as_new

HOTKEYS = 250
PAIRS = data.PAIRS[:2]
NUMBERS = 4
BATCHES_UNDER_WAY = 8


class Writing(msgspec.Struct):
    """What is to be written: so many changes a second, many at once; or as fast as callers can."""

    seconds: float
    batch: int = 0
    rate: float = 0
    callers: int = 0


class Written(msgspec.Struct):
    """What was. `saves`: the revision that each call led to, when it was sent, when answered.
    `bytes`: what the requests came to."""

    seconds: float
    changes: int
    bytes: int
    saves: list[tuple[int, float, float]]

    @property
    def rate(self) -> float:
        return self.changes / self.seconds

    @property
    def revision(self) -> int:
        return max(revision for revision, _, _ in self.saves)


class Writer:
    def __init__(self, target: str) -> None:
        self._caller = Caller(target)
        self._save_many = self._caller.method(SAVE_MANY)
        self._save = self._caller.method(SAVE)
        self._saves: list[tuple[int, float, float]] = []
        self._sent_bytes = 0
        self._encoded: dict[int, Iterator[bytes]] = {}

    async def fill(self) -> None:
        """Every position stands before anything is measured."""
        await self._send_many(as_new(next(self._requests(HOTKEYS * len(PAIRS)))))

    async def write(self, wanted: Writing) -> Written:
        self._saves, self._sent_bytes = [], 0
        requests = self._requests(wanted.batch)  # encoded before the clock runs
        started = time.monotonic()
        if wanted.callers:
            await self._by_callers(requests, wanted, started + wanted.seconds)
            changes = len(self._saves)
        else:
            await self._paced(requests, wanted, started)
            changes = len(self._saves) * wanted.batch
        return Written(time.monotonic() - started, changes, self._sent_bytes, self._saves)

    async def _paced(self, requests: Iterator[bytes], wanted: Writing, started: float) -> None:
        """By the clock, whatever the answers take; but no more than some are under way at once."""
        room = asyncio.Semaphore(BATCHES_UNDER_WAY)
        pause_s = wanted.batch / wanted.rate

        async def one(request: bytes) -> None:
            try:
                await self._send_many(as_new(request))
            finally:
                room.release()

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(wanted.seconds / pause_s)):
                await asyncio.sleep(max(started + number * pause_s - time.monotonic(), 0))
                await room.acquire()
                tasks.create_task(one(next(requests)))
            await asyncio.sleep(max(started + wanted.seconds - time.monotonic(), 0))

    async def _by_callers(self, requests: Iterator[bytes], wanted: Writing, until: float) -> None:
        async def caller() -> None:
            while time.monotonic() < until:
                sent = time.monotonic()
                request = as_new(next(requests))
                reply = pb.SaveReply.FromString(await self._save(request))
                self._sent_bytes += len(request)
                self._saves.append((reply.revision, sent, time.monotonic()))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(wanted.callers):
                tasks.create_task(caller())

    async def _send_many(self, request: bytes) -> None:
        sent = time.monotonic()
        reply = pb.SaveManyReply.FromString(await self._save_many(request))
        self._sent_bytes += len(request)
        answered = time.monotonic()
        assert all(outcome.HasField("saved") for outcome in reply.outcomes)
        self._saves.append((reply.outcomes[-1].saved.revision, sent, answered))

    def _requests(self, batch: int) -> Iterator[bytes]:
        """Over and over; 0: single saves."""
        if batch not in self._encoded:
            self._encoded[batch] = itertools.cycle(_many(batch) if batch else _singles())
        return self._encoded[batch]


def _positions(number: int) -> list[pb.Position]:
    """All positions, the two of a hotkey side by side, each with this number in it."""
    made = []
    for place in range(HOTKEYS * len(PAIRS)):
        owner, pair = divmod(place, len(PAIRS))
        position = data.position(place, data.hotkey(owner), PAIRS[pair], is_open=True)
        marked = msgspec.structs.replace(position, unrealized_pnl=Decimal(number))
        made.append(position_to_wire(marked))
    return made


def _many(batch: int) -> list[bytes]:
    """Requests that go through all positions, with one number after the other."""
    assert batch % len(PAIRS) == 0
    requests = []
    for number in range(1, NUMBERS + 1):
        items = [pb.SaveItem(position=position) for position in _positions(number)]
        requests += [
            pb.SaveManyRequest(items=items[start : start + batch]).SerializeToString()
            for start in range(0, len(items), batch)
        ]
    return requests


def _singles() -> list[bytes]:
    return [
        pb.SaveRequest(position=position).SerializeToString()
        for number in range(1, NUMBERS + 1)
        for position in _positions(number)
    ]


def _run(target: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def begin() -> Writer:
            writer = Writer(target)
            await writer.fill()
            return writer

        writer = runner.run(begin())
        answer("ready")
        for wanted in asked():
            answer(runner.run(writer.write(msgspec.convert(wanted, Writing))))


if __name__ == "__main__":
    _run(sys.argv[1])
