"""The decisions of an import: what of one hotkey is to be saved, and what is not, by rule.

Knows neither files nor the server. Whatever is not saved as it stands is named in the tally.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

import msgspec

from hotbook.transfer.reading import Corrupt, Foreign, read
from hotbook.transfer.report import Kind, Tally
from hotbook.transfer.source import TEXT_MAX_BYTES, Found
from hotbook_shared.errors import AlreadyOpen, HotbookError, IdentityChanged
from hotbook_shared.pb import hotbook_pb2 as pb

_BLANK = b"\0 \t\r\n"


class Candidate(msgspec.Struct):
    """A position that was read, ready to be saved where nothing stands under its uuid."""

    found: Found
    item: pb.SaveItem
    position: pb.Position
    mended: str

    @property
    def place(self) -> str:
        return self.found.place

    @property
    def is_open(self) -> bool:
        return not self.position.HasField("close_ms")


class Reject(msgspec.Struct):
    """A position that is not saved, and the error that says why."""

    candidate: Candidate
    error: HotbookError
    kind: Kind = Kind.REFUSED


class Judge:
    """Decides hotkey by hotkey; remembers uuids alone, for each may stand once in a book."""

    def __init__(self, tally: Tally, open_close_ms: int | None) -> None:
        self._tally = tally
        self._open_close_ms = open_close_ms
        self._place_of: dict[str, str] = {}

    def judge(self, texts: Iterable[Found]) -> tuple[list[Candidate], list[Reject]]:
        """What of one hotkey is to be saved, in the order in which it was found; and the rest."""
        read = [candidate for found in texts for candidate in self._read(found)]
        single, rejects = self._each_once(self._without_twins(read))
        kept, older = _newest_open(single)
        for candidate in kept:
            self._name_what_was_odd(candidate)
        return kept, rejects + older

    def _read(self, found: Found) -> Iterator[Candidate]:
        """The candidate of a text; none where the text cannot be taken, which is named."""
        self._tally.read += 1
        item = pb.SaveItem(expected_version=0)
        position, kind = item.position, Kind.CORRUPT
        try:
            if len(found.text) > TEXT_MAX_BYTES:
                raise Corrupt(f"it is larger than {TEXT_MAX_BYTES:,} bytes")
            if not found.text.strip(_BLANK):
                kind = Kind.EMPTY
                raise Corrupt("it holds nothing" if found.text else "it is empty")
            mended = read(found.text, position, self._open_close_ms)
            kind = Kind.MISPLACED
            if reason := found.misplaced(position):
                raise Corrupt(reason)
        except Foreign as error:
            self._tally.name(Kind.FOREIGN, found.place, str(error))
        except Corrupt as error:
            self._tally.name(kind, found.place, str(error))
        else:
            yield Candidate(found, item, position, mended)

    def _without_twins(self, read: list[Candidate]) -> Iterator[Candidate]:
        """Of texts with one uuid on one pair: the one with more orders, then the closed one."""
        twins: dict[tuple[str, str], list[Candidate]] = {}
        for candidate in read:
            key = (candidate.position.position_uuid, candidate.position.trade_pair)
            twins.setdefault(key, []).append(candidate)
        for alike in twins.values():
            best = alike[0]
            if len(alike) > 1:
                best = max(alike, key=lambda c: (len(c.position.orders), not c.is_open))
                self._name_twins(best, alike)
            yield best

    def _name_twins(self, best: Candidate, alike: list[Candidate]) -> None:
        for other in alike:
            if other is not best:
                same = other.position == best.position
                reason = (
                    f"has the uuid of {best.place}, {'and is the same' if same else _why(best)}"
                )
                self._tally.name(Kind.TWIN, other.place, reason, left_out=not same)

    def _each_once(self, single: Iterable[Candidate]) -> tuple[list[Candidate], list[Reject]]:
        """Those whose uuid comes for the first time; another hotkey or pair had the others."""
        kept, rejects = [], []
        for candidate in single:
            uuid = candidate.position.position_uuid
            place = self._place_of.setdefault(uuid, candidate.place)
            if place == candidate.place:
                kept.append(candidate)
            else:
                error = IdentityChanged(f"its uuid stands at {place} already", position_uuid=uuid)
                rejects.append(Reject(candidate, error))
        return kept, rejects

    def _name_what_was_odd(self, candidate: Candidate) -> None:
        if candidate.mended:
            self._tally.name(Kind.MENDED, candidate.place, candidate.mended, left_out=False)
        state = "open" if candidate.is_open else "closed"
        if candidate.found.state not in (None, state):
            reason = f"it is {state}: imported as such"
            self._tally.name(Kind.WRONG_FOLDER, candidate.place, reason, left_out=False)


def _why(best: Candidate) -> str:
    state = "open" if best.is_open else "closed"
    return f"which is taken: {state}, with {len(best.position.orders)} orders"


_pair = attrgetter("position.trade_pair")


def _newest_open(single: list[Candidate]) -> tuple[list[Candidate], list[Reject]]:
    """At most one open position on a pair: the newest. Legs of campaigns stand beside others."""
    opened = [c for c in single if c.is_open and not c.position.campaign_id]
    older: list[Reject] = []
    for _, group in groupby(sorted(opened, key=_pair), key=_pair):
        *rest, newest = sorted(group, key=_age)
        older += [Reject(c, _open_beside(newest), Kind.DOUBLY_OPEN) for c in rest]
    dropped = {id(reject.candidate) for reject in older}
    return [candidate for candidate in single if id(candidate) not in dropped], older


def _age(candidate: Candidate) -> tuple[int, int, str]:
    position = candidate.position
    last_ms = max((order.processed_ms for order in position.orders), default=0)
    return position.open_ms, last_ms, position.position_uuid


def _open_beside(newest: Candidate) -> AlreadyOpen:
    position = newest.position
    return AlreadyOpen(
        f"{newest.place} is open on {position.trade_pair} as well, and newer",
        open_uuid=position.position_uuid,
        hotkey=position.hotkey,
        trade_pair=position.trade_pair,
    )
