"""docs/replay.md and the help text are true: the example runs as printed, nothing is left out."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from hotbook_server.replay import Market, ReplayBook, ReplayReport, Step
from hotbook_server.replay.command import EXIT_PROBLEMS, EXIT_USAGE, main
from hotbook_server.replay.report import HotkeyResult, StrategyResult
from hotbook_server.replay.tape import COLUMNS, NAMED_MAX, PASSED_OVER
from tests.cli.test_cli import tell

GUIDE = (Path(__file__).parents[2] / "docs/replay.md").read_text()
SEEN = {"step": Step, "market": Market, "book": ReplayBook}
MEMBERS = [
    f"{name}.{member}" for name, kind in SEEN.items() for member in dir(kind) if member[0] != "_"
]
VARIES = re.compile(r"(?<= in )[0-9.]+(?= s)|[0-9,]+(?= a second)|(?<=digest )[0-9a-f]+")


def printed(language: str) -> str:
    """The guide's one block of that language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    (block,) = [text for marked, text in blocks if marked == language]
    return str(block)


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    """The tape and the strategy of the guide, word for word, by the command that stands there, end
    in the report that stands there; only pace and digest are left open."""
    (tmp_path / "tape.csv").write_text(printed("csv"))
    (tmp_path / "trend.py").write_text(printed("python"))
    command, *report = printed("").splitlines()
    assert command.startswith("$ hotbook replay ")
    told = tell("", *shlex.split(command)[2:], cwd=tmp_path)
    assert told.code == 0, told
    assert [line.rstrip() for line in VARIES.sub("...", told.out).splitlines()] == report
    assert told.err.startswith("refused: step 6, line 10: ")


@pytest.mark.parametrize("member", MEMBERS)
def test_all_that_a_strategy_is_given_is_documented(member: str) -> None:
    """Whatever Step, Market and ReplayBook offer has its place in the guide, with its arguments as
    they are."""
    name, _, attribute = member.partition(".")
    found = getattr(SEEN[name], attribute)
    if not inspect.isfunction(found):
        assert f"`{member}`" in GUIDE
        return
    assert f"`{called(member, found)}`" in GUIDE


def called(member: str, method: Callable[..., object]) -> str:
    """A method as the guide writes it: arguments and defaults, without types."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in inspect.signature(method).parameters.items()
        if name != "self"
    ]
    plain = str(inspect.Signature(parameters))
    return member + re.sub(r"<(ExitReason\.\w+): '\w+'>", r"\1", plain).replace("''", '""').replace(
        "'", '"'
    )


@pytest.mark.parametrize("attribute", ["asks", "refusals", "revision"])
def test_what_a_book_has_of_its_own_is_documented(attribute: str) -> None:
    """So are the attributes that each book is given when it is made."""
    assert f"self.{attribute}" in inspect.getsource(ReplayBook.__init__)
    assert f"`book.{attribute}`" in GUIDE


@pytest.mark.parametrize("kind", [ReplayReport, StrategyResult, HotkeyResult])
def test_every_field_of_the_report_is_documented(kind: type[msgspec.Struct]) -> None:
    """The guide names all that `-o json` gives."""
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in GUIDE, field.name


def test_every_column_of_a_tape_is_documented() -> None:
    """Each column has its row in the guide, and its place in the help text; so have the columns
    that are passed over, and the exit codes."""
    told = CliRunner().invoke(main, ["--help"]).output
    for column in COLUMNS:
        assert re.search(rf"^\| (`\w+`, )?`{column}`", GUIDE, re.MULTILINE), column
        assert column in told
    for column in PASSED_OVER:
        assert f"`{column}`" in GUIDE
        assert column in told
    assert f"the first {NAMED_MAX} are named" in GUIDE
    for code in (0, EXIT_USAGE, EXIT_PROBLEMS):
        assert f"\n| {code} | " in GUIDE
        assert re.search(rf"^ +{code}  ", told, re.MULTILINE)


def test_the_help_shows_how_an_order_is_asked_for() -> None:
    """Whoever reads no more than the help text writes a `place_order` that can be called."""
    told = CliRunner().invoke(main, ["--help"]).output
    (call,) = re.findall(r"book\.place_order\((.*?)\)\)", told)
    assert call == '"me", "BTCUSD", "LONG", leverage=Decimal("0.1"'
    assert list(inspect.signature(ReplayBook.place_order).parameters)[1:4] == [
        "hotkey", "trade_pair", "order"
    ]  # fmt: skip
