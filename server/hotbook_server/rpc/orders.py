"""The Orders service: check the shape, ask the engine or the book, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from hotbook_server.commands import (
    CloseAll,
    CloseAllDone,
    ClosePosition,
    Command,
    PlaceDone,
    PlaceOrder,
)
from hotbook_server.config import Settings
from hotbook_server.keeper import Keeper
from hotbook_server.requests import request_key
from hotbook_server.rpc import shape
from hotbook_server.rpc.guard import Call
from hotbook_server.rules.allowed import KEEPS_RETURNS
from hotbook_shared.answers import exposure_to_wire, trade_pair_to_wire
from hotbook_shared.book.exposure import exposure_of
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.money import check_number, from_text
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import Record
from hotbook_shared.wire import DURABILITY_NUMBER, ORDER_SOURCES

ON_FLIP, ON_LIMIT = pb.OnFlip.values(), pb.OnLimit.values()

LOOKED_AT_ONCE = 500
"""Positions that are read between two turns of the loop."""


class OrdersService:
    def __init__(self, settings: Settings, engine: Keeper) -> None:
        self._settings = settings
        self._engine = engine
        self._durability = DURABILITY_NUMBER[settings.durability]

    async def place_order(self, request: pb.PlaceOrderRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        check_hotkey(request.hotkey)
        check_trade_pair(request.trade_pair)
        if not request.HasField("order"):
            raise InvalidArgument("order is missing", field="order")
        order = shape.check_order(request.order)
        shape.check_enum(request.on_flip, ON_FLIP, "on_flip")
        shape.check_enum(request.on_limit, ON_LIMIT, "on_limit")
        check_number(request.account_size, "account_size", signed=False)
        check_number(request.portfolio_leverage_max, "portfolio_leverage_max", signed=False)
        cap = request.portfolio_leverage_max
        place = PlaceOrder(
            request.hotkey,
            request.trade_pair,
            order,
            request.account_size,
            request.on_flip == pb.ON_FLIP_REVERSE,
            request.on_limit == pb.ON_LIMIT_CLOSE,
            Decimal(cap) if cap else None,
        )
        return self._placed(await self._submit(place, request.request_id, call))

    async def close_position(self, request: pb.ClosePositionRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        check_hotkey(request.hotkey)
        if bool(request.trade_pair) == bool(request.position_uuid):
            raise InvalidArgument("name a trade_pair or a position_uuid", field="trade_pair")
        if request.trade_pair:
            check_trade_pair(request.trade_pair)
        else:
            check_uuid(request.position_uuid)
        check_number(request.price, "price", signed=False)
        shape.check_time(request.at_ms, "at_ms")
        shape.check_enum(request.source, ORDER_SOURCES, "source")
        close = ClosePosition(
            request.hotkey,
            request.trade_pair,
            request.position_uuid,
            request.price,
            request.at_ms,
            request.source,
        )
        return self._placed(await self._submit(close, request.request_id, call))

    async def close_all(self, request: pb.CloseAllRequest, call: Call) -> bytes:
        shape.check_request_id(request.request_id)
        if not request.pairs:
            raise InvalidArgument("pairs is empty: name at least one", field="pairs")
        for number, pair in enumerate(request.pairs):
            check_trade_pair(pair.trade_pair, f"pairs[{number}].trade_pair")
            field = f"pairs[{number}].price"
            check_number(pair.price, field, signed=False)
            if request.source not in KEEPS_RETURNS and not from_text(pair.price):
                raise InvalidArgument(f"{field} must be above 0", field=field)
        shape.check_time(request.at_ms, "at_ms")
        shape.check_enum(request.source, ORDER_SOURCES, "source")
        prices = {pair.trade_pair: pair.price for pair in request.pairs}
        if len(prices) < len(request.pairs):
            raise InvalidArgument("pairs names one twice", field="pairs")
        close = CloseAll(prices, request.at_ms, request.source)
        outcome = await self._submit(close, request.request_id, call)
        assert isinstance(outcome, CloseAllDone)
        closed = [
            pb.PositionName(
                hotkey=name.hotkey, position_uuid=name.position_uuid, trade_pair=name.trade_pair
            )
            for name in outcome.closed
        ]
        return pb.CloseAllReply(
            revision=outcome.revision, closed=closed, durability=self._durability
        ).SerializeToString()

    async def exposure(self, request: pb.ExposureRequest, call: Call) -> bytes:  # noqa: ARG002
        check_hotkey(request.hotkey)
        found = exposure_of(self._engine.book, request.hotkey, self._engine.terms.pairs)
        return exposure_to_wire(found).SerializeToString()

    async def order_span(self, request: pb.OrderSpanRequest, call: Call) -> bytes:  # noqa: ARG002
        """Looks at every order of the book, some at a time."""
        book = self._engine.book
        reply = pb.OrderSpanReply(revision=book.revision)
        records = list(book.positions.by_uuid.values())
        for start in range(0, len(records), LOOKED_AT_ONCE):
            await asyncio.sleep(0)
            part = records[start : start + LOOKED_AT_ONCE]
            times = await self._engine.archive.run(_times_of, part)
            if times:
                known = reply.HasField("first_ms")
                reply.first_ms = min([*times, reply.first_ms] if known else times)
                reply.last_ms = max(*times, reply.last_ms)
        return reply.SerializeToString()

    async def list_pairs(self, request: pb.ListPairsRequest, call: Call) -> bytes:  # noqa: ARG002
        pairs = [trade_pair_to_wire(pair) for pair in self._engine.terms.pairs]
        return pb.ListPairsReply(pairs=pairs).SerializeToString()

    # ---------------------------------------------------------------- parts

    async def _submit(self, command: Command, request_id: str, call: Call) -> object:
        return await self._engine.submit(
            command,
            request_key(request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )

    def _placed(self, outcome: object) -> bytes:
        assert isinstance(outcome, PlaceDone)
        return raw.PlaceOrderReply(
            revision=outcome.revision,
            position=outcome.position,
            closed=outcome.closed or None,
            durability=self._durability,
            repeated=outcome.repeated,
        ).SerializeToString()


def _times_of(records: Iterable[Record]) -> list[int]:
    """When every order of some positions was filled."""
    return [
        order.processed_ms
        for record in records
        for order in raw.OrdersOnly.FromString(record.wire).orders
    ]
