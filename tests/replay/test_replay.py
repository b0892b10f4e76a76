"""Replays: lock-step, the same book in every run, and participants that do not stay."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import pytest

from hotbook_server.config import Settings
from hotbook_server.market import Freshness
from hotbook_server.replay import Market, ReplayBook, Step, Strategy
from hotbook_server.replay.examples import HELD_STEPS, RangeBreak
from hotbook_shared.campaign import CampaignState, CampaignTotals, Pattern
from hotbook_shared.errors import PortfolioLeverageExceeded, Stale
from hotbook_shared.market import Generation, PairMarket, VolumeLevel
from hotbook_shared.model import PatternType, Position, Side, utc
from hotbook_shared.volume import RollingVolume, level_of
from tests.replay.tapes import (
    Does,
    OnStep,
    Row,
    at_ms,
    bar,
    examples,
    order,
    prices,
    replayed,
    walk,
)

TENTH = Decimal("0.1")
DEADLINE_S = 30


class Campaigner:
    """Files patterns, opens legs on them and closes them: campaigns as they are used."""

    def __init__(self, hotkey: str) -> None:
        self._hotkey = hotkey

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> None:
        for pair in sorted(market.fresh):
            price = market.price(pair)
            assert price is not None
            live = book.live_campaigns(self._hotkey, pair)
            if step.number % 40 == 1:
                seen = Pattern(signal_id=f"{pair}-{step.number}", type=PatternType.SPRING,
                               at_ms=step.at_ms, price=price, support=price)  # fmt: skip
                book.add_pattern(self._hotkey, pair, seen, account_size=Decimal(1_000_000))
            if live and step.number % 20 == 5:
                book.add_leg(live[0].campaign_id, pair, Side.LONG, shares=Decimal(10),
                             stop=Decimal("0.5") * price.quantize(Decimal("0.01")),
                             pattern_type=PatternType.SPRING)  # fmt: skip
        if step.number % 50 == 30:
            for leg in book.open_positions(self._hotkey):
                assert leg.campaign_id is not None
                book.close_leg(leg.campaign_id, leg)


class Rival:
    """Trades for itself, and beside its rivals for a hotkey that is theirs together: who is first
    there changes what it holds. At its last step it leaves, or raises."""

    def __init__(self, name: str, last_step: int, *, raises: bool = False) -> None:
        self._name = name
        self._last_step = last_step
        self._raises = raises

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> bool:
        if step.number % 7 == 0:
            side = Side.FLAT if step.number % 14 else Side.LONG
            for pair in sorted(market.fresh):
                book.place_order(self._name, pair, side, leverage=TENTH)
        for pair in sorted(market.fresh)[step.number % 3 :][:1]:
            leverage = Decimal(len(self._name)) / 10
            book.place_order("all", pair, Side.SHORT, leverage=leverage)
            if book.has_open("all", pair):
                book.close_position("all", pair)
        if step.number == self._last_step and self._raises:
            raise ValueError("on purpose")
        return step.number < self._last_step


def crowd() -> dict[str, Strategy]:
    """Ten strategies: two of them leave and two raise, while the others go on."""
    return {
        **examples(),
        **{name: Campaigner(name) for name in ("campaigner", "other-campaigner")},
        "rival": Rival("rival", 1_000),
        "third-rival": Rival("third-rival", 1_000),
        "leaves": Rival("leaves", 31),
        "leaves-late": Rival("leaves-late", 77),
        "raises": Rival("raises", 42, raises=True),
        "raises-late": Rival("raises-late", 99, raises=True),
    }


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them, so that none comes back in the
    order in which it began."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("hasty_threads")
def test_every_run_ends_in_the_same_book(settings: Settings) -> None:
    """S1-17: eight runs of ten strategies, of which some leave and some raise on the way, on one
    thread and on eight, end in books that are equal to the last bit."""
    rows = walk(120)
    found = []
    for number in range(8):
        threads = 8 if number % 2 else 1
        replay, report = replayed(rows, crowd(), settings, threads=threads)
        assert not list(replay.book.problems())
        assert all(one.done for one in report.strategies)
        assert report.campaigns
        found.append((report.digest, report.revision, report.hotkeys, report.strategies))
    assert all(one == found[0] for one in found)
    ends = {one.name: (one.steps, one.has_failed) for one in found[0][3] if one.ended}
    assert ends == {
        "leaves": (31, False), "leaves-late": (77, False),
        "raises": (42, True), "raises-late": (99, True),
    }  # fmt: skip


def test_eight_threads_run_eight_at_once(settings: Settings) -> None:
    """Eight strategies on eight threads are all in their step at the same moment, and come back in
    the opposite order of their names; what they ask for is still done by name, as on one thread."""
    names = "abcdefgh"

    def waits(name: str, all_here: threading.Barrier, back: dict[str, threading.Event]) -> OnStep:
        def act(step: Step, market: Market, book: ReplayBook) -> None:
            book.place_order("hk", f"P-{name}", Side.LONG, leverage=Decimal(6), price=Decimal(1))
            all_here.wait(DEADLINE_S)
            if name != names[-1]:
                assert back[chr(ord(name) + 1)].wait(DEADLINE_S)
            back[name].set()

        return act

    digests = []
    for threads in (8, 8, 8, 1):
        all_here = threading.Barrier(threads)
        back = {name: threading.Event() for name in names}
        if threads == 1:
            for event in back.values():
                event.set()
        strategies: dict[str, Strategy] = {
            name: Does(waits(name, all_here, back)) for name in reversed(names)
        }
        replay, report = replayed(prices(1), strategies, settings, threads=threads)
        assert not report.has_failed, report.strategies
        assert list(replay.book.positions.open_by_pair["hk"]) == ["P-a"]
        digests.append(report.digest)
    assert len(set(digests)) == 1


class Recomputed(RangeBreak):
    """The same trader, who works the average volume out anew at each step."""

    def __init__(self, hotkey: str, level: VolumeLevel, *, with_it: bool) -> None:
        super().__init__(hotkey, level, with_it=with_it)
        self._volumes: dict[str, deque[Decimal]] = {}

    def on_step(self, step: Step, market: Market, book: ReplayBook) -> None:
        for pair in market.fresh:
            mark = market.mark(pair)
            assert mark is not None
            assert mark.last_volume is not None
            self._volumes.setdefault(pair, deque(maxlen=20)).append(mark.last_volume)
        super().on_step(step, market, book)

    def _side(self, pair: PairMarket, price: Decimal, closes: deque[Decimal]) -> Side | None:
        volumes = self._volumes[pair.trade_pair]
        total = sum(volumes, Decimal(0))
        anew = PairMarket(
            trade_pair=pair.trade_pair,
            volume_level=level_of(volumes[-1], total, len(volumes)),
            is_ready=len(volumes) == 20,
        )
        assert pair.average_volume == RollingVolume(20, volumes).mean
        return super()._side(anew, price, closes)


@pytest.mark.parametrize(("level", "with_it"), [(VolumeLevel.LOW, False), (VolumeLevel.HIGH, True)])
def test_rolling_volume_trades_like_recomputed(
    settings: Settings, level: VolumeLevel, with_it: bool
) -> None:
    """S1-32: by rolling volume, carried on from bar to bar, and by volume that is worked out anew
    at each step, a strategy places the same orders and ends with the same result."""
    rows = [row for row in walk(300) if "hotkey" not in row]
    ends = [
        replayed(rows, {"trader": kind("trader", level, with_it=with_it)}, settings)[1]
        for kind in (RangeBreak, Recomputed)
    ]
    assert ends[0].positions > 5
    assert ends[0].realized_pnl
    for name in ("digest", "realized_pnl", "positions"):
        assert getattr(ends[0], name) == getattr(ends[1], name)


def test_all_see_one_generation(settings: Settings) -> None:
    """S1-17: at each step all participants see the same generation, with the pairs that have a bar
    in that minute, and the same revision of the book."""
    rows, seen = walk(100), [list[tuple[int, Generation, int]]() for _ in range(6)]

    def logs(into: list[tuple[int, Generation, int]]) -> OnStep:
        return lambda step, market, book: into.append(
            (step.number, market.generation, book.revision)
        )

    strategies: dict[str, Strategy] = {f"s{n}": Does(logs(into)) for n, into in enumerate(seen)}
    replayed(rows, strategies | examples(), settings, threads=8)
    assert all(log == seen[0] for log in seen)
    assert [number for number, _, _ in seen[0]] == list(range(1, 101))
    for number, generation, _ in seen[0]:
        due = {row["trade_pair"] for row in rows
               if row["time"] == at_ms(number - 1) and "hotkey" not in row}  # fmt: skip
        assert generation.fresh == due
        assert generation.step_ms == at_ms(number - 1)
        assert generation.generation == number + 1


def test_a_step_is_whole_before_anybody_looks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1-11: the generation is swapped once a step, after its bars, and before anybody wakes."""
    told: list[str] = []
    real = Freshness.advance

    def advance(self: Freshness, to_ms: int) -> Generation:
        made = real(self, to_ms)
        told.append(f"swapped {made.generation}")
        assert self.current() is made
        return made

    monkeypatch.setattr(Freshness, "advance", advance)

    def looks(step: Step, market: Market, book: ReplayBook) -> None:
        told.append(f"looked at {market.generation.generation}")
        assert market.pair("ANYTHING").at_ms == step.at_ms

    replayed(prices(50), {"a": Does(looks), "b": Does(looks)}, settings, threads=2)
    expected = [[f"swapped {n}", *[f"looked at {n}"] * 2] for n in range(2, 52)]
    assert told == [line for lines in expected for line in lines]


def test_nobody_sees_what_another_asks_at_the_same_step(settings: Settings) -> None:
    """What is asked at a step is there at the next one, for everybody, whatever their names."""
    seen: dict[str, list[bool]] = {"a": [], "z": []}

    def looks(name: str) -> OnStep:
        def act(step: Step, market: Market, book: ReplayBook) -> None:
            if name == "m" and step.number == 2:
                book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH)
            if name in seen:
                seen[name].append(book.has_open("hk", "ANYTHING"))

        return act

    replayed(prices(4), {name: Does(looks(name)) for name in "amz"}, settings, threads=3)
    assert seen == {"a": [False, False, True, True], "z": [False, False, True, True]}


def test_asks_are_done_in_the_order_of_names(settings: Settings) -> None:
    """Of two who want what the portfolio has room for once, the first by name gets it, on any
    number of threads, even where it is the last to return; the other is told at its next step."""
    told: dict[str, list[str]] = {"a": [], "b": []}

    def wants(name: str, threads: int, returned: threading.Event) -> OnStep:
        def act(step: Step, market: Market, book: ReplayBook) -> None:
            told[name] += [refusal.code for refusal in book.refusals]
            if step.number == 1:
                if name == "b":
                    returned.set()
                elif threads > 1:
                    assert returned.wait(DEADLINE_S)
                book.place_order("hk", f"P-{name}", Side.LONG, leverage=Decimal(6),
                                 price=Decimal(1))  # fmt: skip

        return act

    for threads in (1, 4):
        returned = threading.Event()
        strategies: dict[str, Strategy] = {
            name: Does(wants(name, threads, returned)) for name in "ba"
        }
        replay, report = replayed(prices(3), strategies, settings, threads=threads)
        assert list(replay.book.positions.open_by_pair["hk"]) == ["P-a"]
        assert [one.refused for one in report.strategies] == [
            {},
            {PortfolioLeverageExceeded.code: 1},
        ]
        assert report.refusals[0].startswith("step 1, b: the portfolio leverage of hk")
    assert told == {"a": [], "b": [PortfolioLeverageExceeded.code] * 2}


def test_what_was_seen_stays_as_it_was(settings: Settings) -> None:
    """A market and a book of a step may be kept: they say the same at the end. Campaigns are asked
    of at their step alone."""
    kept: list[tuple[Market, ReplayBook, list[Position], PairMarket]] = []

    def keeps(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number % 7 == 0:
            kept.append((market, book, book.positions("breakout"), market.pair("BTCUSD")))

    replayed(walk(200), examples() | {"keeper": Does(keeps)}, settings)
    assert kept[-1][2] != kept[5][2]
    for market, book, positions, pair in kept:
        assert book.positions("breakout") == positions
        assert market.pair("BTCUSD") == pair
        assert (market.price("BTCUSD"), market.price("NONE")) == (pair.price, None)
        with pytest.raises(Stale):
            book.campaign_totals("any")


def test_a_position_is_decoded_once(settings: Settings) -> None:
    """While a position stands as it is, a participant is given the very same object at each step:
    it is decoded when it is first looked at, and anew when it has changed."""
    seen: list[Position] = []

    def looks(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number in (1, 6):
            book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH)
        if step.number > 1:
            (position,) = book.open_positions("hk")
            assert book.open_position("hk", "ANYTHING") is position
            seen.append(position)

    replayed(prices(10), {"l": Does(looks)}, settings)
    assert [len(position.orders) for position in seen] == [1] * 5 + [2] * 4
    assert all(position is seen[0] for position in seen[:5])
    assert all(position is seen[5] for position in seen[5:])


# ---------------------------------------------------------------------------- who does not stay


def counts(into: list[int]) -> Does:
    return Does(lambda step, market, book: into.append(step.number))


@pytest.mark.parametrize("threads", [1, 4])
def test_one_that_leaves(settings: Settings, threads: int) -> None:
    """Whoever returns False leaves, what it asked last is done, and the others go on."""
    steps: list[int] = []

    def leaves(step: Step, market: Market, book: ReplayBook) -> bool:
        if step.number == 3:
            book.place_order("leaver", "ANYTHING", Side.LONG, leverage=TENTH)
        return step.number < 3

    strategies: dict[str, Strategy] = {"leaver": Does(leaves), "other": counts(steps)}
    replay, report = replayed(prices(20), strategies, settings, threads=threads)
    assert steps == list(range(1, 21))
    left, stayed = report.strategies
    assert (left.steps, left.ended, left.has_failed, left.done) == (3, "left at step 3", False, 1)
    assert (stayed.steps, stayed.ended) == (20, "")
    assert replay.book.positions.open_on_pair("leaver", "ANYTHING") is not None


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("error", [ValueError("no such\nthing"), SystemExit(3)])
def test_one_that_raises(settings: Settings, threads: int, error: BaseException) -> None:
    """Whoever raises, whatever it is, is out and told where; nothing that it asked then is done."""
    steps: list[int] = []

    def raises(step: Step, market: Market, book: ReplayBook) -> None:
        book.place_order("raiser", f"P{step.number}", Side.LONG, leverage=TENTH, price=Decimal(1))
        if step.number == 3:
            raise error

    strategies: dict[str, Strategy] = {"raiser": Does(raises), "other": counts(steps)}
    replay, report = replayed(prices(20), strategies, settings, threads=threads)
    assert steps == list(range(1, 21))
    raised = next(one for one in report.strategies if one.name == "raiser")
    said = " ".join(str(error).split())
    assert raised.ended.startswith(f"raised at step 3: {type(error).__name__}: {said} (")
    assert __file__ in raised.ended
    assert report.has_failed
    assert len(replay.book.positions.by_hotkey["raiser"]) == raised.done == 2


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_one_that_hangs(settings: Settings, threads: int) -> None:
    """Whoever does not come back is left out; those behind it in the queue have their turn, and
    what it has asked, or asks when it wakes up at last, counts for nothing."""
    steps: dict[str, list[int]] = {"a": [], "z": []}
    let_go, gone = threading.Event(), threading.Event()

    def hangs(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number == 3:
            book.place_order("hanger", "ANYTHING", Side.LONG, leverage=TENTH)
            assert let_go.wait(DEADLINE_S)
            book.place_order("hanger", "ANYTHING", Side.LONG, leverage=TENTH)
            gone.set()

    def wakes(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number == 10:
            let_go.set()
            assert gone.wait(DEADLINE_S)

    strategies: dict[str, Strategy] = {name: counts(into) for name, into in steps.items()}
    strategies["hanger"] = Does(hangs)
    strategies["waker"] = Does(wakes)
    replay, report = replayed(prices(20), strategies, settings, threads=threads, step_timeout_s=0.3)
    assert gone.is_set()
    assert steps == {"a": list(range(1, 21)), "z": list(range(1, 21))}
    hung = next(one for one in report.strategies if one.name == "hanger")
    assert hung.ended == "took longer than 0.3 s at step 3: left out"
    assert hung.has_failed
    assert (hung.steps, hung.asked) == (3, 0)
    assert "hanger" not in replay.book.positions.by_hotkey


def test_all_gone(settings: Settings) -> None:
    """Where nobody is left the bars go on to the end, and the orders of the file."""
    rows = [*prices(20), order("ANYTHING", 15, "LONG")]
    replay, report = replayed(rows, {"a": Does(lambda *_: False)}, settings)
    assert (report.steps, report.strategies[0].steps) == (20, 1)
    assert replay.book.marks.by_pair["ANYTHING"].price == "119"
    assert report.open == 1


# ---------------------------------------------------------------------------- what is in the file


def test_orders_of_the_file(settings: Settings) -> None:
    """Orders are placed at their minute, by default at its close; what is refused is named."""
    rows = [
        *prices(10),
        order("ANYTHING", 2, "LONG", leverage="1", account_size="1000"),
        order("ANYTHING", 6, "FLAT", leverage=None, price="107.5"),
        order("NEVER", 4, "LONG"),
        order("BTCUSD", 5, "LONG", price="100", leverage="400"),
    ]
    replay, report = replayed(rows, {}, settings)
    (record,) = replay.book.positions.of_hotkey("miner")
    assert (record.open_ms, record.close_ms) == (at_ms(2), at_ms(6))
    assert (report.orders, report.orders_refused, report.positions) == (4, 2, 1)
    assert round(report.realized_pnl, 8) == round(1000 * Decimal("5.5") / 102, 8)
    assert report.refusals[0].startswith("step 5, row 13: order.price must be above 0")
    assert report.refusals[1].startswith("step 6, row 14: the leverage on BTCUSD")
    assert (report.hotkeys[0].won, report.hotkeys[0].lost, report.hotkeys[0].open) == (1, 0, 0)


def test_a_return_beyond_all_measure_is_reported(settings: Settings) -> None:
    """A hotkey whose position closes at 1e21 times its price has its row in the report like others,
    with 8 decimals and every digit before them."""
    rows = [
        *prices(2),
        order("ANYTHING", 0, "LONG", leverage="1", price="0.0000000001"),
        order("ANYTHING", 1, "FLAT", leverage=None, price="100000000000"),
        order("ANYTHING", 0, "LONG", hotkey="other", leverage="1", price="3"),
        order("ANYTHING", 1, "FLAT", hotkey="other", leverage=None, price="4"),
    ]
    report = replayed(rows, {}, settings)[1]
    huge, other = report.hotkeys
    assert (huge.hotkey, huge.won, huge.open) == ("miner", 1, 0)
    assert huge.mean_return > Decimal(10) ** 20
    assert huge.mean_return.as_tuple().exponent == other.mean_return.as_tuple().exponent == -8
    assert round(other.mean_return, 2) == Decimal("1.33")


def test_time_is_simulated(settings: Settings) -> None:
    """All that is written down has the time of its step, and no other."""
    times: set[int] = set()

    def trades(step: Step, market: Market, book: ReplayBook) -> None:
        assert step.at == utc(at_ms(step.number - 1))
        for position in book.positions("hk"):
            times.add(position.updated_ms)
        if step.number == 4:
            book.place_order("hk", "ANYTHING", Side.LONG, leverage=TENTH)
        if step.number == 8:
            book.close_position("hk", "ANYTHING")

    replay, _ = replayed(prices(10), {"t": Does(trades)}, settings)
    assert times == {at_ms(3), at_ms(7)}
    (record,) = replay.book.positions.of_hotkey("hk")
    assert (record.open_ms, record.close_ms) == (at_ms(3), at_ms(7))


def test_campaigns_move_with_the_marks(settings: Settings) -> None:
    """A pattern begins a campaign, a leg moves with each bar, is closed, and the campaign ends."""
    totals: list[CampaignTotals] = []
    states: list[CampaignState] = []

    def acts(step: Step, market: Market, book: ReplayBook) -> None:
        price = market.price("ANYTHING")
        assert price is not None
        if step.number <= 2:
            seen = Pattern(signal_id=f"s{step.number}", type=PatternType.SOS, at_ms=step.at_ms,
                           price=price)  # fmt: skip
            book.add_pattern("hk", "ANYTHING", seen)
            return
        campaign = next(iter(book.live_campaigns("hk", "ANYTHING")), None)
        if campaign is None:
            return
        assert book.campaign(campaign.campaign_id) == campaign
        found = book.campaign_totals(campaign.campaign_id)
        assert found is not None
        totals.append(found)
        states.append(campaign.state)
        if step.number == 3:
            book.add_leg(campaign.campaign_id, "ANYTHING", Side.LONG, shares=Decimal(10),
                         stop=Decimal(90), pattern_type=PatternType.SOS)  # fmt: skip
        if step.number == 6:
            book.close_leg(campaign.campaign_id, book.open_positions("hk")[0])
        if step.number == 8:
            book.complete_campaign(campaign.campaign_id)

    replay, report = replayed(prices(10), {"t": Does(acts)}, settings)
    assert set(states) == {CampaignState.ACTIVE}
    assert [one.open_pnl for one in totals] == [0, 10, 20, 30, 0, 0]
    assert [one.realized_pnl for one in totals] == [0, 0, 0, 0, 30, 30]
    assert [one.total_risk for one in totals] == [0, 120, 120, 120, 0, 0]
    assert report.strategies[0].asked == report.strategies[0].done == 5
    assert report.realized_pnl == 30
    (record,) = replay.book.campaigns.by_id.values()
    assert record.has_ended


def test_campaigns_expire_by_simulated_time(settings: Settings) -> None:
    """A campaign fails at the first step that is strictly after its deadline."""
    deadline = 72 * 60
    alive: list[tuple[int, int]] = []

    def acts(step: Step, market: Market, book: ReplayBook) -> None:
        if step.number == 1:
            seen = Pattern(signal_id="s", type=PatternType.SOS, at_ms=step.at_ms, price=Decimal(1))
            book.add_pattern("hk", "ANYTHING", seen)
        else:
            minute = (step.at_ms - at_ms(0)) // 60_000
            alive.append((minute, len(book.live_campaigns("hk", "ANYTHING"))))

    rows = [bar("ANYTHING", minute, "100") for minute in (0, 1, deadline, deadline + 1)]
    _, report = replayed(rows, {"t": Does(acts)}, settings)
    assert alive == [(1, 1), (deadline, 1), (deadline + 1, 0)]
    assert (report.expired, report.campaigns) == (1, 1)


def test_examples_trade_by_volume(settings: Settings) -> None:
    """Of a break of the range the true breakout takes the side on high volume, the fakeout the
    other on low volume; on normal volume, and before the average is ready, nobody trades."""

    def break_at(minute: int, volume: str, direction: int) -> list[Row]:
        quiet = [bar("ANYTHING", n, f"{100 + n % 2}") for n in range(minute)]
        return [*quiet, bar("ANYTHING", minute, str(100 + 10 * direction), volume),
                bar("ANYTHING", minute + 1, "100")]  # fmt: skip

    for minute, volume, direction, due in (
        (25, "30", 1, {"breakout": Side.LONG}),
        (25, "30", -1, {"breakout": Side.SHORT}),
        (25, "1", 1, {"fakeout": Side.SHORT}),
        (25, "1", -1, {"fakeout": Side.LONG}),
        (25, "10", 1, {}),
        (15, "30", 1, {}),
    ):
        taken: dict[str, Side | None] = {}

        def looks(step: Step, market: Market, book: ReplayBook, into: dict = taken) -> None:  # type: ignore[type-arg]
            for name in ("breakout", "fakeout"):
                for position in book.open_positions(name):
                    into[name] = position.side

        replayed(break_at(minute, volume, direction), examples() | {"l": Does(looks)}, settings)
        assert taken == due, (minute, volume, direction)


def test_an_example_meets_a_position_that_it_did_not_open(settings: Settings) -> None:
    """The file's own orders may be of its hotkey: such a position is closed in time as well."""
    rows = [bar("ANYTHING", n, "100") for n in range(HELD_STEPS + 5)]
    rows.append(order("ANYTHING", 1, "LONG", hotkey="fakeout"))
    replay, report = replayed(rows, examples(), settings)
    assert not report.has_failed
    assert (report.positions, report.open) == (1, 0)
    assert not list(replay.book.problems())
