"""The faces that read a book, each with a client that writes to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, cast

import pytest

import hotbook
from hotbook import Client, aio
from hotbook.testing import server
from tests.faces import FACES, Connect, running_loop


class Reading:
    """A client that writes, and a face that reads: of a `Client`, the methods in READS alone."""

    def __init__(self, writer: Client, reader: Client) -> None:
        self.writer = writer
        self._reader = reader

    def reader(self) -> Client:
        """The face, once it has seen all that was written."""
        return caught_up(self._reader, self.writer)


def caught_up(reader: Client, writer: Client) -> Client:
    """A reader that has seen all that was written: a replica is told what to wait for."""
    follows: Any = reader
    if isinstance(follows, hotbook.Replica | DrivenReplica):
        follows.wait_for(writer.status().revision)
    return reader


READS = {
    "open_position", "open_positions", "get", "positions", "hotkeys", "exposure", "book",
}  # fmt: skip


@contextlib.contextmanager
def replica() -> Iterator[Connect]:
    yield cast(Connect, hotbook.Replica)


@contextlib.contextmanager
def aio_replica() -> Iterator[Connect]:
    with running_loop() as loop:
        yield cast(Connect, lambda target, **named: DrivenReplica(target, named, loop))


@contextlib.contextmanager
def replica_of_a_follower() -> Iterator[Connect]:
    """What follows a server that follows the one that is written to."""

    @contextlib.contextmanager
    def connect(target: str, *, timeout_s: float = 20) -> Iterator[Any]:
        with server(follow=target) as follower, hotbook.Replica(follower) as found:
            yield found

    yield cast(Connect, connect)


class DrivenReplica:
    """A replica of asyncio on a loop of another thread. Its reads need no loop."""

    def __init__(self, target: str, named: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._made = aio.Replica(target, **named)
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def __enter__(self) -> DrivenReplica:
        self._run(self._made.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._made.close())

    def wait_for(self, revision: int) -> None:
        self._run(self._made.wait_for(revision))

    def _run(self, made: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(made, self._loop).result(30)


READERS = {
    **FACES,
    "replica": replica,
    "aio replica": aio_replica,
    "replica of a follower": replica_of_a_follower,
}
"""Every face that reads, by its name."""


@pytest.fixture(params=READERS, scope="module")
def connect_reader(request: pytest.FixtureRequest) -> Iterator[Connect]:
    with READERS[request.param]() as connect:
        yield connect


@pytest.fixture(scope="module")
def reading(shared_target: str, connect_reader: Connect) -> Iterator[Reading]:
    """A server that other tests of the module write to as well: each uses hotkeys of its own."""
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(hotbook.connect(shared_target, timeout_s=20))
        reader = stack.enter_context(connect_reader(shared_target, timeout_s=20))
        yield Reading(writer, reader)
