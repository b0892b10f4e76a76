"""Which pairs have data at a step: one whole set that is replaced, against a set behind a lock.

The side with a lock is the original's first way: whoever reads takes the lock, and so does the
step, which empties the one set and fills it anew. Each pair is a read of its own there; a
generation is taken once, and asked for every pair. Whoever reads a step whole looks whether what it
was told is of one step: a step has all pairs here, or none. Publishing costs more than under the
lock, for it makes a new set each time, from the changes of the book; it happens once a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from hotbook_server.clock import SystemClock
from hotbook_server.config import load_settings
from hotbook_server.market import Freshness
from hotbook_shared.record import Change
from tests.bench import campaign_data as data
from tests.bench.figures import OURS, Figure, Rounds, alternate, measured, ratios, timed

PAIRS = tuple(f"PAIR{number:02}" for number in range(50))
WHOLE, ONE, PUBLISH = "reading a step of 50 pairs", "reading one pair", "publishing a step"
SET, LOCK = "a generation", "a set behind a lock"
PICTURE = "Steps that threads read while others are published"
PUBLISH_EVERY_S = 0.001


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    reads: int = 2_000
    threads: int = 8
    seconds: float = 0.5


class Generations:
    """Freshness as the server keeps it."""

    def __init__(self) -> None:
        settings = load_settings(market_clock="manual")
        self._freshness = Freshness(settings, SystemClock())
        self._all = [Change.marked(data.mark(pair, 0, 1)) for pair in PAIRS]
        self._step_ms = data.NOW_MS

    def publish(self, *, is_full: bool = True) -> None:
        self._step_ms += 60_000
        if is_full:
            self._freshness.note(self._all)
        self._freshness.advance(self._step_ms)

    def one(self) -> bool:
        return PAIRS[0] in self._freshness.current().fresh

    def whole(self) -> Sequence[bool]:
        fresh = self._freshness.current().fresh
        return [pair in fresh for pair in PAIRS]


class Locked:
    """One set and its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: set[str] = set()

    def publish(self, *, is_full: bool = True) -> None:
        with self._lock:
            self._fresh.clear()
            if is_full:
                self._fresh.update(PAIRS)

    def one(self) -> bool:
        with self._lock:
            return PAIRS[0] in self._fresh

    def whole(self) -> Sequence[bool]:
        return [self._has(pair) for pair in PAIRS]

    def _has(self, pair: str) -> bool:
        with self._lock:
            return pair in self._fresh


def measure(scale: Scale) -> list[Figure]:
    kept: dict[str, Generations | Locked] = {SET: Generations(), LOCK: Locked()}
    acts: dict[str, Callable[[], float]] = {}
    for side, one in kept.items():
        one.publish()
        assert one.one()
        assert all(one.whole()), "what was published is fresh"
        acts[f"{ONE} {side}"] = partial(timed, scale.reads, one.one)
        acts[f"{WHOLE} {side}"] = partial(timed, scale.reads, one.whole)
        acts[f"{PUBLISH} {side}"] = partial(timed, scale.reads, one.publish)
    alone = alternate(scale.rounds, dict(sorted(acts.items())))
    together = Rounds(scale.rounds, kept)
    for side in together:
        reads, torn = _turn(kept[side], scale)
        together.add(f"{side} reads", reads / scale.seconds)
        together.add(f"{side} whole", 1 - torn / reads)
    return _figures(alone, together, scale)


def _turn(kept: Generations | Locked, scale: Scale) -> tuple[int, int]:
    """So many threads read, while a step is published a thousand times a second."""
    over = threading.Event()
    tallies = [[0, 0] for _ in range(scale.threads)]
    threads = [threading.Thread(target=_reader, args=(kept, over, tally)) for tally in tallies]
    for thread in threads:
        thread.start()
    until, is_full = time.perf_counter() + scale.seconds, False
    while time.perf_counter() < until:
        kept.publish(is_full=is_full)
        is_full = not is_full
        over.wait(PUBLISH_EVERY_S)
    over.set()
    for thread in threads:
        thread.join()
    return sum(reads for reads, _ in tallies), sum(torn for _, torn in tallies)


def _reader(kept: Generations | Locked, over: threading.Event, tally: list[int]) -> None:
    while not over.is_set():
        told = kept.whole()
        tally[0] += 1
        tally[1] += any(told) is not all(told)


def _figures(alone: Rounds, together: Rounds, scale: Scale) -> list[Figure]:
    figures = []
    for asked in (ONE, WHOLE, PUBLISH):
        figures += [
            measured(f"{asked}, {side}", alone[f"{asked} {side}"], "us", factor=1e6)
            for side in (SET, LOCK)
        ]
        gained = ratios(alone[f"{asked} {LOCK}"], alone[f"{asked} {SET}"])
        figures.append(measured(f"{asked}, without a lock against with one", gained, "x"))
    threads = f"{scale.threads} threads"
    for side in (SET, LOCK):
        figures += [
            measured(f"{threads}, {side}: steps read", together[f"{side} reads"], "reads/s",
                     picture=PICTURE, line=OURS if side == SET else ""),
            measured(f"{threads}, {side}: answers of one step", together[f"{side} whole"], "%",
                     factor=100, at_least=100 if side == SET else None),
        ]  # fmt: skip
    gained = ratios(together[f"{SET} reads"], together[f"{LOCK} reads"])
    return [*figures, measured(f"{threads}, without a lock against with one", gained, "x")]
