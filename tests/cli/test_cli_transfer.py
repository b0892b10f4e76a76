"""`hotbook import` and `hotbook export`, run as people and programs run them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hotbook
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, IMPATIENT, at_terminal, tell
from tests.legacy_tree import position, write, write_tree


@pytest.fixture
def empty() -> Iterator[str]:
    with server() as target:
        yield target


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tree(tmp_path / "validation", 40, per_hotkey=20)
    return tmp_path / "validation"


def test_there_and_back(empty: str, root: Path, tmp_path: Path) -> None:
    """Every command, one after the other: what comes in goes out, and each says what it did."""
    tree, file = tmp_path / "out", tmp_path / "out.json.gz"

    told = tell(empty, "import", "tree", str(root), cwd=tmp_path)
    assert (told.code, told.err) == (0, "")
    assert [line.split()[-1] for line in told.out.splitlines()[:2]] == ["40", "40"]
    assert tell(empty, "export", "tree", str(tree)) == (0, f"wrote {tree} (40 positions)\n", "")
    assert tell(empty, "export", "checkpoint", str(file)).out == f"wrote {file} (40 positions)\n"
    for what, path in (("tree", tree), ("checkpoint", file)):
        again = tell(empty, "import", what, str(path), "-o", "json", cwd=tmp_path)
        assert again.code == 0
        assert json.loads(again.out)["there_already"] == 40
    assert not list(tmp_path.glob("hotbook-rejects*"))


def test_export_says_it_in_json_too(empty: str, root: Path, tmp_path: Path) -> None:
    """A program gets the path and the count; filters count."""
    tell(empty, "import", "tree", str(root), cwd=tmp_path)
    hotkey = sorted((root / "miners").iterdir())[0].name

    told = tell(empty, "export", "tree", "--open", "-o", "json", str(tmp_path / "out"), hotkey)

    assert json.loads(told.out) == {"path": str(tmp_path / "out"), "positions": 8}


def test_faults_are_named_and_counted(empty: str, root: Path, tmp_path: Path) -> None:
    """The table has the counts, then at most twenty names of a kind; JSON has all. Exit code 8."""
    folder = write(root, position(1001)).parent
    for number in range(25):
        (folder / f"empty{number}").write_text("")
    write(root, position(1001, is_open=True, position_uuid="a"))
    write(root, position(1009, is_open=True, position_uuid="b"))

    told = tell(empty, "import", "tree", str(root), cwd=tmp_path)

    assert told.code == 8
    lines = told.out.splitlines()
    assert ["doubly", "open", "1"] in [line.split() for line in lines]
    assert ["empty", "25"] in [line.split() for line in lines]
    assert sum("it is empty" in line for line in lines) == 20
    assert "and 5 more; -o json names them all" in lines
    assert lines[-1] == "what could not be saved is in hotbook-rejects.jsonl"
    assert (tmp_path / "hotbook-rejects.jsonl").read_text().count("\n") == 1
    report = json.loads(tell(empty, "import", "tree", str(root), "-o", "json", cwd=tmp_path).out)
    assert (report["empty"], len(report["named"]), report["saved"]) == (25, 26, 0)
    assert report["rejects"] == "hotbook-rejects-2.jsonl"


@pytest.mark.parametrize(("flag", "code"), [("--strict", 4), ("--dry-run", 8)])
def test_nothing_is_written(empty: str, root: Path, tmp_path: Path, flag: str, code: int) -> None:
    """--strict refuses with 4, --dry-run tells all; the book stays empty, and no file is made."""
    write(root, position(1001)).write_text("")

    told = tell(empty, "import", "tree", str(root), flag, cwd=tmp_path)

    assert told.code == code
    assert "it is empty" in told.out
    assert ("nothing was written" in told.err) == (flag == "--strict")
    with hotbook.connect(empty) as book:
        assert book.status().positions == 0
    assert [path.name for path in tmp_path.iterdir()] == ["validation"]


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["import", "tree", "{}/nothing"], "no tree of positions"),
        (["import", "tree", "{}"], "no tree of positions"),
        (["import", "checkpoint", "{}/nothing"], "No such file"),
        (["import", "checkpoint", "{}"], "Is a directory"),
        (["export", "tree", "{}"], "no empty folder"),
        (["export", "checkpoint", "{}"], "is there already"),
        (["export", "checkpoint", "{}/new", "--like", "{}/nothing"], "nothing"),
        (["export", "checkpoint", "{}/no/such/folder"], "No such file"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    shared_target: str, tmp_path: Path, args: list[str], word: str
) -> None:
    """It ends with code 2, a line that names the path, and nothing done."""
    (tmp_path / "mine").write_text("mine")

    tell(shared_target, *(arg.format(tmp_path) for arg in args)).refuses(2, word, str(tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_server_that_is_not_there(root: Path) -> None:
    """It is told like everywhere else."""
    told = tell("127.0.0.1:1", "import", "tree", str(root), "--timeout-s=0.2")
    told.refuses(5, "is the server running?")


def test_progress_goes_to_the_terminal_alone(empty: str, root: Path) -> None:
    """The bar is on stderr; what is piped stays JSON."""
    command = [sys.executable, "-c", IMPATIENT, "import", "tree", str(root), "-o", "json"]
    code, seen, piped = at_terminal(empty, *command, stdout=subprocess.PIPE)

    assert code == 0
    assert "importing" in seen
    assert json.loads(piped)["saved"] == 40


def test_help_names_the_commands() -> None:
    """`hotbook --help` and the groups say what there is."""
    for group in ("import", "export"):
        ended = subprocess.run([HOTBOOK, group, "--help"], capture_output=True, check=True)
        assert b"tree" in ended.stdout
        assert b"checkpoint" in ended.stdout
