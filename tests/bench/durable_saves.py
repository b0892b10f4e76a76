"""Durable saves as a user makes them: hotbook and its peers, each save on disk when it is answered.

Every side begins with the same Position objects and encodes them itself. The positions are open
ones that stand already, saved over and over in turn, as a validator does. 64 callers are threads
of one process with a connection each, beside the server on the same machine. Redis with
`everysec` is shown beside the others; it is not as safe as they are.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

import hotbook
from hotbook import Client, Position
from tests.bench import data
from tests.bench.figures import OURS, Figure, Rounds, alternate, measured, ratios, timed
from tests.bench.peers import postgres, redis_server
from tests.bench.peers.peer import Save, to_json
from tests.bench.rig import rig

CALLERS = 64
ONE, MANY_CALLERS, BATCHES = "One caller", "64 callers", "Many at once"


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 9
    hotkeys: int = 256
    standing: int = 2_048
    singles: int = 300
    seconds: float = 1.0
    batch: int = 1_500


class Side(msgspec.Struct):
    """One way of saving: its name, its picture, and what gives its saves a second."""

    name: str
    picture: str
    rate: Callable[[], float]
    is_ours: bool = False


def measure(scale: Scale) -> list[Figure]:
    standing = data.dealt(scale.standing, scale.hotkeys, scale.standing)
    with contextlib.ExitStack() as stack:

        def folder() -> Path:
            return Path(stack.enter_context(tempfile.TemporaryDirectory()))

        sides = _hotbook(stack, folder(), standing, scale)
        if not redis_server.missing():
            sides |= _redis(stack, folder(), "always", standing, scale)
            sides |= _redis(stack, folder(), "everysec", standing, scale)
        if not postgres.missing():
            sides |= _postgres(stack, folder(), standing, scale)
        disk = stack.enter_context(_append_and_sync(folder() / "file"))
        sides["disk"] = Side("append and fdatasync", ONE, lambda: 1 / timed(scale.singles, disk))
        found = alternate(scale.rounds, {name: side.rate for name, side in sides.items()})
    figures = [
        measured(
            f"{side.name}, {side.picture.lower()}", found[name], "saves/s", picture=side.picture,
            line=OURS if side.is_ours else "",
        )
        for name, side in sides.items()
    ]  # fmt: skip
    return figures + _comparisons(found, set(sides))


def _comparisons(found: Rounds, sides: set[str]) -> list[Figure]:
    stream, many = found["stream"], found["many"]
    figures = [
        measured("SaveStream against one by one", ratios(stream, found["one"]), "x", at_least=5)
    ]
    if "always.plain" in sides:
        figures += [
            measured("Save against Redis always", ratios(found["one"], found["always.one"]), "x"),
            measured(
                "Save by 64 callers against Redis always",
                ratios(found["64"], found["always.64"]),
                "x",
            ),
            measured(
                "SaveMany against Redis always, plain HSETs",
                ratios(many, found["always.plain"]),
                "x",
                at_least=1 / 3,
            ),
        ]
    if "pg.copy" in sides:
        forms = [found[name] for name in ("pg.executemany", "pg.unnest", "pg.copy")]
        best = [max(rates) for rates in zip(*forms, strict=True)]
        figures += [
            measured("Save against PostgreSQL", ratios(found["one"], found["pg.one"]), "x"),
            measured(
                "Save by 64 callers against PostgreSQL", ratios(found["64"], found["pg.64"]), "x"
            ),
            measured(
                "SaveMany against PostgreSQL's best batch", ratios(many, best), "x", at_least=1
            ),
        ]
    return figures


# ------------------------------------------------------------------ sides


def _hotbook(
    stack: contextlib.ExitStack, folder: Path, standing: Sequence[Position], scale: Scale
) -> dict[str, Side]:
    stand = stack.enter_context(rig(folder))
    client = stack.enter_context(hotbook.connect(stand.target, timeout_s=60))
    _save_all(client, standing)
    endless = itertools.cycle(standing)

    def stream(positions: Sequence[Position]) -> None:
        for saved in client.save_stream(positions):
            assert isinstance(saved, hotbook.Saved)

    def many(positions: Sequence[Position]) -> None:
        _save_all(client, positions)

    one = _one_by_one(client.save, endless, scale)
    callers = _side_by_side([client.save] * CALLERS, standing, scale)
    return {
        "one": Side("hotbook, Save", ONE, one, is_ours=True),
        "64": Side("hotbook, Save", MANY_CALLERS, callers, is_ours=True),
        "stream": Side(
            "hotbook, SaveStream", BATCHES, _batch(stream, endless, scale), is_ours=True
        ),
        "many": Side("hotbook, SaveMany", BATCHES, _batch(many, endless, scale), is_ours=True),
    }


def _save_all(client: Client, positions: Sequence[Position]) -> None:
    answers = client.save_many(positions)
    assert all(isinstance(answer, hotbook.Saved) for answer in answers)


def _redis(
    stack: contextlib.ExitStack,
    folder: Path,
    appendfsync: str,
    standing: Sequence[Position],
    scale: Scale,
) -> dict[str, Side]:
    redis = stack.enter_context(redis_server.running(folder, appendfsync))
    redis.fill(standing)
    endless = itertools.cycle(standing)
    name = f"Redis {appendfsync}"
    one = _one_by_one(redis.saver(), endless, scale)
    callers = _side_by_side([redis.saver() for _ in range(CALLERS)], standing, scale)
    plain = _batch(redis.put_plain, endless, scale)
    return {
        f"{appendfsync}.one": Side(name, ONE, one),
        f"{appendfsync}.64": Side(name, MANY_CALLERS, callers),
        f"{appendfsync}.plain": Side(f"{name}, plain HSETs", BATCHES, plain),
    }


def _postgres(
    stack: contextlib.ExitStack, folder: Path, standing: Sequence[Position], scale: Scale
) -> dict[str, Side]:
    table = stack.enter_context(postgres.running(folder))
    table.fill(standing)
    endless = itertools.cycle(standing)
    one = _one_by_one(table.saver(), endless, scale)
    callers = _side_by_side([table.saver() for _ in range(CALLERS)], standing, scale)
    forms = {
        form.__name__: _batch(form, endless, scale)
        for form in (table.executemany, table.unnest, table.copy)
    }
    return {
        "pg.one": Side("PostgreSQL", ONE, one),
        "pg.64": Side("PostgreSQL", MANY_CALLERS, callers),
        **{f"pg.{f}": Side(f"PostgreSQL, {f}", BATCHES, rate) for f, rate in forms.items()},
    }


@contextlib.contextmanager
def _append_and_sync(file: Path) -> Iterator[Callable[[], None]]:
    """What the disk itself takes for a record's bytes: nobody's save can be faster."""
    text = to_json(data.position(0, data.hotkey(0), data.PAIRS[0]))
    with file.open("ab", buffering=0) as opened:

        def act() -> None:
            opened.write(text)
            os.fdatasync(opened.fileno())

        yield act


# ------------------------------------------------------------------ rates


def _one_by_one(save: Save, endless: Iterator[Position], scale: Scale) -> Callable[[], float]:
    return lambda: 1 / timed(scale.singles, lambda: save(next(endless)))


def _batch(
    save: Callable[[Sequence[Position]], None], endless: Iterator[Position], scale: Scale
) -> Callable[[], float]:
    def rate() -> float:
        positions = list(itertools.islice(endless, scale.batch))
        return scale.batch / timed(1, lambda: save(positions))

    return rate


def _side_by_side(
    saves: Sequence[Save], standing: Sequence[Position], scale: Scale
) -> Callable[[], float]:
    """Saves a second by a thread each; nobody saves what another does."""
    shares = [standing[number :: len(saves)] for number in range(len(saves))]

    def rate() -> float:
        done = [0] * len(saves)
        together = threading.Barrier(len(saves) + 1)

        def caller(number: int) -> None:
            together.wait()
            until = time.perf_counter() + scale.seconds
            for position in itertools.cycle(shares[number]):
                saves[number](position)
                done[number] += 1
                if time.perf_counter() >= until:
                    return

        threads = [threading.Thread(target=caller, args=(n,)) for n in range(len(saves))]
        for thread in threads:
            thread.start()
        together.wait()
        started = time.perf_counter()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - started)

    return rate
