"""The documents are true: every call, command, setting and error code is in them, as it is."""

from __future__ import annotations

import ast
import inspect
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import hotbook
from hotbook.cli import operations, positions
from hotbook.cli.app import hotbook as command_line
from hotbook.testing import server
from hotbook_server.config import Settings
from hotbook_server.server import Server
from hotbook_shared.errors import ERRORS
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import STATUS_OF

ROOT = Path(__file__).parent.parent
API = (ROOT / "docs/api.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
README = (ROOT / "README.md").read_text()

RPCS = [m.name for service in pb.DESCRIPTOR.services_by_name.values() for m in service.methods]
COMMANDS = {**command_line.commands}
assert {operations.__name__, positions.__name__} <= set(sys.modules), "they register the commands"
METHODS = [
    name
    for name, _ in inspect.getmembers(hotbook.Client, inspect.isfunction)
    if not name.startswith("_")
]


@pytest.mark.parametrize("rpc", RPCS)
def test_every_rpc_is_documented(rpc: str) -> None:
    """Each rpc has its row in docs/api.md."""
    assert f"| `{rpc}` |" in API


@pytest.mark.parametrize("method", METHODS)
def test_every_client_method_is_documented(method: str) -> None:
    """Each public method of the client is in docs/api.md, and has a docstring."""
    assert re.search(rf"`{method}\(", API)
    if method != "close":
        assert getattr(hotbook.Client, method).__doc__


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_is_documented(code: str) -> None:
    """Each code is in docs/api.md, with its class and its status where it is raised itself."""
    error = ERRORS[code]
    assert f"`{code}`" in API
    assert f"`{error.__name__}`" in API
    if error in STATUS_OF:
        row = next(line for line in API.splitlines() if line.startswith(f"| `{code}` |"))
        assert f"| {STATUS_OF[error].name} |" in row
        assert ("| yes |" in row) == error.retryable


def raised_details() -> dict[str, set[str]]:
    """The names of the details with which each error is made, anywhere in the sources."""
    codes = {error.__name__: code for code, error in ERRORS.items()}
    found: dict[str, set[str]] = {}
    for package in ("client/hotbook", "server/hotbook_server", "shared/hotbook_shared"):
        for path in (ROOT / package).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
                    name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
                    given = {keyword.arg for keyword in call.keywords if keyword.arg}
                    found.setdefault(codes.get(name, ""), set()).update(given)
    return found


RAISED = raised_details()


@pytest.mark.parametrize("code", [code for code, error in ERRORS.items() if error in STATUS_OF])
def test_every_detail_of_an_error_is_documented(code: str) -> None:
    """The details of each code in docs/api.md are those that it is raised with, and no others."""
    row = next(line for line in API.splitlines() if line.startswith(f"| `{code}` |"))
    told = set(re.findall(r"`(\w+)`", row.split("|")[5])) - {"advance"}
    if code == "VERSION_CONFLICT":
        told.remove("position_uuid")  # it stands for whichever of two names
    assert told == RAISED.get(code, set())


def test_the_replies_without_a_revision_are_documented() -> None:
    """docs/api.md names them, each and no other."""
    (told,) = re.findall(r"Every reply that tells of the book .*?; those of (.*?) tell", API, re.S)
    without = {
        method.name
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if "revision" not in method.output_type.fields_by_name
    }
    assert set(re.findall(r"`(\w+)`", told)) == without


async def test_every_gauge_is_documented(settings: Settings) -> None:
    """Each gauge of the metrics page, those of a bound on closed positions too, is in
    docs/operations.md."""
    bounded = {"closed_in_memory_max": 10, "changes_kept_max": 50_000}
    running = Server(settings.model_copy(update=bounded))
    await running.start()
    try:
        for name in running.gauges():
            assert f"`hotbook_{name}`" in OPERATIONS
    finally:
        await running.stop()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    """Each command has its row in docs/operations.md, and a help text."""
    assert f"| `hotbook {name}" in OPERATIONS
    assert command_line.commands[name].help


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_as_it_is(name: str) -> None:
    """Each setting's row in docs/operations.md has its true default and description."""
    field = Settings.model_fields[name]
    assert f"| `{name}` | `{field.default}` | {field.description} |" in OPERATIONS


def test_the_public_names_are_sorted_and_there() -> None:
    """`hotbook.__all__` is the public surface: sorted, complete, without a stray."""
    assert list(hotbook.__all__) == sorted(hotbook.__all__)
    for name in hotbook.__all__:
        assert hasattr(hotbook, name)


def test_relative_links_lead_somewhere() -> None:
    """No document points at a file that is not there."""
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_readme_example_runs_as_printed() -> None:
    """The example of the README, word for word, against a server on the default port."""
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    assert len(example[1].strip().splitlines()) <= 10
    with socket.socket() as probe:  # somebody's own server is not ours to write to
        probe.bind(("127.0.0.1", 50700))

    with server(listen="127.0.0.1:50700"):
        done = subprocess.run(
            [sys.executable, "-c", example[1]], capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, done.stderr
    assert "Position(hotkey='5EUTaAo7'" in done.stdout


def test_the_readme_opens_as_promised() -> None:
    """One sentence, then the two commands of a new user, before anything else."""
    lines = [line for line in README.splitlines() if line.strip()]
    assert lines[0] == "# hotbook"
    assert lines[1].startswith("*")
    assert lines[3].startswith("scripts/serve")
    assert lines[4].startswith("scripts/test")
