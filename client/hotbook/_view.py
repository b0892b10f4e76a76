"""A view: the whole book as it stood at one revision, read in the caller's own process.

Immutable, and safe to read from any thread: no lock, no call, no disk. A position is decoded when
it is first asked for, and kept with its record, so that later readers, of this view or of a later
one, get the very same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import cast, overload

from hotbook import _calls, _feed_calls
from hotbook_shared.book import Picture
from hotbook_shared.book.exposure import exposure_of
from hotbook_shared.errors import InvalidArgument, NotFollowed
from hotbook_shared.model import MS_MAX, Exposure, HotkeyCounts, Position, epoch_ms
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pairs import Pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record, hold
from hotbook_shared.wire import position_from_wire

_NO_RECORDS: Mapping[str, Record] = {}


class Decoded:
    """The bytes of a record, and the position that they say."""

    __slots__ = ("position", "wire")

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.position = position_from_wire(pb.Position.FromString(wire))

    def wire_of(self, record: Record) -> bytes:  # noqa: ARG002 - each record has one of its own
        return self.wire


def position_of(record: Record) -> Position:
    """A record's position. Two threads that ask at once may both decode it; one of them is kept."""
    held: bytes | Decoded = record.held
    if type(held) is not Decoded:
        hold(record, Decoded(cast(bytes, held)))
        held = cast(Decoded, record.held)
    return held.position


class Scope:
    """What of the book is followed. What goes beyond it is refused, never half answered."""

    def __init__(self, hotkeys: Iterable[str] | None, *, open_only: bool) -> None:
        self.hotkeys = frozenset(_feed_calls.named(hotkeys))
        for hotkey in self.hotkeys:
            check_hotkey(hotkey)
        self.open_only = open_only

    def check(self, hotkey: str) -> None:
        _check_is_text(hotkey, "hotkey")
        check_hotkey(hotkey)
        if self.hotkeys and hotkey not in self.hotkeys:
            raise NotFollowed(f"this replica does not follow {hotkey}", hotkey=hotkey)

    def check_closed(self, what: str) -> None:
        if self.open_only:
            raise NotFollowed(f"this replica follows what is open only: {what} needs a whole one")


class View:
    """The book as it stood at `revision`. Valid for as long as you hold it."""

    __slots__ = ("_by_hotkey", "_open", "_open_by_pair", "_pairs", "_scope", "picture", "revision")

    def __init__(self, picture: Picture, pairs: Pairs, scope: Scope) -> None:
        self.revision = picture.revision
        self.picture = picture  # the records themselves: for the replica's own use
        self._pairs = pairs
        self._scope = scope
        self._by_hotkey = picture.positions.by_hotkey
        self._open = picture.positions.open
        self._open_by_pair = picture.positions.open_by_pair

    def __repr__(self) -> str:
        return f"<hotbook.View of revision {self.revision}>"

    def __len__(self) -> int:
        return sum(map(len, self._by_hotkey.values()))

    @property
    def digest(self) -> str:
        """The digest of all that is followed; that of a whole book is in the server's status."""
        return self.picture.digest

    def open_position(self, hotkey: str, trade_pair: str) -> Position | None:
        """What a hotkey has open on a pair, legs of campaigns aside; None where it is nothing."""
        try:
            record = self._open_by_pair[hotkey][trade_pair]
        except (KeyError, TypeError):
            self._scope.check(hotkey)
            _check_is_text(trade_pair, "trade_pair")
            check_trade_pair(trade_pair)
            return None
        held: bytes | Decoded = record.held
        return held.position if type(held) is Decoded else position_of(record)

    def open_positions(self, hotkey: str) -> list[Position]:
        """All that a hotkey has open, legs included, by open time."""
        self._check(hotkey, self._open)
        return [position_of(record) for record in self.picture.positions.open_of_hotkey(hotkey)]

    def get(self, hotkey: str, position_uuid: str) -> Position | None:
        """The position of a hotkey under a uuid; None where there is none."""
        try:
            return position_of(self._by_hotkey[hotkey][position_uuid])
        except (KeyError, TypeError):
            self._scope.check(hotkey)
            _check_is_text(position_uuid, "position_uuid")
            check_uuid(position_uuid)
            self._scope.check_closed("get of what is not open")
            return None

    @overload
    def positions(  # type: ignore[overload-overlap] # a str is meant as one hotkey
        self, hotkeys: str, *, open_only: bool = False, opened_after: datetime | int | None = None
    ) -> list[Position]: ...

    @overload
    def positions(
        self,
        hotkeys: Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
    ) -> dict[str, list[Position]]: ...

    def positions(
        self,
        hotkeys: str | Iterable[str],
        *,
        open_only: bool = False,
        opened_after: datetime | int | None = None,
    ) -> list[Position] | dict[str, list[Position]]:
        """Positions of one hotkey as a list, or of many as a dict with every one of them.

        Closed ones by close time, then the open ones by open time. `opened_after` is strict.
        """
        _check_is_yes_or_no(open_only, "open_only")
        if not open_only:
            self._scope.check_closed("positions without open_only")
        after_ms = -1 if opened_after is None else _moment(opened_after, "opened_after")
        wanted = [hotkeys] if isinstance(hotkeys, str) else _calls.hotkeys_of(hotkeys)
        found = {hotkey: self._positions(hotkey, open_only, after_ms) for hotkey in wanted}
        return found[wanted[0]] if isinstance(hotkeys, str) else found

    def book(self, *, open_only: bool = False) -> Iterator[Position]:
        """Every position of the book."""
        _check_is_yes_or_no(open_only, "open_only")
        if not open_only:
            self._scope.check_closed("a book without open_only")
        index = self._open if open_only else self._by_hotkey
        return (position_of(record) for held in index.values() for record in held.values())

    def hotkeys(self) -> list[HotkeyCounts]:
        """Every hotkey that has positions, in alphabetical order, with its counts."""
        self._scope.check_closed("counting positions")
        return [
            HotkeyCounts(
                hotkey=hotkey,
                positions=len(held),
                open_positions=len(self._open.get(hotkey, _NO_RECORDS)),
            )
            for hotkey, held in sorted(self._by_hotkey.items())
        ]

    def exposure(self, hotkey: str) -> Exposure:
        """What a hotkey's open positions amount to: by pair, by category and in all."""
        self._check(hotkey, self._open)
        return exposure_of(self.picture, hotkey, self._pairs)

    def _positions(self, hotkey: str, open_only: bool, after_ms: int) -> list[Position]:
        self._check(hotkey, self._open if open_only else self._by_hotkey)
        records = self.picture.positions.of_hotkey(hotkey, open_only=open_only)
        return [position_of(record) for record in records if record.open_ms > after_ms]

    def _check(self, hotkey: str, index: Mapping[str, object]) -> None:
        if not isinstance(hotkey, str) or hotkey not in index:
            self._scope.check(hotkey)


def _check_is_text(value: object, field: str) -> None:
    if not isinstance(value, str):
        raise InvalidArgument(f"{field} must be a str, not {type(value).__name__}", field=field)


def _check_is_yes_or_no(value: object, field: str) -> None:
    if not isinstance(value, int):
        raise InvalidArgument(f"{field} must be True or False, not {value!r}", field=field)


def _moment(moment: datetime | int, field: str) -> int:
    ms = epoch_ms(moment, field)
    if not 0 <= ms <= MS_MAX:
        raise InvalidArgument(f"{field} is no time before the year 10000: {ms}", field=field)
    return ms
