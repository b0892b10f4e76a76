"""One open position, looked up the way a user would: hotbook and its peers, on the same book.

Every side ends with an object that can be worked with, decoded where it came as bytes; each lookup
is another one of the open positions. `GetOpen` is the blocking client's call, decoding included;
beside it a raw echo of the same bytes, which decodes nothing.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import msgspec

import hotbook
from hotbook import Position
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.bench import data
from tests.bench.figures import OURS, Figure, alternate, measured, ratios
from tests.bench.peers import original, postgres, redis_server
from tests.bench.peers.plain import PlainDict
from tests.bench.rig import ECHO, fill, rig

PICTURE = "An open position, as an object"
Lookup = Callable[[str, str], object]


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
    with contextlib.ExitStack() as stack:
        far = _over_a_wire(stack, book, standing[0])
        near: dict[str, Lookup] = {"dict": _plain(book).open_position}
        for name, lookup in (far | near).items():
            if name != "echo":
                _check(name, lookup, standing)
        keys = random.Random(1).choices([(p.hotkey, p.trade_pair) for p in standing], k=1_000)
        sides = {name: _timing(keys, lookup, scale.calls) for name, lookup in far.items()}
        sides |= {name: _timing(keys, lookup, scale.lookups) for name, lookup in near.items()}
        found = alternate(scale.rounds, sides)
    names = {
        "original": "the original's way",
        "redis": "Redis, HGET",
        "redis_get": "Redis, GET",
        "postgres": "PostgreSQL",
        "echo": "raw gRPC echo",
        "unary": "GetOpen",
        "dict": "plain nested dict",
    }
    figures = [
        measured(
            f"{names[side]}, a lookup", found[side], "us", factor=1e6, picture=PICTURE,
            line=OURS if side in {"unary"} else "",
        )
        for side in names if side in sides
    ]  # fmt: skip
    against_echo = ratios(found["unary"], found["echo"])
    return [*figures, measured("GetOpen against the raw echo", against_echo, "x")]


def _over_a_wire(
    stack: contextlib.ExitStack, book: Sequence[Position], one: Position
) -> dict[str, Lookup]:
    """Everybody's lookup that leaves the caller's process; peers that are missing are left out."""
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
    store = folder()
    fill(store, [data.record(position, number + 1) for number, position in enumerate(book)])
    stand = stack.enter_context(rig(store))
    client = stack.enter_context(hotbook.connect(stand.target))
    sides["unary"] = client.open_position
    sides["echo"] = stack.enter_context(_echo(stand.echo, one))
    return sides


@contextlib.contextmanager
def _echo(target: str, one: Position) -> Iterator[Lookup]:
    """The echo, called as the blocking client calls: it answers one request with one position."""
    request = pb.GetOpenRequest(hotkey=one.hotkey, trade_pair=one.trade_pair).SerializeToString()
    reply = pb.PositionReply(position=position_to_wire(one)).SerializeToString()
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(ECHO)
        call(len(request).to_bytes(4, "big") + request + reply)
        assert call(request) == reply
        yield lambda hotkey, pair: call(request, timeout=10)


def _plain(book: Sequence[Position]) -> PlainDict:
    plain = PlainDict()
    plain.fill(book)
    return plain


def _check(name: str, lookup: Lookup, standing: Sequence[Position]) -> None:
    """Every side knows what is open, and nothing else."""
    for position in standing[:: max(len(standing) // 20, 1)]:
        found: Any = lookup(position.hotkey, position.trade_pair)
        assert found.position_uuid == position.position_uuid, name
        assert len(found.orders) == len(position.orders), name
    if name != "redis_get":  # a key of its own that nobody set is no answer of Redis'
        assert lookup(standing[0].hotkey, "NO_PAIR") is None, name


def _timing(keys: Sequence[tuple[str, str]], lookup: Lookup, count: int) -> Callable[[], float]:
    """Seconds for one lookup, over so many."""
    asked = [keys[number % len(keys)] for number in range(count)]

    def seconds() -> float:
        started = time.perf_counter()
        for hotkey, pair in asked:
            lookup(hotkey, pair)
        return (time.perf_counter() - started) / count

    return seconds
