"""Frames: how much of a stream is sent at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import AnyRecord, CampaignRecord, MarkRecord, Record

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


def snapshot_parts(
    records: Sequence[Record],
    campaigns: Sequence[CampaignRecord] = (),
    marks: Sequence[MarkRecord] = (),
) -> Iterator[raw.SnapshotPart]:
    """A book, or a part of it, a frame at a time: positions, then campaigns, then marks. At least
    one part; the last of them says so."""
    held: tuple[tuple[str, Sequence[AnyRecord]], ...] = (
        ("positions", records), ("campaigns", campaigns), ("marks", marks),
    )  # fmt: skip
    part, size = raw.SnapshotPart(total=len(records)), 0
    for name, ones in held:
        piece = getattr(part, name)
        for one in ones:
            if size >= FRAME_BYTES:
                yield part
                part, size = _next(part), 0
                piece = getattr(part, name)
            piece.append(wire := one.wire)
            size += len(wire)
    part.is_last = True
    yield part


def _next(part: raw.SnapshotPart) -> raw.SnapshotPart:
    return raw.SnapshotPart(
        total=part.total,
        first=part.first + len(part.positions),
        beside=part.beside + len(part.campaigns) + len(part.marks),
    )
