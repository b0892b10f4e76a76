"""Exporting: the book, at one revision, in the original's layouts.

What is written stands under a name of its own until it is whole and on disk; only then does it take
the name that was asked for. So whatever has that name is complete.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hotbook import Client, _calls
from hotbook.transfer.checkpoint import Checkpoint
from hotbook.transfer.checkpoint_file import CheckpointFile
from hotbook.transfer.files import new_file, new_folder
from hotbook.transfer.names import escaped
from hotbook.transfer.report import Progress
from hotbook.transfer.tree import POSITIONS
from hotbook.transfer.writing import write
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.pb import hotbook_pb2 as pb


def export_tree(
    book: Client,
    path: str | os.PathLike[str],
    *,
    hotkeys: Collection[str] = (),
    open_only: bool = False,
    progress: Progress | None = None,
) -> int:
    """Writes a position a file, as the original does, into a new or empty folder.

    Returns how many. When it returns, all of it is on disk: the files are written one and all, and
    then synced together, which takes seconds where a sync for each would take hours.
    """
    with new_folder(Path(path)) as folder:
        count = 0
        for position in _positions(book, hotkeys, open_only, progress):
            _write_file(folder, position)
            count += 1
    return count


def export_checkpoint(
    book: Client,
    path: str | os.PathLike[str],
    *,
    like: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    hotkeys: Collection[str] = (),
    open_only: bool = False,
    progress: Progress | None = None,
) -> int:
    """Writes a checkpoint; gzipped, where the name ends with .gz. Returns how many positions.

    What is not ours (the sections of other services, statistics of hotkeys, the time of making)
    comes from the checkpoint `like`; without one, those sections are empty.
    """
    to = Path(path)
    if to.exists() and not overwrite:
        raise InvalidArgument(f"{to} is there already: --overwrite replaces it", field="path")
    old = Checkpoint(Path(like)) if like is not None else None
    with new_file(to) as part, CheckpointFile(part, to.suffix == ".gz", old, hotkeys) as file:
        for position in _positions(book, hotkeys, open_only, progress):
            file.add(position)
        file.write()
    return file.count


def _positions(
    book: Client, hotkeys: Collection[str], open_only: bool, progress: Progress | None
) -> Iterator[pb.Position]:
    """The messages themselves: nothing of them is read that is not written."""
    wanted, done = frozenset(_calls.hotkeys_of(hotkeys)), 0
    for frame in book._frames("StreamBook", _calls.stream_book(open_only), None):
        yield from (p for p in frame.positions if not wanted or p.hotkey in wanted)
        done += len(frame.positions)
        if progress is not None:
            progress(done, frame.total)


def _write_file(folder: str, position: pb.Position) -> None:
    state = "closed" if position.HasField("close_ms") else "open"
    pair = escaped(position.trade_pair)
    below = os.path.join(folder, "miners", escaped(position.hotkey), POSITIONS, pair, state)
    path = os.path.join(below, escaped(position.position_uuid))
    os.makedirs(below, exist_ok=True)
    with open(path, "xb") as file:
        file.write(write(position))
