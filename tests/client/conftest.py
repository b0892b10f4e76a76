"""Clients as programs of the original have them, and ours beside them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import hotbook
from hotbook.compat import PositionManagerClient
from hotbook.testing import server


@pytest.fixture(scope="module")
def ours(shared_target: str) -> Iterator[hotbook.Client]:
    """The same server, seen by our own client."""
    with hotbook.connect(shared_target) as client:
        yield client


@pytest.fixture
def old(shared_target: str) -> Iterator[PositionManagerClient]:
    client = PositionManagerClient(target=shared_target)
    yield client
    client.disconnect()


@pytest.fixture
def alone() -> Iterator[PositionManagerClient]:
    """A client of a server that no other test writes to; it may clear it."""
    with server() as target:
        client = PositionManagerClient(target=target, running_unit_tests=True)
        yield client
        client.disconnect()
