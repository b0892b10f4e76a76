"""Durable saves: one caller, 64 callers, SaveMany; against a raw echo of the same bytes."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from pathlib import Path

import msgspec

from hotbook import Position
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.bench import data
from tests.bench.figures import Figure, Rounds, measured, ratios
from tests.bench.rig import Caller, Rig, rate, rig, timed

SAVE, SAVE_MANY = "/hotbook.v1.Positions/Save", "/hotbook.v1.Positions/SaveMany"
CALLERS = 64
BATCH = 200


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 9
    seconds: float = 1.5
    singles: int = 300
    batches: int = 10


async def measure(scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder)) as stand:
        return await _measure(stand, scale)


async def _measure(stand: Rig, scale: Scale) -> list[Figure]:
    server, other = Caller(stand.target), Caller(stand.echo)
    save, save_many = server.method(SAVE), server.method(SAVE_MANY)
    bodies = itertools.cycle(_requests(512))
    batches = itertools.cycle(_batches(scale.batches))
    first = as_new(next(bodies))
    echo = await other.teach(first, await save(first))
    sides = {
        "echo": lambda: rate(scale.seconds, CALLERS, lambda: echo(first)),
        "saves": lambda: rate(scale.seconds, CALLERS, lambda: save(as_new(next(bodies)))),
        "single": lambda: timed(scale.singles, lambda: save(as_new(next(bodies)))),
        "many": lambda: timed(scale.batches, lambda: save_many(as_new(next(batches)))),
    }
    found = Rounds(scale.rounds, sides)
    for side in found:
        found.add(side, await sides[side]())
    await server.close()
    await other.close()
    singles = [1 / seconds for seconds in found["single"]]
    many = [BATCH / seconds for seconds in found["many"]]
    shares = ratios(found["saves"], found["echo"])
    return [
        measured("echo, 64 callers", found["echo"], "calls/s"),
        measured("durable saves, 64 callers", found["saves"], "saves/s"),
        measured("durable saves of 64 callers, share of the echo", shares, "x", at_least=0.6),
        measured("durable saves, one caller", singles, "saves/s"),
        measured("SaveMany of 200", many, "saves/s"),
        measured("SaveMany of 200 against one by one", ratios(many, singles), "x", at_least=12),
    ]


def _requests(count: int) -> list[bytes]:
    return [
        pb.SaveRequest(position=position_to_wire(_position(number))).SerializeToString()
        for number in range(count)
    ]


def _batches(count: int) -> list[bytes]:
    return [
        pb.SaveManyRequest(
            items=[
                pb.SaveItem(position=position_to_wire(_position(start * BATCH + number)))
                for number in range(BATCH)
            ]
        ).SerializeToString()
        for start in range(count)
    ]


def as_new(body: bytes) -> bytes:
    """The same save with a request id of its own; both kinds of request have it in field 2."""
    return body + pb.SaveRequest(request_id=uuid.uuid4().hex).SerializeToString()


def _position(number: int) -> Position:
    return data.position(number, data.hotkey(number % 256), data.PAIRS[number % 9])
