# Made from _order_methods.py by scripts/faces: edit that file, then run the script.
"""The client's methods for orders and splitting. Each is one call, and says what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Literal

from hotbook import _order_calls
from hotbook._aio_face import Face
from hotbook_shared import answers
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import (
    Exposure,
    Order,
    OrderSource,
    OrderSpan,
    Placed,
    PositionName,
    Split,
    SplitStats,
    TradePair,
)


class OrderMethods(Face):
    async def place_order(
        self,
        hotkey: str,
        trade_pair: str,
        order: Order,
        *,
        account_size: Decimal | None = None,
        on_flip: Literal["close", "reverse"] = "close",
        on_limit: Literal["refuse", "close"] = "refuse",
        portfolio_leverage_max: Decimal | None = None,
        timeout_s: float | None = None,
    ) -> Placed:
        """Adds an order to what is open on the pair, or opens a position with it; in one commit.

        The position's figures are what its orders amount to; a FLAT closes it. An order that goes
        beyond zero closes, or with `on_flip="reverse"` also opens the other way with what is left.
        One too many is refused, or with `on_limit="close"` closes the position and opens another.
        `account_size` is that of a position it opens. `processed_ms=0`: the time of the commit.
        The same order again changes nothing and says so; other content is OrderReused.
        """
        call = _order_calls.place_order(
            hotkey,
            trade_pair,
            order,
            account_size=account_size,
            on_flip=on_flip,
            on_limit=on_limit,
            portfolio_leverage_max=portfolio_leverage_max,
        )
        return await self._run(call, timeout_s)

    async def close_position(
        self,
        hotkey: str,
        trade_pair: str | None = None,
        *,
        position_uuid: str | None = None,
        price: Decimal | None = None,
        at: datetime | int | None = None,
        source: OrderSource = OrderSource.ORGANIC,
        timeout_s: float | None = None,
    ) -> Placed:
        """Closes what is open on a pair, or the position of that uuid, with a FLAT at the price.

        `at` is now where it is not given. Without a price, for eliminations and suspended pairs
        alone (see `source`), the returns stay as they are.
        """
        call = _order_calls.close_position(hotkey, trade_pair, position_uuid, price, at, source)
        return await self._run(call, timeout_s)

    async def close_all(
        self,
        trade_pairs: Mapping[str, Decimal | None] | Iterable[str],
        *,
        at: datetime | int | None = None,
        source: OrderSource = OrderSource.DEPRECATION_FLAT,
        timeout_s: float | None = None,
    ) -> list[PositionName]:
        """Closes everything that is open on pairs that are suspended, of every hotkey.

        One commit. `trade_pairs` may give a price for each; without one the returns stay.
        """
        prices = _order_calls.prices_of(trade_pairs)
        return await self._run(_order_calls.close_all(prices, at, source), timeout_s)

    async def exposure(self, hotkey: str, *, timeout_s: float | None = None) -> Exposure:
        """What a hotkey's open positions amount to: by pair, by category and in all."""
        return await self._run(_order_calls.exposure(hotkey), timeout_s)

    async def order_span(self, *, timeout_s: float | None = None) -> OrderSpan:
        """The first and the last time at which an order was processed, over the whole book."""
        return await self._run(_order_calls.order_span(), timeout_s)

    async def trade_pairs(self, *, timeout_s: float | None = None) -> list[TradePair]:
        """The server's registry of trade pairs: bounds, multipliers, lot sizes, spread rates."""
        return await self._run(_order_calls.trade_pairs(), timeout_s)

    # ---------------------------------------------------------------- splitting

    async def split(
        self, hotkey: str, position_uuid: str, *, timeout_s: float | None = None
    ) -> Split:
        """Makes a position of each part of one whose orders go on after its close; in one commit.

        Where it needs none, nothing changes. A part that stands already with the same orders or
        more is kept; one that disagrees is SplitConflict, and nothing changes.
        """
        return await self._run(_order_calls.split(hotkey, position_uuid), timeout_s)

    async def split_all(
        self,
        *,
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
        timeout_s: float | None = None,
    ) -> list[Split | HotbookError]:
        """Splits every position that needs it, one commit for each; a refusal is an answer.

        `dry_run` tells what would be split. `timeout_s` is how long it may stand still.
        """
        made: list[Split | HotbookError] = []
        frames = self._frames("SplitAll", _order_calls.split_all(dry_run), timeout_s)
        async with aclosing(frames):
            async for frame in frames:
                made += [answers.split_from_wire(outcome) for outcome in frame.splits]
                if progress is not None:
                    progress(frame.done, frame.total)
        return made

    async def split_stats(self, hotkey: str, *, timeout_s: float | None = None) -> SplitStats:
        """What splitting has done to a hotkey's positions since the server started."""
        return await self._run(_order_calls.split_stats(hotkey), timeout_s)
