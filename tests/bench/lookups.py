"""GetOpen over the wire: against a raw echo of the same bytes, and in small and large books."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import msgspec

from hotbook_shared.pb import hotbook_pb2 as pb
from tests.bench import data
from tests.bench.figures import Figure, Rounds, measured, ratios
from tests.bench.rig import Caller, fill, rig, timed

GET_OPEN = "/hotbook.v1.Positions/GetOpen"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 15
    calls: int = 400
    small: int = 1_000
    large: int = 1_000_000


async def measure(scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        fill(Path(small), data.records(scale.small, per_hotkey=100))
        fill(Path(large), data.records(scale.large, per_hotkey=100))
        with rig(Path(small)) as few, rig(Path(large)) as many:
            return await _measure(scale, Caller(few.target), Caller(many.target), Caller(few.echo))


async def _measure(scale: Scale, few: Caller, many: Caller, other: Caller) -> list[Figure]:
    request = pb.GetOpenRequest(hotkey=data.hotkey(5), trade_pair="BTCUSD").SerializeToString()
    in_few, in_many = few.method(GET_OPEN), many.method(GET_OPEN)
    reply = await in_few(request)
    assert pb.PositionReply.FromString(reply).HasField("position")
    echo = await other.teach(request, reply)
    sides = {"echo": echo, "few": in_few, "many": in_many}
    found = Rounds(scale.rounds, sides)
    for side in found:
        found.add(side, await timed(scale.calls, partial(sides[side], request)))
    for caller in (few, many, other):
        await caller.close()
    return [
        measured("echo, one caller", found["echo"], "us", factor=1e6),
        measured("GetOpen, one caller", found["few"], "us", factor=1e6),
        measured(
            "GetOpen against the echo", ratios(found["few"], found["echo"]), "x", at_most=1.25
        ),
        measured(
            f"GetOpen with {scale.large:,} positions against {scale.small:,}",
            ratios(found["many"], found["few"]),
            "x",
            at_most=1.15,
        ),
    ]
