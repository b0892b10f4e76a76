"""The power cut: what a disk may hold when the current fails between two syncs.

`PowerVfs` lets SQLite work on real files and writes down every create, write, truncate, delete and
sync. `disk_after` then tells, for any prefix of that log and any seed, one state that the disk may
be in: what was synced is there; of the rest each sector of 512 bytes is there or not, in any
mixture; a new name is there or not until its folder is synced. The shared memory of the WAL is no
file to SQLite's VFS and passes through; after a cut it is worth nothing.

`Author` decides commands by the server's own rules and appends them to a journal, batch by batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw

from hotbook_server.commands import Clear, Command, Delete, Save
from hotbook_server.journal.base import Batch, Journal, KeptRequest
from hotbook_server.rules.positions import decide_clear, decide_delete, decide_save
from hotbook_shared.book import Book
from hotbook_shared.record import Change
from tests.make import NOW_MS

SECTOR_BYTES = 512


class Event(NamedTuple):
    """`kind` is create, write, truncate, sync, delete, or mark: a batch was acknowledged."""

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    syncs_folder: bool = False


MARK = Event("mark")


class PowerVfs(apsw.VFS):
    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        super().__init__(name, "unix")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> PowerFile:  # noqa: N802
        return PowerFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self.events.append(Event("delete", Path(filename).name, syncs_folder=syncdir))


class PowerFile(apsw.VFSFile):
    def __init__(
        self, vfs: PowerVfs, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        is_new = path is not None and not Path(path).exists()
        super().__init__("unix", name, flags)
        self._events = vfs.events
        self._name = "" if path is None else Path(path).name
        # SQLite syncs the folder with the first sync of a journal or a log that it has made.
        self._folder_is_due = is_new and not flags[0] & apsw.SQLITE_OPEN_MAIN_DB
        if is_new:
            self._events.append(Event("create", self._name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._events.append(Event("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._events.append(Event("truncate", self._name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._events.append(Event("sync", self._name, syncs_folder=self._folder_is_due))
        self._folder_is_due = False


class _File:
    """A file's synced bytes, and what was done to it since."""

    def __init__(self, *, named: bool) -> None:
        self.synced = bytearray()
        self.since: list[Event] = []
        self.named = named  # its name is on disk too

    def sync(self) -> None:
        for event in self.since:
            _redo(self.synced, event)
        self.since.clear()


def disk_after(events: Sequence[Event], seed: int) -> dict[str, bytes]:
    """One state of the disk after a power cut at the end of `events`, by name of file."""
    chance = random.Random(seed)
    files: dict[str, _File] = {}
    gone: dict[str, _File] = {}  # deleted, but their names may come back
    for event in events:
        match event.kind:
            case "create":
                files[event.name] = _File(named=False)
            case "write" | "truncate":
                files[event.name].since.append(event)
            case "sync":
                files[event.name].sync()
            case "delete":
                gone[event.name] = files.pop(event.name)
        if event.syncs_folder:
            gone.clear()
            for file in files.values():
                file.named = True
    kept = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    disk = {name: file for name, file in gone.items() if file.named and chance.random() < 0.5}
    disk |= {name: file for name, file in files.items() if file.named or chance.random() < kept}
    return {name: _survivor(file, kept, chance) for name, file in disk.items()}


def put_disk(disk: dict[str, bytes], folder: Path) -> None:
    folder.mkdir()
    for name, data in disk.items():
        (folder / name).write_bytes(data)


def _survivor(file: _File, kept: float, chance: random.Random) -> bytes:
    found = bytearray(file.synced)
    for event in file.since:
        for part in _sectors(event):
            if chance.random() < kept:
                _redo(found, part)
    return bytes(found)


def _sectors(event: Event) -> list[Event]:
    """A write as the disk does it: sector by sector."""
    if event.kind != "write":
        return [event]
    parts, start = [], 0
    while start < len(event.data):
        room = SECTOR_BYTES - (event.offset + start) % SECTOR_BYTES
        data = event.data[start : start + room]
        parts.append(event._replace(offset=event.offset + start, data=data))
        start += len(data)
    return parts


def _redo(content: bytearray, event: Event) -> None:
    end = event.offset + len(event.data)
    if event.kind == "truncate":
        del content[event.offset :]
    content.extend(bytes(max(0, end - len(content))))
    if event.kind == "write":
        content[event.offset : end] = event.data


class Author:
    """The one writer of a journal, and the book that the journal must amount to."""

    def __init__(self, journal: Journal) -> None:
        loaded = journal.load()
        self.journal = journal
        self.book = loaded.book()
        self.requests = list(loaded.requests)
        self._sequence = max((kept.sequence for kept in loaded.requests), default=0)

    def commit(self, *commands: Command, forget: int = 0) -> None:
        """Everything in one batch, each command with a request id of its own."""
        changes: list[Change] = []
        kept: list[tuple[KeptRequest, bytes]] = []
        for command in commands:
            for change in decide(self.book, command):
                self.book.apply(change)
                changes.append(change)
            number = self._sequence + len(kept) + 1
            request = KeptRequest(f"request-{number}", number, number, NOW_MS)
            kept.append((request, b"outcome %d" % number))
        self.journal.append(Batch(changes, kept, NOW_MS, forget))
        self.requests += [request for request, _ in kept]
        self._sequence += len(kept)

    def write(self, *changes: Change) -> None:
        """Changes that no command stands behind, in one batch."""
        for change in changes:
            self.book.apply(change)
        self.journal.append(Batch(changes, [], NOW_MS))

    def problems(self) -> list[str]:
        """What a check of the journal against the book finds."""
        snapshot = self.journal.snapshot()
        try:
            return snapshot.check(self.book).problems
        finally:
            snapshot.close()


def decide(book: Book, command: Command) -> list[Change]:
    match command:
        case Save():
            return decide_save(book, command, NOW_MS)[0]
        case Delete():
            return decide_delete(book, command)[0]
        case Clear():
            return decide_clear(book, command)[0]
    raise AssertionError(f"no rule for {command}")
