"""What orders are held to: time, price, cooldown, the pair's bounds, the portfolio's cap. Pure."""

from __future__ import annotations

from decimal import Decimal

from hotbook_server.rules.campaigns import check_not_ahead
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.book.exposure import portfolio_leverage
from hotbook_shared.errors import (
    CoolingDown,
    InvalidArgument,
    LeverageOutOfBounds,
    PortfolioLeverageExceeded,
)
from hotbook_shared.fills import NOTHING
from hotbook_shared.model import TradePair
from hotbook_shared.money import ZERO, from_text, to_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record

KEEPS_RETURNS = (pb.SOURCE_ELIMINATION_FLAT, pb.SOURCE_DEPRECATION_FLAT)
"""A FLAT from these needs no price: it ends the position, and its returns stay as they are."""


UNFILLED = (
    pb.SOURCE_LIMIT_UNFILLED,
    pb.SOURCE_LIMIT_CANCELLED,
    pb.SOURCE_BRACKET_UNFILLED,
    pb.SOURCE_BRACKET_CANCELLED,
)


def stamp(order: pb.Order, now_ms: int, last_ms: int, field: str = "order.processed_ms") -> None:
    """Gives an order its time, where it has none. Times in a position never run backwards; and none
    lies ahead of the clock, for until then every other order would be too early."""
    if not order.processed_ms:
        order.processed_ms = max(now_ms, last_ms)
    elif order.processed_ms < last_ms:
        raise InvalidArgument(
            f"{field} ({order.processed_ms}) lies before the position's last order ({last_ms})",
            field=field,
        )
    else:
        check_not_ahead(order.processed_ms, now_ms, field, at_least_ms=last_ms)


def check_is_fill(order: pb.Order) -> None:
    """Orders of positions are fills; what was cancelled, or waits for its price, is none."""
    for field, value, refused, names in (
        ("source", order.source, UNFILLED, pb.OrderSource),
        ("execution_type", order.execution_type, (pb.EXECUTION_LIMIT_CANCEL,), pb.ExecutionType),
    ):
        if value in refused:
            raise InvalidArgument(
                f"order.{field} is {names.Name(value)}, which is no fill", field=f"order.{field}"
            )


def check_price(order: pb.Order, field: str = "order.price") -> None:
    keeps_returns = order.type == pb.SIDE_FLAT and order.source in KEEPS_RETURNS
    if not from_text(order.price) and not keeps_returns:
        raise InvalidArgument(
            f"{field} must be above 0, not {order.price or 'left out'}: only a FLAT of "
            "ELIMINATION_FLAT or DEPRECATION_FLAT goes without",
            field=field,
        )


def check_cooldown(order: pb.Order, last_ms: int, whose: str, terms: Terms) -> None:
    """`last_ms` is the time of the last order on the pair; 0: there was none."""
    remaining_ms = last_ms + terms.order_cooldown_ms - order.processed_ms
    if last_ms and terms.order_cooldown_ms and remaining_ms > 0:
        raise CoolingDown(
            f"the last order of {whose} is {order.processed_ms - last_ms} ms old: wait "
            f"{remaining_ms} ms more",
            remaining_ms=remaining_ms,
            order_cooldown_ms=terms.order_cooldown_ms,
        )


def last_close_ms(book: Book, hotkey: str, trade_pair: str, terms: Terms) -> int:
    """When the hotkey's last position on the pair was closed; looked up only where it matters."""
    if not terms.order_cooldown_ms:
        return 0
    held = book.positions.by_hotkey.get(hotkey, {})
    ours = (r for r in held.values() if r.trade_pair == trade_pair and not r.is_leg)
    return max((r.close_ms for r in ours if r.close_ms is not None), default=0)


def check_bounds(pair: TradePair, before: Decimal, after: Decimal) -> None:
    """The bounds of the pair. An order that brings a position nearer to them may always pass.

    What is nearer to a bound than NOTHING lies on it: a quantity that was worked out is rounded.
    """
    was, size = abs(before), abs(after)
    least, most = pair.leverage_min, pair.leverage_max
    too_large = most is not None and size - most >= NOTHING and size > was
    too_small = (
        least is not None and size > 0 and least - size >= NOTHING and (size < was or not was)
    )
    if too_large or too_small:
        raise LeverageOutOfBounds(
            f"the leverage on {pair.trade_pair} would be {after:f}; it may be from {least or 0} to "
            f"{'any' if most is None else most}",
            leverage=after,
            leverage_min=to_text(least),
            leverage_max=to_text(most),
            trade_pair=pair.trade_pair,
        )


def check_portfolio(
    book: Book, hotkey: str, becomes: Decimal, pair: TradePair, replaces: Record | None,
    cap: Decimal, terms: Terms,
) -> None:  # fmt: skip
    """The hotkey's cap over all pairs, with a position at a new leverage in place of another.

    The book is the one ahead: of two orders at once, the second sees what the first has made.
    """
    held = book.positions.open.get(hotkey, {}).values()
    before = portfolio_leverage(held, terms.pairs)
    gone = portfolio_leverage([replaces], terms.pairs) if replaces is not None else ZERO
    after = before - gone + abs(becomes) * pair.multiplier
    if after - cap >= NOTHING and after > before:
        raise PortfolioLeverageExceeded(
            f"the portfolio leverage of {hotkey} would be {after:f}; the cap is {cap:f}",
            portfolio_leverage=after,
            portfolio_leverage_before=before,
            portfolio_leverage_max=cap,
        )
