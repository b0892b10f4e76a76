"""Alerts of risk: when they are raised, when not, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest

from hotbook_server import keeper
from hotbook_server.alerts import ALERTS_KEPT, Alerts
from hotbook_server.commands import AddLeg, CloseLeg, CreateCampaign, LegDone
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.live import Live, LivePart
from hotbook_shared.book import Book
from hotbook_shared.campaign import Alert
from hotbook_shared.money import to_places
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, Change
from tests.campaigning import campaign, changed, happen, leg_of
from tests.conftest import FakeClock, StartEngine
from tests.make import NOW_MS

PAUSE_MS = 300_000


class Desk:
    """A book with a campaign of 100 as its limit of risk, and alerts over it; each step is a
    commit, a second after the last."""

    def __init__(self, settings: Settings, **figures: str) -> None:
        self.book = Book()
        self.alerts = Alerts(settings)
        self.now_ms = NOW_MS
        self.owner = campaign(1, **{"risk_limit": "100", **figures})
        self.commit(Change.campaign_saved(self.owner))

    def commit(self, *changes: Change) -> list[Alert]:
        for change in changes:
            self.book.apply(change)
        self.now_ms += 1_000
        return self.alerts.observe(changes, self.book, self.now_ms)

    def risk(self, risk: str, owner: CampaignRecord | None = None) -> list[Alert]:
        """Lets a campaign's only leg risk so much."""
        revision, owner = self.book.revision + 1, owner or self.owner
        stop = str(100 - Decimal(risk))
        saved = leg_of(owner, revision, f"of-{owner.campaign_id}", shares="1", stop=stop)
        touched = changed(self.book.campaigns.by_id[owner.campaign_id], revision + 1)
        return self.commit(Change.saved(saved), Change.campaign_saved(touched))


def levels(alerts: list[Alert]) -> list[str]:
    return [alert.level for alert in alerts]


@pytest.mark.parametrize(
    ("risks", "told"),
    [
        (["79.99999999"], [""]),
        (["80"], ["WARNING"]),
        (["94.99999999"], ["WARNING"]),
        (["95"], ["CRITICAL"]),
        (["140"], ["CRITICAL"]),
        (["80", "81", "94"], ["WARNING", "", ""]),
        (["80", "75"], ["WARNING", ""]),
        (["80", "74.99999999"], ["WARNING", "NORMAL"]),
        (["80", "0"], ["WARNING", "NORMAL"]),
        (["80", "70", "79"], ["WARNING", "NORMAL", ""]),
        (["95", "90"], ["CRITICAL", ""]),
        (["95", "89.99999999"], ["CRITICAL", "WARNING"]),
        (["95", "77"], ["CRITICAL", "WARNING"]),
        (["95", "74"], ["CRITICAL", "NORMAL"]),
        (["80", "95", "80"], ["WARNING", "CRITICAL", ""]),
        (["-20", "0.00000001"], ["", ""]),
    ],
    ids=str,
)
def test_levels_of_a_campaigns_risk(settings: Settings, risks: list[str], told: list[str]) -> None:
    """A level is reached at its share of the limit and left 5 percent points below; each is told
    when it comes, and none twice within the pause."""
    desk = Desk(settings)
    assert [",".join(levels(desk.risk(risk))) for risk in risks] == told


def test_an_alert_says_whose_risk_it_is(settings: Settings) -> None:
    """Campaign, hotkey, risk and limit with 8 decimals, revision and time."""
    desk = Desk(settings)
    assert desk.risk("85.5") == [
        Alert(
            revision=desk.book.revision,
            hotkey="hk",
            level="WARNING",
            risk=Decimal("85.50000000"),
            limit=Decimal("100.00000000"),
            at_ms=desk.now_ms,
            campaign_id="c1",
        )
    ]


def test_the_same_level_is_told_no_more_often_than_the_pause(settings: Settings) -> None:
    """NORMAL is told whenever it comes back, but once; a level that came back within the pause is
    told by the first change after it, or by the first look, if it still stands."""
    desk = Desk(settings)
    assert levels(desk.risk("85")) == ["WARNING"]
    assert levels(desk.risk("10")) == ["NORMAL"]
    for _ in range(3):
        assert desk.risk("85") == []
        assert desk.risk("10") == [], "what was told last is NORMAL"
    assert levels(desk.risk("99")) == ["CRITICAL"], "another level has a pause of its own"
    assert levels(desk.risk("10")) == ["NORMAL"]

    desk.now_ms = NOW_MS + PAUSE_MS
    assert desk.risk("85") == []
    desk.now_ms += 2_000
    assert levels(desk.risk("86")) == ["WARNING"]
    assert desk.risk("87") == []


@pytest.mark.parametrize(
    ("risks", "told", "late"),
    [
        (["85", "0", "90"], ["WARNING", "NORMAL"], "WARNING"),
        (["80", "95", "80"], ["WARNING", "CRITICAL"], "WARNING"),
        (["95", "10", "96"], ["CRITICAL", "NORMAL"], "CRITICAL"),
    ],
    ids=str,
)
def test_a_level_that_was_held_back_is_told_when_its_pause_is_over(
    settings: Settings, risks: list[str], told: list[str], late: str
) -> None:
    """Without a change, as it stands then, and once; meanwhile it stands for who comes new."""
    desk = Desk(settings)
    raised = [level for risk in risks for level in levels(desk.risk(risk))]
    assert raised == told
    assert levels(desk.alerts.standing()) == [late]
    first_ms = next(a.at_ms for a in desk.alerts.since(0) if a.level == late)

    assert desk.alerts.look_again(desk.book, first_ms + PAUSE_MS - 1) == []
    [alert] = desk.alerts.look_again(desk.book, first_ms + PAUSE_MS)

    assert (alert.level, alert.revision, alert.risk) == (
        late, desk.book.revision, to_places(Decimal(risks[-1]))
    )  # fmt: skip
    assert desk.alerts.standing() == [alert]
    assert desk.alerts.look_again(desk.book, first_ms + 9 * PAUSE_MS) == []
    assert desk.alerts.since(2) == [alert]


def test_a_level_that_is_gone_when_its_pause_is_over_is_not_told(settings: Settings) -> None:
    """What was told last is what stands."""
    desk = Desk(settings)
    for risk in ("85", "0", "90", "0"):
        desk.risk(risk)
    assert desk.alerts.standing() == []
    assert desk.alerts.look_again(desk.book, desk.now_ms + PAUSE_MS) == []


def test_nothing_is_kept_of_campaigns_that_are_gone(settings: Settings) -> None:
    """Nor of others that are NORMAL: once their pause is over, which is theirs until then."""
    desk = Desk(settings, account_size="1000")
    desk.risk("96")
    leg, owner = "of-c1", desk.book.campaigns.by_id["c1"]
    revision = desk.book.revision
    stood = desk.book.positions.by_uuid[leg]
    told = desk.commit(
        Change.removed(revision + 1, stood), Change.campaign_removed(revision + 2, owner)
    )
    assert levels(told) == ["NORMAL", "NORMAL"]
    assert desk.alerts.standing() == []

    desk.alerts.look_again(desk.book, desk.now_ms + PAUSE_MS)

    assert desk.alerts._standing == {}
    assert desk.alerts._unsettled == {}


def test_heat_is_the_risk_of_all_of_a_hotkeys_campaigns(settings: Settings) -> None:
    """Against a tenth of the largest account among its live campaigns; other hotkeys have their
    own. Where no account is known, there is no limit."""
    desk = Desk(settings, account_size="500", risk_limit="")
    second = campaign(2, "c2", account_size="1000", trade_pair="ETHUSD")
    other = campaign(3, "c3", hotkey="other", account_size="10")
    unknown = campaign(4, "c4", hotkey="unknown")
    desk.commit(*map(Change.campaign_saved, (second, other, unknown)))

    assert desk.risk("79") == []
    assert desk.risk("90", unknown) == []
    [warning] = desk.risk("1", second)
    assert (warning.hotkey, warning.campaign_id, warning.level) == ("hk", None, "WARNING")
    assert (warning.risk, warning.limit) == (Decimal(80), Decimal(100))
    assert [(a.hotkey, a.level) for a in desk.risk("1", other)] == [("other", "CRITICAL")]


def test_without_a_limit_any_more_it_is_normal(settings: Settings) -> None:
    """The account that a hotkey's heat was held to is gone with its last live campaign."""
    desk = Desk(settings, account_size="1000", risk_limit="")
    assert levels(desk.risk("95")) == ["CRITICAL"]
    ended = changed(desk.book.campaigns.by_id["c1"], desk.book.revision + 1,
                    state=pb.CAMPAIGN_FAILED)  # fmt: skip

    [told] = desk.commit(Change.campaign_saved(ended))

    assert (told.level, told.risk, told.limit) == ("NORMAL", Decimal(95), Decimal(0))
    assert desk.alerts.standing() == []


def test_a_limit_of_nothing_is_critical_with_any_risk(settings: Settings) -> None:
    """And without one it is not."""
    desk = Desk(settings, risk_limit="0")
    assert desk.risk("0") == []
    assert levels(desk.risk("0.01")) == ["CRITICAL"]


@pytest.mark.parametrize("key", ["", "hk", "another"])
def test_what_is_cleared_is_forgotten(settings: Settings, key: str) -> None:
    """Nothing stands of it any more; what comes again under its name is told anew."""
    desk = Desk(settings)
    desk.risk("85")
    assert desk.commit(Change.cleared(desk.book.revision + 1, key)) == []
    assert levels(desk.alerts.standing()) == (["WARNING"] if key == "another" else [])
    if key != "another":
        desk.owner = campaign(desk.book.revision + 1, risk_limit="100")
        desk.commit(Change.campaign_saved(desk.owner))
        assert levels(desk.risk("85")) == ["WARNING"]


def test_after_a_start_nothing_is_raised_for_what_stands(settings: Settings) -> None:
    """Levels are found anew, of campaigns and of hotkeys, and stand; what moves from there on is
    told."""
    desk = Desk(settings, account_size="1000")
    desk.risk("96")
    desk.alerts = Alerts(settings)
    desk.alerts.restart(desk.book, desk.now_ms)

    assert desk.alerts.since(0) == []
    standing = {(a.hotkey, a.campaign_id): a.level for a in desk.alerts.standing()}
    assert standing == {("hk", "c1"): "CRITICAL", ("hk", None): "CRITICAL"}
    assert desk.risk("91") == []
    assert levels(desk.risk("85")) == ["WARNING", "WARNING"]


async def test_a_reload_finds_the_levels_of_the_book_that_it_gives(
    engine: Engine, settings: Settings, clock: FakeClock
) -> None:
    """What stands is of that book and its revision, as after a start."""
    happen(engine, Change.campaign_saved(owner := campaign(1, risk_limit="10")))
    happen(engine, Change.saved(leg_of(owner, 2)), Change.campaign_saved(changed(owner, 3)))
    happen(engine, Change.campaign_saved(campaign(4, "c2")))
    assert [alert.revision for alert in engine.alerts.standing()] == [3]

    await engine.reload()

    fresh = Alerts(settings)
    fresh.restart(engine.book, clock.now_ms())
    assert engine.alerts.standing() == fresh.standing()
    assert engine.alerts.since(0) == []


def test_the_newest_are_kept_for_followers(settings: Settings) -> None:
    """So many, oldest first, from after any revision."""
    desk = Desk(settings.model_copy(update={"alert_pause_s": 0.0}))
    told = [desk.risk(risk)[0] for _ in range(ALERTS_KEPT) for risk in ("85", "10")]
    assert desk.alerts.since(0) == told[-ALERTS_KEPT:]
    alerts = desk.alerts
    assert alerts.since(alerts.raised_by(told[-4].revision)) == told[-3:]
    assert alerts.since(alerts.raised_by(desk.book.revision)) == []
    assert alerts.since(alerts.raised) == []


def test_whatever_goes_wrong_the_writer_goes_on(settings: Settings) -> None:
    """A limit that is no number raises nothing; the next commit is looked at as ever."""
    desk = Desk(settings)
    odd = campaign(desk.book.revision + 1, "odd", hotkey="odd", risk_limit="a lot")
    assert desk.commit(Change.campaign_saved(odd)) == []
    assert levels(desk.risk("85")) == ["WARNING"]


# -------------------------------------------------------------------- followers


def leg_command(entry: str, stop: str, campaign_id: str = "c1") -> AddLeg:
    leg = pb.Position(side=pb.SIDE_LONG, open_ms=NOW_MS, quantity="1", net_quantity="1",
                      average_entry_price=entry, stop_loss=stop)  # fmt: skip
    return AddLeg(campaign_id, leg.SerializeToString())


async def test_followers_are_told_of_what_they_follow(
    engine: Engine, settings: Settings, clock: FakeClock
) -> None:
    """A campaign's alert reaches those who follow it, with the leg that raised it; that of a
    hotkey those who follow the hotkey, or all. Who comes later finds what stands."""
    live = Live(settings, engine, clock)
    made = pb.Campaign(campaign_id="c1", hotkey="hk", trade_pair="BTCUSD", account_size="1000",
                       risk_limit="90")  # fmt: skip
    await engine.submit(CreateCampaign(made.SerializeToString()), timeout_s=10)
    both, one, none = {"c1", ""}, {"c1"}, set[str]()
    cases = (
        (LivePart(), both),
        (LivePart(hotkeys=["hk"]), both),
        (LivePart(hotkeys=["hk"], trade_pairs=["BTCUSD"]), both),
        (LivePart(trade_pairs=["BTCUSD"]), one),
        (LivePart(campaign_ids=["c1"]), one),
        (LivePart(campaign_ids=["c1"], hotkeys=["hk"]), one),
        (LivePart(hotkeys=["other"]), none),
        (LivePart(campaign_ids=["c2"]), none),
    )
    before = engine.book.revision, engine.feed.mark
    await engine.submit(leg_command("1000", "915"), timeout_s=10)

    for part, due in cases:
        for has in (before, None):
            revision, mark = has or (None, "")
            frames = live.follow(part, revision, 10.0, mark)
            async with contextlib.aclosing(frames):
                frame = await anext(frames)
            assert {alert.campaign_id for alert in frame.alerts} == due
            assert {alert.level for alert in frame.alerts} <= {"WARNING"}
            assert {alert.revision for alert in frame.alerts} <= {engine.book.revision}
            if due:
                assert [c.totals.total_risk for c in frame.campaigns] == ["85.00000000"]


@pytest.mark.parametrize("market_clock", ["live", "manual"])
async def test_followers_are_told_of_what_was_held_back(
    start_engine: StartEngine,
    settings: Settings,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    market_clock: str,
) -> None:
    """Once, when the pause is over, though nothing changes; who comes back with the revision that
    he had before is told as well, and who had another after it is not."""
    monkeypatch.setattr(keeper, "ALERTS_LOOK_S", 0.01)
    engine = await start_engine(market_clock=market_clock, watch_frame_ms=0.0)
    live = Live(settings, engine, clock)
    made = pb.Campaign(campaign_id="c1", hotkey="hk", trade_pair="BTCUSD", risk_limit="100")
    await engine.submit(CreateCampaign(made.SerializeToString()), timeout_s=10)

    async def leg_of_risk(risk: int) -> str:
        done = await engine.submit(leg_command("1000", str(1000 - risk)), timeout_s=10)
        assert isinstance(done, LegDone)
        return pb.Position.FromString(done.leg).position_uuid

    await engine.submit(CloseLeg("c1", await leg_of_risk(85), "1000", 0), timeout_s=10)
    await leg_of_risk(90)
    assert levels(engine.alerts.since(0)) == ["WARNING", "NORMAL"]
    before = engine.book.revision, engine.feed.mark

    def follow(
        revision: int, mark: str
    ) -> contextlib.aclosing[AsyncGenerator[pb.FollowFrame, None]]:
        return contextlib.aclosing(live.follow(LivePart(), revision, 60.0, mark))

    async with asyncio.timeout(10):
        async with follow(*before) as frames:
            assert not (await anext(frames)).alerts
            clock.move(PAUSE_MS)
            [alert] = (await anext(frames)).alerts
            assert (alert.level, alert.revision) == ("WARNING", before[0])
            await leg_of_risk(1)
            assert not (await anext(frames)).alerts
        for revision, mark, told in ((*before, 1), (engine.book.revision, engine.feed.mark, 0)):
            async with follow(revision, mark) as frames:
                assert len((await anext(frames)).alerts) == told
