"""`hotbook diff`: what it tells, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook.testing import server
from tests.cli.test_cli import tell
from tests.make import closed, order, position

SUMMARY = "1 only in A, 1 only in B, 1 in both and different; A holds 3, B 3"


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two servers: one position is the same, one differs, one more stands in each."""
    folder = tmp_path_factory.mktemp("served")
    with server(durability="relaxed", data_dir=folder) as a, server() as b:
        for target, price, uuid in ((a, "100", "left"), (b, "101.0", "right")):
            with hotbook.connect(target) as book:
                book.save(closed("same"))
                book.save(position("p1", orders=(order(), order(1, price=Decimal(price)))))
                book.save(position(uuid, trade_pair="ETHUSD", orders=(order(),) * 2))
        yield a, b


def test_what_differs_has_a_row(targets: tuple[str, str]) -> None:
    """Each position that differs, with the path of each field and both values; exit code 8."""
    told = tell("", "diff", *targets)

    assert (told.code, told.err) == (8, "")
    lines = [line.split() for line in told.out.splitlines()]
    assert lines == [
        ["hotkey", "pair", "uuid", "field", "A", "B"],
        ["only", "in", "A", "hk", "ETHUSD", "left"],
        ["differs", "hk", "BTCUSD", "p1", "orders[1].price", "100", "101.0"],
        ["only", "in", "B", "hk", "ETHUSD", "right"],
        SUMMARY.split(),
    ]


def test_as_json(targets: tuple[str, str]) -> None:
    """`-o json` says the same to programs, with numbers as exact texts."""
    told = tell("", "diff", *targets, "-o", "json", "--limit", "2")

    found = json.loads(told.out)
    assert (told.code, found["same"], found["differing"]) == (8, False, 1)
    assert [one["position_uuid"] for one in found["told"]] == ["left", "p1"]
    assert found["told"][1]["fields"] == [{"path": "orders[1].price", "a": "100", "b": "101.0"}]


def test_the_same(targets: tuple[str, str], tmp_path: Path) -> None:
    """A server and its backup: exit code 0, and one line."""
    target, file = targets[0], tmp_path / "backup"
    assert tell(target, "backup", str(file)).code == 0

    assert tell("", "diff", target, f"backup:{file}") == (0, "the same: 3 positions\n", "")


def test_filters(targets: tuple[str, str]) -> None:
    """--hotkey, --open and --limit are in force."""
    assert tell("", "diff", *targets, "--hotkey", "nobody").code == 0
    limited = tell("", "diff", *targets, "--open", "--limit=1")
    assert limited.code == 8
    assert "left" in limited.out
    assert "and 2 more: --limit tells them" in limited.out
    assert "A holds 2, B 2" in limited.out


def test_long_values_are_cut_for_people(targets: tuple[str, str], tmp_path: Path) -> None:
    """Ten fields of a position are shown, and of a value its beginning; the JSON has all."""
    made = position("p1", extra={f"key{number}": "x" * 100 for number in range(12)})
    with server() as target, hotbook.connect(target) as book:
        book.save(made)
        told = tell("", "diff", targets[0], target)
        whole = tell("", "diff", targets[0], target, "-o", "json")

    assert "x" * 59 + "…" in told.out
    assert "x" * 60 not in told.out
    assert "3 more fields" in told.out
    assert "x" * 100 in whole.out


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A damaged file is named with its tree, and the exit code says that something is wrong."""
    for name, text in (("a", "{}"), ("b", "{]")):
        file = tmp_path / name / "miners/hk/positions/BTCUSD/open/p1"
        file.parent.mkdir(parents=True)
        file.write_text(text)

    told = tell("", "diff", str(tmp_path / "a"), str(tmp_path / "b"))

    assert told.code == 8
    assert "cannot be read in B: miners/hk/positions/BTCUSD/open/p1: " in told.out


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["/no/such", "127.0.0.1:1"], 2, "/no/such is neither HOST:PORT nor a file or folder"),
        (["server:x", "127.0.0.1:1"], 2, "HOST:PORT"),
        (["127.0.0.1:1", "127.0.0.1:1", "--timeout-s=0.2"], 5, "is the server running?"),
    ],
)
def test_a_mistake_is_told_in_one_line(args: list[str], code: int, word: str) -> None:
    """What is no copy of a book, and a server that does not answer, end in one line."""
    tell("", "diff", *args).refuses(code, word)


def test_wrong_usage() -> None:
    """Two names are wanted."""
    told = tell("", "diff", "one")

    assert (told.code, told.out) == (2, "")
    assert "Missing argument 'B'" in told.err
