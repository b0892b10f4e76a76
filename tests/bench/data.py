"""The positions that every workload uses: made from a seed, like those of a real miner."""

from __future__ import annotations

import random
from decimal import Decimal

from hotbook import Order, Position, Side
from hotbook_shared.record import Record, record_from, seal
from hotbook_shared.wire import position_to_wire

PAIRS = ("BTCUSD", "ETHUSD", "SOLUSD", "XRPUSD", "EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "NVDA")
START_MS = 1_734_000_000_000


def hotkey(number: int) -> str:
    return f"5EUTaAo7vCGxvLDWRXRrEuqctPjt9fKZmgkaeFZocW{number:06d}"


def position(
    seed: int, owner: str, pair: str, *, orders: int = 5, is_open: bool = False
) -> Position:
    """One position with so many orders; the same seed gives the same position."""
    chance = random.Random(seed)
    open_ms = START_MS + seed * 1000
    uuid = f"{chance.getrandbits(128):032x}"
    uuid = f"{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
    return Position(
        hotkey=owner,
        position_uuid=uuid,
        trade_pair=pair,
        side=Side.LONG if is_open else Side.FLAT,
        open_ms=open_ms,
        close_ms=None if is_open else open_ms + 3_600_000,
        orders=tuple(_order(chance, uuid, open_ms, number) for number in range(orders)),
        account_size=Decimal("100000.0"),
        net_leverage=Decimal("0.5") if is_open else Decimal(0),
        net_quantity=_number(chance, 8),
        net_value=_number(chance, 2),
        average_entry_price=_number(chance, 4),
        cumulative_entry_value=_number(chance, 2),
        realized_pnl=_number(chance, 6),
        current_return=Decimal("1.0034512"),
        return_at_close=Decimal("1.0030167"),
    )


def _order(chance: random.Random, uuid: str, open_ms: int, number: int) -> Order:
    price = _number(chance, 2)
    return Order(
        order_uuid=f"{uuid[:-2]}{number:02x}",
        type=Side.LONG,
        processed_ms=open_ms + number * 60_000,
        leverage=Decimal("0.1"),
        quantity=_number(chance, 16),
        value=Decimal("10000.0"),
        price=price,
        bid=price - Decimal("0.11"),
        ask=price + Decimal("0.12"),
        slippage=Decimal("0.00012"),
        quote_usd_rate=Decimal("1.0"),
        usd_base_rate=_number(chance, 16) / 10_000,
    )


def _number(chance: random.Random, decimals: int) -> Decimal:
    return Decimal(chance.randrange(10 ** (decimals + 2), 10 ** (decimals + 3))).scaleb(-decimals)


def book(count: int, per_hotkey: int, open_per_hotkey: int = 9) -> list[Position]:
    """A book of so many positions; each hotkey has a few open, one a pair, the others closed."""
    made = []
    for number in range(count):
        owner, place = divmod(number, per_hotkey)
        is_open = place >= per_hotkey - min(open_per_hotkey, len(PAIRS))  # the newest ones
        pair = PAIRS[place % len(PAIRS)]
        made.append(position(number, hotkey(owner), pair, is_open=is_open))
    return made


def dealt(count: int, hotkeys: int, open_count: int) -> list[Position]:
    """A book dealt out to hotkeys in turn, in which the newest are open: a few of each hotkey.

    At most one of a hotkey is open on a pair, for places that follow each other differ in it.
    """
    assert open_count <= hotkeys * len(PAIRS)
    return [
        position(
            number,
            hotkey(number % hotkeys),
            PAIRS[number // hotkeys % len(PAIRS)],
            is_open=number >= count - open_count,
        )
        for number in range(count)
    ]


def record(made: Position, revision: int) -> Record:
    body = position_to_wire(made).SerializeToString()
    return record_from(seal(body, 1, revision, made.open_ms))


def records(count: int, per_hotkey: int) -> list[Record]:
    """Records for a large book: a thousand different positions, renamed over and over.

    Renaming costs a few microseconds; making each anew would take minutes for a million.
    """
    templates = [position_to_wire(p) for p in book(1_000, per_hotkey=min(per_hotkey, 1_000))]
    made = []
    for number in range(count):
        template = templates[number % 1_000]
        owner, place = divmod(number, per_hotkey)
        template.hotkey = hotkey(owner)
        template.position_uuid = f"{template.position_uuid[:24]}{number:012x}"
        template.trade_pair = PAIRS[place % len(PAIRS)]
        if place >= per_hotkey - len(PAIRS):
            template.ClearField("close_ms")
        else:
            template.close_ms = template.open_ms + 3_600_000
        made.append(record_from(seal(template.SerializeToString(), 1, number + 1, START_MS)))
    return made
