"""The digest of content: equal for books that hold the same, whatever their history is.

The content of a position is its wire bytes without what the server says of it (version, revision
and time). Equal digests mean equal content. Different digests mean different bytes, which may still
say the same: another order of fields, or `0.10` for `0.1`; whoever wants to know compares values.
"""

from __future__ import annotations

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import DIGEST_MASK, digest_of


def content_of(wire: bytes) -> bytes:
    """The body of a position that was sealed; of any other wire bytes the same in effect."""
    said = raw.PositionTail.FromString(wire)
    tail = raw.PositionTail(
        version=said.version, revision=said.revision, updated_ms=said.updated_ms
    ).SerializeToString()
    if wire.endswith(tail):  # also where there is none
        return wire[: len(wire) - len(tail)]
    position = pb.Position.FromString(wire)
    for own in ("version", "revision", "updated_ms"):
        position.ClearField(own)
    return position.SerializeToString()


class ContentDigest:
    """The sum of the digests of positions' contents. Their order does not matter."""

    __slots__ = ("_sum", "positions")

    def __init__(self) -> None:
        self.positions = 0
        self._sum = 0

    def add(self, wire: bytes) -> None:
        self.positions += 1
        self._sum += int.from_bytes(digest_of(content_of(wire)), "big")

    def __str__(self) -> str:
        return f"{self._sum & DIGEST_MASK:032x}"
