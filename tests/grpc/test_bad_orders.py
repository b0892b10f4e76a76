"""Bad orders and splits over real gRPC: refused by name, nothing half done, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

import hotbook
from hotbook import NeedsSplit, OrderSource, Position, Side
from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import error_from_call
from hotbook_shared.wire import order_to_wire, position_to_wire
from tests.client.test_retry import served
from tests.grpc.test_bad_input import INVALID, WHITE, ask, nested_groups, refusal
from tests.make import CLOSE_MS, OPEN_MS, order, position

FLAT = {"type": Side.FLAT, "leverage": None}
NEWER = b"\xca\x3e\x05later"
"""Field 1001 of some newer contract."""


@pytest.fixture(scope="module")
def channel(shared_target: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(shared_target) as made:
        yield made


@pytest.fixture(scope="module")
def client(shared_target: str) -> Iterator[hotbook.Client]:
    """A client of the shared server, where "hk" has something open, and something to split."""
    with hotbook.connect(shared_target, timeout_s=10) as made:
        made.save(position("stands"))
        made.save(to_split("splits", trade_pair="ETHUSD"))
        yield made


@pytest.fixture
def unchanged(client: hotbook.Client) -> Iterator[None]:
    """Whatever the test sends, the book is the same after it, and in order."""
    before = client.status()
    yield
    after = client.status()
    assert (after.digest, after.revision) == (before.digest, before.revision)
    assert after.state == "serving"


def to_split(uuid: str, **changed: Any) -> Position:
    """A position of two parts: the second is named `late-` and the uuid."""
    late = order(2, order_uuid=f"late-{uuid}")
    return position(uuid, orders=(order(0), order(1, **FLAT), late), **changed)


# ------------------------------------------------------------------ messages that cannot be right


def asking(**changed: Any) -> pb.PlaceOrderRequest:
    fields: dict[str, Any] = {"hotkey": "hk", "trade_pair": "BTCUSD"}
    return pb.PlaceOrderRequest(order=order_to_wire(order(7)), **fields | changed)


def ordering(**changed: Any) -> pb.PlaceOrderRequest:
    request = asking()
    for name, value in changed.items():
        setattr(request.order, name, value)
    return request


def sourcing(count: int = 1, **changed: Any) -> pb.PlaceOrderRequest:
    request = asking()
    request.order.price_sources.extend([pb.PriceSource(**changed)] * count)
    return request


def closing(**changed: Any) -> pb.ClosePositionRequest:
    fields: dict[str, Any] = {"hotkey": "hk", "trade_pair": "BTCUSD", "price": "100"}
    return pb.ClosePositionRequest(**fields | changed)


def closing_all(*prices: str, **changed: Any) -> pb.CloseAllRequest:
    pairs = [pb.PairPrice(trade_pair=f"T{n}", price=price) for n, price in enumerate(prices)]
    return pb.CloseAllRequest(pairs=pairs, **{"source": pb.SOURCE_DEPRECATION_FLAT} | changed)


NO_NUMBERS = ("NaN", "-inf", "x", "1_0", " 1", "1" * 29, "1e401", "1e-401", "\uff11", "9" * 451)
TWO = [pb.PairPrice(trade_pair="BTCUSD", price="1"), pb.PairPrice(trade_pair="BTCUSD", price="2")]
UNPRICED = pb.CloseAllRequest(pairs=[pb.PairPrice(trade_pair="BTCUSD")])
BAD_PLACES: list[tuple[pb.PlaceOrderRequest, str]] = [
    (pb.PlaceOrderRequest(), "hotkey"),
    *((asking(hotkey=bad), "hotkey") for bad in ("", "a b", "x" * 129)),
    *((asking(trade_pair=bad), "trade_pair") for bad in ("", "a b", "x" * 33)),
    *((asking(request_id=bad), "request_id") for bad in WHITE),
    *((asking(on_flip=bad), "on_flip") for bad in (2, -1, 2**31 - 1)),
    *((asking(on_limit=bad), "on_limit") for bad in (2, -1, 2**31 - 1)),
    *((asking(account_size=bad), "account_size") for bad in ("-1", "NaN", "x")),
    *((asking(portfolio_leverage_max=bad), "portfolio_leverage_max") for bad in ("-1", "inf")),
    (pb.PlaceOrderRequest(hotkey="hk", trade_pair="T"), "order"),
    (pb.PlaceOrderRequest(hotkey="hk", trade_pair="T", order=pb.Order()), "order.order_uuid"),
    *((ordering(order_uuid=bad), "order.order_uuid") for bad in ("", "a b", "x" * 257)),
    *((ordering(type=bad), "order.type") for bad in (0, 4, -1)),
    *((ordering(execution_type=bad), "order.execution_type") for bad in (5, -1)),
    *((ordering(source=bad), "order.source") for bad in (11, -1)),
    *((ordering(processed_ms=bad), "order.processed_ms") for bad in (-1, 2**63 - 1, 1)),
    *((ordering(leverage=bad), "order.leverage") for bad in (*NO_NUMBERS, "-0.1")),
    *((ordering(quantity=bad), "order.quantity") for bad in ("-1", "NaN")),
    *((ordering(value=bad), "order.value") for bad in ("-1", "NaN")),
    *((ordering(price=bad), "order.price") for bad in ("", "0", "-1", "nan")),
    *((ordering(bid=bad), "order.bid") for bad in ("-1", "x")),
    *((ordering(slippage=bad), "order.slippage") for bad in ("x", "inf")),
    (ordering(quote_usd_rate="-1"), "order.quote_usd_rate"),
    (ordering(usd_base_rate="-1"), "order.usd_base_rate"),
    (ordering(take_profit="-1"), "order.take_profit"),
    *((ordering(extra=bad), "order.extra") for bad in ("[]", "{", '{"a":' * 50_000, "NaN")),
    (sourcing(bid="nan"), "order.price_sources[0].bid"),
    (sourcing(source="x" * 129), "order.price_sources[0].source"),
    (sourcing(count=1_001), "order.price_sources"),
    (sourcing(count=200_000), "order.price_sources"),
]
BAD_REQUESTS: list[tuple[str, Message, str]] = [
    *(("PlaceOrder", request, field) for request, field in BAD_PLACES),
    ("ClosePosition", pb.ClosePositionRequest(), "hotkey"),
    ("ClosePosition", closing(trade_pair=""), "trade_pair"),
    ("ClosePosition", closing(position_uuid="stands"), "trade_pair"),
    ("ClosePosition", closing(trade_pair="x" * 33), "trade_pair"),
    ("ClosePosition", closing(trade_pair="", position_uuid="a b"), "position_uuid"),
    *(("ClosePosition", closing(price=bad), "price") for bad in ("", "0", "-1", *NO_NUMBERS)),
    *(("ClosePosition", closing(at_ms=bad), "at_ms") for bad in (-1, 2**63 - 1, OPEN_MS - 1)),
    *(("ClosePosition", closing(source=bad), "source") for bad in (11, -1)),
    ("ClosePosition", closing(request_id=" "), "request_id"),
    ("CloseAll", pb.CloseAllRequest(), "pairs"),
    ("CloseAll", pb.CloseAllRequest(pairs=[pb.PairPrice()]), "pairs[0].trade_pair"),
    ("CloseAll", pb.CloseAllRequest(pairs=TWO), "pairs"),
    *(("CloseAll", closing_all("1", bad), "pairs[1].price") for bad in ("-1", *NO_NUMBERS)),
    ("CloseAll", UNPRICED, "pairs[0].price"),
    *(("CloseAll", closing_all("1", at_ms=bad), "at_ms") for bad in (-1, 2**63 - 1)),
    ("CloseAll", pb.CloseAllRequest(pairs=TWO[:1], at_ms=OPEN_MS - 1), "at_ms"),
    ("CloseAll", closing_all("1", source=11), "source"),
    ("CloseAll", closing_all("1", request_id="\t"), "request_id"),
    *(("Exposure", pb.ExposureRequest(hotkey=bad), "hotkey") for bad in ("", "a b", "x" * 129)),
    ("Split", pb.SplitRequest(), "hotkey"),
    ("Split", pb.SplitRequest(hotkey="hk"), "position_uuid"),
    ("Split", pb.SplitRequest(hotkey="hk", position_uuid="x" * 257), "position_uuid"),
    ("Split", pb.SplitRequest(hotkey="hk", position_uuid="u", request_id=" "), "request_id"),
    *(("SplitStats", pb.SplitStatsRequest(hotkey=bad), "hotkey") for bad in ("", "a b")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "request_", "field"), BAD_REQUESTS, ids=[f"{m}-{f}" for m, _, f in BAD_REQUESTS]
)
@pytest.mark.usefixtures("unchanged")
def test_a_wrong_request_is_refused_by_name(
    channel: grpc.Channel, method: str, request_: Message, field: str
) -> None:
    """Missing, oversized, negative or impossible: an invalid argument whose field is named."""
    assert refusal(channel, method, request_.SerializeToString()) == (INVALID, field)


def fields(request: Message) -> list[str]:
    """The fields of a message that hold texts or numbers."""
    return [f.name for f in request.DESCRIPTOR.fields if f.type != f.TYPE_MESSAGE]


@pytest.mark.parametrize("name", fields(pb.Order()))
def test_no_field_of_an_order_breaks_the_server(
    channel: grpc.Channel, client: hotbook.Client, name: str
) -> None:
    """The most and the strangest that each field can hold is taken or refused, never a bug; and
    what was taken is taken away."""
    strange: list[Any] = ["1e400", "1e-400", "0E-400", "9" * 28, "-0", "💶" * 64, "\u202e", "\0"]
    if not isinstance(getattr(pb.Order(), name), str):
        strange = [0, -1, 1, 3, 2**31 - 1, -(2**31)]
    for number, value in enumerate(strange):
        request = ordering(**{name: value})
        request.hotkey = f"{name}-{number}"
        try:
            ask(channel, "PlaceOrder", request.SerializeToString())
        except grpc.RpcError as failed:
            call: Any = failed
            wanted = {INVALID, grpc.StatusCode.FAILED_PRECONDITION}
            assert call.code() in wanted, (value, call.details())
        for held in client.positions(request.hotkey):
            client.save(held)
            assert client.delete(held.hotkey, held.position_uuid)
    assert client.verify().ok
    assert client.status().state == "serving"


def test_what_was_placed_can_be_read(channel: grpc.Channel, client: hotbook.Client) -> None:
    """However deep the deepest order that is taken: every way to read it works."""
    for depth in range(98, 0, -1):
        request = asking(hotkey="deep", trade_pair="T")
        request.order.MergeFromString(nested_groups(depth))
        try:
            ask(channel, "PlaceOrder", request.SerializeToString())
        except grpc.RpcError:
            continue
        break
    try:
        assert len(client.positions("deep")) == 1
        assert len(client.open_positions("deep")) == 1
        assert len([p for p in client.book() if p.hotkey == "deep"]) == 1
        request.order.MergeFromString(nested_groups(depth + 1))
        assert refusal(channel, "PlaceOrder", request.SerializeToString()) == (INVALID, "order")
    finally:
        client.delete("deep", "order-7")


# ------------------------------------------------------------------ nothing half done


REFUSED: dict[str, Callable[[hotbook.Client], object]] = {
    "an order that is no FLAT": lambda book: book.place_order("hk", "NONE", order(7, **FLAT)),
    "bounds": lambda book: book.place_order("hk", "BTCUSD", order(7, leverage=Decimal(1))),
    "bounds, after a FLAT": lambda book: book.place_order(
        "hk", "BTCUSD", order(7, type=Side.SHORT, leverage=Decimal(5)), on_flip="reverse"
    ),
    "the cap": lambda book: book.place_order("hk", "X", order(7, leverage=Decimal(10))),
    "the cap, after a FLAT": lambda book: book.place_order(
        "hk",
        "BTCUSD",
        order(7, type=Side.SHORT, leverage=Decimal("0.5")),
        on_flip="reverse",
        portfolio_leverage_max=Decimal(2),
    ),
    "an order that stands": lambda book: book.place_order("hk", "BTCUSD", order(0, extra={"a": 1})),
    "what needs a split": lambda book: book.place_order("hk", "ETHUSD", order(7)),
    "a close that needs a split": lambda book: book.close_position(
        "hk", "ETHUSD", price=Decimal(1)
    ),
    "one of many that needs a split": lambda book: book.close_all(["BTCUSD", "ETHUSD"]),
    "a close of nothing": lambda book: book.close_position("hk", "NONE", price=Decimal(1)),
    "a split of nothing": lambda book: book.split("hk", "none"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("unchanged")
def test_a_refusal_leaves_nothing_half_done(client: hotbook.Client, name: str) -> None:
    """A FLAT that came before, or a position that was closed first, is not there either."""
    with pytest.raises(hotbook.Refused):
        REFUSED[name](client)
    assert client.verify().ok


def test_a_position_that_holds_nothing_is_closed_by_one_order_too_many(tmp_path: Path) -> None:
    """Its orders have no size, so a FLAT does not close them; still there is never a second open
    position on the pair, and the server lives."""
    empty = position("empty", orders=(order(0, leverage=None),), net_leverage=Decimal(0))
    with (
        server(durability="fsync", data_dir=tmp_path / "served", position_orders_max=1) as target,
        hotbook.connect(target, timeout_s=5) as book,
    ):
        book.save(empty)

        placed = book.place_order("hk", "BTCUSD", order(1), on_limit="close")

        assert [p.position_uuid for p in book.open_positions("hk")] == ["order-1"]
        assert placed.closed is not None
        assert not placed.closed.is_open
        assert book.verify().ok


def test_the_most_orders_that_a_position_may_have(client: hotbook.Client) -> None:
    """A position of 5,000 orders takes no more; it is closed by one that is too many."""
    fills = tuple(order(n, leverage=Decimal("0.00001")) for n in range(5_000))
    client.save(position("large", hotkey="large", orders=fills, net_leverage=Decimal("0.05")))

    with pytest.raises(hotbook.TooManyOrders):
        client.place_order("large", "BTCUSD", order(5_001), timeout_s=5)
    placed = client.place_order("large", "BTCUSD", order(5_001), on_limit="close", timeout_s=5)

    assert placed.closed is not None
    assert (len(placed.closed.orders), placed.position.position_uuid) == (5_001, "order-5001")
    client.clear("large", expected_count=2)


# ------------------------------------------------------------------ what is newer than this server


def test_fields_of_a_newer_client_stay(channel: grpc.Channel, client: hotbook.Client) -> None:
    """In an order and in a position they survive further orders, a close, a reversal, a split."""
    held = position_to_wire(to_split("newer", hotkey="newer"))
    held.MergeFromString(NEWER)
    for one in held.orders:
        one.MergeFromString(NEWER)
    ask(channel, "Save", pb.SaveRequest(position=held).SerializeToString())
    client.split("newer", "newer")
    placed = asking(hotkey="newer")
    placed.order.MergeFromString(NEWER)
    ask(channel, "PlaceOrder", placed.SerializeToString())
    client.close_position("newer", "BTCUSD", price=Decimal(1), at=CLOSE_MS)

    asked = pb.GetRequest(hotkey="newer", position_uuid="newer")
    first, second = (
        pb.PositionReply.FromString(ask(channel, "Get", asked.SerializeToString())[0]).position
        for asked in (asked, pb.GetRequest(hotkey="newer", position_uuid="late-newer"))
    )
    assert NEWER in b"".join(
        part for part in first.SerializeToString().split(first.orders[-1].SerializeToString())[1:]
    )
    kept = [one.order_uuid for p in (first, second) for one in p.orders
            if one.SerializeToString().endswith(NEWER)]  # fmt: skip
    assert kept == ["order-0", "order-1", "late-newer", "order-7"]
    [again] = ask(channel, "PlaceOrder", placed.SerializeToString())
    assert pb.PlaceOrderReply.FromString(again).repeated
    client.clear("newer", expected_count=2)


# ------------------------------------------------------------------ request ids


def named(hotkey: str, number: int, **changed: Any) -> pb.Order:
    return order_to_wire(order(number, order_uuid=f"{hotkey}-{number}", **changed))


def placing(hotkey: str, made: pb.Order, **changed: Any) -> pb.PlaceOrderRequest:
    return pb.PlaceOrderRequest(hotkey=hotkey, trade_pair="BTCUSD", order=made, **changed)


LARGE = {"type": Side.SHORT, "leverage": Decimal("0.3")}
ASKED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "an order": ("PlaceOrder", lambda hk: placing(hk, named(hk, 7))),
    "an order without a time": ("PlaceOrder", lambda hk: placing(hk, named(hk, 7, processed_ms=0))),
    "a flip": ("PlaceOrder", lambda hk: placing(hk, named(hk, 7, **LARGE))),
    "a reversal": (
        "PlaceOrder",
        lambda hk: placing(hk, named(hk, 7, **LARGE), on_flip=pb.ON_FLIP_REVERSE),
    ),
    "an order that is refused": ("PlaceOrder", lambda hk: placing(hk, named(hk, 7, leverage=None))),
    "an order out of bounds": (
        "PlaceOrder",
        lambda hk: placing(hk, named(hk, 7, leverage=Decimal(9))),
    ),
    "a close": ("ClosePosition", lambda hk: closing(hotkey=hk)),
    "a close that is refused": ("ClosePosition", lambda hk: closing(hotkey=hk, trade_pair="NONE")),
    "a close of all": (
        "CloseAll",
        lambda hk: pb.CloseAllRequest(
            pairs=[pb.PairPrice(trade_pair=hk)], source=pb.SOURCE_DEPRECATION_FLAT
        ),
    ),
    "a split": ("Split", lambda hk: pb.SplitRequest(hotkey=hk, position_uuid=f"{hk}-split")),
    "a split that is refused": ("Split", lambda hk: pb.SplitRequest(hotkey=hk, position_uuid="no")),
}


def answer(channel: grpc.Channel, name: str, hk: str) -> object:
    """The whole answer to a request of that name, with its own id: bytes, or how it is refused."""
    method, make = ASKED[name]
    request = make(hk)
    request.request_id = f"id-{hk}"
    try:
        return ask(channel, method, request.SerializeToString())
    except grpc.RpcError as failed:
        error = error_from_call(failed)
        return error.code, error.message, dict(error.details)


def prepare(book: hotbook.Client, hk: str) -> None:
    book.save(position(f"{hk}-p", hotkey=hk))
    book.save(position(f"{hk}-pair", hotkey=hk, trade_pair=hk))
    book.save(to_split(f"{hk}-split", hotkey=hk, trade_pair="EURUSD"))


@pytest.mark.parametrize("name", ASKED)
def test_the_same_request_again_has_the_same_answer_and_no_effect(
    channel: grpc.Channel, client: hotbook.Client, name: str
) -> None:
    """Refusals included, and whatever was changed in between: the answer is the first one's."""
    hk = name.replace(" ", "-")[:32]
    prepare(client, hk)
    first = answer(channel, name, hk)
    client.delete(hk, f"{hk}-p")
    client.delete(hk, f"{hk}-split")
    before = client.status()

    assert [answer(channel, name, hk) for _ in range(3)] == [first] * 3

    after = client.status()
    assert (after.revision, after.digest) == (before.revision, before.digest)


def test_all_of_it_holds_after_a_restart(tmp_path: Path) -> None:
    """After kill -9 every kept answer is given again, whole positions included; nothing changes."""
    asked = {name: name.replace(" ", "-")[:32] for name in ASKED}
    with (
        served(tmp_path / "restarted") as process,
        grpc.insecure_channel(process.target) as channel,
        hotbook.connect(process.target, timeout_s=20) as book,
    ):
        for hk in asked.values():
            prepare(book, hk)
        first = {name: answer(channel, name, hk) for name, hk in asked.items()}
        before = book.status()
        process.kill()
        process.start()
        after = book.status()
        with grpc.insecure_channel(process.target) as fresh:
            again = {name: answer(fresh, name, hk) for name, hk in asked.items()}

        assert again == first
        assert (after.revision, after.digest) == (before.revision, before.digest)
        assert book.status().revision == before.revision
        assert book.verify().ok


def test_a_repeated_split_is_counted_once(channel: grpc.Channel, client: hotbook.Client) -> None:
    """A caller who asks again, for the answer was lost, does not change the statistics."""
    client.save(to_split("once", hotkey="once"))
    request = pb.SplitRequest(hotkey="once", position_uuid="once", request_id="once")

    for _ in range(3):
        ask(channel, "Split", request.SerializeToString())

    assert client.split_stats("once").positions == 1


def test_an_eliminated_hotkey_needs_no_price(client: hotbook.Client) -> None:
    """A close without a price keeps the returns as they are, whatever they were."""
    client.save(position("gone", hotkey="gone", return_at_close=Decimal("0.5")))

    placed = client.close_position("gone", "BTCUSD", source=OrderSource.ELIMINATION_FLAT)

    assert not placed.position.is_open
    with pytest.raises(NeedsSplit):
        client.close_position("hk", position_uuid="splits", price=Decimal(1))
