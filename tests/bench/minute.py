"""The minute of a validator: read everything that may need marking, mark it, save what changed.

And read the whole book once more, for its outputs. In the original a checker of drawdowns reads
the whole book each minute, then each open position anew, and saves it; and another process reads
the whole book for the dashboard. (Those that read it every five minutes are left out, and so is
what the outputs do with what they have read.) What each way does is in `minute_ways.py`; on all
sides both readers end with objects, and that of the outputs has all positions, by hotkey, in order.

Time is the caller's, from the first request until the outputs have read what was saved; the steps
of the two come one after the other, on all sides. Bytes are the kernel's count for the connections
to the server, both ways, of both readers; a replica's heartbeats are added for a whole minute.
Each way has a process of its own, so that none is held up by what another holds in memory.
"""

from __future__ import annotations

import contextlib

import msgspec

from tests.bench.figures import OURS, Figure, Rounds, counted, measured, ratios
from tests.bench.minute_ways import CHANGED, ORIGINAL, REPLICA, WAYS, Scale, Spent
from tests.bench.processes import child

TIME, BYTES = "The minute of a validator, time", "The minute of a validator, bytes"


def measure(scale: Scale) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        text = msgspec.json.encode(scale).decode()
        ways = {name: stack.enter_context(child("minute_ways", name, text)) for name in WAYS}
        assert [way.hear() for way in ways.values()] == ["ready"] * len(ways)
        found = Rounds(scale.rounds, ways)
        for name in found:
            spent = msgspec.convert(ways[name].ask("a minute"), Spent)
            found.add(name, spent.seconds)
            found.add(f"{name}, read", spent.reading_s)
            found.add(f"{name}, bytes", spent.wire_bytes)
    return [
        counted("hotkeys", scale.hotkeys),
        counted("positions", scale.positions),
        counted("of them open", scale.open_positions),
        *_figures(found),
        *_comparisons(found),
    ]


def _figures(found: Rounds) -> list[Figure]:
    figures = []
    for name in WAYS:
        line = "" if name == ORIGINAL else OURS
        figures += [
            measured(name, found[name], "s", picture=TIME, line=line),
            measured(f"{name}, of that reading", found[f"{name}, read"], "s"),
            measured(f"{name}, bytes", found[f"{name}, bytes"], "B", picture=BYTES, line=line),
        ]
    return figures


def _comparisons(found: Rounds) -> list[Figure]:
    figures = []
    for name in (CHANGED, REPLICA):
        less_time = ratios(found[ORIGINAL], found[name])
        fewer_bytes = ratios(found[f"{ORIGINAL}, bytes"], found[f"{name}, bytes"])
        figures += [
            measured(f"{name}: times less time", less_time, "x", at_least=20),
            measured(f"{name}: times fewer bytes", fewer_bytes, "x", at_least=50),
        ]
    return figures
