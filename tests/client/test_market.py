"""The market, and following campaigns, through every face of the client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import count
from typing import Any, cast

import pytest

import hotbook
from hotbook import Bar, CampaignNews, Client, PatternType, Side, VolumeLevel
from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.client.test_retry import PATIENCE_S, served
from tests.conformance.scripted_server import ScriptedServer, scripted_server
from tests.faces import Connect
from tests.make import OPEN_MS

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def manual_target() -> Iterator[str]:
    """A server whose time is what tests say."""
    with server(market_clock="manual", volume_window=3) as target:
        yield target


@pytest.fixture(scope="module")
def book(manual_target: str, connect: Connect) -> Iterator[Client]:
    with connect(manual_target, timeout_s=20) as client:
        yield client


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


@pytest.fixture(scope="module")
def scripted_book(scripted: ScriptedServer, connect: Connect) -> Iterator[Client]:
    with connect(scripted.target, timeout_s=20) as client:
        yield client


def bar(pair: str, minute: int, close: str = "100", volume: str | None = None) -> Bar:
    return Bar(
        trade_pair=pair,
        at_ms=OPEN_MS + minute * MINUTE_MS,
        close=Decimal(close),
        volume=None if volume is None else Decimal(volume),
    )


# -------------------------------------------------------------------- bars


def test_bars_move_marks_and_feed_volumes(book: Client, hk: str) -> None:
    """The newest price, the exact mean of the newest volumes, and how the last compares with it;
    a bar that is older than its pair's mark is counted, and changes nothing."""
    bars = [bar(hk, n, f"{100 + n}.5", volume) for n, volume in enumerate(("1", "2", "6"))]
    pushed = book.push_bars([*bars, bar(hk, 1, "7")])
    assert (pushed.accepted, pushed.stale) == (3, 1)

    view = book.market([hk, f"{hk}-none"])
    known, unknown = view.pairs
    assert (known.price, known.at_ms) == (Decimal("102.5"), OPEN_MS + 2 * MINUTE_MS)
    assert (known.average_volume, known.bars, known.is_ready) == (Decimal(3), 3, True)
    assert (known.last_volume, known.volume_level) == (Decimal(6), VolumeLevel.HIGH)
    assert (unknown.price, unknown.at_ms, unknown.age_ms, unknown.is_ready) == (
        None, None, None, False,
    )  # fmt: skip
    assert view.revision >= pushed.revision
    assert hk in [pair.trade_pair for pair in book.market().pairs]


def test_any_number_of_bars_goes_in_requests_of_a_thousand(book: Client, hk: str) -> None:
    """In their order: the last of 2,500 is the mark, and none is counted twice."""
    pushed = book.push_bars(bar(f"{hk}-{n % 2}", n, "100", "1") for n in range(2_500))

    assert (pushed.accepted, pushed.stale) == (2_500, 0)
    found = book.market([f"{hk}-0", f"{hk}-1"]).pairs
    assert [pair.at_ms for pair in found] == [OPEN_MS + n * MINUTE_MS for n in (2_498, 2_499)]
    assert book.push_bars([]).accepted == 0


def test_the_same_request_is_sent_again_where_no_answer_came(
    scripted: ScriptedServer, scripted_book: Client
) -> None:
    """A thousand bars whose answer was lost go again with their id; no others go before them."""
    done = pb.PushBarsReply(accepted=1_000, revision=7)
    scripted.answers("PushBars", done, hotbook.Unavailable("lost"), done, done)
    pushed = scripted_book.push_bars(bar("T", n) for n in range(3_000))

    asked = [pb.PushBarsRequest.FromString(request) for request in scripted.seen["PushBars"]]
    assert [request.bars[0].at_ms for request in asked] == [
        OPEN_MS + n * MINUTE_MS for n in (0, 1_000, 1_000, 2_000)
    ]
    assert asked[1] == asked[2]
    assert len({request.request_id for request in asked}) == 3
    assert (pushed.accepted, pushed.revision) == (3_000, 7)


class Boom(Exception):
    """What the caller's own generator raises."""


def test_an_error_of_the_callers_own_ends_a_push(book: Client, hk: str) -> None:
    """It is raised; the whole thousands before it stand, the bars right before it do not."""

    def bars() -> Iterator[Bar]:
        yield from (bar(hk, n) for n in range(1_500))
        raise Boom

    with pytest.raises(Boom):
        book.push_bars(bars())
    [found] = book.market([hk]).pairs
    assert found.at_ms == OPEN_MS + 999 * MINUTE_MS


def test_a_mark_is_a_bar_without_a_volume(book: Client, hk: str) -> None:
    """It moves the mark and leaves the average alone; without a time it is of now."""
    book.push_bars([bar(hk, 0, "100", "4")])
    book.update_marks({hk: Decimal("101.25"), f"{hk}-2": Decimal(7)})

    found = book.market([hk, f"{hk}-2"])
    assert [pair.price for pair in found.pairs] == [Decimal("101.25"), Decimal(7)]
    assert [pair.bars for pair in found.pairs] == [1, 0]
    assert found.pairs[0].at_ms == found.pairs[1].at_ms
    for bad in ([(hk, 1)], {hk: 1.5}, {hk: Decimal("NaN")}, {hk: None}):
        with pytest.raises(hotbook.InvalidArgument):
            book.update_marks(cast(Any, bad))


def test_a_campaigns_volume_is_that_since_its_range_changed(book: Client, hk: str) -> None:
    """The average of the bars that came after it, beside that of all."""
    book.push_bars([bar(hk, n, volume=v) for n, v in enumerate(("2", "4"))])
    made = book.create_campaign(hk, hk, started=OPEN_MS)
    pattern = hotbook.Pattern(
        signal_id="s",
        type=PatternType.SPRING,
        at_ms=OPEN_MS,
        price=Decimal(100),
        support=Decimal(99),
    )
    assert book.add_pattern(hk, hk, pattern).campaign_id == made.campaign_id
    book.push_bars([bar(hk, 2, volume="9")])

    [all_of_it], [its_own] = (
        book.market([hk], campaign_id=campaign_id).pairs for campaign_id in (None, made.campaign_id)
    )
    assert (all_of_it.average_volume, all_of_it.is_ready) == (Decimal(5), True)
    assert (its_own.average_volume, its_own.bars, its_own.is_ready) == (Decimal(9), 1, False)


def test_steps_are_published_one_whole_generation_after_the_other(connect: Connect) -> None:
    """`advance` makes what was pushed fresh; whoever waits for that generation is told of it."""
    with (
        server(market_clock="manual") as target,
        connect(target, timeout_s=20) as book,
    ):
        before = book.advance(OPEN_MS)
        book.push_bars([bar("A", 1), bar("B", 1)])
        now = book.advance(OPEN_MS + MINUTE_MS)

        assert now.generation == before.generation + 1
        assert now.fresh == {"A", "B"}
        assert book.wait_for_generation(now.generation) == now
        with pytest.raises(hotbook.DeadlineExceeded):
            book.wait_for_generation(now.generation + 1, timeout_s=0.2)
        assert book.advance(OPEN_MS + 2 * MINUTE_MS).fresh == frozenset()
    with server() as live, connect(live) as book, pytest.raises(hotbook.Unsupported):
        book.advance(OPEN_MS)


# -------------------------------------------------------------------- following


def frame(revision: int, *names: str, **fields: Any) -> pb.FollowFrame:
    updated = [
        pb.CampaignUpdated(
            campaign=pb.Campaign(campaign_id=name, state=pb.CAMPAIGN_ACTIVE),
            totals=pb.CampaignTotals(campaign_id=name),
        )
        for name in names
    ]
    return pb.FollowFrame(revision=revision, campaigns=updated, **{"is_last": True} | fields)


def taken(book: Client, many: int, **asked: Any) -> list[CampaignNews]:
    with closing(cast(Any, book.follow_campaigns(**asked))) as news:
        return [next(news) for _ in range(many)]


def test_a_follower_goes_on_from_what_it_has(
    scripted: ScriptedServer, scripted_book: Client
) -> None:
    """After a break from its last whole revision; where everything was being told anew, from
    nothing, for what it had before was to be forgotten."""
    lost = hotbook.Unavailable("lost")
    scripted.answers(
        "Follow",
        (
            frame(5, "a", is_reload=True, is_last=False),
            frame(5, "b"),
            frame(7, "a", mark="7th"),
            lost,
        ),
        (frame(9, "a", is_last=False), lost),
        (frame(8, "c", is_reload=True, is_last=False), lost),
        (frame(9, "a", is_reload=True), frame(11, removed=["a"])),
    )
    news = taken(scripted_book, 7, campaign_ids=["a", "b"], hotkeys="hk")

    asked = [pb.FollowRequest.FromString(request) for request in scripted.seen["Follow"]]
    since = [r.from_revision if r.HasField("from_revision") else None for r in asked]
    assert since[:4] == [None, 7, 7, None]
    assert [request.mark for request in asked[:4]] == ["", "7th", "7th", ""]
    assert [*asked[0].campaign_ids, *asked[0].hotkeys] == ["a", "b", "hk"]
    assert [one.revision for one in news] == [5, 5, 7, 9, 8, 9, 11]
    assert news[-1].removed == ("a",)


def test_following_tells_totals_as_marks_move(connect: Connect, hk: str, tmp_path: Any) -> None:
    """Everything as it stands first, then each campaign that changed with its totals; through a
    restart of the server, after which nothing is missing."""
    with (
        served(tmp_path / "served") as process,
        connect(process.target, timeout_s=PATIENCE_S) as book,
    ):
        made = book.create_campaign(hk, "BTCUSD")
        other = book.create_campaign("other", "ETHUSD")
        news = cast(Any, book.follow_campaigns(hotkeys=hk))
        with closing(news):
            first = next(news)
            assert (first.is_reload, first.is_last) == (True, True)
            assert [one.campaign.campaign_id for one in first.campaigns] == [made.campaign_id]

            book.add_leg(
                made.campaign_id,
                pattern_type=PatternType.SOS,
                side=Side.LONG,
                entry=Decimal(100),
                shares=Decimal(2),
                stop=Decimal(90),
                opened=OPEN_MS,
            )
            book.fail_campaign(other.campaign_id, "not followed")
            assert until(news, made.campaign_id, open_count=1).open_pnl == 0
            process.kill()
            process.start()
            book.update_marks({"BTCUSD": Decimal(103)})
            assert until(news, made.campaign_id, total_pnl=Decimal(6)).mark == Decimal(103)


def until(news: Iterator[CampaignNews], campaign_id: str, **wanted: Any) -> hotbook.CampaignTotals:
    """The totals of a campaign, once they are told with these figures. No other is told."""
    for number in count():
        assert number < 1_000, wanted
        for updated in next(news).campaigns:
            assert updated.campaign.campaign_id == campaign_id
            if all(getattr(updated.totals, name) == value for name, value in wanted.items()):
                return updated.totals
    raise AssertionError("it counts without end")
