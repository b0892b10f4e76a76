"""The client's methods on orders and splits, and what they answer, against a real server."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import hotbook
from hotbook import (
    Client,
    CoolingDown,
    Durability,
    Exposure,
    HotkeyDigest,
    OrderReused,
    OrderSource,
    OrderSpan,
    PairExposure,
    Placed,
    Position,
    PositionName,
    Side,
    Split,
    SplitConflict,
    SplitStats,
    TradePair,
)
from hotbook.testing import server
from hotbook_shared.model import utc
from tests.faces import Connect
from tests.make import CLOSE_MS, OPEN_MS, content, leg, order, position


@pytest.fixture(scope="module")
def client(shared_target: str, connect: Connect) -> Iterator[Client]:
    with connect(shared_target, timeout_s=20) as made:
        yield made


@pytest.fixture
def alone(connect: Connect) -> Iterator[Client]:
    """A client of a server that no other test writes to."""
    with server() as target, connect(target, timeout_s=20) as made:
        yield made


def fill(name: str, number: int = 0, leverage: str | None = "0.1", **changed: Any) -> hotbook.Order:
    size = None if leverage is None else Decimal(leverage)
    fields: dict[str, Any] = {"order_uuid": name, "leverage": size, "price": Decimal(100)}
    return order(number, **fields | changed)


def flat(name: str, number: int) -> hotbook.Order:
    return fill(name, number, None, type=Side.FLAT)


def to_split(hk: str, **changed: Any) -> Position:
    fills = (fill(f"{hk}-a"), flat(f"{hk}-b", 1), fill(f"{hk}-c", 2, type=Side.SHORT))
    return position(f"{hk}-p", hotkey=hk, orders=fills, **changed)


# ------------------------------------------------------------------ orders


def test_an_order_answers_with_the_position_as_it_stands(client: Client, hk: str) -> None:
    """Placed has the position, its revision and its durability; the book has the same."""
    placed = client.place_order(hk, "BTCUSD", fill(hk), account_size=Decimal(1000))

    status = client.status()
    assert placed == Placed(
        position=placed.position, revision=status.revision, durability=Durability.MEMORY
    )
    made = placed.position
    assert (made.side, made.net_leverage, made.net_quantity, made.account_size) == (
        Side.LONG, Decimal("0.1"), Decimal(1), Decimal(1000)
    )  # fmt: skip
    assert (made.position_uuid, made.version, made.revision) == (hk, 1, placed.revision)
    assert client.open_position(hk, "BTCUSD") == client.get(hk, hk) == made

    placed = client.place_order(hk, "BTCUSD", fill(f"{hk}-2", 1))

    assert (placed.position.version, placed.position.net_leverage) == (2, Decimal("0.2"))
    assert placed.closed is None


def test_a_reversal_answers_with_both(client: Client, hk: str) -> None:
    """`closed` is the position that stood, `position` the one that the rest has opened."""
    client.place_order(hk, "BTCUSD", fill(hk))

    short = fill(f"{hk}-2", 1, "0.3", type=Side.SHORT)
    placed = client.place_order(hk, "BTCUSD", short, on_flip="reverse")

    assert placed.closed == client.get(hk, hk)
    assert placed.position == client.open_position(hk, "BTCUSD")
    assert placed.closed is not None
    assert placed.closed.closed_at == placed.position.opened_at == utc(OPEN_MS + 1000)
    assert placed.closed.orders[-1].order_uuid == hk[::-1]
    assert placed.position.net_leverage == Decimal("-0.2")


def test_the_same_order_again_is_told(client: Client, hk: str) -> None:
    """`repeated`: nothing changed, and the position is as it stands by now; other content is not
    taken, and the error says where the order stands."""
    client.place_order(hk, "BTCUSD", fill(hk))
    second = client.place_order(hk, "BTCUSD", fill(f"{hk}-2", 1))

    again = client.place_order(hk, "BTCUSD", fill(hk))

    assert (again.repeated, again.position) == (True, second.position)
    with pytest.raises(OrderReused) as refused:
        client.place_order(hk, "BTCUSD", fill(hk, 0, "0.2"))
    assert refused.value.position_uuid == hk


def test_an_order_keeps_all_that_it_was_sent_with(client: Client, hk: str) -> None:
    """Prices, sources, extra fields: what the server does not count with comes back as it was."""
    source = hotbook.PriceSource(source="Polygon_ws", bid=Decimal("99.5"), extra={"a": [1]})
    sent = fill(
        hk,
        bid=Decimal("99"),
        ask=Decimal("101"),
        slippage=Decimal("0.001"),
        limit_price=Decimal("98.50"),
        execution_type=hotbook.ExecutionType.LIMIT,
        source=OrderSource.LIMIT_FILLED,
        price_sources=(source,),
        extra={"note": "café"},
    )

    placed = client.place_order(hk, "BTCUSD", sent)

    assert placed.position.orders == (sent,)


def test_a_close_by_pair_and_by_uuid(client: Client, hk: str) -> None:
    """At a time as epoch milliseconds or as a datetime; by a FLAT from the source that is named."""
    for name in ("BTCUSD", "ETHUSD"):
        client.place_order(hk, name, fill(f"{hk}-{name}"))

    first = client.close_position(hk, "BTCUSD", price=Decimal(110), at=CLOSE_MS)
    second = client.close_position(
        hk, position_uuid=f"{hk}-ETHUSD", at=utc(CLOSE_MS), source=OrderSource.ELIMINATION_FLAT
    )

    assert (first.position.close_ms, second.position.close_ms) == (CLOSE_MS, CLOSE_MS)
    assert [p.orders[-1].source for p in (first.position, second.position)] == [
        OrderSource.ORGANIC, OrderSource.ELIMINATION_FLAT
    ]  # fmt: skip
    assert client.open_positions(hk) == []


def test_close_all_of_suspended_pairs(alone: Client) -> None:
    """Every hotkey's position on the pairs, no leg and nothing else; the answer names them."""
    for hotkey in ("a", "b"):
        for pair in ("SPX", "DJI", "BTCUSD"):
            alone.place_order(hotkey, pair, fill(f"{hotkey}-{pair}"))
    alone.save(leg("leg", trade_pair="SPX"))
    before = alone.status().revision

    closed = alone.close_all({"SPX": Decimal(110), "DJI": None, "VIX": None}, at=CLOSE_MS)

    assert sorted(closed, key=lambda name: name.position_uuid) == [
        PositionName(hotkey=hotkey, position_uuid=f"{hotkey}-{pair}", trade_pair=pair)
        for hotkey in ("a", "b") for pair in ("DJI", "SPX")
    ]  # fmt: skip
    assert alone.status().revision == before + 4
    priced, unpriced = alone.get("a", "a-SPX"), alone.get("a", "a-DJI")
    assert priced is not None
    assert unpriced is not None
    assert (priced.current_return, unpriced.current_return) == (Decimal("1.01"), Decimal(1))
    assert {p.position_uuid for p in alone.book(open_only=True)} == {"a-BTCUSD", "b-BTCUSD", "leg"}
    assert alone.close_all("SPX") == alone.close_all(["SPX"]) == alone.close_all(("VIX",)) == []
    assert alone.verify().ok


def test_exposure(client: Client, hk: str) -> None:
    """By pair with its sign, by category and in all with multipliers; legs count, what is closed
    does not; nobody has none."""
    sizes = {"BTCUSD": "0.2", "ETHUSD": "-0.1", "EURUSD": "2", "NVDA": "-0.5", "STRANGE": "1"}
    for name, size in sizes.items():
        side = Side.SHORT if size.startswith("-") else Side.LONG
        client.place_order(hk, name, fill(f"{hk}-{name}", leverage=size, type=side))
    client.save(leg(f"{hk}-leg", hotkey=hk, net_leverage=Decimal("-0.05")))
    client.place_order(hk, "SOLUSD", fill(f"{hk}-SOLUSD"))
    client.close_position(hk, "SOLUSD", price=Decimal(1))

    found = client.exposure(hk)

    def pair(name: str, category: str, net: str, multiplier: int, counts: str) -> PairExposure:
        return PairExposure(
            trade_pair=name, category=category, net_leverage=Decimal(net),
            multiplier=Decimal(multiplier), leverage=Decimal(counts),
        )  # fmt: skip

    assert found == Exposure(
        hotkey=hk,
        revision=client.status().revision,
        leverage=Decimal("7.5"),
        pairs=(
            pair("BTCUSD", "crypto", "0.15", 10, "2.5"),
            pair("ETHUSD", "crypto", "-0.1", 10, "1"),
            pair("EURUSD", "forex", "2", 1, "2"),
            pair("NVDA", "equities", "-0.5", 2, "1"),
            pair("STRANGE", "unknown", "1", 1, "1"),
        ),
        categories={
            "crypto": Decimal("3.5"), "equities": Decimal(1), "forex": Decimal(2),
            "unknown": Decimal(1),
        },
    )  # fmt: skip
    nobody = client.exposure("nobody")
    assert (nobody.leverage, nobody.pairs, dict(nobody.categories)) == (Decimal(0), (), {})


def test_two_pairs_at_once_cannot_both_pass_the_cap(client: Client, hk: str) -> None:
    """Twenty orders at once, each on its own pair, of which the cap has room for ten."""

    def place(number: int) -> bool:
        try:
            client.place_order(hk, f"T{number}", fill(f"{hk}-{number}", leverage="1"))
        except hotbook.PortfolioLeverageExceeded:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        passed = list(pool.map(place, range(20)))

    assert sum(passed) == 10
    assert client.exposure(hk).leverage == 10


def test_one_order_at_once_stands_once(client: Client, hk: str) -> None:
    """Sixteen callers place the same order: one of them has placed it, all have the position."""
    with ThreadPoolExecutor(16) as pool:
        placed = list(pool.map(lambda _: client.place_order(hk, "T", fill(hk)), range(16)))

    assert sum(not one.repeated for one in placed) == 1
    assert {len(one.position.orders) for one in placed} == {1}


def test_the_span_of_orders(alone: Client) -> None:
    """None where there is no order; else the first and the last time, of closed ones too."""
    assert alone.order_span() == OrderSpan(revision=0, first_ms=None, last_ms=None)
    alone.save(position("without", orders=()))
    assert alone.order_span().first_ms is None

    alone.save(position("late", hotkey="b", orders=(order(9),)))
    assert alone.order_span() == OrderSpan(
        revision=2, first_ms=OPEN_MS + 9000, last_ms=OPEN_MS + 9000
    )
    alone.save(position("zero", hotkey="c", orders=(order(processed_ms=0), order(3)), open_ms=0))
    assert alone.order_span() == OrderSpan(revision=3, first_ms=0, last_ms=OPEN_MS + 9000)


def test_the_registry(client: Client) -> None:
    """Each trade pair with its bounds, as the rules use them."""
    found = {pair.trade_pair: pair for pair in client.trade_pairs()}

    assert len(found) == 51
    assert found["BTCUSD"] == TradePair(
        trade_pair="BTCUSD", category="crypto", leverage_min=Decimal("0.01"),
        leverage_max=Decimal("0.5"), multiplier=Decimal(10), spread_rate=Decimal("0.001"),
    )  # fmt: skip
    assert found["EURUSD"].lot_size == 100_000


def test_settings_hold_orders_back(hk: str) -> None:
    """Cooldown, cap and number of orders are settings of the server; errors say the numbers."""
    limits = {"order_cooldown_ms": 5_000, "portfolio_leverage_max": 1, "position_orders_max": 2}
    with server(**limits) as target, hotbook.connect(target) as book:
        book.place_order(hk, "T", fill(f"{hk}-0"))
        with pytest.raises(CoolingDown) as cooling:
            book.place_order(hk, "T", fill(f"{hk}-1", 1))
        assert cooling.value.remaining_ms == 4_000
        with pytest.raises(hotbook.PortfolioLeverageExceeded):
            book.place_order(hk, "U", fill(f"{hk}-2", leverage="0.91"))
        book.place_order(hk, "T", fill(f"{hk}-1", 5))
        with pytest.raises(hotbook.TooManyOrders):
            book.place_order(hk, "T", fill(f"{hk}-3", 10))
        closed = book.place_order(hk, "T", fill(f"{hk}-3", 10), on_limit="close").closed
        assert closed is not None
        assert closed.orders[-1].source is OrderSource.MAX_ORDERS_CLOSE


# ------------------------------------------------------------------ splitting


def test_a_split(client: Client, hk: str) -> None:
    """Split names the parts and how they were closed; the statistics of the hotkey have it."""
    client.save(to_split(hk, return_at_close=Decimal("1.5")))

    made = client.split(hk, f"{hk}-p")

    assert made == Split(
        hotkey=hk, position_uuid=f"{hk}-p", parts=(f"{hk}-p", f"{hk}-c"), closed_by_flat=1,
        return_before=Decimal("1.5"), return_after=Decimal("0.9999"),
    )  # fmt: skip
    assert [p.position_uuid for p in client.positions(hk)] == [f"{hk}-p", f"{hk}-c"]
    assert client.split_stats(hk) == SplitStats(
        positions=1, parts=2, closed_by_flat=1, return_before=Decimal("1.5"),
        return_after=Decimal("0.9999"),
    )  # fmt: skip
    before = client.status().revision
    assert client.split(hk, f"{hk}-p").parts == (f"{hk}-p",)
    assert client.status().revision == before
    assert client.split_stats(hk).positions == 1
    client.place_order(hk, "BTCUSD", fill(f"{hk}-d", 3))


def test_splitting_the_whole_book(alone: Client) -> None:
    """A dry run tells and changes nothing; then each is split, or its refusal told."""
    for hotkey in ("a", "b", "c"):
        alone.save(to_split(hotkey))
    alone.save(position("c-c", hotkey="other"))
    alone.save(position("whole", hotkey="other", trade_pair="ETHUSD"))
    before = alone.status()
    seen: list[tuple[int, int]] = []

    planned = alone.split_all(dry_run=True)
    assert [len(one.parts) for one in planned if isinstance(one, Split)] == [2, 2, 2]
    assert alone.status().digest == before.digest
    assert alone.split_stats("a") == SplitStats()

    made = alone.split_all(progress=lambda done, total: seen.append((done, total)))

    parts = sorted(one.parts for one in made if isinstance(one, Split))
    assert parts == [("a-p", "a-c"), ("b-p", "b-c")]
    [refused] = [one for one in made if isinstance(one, SplitConflict)]
    assert refused.details["part_uuid"] == "c-c"
    assert seen[-1] == (5, 5)
    alone.delete("other", "c-c")
    [late] = alone.split_all()
    assert isinstance(late, Split)
    assert alone.split_all() == []
    assert alone.verify().ok


def test_split_on_load_is_durable(tmp_path: Path) -> None:
    """A start with the setting splits what needs it, once; the next start finds it done."""
    folder: dict[str, Any] = {"durability": "fsync", "data_dir": tmp_path / "served"}
    with server(**folder) as target, hotbook.connect(target) as book:
        book.save(to_split("a"))
    with server(**folder, split_on_load=True) as target, hotbook.connect(target) as book:
        assert [p.position_uuid for p in book.positions("a")] == ["a-p", "a-c"]
        assert book.split_stats("a").parts == 2
        assert book.verify().ok
        status = book.status()
    with server(**folder, split_on_load=True) as target, hotbook.connect(target) as book:
        again = book.status()
        assert (again.digest, again.revision) == (status.digest, status.revision)
        assert book.split_stats("a") == SplitStats()


# ------------------------------------------------------------------ digests


def test_digests_are_of_the_content(alone: Client, hk: str) -> None:
    """Two books with the same content have the same digests, whatever their revisions and times."""
    with server() as target, hotbook.connect(target, timeout_s=20) as twin:
        for number in range(3):
            alone.save(position(f"{hk}-0", hotkey=hk, net_leverage=Decimal(number)))
        alone.place_order("other", "T", fill("o"))
        twin.place_order("other", "T", fill("o"))
        twin.save_many([content(p) for p in alone.book() if p.hotkey == hk])

        assert alone.digests() == twin.digests()
        assert [(d.hotkey, d.positions) for d in alone.digests()] == sorted([(hk, 1), ("other", 1)])
        assert isinstance(alone.digests()[0], HotkeyDigest)
        twin.close_position("other", "T", price=Decimal(1))
        assert alone.digests() != twin.digests()
        assert [d.hotkey for d in twin.digests(open_only=True)] == [hk]


def test_every_answer_is_one_of_our_types() -> None:
    """What methods say they give is exported from `hotbook`, so that programs can name it."""
    for name in ("place_order", "close_position", "close_all", "exposure", "order_span", "split",
                 "split_all", "split_stats", "trade_pairs", "digests"):  # fmt: skip
        told = str(inspect.signature(getattr(Client, name)).return_annotation)
        for noun in told.replace("list[", "").replace("]", "").split(" | "):
            assert noun in hotbook.__all__, f"{name} gives {told}"
