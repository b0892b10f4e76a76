"""Starting with a large book: against reading one JSON file a position with pydantic; and memory.

The peer is how positions are kept today: a file each, parsed into a pydantic model. It reads a
sample of the same positions, from a warm page cache; its time a position does not depend on how
many there are, so the comparison is by position.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from hotbook_server.config import load_settings
from hotbook_server.server import Server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import position_from_wire
from tests.bench import data
from tests.bench.figures import Figure, Rounds, counted, measured, ratios
from tests.bench.original_position import OriginalPosition, original_json
from tests.bench.processes import resident_bytes
from tests.bench.rig import fill


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    positions: int = 1_000_000
    files: int = 20_000


def measure(scale: Scale) -> list[Figure]:
    records = data.records(scale.positions, per_hotkey=100)
    wire_bytes = sum(len(record.wire) for record in records)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as files:
        fill(Path(folder), records)
        _write_files(Path(files), records[: scale.files])
        del records
        found = Rounds(scale.rounds, ("start", "peer", "away"))
        for side in found:
            if side == "peer":
                found.add("peer", in_a_process("peer", files)[0] / scale.files)
                continue
            seconds, resident = in_a_process(side, folder)
            found.add(side, seconds / scale.positions)
            found.add(f"{side} memory", resident / scale.positions)
    starts, gains = found["start"], ratios(found["peer"], found["start"])
    beyond = [each - wire_bytes / scale.positions for each in found["start memory"]]
    million = f"start with {scale.positions:,} positions"
    return [
        measured(million, starts, "s", factor=scale.positions),
        measured("start, a position", starts, "us", factor=1e6),
        measured("JSON file and pydantic, a position", found["peer"], "us", factor=1e6),
        measured("start against JSON files", gains, "x", at_least=15),
        counted("wire bytes, a position", wire_bytes / scale.positions, "B"),
        measured("memory beyond the wire bytes, a position", beyond, "B", at_most=1024),
        measured("memory, a position", found["start memory"], "B"),
        measured("memory with closed positions on disk alone", found["away memory"], "B"),
        measured("start with closed positions on disk alone, against all in memory",
                 ratios(found["away"], starts), "x"),
    ]  # fmt: skip


def in_a_process(what: str, folder: str) -> tuple[float, float]:
    """Runs one side in a fresh process. Returns its seconds, and the bytes it came to hold."""
    command = [sys.executable, "-m", "tests.bench.load", what, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, resident = done.stdout.split()
    return float(seconds), float(resident)


async def _load(folder: str, **bound: Any) -> None:
    settings = load_settings(
        data_dir=folder,
        listen="127.0.0.1:0",
        metrics_listen="off",
        web_listen="off",
        log_level="error",
        **bound,
    )
    before = resident_bytes(os.getpid())
    server = Server(settings)
    started = time.perf_counter()
    await server.start()
    seconds = time.perf_counter() - started
    gc.collect()
    print(seconds, resident_bytes(os.getpid()) - before)
    server.tell_to_stop()
    await asyncio.gather(server.wait(), server.stop())


def _peer(folder: str) -> None:
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    for file in files:
        file.read_bytes()  # the page cache is warm for the peer, as it is for the store
    started = time.perf_counter()
    book: dict[str, dict[str, OriginalPosition]] = {}
    for file in files:
        parsed = OriginalPosition.model_validate_json(file.read_bytes())
        book.setdefault(parsed.miner_hotkey, {})[parsed.position_uuid] = parsed
    print(time.perf_counter() - started, 0)


def _write_files(folder: Path, records: list[Record]) -> None:
    for record in records:
        position = position_from_wire(pb.Position.FromString(record.wire))
        text = json.dumps(original_json(position))
        (folder / position.position_uuid).write_text(text)


if __name__ == "__main__":
    if sys.argv[1] == "start":
        uvloop.run(_load(sys.argv[2]))
    elif sys.argv[1] == "away":
        uvloop.run(_load(sys.argv[2], closed_in_memory_max=0))
    else:
        _peer(sys.argv[2])
