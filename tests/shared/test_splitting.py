"""Splitting: the original's worked examples, rows of our own, and what holds for any list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.fills import FIGURES, complete, filled, signed
from hotbook_shared.model import Order, OrderSource, Position, Side, TradePair
from hotbook_shared.money import check_number
from hotbook_shared.splitting import needs_split, parts_of, split
from tests.chance import examples
from tests.shared.test_fills import (
    ACCOUNT,
    BITCOIN,
    EURO,
    SIZE_NAMES,
    accounts,
    is_near,
    lists,
    orders,
    position,
)

TIGHT = Context(prec=5, Emax=20, Emin=-20, traps=[Inexact])
"""A caller's context in which nearly every sum is wrong, or an error."""

NEARLY_ZERO = Fraction(1, 10**9)
NUMBERS = FIGURES[1:]  # all but the side

# ------------------------------------------------------------------ rows

ROWS = """
3.3 row 1, an explicit close (0/1): L1@100 F0@110 S1@120
    p: L1 F-1; FLAT 2000 1.0989
    order_2: S-1; SHORT - 0.999
3.3 row 2, an exact zero (1/0): L2@100 S2@110 L1@120
    p: L2 S-2; FLAT 2000 1.1976
    order_2: L1; LONG - 0.999
3.3 row 3, three parts (0/2): L1@100 F@110 S1@120 F@100 L1@95
    p: L1 F-1; FLAT 2000 1.0989
    order_2: S-1 F1; FLAT 4000 1.1655
    order_4: L1; LONG - 0.999
3.3 row 4, partly closed (0/0): L1@100 L0.5@110 S0.5@120
    p: L1 L0.5 S-0.5; LONG - 68363/55000
3.3 row 5, a short that lost (0/2): L1@100 F@110 S1@120 F@130 L2@140
    p: L1 F-1; FLAT 2000 1.0989
    order_2: S-1 F1; FLAT 4000 0.91575
    order_4: L2; LONG - 0.998
3.3 row 6, a flip (1/0): L2@100 S3@110 L1@120
    p: L2 S-2; FLAT 2000 1.1976
    order_2: L1; LONG - 0.999
3.3 row 10, nearly zero closes (1/0): L1@100 S0.9999999999@110 L1@120
    p: L1 S-1; FLAT 2000 1.0989
    order_2: L1; LONG - 0.999
3.3 row 11, flat at the end (0/0): L1@100 F@110
    p: L1 F-1; FLAT 2000 1.0989
3.3 row 11, zero at the end (0/0): L1@100 S1@110
    p: L1 S-1; FLAT 2000 1.0989
3.3 row 11, a flip at the end (0/0): L2@100 S3@110
    p: L2 S-2; FLAT 2000 1.1976
3.3 row 13, a leading flat stays (0/1): F@90 L1@100 F@110 L1@120
    p: F L1 F-1; FLAT 3000 1.0989
    order_3: L1; LONG - 0.999
3.3 row 14, no order is lost (0/1): L1@100 F@110 L0@115 S1@120
    p: L1 F-1; FLAT 2000 1.0989
    order_2: L0 S-1; SHORT - 0.999
one order (0/0): L1@100
    p: L1; LONG - 0.999
no order but flats (0/0): F@100 F@110
    p: F F; None - 1
nothing of a size (0/0): L0@100 S0@110 F@120
    p: L0 S0 F; None - 1
many leading flats (0/1): F@1 F@2 F@3 L1@100 F@110 F@111 S1@120 F@100
    p: F F F L1 F-1 F; FLAT 5000 1.0989
    order_6: S-1 F1; FLAT 8000 1.1655
flats one after the other (0/1): L1@100 F@110 F@1 F@2 S1@120
    p: L1 F-1 F F; FLAT 2000 1.0989
    order_4: S-1; SHORT - 0.999
flats at the end (0/0): L1@100 F@110 F@1 F@2
    p: L1 F-1 F F; FLAT 2000 1.0989
a zero, then a flat (1/0): L2@100 S2@110 F@120 L1@120
    p: L2 S-2 F; FLAT 2000 1.1976
    order_3: L1; LONG - 0.999
orders of no size at the end (0/0): L1@100 F@110 L0@1 S0@2 F@3
    p: L1 F-1 L0 S0 F; FLAT 2000 1.0989
dust at the end (0/0): L1@100 F@110 L9e-10@120
    p: L1 F-1 L9e-10; FLAT 2000 1.0989
dust at the end of the second (0/1): L1@100 F@110 S1@120 F@100 L9e-10@120 F@1
    p: L1 F-1; FLAT 2000 1.0989
    order_2: S-1 F1 L9e-10 F; FLAT 4000 1.1655
no size between flats (0/1): L1@100 F@110 L0@115 F@116 S1@120
    p: L1 F-1; FLAT 2000 1.0989
    order_2: L0 F S-1; SHORT - 0.999
a short first (1/0): S2@110 L2@99 S1@100
    p: S-2 L2; FLAT 2000 1.1976
    order_2: S-1; SHORT - 0.999
each order flips (2/0): L1@100 S9@110 S1@120 L9@100 L1@95
    p: L1 S-1; FLAT 2000 1.0989
    order_2: S-1 L1; FLAT 4000 1.1655
    order_4: L1; LONG - 0.999
each part is counted from its own start (1/0): L1@100 S3@110 L1@100 L1@100 F@100
    p: L1 S-1; FLAT 2000 1.0989
    order_2: L1 L1 F-2; FLAT 5000 0.998
parts of both kinds (1/1): L2@100 S2@110 S1@120 F@100 L1@95
    p: L2 S-2; FLAT 2000 1.1976
    order_2: S-1 F1; FLAT 4000 1.1655
    order_4: L1; LONG - 0.999
quantities (1/0): L2q@1000 S2q@1500 S1q@1000
    p: L S; FLAT 2000 1.0099798
    order_2: S; SHORT - 0.99999
leverage, then quantities (0/1): L1@100 F@110 L2q@1000 F@1500
    p: L1 F-1; FLAT 2000 1.0989
    order_2: L F; FLAT 4000 1.0099798
times that run backwards (0/1): L1@100 F@110[processed_ms=500] S1@120[processed_ms=400]
    p: L1 F-1; FLAT 1000 1.0989
    order_2: S-1; SHORT - 0.999
an elimination (0/1): L1@100 L1@110 F@0[source=ELIMINATION_FLAT] L1@120
    p: L1 L1 F-2; FLAT 3000 1.0978
    order_3: L1; LONG - 0.999
"""
"""Name (parts that others follow, by how they were closed: net/flat): orders. Then each part: its
uuid, its orders with their leverage; its side, close time and return."""


def _named_rows() -> list[Any]:
    found = re.findall(r"^(\S.*) \((./.)\): (.*)\n((?:    .*\n)*)", ROWS, re.MULTILINE)
    return [pytest.param(*row, id=name) for name, *row in found]


@pytest.mark.parametrize(("counts", "made", "wanted"), _named_rows())
def test_a_position_is_split_after_each_order_that_closes_it(
    counts: str, made: str, wanted: str
) -> None:
    """Parts, states, close times, types, returns and counts are those of the row."""
    parts = [line.strip() for line in wanted.splitlines()]
    whole = filled(position(orders(made)), BITCOIN)

    found = split(whole, BITCOIN)

    assert [f"{part.position_uuid}: {_orders_told(part)}" for part in found] == [
        part.partition(";")[0] for part in parts
    ]
    for part, told in zip(found, parts, strict=True):
        side, close_ms, after_spread = told.partition("; ")[2].split()
        assert (str(part.side), str(part.close_ms or "-")) == (side, close_ms)
        assert is_near(part.return_at_close, Fraction(after_spread)), part.return_at_close
    by_flat = [part.closed_by_flat for part in parts_of(whole.orders)[:-1]]
    assert f"{by_flat.count(False)}/{by_flat.count(True)}" == counts
    assert needs_split(whole) == (len(parts) > 1)


def _orders_told(part: Position) -> str:
    return " ".join(map(_told, part.orders))


def _told(order: Order) -> str:
    """Its type, and its leverage: a SHORT's is negative, whether the sender said so or not."""
    leverage = order.leverage if order.type is Side.FLAT else signed(order, order.leverage)
    return order.type[0] + ("" if leverage is None else f"{leverage.normalize():g}")


def test_the_first_part_keeps_all_and_a_later_one_is_named_after_its_first_order() -> None:
    """What is not made by orders stays with the first; a later one has the names and account."""
    whole = position(orders("L1@100 F@110 S1@120"), quantity=Decimal(7), extra={"mine": 1})

    first, second = split(whole, BITCOIN)

    assert (first.quantity, second.quantity) == (Decimal(7), Decimal(0))
    assert first.extra == whole.extra
    assert not second.extra
    assert first.account_size == second.account_size == ACCOUNT
    assert (second.hotkey, second.trade_pair, second.open_ms) == ("hk", "BTCUSD", 3000)


def test_the_leg_of_a_campaign_is_never_split() -> None:
    """A leg's orders may go on after they closed it; it stays one position, as it is."""
    leg = position(orders("L1@100 F@110 S1@120"), campaign_id="c1")

    assert not needs_split(leg)
    assert split(leg, BITCOIN) == [leg]


@pytest.mark.parametrize("made", ["", "L1@100 S0.5@110", "F@100", "L1@100 F@110"])
def test_a_position_that_needs_no_splitting_stays_as_it_is(made: str) -> None:
    """It is not even given figures."""
    whole = position(orders(made), net_leverage=Decimal(77))

    assert split(whole, BITCOIN) == [whole]


# ------------------------------------------------------------------ what holds for any list


def _ends(made: Sequence[Order]) -> list[int]:
    """Where the parts of a list end, told in fractions, by looking again from each start."""
    closing = _closing(made)
    if closing is None:
        return [len(made)]
    end = closing + 1
    while end < len(made) and made[end].type is Side.FLAT:
        end += 1
    if not _sizes(made[end:])[1]:
        return [len(made)]
    return [end, *(end + later for later in _ends(made[end:]))]


def _closing(made: Sequence[Order]) -> int | None:
    for number, order in enumerate(made):
        held = _sizes(made[:number], made)[0]
        after = held + _sizes([order], made)[0]
        is_open = _sizes(made[:number], made)[1]
        if is_open and (order.type is Side.FLAT or abs(after) < NEARLY_ZERO or after * held < 0):
            return number
    return None


def _sizes(made: Sequence[Order], of: Sequence[Order] | None = None) -> tuple[Fraction, bool]:
    """The sum of the sizes, and whether it was ever more than nothing."""
    deciding = [o for o in of or made if o.type is not Side.FLAT and (o.leverage or o.quantity)]
    name = "leverage" if deciding and deciding[0].leverage else "quantity"
    total, opened = Fraction(), False
    for order in made:
        size = abs(Fraction(getattr(order, name) or 0))
        total += {Side.LONG: size, Side.SHORT: -size, Side.FLAT: Fraction()}[order.type]
        opened = opened or abs(total) >= NEARLY_ZERO
    return total, opened


dust = st.sampled_from(["0", "4e-10", "6e-10", "0.9999999999", "0.999999999", "1", "2"])
words = st.builds("{}{}{}@{}".format, st.sampled_from("LSF"), dust, st.sampled_from(["", "", "q"]),
                  st.integers(50, 200))  # fmt: skip
fine_lists = st.lists(words, max_size=9).map(lambda made: orders(" ".join(made)))
most_lists = fine_lists | lists


@settings(deadline=None, max_examples=examples(400))
@given(most_lists)
@example(orders("L1@9 F@9 L4e-10@9 L4e-10@9 F@9 L4e-10@9 S1@9"))
def test_a_naive_splitter_finds_the_same_parts(made: tuple[Order, ...]) -> None:
    """Another walk over the orders, in fractions and from each start anew, ends parts there too."""
    assert [part.end for part in parts_of(made)] == _ends(made)


@settings(deadline=None, max_examples=examples(400))
@given(most_lists, accounts, st.sampled_from([BITCOIN, EURO]))
def test_no_order_is_lost_and_splitting_again_changes_nothing(
    made: tuple[Order, ...], account: Decimal, pair: TradePair
) -> None:
    """Joined, the parts' orders are those given, sizes clipped; each part is filled, and one."""
    whole = position(made, account)
    parts = split(whole, pair)

    joined = [order for part in parts for order in part.orders]
    assert [_without_size(order) for order in joined] == [_without_size(order) for order in made]
    assert [again for part in parts for again in split(part, pair)] == parts
    if len(parts) > 1:
        assert [filled(part, pair) for part in parts] == parts
        assert split(filled(whole, pair), pair) == parts


def _without_size(order: Order) -> Order:
    return msgspec.structs.replace(order, leverage=None, quantity=None, value=None)


@settings(deadline=None, max_examples=examples(400))
@given(most_lists, accounts)
def test_at_most_the_last_part_is_open(made: tuple[Order, ...], account: Decimal) -> None:
    """Every other is FLAT, with a net of exactly zero, in its figures and in its orders."""
    *closed, last = split(filled(position(made, account), BITCOIN), BITCOIN)

    for part in closed:
        assert (part.side, part.is_open) == (Side.FLAT, False)
        assert (part.close_ms or 0) >= part.open_ms
    for part in closed if last.is_open else (*closed, last):
        assert part.net_leverage == part.net_quantity == part.net_value == 0
        closing = _closing(part.orders)
        assert closing is not None
        held, clip = _sizes(part.orders[:closing], part.orders)[0], part.orders[closing]
        name = "leverage" if clip.leverage is not None else "quantity"
        assert held + Fraction(getattr(clip, name)) == 0


# ------------------------------------------------------------------ whatever comes


def numbers(*, signed: bool, most: int = 400) -> st.SearchStrategy[Decimal]:
    """Numbers that `money` takes, of any magnitude up to 1e±most, and zeros of any exponent."""
    whole = st.integers(1, 10**28 - 1)
    size = st.builds(lambda n, e: Decimal((0, tuple(map(int, str(n))), e + 1 - len(str(n)))),
                     whole, st.integers(-most, most - 1))  # fmt: skip
    edges = st.sampled_from([Decimal(f"1e{most}"), Decimal(f"1e-{most}"), Decimal(f"0e-{most}"),
                             Decimal(f"0e{most}"), Decimal(0), Decimal(1)])  # fmt: skip
    either = edges | size
    return (either | either.map(Decimal.copy_negate)) if signed else either


def any_orders(most: int = 400) -> st.SearchStrategy[tuple[Order, ...]]:
    """Any list of orders whose numbers the server takes."""
    signed, unsigned = (numbers(signed=s, most=most) for s in (True, False))
    order = st.builds(
        Order,
        order_uuid=st.just("o"),
        type=st.sampled_from(Side),
        processed_ms=st.integers(0, 9),
        source=st.sampled_from(OrderSource),
        price=unsigned,
        slippage=st.just(Decimal(0)) | signed,
        quote_usd_rate=st.just(Decimal(0)) | unsigned,
        usd_base_rate=st.just(Decimal(0)) | unsigned,
        **{name: st.none() | signed for name in SIZE_NAMES},
    )
    return st.lists(order, max_size=6).map(tuple)


any_pair = st.builds(
    TradePair,
    trade_pair=st.just("X"),
    category=st.just("y"),
    lot_size=numbers(signed=False).filter(bool),
    spread_rate=numbers(signed=False),
)


@settings(deadline=None, max_examples=examples(300))
@given(any_orders(), numbers(signed=True), any_pair)
def test_no_list_of_orders_is_too_much(
    made: tuple[Order, ...], account: Decimal, pair: TradePair
) -> None:
    """Whatever numbers the server takes, figures come of them: finite, and once is enough."""
    whole = filled(position(made, account), pair)
    parts = split(whole, pair)

    for part in (whole, *parts):
        assert all(getattr(part, name).is_finite() for name in NUMBERS)
    assert filled(whole, pair) == whole
    assert [again for part in parts for again in split(part, pair)] == parts
    for order in made:
        complete(order, account, pair)


@settings(deadline=None, max_examples=examples(300))
@given(any_orders(most=20), numbers(signed=True, most=20))
def test_figures_are_numbers_that_a_server_takes(made: tuple[Order, ...], account: Decimal) -> None:
    """Orders of magnitudes from 1e-20 to 1e20 make no figure, and no order, that is refused."""
    whole = filled(position(made, account), BITCOIN)

    _check_figures(whole)
    for order in (*whole.orders, *(complete(order, account, BITCOIN) for order in made)):
        for name in SIZE_NAMES:
            check_number(str(getattr(order, name) or ""), name)


def _check_figures(whole: Position) -> None:
    for name in NUMBERS:
        check_number(str(getattr(whole, name)), name)


@pytest.mark.parametrize("text", ["L1e400@1 L1e400@1", "L2e399@1", "L1@1e-400 S0.5@1e300"])
def test_some_orders_make_figures_that_no_server_takes(text: str) -> None:
    """Beyond 1e400 a figure is told as it is; to refuse it is the server's part."""
    whole = filled(position(orders(text)), BITCOIN)

    with pytest.raises(InvalidArgument, match="out of range"):
        _check_figures(whole)


@settings(deadline=None)
@given(any_orders(most=30) | lists, accounts)
def test_the_callers_decimal_context_changes_nothing(
    made: tuple[Order, ...], account: Decimal
) -> None:
    """A caller who counts to five digits, or traps what is inexact, gets the same figures."""
    whole = position(made, account)
    wanted = _all_of(whole)
    with localcontext(TIGHT):
        found = _all_of(whole)

    assert repr(found) == repr(wanted)


def _all_of(whole: Position) -> list[Any]:
    completed = [complete(order, whole.account_size, EURO) for order in whole.orders]
    return [filled(whole, EURO), needs_split(whole), split(whole, EURO), completed]
