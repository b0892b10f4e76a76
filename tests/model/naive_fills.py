"""What orders amount to, and where they are cut, once more: in fractions, from the first on."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from hotbook import Order, Position, Side
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire

ZERO = Fraction(0)
NOTHING = Fraction(1, 10**9)


class Pair(NamedTuple):
    least: Fraction | None = None
    most: Fraction | None = None
    multiplier: int = 1
    spread_rate: Fraction = ZERO


CRYPTO = Pair(Fraction(1, 100), Fraction(1, 2), 10, Fraction(1, 1000))
PAIRS = {"BTCUSD": CRYPTO, "ETHUSD": CRYPTO, "XYZ": Pair()}


def worked_out(made: Position) -> tuple[Position, int | None]:
    """A position with the figures of its orders, and the number of the one that closes it."""
    tally = _Tally(made)
    for number, order in enumerate(made.orders):
        if tally.is_closed_by(order):
            return tally.closed_by(number), number
        tally.add(order)
    return tally.open(), None


def parts_of(orders: list[Order]) -> list[list[Order]]:
    """Cut after each close and the FLATs that follow it, where more is held after that."""
    net, held = ZERO, False
    for number, order in enumerate(orders):
        size = signed(order)
        if held and (order.type is Side.FLAT or _ends(net, size)):
            end = number + 1
            while end < len(orders) and orders[end].type is Side.FLAT:
                end += 1
            if any(signed(later) for later in orders[end:]):
                return [orders[:end], *parts_of(orders[end:])]
            return [orders]
        net += size
        held = abs(net) >= NOTHING
    return [orders]


def signed(order: Order) -> Fraction:
    """The leverage that an order adds; a FLAT adds none."""
    if order.type is Side.FLAT:
        return ZERO
    size = abs(Fraction(order.leverage or 0))
    return -size if order.type is Side.SHORT else size


def decimal(number: Fraction) -> Decimal:
    """In far more digits than are kept."""
    return Context(prec=40).divide(Decimal(number.numerator), Decimal(number.denominator))


def order_of(wire: bytes) -> Order:
    order = pb.Order.FromString(wire)
    return position_from_wire(pb.Position(orders=[order])).orders[0]


def _ends(net: Fraction, size: Fraction) -> bool:
    return abs(net + size) < NOTHING or (net + size > 0) != (net > 0)


class _Tally:
    """What the orders seen so far have come to; in an account of 1 where it is not known."""

    def __init__(self, made: Position) -> None:
        self.made = made
        self.account = Fraction(made.account_size) or Fraction(1)
        self.held = False
        self.net = self.units = self.value = self.average = ZERO
        self.entered = self.realized = self.unrealized = self.traded = ZERO

    def is_closed_by(self, order: Order) -> bool:
        return self.held and (order.type is Side.FLAT or _ends(self.net, signed(order)))

    def add(self, order: Order) -> None:
        size, price = signed(order), Fraction(order.price)
        if size == 0:
            return
        more = size * self.account / price
        if self.held and (size > 0) != (self.net > 0):  # gives up at most what is held
            more = max(more, -self.units) if more < 0 else min(more, -self.units)
            self.realized -= (price - self.average) * more
        else:
            whole = self.units + more
            self.average = (self.average * self.units + price * more) / whole
            self.entered += price * abs(more)
        self.net += size
        self.units += more
        self.value += size * self.account
        self.traded += abs(size)
        self.unrealized = (price - self.average) * self.units
        self.held = abs(self.net) >= NOTHING

    def closed_by(self, number: int) -> Position:
        order, in_money = self.made.orders[number], bool(self.made.account_size)
        result = self.realized + self.unrealized
        if order.price:
            self.realized += (Fraction(order.price) - self.average) * self.units
            result = self.realized
        cut = replace(
            order,
            leverage=decimal(-self.net),
            quantity=decimal(-self.units) if in_money else None,
            value=decimal(-self.value) if in_money else None,
        )
        before, after = self.made.orders[:number], self.made.orders[number + 1 :]
        self.net = self.units = self.value = self.unrealized = ZERO
        made = replace(self._with_figures(result), orders=(*before, cut, *after), side=Side.FLAT)
        return replace(made, close_ms=max(order.processed_ms, made.open_ms))

    def open(self) -> Position:
        side = (Side.LONG if self.net > 0 else Side.SHORT) if self.held else None
        made = self._with_figures(self.realized + self.unrealized)
        return replace(made, side=side, close_ms=None)

    def _with_figures(self, result: Fraction) -> Position:
        in_money = 1 if self.made.account_size else 0
        spread_rate = PAIRS[self.made.trade_pair].spread_rate
        gross = max(1 + result / self.account, ZERO)
        return replace(
            self.made,
            open_ms=self.made.orders[0].processed_ms,
            net_leverage=decimal(self.net),
            net_quantity=decimal(self.units * in_money),
            net_value=decimal(self.value * in_money),
            average_entry_price=decimal(self.average),
            cumulative_entry_value=decimal(self.entered * in_money),
            realized_pnl=decimal(self.realized * in_money),
            unrealized_pnl=decimal(self.unrealized * in_money),
            current_return=decimal(gross),
            return_at_close=decimal(gross * max(1 - spread_rate * self.traded, ZERO)),
        )
