"""Receiving a backup: into a file beside the wanted one, checked, then given its name.

Takes frames from whoever receives them. The file is brought to disk as it grows, so that no single
write takes long.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from hotbook_shared.disk import sync
from hotbook_shared.errors import InternalError, InvalidArgument

Progress = Callable[[int, int], None]

SYNC_BYTES = 8 * 1024 * 1024


@contextlib.contextmanager
def new_backup(to: str | os.PathLike[str], progress: Progress | None) -> Iterator[BackupFile]:
    """A file that does not exist yet. It takes its name at the end, if all of it has come."""
    path = _path(to)
    part = ""
    try:
        if path.exists():
            raise FileExistsError
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = file.name
            made = BackupFile(file, progress)
            yield made
            made.check()
        os.link(part, path)  # unlike a rename, this never takes the place of another file
        sync(path.parent)
    except FileExistsError:
        raise InvalidArgument(
            f"{path} is there already: a backup never overwrites", field="to"
        ) from None
    except OSError as error:
        raise InvalidArgument(f"cannot write {path}: {error.strerror}", field="to") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


class BackupFile:
    """What has come of a backup."""

    def __init__(self, file: IO[bytes], progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._seen = hashlib.sha256()
        self._size = 0
        self._synced = 0
        self._last: Any = None

    @property
    def revision(self) -> int:
        return int(self._last.revision)

    def write(self, frame: Any) -> None:
        self._file.write(frame.data)
        self._seen.update(frame.data)
        self._size += len(frame.data)
        self._last = frame
        if self._size - self._synced >= SYNC_BYTES:
            self._sync()
        if self._progress is not None:
            self._progress(self._size, frame.total_bytes)

    def check(self) -> None:
        """Brings all of it to disk. Raises where it is not what the server has sent."""
        self._sync()
        if self._last is None or self._last.sha256 != self._seen.hexdigest():
            raise InternalError("the backup did not arrive whole: take it again")

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = self._size


def _path(to: str | os.PathLike[str]) -> Path:
    try:
        path = Path(to)
        if b"\0" in os.fsencode(path):
            raise ValueError("it holds a null character")
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"to is no path: {error}", field="to") from None
    return path
