"""Time, as a seam: the system's clock, and one that tests move by hand (tests/conftest.py)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall time in epoch milliseconds: for what is written down."""

    def monotonic_s(self) -> float:
        """Seconds that never run backwards: for deadlines and durations."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()
