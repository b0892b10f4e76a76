"""The original's checkpoint, read: one JSON of all hotkeys, beside sections of other services.

It is wholly read and judged as JSON before anything is done with it. It is kept in memory as the
text that it is; what stands in its positions is looked at hotkey by hotkey.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from hotbook.transfer.report import Tally
from hotbook.transfer.source import Found
from hotbook_shared.errors import InvalidArgument

POSITIONS = "positions"
_GZIP_MAGIC = b"\x1f\x8b"

Section = dict[str, Raw]


class Checkpoint:
    """A checkpoint: `sections` by key, without the positions; `hotkeys` with theirs."""

    open_close_ms: int | None = 0

    def __init__(self, path: Path) -> None:
        reader = _Reader(path, _text_of(path))
        self.sections: Section = reader.whole()
        if POSITIONS not in self.sections:
            raise InvalidArgument(f"{path} is no checkpoint: it has no `positions`", field="path")
        told = reader.read(self.sections[POSITIONS], Section, POSITIONS)
        self.entries: dict[str, Section] = {
            hotkey: reader.read(entry, Section, f"{POSITIONS}.{hotkey}")
            for hotkey, entry in told.items()
        }
        self._texts: dict[str, list[Raw]] = {
            hotkey: reader.read(
                entry.get(POSITIONS, Raw(b"null")), list[Raw], _place_of(hotkey)
            )
            for hotkey, entry in self.entries.items()
        }  # fmt: skip

    def count(self) -> int:
        return sum(map(len, self._texts.values()))

    def texts_of(self, hotkey: str) -> list[Raw]:
        return self._texts.get(hotkey, [])

    def hotkeys(self, tally: Tally) -> Iterator[Iterator[Found]]:  # noqa: ARG002 - nothing is odd yet
        for hotkey, texts in self._texts.items():
            yield (
                Found(f"{_place_of(hotkey)}[{number}]", bytes(text), hotkey)
                for number, text in enumerate(texts)
            )


class _Reader:
    """Decodes parts of one file; whatever is wrong is told with the file and the place."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        self._text = text

    def whole(self) -> Section:
        if self._text.lstrip().startswith(b'"'):  # JSON in a JSON string: the original reads it
            self._text = self.read(self._text, str, "").encode()
        sections: Section = self.read(self._text, Section, "")
        return sections

    def read(self, part: Any, kind: Any, place: str) -> Any:
        try:
            return msgspec.json.decode(part, type=kind)
        except msgspec.ValidationError as error:
            reason = f"{error} - at {place}" if place else str(error)
        except RecursionError:
            reason = "it is nested too deep"
        except msgspec.DecodeError as error:
            reason = str(error)
            if "byte" not in reason:
                reason += f" (at byte {len(self._text):,}, its end)"
        raise InvalidArgument(f"{self._path} is no checkpoint: {reason}", field="path")


def _place_of(hotkey: str) -> str:
    return f"{POSITIONS}.{hotkey}.{POSITIONS}"


def _text_of(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {error.strerror}", field="path") from None
    if not text.startswith(_GZIP_MAGIC):
        return text
    try:
        return gzip.decompress(text)
    except (OSError, EOFError, zlib.error) as error:
        size = f"{len(text):,} bytes"
        raise InvalidArgument(
            f"{path} is no whole gzip file: {error} (it has {size})", field="path"
        ) from None
