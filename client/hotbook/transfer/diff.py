"""The difference between two copies of a book: by digests first, then only what differs.

Positions are compared by what they say, not by their bytes: `0.10` is `0.1`, and what is missing is
its default. What the server says of a position (version, revision, time) is no part of it. Memory
holds a few thousand positions of each copy, or those of one hotkey.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import Literal, TypeAlias

import msgspec

from hotbook._calls import hotkeys_of
from hotbook._connection import DEFAULT_TIMEOUT_S
from hotbook.transfer.copies import Copy, Wanted, open_copy
from hotbook.transfer.fields import OWN, FieldDifference, differing_fields
from hotbook.transfer.layout import MENDED
from hotbook.transfer.report import Kind, Named, Progress
from hotbook_shared.errors import InternalError
from hotbook_shared.model import HotkeyDigest, Position
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire

TOLD_MAX = 100
STEP = 1_000  # positions between two looks at the progress
BATCH_POSITIONS = 5_000
BATCH_HOTKEYS = 1_000

FORMS = frozenset({"trade_pair", MENDED})
"""What stands in `extra` of a position for the sake of the original's layout alone: how it wrote
the pair (its files and its checkpoints disagree on that), and what was mended."""

Where: TypeAlias = Literal["only_in_a", "only_in_b", "differs"]


class PositionDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One position that is not the same in both, and in which fields."""

    where: Where
    hotkey: str
    position_uuid: str
    trade_pair: str
    is_open: bool
    fields: tuple[FieldDifference, ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What two copies of a book do not agree on. All is counted; `told` are the first, in order.

    `unread_in_a` and `_b`: what was found there and could not be read as a position.
    """

    a: str
    b: str
    same: bool
    positions_in_a: int
    positions_in_b: int
    only_in_a: int
    only_in_b: int
    differing: int
    told: tuple[PositionDifference, ...]
    unread_in_a: tuple[Named, ...] = ()
    unread_in_b: tuple[Named, ...] = ()


def diff(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    hotkeys: Iterable[str] = (),
    open_only: bool = False,
    limit: int = TOLD_MAX,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress | None = None,
) -> Difference:
    """Compares two copies: each HOST:PORT, a tree's folder, a checkpoint, or a backup.

    Of these hotkeys, or of all. The first `limit` positions that differ are told. A server that
    changes meanwhile is taken as it is when it is asked.
    """
    named = [hotkeys] if isinstance(hotkeys, str) else hotkeys_of(hotkeys)
    wanted = Wanted(frozenset(named), open_only)
    with (
        closing(open_copy(a, wanted, timeout_s)) as copy_a,
        closing(open_copy(b, wanted, timeout_s)) as copy_b,
    ):
        comparison = _Comparison(copy_a, copy_b, limit, progress)
        comparison.run()
        return comparison.difference(os.fspath(a), os.fspath(b))


class _Comparison:
    """Counts what differs, and keeps what will be told."""

    def __init__(self, a: Copy, b: Copy, limit: int, progress: Progress | None) -> None:
        self._a, self._b = a, b
        self._forms = FORMS if a.is_original or b.is_original else frozenset[str]()
        self._limit = limit
        self._progress = progress or (lambda _done, _total: None)
        self._done = self._total = 0
        self._positions = {"a": 0, "b": 0}
        self._counts: dict[Where, int] = {"only_in_a": 0, "only_in_b": 0, "differs": 0}
        self._told: list[PositionDifference] = []

    def run(self) -> None:
        self._total = self._a.count() + self._b.count()
        held_by_a, held_by_b = self._a.digests(self._step), self._b.digests(self._step)
        self._positions = {"a": _sum(held_by_a), "b": _sum(held_by_b)}
        either = sorted(held_by_a.keys() | held_by_b.keys())
        sizes = {
            hotkey: _size(hotkey, held_by_a) + _size(hotkey, held_by_b)
            for hotkey in either
            if held_by_a.get(hotkey) != held_by_b.get(hotkey)
        }
        self._total += sum(sizes.values())
        for hotkeys in _batches(sizes):
            self._compare(hotkeys)

    def difference(self, a: str, b: str) -> Difference:
        unread_in_a, unread_in_b = tuple(self._a.unread), tuple(self._b.unread)
        return Difference(
            a=a,
            b=b,
            same=not any(self._counts.values()) and not unread_in_a and not unread_in_b,
            positions_in_a=self._positions["a"],
            positions_in_b=self._positions["b"],
            only_in_a=self._counts["only_in_a"],
            only_in_b=self._counts["only_in_b"],
            differing=self._counts["differs"],
            told=tuple(self._told),
            unread_in_a=unread_in_a,
            unread_in_b=unread_in_b,
        )

    def _compare(self, hotkeys: Collection[str]) -> None:
        held_by_a, held_by_b = self._held(self._a, hotkeys), self._held(self._b, hotkeys)
        for name in sorted(held_by_a.keys() | held_by_b.keys()):
            a, b = held_by_a.get(name), held_by_b.get(name)
            if a is not None and b is not None:
                if a != b and (fields := self._differing_fields(a, b)):
                    self._note("differs", a, fields)
            elif a is not None:
                self._note("only_in_a", a)
            elif b is not None:
                self._note("only_in_b", b)

    def _held(self, copy: Copy, hotkeys: Collection[str]) -> dict[tuple[str, str], pb.Position]:
        held = {}
        for position in copy.positions(hotkeys):
            for own in OWN:
                position.ClearField(own)
            held[position.hotkey, position.position_uuid] = position
            self._step()
        return held

    def _differing_fields(self, a: pb.Position, b: pb.Position) -> tuple[FieldDifference, ...]:
        values_a, values_b = _values(a, self._a.unread), _values(b, self._b.unread)
        if values_a is None or values_b is None:
            return ()
        return tuple(differing_fields(values_a, values_b, self._forms))

    def _note(
        self, where: Where, position: pb.Position, fields: tuple[FieldDifference, ...] = ()
    ) -> None:
        self._counts[where] += 1
        if len(self._told) < self._limit:
            self._told.append(
                PositionDifference(
                    where=where,
                    hotkey=position.hotkey,
                    position_uuid=position.position_uuid,
                    trade_pair=position.trade_pair,
                    is_open=not position.HasField("close_ms"),
                    fields=fields,
                )
            )

    def _step(self) -> None:
        self._done += 1
        if self._done % STEP == 0:
            self._progress(self._done, self._total)


def _values(message: pb.Position, unread: list[Named]) -> Position | None:
    """What a message says; None where its values are no values, which is named."""
    try:
        return position_from_wire(message)
    except InternalError as error:
        place = f"{message.hotkey} {message.position_uuid}"
        unread.append(Named(kind=Kind.CORRUPT, place=place, reason=error.message, left_out=True))
        return None


def _sum(held: dict[str, HotkeyDigest]) -> int:
    return sum(digest.positions for digest in held.values())


def _size(hotkey: str, held: dict[str, HotkeyDigest]) -> int:
    return held[hotkey].positions if hotkey in held else 0


def _batches(sizes: dict[str, int]) -> Iterator[list[str]]:
    """Hotkeys with a few thousand positions together; or one, however many it has."""
    batch: list[str] = []
    held = 0
    for hotkey, size in sizes.items():
        if batch and (held + size > BATCH_POSITIONS or len(batch) == BATCH_HOTKEYS):
            yield batch
            batch, held = [], 0
        batch.append(hotkey)
        held += size
    if batch:
        yield batch
