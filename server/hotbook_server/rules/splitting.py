"""The rule of splitting: from the book and a position's name to changes, or a refusal. Pure.

All parts of a position are written in one commit; none that stands already is ever overwritten by
one that has less.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from hotbook_server.commands import SplitDone, SplitPosition
from hotbook_server.rules.standing import Decision, message_of
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.errors import NotFound, SplitConflict
from hotbook_shared.fills import Fills, fill
from hotbook_shared.model import Order, Split
from hotbook_shared.money import ONE, from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Change, Record
from hotbook_shared.splitting import Part, parts_of
from hotbook_shared.wire import fill_from_wire, write_fills


def may_need_split(record: Record) -> bool:
    """A quick look: False for what certainly needs none, which is nearly everything.

    Only where an order before the last could have closed it, by a FLAT or by taking away, do its
    sizes matter.
    """
    if record.is_leg:
        return False
    kinds = [order.type for order in raw.OrdersOnly.FromString(record.wire).orders]
    before = kinds[:-1]
    return pb.SIDE_FLAT in before or len(set(before)) > 1


def needs_split(record: Record) -> bool:
    return len(parts_of(_orders_of(message_of(record)))) > 1


def plan_of(record: Record, terms: Terms) -> Split:
    """What splitting would make of a position, whatever else stands in the book."""
    whole = message_of(record)
    orders = _orders_of(whole)
    parts = parts_of(orders)
    after = ONE
    for part in parts:
        after *= _return_of(_fills_of(whole, orders, part, terms))
    return msgspec.structs.replace(_told(whole, orders, parts), return_after=after)


def decide_split(
    book: Book, split: SplitPosition, now_ms: int, terms: Terms
) -> tuple[list[Change], SplitDone]:
    """Each part of a position becomes one of its own; where there is one part, nothing changes."""
    record = book.positions.by_uuid.get(split.position_uuid)
    if record is None or record.hotkey != split.hotkey:
        raise NotFound(
            f"{split.hotkey} has no position {split.position_uuid}",
            hotkey=split.hotkey,
            position_uuid=split.position_uuid,
        )
    whole = message_of(record)
    orders = _orders_of(whole)
    parts = [Part(0, len(orders), False)] if record.is_leg else parts_of(orders)
    decision, kept, after = Decision(book, now_ms), [], ONE
    told = _told(whole, orders, parts)
    if len(parts) > 1:
        _check_names_differ(told)
        for part in parts:
            message = _message_of_part(whole, part)
            found = _fills_of(whole, orders, part, terms)
            after *= _return_of(found)
            standing = record if part.start == 0 else _standing_part(book, message, whole, part)
            if standing is not None and part.start > 0 and _has_all(standing, message):
                kept.append(message.position_uuid)
                continue
            if standing is not None and part.start > 0:
                message = _with_orders_of(message, standing)
                found = _fills_of(message, orders, part, terms)  # in an account of its own
            write_fills(message, found)
            if found.closing is None:
                _check_nothing_else_is_open(book, record, message, decision)
            decision.save(message, standing, -1 if found.closing is None else found.closing)
    told = msgspec.structs.replace(told, kept=tuple(kept), return_after=after)
    return decision.changes, SplitDone(decision.revision, told)


def _orders_of(message: pb.Position) -> list[Order]:
    return [fill_from_wire(order) for order in message.orders]


def _fills_of(whole: pb.Position, orders: Sequence[Order], part: Part, terms: Terms) -> Fills:
    pair = terms.pairs.of(whole.trade_pair)
    return fill(orders[part.start : part.end], from_text(whole.account_size), pair)


def _return_of(found: Fills) -> Decimal:
    """What a part counts in the product of returns: nothing while it is open."""
    return ONE if found.closing is None else found.return_at_close


def _message_of_part(whole: pb.Position, part: Part) -> pb.Position:
    """The first part keeps everything of the whole; a later one is named after its first order."""
    orders = whole.orders[part.start : part.end]
    if part.start == 0:
        message = pb.Position()
        message.CopyFrom(whole)
        del message.orders[part.end :]
        return message
    return pb.Position(
        hotkey=whole.hotkey,
        position_uuid=orders[0].order_uuid,
        trade_pair=whole.trade_pair,
        account_size=whole.account_size,
        orders=orders,
    )


def _with_orders_of(message: pb.Position, standing: Record) -> pb.Position:
    """What stands, with all of a part's orders: what it has beside them is its own."""
    grown = message_of(standing)
    del grown.orders[:]
    grown.orders.extend(message.orders)
    return grown


def _standing_part(
    book: Book, message: pb.Position, whole: pb.Position, part: Part
) -> Record | None:
    """What stands where a part goes. It has the part's orders, or the first of them; or else
    nobody can say which of the two is right."""
    standing = book.positions.by_uuid.get(message.position_uuid)
    if standing is None:
        return None
    theirs, ours = _uuids(pb.Position.FromString(standing.wire)), _uuids(message)
    same_place = (standing.hotkey, standing.trade_pair) == (whole.hotkey, whole.trade_pair)
    same_place = same_place and not standing.is_leg
    shared = min(len(theirs), len(ours))
    later = {order.order_uuid for order in whole.orders[part.end :]}
    if not same_place or theirs[:shared] != ours[:shared] or later & set(theirs):
        raise SplitConflict(
            f"a part of {whole.position_uuid} of {whole.hotkey} would be {message.position_uuid}, "
            "which stands with other orders: neither was changed",
            hotkey=whole.hotkey,
            position_uuid=whole.position_uuid,
            part_uuid=message.position_uuid,
        )
    return standing


def _has_all(standing: Record, message: pb.Position) -> bool:
    """Whether what stands has all of a part's orders: then it is as new, or newer."""
    return len(raw.OrdersOnly.FromString(standing.wire).orders) >= len(message.orders)


def _check_nothing_else_is_open(
    book: Book, record: Record, message: pb.Position, decision: Decision
) -> None:
    rival = book.positions.open_on_pair(record.hotkey, record.trade_pair)
    closed = {change.key for change in decision.changes}  # the parts before this one, the last
    if rival is not None and rival.position_uuid not in {*closed, message.position_uuid}:
        raise SplitConflict(
            f"the last part of {record.position_uuid} of {record.hotkey} would be open beside "
            f"{rival.position_uuid}: nothing was changed",
            hotkey=record.hotkey,
            position_uuid=record.position_uuid,
            part_uuid=message.position_uuid,
            open_uuid=rival.position_uuid,
        )


def _uuids(message: pb.Position) -> list[str]:
    return [order.order_uuid for order in message.orders]


def _check_names_differ(told: Split) -> None:
    if len(set(told.parts)) < len(told.parts):
        raise SplitConflict(
            f"two parts of {told.position_uuid} of {told.hotkey} would have one uuid, for their "
            "first orders have: nothing was changed",
            hotkey=told.hotkey,
            position_uuid=told.position_uuid,
        )


def _told(whole: pb.Position, orders: Sequence[Order], parts: Sequence[Part]) -> Split:
    by_flat = sum(part.closed_by_flat for part in parts[:-1])
    return Split(
        hotkey=whole.hotkey,
        position_uuid=whole.position_uuid,
        parts=(whole.position_uuid, *(orders[part.start].order_uuid for part in parts[1:])),
        closed_by_flat=by_flat,
        closed_by_net=len(parts) - 1 - by_flat,
        return_before=from_text(whole.return_at_close, ONE),
    )
