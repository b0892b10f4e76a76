"""Orders: PlaceOrder, against the three calls that it replaces; each durable, 64 callers.

The peer is how an order is placed today, with the lock left out: read the open position, read the
portfolio's leverage, work out the position with the order, save it at the version that was read.
Both sides use raw bytes where they only hand something on; the peer's caller does what it must:
it parses the position, adds the order, and has `fills` work out the figures. Each caller has a
hotkey of its own, so that nobody has to wait, or to try again. Orders are like live ones, with
three price sources, and nine of them to a position before a FLAT.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from hotbook import Order, PriceSource, Side
from hotbook_shared.fills import fill
from hotbook_shared.model import TradePair
from hotbook_shared.pairs import known_pairs
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import fill_from_wire, order_to_wire, write_fills
from tests.bench import data
from tests.bench.figures import Figure, Rounds, measured, ratios
from tests.bench.rig import Caller, Rig, rate, rig

PLACE, EXPOSURE = "/hotbook.v1.Orders/PlaceOrder", "/hotbook.v1.Orders/Exposure"
GET_OPEN, SAVE = "/hotbook.v1.Positions/GetOpen", "/hotbook.v1.Positions/Save"
CALLERS = 64
PAIR = "BTCUSD"
ACCOUNT_SIZE = "100000"
TURN = 10
"""Orders of one position: nine that add, and a FLAT."""
FEEDS = ("Polygon_ws", "Tiingo_gdax_rest", "Polygon_rest")
"""Where a live order's price comes from: three on average, as on the network."""


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 9
    seconds: float = 2.0


async def measure(scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder)) as stand:
        return await _measure(stand, scale)


async def _measure(stand: Rig, scale: Scale) -> list[Figure]:
    caller = Caller(stand.target)
    sides: dict[str, type[_Placing] | type[_Replaced]] = {"one": _Placing, "three": _Replaced}
    found = Rounds(scale.rounds, sides)
    for number, side in enumerate(found):  # hotkeys of its own for each turn: a book not yet full
        placing = sides[side](caller, f"{side}-{number}")
        found.add(side, await rate(scale.seconds, CALLERS, placing.act))
    await caller.close()
    gains = ratios(found["one"], found["three"])
    return [
        measured("PlaceOrder, 64 callers", found["one"], "orders/s"),
        measured("get, exposure, save, 64 callers", found["three"], "orders/s"),
        measured("PlaceOrder against the three calls", gains, "x", at_least=2.5),
    ]


class _Orders:
    """The next order of a hotkey that nobody else places one for."""

    def __init__(self, name: str) -> None:
        self._hotkeys = [data.hotkey(number) + name for number in range(CALLERS)]
        self._free = list(range(CALLERS))
        self._counts = [0] * CALLERS
        self._made = [order_to_wire(_order(number)) for number in range(TURN)]

    def next(self) -> tuple[int, str, pb.Order]:
        number = self._free.pop()
        count = self._counts[number]
        self._counts[number] += 1
        order = pb.Order()
        order.CopyFrom(self._made[count % TURN])
        order.order_uuid = uuid.uuid4().hex
        order.processed_ms = data.START_MS + count
        return number, self._hotkeys[number], order

    def done(self, number: int) -> None:
        self._free.append(number)


def _order(number: int) -> Order:
    is_last = number == TURN - 1
    return Order(
        order_uuid="",
        type=Side.FLAT if is_last else Side.LONG,
        processed_ms=0,
        leverage=None if is_last else Decimal("0.04"),
        price=Decimal(60_000 + number),
        bid=Decimal("60000.1"),
        ask=Decimal("60000.2"),
        quote_usd_rate=Decimal("1.0"),
        price_sources=tuple(_price_source(name, number) for name in FEEDS),
    )


def _price_source(name: str, number: int) -> PriceSource:
    price = Decimal("60000.41") + number
    return PriceSource(
        source=name,
        timespan_ms=1000,
        open=price,
        close=price + 1,
        vwap=price + Decimal("0.5"),
        high=price + 2,
        low=price - 1,
        start_ms=data.START_MS,
        websocket=True,
        lag_ms=132,
        bid=price - Decimal("0.1"),
        ask=price + Decimal("0.1"),
    )


class _Placing:
    def __init__(self, caller: Caller, name: str) -> None:
        self._orders = _Orders(name)
        self._place = caller.method(PLACE)

    async def act(self) -> None:
        number, hotkey, order = self._orders.next()
        request = pb.PlaceOrderRequest(
            hotkey=hotkey,
            trade_pair=PAIR,
            order=order,
            request_id=uuid.uuid4().hex,
            account_size=ACCOUNT_SIZE,
        )
        reply = pb.PlaceOrderReply.FromString(await self._place(request.SerializeToString()))
        assert reply.position.orders
        self._orders.done(number)


class _Replaced:
    def __init__(self, caller: Caller, name: str) -> None:
        self._orders = _Orders(name)
        self._get_open: Callable[[bytes], Awaitable[bytes]] = caller.method(GET_OPEN)
        self._exposure = caller.method(EXPOSURE)
        self._save = caller.method(SAVE)
        self._pair = known_pairs().of(PAIR)

    async def act(self) -> None:
        number, hotkey, order = self._orders.next()
        request = pb.GetOpenRequest(hotkey=hotkey, trade_pair=PAIR).SerializeToString()
        standing = pb.PositionReply.FromString(await self._get_open(request))
        asked = pb.ExposureRequest(hotkey=hotkey).SerializeToString()
        exposure = pb.ExposureReply.FromString(await self._exposure(asked))
        assert Decimal(exposure.leverage) < 10
        position = standing.position
        if not standing.HasField("position"):
            position.hotkey, position.trade_pair = hotkey, PAIR
            position.position_uuid, position.account_size = order.order_uuid, ACCOUNT_SIZE
        position.orders.append(order)
        _work_out(position, self._pair)
        save = pb.SaveRequest(
            position=position, request_id=uuid.uuid4().hex, expected_version=position.version
        )
        saved = pb.SaveReply.FromString(await self._save(save.SerializeToString()))
        assert saved.version == position.version + 1
        self._orders.done(number)


def _work_out(position: pb.Position, pair: TradePair) -> None:
    orders = [fill_from_wire(order) for order in position.orders]
    write_fills(position, fill(orders, Decimal(position.account_size), pair))
