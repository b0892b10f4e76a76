"""Many watchers: whether each has everything, how late, and what they cost server and saves.

Writer, server and watchers are processes of their own; the watchers are spread over four, each
with a connection of its own, and follow the whole book. Two things are written: SaveMany by the
clock, at so many changes a second; and as much as 64 callers can save. A delay is the time from
the answer to a save until a frame with it arrived at a watcher, for each save and each watcher; a
frame that came earlier than the answer has none.
The server's time is the processor's, of its whole process; what the watchers cost is what it is
above that of the same writing without them.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.figures import OURS, Figure, Rounds, counted, measured, ratios
from tests.bench.processes import Child, child, cpu_s
from tests.bench.rig import rig
from tests.bench.watching import Seen, Until, Watch
from tests.bench.writing import Writing, Written

PROCESSES = 4
CALLERS = 64
TICK_S = 0.01
NONE_S = 1e-6
SAVES = "64 callers, beside watchers"
SERVER = "The server's time for a second of changes"
NEVER_READS = "one that never reads"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    callers_rounds: int = 5
    watchers: tuple[int, int, int] = (1, 10, 100)
    rates: tuple[int, int] = (500, 2_000)
    batch: int = 20
    paced_s: float = 3.0
    callers_s: float = 1.5


def measure(scale: Scale) -> list[Figure]:
    few, most = scale.watchers[1:]
    with _stage() as stage:
        paced = {
            f"{watchers} at {rate}": partial(
                stage.turn, watchers, Writing(scale.paced_s, scale.batch, rate)
            )
            for rate in scale.rates
            for watchers in (0, few, most)
        }
        by_clock = _played(scale.rounds, paced)
        saving = Writing(scale.callers_s, callers=CALLERS)
        beside = {str(n): partial(stage.turn, n, saving) for n in (0, *scale.watchers)}
        beside[NEVER_READS] = partial(stage.turn, few, saving, with_idler=True)
        by_callers = _played(scale.callers_rounds, beside)
    return [
        *_delivery(scale, by_clock),
        *_cost(scale, by_clock),
        *_saves(scale, by_callers),
        *_never_reads(few, by_callers),
    ]


def _played(rounds: int, sides: Mapping[str, Callable[[], dict[str, float]]]) -> Rounds:
    """The turns of the sides, and each value of them under `side: value`."""
    found = Rounds(rounds, sides)
    for side in found:
        for name, value in sides[side]().items():
            found.add(f"{side}: {name}", value)
    return found


# ------------------------------------------------------------------ figures


def _delivery(scale: Scale, found: Rounds) -> list[Figure]:
    most, rate = scale.watchers[-1], scale.rates[-1]
    side, name = f"{most} at {rate}", f"{most} watchers, {rate:,} changes/s"
    return [
        measured(f"{name}: written", found[f"{side}: changes"], "changes/s"),
        Figure(
            name=f"{name}: watchers that had every change, in order",
            value=min(found[f"{side}: complete"]),
            unit="",
            at_least=most,
        ),
        measured(f"{name}: delay, median", found[f"{side}: median"], "ms", factor=1e3),
        measured(f"{name}: delay, 99th percentile", found[f"{side}: 99th"], "ms", factor=1e3),
    ]


def _cost(scale: Scale, found: Rounds) -> list[Figure]:
    """What watchers take of the server; and what becomes of it with more of what there is to do."""
    (_, few, most), (slow, fast) = scale.watchers, scale.rates
    figures, costs = [], {}
    for watchers in (few, most):
        for rate in scale.rates:
            side, name = f"{watchers} at {rate}", f"{watchers} watchers, {rate:,} changes/s"
            with_them, without = found[f"{side}: server"], found[f"0 at {rate}: server"]
            pairs = zip(with_them, without, strict=True)
            cost = costs[watchers, rate] = [max(a - b, TICK_S) for a, b in pairs]
            figures += [
                counted(f"{name}: changes times watchers", watchers * rate, "/s"),
                measured(f"{name}: frames", found[f"{side}: frames"], "/s"),
                measured(f"{name}: server's time for them", cost, "ms/s", factor=1e3,
                         picture=SERVER, line=OURS),
            ]  # fmt: skip
    more_changes = ratios(costs[most, fast], costs[most, slow])
    more_watchers = ratios(costs[most, fast], costs[few, fast])
    return [
        *figures,
        measured(f"server's time for {most} watchers, {fast / slow:g} times the changes",
                 more_changes, "x", at_most=fast / slow * 0.75),
        measured(f"server's time at {fast:,} changes/s, {most / few:g} times the watchers",
                 more_watchers, "x", at_most=most / few * 0.75),
    ]  # fmt: skip


def _saves(scale: Scale, found: Rounds) -> list[Figure]:
    alone = found["0: changes"]
    figures = []
    for watchers in (0, *scale.watchers):
        rates = found[f"{watchers}: changes"]
        name = f"64 callers, watchers: {watchers}"
        figures.append(measured(name, rates, "saves/s", picture=SAVES, line=OURS))
        if watchers:
            figures.append(measured(f"{name}, against none", ratios(rates, alone), "x"))
    return figures


def _never_reads(few: int, found: Rounds) -> list[Figure]:
    name, beside, without = f"{few} watchers and {NEVER_READS}", NEVER_READS, str(few)

    def against(value: str) -> list[float]:
        return ratios(found[f"{beside}: {value}"], found[f"{without}: {value}"])

    return [
        measured(f"{name}: saves by 64 callers, against without it", against("changes"), "x",
                 at_least=0.9),
        measured(f"{name}: from save to watcher, median, against without it",
                 against("since sent"), "x", at_most=1.2),
        Figure(name=f"{name}: watchers that had every change, in order",
               value=min(found[f"{beside}: complete"]), unit="", at_least=few),
        measured("taken by the one that never reads, of what was written",
                 found[f"{beside}: idle"], "x", at_most=0.5),
    ]  # fmt: skip


# ------------------------------------------------------------------ turns


class Stage:
    """A server, its writer, and processes that watch as many times as they are told."""

    def __init__(self, server: int, writer: Child, watching: list[Child], idler: Child) -> None:
        self._server = server
        self._writer = writer
        self._watching = watching
        self._idler = idler

    def turn(
        self, watchers: int, writing: Writing, *, with_idler: bool = False
    ) -> dict[str, float]:
        """What was written beside so many watchers, and what they saw of it."""
        shares = [len(range(n, watchers, len(self._watching))) for n in range(len(self._watching))]
        begun = [(c, Watch(n)) for c, n in zip(self._watching, shares, strict=True) if n]
        if with_idler:
            begun.append((self._idler, Watch(1, reading=False)))
        for process, wanted in begun:
            process.tell(wanted)
        assert [process.hear() for process, _ in begun] == ["watching"] * len(begun)
        before_s = cpu_s(self._server)
        written = msgspec.convert(self._writer.ask(writing), Written)
        told = [self._ended(process, written.revision) for process, _ in begun]
        values = {
            "changes": written.rate,
            "server": (cpu_s(self._server) - before_s) / written.seconds,
        }
        if with_idler:
            values["idle"] = told.pop()[1] / written.bytes
        return values | _seen(written, [one for seen, _ in told for one in seen])

    def _ended(self, process: Child, revision: int) -> tuple[list[Seen], int]:
        told: Any = process.ask(Until(revision))
        return msgspec.convert(told, tuple[list[Seen], int])


@contextlib.contextmanager
def _stage() -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand = stack.enter_context(rig(folder))
        writer = stack.enter_context(child("writing", stand.target))
        assert writer.hear() == "ready"
        watching = [
            stack.enter_context(child("watching", stand.target)) for _ in range(PROCESSES + 1)
        ]
        yield Stage(stand.pid, writer, watching[1:], watching[0])


def _seen(written: Written, seen: list[Seen]) -> dict[str, float]:
    """Frames, completeness and delays of the watchers, if there are any."""
    if not seen:
        return {}
    waits = [wait for one in seen for wait in _waits(written, one)]
    delays = sorted(max(arrived - answered, NONE_S) for _, answered, arrived in waits)
    return {
        "frames": sum(one.frames for one in seen) / written.seconds,
        "complete": sum(one.is_complete for one in seen),
        "median": delays[len(delays) // 2],
        "99th": delays[len(delays) * 99 // 100],
        "since sent": statistics.median(arrived - sent for sent, _, arrived in waits),
    }


def _waits(written: Written, one: Seen) -> Iterator[tuple[float, float, float]]:
    """When each save was sent, when it was answered, and when the watcher had it."""
    revisions = [revision for revision, _ in one.arrivals]
    for revision, sent, answered in written.saves:
        yield sent, answered, one.arrivals[bisect_left(revisions, revision)][1]
