"""The rules of orders: from the book, an order and the time to changes, or a refusal. Pure.

An order goes to what is open on its pair, or opens a position that takes its uuid. Everything that
it is held to is looked at here, against the book ahead; so two orders at once cannot both pass
where only one may.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hotbook_server.archive import may_hold
from hotbook_server.commands import ClosePosition, PlaceDone, PlaceOrder
from hotbook_server.rules.allowed import (
    check_bounds,
    check_cooldown,
    check_is_fill,
    check_portfolio,
    check_price,
    last_close_ms,
    stamp,
)
from hotbook_server.rules.standing import Decision, Standing
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import (
    InvalidArgument,
    NothingOpen,
    OrderReused,
    TooManyOrders,
    Unsupported,
)
from hotbook_shared.fills import NOTHING, Fills, complete, fill, tidy
from hotbook_shared.model import Order, Side, TradePair
from hotbook_shared.money import ZERO, from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, Record
from hotbook_shared.wire import fill_from_wire, write_fills, write_sizes


def decide_place(
    book: Book, place: PlaceOrder, now_ms: int, terms: Terms
) -> tuple[list[Change], PlaceDone]:
    """An order is added to what is open, or opens a position; perhaps it closes one."""
    message = pb.Order.FromString(place.order)
    if (holder := _holder_of(book, place, message)) is not None:
        return [], PlaceDone(book.revision, holder.wire, repeated=True)
    check_is_fill(message)
    check_price(message)
    record = book.positions.open_on_pair(place.hotkey, place.trade_pair)
    placing = _Placing(book, place, message, now_ms, terms)
    if record is None:
        return placing.opening()
    return placing.adding_to(record)


class _Placing:
    """One order on its way into the book."""

    def __init__(
        self, book: Book, place: PlaceOrder, message: pb.Order, now_ms: int, terms: Terms
    ) -> None:
        self._book = book
        self._place = place
        self._message = message
        self._now_ms = now_ms
        self._terms = terms
        self._pair = terms.pairs.of(place.trade_pair)
        cap = place.portfolio_leverage_max
        self._cap = terms.portfolio_leverage_max if cap is None else cap
        self._decision = Decision(book, now_ms)

    def opening(self) -> tuple[list[Change], PlaceDone]:
        """Nothing is open: the order opens a position."""
        hotkey, trade_pair = self._place.hotkey, self._place.trade_pair
        if self._message.type == pb.SIDE_FLAT:
            raise NothingOpen(
                f"{hotkey} has nothing open on {trade_pair} that a FLAT could close",
                hotkey=hotkey,
                trade_pair=trade_pair,
            )
        stamp(self._message, self._now_ms, 0)
        self._check_cooldown(last_close_ms(self._book, hotkey, trade_pair, self._terms))
        saved = self._open(self._message, self._place.account_size)
        return self._done(saved)

    def adding_to(self, record: Record) -> tuple[list[Change], PlaceDone]:
        """The order is added, unless it goes beyond zero or beyond the number of orders."""
        standing = Standing(record, self._terms)
        _check_orders_make_it(standing)
        stamp(self._message, self._now_ms, standing.last_ms)
        self._check_cooldown(standing.last_ms)
        if self._message.type == pb.SIDE_FLAT:
            standing.close(self._message)
            return self._done(standing.save(self._decision))
        order = _completed(self._message, standing.account_size, self._pair)
        order = _in_terms_of(standing, order)
        found = standing.add(self._message, order)
        if found.closing is None:
            if len(standing.message.orders) > self._terms.position_orders_max:
                return self._closing_for_number(record)
            before = from_text(record.net_leverage)
            self._check_leverage(before, found.net_leverage, record)
        elif self._place.reverse_on_flip and (left := _rest(order, found)):
            write_sizes(self._message, left)
            return self._closing_and_opening(record, self._message.source)
        return self._done(standing.save(self._decision))

    def _closing_for_number(self, record: Record) -> tuple[list[Change], PlaceDone]:
        most = self._terms.position_orders_max
        if not self._place.close_on_limit:
            raise TooManyOrders(
                f"{record.position_uuid} may not have more than {most} orders: close it, or "
                'place with on_limit="close"',
                position_orders_max=most,
                position_uuid=record.position_uuid,
            )
        return self._closing_and_opening(record, pb.SOURCE_MAX_ORDERS_CLOSE)

    def _closing_and_opening(self, record: Record, source: int) -> tuple[list[Change], PlaceDone]:
        """A FLAT closes what is open, and the order opens another position, in one commit."""
        standing = Standing(record, self._terms)
        order = self._message
        flat = standing.flat(order.price, order.processed_ms, source, order.order_uuid)
        for name in ("bid", "ask", "slippage", "quote_usd_rate", "usd_base_rate"):  # one fill
            setattr(flat, name, getattr(order, name))
        standing.close(flat)
        closed = standing.save(self._decision)
        account_size = self._place.account_size or standing.message.account_size
        return self._done(self._open(self._message, account_size, replaces=record), closed)

    def _open(self, message: pb.Order, account_size: str, replaces: Record | None = None) -> Record:
        if (held := self._book.positions.by_uuid.get(message.order_uuid)) is not None:
            raise _reused(message.order_uuid, held)
        order = _completed(message, from_text(account_size), self._pair)
        opened = pb.Position(
            hotkey=self._place.hotkey,
            position_uuid=message.order_uuid,
            trade_pair=self._place.trade_pair,
            account_size=account_size,
            orders=[message],
        )
        write_sizes(opened.orders[0], order)
        found = fill([order], from_text(account_size), self._pair)
        if found.side is None:
            raise InvalidArgument(
                f"order has no size: below {NOTHING:f} is nothing", field="order.leverage"
            )
        if not found.net_leverage and self._pair.leverage_max is not None:
            raise InvalidArgument(
                f"account_size is missing: {self._place.trade_pair} has bounds, which are in "
                "leverage, and the order has none",
                field="account_size",
            )
        write_fills(opened, found)
        self._check_leverage(ZERO, found.net_leverage, replaces)
        return self._decision.save(opened, None)

    def _check_cooldown(self, last_ms: int) -> None:
        whose = f"{self._place.hotkey} on {self._place.trade_pair}"
        check_cooldown(self._message, last_ms, whose, self._terms)

    def _check_leverage(self, before: Decimal, after: Decimal, replaces: Record | None) -> None:
        check_bounds(self._pair, before, after)
        check_portfolio(
            self._book, self._place.hotkey, after, self._pair, replaces, self._cap, self._terms
        )

    def _done(self, saved: Record, closed: Record | None = None) -> tuple[list[Change], PlaceDone]:
        done = PlaceDone(self._decision.revision, saved.wire, closed.wire if closed else b"")
        return self._decision.changes, done


def _check_orders_make_it(standing: Standing) -> None:
    """Figures that come from no order would be lost with the next one."""
    message = standing.message
    if not message.orders and (from_text(message.net_leverage) or from_text(message.net_quantity)):
        raise Unsupported(
            f"{message.position_uuid} was saved without orders: save it with those that make its "
            "figures, and orders can be placed on it",
            position_uuid=message.position_uuid,
        )


def _completed(message: pb.Order, account_size: Decimal, pair: TradePair) -> Order:
    """The order with all its sizes; refused where it has none that can be used."""
    order = complete(fill_from_wire(message), account_size, pair)
    if not order.leverage and not order.quantity:
        raise InvalidArgument(
            "order has no size: give it a leverage, a quantity or a value", field="order.leverage"
        )
    return order


def _in_terms_of(standing: Standing, order: Order) -> Order:
    """An order counts by what its position goes by, leverage or quantity: it must have that."""
    if standing.by_leverage is None:
        return order
    if standing.by_leverage and not order.leverage and order.value and standing.account_size:
        return msgspec.structs.replace(order, leverage=tidy(order.value / standing.account_size))
    name = "leverage" if standing.by_leverage else "quantity"
    if not getattr(order, name):
        raise InvalidArgument(
            f"order has no {name}, and {standing.record.position_uuid} goes by {name}",
            field=f"order.{name}",
        )
    return order


def _rest(order: Order, found: Fills) -> Order | None:
    """What is left of an order beyond the size that it closed; None where it is nothing."""
    clipped = found.clipped
    if order.type is Side.FLAT or clipped is None:
        return None
    by_leverage = clipped.leverage is not None
    name = "leverage" if by_leverage else "quantity"
    left = (getattr(order, name) or ZERO) - (getattr(clipped, name) or ZERO)
    if abs(left) < NOTHING:
        return None
    sizes = {"leverage": None, "quantity": None, "value": None, name: left}
    return msgspec.structs.replace(order, **sizes)


# ------------------------------------------------------------------ closing


def decide_close(
    book: Book, close: ClosePosition, now_ms: int, terms: Terms
) -> tuple[list[Change], PlaceDone]:
    """An open position is closed by a FLAT of ours."""
    record = _to_close(book, close)
    standing = Standing(record, terms)
    flat = standing.flat(close.price, close.at_ms, close.source)
    check_is_fill(flat)
    check_price(flat, "price")
    stamp(flat, now_ms, standing.last_ms, "at_ms")
    standing.close(flat)
    decision = Decision(book, now_ms)
    saved = standing.save(decision)
    return decision.changes, PlaceDone(decision.revision, saved.wire)


def _to_close(book: Book, close: ClosePosition) -> Record:
    if close.position_uuid:
        record = book.positions.by_uuid.get(close.position_uuid)
        if record is not None and (record.hotkey != close.hotkey or not record.is_open):
            record = None
        what = f"{close.hotkey} has no open position {close.position_uuid}"
    else:
        record = book.positions.open_on_pair(close.hotkey, close.trade_pair)
        what = f"{close.hotkey} has nothing open on {close.trade_pair}"
    if record is None:
        raise NothingOpen(what, hotkey=close.hotkey, trade_pair=close.trade_pair,
                          position_uuid=close.position_uuid)  # fmt: skip
    if record.is_leg:
        raise Unsupported(
            f"{record.position_uuid} is a leg of campaign {record.campaign_id}: orders are for "
            "ordinary positions",
            position_uuid=record.position_uuid,
        )
    return record


# ------------------------------------------------------------------ orders that stand already


def _holder_of(book: Book, place: PlaceOrder, given: pb.Order) -> Record | None:
    """The position that holds this very order; another content under its uuid is refused.

    No index of orders is kept: it would hold every order ever placed. A quick look at each position
    of the hotkey says which may have it; only of those are the orders read.
    """
    needle = given.order_uuid.encode()
    held = book.positions.by_hotkey.get(place.hotkey, {})
    other: Record | None = None
    for record in held.values():
        if may_hold(record, needle):
            for stands in pb.Position.FromString(record.wire).orders:
                if stands.order_uuid == given.order_uuid:
                    may_be_cut = _is_cut(stands, record, held)
                    same_pair = record.trade_pair == place.trade_pair
                    if same_pair and _is_same(given, stands, may_be_cut=may_be_cut):
                        return record
                    other = record
    if other is not None:
        raise _reused(given.order_uuid, other)
    return None


def _is_cut(stands: pb.Order, record: Record, held: dict[str, Record]) -> bool:
    """Whether an order may stand with less than was asked: it closed, or reversed, a position."""
    if record.close_ms == stands.processed_ms:
        return True
    return record.position_uuid == stands.order_uuid and any(
        other.close_ms == stands.processed_ms and other.trade_pair == record.trade_pair
        for other in held.values()
    )


def _is_same(given: pb.Order, stands: pb.Order, *, may_be_cut: bool) -> bool:
    """A time that was left to us, and sizes that we filled in or cut, do not tell orders apart."""
    twin = pb.Order()
    twin.CopyFrom(given)
    if not given.processed_ms:
        twin.processed_ms = stands.processed_ms
    deciding = "leverage" if from_text(given.leverage) else "quantity"
    for name in ("leverage", "quantity", "value"):
        asked, kept = abs(from_text(getattr(given, name))), abs(from_text(getattr(stands, name)))
        cut = may_be_cut and (name != deciding or asked > kept - NOTHING)
        if asked and kept and asked != kept and not cut and given.type != pb.SIDE_FLAT:
            return False
        setattr(twin, name, getattr(stands, name))
    return twin == stands


def _reused(order_uuid: str, record: Record) -> OrderReused:
    return OrderReused(
        f"order {order_uuid} stands already, in position {record.position_uuid}, with other "
        "content: give each order its own uuid",
        order_uuid=order_uuid,
        position_uuid=record.position_uuid,
    )
