"""Replays: strategies over recorded bars and orders, in lock-step, against a real book in memory.

class Mine:
    def __init__(self, name): self.hotkey = name

    def on_step(self, step, market, book):
        if market.pair("BTCUSD").is_fresh and not book.has_open(self.hotkey, "BTCUSD"):
            book.place_order(self.hotkey, "BTCUSD", Side.LONG, leverage=Decimal("0.1"))

hotbook replay bars.csv --strategy mine:Mine --strategy breakout
"""

from hotbook_server.replay.report import ReplayReport
from hotbook_server.replay.run import Replay
from hotbook_server.replay.sight import Market, ReplayBook, Step, Strategy
from hotbook_server.replay.tape import BadTape, Tape, read_tape

__all__ = ["BadTape", "Market", "Replay", "ReplayBook", "ReplayReport", "Step", "Strategy", "Tape",
           "read_tape"]  # fmt: skip
