"""Whether the engine and the list say the same: figures to twelve digits, all else exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from hotbook import Order, Position
from hotbook_server.commands import (
    AnyOutcome,
    ClearDone,
    CloseAllDone,
    DeleteDone,
    PlaceDone,
    RefusedOutcome,
    SaveDone,
    SaveManyDone,
    SplitDone,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import NUMBERS, position_from_wire
from tests.make import content
from tests.model.naive import Refusal, Saved
from tests.model.naive_orders import Answer, Placed, Split

SIZES = ("leverage", "quantity", "value")


def are_alike(found: Position, due: Position) -> bool:
    return found == due or (
        _are_near(found, due, NUMBERS)
        and len(found.orders) == len(due.orders)
        and all(_are_near(*pair, SIZES) for pair in zip(found.orders, due.orders, strict=True))
        and _without_figures(found) == _without_figures(due)
    )


def check_answer(outcome: AnyOutcome, due: Answer, stands: list[tuple[Position, int]]) -> None:
    """`stands` is what stood in the list after the command."""
    match outcome:
        case RefusedOutcome():
            assert isinstance(due, Refusal), f"{outcome} instead of {due}"
            assert outcome.code in due.codes
        case SaveDone():
            assert Saved(outcome.version, outcome.replaced_uuid) == due
        case SaveManyDone():
            assert isinstance(due, list)
            for one, wanted in zip(outcome.outcomes, due, strict=True):
                assert not isinstance(wanted, str)
                check_answer(one, wanted, stands)
        case DeleteDone():
            assert outcome.existed is due
        case ClearDone():
            assert outcome.removed == due
        case CloseAllDone():
            assert isinstance(due, list)
            assert {name.position_uuid for name in outcome.closed} == set(due)
        case SplitDone():
            assert Split([*outcome.split.parts], [*outcome.split.kept]) == due
        case PlaceDone():
            assert isinstance(due, Placed), f"{outcome} instead of {due}"
            _check_placed(outcome, due, {p.position_uuid: p for p, _ in stands})


def _check_placed(outcome: PlaceDone, due: Placed, stands: dict[str, Position]) -> None:
    position = _position(outcome.position)
    assert outcome.repeated == due.repeated
    assert position.position_uuid in due.uuids
    assert are_alike(position, stands[position.position_uuid])
    assert bool(outcome.closed) == (due.closed_uuid is not None)
    if due.closed_uuid is not None:
        assert are_alike(_position(outcome.closed), stands[due.closed_uuid])


def _position(wire: bytes) -> Position:
    return content(position_from_wire(pb.Position.FromString(wire)))


def _are_near(found: object, due: object, names: tuple[str, ...]) -> bool:
    for name in names:
        a, b = getattr(found, name), getattr(due, name)
        if (a is None) != (b is None):
            return False
        if a is not None and abs(a - b) > Decimal("1e-12") * max(1, abs(b)):
            return False
    return True


def _without_figures(made: Position) -> Position:
    orders: tuple[Order, ...] = tuple(
        replace(order, leverage=None, quantity=None, value=None) for order in made.orders
    )
    nothing: dict[str, Any] = dict.fromkeys(NUMBERS, Decimal(0))
    return replace(made, orders=orders, **nothing)
