"""Receiving a backup: into a file beside the wanted one, checked, then given its name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from hotbook_shared.disk import sync
from hotbook_shared.errors import InternalError, InvalidArgument

Progress = Callable[[int, int], None]


def receive_backup(frames: Iterable[Any], to: Path, progress: Progress | None) -> int:
    """Writes the frames of a backup to a new file. Returns the backup's revision."""
    part = ""
    try:
        if to.exists():
            raise FileExistsError
        with tempfile.NamedTemporaryFile(dir=to.parent, suffix=".part", delete=False) as file:
            part = file.name
            revision = _receive(frames, file, progress)
        os.link(part, to)  # unlike a rename, this never takes the place of another file
        sync(to.parent)
    except FileExistsError:
        raise InvalidArgument(
            f"{to} is there already: a backup never overwrites", field="to"
        ) from None
    except OSError as error:
        raise InvalidArgument(f"cannot write {to}: {error.strerror}", field="to") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
    return revision


def _receive(frames: Iterable[Any], file: IO[bytes], progress: Progress | None) -> int:
    seen, size, frame = hashlib.sha256(), 0, None
    for frame in frames:
        file.write(frame.data)
        seen.update(frame.data)
        size += len(frame.data)
        if progress is not None:
            progress(size, frame.total_bytes)
    file.flush()
    os.fsync(file.fileno())
    if frame is None or frame.sha256 != seen.hexdigest():
        raise InternalError("the backup did not arrive whole: take it again")
    return int(frame.revision)
