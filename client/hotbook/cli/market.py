"""Commands on the market: market, push-bars.

A file of bars is read and sent a thousand bars at a time, a pipe as the bars come. Where a bar is
wrong, none of those that would go with it is sent, and what came before stands.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
import select
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command, moment_of
from hotbook.cli.endings import EXIT_USAGE, exit_code_of, interrupted, tell, wants_json
from hotbook_shared.bar import LateBar
from hotbook_shared.model import epoch_ms

STDIN = "-"
COLUMNS = ("trade_pair", "time", "close", "volume")
CHUNK_BARS = 1_000
READ_BYTES = 65_536
TOLD_MAX = 10
"""How many of the bad rows of a thousand are named."""


@command("market", "Marks, freshness and volume.")
@click.argument("pairs", nargs=-1, metavar="[PAIR]...")
@click.option("--campaign", "campaign_id", metavar="ID",
              help="The average volume since this campaign's range last changed.")  # fmt: skip
def market(asked: Asked, pairs: tuple[str, ...], campaign_id: str | None) -> None:
    """Marks with their age, whether they are fresh, and volume: of each PAIR, or of all."""
    with asked.connect() as book:
        found = book.market(pairs or None, campaign_id=campaign_id)
    if asked.as_json:
        show.as_json(found)
        return
    if not found.pairs:
        click.echo("no marks", err=True)
        return
    columns = ("pair", "mark", "age", "fresh", "volume", "average", "bars", "level")
    rows = [
        (
            p.trade_pair, show.blank(p.price), "-" if p.age_ms is None else show.duration(p.age_ms),
            show.freshness(p), show.blank(p.last_volume), f"{p.average_volume:f}",
            f"{p.bars}{'' if p.is_ready else ' (not ready)'}", show.volume_level(p.volume_level),
        )
        for p in found.pairs
    ]  # fmt: skip
    show.table(columns, rows, right=("mark", "age", "volume", "average", "bars"))


@command("push-bars", "Sends bars from a file.", timeout_s=30)
@click.argument("file")
def push_bars(asked: Asked, file: str) -> None:
    """Sends the bars of a FILE, in its order: CSV with the header trade_pair,time,close,volume
    (`-`: from standard input), or .parquet with those columns, which needs polars.

    Times are ISO 8601 with a zone, or epoch milliseconds; a bar without a volume moves the mark
    alone. Bars go a thousand at a time, from a pipe at once what has come: of a part with a bad row
    none is sent, and the rows are named. What was sent before stands; sending a file again repeats
    no bar that is older than its pair's mark.
    """
    accepted = stale = revision = 0
    with asked.connect() as book, _parts(file) as parts, LateBar("sending") as bar:
        try:
            for part in parts:
                pushed = _send(book, part, sent=accepted + stale)
                accepted, stale = accepted + pushed.accepted, stale + pushed.stale
                revision = pushed.revision
                bar(accepted + stale, 0)
        except KeyboardInterrupt:
            sent = accepted + stale
            interrupted(
                f"interrupted: {show.counted(sent, 'bar')} and perhaps some more were sent; run it "
                "again: what stands is not repeated",
                sent=sent,
            )
    if asked.as_json:
        show.as_json(api.Pushed(revision=revision, accepted=accepted, stale=stale))
    else:
        late = f", {stale:,} older than their pair's mark" if stale else ""
        click.echo(f"pushed {show.counted(accepted, 'bar')}{late}; revision {revision:,}")


class Row(NamedTuple):
    """One bar as it stands in a file. Of a CSV, the place is a line."""

    place: str
    cells: dict[str, Any]


def _send(book: api.Client, chunk: list[Row], sent: int) -> api.Pushed:
    bars: list[api.Bar] = []
    wrong: list[str] = []
    for row in chunk:
        try:
            bars.append(_bar(row.cells))
        except api.InvalidArgument as error:
            wrong.append(f"{row.place}: {error.message}")
    if wrong:
        raise _stopped(api.InvalidArgument.code, wrong, sent, EXIT_USAGE)
    try:
        return book.push_bars(bars)
    except api.HotbookError as error:
        number = re.match(r"bars\[(\d+)\]", error.details.get("field", ""))
        at = f"{chunk[int(number[1])].place}: " if number else ""
        raise _stopped(error.code, [at + error.message], sent, exit_code_of(error)) from None


def _stopped(code: str, wrong: list[str], sent: int, exit_code: int) -> SystemExit:
    """Tells what was wrong, and what stands all the same."""
    lines = wrong[:TOLD_MAX]
    if len(wrong) > TOLD_MAX:
        lines.append(f"and {len(wrong) - TOLD_MAX:,} more")
    if sent:
        lines.append(f"{show.counted(sent, 'bar')} before that stand")
    if wants_json(sys.argv[1:]):
        lines = ["; ".join(lines)]
    for line in lines:
        tell(code, line, {"sent": str(sent)})
    return SystemExit(exit_code)


def _bar(cells: dict[str, Any]) -> api.Bar:
    volume = cells["volume"]
    if not cells["trade_pair"]:
        raise api.InvalidArgument("there is no trade_pair")
    return api.Bar(
        trade_pair=str(cells["trade_pair"]),
        at_ms=_moment(cells["time"]),
        close=_number(cells["close"], "close"),
        volume=None if volume in (None, "") else _number(volume, "volume"),
    )


def _moment(value: Any) -> int:
    if isinstance(value, str | None):
        at_ms = moment_of(value or "", "time")
        assert at_ms is not None, "a text is a time, or refused"
        return at_ms
    return epoch_ms(value, "time")


def _number(value: Any, column: str) -> Decimal:
    """A number as the file has it; a float as its shortest form, which is what was meant."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0 or (column == "close" and not number):
        least = "above 0" if column == "close" else "of at least 0"
        raise api.InvalidArgument(f"{column} must be a number {least}, not {value!r}")
    return number


# ------------------------------------------------------------------ files


@contextmanager
def _parts(file: str) -> Iterator[Iterator[list[Row]]]:
    """The rows of a file, so many of them at a time as are sent together."""
    if file == STDIN:
        lines = Piped(sys.stdin.fileno())
        yield _as_they_come(_csv_rows(lines, "standard input"), lines)
        return
    if not os.path.isfile(file):
        raise api.InvalidArgument(f"there is no file {file}", field="file")
    if Path(file).suffix == ".parquet":
        yield _thousands(_parquet_rows(file))
        return
    with open(file, newline="", encoding="utf-8-sig") as text:
        yield _thousands(_csv_rows(text, file))


def _thousands(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while part := list(islice(rows, CHUNK_BARS)):
        yield part


def _as_they_come(rows: Iterator[Row], lines: Piped) -> Iterator[list[Row]]:
    """What is there, before more of it is waited for."""
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == CHUNK_BARS or lines.would_wait():
            yield part
            part = []
    if part:
        yield part


class Piped:
    """The lines of a pipe, of which it can be told whether the next one has come already."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._begun = b""
        self._has_ended = False
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode

    def __iter__(self) -> Piped:
        return self

    def __next__(self) -> str:
        while not self._lines and not self._has_ended:
            self._read()
        if not self._lines:
            raise StopIteration
        return self._lines.popleft()

    def would_wait(self) -> bool:
        while not self._lines and not self._has_ended:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return True
            self._read()
        return False

    def _read(self) -> None:
        came = os.read(self._descriptor, READ_BYTES)
        self._has_ended = not came
        *whole, self._begun = (self._begun + came).split(b"\n")
        self._lines.extend(self._decode(line + b"\n") for line in whole)
        if self._has_ended and self._begun:
            self._lines.append(self._decode(self._begun))


def _csv_rows(text: Iterable[str], name: str) -> Iterator[Row]:
    lines = csv.DictReader(text, restval="")
    try:
        _check_columns(lines.fieldnames or (), name)
        for cells in lines:
            yield Row(f"line {lines.line_num}", cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise api.InvalidArgument(
            f"{name} is no CSV after line {lines.line_num}: {error}", field="file"
        ) from None


def _parquet_rows(file: str) -> Iterator[Row]:
    try:
        import polars
    except ModuleNotFoundError:
        raise api.HotbookError("Parquet needs polars: pip install 'hotbook[frames]'") from None
    try:
        frame = polars.read_parquet(file)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise api.InvalidArgument(f"{file} is no Parquet: {error}", field="file") from None
    _check_columns(frame.columns, file)
    for number, cells in enumerate(frame.iter_rows(named=True), start=1):
        yield Row(f"row {number}", cells)


def _check_columns(found: Any, name: str) -> None:
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise api.InvalidArgument(
            f"{name} has no column {', '.join(missing)}: it needs {','.join(COLUMNS)}",
            field="file",
        )
