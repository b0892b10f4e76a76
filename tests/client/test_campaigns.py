"""Campaigns and legs through every face of the client, against a real server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import grpc
import pytest
from msgspec.structs import replace

import hotbook
from hotbook import (
    AddedPattern,
    Campaign,
    CampaignState,
    Client,
    ExitReason,
    Pattern,
    PatternFiling,
    PatternType,
    Side,
)
from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import hotbook_pb2_grpc as stubs
from tests.conformance.scripted_server import ScriptedServer, scripted_server
from tests.faces import Connect
from tests.make import CLOSE_MS, OPEN_MS

HOUR_MS = 3_600_000
ACTIVE, FORMING, DORMANT = CampaignState.ACTIVE, CampaignState.FORMING, CampaignState.DORMANT


@pytest.fixture(scope="module")
def manual_target() -> Iterator[str]:
    """A server whose time is what tests say, and whose pages are small."""
    settings = {"page_size_default": 3, "campaigns_live_max": 8}
    with server(market_clock="manual", **settings) as target:
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


def pattern(name: str, hours: int = 0, **changed: Any) -> Pattern:
    fields: dict[str, Any] = {
        "signal_id": name,
        "type": PatternType.SPRING,
        "at_ms": OPEN_MS + hours * HOUR_MS,
        "price": Decimal("100.5"),
    }
    return Pattern(**fields | changed)


def campaign_of(added: AddedPattern) -> Campaign:
    assert added.campaign is not None
    return added.campaign


LONG: dict[str, Any] = {
    "pattern_type": PatternType.SPRING, "side": Side.LONG, "entry": Decimal(100),
    "shares": Decimal(10), "stop": Decimal(95), "opened": OPEN_MS,
}  # fmt: skip


# -------------------------------------------------------------------- patterns


def test_a_pattern_comes_back_as_it_was_sent(book: Client, hk: str) -> None:
    """Every field of it, with the campaign that it began; exact to the last digit."""
    sent = pattern(
        "s1",
        support=Decimal("99.00000001"),
        resistance=Decimal("120.50"),
        volume_ratio=Decimal("0.7"),
        extra={"why": ["wick", 1]},
    )
    added = book.add_pattern(
        hk, "BTCUSD", sent, range_id="r", timeframe="15m", account_size=Decimal(100_000)
    )

    made = campaign_of(added)
    assert (added.created, added.repeated, added.version) == (True, False, 1)
    assert made.patterns == (sent,)
    assert (made.hotkey, made.trade_pair, made.range_id, made.timeframe) == (
        hk, "BTCUSD", "r", "15m",
    )  # fmt: skip
    assert (made.state, made.phase, made.started_ms) == (FORMING, "C", OPEN_MS)
    assert (made.support, made.resistance) == (sent.support, sent.resistance)
    assert made.risk_limit == Decimal(5_000)
    assert book.campaign(added.campaign_id) == made


def test_patterns_are_filed_until_a_campaign_is_active(book: Client, hk: str) -> None:
    """The second makes it ACTIVE; the same again changes nothing and says so; other content under
    its name is refused, and so is a version that does not stand."""
    first = book.add_pattern(hk, "BTCUSD", pattern("s1"), expected_version=0)
    second = book.add_pattern(hk, "BTCUSD", pattern("s2", 1), expected_version=1)
    again = book.add_pattern(hk, "BTCUSD", pattern("s2", 1))

    assert (second.created, second.campaign_id) == (False, first.campaign_id)
    assert campaign_of(second).state is ACTIVE
    assert (again.repeated, again.version) == (True, 2)
    with pytest.raises(hotbook.SignalReused):
        book.add_pattern(hk, "BTCUSD", pattern("s2", 2))
    with pytest.raises(hotbook.VersionConflict) as conflict:
        book.add_pattern(hk, "BTCUSD", pattern("s3", 2), expected_version=1)
    assert conflict.value.current_version == 2


def test_many_patterns_are_filed_as_one_by_one(book: Client, hk: str) -> None:
    """Across requests of five hundred: an answer each, in order, and refusals at their places."""
    hotkeys = [f"{hk}-{number}" for number in range(260)]
    filings = [
        PatternFiling(hotkey=hotkey, trade_pair="BTCUSD", pattern=pattern(name, hours))
        for hotkey in hotkeys
        for name, hours in (("s1", 0), ("s2", 1))
    ]
    filings.insert(7, PatternFiling(hotkey="no spaces", trade_pair="T", pattern=pattern("s")))

    answers = book.add_patterns(iter(filings))

    refused = answers.pop(7)
    assert isinstance(refused, hotbook.InvalidArgument)
    added = cast(list[AddedPattern], answers)
    assert [(one.created, one.version) for one in added] == [(True, 1), (False, 2)] * 260
    one_by_one = [
        book.add_pattern(f"{hk}-alone", "BTCUSD", pattern(name, hours))
        for name, hours in (("s1", 0), ("s2", 1))
    ]
    alone = campaign_of(one_by_one[1])
    found = book.campaign(added[-1].campaign_id)
    assert found is not None
    assert (found.patterns, found.state, found.phase) == (alone.patterns, alone.state, alone.phase)


def test_each_of_many_patterns_may_expect_a_version(book: Client, hk: str) -> None:
    """0: it begins a campaign; otherwise that of the one it is filed into, as those before it in
    the same call have left it."""
    expected = (0, 0, 1, 1, None)
    answers = book.add_patterns(
        PatternFiling(
            hotkey=hk,
            trade_pair="BTCUSD",
            pattern=pattern(f"s{number}", number),
            expected_version=version,
        )
        for number, version in enumerate(expected)
    )

    told = [one.version if isinstance(one, AddedPattern) else one.code for one in answers]
    assert told == [1, "VERSION_CONFLICT", 2, "VERSION_CONFLICT", 3]


def test_a_version_that_is_none_is_named(book: Client, hk: str) -> None:
    """Whatever is changed: a number beyond all versions is refused as such, by its field."""
    greatest = 2**64 - 1
    filing = PatternFiling(
        hotkey=hk, trade_pair="T", pattern=pattern("s"), expected_version=greatest
    )
    (refused,) = book.add_patterns([filing])
    assert isinstance(refused, hotbook.InvalidArgument)
    assert refused.field == "patterns[0].expected_version"
    acts: list[Callable[[], object]] = [
        lambda: book.delete(hk, "u", expected_version=greatest),
        lambda: book.add_pattern(hk, "T", pattern("s"), expected_version=greatest),
        lambda: book.transition_campaign("c", ACTIVE, expected_version=greatest),
        lambda: book.complete_campaign("c", expected_version=greatest),
        lambda: book.fail_campaign("c", "why", expected_version=greatest),
        lambda: book.delete_campaign("c", expected_version=greatest),
        lambda: book.add_leg("c", **LONG, expected_version=greatest),
        lambda: book.close_leg("c", "u", Decimal(1), expected_version=greatest),
    ]
    for act in acts:
        with pytest.raises(hotbook.InvalidArgument) as invalid:
            act()
        assert invalid.value.field == "expected_version"


def test_old_patterns_begin_nothing_where_the_clock_is_live(connect: Connect, hk: str) -> None:
    """What would be overdue at once is refused, alone and among many; so the timer finds nothing,
    whenever it comes."""
    now_ms = round(time.time() * 1_000)
    ages = (100, 73, 71, 40)
    filings = [
        PatternFiling(
            hotkey=hk, trade_pair=f"P{n}",
            pattern=pattern(f"s{n}", at_ms=now_ms - age * HOUR_MS),
        )
        for n, age in enumerate(ages)
    ]  # fmt: skip
    with server() as target, connect(target, timeout_s=20) as live:
        with pytest.raises(hotbook.OutOfOrder, match="market_clock"):
            live.add_pattern(hk, "P0", filings[0].pattern)
        many = live.add_patterns(filings)

    told = [one.created if isinstance(one, AddedPattern) else one.code for one in many]
    assert told == ["OUT_OF_ORDER", "OUT_OF_ORDER", True, True]


def test_what_cannot_be_sent_refuses_all_patterns(book: Client, hk: str) -> None:
    """A float among the prices: it is named, and nothing was filed."""
    good = PatternFiling(hotkey=hk, trade_pair="BTCUSD", pattern=pattern("s1"))
    bad = PatternFiling(
        hotkey=hk, trade_pair="BTCUSD", pattern=pattern("s2", price=cast(Decimal, 1.5))
    )

    with pytest.raises(hotbook.InvalidArgument, match=r"pattern\.price"):
        book.add_patterns([good, bad])
    assert book.campaigns(hotkey=hk) == []
    assert book.add_patterns([]) == []


# -------------------------------------------------------------------- campaigns


def test_a_campaign_goes_its_way(book: Client, hk: str) -> None:
    """Created with all that it may have; dormant, active, completed; each step a version, and one
    outside the table is refused with both states."""
    made = book.create_campaign(
        hk,
        "BTCUSD",
        campaign_id=f"{hk}-c",
        range_id="r",
        timeframe="4h",
        started=datetime(2024, 12, 12, 10, 40, tzinfo=UTC),
        support=Decimal(90),
        resistance=Decimal(110),
        account_size=Decimal(1_000),
        risk_limit=Decimal(20),
        allocation=Decimal("12.5"),
    )
    assert (made.campaign_id, made.started_ms, made.timeframe) == (f"{hk}-c", OPEN_MS, "4h")
    assert (made.risk_limit, made.allocation) == (Decimal(20), Decimal("12.5"))
    with pytest.raises(hotbook.AlreadyExists):
        book.create_campaign(hk, "BTCUSD", campaign_id=f"{hk}-c")

    with pytest.raises(hotbook.IllegalTransition) as refused:
        book.complete_campaign(made.campaign_id)
    assert refused.value.states == ("FORMING", "COMPLETED")
    rests = book.transition_campaign(made.campaign_id, DORMANT, expected_version=1)
    lives = book.transition_campaign(made.campaign_id, ACTIVE)
    ended = book.complete_campaign(
        made.campaign_id, Decimal("111.25"), ExitReason.TARGET_HIT, at=CLOSE_MS, expected_version=3
    )

    assert [rests.state, lives.state, ended.state] == [DORMANT, ACTIVE, CampaignState.COMPLETED]
    assert (ended.exit_price, ended.exit_reason, ended.ended_ms, ended.version) == (
        Decimal("111.25"), ExitReason.TARGET_HIT, CLOSE_MS, 4,
    )  # fmt: skip
    assert book.campaign(made.campaign_id) == ended


def test_a_campaign_fails_and_one_without_legs_goes(book: Client, hk: str) -> None:
    """A failure has its reason; a campaign with legs stays."""
    one, two = (book.create_campaign(hk, pair, started=OPEN_MS) for pair in ("BTCUSD", "ETHUSD"))
    book.add_leg(two.campaign_id, **LONG)
    failed = book.fail_campaign(one.campaign_id, "range broke", at=CLOSE_MS)

    assert (failed.state, failed.failure_reason) == (CampaignState.FAILED, "range broke")
    assert book.delete_campaign(one.campaign_id) is True
    assert book.delete_campaign(one.campaign_id) is False
    assert book.campaign(one.campaign_id) is None
    with pytest.raises(hotbook.HasLegs) as refused:
        book.delete_campaign(two.campaign_id)
    assert refused.value.legs == 1
    assert "has 1 leg, and" in refused.value.message


def test_campaigns_are_listed_by_state_hotkey_and_pair(book: Client, hk: str) -> None:
    """Over all pages, in order of creation; the live ones with the last touched first."""
    made = [
        book.create_campaign(hk, f"P{n % 2}", campaign_id=f"{hk}-{n}", started=OPEN_MS + n)
        for n in range(8)
    ]
    book.transition_campaign(made[5].campaign_id, ACTIVE)
    book.fail_campaign(made[2].campaign_id, "over")

    def names(**asked: Any) -> list[int]:
        found = book.campaigns(**{"hotkey": hk} | asked)
        return [int(one.campaign_id.rpartition("-")[2]) for one in found]

    assert names() == list(range(8))
    assert names(trade_pair="P1") == [1, 3, 5, 7]
    assert names(states=ACTIVE) == names(states="ACTIVE") == [5]
    assert names(states=[CampaignState.FAILED, ACTIVE]) == [2, 5]
    assert names(live=True, trade_pair="P0") == [6, 4, 0]
    assert names(hotkey="nobody") == []
    everyone = book.campaigns()
    assert {one.campaign_id for one in made} <= {one.campaign_id for one in everyone}


# -------------------------------------------------------------------- legs


def test_totals_follow_legs_and_marks(book: Client, hk: str) -> None:
    """Two legs, one of them closed, and a mark: every figure exact, with eight decimals."""
    pair = f"{hk}-pair"
    made = book.create_campaign(hk, pair, started=OPEN_MS)
    first = book.add_leg(
        made.campaign_id,
        pattern_type=PatternType.SPRING,
        side=Side.LONG,
        entry=Decimal("100.00"),
        shares=Decimal(10),
        stop=Decimal(95),
        opened=OPEN_MS,
        position_uuid=f"{hk}-one",
        signal_id="sig",
        timeframe="1h",
        extra={"note": "first"},
        expected_version=1,
    )
    second = book.add_leg(made.campaign_id, **LONG | {"entry": Decimal(103)})
    assert (first.leg.position_uuid, first.leg.campaign_id) == (f"{hk}-one", made.campaign_id)
    assert (first.leg.signal_id, first.leg.timeframe, dict(first.leg.extra)) == (
        "sig", "1h", {"note": "first"},
    )  # fmt: skip
    assert (first.campaign_version, second.campaign_version) == (2, 3)
    assert f"{second.totals.weighted_avg_entry:f}" == "101.50000000"

    closed = book.close_leg(made.campaign_id, f"{hk}-one", Decimal(106), CLOSE_MS)
    assert closed.leg.realized_pnl == Decimal(60)
    pushed = book.update_marks({pair: Decimal("107.5")}, at=CLOSE_MS)
    assert (pushed.accepted, pushed.stale) == (1, 0)

    found = book.get_campaign_positions(made.campaign_id)
    assert [leg.position_uuid for leg in found.positions] == [
        second.leg.position_uuid, f"{hk}-one",
    ]  # fmt: skip
    totals = found.totals
    assert (totals.open_count, totals.closed_count, found.campaign_version) == (1, 1, 4)
    assert [f"{number:f}" for number in (totals.total_shares, totals.weighted_avg_entry)] == [
        "10.00000000", "103.00000000",
    ]  # fmt: skip
    assert [f"{number:f}" for number in (totals.total_risk, totals.total_pnl, totals.open_pnl)] == [
        "80.00000000", "105.00000000", "45.00000000",
    ]  # fmt: skip
    assert (totals.mark, totals.marked_ms) == (Decimal("107.5"), CLOSE_MS)
    with pytest.raises(hotbook.LegClosed):
        book.close_leg(made.campaign_id, f"{hk}-one", Decimal(106))


def test_legs_come_over_all_pages_with_totals_of_all(book: Client, hk: str) -> None:
    """Pages of three, put together; without closed legs, whose results still count."""
    made = book.create_campaign(hk, f"{hk}-pair", started=OPEN_MS)
    legs = [
        book.add_leg(
            made.campaign_id, **LONG | {"opened": OPEN_MS + n, "position_uuid": f"{hk}{n}"}
        )
        for n in range(8)
    ]
    for gone in legs[:2]:
        book.close_leg(made.campaign_id, gone.leg.position_uuid, Decimal(101), CLOSE_MS)

    whole = book.get_campaign_positions(made.campaign_id)
    still = book.get_campaign_positions(made.campaign_id, include_closed=False)

    order = [*range(2, 8), 0, 1]
    assert [leg.position_uuid for leg in whole.positions] == [f"{hk}{n}" for n in order]
    assert whole.positions[:6] == still.positions
    assert still.totals == whole.totals
    assert f"{still.totals.realized_pnl:f}" == "20.00000000"
    nothing = book.get_campaign_positions(book.create_campaign(hk, "X").campaign_id)
    assert (nothing.positions, f"{nothing.totals.total_pnl:f}") == ((), "0.00000000")
    with pytest.raises(hotbook.NotFound):
        book.get_campaign_positions("nobody")


def test_large_ones_come_in_pages_like_frames(book: Client, hk: str, manual_target: str) -> None:
    """A page ends where a frame would, however many were asked for; all of them come."""
    extra = {"note": "y" * 200_000}
    for n in range(4):
        book.add_pattern(hk, f"{hk}-{n}", pattern("s", extra=extra), timeframe="1d")
    names = [one.campaign_id for one in book.campaigns(hotkey=hk)]
    for n in range(4):
        book.add_leg(names[0], **LONG | {"position_uuid": f"{hk}{n}", "extra": extra})

    assert len(names) == 4
    legs = book.get_campaign_positions(names[0]).positions
    assert [leg.position_uuid for leg in legs] == [f"{hk}{n}" for n in range(4)]
    with grpc.insecure_channel(manual_target) as channel:
        stub = stubs.CampaignsStub(channel)  # type: ignore[no-untyped-call]
        found = stub.ListCampaigns(pb.ListCampaignsRequest(hotkey=hk, page_size=5_000))
        assert (len(found.campaigns), bool(found.next_page_token)) == (3, True)
        asked = pb.CampaignPositionsRequest(campaign_id=names[0], page_size=5_000)
        held = stub.CampaignPositions(asked)
        assert (len(held.positions), bool(held.next_page_token)) == (3, True)


def legs_page(version: int, token: str, uuid: str) -> pb.CampaignPositionsReply:
    leg = pb.Position(hotkey="hk", position_uuid=uuid, trade_pair="T", open_ms=1)
    return pb.CampaignPositionsReply(
        revision=version,
        campaign_version=version,
        totals=pb.CampaignTotals(campaign_id="c", total_pnl=f"{version}"),
        positions=[leg],
        next_page_token=token,
    )


def test_a_campaign_that_changes_between_pages_is_read_anew(
    scripted: ScriptedServer, scripted_book: Client
) -> None:
    """No answer mixes two versions; one that never stands still is told after three tries."""
    scripted.answers(
        "CampaignPositions",
        legs_page(1, "t", "a"),
        legs_page(2, "", "b"),
        legs_page(2, "t", "c"),
        legs_page(2, "", "d"),
    )
    found = scripted_book.get_campaign_positions("c")
    assert [leg.position_uuid for leg in found.positions] == ["c", "d"]
    assert (found.campaign_version, found.totals.total_pnl) == (2, Decimal(2))

    scripted.answers(
        "CampaignPositions", *(legs_page(n, "t" if n % 2 else "", "a") for n in range(1, 7))
    )
    with pytest.raises(hotbook.PageExpired):
        scripted_book.get_campaign_positions("c")
    assert len(scripted.seen["CampaignPositions"]) == 6


def test_a_leg_that_was_read_is_saved_again(book: Client, hk: str) -> None:
    """With the longest result that there is; rewritten or opened again it is refused."""
    made = book.create_campaign(hk, "BTCUSD", started=OPEN_MS)
    edge = {"entry": Decimal("9999999999.99999999"), "shares": Decimal("9999999999.99999997")}
    leg = book.add_leg(made.campaign_id, **LONG | edge).leg
    book.close_leg(made.campaign_id, leg.position_uuid, Decimal("0.00000001"), CLOSE_MS)
    held = book.get(hk, leg.position_uuid)
    assert held is not None
    assert held.realized_pnl == Decimal("-99999999999999999500.0000000000000006")

    book.save(held)
    for changed in ({"realized_pnl": Decimal(0)}, {"close_ms": None}):
        with pytest.raises(hotbook.LegClosed):
            book.save(replace(held, **changed))
    found = book.get_campaign_positions(made.campaign_id)
    assert (found.totals.closed_count, found.campaign_version) == (1, 4)


def test_statistics_count_results(book: Client, hk: str) -> None:
    """Zero-valued where there is nothing; a result of exactly 0 is even."""
    empty = book.campaign_statistics(hotkey=hk)
    assert (empty.total, f"{empty.win_rate:f}", f"{empty.total_result:f}") == (
        0, "0.00000000", "0.00000000",
    )  # fmt: skip
    for number, exit_price in enumerate((Decimal(110), Decimal(97), Decimal(100))):
        made = book.create_campaign(hk, f"S{number}", started=OPEN_MS)
        leg = book.add_leg(made.campaign_id, **LONG).leg
        book.transition_campaign(made.campaign_id, ACTIVE)
        book.close_leg(made.campaign_id, leg.position_uuid, exit_price, CLOSE_MS)
        book.complete_campaign(made.campaign_id, reason=ExitReason.STOP_OUT, at=CLOSE_MS)

    found = book.campaign_statistics(hotkey=hk)
    assert (found.won, found.lost, found.even) == (1, 1, 1)
    assert (found.by_state["COMPLETED"], found.by_exit_reason["STOP_OUT"]) == (3, 3)
    assert (found.total_result, found.best_result) == (Decimal(70), Decimal(100))
    assert book.campaign_statistics(hotkey=hk, trade_pair="S1").lost == 1
