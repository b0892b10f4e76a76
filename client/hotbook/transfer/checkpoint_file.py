"""The original's checkpoint, written: positions as they come, grouped by hotkey at the end.

Texts wait in a file without a name; memory holds where each of them lies.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec
from msgspec import Raw

from hotbook import __version__
from hotbook.transfer.checkpoint import POSITIONS, Checkpoint, Section
from hotbook.transfer.writing import write
from hotbook_shared.pb import hotbook_pb2 as pb

# NB: the original has the two names swapped: the youngest is the minimum.
YOUNGEST, OLDEST = "youngest_order_processed_ms", "oldest_order_processed_ms"
COUNT = "n_positions"

_encode = msgspec.json.Encoder().encode


class _Text(msgspec.Struct, gc=False, order=True):
    """Where the text of a position lies; sorts like a listing: the closed ones, then the open."""

    is_open: bool
    close_ms: int
    open_ms: int
    position_uuid: str
    offset: int
    size: int


class _Uuid(msgspec.Struct):
    position_uuid: str


_uuid_of = msgspec.json.Decoder(_Uuid).decode


class CheckpointFile:
    """Add positions, then write. What `like` has and is not ours is taken over from it."""

    def __init__(
        self, path: Path, zipped: bool, like: Checkpoint | None, hotkeys: Collection[str]
    ) -> None:
        self.count = 0
        self._path = path
        self._zipped = zipped
        self._like = like
        self._wanted = hotkeys
        self._texts: dict[str, list[_Text]] = {}
        self._spool: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._spooled = 0
        self._youngest_ms: int | None = None
        self._oldest_ms: int | None = None

    def __enter__(self) -> CheckpointFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool.close()

    def add(self, position: pb.Position) -> None:
        text = write(position, open_close_ms=0)
        self._spool.write(text)
        is_open = not position.HasField("close_ms")
        place = _Text(
            is_open, position.close_ms, position.open_ms, position.position_uuid,
            self._spooled, len(text),
        )  # fmt: skip
        self._texts.setdefault(position.hotkey, []).append(place)
        self._spooled += len(text)
        self.count += 1
        for order in position.orders:
            at_ms = order.processed_ms
            self._youngest_ms = (
                at_ms if self._youngest_ms is None else min(at_ms, self._youngest_ms)
            )
            self._oldest_ms = at_ms if self._oldest_ms is None else max(at_ms, self._oldest_ms)

    def write(self) -> None:
        """Writes the whole file; when it returns, the file is on disk."""
        with self._path.open("xb") as file:
            if self._zipped:
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6) as packed:
                    packed.writelines(self._pieces())
            else:
                file.writelines(self._pieces())
            file.flush()
            os.fsync(file.fileno())

    def _pieces(self) -> Iterator[bytes]:
        sections = self._sections()
        for number, (key, value) in enumerate(sections.items()):
            yield (b"," if number else b"{") + _encode(key) + b":"
            if key == POSITIONS:
                yield from self._positions()
            else:
                yield _encode(value)
        yield b"}"

    def _sections(self) -> dict[str, Any]:
        own = {POSITIONS: None, YOUNGEST: self._youngest_ms or 0, OLDEST: self._oldest_ms or 0}
        if self._like is not None:
            return {**self._like.sections, **own}
        now = datetime.now(UTC)
        return {
            "version": f"hotbook {__version__}",
            "created_timestamp_ms": time.time_ns() // 1_000_000,
            "created_date": now.strftime("%Y-%m-%d %H:%M:%S"),
            "challengeperiod": {},
            "miner_account_sizes": {},
            "eliminations": [],
            YOUNGEST: own[YOUNGEST],
            OLDEST: own[OLDEST],
            POSITIONS: None,
            "perf_ledgers": {},
            "asset_selections": {},
            "limit_orders": {},
        }

    def _positions(self) -> Iterator[bytes]:
        """The hotkeys in the order of `like`, then the others."""
        old = self._like.entries if self._like else {}
        known = [hotkey for hotkey in old if not self._wanted or hotkey in self._wanted]
        hotkeys = dict.fromkeys(chain(known, sorted(self._texts)))
        yield b"{"
        for number, hotkey in enumerate(hotkeys):
            entry: Section | dict[str, Any] = old.get(hotkey, {POSITIONS: None})
            yield (b"," if number else b"") + _encode(hotkey) + b":"
            yield _encode(self._entry(hotkey, dict(entry)))
        yield b"}"

    def _entry(self, hotkey: str, entry: dict[str, Any]) -> dict[str, Any]:
        places = self._in_order(hotkey)
        entry[POSITIONS] = [Raw(self._text(place)) for place in places]
        if self._like is None or COUNT in entry:
            entry[COUNT] = len(places)
        return entry

    def _in_order(self, hotkey: str) -> list[_Text]:
        """In the order of `like`; what that does not hold comes after, as in a listing."""
        places = sorted(self._texts.get(hotkey, ()))
        old = self._like.texts_of(hotkey) if self._like else ()
        rank = {uuid: number for number, uuid in enumerate(_uuids(old))}
        return sorted(places, key=lambda place: rank.get(place.position_uuid, len(rank)))

    def _text(self, place: _Text) -> bytes:
        self._spool.seek(place.offset)
        return self._spool.read(place.size)


def _uuids(texts: Iterable[Raw]) -> Iterator[str]:
    for text in texts:
        with suppress(msgspec.DecodeError):  # no position: the import named it
            yield _uuid_of(text).position_uuid
