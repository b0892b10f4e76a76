"""Fills: rows worked out by hand, and a second, naive account in fractions to compare with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotbook_shared.fills import EXACT, Running, complete, fill, filled
from hotbook_shared.model import Order, OrderSource, Position, Side, TradePair
from hotbook_shared.pairs import known_pairs
from tests.chance import examples

BITCOIN, EURO = known_pairs().of("BTCUSD"), known_pairs().of("EURUSD")  # lots of 1 and of 100,000
ACCOUNT = Decimal(100_000)
SIDES = {"L": Side.LONG, "S": Side.SHORT, "F": Side.FLAT}
SIZES = {"": "leverage", "q": "quantity", "v": "value"}
SIZE_NAMES = tuple(SIZES.values())
CLOSE = Fraction(1, 10**12)


def orders(text: str) -> tuple[Order, ...]:
    """Orders, one for each word: `L1@100`, `S2q@110` (quantity), `F@0[source=ELIMINATION_FLAT]`."""
    return tuple(_order(number, word) for number, word in enumerate(text.split()))


def _order(number: int, word: str) -> Order:
    found = re.fullmatch(r"([LSF])([^@]*)@([^\[]*)(?:\[(.*)\])?", word)
    assert found, word
    kind, sizes, price, more = found.groups()
    fields: dict[str, Any] = {"processed_ms": (number + 1) * 1000, "price": Decimal(price)}
    for size in filter(None, sizes.split("+")):
        amount, unit = (size[:-1], size[-1]) if size[-1] in "qv" else (size, "")
        fields[SIZES[unit]] = Decimal(amount)
    for setting in filter(None, (more or "").split(",")):
        name, _, value = setting.partition("=")
        kinds = {"source": OrderSource, "processed_ms": int}
        fields[name] = kinds.get(name, Decimal)(value)
    return Order(order_uuid=f"order_{number}", type=SIDES[kind], **fields)


def position(made: Sequence[Order], account_size: Decimal = ACCOUNT, **changed: Any) -> Position:
    fields: dict[str, Any] = {
        "hotkey": "hk", "position_uuid": "p", "trade_pair": "BTCUSD", "open_ms": 1
    }  # fmt: skip
    return Position(orders=tuple(made), account_size=account_size, **fields | changed)


def is_near(found: Decimal, wanted: Fraction, scale: Fraction = Fraction(1)) -> bool:
    return abs(Fraction(found) - wanted) <= CLOSE * max(scale, abs(wanted))


# ------------------------------------------------------------------ worked out by hand


ROWS = """
a long: L1@100
    side=LONG net_leverage=1 net_quantity=1000 net_value=100000 average_entry_price=100
    cumulative_entry_value=100000 realized_pnl=0 current_return=1 return_at_close=0.999
a short: S1@100
    side=SHORT net_leverage=-1 net_quantity=-1000 net_value=-100000 average_entry_price=100
    cumulative_entry_value=100000 realized_pnl=0 current_return=1 return_at_close=0.999
a long that won: L1@100 F@110
    side=FLAT close_ms=2000 net_leverage=0 net_quantity=0 net_value=0 realized_pnl=10000
    unrealized_pnl=0 average_entry_price=100 current_return=1.1 return_at_close=1.0989
    last.leverage=-1 last.quantity=-1000 last.value=-100000
a short that has its sign, and won: S-2@100 F@80
    realized_pnl=40000 current_return=1.4 return_at_close=1.3972 last.leverage=2
a long that lost everything: L5@100 F@50
    realized_pnl=-250000 current_return=0 return_at_close=0
twice the price: L1@100 L1@200
    net_quantity=1500 average_entry_price=400/3 cumulative_entry_value=200000 realized_pnl=0
    unrealized_pnl=100000 current_return=2 return_at_close=1.996
partly closed: L1@100 S0.5@125
    side=LONG net_leverage=0.5 net_quantity=600 net_value=50000 average_entry_price=100
    realized_pnl=10000 unrealized_pnl=15000 current_return=1.25 return_at_close=1.248125
partly closed, then closed: L1@100 S0.5@125 F@150
    realized_pnl=40000 current_return=1.4 return_at_close=1.3979 last.leverage=-0.5
    last.quantity=-600 last.value=-50000
a flip is clipped: L2@100 S3@110
    side=FLAT close_ms=2000 realized_pnl=20000 current_return=1.2 return_at_close=1.1976
    last.leverage=-2 last.quantity=-2000 last.value=-200000
a net of nearly zero: L1@100 S0.9999999999@110
    side=FLAT last.leverage=-1
a net of 1e-9 is held: L1@100 S0.999999999@110
    side=LONG net_leverage=1e-9
nothing but dust: L9e-10@100
    side=None close_ms=None current_return=1
nothing but dust closes not: L9e-10@100 F@110
    side=None close_ms=None
dust that adds up: L6e-10@100 L6e-10@100
    side=LONG net_leverage=12e-10
orders of no size: L0@90 S@95 L1@100 L0@100 F@110
    side=FLAT close_ms=5000 return_at_close=1.0989
leading flats: F@90 F@95 L1@100 F@110
    side=FLAT close_ms=4000 average_entry_price=100 return_at_close=1.0989
only a flat: F1@100
    side=None close_ms=None return_at_close=1 last.leverage=1
what comes after the close: L1@100 F@110 S9@1 L9@1000
    close_ms=2000 return_at_close=1.0989 last.leverage=9
quantities: L2q@1000
    net_leverage=0.02 net_quantity=2 net_value=2000 average_entry_price=1000
    cumulative_entry_value=2000 return_at_close=0.99998
quantities, partly closed: L2q@1000 S1q@1500
    net_leverage=0.01 net_quantity=1 net_value=1000 realized_pnl=500 unrealized_pnl=500
    current_return=1.01 return_at_close=1.0099697
quantities without an account: L2q@1000 F@1500 account=0
    realized_pnl=1000 current_return=1.5 net_leverage=0 last.quantity=-2
leverage without an account: L1@100 F@110 account=0
    realized_pnl=0 current_return=1.1 return_at_close=1.0989 last.leverage=-1
    last.quantity=None last.value=None
an account that the first value implies: L0.5+1000v@100 F@110 account=0
    realized_pnl=100 current_return=1.05 return_at_close=1.049475 last.quantity=-10
    last.value=-1000
an account that the first quantity implies: L0.5+10q@100 F@110 account=0
    realized_pnl=100 current_return=1.05
leverage decides beside quantity: L1+500q@100 F@110
    net_leverage=0 realized_pnl=5000 current_return=1.05 last.quantity=-500
a leverage of zero decides nothing: L0+2q@1000 S1+1q@1000
    net_quantity=1 net_leverage=0.01
slippage makes a long worse: L1@100[slippage=0.01] F@110[slippage=0.01]
    average_entry_price=101 cumulative_entry_value=101000 realized_pnl=7900
slippage makes a short worse: S1@100[slippage=0.01] F@90[slippage=0.01]
    average_entry_price=99 realized_pnl=8100
a quote that is not USD: L1@100[quote_usd_rate=0.01] F@110[quote_usd_rate=0.008] pair=EURUSD
    cumulative_entry_value=100000 realized_pnl=8000 return_at_close=1.08 last.quantity=-1
a base that is USD: L2@100[usd_base_rate=1,quote_usd_rate=0.01] pair=EURUSD
    net_quantity=2 net_value=200000
lots: L0.5q@1.1 pair=EURUSD
    net_leverage=0.55 net_quantity=0.5 net_value=55000 return_at_close=1
an elimination has no price: L1@100 L1@110 F@0[source=ELIMINATION_FLAT]
    side=FLAT net_leverage=0 realized_pnl=0 current_return=1.1 return_at_close=1.0978
    last.leverage=-2
times that run backwards: L1@100[processed_ms=5000] F@110[processed_ms=4000]
    open_ms=5000 close_ms=5000
28 digits: L0.1234567890123456789012345678@100 S9@100
    side=FLAT current_return=1 last.leverage=-0.1234567890123456789012345678
digits further apart than a number has: L1e28@1 L1@1 S1e28@1
    side=FLAT net_value=0
the largest numbers: L1e400@1e400 F@1e400
    side=FLAT current_return=1
the smallest numbers: L1@1e-400 F@2e-400
    realized_pnl=100000 current_return=2
leverage that the spread eats up: L2000@100
    current_return=1 return_at_close=0
more sold than was held: L1@100 S0.9@50 S0.05@40 F@20
    realized_pnl=-50000 current_return=0.5 return_at_close=0.499025 last.quantity=0
opened without a price: L1@0 S0.5@100
    side=LONG net_leverage=0.5 net_quantity=0 unrealized_pnl=0
a quantity of zero says nothing: L1+0q@100 F@110
    current_return=1.1
"""
"""A name, orders, and the figures that they amount to; those of the last order begin with `last.`.

The account is 100,000 and the pair BTCUSD, where a row does not say otherwise.
"""


def _named_rows() -> list[Any]:
    found = re.findall(r"^(\S.*?): (.*\n(?:    .*\n)*)", ROWS, re.MULTILINE)
    return [pytest.param(row, id=name) for name, row in found]


def _read(row: str) -> tuple[tuple[Order, ...], Decimal, TradePair, dict[str, str]]:
    """A row's orders, its account and pair, and what it says of them."""
    words = row.split()
    said = dict(word.split("=", 1) for word in words if "@" not in word)
    account, pair = Decimal(said.pop("account", ACCOUNT)), said.pop("pair", "BTCUSD")
    made = orders(" ".join(word for word in words if "@" in word))
    return made, account, known_pairs().of(pair), said


@pytest.mark.parametrize("row", _named_rows())
def test_orders_amount_to_what_can_be_worked_out_by_hand(row: str) -> None:
    """Each figure that a row names, and each size of its last order, is the one given there."""
    made, account, pair, said = _read(row)

    found = filled(position(made, account), pair)

    assert said
    _assert_says(found, said)


def _assert_says(found: Position | Order, wanted: dict[str, str]) -> None:
    for name, text in wanted.items():
        whose: object = found
        if name.startswith("last.") and isinstance(found, Position):
            whose = found.orders[-1]
        value = getattr(whose, name.removeprefix("last."))
        if isinstance(value, Decimal):
            assert is_near(value, Fraction(text)), (name, value, text)
        else:
            assert str(value) == text, name


def test_a_position_without_orders_stays_as_it_is() -> None:
    """Figures that come from no order are not taken away."""
    made = position((), net_leverage=Decimal("0.5"), side=Side.SHORT)

    assert filled(made, BITCOIN) is made


COMPLETED = [
    "L2@100 leverage=2 value=200000 quantity=2000",
    "S2@100 leverage=-2 value=-200000 quantity=-2000",
    "L2q@100 leverage=None value=200 quantity=2",
    "S2000v@100 leverage=-0.02 value=-2000 quantity=-20",
    "L2000v@0 leverage=0.02 value=2000 quantity=None",
    "L1+5q+7v@100 leverage=1 value=7 quantity=5",
    "L1@100[usd_base_rate=0.5] value=100000 quantity=50000",
    "L1@100[quote_usd_rate=0.5] value=100000 quantity=2000",
    "L1@1.1 value=100000 quantity=10/11 pair=EURUSD",
    "L@100 leverage=None value=None quantity=None",
    "S2000v@100 leverage=None value=-2000 quantity=-20 account=0",
    "L2@100 leverage=2 value=None quantity=None account=0",
]


@pytest.mark.parametrize("row", COMPLETED)
def test_an_order_is_completed_from_what_it_has(row: str) -> None:
    """Sizes that follow are filled in with their sign, those given stay; once is enough."""
    order, account, pair, said = _read(row)

    found = complete(order[0], account, pair)

    _assert_says(found, said)
    assert complete(found, account, pair) == found


@pytest.mark.parametrize(("more", "less"), [("L", "S"), ("S", "L")])
@pytest.mark.parametrize("price", ["3000", "2999.5", "3100.7", "6.1", "7"])
def test_a_leverage_that_was_given_is_not_worked_out_again(
    more: str, less: str, price: str
) -> None:
    """Where a position goes by quantity, which is rounded, what an order says of its leverage
    counts as it was said; at another price than that of what it takes away it is another."""
    words = f"{more}3q@{price} {more}0.47@{price} {less}0.08@{price}"
    made = [complete(order, ACCOUNT, BITCOIN) for order in orders(words)]
    found = abs(fill(made, ACCOUNT, BITCOIN).net_leverage)
    assert found == 3 * Decimal(price) / ACCOUNT + Decimal("0.39")

    cheaper = complete(orders(f"{less}0.08@{Decimal(price) / 2}")[0], ACCOUNT, BITCOIN)
    assert abs(fill([*made[:2], cheaper], ACCOUNT, BITCOIN).net_leverage) < found


# ------------------------------------------------------------------ the same again, naively


class Account:
    """The figures of orders, told as one would tell them: what was paid for what is held."""

    def __init__(self, made: Sequence[Order], account: Fraction, pair: TradePair) -> None:
        self.pair = pair
        self.net = self.held = self.paid = self.realized = self.gain = self.traded = Fraction()
        self.leverage = Fraction()
        self.closed = False
        sized = [o for o in made if o.type is not Side.FLAT and (o.leverage or o.quantity)]
        self.name = "leverage" if not sized or sized[0].leverage else "quantity"
        self.knows_leverage = self.name == "leverage" or account != 0
        self.in_usd = bool(account) or any(map(self._implied, sized[:1]))
        self.size = account or sum(map(self._implied, sized[:1]), Fraction()) or Fraction(1)
        for order in made:
            self._take(order)
            if self.closed:
                break
        self.gross = max(1 + self.gain / self.size, Fraction())
        spread = 1 - Fraction(pair.spread_rate) * self.traded
        self.net_return = self.gross * max(spread, Fraction())

    def _worth(self, order: Order) -> Fraction:
        if order.usd_base_rate:
            return 1 / Fraction(order.usd_base_rate)
        return Fraction(order.price) * Fraction(order.quote_usd_rate or 1)

    def _implied(self, first: Order) -> Fraction:
        lots = Fraction(first.quantity or 0) * Fraction(self.pair.lot_size)
        value = lots * self._worth(first) if first.value is None else Fraction(first.value)
        return abs(value / Fraction(first.leverage or 1) if self.name == "leverage" else value)

    def _take(self, order: Order) -> None:
        sign = {Side.LONG: 1, Side.SHORT: -1, Side.FLAT: 0}[order.type]
        size = sign * abs(Fraction(getattr(order, self.name) or 0))
        if order.type is Side.FLAT and self.net:
            return self._give_up(order, self.held, buys=self.held < 0, last=True)
        after = self.net + size
        if not size:
            return None
        if self.net and (abs(after) < Fraction(1, 10**9) or after * self.net < 0):
            return self._give_up(order, self.held, buys=sign > 0, last=True)
        takes_away, self.net = self.net * size < 0, after
        units = self._units(order, size)
        if takes_away:
            units = sign * min(abs(units), abs(self.held))
            part = size if self.name == "leverage" else self.leverage * units / self.held
            self._give_up(order, -units, buys=sign > 0)
        else:
            part = units * self._worth(order) / self.size if self.name == "quantity" else size
            self.held += units
            self.paid += units * self._price(order, sign > 0)
        if self.knows_leverage:
            self.leverage, self.traded = self.leverage + part, self.traded + abs(part)
        open_result = (self.held * Fraction(order.price) - self.paid) * self._rate(order)
        self.gain = self.realized + open_result
        return None

    def _units(self, order: Order, size: Fraction) -> Fraction:
        if self.name == "quantity":
            return size * Fraction(self.pair.lot_size)
        if order.quantity and self.in_usd:
            units = abs(Fraction(order.quantity)) * Fraction(self.pair.lot_size)
            return units if size > 0 else -units
        return size * self.size / self._worth(order)

    def _give_up(self, order: Order, units: Fraction, *, buys: bool, last: bool = False) -> None:
        """Units that are held go at the order's price, and their share of what was paid."""
        share = self.paid * units / self.held if self.held else Fraction()
        if order.price:
            self.realized += (units * self._price(order, buys) - share) * self._rate(order)
        self.held, self.paid = self.held - units, self.paid - share
        if last:
            self.net, self.leverage, self.closed = Fraction(), Fraction(), True
            self.gain = self.realized if order.price else self.gain

    def _price(self, order: Order, buys: bool) -> Fraction:
        return Fraction(order.price) * (1 + Fraction(order.slippage) * (1 if buys else -1))

    def _rate(self, order: Order) -> Fraction:
        return Fraction(order.quote_usd_rate or 1)


def a_number(least: str, most: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(least, most, places=places, allow_nan=False)


def order_lists(*names: str) -> st.SearchStrategy[tuple[Order, ...]]:
    """Lists of orders with those sizes, at prices that halve and double, some with rates."""
    sizes = {name: st.none() | a_number("-3", "3", 1) for name in names}
    order = st.builds(
        Order,
        order_uuid=st.just("o"),
        type=st.sampled_from(Side),
        processed_ms=st.integers(0, 9),
        price=a_number("50", "200", 0),
        slippage=st.just(Decimal(0)) | a_number("0", "0.1", 2),
        quote_usd_rate=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
        usd_base_rate=st.sampled_from([Decimal(0), Decimal(0), Decimal("0.01")]),
        **sizes,
    )
    return st.lists(order, max_size=8).map(tuple)


accounts = st.sampled_from([Decimal(0), Decimal(700), ACCOUNT])
lists = (
    order_lists("leverage") | order_lists("quantity") | order_lists("leverage", "quantity", "value")
)


@settings(deadline=None, max_examples=examples(400))
@given(lists, accounts, st.sampled_from([BITCOIN, EURO]))
@example(orders("L1@100 S0.9@50 S0.05@40 L1@100"), ACCOUNT, BITCOIN)
@example(orders("L1@100 L1@120 F@0"), ACCOUNT, BITCOIN)
def test_a_naive_account_comes_to_the_same(
    made: tuple[Order, ...], account: Decimal, pair: TradePair
) -> None:
    """Side, net, what was realized and both returns, of any list, to twelve digits."""
    found, wanted = fill(made, account, pair), Account(made, Fraction(account), pair)
    scale = sum((abs(wanted.size), abs(wanted.realized), abs(wanted.paid)), Fraction(1))

    assert (found.closing is not None) == wanted.closed
    assert found.side == _side(wanted)
    assert is_near(found.net_leverage, wanted.leverage, scale / wanted.size)
    assert is_near(found.current_return, wanted.gross, scale / wanted.size)
    assert is_near(found.return_at_close, wanted.net_return, scale / wanted.size)
    lots = wanted.held / Fraction(pair.lot_size)
    if wanted.in_usd:
        assert is_near(found.realized_pnl, wanted.realized, scale)
        assert is_near(found.net_quantity, lots, scale)
    else:
        assert found.realized_pnl == 0


def _side(wanted: Account) -> Side | None:
    if wanted.closed:
        return Side.FLAT
    return (Side.LONG if wanted.net > 0 else Side.SHORT) if wanted.net else None


@settings(deadline=None)
@given(lists, accounts)
def test_figures_go_on_from_where_they_stand(made: tuple[Order, ...], account: Decimal) -> None:
    """Order by order, from a copy each time, they are what all orders so far amount to.

    An order that closes takes nothing from what it met: asked again, it closes just the same.
    """
    running = Running.on(BITCOIN, account)
    for count in range(1, len(made) + 1):
        order, wanted = made[count - 1], fill(made[:count], account, BITCOIN)
        with localcontext(EXACT):
            before, running = running, copy(running)
            found = running.meet(order)
            assert (found or running.figures()) == wanted
            assert (copy(before).meet(order) or running.figures()) == wanted
            if found is not None:
                assert running.meet(order) == found
                return
