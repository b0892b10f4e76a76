"""The mean of the newest volumes, kept as a running sum, against one taken anew with every bar.

Both are exact, and agree. The cost of the running sum does not depend on how many volumes the
window has; that of the other is the window's length.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import cycle

import msgspec

from hotbook_shared.money import SUMS, ZERO
from hotbook_shared.volume import RollingVolume, mean
from tests.bench.figures import Figure, alternate, measured, ratios, timed

ROLLING, ANEW = "rolling", "anew"
PICTURE = "A bar's volume and the mean after it, by the window"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 7
    windows: tuple[int, ...] = (20, 200, 2_000)
    bars: int = 5_000
    volumes_anew: int = 40_000
    """So many volumes are added up in each round, however long the window is."""


class Anew:
    """The newest volumes alone."""

    def __init__(self, window: int) -> None:
        self._newest: deque[Decimal] = deque(maxlen=window)

    def add(self, volume: Decimal) -> None:
        self._newest.append(volume)

    @property
    def mean(self) -> Decimal:
        total = ZERO
        for volume in self._newest:
            total = SUMS.add(total, volume)
        return mean(total, len(self._newest))


def _sides(window: int, scale: Scale) -> dict[str, Callable[[], float]]:
    chance = random.Random(window)
    volumes = [Decimal(chance.randrange(10**9)).scaleb(-4) for _ in range(2 * window)]
    rolling, anew = RollingVolume(window), Anew(window)
    for volume in volumes:
        rolling.add(volume)
        anew.add(volume)
    assert rolling.mean == anew.mean, "both find the same"
    more = cycle(volumes)

    def bar(kept: RollingVolume | Anew) -> Decimal:
        kept.add(next(more))
        return kept.mean

    bars_anew = max(scale.volumes_anew // window, 1)
    return {
        ROLLING: partial(timed, scale.bars, partial(bar, rolling)),
        ANEW: partial(timed, bars_anew, partial(bar, anew)),
    }


def measure(scale: Scale) -> list[Figure]:
    by_window = {window: _sides(window, scale) for window in scale.windows}
    found = alternate(
        scale.rounds,
        {f"{window} {who}": by_window[window][who]
         for who in (ROLLING, ANEW) for window in scale.windows},
    )  # fmt: skip
    least, most = scale.windows[0], scale.windows[-1]
    figures = [
        measured(f"volume, {who}, a window of {window:,}", found[f"{window} {who}"], "us",
                 factor=1e6, picture=PICTURE, line=who, x=window)
        for who in (ROLLING, ANEW)
        for window in scale.windows
    ]  # fmt: skip
    for window in scale.windows:
        gained = ratios(found[f"{window} {ANEW}"], found[f"{window} {ROLLING}"])
        figures.append(
            measured(f"volume, rolling against anew, a window of {window:,}", gained, "x")
        )
    grown = ratios(found[f"{most} {ROLLING}"], found[f"{least} {ROLLING}"])
    name = f"volume, rolling, a window of {most:,} against {least:,}"
    return [*figures, measured(name, grown, "x", at_most=1.5)]
