"""Pace: how often a replica can take in a frame, found out by how late they come.

Under the interpreter's one lock, busy readers keep the replica's thread waiting for its turn, and a
frame costs it several. Small frames that it cannot take in as they come would queue up without
end; so it asks the server to gather changes for longer, and takes in as much with fewer turns.
"""

from __future__ import annotations

GATHER_MS = (0, 25, 50, 100, 200)
LATE_MS = 100.0
LATE_FRAMES = 3
CALM_S, CALM_MOST_S = 10.0, 640.0


class Pace:
    """`most_ms`: what it may ask for at most, where readers mind how old their answers are."""

    def __init__(self, now_s: float, most_ms: float = GATHER_MS[-1]) -> None:
        self._steps = [ms for ms in GATHER_MS if ms <= most_ms]
        self._step = 0
        self._late = 0  # frames in a row
        self._since_s = now_s  # when it was late, or changed, for the last time
        self._calm_s = CALM_S
        self._was_quickened = False  # the last change was to a quicker pace

    @property
    def gather_ms(self) -> int:
        """How long the server is to gather changes before it sends them."""
        return self._steps[self._step]

    def note(self, late_ms: float, now_s: float) -> bool:
        """A frame has come, so much later than it could have. Returns whether the pace changes.

        A quicker pace is tried again after a calm time; the longer, the less it helped before.
        """
        if late_ms > LATE_MS:
            self._late += 1
            change = self._late >= LATE_FRAMES and self._step < len(self._steps) - 1
        else:
            self._late = 0
            change = self._step > 0 and now_s - self._since_s > self._calm_s
        if not change:
            if self._late:
                self._since_s = now_s
            return False
        slower = self._late > 0
        if slower and self._was_quickened:
            self._calm_s = min(2 * self._calm_s, CALM_MOST_S)
        self._was_quickened = not slower
        self._step += 1 if slower else -1
        self._late, self._since_s = 0, now_s
        return True
