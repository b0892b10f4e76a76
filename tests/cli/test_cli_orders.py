"""The commands on orders and splits, run as people and programs run them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

import hotbook
from hotbook import Order, Side
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, at_terminal, tell
from tests.make import OPEN_MS, leg, order, position

AT = str(OPEN_MS)
COMMANDS = ("order", "close", "close-all", "exposure", "span", "pairs", "split")


@contextmanager
def serving() -> Iterator[str]:
    """A server where "hk" has BTCUSD open, and ETHUSD as two parts in one."""
    with server() as target, hotbook.connect(target) as book:
        book.save(position("a"))
        book.save(to_split("b", trade_pair="ETHUSD"))
        yield target


@pytest.fixture(scope="module")
def stocked() -> Iterator[str]:
    with serving() as target:
        yield target


@pytest.fixture(scope="module")
def touchy() -> Iterator[str]:
    """Another one, for tests that fail where anything at all is changed."""
    with serving() as target:
        yield target


@pytest.fixture
def empty() -> Iterator[str]:
    """A server of its own for a test that changes the book."""
    with server() as target:
        yield target


def to_split(uuid: str, **changed: Any) -> hotbook.Position:
    flat = order(1, order_uuid=f"flat-{uuid}", type=Side.FLAT, leverage=None)
    late = order(2, order_uuid=f"late-{uuid}", type=Side.SHORT)
    first = order(0, order_uuid=f"first-{uuid}")
    return position(uuid, orders=(first, flat, late), **changed)


def opened(target: str) -> list[str]:
    """The uuids of all that is open."""
    with hotbook.connect(target, timeout_s=10) as book:
        return sorted(p.position_uuid for p in book.book(open_only=True))


def revision(target: str) -> int:
    with hotbook.connect(target, timeout_s=10) as book:
        return book.status().revision


def place(target: str, *args: str, leverage: str = "0.1") -> dict[str, Any]:
    """Places an order on BTCUSD at 100; what `-o json` says of it."""
    words = ["order", "hk", "BTCUSD", *args, "--price", "100", "-o", "json"]
    told = tell(target, *words, *(["--leverage", leverage] if leverage else []))
    assert (told.code, told.err) == (0, "")
    found: dict[str, Any] = json.loads(told.out)
    return found


# ------------------------------------------------------------------ orders


def test_an_order_for_people(empty: str) -> None:
    """It shows the position as it then stands; a repeated one says that nothing changed."""
    args = ["order", "hk", "BTCUSD", "long", "--leverage", "0.1", "--price", "100",
            "--order-uuid", "first", "--at", AT]  # fmt: skip
    told = tell(empty, *args)

    assert (told.code, told.err) == (0, "")
    for word in ("position_uuid", "first", "LONG", "0.1", "2024-12-12 10:40:00Z", "100"):
        assert word in told.out.split() or word in told.out
    assert "closed" not in told.out

    again = tell(empty, *args)
    assert again.code == 0
    assert again.out.splitlines()[0] == "the order stood there already: nothing changed"
    assert revision(empty) == 1


def test_an_order_for_programs(empty: str) -> None:
    """`-o json` has every option in it; without names and times they are made up."""
    made = place(
        empty, "SHORT", "--account-size", "1000", "--slippage", "0.001", "--source", "LIMIT_FILLED"
    )["position"]

    [fill] = made["orders"]
    assert (made["side"], made["net_leverage"], made["account_size"]) == ("SHORT", "-0.1", "1000")
    assert (fill["slippage"], fill["source"], fill["leverage"]) == ("0.001", "LIMIT_FILLED", "-0.1")
    assert made["position_uuid"] == fill["order_uuid"]
    assert len(fill["order_uuid"]) == 36
    with hotbook.connect(empty) as book:
        assert abs(fill["processed_ms"] - book.status().now_ms) < 60_000


@pytest.mark.parametrize(
    ("size", "leverage"), [("--quantity", "0.2"), ("--value", "0.02"), ("--leverage", "0.2")]
)
def test_each_size(empty: str, size: str, leverage: str) -> None:
    """Leverage, quantity or value: the others follow, with the account."""
    with_account = ("--account-size", "1000")
    amount = {"--quantity": "2", "--value": "20", "--leverage": "0.2"}[size]

    made = place(empty, "LONG", size, amount, *with_account, leverage="")["position"]

    assert Decimal(made["net_leverage"]) == Decimal(leverage)


@pytest.mark.parametrize(("on_flip", "uuids"), [("close", []), ("reverse", ["second"])])
def test_a_flip(empty: str, on_flip: str, uuids: list[str]) -> None:
    """`--on-flip` decides whether the rest opens another position; what was closed is said."""
    place(empty, "LONG", "--order-uuid", "first", "--at", AT)
    args = ["order", "hk", "BTCUSD", "SHORT", "--leverage", "0.3", "--price", "1",
            "--order-uuid", "second", "--on-flip", on_flip]  # fmt: skip

    told = tell(empty, *args)

    assert told.code == 0
    assert opened(empty) == uuids
    assert ("closed first" in told.out.splitlines()) == (on_flip == "reverse")
    again = json.loads(tell(empty, *args, "--at", AT, "-o", "json").out or "{}")
    assert again == {}, "another time is another order"


def test_flat_closes(empty: str) -> None:
    """`hotbook order ... FLAT` needs no size."""
    place(empty, "LONG")

    assert place(empty, "FLAT", leverage="")["position"]["side"] == "FLAT"
    assert opened(empty) == []


def test_one_order_too_many() -> None:
    """It is refused with 4, and `--on-limit close` opens another position."""
    with server(position_orders_max=1) as target:
        place(target, "LONG", "--order-uuid", "first")
        words = ["order", "hk", "BTCUSD", "LONG", "--leverage", "0.1", "--price", "1"]
        tell(target, *words).refuses(4, "first may not have more than 1 orders")

        assert place(target, "LONG", "--on-limit", "close")["closed"]["position_uuid"] == "first"


# ------------------------------------------------------------------ closing


@pytest.mark.parametrize("name", [["BTCUSD"], ["--uuid", "a"]])
def test_close(empty: str, name: list[str]) -> None:
    """By pair or by uuid; it says what will happen, and wants --yes where nobody can be asked."""
    with hotbook.connect(empty) as book:
        book.save(position("a"))
        book.save(position("other", trade_pair="ETHUSD"))
    refused = tell(empty, "close", "hk", *name, "--price", "1")
    assert (refused.code, refused.out) == (4, "")
    assert "pass --yes" in refused.err
    assert opened(empty) == ["a", "other"]

    told = tell(empty, "close", "hk", *name, "--price", "1", "--at", AT, "--yes", "-o", "json")

    assert told.code == 0
    assert told.err == f"This closes 1 position of hk: {name[-1]}.\n"
    assert json.loads(told.out)["position"]["close_ms"] == OPEN_MS
    assert opened(empty) == ["other"]


@pytest.mark.parametrize(("typed", "code"), [(b"1\n", 0), (b"2\n", 4), (b"\n", 4), (b"y\n", 4)])
def test_close_asks_at_a_terminal(empty: str, typed: bytes, code: int) -> None:
    """The count that was told, and nothing else, is a yes."""
    with hotbook.connect(empty) as book:
        book.save(position("a"))

    ended, seen, _ = at_terminal(
        empty, HOTBOOK, "close", "hk", "BTCUSD", "--price", "1", types=("Type 1 to go on", typed)
    )

    assert ended == code, seen
    assert ("not confirmed" in seen) == bool(code)
    assert bool(opened(empty)) == bool(code)


def test_close_all(empty: str) -> None:
    """It counts what is open on the pairs, legs aside, closes it at the prices, and names it."""
    with hotbook.connect(empty) as book:
        for hotkey in ("x", "y"):
            book.save(position(f"spx-{hotkey}", hotkey=hotkey, trade_pair="SPX"))
        book.save(position("dji", hotkey="x", trade_pair="DJI"))
        book.save(position("stays", hotkey="x"))
        book.save(leg("leg", trade_pair="SPX"))
    args = ["close-all", "SPX=70000", "DJI"]
    refused = tell(empty, *args)
    assert (refused.code, refused.out) == (4, "")
    assert refused.err.startswith("This closes 3 positions on SPX, DJI.\n")
    assert len(opened(empty)) == 5

    told = tell(empty, *args, "--yes")

    assert told.code == 0
    assert told.out.splitlines()[0] == "closed 3 positions"
    assert {"spx-x", "spx-y", "dji"} <= set(told.out.split())
    assert opened(empty) == ["leg", "stays"]
    with hotbook.connect(empty) as book:
        prices = [p.orders[-1].price for p in book.positions("x") if not p.is_open]
    assert sorted(prices) == [0, 70_000]
    assert tell(empty, *args).out == "closed 0 positions\n"
    assert json.loads(tell(empty, *args, "-o", "json").out) == {"closed": []}


# ------------------------------------------------------------------ reading


def test_exposure(stocked: str) -> None:
    """A table of pairs, categories and all; the same as JSON; nothing for a stranger."""
    told = tell(stocked, "exposure", "hk")
    assert (told.code, told.err) == (0, "")
    assert [line.split() for line in told.out.splitlines()] == [
        ["pair", "category", "net", "leverage", "multiplier", "counts"],
        ["BTCUSD", "crypto", "0.1", "10", "1.0"],
        ["ETHUSD", "crypto", "0.1", "10", "1.0"],
        ["crypto", "2.0"],
        ["all", "2.0"],
    ]
    found = json.loads(tell(stocked, "exposure", "hk", "-o", "json").out)
    assert (found["hotkey"], found["leverage"], found["categories"]) == (
        "hk", "2.0", {"crypto": "2.0"}
    )  # fmt: skip
    assert tell(stocked, "exposure", "nobody").out.split()[-2:] == ["all", "0"]


def test_span(stocked: str, empty: str) -> None:
    """The first and the last order; in an empty book a word on stderr, and no answer."""
    told = tell(stocked, "span")
    assert told.code == 0
    assert [line.split("  ")[0] for line in told.out.splitlines()] == ["first order", "last order"]
    assert "2024-12-12 10:40:02Z" in told.out
    found = json.loads(tell(stocked, "span", "-o", "json").out)
    assert (found["first_ms"], found["last_ms"]) == (OPEN_MS, OPEN_MS + 2000)
    assert tell(empty, "span") == (0, "", "no orders\n")
    assert json.loads(tell(empty, "span", "-o", "json").out)["first_ms"] is None


def test_pairs(stocked: str) -> None:
    """The registry: a line each; as JSON, exact numbers as texts."""
    told = tell(stocked, "pairs")
    lines = [line.split() for line in told.out.splitlines()]
    assert len(lines) == 1 + 51
    assert ["BTCUSD", "crypto", "0.01", "0.5", "10", "1", "0.001"] in lines
    found = {
        pair["trade_pair"]: pair for pair in json.loads(tell(stocked, "pairs", "-o", "json").out)
    }
    assert found["EURUSD"]["lot_size"] == "100000"


# ------------------------------------------------------------------ splitting


def test_split_one(empty: str) -> None:
    """It says into how many, and how they were closed; doing it again changes nothing."""
    with hotbook.connect(empty) as book:
        book.save(to_split("a"))

    told = tell(empty, "split", "hk", "a")

    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0] == "split 1 position into 2"
    assert lines[2].split()[:5] == ["hk", "a", "2", "1", "0"]
    before = revision(empty)
    assert tell(empty, "split", "hk", "a").out == "nothing to split\n"
    assert revision(empty) == before
    found = json.loads(tell(empty, "split", "hk", "a", "-o", "json").out)
    assert found == {"splits": [], "refused": []}


def test_split_all(empty: str) -> None:
    """A dry run changes nothing; a refusal has its line, its code in JSON, and decides the exit."""
    with hotbook.connect(empty) as book:
        book.save_many([to_split("a"), to_split("b", hotkey="bad"), position("late-b", hotkey="x")])
    before = revision(empty)
    told = tell(empty, "split", "--all", "--dry-run")
    assert (told.code, told.out.splitlines()[0]) == (0, "would split 2 positions into 4")
    assert revision(empty) == before

    told = tell(empty, "split", "--all", "-o", "json")

    answer = json.loads(told.out)
    assert told.code == 4
    assert [one["position_uuid"] for one in answer["splits"]] == ["a"]
    assert [one["code"] for one in answer["refused"]] == ["SPLIT_CONFLICT"]
    assert json.loads(told.err)["message"].startswith("a part of b of bad would be late-b")
    assert revision(empty) == before + 2


# ------------------------------------------------------------------ mistakes


ORDER = ["order", "hk", "XAUUSD", "LONG"]
SIZED = [*ORDER, "--leverage", "0.1"]
MISTAKES: list[tuple[list[str], int, str]] = [
    (ORDER, 2, "order.price must be above 0"),
    ([*ORDER, "--price", "1"], 2, "order has no size"),
    ([*SIZED, "--price", "-1"], 2, "order.price must not be negative"),
    ([*SIZED, "--price", "1", "--at", "yesterday"], 2, "at must be ISO 8601"),
    ([*SIZED, "--price", "1", "--order-uuid", "a b"], 2, "order.order_uuid"),
    ([*SIZED, "--price", "1", "--order-uuid", ""], 2, "order.order_uuid"),
    ([*SIZED, "--price", "1e999"], 2, "order.price is out of range"),
    ([*SIZED, "--price", "1", "--account-size", "-1"], 2, "account_size must not be negative"),
    (["order", "h k", "T", "LONG", "--leverage", "1", "--price", "1"], 2, "hotkey"),
    (["order", "hk", "XAGUSD", "FLAT", "--price", "1"], 4, "hk has nothing open on XAGUSD"),
    ([*SIZED[:-1], "50", "--price", "1"], 4, "it may be from 0.1 to 5"),
    ([*SIZED, "--price", "1", "--portfolio-leverage-max", "0"], 4, "the cap is 0"),
    (["order", "hk", "ETHUSD", "LONG", "--leverage", "1", "--price", "1"], 4, "split it first"),
    (["order", "hk", "BTCUSD", "LONG", "--leverage", "0.2", "--price", "1",
      "--order-uuid", "order-0"], 4, "order-0 stands already, in position a"),
    (["split", "hk", "nothing"], 3, "hk has no position nothing"),
    (["exposure", ""], 2, "hotkey is missing"),
    (["exposure", "hk", "-t", "127.0.0.1:1", "--timeout-s=0.2"], 5, "is the server running?"),
    (["close-all", "="], 2, "PAIR"),
    (["close-all", "BTCUSD=-1", "--yes"], 2, "price"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "code", "word"), MISTAKES, ids=lambda p: str(p)[:60])
def test_a_mistake_is_told_in_one_line(stocked: str, args: list[str], code: int, word: str) -> None:
    """A mistake says what is wrong in its last line, ends in its exit code, and changes nothing."""
    before = revision(stocked)

    told = tell(stocked, *args)

    assert "Traceback" not in told.err
    assert (told.code, told.out) == (code, ""), told
    assert word in told.err.splitlines()[-1]
    assert revision(stocked) == before


CLOSES: list[tuple[list[str], int, str]] = [
    (["close", "hk", "XAGUSD", "--price", "1", "--yes"], 4, "hk has nothing open on XAGUSD"),
    (["close", "hk", "BTCUSD", "--yes"], 2, "price must be above 0"),
    (["close", "hk", "BTCUSD", "--price", "1", "--at", "5", "--yes"], 2, "at_ms (5) lies before"),
    (["close", "hk", "--uuid", "none", "--price", "1", "--yes"], 4, "no open position none"),
]


@pytest.mark.parametrize(("args", "code", "word"), CLOSES, ids=lambda p: str(p)[:60])
def test_a_close_that_is_refused(stocked: str, args: list[str], code: int, word: str) -> None:
    """After the warning comes one line that says why nothing was closed."""
    told = tell(stocked, *args)

    assert (told.code, told.out) == (code, "")
    warning, reason = told.err.splitlines()
    assert warning.startswith("This closes 1 position of hk")
    assert reason.startswith("hotbook: ")
    assert word in reason
    assert opened(stocked) == ["a", "b"]


USAGE = [
    ([*ORDER[:3], "SIDEWAYS"], "'SIDEWAYS' is not one of"),
    ([*ORDER, "--leverage", "much"], "'much' is not a number"),
    ([*ORDER, "--price", "NaN"], "'NaN' is not a number"),
    ([*ORDER, "--price", "inf"], "'inf' is not a number"),
    ([*ORDER, "--on-flip", "wait"], "'wait' is not one of"),
    ([*ORDER, "--source", "ME"], "'ME' is not one of"),
    (["order", "hk"], "Missing argument"),
    (["close", "hk"], "name a TRADE_PAIR, or pass --uuid"),
    (["close", "hk", "BTCUSD", "--uuid", "a"], "name a TRADE_PAIR, or pass --uuid"),
    (["close-all"], "Missing argument"),
    (["close-all", "BTCUSD=much"], "'BTCUSD=much' is not PAIR=PRICE"),
    (["close-all", "BTCUSD=NaN"], "'BTCUSD=NaN' is not PAIR=PRICE"),
    (["close-all", "BTCUSD=1", "BTCUSD=2", "--yes"], "BTCUSD"),
    (["split"], "name a HOTKEY and a POSITION_UUID, or pass --all"),
    (["split", "hk"], "name a HOTKEY and a POSITION_UUID, or pass --all"),
    (["split", "hk", "b", "--all"], "name a HOTKEY and a POSITION_UUID, or pass --all"),
    (["split", "hk", "--all"], "name a HOTKEY and a POSITION_UUID, or pass --all"),
    (["split", "hk", "b", "--dry-run"], "name a HOTKEY and a POSITION_UUID, or pass --all"),
]


@pytest.mark.parametrize(("args", "words"), USAGE, ids=[" ".join(a)[:50] for a, _ in USAGE])
def test_wrong_usage(touchy: str, args: list[str], words: str) -> None:
    """Wrong usage exits with 2 before anything is asked or changed; the last line says what."""
    before = revision(touchy)

    told = tell(touchy, *args)

    assert revision(touchy) == before
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Usage: hotbook ")
    assert words in told.err.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Each command is in the list with a short word, and says all of its options at length."""
    group, own = tell("", "--help", COLUMNS="120"), tell("", command, "--help", COLUMNS="120")

    assert [line for line in group.out.splitlines() if line.split()[:1] == [command]]
    assert (own.code, own.err) == (0, "")
    assert own.out.startswith(f"Usage: hotbook {command} ")
    for option in ("--output", "--target", "--timeout-s"):
        assert option in own.out
    assert own.out.split("\n\n")[1].strip().endswith(".")


def test_what_an_order_takes_is_what_the_client_takes() -> None:
    """Each option of place_order, and each size of an order, can be given on the command line."""
    told = tell("", "order", "--help", COLUMNS="120").out

    for name in ("account_size", "on_flip", "on_limit", "portfolio_leverage_max"):
        assert f"--{name.replace('_', '-')} " in told
    for name in ("leverage", "quantity", "value", "price", "slippage", "source", "order_uuid"):
        assert name in Order.__struct_fields__
        assert f"--{name.replace('_', '-')} " in told
