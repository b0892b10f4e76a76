"""Positions as tables: one row a position, or one row an order; as pandas and polars frames.

    from hotbook.frames import to_polars

    frame = to_polars(book.positions(hotkey))

Owns the columns, which follow the fields of the nouns: every field with a single value, and beside
each time its UTC datetime. Needs the `frames` extra: pip install 'hotbook[frames]'.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import Order, Position

if TYPE_CHECKING:
    import pandas
    import polars

Kind: TypeAlias = Literal["text", "number", "integer", "flag", "time"]

KINDS: dict[type, Kind] = {str: "text", Decimal: "number", int: "integer", bool: "flag"}
TWINS = {"open_ms": "opened_at", "close_ms": "closed_at", "processed_ms": "processed_at"}
"""Times that have a column as a datetime, too."""


class Column(msgspec.Struct, frozen=True):
    """A column: its value in a row, and of what kind that is. A time is epoch milliseconds."""

    name: str
    kind: Kind
    of: Callable[[Any], Any]
    may_miss: bool = False


class OrderRow(NamedTuple):
    """The row of an order: with the position in which it stands."""

    position: Position
    order: Order


def columns(*, orders: bool = False) -> tuple[Column, ...]:
    """The columns of positions; with `orders`, those of their orders."""
    if orders:
        names = ("hotkey", "position_uuid", "trade_pair")
        of_position = [Column(name, "text", attrgetter(f"position.{name}")) for name in names]
        return (*of_position, *_columns_of(Order, "order."))
    return (*_columns_of(Position, ""), Column("is_open", "flag", attrgetter("is_open")))


def rows(positions: Iterable[Position], *, orders: bool = False) -> Iterator[Position | OrderRow]:
    """What `columns` are read from, in order."""
    for number, position in enumerate(positions):
        if not isinstance(position, Position):
            raise InvalidArgument(
                f"positions[{number}] is no Position: {position!r:.80}",
                field=f"positions[{number}]",
            )
        if orders:
            yield from (OrderRow(position, order) for order in position.orders)
        else:
            yield position


def to_pandas(
    positions: Iterable[Position], *, orders: bool = False, exact: bool = False
) -> pandas.DataFrame:
    """A pandas frame: one row a position, or with `orders` one row an order.

    Numbers are the nearest floats; with `exact` they are Decimals, as objects.
    """
    library = _library("pandas")
    dtypes = {"text": "string", "number": "object" if exact else "float64", "integer": "int64",
              "flag": "bool", "time": "datetime64[ms, UTC]"}  # fmt: skip

    def series(column: Column, values: list[Any]) -> Any:
        whole = column.kind == "integer" and column.may_miss
        return library.Series(values, dtype="Int64" if whole else dtypes[column.kind])

    table = _table(positions, orders, None if exact else float)
    frame: pandas.DataFrame = library.DataFrame(
        {column.name: series(column, values) for column, values in table}
    )
    return frame


def to_polars(
    positions: Iterable[Position], *, orders: bool = False, exact: bool = False
) -> polars.DataFrame:
    """A polars frame: one row a position, or with `orders` one row an order.

    Numbers are the nearest floats; with `exact` they are texts, for polars' decimals have not the
    range of ours.
    """
    library = _library("polars")
    dtypes = {"text": library.String, "number": library.String if exact else library.Float64,
              "integer": library.Int64, "flag": library.Boolean,
              "time": library.Datetime("ms", "UTC")}  # fmt: skip
    table = _table(positions, orders, str if exact else float)
    frame: polars.DataFrame = library.DataFrame(
        [library.Series(column.name, values, dtypes[column.kind]) for column, values in table]
    )
    return frame


def _table(
    positions: Iterable[Position], orders: bool, number: Callable[[Any], Any] | None
) -> Iterator[tuple[Column, list[Any]]]:
    """Each column with its values; `number` makes of a Decimal what the frame holds."""
    all_rows = list(rows(positions, orders=orders))
    for column in columns(orders=orders):
        make = number if column.kind == "number" else str if column.kind == "text" else None
        values = list(map(column.of, all_rows))
        if make is not None:
            values = [None if value is None else make(value) for value in values]
        yield column, values


def _columns_of(noun: type[Position | Order], at: str) -> Iterator[Column]:
    for field in msgspec.structs.fields(noun):
        held = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        kind = _kind_of(held[0])
        if kind is not None:
            value, may_miss = attrgetter(at + field.name), NoneType in held
            yield Column(field.name, kind, value, may_miss)
            if field.name in TWINS:
                yield Column(TWINS[field.name], "time", value, may_miss)


def _kind_of(held: Any) -> Kind | None:
    """None for what is no single value: orders, price sources, `extra`."""
    if not isinstance(held, type):
        return None
    return "text" if issubclass(held, StrEnum) else KINDS[held]


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name != name:
            raise
        raise ModuleNotFoundError(
            f"frames need {name}: pip install 'hotbook[frames]'", name=name
        ) from None
