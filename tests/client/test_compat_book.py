"""What the original's client answers of many positions, and of positions alone."""

from __future__ import annotations

import math
from typing import Any

import pytest

import hotbook
from hotbook import Unsupported, VersionConflict
from hotbook.compat import Position, PositionManagerClient
from tests.client import original
from tests.client.original import closed_fields_of, fields_of, names
from tests.make import CLOSE_MS, OPEN_MS

pytestmark = pytest.mark.filterwarnings("ignore:.*is of the original:DeprecationWarning")

# -------------------------------------------------------------------- reading many


def test_positions_of_one_hotkey(old: PositionManagerClient, hk: str) -> None:
    """Closed by close time, then open; open alone; opened after a time, strictly; unknown: none."""
    old.save_miner_position(fields_of(hk, "open", open_ms=OPEN_MS + 5))
    old.save_miner_position(closed_fields_of(hk, "late", close_ms=CLOSE_MS + 1))
    old.save_miner_position(closed_fields_of(hk, "early"))

    assert names(old.get_positions_for_one_hotkey(hk, sort_positions=True)) == [
        "early",
        "late",
        "open",
    ]
    assert names(old.get_positions_for_one_hotkey(hk, only_open_positions=True)) == ["open"]
    for after_ms, expected in ((OPEN_MS + 4, ["open"]), (OPEN_MS + 5, [])):
        assert names(old.get_positions_for_one_hotkey(hk, False, after_ms)) == expected
    assert old.get_positions_for_one_hotkey("unknown") == []


def test_positions_of_many_hotkeys(shared_target: str, hk: str) -> None:
    """Every hotkey that was asked for, but for the eliminated where they are to be left out."""
    old = PositionManagerClient(target=shared_target, eliminated=lambda: {f"{hk}2"})
    for each in (hk, f"{hk}2"):
        old.save_miner_position(fields_of(each))

    found = old.get_positions_for_hotkeys([f"{hk}2", hk, "unknown"], sort_positions=True)
    assert {hotkey: names(positions) for hotkey, positions in found.items()} == {
        f"{hk}2": ["a"],
        hk: ["a"],
        "unknown": [],
    }
    assert set(old.get_positions_for_hotkeys([hk, f"{hk}2"], filter_eliminations=True)) == {hk}
    assert f"{hk}2" not in old.get_positions_for_all_miners(filter_eliminations=True)
    assert f"{hk}2" in old.get_positions_for_all_miners()
    assert old.get_positions_for_hotkeys([]) == {}
    old.disconnect()


def test_eliminations_must_be_told(old: PositionManagerClient) -> None:
    """Without a function that gives them, filtering is refused, not passed over."""
    with pytest.raises(Unsupported, match="eliminated="):
        old.get_positions_for_all_miners(filter_eliminations=True)


def test_all_miners_and_hotkeys(alone: PositionManagerClient) -> None:
    """DEVELOPMENT only where it is asked for; sorted; a hotkey whose last one goes is gone."""
    for each in (closed_fields_of("b", 2, close_ms=CLOSE_MS + 9), fields_of("b", 1)):
        alone.save_miner_position(each)
    alone.save_miner_position(closed_fields_of("b", 3))
    for hotkey in ("DEVELOPMENT", "gone"):
        alone.save_miner_position(fields_of(hotkey))
    alone.delete_position("gone", "gone-a")

    every = alone.get_positions_for_all_miners(sort_positions=True)
    assert {hotkey: names(positions) for hotkey, positions in every.items()} == {
        "b": ["3", "2", "1"]
    }
    assert set(alone.get_positions_for_all_miners(include_development_positions=True)) == {
        "b",
        "DEVELOPMENT",
    }
    assert sorted(alone.get_all_hotkeys()) == ["DEVELOPMENT", "b"]
    assert alone.get_miner_hotkeys_with_at_least_one_position() == {"b"}
    assert alone.get_miner_hotkeys_with_at_least_one_position(True) == {"b", "DEVELOPMENT"}
    assert alone.get_number_of_miners_with_any_positions() == 2


def test_what_counts_for_a_score(alone: PositionManagerClient) -> None:
    """Closed, a minute or longer, by close time; without orders no crash; first orders' times."""
    alone.save_miner_position(fields_of("a", "open"))
    alone.save_miner_position(closed_fields_of("a", "short", close_ms=OPEN_MS + 59_999))
    alone.save_miner_position(closed_fields_of("a", "late", close_ms=OPEN_MS + 60_001))
    alone.save_miner_position(closed_fields_of("a", "minute", close_ms=OPEN_MS + 60_000))
    alone.save_miner_position(closed_fields_of("a", "bare", open_ms=OPEN_MS - 7, orders=[]))
    alone.save_miner_position(fields_of("b"))
    alone.save_miner_position(closed_fields_of("DEVELOPMENT"))

    scored, first_ms = alone.filtered_positions_for_scoring()
    assert {hotkey: names(found) for hotkey, found in scored.items()} == {
        "a": ["minute", "late", "bare"],
        "b": [],
    }
    assert first_ms == {"a": OPEN_MS - 7, "b": OPEN_MS}
    asked, _ = alone.filtered_positions_for_scoring(["b", "unknown", "DEVELOPMENT"])
    assert set(asked) == {"b"}
    asked, _ = alone.filtered_positions_for_scoring(["DEVELOPMENT"], True)
    assert names(asked["DEVELOPMENT"]) == ["a"]


def test_the_times_of_all_orders(alone: PositionManagerClient) -> None:
    """The least and the greatest over the book; (inf, 0) where there is no order."""
    assert alone.get_extreme_position_order_processed_on_disk_ms() == (math.inf, 0)
    alone.save_miner_position(fields_of("a", orders=[]))
    assert alone.get_extreme_position_order_processed_on_disk_ms() == (math.inf, 0)
    for name, at_ms in (("x", OPEN_MS + 3), ("y", OPEN_MS + 9)):
        bought = {"order_type": "LONG", "price": 1.0, "order_uuid": name, "processed_ms": at_ms}
        alone.save_miner_position(closed_fields_of("b", name, orders=[bought]))
    assert alone.get_extreme_position_order_processed_on_disk_ms() == (OPEN_MS + 3, OPEN_MS + 9)


def test_leverage_over_the_portfolio(old: PositionManagerClient, hk: str) -> None:
    """The sizes of what is open, each times its pair's multiplier; nothing open: 0.0."""
    old.save_miner_position(fields_of(hk, "btc", net_leverage=-0.25))
    euro = {"trade_pair": ["EURUSD", "EUR/USD", 0.0, 0.1, 5], "net_leverage": 2.0}
    old.save_miner_position(fields_of(hk, "eur", **euro))
    old.save_miner_position(closed_fields_of(hk, "x", net_leverage=9.0))

    assert old.calculate_net_portfolio_leverage(hk) == 0.25 * 10 + 2.0
    unknown = old.calculate_net_portfolio_leverage("unknown")
    assert (unknown, type(unknown)) == (0.0, float)


# -------------------------------------------------------------------- splitting


def traded(hk: str, *trades: tuple[str, float, float]) -> dict[str, Any]:
    orders = [
        {"order_type": kind, "leverage": leverage, "price": price,
         "processed_ms": OPEN_MS + n * 1000, "order_uuid": f"{hk}-{n}"}
        for n, (kind, leverage, price) in enumerate(trades)
    ]  # fmt: skip
    return fields_of(hk, orders=orders, account_size=100_000.0, return_at_close=1.5)


@pytest.mark.parametrize(
    ("trades", "states", "implicit", "explicit"),
    [
        ((("LONG", 1, 100), ("FLAT", 0, 110), ("SHORT", -1, 120)), [False, True], 0, 1),
        ((("LONG", 2, 100), ("SHORT", -2, 110), ("LONG", 1, 120)), [False, True], 1, 0),
        (
            (("LONG", 1, 100), ("FLAT", 0, 110), ("SHORT", -1, 120), ("FLAT", 0, 100),
             ("LONG", 1, 95)),
            [False, False, True], 0, 2,
        ),
        ((("LONG", 1, 100), ("LONG", 0.5, 110), ("SHORT", -0.5, 120)), [True], 0, 0),
        ((("LONG", 2, 100), ("SHORT", -3, 110), ("LONG", 1, 120)), [False, True], 1, 0),
    ],
)  # fmt: skip
def test_a_position_is_split_as_the_original_splits_it(
    old: PositionManagerClient,
    hk: str,
    trades: Any,
    states: list[bool],
    implicit: int,
    explicit: int,
) -> None:
    """The original's worked examples: parts, their states and uuids, and the counts."""
    whole = traded(hk, *trades)
    parts, info = old.split_position_on_flat(whole, track_stats=True)

    assert old._position_needs_splitting(whole) is (len(states) > 1)
    assert [part.is_open_position for part in parts] == states
    assert parts[0].position_uuid == f"{hk}-a"
    assert [p.position_uuid for p in parts[1:]] == [p.orders[0].order_uuid for p in parts[1:]]
    assert [o.order_uuid for p in parts for o in p.orders] == [
        f"{hk}-{n}" for n in range(len(trades))
    ]
    assert (info["implicit_flat_splits"], info["explicit_flat_splits"]) == (implicit, explicit)
    assert info.get("pre_split_return") == (1.5 if len(states) > 1 else None)
    assert ("pre_split_return" in info) is (len(states) > 1)
    assert old.get_position(hk, f"{hk}-a") is None, "it saves nothing"


def test_the_parts_can_be_saved(old: PositionManagerClient, hk: str) -> None:
    """A fetched position's first part is saved at the version that was fetched."""
    old.save_miner_position(traded(hk, ("LONG", 1, 100), ("FLAT", 0, 110), ("SHORT", -1, 120)))
    fetched = old.get_position(hk, f"{hk}-a")
    (first, second), _ = old.split_position_on_flat(fetched)

    assert len(fetched.orders) == 3, "the argument stays as it was"
    assert first.return_at_close == pytest.approx(1.0989, rel=1e-9)
    for part in (first, second):
        old.save_miner_position(part)
    assert names(old.get_positions_for_one_hotkey(hk)) == ["a", "2"]
    with pytest.raises(VersionConflict):
        old.save_miner_position(fetched)


def test_split_stats(old: PositionManagerClient, ours: hotbook.Client, hk: str) -> None:
    """What the server split, by the original's names; nothing yet: none, and returns of 1."""
    nothing = {
        "n_positions_split": 0,
        "product_return_pre_split": 1.0,
        "product_return_post_split": 1.0,
    }
    assert old.get_split_stats(hk) == nothing
    old.save_miner_position(traded(hk, ("LONG", 1, 100), ("FLAT", 0, 110), ("SHORT", -1, 120)))
    ours.split(hk, f"{hk}-a")
    assert old.get_split_stats(hk) == {
        "n_positions_split": 1,
        "product_return_pre_split": 1.5,
        "product_return_post_split": pytest.approx(1.0989, rel=1e-9),
    }


# -------------------------------------------------------------------- of positions alone


def returns(*pairs: tuple[int, float]) -> list[Position]:
    """An open position, and closed ones of these durations and returns."""
    made = [Position.from_dict(fields_of("hk", "open", return_at_close=9.0))]
    for duration_ms, value in pairs:
        told = {"close_ms": OPEN_MS + duration_ms, "return_at_close": value}
        made.append(Position.from_dict(closed_fields_of("hk", duration_ms, **told)))
    return made


def test_returns_of_closed_positions() -> None:
    """Products at each close, the open ones aside; unsorted is an error; shares above 1."""
    client = PositionManagerClient
    made = returns((1, 1.1), (2, 0.5), (3, 2.0))
    assert client.get_return_per_closed_position(made) == pytest.approx([1.1, 0.55, 1.1])
    assert client.get_percent_profitable_positions(made) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="sorted"):
        client.get_return_per_closed_position(returns((2, 1.0), (1, 1.0)))
    for none in ([], returns()):
        assert client.get_return_per_closed_position(none) == []
        assert client.get_percent_profitable_positions(none) == 0.0


def test_the_dashboard() -> None:
    """Figures of what lasted a minute, recent ones apart; close_ms 0 for open; old sources gone."""
    made = returns((1, 5.0), (60_000, 1.5), (70_000, 0.5))
    made[-1].open_ms += 5
    for each in made:
        each.orders[0].price_sources = [{"source": "ws"}]  # type: ignore[list-item]
    days = 24 * 60 * 60 * 1000
    shown = PositionManagerClient.positions_to_dashboard_dict(made, OPEN_MS + 120 * days)

    assert [p["close_ms"] for p in shown["positions"]] == [
        0, OPEN_MS + 1, OPEN_MS + 60_000, OPEN_MS + 70_000,
    ]  # fmt: skip
    assert shown["positions"][0]["orders"][0]["price_sources"] == []
    assert {k: v for k, v in shown.items() if k != "positions"} == {
        "thirty_day_returns": 0.5,
        "all_time_returns": 0.75,
        "n_positions": 2,
        "percentage_profitable": 0.5,
    }
    assert made[0].close_ms is None, "the argument stays as it was"
    for later_ms, sources in ((0, [{"source": "ws"}]), (1, [])):
        now_ms = OPEN_MS + 7 * days + later_ms
        soon = PositionManagerClient.positions_to_dashboard_dict(made, now_ms)
        assert soon["positions"][0]["orders"][0]["price_sources"] == sources
    nothing = PositionManagerClient.positions_to_dashboard_dict([], OPEN_MS)
    assert (nothing["all_time_returns"], nothing["n_positions"]) == (1.0, 0)


def test_positions_are_the_same() -> None:
    """Objects and dicts, floats but for their last digits; a difference is named."""
    same = PositionManagerClient.positions_are_the_same
    one = Position.from_dict(fields_of("hk"))
    assert same(one, one.to_dict()) == (True, "")
    assert same(one, Position.from_dict(fields_of("hk", net_leverage=0.1 + 1e-12))) == (True, "")
    assert same(original.Position(**fields_of("hk")), one) == (True, "")
    told = same(one, fields_of("hk", net_leverage=0.2))
    assert told == (False, "net_leverage is different. 0.1 != 0.2")
    other = Position.from_dict(fields_of("hk"))
    other.orders[0].price += 1
    assert same(one, other)[0] is False
    assert same(one, closed_fields_of("hk"))[1].startswith("close_ms is different")


# -------------------------------------------------------------------- operating


def test_suspended_pairs_are_closed(alone: PositionManagerClient) -> None:
    """What is open on them, of every hotkey, and nothing else; how many is told; no fetcher."""
    spx = ["SPX", "SPX", 0.0, 0.1, 5]
    for hotkey in ("a", "b"):
        marked = fields_of(hotkey, "spx", trade_pair=spx, current_return=1.25)
        alone.save_miner_position(marked)
        alone.save_miner_position(fields_of(hotkey, "btc"))

    assert alone.close_open_orders_for_suspended_trade_pairs() == 2
    assert alone.close_open_orders_for_suspended_trade_pairs() == 0
    assert names(alone.get_positions_for_one_hotkey("a", only_open_positions=True)) == ["btc"]
    assert alone.get_open_position_for_trade_pair("a", "SPX") is None
    assert alone.get_position("a", "a-spx").current_return == 1.25
    with pytest.raises(Unsupported, match="prices"):
        alone.close_open_orders_for_suspended_trade_pairs(object())


def test_clearing_is_for_tests(old: PositionManagerClient, alone: PositionManagerClient) -> None:
    """Refused without running_unit_tests; with it one hotkey goes, or all, campaigns too."""
    book = alone._book
    for clear in (old.clear_all_miner_positions, old.clear_all_miner_positions_and_disk):
        with pytest.raises(Unsupported, match="running_unit_tests"):
            clear()
    for hotkey in ("a", "b", "c"):
        alone.save_miner_position(fields_of(hotkey))
        alone.save_miner_position(closed_fields_of(hotkey, "b"))

    alone.clear_all_miner_positions_and_disk("b")
    alone.clear_all_miner_positions_and_disk("unknown")
    assert alone.get_all_hotkeys() == ["a", "c"]
    for clear in (alone.clear_all_miner_positions, alone.clear_all_miner_positions_and_disk):
        book.create_campaign("planner", "BTCUSD")
        clear()
        assert alone.get_all_hotkeys() == []
        assert book.campaigns() == []
        alone.save_miner_position(fields_of("a"))


def test_what_is_not_a_stores_to_do(old: PositionManagerClient) -> None:
    """Drawdown and stock splits are refused with the reason; the setup does nothing."""
    with pytest.raises(Unsupported, match="drawdown"):
        old.compute_realtime_drawdown("hk")
    with pytest.raises(Unsupported, match="stock split"):
        old.apply_stock_split("NVDA", 10.0, "2024-06-10")
    old.pre_run_setup(perform_order_corrections=True)
    assert (old.start_daemon(), old.stop_daemon()) == (False, False)


def test_health(alone: PositionManagerClient) -> None:
    """The original's keys, with the server's counts."""
    alone.save_miner_position(fields_of("a"))
    alone.save_miner_position(closed_fields_of("a", "b"))
    health = alone.health_check()
    assert (health["status"], health["service"]) == ("ok", "PositionManagerServer")
    assert (health["total_positions"], health["total_open_positions"]) == (2, 1)
    assert (health["num_hotkeys"], health["daemon_running"]) == (1, False)
    assert set(health) >= {"timestamp_ms", "last_heartbeat_ms", "current_operation"}
