"""What is open, decoded, and the changes that orders make of it."""

from __future__ import annotations

from copy import copy
from decimal import localcontext

import msgspec

from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import InvalidArgument, NeedsSplit
from hotbook_shared.fills import EXACT, Fills, Running
from hotbook_shared.model import Order, TradePair
from hotbook_shared.money import are_plain, check_number, from_text
from hotbook_shared.names import UUID_MAX
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, Record, record_from, seal
from hotbook_shared.wire import NUMBERS, fill_from_wire, write_fills, write_sizes

_SIZES = ("leverage", "quantity", "value")


def message_of(record: Record) -> pb.Position:
    """A record's message, without what the server says of it; the caller's to change."""
    message = pb.Position.FromString(record.wire)
    for own in ("version", "revision", "updated_ms"):
        message.ClearField(own)
    return message


class Standing:
    """An open position: its record, its message, and what its orders amount to."""

    def __init__(self, record: Record, terms: Terms) -> None:
        self.record = record
        self.message = message_of(record)
        self.account_size = from_text(self.message.account_size)
        self._lately = terms.lately
        known = self._lately.find(record)
        if known is None:
            known = self._run_through(terms.pairs.of(record.trade_pair))
        self._lately.keep(record, known)
        self._running = copy(known)

    @property
    def by_leverage(self) -> bool | None:
        """Whether it goes by leverage, or else by quantity; None: nothing says it yet."""
        return self._running.net.by_leverage

    @property
    def last_ms(self) -> int:
        return self._running.last_ms if self._running.count else self.record.open_ms

    def add(self, message: pb.Order, order: Order) -> Fills:
        """Adds an order, and writes the figures that the orders now amount to."""
        self.message.orders.append(message)
        write_sizes(self.message.orders[-1], order)
        with localcontext(EXACT):
            found = self._running.meet(order) or self._running.figures()
        returns = self.message.current_return, self.message.return_at_close
        write_fills(self.message, found)
        if found.closing is not None and not order.price:  # it says nothing of what was earned
            self.message.current_return, self.message.return_at_close = returns
        return found

    def save(self, decision: Decision) -> Record:
        """Lets it stand as it is now."""
        record = decision.save(self.message, self.record)
        if record.is_open:
            self._lately.keep(record, self._running)
        return record

    def _run_through(self, pair: TradePair) -> Running:
        running = Running.on(pair, self.account_size)
        with localcontext(EXACT):
            for order in self.message.orders:
                if (closed := running.meet(fill_from_wire(order))) is not None:
                    last = closed.closing == len(self.message.orders) - 1
                    hint = "save it as closed" if last else "split it first"
                    uuid, hotkey = self.record.position_uuid, self.record.hotkey
                    raise NeedsSplit(
                        f"the orders of {uuid} of {hotkey} close it, and it stands as open: {hint}",
                        hotkey=hotkey,
                        position_uuid=uuid,
                    )
        return running

    def close(self, flat: pb.Order) -> None:
        """Adds a FLAT, which ends the position whatever it holds."""
        before = pb.Position()
        before.CopyFrom(self.message)
        unsized = msgspec.structs.replace(
            fill_from_wire(flat), leverage=None, quantity=None, value=None
        )
        if self.add(flat, unsized).closing is None:
            _close_as_it_is(self.message, before, flat.processed_ms)

    def flat(self, price: str, at_ms: int, source: int, beside: str = "") -> pb.Order:
        """A FLAT of ours: its uuid is the position's, reversed, as the network makes it; unless an
        order of the position, or the one `beside` it, has that."""
        taken = {beside, *(order.order_uuid for order in self.message.orders)}
        reverse = uuid = self.record.position_uuid[::-1]
        marks = ""
        while uuid in taken:
            marks += "~"
            uuid = reverse[: UUID_MAX - len(marks)] + marks
        return pb.Order(
            order_uuid=uuid,
            type=pb.SIDE_FLAT,
            price=price,
            processed_ms=at_ms,
            source=source,  # type: ignore[arg-type]
            quote_usd_rate=self._last_rate(),
        )

    def _last_rate(self) -> str:
        """The newest rate to USD that an order of the position was filled at."""
        rates = (order.quote_usd_rate for order in reversed(self.message.orders))
        return next((rate for rate in rates if from_text(rate)), "")


def _close_as_it_is(message: pb.Position, before: pb.Position, at_ms: int) -> None:
    """Its orders hold nothing: its figures were made elsewhere, and its returns stay."""
    for name in NUMBERS:
        setattr(message, name, getattr(before, name))
    for name in ("net_leverage", "net_quantity", "net_value", "unrealized_pnl"):
        setattr(message, name, "0")
    message.side = pb.SIDE_FLAT
    message.open_ms = before.open_ms
    message.close_ms = max(at_ms, before.open_ms)


class Decision:
    """Changes in the making, numbered from the book's revision on."""

    def __init__(self, book: Book, now_ms: int) -> None:
        self.changes: list[Change] = []
        self.revision = book.revision
        self._now_ms = now_ms

    def save(self, message: pb.Position, old: Record | None, written: int = -1) -> Record:
        """Lets a position stand, in place of `old`. `written`: the order whose sizes are ours."""
        _check_figures(message, message.orders[written])
        self.revision += 1
        version = 1 if old is None else old.version + 1
        wire = seal(message.SerializeToString(), version, self.revision, self._now_ms)
        record = record_from(wire)
        self.changes.append(Change.saved(record, old))
        return record


def _check_figures(message: pb.Position, order: pb.Order) -> None:
    """What orders amount to, and sizes of ours, are numbers within the limits, like all others."""
    texts = [getattr(message, name) for name in NUMBERS]
    texts += [getattr(order, name) for name in _SIZES]
    if are_plain(texts):
        return
    for name, text in zip((*NUMBERS, *_SIZES), texts, strict=True):
        try:
            check_number(text, name)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"the orders of {message.position_uuid} make a figure that cannot be kept: "
                f"{error.message}",
                field="order",
            ) from None
