"""`hotbook replay`: strategies by name, a report for people and for programs, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from hotbook import Position
from hotbook_server.replay import Replay
from hotbook_server.replay.command import main, strategies_of
from tests.cli.test_cli import tell
from tests.replay.tapes import order, walk, write_csv

MINE = """
class Once:
    def __init__(self, name):
        self.name = name

    def on_step(self, step, market, book):
        if step.number == 30:
            from decimal import Decimal
            from hotbook_shared.model import Side
            for pair in market.trade_pairs:
                book.place_order(self.name, pair, Side.LONG, leverage=Decimal("0.1"))

class Raises(Once):
    def on_step(self, step, market, book):
        raise ValueError("on purpose")

class Hangs(Once):
    def on_step(self, step, market, book):
        import threading
        threading.Event().wait()

def nothing(name):
    return None

def broken(name):
    raise ValueError("no " + name)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of bars, in a folder with a strategy of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("mine_of_test.py").write_text(MINE)
    return write_csv(tmp_path / "bars.csv", walk(60))


def replay(*args: str | Path, code: int = 0) -> tuple[str, str]:
    """What the command says, on stdout and on stderr."""
    told = CliRunner().invoke(main, [str(arg) for arg in args])
    assert told.exit_code == code, (told.output, told.exception)
    return told.stdout, told.stderr


def report(*args: str | Path, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(replay(*args, "-o", "json", code=code)[0])
    return found


def test_the_same_report_each_time(file: Path) -> None:
    """Through the command line itself, eight strategies on one thread and on eight: the same but
    for the seconds."""
    ends = []
    more = [word for name in "uvwxyz" for word in ("-s", f"{name}=mine_of_test:Once")]
    for threads in ("1", "8"):
        told = tell("", "replay", str(file), "-s", "breakout", "-s", "me=mine_of_test:Once",
                    *more, "--threads", threads, "-o", "json")  # fmt: skip
        assert told.code == 0, told.err
        found = json.loads(told.out)
        assert found.pop("seconds") > 0
        ends.append(found)
    assert ends[0] == ends[1]
    assert [one["name"] for one in ends[0]["strategies"]] == ["breakout", "me", *"uvwxyz"]
    assert (ends[0]["steps"], ends[0]["orders"]) == (60, 6)
    assert next(one for one in ends[0]["hotkeys"] if one["hotkey"] == "me")["positions"] == 5


def test_what_people_are_told(file: Path) -> None:
    """A table for each of strategies and hotkeys, the digest, and refusals in words."""
    write_csv(file, [*walk(60), order("NEVER", 3, "LONG")])
    out, err = replay(file, "-s", "me=mine_of_test:Once", "--threads", "2")
    found = report(file, "-s", "me=mine_of_test:Once")
    assert f"revision {found['revision']}, digest {found['digest']}" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["me", "60", "5", "5", "0"] in lines
    assert ["steps", "60"] in [line[:2] for line in lines]
    assert ["me", "5", "5", "0", "0", "0.00000000", "1.00000000"] in lines
    assert "refused: step 4, line " in err


def test_positions_are_saved(file: Path) -> None:
    """--save writes the positions of the end, as `hotbook save` reads them; over no other file,
    and where it cannot the report is told all the same."""
    found = report(file, "-s", "mine_of_test:Once", "--save", "end.jsonl")
    saved = [
        msgspec.json.decode(line, type=Position)
        for line in Path("end.jsonl").read_bytes().splitlines()
    ]
    assert len(saved) == found["positions"] > 5
    assert sum(position.is_open for position in saved) == found["open"]
    assert {position.hotkey for position in saved} == {"miner", "mine_of_test:Once"}
    out, err = replay(file, "--save", "end.jsonl", code=2)
    assert "end.jsonl" in err
    assert "revision" in out


def test_a_strategy_that_fails_is_told(file: Path) -> None:
    """The replay goes on to its end without it, and the exit code says that something was wrong."""
    found = report(file, "-s", "mine_of_test:Raises", "-s", "breakout", code=8)
    raised = found["strategies"][1]
    assert raised["ended"].startswith("raised at step 1: ValueError: on purpose (")
    assert found["strategies"][0]["steps"] == 60


def test_a_strategy_that_never_comes_back(file: Path) -> None:
    """It is left out, and named; its thread does not keep the process from ending."""
    told = tell("", "replay", str(file), "-s", "mine_of_test:Hangs", "-s", "breakout",
                "--step-timeout-s", "0.3", "-o", "json")  # fmt: skip
    assert told.code == 8, told.err
    stayed, hung = json.loads(told.out)["strategies"]
    assert hung["ended"] == "took longer than 0.3 s at step 1: left out"
    assert (stayed["name"], stayed["steps"], stayed["ended"]) == ("breakout", 60, "")


@pytest.mark.parametrize(
    ("specs", "problem"),
    [
        (["nobody"], "'nobody' is no strategy: write MODULE:FACTORY, or fakeout or breakout"),
        (["no_such_module:x"], "no_such_module cannot be imported: "),
        (["mine_of_test:Twice"], "mine_of_test has no Twice"),
        (["mine_of_test:nothing"], "mine_of_test:nothing('mine_of_test:nothing') made None"),
        (["a=mine_of_test:broken"], "mine_of_test:broken('a') raised ValueError: no a"),
        (["breakout", "breakout"], "two strategies are called breakout: write --strategy NAME="),
        (["my own=breakout"], "the name of a strategy must be printable and without white space"),
    ],
)
def test_strategies_that_cannot_take_part(file: Path, specs: list[str], problem: str) -> None:
    """A strategy that cannot be found or made is named, with the reason, before anything runs."""
    _, err = replay(file, *(word for spec in specs for word in ("-s", spec)), code=2)
    assert err.startswith(f"hotbook: {problem}")


def test_one_example_twice() -> None:
    """Under two names the same factory makes two strategies."""
    assert list(strategies_of(["a=breakout", "b=breakout"])) == ["a", "b"]


def test_bad_files_are_told(file: Path) -> None:
    """Each bad row is a line on stderr, and the exit code is that of bad input."""
    file.write_text("trade_pair,time,close\nA,1,x\nA,2,1\nA,never,1\n")
    out, err = replay(file, code=2)
    assert out == ""
    assert [line.split(": ")[2] for line in err.splitlines()] == ["line 2", "line 4"]
    _, err = replay(file.with_name("none.csv"), code=2)
    assert "none.csv: cannot be read" in err


def test_settings_are_those_of_the_server(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits come from hotbook.toml and variables; what a replay cannot have is left aside."""
    free = report(file, "-s", "breakout")
    monkeypatch.setenv("HOTBOOK_PORTFOLIO_LEVERAGE_MAX", "0.05")
    Path("hotbook.toml").write_text("volume_window = 5\nclosed_in_memory_max = 10\n")
    bound = report(file, "-s", "breakout")
    assert bound["strategies"][0]["refused"].get("PORTFOLIO_LEVERAGE_EXCEEDED", 0) > 0
    assert free["strategies"][0]["refused"] == {}
    monkeypatch.setenv("HOTBOOK_VOLUME_WINDOW", "none")
    _, err = replay(file, code=2)
    assert "volume_window" in err


def test_progress_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar hears of every step."""
    heard: list[tuple[int, int]] = []
    real = Replay.run
    monkeypatch.setattr(Replay, "run", lambda self, bar: real(self, lambda *at: heard.append(at)))
    replay(file)
    assert heard == [(number, 60) for number in range(1, 61)]
