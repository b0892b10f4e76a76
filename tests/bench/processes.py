"""The other processes of a workload: asked in lines of JSON, and seen from outside.

What shares a process shares its lock and its garbage collector. So whoever is not measured
together has a process of its own; what it is told to do it does at once, and says what it found.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

END_S = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Child:
    """A process of ours, by its standard input and output."""

    def __init__(self, module: str, process: subprocess.Popen[bytes]) -> None:
        self._module = module
        self._process = process
        self.pid = process.pid

    def tell(self, said: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(said) + b"\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} ended without an answer; its reason stands above")
        return msgspec.json.decode(line)

    def ask(self, said: object) -> Any:
        self.tell(said)
        return self.hear()


@contextlib.contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """Runs a module of this package. It ends itself when its standard input does."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            yield Child(module, process)
            process.stdin.close()
            process.wait(END_S)
        finally:
            process.terminate()


def asked() -> Iterator[Any]:
    """In the child: what it is told, until the parent has no more to say."""
    for line in sys.stdin.buffer:
        yield msgspec.json.decode(line)


def answer(found: object) -> None:
    """In the child: what it found."""
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    sys.stdout.buffer.flush()


def cpu_s(pid: int) -> float:
    """What a process has had of the processor so far, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
