"""One open position, looked up the way a user would: hotbook and its peers, on the same book.

Every side ends with an object that can be worked with, decoded where it came as bytes; each lookup
is another one of the open positions. `GetOpen` is the client's call, on both of its faces, decoding
included; beside each of them a raw echo of the same bytes, called the same way, which decodes
nothing. The replica is in the caller's process, as the plain dict is: its positions were decoded
before, by whoever asked for them first.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import msgspec
import uvloop

import hotbook
from hotbook import Position, aio
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.bench import data
from tests.bench.figures import OURS, Figure, Rounds, alternate, measured, ratios
from tests.bench.peers import original, postgres, redis_server
from tests.bench.peers.plain import PlainDict
from tests.bench.rig import ECHO, Caller, Rig, fill, rig, timed

PICTURE = "An open position, as an object"
ACCEPTED_LAG_MS = 1_000
Lookup = Callable[[str, str], object]
Keys = Sequence[tuple[str, str]]

NAMES = {
    "original": "the original's way",
    "redis": "Redis, HGET",
    "redis_get": "Redis, GET",
    "postgres": "PostgreSQL",
    "echo": "raw gRPC echo",
    "unary": "GetOpen",
    "aio_echo": "raw gRPC echo, asyncio",
    "aio": "GetOpen, asyncio",
    "replica": "replica",
    "lag": "replica, with max_lag_ms",
    "view": "a view of the replica",
    "dict": "plain nested dict",
    "inline": "plain nested dict, inline",
}
OUR_SIDES = {"unary", "aio", "replica", "lag", "view"}


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 9
    hotkeys: int = 256
    positions: int = 10_000
    open_positions: int = 1_500
    calls: int = 400
    lookups: int = 40_000


def measure(scale: Scale) -> list[Figure]:
    book = data.dealt(scale.positions, scale.hotkeys, scale.open_positions)
    standing = [position for position in book if position.is_open]
    keys = random.Random(1).choices([(p.hotkey, p.trade_pair) for p in standing], k=1_000)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fill(folder, [data.record(position, number + 1) for number, position in enumerate(book)])
        stand = stack.enter_context(rig(folder))
        far = _peers(stack, book) | _over_grpc(stack, stand, standing[0])
        plain = PlainDict()
        plain.fill(book)
        near = _replica(stack, stand.target) | {"dict": plain.open_position}
        for name, lookup in (far | near).items():
            if name != "echo":
                _check(name, lookup, standing)
        sides = {name: _timing(keys, lookup, scale.calls) for name, lookup in far.items()}
        sides |= {name: _timing(keys, lookup, scale.lookups) for name, lookup in near.items()}
        sides["inline"] = _inline(keys, plain, scale.lookups)
        sides |= _with_asyncio(stack, stand, keys, standing[0], scale.calls)
        found = alternate(scale.rounds, sides)
    return _figures(found, set(sides))


def _figures(found: Rounds, sides: set[str]) -> list[Figure]:
    figures = [
        measured(
            f"{name}, a lookup", found[side], "us", factor=1e6, picture=PICTURE,
            line=OURS if side in OUR_SIDES else "",
        )
        for side, name in NAMES.items() if side in sides
    ]  # fmt: skip
    replica = found["replica"]
    figures += [
        measured(f"replica against {NAMES[side]}", ratios(found[side], replica), "x", at_least=50)
        for side in ("original", "redis", "redis_get") if side in sides
    ]  # fmt: skip
    return [
        *figures,
        measured(
            "replica's time against a plain nested dict's",
            ratios(replica, found["dict"]),
            "x",
            at_most=10,
        ),
        measured("replica's time against dicts inline", ratios(replica, found["inline"]), "x"),
        measured("GetOpen against the raw echo", ratios(found["unary"], found["echo"]), "x"),
        measured(
            "GetOpen against the raw echo, asyncio", ratios(found["aio"], found["aio_echo"]), "x"
        ),
    ]


def _peers(stack: contextlib.ExitStack, book: Sequence[Position]) -> dict[str, Lookup]:
    """Everybody else's lookup; peers that are missing are left out."""
    sides: dict[str, Lookup] = {}

    def folder() -> Path:
        return Path(stack.enter_context(tempfile.TemporaryDirectory()))

    way = stack.enter_context(original.running(folder()))
    way.fill(book)
    sides["original"] = way.open_position
    if not redis_server.missing():
        redis = stack.enter_context(redis_server.running(folder(), "everysec"))
        redis.fill(book)
        for position in book:
            if position.is_open:
                redis.put_key(position.hotkey + position.trade_pair, position)
        sides["redis"] = redis.open_position
        sides["redis_get"] = lambda hotkey, pair: redis.get_key(hotkey + pair)
    if not postgres.missing():
        table = stack.enter_context(postgres.running(folder()))
        table.fill(book)
        sides["postgres"] = table.open_position
    return sides


def _over_grpc(stack: contextlib.ExitStack, stand: Rig, one: Position) -> dict[str, Lookup]:
    client = stack.enter_context(hotbook.connect(stand.target))
    return {
        "echo": stack.enter_context(_echo(stand.echo, one)),
        "unary": client.open_position,
    }


def _replica(stack: contextlib.ExitStack, target: str) -> dict[str, Lookup]:
    replica = stack.enter_context(hotbook.Replica(target))
    return {
        "replica": replica.open_position,
        "lag": partial(replica.open_position, max_lag_ms=ACCEPTED_LAG_MS),
        "view": replica.view().open_position,
    }


def _with_asyncio(
    stack: contextlib.ExitStack, stand: Rig, keys: Keys, one: Position, count: int
) -> dict[str, Callable[[], float]]:
    """The same two calls from a loop of their own, which runs whenever it is their turn."""
    runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
    request, reply = _exchange(one)
    asked = itertools.cycle(keys)

    async def begin() -> tuple[aio.Client, Caller, Callable[[bytes], Awaitable[bytes]]]:
        client, other = aio.connect(stand.target), Caller(stand.echo)
        found = await client.open_position(one.hotkey, one.trade_pair)
        assert found is not None
        assert found.position_uuid == one.position_uuid
        return client, other, await other.teach(request, reply)

    client, other, echo = runner.run(begin())
    stack.callback(lambda: runner.run(other.close()))
    stack.callback(lambda: runner.run(client.close()))
    return {
        "aio_echo": lambda: runner.run(timed(count, lambda: echo(request))),
        "aio": lambda: runner.run(timed(count, lambda: client.open_position(*next(asked)))),
    }


@contextlib.contextmanager
def _echo(target: str, one: Position) -> Iterator[Lookup]:
    """The echo, called as the blocking client calls: it answers one request with one position."""
    request, reply = _exchange(one)
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(ECHO)
        call(len(request).to_bytes(4, "big") + request + reply)
        assert call(request) == reply
        yield lambda hotkey, pair: call(request, timeout=10)


def _exchange(one: Position) -> tuple[bytes, bytes]:
    request = pb.GetOpenRequest(hotkey=one.hotkey, trade_pair=one.trade_pair)
    reply = pb.PositionReply(position=position_to_wire(one))
    return request.SerializeToString(), reply.SerializeToString()


def _check(name: str, lookup: Lookup, standing: Sequence[Position]) -> None:
    """Every side knows what is open, and nothing else."""
    for position in standing[:: max(len(standing) // 20, 1)]:
        found: Any = lookup(position.hotkey, position.trade_pair)
        assert found.position_uuid == position.position_uuid, name
        assert len(found.orders) == len(position.orders), name
    if name != "redis_get":  # a key of its own that nobody set is no answer of Redis'
        assert lookup(standing[0].hotkey, "NO_PAIR") is None, name


def _timing(keys: Keys, lookup: Lookup, count: int) -> Callable[[], float]:
    """Seconds for one lookup, over so many."""
    asked = [keys[number % len(keys)] for number in range(count)]

    def seconds() -> float:
        started = time.perf_counter()
        for hotkey, pair in asked:
            lookup(hotkey, pair)
        return (time.perf_counter() - started) / count

    return seconds


def _inline(keys: Keys, plain: PlainDict, count: int) -> Callable[[], float]:
    """The dicts without even a call around them: no Python code can look up faster."""
    asked = [keys[number % len(keys)] for number in range(count)]
    held = plain.open

    def seconds() -> float:
        started = time.perf_counter()
        for hotkey, pair in asked:
            held[hotkey][pair]
        return (time.perf_counter() - started) / count

    return seconds
