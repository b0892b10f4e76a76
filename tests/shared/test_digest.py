"""The digest of content: what it leaves out, and what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotbook import Position
from hotbook_shared.digest import ContentDigest, content_of
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import seal
from hotbook_shared.wire import position_to_wire
from tests.make import NOW_MS, closed, leg, order, position

POSITIONS = [position(), closed(), leg(), position(orders=()), position(extra={"a": [1]})]


def body_of(made: Position) -> bytes:
    return position_to_wire(made).SerializeToString()


def digest_of(*wires: bytes) -> str:
    digest = ContentDigest()
    for wire in wires:
        digest.add(wire)
    return str(digest)


@pytest.mark.parametrize("made", POSITIONS)
@settings(deadline=None)
@given(
    version=st.integers(1, 2**63 - 1),
    revision=st.integers(1, 2**63 - 1),
    updated_ms=st.integers(0, NOW_MS),
)
def test_what_the_server_says_is_no_content(
    made: Position, version: int, revision: int, updated_ms: int
) -> None:
    """Sealed with whatever version, revision and time, the content is the body."""
    body = body_of(made)

    assert content_of(seal(body, version, revision, updated_ms)) == body
    assert content_of(body) == body


@pytest.mark.parametrize("made", POSITIONS)
def test_the_seal_may_stand_anywhere(made: Position) -> None:
    """A message that was encoded anew, with the server's fields in its middle, has that content."""
    message = pb.Position.FromString(seal(body_of(made), 3, 9, NOW_MS))

    assert content_of(message.SerializeToString()) == body_of(made)


def test_the_digest_knows_no_order() -> None:
    """The same positions in another order, at other revisions, have the same digest."""
    bodies = [body_of(made) for made in POSITIONS]
    sealed = [seal(body, 1, number + 1, NOW_MS) for number, body in enumerate(bodies)]

    assert digest_of(*bodies) == digest_of(*sealed[::-1])
    assert len(digest_of(*bodies)) == len(digest_of()) == 32


def test_another_content_is_another_digest() -> None:
    """One digit of one order, a position more, the same one twice: each changes the digest."""
    one, other = body_of(position()), body_of(position(orders=(order(price=64900),)))

    assert len({digest_of(*d) for d in [(), (one,), (other,), (one, other), (one, one)]}) == 5
