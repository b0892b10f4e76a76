"""Frames: how much of a stream is sent at once."""

from __future__ import annotations

from collections.abc import Iterator

from hotbook_shared.record import Record

FRAME_BYTES = 512 * 1024
"""About how much a frame of a stream, or a page of a listing, holds at most."""


def pieces(records: list[Record]) -> Iterator[tuple[int, list[bytes]]]:
    """The bytes of records, a frame at a time, each with how many came before it.

    One empty piece where there are none: a stream has a frame at least.
    """
    piece: list[bytes] = []
    first = size = 0
    for record in records:
        piece.append(record.wire)
        size += len(piece[-1])
        if size >= FRAME_BYTES:
            yield first, piece
            first, piece, size = first + len(piece), [], 0
    if piece or not records:
        yield first, piece
