"""Each rpc of the market once: its request, and what its reply means. No IO."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal

from hotbook import _feed_calls
from hotbook._calls import CHUNK_BYTES, Call, built, iterate, request_id
from hotbook._procedures import Procedure, batches, in_order
from hotbook_shared import campaign_wire
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.market import Bar, Generation, MarketView, Pushed
from hotbook_shared.model import epoch_ms
from hotbook_shared.pb import hotbook_pb2 as pb

CHUNK_BARS = 1_000


def push_bars(bars: Iterable[Bar]) -> Procedure[Pushed]:
    """Any number in requests of a thousand, in their order."""
    replies = yield from in_order(
        map(_push_some, batches(_sendable(bars), CHUNK_BARS, CHUNK_BYTES))
    )
    return campaign_wire.pushed_from_wire(replies)


def update_marks(prices: Mapping[str, Decimal], at: datetime | int | None) -> Procedure[Pushed]:
    if not isinstance(prices, Mapping):
        raise InvalidArgument(
            f"prices must be a dict of trade pairs, not {type(prices).__name__}", field="prices"
        )
    at_ms = time.time_ns() // 1_000_000 if at is None else epoch_ms(at, "at")
    return push_bars(
        Bar(trade_pair=trade_pair, at_ms=at_ms, close=price) for trade_pair, price in prices.items()
    )


def _sendable(bars: Iterable[Bar]) -> Iterator[pb.Bar]:
    for number, bar in enumerate(iterate(bars, "bars")):
        if not isinstance(bar, Bar):
            raise InvalidArgument(f"bars[{number}] is no Bar: {bar!r:.80}", field=f"bars[{number}]")
        yield built(lambda bar=bar: campaign_wire.bar_to_wire(bar))  # type: ignore[misc]


def _push_some(bars: list[pb.Bar]) -> Call[pb.PushBarsReply]:
    request = pb.PushBarsRequest(bars=bars, request_id=request_id())
    return Call("PushBars", request, lambda m: m)


def market(trade_pairs: Iterable[str] | None, campaign_id: str | None) -> Call[MarketView]:
    pairs = _feed_calls.named(trade_pairs, "trade_pairs")
    request = built(lambda: pb.GetMarketRequest(trade_pairs=pairs, campaign_id=campaign_id or ""))
    return Call("GetMarket", request, campaign_wire.market_from_wire)


def advance(to: datetime | int) -> Call[Generation]:
    request = built(lambda: pb.AdvanceRequest(to_ms=epoch_ms(to, "to")))
    return Call("Advance", request, campaign_wire.generation_from_wire)


def wait_for_generation(generation: int) -> Call[Generation]:
    request = built(lambda: pb.WaitForGenerationRequest(generation=generation))
    return Call("WaitForGeneration", request, campaign_wire.generation_from_wire)
