"""Reads of one position at a time, on a connection of their own, from any thread.

Owns that connection, which is opened when it is first needed and held between reads; a read leaves
no transaction open, so that it never keeps the log from being folded.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import apsw

from hotbook_server.journal.base import RowDamaged
from hotbook_server.journal.rows import WIRE_AT
from hotbook_server.journal.tables import POSITIONS
from hotbook_shared.record import Record, digest_of


class Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._is_closed = False

    def wire_of(self, record: Record) -> bytes | None:
        """See Journal.wire_of. What is not as its digest says is never returned."""
        with self._lock:
            connection = self._connection or self._open()
            found = connection.execute(POSITIONS.read_one, (record.position_uuid,))
            rows: list[Any] = found.fetchall()
            for _, said, data, crc in rows:
                stored = POSITIONS.sound(said, data, crc)
                if stored.digest == record.digest:
                    return _checked(stored.wire, record)
            wire = connection.execute(WIRE_AT, (record.revision,)).get
        return wire if wire is not None and digest_of(wire) == record.digest else None

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()

    def _open(self) -> apsw.Connection:
        if self._is_closed:
            raise apsw.ConnectionClosedError("the store is closed")
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(10_000)
        self._connection = connection
        return connection


def _checked(wire: bytes, record: Record) -> bytes:
    if digest_of(wire) != record.digest:
        raise RowDamaged("the position does not match its digest")
    return wire
