"""`hotbook export jsonl|csv|parquet`: what stands in the files, and when a file stands there."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import polars
import pytest

import hotbook
from hotbook import Position, frames
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, surroundings, tell
from tests.make import CLOSE_MS, OPEN_MS, closed, content, leg, order, position

EXACT = Decimal("1.234567890123456789012345678E-7")
COMMA = 'a"b,c'
HELD = [
    position("open", orders=(order(), order(1, quantity=EXACT)), extra={"x": [1, "é"]}),
    closed("done", trade_pair="ETHUSD", net_quantity=EXACT),
    leg("leg", hotkey=COMMA, open_ms=OPEN_MS + 1, orders=()),
]
FORMATS = ["jsonl", "csv", "parquet"]


@pytest.fixture(scope="module")
def stocked() -> Iterator[str]:
    with server() as target, hotbook.connect(target) as book:
        for made in HELD:
            book.save(made)
        yield target


def held(target: str) -> dict[str, Position]:
    with hotbook.connect(target) as book:
        return {p.position_uuid: p for p in book.book()}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def uuids(kind: str, path: Path) -> set[str]:
    """Which positions stand in a file."""
    if kind == "parquet":
        return set(polars.read_parquet(path)["position_uuid"])
    text = path.read_text()
    found = rows(text) if kind == "csv" else map(json.loads, text.splitlines())
    return {row["position_uuid"] for row in found}


def test_jsonl_goes_back_into_save(stocked: str, tmp_path: Path) -> None:
    """A position a line, exact: `hotbook save` reads it back, and nothing is lost."""
    file = tmp_path / "book.jsonl"
    told = tell(stocked, "export", "jsonl", str(file))

    size = f"{file.stat().st_size:,} bytes"
    assert told == (0, f"wrote {file} (3 rows, {size})\n", "")
    with server() as copy:
        assert tell(copy, "save", str(file)).code == 0
        there, here = held(stocked), held(copy)
    assert {uuid: content(p) for uuid, p in here.items()} == {
        uuid: content(p) for uuid, p in there.items()
    }


def test_jsonl_is_what_the_json_output_shows(stocked: str) -> None:
    """`-` is standard output; nothing but the lines goes there."""
    told = tell(stocked, "export", "jsonl", "-", "hk")

    listed = tell(stocked, "list", "hk", "-o", "json").out
    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, "")
    assert [msgspec.json.decode(line, type=Position) for line in lines] == msgspec.json.decode(
        listed, type=list[Position]
    )
    assert msgspec.json.decode(lines[0], type=Position) == held(stocked)["done"]


def test_csv_a_row_a_position(stocked: str) -> None:
    """Exact numbers, times as milliseconds and as ISO 8601, nothing for what is missing."""
    told = tell(stocked, "export", "csv", "-")

    found = {row["position_uuid"]: row for row in rows(told.out)}
    assert (told.code, told.err, set(found)) == (0, "", {"open", "done", "leg"})
    done, opened = found["done"], found["open"]
    assert list(done) == [column.name for column in frames.columns()]
    assert done["net_quantity"] == str(EXACT)
    assert (done["close_ms"], done["closed_at"]) == (str(CLOSE_MS), "2024-12-12T11:40:00.000Z")
    assert (opened["close_ms"], opened["closed_at"], opened["is_open"]) == ("", "", "true")
    assert (done["is_open"], done["side"], found["leg"]["hotkey"]) == ("false", "FLAT", COMMA)


def test_csv_a_row_an_order(stocked: str) -> None:
    """With --orders one row an order, with the position in which it stands."""
    told = tell(stocked, "export", "csv", "-", "hk", "--orders")

    found = rows(told.out)
    assert [(r["position_uuid"], r["order_uuid"]) for r in found] == [
        ("done", "order-0"),
        ("open", "order-0"),
        ("open", "order-1"),
    ]
    assert found[2]["quantity"] == str(EXACT)
    assert found[2]["processed_at"] == "2024-12-12T10:40:01.000Z"


@pytest.mark.parametrize("orders", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_parquet_is_the_frame(stocked: str, tmp_path: Path, orders: bool, exact: bool) -> None:
    """A parquet file holds what `to_polars` gives."""
    file = tmp_path / "book.parquet"
    flags = [*["--orders"] * orders, *["--exact"] * exact]

    told = tell(stocked, "export", "parquet", str(file), "hk", *flags)

    assert told.code == 0, told.err
    with hotbook.connect(stocked) as book:
        wanted = frames.to_polars(book.positions("hk"), orders=orders, exact=exact)
    found = polars.read_parquet(file)
    assert found.schema == wanted.schema
    assert found.equals(wanted)


FILTERS = [
    ("jsonl", [], {"open", "done", "leg"}),
    ("csv", ["hk", COMMA], {"open", "done", "leg"}),
    ("parquet", ["nobody"], set()),
    ("csv", ["--open"], {"open", "leg"}),
    ("parquet", ["hk", "--open"], {"open"}),
    ("jsonl", ["--opened-after", str(OPEN_MS)], {"leg"}),
    ("jsonl", [COMMA, "hk", "--opened-after", "2024-12-12T12:40:00+02:00"], {"leg"}),
]


@pytest.mark.parametrize(("kind", "args", "wanted"), FILTERS)
def test_filters(
    stocked: str, tmp_path: Path, kind: str, args: list[str], wanted: set[str]
) -> None:
    """The filters of `hotbook list` are in force, for the whole book and for hotkeys."""
    file = tmp_path / "file"

    told = tell(stocked, "export", kind, str(file), *args, "-o", "json")

    size = file.stat().st_size
    assert json.loads(told.out) == {"file": str(file), "rows": len(wanted), "bytes": size}
    assert uuids(kind, file) == wanted


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_is_never_overwritten_unasked(stocked: str, tmp_path: Path, kind: str) -> None:
    """A file that is there stays as it is, unless --overwrite replaces it."""
    file = tmp_path / "file"
    file.write_text("precious")

    tell(stocked, "export", kind, str(file)).refuses(2, "is there already", "--overwrite")

    assert file.read_text() == "precious"
    assert tell(stocked, "export", kind, str(file), "--overwrite").code == 0
    assert uuids(kind, file) == {"open", "done", "leg"}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", FORMATS)
def test_no_half_file_is_left(stocked: str, tmp_path: Path, kind: str) -> None:
    """Where the export fails, the file of before stands there, and nothing beside it."""
    file = tmp_path / "file"
    file.write_text("precious")
    command = ("export", kind, str(file), "h k", "--overwrite")

    tell(stocked, *command).refuses(2, "hotkey")

    assert file.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [file]


MISTAKES = [
    (["jsonl", "/no/such/folder/file"], "cannot write /no/such/folder/file"),
    (["csv", "/tmp", "--overwrite"], "/tmp is a folder"),
    (["csv", "-", "--opened-after", "yesterday"], "ISO 8601"),
]


@pytest.mark.parametrize(("args", "word"), MISTAKES)
def test_a_mistake_is_told_in_one_line(stocked: str, args: list[str], word: str) -> None:
    """A mistake ends in one line on stderr."""
    tell(stocked, "export", *args).refuses(2, word)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_reader_that_goes_away_is_no_accident(kind: str) -> None:
    """`hotbook export ... | head -1` ends in silence, also while there is much to write."""
    with server() as target, hotbook.connect(target) as book:
        book.save_many(
            closed(f"p{number}", orders=tuple(map(order, range(20)))) for number in range(2_000)
        )
        ended = subprocess.run(
            ["bash", "-c", f"{HOTBOOK} export {kind} - | head -1"],
            env=surroundings(HOTBOOK_TARGET=target),
            capture_output=True,
            timeout=60,
            check=True,
        )

    assert ended.stderr == b""
    assert ended.stdout.count(b"\n") == 1


def test_parquet_is_not_for_pipes(stocked: str) -> None:
    """A parquet file cannot be written front to back."""
    told = tell(stocked, "export", "parquet", "-")

    assert (told.code, told.out) == (2, "")
    assert "parquet needs a FILE" in told.err


def test_parquet_without_polars(stocked: str, tmp_path: Path) -> None:
    """Where polars is not installed, one line says what to install, and no file is made."""
    (tmp_path / "polars.py").write_text("raise ModuleNotFoundError('no', name='polars')")
    file = tmp_path / "file"
    first = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])

    told = tell(stocked, "export", "parquet", str(file), PYTHONPATH=first)

    told.refuses(1, "pip install 'hotbook[frames]'")
    assert not file.exists()
