"""Positions: every record by uuid, and the indexes over them.

Invariant: each index equals what a scan of `by_uuid` would give. It holds because `put` is the
only function that touches any of them, from the old record and the new one, whichever they are;
but for `drop`, which does the same for all of a hotkey at once. No entry for a hotkey or pair is
left behind empty.

    by_uuid       uuid -> record                     the truth
    by_hotkey     hotkey -> uuid -> record           List, ListHotkeys, Clear
    open          hotkey -> uuid -> open record      ListOpen, exposure; legs included
    open_by_pair  hotkey -> pair -> open record      GetOpen and the rule of one; without legs

A picture is these three at one revision: taking one costs a copy of their outer dicts, not of what
is in them, and it is valid for as long as anybody holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hotbook_shared.record import DIGEST_MASK, Record, record_from, says_the_same

_Index = dict[str, dict[str, Record]]


class Listed:
    """The positions by hotkey: what readers look things up in. As such it never changes."""

    __slots__ = ("by_hotkey", "open", "open_by_pair")

    by_hotkey: _Index
    open: _Index
    open_by_pair: _Index

    def of_hotkey(self, hotkey: str, *, open_only: bool = False) -> list[Record]:
        """A hotkey's records: the closed ones by close time, then the open ones by open time."""
        closed = [] if open_only else [
            record for record in self.by_hotkey.get(hotkey, _NONE).values() if not record.is_open
        ]  # fmt: skip
        closed.sort(key=_closed_order)
        return closed + self.open_of_hotkey(hotkey)

    def open_of_hotkey(self, hotkey: str) -> list[Record]:
        """All that a hotkey has open, legs included, by open time."""
        return sorted(self.open.get(hotkey, _NONE).values(), key=_open_order)

    def open_on_pair(self, hotkey: str, trade_pair: str) -> Record | None:
        """The one ordinary position that is open on the pair."""
        pairs = self.open_by_pair.get(hotkey)
        return pairs.get(trade_pair) if pairs is not None else None

    def differences(self, fresh: Listed) -> Iterator[str]:
        """Where the indexes are not what they should be."""
        for name in Listed.__slots__:
            yield from _differences(name, getattr(self, name), getattr(fresh, name))


class Positions(Listed):
    __slots__ = ("_unshared", "by_uuid", "digest", "open_count")

    digest: int

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.by_uuid: dict[str, Record] = {record.position_uuid: record for record in records}
        self.rebuild()

    # ---------------------------------------------------------------- changing

    def put(self, uuid: str, new: Record | None) -> Record | None:
        """Lets `new` (None: nothing) stand under the uuid, everywhere. Returns the old."""
        old = self.by_uuid.get(uuid)
        if self._unshared is not None:
            self._unshare(old, new)
        if old is not None:
            self._unlink(old)
        if new is None:
            self.by_uuid.pop(uuid, None)
        else:
            self.by_uuid[uuid] = new
            self._link(new)
        return old

    def drop(self, hotkey: str) -> list[Record]:
        """The same as putting None in place of each of a hotkey's, in one pass. Returns them.

        Its dicts leave the indexes as they are, for pictures may share them.
        """
        held = self.by_hotkey.pop(hotkey, _NONE)
        self.open_count -= len(self.open.pop(hotkey, _NONE))
        self.open_by_pair.pop(hotkey, None)
        records, from_bytes, by_uuid = list(held.values()), int.from_bytes, self.by_uuid
        for uuid in held:
            del by_uuid[uuid]
        gone = sum([from_bytes(record.digest, "big") for record in records])
        self.digest = (self.digest - gone) & DIGEST_MASK
        return records

    def let_go(self) -> None:
        """Frees all of them, a little at a time; nobody may look any more, pictures excepted.

        Freeing a dict is one step, which lets no other thread go on. So the truth goes last, record
        by record: while it has them, the dicts of hotkeys take next to nothing to free.
        """
        for index in (self.open_by_pair, self.open, self.by_hotkey, self.by_uuid):
            while index:
                index.popitem()

    def rebuild(self) -> None:
        """Makes every index anew from the truth. The same as linking each, in one pass."""
        self._unshared: set[str] | None = None
        self.by_hotkey: _Index = {}
        self.open: _Index = {}
        self.open_by_pair: _Index = {}
        self.open_count = 0
        digest, from_bytes, by_hotkey = 0, int.from_bytes, self.by_hotkey
        for uuid, record in self.by_uuid.items():
            held = by_hotkey.get(record.hotkey)
            if held is None:
                held = by_hotkey[record.hotkey] = {}
            held[uuid] = record
            digest += from_bytes(record.digest, "big")
            if record.close_ms is None:
                self._link_open(record)
        self.digest = digest & DIGEST_MASK

    def copy(self) -> Positions:
        """An independent set of dicts over the same records."""
        twin = Positions.__new__(Positions)
        twin._unshared = None
        twin.by_uuid = self.by_uuid.copy()
        twin.by_hotkey = {hotkey: held.copy() for hotkey, held in self.by_hotkey.items()}
        twin.open = {hotkey: held.copy() for hotkey, held in self.open.items()}
        twin.open_by_pair = {hotkey: held.copy() for hotkey, held in self.open_by_pair.items()}
        twin.open_count = self.open_count
        twin.digest = self.digest
        return twin

    def picture(self) -> Listed:
        """The positions as they stand, never to change: dicts of hotkeys are shared with it, and
        from now on `put` copies that of a hotkey before it first touches it."""
        picture = Listed()
        picture.by_hotkey = self.by_hotkey.copy()
        picture.open = self.open.copy()
        picture.open_by_pair = self.open_by_pair.copy()
        self._unshared = set()
        return picture

    def _unshare(self, old: Record | None, new: Record | None) -> None:
        """Copies what the hotkeys of two records share with pictures."""
        assert self._unshared is not None
        for record in (old, new):
            if record is not None and record.hotkey not in self._unshared:
                self._unshared.add(record.hotkey)
                for index in (self.by_hotkey, self.open, self.open_by_pair):
                    if record.hotkey in index:
                        index[record.hotkey] = index[record.hotkey].copy()

    def _link(self, record: Record) -> None:
        self.by_hotkey.setdefault(record.hotkey, {})[record.position_uuid] = record
        self.digest = (self.digest + int.from_bytes(record.digest, "big")) & DIGEST_MASK
        if record.is_open:
            self._link_open(record)

    def _link_open(self, record: Record) -> None:
        self.open_count += 1
        self.open.setdefault(record.hotkey, {})[record.position_uuid] = record
        if not record.is_leg:
            self.open_by_pair.setdefault(record.hotkey, {})[record.trade_pair] = record

    def _unlink(self, record: Record) -> None:
        uuid, hotkey = record.position_uuid, record.hotkey
        _drop(self.by_hotkey, hotkey, uuid)
        self.digest = (self.digest - int.from_bytes(record.digest, "big")) & DIGEST_MASK
        if record.is_open:
            self.open_count -= 1
            _drop(self.open, hotkey, uuid)
            if not record.is_leg:
                _drop(self.open_by_pair, hotkey, record.trade_pair)

    # ---------------------------------------------------------------- verifying

    def problems(self, *, in_memory_only: bool = False) -> Iterator[str]:
        """Every difference between the indexes and a fresh scan, in both directions.

        `in_memory_only`: bytes that somebody else holds are for that one to check.
        """
        fresh = Positions(self.by_uuid.values())
        for uuid, record in self.by_uuid.items():
            if record.position_uuid != uuid:
                yield f"position {record.position_uuid} stands under the uuid {uuid}"
            wire: object = record.held
            if type(wire) is not bytes:
                if in_memory_only:
                    continue
                wire = record.wire
            if not says_the_same(record, record_from(wire)):
                yield f"the record of position {uuid} is not that of its wire bytes"
        yield from self.differences(fresh)
        for record in self.by_uuid.values():
            pair = record.hotkey, record.trade_pair
            if record.is_open and not record.is_leg and self.open_on_pair(*pair) is not record:
                yield f"open position {record.position_uuid} is not the indexed one of {pair}"
        if self.open_count != fresh.open_count:
            yield f"{self.open_count} positions are counted as open, not {fresh.open_count}"
        if self.digest != fresh.digest:
            yield f"the digest is {self.digest:032x}, not {fresh.digest:032x}"


_NONE: dict[str, Record] = {}


def _open_order(record: Record) -> tuple[int, str]:
    return record.open_ms, record.position_uuid


def _closed_order(record: Record) -> tuple[int | None, int, str]:
    return record.close_ms, record.open_ms, record.position_uuid


def _drop(index: _Index, hotkey: str, key: str) -> None:
    held = index[hotkey]
    del held[key]
    if not held:
        del index[hotkey]


def _differences(name: str, stands: _Index, expected: _Index) -> Iterator[str]:
    for hotkey in stands.keys() | expected.keys():
        held, due = stands.get(hotkey, _NONE), expected.get(hotkey, _NONE)
        if hotkey in stands and not held:
            yield f"{name}: an empty entry for {hotkey}"
        for key in held.keys() | due.keys():
            if held.get(key) is not due.get(key):
                stands_for, should_be = _name(held.get(key)), _name(due.get(key))
                yield f"{name}: {hotkey} / {key} is {stands_for}, not {should_be}"


def _name(record: Record | None) -> str:
    return "nothing" if record is None else f"{record.position_uuid} (version {record.version})"
