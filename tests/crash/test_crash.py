"""The server process is killed, at every named step of its write path and at any moment."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import hotbook
from hotbook import HotbookError, Position, Saved
from tests.make import closed, content

STEPS = ("decided", "journal begun", "journal written", "journaled", "applied", "answered")
WRITERS = 4


@contextlib.contextmanager
def dying_server(
    step: str, count: int, folder: Path, *settings: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    flags = [
        f"data_dir={folder}",
        "listen=127.0.0.1:0",
        "metrics_listen=off",
        "web_listen=off",
        "log_level=error",
    ]
    flags += settings
    command = [sys.executable, "-m", "tests.crash.dying_server", step, str(count), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


class Writer(threading.Thread):
    """Saves one position after the other, new and changed, until the server is gone."""

    def __init__(self, target: str, name: str) -> None:
        super().__init__()
        self.target = target
        self.hotkey = name
        self.acknowledged: dict[str, tuple[Position, Saved]] = {}
        self.unknown: list[Position] = []

    def run(self) -> None:
        with hotbook.connect(self.target) as book:
            for number in range(100_000):
                made = closed(
                    f"{self.hotkey}-{number % 40}",
                    hotkey=self.hotkey,
                    signal_id=f"save-{number}",
                )
                try:
                    saved = book.save(made, timeout_s=1)
                except HotbookError:
                    self.unknown.append(made)
                    return
                self.acknowledged[made.position_uuid] = made, saved


def write_until_death(target: str, process: subprocess.Popen[str], life: int = 0) -> list[Writer]:
    writers = [Writer(target, f"hk{life}-{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    process.wait(timeout=60)
    for writer in writers:
        writer.join(timeout=60)
    return writers


def check_nothing_was_lost(target: str, writers: list[Writer]) -> None:
    """Acknowledged means present, as it was; unknown means absent or whole; the book is right."""
    with hotbook.connect(target) as book:
        assert book.verify().ok
        assert book.status().quarantined == 0
        for writer in writers:
            stands = {p.position_uuid: p for p in book.positions(writer.hotkey)}
            unknown = {p.position_uuid: p for p in writer.unknown}
            for uuid, (made, saved) in writer.acknowledged.items():
                found = stands.pop(uuid)
                if uuid in unknown and content(found) == unknown[uuid]:
                    assert found.version == saved.version + 1
                else:
                    assert content(found) == made
                    assert (found.version, found.revision) == (saved.version, saved.revision)
            for uuid, found in stands.items():
                assert content(found) == unknown[uuid]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(step: str, tmp_path: Path) -> None:
    """Whatever step the process dies at: acked means present, unacked means absent or whole."""
    with dying_server(step, 25, tmp_path) as (target, process):
        writers = write_until_death(target, process)
        assert process.returncode == -signal.SIGKILL
    assert any(writer.acknowledged for writer in writers)

    with dying_server("never", 0, tmp_path) as (target, _):
        check_nothing_was_lost(target, writers)


@pytest.mark.parametrize("bound", ["", "5"])
def test_killed_at_any_moment_again_and_again(tmp_path: Path, bound: str) -> None:
    """Ten kills, each at a random moment of full load: nothing acknowledged is ever lost, wherever
    the bytes of closed positions are."""
    closed_in_memory_max = f"closed_in_memory_max={bound}"
    chance = random.Random(20)
    writers: list[Writer] = []
    for life in range(10):
        with dying_server("never", 0, tmp_path, closed_in_memory_max) as (target, process):
            check_nothing_was_lost(target, writers)
            timer = threading.Timer(chance.uniform(0.1, 0.8), process.kill)
            timer.start()
            writers += write_until_death(target, process, life)
            timer.join()

    with dying_server("never", 0, tmp_path) as (target, _):
        check_nothing_was_lost(target, writers)
