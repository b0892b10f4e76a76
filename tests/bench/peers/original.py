"""The original's way: a `multiprocessing` manager that holds pydantic positions.

hotkey -> uuid -> position is the truth, hotkey -> trade pair -> open position the index. Calls are
pickled over a local TCP socket, a thread in the server for each connection; as in the original,
without Nagle's delay. A save writes the position's JSON file, under `open` or `closed`, to a
temporary name first; there is no fsync, as there is none in the original. Left out, in the peer's
favour: the lock that the original takes around a save, its second parsing of the JSON, its logs.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
from collections.abc import Iterator, Sequence
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from hotbook import Position
from tests.bench.original_position import OriginalPosition, original_json

FILL_AT_ONCE = 1_000


def missing() -> str:
    return ""


class Positions:
    """Lives in the manager's process. The methods are named as the original's are."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._by_uuid: dict[str, dict[str, OriginalPosition]] = {}
        self._open: dict[str, dict[str, OriginalPosition]] = {}

    def load(self, texts: list[str]) -> None:
        """From JSON, as at a start: such positions are smaller when pickled than unpickled ones."""
        for text in texts:
            self._hold(OriginalPosition.model_validate_json(text))

    def get_open_position_for_trade_pair(
        self, hotkey: str, trade_pair_id: str
    ) -> OriginalPosition | None:
        return self._open.get(hotkey, {}).get(trade_pair_id)

    def get_position(self, hotkey: str, position_uuid: str) -> OriginalPosition | None:
        return self._by_uuid.get(hotkey, {}).get(position_uuid)

    def get_positions_for_hotkeys(self, hotkeys: list[str]) -> dict[str, list[OriginalPosition]]:
        """Closed ones by close time, then the open ones."""
        held = {hotkey: list(self._by_uuid.get(hotkey, {}).values()) for hotkey in hotkeys}
        for positions in held.values():
            positions.sort(key=lambda p: (p.close_ms is None, p.close_ms or 0))
        return held

    def save_miner_position(self, position: OriginalPosition) -> None:
        self._hold(position)
        folder = self._folder / position.miner_hotkey / str(position.trade_pair[0])
        state, other = ("closed", "open") if position.is_closed_position else ("open", "closed")
        (folder / state).mkdir(parents=True, exist_ok=True)
        file = folder / state / position.position_uuid
        fresh = file.with_suffix(".tmp")
        fresh.write_text(position.model_dump_json())
        fresh.replace(file)
        if position.is_closed_position:
            (folder / other / position.position_uuid).unlink(missing_ok=True)

    def _hold(self, position: OriginalPosition) -> None:
        hotkey, pair = position.miner_hotkey, str(position.trade_pair[0])
        self._by_uuid.setdefault(hotkey, {})[position.position_uuid] = position
        index = self._open.setdefault(hotkey, {})
        standing = index.get(pair)
        if not position.is_closed_position:
            index[pair] = position
        elif standing is not None and standing.position_uuid == position.position_uuid:
            del index[pair]


class _Manager(BaseManager):
    """Serves one `Positions`, which every proxy shares."""


_Manager.register("Positions", Positions)


class Original:
    """A client in the caller's process; each thread of it has a connection of its own."""

    def __init__(self, positions: Any, port: int) -> None:
        self.positions = positions
        self.port = port
        positions.get_position("", "")  # connects this thread
        _without_delay(positions._tls.connection.fileno())

    def fill(self, positions: Sequence[Position]) -> None:
        for start in range(0, len(positions), FILL_AT_ONCE):
            part = positions[start : start + FILL_AT_ONCE]
            self.positions.load([json.dumps(original_json(position)) for position in part])

    def open_position(self, hotkey: str, trade_pair: str) -> Any:
        return self.positions.get_open_position_for_trade_pair(hotkey, trade_pair)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Original]:
    context = multiprocessing.get_context("spawn")
    manager = _Manager(("127.0.0.1", 0), b"bench", ctx=context)
    manager.start(_listen_without_delay)
    try:
        address: Any = manager.address
        yield Original(manager.Positions(str(folder)), address[1])  # type: ignore[attr-defined]
    finally:
        manager.shutdown()


def _listen_without_delay() -> None:
    """In the manager's process, before it listens: what it accepts inherits the option."""
    made = socket.socket.__init__

    def init(self: socket.socket, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        if self.family == socket.AF_INET and self.type == socket.SOCK_STREAM:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    socket.socket.__init__ = init  # type: ignore[method-assign]


def _without_delay(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
