"""Receiving a backup: into a file beside the wanted one, checked, then given its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from hotbook._transport import Transport
from hotbook_shared.errors import InternalError, InvalidArgument
from hotbook_shared.pb import hotbook_pb2 as pb

Progress = Callable[[int, int], None]


def receive_backup(
    transport: Transport, to: Path, progress: Progress | None, timeout_s: float | None
) -> int:
    if to.exists():
        raise InvalidArgument(f"{to} is there already: a backup never overwrites", field="to")
    part = to.with_name(to.name + ".part")
    try:
        revision = _receive(transport, part, progress, timeout_s)
        part.rename(to)
        _sync_folder(to.parent)
    except OSError as error:
        raise InvalidArgument(f"cannot write {to}: {error.strerror}", field="to") from error
    finally:
        part.unlink(missing_ok=True)
    return revision


def _receive(
    transport: Transport, part: Path, progress: Progress | None, timeout_s: float | None
) -> int:
    seen, size, frame = hashlib.sha256(), 0, None
    with part.open("wb") as file:
        for frame in transport.stream("Backup", pb.BackupRequest(), timeout_s):
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
