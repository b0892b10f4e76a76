"""How a replica finds the pace at which it can take in frames."""

from __future__ import annotations

from hotbook._pace import CALM_MOST_S, CALM_S, GATHER_MS, LATE_FRAMES, LATE_MS, Pace

LATE = LATE_MS + 1


def slow_down(pace: Pace, at_s: float) -> None:
    """Frames that are late one after the other, until the pace changes."""
    for number in range(1, LATE_FRAMES + 1):
        assert pace.note(LATE, at_s) == (number == LATE_FRAMES)


def test_frames_in_time_change_nothing() -> None:
    """A replica that keeps up asks for no gathering, however long."""
    pace = Pace(0.0)

    assert not any(pace.note(LATE_MS, second) for second in range(1_000))
    assert pace.gather_ms == 0


def test_a_late_frame_now_and_then_changes_nothing() -> None:
    """Late is only what is late several times in a row."""
    pace = Pace(0.0)

    for second in range(100):
        assert not any(pace.note(LATE, second) for _ in range(LATE_FRAMES - 1))
        assert not pace.note(0.0, second)
    assert pace.gather_ms == 0


def test_lateness_slows_down_step_by_step_to_a_bound() -> None:
    """Each time that frames stay late the server is to gather for longer, up to the most."""
    pace = Pace(0.0)
    seen = [pace.gather_ms]
    for step in range(len(GATHER_MS) - 1):
        slow_down(pace, float(step))
        seen.append(pace.gather_ms)

    assert tuple(seen) == GATHER_MS
    assert not any(pace.note(LATE, 10.0) for _ in range(100))
    assert pace.gather_ms == GATHER_MS[-1]


def test_a_calm_time_brings_the_quicker_pace_back() -> None:
    """After so long without a late frame one step is taken back, and no sooner."""
    pace = Pace(0.0)
    slow_down(pace, 0.0)

    assert not pace.note(0.0, CALM_S)
    assert pace.note(0.0, CALM_S + 0.1)
    assert pace.gather_ms == 0


def test_what_did_not_help_is_tried_again_ever_more_rarely() -> None:
    """Where the quicker pace is too quick each time, the trials become rare, to a bound."""
    pace, now_s, waits = Pace(0.0), 0.0, []
    slow_down(pace, now_s)
    slow_down(pace, now_s)
    for _ in range(12):
        begun_s = now_s
        while not pace.note(0.0, now_s):
            now_s += 1.0
        waits.append(now_s - begun_s)
        slow_down(pace, now_s)

    assert waits == sorted(waits)
    assert waits[0] < 3 * CALM_S
    assert CALM_MOST_S <= waits[-1] <= CALM_MOST_S + 2


def test_it_asks_for_no_more_than_its_readers_accept() -> None:
    """A replica that has to be fresh is not made stale by its own pace."""
    pace = Pace(0.0, most_ms=GATHER_MS[1])
    slow_down(pace, 0.0)

    assert not any(pace.note(LATE, second) for second in range(100))
    assert pace.gather_ms == GATHER_MS[1]
