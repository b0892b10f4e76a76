"""The Market service over real gRPC: bars, marks, steps; restarts, followers and bad input."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import CampaignsStub, MarketStub, OperationsStub
from hotbook_shared.status import error_from_call
from tests.client.test_retry import PATIENCE_S, served
from tests.grpc.test_lifecycle import serving

Code = grpc.StatusCode
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000


class Desk:
    """The stubs of one server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.market: Any = MarketStub(channel)  # type: ignore[no-untyped-call]
        self.campaigns: Any = CampaignsStub(channel)  # type: ignore[no-untyped-call]
        self.operations: Any = OperationsStub(channel)  # type: ignore[no-untyped-call]

    def push(self, *bars: pb.Bar, **asked: Any) -> Any:
        request = pb.PushBarsRequest(bars=bars, **asked)
        return self.market.PushBars(request, timeout=PATIENCE_S)

    def pair(self, trade_pair: str, **asked: Any) -> Any:
        request = pb.GetMarketRequest(trade_pairs=[trade_pair], **asked)
        (found,) = self.market.GetMarket(request, timeout=PATIENCE_S).pairs
        return found

    def advance(self, to_ms: int) -> Any:
        return self.market.Advance(pb.AdvanceRequest(to_ms=to_ms), timeout=PATIENCE_S)

    def create(self, campaign_id: str, trade_pair: str, started_ms: int) -> Any:
        request = pb.CreateCampaignRequest(
            campaign_id=campaign_id, hotkey="hk", trade_pair=trade_pair, started_ms=started_ms
        )
        return self.campaigns.CreateCampaign(request, timeout=PATIENCE_S).campaign

    def state(self, campaign_id: str) -> Any:
        request = pb.GetCampaignRequest(campaign_id=campaign_id)
        return self.campaigns.GetCampaign(request, timeout=PATIENCE_S).campaign.state

    def revision(self) -> Any:
        return self.operations.Status(pb.StatusRequest(), timeout=PATIENCE_S).revision


@contextlib.contextmanager
def desk_at(target: str) -> Iterator[Desk]:
    with grpc.insecure_channel(target) as channel:
        yield Desk(channel)


@pytest.fixture(scope="module")
def desk(shared_target: str) -> Iterator[Desk]:
    """A server whose steps follow the clock. Each test has trade pairs of its own."""
    with desk_at(shared_target) as made:
        yield made


@pytest.fixture
def replay() -> Iterator[Desk]:
    """A server whose steps are made by hand."""
    with serving(market_clock="manual") as made, desk_at(made.target) as desk:
        yield desk


def bar(trade_pair: str, at_ms: int, close: str = "1", volume: str = "1") -> pb.Bar:
    return pb.Bar(trade_pair=trade_pair, at_ms=at_ms, close=close, volume=volume)


@contextlib.contextmanager
def refused(status: grpc.StatusCode, code: str, field: str = "") -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as failed:
        yield
    error = error_from_call(failed.value)
    assert (failed.value.code(), error.code) == (status, code), error.message
    if field:
        assert error.details["field"] == field


# -------------------------------------------------------------------- bars and marks


def test_bars_move_the_mark_and_its_volume(desk: Desk) -> None:
    """What was pushed is what the market says, at the revision of the answer."""
    now_ms = time.time_ns() // 1_000_000
    bars = [bar("MOVES", now_ms - 20_000 + n, f"1.{n:02}", str(n)) for n in range(1, 21)]

    reply = desk.push(*bars, bar("MOVES", now_ms - 90_000, "9"))

    assert (reply.accepted, reply.stale, reply.revision) == (20, 1, desk.revision())
    assert reply.durability == pb.DURABILITY_MEMORY
    found = desk.pair("MOVES")
    assert (found.price, found.at_ms, found.is_fresh) == ("1.20", now_ms - 19_980, True)
    assert 19_000 < found.age_ms < 19_980 + 1_000 * PATIENCE_S
    assert (found.average_volume, found.last_volume) == ("10.5", "20")
    assert (found.bars, found.is_ready, found.volume_level) == (20, True, pb.VOLUME_HIGH)


def test_a_pair_that_nobody_has_pushed_has_a_name_alone(desk: Desk) -> None:
    """No mark is an entry without a price, not an error."""
    assert desk.pair("NOBODY") == pb.PairMarket(trade_pair="NOBODY", average_volume="0")


def test_every_mark_is_in_the_market_by_name(replay: Desk) -> None:
    """Without names all pairs that have a mark come, in order."""
    replay.push(bar("B", 5), bar("A", 5), bar("C", 5))
    reply = replay.market.GetMarket(pb.GetMarketRequest(), timeout=PATIENCE_S)
    assert [pair.trade_pair for pair in reply.pairs] == ["A", "B", "C"]
    assert (reply.revision, reply.generation) == (3, 1)


def test_a_request_id_counts_bars_once(desk: Desk) -> None:
    """The same request again has the same answer and no effect; another body is refused."""
    bars = [bar("ONCE", 10, volume="5"), bar("ONCE", 20, volume="7")]
    first = desk.push(*bars, request_id="push-1")
    desk.push(bar("ONCE", 30, volume="9"))

    assert desk.push(*bars, request_id="push-1") == first
    assert desk.pair("ONCE").bars == 3
    with refused(Code.FAILED_PRECONDITION, "REQUEST_REUSED"):
        desk.push(bar("ONCE", 40), request_id="push-1")


def test_the_volume_of_a_campaign_begins_with_its_range(desk: Desk) -> None:
    """With a campaign the average is of the bars since its range last changed (S1-25)."""
    desk.push(bar("RANGE", 10, volume="100"), bar("RANGE", 20, volume="100"))
    made = desk.create("in-range", "RANGE", START_MS)
    desk.push(bar("RANGE", 30, volume="7"))

    own, whole = desk.pair("RANGE", campaign_id="in-range"), desk.pair("RANGE")

    assert made.range_bar == 2
    assert (own.bars, own.average_volume, own.is_ready) == (1, "7", False)
    assert (whole.bars, whole.average_volume) == (3, "69")
    with refused(Code.NOT_FOUND, "NOT_FOUND"):
        desk.pair("RANGE", campaign_id="no-such")


GOOD = {"trade_pair": "BAD", "at_ms": 5, "close": "1", "volume": "1"}

NO_FIGURES = (
    "NaN", "sNaN", "Infinity", "-inf", "-0.1", "one", "1_0", " 1", "1e10", "12345678901",
    "0.123456789", "1e-9", "0E+400", "٣", "1\n",
)  # fmt: skip
NO_PRICES = ("", "0", "0.0", "0E-8", "-1", "-0")

BAD_BARS: list[tuple[dict[str, object], str]] = [
    ({"trade_pair": ""}, "trade_pair"),
    ({"trade_pair": "A B"}, "trade_pair"),
    ({"trade_pair": "x" * 33}, "trade_pair"),
    ({"at_ms": 0}, "at_ms"),
    ({"at_ms": -1}, "at_ms"),
    ({"at_ms": 2**62}, "at_ms"),
]
BAD_BARS += [({"close": text}, "close") for text in NO_PRICES + NO_FIGURES]
BAD_BARS += [({"volume": text}, "volume") for text in NO_FIGURES]


@pytest.mark.parametrize(("changed", "field"), BAD_BARS, ids=str)
def test_a_wrong_bar_is_refused_by_name_and_none_of_its_message_counts(
    desk: Desk, changed: dict[str, Any], field: str
) -> None:
    """The refusal names the bar and its field; the bars beside it change nothing either."""
    before = desk.revision()

    with refused(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", f"bars[1].{field}"):
        desk.push(bar("BESIDE", 5), pb.Bar(**{**GOOD, **changed}), bar("BESIDE", 6))

    assert desk.revision() == before


GOOD_FIGURES = [
    # as it is sent     as the mark has it
    ("9999999999.99999999", "9999999999.99999999"),
    ("0.00000001", "0.00000001"),
    ("1e-8", "0.00000001"),
    ("1E+9", "1000000000"),
    ("007.50", "7.50"),
]


@pytest.mark.parametrize(("sent", "stands"), GOOD_FIGURES)
def test_figures_at_the_limits_are_taken_exactly(desk: Desk, sent: str, stands: str) -> None:
    """Ten integer digits and eight decimals, however they are written; told without exponents."""
    name = f"AT-{sent}"
    desk.push(bar(name, 5, sent, sent))
    found = desk.pair(name)
    assert (found.price, found.last_volume) == (stands, stands)


def test_a_message_has_a_bar_and_not_too_many(desk: Desk) -> None:
    """Nothing, and more than items_max, is refused."""
    for count in (0, 10_001):
        with refused(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", "bars"):
            desk.push(*[bar("MANY", 5)] * count)
    names = ["MANY"] * 10_001
    with refused(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", "trade_pairs"):
        desk.market.GetMarket(pb.GetMarketRequest(trade_pairs=names), timeout=PATIENCE_S)


# -------------------------------------------------------------------- the stream


def messages(trade_pair: str, times: Sequence[int]) -> list[pb.PushBarsRequest]:
    return [pb.PushBarsRequest(bars=[bar(trade_pair, at_ms)]) for at_ms in times]


def test_a_stream_answers_each_message_in_order(desk: Desk) -> None:
    """More messages than the window: one answer each, and each message saw those before it."""
    times = [*range(1, 301), *range(1, 301)]

    replies = list(desk.market.PushBarStream(iter(messages("FLOW", times)), timeout=PATIENCE_S))

    assert [(m.accepted, m.stale) for m in replies] == [(1, 0)] * 300 + [(0, 1)] * 299 + [(1, 0)]
    revisions = [reply.revision for reply in replies]
    assert revisions == sorted(revisions)
    assert desk.pair("FLOW").bars == 20


def test_a_message_that_is_refused_ends_the_stream_after_the_answers(desk: Desk) -> None:
    """Those before it stand and are answered; it and those behind it change nothing."""
    sent = messages("ENDS", range(1, 41))
    sent[30].bars[0].close = "NaN"
    replies = []

    with refused(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", "bars[0].close"):
        for reply in desk.market.PushBarStream(iter(sent), timeout=PATIENCE_S):
            replies.append(reply)  # noqa: PERF402 - what came before the refusal

    assert len(replies) == 30
    assert desk.pair("ENDS").at_ms == 30


def test_an_idle_stream_and_waiters_do_not_hold_up_the_stop(tmp_path: Path) -> None:
    """A server that stops tells both that it does, and ends at once."""
    gone = threading.Event()

    def idle() -> Iterator[pb.PushBarsRequest]:
        yield messages("IDLE", [1])[0]
        gone.wait(PATIENCE_S)

    def wait(desk: Desk) -> None:
        asked = pb.WaitForGenerationRequest(generation=10**9)
        with refused(Code.UNAVAILABLE, "UNAVAILABLE"):
            desk.market.WaitForGeneration(asked, timeout=PATIENCE_S)

    def stop() -> int:
        process.send(signal.SIGTERM)
        return process.ended(5)

    with (
        served(tmp_path / "s", drain_s=20) as process,
        desk_at(process.target) as desk,
        ThreadPoolExecutor(1) as pool,
    ):
        waiter = pool.submit(wait, desk)
        stream = desk.market.PushBarStream(idle(), timeout=PATIENCE_S)
        assert next(stream).accepted == 1
        assert stop() == 0
        with refused(Code.UNAVAILABLE, "UNAVAILABLE"):
            next(stream)
        gone.set()
        waiter.result(PATIENCE_S)


# -------------------------------------------------------------------- steps


def test_steps_are_made_by_hand_where_the_clock_is_manual(replay: Desk) -> None:
    """A step has what was pushed since the last; ages are by the time of steps and bars."""
    replay.push(bar("A", START_MS), bar("B", START_MS))
    first = replay.advance(START_MS)
    replay.push(bar("B", START_MS + MINUTE_MS))
    second = replay.advance(START_MS + MINUTE_MS)

    assert (first.generation, first.step_ms, list(first.fresh)) == (2, START_MS, ["A", "B"])
    assert (second.generation, list(second.fresh)) == (3, ["B"])
    assert (replay.pair("A").age_ms, replay.pair("A").is_fresh) == (MINUTE_MS, False)
    assert (replay.pair("B").age_ms, replay.pair("B").is_fresh) == (0, True)
    assert replay.advance(START_MS + MINUTE_MS) == second, "asked again"
    with refused(Code.FAILED_PRECONDITION, "OUT_OF_ORDER", "to_ms"):
        replay.advance(START_MS)
    with refused(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", "to_ms"):
        replay.advance(-1)


def test_a_step_fails_what_is_overdue_strictly_after_its_deadline(replay: Desk) -> None:
    """At the deadline a campaign lives; a millisecond later it has failed, by the step's time."""
    made = replay.create("due", "EXPIRES", START_MS)
    assert made.deadline_ms == START_MS + 72 * HOUR_MS

    replay.advance(made.deadline_ms)
    assert replay.state("due") == pb.CAMPAIGN_FORMING
    replay.advance(made.deadline_ms + 1)
    assert replay.state("due") == pb.CAMPAIGN_FAILED


def test_live_steps_are_nobodys_to_make(desk: Desk) -> None:
    """Where the clock is live Advance is not supported."""
    with refused(Code.UNIMPLEMENTED, "UNSUPPORTED"):
        desk.advance(START_MS)


def test_who_waits_for_a_step_sees_all_of_it(replay: Desk) -> None:
    """Many wait for one generation: all wake with the same set, and with the campaigns failed."""
    made = replay.create("due", "EXPIRES", START_MS)
    request = pb.WaitForGenerationRequest(generation=2)
    waiting = [
        replay.market.WaitForGeneration.future(request, timeout=PATIENCE_S) for _ in range(20)
    ]
    replay.push(bar("A", 5))

    step = replay.advance(made.deadline_ms + 1)

    assert [one.result(PATIENCE_S) for one in waiting] == [step] * 20
    assert replay.state("due") == pb.CAMPAIGN_FAILED
    assert replay.market.WaitForGeneration(request, timeout=PATIENCE_S) == step, "there already"


def test_waiting_ends_with_the_deadline(replay: Desk) -> None:
    """A generation that does not come is waited for until the caller's deadline."""
    request = pb.WaitForGenerationRequest(generation=2**64 - 1)
    with pytest.raises(grpc.RpcError) as late:
        replay.market.WaitForGeneration(request, timeout=0.2)
    assert late.value.code() is Code.DEADLINE_EXCEEDED


# -------------------------------------------------------------------- restarts and followers


def test_marks_survive_the_death_of_the_server(tmp_path: Path) -> None:
    """After kill -9 a mark has its price, its age and its volumes, which go on where they stood;
    generations begin anew, and nothing is fresh."""
    with served(tmp_path / "s", volume_window=3) as process:
        now_ms = time.time_ns() // 1_000_000
        with desk_at(process.target) as desk:
            desk.push(*[bar("LIVES", now_ms - HOUR_MS + n, str(n), str(n)) for n in range(1, 5)])
            before = desk.pair("LIVES")
            desk.push(bar("FRESH", now_ms))
            assert desk.pair("FRESH").is_fresh
        process.kill()
        process.start()
        with desk_at(process.target) as desk:
            after = desk.pair("LIVES")
            reply = desk.market.GetMarket(pb.GetMarketRequest(), timeout=PATIENCE_S)
            assert not any(pair.is_fresh for pair in reply.pairs)
            assert reply.generation <= 2, "anew; a step may have begun meanwhile"
            assert after.age_ms >= max(before.age_ms, HOUR_MS - 4)
            before.age_ms = after.age_ms = 0
            assert after == before
            desk.push(bar("LIVES", now_ms, "5", "10"))
            found = desk.pair("LIVES")
            assert (found.bars, found.average_volume[:4]) == (3, "5.66")


def test_a_follower_has_the_market_and_takes_no_bars() -> None:
    """Marks and freshness arrive with the feed; bars and steps are for the leader."""
    with (
        server() as leader,
        server(follow=leader, market_clock="manual") as follower,
        desk_at(leader) as writer,
        desk_at(follower) as reader,
    ):
        now_ms = time.time_ns() // 1_000_000
        pushed = writer.push(bar("FOLLOWED", now_ms, "2.5"))
        until_s = time.monotonic() + PATIENCE_S
        while reader.revision() < pushed.revision:
            assert time.monotonic() < until_s, "the follower has not caught up"

        assert reader.pair("FOLLOWED").price == "2.5"
        with refused(Code.FAILED_PRECONDITION, "READ_ONLY"):
            reader.push(bar("FOLLOWED", now_ms + 1))
        with refused(Code.FAILED_PRECONDITION, "READ_ONLY"):
            list(reader.market.PushBarStream(iter(messages("F", [1])), timeout=PATIENCE_S))
        with refused(Code.FAILED_PRECONDITION, "READ_ONLY"):
            reader.advance(now_ms)
