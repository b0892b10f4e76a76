"""Splitting: a list of orders that goes on after its close becomes one position for each part.

Pure. A part ends with the order that closes it and the FLATs that follow, which close nothing; the
next one is counted from its own start. Orders of no size belong to the part that follows them, and
where none follows, to the last. Joined, the parts' orders are the orders that were given, in order,
sizes clipped; and each part, split again, is one part.

    LONG 1, FLAT, FLAT, LONG 0, SHORT 1   ->   [LONG 1, FLAT, FLAT]  [LONG 0, SHORT 1]
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hotbook_shared.fills import closing_order, filled, opens_anything
from hotbook_shared.model import Order, Position, Side, TradePair


class Part(msgspec.Struct, frozen=True):
    """Where a part begins and ends, and how it was closed: by a FLAT, or by its net."""

    start: int
    end: int
    closed_by_flat: bool


def parts_of(orders: Sequence[Order]) -> list[Part]:
    """The parts of a list of orders; one where it needs no splitting."""
    parts: list[Part] = []
    start = 0
    while (closing := closing_order(orders, start)) is not None:
        end = closing + 1
        while end < len(orders) and orders[end].type is Side.FLAT:
            end += 1
        if not opens_anything(orders, end):
            break
        parts.append(Part(start, end, orders[closing].type is Side.FLAT))
        start = end
    last = closing is not None and orders[closing].type is Side.FLAT
    return [*parts, Part(start, len(orders), last)]


def needs_split(position: Position) -> bool:
    """Whether a position's orders go on after it was closed. Legs of campaigns are never split."""
    return not position.campaign_id and len(parts_of(position.orders)) > 1


def split(position: Position, pair: TradePair) -> list[Position]:
    """The positions that a position's orders amount to; the position as it is, if it is one.

    The first keeps the uuid and all else; each later one takes the uuid of its first order. At
    most the last is open.
    """
    if not needs_split(position):
        return [position]
    made = []
    for part in parts_of(position.orders):
        orders = position.orders[part.start : part.end]
        if part.start == 0:
            whole = msgspec.structs.replace(position, orders=orders)
        else:
            whole = Position(
                hotkey=position.hotkey,
                position_uuid=orders[0].order_uuid,
                trade_pair=position.trade_pair,
                open_ms=orders[0].processed_ms,
                orders=orders,
                account_size=position.account_size,
            )
        made.append(filled(whole, pair))
    return made
