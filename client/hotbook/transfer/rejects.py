"""The file of what an import could not save: a JSON object a line, the original text inside.

Made with its first line, never over another file, and on disk before the import ends.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from hotbook.transfer.judging import Reject
from hotbook.transfer.names import printable
from hotbook_shared.disk import sync
from hotbook_shared.errors import InvalidArgument

DEFAULT_NAME = "hotbook-rejects.jsonl"


class Rejects:
    """Writes to `wanted`; to `wanted` with a number where that is taken."""

    def __init__(self, wanted: Path) -> None:
        self.path: Path | None = None
        self._wanted = wanted
        self._file: IO[bytes] | None = None

    def add(self, reject: Reject) -> None:
        line = {
            "path": printable(reject.candidate.place),
            "reason": reject.error.message,
            "code": reject.error.code,
            "position": msgspec.Raw(reject.candidate.found.text),
        }
        file = self._file or self._made()
        # An encoded line: a text that has line breaks between its fields must not have them here.
        file.write(_in_one_line(msgspec.json.encode(line)) + b"\n")

    def _made(self) -> IO[bytes]:
        for number in count(1):
            suffix = f"-{number}" if number > 1 else ""
            path = self._wanted.with_stem(self._wanted.stem + suffix)
            try:
                self._file = path.open("xb")
            except FileExistsError:
                continue
            except OSError as error:
                raise InvalidArgument(f"cannot write {path}: {error.strerror}") from None
            self.path = path
            return self._file
        raise AssertionError("numbers do not end")

    def __enter__(self) -> Rejects:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        if self.path is not None:
            sync(self.path.absolute().parent)


def _in_one_line(text: bytes) -> bytes:
    """JSON has line breaks between its parts only, never inside a text."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
