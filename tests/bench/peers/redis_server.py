"""Redis: a hash for each hotkey with a JSON text for each position, and the open index by hand.

`positions:HOTKEY` has uuid -> JSON; `open:HOTKEY` has trade pair -> the same JSON, so that an open
position is one call. A save is one transaction over both, in one round trip. The server listens on
a unix socket, which is its fastest way, and appends to its file by `appendfsync`: `always` is as
safe as hotbook's fsync, `everysec` may lose a second.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hotbook import Position
from tests.bench.peers.peer import SETUP, Save, from_json, to_json

if TYPE_CHECKING:
    import redis

FILL_AT_ONCE = 1_000


def missing() -> str:
    if not shutil.which("redis-server"):
        return f"redis-server is not installed; {SETUP}"
    if not (importlib.util.find_spec("redis") and importlib.util.find_spec("hiredis")):
        return f"Redis' Python client is not installed; {SETUP}"
    return ""


def program() -> Path:
    return Path(shutil.which("redis-server") or "redis-server")


class Redis:
    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client

    def fill(self, positions: Sequence[Position]) -> None:
        for start in range(0, len(positions), FILL_AT_ONCE):
            pipeline = self._client.pipeline(transaction=False)
            for position in positions[start : start + FILL_AT_ONCE]:
                _put(pipeline, position)
            pipeline.execute()

    def open_position(self, hotkey: str, trade_pair: str) -> Position | None:
        text = self._client.hget(f"open:{hotkey}", trade_pair)
        return None if text is None else from_json(text)

    def saver(self) -> Save:
        """The client keeps a connection for each thread that is in a call."""

        def save(position: Position) -> None:
            pipeline = self._client.pipeline(transaction=True)
            _put(pipeline, position)
            pipeline.execute()

        return save

    def put_plain(self, positions: Sequence[Position]) -> None:
        """One pipeline of plain HSETs: nothing is checked, versioned or indexed."""
        pipeline = self._client.pipeline(transaction=False)
        for position in positions:
            pipeline.hset(f"positions:{position.hotkey}", position.position_uuid, to_json(position))
        pipeline.execute()

    def put_key(self, key: str, position: Position) -> None:
        self._client.set(key, to_json(position))

    def get_key(self, key: str) -> Position:
        """The plainest read there is: one GET of one key, and its value decoded."""
        return from_json(self._client.get(key))


def _put(pipeline: Any, position: Position) -> None:
    text = to_json(position)
    pipeline.hset(f"positions:{position.hotkey}", position.position_uuid, text)
    if position.is_open:
        pipeline.hset(f"open:{position.hotkey}", position.trade_pair, text)
    else:
        pipeline.hdel(f"open:{position.hotkey}", position.trade_pair)


@contextlib.contextmanager
def running(folder: Path, appendfsync: str) -> Iterator[Redis]:
    import redis

    path = folder / "redis.sock"
    command = [str(program()), "--port", "0", "--unixsocket", str(path), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", appendfsync]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            _until_ready(process)
            with redis.Redis(unix_socket_path=str(path)) as client:
                yield Redis(client)
        finally:
            process.terminate()


def _until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "ready to accept connections" in line.lower():
            return
    raise RuntimeError(f"redis-server did not start: {''.join(said)}")
