"""Legs that are saved by hand: held to the figures that add_leg and close_leg write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hotbook import Position, Side
from hotbook_server.commands import SaveMany
from hotbook_shared.errors import CampaignEnded, InvalidArgument, LegClosed
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.campaigns import Desk, add_leg, close_leg, create, go_to, places
from tests.make import CLOSE_MS, OPEN_MS, leg, position, save


@pytest.fixture
def desk() -> Desk:
    """A desk with one campaign, c1, of hk on GBPUSD."""
    made = Desk()
    made.ask(create())
    return made


def by_hand(**changed: Any) -> Position:
    """An open LONG leg of ten at 100."""
    fields: dict[str, Any] = {
        "trade_pair": "GBPUSD",
        "orders": (),
        "quantity": Decimal(10),
        "net_quantity": Decimal(10),
        "average_entry_price": Decimal(100),
        "stop_loss": Decimal(95),
    }
    return leg("a", **fields | changed)


def gone(**changed: Any) -> Position:
    """The same, closed at 103."""
    fields: dict[str, Any] = {
        "close_ms": CLOSE_MS,
        "exit_price": Decimal(103),
        "realized_pnl": Decimal(30),
        "net_quantity": Decimal(0),
    }
    return by_hand(**fields | changed)


def short(**changed: Any) -> dict[str, Any]:
    return {"side": Side.SHORT, "stop_loss": Decimal(105), **changed}


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_stop_lies_on_the_losing_side(desk: Desk, side: Side, is_new: bool) -> None:
    """Anywhere else the risk would be below nothing, and make room for others."""
    right, wrong = (Decimal(95), Decimal(105))[:: 1 if side is Side.LONG else -1]
    if not is_new:
        desk.ask(save(by_hand(side=side, stop_loss=right)))
    for stop in (wrong, Decimal(100)):
        refused = desk.refusal(save(by_hand(side=side, stop_loss=stop)))
        assert isinstance(refused, InvalidArgument)
        assert refused.field == "position.stop_loss"
    desk.ask(save(by_hand(side=side, stop_loss=right)))
    assert desk.totals("c1").total_risk == places("50")


def test_an_open_leg_may_be_changed(desk: Desk) -> None:
    """Its stop, its size, its entry; also in a campaign that has ended, and past every limit of
    risk."""
    desk.ask(add_leg("a", "100", "10", "95", opened_ms=OPEN_MS))
    desk.ask(go_to(pb.CAMPAIGN_FAILED))
    desk.ask(save(by_hand(stop_loss=Decimal(1), quantity=Decimal(20), net_quantity=Decimal(20))))
    assert desk.totals("c1").total_risk == places("1980")
    desk.ask(save(by_hand(stop_loss=None)))
    assert desk.totals("c1").total_risk == places("0")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"exit_price": None}, "position.exit_price"),
        ({"exit_price": Decimal(0)}, "position.exit_price"),
        ({"realized_pnl": Decimal("30.00000001")}, "position.realized_pnl"),
        ({"realized_pnl": Decimal(0)}, "position.realized_pnl"),
        (short(), "position.realized_pnl"),
        ({"quantity": Decimal(20)}, "position.realized_pnl"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_closed_leg_has_the_result_of_its_figures(
    desk: Desk, changed: dict[str, Any], field: str, is_new: bool
) -> None:
    """Whether it was open before or comes closed: with a price, and what that amounts to."""
    if not is_new:
        desk.ask(save(by_hand()))
    refused = desk.refusal(save(gone(**changed)))
    assert isinstance(refused, InvalidArgument)
    assert refused.field == field
    desk.ask(save(gone()))
    assert desk.totals("c1").total_pnl == places("30")


@pytest.mark.parametrize(
    "changed",
    [
        {"quantity": Decimal(20), "realized_pnl": Decimal(60)},
        {"average_entry_price": Decimal(101), "realized_pnl": Decimal(20)},
        short(realized_pnl=Decimal(-30)),
        {"side": Side.FLAT},
    ],
)
def test_closing_changes_nothing_that_was_traded(desk: Desk, changed: dict[str, Any]) -> None:
    """What is closed is the leg that stands, with its side, its entry and its size."""
    desk.ask(save(by_hand()))
    assert isinstance(desk.refusal(save(gone(**changed))), InvalidArgument)


def test_a_save_closes_a_leg_as_close_leg_does(desk: Desk) -> None:
    """The same totals, to the last digit, for a SHORT as well."""
    desk.ask(add_leg("b", "100", "10", "105", side="SHORT", opened_ms=OPEN_MS))
    desk.ask(close_leg("b", "103", CLOSE_MS))
    before = desk.totals("c1")
    assert before.total_pnl == places("-30")
    desk.ask(save(by_hand(**short())))
    desk.ask(save(gone(**short(realized_pnl=Decimal(-30)))))
    assert desk.totals("c1").total_pnl == places("-60")
    assert desk.totals("c1").closed_count == before.closed_count + 1


REWRITTEN: list[Position] = [
    gone(realized_pnl=Decimal(777)),
    gone(exit_price=Decimal(104), realized_pnl=Decimal(40)),
    gone(quantity=Decimal(20), realized_pnl=Decimal(60)),
    gone(average_entry_price=Decimal(99), realized_pnl=Decimal(40)),
    gone(**short(realized_pnl=Decimal(-30))),
    gone(close_ms=CLOSE_MS + 1),
    gone(open_ms=OPEN_MS + 1),
    by_hand(),
    by_hand(realized_pnl=Decimal(30)),
]


@pytest.mark.parametrize("ends", [(), (pb.CAMPAIGN_ACTIVE, pb.CAMPAIGN_COMPLETED)])
@pytest.mark.parametrize("made", REWRITTEN)
def test_a_closed_leg_keeps_its_figures(desk: Desk, made: Position, ends: tuple[int, ...]) -> None:
    """It is not opened again, and nothing of its trade is written anew, whether its campaign goes
    on or has been completed."""
    desk.ask(add_leg("a", "100", "10", "95", opened_ms=OPEN_MS))
    desk.ask(close_leg("a", "103", CLOSE_MS))
    for state in ends:
        desk.ask(go_to(state))
    refused = desk.refusal(save(made))
    assert isinstance(refused, LegClosed)
    assert refused.details == {"position_uuid": "a", "closed_ms": str(CLOSE_MS)}
    assert desk.totals("c1").total_pnl == places("30")


def test_a_closed_leg_may_be_saved_again(desk: Desk) -> None:
    """With the same figures, however they are written; the rest is the caller's."""
    desk.ask(add_leg("a", "100", "10", "95", opened_ms=OPEN_MS))
    desk.ask(close_leg("a", "103", CLOSE_MS))
    desk.ask(save(gone(realized_pnl=Decimal("30.00"), extra={"seen": True}, signal_id="late")))
    assert desk.totals("c1").total_pnl == places("30")


def test_a_position_becomes_a_leg_like_a_new_one(desk: Desk) -> None:
    """Its campaign takes it while it lasts; what was closed is judged as a closed leg, and may be
    opened again before it is one."""
    ordinary: dict[str, Any] = {"campaign_id": None}
    desk.ask(save(gone(**ordinary, exit_price=None)))
    assert isinstance(desk.refusal(save(gone(exit_price=None))), InvalidArgument)
    desk.ask(save(by_hand(**ordinary)))
    desk.ask(go_to(pb.CAMPAIGN_FAILED))
    assert isinstance(desk.refusal(save(by_hand())), CampaignEnded)


@pytest.mark.parametrize(
    "stray",
    [
        by_hand(stop_loss=Decimal(150)),
        gone(exit_price=None),
        gone(realized_pnl=Decimal(31)),
    ],
)
def test_what_comes_before_its_campaign_is_judged_when_that_begins(stray: Position) -> None:
    """A position that names a campaign becomes its leg, so it has the figures of one."""
    desk = Desk()
    desk.ask(save(stray))
    refused = desk.refusal(create())
    assert isinstance(refused, InvalidArgument)
    assert refused.field == "campaign_id"
    desk.ask(save(by_hand()))
    desk.ask(create())
    assert desk.totals("c1").open_count == 1


@pytest.mark.parametrize("whole", [True, False])
def test_one_of_many_saves_is_refused_by_itself(desk: Desk, whole: bool) -> None:
    """In a request of many a leg is held to the same; where it is all or nothing, all go."""
    many = save(position("p")), save(by_hand(stop_loss=Decimal(150)))
    asked = SaveMany(many, all_or_nothing=whole)
    if whole:
        assert desk.refusal(asked).details["item"] == "1"
    else:
        desk.ask(asked)
    assert set(desk.book.positions.by_uuid) == (set() if whole else {"p"})
