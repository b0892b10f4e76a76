"""What a list of orders amounts to: side, size, average entry, realized result, closed or not.

Pure, in Decimal. LONG adds, SHORT subtracts, FLAT closes all. The order that takes the net to zero,
or across it, closes the position there, and its size is clipped to what was left. What comes after
it counts for nothing here: `splitting` makes positions of it.

    LONG 2 at 100, SHORT 3 at 110, with an account of 100,000:
    closed by the second order, which becomes SHORT 2; realized 20,000; return 1.2; after a spread
    of 0.001 for each 1 of leverage traded (2: the closing order is free) 1.1976.

Leverage decides where the first sized order carries it, else quantity. A fill's price is the
order's, made worse by its slippage. A rate to USD that is not given counts as 1. Where the account
size is not known, it is what the first order implies: value over leverage, or in quantities its
value, and leverage is then 0. Where that is not known either, returns go by leverage alone, and
figures in USD are 0. Carry is not charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

import msgspec

from hotbook_shared.model import Order, Position, Side, TradePair
from hotbook_shared.money import DIGITS_MAX, ONE, ZERO

NOTHING = Decimal("1e-9")
"""A net smaller than this is zero."""

FIGURE_DIGITS = 18
"""Significant digits of a derived figure: more than the floats of older systems hold."""

TEN = Decimal(10)

EXACT = Context(prec=DIGITS_MAX)
"""What figures are worked out in, whatever the caller's own context is."""

_KEPT = Context(prec=FIGURE_DIGITS)


class Fills(msgspec.Struct, frozen=True):
    """The figures of a list of orders."""

    open_ms: int
    close_ms: int | None = None
    closing: int | None = None  # the number of the order that closed it
    clipped: Order | None = None  # that order, with its size cut to what was left
    side: Side | None = None  # None: nothing was ever open
    net_leverage: Decimal = ZERO
    net_quantity: Decimal = ZERO
    net_value: Decimal = ZERO
    average_entry_price: Decimal = ZERO
    cumulative_entry_value: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    current_return: Decimal = ONE
    return_at_close: Decimal = ONE


FIGURES = Fills.__struct_fields__[Fills.__struct_fields__.index("side") :]
"""The fields of Fills that a Position has under the same name, beside its times."""


def fill(orders: Sequence[Order], account_size: Decimal, pair: TradePair) -> Fills:
    """The figures of a list of orders on a pair."""
    running = Running.on(pair, account_size)
    with localcontext(EXACT):
        for order in orders:
            if (closed := running.meet(order)) is not None:
                return closed
        return running.figures()


def filled(position: Position, pair: TradePair) -> Position:
    """The position with the figures that its orders amount to; without orders, as it is."""
    if not position.orders:
        return position
    found = fill(position.orders, position.account_size, pair)
    orders = list(position.orders)
    if found.closing is not None and found.clipped is not None:
        orders[found.closing] = found.clipped
    figures = {name: getattr(found, name) for name in FIGURES}
    return msgspec.structs.replace(
        position,
        orders=tuple(orders),
        open_ms=found.open_ms,
        close_ms=found.close_ms,
        **figures,
    )


def closing_order(orders: Sequence[Order], start: int = 0) -> int | None:
    """The number of the order that closes what those from `start` on have opened; or None."""
    with localcontext(EXACT):
        net = Net()
        for number in range(start, len(orders)):
            if net.meet(orders[number]) is None:
                return number
    return None


def opens_anything(orders: Sequence[Order], start: int) -> bool:
    """Whether the orders from `start` on ever hold more than nothing."""
    with localcontext(EXACT):
        net = Net()
        for number in range(start, len(orders)):
            net.meet(orders[number])
            if net.is_open:
                return True
    return False


def signed(order: Order, amount: Decimal | None) -> Decimal | None:
    """An order's amount with the sign of its type: older systems leave it out for SHORT."""
    if amount is None:
        return None
    return -abs(amount) if order.type is Side.SHORT else abs(amount)


def complete(order: Order, account_size: Decimal, pair: TradePair) -> Order:
    """The order with its sizes signed, and those that follow from others filled in."""
    with localcontext(EXACT):
        leverage, value, quantity = (
            signed(order, amount) for amount in (order.leverage, order.value, order.quantity)
        )
        unit = _unit_value(order) * pair.lot_size
        if leverage is None and quantity is None and value is not None and account_size:
            leverage = tidy(value / account_size)
        if leverage is not None and value is None and account_size:
            value = tidy(leverage * account_size)
        if quantity is None and value is not None and unit:
            quantity = tidy(value / unit)
        if value is None and quantity is not None and unit:
            value = tidy(quantity * unit)
    return msgspec.structs.replace(order, leverage=leverage, value=value, quantity=quantity)


class Net(msgspec.Struct):
    """What orders amount to, by what decides: leverage, or else quantity."""

    size: Decimal = ZERO
    is_open: bool = False
    was_open: bool = False  # before the order that was met last
    by_leverage: bool | None = None  # None: no order with a size was met yet

    def meet(self, order: Order) -> Decimal | None:
        """Adds an order, and returns what it added, with its sign; None where it closes."""
        self.was_open = self.is_open
        if order.type is Side.FLAT:
            return None if self.is_open else ZERO
        if self.by_leverage is None and (order.leverage or order.quantity):
            self.by_leverage = bool(order.leverage)
        added = order.leverage if self.by_leverage else order.quantity
        if not added:
            return ZERO
        added = -abs(added) if order.type is Side.SHORT else abs(added)
        size = self.size + added
        is_open = abs(size) >= NOTHING
        if self.is_open and not (is_open and (size > 0) is (self.size > 0)):
            return None
        self.size, self.is_open = size, is_open
        return added


class Running(msgspec.Struct):
    """The figures of orders so far. It goes on with `meet`; `copy.copy` makes one to go on with.

    `with localcontext` is the caller's: this is the inner loop.
    """

    lot_size: Decimal
    spread_rate: Decimal
    account: Decimal  # 0: not known yet
    net: Net
    knows_account: bool  # what leverage is measured against; in quantities it must be told
    in_money: bool  # whether amounts are in USD; else they are parts of an account of 1
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    leverage: Decimal = ZERO
    units: Decimal = ZERO  # of the base, with sign
    value: Decimal = ZERO
    average: Decimal = ZERO
    entered: Decimal = ZERO
    realized: Decimal = ZERO
    traded: Decimal = ZERO
    marked: Order | None = None  # the last one with a price

    @classmethod
    def on(cls, pair: TradePair, account_size: Decimal) -> Running:
        known = account_size != 0
        return cls(pair.lot_size, pair.spread_rate, account_size, Net(), known, known)

    def __copy__(self) -> Running:
        return msgspec.structs.replace(self, net=msgspec.structs.replace(self.net))

    def meet(self, order: Order) -> Fills | None:
        """Adds an order. Where it closes, the figures as they then are; nothing is added."""
        size = self.net.meet(order)
        if size is None:
            return self._closed_by(order)
        if not self.count:
            self.first_ms = order.processed_ms
        self.count += 1
        self.last_ms = order.processed_ms
        if size:
            self._add(order, size)
        return None

    def figures(self) -> Fills:
        """Of what is open, marked at the last price."""
        net, unrealized = self.net, self._unrealized
        return self._fills(
            self.realized,
            self.realized + unrealized,
            side=(Side.LONG if net.size > 0 else Side.SHORT) if net.is_open else None,
            net_leverage=self.leverage,
            net_quantity=self._quantity if net.by_leverage else net.size,
            net_value=self._in_usd(self.value),
            unrealized_pnl=self._in_usd(unrealized),
        )

    def _closed_by(self, order: Order) -> Fills:
        """The order is clipped to what was left. Without a price it keeps the return."""
        net, realized, gain = self.net, self.realized, self.realized + self._unrealized
        if order.price:
            price, rate = _fill_price(order, buys=self.units < 0), order.quote_usd_rate or ONE
            realized += (price - self.average) * self.units * rate
            gain = realized
        quantity = -self._quantity if self.in_money else None
        clipped = msgspec.structs.replace(
            order,
            leverage=-net.size if net.by_leverage else None,
            quantity=quantity if net.by_leverage else -net.size,
            value=-tidy(self.value) if self.in_money else None,
        )
        return self._fills(
            realized,
            gain,
            close_ms=max(order.processed_ms, self.first_ms),
            closing=self.count,
            clipped=clipped,
            side=Side.FLAT,
        )

    def _add(self, order: Order, size: Decimal) -> None:
        """An order that opens, adds or takes away, but does not close."""
        if not self.account:
            self._imply_account(order)
        if not self.net.was_open:  # what dust was there before is not worth a figure
            self.units = self.average = ZERO
        rate = order.quote_usd_rate or ONE
        units = self._units_of(order, size)
        takes_away = self.net.was_open and (size > 0) is not (self.net.size > 0)
        if takes_away:
            units = -min(abs(units), abs(self.units)).copy_sign(self.units)
        leverage = size if self.net.by_leverage else self._leverage_of(order, units, takes_away)
        price = _fill_price(order, buys=size > 0)
        if not takes_away:
            if whole := self.units + units:
                self.average = (self.average * self.units + price * units) / whole
            self.entered += price * abs(units) * rate
        elif price:
            self.realized -= (price - self.average) * units * rate
        self.units += units
        self.leverage += leverage
        self.traded += abs(leverage)
        value = signed(order, order.value)
        self.value += leverage * self.account if value is None else value
        if order.price:
            self.marked = order

    def _fills(self, realized: Decimal, gain: Decimal, **figures: Any) -> Fills:
        gross = max(ONE + gain / (self.account or ONE), ZERO)
        spread = max(ONE - self.spread_rate * self.traded, ZERO)
        return Fills(
            self.first_ms,
            average_entry_price=tidy(self.average),
            cumulative_entry_value=self._in_usd(self.entered),
            realized_pnl=self._in_usd(realized),
            current_return=tidy(gross),
            return_at_close=tidy(gross * spread),
            **figures,
        )

    @property
    def _unrealized(self) -> Decimal:
        if (marked := self.marked) is None:
            return ZERO
        return (marked.price - self.average) * self.units * (marked.quote_usd_rate or ONE)

    @property
    def _quantity(self) -> Decimal:
        return self._in_usd(self.units / self.lot_size)

    def _in_usd(self, amount: Decimal) -> Decimal:
        return tidy(amount) if self.in_money else ZERO

    def _units_of(self, order: Order, size: Decimal) -> Decimal:
        """Units of the base that an order of that size is about, with its sign."""
        if not self.net.by_leverage:
            return size * self.lot_size
        if order.quantity and self.in_money:
            return abs(order.quantity).copy_sign(size) * self.lot_size
        unit = _unit_value(order)
        return size * self.account / unit if unit else ZERO

    def _leverage_of(self, order: Order, units: Decimal, takes_away: bool) -> Decimal:
        if not self.knows_account:
            return ZERO
        if takes_away:
            found = self.leverage * units / self.units if self.units else ZERO
        else:
            found = units * _unit_value(order) / self.account
        given = signed(order, order.leverage)
        if given and abs(found - given) < NOTHING * abs(given):
            return given  # the units were worked out from it, and rounded: not back again
        return found

    def _imply_account(self, order: Order) -> None:
        """The account that the first sized order speaks of; in quantities, what it buys."""
        value = order.value
        if value is None:
            value = (order.quantity or ZERO) * self.lot_size * _unit_value(order)
        if self.net.by_leverage:
            value = value / (order.leverage or ONE)
            self.knows_account = True
        self.in_money = value != 0
        self.account = abs(value) or ONE


def _unit_value(order: Order) -> Decimal:
    """What one unit of the base is worth in USD at an order; 0 where it has no price."""
    if order.usd_base_rate:
        return ONE / order.usd_base_rate
    return order.price * (order.quote_usd_rate or ONE)


def _fill_price(order: Order, *, buys: bool) -> Decimal:
    if not order.slippage:
        return order.price
    return order.price * (ONE + order.slippage if buys else ONE - order.slippage)


def tidy(number: Decimal) -> Decimal:
    """A figure as it is kept: to eighteen digits, without zeros at its end or an exponent."""
    if not number:
        return ZERO
    kept = _KEPT.normalize(number)
    return kept if kept.adjusted() >= FIGURE_DIGITS or kept % TEN else kept.quantize(ONE)
