"""Files of bars and orders: what they may look like, and how the rest is named."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars
import pytest

from hotbook_server.replay import BadTape, Tape, read_tape
from hotbook_server.replay.tape import NAMED_MAX
from tests.replay.tapes import MINUTE_MS, START_MS, at_ms, bar, order, tape, walk, write_csv

HEAD = "kind,trade_pair,time,close,volume,hotkey,side,leverage\n"
GOOD = f"bar,BTCUSD,{START_MS},100,1,,,\n"


def said(found: Tape) -> list[tuple[Any, ...]]:
    """All that is on a tape, without the places in the file."""
    return [(minute.at_ms, minute.bars, [one.request for one in minute.orders])
            for minute in found.minutes]  # fmt: skip


def refused(path: Path) -> list[str]:
    with pytest.raises(BadTape) as caught:
        read_tape(path, MINUTE_MS)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_a_minute_is_one_step_of_all_pairs() -> None:
    """A minute with rows is one step, whose time is its newest row's; an empty one is none."""
    rows = [
        bar("A", 0, "1"),
        bar("B", 0, "2") | {"time": at_ms(0) + 20_000},
        order("A", 0, "LONG", time=at_ms(0) + 40_000),
        bar("A", 5, "3"),
    ]
    found = tape(rows)
    assert [minute.at_ms for minute in found.minutes] == [at_ms(0) + 40_000, at_ms(5)]
    assert [[one.trade_pair for one in minute.bars] for minute in found.minutes] == [
        ["A", "B"],
        ["A"],
    ]
    assert (found.bars, found.orders, found.pairs) == (3, 1, 2)


def test_the_order_of_rows_does_not_matter() -> None:
    """The rows of a file in any order are the same tape, the names of its orders included."""
    rows = walk(60)
    mixed = random.Random(3).sample(rows, len(rows))
    assert mixed != rows
    assert said(tape(mixed)) == said(tape(rows))


def test_times_and_numbers_have_one_meaning(tmp_path: Path) -> None:
    """A time is ISO with any zone, or epoch milliseconds; 1.10 and 1.1 are the same number."""
    file = tmp_path / "bars.csv"
    file.write_text(
        "\ufefftrade_pair,time,close,volume,open\n"
        "A,2026-01-05T10:00:00Z,1.10,5.0,9\n"
        "B,2026-01-05T12:00:00+02:00,1e1,0,9\n"
        f"C,{int(datetime(2026, 1, 5, 10, tzinfo=UTC).timestamp() * 1000)},0007,,9\n"
    )
    (minute,) = read_tape(file, MINUTE_MS).minutes
    assert [(one.trade_pair, one.close, one.volume) for one in minute.bars] == [
        ("A", "1.1", "5"),
        ("B", "10", "0"),
        ("C", "7", ""),
    ]
    assert {one.at_ms for one in minute.bars} == {minute.at_ms}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("bar,BTCUSD,2026-01-05T10:00:00,1,1,,,", "line 3: time must be ISO 8601 with a time zone"),
        ("bar,BTCUSD,yesterday,1,1,,,", "line 3: time must be ISO 8601"),
        ("bar,BTCUSD,0,1,1,,,", "line 3: time must be ISO 8601"),
        ("bar,BTCUSD,,1,1,,,", "line 3: time must be ISO 8601"),
        ("bar,,1767600000000,1,1,,,", "line 3: trade_pair is missing"),
        ("bar,BTC USD,1767600000000,1,1,,,", "line 3: trade_pair must be printable"),
        ("bar,BTCUSD,1767600000000,,1,,,", "line 3: close must be above 0, not left out"),
        ("bar,BTCUSD,1767600000000,0,1,,,", "line 3: close must be above 0, not 0"),
        ("bar,BTCUSD,1767600000000,-1,1,,,", "line 3: close must be a number, not below 0: '-1'"),
        ("bar,BTCUSD,1767600000000,nan,1,,,", "line 3: close must be a number"),
        ("bar,BTCUSD,1767600000000,1,inf,,,", "line 3: volume must be a number"),
        ("bar,BTCUSD,1767600000000,1,-0.1,,,", "line 3: volume must be a number, not below 0"),
        ("bar,BTCUSD,1767600000000,1.123456789,1,,,", "line 3: close, a figure of campaigns"),
        ("bar,BTCUSD,1767600000000,12345678901,1,,,", "line 3: close, a figure of campaigns"),
        ("bar,BTCUSD,1767600000000,1,1,,,,9", "line 3: has more cells than there are columns"),
        ("candle,BTCUSD,1767600000000,1,1,,,", "line 3: kind must be bar or order, not 'candle'"),
        ("order,BTCUSD,1767600000000,,,,LONG,1", "line 3: hotkey is missing"),
        ("order,BTCUSD,1767600000000,,,hk,UP,1", "line 3: side must be LONG, SHORT or FLAT"),
        ("order,BTCUSD,1767600000000,,,hk,LONG,", "line 3: an order has no size"),
        ("order,BTCUSD,1767600000000,,,hk,LONG,0.0", "line 3: an order has no size"),
        ("order,BTCUSD,1767600000000,,,hk,LONG,x", "line 3: leverage must be a number"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, problem: str) -> None:
    """A row that cannot be right is told with its line, and nothing of the file is replayed."""
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEAD}{GOOD}{row}\n{GOOD}")
    (told,) = refused(file)
    assert told.startswith(problem)


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    """The first bad rows are named, the others counted."""
    file = tmp_path / "bars.csv"
    file.write_text(HEAD + "bar,BTCUSD,nowhen,1,1,,,\n" * (NAMED_MAX + 5))
    told = refused(file)
    assert len(told) == NAMED_MAX + 1
    assert told[0].startswith("line 2: ")
    assert told[-1] == "and 5 more"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no column trade_pair"),
        ("trade_pair,close\n", "has no column time"),
        ("trade_pair,time,close,price,levrage\n", "has a column 'levrage', which nobody here"),
        ("trade_pair,time,time\n", "has two columns time"),
        (HEAD, "has no rows"),
    ],
)
def test_a_file_that_is_no_tape(tmp_path: Path, text: str, problem: str) -> None:
    """Missing, unknown and doubled columns are named; so is a file without rows."""
    file = tmp_path / "bars.csv"
    file.write_text(text)
    assert refused(file)[0].startswith(problem)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there, not text or no Parquet is told plainly."""
    assert refused(tmp_path / "none.csv")[0].startswith("cannot be read: ")
    assert refused(tmp_path / "none.parquet")[0].startswith("cannot be read: ")
    (tmp_path / "bytes.csv").write_bytes(b"trade_pair,time,close\nA\xff,1,1\n")
    assert refused(tmp_path / "bytes.csv")[0].startswith("cannot be read: ")
    (tmp_path / "text.parquet").write_text(HEAD + GOOD)
    assert refused(tmp_path / "text.parquet")[0].startswith("is no Parquet file: ")


@pytest.mark.parametrize("times", ["integer", "text", "datetime"])
@pytest.mark.parametrize("number", [float, Decimal, str])
def test_parquet_says_what_csv_says(tmp_path: Path, times: str, number: type) -> None:
    """The same rows as CSV and as Parquet, whatever its types, are the same tape."""
    rows = walk(30)
    columns: dict[str, list[Any]] = {
        name: [row.get(name) for row in rows]
        for name in ("kind", "trade_pair", "time", "close", "volume", "hotkey", "side", "leverage")
    }
    for name in ("close", "volume", "leverage"):
        columns[name] = [None if cell is None else number(cell) for cell in columns[name]]
    if times != "integer":
        columns["time"] = [datetime.fromtimestamp(ms / 1000, UTC) for ms in columns["time"]]
    if times == "text":
        columns["time"] = [moment.isoformat() for moment in columns["time"]]
    polars.DataFrame(columns).write_parquet(tmp_path / "rows.parquet")
    from_parquet = read_tape(tmp_path / "rows.parquet", MINUTE_MS)
    from_csv = read_tape(write_csv(tmp_path / "rows.csv", rows), MINUTE_MS)
    assert from_csv.orders
    assert said(from_parquet) == said(from_csv)


def test_parquet_times_need_a_zone(tmp_path: Path) -> None:
    """A Parquet time without a zone is refused: nobody knows when it was."""
    naive = datetime(2026, 1, 5, 10)
    frame = polars.DataFrame({"trade_pair": ["A"], "time": [naive], "close": [1.0]})
    frame.write_parquet(tmp_path / "naive.parquet")
    assert refused(tmp_path / "naive.parquet") == [
        "the column time has no time zone: cast it to UTC"
    ]


def test_parquet_without_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where polars is not installed, a Parquet file is refused with what to install."""
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    assert "pip install 'hotbook[frames]'" in refused(tmp_path / "bars.parquet")[0]
