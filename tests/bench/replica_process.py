"""A replica in a process of its own: filled, looked up in and weighed as its parent asks."""

from __future__ import annotations

import gc
import os
import sys
import time

import msgspec

import hotbook
from tests.bench.processes import answer, asked, resident_bytes


class Fill(msgspec.Struct, tag=True):
    """Begin anew, and say how long it took and what the process has gained since its start.

    With these hotkeys alone, where any are named."""

    hotkeys: list[str] = []


class LookUp(msgspec.Struct, tag=True):
    """Look these up, over and over, and say how long one took."""

    keys: list[tuple[str, str]]
    count: int


class Await(msgspec.Struct, tag=True):
    """Say when this revision is there."""

    revision: int


class Filled(msgspec.Struct):
    seconds: float
    positions: int
    gained_bytes: int


def _run(target: str) -> None:
    before = resident_bytes(os.getpid())
    replica: hotbook.Replica | None = None
    for said in asked():
        wanted: Fill | LookUp | Await = msgspec.convert(said, Fill | LookUp | Await)
        if isinstance(wanted, Fill):
            if replica is not None:
                replica.close()
            replica = hotbook.Replica(target, wanted.hotkeys or None, timeout_s=60)
            gc.collect()
            started = time.perf_counter()
            replica.start()
            seconds = time.perf_counter() - started
            gained = resident_bytes(os.getpid()) - before
            answer(Filled(seconds, len(replica.view()), gained))
        elif isinstance(wanted, LookUp):
            assert replica is not None
            answer(_look_up(replica, wanted))
        else:
            assert replica is not None
            answer(replica.wait_for(wanted.revision, 60))
    if replica is not None:
        replica.close()


def _look_up(replica: hotbook.Replica, wanted: LookUp) -> float:
    for hotkey, pair in wanted.keys:
        assert replica.open_position(hotkey, pair) is not None  # and decoded from now on
    asked_for = [wanted.keys[number % len(wanted.keys)] for number in range(wanted.count)]
    started = time.perf_counter()
    for hotkey, pair in asked_for:
        replica.open_position(hotkey, pair)
    return (time.perf_counter() - started) / wanted.count


if __name__ == "__main__":
    _run(sys.argv[1])
