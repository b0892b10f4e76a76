"""The rules of orders and of splitting once more, in the plainest way: lists and scans.

Knows orders by leverage alone, with no slippage and no rates; that is what the model test places.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from hotbook import Order, OrderSource, Position, Side
from hotbook_server.commands import (
    Clear,
    CloseAll,
    ClosePosition,
    Command,
    Delete,
    PlaceOrder,
    Save,
    SaveMany,
    SplitPosition,
)
from hotbook_shared.wire import ORDER_SOURCES
from tests.model.naive import NaiveBook, Refusal, Saved
from tests.model.naive_fills import NOTHING, PAIRS, decimal, order_of, parts_of, signed, worked_out

ORDERS_MAX = 3
CAP = Fraction(10)
EARLY_MS = 5 * 60_000
NO_PRICE_NEEDED = (OrderSource.ELIMINATION_FLAT, OrderSource.DEPRECATION_FLAT)


class Placed(NamedTuple):
    """Where the order stands: one of these positions, where more than one holds it."""

    uuids: set[str]
    closed_uuid: str | None = None
    repeated: bool = False


class Split(NamedTuple):
    parts: list[str]
    kept: list[str]


Answer = Saved | list[Saved | Refusal] | bool | int | Placed | list[str] | Split | Refusal


class NaiveOrders(NaiveBook):
    def __init__(self, now_ms: int) -> None:
        super().__init__()
        self.now_ms = now_ms

    def portfolio(self, hotkey: str, without: str = "") -> Fraction:
        return sum(
            (
                abs(Fraction(p.net_leverage)) * PAIRS[p.trade_pair].multiplier
                for p, _ in self.stands
                if p.hotkey == hotkey and p.is_open and p.position_uuid != without
            ),
            Fraction(0),
        )

    def do(self, command: Command) -> Answer:
        """What a command is answered; a refusal changes nothing."""
        before = self.stands
        try:
            return self._do(command)
        except Refusal as refusal:
            self.stands = before
            return refusal

    def _do(self, command: Command) -> Answer:
        match command:
            case Save():
                return self.save(command)
            case SaveMany():
                return self.save_many(command)
            case Delete():
                return self.delete(command)
            case Clear():
                return self.clear(command)
            case PlaceOrder():
                return self.place(command)
            case ClosePosition():
                return self.close(command)
            case CloseAll():
                return self.close_all(command)
            case SplitPosition():
                return self.split(command)
            case _:
                raise AssertionError(command)

    # ---------------------------------------------------------------- placing

    def place(self, asked: PlaceOrder) -> Placed:
        order = order_of(asked.order)
        if holders := self._holders(asked, order):
            return Placed(holders, repeated=True)
        _check_price(order)
        standing = self.open_on(asked.hotkey, asked.trade_pair)
        if standing is None:
            if order.type is Side.FLAT:
                raise Refusal("NOTHING_OPEN")
            order = _with_time(order, self.now_ms, 0)
            return Placed({self._open(asked, order, asked.account_size).position_uuid})
        return self._add(asked, order, standing)

    def _add(self, asked: PlaceOrder, order: Order, standing: Position) -> Placed:
        _check_takes_orders(standing)
        order = _with_time(order, self.now_ms, _last_ms(standing))
        if order.type is Side.FLAT:
            self.put(_closed_by(standing, order))
            return Placed({standing.position_uuid})
        order = _with_sizes(order, standing.account_size)
        made, closing = worked_out(replace(standing, orders=(*standing.orders, order)))
        account_size = asked.account_size or str(standing.account_size)
        if closing is None and len(made.orders) > ORDERS_MAX:
            if not asked.close_on_limit:
                raise Refusal("TOO_MANY_ORDERS")
            self._close(standing, order, OrderSource.MAX_ORDERS_CLOSE)
        elif closing is None:
            self._check_leverage(asked, Fraction(standing.net_leverage), made, standing)
            self.put(made)
            return Placed({made.position_uuid})
        else:
            left = Fraction(order.leverage or 0) - Fraction(made.orders[-1].leverage or 0)
            if not asked.reverse_on_flip or abs(left) < NOTHING:
                self.put(made)
                return Placed({made.position_uuid})
            self._close(standing, order, order.source)
            order = replace(order, leverage=decimal(left), quantity=None, value=None)
        opened = self._open(asked, order, account_size, before=standing)
        return Placed({opened.position_uuid}, standing.position_uuid)

    def _close(self, standing: Position, order: Order, source: OrderSource) -> None:
        flat = _flat(standing, order.price, order.processed_ms, source, order.order_uuid)
        self.put(_closed_by(standing, flat))

    def _open(
        self, asked: PlaceOrder, order: Order, account: str, before: Position | None = None
    ) -> Position:
        if self.of_uuid(order.order_uuid) is not None:
            raise Refusal("ORDER_REUSED")
        made = Position(
            hotkey=asked.hotkey,
            position_uuid=order.order_uuid,
            trade_pair=asked.trade_pair,
            open_ms=order.processed_ms,
            account_size=Decimal(account or 0),
            orders=(_with_sizes(order, Decimal(account or 0)),),
        )
        made, _ = worked_out(made)
        self._check_leverage(asked, Fraction(0), made, before)
        self.put(made)
        return made

    def _check_leverage(
        self, asked: PlaceOrder, was: Fraction, made: Position, before: Position | None
    ) -> None:
        pair, size, was = PAIRS[made.trade_pair], abs(Fraction(made.net_leverage)), abs(was)
        if pair.most is not None and size - pair.most >= NOTHING and size > was:
            raise Refusal("LEVERAGE_OUT_OF_BOUNDS")
        is_short_of = pair.least is not None and pair.least - size >= NOTHING
        if is_short_of and size > 0 and (size < was or was == 0):
            raise Refusal("LEVERAGE_OUT_OF_BOUNDS")
        cap = asked.portfolio_leverage_max
        stood = Fraction(before.net_leverage) if before is not None else Fraction(0)
        rest = self.portfolio(made.hotkey, before.position_uuid if before is not None else "")
        after, before_it = rest + size * pair.multiplier, rest + abs(stood) * pair.multiplier
        if after - Fraction(CAP if cap is None else cap) >= NOTHING and after > before_it:
            raise Refusal("PORTFOLIO_LEVERAGE_EXCEEDED")

    def _holders(self, asked: PlaceOrder, order: Order) -> set[str]:
        """Who holds this very order; refused where all that hold its uuid hold another."""
        mine = [p for p, _ in self.stands if p.hotkey == asked.hotkey]
        found = [(p, o) for p in mine for o in p.orders if o.order_uuid == order.order_uuid]
        same = {
            p.position_uuid
            for p, stands in found
            if p.trade_pair == asked.trade_pair and _is_same(order, stands, p, mine)
        }
        if found and not same:
            raise Refusal("ORDER_REUSED")
        return same

    # ---------------------------------------------------------------- closing

    def close(self, asked: ClosePosition) -> Placed:
        standing = self.open_on(asked.hotkey, asked.trade_pair)
        if asked.position_uuid:
            found = self.of_uuid(asked.position_uuid)
            standing = found[0] if found is not None and found[0].hotkey == asked.hotkey else None
        if standing is None or not standing.is_open:
            raise Refusal("NOTHING_OPEN")
        if standing.campaign_id:
            raise Refusal("UNSUPPORTED")
        self._close_at(standing, asked.price, asked.at_ms, ORDER_SOURCES[asked.source])
        return Placed({standing.position_uuid})

    def close_all(self, asked: CloseAll) -> list[str]:
        before, names, refusals = self.stands, [], list[str]()
        for p, _ in before:
            if p.is_open and not p.campaign_id and p.trade_pair in asked.prices:
                price = asked.prices[p.trade_pair]
                try:
                    self._close_at(p, price, asked.at_ms, ORDER_SOURCES[asked.source])
                except Refusal as refusal:
                    refusals += refusal.codes
                names.append(p.position_uuid)
        if refusals:
            self.stands = before
            raise Refusal(*refusals)
        return names

    def _close_at(self, standing: Position, price: str, at_ms: int, source: OrderSource) -> None:
        _check_is_whole(standing)
        flat = _flat(standing, Decimal(price or 0), at_ms, source)
        _check_price(flat)
        flat = _with_time(flat, self.now_ms, _last_ms(standing))
        self.put(_closed_by(standing, flat))

    # ---------------------------------------------------------------- splitting

    def split(self, asked: SplitPosition) -> Split:
        found = self.of_uuid(asked.position_uuid)
        if found is None or found[0].hotkey != asked.hotkey:
            raise Refusal("NOT_FOUND")
        whole = found[0]
        parts = [list(whole.orders)] if whole.campaign_id else parts_of(list(whole.orders))
        uuids = [whole.position_uuid, *(part[0].order_uuid for part in parts[1:])]
        if len(parts) == 1:
            return Split(uuids, [])
        if len(set(uuids)) < len(uuids):
            raise Refusal("SPLIT_CONFLICT")
        kept = [uuid for uuid, n in zip(uuids[1:], range(1, len(parts)), strict=True)
                if self._stands_already(whole, uuid, parts, n)]  # fmt: skip
        made = [worked_out(replace(whole, orders=tuple(parts[0])))[0]]
        for uuid, part in zip(uuids[1:], parts[1:], strict=True):
            if uuid not in kept:
                found = self.of_uuid(uuid)
                made.append(_part(whole if found is None else found[0], uuid, part))
        rival = self.open_on(whole.hotkey, whole.trade_pair)
        written = {one.position_uuid for one in made}
        if rival is not None and rival.position_uuid not in written and made[-1].is_open:
            raise Refusal("SPLIT_CONFLICT")
        for one in made:
            self.put(one)
        return Split(uuids, kept)

    def _stands_already(
        self, whole: Position, uuid: str, parts: list[list[Order]], number: int
    ) -> bool:
        """Whether all that the part would have stands; refused where something else does."""
        found = self.of_uuid(uuid)
        if found is None:
            return False
        theirs = [o.order_uuid for o in found[0].orders]
        ours = [o.order_uuid for o in parts[number]]
        later = [o.order_uuid for part in parts[number + 1 :] for o in part]
        same_place = (found[0].hotkey, found[0].trade_pair) == (whole.hotkey, whole.trade_pair)
        one_begins_the_other = theirs == ours[: len(theirs)] or theirs[: len(ours)] == ours
        leg = found[0].campaign_id
        if leg or not same_place or not one_begins_the_other or set(theirs) & set(later):
            raise Refusal("SPLIT_CONFLICT")
        return len(theirs) >= len(ours)

    def split_all(self, names: list[tuple[str, str]]) -> dict[str, Split | Refusal]:
        """Every position of that order of names; what is refused once more at the end."""
        due: dict[str, Split | Refusal] = {}
        for again in (False, True):
            for hotkey, uuid in names:
                if again and not isinstance(due.get(uuid), Refusal):
                    continue
                try:
                    made = self.split(SplitPosition(hotkey, uuid))
                except Refusal as refusal:
                    due[uuid] = refusal
                else:
                    due[uuid] = made
        return {uuid: made for uuid, made in due.items() if made != Split([uuid], [])}


def _part(like: Position, uuid: str, orders: list[Order]) -> Position:
    """A new part takes little from its whole; one that stands keeps all that it has beside."""
    if like.position_uuid != uuid:
        like = Position(
            hotkey=like.hotkey,
            position_uuid=uuid,
            trade_pair=like.trade_pair,
            open_ms=0,
            account_size=like.account_size,
        )
    return worked_out(replace(like, orders=tuple(orders)))[0]


def _with_sizes(order: Order, account_size: Decimal) -> Order:
    size = signed(order)
    if size == 0:
        raise Refusal("INVALID_ARGUMENT")
    if not account_size:
        return replace(order, leverage=decimal(size))
    value = size * Fraction(account_size)
    quantity = value / Fraction(order.price)
    return replace(order, leverage=decimal(size), value=decimal(value), quantity=decimal(quantity))


def _last_ms(standing: Position) -> int:
    return standing.orders[-1].processed_ms if standing.orders else standing.open_ms


def _with_time(order: Order, now_ms: int, last_ms: int) -> Order:
    latest_ms = max(now_ms + EARLY_MS, last_ms)
    if order.processed_ms and not last_ms <= order.processed_ms <= latest_ms:
        raise Refusal("INVALID_ARGUMENT")
    return replace(order, processed_ms=order.processed_ms or max(now_ms, last_ms))


def _closed_by(standing: Position, flat: Order) -> Position:
    """A FLAT ends a position whatever it holds; without a price it leaves the returns alone."""
    made, closing = worked_out(replace(standing, orders=(*standing.orders, flat)))
    if closing is None:
        nothing = Decimal(0)
        return replace(
            standing,
            orders=made.orders,
            side=Side.FLAT,
            close_ms=max(flat.processed_ms, standing.open_ms),
            net_leverage=nothing,
            net_quantity=nothing,
            net_value=nothing,
            unrealized_pnl=nothing,
        )
    if flat.price:
        return made
    kept, at_close = standing.current_return, standing.return_at_close
    return replace(made, current_return=kept, return_at_close=at_close)


def _flat(
    standing: Position, price: Decimal, at_ms: int, source: OrderSource, beside: str = ""
) -> Order:
    uuid = "".join(reversed(standing.position_uuid))
    while uuid in {beside, *(o.order_uuid for o in standing.orders)}:
        uuid += "~"
    return Order(order_uuid=uuid, type=Side.FLAT, processed_ms=at_ms, price=price, source=source)


def _check_price(order: Order) -> None:
    if not order.price and not (order.type is Side.FLAT and order.source in NO_PRICE_NEEDED):
        raise Refusal("INVALID_ARGUMENT")


def _check_takes_orders(standing: Position) -> None:
    _check_is_whole(standing)
    if not standing.orders and (standing.net_leverage or standing.net_quantity):
        raise Refusal("UNSUPPORTED")


def _check_is_whole(standing: Position) -> None:
    if standing.orders and worked_out(standing)[1] is not None:
        raise Refusal("NEEDS_SPLIT")


def _is_same(asked: Order, stands: Order, holder: Position, mine: list[Position]) -> bool:
    """The time may have been left to the server, and the size cut where the order closed."""
    if asked.processed_ms == 0:
        asked = replace(asked, processed_ms=stands.processed_ms)
    size, kept = abs(asked.leverage or Decimal(0)), abs(stands.leverage or Decimal(0))
    cut = [holder, *(p for p in mine if holder.position_uuid == stands.order_uuid)]
    may_be_cut = any(
        p.close_ms == stands.processed_ms and p.trade_pair == holder.trade_pair for p in cut
    )
    if size and kept and (size < kept or (size > kept and not may_be_cut)):
        return False
    return _without_sizes(asked) == _without_sizes(stands)


def _without_sizes(order: Order) -> Order:
    return replace(order, leverage=None, quantity=None, value=None)
