"""docs/moving-in.md, run as it is written: a tree of the original, in, through compat, and out."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.legacy_tree import write_tree

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs/moving-in.md").read_text())
POSITIONS, PER_HOTKEY = 120, 40


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """As a user's, with the commands of this environment, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    own = {k: v for k, v in os.environ.items() if not k.startswith("HOTBOOK_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    where = {"HOTBOOK_LISTEN": address, "HOTBOOK_TARGET": address, "HOTBOOK_METRICS_LISTEN": "off"}
    return own | where | {"PATH": path, "PYTHONWARNINGS": "default"}


@pytest.fixture
def served(tmp_path: Path, env: dict[str, str]) -> Iterator[None]:
    """The server of the document's first block."""
    (command,) = [text for kind, text in BLOCKS if kind == "serve"]
    with subprocess.Popen(
        command.split(), cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert " listens on " in process.stdout.readline()
        yield
        process.terminate()


def run(kind: str, text: str, folder: Path, env: dict[str, str]) -> str:
    command = (
        [sys.executable, "-c", text]
        if kind == "python"
        else ["bash", "-euo", "pipefail", "-c", text]
    )
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.usefixtures("served")
def test_the_document_runs_as_it_is_written(tmp_path: Path, env: dict[str, str]) -> None:
    """Every block in order; each exits with 0, and what they show is what was in the tree."""
    made = write_tree(tmp_path / "validation", POSITIONS, PER_HOTKEY)
    before = {path: path.read_bytes() for path in files_in(tmp_path / "validation")}

    shown = [run(kind, text, tmp_path, env) for kind, text in BLOCKS if kind != "serve"]

    looked, again, checked, asked, split, out = shown
    assert re.search(rf"would be saved +{POSITIONS}", looked)
    assert re.search(rf"\nsaved +{POSITIONS}", looked)
    assert re.search(rf"there already +{POSITIONS}", again)
    assert "all is right" in checked
    hotkeys = sorted({one["miner_hotkey"] for one in made})
    opened = [
        sum(not p["is_closed_position"] for p in made if p["miner_hotkey"] == h) for h in hotkeys
    ]
    assert [line.split()[:2] for line in asked.splitlines()] == [
        [hotkey, str(count)] for hotkey, count in zip(hotkeys, opened, strict=True)
    ]
    assert "would split" in split
    assert out.count(f"{POSITIONS} positions") >= 3
    assert {path: path.read_bytes() for path in files_in(tmp_path / "validation")} == before
    names = [path.relative_to(tmp_path / "validation") for path in before]
    assert sorted(names) == sorted(
        path.relative_to(tmp_path / "exported") for path in files_in(tmp_path / "exported")
    )


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
