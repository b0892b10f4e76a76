"""Each rpc of orders and splitting once: its request, and what its reply means. No IO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from hotbook._calls import Call, at_ms, built, iterate, request_id
from hotbook_shared import answers, wire
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
from hotbook_shared.money import to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.sendable import choice


def place_order(
    hotkey: str,
    trade_pair: str,
    order: Order,
    *,
    account_size: Decimal | None,
    on_flip: str,
    on_limit: str,
    portfolio_leverage_max: Decimal | None,
) -> Call[Placed]:
    request = built(
        lambda: pb.PlaceOrderRequest(
            hotkey=hotkey,
            trade_pair=trade_pair,
            order=wire.order_to_wire(order),
            request_id=request_id(),
            account_size=to_text(account_size, "account_size"),
            on_flip=choice(wire.ON_FLIP, on_flip, "on_flip"),
            on_limit=choice(wire.ON_LIMIT, on_limit, "on_limit"),
            portfolio_leverage_max=to_text(portfolio_leverage_max, "portfolio_leverage_max"),
        )
    )
    return Call("PlaceOrder", request, answers.placed_from_wire)


def close_position(
    hotkey: str,
    trade_pair: str | None,
    position_uuid: str | None,
    price: Decimal | None,
    at: datetime | int | None,
    source: OrderSource,
) -> Call[Placed]:
    request = built(
        lambda: pb.ClosePositionRequest(
            hotkey=hotkey,
            trade_pair=trade_pair or "",
            position_uuid=position_uuid or "",
            price=to_text(price, "price"),
            at_ms=at_ms(at),
            source=choice(wire.SOURCE_NUMBER, source, "source"),
            request_id=request_id(),
        )
    )
    return Call("ClosePosition", request, answers.placed_from_wire)


def close_all(
    prices: Mapping[str, Decimal | None], at: datetime | int | None, source: OrderSource
) -> Call[list[PositionName]]:
    request = built(
        lambda: pb.CloseAllRequest(
            pairs=[
                pb.PairPrice(trade_pair=trade_pair, price=to_text(price, f"price of {trade_pair}"))
                for trade_pair, price in prices.items()
            ],
            at_ms=at_ms(at),
            source=choice(wire.SOURCE_NUMBER, source, "source"),
            request_id=request_id(),
        )
    )

    def read(m: pb.CloseAllReply) -> list[PositionName]:
        return [
            PositionName(
                hotkey=name.hotkey, position_uuid=name.position_uuid, trade_pair=name.trade_pair
            )
            for name in m.closed
        ]

    return Call("CloseAll", request, read)


def exposure(hotkey: str) -> Call[Exposure]:
    request = built(lambda: pb.ExposureRequest(hotkey=hotkey))
    return Call("Exposure", request, lambda m: answers.exposure_from_wire(m, hotkey))


def order_span() -> Call[OrderSpan]:
    return Call("OrderSpan", pb.OrderSpanRequest(), answers.order_span_from_wire)


def trade_pairs() -> Call[list[TradePair]]:
    def read(m: pb.ListPairsReply) -> list[TradePair]:
        return [answers.trade_pair_from_wire(pair) for pair in m.pairs]

    return Call("ListPairs", pb.ListPairsRequest(), read)


# ---------------------------------------------------------------- splitting


def split(hotkey: str, position_uuid: str) -> Call[Split]:
    request = built(
        lambda: pb.SplitRequest(hotkey=hotkey, position_uuid=position_uuid, request_id=request_id())
    )

    def read(m: pb.SplitReply) -> Split:
        made = answers.split_from_wire(m.split)
        assert isinstance(made, Split), "a refusal of one split is the refusal of the call"
        return made

    return Call("Split", request, read)


def split_all(dry_run: bool) -> pb.SplitAllRequest:
    return built(lambda: pb.SplitAllRequest(dry_run=dry_run))


def split_stats(hotkey: str) -> Call[SplitStats]:
    request = built(lambda: pb.SplitStatsRequest(hotkey=hotkey))
    return Call("SplitStats", request, answers.split_stats_from_wire)


# ---------------------------------------------------------------- parts


def prices_of(
    trade_pairs: Mapping[str, Decimal | None] | Iterable[str],
) -> Mapping[str, Decimal | None]:
    """Pairs with a price each, or without one."""
    if isinstance(trade_pairs, Mapping):
        return trade_pairs
    if isinstance(trade_pairs, str):
        trade_pairs = [trade_pairs]
    pairs = list(iterate(trade_pairs, "trade_pairs"))
    return built(lambda: dict.fromkeys(pairs))
