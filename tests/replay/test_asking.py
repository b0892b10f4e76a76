"""What strategies see and ask for: orders as the client places them, the volume of a campaign."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import hotbook
from hotbook_server.config import Settings
from hotbook_server.replay import Market, ReplayBook, Step
from hotbook_shared.campaign import Pattern
from hotbook_shared.errors import PortfolioLeverageExceeded
from hotbook_shared.market import PairMarket
from hotbook_shared.model import Order, OrderSource, PatternType, Position, Side
from tests.replay.tapes import Does, at_ms, bar, prices, replayed

TENTH = Decimal("0.1")


def orders_of(settings: Settings, *acts: Callable[[ReplayBook], None]) -> list[Position]:
    """What a hotkey has after these acts, one a step."""

    def takes_turns(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number <= len(acts):
            acts[step.number - 1](book)
        else:
            found.extend(book.positions("hk"))

    found: list[Position] = []
    report = replayed(prices(len(acts) + 1), {"t": Does(takes_turns)}, settings)[1]
    assert not report.has_failed, report.strategies
    assert not report.strategies[0].refused, report.refusals
    return found


def test_an_order_is_placed_as_the_client_places_it(settings: Settings) -> None:
    """`place_order` takes what the client's takes, by the same names: an Order, whose price, time
    and uuid are those of the step where it has none. A side with a size says the same, shorter."""
    theirs = dict(inspect.signature(hotbook.Client.place_order).parameters)
    ours = dict(inspect.signature(ReplayBook.place_order).parameters)
    assert theirs.pop("timeout_s")
    for name, parameter in theirs.items():
        assert (ours[name].kind, ours[name].default) == (parameter.kind, parameter.default), name

    long = Order(order_uuid="", type=Side.LONG, processed_ms=0, leverage=TENTH)
    flat = Order(order_uuid="own", type=Side.FLAT, processed_ms=at_ms(1) + 7, price=Decimal(105))
    (given,) = orders_of(
        settings,
        lambda book: book.place_order("hk", "ANYTHING", long, account_size=Decimal(1_000)),
        lambda book: book.place_order("hk", "ANYTHING", flat),
    )
    (short,) = orders_of(
        settings,
        lambda book: book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH,
                                      account_size=Decimal(1_000)),
        lambda book: book.place_order("hk", "ANYTHING", Side.FLAT, price=Decimal(105),
                                      order_uuid="own"),
    )  # fmt: skip
    assert (given.open_ms, given.close_ms) == (at_ms(0), at_ms(1) + 7)
    assert given.account_size == 1_000
    assert [order.price for order in given.orders] == [100, 105]
    assert [order.order_uuid for order in given.orders] == ["t-1-0", "own"]
    assert given.realized_pnl == short.realized_pnl == 5
    assert [(one.order_uuid, one.price) for one in short.orders] == [
        (one.order_uuid, one.price) for one in given.orders
    ]


def test_an_elimination_keeps_the_returns(settings: Settings) -> None:
    """A FLAT of an elimination goes without a price, as on the server; the mark is not put in."""
    flat = Order(order_uuid="end", type=Side.FLAT, processed_ms=0,
                 source=OrderSource.ELIMINATION_FLAT)  # fmt: skip
    (position,) = orders_of(
        settings,
        lambda book: book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH),
        lambda book: book.place_order("hk", "ANYTHING", flat),
    )
    assert position.close_ms == at_ms(1)
    assert position.orders[-1].price == 0
    assert position.return_at_close == 1


def test_what_an_order_does_at_its_limits(settings: Settings) -> None:
    """`on_flip`, `on_limit` and `portfolio_leverage_max` are those of the client's call."""
    one = settings.model_copy(update={"position_orders_max": 1})
    for how, side, sides in (
        ({"on_flip": "reverse"}, Side.SHORT, {Side.FLAT, Side.SHORT}),
        ({"on_limit": "close"}, Side.LONG, {Side.FLAT, Side.LONG}),
    ):
        found = orders_of(
            one if "on_limit" in how else settings,
            lambda book: book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH),
            lambda book, how=how, side=side: book.place_order(  # type: ignore[misc]
                "hk", "ANYTHING", side, leverage=2 * TENTH, **how
            ),
        )
        assert {position.side for position in found} == sides
        assert [position.is_open for position in found] == [False, True]

    def asks(step: Step, market: Market, book: ReplayBook) -> None:
        book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH,
                         portfolio_leverage_max=TENTH / 2)  # fmt: skip

    report = replayed(prices(1), {"a": Does(asks)}, settings)[1]
    assert report.strategies[0].refused == {PortfolioLeverageExceeded.code: 1}


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"order": "UP"}, "order must be 'LONG' or 'SHORT' or 'FLAT', not 'UP'"),
        ({"order": Side.LONG, "leverage": 0.1}, "leverage must be a Decimal, not float"),
        ({"order": Side.LONG, "on_flip": "turn"}, "on_flip must be 'close' or 'reverse'"),
        ({"order": Order(order_uuid="o", type=Side.LONG, processed_ms=0), "leverage": TENTH},
         "an Order has its own leverage, quantity, price and order_uuid"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_asked_for(
    settings: Settings, asked: dict[str, Any], problem: str
) -> None:
    """What no server could be asked ends the strategy, where it asks, with what was wanted."""

    def asks(step: Step, market: Market, book: ReplayBook) -> None:
        book.place_order("hk", "ANYTHING", **asked)

    (one,) = replayed(prices(1), {"a": Does(asks)}, settings)[1].strategies
    assert one.ended.startswith(f"raised at step 1: InvalidArgument: {problem}")


def test_a_campaign_has_a_volume_of_its_own(settings: Settings) -> None:
    """With a campaign, a pair's volume is that of the bars since the campaign's range last changed,
    as the server answers it; a campaign of another pair changes nothing."""
    seen: dict[int, tuple[PairMarket, PairMarket, PairMarket]] = {}

    def acts(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number == 5:
            spring = Pattern(signal_id="s", type=PatternType.SPRING, at_ms=step.at_ms,
                             price=Decimal(100), support=Decimal(99))  # fmt: skip
            book.add_pattern("hk", "ANYTHING", spring)
        for campaign in book.live_campaigns("hk", "ANYTHING"):
            pair, other = market.pair("ANYTHING", campaign), market.pair("BTCUSD", campaign)
            seen[step.number] = pair, market.pair("ANYTHING"), other
            assert market.pair("ANYTHING", campaign) is pair

    rows = [bar(pair, n, "100", f"{n + 1}") for n in range(9) for pair in ("ANYTHING", "BTCUSD")]
    small = settings.model_copy(update={"volume_window": 3})
    replayed(rows, {"a": Does(acts)}, small)
    assert [seen[n][0].bars for n in (6, 7, 8, 9)] == [1, 2, 3, 3]
    assert [seen[n][0].average_volume for n in (6, 7, 8)] == [6, Decimal("6.5"), 7]
    assert [seen[n][0].is_ready for n in (6, 7, 8)] == [False, False, True]
    for _, pair, other in seen.values():
        assert pair.is_ready
        assert other.is_ready
        assert pair.average_volume == other.average_volume
    assert seen[8][0] == seen[8][1]
