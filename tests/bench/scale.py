"""From ten thousand positions to a million: what grows with the book, and what does not.

At each size a store of its own, with the same number of hotkeys, each with nine positions open.
First each store is started from, in a fresh process. Then there is a server for each, and beside
it a process with a replica: lookups of the same number of open positions by unary calls and in the
replica; durable saves by 64 callers, while nobody follows; a replica's filling; and what following
takes of the replica's process, a change.

Memory is what a process has gained since before it held a book, less the positions' wire bytes; in
a replica nothing has been decoded yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import position_from_wire, position_to_wire
from tests.bench import data
from tests.bench.figures import Figure, Rounds, alternate, counted, measured, ratios
from tests.bench.load import in_a_process
from tests.bench.lookups import GET_OPEN
from tests.bench.processes import child, cpu_s, resident_bytes
from tests.bench.replica_process import Await, Fill, Filled, LookUp
from tests.bench.rig import Caller, fill, rate, rig, timed
from tests.bench.saves import CALLERS, SAVE, as_new

KEYS = 1_000
SAVED = 512
TICK_S = 0.01

LOOKUP, SAVES = "A lookup, by positions in the book", "Durable saves of 64 callers, by positions"
SNAPSHOT, START = "Filling a replica, by positions", "A start, by positions"
MEMORY = "Memory beyond the wire bytes, a position"
FOLLOW = "Following, by positions in the book"
FILLED_MIN = 150_000
"""Positions a second, into a replica."""
NOBODY = "nobody"
"""A hotkey without positions: entering a replica of it costs what comes before the first one."""


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 4
    starts: int = 2
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    hotkeys: int = 250
    calls: int = 300
    lookups: int = 50_000
    seconds: float = 1.0


class Book:
    """A store of one size, what is asked of it, and who serves it."""

    def __init__(self, folder: str, records: list[Record], scale: Scale) -> None:
        fill(Path(folder), records)
        self.folder = folder
        self.size = len(records)
        self.wire_bytes = sum(len(record.wire) for record in records) / self.size
        chance = random.Random(self.size)
        standing = [(record.hotkey, record.trade_pair) for record in records if record.is_open]
        self.keys = chance.sample(standing, min(KEYS, len(standing)))
        self.saves = itertools.cycle(map(_save, chance.sample(records, min(SAVED, self.size))))

    def serve(self, stack: contextlib.ExitStack, runner: asyncio.Runner) -> None:
        self.stand = stack.enter_context(rig(Path(self.folder)))
        self._runner = runner
        self._caller = runner.run(_caller(self.stand.target))
        stack.callback(lambda: runner.run(self._caller.close()))
        requests = [
            pb.GetOpenRequest(hotkey=hotkey, trade_pair=pair).SerializeToString()
            for hotkey, pair in self.keys
        ]
        self._requests = itertools.cycle(requests)

    def unary(self, scale: Scale) -> float:
        get_open = self._caller.method(GET_OPEN)
        return self._runner.run(timed(scale.calls, lambda: get_open(next(self._requests))))

    def save(self, scale: Scale) -> float:
        save = self._caller.method(SAVE)
        return self._runner.run(
            rate(scale.seconds, CALLERS, lambda: save(as_new(next(self.saves))))
        )

    def replicate(self, stack: contextlib.ExitStack) -> None:
        self.replica = stack.enter_context(child("replica_process", self.stand.target))
        self.first = self._filled()

    def fill(self, scale: Scale) -> float:
        return self.size / self._filled().seconds

    def enter(self, scale: Scale) -> list[float]:
        """What entering a replica takes that holds nothing, in as many rounds; then it is full."""
        found = [
            msgspec.convert(self.replica.ask(Fill([NOBODY])), Filled).seconds
            for _ in range(scale.rounds + 1)
        ]
        self._filled()
        return found[1:]

    def look_up(self, scale: Scale) -> float:
        return float(self.replica.ask(LookUp(self.keys, scale.lookups)))

    def follow(self, scale: Scale) -> float:
        """The processor's time that a change takes of the replica's process."""
        before_s = cpu_s(self.replica.pid)
        saves = self.save(scale) * scale.seconds
        self.replica.ask(Await(self._runner.run(self._revision())))
        return max(cpu_s(self.replica.pid) - before_s, TICK_S) / saves

    async def _revision(self) -> int:
        reply = await self._caller.method(GET_OPEN)(next(self._requests))
        return pb.PositionReply.FromString(reply).revision

    def _filled(self) -> Filled:
        found = msgspec.convert(self.replica.ask(Fill()), Filled)
        assert found.positions == self.size
        return found


async def _caller(target: str) -> Caller:
    return Caller(target)


def _save(record: Record) -> bytes:
    """A save of what stands, as one who has read it would make it."""
    position = position_from_wire(pb.Position.FromString(record.wire))
    return pb.SaveRequest(position=position_to_wire(position)).SerializeToString()


def measure(scale: Scale) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        books = []
        for size in scale.sizes:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            books.append(Book(folder, data.records(size, size // scale.hotkeys), scale))
        starts = _started(books, scale)
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        for book in books:
            book.serve(stack, runner)
        served = _played(scale, {f"{b.size} unary": b.unary for b in books}
                         | {f"{b.size} save": b.save for b in books})  # fmt: skip
        for book in books:
            book.replicate(stack)
        entered = books[0].enter(scale)
        followed = _played(scale, {f"{b.size} fill": b.fill for b in books}
                           | {f"{b.size} lookup": b.look_up for b in books}
                           | {f"{b.size} follow": b.follow for b in books})  # fmt: skip
        resident = {b.size: resident_bytes(b.stand.pid) for b in books}
    return [
        *_lookups(scale, served, followed),
        *_saves(scale, served),
        measured("entering a replica that holds nothing", entered, "ms", factor=1e3),
        *_replicas(books, followed),
        *_starts(books, starts),
        *_memory(books, starts, resident),
    ]


def _played(scale: Scale, sides: Mapping[str, Callable[[Scale], float]]) -> Rounds:
    return alternate(scale.rounds, {name: partial(act, scale) for name, act in sides.items()})


def _started(books: list[Book], scale: Scale) -> Rounds:
    """Starts, each in a fresh process, and what it came to hold."""
    by_size = {str(book.size): book for book in books}
    found = Rounds(scale.starts, by_size)
    for size in found:
        seconds, gained = in_a_process("start", by_size[size].folder)
        found.add(f"{size} seconds", seconds)
        found.add(f"{size} gained", gained)
    return found


# ------------------------------------------------------------------ figures


def _lookups(scale: Scale, served: Rounds, followed: Rounds) -> list[Figure]:
    least, most = scale.sizes[0], scale.sizes[-1]
    figures = []
    for name, found, side in (("GetOpen", served, "unary"), ("replica", followed, "lookup")):
        figures += [
            measured(f"{name}, a lookup, {size:,} positions", found[f"{size} {side}"], "us",
                     factor=1e6, picture=LOOKUP, line=name, x=size)
            for size in scale.sizes
        ]  # fmt: skip
    unary = ratios(served[f"{most} unary"], served[f"{least} unary"])
    replica = ratios(followed[f"{most} lookup"], followed[f"{least} lookup"])
    against = f"{most:,} positions against {least:,}"
    return [
        *figures,
        measured(f"GetOpen, {against}", unary, "x", at_most=1.25),
        measured(f"replica's lookup, {against}", replica, "x", at_most=2),
    ]


def _saves(scale: Scale, served: Rounds) -> list[Figure]:
    least, most = scale.sizes[0], scale.sizes[-1]
    figures = [
        measured(f"durable saves, 64 callers, {size:,} positions", served[f"{size} save"],
                 "saves/s", picture=SAVES, line="Save, 64 callers", x=size)
        for size in scale.sizes
    ]  # fmt: skip
    flat = ratios(served[f"{most} save"], served[f"{least} save"])
    name = f"durable saves, {most:,} positions against {least:,}"
    return [*figures, measured(name, flat, "x", at_least=0.75)]


def _replicas(books: list[Book], followed: Rounds) -> list[Figure]:
    filled = [
        measured(f"snapshot to a replica, {b.size:,} positions", followed[f"{b.size} fill"],
                 "positions/s", at_least=FILLED_MIN,
                 picture=SNAPSHOT, line="replica", x=b.size)
        for b in books
    ]  # fmt: skip
    return filled + [
        measured(f"following, {b.size:,} positions, a change", followed[f"{b.size} follow"], "us",
                 factor=1e6, picture=FOLLOW, line="replica's process", x=b.size)
        for b in books
    ]  # fmt: skip


def _starts(books: list[Book], starts: Rounds) -> list[Figure]:
    return [
        measured(f"start with {b.size:,} positions", starts[f"{b.size} seconds"], "s",
                 picture=START, line="server", x=b.size)
        for b in books
    ]  # fmt: skip


def _memory(books: list[Book], starts: Rounds, resident: dict[int, int]) -> list[Figure]:
    figures = [counted("wire bytes, a position", books[-1].wire_bytes, "B")]
    for book in books:
        server = max(statistics.median(starts[f"{book.size} gained"]) / book.size, 1)
        for line, gained in (("server", server), ("replica", book.first.gained_bytes / book.size)):
            figures.append(Figure(
                name=f"{line}, {book.size:,} positions: beyond the wire bytes, a position",
                value=max(gained - book.wire_bytes, 1), unit="B",
                picture=MEMORY, line=line, x=book.size,
            ))  # fmt: skip
        figures.append(
            counted(f"server's process with {book.size:,} positions, after it all",
                    resident[book.size] / 2**20, "MiB")
        )  # fmt: skip
    return figures
