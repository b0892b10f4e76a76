"""Copies of a book, wherever they are held: in a server, a tree, a checkpoint or a backup.

Each can tell a digest for each hotkey, and then give the positions of those hotkeys that somebody
wants to see. None is ever held whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec
from google.protobuf.message import DecodeError

from hotbook import Client, connect
from hotbook._calls import Call
from hotbook.transfer.checkpoint import Checkpoint
from hotbook.transfer.judging import Judge
from hotbook.transfer.names import escaped
from hotbook.transfer.report import Kind, Named, Tally
from hotbook.transfer.source import Found, Source
from hotbook.transfer.tree import Tree
from hotbook_shared.address import is_address
from hotbook_shared.digest import ContentDigest
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import HotkeyDigest
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record, decode_record

Step = Callable[[], None]
"""Called for each position that is looked at."""

KINDS = ("server", "tree", "checkpoint", "backup")

_SQLITE_MAGIC = b"SQLite format 3\0"
_GZIP_MAGIC = b"\x1f\x8b"
_UNREADABLE = (Kind.CORRUPT, Kind.EMPTY, Kind.MISPLACED)


class Wanted(msgspec.Struct, frozen=True):
    """What of a copy counts: of these hotkeys (none: of all), the open positions or all."""

    hotkeys: frozenset[str] = frozenset()
    open_only: bool = False


class Copy(Protocol):
    """`is_original`: in the original's layout, which has a form of its own for some things."""

    is_original: bool
    unread: list[Named]

    def count(self) -> int:
        """How many positions `digests` looks at, about."""
        ...

    def digests(self, step: Step) -> dict[str, HotkeyDigest]:
        """The digest of each hotkey that holds something wanted."""
        ...

    def positions(self, hotkeys: Collection[str]) -> Iterator[pb.Position]:
        """What these hotkeys hold, in any order."""
        ...

    def close(self) -> None: ...


class ServerCopy:
    """A running server. What it tells is of the moment at which it was asked."""

    is_original = False

    def __init__(self, book: Client, wanted: Wanted) -> None:
        self.unread: list[Named] = []
        self._book = book
        self._wanted = wanted

    def count(self) -> int:
        return 0  # it looks at none: the server has the digests

    def digests(self, step: Step) -> dict[str, HotkeyDigest]:  # noqa: ARG002 - see count
        found = self._book.digests(open_only=self._wanted.open_only)
        wanted = self._wanted.hotkeys
        return {d.hotkey: d for d in found if d.positions and (not wanted or d.hotkey in wanted)}

    def positions(self, hotkeys: Collection[str]) -> Iterator[pb.Position]:
        """The messages themselves: nearly all of them are only compared."""
        token, open_only = "", self._wanted.open_only
        while True:
            request = pb.ListRequest(hotkeys=hotkeys, open_only=open_only, page_token=token)
            page: pb.ListReply = self._book._run(Call("List", request, lambda reply: reply), None)
            for part in page.hotkeys:
                yield from part.positions
            token = page.next_page_token
            if not token:
                return

    def close(self) -> None:
        self._book.close()


class FilesCopy:
    """A tree or a checkpoint: what an import of it would save, and what it would reject as well."""

    is_original = True

    def __init__(self, source: Source, wanted: Wanted) -> None:
        self.unread: list[Named] = []
        self._source = source
        self._wanted = wanted

    def count(self) -> int:
        return self._source.count()

    def digests(self, step: Step) -> dict[str, HotkeyDigest]:
        tally, digests = Tally(), _Digests()
        for position in self._messages(self._wanted.hotkeys, tally):
            digests.add(position.hotkey, position.SerializeToString())
            step()
        self.unread += [one for one in tally.report().named if one.kind in _UNREADABLE]
        return digests.by_hotkey()

    def positions(self, hotkeys: Collection[str]) -> Iterator[pb.Position]:
        return self._messages(hotkeys, Tally())

    def _messages(self, hotkeys: Collection[str], tally: Tally) -> Iterator[pb.Position]:
        judge = Judge(tally, self._source.open_close_ms)
        for texts in self._texts(hotkeys, tally):
            kept, rejects = judge.judge(texts)
            for candidate in (*kept, *(reject.candidate for reject in rejects)):
                if candidate.is_open or not self._wanted.open_only:
                    yield candidate.position

    def _texts(self, hotkeys: Collection[str], tally: Tally) -> Iterator[Iterator[Found]]:
        """The texts of these hotkeys (none: of all). Of others no more than the first is read."""
        names = {name for hotkey in hotkeys for name in (hotkey, escaped(hotkey))}
        for texts in self._source.hotkeys(tally):
            first = next(texts, None)
            if first is not None and (not names or first.hotkey in names):
                yield chain([first], texts)

    def close(self) -> None:
        pass


class BackupCopy:
    """A file of `hotbook backup`. Its checksums are not looked at: `hotbook restore` does that."""

    is_original = False

    def __init__(self, path: Path, wanted: Wanted) -> None:
        self.unread: list[Named] = []
        self._path = path
        self._wanted = wanted
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise InvalidArgument(
                f"{path} is the store of a server, and not all of it is in this file: "
                "name the server, or a backup",
                field="path",
            )
        # Immutable: a backup is one file that nobody writes, and may lie where we cannot either.
        uri = f"file:{quote(os.fspath(path.absolute()))}?mode=ro&immutable=1"
        with _told_faults(path):
            self._store = sqlite3.connect(uri, uri=True)

    def count(self) -> int:
        with _told_faults(self._path):
            row: tuple[int] = self._store.execute("SELECT count(*) FROM positions").fetchone()
        return row[0]

    def digests(self, step: Step) -> dict[str, HotkeyDigest]:
        digests, wanted = _Digests(), self._wanted.hotkeys
        with _told_faults(self._path):
            for record in self._records("SELECT record FROM positions"):
                if not wanted or record.hotkey in wanted:
                    digests.add(record.hotkey, record.wire)
                step()
        return digests.by_hotkey()

    def positions(self, hotkeys: Collection[str]) -> Iterator[pb.Position]:
        query = "SELECT record FROM positions WHERE hotkey = ?"
        with _told_faults(self._path):
            for hotkey in hotkeys:
                for record in self._records(query, hotkey):
                    yield pb.Position.FromString(record.wire)

    def _records(self, query: str, *values: str) -> Iterator[Record]:
        for (encoded,) in self._store.execute(query, values):
            record = decode_record(encoded)
            if record.is_open or not self._wanted.open_only:
                yield record

    def close(self) -> None:
        self._store.close()


@contextmanager
def _told_faults(path: Path) -> Iterator[None]:
    """Tells in our words what is wrong with a store."""
    try:
        yield
    except (sqlite3.Error, msgspec.DecodeError, DecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read as a backup: {error}", field="path") from None


class _Digests:
    """A digest for each hotkey, while positions come in any order."""

    def __init__(self) -> None:
        self._of: dict[str, ContentDigest] = {}

    def add(self, hotkey: str, wire: bytes) -> None:
        digest = self._of.get(hotkey)
        if digest is None:
            digest = self._of[hotkey] = ContentDigest()
        digest.add(wire)

    def by_hotkey(self) -> dict[str, HotkeyDigest]:
        return {
            hotkey: HotkeyDigest(hotkey=hotkey, digest=str(digest), positions=digest.positions)
            for hotkey, digest in self._of.items()
        }


def open_copy(named: str | os.PathLike[str], wanted: Wanted, timeout_s: float) -> Copy:
    """The copy behind HOST:PORT, a folder or a file; `tree:NAME` and its like force the kind."""
    text = os.fspath(named)
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS:
        kind, rest = _kind_of(text), text
    match kind:
        case "server":
            return ServerCopy(connect(rest, timeout_s=timeout_s), wanted)
        case "tree":
            return FilesCopy(Tree(Path(rest)), wanted)
        case "checkpoint":
            return FilesCopy(Checkpoint(Path(rest)), wanted)
        case _:
            return BackupCopy(Path(rest), wanted)


def _kind_of(text: str) -> str:
    if is_address(text):
        return "server"
    if os.path.isdir(text):
        return "tree"
    try:
        with open(text, "rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            f"{text} is neither HOST:PORT nor a file or folder: "
            f"{error.strerror if isinstance(error, OSError) else error}",
            field="path",
        ) from None
    if head == _SQLITE_MAGIC:
        return "backup"
    if head.startswith(_GZIP_MAGIC) or head.lstrip()[:1] in (b"{", b'"'):
        return "checkpoint"
    raise InvalidArgument(f"{text} is neither a checkpoint nor a backup", field="path")
