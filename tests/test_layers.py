"""The shape of the house: imports go one way, files and functions stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "hotbook_shared": ROOT / "shared/hotbook_shared",
    "hotbook_server": ROOT / "server/hotbook_server",
    "hotbook": ROOT / "client/hotbook",
}
MAY_IMPORT = {
    "hotbook_shared": {"hotbook_shared"},
    "hotbook_server": {"hotbook_server", "hotbook_shared"},
    "hotbook": {"hotbook", "hotbook_shared"},
}

# From the ground up: a file may import from its own floor's package and from the floors below.
FLOORS = {
    "hotbook_shared": (
        ("__init__", "pb"),
        ("errors", "bar", "address", "disk"),
        ("money", "names", "sealed"),
        ("model",),
        ("market",),
        ("campaign", "feed", "volume"),
        ("pairs", "fills", "splitting", "sendable"),
        ("wire", "status", "record", "digest"),
        ("campaign_wire",),
        ("answers", "book"),
        ("following",),
    ),
    "hotbook_server": (
        ("__init__", "clock", "config", "commands", "frames", "logs", "lru", "telemetry"),
        ("journal",),
        ("archive",),
        ("rules",),
        ("requests", "restore", "statistics"),
        ("intake", "draft", "feed", "market", "alerts"),
        ("keeper", "live_part"),
        ("engine", "following", "live"),
        ("splitter",),
        ("rpc",),
        ("web",),
        ("server",),
        ("serve", "replay"),
        ("__main__",),
    ),
    "hotbook": (
        ("_connection",),
        ("_transport", "_aio_transport"),
        ("_calls", "_backup"),
        ("_order_calls", "_feed_calls", "_procedures", "_pipeline", "_aio_pipeline"),
        ("_campaign_calls", "_market_calls"),
        ("_face", "_aio_face"),
        ("_order_methods", "_aio_order_methods", "_feed_methods", "_aio_feed_methods"),
        ("_campaign_methods", "_aio_campaign_methods", "_market_methods", "_aio_market_methods"),
        ("_client", "_aio_client", "_view", "_pace"),
        ("_reads",),
        ("_feeding", "_aio_feeding"),
        ("_replica", "_aio_replica"),
        ("__init__", "aio"),
        ("testing", "compat", "frames", "transfer"),
        ("cli",),
    ),
}
OURS = set(FOLDERS)


def sources(package: str) -> list[Path]:
    return [p for p in FOLDERS[package].rglob("*.py") if "pb" not in p.parent.parts[-1:]]


ALL = [(package, path) for package in FOLDERS for path in sources(package)]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def noun(package: str, module: str) -> str:
    """The file or folder of a package that a module belongs to."""
    parts = module.split(".")
    known = {name for floor in FLOORS[package] for name in floor}
    return parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


def floor_of(package: str, name: str) -> int:
    return next(n for n, floor in enumerate(FLOORS[package]) if name in floor)


@pytest.mark.parametrize(("package", "path"), ALL, ids=lambda value: getattr(value, "name", value))
def test_imports_go_down_only(package: str, path: Path) -> None:
    """server -> shared <- client; and inside a package, only to the same floor or a lower one."""
    relative = path.relative_to(FOLDERS[package]).with_suffix("")
    here = floor_of(package, relative.parts[0])
    for module in imports(path):
        top = module.split(".")[0]
        if top not in OURS:
            continue
        assert top in MAY_IMPORT[package], f"{path} imports {module}"
        if top == package:
            there = floor_of(package, noun(package, module))
            assert there <= here or noun(package, module) == "__init__", f"{path} imports {module}"


@pytest.mark.parametrize(("package", "path"), ALL, ids=lambda value: getattr(value, "name", value))
def test_nothing_reads_code_off_the_wire_or_the_disk(package: str, path: Path) -> None:
    """No pickle and no relatives of it, no eval: bytes from elsewhere are only ever data."""
    banned = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    assert not banned & {module.split(".")[0] for module in imports(path)}
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {"eval", "exec"} & calls


@pytest.mark.parametrize(("package", "path"), ALL, ids=lambda value: getattr(value, "name", value))
def test_files_and_functions_stay_small(package: str, path: Path) -> None:
    """A file over 600 lines or a function over 60 has a seam to be cut at."""
    text = path.read_text()
    assert text.count("\n") <= 600
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= 60, f"{path}: {node.name} has {length} lines"


def test_every_package_folder_is_on_a_floor() -> None:
    """A new file takes its place on a floor; an old name does not stay behind."""
    for package, folder in FOLDERS.items():
        stands = {
            p.stem
            for p in folder.iterdir()
            if p.suffix == ".py" or (p.is_dir() and p.name != "__pycache__")
        }
        assert stands == {name for floor in FLOORS[package] for name in floor}
