"""The faces of the client agree: the same methods, asked the same, answer and fail the same.

What the answers are is tested in tests/client (over all faces as well); here they are compared.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import hotbook
from hotbook import (
    Bar,
    CampaignState,
    Client,
    ExitReason,
    HotbookError,
    Order,
    OrderSource,
    Pattern,
    PatternFiling,
    PatternType,
    Position,
    Side,
    aio,
)
from hotbook.testing import server
from hotbook_shared.errors import ERRORS
from tests.faces import FACES, Connect
from tests.make import CLOSE_MS, OPEN_MS, closed, leg, order, position

METHODS = {
    name: (method, getattr(aio.Client, name))
    for name, method in inspect.getmembers(Client, inspect.isfunction)
    if not name.startswith("_")
}


# -------------------------------------------------------------------- what they look like


def test_both_faces_have_the_same_methods() -> None:
    """What the one can be asked, the other can be asked."""
    theirs = {
        name
        for name, _ in inspect.getmembers(aio.Client, inspect.isfunction)
        if not name.startswith("_")
    }

    assert set(METHODS) == theirs


AWAITED = (("AsyncGenerator[", "Iterator["), (", None]", "]"), (" | AsyncIterable[Position]", ""))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_one_signature_on_both_faces(name: str) -> None:
    """The same parameters, kinds, defaults and types; an iterator becomes an asynchronous one."""
    told = []
    for method in METHODS[name]:
        text = str(inspect.signature(method))
        for ours, theirs in AWAITED:
            text = text.replace(ours, theirs)
        told.append(text)

    assert told[0] == told[1]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_told_in_the_same_words(name: str) -> None:
    """Each has a docstring on both faces: one text, but for who it is that writes a file."""
    blocking, awaited = (inspect.getdoc(method) for method in METHODS[name])

    assert blocking
    if name == "backup":
        assert awaited
        assert "calling thread" in blocking
        assert "event loop" in awaited
    else:
        assert awaited == blocking


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_asyncio_is_awaited_or_iterated(name: str) -> None:
    """Where the blocking one gives an iterator it gives an asynchronous one; else a coroutine."""
    blocking, awaited = METHODS[name]
    is_many = str(inspect.signature(blocking).return_annotation).startswith("Iterator[")

    assert inspect.iscoroutinefunction(awaited) is not is_many


def test_both_ways_to_connect_are_one() -> None:
    """`aio.connect` takes what `hotbook.connect` takes, and a bad target or timeout at once."""
    assert inspect.signature(aio.connect) == inspect.signature(hotbook.connect)
    for connect in (hotbook.connect, aio.connect):
        bad: list[tuple[Any, Any]] = [("nowhere", 1), (7, 1), ("a:1", "soon"), ("a:1", -1)]
        for target, timeout_s in bad:
            with pytest.raises(hotbook.InvalidArgument):
                connect(target, timeout_s=timeout_s)


# -------------------------------------------------------------------- what they answer


def to_split(hk: str) -> Position:
    orders = (
        order(0, order_uuid=f"{hk}-a", price=Decimal(100)),
        order(1, order_uuid=f"{hk}-b", type=Side.FLAT, leverage=None, price=Decimal(100)),
        order(2, order_uuid=f"{hk}-c", type=Side.SHORT, price=Decimal(100)),
    )
    return position(f"{hk}-p", hotkey=hk, orders=orders)


def fill(name: str, number: int = 0, leverage: str = "0.1", **changed: Any) -> Order:
    fields = {"order_uuid": name, "leverage": Decimal(leverage), "price": Decimal(100)}
    return order(number, **fields | changed)


def heavy(name: str) -> Position:
    weights = tuple(order(n, extra={"weight": "x" * 250_000}) for n in range(20))
    return closed(name, orders=weights)


def pattern(name: str, **changed: Any) -> Pattern:
    fields: dict[str, Any] = {"type": PatternType.SPRING, "at_ms": OPEN_MS, "price": Decimal(100)}
    return Pattern(signal_id=name, **fields | changed)


def filing(hotkey: str, number: int = 0) -> PatternFiling:
    """Each begins a campaign, for it is on a pair of its own."""
    return PatternFiling(hotkey=hotkey, trade_pair=f"P{number}", pattern=pattern(f"s{number}"))


def bar(number: int) -> Bar:
    at_ms = OPEN_MS + number * 1_000
    return Bar(trade_pair="T", at_ms=at_ms, close=Decimal(100), volume=Decimal(number))


LEG: dict[str, Any] = {
    "pattern_type": PatternType.LPS, "side": Side.LONG, "entry": Decimal(100),
    "shares": Decimal(1), "stop": Decimal(90),
}  # fmt: skip
FLAT = OrderSource.ELIMINATION_FLAT
Step = Callable[[Client, Path], object]
STEPS: list[Step] = [
    # Of an empty book.
    lambda book, _: book.hotkeys(),
    lambda book, _: list(book.book()),
    lambda book, _: book.order_span(),
    lambda book, _: book.save_many([]),
    lambda book, _: book.save_many([], all_or_nothing=True),
    lambda book, _: list(book.save_stream([])),
    lambda book, _: book.split_all(),
    lambda book, _: book.close_all([]),
    lambda book, _: book.digests(),
    lambda book, _: book.clear(expected_count=0),
    # Positions, and what the rules say of them.
    lambda book, _: book.save(position("a", extra={"k": [1]}), expected_version=0),
    lambda book, _: book.save(position("a"), expected_version=7),
    lambda book, _: book.save(position("a", trade_pair="ETHUSD")),
    lambda book, _: book.save(position("b")),
    lambda book, _: book.save(position("b"), replace_open=True),
    lambda book, _: book.save(leg("l")),
    lambda book, _: book.save(position("bad", hotkey="no spaces")),
    lambda book, _: book.save_many([position("c"), closed("d"), closed("e", close_ms=0)]),
    lambda book, _: book.save_many(iter([closed("f"), position("c")]), all_or_nothing=True),
    lambda book, _: book.save_many([closed(f"m{n}") for n in range(1_001)]),
    lambda book, _: book.save_many([closed("n"), heavy("h"), closed("o"), heavy("i")]),
    lambda book, _: list(book.save_stream(closed(f"s{n}", hotkey="s") for n in range(300))),
    lambda book, _: list(book.save_stream([position("s"), closed("s"), position("q", hotkey="")])),
    lambda book, _: book.get("hk", "b"),
    lambda book, _: book.get("hk", "nobody"),
    lambda book, _: book.open_position("hk", "BTCUSD"),
    lambda book, _: book.open_positions("hk"),
    lambda book, _: book.positions("hk", open_only=True),
    lambda book, _: book.positions(["s", "nobody", "hk"], opened_after=OPEN_MS - 1),
    lambda book, _: list(book.book()),
    lambda book, _: list(book.book(open_only=True)),
    lambda book, _: book.hotkeys(),
    lambda book, _: book.delete("hk", "d", expected_version=5),
    lambda book, _: book.delete("hk", "d"),
    lambda book, _: book.delete("hk", "d"),
    # Orders.
    lambda book, _: book.place_order("x", "BTCUSD", fill("x1"), account_size=Decimal(1_000)),
    lambda book, _: book.place_order("x", "BTCUSD", fill("x1")),
    lambda book, _: book.place_order("x", "BTCUSD", fill("x1", leverage="0.2")),
    lambda book, _: book.place_order("x", "BTCUSD", fill("x2", 1, "9")),
    lambda book, _: book.place_order("x", "T", fill("x3", leverage="9")),
    lambda book, _: book.place_order("x", "U", fill("x4", leverage="9")),
    lambda book, _: book.place_order(
        "x", "BTCUSD", fill("x5", 2, "0.3", type=Side.SHORT), on_flip="reverse"
    ),
    lambda book, _: book.place_order("x", "BTCUSD", fill("x6", 3), on_flip="sideways"),  # type: ignore[arg-type]
    lambda book, _: [book.place_order("y", "V", fill(f"y{n}", n, "0.01")) for n in range(3)],
    lambda book, _: book.exposure("x"),
    lambda book, _: book.close_position("x", "BTCUSD", price=Decimal(110), at=CLOSE_MS),
    lambda book, _: book.close_position("x", "BTCUSD", price=Decimal(110), at=CLOSE_MS),
    lambda book, _: book.close_position("x", position_uuid="nobody", source=FLAT),
    lambda book, _: book.close_all({"T": Decimal(90), "V": None}, at=CLOSE_MS),
    lambda book, _: book.close_all("T"),
    lambda book, _: book.order_span(),
    lambda book, _: book.trade_pairs(),
    # Splitting.
    lambda book, _: [book.save(to_split(hk)).version for hk in ("u", "v", "w")],
    lambda book, _: book.place_order("u", "BTCUSD", fill("u9", 9)),
    lambda book, _: book.save(position("w-c", hotkey="other")),
    lambda book, _: book.split("u", "u-p"),
    lambda book, _: book.split("u", "nobody"),
    lambda book, _: book.split("w", "w-p"),
    lambda book, _: book.split_all(dry_run=True),
    lambda book, _: book.split_all(),
    lambda book, _: book.split_stats("u"),
    # Campaigns and their legs.
    lambda book, _: book.campaign_statistics(),
    lambda book, _: book.campaigns(),
    lambda book, _: book.create_campaign("f", "T", campaign_id="c", started=OPEN_MS),
    lambda book, _: book.create_campaign("f", "T", campaign_id="c"),
    lambda book, _: book.add_pattern("f", "T", pattern("s1"), account_size=Decimal(1_000)),
    lambda book, _: book.add_pattern("f", "T", pattern("s1")),
    lambda book, _: book.add_pattern("f", "T", pattern("s1", price=Decimal(2))),
    lambda book, _: book.add_pattern("f", "T", pattern("s2", at_ms=1)),
    lambda book, _: [book.add_pattern("f", "T", pattern(f"s{n}")) for n in (3, 4)],
    lambda book, _: book.add_patterns([filing("g", n) for n in range(9)]),
    lambda book, _: book.add_patterns([filing("f", 1), filing("no spaces"), filing("f", 2)]),
    lambda book, _: book.add_patterns(
        [replace(filing("f", 3), expected_version=version) for version in (7, 0)]
    ),
    lambda book, _: book.create_campaign(
        "o", "U", campaign_id="d", account_size=Decimal(1_000), started=OPEN_MS
    ),
    lambda book, _: book.campaign("c"),
    lambda book, _: book.campaign("nobody"),
    lambda book, _: book.campaigns(states=[CampaignState.FORMING], hotkey="g"),
    lambda book, _: book.campaigns(live=True, hotkey="f"),
    lambda book, _: book.campaigns(live=True),
    lambda book, _: book.transition_campaign("d", CampaignState.DORMANT, expected_version=1),
    lambda book, _: book.transition_campaign("d", CampaignState.FORMING),
    lambda book, _: book.transition_campaign("nobody", CampaignState.ACTIVE),
    lambda book, _: book.add_leg("d", **LEG, opened=OPEN_MS, position_uuid="d-1"),
    lambda book, _: book.add_leg("d", **LEG | {"stop": Decimal(1)}, opened=OPEN_MS),
    lambda book, _: book.add_leg("d", **LEG | {"stop": Decimal(101)}),
    lambda book, _: book.delete("o", "d-1"),
    lambda book, _: book.complete_campaign("d"),
    lambda book, _: book.close_leg("d", "d-1", Decimal(99), OPEN_MS - 1),
    lambda book, _: book.close_leg("d", "d-1", Decimal(99), CLOSE_MS),
    lambda book, _: book.close_leg("d", "d-1", Decimal(99), CLOSE_MS),
    lambda book, _: book.get_campaign_positions("d"),
    lambda book, _: book.get_campaign_positions("d", False),
    lambda book, _: book.delete_campaign("d"),
    lambda book, _: book.complete_campaign(
        "d", Decimal(99), ExitReason.STOP_OUT, at=CLOSE_MS, expected_version=4
    ),
    lambda book, _: book.add_leg("d", **LEG),
    lambda book, _: book.fail_campaign("c", "it broke", at=CLOSE_MS),
    lambda book, _: book.delete_campaign("c"),
    lambda book, _: book.delete_campaign("c"),
    lambda book, _: book.campaign_statistics(hotkey="o", trade_pair="U"),
    # The market.
    lambda book, _: book.push_bars(bar(n % 1_400) for n in range(2_500)),
    lambda book, _: book.update_marks({"T": Decimal(7), "U": Decimal(8)}, CLOSE_MS),
    lambda book, _: book.update_marks({"T": Decimal(-7)}, CLOSE_MS),
    lambda book, _: book.advance(CLOSE_MS),
    lambda book, _: book.advance(OPEN_MS),
    lambda book, _: book.wait_for_generation(1),
    lambda book, _: book.market(["T", "nobody"], campaign_id="d"),
    lambda book, _: book.market(campaign_id="nobody"),
    lambda book, _: next(book.follow_campaigns(["d"])),
    lambda book, _: next(book.follow_campaigns(hotkeys="f", from_revision=2**62)),
    # What happened.
    lambda book, _: book.changed_since(0, hotkeys=["u"]),
    lambda book, _: book.changed_since(book.status().revision, open_too=True),
    lambda book, _: next(book.watch(book.status().revision - 1)).changes,
    lambda book, _: next(book.watch(0, with_snapshot=True, hotkeys="u")).snapshot,
    lambda book, _: next(book.watch(2**62)).changes,
    # Operating.
    lambda book, _: book.digests(open_only=True),
    lambda book, _: book.status(),
    lambda book, _: book.verify(),
    lambda book, _: book.rebuild(),
    lambda book, _: book.reload(),
    lambda book, folder: book.backup(folder / "b"),
    lambda book, folder: book.backup(folder / "b"),
    lambda book, folder: book.backup(folder / "nowhere" / "b"),
    lambda book, _: book.clear("s", expected_count=1),
    lambda book, _: book.clear("s", expected_count=300),
    lambda book, _: (book.close(), book.close()),  # type: ignore[func-returns-value]
    lambda book, _: book.status(),
]  # fmt: skip
OF_ONE_RUN = re.compile(
    r"127\.0\.0\.1:\d+|(?:book_id|data_dir|listen|mark)'?[=:] ?'[^']*'"
    r"|telemetry=\{.*?\}|/\S*/(?=\w+)"
    r"|(?:updated|started|now|last_activity|age)_ms=\d+|correlation_id'?: '\w+'"
    r"|digest='\w+'(?=, (?:started_ms|positions=\d+, open_positions))"  # of times as well
)
"""What no two runs have in common: where the server is, and the time of day."""


def told(made: object) -> str:
    """An answer or an error in full, without what is of this run alone."""
    if isinstance(made, list | tuple):
        return f"[{', '.join(told(one) for one in made)}]"
    if isinstance(made, HotbookError):
        made = f"{type(made).__name__}: {made.message} {sorted(made.details.items())}"
    return OF_ONE_RUN.sub("...", str(made))


def transcript(connect: Connect, folder: Path) -> Generator[str, None, None]:
    """What each step is told, by a server that has seen the steps before and nothing else."""
    folder.mkdir()
    settings = {"durability": "fsync", "data_dir": folder / "served", "position_orders_max": 2}
    settings |= {"market_clock": "manual", "campaign_patterns_max": 2}
    with server(**settings, page_size_default=100) as target:
        book = connect(target, timeout_s=20)
        for step in STEPS:
            try:
                yield told(step(book, folder))
            except HotbookError as error:
                yield told(error)


@contextmanager
def faces() -> Iterator[dict[str, Connect]]:
    with FACES["blocking"]() as blocking, FACES["asyncio"]() as awaited:
        yield {"blocking": blocking, "asyncio": awaited}


def test_the_same_calls_have_the_same_answers_and_errors(tmp_path: Path) -> None:
    """Two servers, one history told through each face: every answer and every error is the same."""
    with (
        faces() as connects,
        closing(transcript(connects["blocking"], tmp_path / "blocking")) as blocking,
        closing(transcript(connects["asyncio"], tmp_path / "asyncio")) as awaited,
    ):
        for number, (expected, found) in enumerate(zip(blocking, awaited, strict=True)):
            assert found == expected, f"step {number}: {inspect.getsource(STEPS[number])}"


def test_every_method_has_its_step() -> None:
    """A method that is added to the client is added to the history above."""
    source = inspect.getsource(inspect.getmodule(to_split) or object)
    asked = set(re.findall(r"book\.(\w+)\(", source.split("STEPS:")[1].split("OF_ONE_RUN")[0]))

    assert set(METHODS) - asked == set()


def test_the_history_meets_every_refusal(tmp_path: Path) -> None:
    """Every rule of the book has said no in it, so that each is compared."""
    heard = " ".join(transcript(hotbook.connect, tmp_path / "alone"))
    rules = {code: kind for code, kind in ERRORS.items() if issubclass(kind, hotbook.Refused)}
    by_others = {"REFUSED", "REQUEST_REUSED", "COOLING_DOWN", "READ_ONLY", "UNSUPPORTED"}

    assert {c for c, kind in rules.items() if f"{kind.__name__}:" not in heard} == by_others
