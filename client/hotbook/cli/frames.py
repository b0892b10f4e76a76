"""`hotbook export jsonl|csv|parquet`: positions, or their orders, as files for other tools.

A file stands under its name once it is whole and on disk, not before. All of it is of one revision.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeAlias

import click
import msgspec

import hotbook as api
from hotbook import frames
from hotbook.cli import show
from hotbook.cli.app import Asked, command, moment_of
from hotbook.cli.transfer import export
from hotbook.transfer.files import new_file
from hotbook_shared.bar import LateBar
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import utc

STDOUT = "-"
CHUNK_POSITIONS = 20_000

Writer: TypeAlias = Callable[[Iterable[api.Position], IO[bytes]], int]
"""Writes positions to a file; returns how many rows they made."""
Act: TypeAlias = Callable[..., None]


def _options(act: Act) -> Act:
    """What every one of these exports may be told."""
    for option in (
        click.option("--overwrite", is_flag=True, help="Replace a FILE that is there."),
        click.option(
            "--opened-after", metavar="TIME", help="Opened after TIME, strictly: ISO 8601 with a "
            "zone (2026-01-31T12:00:00Z), or epoch milliseconds.",
        ),
        click.option("--open", "open_only", is_flag=True, help="Open positions only."),
        click.argument("hotkeys", nargs=-1, metavar="[HOTKEY]..."),
        click.argument("file"),
    ):  # fmt: skip
        act = option(act)
    return act


_orders = click.option("--orders", is_flag=True, help="One row an order, not one a position.")


@command("jsonl", "Positions as JSON, one a line.", timeout_s=60, group=export)
@_options
def jsonl(asked: Asked, **asked_for: Any) -> None:
    """Writes every position, or those of each HOTKEY, to a FILE (`-`: standard output): JSON, one
    a line, without the fields that are at their default. `hotbook save` reads it back.
    """
    _export(asked, _write_jsonl, **asked_for)


@command("csv", "Positions or orders as CSV.", timeout_s=60, group=export)
@_options
@_orders
def csv_(asked: Asked, orders: bool, **asked_for: Any) -> None:
    """Writes every position, or those of each HOTKEY, to a FILE (`-`: standard output): CSV, one
    row a position, or with --orders one row an order. Numbers are exact; times stand there as
    epoch milliseconds and as ISO 8601.
    """
    _export(asked, lambda found, to: _write_csv(found, to, orders), **asked_for)


@command("parquet", "Positions or orders as Parquet.", timeout_s=60, group=export)
@_options
@_orders
@click.option("--exact", is_flag=True, help="Numbers as texts of all their digits, not as floats.")
def parquet(asked: Asked, orders: bool, exact: bool, **asked_for: Any) -> None:
    """Writes every position, or those of each HOTKEY, to a FILE: Parquet, one row a position, or
    with --orders one row an order. Needs polars: pip install 'hotbook[frames]'.
    """
    if asked_for["file"] == STDOUT:
        raise click.UsageError("parquet needs a FILE")
    try:
        empty = frames.to_polars((), orders=orders, exact=exact)
    except ModuleNotFoundError as missing:
        raise api.HotbookError(str(missing)) from None

    def write(found: Iterable[api.Position], to: IO[bytes]) -> int:
        whole = empty
        for chunk in _chunks(found):
            whole = whole.vstack(frames.to_polars(chunk, orders=orders, exact=exact))
        whole.write_parquet(to)
        return len(whole)

    _export(asked, write, **asked_for)


def _export(
    asked: Asked, write: Writer, *, file: str, hotkeys: tuple[str, ...], open_only: bool,
    opened_after: str | None, overwrite: bool,
) -> None:  # fmt: skip
    after_ms = moment_of(opened_after, "opened_after")
    with asked.connect() as book, LateBar("exporting") as bar, _opened(file, overwrite) as to:
        rows = write(_positions(book, hotkeys, open_only, after_ms, bar), to)
    if file == STDOUT:
        return
    size = os.path.getsize(file)
    if asked.as_json:
        show.as_json({"file": file, "rows": rows, "bytes": size})
    else:
        click.echo(f"wrote {file} ({show.counted(rows, 'row')}, {size:,} bytes)")


def _positions(
    book: api.Client, hotkeys: tuple[str, ...], open_only: bool, after_ms: int | None, bar: LateBar
) -> Iterator[api.Position]:
    """What is asked for, all of one revision; without hotkeys as the server streams it."""
    if hotkeys:
        held = book.positions(hotkeys, open_only=open_only, opened_after=after_ms)
        total = sum(map(len, held.values()))
        found: Iterable[api.Position] = (position for of in held.values() for position in of)
    else:
        status = book.status()
        total = status.open_positions if open_only else status.positions
        found = book.book(open_only=open_only)
    for number, position in enumerate(found):
        if number % 1_000 == 0:
            bar(number, total)
        if after_ms is None or position.open_ms > after_ms:
            yield position


@contextmanager
def _opened(file: str, overwrite: bool) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name when it is whole and on disk."""
    if file == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(file)
    if path.exists() and not overwrite:
        raise InvalidArgument(f"{path} is there already: --overwrite replaces it", field="file")
    with new_file(path) as part, part.open("xb") as to:
        yield to
        to.flush()
        os.fsync(to.fileno())


def _write_jsonl(found: Iterable[api.Position], to: IO[bytes]) -> int:
    encode, rows = msgspec.json.Encoder().encode, 0
    for position in found:
        to.write(encode(position) + b"\n")
        rows += 1
    return rows


def _write_csv(found: Iterable[api.Position], to: IO[bytes], orders: bool) -> int:
    columns = frames.columns(orders=orders)
    cells = [(column.of, _CELLS[column.kind]) for column in columns]
    text = io.TextIOWrapper(to, "utf-8", newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    rows = 0
    for row in frames.rows(found, orders=orders):
        values = ((value_of(row), cell) for value_of, cell in cells)
        writer.writerow("" if value is None else cell(value) for value, cell in values)
        rows += 1
    text.detach()  # flushes; whoever opened the file closes it
    return rows


def _iso(ms: int) -> str:
    return utc(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_CELLS: dict[frames.Kind, Callable[[Any], str]] = {
    "text": str,
    "number": str,
    "integer": str,
    "flag": lambda value: "true" if value else "false",
    "time": _iso,
}


def _chunks(found: Iterable[api.Position]) -> Iterator[list[api.Position]]:
    rest = iter(found)
    while chunk := list(islice(rest, CHUNK_POSITIONS)):
        yield chunk
