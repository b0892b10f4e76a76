"""Tapes for tests: bars of several pairs from a seeded generator, as rows and as files; and
strategies of a line or two."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hotbook_server.config import Settings
from hotbook_server.replay import Market, Replay, ReplayBook, ReplayReport, Step, Strategy, Tape
from hotbook_server.replay.examples import breakout, fakeout
from hotbook_server.replay.tape import tape_of

START_MS = 1_767_600_000_000
MINUTE_MS = 60_000
PAIRS = ("BTCUSD", "ETHUSD", "EURUSD", "SPX", "ANYTHING")

Row = dict[str, Any]
OnStep = Callable[[Step, Market, ReplayBook], bool | None]


def at_ms(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def bar(pair: str, minute: int, close: str, volume: str | None = "10") -> Row:
    return {"trade_pair": pair, "time": at_ms(minute), "close": close, "volume": volume}


def order(pair: str, minute: int, side: str, **changed: Any) -> Row:
    """An order of hotkey "miner" at that minute."""
    fields: Row = {"kind": "order", "trade_pair": pair, "time": at_ms(minute), "hotkey": "miner",
                   "side": side, "leverage": "0.1"}  # fmt: skip
    return fields | changed


def prices(minutes: int, pair: str = "ANYTHING") -> list[Row]:
    """A pair that rises by 1 a minute, from 100."""
    return [bar(pair, minute, str(100 + minute)) for minute in range(minutes)]


def walk(minutes: int = 300, pairs: Sequence[str] = PAIRS, seed: int = 7) -> list[Row]:
    """Prices that walk at random, with volumes from low to high. Each pair misses some minutes, and
    here and there is an order."""
    chance = random.Random(seed)
    prices = {pair: 100.0 * number for number, pair in enumerate(pairs, start=1)}
    rows = []
    for minute in range(minutes):
        for pair in pairs:
            prices[pair] *= 1 + chance.gauss(0, 0.004)
            if chance.random() < 0.9:
                volume = f"{chance.lognormvariate(2, 0.8):.3f}"
                rows.append(bar(pair, minute, f"{prices[pair]:.4f}", volume))
        if minute % 10 == 5:
            side = chance.choice(("LONG", "SHORT", "FLAT"))
            rows.append(order(chance.choice(pairs), minute, side))
    return rows


def tape(rows: Sequence[Row]) -> Tape:
    numbered = ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    return tape_of(Path("rows"), numbered, MINUTE_MS)


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


class Does:
    """A strategy that does what a function says."""

    def __init__(self, act: OnStep) -> None:
        self._act = act

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> bool | None:
        return self._act(step, market, book)


def examples() -> dict[str, Strategy]:
    return {"breakout": breakout("breakout"), "fakeout": fakeout("fakeout")}


def replayed(
    rows: Sequence[Row], strategies: dict[str, Strategy], settings: Settings, **how: Any
) -> tuple[Replay, ReplayReport]:
    replay = Replay(tape(rows), strategies, settings, **how)
    return replay, replay.run()
