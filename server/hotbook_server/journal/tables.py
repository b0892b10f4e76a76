"""The tables of what the book holds: positions, campaigns, marks.

Owns how a record becomes a row, how a row is read and checked, and the queries for it; what of it
is written, and when, it leaves to others. Every row carries a checksum over the record and the
columns that the store itself goes by, which is looked at whenever the row is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import apsw
import msgspec

from hotbook_server.journal.base import Each, Progress, RowDamaged
from hotbook_shared.book import Book
from hotbook_shared.record import (
    CampaignRecord,
    ChangeKind,
    MarkRecord,
    Record,
    decode_campaign,
    decode_mark,
    decode_record,
    encode_other,
    encode_record,
)

PROGRESS_ROWS = 10_000

R = TypeVar("R", Record, CampaignRecord, MarkRecord)


class Table(Generic[R]):
    """One kind of record on disk: its columns, the first of which is its key, and its queries."""

    def __init__(
        self,
        name: str,
        noun: str,
        columns: Mapping[str, str],
        *,
        fixed: int,
        gone_by: tuple[str, ...],
        hotkey: str,
        stands: Callable[[Book], dict[str, R]],
        row_of: Callable[[R], tuple[Any, ...]],
        decode: Callable[[bytes], R],
    ) -> None:
        """`fixed`: so many of the columns never change under a key, so that their indexes need no
        look. `gone_by`: what the store itself goes by, in indexes and when it clears."""
        self.name, self.noun = name, noun
        self.stands: Callable[[Book], dict[str, R]] = stands
        self.row_of: Callable[[R], tuple[Any, ...]] = row_of
        self._decode: Callable[[bytes], R] = decode
        names = [*columns, "record", "crc"]
        kinds = [*columns.values(), "blob", "integer"]
        key = names[0]
        changing = ", ".join(f"{column} = excluded.{column}" for column in names[fixed:])
        self.upsert = (
            f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({key}) DO UPDATE SET {changing}"
        )
        self.count = f"SELECT count(*) FROM {name}"
        # Damage can change a value's type, too. What is no text is not even read as one.
        said = " || ' ' || ".join(f"ifnull({column}, '')" for column in gone_by)
        self.read = (
            f"SELECT rowid, CAST({said} AS BLOB), "
            f"CASE typeof(record) WHEN 'blob' THEN record ELSE x'' END, crc FROM {name}"
        )
        self.read_one = f"{self.read} WHERE {key} = ?"
        typed = list(zip(names, kinds, strict=True))
        are_right = " AND ".join(f"typeof({n}) IN ('{kind}', 'null')" for n, kind in typed)
        values = (n if kind == "integer" else f"CAST({n} AS BLOB)" for n, kind in typed)
        self.check = f"SELECT {are_right}, {', '.join(values)} FROM {name}"
        self.delete = f"DELETE FROM {name} WHERE {key} = ?"
        self.delete_row = f"DELETE FROM {name} WHERE rowid = ?"
        self.clear = f"DELETE FROM {name}"
        self.clear_hotkey = f"DELETE FROM {name} WHERE hotkey = ?"
        self.key_as_found = f"SELECT CAST({key} AS BLOB) FROM {name} WHERE rowid = ?"
        self.quarantine = (
            f"INSERT INTO quarantine SELECT ?, '{noun}', {key}, {hotkey}, ?, record "
            f"FROM {name} WHERE rowid = ?"
        )
        self.quarantined_keys = f"SELECT CAST(key AS BLOB) FROM quarantine WHERE kind = '{noun}'"

    def sound(self, said: bytes, data: bytes, crc: object) -> R:
        """The record of a row of `read`."""
        if crc32(data, crc32(said)) != crc:
            raise RowDamaged(f"the {self.noun} does not match its checksum")
        try:
            return self._decode(data)
        except msgspec.DecodeError as error:
            raise RowDamaged(f"not a {self.noun}: {error}") from error


def _position_row(r: Record) -> tuple[Any, ...]:
    data = encode_record(r)
    closed = "" if r.close_ms is None else r.close_ms
    said = f"{r.position_uuid} {r.hotkey} {r.trade_pair} {r.campaign_id} {closed}"
    return (
        r.position_uuid, r.hotkey, r.trade_pair, r.campaign_id or None, r.open_ms, r.close_ms,
        r.version, r.revision, data, crc32(data, crc32(said.encode())),
    )  # fmt: skip


def _campaign_row(r: CampaignRecord) -> tuple[Any, ...]:
    data = encode_other(r)
    crc = crc32(data, crc32(f"{r.campaign_id} {r.hotkey}".encode()))
    state, version, revision = r.state, r.version, r.revision
    return r.campaign_id, r.hotkey, r.trade_pair, state, version, revision, data, crc


def _mark_row(r: MarkRecord) -> tuple[Any, ...]:
    data = encode_other(r)
    crc = crc32(data, crc32(r.trade_pair.encode()))
    return r.trade_pair, r.price, r.at_ms, r.revision, data, crc


POSITIONS = Table(
    "positions",
    "position",
    {
        "position_uuid": "text", "hotkey": "text", "trade_pair": "text", "campaign_id": "text",
        "open_ms": "integer", "close_ms": "integer", "version": "integer", "revision": "integer",
    },
    fixed=3,
    gone_by=("position_uuid", "hotkey", "trade_pair", "campaign_id", "close_ms"),
    hotkey="hotkey",
    stands=lambda book: book.positions.by_uuid,
    row_of=_position_row,
    decode=decode_record,
)  # fmt: skip

CAMPAIGNS = Table(
    "campaigns",
    "campaign",
    {
        "campaign_id": "text", "hotkey": "text", "trade_pair": "text", "state": "integer",
        "version": "integer", "revision": "integer",
    },
    fixed=3,
    gone_by=("campaign_id", "hotkey"),
    hotkey="hotkey",
    stands=lambda book: book.campaigns.by_id,
    row_of=_campaign_row,
    decode=decode_campaign,
)  # fmt: skip

MARKS = Table(
    "marks",
    "mark",
    {"trade_pair": "text", "price": "text", "at_ms": "integer", "revision": "integer"},
    fixed=1,
    gone_by=("trade_pair",),
    hotkey="NULL",
    stands=lambda book: book.marks.by_pair,
    row_of=_mark_row,
    decode=decode_mark,
)

TABLES: tuple[Table[Any], ...] = (POSITIONS, CAMPAIGNS, MARKS)
CLEARED: tuple[Table[Any], ...] = (POSITIONS, CAMPAIGNS)
"""Those that a clear is about: marks stay."""

TABLE_OF: Mapping[int, Table[Any]] = {
    ChangeKind.SAVED: POSITIONS,
    ChangeKind.REMOVED: POSITIONS,
    ChangeKind.CAMPAIGN_SAVED: CAMPAIGNS,
    ChangeKind.CAMPAIGN_REMOVED: CAMPAIGNS,
    ChangeKind.MARKED: MARKS,
}


class Held(NamedTuple):
    """Every sound row of a store; and those that are damaged, each with what is wrong."""

    positions: list[Record]
    campaigns: list[CampaignRecord]
    marks: list[MarkRecord]
    damaged: list[tuple[Table[Any], int, str]]

    @property
    def newest(self) -> int:
        """The newest revision that any of them is of."""
        held: tuple[list[Any], ...] = self[:3]
        return max((record.revision for records in held for record in records), default=0)


def read_held(
    connection: apsw.Connection, progress: Progress | None = None, each: Each | None = None
) -> Held:
    """All that a store holds. `each` is called with every position."""
    total = sum(connection.execute(table.count).get for table in TABLES)
    held, done = Held([], [], [], []), 0
    lists: tuple[list[Any], ...] = held[:3]
    for table, records in zip(TABLES, lists, strict=True):
        sound, take = table.sound, records.append
        for rowid, said, data, crc in connection.execute(table.read):
            if progress is not None and done % PROGRESS_ROWS == 0:
                progress(done, total)
            done += 1
            try:
                record = sound(said, data, crc)
            except RowDamaged as error:
                held.damaged.append((table, rowid, str(error)))
                continue
            take(record)
            if each is not None and table is POSITIONS:
                each(record)
    if progress is not None:
        progress(total, total)
    return held
