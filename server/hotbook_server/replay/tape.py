"""The tape: a file of bars and orders, many pairs, as steps of simulated time.

Owns what such a file may look like. Never guesses: a row that cannot be right is named, and
nothing is replayed. All of the file is held in memory.

Invariant: the same rows give the same tape, in whatever order they stand and in whatever format.
Of two rows that are alike in time, pair and hotkey the first comes first.

    kind,trade_pair,time,close,volume,hotkey,side,leverage
    bar,BTCUSD,2026-01-05T10:00:00Z,64900.41,12.5,,,
    order,BTCUSD,2026-01-05T10:00:00Z,,,miner-1,LONG,0.1
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from hotbook_server.commands import PushedBar
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import MS_MAX, epoch_ms
from hotbook_shared.money import check_leg_number, check_number
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb

COLUMNS = frozenset({
    "kind", "trade_pair", "time", "close", "volume", "hotkey", "side", "leverage", "quantity",
    "price", "account_size", "order_uuid",
})  # fmt: skip
PASSED_OVER = frozenset({"open", "high", "low"})
"""Columns that files of bars often have, and that nothing here looks at."""
NEEDED = ("trade_pair", "time")
SIDES = {"LONG": pb.SIDE_LONG, "SHORT": pb.SIDE_SHORT, "FLAT": pb.SIDE_FLAT}
NO_SIZE = ("", "0")
NAMED_MAX = 20
"""Bad rows that are told of one file."""

BEYOND = ""
"""Under this name a row has the cells that no column is for."""

Row = Mapping[str, Any]


class BadTape(Exception):
    """A file that cannot be replayed: what is wrong with it, one line a problem."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(f"{path}: {problems[0]}")
        self.problems = [f"{path}: {problem}" for problem in problems[:NAMED_MAX]]
        if len(problems) > NAMED_MAX:
            self.problems.append(f"{path}: and {len(problems) - NAMED_MAX:,} more")


class Order(msgspec.Struct, frozen=True):
    """An order of the file, and where it stands there."""

    place: str
    request: pb.PlaceOrderRequest


class Minute(msgspec.Struct, frozen=True):
    """What is on the tape for one step. Its time is that of the newest row in it."""

    at_ms: int
    bars: tuple[PushedBar, ...]
    orders: tuple[Order, ...]


class Tape(msgspec.Struct, frozen=True):
    """Steps in order of time. A step without rows is none."""

    minutes: tuple[Minute, ...]
    bars: int
    orders: int
    pairs: int


def read_tape(path: Path, step_ms: int) -> Tape:
    """The tape of a file; Parquet where its name ends so, else CSV. Raises BadTape."""
    read = _parquet_rows if path.suffix.lower() in (".parquet", ".pq") else _csv_rows
    try:
        return tape_of(path, read(path), step_ms)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadTape(path, [f"cannot be read: {error}"]) from error


def tape_of(path: Path, rows: Iterable[tuple[str, Row]], step_ms: int) -> Tape:
    """The tape of rows, each with its place in the file."""
    bars: list[PushedBar] = []
    orders: list[Order] = []
    problems: list[str] = []
    for place, row in rows:
        try:
            if BEYOND in row:
                raise InvalidArgument(f"has more cells than there are columns: {row[BEYOND]!r:.40}")
            if (kind := str(row.get("kind") or "bar").strip().lower()) == "bar":
                bars.append(_bar(row))
            elif kind == "order":
                orders.append(Order(place, _order(row)))
            else:
                raise InvalidArgument(f"kind must be bar or order, not {row['kind']!r:.40}")
        except InvalidArgument as error:
            problems.append(f"{place}: {error.message}")
    if not bars and not orders and not problems:
        problems.append("has no rows: give it bars, at least one")
    if problems:
        raise BadTape(path, problems)
    bars.sort(key=lambda bar: (bar.at_ms, bar.trade_pair))
    orders.sort(key=_order_of)
    _name_orders(orders)
    minutes = tuple(_minutes(bars, orders, step_ms))
    return Tape(minutes, len(bars), len(orders), len({bar.trade_pair for bar in bars}))


def _order_of(order: Order) -> tuple[int, str, str]:
    request = order.request
    return request.order.processed_ms, request.hotkey, request.trade_pair


def _name_orders(orders: list[Order]) -> None:
    """Names those that have no uuid, by their place in time and not in the file."""
    for number, order in enumerate(orders, start=1):
        if not order.request.order.order_uuid:
            order.request.order.order_uuid = f"order-{number}"


def _minutes(bars: list[PushedBar], orders: list[Order], step_ms: int) -> Iterator[Minute]:
    by_step: dict[int, tuple[list[PushedBar], list[Order]]] = {}
    for step, held in groupby(bars, key=lambda bar: bar.at_ms // step_ms):
        by_step[step] = list(held), []
    for step, placed in groupby(orders, key=lambda order: _order_of(order)[0] // step_ms):
        by_step.setdefault(step, ([], []))[1].extend(placed)
    for step in sorted(by_step):
        of_step, asked = by_step[step]
        newest = [of_step[-1].at_ms] if of_step else []
        newest += [_order_of(order)[0] for order in asked[-1:]]
        yield Minute(max(newest), tuple(of_step), tuple(asked))


# ---------------------------------------------------------------------------- rows


def _bar(row: Row) -> PushedBar:
    pair, at_ms = _pair(row), _time(row.get("time"))
    close = _number(row, "close", is_narrow=True)
    if not close or close == "0":
        raise InvalidArgument(f"close must be above 0, not {close or 'left out'}")
    return PushedBar(pair, at_ms, close, _number(row, "volume", is_narrow=True))


def _order(row: Row) -> pb.PlaceOrderRequest:
    hotkey, side = _text(row, "hotkey"), _text(row, "side").upper()
    check_hotkey(hotkey)
    if side not in SIDES:
        raise InvalidArgument(f"side must be LONG, SHORT or FLAT, not {row.get('side')!r:.40}")
    if uuid := _text(row, "order_uuid"):
        check_uuid(uuid, "order_uuid")
    leverage, quantity = _number(row, "leverage"), _number(row, "quantity")
    if side != "FLAT" and leverage in NO_SIZE and quantity in NO_SIZE:
        raise InvalidArgument("an order has no size: give it a leverage or a quantity")
    return pb.PlaceOrderRequest(
        hotkey=hotkey,
        trade_pair=_pair(row),
        order=pb.Order(
            order_uuid=uuid,
            type=SIDES[side],
            price=_number(row, "price"),
            processed_ms=_time(row.get("time")),
            leverage=leverage,
            quantity=quantity,
        ),
        account_size=_number(row, "account_size"),
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _pair(row: Row) -> str:
    pair = _text(row, "trade_pair")
    check_trade_pair(pair)
    return pair


def _number(row: Row, name: str, *, is_narrow: bool = False) -> str:
    """A number as every format writes it: 1.10, 1.1 and a float's 1.1 are one. Narrow: within the
    limits of bars."""
    text = _text(row, name)
    if not text:
        return ""
    try:
        number = Decimal(text)
        if not number.is_finite() or number < 0:
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidArgument(f"{name} must be a number, not below 0: {text!r:.40}") from None
    check_number(text, name)
    plain = f"{number.normalize():f}"
    if is_narrow:
        check_leg_number(plain, name)
    return plain


@lru_cache(maxsize=4_096)
def _moment(value: str | int) -> int:
    """Epoch milliseconds of a time as people and programs write it."""
    try:
        text = str(value)
        ms = int(text) if text.isdecimal() else epoch_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError, InvalidArgument):
        ms = 0
    if not 0 < ms <= MS_MAX:
        raise InvalidArgument(
            "time must be ISO 8601 with a time zone (2026-01-31T12:00:00Z), or epoch milliseconds, "
            f"not {value!r:.40}"
        )
    return ms


def _time(value: Any) -> int:
    return _moment(value if type(value) is int else str(value or "").strip())


# ---------------------------------------------------------------------------- formats


def _check_columns(path: Path, names: Iterable[str]) -> None:
    given = list(names)
    problems = [f"has no column {name}" for name in NEEDED if name not in given]
    problems += [
        f"has a column {name!r:.40}, which nobody here knows: {', '.join(sorted(COLUMNS))} are"
        for name in given
        if name not in COLUMNS | PASSED_OVER
    ]
    problems += [f"has two columns {name}" for name in set(given) if given.count(name) > 1]
    if problems:
        raise BadTape(path, problems)


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        names = [name.strip().lower() for name in next(reader, [])]
        _check_columns(path, names)
        for cells in reader:
            if cells:
                row: dict[str, Any] = dict(zip(names, cells, strict=False))
                if len(cells) > len(names):
                    row[BEYOND] = cells[len(names) :]
                yield f"line {reader.line_num}", row


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    polars = _polars(path)
    try:
        frame = polars.read_parquet(path)
    except polars.exceptions.PolarsError as error:
        raise BadTape(path, [f"is no Parquet file: {error}"]) from error
    names = [name.strip().lower() for name in frame.columns]
    _check_columns(path, names)
    frame.columns = names
    kind = frame.schema["time"]
    if isinstance(kind, polars.Datetime):
        if kind.time_zone is None:
            raise BadTape(path, ["the column time has no time zone: cast it to UTC"])
        frame = frame.with_columns(polars.col("time").dt.epoch("ms"))
    for number, cells in enumerate(frame.iter_rows(), start=1):
        yield f"row {number}", dict(zip(names, cells, strict=True))


def _polars(path: Path) -> Any:
    try:
        return importlib.import_module("polars")
    except ModuleNotFoundError:
        problem = "Parquet needs polars: pip install 'hotbook[frames]', or give a CSV"
        raise BadTape(path, [problem]) from None
