"""Random commands over few names, so that they meet each other."""

from __future__ import annotations

from decimal import Decimal

import hypothesis.strategies as st

from hotbook import Order, OrderSource, Position, Side
from hotbook_server.commands import (
    CloseAll,
    ClosePosition,
    Command,
    Delete,
    PlaceOrder,
    Save,
    SaveMany,
    SplitPosition,
)
from hotbook_shared.wire import SOURCE_NUMBER, order_to_wire
from tests.make import CLOSE_MS, NOW_MS, OPEN_MS, order, position, save

HOTKEYS = ("ann", "bob")
PAIRS = ("BTCUSD", "ETHUSD", "XYZ")
UUIDS = ("u1", "u2", "u3", "u4")
PARTS = ("u1-1", "u1-2", "u1-3")  # what parts of u1 may be called
ORDER_UUIDS = (*(f"o{n}" for n in range(1, 13)), "u1", "u1-1")
FLAT_SOURCES = (OrderSource.ORGANIC, OrderSource.ELIMINATION_FLAT, OrderSource.DEPRECATION_FLAT)

hotkeys = st.sampled_from(("ann", "ann", "ann", "bob"))
pairs = st.sampled_from(("BTCUSD", "BTCUSD", "BTCUSD", "XYZ", "XYZ", "ETHUSD"))
HOMES = {"u1": ("ann", "BTCUSD"), "u2": ("ann", "BTCUSD"), "u3": ("ann", "XYZ"),
         "u4": ("bob", "BTCUSD")}  # fmt: skip
homes = st.one_of(st.none(), st.none(), st.none(), st.none(), st.none(), st.tuples(hotkeys, pairs))
"""Where a position is saved: None is where its name is at home, nearly always."""
given_prices = st.sampled_from(["100", "110", "70.3"])
prices = st.one_of(given_prices, given_prices, given_prices, st.just(""))
times = st.sampled_from([0, 0, 0, 0, NOW_MS - 5, NOW_MS, NOW_MS + 5, NOW_MS + 360_000])
accounts = st.sampled_from(["", "100000"])
caps = st.sampled_from(["", "", "", "", "5", "3", "0"])

Size = tuple[Side, str | None]
LONG, SHORT, FLAT = Side.LONG, Side.SHORT, Side.FLAT
stored_sizes = st.sampled_from(
    [(LONG, "0.1"), (LONG, "0.3"), (SHORT, "0.2"), (SHORT, "-0.3"), (FLAT, None), (LONG, "0")]
)
placed_sizes: list[Size] = [
    (LONG, "0.1"), (LONG, "0.1"), (LONG, "0.2"), (SHORT, "0.1"), (SHORT, "0.1"), (SHORT, "-0.3"),
    (LONG, "0.5"), (SHORT, "0.5"), (LONG, "0.6"), (LONG, "0.005"), (LONG, None), (FLAT, None),
]  # fmt: skip
sizes = st.sampled_from(placed_sizes)


def _position(
    uuid: str,
    home: tuple[str, str] | None,
    closed_after: int | None,
    campaign: str | None,
    sizes: list[Size],
    account: str,
) -> Position:
    """A part's orders are numbered from its own name on: u1-2 has u1-2, u1-3 and so on."""
    whole, _, first = uuid.partition("-")
    hotkey, pair = home or HOMES[whole]
    orders = tuple(
        order(
            n,
            order_uuid=f"{whole}-{n}",
            type=side,
            leverage=None if size is None else Decimal(size),
        )
        for n, (side, size) in enumerate(sizes, int(first or 0))
    )
    return position(
        uuid,
        hotkey=hotkey,
        trade_pair=pair,
        open_ms=OPEN_MS,
        close_ms=None if closed_after is None else CLOSE_MS + closed_after,
        campaign_id=campaign,
        orders=orders,
        account_size=Decimal(account or 0),
    )


whether_closed = st.sampled_from([None, None, 0, 1])


def positions_of(uuids: tuple[str, ...]) -> st.SearchStrategy[Position]:
    few = st.lists(stored_sizes, max_size=2)
    many = st.lists(stored_sizes, min_size=3, max_size=9)
    campaigns = st.sampled_from([None, None, None, None, "c1"])
    named = st.sampled_from(uuids)
    return st.builds(
        _position, named, homes, whether_closed, campaigns, st.one_of(few, many), accounts
    )


positions = positions_of(UUIDS + PARTS)


def _save(made: Position, expected_version: int | None, replace_open: bool) -> Save:
    replace_open = replace_open and not made.campaign_id
    return save(made, expected_version=expected_version, replace_open=replace_open)


def _place(
    hotkey: str, pair: str, made: Order, account: str, flip: bool, limit: bool, cap: str
) -> PlaceOrder:
    wire = order_to_wire(made).SerializeToString()
    return PlaceOrder(hotkey, pair, wire, account, flip, limit, Decimal(cap) if cap else None)


def _order(uuid: str, given: Size, price: str, at_ms: int) -> Order:
    side, size = given
    return Order(
        order_uuid=uuid,
        type=side,
        processed_ms=at_ms,
        price=Decimal(price or 0),
        leverage=None if size is None else Decimal(size),
    )


orders = st.builds(_order, st.sampled_from(ORDER_UUIDS), sizes, prices, times)

versions = st.sampled_from([None, None, None, None, None, 0, 1, 2])
saves = st.builds(_save, positions, versions, st.booleans())
places = st.builds(
    _place,
    hotkeys,
    pairs,
    orders,
    accounts,
    st.booleans(),
    st.booleans(),
    caps,
)
closes = st.builds(
    lambda hotkey, named, price, at_ms, source: (
        ClosePosition(hotkey, "", named, price, at_ms, SOURCE_NUMBER[source])
        if named not in PAIRS
        else ClosePosition(hotkey, named, "", price, at_ms, SOURCE_NUMBER[source])
    ),
    hotkeys,
    st.sampled_from(PAIRS + UUIDS + ORDER_UUIDS[:2]),
    prices,
    times,
    st.sampled_from(FLAT_SOURCES),
)
save_manys = st.builds(
    lambda made, whole: SaveMany(tuple(save(p) for p in made), all_or_nothing=whole),
    st.lists(positions, max_size=4),
    st.booleans(),
)
deletes = st.builds(Delete, hotkeys, st.sampled_from(UUIDS + ORDER_UUIDS))
close_alls = st.builds(
    CloseAll,
    st.dictionaries(pairs, prices, min_size=1),
    times,
    st.sampled_from([SOURCE_NUMBER[source] for source in FLAT_SOURCES]),
)
splits = st.one_of(
    st.sampled_from([SplitPosition(HOMES[uuid][0], uuid) for uuid in UUIDS]),
    st.builds(SplitPosition, hotkeys, st.sampled_from(UUIDS + ORDER_UUIDS)),
)
commands = st.sampled_from(
    [places] * 5 + [saves] * 3 + [closes, splits, save_manys, deletes, close_alls]
).flatmap(lambda chosen: chosen)


def _run(
    hotkey: str, pair: str, account: str, first: int, steps: list[tuple[Size, str, bool, bool, str]]
) -> list[Command]:
    return [
        _place(hotkey, pair, _order(f"o{n}", size, price, 0), account, flip, limit, cap)
        for n, (size, price, flip, limit, cap) in enumerate(steps, first)
    ]


def _division(whole: Position, parts: list[Position]) -> list[Command]:
    split = SplitPosition(whole.hotkey, whole.position_uuid)
    return [*(save(part) for part in parts), save(whole, replace_open=True), split, split]


runs = st.builds(
    _run,
    hotkeys,
    pairs,
    accounts,
    st.integers(1, 6),
    st.lists(
        st.tuples(sizes, given_prices, st.booleans(), st.booleans(), caps), min_size=1, max_size=10
    ),
)
"""Orders one after the other on one pair."""

many_sizes = st.lists(stored_sizes, min_size=3, max_size=9)
divisions = st.builds(
    _division,
    st.builds(_position, st.just("u1"), st.none(), whether_closed, st.none(), many_sizes, accounts),
    st.lists(positions_of(PARTS), max_size=2),
)
"""A position is saved, perhaps beside what its parts may be called, and split twice."""

several_commands = st.one_of(st.lists(commands, min_size=1, max_size=10), runs, divisions)
