"""Figures, and the rounds that they come from.

Owns how a comparison is made: the sides take turns, round by round, within one run; the first
round warms up and counts for nothing; a figure is the median of the rounds, with the lowest and
the highest of them; a ratio is worked out inside each round.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

OURS = "hotbook"


class Figure(msgspec.Struct, kw_only=True):
    """One measured number, and the least or most that it is held to.

    `low` and `high` are the rounds' extremes; what was measured once, or counted, has none.
    `picture` is the title of the picture that shows it: as a bar, which stands out where `line`
    is OURS; or, with `x`, as a point of the curve `line`.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    picture: str = ""
    line: str = ""
    x: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.at_least is None and self.at_most is None:
            return None
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)


def measured(
    name: str,
    rounds: Sequence[float],
    unit: str,
    *,
    factor: float = 1,
    at_least: float | None = None,
    at_most: float | None = None,
    picture: str = "",
    line: str = "",
    x: float | None = None,
) -> Figure:
    """The median of the rounds, each times `factor`, with the lowest and the highest."""
    return Figure(
        name=name,
        value=statistics.median(rounds) * factor,
        unit=unit,
        low=min(rounds) * factor,
        high=max(rounds) * factor,
        at_least=at_least,
        at_most=at_most,
        picture=picture,
        line=line,
        x=x,
    )


def counted(name: str, value: float, unit: str = "") -> Figure:
    """What was counted, or is known without rounds."""
    return Figure(name=name, value=value, unit=unit)


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """These against those, round by round."""
    return [a / b for a, b in zip(these, those, strict=True)]


class Rounds:
    """Values, by round. Iterating gives the side whose turn it is; `add` takes what it found.

    Every other round goes backwards, so that no side always comes after the same other one.
    """

    def __init__(self, rounds: int, sides: Iterable[str]) -> None:
        self._rounds = rounds
        self._sides = list(sides)
        self._values: dict[str, list[float]] = {}
        self._warming_up = True

    def __iter__(self) -> Iterator[str]:
        for number in range(self._rounds + 1):
            self._warming_up = number == 0
            yield from self._sides if number % 2 else reversed(self._sides)
            tell("." if number else "w")
        tell("\n")

    def add(self, name: str, value: float) -> None:
        """One value of this round: the side's own, or, under another name, one more of it."""
        if not self._warming_up:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]


def alternate(rounds: int, sides: Mapping[str, Callable[[], float]]) -> Rounds:
    """The values that these sides give, taking turns."""
    found = Rounds(rounds, sides)
    for side in found:
        found.add(side, sides[side]())
    return found


def timed(count: int, act: Callable[[], object]) -> float:
    """Seconds for one act, over so many in a row."""
    started = time.perf_counter()
    for _ in range(count):
        act()
    return (time.perf_counter() - started) / count


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(text)
    sys.stderr.flush()
