"""What placed orders come to in USD, and what they are measured by, against a real server."""

from __future__ import annotations

from decimal import Decimal

import pytest

import hotbook
from hotbook import Order, Side


def test_every_closing_of_a_pair_in_yen_realizes_the_same(book: hotbook.Client) -> None:
    """A FLAT of the server's takes the rate to USD, and the slippage, of the fill that it stands
    for: reversed, closed by a flip or by a FLAT, the result is one."""
    rate, account = Decimal("0.0067"), Decimal(100_000)

    def fill(name: str, side: Side, price: int, leverage: int | None) -> Order:
        return Order(
            order_uuid=name,
            type=side,
            processed_ms=0,
            leverage=None if leverage is None else Decimal(leverage),
            price=Decimal(price),
            slippage=Decimal("0.001"),
            quote_usd_rate=rate,
        )

    results = []
    for hotkey, side, leverage, on_flip in (
        ("flat", Side.FLAT, None, "close"),
        ("flip", Side.SHORT, 2, "close"),
        ("reverse", Side.SHORT, 2, "reverse"),
    ):
        book.place_order(
            hotkey, "USDJPY", fill(f"{hotkey}-a", Side.LONG, 150, 1), account_size=account
        )
        order = fill(f"{hotkey}-b", side, 151, leverage)
        placed = book.place_order(hotkey, "USDJPY", order, on_flip=on_flip)  # type: ignore[arg-type]
        results.append((placed.closed or placed.position).realized_pnl)
    assert len(set(results)) == 1
    assert 0 < results[0] < 1_000

    book.place_order("hand", "USDJPY", fill("hand-a", Side.LONG, 150, 1), account_size=account)
    closed = book.close_position("hand", "USDJPY", price=Decimal(151)).position
    assert closed.orders[-1].quote_usd_rate == rate
    assert 0 < closed.realized_pnl < 1_000


def test_an_order_without_leverage_needs_an_account_where_there_are_bounds(
    book: hotbook.Client,
) -> None:
    """Bounds and cap are in leverage; where there are none, an order in quantity may go without."""
    order = Order(
        order_uuid="q",
        type=Side.LONG,
        processed_ms=0,
        quantity=Decimal(1_000_000),
        price=Decimal(60_000),
    )
    with pytest.raises(hotbook.InvalidArgument, match="account_size") as refused:
        book.place_order("hk", "BTCUSD", order)
    assert refused.value.field == "account_size"
    with pytest.raises(hotbook.LeverageOutOfBounds):
        book.place_order("hk", "BTCUSD", order, account_size=Decimal(100_000))
    assert book.place_order("hk", "NEWUSD", order).position.net_quantity == 1_000_000
