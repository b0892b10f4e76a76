"""Random commands on campaigns, legs and marks, over few names and instants on the edges."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st

from hotbook import Side
from hotbook_server.commands import (
    AddPattern,
    AddPatterns,
    Command,
    DeleteCampaign,
    Expire,
    PushBars,
    PushedBar,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.campaigns import HOUR_MS, add_leg, close_leg, create, go_to, pattern
from tests.make import NOW_MS, position, save

HOMES = {"c1": ("ann", "BTCUSD"), "c2": ("ann", "XYZ"), "c3": ("bob", "BTCUSD")}
T0 = NOW_MS - 200 * HOUR_MS

names = st.sampled_from(("c1", "c1", "c1", "c2", "c3"))
hours = st.sampled_from((0, 24, 48, 72, 96))
instants = st.builds(lambda h, ms: T0 + h * HOUR_MS + ms, hours, st.sampled_from((0, 0, 0, 1)))
late = st.builds(lambda at: at + 72 * HOUR_MS, instants)
expected = st.sampled_from((None, None, None, None, 0, 1, 2))
MOST = "9999999998.99999999"  # nearly the highest price; and a size for as long a result
prices = st.sampled_from(("100", "100", "103.5", "99.00000001", MOST))
sizes = st.sampled_from(("2.5", "2.5", "2.5", "9999999999.99999997"))


def _pattern(signal: str, home: str, at_ms: int, kind: str, version: int | None) -> AddPattern:
    hotkey, pair = HOMES[home]
    return pattern(signal, at_ms, kind, hotkey=hotkey, trade_pair=pair, expected_version=version)


def _create(name: str, started_ms: int, account: str) -> Command:
    hotkey, pair = HOMES[name]
    return create(name, hotkey=hotkey, trade_pair=pair, started_ms=started_ms, account_size=account)


def _stop(entry: str, is_long: bool) -> str:
    if is_long:
        return "98"
    return "9999999999.99999999" if entry == MOST else "105"


def _leg(
    uuid: str, name: str, is_long: bool, entry: str, size: str, at_ms: int, v: int | None
) -> Command:
    return add_leg(
        uuid, entry, size, _stop(entry, is_long), campaign_id=name,
        side="LONG" if is_long else "SHORT", opened_ms=at_ms, expected_version=v,
    )  # fmt: skip


def _by_hand(
    uuid: str, name: str, is_long: bool, entry: str, size: str, at_ms: int,
    exit_price: str | None, wrong: str,
) -> Command:  # fmt: skip
    """A leg that is saved as a position; `wrong` says with what, if with anything."""
    hotkey, pair = HOMES[name]
    price = Fraction(exit_price or 0)
    earned = (price - Fraction(entry)) * Fraction(size) * (1 if is_long else -1) * 10**16
    return save(
        position(
            uuid,
            hotkey=hotkey,
            trade_pair=pair,
            campaign_id=name,
            orders=(),
            net_leverage=Decimal(0),
            side=Side.LONG if is_long else Side.SHORT,
            open_ms=at_ms,
            quantity=Decimal(size),
            average_entry_price=Decimal(entry),
            stop_loss=Decimal(_stop(entry, is_long != (wrong == "stop"))),
            close_ms=at_ms if exit_price else None,
            exit_price=Decimal(exit_price) if exit_price and wrong != "exit" else None,
            realized_pnl=Decimal(f"{earned.numerator + (wrong == 'result')}e-16")
            if exit_price else Decimal(0),
        )
    )  # fmt: skip


def _bar(pair: str, at_ms: int, close: str, volume: str) -> PushedBar:
    return PushedBar(pair, at_ms, close, volume)


kinds = st.sampled_from(("SPRING", "AR", "SOS", "LPS"))
patterns = st.builds(
    _pattern, st.sampled_from([f"s{n}" for n in range(9)]), names, instants, kinds, expected
)
legs = st.sampled_from(("l1", "l2", "l3", "u1"))
bars = st.builds(
    _bar, st.sampled_from(("BTCUSD", "BTCUSD", "XYZ")), instants, prices,
    st.sampled_from(("", "1", "2.5")),
)  # fmt: skip
states = st.sampled_from(
    (pb.CAMPAIGN_ACTIVE, pb.CAMPAIGN_DORMANT, pb.CAMPAIGN_COMPLETED, pb.CAMPAIGN_FAILED)
)
makes = st.builds(_create, names, instants, st.sampled_from(("", "", "100")))
adds = st.builds(_leg, legs, names, st.booleans(), prices, sizes, instants, expected)
by_hand = st.builds(
    _by_hand, legs, names, st.booleans(), prices, sizes, instants,
    st.one_of(st.none(), prices), st.sampled_from(("", "", "", "", "stop", "exit", "result")),
)  # fmt: skip
closes = st.builds(
    lambda uuid, name, price, at, v: close_leg(
        uuid, price, at, campaign_id=name, expected_version=v
    ),
    legs, names, prices, st.one_of(st.just(0), instants), expected,
)  # fmt: skip
campaign_commands = st.sampled_from(
    [makes] * 4
    + [adds] * 4
    + [patterns] * 3
    + [closes, by_hand] * 2
    + [
        st.builds(lambda many: AddPatterns(tuple(many)), st.lists(patterns, max_size=4)),
        st.builds(lambda to, name, v: go_to(to, name, expected_version=v), states, names, expected),
        st.builds(DeleteCampaign, names, expected),
        st.builds(Expire, late),
        st.builds(lambda many: PushBars(tuple(many)), st.lists(bars, min_size=1, max_size=3)),
    ]
).flatmap(lambda chosen: chosen)
several_on_campaigns: st.SearchStrategy[list[Command]] = st.lists(
    campaign_commands, min_size=1, max_size=8
)
