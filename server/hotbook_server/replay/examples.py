"""Two examples of a strategy: what a break of the range is worth, its volume says.

    fakeout    a close beyond the last closes on low volume: nobody follows, trade against it
    breakout   the same on high volume: it is true, trade with it

Where the average volume is not ready there is no trade. A position is closed after some steps.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from hotbook_server.replay.sight import Market, ReplayBook, Step
from hotbook_shared.market import PairMarket, VolumeLevel
from hotbook_shared.model import Side

ACCOUNT = Decimal(100_000)
LEVERAGE = Decimal("0.1")
RANGE_CLOSES = 20
HELD_STEPS = 30


class RangeBreak:
    """Trades one hotkey on every pair, one position a pair at a time."""

    def __init__(self, hotkey: str, level: VolumeLevel, *, with_it: bool) -> None:
        self._hotkey = hotkey
        self._level = level
        self._with_it = with_it
        self._closes: dict[str, deque[Decimal]] = {}
        self._opened: dict[str, int] = {}

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> None:
        for trade_pair in sorted(market.fresh):
            pair = market.pair(trade_pair)
            assert pair.price is not None, "what is fresh has a price"
            closes = self._closes.setdefault(trade_pair, deque(maxlen=RANGE_CLOSES))
            if book.has_open(self._hotkey, trade_pair):
                # One that the file's own orders have opened counts from where it is first seen.
                opened = self._opened.setdefault(trade_pair, step.number)
                if step.number - opened >= HELD_STEPS:
                    book.close_position(self._hotkey, trade_pair)
            else:
                self._opened.pop(trade_pair, None)
                if (side := self._side(pair, pair.price, closes)) is not None:
                    book.place_order(
                        self._hotkey, trade_pair, side, leverage=LEVERAGE, account_size=ACCOUNT
                    )
                    self._opened[trade_pair] = step.number
            closes.append(pair.price)

    def _side(self, pair: PairMarket, price: Decimal, closes: deque[Decimal]) -> Side | None:
        """The side to take, if the newest close breaks the range of those before it."""
        if len(closes) < RANGE_CLOSES or not pair.is_ready or pair.volume_level is not self._level:
            return None
        if price > max(closes):
            return Side.LONG if self._with_it else Side.SHORT
        if price < min(closes):
            return Side.SHORT if self._with_it else Side.LONG
        return None


def fakeout(name: str) -> RangeBreak:
    return RangeBreak(name, VolumeLevel.LOW, with_it=False)


def breakout(name: str) -> RangeBreak:
    return RangeBreak(name, VolumeLevel.HIGH, with_it=True)


EXAMPLES = {"fakeout": fakeout, "breakout": breakout}
