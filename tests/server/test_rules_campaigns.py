"""The rules of campaigns: matching, activation, expiry, states, versions, limits."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest

from hotbook_server.commands import (
    AddPattern,
    AddPatterns,
    Command,
    CreateCampaign,
    DeleteCampaign,
    Expire,
    PatternDone,
    PatternsDone,
    RefusedOutcome,
)
from hotbook_server.rules.campaigns import EARLY_MS
from hotbook_server.rules.patterns import PATTERNS_MAX_BYTES
from hotbook_shared.campaign import MAY_FOLLOW, CampaignState
from hotbook_shared.campaign_wire import STATE_NUMBER
from hotbook_shared.errors import (
    AlreadyExists,
    HotbookError,
    IllegalTransition,
    InvalidArgument,
    NotFound,
    OutOfOrder,
    SignalReused,
    TooManyCampaigns,
    TooManyPatterns,
    VersionConflict,
)
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change
from tests.campaigns import HOUR_MS, Desk, create, go_to, pattern
from tests.make import NOW_MS, leg, record

T0 = NOW_MS - 1_000 * HOUR_MS


def filed(desk: Desk, add: AddPattern) -> PatternDone:
    outcome = desk.ask(add)
    assert isinstance(outcome, PatternDone)
    return outcome


def at(hours: float) -> int:
    return T0 + round(hours * HOUR_MS)


# ---------------------------------------------------------------- matching


@pytest.mark.parametrize(
    ("hours", "joins"),
    [
        # a pattern at 0; another so many hours later
        (0, True), (1, True), (48, True), (48 + 1 / HOUR_MS, False), (72, False),
        (-1, True), (-48, True),
    ],
)  # fmt: skip
def test_a_pattern_joins_inside_window_and_gap(hours: float, joins: bool) -> None:
    """S0-18, D6: 48 hours from start and from the last pattern, inclusive to the millisecond."""
    desk = Desk()
    first = filed(desk, pattern("a", at(0)))
    second = filed(desk, pattern("b", at(hours), "SOS"))
    assert (second.campaign_id == first.campaign_id) is joins
    assert second.created is not joins


def test_the_gap_is_counted_from_the_newest_pattern() -> None:
    """At 40 and at 48 it joins; the window from the start ends it, however new the last one is."""
    desk = Desk()
    ids = {filed(desk, pattern(f"p{h}", at(h))).campaign_id for h in (0, 40, 48)}
    assert len(ids) == 1
    assert filed(desk, pattern("p49", at(49))).campaign_id not in ids


@pytest.mark.parametrize("other", [
    {"hotkey": "other"}, {"trade_pair": "EURUSD"}, {"range_id": "r2"},
])  # fmt: skip
def test_hotkey_pair_and_range_keep_campaigns_apart(other: dict[str, str]) -> None:
    """D1: one campaign never mixes them."""
    desk = Desk()
    first = filed(desk, pattern("a", at(0)))
    assert filed(desk, pattern("b", at(1), **other)).campaign_id != first.campaign_id  # type: ignore[arg-type]


def test_the_last_touched_is_filled_first() -> None:
    """D3: of two that fit, the one that a pattern was filed into last."""
    desk = Desk()
    for name in ("c1", "c2"):
        desk.ask(create(name, started_ms=at(0)))
    assert filed(desk, pattern("a", at(1))).campaign_id == "c2"
    desk.ask(go_to(pb.CAMPAIGN_ACTIVE, "c1"))
    assert filed(desk, pattern("b", at(2))).campaign_id == "c1"


def test_a_forming_campaign_gets_its_second_pattern() -> None:
    """D2: else nothing would ever become active. FORMING with one, ACTIVE with two."""
    desk = Desk()
    name = filed(desk, pattern("a", at(0))).campaign_id
    assert desk.campaign(name).state is CampaignState.FORMING
    filed(desk, pattern("b", at(1), "AR"))
    assert desk.campaign(name).state is CampaignState.ACTIVE


def test_an_old_pattern_is_filed_in_order_of_time_or_refused() -> None:
    """As far before the start as the gap goes; earlier ones are out of order."""
    desk = Desk()
    name = filed(desk, pattern("b", at(48))).campaign_id
    filed(desk, pattern("c", at(50), "SOS"))
    filed(desk, pattern("a", at(0), "AR"))
    campaign = desk.campaign(name)
    assert [p.signal_id for p in campaign.patterns] == ["a", "b", "c"]
    assert (campaign.started_ms, campaign.last_pattern_ms) == (at(48), at(50))
    refused = desk.refusal(pattern("z", at(0) - 1))
    assert isinstance(refused, OutOfOrder)
    assert refused.details["earliest_ms"] == str(at(0))


@pytest.mark.parametrize(
    ("kinds", "phase"),
    [
        (["SPRING"], "C"), (["AR"], "B"), (["SPRING", "AR"], "C"), (["AR", "AR"], "B"),
        (["SPRING", "SOS"], "D"), (["SOS", "AR"], "B"), (["LPS"], "D"), (["SOS", "SPRING"], "C"),
    ],
)  # fmt: skip
def test_the_last_pattern_tells_the_phase(kinds: list[str], phase: str) -> None:
    desk = Desk()
    for number, kind in enumerate(kinds):
        name = filed(desk, pattern(f"p{number}", at(number), kind)).campaign_id
    assert desk.campaign(name).phase == phase


def test_a_signal_is_filed_once() -> None:
    """The same again is no second pattern; the same name with other content is refused."""
    desk = Desk()
    first = filed(desk, pattern("a", at(0)))
    again = filed(desk, pattern("a", at(0)))
    assert (again.repeated, again.version, again.revision) == (True, 1, first.revision)
    assert isinstance(desk.refusal(pattern("a", at(1))), SignalReused)


@pytest.mark.parametrize(("ms", "is_known"), [(0, True), (1, False)])
def test_a_signal_is_known_until_its_campaign_is_overdue(ms: int, is_known: bool) -> None:
    """By the time of the event: strictly after the deadline the campaign fails, and the name may
    be used again."""
    desk = Desk()
    first = filed(desk, pattern("a", at(0)))
    again = pattern("a", at(72) + ms)
    if is_known:
        assert isinstance(desk.refusal(again), SignalReused)
    else:
        assert filed(desk, again).created
        assert desk.campaign(first.campaign_id).state is CampaignState.FAILED


def test_what_is_overdue_says_nothing_of_the_order() -> None:
    """A pattern that lies too long before the campaigns that are live after it is out of order,
    whatever has failed by its time."""
    desk = Desk()
    desk.ask(create("old", started_ms=at(0)))
    desk.ask(create("new", started_ms=at(200)))
    refused = desk.refusal(pattern("a", at(100)))
    assert isinstance(refused, OutOfOrder)
    assert refused.details["earliest_ms"] == str(at(152))


def test_a_wider_range_counts_its_volume_anew() -> None:
    """S1-25: support and resistance go as far as patterns tell; range_bar says since when."""
    desk = Desk()
    name = filed(desk, pattern("a", at(0), support="1.2", resistance="1.3")).campaign_id
    desk.mark("GBPUSD", "1.25", bars=7)
    filed(desk, pattern("b", at(1), support="1.21", resistance="1.3"))
    assert desk.campaign(name).range_bar == 0
    filed(desk, pattern("c", at(2), support="1.19"))
    campaign = desk.campaign(name)
    assert (campaign.range_bar, str(campaign.support), str(campaign.resistance)) == (
        7, "1.19", "1.3")  # fmt: skip


# ---------------------------------------------------------------- one by one, and many


class Reference:
    """Matching as the simplest linear search does it: newest touched first, over a list."""

    class Held(NamedTuple):
        name: str
        key: tuple[str, str, str]
        started: int
        last: int

    def __init__(self) -> None:
        self.held: list[Reference.Held] = []

    def add(self, add: AddPattern, at_ms: int, name: str) -> str | None:
        """Where it is filed: `name` where it begins one, None where it is refused."""
        window = gap = 48 * HOUR_MS
        mine = [h for h in self.held if h.key[0] == add.hotkey]
        for one in mine:
            if one.started + 72 * HOUR_MS < at_ms:
                self.held.remove(one)
        key = (add.hotkey, add.trade_pair, add.range_id)
        for one in reversed(self.held):
            since = at_ms - one.started
            if one.key == key and -gap <= since <= window and at_ms - one.last <= gap:
                self.held.remove(one)
                self.held.append(one._replace(last=max(one.last, at_ms)))
                return one.name
        starts = [h.started - gap for h in self.held if h.key == key]
        if starts and at_ms < min(starts):
            return None
        if sum(h.key[0] == add.hotkey for h in self.held) >= 3:
            return None
        self.held.append(self.Held(name, key, at_ms, at_ms))
        return name


def random_patterns(chance: random.Random, count: int) -> list[AddPattern]:
    """Around a clock that goes on: on the edges of windows, out of order, over few names."""
    made, now = [], T0
    for number in range(count):
        now += chance.choice((0, 1, HOUR_MS, 20 * HOUR_MS, 48 * HOUR_MS, 48 * HOUR_MS + 1))
        back = chance.choice((0, 0, 0, 1, 24 * HOUR_MS, 48 * HOUR_MS, 72 * HOUR_MS, 100 * HOUR_MS))
        made.append(
            pattern(
                f"s{number}",
                max(now - back, 1),
                chance.choice(("SPRING", "AR", "SOS", "LPS")),
                hotkey=chance.choice(("ann", "ann", "bob")),
                trade_pair=chance.choice(("GBPUSD", "GBPUSD", "EURUSD")),
                range_id=chance.choice(("", "", "r1")),
            )
        )
    return made


@pytest.mark.parametrize("seed", range(20))
def test_matching_equals_a_linear_search(seed: int) -> None:
    """S0-33: of every pattern, where it is filed, what it begins, what is refused."""
    desk, reference = Desk(), Reference()
    desk.now_ms = NOW_MS + 10**12
    for add in random_patterns(random.Random(seed), 60):
        at_ms = pb.Pattern.FromString(add.pattern).at_ms
        try:
            outcome = filed(desk, add)
        except (OutOfOrder, TooManyCampaigns):
            assert reference.add(add, at_ms, "new") is None
            continue
        due = reference.add(add, at_ms, outcome.campaign_id)
        assert (due, outcome.created) == (outcome.campaign_id, outcome.version == 1)


@pytest.mark.parametrize("seed", range(10))
def test_many_at_once_are_the_same_as_one_by_one(seed: int) -> None:
    """The batch of the original expired by its last pattern's time first; ours goes in order."""
    patterns = random_patterns(random.Random(seed), 40)
    single, batch = Desk(), Desk()
    single.now_ms = batch.now_ms = NOW_MS + 10**12
    one_by_one: list[str] = []
    for add in patterns:
        try:
            one_by_one.append(filed(single, add).campaign_id)
        except HotbookError as refusal:
            one_by_one.append(refusal.code)
    outcome = batch.ask(AddPatterns(tuple(patterns)))
    assert isinstance(outcome, PatternsDone)
    assert [o.code if isinstance(o, RefusedOutcome) else o.campaign_id
            for o in outcome.outcomes] == one_by_one  # fmt: skip
    assert batch.book.digest == single.book.digest


def test_patterns_with_time_between_them_are_filed_as_at_once() -> None:
    """Where the clock lets campaigns fail as well: what comes one by one, with the timer between,
    and what comes in one command give the same, for patterns of long ago and of now."""
    begins, refused = 0, 0
    for seed in range(20):
        chance = random.Random(seed)
        ages = sorted((chance.choice((1, 40, 71, 73, 100, 149)) for _ in range(12)), reverse=True)
        patterns = [
            pattern(
                f"s{number}", NOW_MS - age * HOUR_MS + number, range_id=chance.choice(("", "r"))
            )
            for number, age in enumerate(ages)
        ]
        single, batch = Desk(market_clock="live"), Desk(market_clock="live")
        one_by_one: list[str] = []
        for add in patterns:
            try:
                one_by_one.append(f"{filed(single, add).created}")
            except HotbookError as refusal:
                one_by_one.append(refusal.code)
            single.now_ms += 1_600
            single.ask(Expire(single.now_ms))
        outcome = batch.ask(AddPatterns(tuple(patterns)))
        batch.ask(Expire(single.now_ms))
        assert isinstance(outcome, PatternsDone)
        assert [o.code if isinstance(o, RefusedOutcome) else f"{o.created}"
                for o in outcome.outcomes] == one_by_one  # fmt: skip
        told = [
            [(c.state, [p.signal_id for p in c.patterns]) for c in map(desk.campaign, held)]
            for desk in (single, batch)
            for held in [desk.book.campaigns.by_id]
        ]
        assert told[0] == told[1]
        begins += one_by_one.count("True")
        refused += one_by_one.count("OUT_OF_ORDER")
    assert begins
    assert refused


def test_no_campaign_is_overdue_as_it_begins() -> None:
    """By the engine's clock, where campaigns fail by it: the timer would end it in a moment. What
    stands takes a pattern of any age; with a manual clock time is what events say."""
    desk = Desk(market_clock="live")
    assert filed(desk, pattern("a", NOW_MS - 72 * HOUR_MS)).created
    early = pattern("b", NOW_MS - 72 * HOUR_MS - 1)
    assert not filed(desk, early).created
    refused = desk.refusal(pattern("c", NOW_MS - 72 * HOUR_MS - 1, trade_pair="EURUSD"))
    assert isinstance(refused, OutOfOrder)
    assert refused.details["earliest_ms"] == str(NOW_MS - 72 * HOUR_MS)
    assert "market_clock" in refused.message
    filed(desk, pattern("d", NOW_MS - 300 * HOUR_MS, timeframe="4h", trade_pair="EURUSD"))
    assert filed(Desk(), early).created


def test_what_is_overdue_by_the_clock_takes_no_pattern() -> None:
    """Also in the moment before the timer looks: it fails first, by the clock."""
    desk = Desk(market_clock="live")
    old = filed(desk, pattern("a", NOW_MS - 72 * HOUR_MS)).campaign_id
    desk.now_ms += 1
    assert filed(desk, pattern("b", NOW_MS - 40 * HOUR_MS)).created
    campaign = desk.campaign(old)
    assert (campaign.state, campaign.ended_ms) == (CampaignState.FAILED, desk.now_ms)


# ---------------------------------------------------------------- limits and versions


def test_a_hotkey_has_at_most_three_live_campaigns() -> None:
    """S0: counted over all its pairs; what has ended or rests makes room."""
    desk = Desk()
    for name in ("c1", "c2", "c3"):
        desk.ask(create(name, trade_pair=name.upper(), started_ms=at(0)))
    refused = desk.refusal(pattern("a", at(1), trade_pair="XYZ"))
    assert isinstance(refused, TooManyCampaigns)
    assert isinstance(desk.refusal(create("c4")), TooManyCampaigns)
    filed(desk, pattern("a", at(1), trade_pair="XYZ", hotkey="other"))
    desk.ask(go_to(pb.CAMPAIGN_DORMANT, "c2"))
    filed(desk, pattern("a", at(1), trade_pair="XYZ"))
    assert isinstance(desk.refusal(go_to(pb.CAMPAIGN_ACTIVE, "c2")), TooManyCampaigns)


def test_longer_timeframes_have_terms_of_their_own() -> None:
    """240 hours of window, 120 of gap, 360 until they expire; settings, like the short ones."""
    desk = Desk()
    first = filed(desk, pattern("a", at(0), timeframe="4h"))
    assert filed(desk, pattern("b", at(120), timeframe="4h")).campaign_id == first.campaign_id
    assert filed(desk, pattern("c", at(240), timeframe="4h")).campaign_id == first.campaign_id
    assert desk.campaign(first.campaign_id).deadline_ms == at(360)
    other = Desk(campaign_window_hours=1, campaign_gap_hours=1)
    first = filed(other, pattern("a", at(0)))
    assert filed(other, pattern("b", at(1.01))).campaign_id != first.campaign_id


def test_a_hotkey_has_at_most_five_live_campaigns_of_longer_timeframes() -> None:
    """Beside three of an hour or less: the ones take no room from the others."""
    desk = Desk()
    for number in range(5):
        desk.ask(create(f"long{number}", timeframe="1d", started_ms=at(0)))
    for number in range(3):
        desk.ask(create(f"short{number}", timeframe="1h", started_ms=at(0)))
    for asked, most in (
        (create("long5", timeframe="4h"), "5"),
        (pattern("a", at(1), timeframe="4h", trade_pair="XYZ"), "5"),
        (create("short3", timeframe="15m"), "3"),
        (pattern("a", at(1), trade_pair="XYZ"), "3"),
    ):
        refused = desk.refusal(asked)
        assert isinstance(refused, TooManyCampaigns)
        assert (refused.details["live_count"], refused.details["live_max"]) == (most, most)


def test_a_campaign_has_only_so_many_patterns() -> None:
    desk = Desk(campaign_patterns_max=2)
    filed(desk, pattern("a", at(0)))
    filed(desk, pattern("b", at(1)))
    assert isinstance(desk.refusal(pattern("c", at(2))), TooManyPatterns)


def test_a_campaign_has_only_so_many_bytes_of_patterns() -> None:
    """Each more of them writes all of them again: few that are large are bounded as many are."""
    desk = Desk()
    large = '{"seen": "' + "x" * 200_000 + '"}'
    first = filed(desk, pattern("0", at(0), extra=large))
    for number in range(1, 5):
        filed(desk, pattern(str(number), at(0), extra=large))
    refusal = desk.refusal(pattern("5", at(0), extra=large))
    assert isinstance(refusal, TooManyPatterns)
    assert refusal.details["patterns_max_bytes"] == str(PATTERNS_MAX_BYTES)
    assert filed(desk, pattern("6", at(0))).campaign_id == first.campaign_id


@pytest.mark.parametrize(
    "command",
    [
        pattern("b", T0, expected_version=2),
        go_to(pb.CAMPAIGN_ACTIVE, expected_version=2),
        go_to(pb.CAMPAIGN_FAILED, expected_version=0),
        DeleteCampaign("c1", expected_version=2),
    ],
)
def test_every_mutation_compares_versions(command: Command) -> None:
    """D11: another version than expected is refused, with the one that stands."""
    desk = Desk()
    desk.ask(create(started_ms=T0))
    refused = desk.refusal(command)
    assert isinstance(refused, VersionConflict)
    assert refused.current_version == 1


def test_a_pattern_may_expect_to_begin_a_campaign() -> None:
    desk = Desk()
    assert filed(desk, pattern("a", at(0), expected_version=0)).created
    assert isinstance(desk.refusal(pattern("b", at(1), expected_version=0)), VersionConflict)
    assert filed(desk, pattern("b", at(1), expected_version=1)).version == 2


def test_an_event_may_not_lie_in_the_future() -> None:
    """Clocks differ by minutes; more is a mistake, which would let all campaigns expire."""
    desk = Desk()
    filed(desk, pattern("a", NOW_MS + EARLY_MS))
    assert isinstance(desk.refusal(pattern("b", NOW_MS + EARLY_MS + 1)), InvalidArgument)


# ---------------------------------------------------------------- expiry


@pytest.mark.parametrize(("ms", "fails"), [(0, False), (1, True)])
def test_expiry_is_strictly_after_72_hours(ms: int, fails: bool) -> None:
    """D6: exactly 72 hours survive, by the engine's clock and by the time of an event."""
    by_clock, by_event = Desk(), Desk()
    for desk in (by_clock, by_event):
        filed(desk, pattern("a", at(0)))
    by_clock.ask(Expire(at(72) + ms))
    filed(by_event, pattern("b", at(72) + ms, trade_pair="EURUSD"))
    for desk in (by_clock, by_event):
        campaign = next(desk.campaign(name) for name in desk.book.campaigns.by_id)
        assert (campaign.state is CampaignState.FAILED) is fails
        if fails:
            assert campaign.failure_reason == "Expired after 72.0 hours"
            assert campaign.ended_ms == at(72) + ms


def test_an_event_lets_only_its_own_hotkey_expire() -> None:
    """One hotkey's clock is not another's."""
    desk = Desk()
    name = filed(desk, pattern("a", at(0), hotkey="other")).campaign_id
    filed(desk, pattern("b", at(100)))
    assert desk.campaign(name).state is CampaignState.FORMING


def test_what_rests_does_not_expire_and_wakes_with_new_time() -> None:
    desk = Desk()
    desk.ask(create(started_ms=at(0)))
    desk.ask(go_to(pb.CAMPAIGN_DORMANT))
    desk.ask(Expire(at(500)))
    assert desk.campaign("c1").state is CampaignState.DORMANT
    desk.ask(go_to(pb.CAMPAIGN_ACTIVE))
    assert desk.campaign("c1").deadline_ms == NOW_MS + 72 * HOUR_MS


# ---------------------------------------------------------------- states

STEPS: list[tuple[CampaignState, CampaignState, bool]] = [
    (now, then, then in MAY_FOLLOW[now]) for now in CampaignState for then in CampaignState
]
WAY_TO = {
    CampaignState.FORMING: (),
    CampaignState.ACTIVE: (CampaignState.ACTIVE,),
    CampaignState.DORMANT: (CampaignState.DORMANT,),
    CampaignState.COMPLETED: (CampaignState.ACTIVE, CampaignState.COMPLETED),
    CampaignState.FAILED: (CampaignState.FAILED,),
}


@pytest.mark.parametrize(("now", "then", "may"), STEPS)
def test_every_step_from_state_to_state(now: CampaignState, then: CampaignState, may: bool) -> None:
    """One table says what may follow what; all other steps name both states."""
    desk = Desk()
    desk.ask(create())
    for step in WAY_TO[now]:
        desk.ask(go_to(STATE_NUMBER[step]))
    asked = go_to(STATE_NUMBER[then])
    if may:
        desk.ask(asked)
        assert desk.campaign("c1").state is then
    else:
        refused = desk.refusal(asked)
        assert isinstance(refused, IllegalTransition)
        assert refused.states == (now, then)


def test_the_table_is_that_of_the_issue() -> None:
    """FORMING to ACTIVE, DORMANT, FAILED; and so on. Nothing follows an end."""
    told = {state.value: sorted(then.value for then in MAY_FOLLOW[state]) for state in MAY_FOLLOW}
    assert told == {
        "FORMING": ["ACTIVE", "DORMANT", "FAILED"],
        "ACTIVE": ["COMPLETED", "DORMANT", "FAILED"],
        "DORMANT": ["ACTIVE", "COMPLETED", "FAILED"],
        "COMPLETED": [],
        "FAILED": [],
    }


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (go_to(pb.CAMPAIGN_ACTIVE, "none"), NotFound),
        (go_to(pb.CAMPAIGN_FAILED, at_ms=T0 - 1), InvalidArgument),
        (create(), AlreadyExists),
    ],
)
def test_refusals(asked: Command, error: type[Exception]) -> None:
    desk = Desk()
    desk.ask(create(started_ms=T0))
    assert type(desk.refusal(asked)) is error


@pytest.mark.parametrize("other", [{"hotkey": "other"}, {"trade_pair": "OTHER"}])
def test_positions_that_name_a_campaign_before_it_stands(other: dict[str, str]) -> None:
    """They become its legs: so none of them may be another's or on another pair, whichever came
    first."""
    desk = Desk()
    for number, changed in enumerate(({}, other), start=1):
        fields = {"hotkey": "hk", "trade_pair": "GBPUSD"} | changed
        stray = leg(f"leg{number}", campaign_id="c1", **fields)
        desk.book.apply(Change.saved(record(stray, number, number)))
    refusal = desk.refusal(create())
    assert isinstance(refusal, InvalidArgument)
    assert "leg2" in refusal.message
    desk.book.apply(Change.removed(3, desk.book.positions.by_uuid["leg2"]))
    desk.ask(create())
    assert desk.totals("c1").open_count == 1


def test_a_range_has_its_support_below_its_resistance() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        create(support="2", resistance="1")
    assert refusal.value.details["field"] == "support"
    with pytest.raises(InvalidArgument) as refusal:
        pattern("a", at(0), support="2", resistance="1")
    assert refusal.value.details["field"] == "pattern.support"


def test_names_that_nobody_gave_are_the_same_for_the_same_history() -> None:
    """Replays are bit-identical: no name is drawn by lot."""
    names = []
    for _ in range(2):
        desk = Desk()
        desk.ask(CreateCampaign(pb.Campaign(hotkey="hk", trade_pair="XYZ").SerializeToString()))
        filed(desk, pattern("a", at(0)))
        names.append([*desk.book.campaigns.by_id])
    assert names[0] == names[1]
    assert len(set(names[0])) == 2


def test_an_unknown_campaign_is_deleted_without_effect() -> None:
    desk = Desk()
    desk.ask(DeleteCampaign("none"))
    assert desk.book.revision == 0
    desk.ask(create())
    desk.ask(DeleteCampaign("c1", expected_version=1))
    assert not desk.book.campaigns.by_id
