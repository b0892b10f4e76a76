"""The faces that read a book, each with a client that writes to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

import hotbook
from hotbook import Client
from tests.faces import FACES, Connect


class Reading:
    """A client that writes, and a face that reads: of a `Client`, the methods in READS alone."""

    def __init__(self, writer: Client, reader: Client) -> None:
        self.writer = writer
        self._reader = reader

    def reader(self) -> Client:
        """The face, once it has seen all that was written."""
        return self._reader


READS = {
    "open_position", "open_positions", "get", "positions", "hotkeys", "exposure", "book",
}  # fmt: skip

READERS = dict(FACES)
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
