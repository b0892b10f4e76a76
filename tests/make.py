"""Positions and commands for tests: valid, small, with every field that a test names changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from hotbook import Order, Position, Side
from hotbook_server.commands import Save
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import (
    CampaignRecord,
    MarkRecord,
    Record,
    campaign_record_from,
    mark_record_from,
    record_from,
    seal,
)
from hotbook_shared.wire import position_to_wire

NOW_MS = 1_800_000_000_000
OPEN_MS = 1_734_000_000_000
CLOSE_MS = OPEN_MS + 3_600_000


def order(number: int = 0, **changed: Any) -> Order:
    fields: dict[str, Any] = {
        "order_uuid": f"order-{number}",
        "type": Side.LONG,
        "processed_ms": OPEN_MS + number * 1000,
        "leverage": Decimal("0.1"),
        "price": Decimal("64900.41"),
    }
    return Order(**fields | changed)


def position(uuid: str = "p1", **changed: Any) -> Position:
    """An open LONG of hotkey "hk" on BTCUSD with one order."""
    fields: dict[str, Any] = {
        "hotkey": "hk",
        "position_uuid": uuid,
        "trade_pair": "BTCUSD",
        "side": Side.LONG,
        "open_ms": OPEN_MS,
        "orders": (order(),),
        "net_leverage": Decimal("0.1"),
    }
    return Position(**fields | changed)


def closed(uuid: str = "p1", **changed: Any) -> Position:
    return position(uuid, **{"close_ms": CLOSE_MS, "side": Side.FLAT, **changed})


def leg(uuid: str = "leg1", **changed: Any) -> Position:
    """An open leg of campaign "c1"."""
    return position(uuid, **{"campaign_id": "c1", **changed})


def save(made: Position, **asked: Any) -> Save:
    """The command that saves a position."""
    return Save(
        made.hotkey,
        made.position_uuid,
        made.trade_pair,
        made.is_open,
        bool(made.campaign_id),
        position_to_wire(made).SerializeToString(),
        **asked,
    )


def record(made: Position, version: int = 1, revision: int = 1) -> Record:
    body = position_to_wire(made).SerializeToString()
    return record_from(seal(body, version, revision, NOW_MS))


def content(saved: Position) -> Position:
    """A position without what the server says of it: what a client may compare."""
    return msgspec.structs.replace(saved, version=0, revision=0, updated_ms=0)


def campaign_record(campaign_id: str = "c1", revision: int = 1, **changed: Any) -> CampaignRecord:
    """A FORMING campaign of hotkey "hk" on BTCUSD, as the Book holds it."""
    fields: dict[str, Any] = {
        "hotkey": "hk",
        "trade_pair": "BTCUSD",
        "state": pb.CAMPAIGN_FORMING,
        "started_ms": OPEN_MS,
        "deadline_ms": OPEN_MS + 72 * 3_600_000,
        "created": revision,
        "version": 1,
    }
    made = pb.Campaign(campaign_id=campaign_id, revision=revision, **fields | changed)
    return campaign_record_from(made.SerializeToString())


def mark_record(
    trade_pair: str = "BTCUSD", revision: int = 1, price: str = "100", at_ms: int = OPEN_MS
) -> MarkRecord:
    """The mark of a trade pair, as the Book holds it."""
    made = pb.Mark(trade_pair=trade_pair, price=price, at_ms=at_ms, bars=1, revision=revision)
    return mark_record_from(made.SerializeToString())
