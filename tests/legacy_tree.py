"""Makes trees in the original's layout, from a seed: for tests, and for a benchmark.

    .venv/bin/python -m tests.legacy_tree FOLDER 100000

Floats are written as Python's json does, as in the original.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAIRS: tuple[tuple[Any, ...], ...] = (
    ("BTCUSD", "BTC/USD", 0.003, 0.01, 0.5),
    ("ETHUSD", "ETH/USD", 0.003, 0.01, 0.5),
    ("SOLUSD", "SOL/USD", 0.003, 0.01, 0.5),
    ("XRPUSD", "XRP/USD", 0.003, 0.01, 0.5),
    ("EURUSD", "EUR/USD", 7e-05, 0.1, 5.0),
    ("GBPUSD", "GBP/USD", 7e-05, 0.1, 5.0),
    ("USDJPY", "USD/JPY", 7e-05, 0.1, 5.0),
    ("NVDA", "NVDA", 9e-05, 0.1, 3.0),
)
START_MS = 1_734_000_000_000
HOUR_MS = 3_600_000
PER_HOTKEY = 400


def hotkey(number: int) -> str:
    return f"5EUTaAo7vCGxvLDWRXRrEuqctPjt9fKZmgkaeFZocW{number:06d}"


def position(seed: int, owner: str = "hk", *, is_open: bool = False, **changed: Any) -> Any:
    """The JSON of one position: one to nine orders.

    What is open, and a tenth of the closed ones, have price sources: the original takes them off
    closed positions that are older than a week.
    """
    chance = random.Random(seed)
    open_ms = START_MS + seed * 1000
    uuid = _uuid(chance)
    most = 4 if is_open or seed % 10 == 0 else 0
    orders = [_order(chance, open_ms + n * HOUR_MS, n, most) for n in range(chance.randint(1, 9))]
    size = round(chance.uniform(0.01, 0.5), 3)
    return {
        "miner_hotkey": owner,
        "position_uuid": uuid,
        "open_ms": open_ms,
        "trade_pair": list(PAIRS[seed % len(PAIRS)]),
        "orders": orders,
        "current_return": chance.uniform(0.9, 1.1),
        "close_ms": None if is_open else orders[-1]["processed_ms"],
        "net_leverage": size if is_open else 0.0,
        "net_value": size * 100_000 if is_open else 0.0,
        "net_quantity": chance.uniform(0.01, 5) if is_open else 0.0,
        "return_at_close": chance.uniform(0.9, 1.1),
        "average_entry_price": chance.uniform(1, 70_000),
        "cumulative_entry_value": chance.uniform(1, 100_000),
        "account_size": 100_000.0,
        "realized_pnl": chance.uniform(-1000, 1000),
        "unrealized_pnl": chance.uniform(-1000, 1000) if is_open else 0.0,
        "position_type": "LONG" if is_open else "FLAT",
        "is_closed_position": not is_open,
        **changed,
    }


def _order(chance: random.Random, at_ms: int, number: int, sources_most: int) -> Any:
    price = round(chance.uniform(1, 70_000), 2)
    sources = chance.randint(0, sources_most)
    return {
        "order_type": chance.choice(("LONG", "SHORT")) if number else "LONG",
        "leverage": round(chance.uniform(0.01, 0.5), 3),
        "value": round(chance.uniform(1000, 50_000), 2),
        "quantity": chance.uniform(0.01, 5),
        "execution_type": "MARKET",
        "limit_price": None,
        "stop_loss": None,
        "take_profit": None,
        "price": price,
        "bid": 0.0,
        "ask": 0.0,
        "slippage": chance.uniform(0, 1e-4),
        "quote_usd_rate": 1.0,
        "usd_base_rate": 1 / price,
        "processed_ms": at_ms,
        "order_uuid": _uuid(chance),
        "price_sources": [_price_source(chance, price, at_ms) for _ in range(sources)],
        "src": 0,
    }


def _price_source(chance: random.Random, price: float, at_ms: int) -> Any:
    return {
        "source": chance.choice(("Polygon_ws", "Tiingo_gdax_rest")),
        "timespan_ms": 1000,
        "open": price,
        "close": round(price * chance.uniform(0.999, 1.001), 2),
        "vwap": round(price * chance.uniform(0.999, 1.001), 4),
        "high": round(price * 1.001, 2),
        "low": round(price * 0.999, 2),
        "start_ms": at_ms,
        "websocket": chance.random() < 0.5,
        "lag_ms": chance.randint(0, 2000),
        "bid": round(price * 0.9999, 2),
        "ask": round(price * 1.0001, 2),
    }


def _uuid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def book(count: int, per_hotkey: int = PER_HOTKEY) -> Iterator[Any]:
    """So many positions; each hotkey has one open on each pair, the newest, and the rest closed."""
    for number in range(count):
        owner, place = divmod(number, per_hotkey)
        is_open = place >= per_hotkey - len(PAIRS)
        yield position(number, hotkey(owner), is_open=is_open)


def path_of(root: Path, made: Any) -> Path:
    """Where the original keeps a position."""
    state = "closed" if made["is_closed_position"] else "open"
    pair = made["trade_pair"][0]
    folder = root / "miners" / str(made["miner_hotkey"]) / "positions" / str(pair) / state
    return Path(folder, str(made["position_uuid"]))


def write(root: Path, made: Any, at: Path | None = None) -> Path:
    """Writes a position to its place, or to another one. Returns the path."""
    path = at or path_of(root, made)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))
    return path


def write_tree(root: Path, count: int, per_hotkey: int = PER_HOTKEY) -> list[Any]:
    """Writes a tree of so many positions. Returns them."""
    made = list(book(count, per_hotkey))
    for one in made:
        write(root, one)
    return made


if __name__ == "__main__":
    write_tree(Path(sys.argv[1]), int(sys.argv[2]))
