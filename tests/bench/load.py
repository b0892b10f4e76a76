"""Starting with a large book: against reading one JSON file a position with pydantic; and memory.

The peer is how positions are kept today: a file each, parsed into a pydantic model. It reads a
sample of the same positions, from a warm page cache; its time a position does not depend on how
many there are, so the comparison is by position.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop
from pydantic import BaseModel

from hotbook_server.config import load_settings
from hotbook_server.server import Server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import position_from_wire
from tests.bench import data
from tests.bench.rig import Figure, fill, median


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 3
    positions: int = 1_000_000
    files: int = 20_000


class PeerOrder(BaseModel):
    order_uuid: str
    order_type: str
    leverage: float
    quantity: float
    value: float
    price: float
    bid: float = 0
    ask: float = 0
    slippage: float = 0
    quote_usd_rate: float = 0
    usd_base_rate: float = 0
    processed_ms: int
    execution_type: str = "MARKET"
    limit_price: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    price_sources: list[dict[str, float | str]] = []
    src: int = 0


class PeerPosition(BaseModel):
    miner_hotkey: str
    position_uuid: str
    open_ms: int
    trade_pair: list[str | float]
    orders: list[PeerOrder] = []
    current_return: float = 1
    close_ms: int | None = None
    net_leverage: float = 0
    net_value: float = 0
    net_quantity: float = 0
    return_at_close: float = 1
    average_entry_price: float = 0
    cumulative_entry_value: float = 0
    account_size: float = 0
    realized_pnl: float = 0
    unrealized_pnl: float = 0
    position_type: str | None = None
    is_closed_position: bool = False


def measure(scale: Scale) -> list[Figure]:
    records = data.records(scale.positions, per_hotkey=100)
    wire_bytes = sum(len(record.wire) for record in records)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as files:
        fill(Path(folder), records)
        _write_files(Path(files), records[: scale.files])
        del records
        loads, peers, sizes = [], [], []
        for warm_up in (True, *[False] * scale.rounds):
            seconds, resident = _in_a_process("load", folder)
            loads.append(seconds / scale.positions)
            sizes.append((resident - wire_bytes) / scale.positions)
            seconds, _ = _in_a_process("peer", files)
            peers.append(seconds / scale.files)
            if warm_up:  # memory that the machine hands out for the first time is slow for both
                for figures in (loads, peers, sizes):
                    figures.clear()
    gains = [peer / load for peer, load in zip(peers, loads, strict=True)]
    return [
        Figure(f"start with {scale.positions:,} positions", median(loads) * scale.positions, "s"),
        Figure("start, a position", median(loads) * 1e6, "us"),
        Figure("JSON file and pydantic, a position", median(peers) * 1e6, "us"),
        Figure("start against JSON files", median(gains), "x", at_least=15),
        Figure("wire bytes, a position", wire_bytes / scale.positions, "B"),
        Figure("memory beyond the wire bytes, a position", median(sizes), "B", at_most=1024),
    ]


def _in_a_process(what: str, folder: str) -> tuple[float, float]:
    """Runs one side in a fresh process. Returns its seconds, and the bytes it came to hold."""
    command = [sys.executable, "-m", "tests.bench.load", what, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, resident = done.stdout.split()
    return float(seconds), float(resident)


async def _load(folder: str) -> None:
    settings = load_settings(
        data_dir=folder, listen="127.0.0.1:0", metrics_listen="off", log_level="error"
    )
    before = _resident_bytes()
    server = Server(settings)
    started = time.perf_counter()
    await server.start()
    seconds = time.perf_counter() - started
    gc.collect()
    print(seconds, _resident_bytes() - before)
    server.tell_to_stop()
    await asyncio.gather(server.wait(), server.stop())


def _peer(folder: str) -> None:
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    for file in files:
        file.read_bytes()  # the page cache is warm for the peer, as it is for the store
    started = time.perf_counter()
    book: dict[str, dict[str, PeerPosition]] = {}
    for file in files:
        parsed = PeerPosition.model_validate_json(file.read_bytes())
        book.setdefault(parsed.miner_hotkey, {})[parsed.position_uuid] = parsed
    print(time.perf_counter() - started, 0)


def _write_files(folder: Path, records: list[Record]) -> None:
    for record in records:
        position = position_from_wire(pb.Position.FromString(record.wire))
        orders = [
            {
                "order_uuid": o.order_uuid,
                "order_type": o.type,
                "leverage": float(o.leverage or 0),
                "quantity": float(o.quantity or 0),
                "value": float(o.value or 0),
                "price": float(o.price),
                "bid": float(o.bid),
                "ask": float(o.ask),
                "slippage": float(o.slippage),
                "quote_usd_rate": float(o.quote_usd_rate),
                "usd_base_rate": float(o.usd_base_rate),
                "processed_ms": o.processed_ms,
                "execution_type": o.execution_type,
            }
            for o in position.orders
        ]
        text = {
            "miner_hotkey": position.hotkey,
            "position_uuid": position.position_uuid,
            "open_ms": position.open_ms,
            "trade_pair": [position.trade_pair, "BTC/USD", 0.003, 0.01, 0.5],
            "orders": orders,
            "current_return": float(position.current_return),
            "close_ms": position.close_ms,
            "net_leverage": float(position.net_leverage),
            "net_value": float(position.net_value),
            "net_quantity": float(position.net_quantity),
            "return_at_close": float(position.return_at_close),
            "average_entry_price": float(position.average_entry_price),
            "cumulative_entry_value": float(position.cumulative_entry_value),
            "account_size": float(position.account_size),
            "realized_pnl": float(position.realized_pnl),
            "position_type": position.side,
            "is_closed_position": not position.is_open,
        }
        (folder / position.position_uuid).write_text(json.dumps(text))


def _resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if sys.argv[1] == "load":
        uvloop.run(_load(sys.argv[2]))
    else:
        _peer(sys.argv[2])
