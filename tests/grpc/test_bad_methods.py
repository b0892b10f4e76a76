"""Bad input to the client's own methods: each is refused by name, before or by the server."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

import hotbook
from hotbook import Order, PriceSource, Side
from tests.faces import Connect
from tests.make import closed, order, position


@pytest.fixture(scope="module")
def client(shared_target: str, connect: Connect) -> Iterator[hotbook.Client]:
    """A client of the shared server, which holds one position."""
    with connect(shared_target, timeout_s=10) as made:
        made.save(position("stands"))
        yield made


@pytest.fixture
def unchanged(client: hotbook.Client) -> Iterator[None]:
    """Whatever the test asks, the book is the same after it, and in order."""
    before = client.status()
    yield
    after = client.status()
    assert (after.digest, after.revision) == (before.digest, before.revision)
    assert after.state == "serving"


Use = Callable[[Any, Any], object]

USES: dict[str, list[Use]] = {
    "save": [
        lambda book, bad: book.save(bad),
        lambda book, bad: book.save(position(hotkey=bad)),
        lambda book, bad: book.save(position(net_leverage=bad)),
        lambda book, bad: book.save(position(open_ms=bad)),
        lambda book, bad: book.save(position(orders=bad)),
        lambda book, bad: book.save(position(extra=bad)),
        lambda book, bad: book.save(position(orders=(order(price=bad),))),
        lambda book, bad: book.save(position(), expected_version=bad),
        lambda book, bad: book.save(position(), replace_open=bad),
    ],
    "save_many": [
        lambda book, bad: book.save_many(bad),
        lambda book, bad: book.save_many([bad]),
        lambda book, bad: book.save_many([position("x"), bad], all_or_nothing=True),
        lambda book, bad: book.save_many([position()], replace_open=bad),
    ],
    "save_stream": [
        lambda book, bad: list(book.save_stream(bad)),
        lambda book, bad: list(book.save_stream([bad])),
    ],
    "delete": [
        lambda book, bad: book.delete(bad, "u"),
        lambda book, bad: book.delete("hk", bad),
        lambda book, bad: book.delete("hk", "u", expected_version=bad),
    ],
    "get": [lambda book, bad: book.get(bad, "u"), lambda book, bad: book.get("hk", bad)],
    "open_position": [
        lambda book, bad: book.open_position(bad, "T"),
        lambda book, bad: book.open_position("hk", bad),
    ],
    "open_positions": [lambda book, bad: book.open_positions(bad)],
    "positions": [
        lambda book, bad: book.positions(bad),
        lambda book, bad: book.positions(["hk", bad]),
        lambda book, bad: book.positions("hk", open_only=bad),
        lambda book, bad: book.positions("hk", opened_after=bad),
    ],
    "book": [lambda book, bad: list(book.book(open_only=bad))],
    "clear": [
        lambda book, bad: book.clear(bad, expected_count=0),
        lambda book, bad: book.clear("hk", expected_count=bad),
    ],
    "place_order": [
        lambda book, bad: book.place_order(bad, "T", order()),
        lambda book, bad: book.place_order("hk", bad, order()),
        lambda book, bad: book.place_order("hk", "T", bad),
        lambda book, bad: book.place_order("hk", "T", order(order_uuid=bad)),
        lambda book, bad: book.place_order("hk", "T", order(type=bad)),
        lambda book, bad: book.place_order("hk", "T", order(processed_ms=bad)),
        lambda book, bad: book.place_order("hk", "T", order(leverage=bad)),
        lambda book, bad: book.place_order("hk", "T", order(price=bad)),
        lambda book, bad: book.place_order("hk", "T", order(source=bad)),
        lambda book, bad: book.place_order("hk", "T", order(price_sources=bad)),
        lambda book, bad: book.place_order("hk", "T", order(extra=bad)),
        lambda book, bad: book.place_order("hk", "T", order(), account_size=bad),
        lambda book, bad: book.place_order("hk", "T", order(), on_flip=bad),
        lambda book, bad: book.place_order("hk", "T", order(), on_limit=bad),
        lambda book, bad: book.place_order("hk", "T", order(), portfolio_leverage_max=bad),
    ],
    "close_position": [
        lambda book, bad: book.close_position(bad, "T", price=1),
        lambda book, bad: book.close_position("hk", bad, price=1),
        lambda book, bad: book.close_position("hk", position_uuid=bad, price=1),
        lambda book, bad: book.close_position("hk", "T", price=bad),
        lambda book, bad: book.close_position("hk", "T", price=1, at=bad),
        lambda book, bad: book.close_position("hk", "T", price=1, source=bad),
    ],
    "close_all": [
        lambda book, bad: book.close_all(bad),
        lambda book, bad: book.close_all([bad]),
        lambda book, bad: book.close_all({"T": bad}),
        lambda book, bad: book.close_all(["T"], at=bad),
        lambda book, bad: book.close_all(["T"], source=bad),
    ],
    "exposure": [lambda book, bad: book.exposure(bad)],
    "split": [
        lambda book, bad: book.split(bad, "u"),
        lambda book, bad: book.split("hk", bad),
    ],
    "split_all": [lambda book, bad: book.split_all(dry_run=bad)],
    "split_stats": [lambda book, bad: book.split_stats(bad)],
    "digests": [lambda book, bad: book.digests(open_only=bad)],
    "backup": [lambda book, bad: book.backup(bad)],
    "watch": [
        lambda book, bad: next(book.watch(bad)),
        lambda book, bad: next(book.watch(0, mark=[bad])),
        lambda book, bad: next(book.watch(0, hotkeys=bad)),
        lambda book, bad: next(book.watch(0, hotkeys=[bad])),
        lambda book, bad: next(book.watch(0, open_only=bad)),
        lambda book, bad: next(book.watch(0, with_snapshot=bad)),
    ],
    "changed_since": [
        lambda book, bad: book.changed_since(bad),
        lambda book, bad: book.changed_since(0, open_too=bad),
        lambda book, bad: book.changed_since(0, hotkeys=bad),
        lambda book, bad: book.changed_since(0, hotkeys=[bad]),
    ],
}
TIMED: dict[str, Use] = {
    "save": lambda book, bad: book.save(position(), timeout_s=bad),
    "save_many": lambda book, bad: book.save_many([position()], timeout_s=bad),
    "save_stream": lambda book, bad: list(book.save_stream([position()], timeout_s=bad)),
    "delete": lambda book, bad: book.delete("hk", "u", timeout_s=bad),
    "get": lambda book, bad: book.get("hk", "u", timeout_s=bad),
    "open_position": lambda book, bad: book.open_position("hk", "T", timeout_s=bad),
    "open_positions": lambda book, bad: book.open_positions("hk", timeout_s=bad),
    "positions": lambda book, bad: book.positions("hk", timeout_s=bad),
    "book": lambda book, bad: list(book.book(timeout_s=bad)),
    "hotkeys": lambda book, bad: book.hotkeys(timeout_s=bad),
    "clear": lambda book, bad: book.clear("hk", expected_count=9, timeout_s=bad),
    "place_order": lambda book, bad: book.place_order("hk", "T", order(), timeout_s=bad),
    "close_position": lambda book, bad: book.close_position("hk", "T", price=1, timeout_s=bad),
    "close_all": lambda book, bad: book.close_all(["T"], timeout_s=bad),
    "exposure": lambda book, bad: book.exposure("hk", timeout_s=bad),
    "order_span": lambda book, bad: book.order_span(timeout_s=bad),
    "trade_pairs": lambda book, bad: book.trade_pairs(timeout_s=bad),
    "split": lambda book, bad: book.split("hk", "u", timeout_s=bad),
    "split_all": lambda book, bad: book.split_all(timeout_s=bad),
    "split_stats": lambda book, bad: book.split_stats("hk", timeout_s=bad),
    "digests": lambda book, bad: book.digests(timeout_s=bad),
    "status": lambda book, bad: book.status(timeout_s=bad),
    "verify": lambda book, bad: book.verify(timeout_s=bad),
    "rebuild": lambda book, bad: book.rebuild(timeout_s=bad),
    "reload": lambda book, bad: book.reload(timeout_s=bad),
    "backup": lambda book, bad: book.backup("/nowhere/x", timeout_s=bad),
    "watch": lambda book, bad: next(book.watch(0, timeout_s=bad)),
    "changed_since": lambda book, bad: book.changed_since(0, timeout_s=bad),
}
WRONG = [0.5, "\x00", "\ud800", b"\xff", object(), datetime(2024, 1, 1), ["\ud800"], [[]]]


@pytest.mark.parametrize("bad", WRONG, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize(
    "use", [pytest.param(u, id=f"{m}-{n}") for m, us in USES.items() for n, u in enumerate(us)]
)
@pytest.mark.usefixtures("unchanged")
def test_a_method_refuses_what_cannot_be(client: hotbook.Client, use: Use, bad: object) -> None:
    """A float, a naive datetime, a lone surrogate or a wrong type is an InvalidArgument."""
    with pytest.raises(hotbook.InvalidArgument):
        use(client, bad)


@pytest.mark.parametrize("bad", ["soon", [1], float("nan")], ids=repr)
@pytest.mark.parametrize("method", TIMED)
@pytest.mark.usefixtures("unchanged")
def test_a_timeout_is_a_number(client: hotbook.Client, method: str, bad: object) -> None:
    """A timeout that is no number of seconds is an InvalidArgument, for every method."""
    with pytest.raises(hotbook.InvalidArgument, match="timeout_s"):
        TIMED[method](client, bad)


def test_every_public_method_is_tried() -> None:
    """A method that is added to the client is added to the tables here."""
    methods = {
        name: inspect.signature(method)
        for name, method in inspect.getmembers(hotbook.Client, inspect.isfunction)
        if not name.startswith("_")
    }
    timed = {name for name, made in methods.items() if "timeout_s" in made.parameters}
    asking = {name for name in timed if set(methods[name].parameters) - {"self", "timeout_s"}}

    assert (timed, asking) == (set(TIMED), set(USES))


@pytest.mark.parametrize("all_or_nothing", [True, False])
@pytest.mark.usefixtures("unchanged")
def test_a_wrong_position_ends_a_stream_in_an_error(
    client: hotbook.Client, all_or_nothing: bool
) -> None:
    """None among positions is refused: what follows it is not left out in silence."""
    wrong: Any = [None, position("after")]
    with pytest.raises(hotbook.InvalidArgument):
        list(client.save_stream(wrong))
    with pytest.raises(hotbook.InvalidArgument):
        client.save_many(wrong, all_or_nothing=all_or_nothing)


@pytest.mark.usefixtures("unchanged")
def test_too_large_a_position_is_told_by_name(client: hotbook.Client) -> None:
    """A position over the server's limit is MessageTooLarge, whatever way it is sent."""
    source = PriceSource(source="s", extra={"a": "x" * 250_000})
    fills = tuple(
        Order(order_uuid=f"o{n}", type=Side.LONG, processed_ms=1, price_sources=(source,))
        for n in range(20)
    )
    with pytest.raises(hotbook.MessageTooLarge):
        client.save(closed("large", orders=fills))
    answers = client.save_many([closed("large", orders=fills)])
    assert [type(answer) for answer in answers] == [hotbook.MessageTooLarge]
    with pytest.raises(hotbook.MessageTooLarge):
        list(client.save_stream([closed("large", orders=fills)]))
