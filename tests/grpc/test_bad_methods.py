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

LEG: dict[str, Any] = {
    "pattern_type": "SPRING", "side": "LONG", "entry": 2, "shares": 1, "stop": 1,
}  # fmt: skip


def pattern(**changed: Any) -> hotbook.Pattern:
    fields: dict[str, Any] = {"signal_id": "s", "type": "SPRING", "at_ms": 1, "price": 1}
    return hotbook.Pattern(**fields | changed)


def bar(**changed: Any) -> hotbook.Bar:
    fields: dict[str, Any] = {"trade_pair": "T", "at_ms": 1, "close": 1}
    return hotbook.Bar(**fields | changed)


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
        lambda book, bad: book.clear("hk", expected_count=0, expected_campaigns=bad),
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
    "add_pattern": [
        lambda book, bad: book.add_pattern(bad, "T", pattern()),
        lambda book, bad: book.add_pattern("hk", bad, pattern()),
        lambda book, bad: book.add_pattern("hk", "T", bad),
        lambda book, bad: book.add_pattern("hk", "T", pattern(signal_id=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(type=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(at_ms=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(price=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(support=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(volume_ratio=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(extra=bad)),
        lambda book, bad: book.add_pattern("hk", "T", pattern(), range_id=bad),
        lambda book, bad: book.add_pattern("hk", "T", pattern(), timeframe=bad),
        lambda book, bad: book.add_pattern("hk", "T", pattern(), account_size=bad),
        lambda book, bad: book.add_pattern("hk", "T", pattern(), expected_version=bad),
    ],
    "add_patterns": [
        lambda book, bad: book.add_patterns(bad),
        lambda book, bad: book.add_patterns([bad]),
        lambda book, bad: book.add_patterns(
            [
                hotbook.PatternFiling(
                    hotkey="hk", trade_pair="T", pattern=pattern(), expected_version=bad
                )
            ]
        ),
    ],
    "create_campaign": [
        lambda book, bad: book.create_campaign(bad, "T"),
        lambda book, bad: book.create_campaign("hk", bad),
        lambda book, bad: book.create_campaign("hk", "T", campaign_id=bad),
        lambda book, bad: book.create_campaign("hk", "T", range_id=bad),
        lambda book, bad: book.create_campaign("hk", "T", timeframe=bad),
        lambda book, bad: book.create_campaign("hk", "T", started=bad),
        lambda book, bad: book.create_campaign("hk", "T", support=bad),
        lambda book, bad: book.create_campaign("hk", "T", account_size=bad),
        lambda book, bad: book.create_campaign("hk", "T", risk_limit=bad),
        lambda book, bad: book.create_campaign("hk", "T", allocation=bad),
    ],
    "campaign": [lambda book, bad: book.campaign(bad)],
    "campaigns": [
        lambda book, bad: book.campaigns(states=bad),
        lambda book, bad: book.campaigns(states=[bad]),
        lambda book, bad: book.campaigns(live=bad, hotkey="hk"),
        lambda book, bad: book.campaigns(hotkey=bad),
        lambda book, bad: book.campaigns(trade_pair=bad),
    ],
    "transition_campaign": [
        lambda book, bad: book.transition_campaign(bad, "ACTIVE"),
        lambda book, bad: book.transition_campaign("c", bad),
        lambda book, bad: book.transition_campaign("c", "ACTIVE", expected_version=bad),
    ],
    "complete_campaign": [
        lambda book, bad: book.complete_campaign(bad),
        lambda book, bad: book.complete_campaign("c", bad),
        lambda book, bad: book.complete_campaign("c", reason=bad),
        lambda book, bad: book.complete_campaign("c", at=bad),
        lambda book, bad: book.complete_campaign("c", expected_version=bad),
    ],
    "fail_campaign": [
        lambda book, bad: book.fail_campaign(bad, "why"),
        lambda book, bad: book.fail_campaign("c", bad),
        lambda book, bad: book.fail_campaign("c", "why", at=bad),
        lambda book, bad: book.fail_campaign("c", "why", expected_version=bad),
    ],
    "delete_campaign": [
        lambda book, bad: book.delete_campaign(bad),
        lambda book, bad: book.delete_campaign("c", expected_version=bad),
    ],
    "campaign_statistics": [
        lambda book, bad: book.campaign_statistics(hotkey=bad),
        lambda book, bad: book.campaign_statistics(trade_pair=bad),
    ],
    "add_leg": [
        lambda book, bad: book.add_leg(bad, **LEG),
        *(
            lambda book, bad, name=name: book.add_leg("c", **LEG | {name: bad})
            for name in (
                *LEG,
                "opened",
                "position_uuid",
                "signal_id",
                "timeframe",
                "extra",
                "expected_version",
            )
        ),
    ],
    "close_leg": [
        lambda book, bad: book.close_leg(bad, "u", 1),
        lambda book, bad: book.close_leg("c", bad, 1),
        lambda book, bad: book.close_leg("c", "u", bad),
        lambda book, bad: book.close_leg("c", "u", 1, bad),
        lambda book, bad: book.close_leg("c", "u", 1, expected_version=bad),
    ],
    "get_campaign_positions": [
        lambda book, bad: book.get_campaign_positions(bad),
        lambda book, bad: book.get_campaign_positions("c", bad),
    ],
    "follow_campaigns": [
        lambda book, bad: next(book.follow_campaigns(bad)),
        lambda book, bad: next(book.follow_campaigns(hotkeys=bad)),
        lambda book, bad: next(book.follow_campaigns(trade_pairs=[bad])),
        lambda book, bad: next(book.follow_campaigns(from_revision=bad)),
        lambda book, bad: next(book.follow_campaigns(from_revision=0, mark=[bad])),
    ],
    "push_bars": [
        lambda book, bad: book.push_bars(bad),
        lambda book, bad: book.push_bars([bad]),
        lambda book, bad: book.push_bars([bar(trade_pair=bad)]),
        lambda book, bad: book.push_bars([bar(at_ms=bad)]),
        lambda book, bad: book.push_bars([bar(close=bad)]),
        lambda book, bad: book.push_bars([bar(volume=bad)]),
    ],
    "update_marks": [
        lambda book, bad: book.update_marks(bad),
        lambda book, bad: book.update_marks({"T": bad}),
        lambda book, bad: book.update_marks({"T": 1}, bad),
    ],
    "market": [
        lambda book, bad: book.market(bad),
        lambda book, bad: book.market([bad]),
        lambda book, bad: book.market(campaign_id=bad),
    ],
    "advance": [lambda book, bad: book.advance(bad)],
    "wait_for_generation": [lambda book, bad: book.wait_for_generation(bad)],
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
    "add_pattern": lambda book, bad: book.add_pattern("hk", "T", pattern(), timeout_s=bad),
    "add_patterns": lambda book, bad: book.add_patterns(
        [hotbook.PatternFiling(hotkey="hk", trade_pair="T", pattern=pattern())], timeout_s=bad
    ),
    "create_campaign": lambda book, bad: book.create_campaign("hk", "T", timeout_s=bad),
    "campaign": lambda book, bad: book.campaign("c", timeout_s=bad),
    "campaigns": lambda book, bad: book.campaigns(timeout_s=bad),
    "transition_campaign": lambda book, bad: book.transition_campaign("c", "ACTIVE", timeout_s=bad),
    "complete_campaign": lambda book, bad: book.complete_campaign("c", timeout_s=bad),
    "fail_campaign": lambda book, bad: book.fail_campaign("c", "why", timeout_s=bad),
    "delete_campaign": lambda book, bad: book.delete_campaign("c", timeout_s=bad),
    "campaign_statistics": lambda book, bad: book.campaign_statistics(timeout_s=bad),
    "add_leg": lambda book, bad: book.add_leg("c", **LEG, timeout_s=bad),
    "close_leg": lambda book, bad: book.close_leg("c", "u", 1, timeout_s=bad),
    "get_campaign_positions": lambda book, bad: book.get_campaign_positions("c", timeout_s=bad),
    "follow_campaigns": lambda book, bad: next(book.follow_campaigns(timeout_s=bad)),
    "push_bars": lambda book, bad: book.push_bars([bar()], timeout_s=bad),
    "update_marks": lambda book, bad: book.update_marks({"T": 1}, timeout_s=bad),
    "market": lambda book, bad: book.market(timeout_s=bad),
    "advance": lambda book, bad: book.advance(1, timeout_s=bad),
    "wait_for_generation": lambda book, bad: book.wait_for_generation(1, timeout_s=bad),
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
