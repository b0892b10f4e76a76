"""What stands in the book already, and what of an import is therefore not to be saved."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from hotbook import Client
from hotbook._calls import Call
from hotbook.transfer.judging import Candidate
from hotbook.transfer.report import Kind, Tally
from hotbook.transfer.writing import write
from hotbook_shared.errors import PageExpired
from hotbook_shared.pb import hotbook_pb2 as pb

_TRIES = 3
_exactly = msgspec.json.Decoder(float_hook=Decimal).decode


class _Stands(msgspec.Struct):
    """A position of the book: what a client said, and the server's count of it."""

    content: pb.Position
    version: int


class Standing:
    """Looks into the book for those hotkeys alone that it held when the import began."""

    def __init__(self, book: Client, overwrite: bool, tally: Tally) -> None:
        self._book = book
        self._overwrite = overwrite
        self._tally = tally
        self._hotkeys = {counts.hotkey for counts in book.hotkeys()}

    def without(self, kept: list[Candidate]) -> Iterator[Candidate]:
        """Of one hotkey's candidates, those that are to be saved; the others are counted."""
        hotkey = kept[0].position.hotkey if kept else ""
        standing = self._positions_of(hotkey) if hotkey in self._hotkeys else {}
        for candidate in kept:
            stands = standing.get(candidate.position.position_uuid)
            if stands is None:
                yield candidate
            elif _is_same(stands.content, candidate.position):
                self._tally.there_already += 1
            else:
                self._name_conflict(candidate, stands.version, overwritten=self._overwrite)
                if self._overwrite:
                    candidate.item.expected_version = stands.version
                    yield candidate

    def look_again(self, candidate: Candidate) -> None:
        """For a position that somebody saved since: an earlier import's last requests, perhaps."""
        position = candidate.position
        request = pb.GetRequest(hotkey=position.hotkey, position_uuid=position.position_uuid)
        reply: Any = self._book._run(Call("Get", request, lambda reply: reply), None)
        stands = _stands(reply.position)
        if _is_same(stands.content, position):
            self._tally.there_already += 1
        else:
            self._name_conflict(candidate, stands.version, overwritten=False)

    def _name_conflict(self, candidate: Candidate, version: int, *, overwritten: bool) -> None:
        done = "saved over" if overwritten else "left as it stands"
        reason = f"the book holds another form of it, at version {version}: {done}"
        self._tally.name(Kind.CONFLICT, candidate.place, reason, left_out=not overwritten)

    def _positions_of(self, hotkey: str) -> dict[str, _Stands]:
        for last_try in (False,) * (_TRIES - 1) + (True,):
            try:
                return {p.position_uuid: _stands(p) for p in self._pages(hotkey)}
            except PageExpired:
                if last_try:
                    raise
        raise AssertionError("the last try returns or raises")

    def _pages(self, hotkey: str) -> Iterator[pb.Position]:
        token = ""
        while True:
            request = pb.ListRequest(hotkeys=[hotkey], page_token=token)
            page: Any = self._book._run(Call("List", request, lambda reply: reply), None)
            for part in page.hotkeys:
                yield from part.positions
            token = page.next_page_token
            if not token:
                return


def _stands(position: pb.Position) -> _Stands:
    version = position.version
    for own in ("version", "revision", "updated_ms"):
        position.ClearField(own)
    return _Stands(position, version)


def _is_same(stands: pb.Position, read: pb.Position) -> bool:
    """Whether both say the same: field by field, or at least in the original's layout."""
    return stands == read or _exactly(write(stands)) == _exactly(write(read))
