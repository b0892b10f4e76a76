"""Replays: steps of simulated time a second, over a real book in memory.

One tape of bars of nine pairs is replayed without strategies, with the two examples, and with eight
strategies (each example four times, under names of its own) on one thread and on eight. All rounds
with the same strategies must end in the same book, on whatever number of threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import msgspec

from hotbook_server.config import load_settings
from hotbook_server.replay.examples import EXAMPLES
from hotbook_server.replay.run import Replay
from hotbook_server.replay.tape import Row, Tape, tape_of
from tests.bench.data import PAIRS, START_MS
from tests.bench.figures import OURS, Figure, alternate, measured

MINUTE_MS = 60_000
PICTURE = "Steps of a replay, a second"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    minutes: int = 400
    threads: int = 8


def _rows(minutes: int) -> Iterator[tuple[str, Row]]:
    """Prices that wander, and volumes of which some are low and some high."""
    chance = random.Random(minutes)
    prices = dict.fromkeys(PAIRS, Decimal(150))
    for minute in range(minutes):
        for pair in PAIRS:
            prices[pair] += Decimal(chance.randrange(-50, 51)) / 100
            prices[pair] = max(prices[pair], Decimal(1))
            yield (
                f"minute {minute}",
                {
                    "trade_pair": pair,
                    "time": str(START_MS + minute * MINUTE_MS),
                    "close": str(prices[pair]),
                    "volume": str(chance.choice((300, 900, 1_000, 1_100, 2_500))),
                },
            )


class Replays:
    """The same tape, over and over."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._digests: dict[int, str] = {}

    def play(self, strategies: int, threads: int) -> float:
        """Steps a second."""
        kinds = islice(cycle(EXAMPLES.values()), strategies)
        present = {f"s{number}": make(f"s{number}") for number, make in enumerate(kinds, start=1)}
        replay = Replay(self._tape, present, load_settings(), threads=threads)
        report = replay.run()
        assert report.steps == len(self._tape.minutes)
        assert not any(one.has_failed for one in report.strategies)
        assert all(one.done for one in report.strategies), "they have traded"
        assert self._digests.setdefault(strategies, report.digest) == report.digest
        return report.steps / report.seconds


def measure(scale: Scale) -> list[Figure]:
    tape = tape_of(Path("made"), _rows(scale.minutes), MINUTE_MS)
    replays = Replays(tape)
    sides: dict[str, Callable[[], float]] = {
        "no strategy": partial(replays.play, 0, 1),
        "two strategies": partial(replays.play, 2, 1),
        f"{scale.threads} strategies on one thread": partial(replays.play, scale.threads, 1),
        f"{scale.threads} strategies on {scale.threads} threads": partial(
            replays.play, scale.threads, scale.threads
        ),
    }
    found = alternate(scale.rounds, sides)
    return [
        measured(f"replay of {len(PAIRS)} pairs, {side}", found[side], "steps/s",
                 picture=PICTURE, line=OURS)
        for side in sides
    ]  # fmt: skip
