"""Programs of the original run on hotbook: each method of its client, on a real server."""

from __future__ import annotations

import copy
import inspect
import json
import math
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook import (
    AlreadyOpen,
    IdentityChanged,
    InvalidArgument,
    Side,
    Unsupported,
    VersionConflict,
)
from hotbook.compat import (
    Position,
    PositionManagerClient,
    ValiRecordsMisalignmentException,
)
from hotbook.compat.instead import INSTEAD
from hotbook.testing import server
from tests.client import original
from tests.client.original import closed_fields_of, fields_of, names
from tests.make import CLOSE_MS, OPEN_MS, leg, order

pytestmark = pytest.mark.filterwarnings("ignore:.*is of the original:DeprecationWarning")

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs/compat.md").read_text()
ROWS = re.findall(r"^\| `(\w+)(\(.*?\))` \| (.+?) \| (.*?) ?\|$", DOCUMENT, re.MULTILINE)


# -------------------------------------------------------------------- a program of the original

PROGRAM = """
from hotbook.compat import PositionManagerClient
from tests.client.original import Order, OrderSource, OrderType, Position, TradePair

HOTKEY, NOW_MS = "5EUTaAo7", {now_ms}
manager = PositionManagerClient(connect_immediately=True)

def flat(position, price):
    return Order(trade_pair=TradePair.BTCUSD,
                 order_type=OrderType.FLAT, leverage=-position.net_leverage, price=price,
                 processed_ms=NOW_MS, order_uuid=position.position_uuid[::-1],
                 src=OrderSource.ELIMINATION_FLAT)

# A miner's first order makes a position.
first = Order(trade_pair=TradePair.BTCUSD, order_type=OrderType.LONG, leverage=0.1, price=100.5,
              processed_ms=NOW_MS - 90_000, order_uuid="first")
manager.save_miner_position(Position(
    miner_hotkey=HOTKEY, position_uuid="first", open_ms=first.processed_ms,
    trade_pair=TradePair.BTCUSD, orders=[first], net_leverage=0.1, position_type=OrderType.LONG))

# The drawdown checker marks what is open to the market.
for hotkey, positions in manager.get_positions_for_all_miners(sort_positions=True).items():
    for position in positions:
        if position.is_closed_position or position.trade_pair != TradePair.BTCUSD:
            continue
        position.current_return = 1 + position.net_leverage * (110.0 / position.orders[0].price - 1)
        position.return_at_close = position.current_return * 0.9999
        manager.save_miner_position(position)

# Then the miner is eliminated.
position = manager.get_open_position_for_trade_pair(HOTKEY, TradePair.BTCUSD.trade_pair_id)
assert position.orders[-1].order_type == OrderType.LONG
position.orders.append(flat(position, 120.25))
position.position_type = OrderType.FLAT
position.is_closed_position = True
position.close_ms = NOW_MS
position.net_leverage = 0.0
manager.save_miner_position(position, delete_open_position_if_exists=True)
assert manager.get_open_position_for_trade_pair(HOTKEY, "BTCUSD") is None

scored, first_ms = manager.filtered_positions_for_scoring()
print(sorted(scored), [str(p.trade_pair.trade_pair) for p in scored[HOTKEY]], first_ms[HOTKEY])
"""


def test_a_program_of_the_original_runs_with_one_import_changed() -> None:
    """It makes, reads, changes, closes and scores a position; what it did stands in the book."""
    with server() as target, hotbook.connect(target) as book:
        program = PROGRAM.format(now_ms=CLOSE_MS)
        env = {**os.environ, "HOTBOOK_TARGET": target}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, cwd=ROOT, capture_output=True, text=True
        )
        found = book.get("5EUTaAo7", "first")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"['5EUTaAo7'] ['BTC/USD'] {CLOSE_MS - 90_000}\n"
    assert "use Client.save(position)" in done.stderr
    assert found is not None
    assert (found.close_ms, found.side, found.version) == (CLOSE_MS, Side.FLAT, 3)
    assert found.current_return == Decimal(repr(1 + 0.1 * (110.0 / 100.5 - 1)))
    assert [(o.order_uuid, o.type, o.price) for o in found.orders] == [
        ("first", Side.LONG, Decimal("100.5")),
        ("tsrif", Side.FLAT, Decimal("120.25")),
    ]
    assert found.orders[1].source is hotbook.OrderSource.ELIMINATION_FLAT
    assert [o.extra for o in found.orders] == [{}, {}]


def test_it_needs_no_more_than_the_client() -> None:
    """Importing it brings in neither the server nor what the command line needs."""
    program = "import hotbook.compat, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert "hotbook" in loaded
    assert not loaded & {"click", "rich", "pydantic", "hotbook_server"}


# -------------------------------------------------------------------- warnings and the table


def calls(old: PositionManagerClient, hk: str) -> dict[str, Callable[[], Any]]:
    """One call of each method, by its name."""
    one, many = Position.from_dict(fields_of(hk)), [Position.from_dict(fields_of(hk))]
    return {
        "__init__": lambda: PositionManagerClient(target="127.0.0.1:1"),
        "get_position": lambda: old.get_position(hk, "a"),
        "get_miner_position_by_uuid": lambda: old.get_miner_position_by_uuid(hk, "a"),
        "get_open_position_for_trade_pair": lambda: old.get_open_position_for_trade_pair(hk, "X"),
        "save_miner_position": lambda: old.save_miner_position(one),
        "delete_position": lambda: old.delete_position(hk, "a"),
        "get_positions_for_one_hotkey": lambda: old.get_positions_for_one_hotkey(hk),
        "get_positions_for_hotkeys": lambda: old.get_positions_for_hotkeys([hk]),
        "get_positions_for_all_miners": lambda: old.get_positions_for_all_miners(),
        "filtered_positions_for_scoring": lambda: old.filtered_positions_for_scoring(),
        "get_all_hotkeys": lambda: old.get_all_hotkeys(),
        "get_miner_hotkeys_with_at_least_one_position": lambda: (
            old.get_miner_hotkeys_with_at_least_one_position()
        ),
        "get_number_of_miners_with_any_positions": lambda: (
            old.get_number_of_miners_with_any_positions()
        ),
        "get_extreme_position_order_processed_on_disk_ms": lambda: (
            old.get_extreme_position_order_processed_on_disk_ms()
        ),
        "calculate_net_portfolio_leverage": lambda: old.calculate_net_portfolio_leverage(hk),
        "compute_realtime_drawdown": lambda: old.compute_realtime_drawdown(hk),
        "split_position_on_flat": lambda: old.split_position_on_flat(one),
        "get_split_stats": lambda: old.get_split_stats(hk),
        "_position_needs_splitting": lambda: old._position_needs_splitting(one),
        "apply_stock_split": lambda: old.apply_stock_split("NVDA", 10.0, "2024-06-10"),
        "get_percent_profitable_positions": lambda: old.get_percent_profitable_positions(many),
        "get_return_per_closed_position": lambda: old.get_return_per_closed_position(many),
        "positions_to_dashboard_dict": lambda: old.positions_to_dashboard_dict(many, CLOSE_MS),
        "positions_are_the_same": lambda: old.positions_are_the_same(one, one),
        "close_open_orders_for_suspended_trade_pairs": lambda: (
            old.close_open_orders_for_suspended_trade_pairs()
        ),
        "clear_all_miner_positions": lambda: old.clear_all_miner_positions(),
        "clear_all_miner_positions_and_disk": lambda: old.clear_all_miner_positions_and_disk(),
        "pre_run_setup": lambda: old.pre_run_setup(),
        "health_check": lambda: old.health_check(),
        "start_daemon": lambda: old.start_daemon(),
        "stop_daemon": lambda: old.stop_daemon(),
        "connect": lambda: old.connect(),
        "disconnect": lambda: old.disconnect(),
    }


@pytest.mark.parametrize("name", INSTEAD)
def test_each_call_warns_once_and_names_what_to_call(
    old: PositionManagerClient, hk: str, name: str
) -> None:
    """One DeprecationWarning, at the line of the caller, with the advice of the table."""
    call = calls(old, hk)[name]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            call()
        except Unsupported:
            assert name in UNSUPPORTED_HERE
    assert [str(warning.message).partition(": ")[2] for warning in told] == [INSTEAD[name]]
    assert told[0].category is DeprecationWarning
    assert told[0].filename == __file__


UNSUPPORTED_HERE = {
    "apply_stock_split",
    "clear_all_miner_positions",
    "clear_all_miner_positions_and_disk",
    "compute_realtime_drawdown",
}


def test_the_table_is_the_class() -> None:
    """docs/compat.md has a row for each method, with its arguments and the warning's advice."""
    methods = {
        "PositionManagerClient" if name == "__init__" else name: INSTEAD[name]
        for name in vars(PositionManagerClient)
        if name in INSTEAD or not name.startswith("_")
    }
    assert {name: advice.replace("`", "") for name, _, advice, _ in ROWS} == methods
    assert set(methods) == {re.sub("__init__", "PositionManagerClient", name) for name in INSTEAD}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_is_true(row: tuple[str, str, str, str]) -> None:
    """Its arguments and defaults are those of the method, and the calls that it names exist."""
    name, arguments, advice, _ = row
    method = (
        PositionManagerClient
        if name == "PositionManagerClient"
        else getattr(PositionManagerClient, name)
    )
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(method).parameters.values()
        if p.name != "self" and p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert str(inspect.Signature(parameters)) == arguments
    for called in re.findall(r"\bClient\.(\w+)", advice):
        assert hasattr(hotbook.Client, called)
    for called in re.findall(r"\bhotbook\.(\w+)", advice):
        assert hasattr(hotbook, called)


# -------------------------------------------------------------------- what is given out


def test_a_position_comes_back_as_the_original_knows_it(
    old: PositionManagerClient, hk: str
) -> None:
    """Attributes, floats, enums and JSON of the original; equal to what was saved, and hashable."""
    old.save_miner_position(fields_of(hk))
    found = old.get_position(hk, f"{hk}-a")

    assert (found.miner_hotkey, found.open_ms, found.close_ms) == (hk, OPEN_MS, None)
    assert found.is_open_position
    assert found.position_type == original.OrderType.LONG
    assert original.OrderType.SHORT != found.position_type  # noqa: SIM300 - theirs is asked first
    assert {original.OrderType.LONG: "there"}[found.position_type] == "there"
    assert found.trade_pair == original.TradePair.BTCUSD
    assert original.TradePair.EURUSD != found.trade_pair  # noqa: SIM300
    assert (found.trade_pair.trade_pair, found.trade_pair.is_crypto) == ("BTC/USD", True)
    assert {original.TradePair.BTCUSD: "there"}[found.trade_pair] == "there"
    (only,) = found.orders
    assert (only.leverage, only.price, only.src) == (0.1, 64900.41, 0)
    assert (only.bid, only.slippage, only.value, only.price_sources) == (0.0, 0.0, None, [])
    assert only.trade_pair is found.trade_pair
    assert found.initial_entry_price == 64900.41
    assert {found: 1}[Position.from_dict(fields_of(hk))] == 1
    assert json.loads(str(found)) == found.to_dict()
    assert (
        found.to_dict().items() >= {k: v for k, v in fields_of(hk).items() if k != "orders"}.items()
    )


def test_what_nobody_knows_is_kept(
    old: PositionManagerClient, ours: hotbook.Client, hk: str
) -> None:
    """Unknown fields of each level, and fields of hotbook alone, survive fetching and saving."""
    source = hotbook.PriceSource(source="ws", close=Decimal(7), extra={"venue": "k"})
    bought = order(price_sources=(source,), extra={"note": [1]})
    sent = leg(
        f"{hk}-a", hotkey=hk, orders=(bought,), signal_id="s1", extra={"initial_entry_price": 3.5}
    )
    ours.save(sent)

    found = old.get_position(hk, f"{hk}-a")
    assert found.initial_entry_price == 64900.41
    found.current_return = 1.25
    old.save_miner_position(found)

    stands = ours.get(hk, f"{hk}-a")
    assert stands is not None
    assert (stands.campaign_id, stands.signal_id) == ("c1", "s1")
    assert stands.extra["initial_entry_price"] == 3.5
    assert stands.orders == (bought,)
    assert stands.current_return == Decimal("1.25")


def test_slippage_counts_into_the_first_price_as_in_the_original() -> None:
    """From its day on, for the worse: up for a LONG, down for a SHORT; no orders, no price."""

    def price(processed_ms: int, leverage: float) -> float:
        bought = {"order_type": "LONG", "order_uuid": "o", "price": 100.0, "slippage": 0.01}
        at = {"processed_ms": processed_ms, "leverage": leverage}
        return Position.from_dict(fields_of("hk", orders=[bought | at])).initial_entry_price

    since_ms = 1_739_937_600_000
    assert (price(since_ms - 1, 1.0), price(since_ms, 1.0)) == (100.0, 101.0)
    assert price(since_ms, -1.0) == 99.0
    assert Position.from_dict(fields_of("hk", orders=[])).initial_entry_price == 0.0


def test_a_program_may_have_its_own_class(shared_target: str, hk: str) -> None:
    """`position_class` makes what is given out; it saves by version, and nothing gets lost."""
    old = PositionManagerClient(target=shared_target, position_class=original.Position)
    with hotbook.connect(shared_target) as book:
        book.save(leg(f"{hk}-a", hotkey=hk, extra={"note": "kept"}))

        found, other = old.get_position(hk, f"{hk}-a"), old.get_position(hk, f"{hk}-a")
        assert type(found) is original.Position
        assert found.orders[0].order_type is original.OrderType.LONG
        for changed in (1.5, 1.75):
            found.current_return = changed
            old.save_miner_position(found)
        with pytest.raises(VersionConflict):
            old.save_miner_position(other.model_copy())

        stands = book.get(hk, f"{hk}-a")
        assert stands is not None
        assert (stands.current_return, stands.version) == (Decimal("1.75"), 3)
        assert (stands.campaign_id, stands.extra["note"]) == ("c1", "kept")
    old.disconnect()


# -------------------------------------------------------------------- saving and deleting


def saved_forms(hk: str) -> list[Any]:
    pydantic = original.Position(**fields_of(hk))

    class Dumped:
        def model_dump(self) -> dict[str, Any]:
            return pydantic.model_dump()

    class Told:
        def to_dict(self) -> dict[str, Any]:
            return fields_of(hk)

    return [Position.from_dict(fields_of(hk)), pydantic, Dumped(), Told(), fields_of(hk)]


def test_whatever_the_program_calls_a_position_is_saved(
    old: PositionManagerClient, ours: hotbook.Client, hk: str
) -> None:
    """Our object, pydantic's, anything with model_dump() or to_dict(), a dict: all the same."""
    stood = []
    for form in saved_forms(hk):
        old.save_miner_position(form)
        stands = ours.get(hk, f"{hk}-a")
        assert stands is not None
        stood.append((stands.side, stands.net_leverage, stands.orders, stands.is_open))
    assert stood == [stood[0]] * 5
    assert (stood[0][0], stood[0][2][0].price) == (Side.LONG, Decimal("64900.41"))
    assert stood[0][2][0].extra == {}


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "a position",
        {},
        {"miner_hotkey": "hk"},
        fields_of("hk", position_type="UP"),
        fields_of("hk", net_leverage=math.nan),
        fields_of("hk", net_leverage="much"),
        fields_of("hk", orders=[{"order_type": "LONG"}]),
        fields_of("hk", trade_pair=None),
        closed_fields_of("hk", close_ms=OPEN_MS - 1),
    ],
    ids=repr,
)
def test_what_is_no_position_is_refused(old: PositionManagerClient, wrong: Any) -> None:
    """InvalidArgument, and nothing is sent."""
    with pytest.raises(InvalidArgument):
        old.save_miner_position(wrong)
    assert old.get_position("hk", "hk-a") is None


def test_an_int_will_do_for_a_float(old: PositionManagerClient, hk: str) -> None:
    """What a program sets to 0 or 100 is saved, and comes back as a float."""
    old.save_miner_position(fields_of(hk))
    fetched = old.get_position(hk, f"{hk}-a")
    fetched.net_leverage, fetched.orders[0].price = 0, 100
    old.save_miner_position(fetched)

    found = old.get_position(hk, f"{hk}-a")
    assert [repr(found.net_leverage), repr(found.orders[0].price)] == ["0.0", "100.0"]


def test_a_number_that_is_none_is_named_as_such(old: PositionManagerClient) -> None:
    """NaN is refused in words, not as a place in a text that the program never saw."""
    with pytest.raises(InvalidArgument, match="Out of range float"):
        old.save_miner_position(fields_of("hk", net_leverage=math.nan))


def test_saving_undoes_nobodys_work(old: PositionManagerClient, hk: str) -> None:
    """What was fetched is saved at its version only; so are copies; who saved may save again."""
    old.save_miner_position(fields_of(hk))
    mine, theirs = old.get_position(hk, f"{hk}-a"), old.get_position(hk, f"{hk}-a")
    for changed in (1.5, 1.6):
        theirs.current_return = changed
        old.save_miner_position(theirs)

    for stale in (mine, copy.copy(mine), copy.deepcopy(mine)):
        with pytest.raises(VersionConflict):
            old.save_miner_position(stale)
    assert old.get_position(hk, f"{hk}-a").current_return == 1.6
    old.save_miner_position(mine.to_dict())  # a dict remembers nothing
    assert old.get_position(hk, f"{hk}-a").current_return == 1.0


def test_a_second_open_position_is_a_misalignment(old: PositionManagerClient, hk: str) -> None:
    """The original's exception, which is also ours; nothing changes."""
    old.save_miner_position(fields_of(hk, "a"))
    with pytest.raises(ValiRecordsMisalignmentException) as caught:
        old.save_miner_position(fields_of(hk, "b"))
    assert isinstance(caught.value, AlreadyOpen)
    assert caught.value.open_uuid == f"{hk}-a"
    assert names(old.get_positions_for_one_hotkey(hk)) == ["a"]


@pytest.mark.parametrize("flag", [True, False])
def test_closing_leaves_another_open_one_alone(
    old: PositionManagerClient, hk: str, flag: bool
) -> None:
    """As the original's code has it, whatever its docstrings say, and with either flag."""
    old.save_miner_position(fields_of(hk, "a"))
    old.save_miner_position(closed_fields_of(hk, "b"), delete_open_position_if_exists=flag)
    assert names(old.get_positions_for_one_hotkey(hk)) == ["b", "a"]

    old.save_miner_position(closed_fields_of(hk, "a"), delete_open_position_if_exists=flag)
    assert old.get_open_position_for_trade_pair(hk, "BTCUSD") is None
    old.save_miner_position(fields_of(hk, "a"), delete_open_position_if_exists=flag)
    assert old.get_open_position_for_trade_pair(hk, "BTCUSD").position_uuid == f"{hk}-a"


def test_a_trade_pair_never_changes(old: PositionManagerClient, hk: str) -> None:
    """An existing uuid on another pair is refused."""
    old.save_miner_position(fields_of(hk))
    with pytest.raises(IdentityChanged):
        old.save_miner_position(fields_of(hk, trade_pair=["ETHUSD", "ETH/USD", 0.003, 0.01, 0.5]))


def test_deleting_tells_nothing(old: PositionManagerClient, hk: str) -> None:
    """It gives None, whether it was there or not; a fetched one cannot come back by accident."""
    old.save_miner_position(fields_of(hk))
    fetched = old.get_miner_position_by_uuid(hk, f"{hk}-a")

    for _ in range(2):
        old.delete_position(hk, f"{hk}-a")
        assert old.get_miner_position_by_uuid(hk, f"{hk}-a") is None
    with pytest.raises(VersionConflict):
        old.save_miner_position(fetched)


# -------------------------------------------------------------------- connecting


def test_where_the_server_is(shared_target: str, monkeypatch: pytest.MonkeyPatch, hk: str) -> None:
    """`target`, else `port` on this machine, else HOTBOOK_TARGET; not two of them."""
    port = int(shared_target.rpartition(":")[2])
    assert PositionManagerClient(port, True, original.RPCConnectionMode.RPC).connect()
    monkeypatch.setenv("HOTBOOK_TARGET", shared_target)
    assert PositionManagerClient().connect()
    with pytest.raises(InvalidArgument, match="not both"):
        PositionManagerClient(port, target=shared_target)
    with pytest.raises(Unsupported, match="testing"):
        PositionManagerClient(connection_mode=original.RPCConnectionMode.LOCAL)


def test_a_client_connects_again_after_it_was_disconnected(
    old: PositionManagerClient, hk: str
) -> None:
    """As the original's does, at the next call."""
    old.save_miner_position(fields_of(hk))
    old.disconnect()
    assert old.get_position(hk, f"{hk}-a") is not None
