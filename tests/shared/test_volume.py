"""Rolling volume: exact means in O(1), and what a volume is beside them (S1-18 to S1-33)."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.market import VolumeLevel
from hotbook_shared.volume import RollingVolume, level_of, mean, newest

D = Decimal


def filled(window: int, *volumes: int | str) -> RollingVolume:
    return RollingVolume(window, decimals(*volumes))


def decimals(*numbers: int | str) -> tuple[Decimal, ...]:
    return tuple(map(D, numbers))


STEPS = [
    # window, volumes                      means after each, as they come
    (20, [100], ["100"]),
    (5, [100, 110, 120, 130, 140], ["100", "105", "110", "115", "120"]),
    (3, [100, 110, 120, 130, 140], ["100", "105", "110", "120", "130"]),
    (3, [1, 2, 3, 7], ["1", "1.5", "2", "4"]),
    (1, [5, 7, 0], ["5", "7", "0"]),
    (20, [0, 0, 0], ["0", "0", "0"]),
    (2, [10**9, 3 * 10**9, 10**9], ["1e9", "2e9", "2e9"]),
]


@pytest.mark.parametrize(("window", "volumes", "means"), STEPS)
def test_the_mean_after_each_bar(window: int, volumes: list[int], means: list[str]) -> None:
    """The mean is that of the newest bars, and before the window is full of what there is."""
    rolling = RollingVolume(window)

    for number, (volume, expected) in enumerate(zip(volumes, means, strict=True), start=1):
        rolling.add(D(volume))
        assert rolling.mean == D(expected)
        assert len(rolling) == min(number, window)
        assert rolling.is_ready == (number >= window)


def test_nothing_has_a_mean_of_zero() -> None:
    """Without a bar the mean is 0, and not ready."""
    rolling = RollingVolume()
    assert (rolling.mean, rolling.is_ready, len(rolling)) == (D(0), False, 0)


def test_thirty_bars_are_the_mean_of_the_last_twenty() -> None:
    """S1-32: the mean is that of the window, worked out anew, for random volumes."""
    chance = random.Random(30)
    volumes = [D(chance.randrange(10**8)) / 1000 for _ in range(30)]

    rolling = RollingVolume(20, volumes)

    assert rolling.mean == sum(volumes[-20:]) / 20
    assert rolling.volumes == tuple(volumes[-20:])


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_has_a_bar_at_least(window: int) -> None:
    """A window of nothing is refused, and says of which field."""
    with pytest.raises(InvalidArgument, match="at least 1") as refused:
        RollingVolume(window)
    assert refused.value.field == "window"


def test_a_large_volume_leaves_no_trace_in_the_sum() -> None:
    """The trap of the original: 20 bars of 1e17 and 40 of 1 leave a float's sum at 0.05."""
    rolling = filled(20, *["1e17"] * 20, *["1"] * 40)
    assert rolling.mean == 1

    window, drifting = [1e17] * 20, 20 * 1e17
    for _ in range(40):
        drifting = drifting - window.pop(0) + 1.0
        window.append(1.0)
    assert drifting / 20 != 1.0, "a float's sum drifts here, or this test shows nothing"


@pytest.mark.parametrize("volume", ["NaN", "sNaN", "Infinity", "-Infinity", "-1", "-1e-9"])
def test_what_is_no_volume_is_refused_and_poisons_nothing(volume: str) -> None:
    """NaN, infinities and negatives are refused; the mean goes on as if they had not come."""
    rolling = filled(3, 1, 2)

    with pytest.raises(InvalidArgument, match="finite and not negative"):
        rolling.add(D(volume))
    with pytest.raises(InvalidArgument, match="finite and not negative"):
        rolling.replace_newest(D(volume))

    rolling.add(D(6))
    assert rolling.mean == 3
    assert rolling.volumes == decimals(1, 2, 6)


def test_reset_forgets_every_bar() -> None:
    """After a reset it warms up anew (S1-22)."""
    rolling = filled(20, *range(25))

    rolling.reset()

    assert (rolling.mean, rolling.total, len(rolling)) == (D(0), D(0), 0)
    assert not rolling.is_ready
    rolling.add(D(4))
    assert rolling.mean == 4


def test_a_corrected_bar_counts_once() -> None:
    """The newest volume is replaced, in the sum as in the window."""
    rolling = filled(3, 1, 2, 3, 4)

    rolling.replace_newest(D("9.5"))

    assert rolling.volumes == decimals(2, 3, "9.5")
    assert rolling.total == D("14.5")


def test_it_goes_on_where_another_stood() -> None:
    """One that is resumed says what the first would; in a smaller window, the newest of it."""
    first = filled(4, 1, 2, 3, 4, 5)
    second = RollingVolume.resumed(4, first.texts, first.total)
    third = RollingVolume.resumed(2, first.texts, first.total)

    for rolling in (first, second, third):
        rolling.add(D(10))

    assert first.volumes == second.volumes == decimals(3, 4, 5, 10)
    assert first.total == second.total == 22
    assert third.volumes == decimals(5, 10)
    assert third.total == 15


def test_its_repr_says_how_far_it_is() -> None:
    """S1-23: bars, window, and the mean with two decimals."""
    assert repr(filled(20, 1, 2, 2)) == "RollingVolume(3 of 20, mean 1.67)"


VOLUMES = st.decimals(0, D("9999999999.99999999"), places=8) | st.just(D("1e9"))


@given(st.integers(1, 7), st.lists(st.tuples(VOLUMES, st.booleans(), st.booleans()), max_size=40))
def test_the_running_sum_is_the_recomputed_one(
    window: int, bars: list[tuple[Decimal, bool, bool]]
) -> None:
    """After any bars, corrections and resumptions the sum is exactly that of the window."""
    rolling, naive = RollingVolume(window), list[Decimal]()

    for volume, is_corrected, is_resumed in bars:
        if naive and is_corrected:
            rolling.replace_newest(volume)
            naive[-1] = volume
        else:
            rolling.add(volume)
            naive.append(volume)
        if is_resumed:
            rolling = RollingVolume.resumed(window, rolling.texts, rolling.total)
        held = [Fraction(one) for one in naive[-window:]]
        total = sum(held, Fraction())
        exact = total / len(held)
        assert Fraction(rolling.total) == total
        assert abs(Fraction(rolling.mean) - exact) <= exact / 10**27


NEWEST = [
    # of 1, 2, 3: how many      their sum, and how many they are
    (2, (5, 2)),
    (3, (6, 3)),
    (9, (6, 3)),
    (0, (0, 0)),
    (-4, (0, 0)),
]


@pytest.mark.parametrize(("count", "expected"), NEWEST)
def test_the_newest_of_some_volumes(count: int, expected: tuple[object, object]) -> None:
    """As many as are asked for, or all; fewer than one are none."""
    assert newest((D(1), D(2), D(3)), count) == expected


LEVELS = [
    # volume, total, count       level with the shares 0.8 and 1.5
    ("79.99999999", "2000", 20, VolumeLevel.LOW),
    ("80", "2000", 20, VolumeLevel.NORMAL),  # low is strict
    ("100", "2000", 20, VolumeLevel.NORMAL),
    ("149.99999999", "2000", 20, VolumeLevel.NORMAL),
    ("150", "2000", 20, VolumeLevel.HIGH),  # high is inclusive
    ("0", "2000", 20, VolumeLevel.LOW),
    ("0", "0", 20, VolumeLevel.UNKNOWN),  # the original's formula would call it high
    ("5", "0", 20, VolumeLevel.UNKNOWN),
    ("5", "0", 0, VolumeLevel.UNKNOWN),
    (None, "2000", 20, VolumeLevel.UNKNOWN),
    ("8", "30", 3, VolumeLevel.NORMAL),
    ("0.26666666", "1", 3, VolumeLevel.LOW),  # the mean is a third: no decimal says it
    ("0.26666667", "1", 3, VolumeLevel.NORMAL),
    ("0.5", "1", 3, VolumeLevel.HIGH),
]


@pytest.mark.parametrize(("volume", "total", "count", "level"), LEVELS)
def test_the_level_of_a_volume(
    volume: str | None, total: str, count: int, level: VolumeLevel
) -> None:
    """Below 0.8 of the mean is low, at least 1.5 of it high; zero says nothing (S1-26)."""
    assert level_of(None if volume is None else D(volume), D(total), count) is level


SHARES = st.decimals(D("0.01"), D(10), places=2)


@given(VOLUMES, VOLUMES, st.integers(1, 1000), SHARES, SHARES, st.booleans())
def test_levels_are_exact_at_both_edges(
    volume: Decimal, total: Decimal, count: int, low: Decimal, high: Decimal, is_at_edge: bool
) -> None:
    """The level is that of exact fractions, at the edges too, whatever digits the mean has."""
    if is_at_edge:  # a total whose share is exactly the volume, or as near as decimals come
        total = D(volume * count) / low
    level = level_of(volume, total, count, low, high)

    average = Fraction(total) / count
    if not average:
        assert level is VolumeLevel.UNKNOWN
    elif Fraction(volume) < average * Fraction(low):
        assert level is VolumeLevel.LOW
    elif Fraction(volume) >= average * Fraction(high):
        assert level is VolumeLevel.HIGH
    else:
        assert level is VolumeLevel.NORMAL


def test_a_mean_of_nothing_is_zero() -> None:
    """Nothing is divided by zero."""
    assert mean(D(0), 0) == 0
