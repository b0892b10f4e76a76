"""The figures of legs, whoever writes them: where a stop lies, and what a leg has earned. Pure.

Totals are sums of these figures, so a leg that is saved by hand is held to what `close_leg` would
have written. Invariant: what a closed leg says of its trade never changes again.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hotbook_shared.book.legs import Leg
from hotbook_shared.errors import InvalidArgument, LegClosed
from hotbook_shared.money import SUMS, from_text
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record


def check_stop(is_long: bool, entry: Decimal, stop: Decimal, field: str) -> None:
    """On the losing side of the entry: elsewhere its risk would be below nothing, and make room for
    others."""
    if not (stop < entry if is_long else stop > entry):
        side, edge = ("LONG", "below") if is_long else ("SHORT", "above")
        raise InvalidArgument(
            f"stop ({stop:f}) of a {side} leg must lie {edge} its entry ({entry:f})", field=field
        )


def result_of(leg: Leg, exit_price: Decimal) -> Decimal:
    """What an open leg earns at a price, with every digit."""
    proceeds = SUMS.multiply(exit_price, leg.shares)
    return SUMS.multiply(leg.sign, SUMS.subtract(proceeds, leg.cost))


def check_saved(old: Record | None, new: Record) -> None:
    """A leg that is saved by hand; `old` was a leg of the same campaign."""
    if old is not None and not old.is_open:
        _check_stays(old, new)
        return
    check_alone(new)
    if old is not None and not new.is_open:
        for name, stood, given in _changed(_traded(old), _traded(new)):
            raise InvalidArgument(
                f"leg {new.position_uuid} has the {name} {stood} while it is open, and {given} as "
                "it is closed: save the one or the other first, or use close_leg",
                field="position",
            )


def check_alone(new: Record) -> None:
    """A leg by itself: the stop of an open one, the exit and the result of a closed one."""
    leg, message = _as_open(new), pb.Position.FromString(new.wire)
    if new.is_open:
        if stop := from_text(message.stop_loss):
            entry = from_text(message.average_entry_price)
            check_stop(leg.sign > 0, entry, stop, "position.stop_loss")
        return
    exit_price = from_text(message.exit_price)
    if not exit_price:
        raise InvalidArgument(
            f"leg {new.position_uuid} is closed without a price: give exit_price and realized_pnl, "
            "or use close_leg",
            field="position.exit_price",
        )
    given, due = from_text(message.realized_pnl), result_of(leg, exit_price)
    if given != due:
        raise InvalidArgument(
            f"realized_pnl ({given:f}) of leg {new.position_uuid} is not what its figures amount "
            f"to ({due:f}): give that, or use close_leg",
            field="position.realized_pnl",
        )


def _check_stays(old: Record, new: Record) -> None:
    """A closed leg may be saved again, with the same figures."""
    for name, stood, given in _changed(_traded(old) | _ended(old), _traded(new) | _ended(new)):
        raise LegClosed(
            f"leg {old.position_uuid} was closed at {old.close_ms}, and keeps its figures: its "
            f"{name} is {stood} and cannot become {given}",
            position_uuid=old.position_uuid,
            closed_ms=old.close_ms,
        )


Figures = dict[str, object]


def _changed(stood: Figures, given: Figures) -> list[tuple[str, object, object]]:
    return [(name, stood[name], given[name]) for name in stood if stood[name] != given[name]]


def _traded(record: Record) -> Figures:
    """What a leg holds, or held while it was open."""
    leg, message = _as_open(record), pb.Position.FromString(record.wire)
    return {
        "side": pb.Side.Name(message.side),
        "entry": from_text(message.average_entry_price),
        "shares": leg.shares,
    }


def _ended(record: Record) -> Figures:
    message = pb.Position.FromString(record.wire)
    return {
        "open_ms": record.open_ms,
        "close_ms": record.close_ms,
        "exit_price": from_text(message.exit_price),
        "realized_pnl": from_text(message.realized_pnl),
    }


def _as_open(record: Record) -> Leg:
    """A leg with the figures that it has, or had, while it is open."""
    return Leg.of(msgspec.structs.replace(record, close_ms=None))
