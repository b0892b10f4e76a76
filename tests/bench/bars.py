"""Bars from one stream: 50 pairs, whose marks move the totals of 10,000 open legs.

One message has one bar of each pair, and the store is on disk: every answer is durable. The legs
belong to 200 campaigns, four on each pair. Beside the book with legs is one that has none, and
beside bars that nobody follows are followers of every campaign, in a process of their own, each of
which is told the totals that moved. A round is over when the last bar is answered, and all who
follow have its revision.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import msgspec
import uvloop

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, ChangeKind
from tests.bench import campaign_data as data
from tests.bench.figures import OURS, Figure, Rounds, measured, ratios
from tests.bench.follower_process import Follow, Told, Until
from tests.bench.processes import Child, child
from tests.bench.rig import Rig, rig, write

STREAM = "/hotbook.v1.Market/PushBarStream"
PAIRS = tuple(f"PAIR{number:02}" for number in range(50))
CAMPAIGNS = 200
PICTURE = "Bars of 50 pairs from one stream"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    legs: int = 10_000
    messages: int = 200
    followers: tuple[int, ...] = (1, 10)


class Pushed(msgspec.Struct):
    """One turn."""

    seconds: float
    told: Told


class Desk:
    """A server with so many legs, a stream of bars into it, and followers of it."""

    def __init__(self, stack: contextlib.ExitStack, legs: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _fill(folder, legs)
        self._stand: Rig = stack.enter_context(rig(folder))
        self._followers: Child = stack.enter_context(child("follower_process", self._stand.target))
        self._numbers = itertools.count(1)

    def push(self, runner: asyncio.Runner, messages: int, followers: int) -> Pushed:
        self._followers.ask(Follow(followers))
        bars = [_bars(next(self._numbers)) for _ in range(messages)]
        started = time.perf_counter()
        revision = runner.run(_push(self._stand.target, bars))
        told = msgspec.convert(self._followers.ask(Until(revision)), Told)
        return Pushed(time.perf_counter() - started, told)


def _fill(folder: Path, legs: int) -> None:
    campaigns = data.campaigns(CAMPAIGNS, PAIRS, [data.ACTIVE])
    changes = [Change.campaign_saved(campaign) for campaign in campaigns]
    for number in range(legs):
        campaign, revision = campaigns[number % CAMPAIGNS], len(changes) + 1
        leg = data.leg(campaign, number, revision)
        changes.append(Change(revision, ChangeKind.SAVED, leg.position_uuid, leg))
    write(folder, changes)


def _bars(number: int) -> bytes:
    """A minute of all pairs."""
    at_ms = data.NOW_MS + number * 60_000
    bars = [
        pb.Bar(
            trade_pair=pair,
            at_ms=at_ms,
            close=f"15{(number + place) % 10}.{number % 100:02}",
            volume=f"{1_000 + (number * 7 + place) % 500}.5",
        )
        for place, pair in enumerate(PAIRS)
    ]
    return pb.PushBarsRequest(bars=bars).SerializeToString()


async def _push(target: str, messages: list[bytes]) -> int:
    """Sends them all, and reads all answers. Returns the revision of the last."""

    async def send() -> AsyncIterator[bytes]:
        for message in messages:
            yield message

    revision = answers = 0
    async with grpc.aio.insecure_channel(target) as channel:
        method: Any = channel.stream_stream(STREAM)
        async for body in method(send()):
            reply = pb.PushBarsReply.FromString(body)
            assert reply.accepted == len(PAIRS), "no bar is stale"
            revision, answers = reply.revision, answers + 1
    assert answers == len(messages), "each message is answered"
    return revision


def measure(scale: Scale) -> list[Figure]:
    alone, watched = "no legs", f"{scale.legs:,} legs"
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        none, many = Desk(stack, 0), Desk(stack, scale.legs)
        turns: dict[str, Callable[[], Pushed]] = {
            alone: partial(none.push, runner, scale.messages, 0),
            watched: partial(many.push, runner, scale.messages, 0),
        }
        for count in scale.followers:
            side = f"{watched}, {count} following"
            turns[side] = partial(many.push, runner, scale.messages, count)
        found = Rounds(scale.rounds, turns)
        for side in found:
            pushed = turns[side]()
            found.add(side, scale.messages * len(PAIRS) / pushed.seconds)
            found.add(f"{side}: told", pushed.told.campaigns / pushed.seconds)
    figures = [
        measured(f"bars from one stream, {side}", found[side], "bars/s", picture=PICTURE, line=OURS)
        for side in turns
    ]
    for side in list(turns)[2:]:
        name = f"{side}: campaigns' totals told"
        figures.append(measured(name, found[f"{side}: told"], "totals/s"))
    flat = ratios(found[watched], found[alone])
    return [*figures, measured(f"bars, {watched} against none", flat, "x", at_least=0.75)]
