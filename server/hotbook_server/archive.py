"""The archive: which closed positions have their bytes in memory, and reading those that have not.

Owns the bound `closed_in_memory_max`. The header of every position stays in memory, and with it all
indexes, rules, counts and digests; beyond the bound, the bytes of closed positions are on disk
alone, the least recently used first. Open positions are never away. Without a bound nothing is
tracked, and every read is one look at an attribute.

Invariant: a record whose bytes are away has its row in the store for as long as it stands in
either book. What a change replaces or removes has its bytes again before the change is written
(`let_go`), and cannot go away any more; so whoever holds on to an old record can always read it.
Only what a clear removes stays away: it is read from the change that made it, while that is kept.
Whatever is read is checked by the record's digest, so that nobody is ever given another's bytes.

Everything but `Away` belongs to the server's loop; an archive that a load fills, to that load.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from struct import pack
from typing import TypeVar, cast

import msgspec

from hotbook_server.journal.base import DiskIsFull, Journal, JournalBroken, RowDamaged
from hotbook_server.logs import log
from hotbook_server.lru import Lru
from hotbook_shared.book.book import Cleared, Undo
from hotbook_shared.errors import FellBehind, HotbookError, Unreadable
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, Record, hold

_T = TypeVar("_T")
Look = Callable[[Record], bytes]
_wire: Look = attrgetter("wire")


class Away(msgspec.Struct, gc=False):
    """Stands in for the bytes of a record that are on disk alone. Any thread may ask it.

    `orders` has eight bytes for each order of the position, a hash of its uuid. `realized_pnl` is
    all that a closed leg adds to its campaign's totals; of other positions it is empty.
    """

    journal: Journal
    orders: bytes
    realized_pnl: str = ""

    @classmethod
    def of(cls, journal: Journal, wire: bytes) -> Away:
        position = pb.Position.FromString(wire)
        orders = b"".join([_mark(order.order_uuid.encode()) for order in position.orders])
        return cls(journal, orders, position.realized_pnl if position.campaign_id else "")

    def wire_of(self, record: Record) -> bytes:
        try:
            wire = self.journal.wire_of(record)
        except (JournalBroken, DiskIsFull, RowDamaged) as error:
            raise _unreadable(record, error) from error
        held: object = record.held
        if wire is None and type(held) is bytes:  # the writer was about to replace it
            wire = held
        if wire is None:
            raise FellBehind(
                f"position {record.position_uuid} of {record.hotkey} is no longer in the store: it "
                "was cleared while it was being read, or `hotbook verify` says more; read again"
            )
        return wire


def _unreadable(record: Record, error: Exception) -> Unreadable:
    uuid, hotkey = record.position_uuid, record.hotkey
    log.error("a position cannot be read", hotkey=hotkey, position=uuid, reason=str(error))
    return Unreadable(
        f"position {uuid} of {hotkey} cannot be read from the store ({error}): `hotbook verify` "
        "says what else is wrong, `hotbook reload` sets aside what is damaged",
        hotkey=hotkey,
        position_uuid=uuid,
    )


def may_hold(record: Record, order_uuid: bytes) -> bool:
    """A quick look, without a disk: False where a position certainly has no order of that uuid."""
    held: bytes | Away = record.held
    if type(held) is bytes:
        return order_uuid in held
    return _mark(order_uuid) in cast(Away, held).orders


def _mark(order_uuid: bytes) -> bytes:
    return pack("q", hash(order_uuid))


class Archive:
    def __init__(self, journal: Journal, closed_max: int | None) -> None:
        self._journal = journal
        self._closed_max = closed_max
        self._kept: Lru[bytes, Record] | None = None if closed_max is None else Lru(closed_max)

    @property
    def is_bounded(self) -> bool:
        return self._kept is not None

    def anew(self) -> Archive:
        """An empty one over the same store, for a book that is read anew."""
        return Archive(self._journal, self._closed_max)

    @property
    def figures(self) -> dict[str, float]:
        """How many are in memory; reads by clients that found one there, or went to the disk."""
        if self._kept is None:
            return {}
        return {
            "closed_in_memory": len(self._kept),
            "closed_hits": self._kept.hits,
            "closed_misses": self._kept.misses,
            "closed_evictions": self._kept.evictions,
        }

    # ---------------------------------------------------------------- reading

    async def use(self, record: Record) -> bytes:
        """The bytes of a record for a client: they stay in memory, as most recently used."""
        held: object = record.held
        if self._kept is None or type(held) is bytes:
            self._note(record, b"")
            return record.wire
        return await self.use_all(lambda look: look(record))

    async def use_all(self, make: Callable[[Look], _T]) -> _T:
        """The same for all records that `make` looks at."""
        if self._kept is None:
            return make(_wire)
        seen: list[tuple[Record, bytes]] = []

        def look(record: Record) -> bytes:
            wire = record.wire
            seen.append((record, wire))
            return wire

        made = await asyncio.to_thread(make, look)
        for record, wire in seen:
            self._note(record, wire)
        return made

    async def run(self, act: Callable[..., _T], *args: object) -> _T:
        """Lets `act` look at any number of records, past the bound: what it reads is not kept.

        Where some may be on disk it has a thread of its own, for nobody else waits for a disk.
        """
        return act(*args) if self._kept is None else await asyncio.to_thread(act, *args)

    async def draw(self, made: Iterator[_T]) -> AsyncIterator[_T]:
        """What is made of records that are looked at in the same way, one piece after another."""
        while (one := await self.run(next, made, None)) is not None:
            yield one

    def _note(self, record: Record, wire: bytes) -> None:
        """One was read for a client."""
        if self._kept is None or record.is_open:
            return
        held: object = record.held
        if self._kept.get(record.digest) is None and type(held) is not bytes:
            hold(record, wire)
            self.admit(record)

    # ---------------------------------------------------------------- following the writer

    def admit(self, record: Record) -> None:
        """A closed record stands, in the store as well: it may go away from now on."""
        if self._kept is None or record.is_open:
            return
        victim = self._kept.put(record.digest, record)
        if victim is not None:
            hold(victim, Away.of(self._journal, victim.wire))

    def let_go(self, undo: Undo) -> None:
        """A change has been decided: what it replaces or removes will soon be in no row.

        What a clear removes is not read first: it may be a million.
        """
        if self._kept is None:
            return
        for _, _, old in undo:
            if isinstance(old, Cleared):
                self._leave(old)
            elif isinstance(old, Record) and not old.is_open:
                self._kept.discard(old.digest)
                with contextlib.suppress(HotbookError):  # it was told; saving over it mends it
                    hold(old, old.wire)

    def _leave(self, cleared: Cleared) -> None:
        assert self._kept is not None
        if cleared.whole is not None:
            self._kept.discard_all()
        for record in cleared.records:
            self._kept.discard(record.digest)

    def take_back(self, undo: Undo, revision: int) -> None:
        """Changes were taken back: what the store had at a revision may go away again."""
        if self._kept is None:
            return
        for _, _, old in undo:
            for one in old.positions if isinstance(old, Cleared) else (old,):
                if isinstance(one, Record) and one.revision <= revision:
                    held: object = one.held
                    if type(held) is bytes:
                        self.admit(one)

    def take_in(self, changes: Iterable[Change], stands: Mapping[str, Record]) -> None:
        """Changes are in the store and in the book; what they made may go away, if it stands."""
        if self._kept is None:
            return
        for change in changes:
            record = change.record
            if record is not None and stands.get(change.key) is record:
                self.admit(record)
