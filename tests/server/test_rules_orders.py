"""The rules of orders, as tables: what stands, what is placed or closed, what comes of it.

What comes of it is written out, a line for each position that changes: `P1 LONG 0.2: A B` is open
with a leverage of 0.2 and two orders, `P1 LONG 3q: A` is a quantity of 3, `P1 closed: A B` is
closed. A refusal is its class and all of its details.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hotbook_server.commands import ClosePosition, PlaceDone, PlaceOrder
from hotbook_server.config import load_settings
from hotbook_server.rpc.shape import check_position
from hotbook_server.rules.allowed import check_bounds, check_portfolio
from hotbook_server.rules.campaigns import EARLY_MS
from hotbook_server.rules.orders import decide_close, decide_place
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import (
    CoolingDown,
    HotbookError,
    InvalidArgument,
    LeverageOutOfBounds,
    NeedsSplit,
    NothingOpen,
    OrderReused,
    PortfolioLeverageExceeded,
    TooManyOrders,
    Unsupported,
)
from hotbook_shared.fills import filled
from hotbook_shared.model import Order, OrderSource, Position, Side
from hotbook_shared.pairs import known_pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change
from hotbook_shared.wire import order_to_wire, position_from_wire
from tests.make import NOW_MS, OPEN_MS, position, record

PAIRS = known_pairs()
ELIMINATION, DEPRECATION = OrderSource.ELIMINATION_FLAT, OrderSource.DEPRECATION_FLAT
Refusal = tuple[type[HotbookError], dict[str, str]]


def at(name: str) -> int:
    """The time of an order: A at the opening, B a second later, and so on."""
    return OPEN_MS + 1000 * (ord(name[0]) - ord("A"))


def fill_of(side: Side, name: str, leverage: str | None, changed: dict[str, Any]) -> Order:
    numbers = {
        key: Decimal(value) if type(value) is str else value for key, value in changed.items()
    }
    fields: dict[str, Any] = {
        "order_uuid": name,
        "type": side,
        "processed_ms": at(name),
        "leverage": None if leverage is None else Decimal(leverage),
        "price": Decimal(100),
    }
    return Order(**fields | numbers)


def L(name: str, leverage: str | None = "0.1", **changed: Any) -> Order:  # noqa: N802
    return fill_of(Side.LONG, name, leverage, changed)


def S(name: str, leverage: str | None = "0.1", **changed: Any) -> Order:  # noqa: N802
    return fill_of(Side.SHORT, name, leverage, changed)


def F(name: str, **changed: Any) -> Order:  # noqa: N802
    return fill_of(Side.FLAT, name, None, changed)


def stands(uuid: str, *orders: Order, trade_pair: str = "X", **changed: Any) -> Position:
    """A position with the figures that its orders amount to."""
    made = position(uuid, trade_pair=trade_pair, orders=orders, net_leverage=Decimal(0), **changed)
    return filled(made, PAIRS.of(trade_pair))


def as_it_is(uuid: str, *orders: Order, net: str = "0", **changed: Any) -> Position:
    """A position with figures of the sender's own making."""
    made = {"trade_pair": "X", "orders": orders, "net_leverage": Decimal(net), **changed}
    return position(uuid, **made)


def leg(*orders: Order, **changed: Any) -> Position:
    return stands("leg", *orders, campaign_id="c1", **changed)


def told(p: Position) -> str:
    """A position in one line."""
    names = " ".join(order.order_uuid for order in p.orders)
    if not p.is_open:
        return f"{p.position_uuid} closed: {names}"
    sizes = [f"{p.net_leverage:f}"] if p.net_leverage or not p.net_quantity else []
    sizes += [f"{p.net_quantity.normalize():f}q"] if p.net_quantity else []
    return f"{p.position_uuid} {p.side or '-'} {' '.join(sizes)}: {names}"


def book_of(*held: Position) -> Book:
    return Book([record(p, 1, n + 1) for n, p in enumerate(held)], revision=len(held))


@functools.cache
def terms(most: int = 100, cap: str = "1000", cooldown_ms: int = 0) -> Terms:
    return Terms.of(
        load_settings(
            position_orders_max=most, portfolio_leverage_max=cap, order_cooldown_ms=cooldown_ms
        )
    )


def placing(order: Order, hotkey: str = "hk", pair: str = "X", **asked: Any) -> PlaceOrder:
    return PlaceOrder(hotkey, pair, order_to_wire(order).SerializeToString(), **asked)


def placed(
    book: Book, order: Order, held_to: dict[str, Any], now_ms: int = NOW_MS
) -> tuple[list[Change], PlaceDone]:
    """Decides on an order. `most`, `cap` and `cooldown_ms` are settings, the rest is asked."""
    names = ("most", "cap", "cooldown_ms")
    asked = {key: value for key, value in held_to.items() if key not in names}
    settings = {key: value for key, value in held_to.items() if key in names}
    return decide_place(book, placing(order, **asked), now_ms, terms(**settings))


def names(rows: Sequence[tuple[list[Position], Order, dict[str, Any], object]]) -> list[str]:
    """A name for each row: what stands, and what is placed."""
    return [
        f"{', '.join(told(p) for p in held)[-40:]} + {order.type} {order.order_uuid}"
        for held, order, _, _ in rows
    ]


def made_of(changes: list[Change]) -> list[Position]:
    return [position_of(change.record.wire) for change in changes if change.record is not None]


def position_of(wire: bytes) -> Position:
    return position_from_wire(pb.Position.FromString(wire))


BTC = {"pair": "BTCUSD"}
REVERSE = {"reverse_on_flip": True}
ONE_MORE = {"most": 2, "close_on_limit": True}
ACCOUNT = {"account_size": "1000"}
P1 = stands("P1", L("A"))
SHORT_P1 = stands("P1", S("A"))
BOTH = stands("P1", L("A"), L("B"))
BY_QUANTITY = stands("P1", L("A", None, quantity="2"))
WITH_ACCOUNT = stands("P1", L("A", value="100"), account_size=Decimal(1000))
BTC_P1 = stands("P1", L("A", "0.4"), trade_pair="BTCUSD")
MANY = {"leverage_min": "0.01", "leverage_max": "0.5", "trade_pair": "BTCUSD"}
CLOSED = stands("P1", L("A"), F("C"))

PLACES: list[tuple[list[Position], Order, dict[str, Any], list[str]]] = [
    # what stands, the order, asked with, what comes of it: opening
    ([], L("A"), {}, ["A LONG 0.1: A"]),
    ([], S("A"), {}, ["A SHORT -0.1: A"]),
    ([], S("A", "-0.1"), {}, ["A SHORT -0.1: A"]),
    ([], L("A", "1e400"), {"cap": "1e401"}, ["A LONG 1" + "0" * 400 + ": A"]),
    ([], L("A", "0.1234567890123456789012345678"), {},
     ["A LONG 0.1234567890123456789012345678: A"]),
    ([], L("A"), {"pair": "NEVER-HEARD-OF"}, ["A LONG 0.1: A"]),
    ([], L("A"), ACCOUNT, ["A LONG 0.1 1q: A"]),
    ([], L("A"), {**ACCOUNT, "pair": "EURUSD"}, ["A LONG 0.1 0.00001q: A"]),
    ([], L("A", quote_usd_rate="2"), ACCOUNT, ["A LONG 0.1 0.5q: A"]),
    ([], L("A", usd_base_rate="0.02"), ACCOUNT, ["A LONG 0.1 2q: A"]),
    ([], L("A", None, quantity="2"), {}, ["A LONG 2q: A"]),
    ([], S("A", None, quantity="2"), {}, ["A SHORT -2q: A"]),
    ([], L("A", None, quantity="2"), ACCOUNT, ["A LONG 0.2 2q: A"]),
    ([], L("A", None, value="500"), ACCOUNT, ["A LONG 0.5 5q: A"]),
    ([], L("A", None, value="500"), {}, ["A LONG 5q: A"]),
    ([CLOSED], L("D"), {}, ["D LONG 0.1: D"]),
    ([leg(L("A"))], L("B"), {}, ["B LONG 0.1: B"]),
    ([stands("P1", L("A"), hotkey="other")], L("B"), {}, ["B LONG 0.1: B"]),
    ([P1], L("B"), {"pair": "Y"}, ["B LONG 0.1: B"]),
    # adding and taking away
    ([P1], L("B"), {}, ["P1 LONG 0.2: A B"]),
    ([P1], S("B", "0.04"), {}, ["P1 LONG 0.06: A B"]),
    ([SHORT_P1], S("B"), {}, ["P1 SHORT -0.2: A B"]),
    ([SHORT_P1], L("B", "0.04"), {}, ["P1 SHORT -0.06: A B"]),
    ([P1], L("A2"), {}, ["P1 LONG 0.2: A A2"]),
    ([BY_QUANTITY], L("B", None, quantity="1"), {}, ["P1 LONG 3q: A B"]),
    ([BY_QUANTITY], S("B", None, quantity="0.5"), {}, ["P1 LONG 1.5q: A B"]),
    ([BY_QUANTITY], L("B", None, value="100"), {}, ["P1 LONG 3q: A B"]),
    ([WITH_ACCOUNT], L("B", None, value="100"), {}, ["P1 LONG 0.2 2q: A B"]),
    ([WITH_ACCOUNT], L("B", None, quantity="1"), {}, ["P1 LONG 0.2 2q: A B"]),
    ([WITH_ACCOUNT], S("B", None, quantity="1"), {}, ["P1 closed: A B"]),
    ([P1, leg(L("A"))], L("B"), {}, ["P1 LONG 0.2: A B"]),
    ([as_it_is("P1")], L("B"), {}, ["P1 LONG 0.1: B"]),
    # closing
    ([P1], F("B"), {}, ["P1 closed: A B"]),
    ([P1], F("A2"), {}, ["P1 closed: A A2"]),
    ([SHORT_P1], F("B"), {}, ["P1 closed: A B"]),
    ([P1], S("B"), {}, ["P1 closed: A B"]),
    ([P1], S("B", "0.0999999999"), {}, ["P1 closed: A B"]),
    ([P1], S("B", "0.099"), {}, ["P1 LONG 0.001: A B"]),
    ([P1], S("B", "3"), {}, ["P1 closed: A B"]),
    ([P1], S("B", "1e400"), {}, ["P1 closed: A B"]),
    ([BY_QUANTITY], S("B", None, quantity="2"), {}, ["P1 closed: A B"]),
    ([WITH_ACCOUNT], S("B", value="110", quantity="1.1"), {}, ["P1 closed: A B"]),
    ([WITH_ACCOUNT], S("B", value="100", quantity="0.9"), {}, ["P1 closed: A B"]),
    ([P1], F("B", source=ELIMINATION, price="0"), {}, ["P1 closed: A B"]),
    ([P1], F("B", source=DEPRECATION, price="0"), {}, ["P1 closed: A B"]),
    ([as_it_is("P1")], F("B"), {}, ["P1 closed: B"]),
    ([as_it_is("P1", L("A", None), net="0.1")], F("B"), {}, ["P1 closed: A B"]),
    ([BOTH], F("C"), {"most": 2}, ["P1 closed: A B C"]),
    ([BOTH], S("C", "0.2"), {"most": 2}, ["P1 closed: A B C"]),
    # reversing
    ([P1], S("B", "0.3"), REVERSE, ["P1 closed: A 1P", "B SHORT -0.2: B"]),
    ([SHORT_P1], L("B", "0.3"), REVERSE, ["P1 closed: A 1P", "B LONG 0.2: B"]),
    ([P1], S("B"), REVERSE, ["P1 closed: A B"]),
    ([P1], F("B"), REVERSE, ["P1 closed: A B"]),
    ([P1], S("B", "0.1000000001"), REVERSE, ["P1 closed: A B"]),
    ([P1], S("B", "0.05"), REVERSE, ["P1 LONG 0.05: A B"]),
    ([BY_QUANTITY], S("B", None, quantity="5"), REVERSE, ["P1 closed: A 1P", "B SHORT -3q: B"]),
    ([WITH_ACCOUNT], S("B", "0.3"), REVERSE, ["P1 closed: A 1P", "B SHORT -0.2 -2q: B"]),
    ([stands("P1", L("A"), L("1P"))], S("C", "0.3"), REVERSE,
     ["P1 closed: A 1P 1P~", "C SHORT -0.1: C"]),
    ([P1], S("1P", "0.3", processed_ms=at("B")), REVERSE,
     ["P1 closed: A 1P~", "1P SHORT -0.2: 1P"]),
    ([stands("x" * 256, L("x" * 256, processed_ms=at("A")))], S("B", "0.3"), REVERSE,
     [f"{'x' * 256} closed: {'x' * 256} {'x' * 255}~", "B SHORT -0.2: B"]),
    ([stands("A", L("A"))], S("B", "0.3"), REVERSE, ["A closed: A A~", "B SHORT -0.2: B"]),
    ([BTC_P1], S("B", "0.9"), {**BTC, **REVERSE, "cap": "5"},
     ["P1 closed: A 1P", "B SHORT -0.5: B"]),
    # the number of orders
    ([P1], L("B"), {"most": 2}, ["P1 LONG 0.2: A B"]),
    ([BOTH], L("C"), ONE_MORE, ["P1 closed: A B 1P", "C LONG 0.1: C"]),
    ([BOTH], S("C", "0.05"), ONE_MORE, ["P1 closed: A B 1P", "C SHORT -0.05: C"]),
    ([BOTH], S("C", "0.2"), ONE_MORE, ["P1 closed: A B C"]),
    ([as_it_is("P1", L("A", None), L("B", None))], L("C"), ONE_MORE,
     ["P1 closed: A B 1P", "C LONG 0.1: C"]),
    # bounds and the cap: to them, and nearer to them
    ([BTC_P1], L("B"), BTC, ["P1 LONG 0.5: A B"]),
    ([], L("A", "0.01"), BTC, ["A LONG 0.01: A"]),
    ([BTC_P1], F("B"), BTC, ["P1 closed: A B"]),
    ([stands("P1", L("A", "2"), trade_pair="BTCUSD")], S("B", "1"), BTC, ["P1 LONG 1: A B"]),
    ([stands("P1", L("A", "0.001"), trade_pair="BTCUSD")], L("B", "0.001"), BTC,
     ["P1 LONG 0.002: A B"]),
    ([BTC_P1], L("B"), {**BTC, "cap": "5"}, ["P1 LONG 0.5: A B"]),
    ([BTC_P1], L("B"), {**BTC, "cap": "0", "portfolio_leverage_max": Decimal(5)},
     ["P1 LONG 0.5: A B"]),
    ([BTC_P1], S("B"), {**BTC, "cap": "0"}, ["P1 LONG 0.3: A B"]),
    ([BTC_P1], F("B"), {**BTC, "cap": "0"}, ["P1 closed: A B"]),
    ([BTC_P1], S("B", "0.8"), {**BTC, **REVERSE, "cap": "0"},
     ["P1 closed: A 1P", "B SHORT -0.4: B"]),
    # cooldown
    ([P1], L("B"), {"cooldown_ms": 1000}, ["P1 LONG 0.2: A B"]),
    ([P1], L("B"), {"cooldown_ms": 5000, "pair": "Y"}, ["B LONG 0.1: B"]),
    ([CLOSED], L("D"), {"cooldown_ms": 1000}, ["D LONG 0.1: D"]),
    ([leg(L("A"), F("C"))], L("D"), {"cooldown_ms": 5000}, ["D LONG 0.1: D"]),
]  # fmt: skip


@pytest.mark.parametrize(("held", "order", "asked", "wanted"), PLACES, ids=names(PLACES))
def test_place(
    held: list[Position], order: Order, asked: dict[str, Any], wanted: list[str]
) -> None:
    """An order is decided by what stands: one commit, right indexes, positions that can be kept."""
    book = book_of(*held)
    before = book.digest

    changes, done = placed(book, order, asked)

    assert book.digest == before, "deciding changes nothing"
    assert [told(p) for p in made_of(changes)] == wanted
    assert told(position_of(done.position)) == wanted[-1]
    assert bool(done.closed) == (len(wanted) > 1)
    assert not done.repeated
    for change in changes:
        book.apply(change)
    assert book.revision == done.revision == len(held) + len(wanted)
    assert not list(book.positions.problems())
    for change in changes:
        assert change.record is not None
        check_position(pb.Position.FromString(change.record.wire), 5000)


@pytest.mark.parametrize(("held", "order", "asked", "wanted"), PLACES, ids=names(PLACES))
def test_the_same_order_again_changes_nothing(
    held: list[Position], order: Order, asked: dict[str, Any], wanted: list[str]
) -> None:
    """Whatever an order did, placing it once more answers with the position that holds it."""
    book = book_of(*held)
    changes, first = placed(book, order, asked)
    for change in changes:
        book.apply(change)

    changes, again = placed(book, order, asked)

    assert not changes
    assert again == PlaceDone(book.revision, first.position, repeated=True)


@pytest.mark.parametrize(("held", "order", "asked", "wanted"), PLACES, ids=names(PLACES))
def test_a_placed_position_is_what_fills_make_of_its_orders(
    held: list[Position], order: Order, asked: dict[str, Any], wanted: list[str]
) -> None:
    """Figures, sizes and times are those of `filled`, wherever the orders hold anything."""
    changes, _ = placed(book_of(*held), order, asked)

    for made in made_of(changes):
        again = filled(made, PAIRS.of(made.trade_pair))
        if again.side is not None:
            assert again == made


def bounds(leverage: str) -> Refusal:
    return LeverageOutOfBounds, {"leverage": leverage, **MANY}


def over(after: str, before: str, cap: str) -> Refusal:
    numbers = {"portfolio_leverage": after, "portfolio_leverage_before": before}
    return PortfolioLeverageExceeded, {**numbers, "portfolio_leverage_max": cap}


def reused(order_uuid: str, position_uuid: str) -> Refusal:
    return OrderReused, {"order_uuid": order_uuid, "position_uuid": position_uuid}


def cooling(remaining_ms: int) -> Refusal:
    return CoolingDown, {"remaining_ms": str(remaining_ms), "order_cooldown_ms": "5000"}


NO_FLAT: Refusal = (NothingOpen, {"hotkey": "hk", "trade_pair": "X"})
NO_SIZE: Refusal = (InvalidArgument, {"field": "order.leverage"})
NO_PRICE: Refusal = (InvalidArgument, {"field": "order.price"})
TOO_EARLY: Refusal = (InvalidArgument, {"field": "order.processed_ms"})
NO_FIGURE: Refusal = (InvalidArgument, {"field": "order"})
NAMES_P1 = {"position_uuid": "P1"}
NEEDY_P1 = {"hotkey": "hk", "position_uuid": "P1"}
FULL: Refusal = (TooManyOrders, {"position_orders_max": "2", **NAMES_P1})
NVDA = stands("N", S("A", "2"), trade_pair="NVDA")

REFUSALS: list[tuple[list[Position], Order, dict[str, Any], Refusal]] = [
    # what stands, the order, asked with, the refusal: nothing to close
    ([], F("A"), {}, NO_FLAT),
    ([CLOSED], F("D"), {}, NO_FLAT),
    ([leg(L("A"))], F("B"), {}, NO_FLAT),
    ([stands("P1", L("A"), hotkey="other")], F("B"), {}, NO_FLAT),
    ([stands("P1", L("A"), trade_pair="Y")], F("B"), {}, NO_FLAT),
    # sizes
    ([], L("A", None), {}, NO_SIZE),
    ([], L("A", "0"), {}, NO_SIZE),
    ([], L("A", "1e-10"), {}, NO_SIZE),
    ([], L("A", "1e-400"), {}, NO_SIZE),
    ([], L("A", None, quantity="1e-10"), {}, NO_SIZE),
    ([], L("A", None, value="0"), ACCOUNT, NO_SIZE),
    ([P1], L("B", None), {}, NO_SIZE),
    ([P1], S("B", "0"), {}, NO_SIZE),
    ([P1], L("B", None, quantity="1"), {}, NO_SIZE),  # no account: it has no leverage
    ([P1], L("B", "0", quantity="1"), {}, NO_SIZE),
    ([BY_QUANTITY], L("B"), {}, (InvalidArgument, {"field": "order.quantity"})),
    ([], L("A", "1e300"), {"account_size": "1e300", "cap": "1e400"}, NO_FIGURE),
    ([], L("A", price="1e-300"), {"account_size": "1e300"}, NO_FIGURE),
    ([P1], L("B", "1e400", value="1e-400", price="1e400"), {"cap": "1e401"}, NO_FIGURE),
    ([WITH_ACCOUNT], S("B", "0.2", price="1e-400"), {**REVERSE, "account_size": "1e300"},
     NO_FIGURE),
    # prices
    ([], L("A", price="0"), {}, NO_PRICE),
    ([P1], F("B", price="0"), {}, NO_PRICE),
    ([P1], L("B", price="0", source=ELIMINATION), {}, NO_PRICE),
    ([P1], F("B", price="0", source=OrderSource.PRICE_FILLED_ELIMINATION_FLAT), {}, NO_PRICE),
    ([P1], F("B", price="0", source=OrderSource.MAX_ORDERS_CLOSE), {}, NO_PRICE),
    # times
    ([stands("P1", L("B"))], L("A"), {}, TOO_EARLY),
    ([stands("P1", L("B"))], F("A"), {}, TOO_EARLY),
    ([as_it_is("P1", open_ms=at("C"))], L("B"), {}, TOO_EARLY),
    # orders that stand already
    ([P1], L("A", "0.2"), {}, reused("A", "P1")),
    ([P1], S("A"), {}, reused("A", "P1")),
    ([P1], L("A", price="101"), {}, reused("A", "P1")),
    ([P1], L("A", extra={"note": 1}), {}, reused("A", "P1")),
    ([P1], L("A", processed_ms=at("B")), {}, reused("A", "P1")),
    ([P1], L("A"), {"pair": "Y"}, reused("A", "P1")),
    ([CLOSED], L("A", "0.2"), {}, reused("A", "P1")),
    ([CLOSED], F("A"), {}, reused("A", "P1")),
    ([leg(L("A"))], S("A"), {}, reused("A", "leg")),
    ([stands("B", L("A"), hotkey="other")], L("B"), {}, reused("B", "B")),
    ([stands("B", L("A"), F("C"))], L("B"), {}, reused("B", "B")),
    ([stands("B", L("A"))], S("B", "0.3"), REVERSE, reused("B", "B")),
    # the number of orders
    ([BOTH], L("C"), {"most": 2}, FULL),
    ([BOTH], S("C", "0.05"), {"most": 2}, FULL),
    ([BOTH], S("C", "0.05"), {"most": 2, **REVERSE}, FULL),
    ([as_it_is("P1", L("A", None), L("B", None))], L("C"), {"most": 2}, FULL),
    # the bounds of the pair
    ([], L("A", "0.6"), BTC, bounds("0.6")),
    ([], S("A", "0.6"), BTC, bounds("-0.6")),
    ([], L("A", "0.001"), BTC, bounds("0.001")),
    ([BTC_P1], L("B", "0.2"), BTC, bounds("0.6")),
    ([BTC_P1], S("B", "0.395"), BTC, bounds("0.005")),
    ([BTC_P1], S("B", "0.405"), {**BTC, **REVERSE}, bounds("-0.005")),
    ([BTC_P1], S("B", "1"), {**BTC, **REVERSE}, bounds("-0.6")),
    ([stands("P1", L("A", "2"), trade_pair="BTCUSD")], L("B", "0.1"), BTC, bounds("2.1")),
    ([stands("P1", L("A", "0.2"), L("B", "0.2"), trade_pair="BTCUSD")], L("C", "0.6"),
     {**BTC, **ONE_MORE}, bounds("0.6")),
    # the cap over all pairs
    ([BTC_P1], L("B"), {**BTC, "cap": "4.9"}, over("5.0", "4.0", "4.9")),
    ([NVDA], L("A2", "0.4"), {**BTC, "cap": "7.9"}, over("8.0", "4", "7.9")),
    ([NVDA], L("B"), {"portfolio_leverage_max": Decimal("4")}, over("4.1", "4", "4")),
    ([leg(L("A", "2"))], L("B"), {"cap": "2"}, over("2.1", "2", "2")),
    ([], L("A"), {"cap": "0"}, over("0.1", "0", "0")),
    ([BTC_P1], S("B", "0.85"), {**BTC, **REVERSE, "cap": "4"}, over("4.50", "4.0", "4")),
    # cooldown
    ([P1], L("B"), {"cooldown_ms": 5000}, cooling(4000)),
    ([P1], F("B"), {"cooldown_ms": 5000}, cooling(4000)),
    ([P1], L("A2"), {"cooldown_ms": 5000}, cooling(5000)),
    ([CLOSED], L("D"), {"cooldown_ms": 5000}, cooling(4000)),
    # positions that take no orders
    ([as_it_is("P1", net="0.1")], L("B"), {}, (Unsupported, NAMES_P1)),
    ([as_it_is("P1", net="0.1")], F("B"), {}, (Unsupported, NAMES_P1)),
    ([as_it_is("P1", L("A"), F("B"), L("C"))], L("D"), {}, (NeedsSplit, NEEDY_P1)),
    ([as_it_is("P1", L("A"), S("B"))], F("D"), {}, (NeedsSplit, NEEDY_P1)),
]  # fmt: skip


@pytest.mark.parametrize(("held", "order", "asked", "refusal"), REFUSALS, ids=names(REFUSALS))
def test_a_refused_order(
    held: list[Position], order: Order, asked: dict[str, Any], refusal: Refusal
) -> None:
    """A refusal has its own code and the numbers in its details, and changes nothing."""
    book = book_of(*held)
    before = book.digest

    with pytest.raises(refusal[0]) as refused:
        placed(book, order, asked)

    assert (type(refused.value), dict(refused.value.details)) == refusal
    assert "None" not in refused.value.message
    assert (book.digest, book.revision) == (before, len(held))


@pytest.mark.parametrize("price", ["2999.5", "3100.7", "1700.1", "7"])
@pytest.mark.parametrize("of", [L, S])
def test_an_order_may_land_exactly_on_a_bound(of: Callable[..., Order], price: str) -> None:
    """In quantities as well: what is worked out from a leverage is not taken for more than that."""
    eth: dict[str, Any] = {"trade_pair": "ETHUSD", "account_size": Decimal(100_000)}
    held = stands("P1", of("A", None, quantity="3", price=price), **eth)
    order = of("B", str(Decimal("0.5") - abs(held.net_leverage)), price=price)
    [made] = made_of(placed(book_of(held), order, {"pair": "ETHUSD", "cap": "5"})[0])
    assert abs(made.net_leverage) == Decimal("0.5")


@pytest.mark.parametrize(("off", "is_allowed"), [("0.999e-9", True), ("1e-9", False)])
def test_what_is_nearer_to_a_limit_than_nothing_lies_on_it(off: str, is_allowed: bool) -> None:
    """Bounds and cap have the tolerance of a net that is zero, and no more."""
    eth, nothing = PAIRS.of("ETHUSD"), Decimal(0)
    book = book_of(as_it_is("P1", net=str(2 + Decimal(off)), trade_pair="EURUSD"))
    x, held_to = PAIRS.of("X"), terms()
    checks: list[Callable[[], None]] = [
        lambda: check_bounds(eth, nothing, Decimal("-0.5") - Decimal(off)),
        lambda: check_bounds(eth, nothing, Decimal("0.01") - Decimal(off)),
        lambda: check_portfolio(book, "hk", Decimal(3), x, None, Decimal(5), held_to),
    ]
    for check in checks:
        with contextlib.nullcontext() if is_allowed else pytest.raises(HotbookError):
            check()


@pytest.mark.parametrize("held", [[], [P1]], ids=["opening", "adding"])
def test_an_order_lies_no_more_than_five_minutes_ahead(held: list[Position]) -> None:
    """Clocks differ by no more; a later one would make all others too early until then."""
    book, latest_ms = book_of(*held), NOW_MS + EARLY_MS
    with pytest.raises(
        InvalidArgument, match=rf"lies in the future: it is {NOW_MS} now"
    ) as refused:
        placed(book, L("B", processed_ms=latest_ms + 1), {})
    assert refused.value.field == "order.processed_ms"
    assert placed(book, L("B", processed_ms=latest_ms), {})[0]


def test_a_close_lies_no_more_than_five_minutes_ahead() -> None:
    """Unless the position's last order does: then it may lie there as well, and no later."""
    far_ms = NOW_MS + EARLY_MS + 1
    ahead = stands("P1", L("A", processed_ms=far_ms))
    for held, at_ms in ((P1, far_ms), (ahead, far_ms + 1)):
        with pytest.raises(InvalidArgument, match=r"at_ms .* lies in the future"):
            decide_close(book_of(held), closing(at_ms=at_ms), NOW_MS, terms())
    for at_ms in (0, far_ms):
        assert decide_close(book_of(ahead), closing(at_ms=at_ms), NOW_MS, terms())[0]


@pytest.mark.parametrize(
    ("last_ms", "given_ms", "stamped_ms"),
    [
        (None, 0, NOW_MS),
        (None, at("B"), at("B")),
        (None, NOW_MS + 5, NOW_MS + 5),
        (at("A"), 0, NOW_MS),
        (at("A"), at("A"), at("A")),
        (NOW_MS + 5, 0, NOW_MS + 5),
    ],
)
def test_an_order_without_a_time_has_that_of_the_commit(
    last_ms: int | None, given_ms: int, stamped_ms: int
) -> None:
    """0 is the time of the commit, or of the last order where that is later; and a repetition
    that comes later is still the same order."""
    held = [] if last_ms is None else [stands("P1", L("A", processed_ms=last_ms))]
    book = book_of(*held)
    order = L("B", processed_ms=given_ms)

    changes, _ = placed(book, order, {})
    [made] = made_of(changes)
    book.apply(changes[0])

    assert made.orders[-1].processed_ms == stamped_ms
    changes, done = placed(book, order, {}, now_ms=NOW_MS + 60_000)
    assert (changes, done.repeated) == ([], True)


def test_a_bound_that_is_not_set_is_not_told_as_none(tmp_path: Path) -> None:
    """Details are for programs: a bound that the pair does not have is an empty text."""
    file = tmp_path / "pairs.toml"
    file.write_text('[category.c]\nleverage_max = 1\npairs = ["X"]\n')
    held_to = Terms.of(load_settings(pairs_file=file))

    with pytest.raises(LeverageOutOfBounds) as refused:
        decide_place(book_of(), placing(L("A", "2")), NOW_MS, held_to)

    assert (refused.value.details["leverage_min"], refused.value.details["leverage_max"]) == (
        "", "1"
    )  # fmt: skip
    assert "None" not in refused.value.message


# ------------------------------------------------------------------ closing by a FLAT of ours


def closing(pair: str = "X", **changed: Any) -> ClosePosition:
    fields = {"position_uuid": "", "price": "100", "at_ms": at("C"), "source": 0}
    return ClosePosition("hk", pair, **fields | changed)  # type: ignore[arg-type]


BY_UUID = {"pair": "", "position_uuid": "P1"}
NOTHING: Refusal = (NothingOpen, {"hotkey": "hk", "trade_pair": "X", "position_uuid": ""})
NO_P1: Refusal = (NothingOpen, {"hotkey": "hk", "trade_pair": "", "position_uuid": "P1"})
CLOSES: list[tuple[list[Position], dict[str, Any], str | Refusal]] = [
    ([P1], {}, "P1 closed: A 1P"),
    ([P1], BY_UUID, "P1 closed: A 1P"),
    ([P1, leg(L("A"))], {}, "P1 closed: A 1P"),
    ([P1], {"at_ms": 0}, "P1 closed: A 1P"),
    ([P1], {"at_ms": at("A")}, "P1 closed: A 1P"),
    ([P1], {"price": "", "source": pb.SOURCE_DEPRECATION_FLAT}, "P1 closed: A 1P"),
    ([P1], {"price": "0", "source": pb.SOURCE_ELIMINATION_FLAT}, "P1 closed: A 1P"),
    ([BY_QUANTITY], {}, "P1 closed: A 1P"),
    ([as_it_is("P1")], {}, "P1 closed: 1P"),
    ([as_it_is("P1", net="0.1")], {}, "P1 closed: 1P"),
    ([as_it_is("P1", L("A", None), net="0.1")], {}, "P1 closed: A 1P"),
    ([], {}, NOTHING),
    ([CLOSED], {}, NOTHING),
    ([leg(L("A"))], {}, NOTHING),
    ([CLOSED], BY_UUID, NO_P1),
    ([stands("P1", L("A"), hotkey="other")], BY_UUID, NO_P1),
    ([leg(L("A"))], {"pair": "", "position_uuid": "leg"}, (Unsupported, {"position_uuid": "leg"})),
    ([P1], {"price": ""}, (InvalidArgument, {"field": "price"})),
    ([P1], {"price": "0", "source": pb.SOURCE_MAX_ORDERS_CLOSE},
     (InvalidArgument, {"field": "price"})),
    ([stands("P1", L("D"))], {}, (InvalidArgument, {"field": "at_ms"})),
    ([as_it_is("P1", open_ms=at("D"))], {}, (InvalidArgument, {"field": "at_ms"})),
    ([as_it_is("P1", L("A"), F("B"))], {}, (NeedsSplit, NEEDY_P1)),
]  # fmt: skip


@pytest.mark.parametrize(("held", "asked", "wanted"), CLOSES)
def test_close(held: list[Position], asked: dict[str, Any], wanted: str | Refusal) -> None:
    """What is open is closed by a FLAT of ours, whatever holds it; a refusal changes nothing."""
    book = book_of(*held)
    if not isinstance(wanted, str):
        with pytest.raises(wanted[0]) as refused:
            decide_close(book, closing(**asked), NOW_MS, terms())
        assert (type(refused.value), dict(refused.value.details)) == wanted
        return
    changes, done = decide_close(book, closing(**asked), NOW_MS, terms())
    for change in changes:
        book.apply(change)

    [made] = made_of(changes)
    assert told(made) == told(position_of(done.position)) == wanted
    assert made.side is Side.FLAT
    assert not made.net_leverage
    assert not made.net_quantity
    assert made.close_ms == (asked.get("at_ms", at("C")) or NOW_MS)
    assert not list(book.positions.problems())
