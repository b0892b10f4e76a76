"""Rolling volume: the exact mean of the newest bars of a pair, in O(1) for each bar.

    window 3:  add 1, 2, 3  -> mean 2, ready;  add 7 -> 2, 3, 7: mean 4

A sum of floats drifts and never recovers from one NaN; sums of Decimals do neither.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Context, Decimal
from itertools import islice

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.market import VolumeLevel
from hotbook_shared.money import SUMS, ZERO

WINDOW = 20
LOW_BELOW, HIGH_FROM = Decimal("0.8"), Decimal("1.5")

MEAN = Context(prec=28)


class RollingVolume:
    """The newest volumes of one pair. Not locked: one thread owns it.

    They are kept as the texts that they are on the wire: a bar needs two of them as numbers, that
    which comes and that which goes, and so going on from a mark reads none of the others.
    """

    __slots__ = ("_sum", "_texts", "window")

    def __init__(self, window: int = WINDOW, volumes: Iterable[Decimal] = ()) -> None:
        if window < 1:
            raise InvalidArgument(f"window must be at least 1, not {window}", field="window")
        self.window = window
        self._texts: deque[str] = deque()
        self._sum = ZERO
        for volume in volumes:
            self.add(volume)

    @classmethod
    def resumed(cls, window: int, texts: Iterable[str], total: Decimal) -> RollingVolume:
        """One that stands where another did, given what that held; its window may be shorter."""
        made = cls(window)
        made._texts.extend(texts)
        made._sum = total
        while len(made._texts) > window:
            made._forget(made._texts.popleft())
        return made

    def add(self, volume: Decimal) -> None:
        check_volume(volume)
        if len(self._texts) == self.window:
            self._forget(self._texts.popleft())
        self._append(volume)

    def replace_newest(self, volume: Decimal) -> None:
        """The newest bar was corrected: it counts once, with this volume."""
        check_volume(volume)
        self._forget(self._texts.pop())
        self._append(volume)

    def reset(self) -> None:
        self._texts.clear()
        self._sum = ZERO

    def _append(self, volume: Decimal) -> None:
        self._texts.append(f"{volume:f}")
        self._sum = SUMS.add(self._sum, volume)

    def _forget(self, text: str) -> None:
        self._sum = SUMS.subtract(self._sum, Decimal(text))

    @property
    def texts(self) -> tuple[str, ...]:
        """The volumes as they are on the wire, the oldest first."""
        return tuple(self._texts)

    @property
    def volumes(self) -> tuple[Decimal, ...]:
        return tuple(map(Decimal, self._texts))

    @property
    def total(self) -> Decimal:
        return self._sum

    @property
    def mean(self) -> Decimal:
        """Of what there is; zero of nothing."""
        return mean(self._sum, len(self._texts))

    @property
    def is_ready(self) -> bool:
        return len(self._texts) == self.window

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"RollingVolume({len(self)} of {self.window}, mean {self.mean:.2f})"


def newest(volumes: tuple[Decimal, ...], count: int) -> tuple[Decimal, int]:
    """The sum of the newest `count` volumes, or of all where they are fewer; and how many."""
    count = max(min(count, len(volumes)), 0)
    total = ZERO
    for volume in islice(volumes, len(volumes) - count, None):
        total = SUMS.add(total, volume)
    return total, count


def mean(total: Decimal, count: int) -> Decimal:
    return MEAN.divide(total, Decimal(count)) if count else ZERO


def level_of(
    volume: Decimal | None,
    total: Decimal,
    count: int,
    low_below: Decimal = LOW_BELOW,
    high_from: Decimal = HIGH_FROM,
) -> VolumeLevel:
    """How a volume compares with the mean of `count` volumes that add up to `total`.

    Low is strictly below its share of the mean, high at least its own; nothing is divided, so that
    both edges are exact. A mean of zero says nothing.
    """
    if volume is None or not count or total <= 0:
        return VolumeLevel.UNKNOWN
    times = SUMS.multiply(volume, Decimal(count))
    if times < SUMS.multiply(total, low_below):
        return VolumeLevel.LOW
    if times >= SUMS.multiply(total, high_from):
        return VolumeLevel.HIGH
    return VolumeLevel.NORMAL


def check_volume(volume: Decimal) -> None:
    if not volume.is_finite() or volume < 0:
        raise InvalidArgument(f"a volume must be finite and not negative: {volume}", field="volume")
