"""The scripts for schedulers: they ask nothing, and stop at the first step that fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import hotbook
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, Told, surroundings, tell
from tests.cli.test_cli_operations import holding_three, spoil

OPS = Path(__file__).parents[2] / "scripts" / "ops"


def run(target: str, script: str, *args: str | Path) -> Told:
    """Runs a script as a scheduler does: somewhere else, with nothing on standard input."""
    ended = subprocess.run(
        [OPS / script, *args],
        cwd="/",
        env=surroundings(
            PATH=f"{HOTBOOK.parent}:{os.environ['PATH']}",
            HOTBOOK_TARGET=target,
            HOTBOOK_TIMEOUT_S="20" if target != NOBODY else "0.2",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Told(ended.returncode, ended.stdout, ended.stderr)


NOBODY = "127.0.0.1:1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def kept(data: Path) -> Iterator[str]:
    """A server on disk with three positions: a and b of "hk", c of "other"."""
    with holding_three(data) as target:
        yield target


def uuids(target: str) -> set[str]:
    with hotbook.connect(target, timeout_s=10) as book:
        return {found.position_uuid for found in book.book()}


def test_clear(kept: str, tmp_path: Path) -> None:
    """Clear verifies, makes a new backup of all, removes what it names alone, verifies again, and
    exits with 0."""
    backups = tmp_path / "made" / "backups"

    for whom, removed, left in (("hk", 2, {"c"}), ("--all", 1, set[str]())):
        told = run(kept, "clear", whom, backups)
        assert told.code == 0, told.err
        assert uuids(kept) == left
        sound, wrote, cleared, verified = told.out.splitlines()
        assert sound.startswith("all is right: ")
        assert wrote.startswith(f"wrote {backups}/before-clear-")
        assert cleared == f"removed {removed} position{'s' * (removed > 1)}"
        assert verified.startswith("all is right: ")

    first, second = sorted(backups.iterdir())
    assert held_by(first, tmp_path / "first") == {"a", "b", "c"}
    assert held_by(second, tmp_path / "second") == {"c"}


def held_by(backup: Path, folder: Path) -> set[str]:
    """What a backup holds, by restoring it."""
    assert tell("", "restore", str(backup), "--data-dir", str(folder)).code == 0
    with server(durability="fsync", data_dir=folder) as target:
        return uuids(target)


def test_clear_without_a_backup_clears_nothing(kept: str, tmp_path: Path) -> None:
    """Where the backup cannot be written nothing is removed, and the exit code is not 0."""
    (tmp_path / "a-file").touch()

    told = run(kept, "clear", "--all", tmp_path / "a-file")

    assert told.code != 0
    assert "removed" not in told.out
    assert uuids(kept) == {"a", "b", "c"}


def test_clear_of_a_book_in_memory(tmp_path: Path) -> None:
    """A book that cannot be backed up is not cleared: the refusal is 4."""
    with server() as target:
        told = run(target, "clear", "--all", tmp_path)

    assert told.code == 4
    assert "no store to back up" in told.err


@pytest.mark.parametrize("script", ["clear", "reload"])
def test_no_server(tmp_path: Path, script: str) -> None:
    """Without a server a script ends with 5, says so once, and leaves no file behind."""
    args: list[str | Path] = ["--all", tmp_path] if script == "clear" else []

    run(NOBODY, script, *args).refuses(5, NOBODY, "is the server running?")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "args", [["clear"], ["clear", "hk"], ["clear", "a", "b", "c"], ["reload", "x"]]
)
def test_wrong_usage(args: list[str]) -> None:
    """Wrong arguments exit with 2 and tell how the script is meant, before anything is asked."""
    told = run(NOBODY, *args)

    assert (told.code, told.out) == (2, "")
    assert f"scripts/ops/{args[0]}" in told.err
    assert "#" not in told.err
    assert "set -e" not in told.err


def test_reload(kept: str) -> None:
    """Reload of a sound book says so, verifies, and exits with 0; the book is as it was."""
    told = run(kept, "reload")

    assert (told.code, told.err) == (0, "")
    loaded, verified = told.out.splitlines()
    assert loaded.startswith("memory and disk were the same: 3 positions")
    assert verified.startswith("all is right: 3 positions")
    assert uuids(kept) == {"a", "b", "c"}


def test_reload_tells_of_damage(kept: str, data: Path) -> None:
    """A scheduler sees that a damaged position was set aside: the exit code is 8."""
    spoil(data)

    told = run(kept, "reload")

    assert "1 damaged row set aside" in told.out
    assert uuids(kept) == {"b", "c"}
    assert told.code == 8


@pytest.mark.parametrize("whom", ["other", "--all"])
def test_a_damaged_book_is_not_cleared(kept: str, data: Path, tmp_path: Path, whom: str) -> None:
    """What verify finds ends it with 8, before a backup nobody could restore: nothing goes."""
    spoil(data)

    told = run(kept, "clear", whom, tmp_path / "b")

    assert told.code == 8
    assert told.out.splitlines()[-1].startswith("1 problem: ")
    assert uuids(kept) == {"a", "b", "c"}
    assert not (tmp_path / "b").exists()
