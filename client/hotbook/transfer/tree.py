"""The original's folder tree, read: miners/<hotkey>/positions/<PAIR>/<open|closed>/<uuid>.

Goes in sorted order, never follows a symlink, and never reads what belongs to other services. Holds
no more than the names in one folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from hotbook.transfer.report import Kind, Tally
from hotbook.transfer.source import TEXT_MAX_BYTES, Found
from hotbook_shared.errors import InvalidArgument

POSITIONS = "positions"
STATES = ("open", "closed")
_READ_BYTES = 64 * 1024  # nearly every file at one go


class Tree:
    """A tree under `path`: `validation/`, its `miners/`, or whatever holds folders of hotkeys."""

    open_close_ms: int | None = None

    def __init__(self, path: Path) -> None:
        self._root = path.absolute()
        self._prefix = os.path.join(self._root, "")
        self._miners = _miners_in(self._root)

    def count(self) -> int:
        return sum(
            len(files)
            for hotkey in _hotkeys_in(self._miners)
            for _, _, files in os.walk(self._miners / hotkey / POSITIONS)
        )

    def hotkeys(self, tally: Tally) -> Iterator[Iterator[Found]]:
        tally.left_alone = _others_in(self._root)
        for entry in _sorted(str(self._miners)):
            if entry.is_symlink():
                tally.name(Kind.FOREIGN, self._place(entry.path), "it is a symlink")
            elif entry.is_dir():
                yield self._files_of(entry.name, tally)

    def _files_of(self, hotkey: str, tally: Tally) -> Iterator[Found]:
        top = os.path.join(self._miners, hotkey, POSITIONS)
        if os.path.islink(top):
            tally.name(Kind.FOREIGN, self._place(top), "it is a symlink")
            return
        for entry in self._files_in(top, tally):
            below = entry.path[len(top) + 1 :].split(os.sep)
            place = self._place(entry.path)
            if len(below) < 3 or below[1] not in STATES:
                reason = "it does not lie at <PAIR>/<open|closed>/<uuid>"
                tally.name(Kind.MISPLACED, place, reason)
                continue
            try:
                text = _text_of(entry.path)
            except OSError as error:
                tally.name(Kind.CORRUPT, place, f"it cannot be read: {error.strerror}")
                continue
            yield Found(place, text, hotkey, below[0], below[1], "/".join(below[2:]))

    def _files_in(self, folder: str, tally: Tally) -> Iterator[os.DirEntry[str]]:
        try:
            entries = _sorted(folder)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                reason = f"it cannot be read: {error.strerror}"
                tally.name(Kind.CORRUPT, self._place(folder), reason)
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._files_in(entry.path, tally)
            elif entry.is_file(follow_symlinks=False):
                if not _is_noise(entry.name):
                    yield entry
            else:
                what = "a symlink" if entry.is_symlink() else "no regular file"
                tally.name(Kind.FOREIGN, self._place(entry.path), f"it is {what}")

    def _place(self, path: str) -> str:
        return path.removeprefix(self._prefix)


def _miners_in(path: Path) -> Path:
    try:
        for miners in (path / "miners", path):
            if miners.is_dir() and _hotkeys_in(miners):
                return miners
    except OSError as error:
        raise InvalidArgument(f"cannot read {path}: {error.strerror}", field="path") from None
    wanted = "neither it nor its `miners` holds a folder <hotkey>/positions"
    what = wanted if path.is_dir() else "it is no folder"
    raise InvalidArgument(f"{path} is no tree of positions: {what}", field="path")


def _hotkeys_in(miners: Path) -> list[str]:
    with os.scandir(miners) as entries:
        return [
            entry.name
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and os.path.isdir(f"{entry.path}/{POSITIONS}")
        ]


def _others_in(root: Path) -> int:
    """How many files lie outside the folders of positions."""
    count = 0
    for _, folders, files in os.walk(root):
        count += sum(not _is_noise(name) for name in files)
        if POSITIONS in folders:
            folders.remove(POSITIONS)
    return count


def _sorted(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=attrgetter("name"))


def _is_noise(name: str) -> bool:
    """What the original passes over as well."""
    return name == ".DS_Store" or name.endswith(".swp")


def _text_of(path: str) -> bytes:
    """A file's text; of one that is too large only so much that this can be seen."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        text = os.read(file, _READ_BYTES)
        if len(text) == _READ_BYTES:
            parts = [text]
            room = TEXT_MAX_BYTES + 1 - len(text)
            while room > 0 and (part := os.read(file, min(room, 1 << 20))):
                parts.append(part)
                room -= len(part)
            text = b"".join(parts)
        return text
    finally:
        os.close(file)
