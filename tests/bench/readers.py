"""Eight threads read one replica while thousands of changes a second arrive; with a lock, too.

Two open positions of a hotkey always change in one commit, and to equal numbers (`writing.py`). A
reader asks for all that a hotkey has open, in one call, and compares the two: where they differ,
the answer is torn. The side with a lock is the same replica, read and fed the old way: one lock
around each read, and around each frame's effect. The writer and the server have processes of
their own; the readers and the replica's thread share one, and so its interpreter's lock: readers
that never pause give it away every 5 ms, to any of the others. So there is a third side, in which
the interpreter is told to switch ten times as often.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

import hotbook
from hotbook import Position
from tests.bench import data
from tests.bench.figures import OURS, Figure, Rounds, measured, ratios
from tests.bench.processes import Child, child
from tests.bench.rig import rig
from tests.bench.writing import HOTKEYS, PAIRS, Writing, Written

PICTURE = "8 threads that read one replica"
FREE, LOCKED = "without a lock", "with a lock"
SWITCHING = "without a lock, switching every 0.5 ms"
SIDES = {FREE: 0.005, LOCKED: 0.005, SWITCHING: 0.0005}
"""Each with its interpreter's switch interval, in seconds; 5 ms is Python's own."""

LOOK_EVERY = 100
KEPT_UP = 0.98
"""The least share of the rate asked for that counts as that rate."""

Read = Callable[[str], list[Position]]


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    threads: int = 8
    rate: int = 5_000
    batch: int = 100
    settling_s: float = 2.0
    """A replica needs a moment to find the pace at which it can take in what comes."""

    seconds: float = 3.0


class Locked(hotbook.Replica):
    """The old way: whoever reads, and whoever writes, takes the one lock."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.lock = threading.Lock()

    def _take_in(self, frame: Any) -> bool:
        with self.lock:
            return super()._take_in(frame)

    def read(self, hotkey: str) -> list[Position]:
        with self.lock:
            return self.open_positions(hotkey)


class Tally(msgspec.Struct):
    """What the readers of one turn came to."""

    reads: int = 0
    torn: int = 0
    lags_ms: list[float] = []


def measure(scale: Scale) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand = stack.enter_context(rig(folder))
        writer = stack.enter_context(child("writing", stand.target))
        assert writer.hear() == "ready"
        found = Rounds(scale.rounds, SIDES)
        for side in found:
            with _side(side, stand.target) as (replica, read):
                for name, value in _turn(scale, writer, replica, read).items():
                    found.add(f"{side}: {name}", value)
    figures = []
    for side in SIDES:
        figures += [
            measured(f"{side}: changes written, of {scale.rate:,} a second",
                     found[f"{side}: written"], "changes/s"),
            measured(f"{side}: changes that arrived, of {scale.rate:,} a second",
                     found[f"{side}: changes"], "changes/s",
                     at_least=None if side == LOCKED else KEPT_UP * scale.rate),
            measured(f"{side}: reads", found[f"{side}: reads"], "reads/s", picture=PICTURE,
                     line="" if side == LOCKED else OURS),
            measured(f"{side}: lag of the replica", found[f"{side}: lag"], "ms"),
            measured(f"{side}: answers that were whole", found[f"{side}: whole"], "%",
                     factor=100, at_least=100),
        ]  # fmt: skip
    gain = ratios(found[f"{FREE}: reads"], found[f"{LOCKED}: reads"])
    return [*figures, measured("reads without a lock against with one", gain, "x")]


@contextlib.contextmanager
def _side(side: str, target: str) -> Iterator[tuple[hotbook.Replica, Read]]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SIDES[side])
    try:
        if side == LOCKED:
            with Locked(target) as locked:
                yield locked, locked.read
        else:
            with hotbook.Replica(target) as replica:
                yield replica, replica.open_positions
    finally:
        sys.setswitchinterval(usual)


def _turn(scale: Scale, writer: Child, replica: hotbook.Replica, read: Read) -> dict[str, float]:
    """The threads read for as long as the writer writes."""
    over, tallies = threading.Event(), [Tally() for _ in range(scale.threads)]
    threads = [
        threading.Thread(target=_reader, args=(number, replica, read, over, tally))
        for number, tally in enumerate(tallies)
    ]
    for thread in threads:
        thread.start()
    writer.ask(Writing(scale.settling_s, scale.batch, scale.rate))
    revision, started = replica.revision, time.perf_counter()
    reads = sum(tally.reads for tally in tallies)
    written = msgspec.convert(writer.ask(Writing(scale.seconds, scale.batch, scale.rate)), Written)
    seconds = time.perf_counter() - started
    reads = sum(tally.reads for tally in tallies) - reads
    arrived = replica.revision - revision
    over.set()
    for thread in threads:
        thread.join()
    replica.wait_for(written.revision)
    return {
        "written": written.rate,
        "changes": arrived / seconds,
        "reads": reads / seconds,
        "lag": statistics.median(lag for tally in tallies for lag in tally.lags_ms),
        "whole": 1 - sum(t.torn for t in tallies) / sum(t.reads for t in tallies),
    }


def _reader(
    number: int, replica: hotbook.Replica, read: Read, over: threading.Event, tally: Tally
) -> None:
    hotkeys = itertools.cycle(data.hotkey((number + place) % HOTKEYS) for place in range(HOTKEYS))
    for hotkey in hotkeys:
        held = read(hotkey)
        if len(held) != len(PAIRS) or held[0].unrealized_pnl != held[1].unrealized_pnl:
            tally.torn += 1
        tally.reads += 1
        if tally.reads % LOOK_EVERY == 0:
            tally.lags_ms.append(replica.lag_ms)
            if over.is_set():
                return
