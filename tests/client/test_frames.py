"""Positions as pandas and polars frames: the columns, their kinds, and their values."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pandas
import polars
import pytest

from hotbook import InvalidArgument, Order, Position, frames
from hotbook_shared.model import MS_MAX
from tests.make import CLOSE_MS, OPEN_MS, closed, leg, order, position

TINY = Decimal("1.234567890123456789012345678E-7")
FOUND = [
    position("open", orders=(order(), order(1, quantity=TINY))),
    closed("done", net_quantity=TINY, stop_loss=Decimal("-0.0"), version=3),
    leg("leg", hotkey="日本", orders=(), close_ms=MS_MAX),
]
OPENED_AT = datetime(2024, 12, 12, 10, 40, tzinfo=UTC)

MAKERS = [frames.to_pandas, frames.to_polars]


def values(frame: Any, name: str) -> list[Any]:
    """A column as a list; whatever stands for nothing is None."""
    listed = frame[name].to_list()
    return [None if _is_missing(value) else value for value in listed]


def _is_missing(value: Any) -> bool:
    return value is None or value is pandas.NaT or value is pandas.NA or value != value


def scalars(noun: type[msgspec.Struct]) -> set[str]:
    return set(noun.__struct_fields__) - {"orders", "price_sources", "extra"}


@pytest.mark.parametrize("make", MAKERS)
def test_every_field_with_one_value_is_a_column(make: Any) -> None:
    """A frame has each field of a position, its times as datetimes, and whether it is open."""
    wanted = scalars(Position) | {"opened_at", "closed_at", "is_open"}

    assert set(make(FOUND).columns) == wanted
    assert list(make([]).columns) == list(make(FOUND).columns)


@pytest.mark.parametrize("make", MAKERS)
def test_every_field_of_an_order_is_a_column(make: Any) -> None:
    """A frame of orders has each field of an order, and in front whose it is."""
    wanted = scalars(Order) | {"processed_at", "hotkey", "position_uuid", "trade_pair"}

    found = list(make(FOUND, orders=True).columns)

    assert set(found) == wanted
    assert found[:3] == ["hotkey", "position_uuid", "trade_pair"]


@pytest.mark.parametrize("make", MAKERS)
def test_a_row_a_position(make: Any) -> None:
    """Texts, floats, whole numbers, and datetimes in UTC; what is missing is missing."""
    frame = make(FOUND)

    assert values(frame, "position_uuid") == ["open", "done", "leg"]
    assert values(frame, "hotkey") == ["hk", "hk", "日本"]
    assert values(frame, "side") == ["LONG", "FLAT", "LONG"]
    assert values(frame, "close_ms") == [None, CLOSE_MS, MS_MAX]
    assert values(frame, "opened_at") == [OPENED_AT] * 3
    assert values(frame, "closed_at")[0] is None
    assert values(frame, "closed_at")[1].timestamp() * 1000 == CLOSE_MS
    assert values(frame, "is_open") == [True, False, False]
    assert values(frame, "net_leverage") == [0.1] * 3
    assert values(frame, "net_quantity") == [0.0, float(TINY), 0.0]
    assert values(frame, "stop_loss") == [None, 0.0, None]
    assert values(frame, "campaign_id") == [None, None, "c1"]
    assert values(frame, "version") == [0, 3, 0]


@pytest.mark.parametrize("make", MAKERS)
def test_a_row_an_order(make: Any) -> None:
    """Orders in the order of their positions; a position without orders has no row."""
    frame = make(FOUND, orders=True)

    assert values(frame, "position_uuid") == ["open", "open", "done"]
    assert values(frame, "order_uuid") == ["order-0", "order-1", "order-0"]
    assert values(frame, "processed_ms") == [OPEN_MS, OPEN_MS + 1000, OPEN_MS]
    assert values(frame, "processed_at")[0] == OPENED_AT
    assert values(frame, "quantity") == [None, float(TINY), None]
    assert values(frame, "price") == [64900.41] * 3
    assert values(frame, "source") == ["ORGANIC"] * 3


def test_exact_numbers() -> None:
    """With `exact` every digit is there: Decimals in pandas, texts in polars."""
    assert values(frames.to_pandas(FOUND, exact=True), "net_quantity")[1] == TINY
    assert values(frames.to_polars(FOUND, exact=True), "net_quantity")[1] == str(TINY)
    assert values(frames.to_pandas(FOUND, exact=True), "stop_loss")[0] is None


def test_the_types_do_not_depend_on_the_rows() -> None:
    """A frame of nothing has the types of a frame of something, so that they can be joined."""
    for orders in (False, True):
        for exact in (False, True):
            asked = {"orders": orders, "exact": exact}
            assert frames.to_polars([], **asked).schema == frames.to_polars(FOUND, **asked).schema
            ours, empty = frames.to_pandas(FOUND, **asked), frames.to_pandas([], **asked)
            assert list(ours.dtypes) == list(empty.dtypes)


def test_the_types() -> None:
    """Times are UTC datetimes of milliseconds, numbers are floats."""
    assert frames.to_polars(FOUND).schema["closed_at"] == polars.Datetime("ms", "UTC")
    assert frames.to_polars(FOUND).schema["net_value"] == polars.Float64
    assert str(frames.to_pandas(FOUND)["closed_at"].dtype) == "datetime64[ms, UTC]"
    assert str(frames.to_pandas(FOUND)["net_value"].dtype) == "float64"


@pytest.mark.parametrize("make", MAKERS)
def test_numbers_beyond_a_float(make: Any) -> None:
    """What no float can hold is the nearest that it can."""
    frame = make([position(net_value=Decimal("1e400"), realized_pnl=Decimal("-1e-400"))])

    assert values(frame, "net_value") == [math.inf]
    assert values(frame, "realized_pnl") == [0.0]


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_no_position_is_refused(make: Any) -> None:
    """The dict of many hotkeys, for example: its values are the lists."""
    with pytest.raises(InvalidArgument, match=r"positions\[0\] is no Position: 'hk'"):
        make({"hk": FOUND})


@pytest.mark.parametrize(("maker", "library"), [("to_pandas", "pandas"), ("to_polars", "polars")])
def test_without_the_library(maker: str, library: str) -> None:
    """The module needs neither library to be imported; a frame says what is missing."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"from hotbook import frames\n"
        f"assert not [m for m in ('pandas', 'polars', 'numpy') if sys.modules.get(m)]\n"
        f"try: frames.{maker}([])\n"
        f"except ImportError as error: print(error)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == f"frames need {library}: pip install 'hotbook[frames]'\n"
