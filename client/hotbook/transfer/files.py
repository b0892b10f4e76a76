"""Files and folders that appear whole: written under a name beside, synced, and then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotbook_shared.disk import sync
from hotbook_shared.errors import InvalidArgument


@contextmanager
def new_folder(path: Path) -> Iterator[str]:
    """A folder that becomes `path` once it is whole."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InvalidArgument(f"{path} is no empty folder: name a new one", field="path")
    part = _beside(path)
    try:
        (part / "miners").mkdir(parents=True)
        yield str(part)
        os.sync()
        part.rename(path)
        sync(path.parent)
    except OSError as error:
        raise InvalidArgument(f"cannot write {path}: {error.strerror}", field="path") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file that becomes `path` once it is whole."""
    if path.is_dir():
        raise InvalidArgument(f"{path} is a folder: name a file", field="path")
    part = _beside(path)
    try:
        yield part
        part.replace(path)
        sync(path.parent)
    except OSError as error:
        raise InvalidArgument(f"cannot write {path}: {error.strerror}", field="path") from error
    finally:
        part.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.absolute().name}.{uuid.uuid4().hex[:8]}.part")
