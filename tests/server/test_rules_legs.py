"""The rules of legs, and the totals that they amount to: the worked examples, and the edges."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec.structs import replace

from hotbook_server.commands import Clear, ClearDone, Command, Delete, DeleteCampaign, Save
from hotbook_server.rpc import shape
from hotbook_server.rules.standing import message_of
from hotbook_shared.campaign import CampaignTotals
from hotbook_shared.errors import (
    AlreadyExists,
    CampaignEnded,
    CountMismatch,
    HasLegs,
    InvalidArgument,
    LegClosed,
    LegKept,
    NotFound,
    RiskLimitExceeded,
    VersionConflict,
)
from hotbook_shared.money import ratio, to_places
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.campaigns import Desk, add_leg, close_leg, create, go_to, places
from tests.make import NOW_MS, leg, position, save

EARLIER_MS = NOW_MS - 10_000


@pytest.fixture
def desk() -> Desk:
    """A desk with one campaign, c1, of hk on GBPUSD."""
    made = Desk()
    made.ask(create())
    return made


def figures(desk: Desk) -> tuple[str, ...]:
    """Shares, average entry, risk, result, and how many are open and closed."""
    t = desk.totals("c1")
    return (
        *(f"{x:f}" for x in (t.total_shares, t.weighted_avg_entry, t.total_risk, t.total_pnl)),
        f"{t.open_count} {t.closed_count}",
    )  # fmt: skip


def test_nothing_amounts_to_zeros(desk: Desk) -> None:
    """S2-16: zeros with 8 places, and no division by zero."""
    zero = "0.00000000"
    assert figures(desk) == (zero, zero, zero, zero, "0 0")
    desk.mark("GBPUSD", "1.3")
    assert figures(desk) == (zero, zero, zero, zero, "0 0")


def test_the_pound_campaign(desk: Desk) -> None:
    """S2-34: 115.00 before the last leg is marked, and 125.00 after; SOS was closed at its mark."""
    desk.ask(add_leg("spring", "1.2500", "8000", "1.2475", opened_ms=EARLIER_MS))
    desk.ask(add_leg("sos", "1.2550", "6000", "1.2525", "SOS", opened_ms=EARLIER_MS))
    assert figures(desk)[1] == "1.25214286"
    desk.mark("GBPUSD", "1.2575", EARLIER_MS + 1)
    desk.ask(close_leg("spring", "1.2625", EARLIER_MS + 2))
    assert desk.totals("c1").realized_pnl == places("100")
    desk.ask(add_leg("lps", "1.2600", "4000", "1.2575", "LPS", opened_ms=EARLIER_MS + 3))
    assert figures(desk) == ("10000.00000000", "1.25700000", "25.00000000", "115.00000000", "2 1")
    desk.ask(close_leg("sos", "1.2575", EARLIER_MS + 4))
    desk.mark("GBPUSD", "1.2625", EARLIER_MS + 5)
    assert desk.totals("c1").total_pnl == places("125")


def test_one_mark_counts_for_every_leg_of_its_pair(desk: Desk) -> None:
    """Where SOS is open still, the mark that counts for LPS counts for it as well."""
    desk.ask(add_leg("sos", "1.2550", "6000", "1.2525", "SOS", opened_ms=EARLIER_MS))
    desk.ask(add_leg("lps", "1.2600", "4000", "1.2575", "LPS", opened_ms=EARLIER_MS))
    desk.mark("GBPUSD", "1.2625", EARLIER_MS)
    assert desk.totals("c1").total_pnl == places("55")


def test_the_share_campaign(desk: Desk) -> None:
    """S2-35: three legs of 40, 30 and 30 percent, closed one by one."""
    desk.ask(add_leg("spring", "150.00", "100", "148", opened_ms=EARLIER_MS))
    assert figures(desk)[:2] == ("100.00000000", "150.00000000")
    desk.ask(add_leg("sos", "152.00", "75", "148", "SOS", opened_ms=EARLIER_MS))
    assert figures(desk)[1] == "150.85714286"
    assert figures(desk)[2] == "500.00000000"  # S2-36
    desk.mark("GBPUSD", "155", EARLIER_MS)
    assert desk.totals("c1").open_pnl == places("725")
    desk.ask(close_leg("spring", "158"))
    assert desk.totals("c1").realized_pnl == places("800")
    desk.ask(add_leg("lps", "153.00", "80", "150", "LPS", opened_ms=EARLIER_MS))
    desk.ask(close_leg("sos", "158"))
    desk.ask(close_leg("lps", "158"))
    assert figures(desk) == (*("0.00000000",) * 3, "1650.00000000", "0 3")
    desk.ask(go_to(pb.CAMPAIGN_ACTIVE))
    desk.ask(go_to(pb.CAMPAIGN_COMPLETED, exit_price="158"))
    assert desk.totals("c1").total_pnl == places("1650")  # S2-33: closed legs stay


def test_open_and_realized_results_are_added(desk: Desk) -> None:
    """S2-36: 200 open and 1,300 closed make 1,500."""
    desk.ask(add_leg("a", "150", "100", "148", opened_ms=EARLIER_MS))
    desk.ask(add_leg("b", "140", "100", "138", opened_ms=EARLIER_MS))
    desk.ask(close_leg("b", "153"))
    desk.mark("GBPUSD", "152")
    assert desk.totals("c1").total_pnl == places("1500")


def test_short_legs_earn_when_the_price_falls(desk: Desk) -> None:
    """The stop lies above, risk and result have the sign of the side."""
    desk.ask(add_leg("s", "100", "10", "105", side="SHORT", opened_ms=EARLIER_MS))
    desk.mark("GBPUSD", "90")
    assert figures(desk) == (
        "10.00000000", "100.00000000", "50.00000000", "100.00000000", "1 0")  # fmt: skip
    desk.ask(close_leg("s", "104.5"))
    assert desk.totals("c1").total_pnl == places("-45")


@pytest.mark.parametrize(
    ("side", "stop"), [("LONG", "100"), ("LONG", "101"), ("SHORT", "100"), ("SHORT", "99")]
)
def test_a_stop_on_the_winning_side_is_refused(side: str, stop: str) -> None:
    with pytest.raises(InvalidArgument, match="stop"):
        add_leg("x", "100", "1", stop, side=side)


def test_a_mark_older_than_a_leg_says_nothing_of_it(desk: Desk) -> None:
    """A leg stands at its entry until the next mark; a mark of the same time counts."""
    desk.mark("GBPUSD", "90", NOW_MS - 5)
    desk.ask(add_leg("a", "100", "1", "95", opened_ms=NOW_MS - 5))
    desk.ask(add_leg("b", "100", "1", "95", opened_ms=NOW_MS - 4))
    assert desk.totals("c1").total_pnl == places("-10")
    desk.mark("GBPUSD", "101", NOW_MS - 4)
    assert desk.totals("c1").total_pnl == places("2")


OPEN_LEG = add_leg("a", "100", "10", "95", opened_ms=NOW_MS - 10)

REFUSED: list[tuple[list[Command], Command, type[Exception]]] = [
    # what came before, what is asked, how it is refused
    ([], add_leg("a", "100", "1", "95", campaign_id="none"), NotFound),
    ([OPEN_LEG], OPEN_LEG, AlreadyExists),
    ([OPEN_LEG], add_leg("b", "1", "1", "0.5", expected_version=1), VersionConflict),
    ([go_to(pb.CAMPAIGN_FAILED)], OPEN_LEG, CampaignEnded),
    ([], close_leg("a", "100"), NotFound),
    ([], close_leg("a", "100", campaign_id="none"), NotFound),
    ([OPEN_LEG], close_leg("a", "100", NOW_MS - 11), InvalidArgument),
    ([OPEN_LEG, close_leg("a", "100")], close_leg("a", "101"), LegClosed),
    ([OPEN_LEG], close_leg("a", "100", expected_version=1), VersionConflict),
    ([OPEN_LEG, go_to(pb.CAMPAIGN_ACTIVE)], go_to(pb.CAMPAIGN_COMPLETED), HasLegs),
    ([OPEN_LEG, close_leg("a", "100")], DeleteCampaign("c1"), HasLegs),
    ([OPEN_LEG], Delete("hk", "a"), LegKept),
    ([OPEN_LEG], save(position("a", trade_pair="GBPUSD")), LegKept),
    ([OPEN_LEG], save(leg("a", trade_pair="GBPUSD", campaign_id="c2")), LegKept),
    ([], save(leg("x", trade_pair="ETHUSD")), InvalidArgument),
    ([], save(leg("x", hotkey="other", trade_pair="GBPUSD")), InvalidArgument),
    ([go_to(pb.CAMPAIGN_FAILED)], save(leg("x", trade_pair="GBPUSD")), CampaignEnded),
    ([save(leg("x", campaign_id="c9"))], create("c9"), InvalidArgument),
]


@pytest.mark.parametrize(("before", "asked", "error"), REFUSED)
def test_refusals(
    desk: Desk, before: list[Command], asked: Command, error: type[Exception]
) -> None:
    """What a leg may not: each refusal is named, and changes nothing."""
    for command in before:
        desk.ask(command)
    assert type(desk.refusal(asked)) is error


def test_a_leg_and_its_campaign_change_together(desk: Desk) -> None:
    """S2-19: whatever saves a leg lets its campaign have a next version."""
    for version, command in enumerate(
        (
            OPEN_LEG,
            save(leg("raw", trade_pair="GBPUSD")),
            save(leg("raw", trade_pair="GBPUSD", close_ms=NOW_MS, exit_price=Decimal(1))),
            close_leg("a", "120"),
        ),
        start=2,
    ):
        desk.ask(command)
        assert desk.campaign("c1").version == version
    assert desk.totals("c1").closed_count == 2


def test_a_leg_without_a_campaign_is_a_position(desk: Desk) -> None:
    """It may come before its campaign, and go."""
    desk.ask(save(leg("early", trade_pair="GBPUSD", campaign_id="c7")))
    desk.ask(Delete("hk", "early"))
    came = leg("early", trade_pair="GBPUSD", campaign_id="c7", close_ms=NOW_MS)
    desk.ask(save(replace(came, exit_price=Decimal(1))))
    desk.ask(create("c7"))
    assert desk.totals("c7").closed_count == 1
    assert isinstance(desk.refusal(Delete("hk", "early")), LegKept)


def test_legs_of_a_failed_campaign_live_on(desk: Desk) -> None:
    desk.ask(OPEN_LEG)
    desk.ask(go_to(pb.CAMPAIGN_FAILED, failure_reason="no volume"))
    desk.ask(close_leg("a", "101"))
    assert desk.totals("c1").total_pnl == places("10")
    assert desk.campaign("c1").failure_reason == "no volume"


def test_a_clear_takes_campaigns_with_it(desk: Desk) -> None:
    """Of the hotkey alone, and also where it has campaigns and no position."""
    desk.ask(create("other", hotkey="else"))
    desk.ask(OPEN_LEG)
    desk.ask(Clear("hk", 1, 1))
    assert set(desk.book.campaigns.by_id) == {"other"}
    desk.ask(Clear("else", 0, 1))
    assert not desk.book.campaigns.by_id


@pytest.mark.parametrize("hotkey", ["hk", ""])
@pytest.mark.parametrize("said", [(1, 0), (1, 1), (1, 3), (0, 2), (0, 0)])
def test_a_clear_needs_both_counts(desk: Desk, hotkey: str, said: tuple[int, int]) -> None:
    """Positions or campaigns that nobody counted stay: both numbers are told, nothing changes."""
    desk.ask(create("c2"))
    desk.ask(OPEN_LEG)

    refused = desk.refusal(Clear(hotkey, *said))

    assert isinstance(refused, CountMismatch)
    assert (refused.actual_count, refused.actual_campaigns) == (1, 2)
    assert (refused.details["expected_count"], refused.details["expected_campaigns"]) == (
        str(said[0]), str(said[1])
    )  # fmt: skip
    assert set(desk.book.campaigns.by_id) == {"c1", "c2"}
    assert desk.ask(Clear(hotkey, 1, 2)) == ClearDone(desk.book.revision, 1, 2)


def test_risk_is_limited_for_a_campaign_and_a_hotkey() -> None:
    """S2-33: 5 % of the account for one campaign, 10 % for all of a hotkey's, as settings."""
    desk = Desk()
    for name in ("c1", "c2", "c3"):
        desk.ask(create(name, account_size="1000"))
    desk.ask(add_leg("a", "100", "10", "95"))
    assert isinstance(desk.refusal(add_leg("b", "100", "0.01", "99")), RiskLimitExceeded)
    desk.ask(add_leg("c", "100", "10", "95", campaign_id="c2"))
    told = desk.refusal(add_leg("d", "100", "1", "99.99", campaign_id="c3"))
    assert isinstance(told, RiskLimitExceeded)
    assert "all campaigns of hk" in told.message
    desk.ask(close_leg("a", "100"))
    desk.ask(add_leg("d", "100", "1", "99.99", campaign_id="c3"))


def test_heat_is_counted_from_the_largest_account_that_is_live() -> None:
    """A campaign that names no account is no way round the limit of its hotkey."""
    desk = Desk()
    desk.ask(create("c1", account_size="1000"))
    desk.ask(create("c2", trade_pair="EURUSD"))
    desk.ask(add_leg("a", "100", "10", "95"))
    desk.ask(add_leg("b", "100", "10", "95", campaign_id="c2"))
    refused = desk.refusal(add_leg("c", "100", "1", "99", campaign_id="c2"))
    assert isinstance(refused, RiskLimitExceeded)


def test_what_has_happened_does_not_lie_in_the_future(desk: Desk) -> None:
    """Such a leg would never be marked, and such a campaign never expire."""
    ahead_ms = NOW_MS + 5 * 60_000 + 1
    desk.ask(OPEN_LEG)
    for asked in (
        add_leg("b", "100", "1", "95", opened_ms=ahead_ms),
        close_leg("a", "100", ahead_ms),
        create("c2", started_ms=ahead_ms),
        go_to(pb.CAMPAIGN_FAILED, at_ms=ahead_ms),
    ):
        assert isinstance(desk.refusal(asked), InvalidArgument)


def test_sums_are_those_of_the_naive_formulas() -> None:
    """S2-12 to S2-17 in fractions, over random legs, marks and closes; one rounding, half-even."""
    chance = random.Random(7)
    desk = Desk(campaign_patterns_max=1)
    desk.ask(create())
    held: dict[str, tuple[int, Fraction, Fraction, Fraction]] = {}
    realized = Fraction(0)
    for number in range(300):
        price = Decimal(chance.randint(1, 10**12)).scaleb(-8)
        if held and chance.random() < 0.4:
            uuid = chance.choice(sorted(held))
            sign, entry, shares, _ = held.pop(uuid)
            desk.ask(close_leg(uuid, f"{price:f}"))
            realized += sign * (Fraction(price) - entry) * shares
        else:
            uuid, side = f"leg{number}", chance.choice(("LONG", "SHORT"))
            sign = 1 if side == "LONG" else -1
            enter = price + 1
            stop = enter - sign * Decimal(chance.randint(1, 10**7)).scaleb(-8)
            size = Decimal(chance.randint(1, 10**9)).scaleb(-8)
            desk.ask(add_leg(uuid, f"{enter:f}", f"{size:f}", f"{stop:f}", side=side))
            held[uuid] = (sign, Fraction(enter), Fraction(size), Fraction(stop))
        price = Decimal(chance.randint(1, 10**12)).scaleb(-8)
        desk.mark("GBPUSD", f"{price:f}")
        check_totals(desk.totals("c1"), [*held.values()], Fraction(price), realized)


def check_totals(
    found: CampaignTotals,
    held: list[tuple[int, Fraction, Fraction, Fraction]],
    price: Fraction,
    realized: Fraction,
) -> None:
    """The formulas as the document has them, leg by leg."""
    shares = sum((s for _, _, s, _ in held), Fraction(0))
    cost = sum((e * s for _, e, s, _ in held), Fraction(0))
    risk = sum((g * (e - stop) * s for g, e, s, stop in held), Fraction(0))
    pnl = sum((g * (price - e) * s for g, e, s, _ in held), Fraction(0))
    assert found.total_shares == _rounded(shares)
    assert found.weighted_avg_entry == _rounded(cost / shares if shares else shares)
    assert found.total_risk == _rounded(risk)
    assert found.total_pnl == _rounded(pnl + realized)


def _rounded(number: Fraction) -> Decimal:
    """With 8 decimals, half-even: what Python's own round does to a fraction."""
    return Decimal(round(number * 10**8)).scaleb(-8)


@pytest.mark.parametrize(
    ("number", "due"),
    [
        ("0.000000005", "0.00000000"), ("0.000000015", "0.00000002"), ("1e-30", "0.00000000"),
        ("-0.000000005", "0.00000000"), ("0", "0.00000000"), ("-0", "0.00000000"),
        ("2.5", "2.50000000"),
    ],
)  # fmt: skip
def test_figures_are_rounded_half_even(number: str, due: str) -> None:
    """S2-13, D15: and zero is never negative, null or empty."""
    assert f"{to_places(Decimal(number)):f}" == due


@pytest.mark.parametrize(
    ("of", "to", "due"),
    [
        ("1", "3", "0.33333333"), ("2", "3", "0.66666667"), ("-2", "3", "-0.66666667"),
        ("1", "0", "0.00000000"), ("0", "7", "0.00000000"), ("1", "200000000", "0.00000000"),
        ("3", "200000000", "0.00000002"), ("1", "1", "1.00000000"),
    ],
)  # fmt: skip
def test_quotients_are_rounded_once(of: str, to: str, due: str) -> None:
    assert f"{ratio(Decimal(of), Decimal(to)):f}" == due


def test_results_keep_every_digit(desk: Desk) -> None:
    """Prices and sizes of ten integer digits and eight decimals: totals near 1e20 are those of the
    formulas, rounded once, and nothing is lost in a leg's own result."""
    chance = random.Random(1)
    for name in ("c2", "c3"):
        desk.ask(create(name))
    desk.mark("GBPUSD", "9999999999.99999999")
    due: dict[str, Fraction] = {}
    for number in range(60):
        name = f"c{number % 3 + 1}"
        entry, shares, leaves = (
            Decimal(f"{chance.randrange(least, 10**18)}e-8") for least in (10**17 + 1, 10**17, 1)
        )
        desk.ask(add_leg(f"l{number}", f"{entry:f}", f"{shares:f}", "0.00000001", campaign_id=name))
        desk.ask(close_leg(f"l{number}", f"{leaves:f}", campaign_id=name))
        earned = (Fraction(leaves) - Fraction(entry)) * Fraction(shares)
        due[name] = due.get(name, Fraction(0)) + earned
        told = pb.Position.FromString(desk.book.positions.by_uuid[f"l{number}"].wire).realized_pnl
        assert Fraction(told) == earned
        for of_one, whole in due.items():
            found = Fraction(desk.totals(of_one).realized_pnl)
            assert found == Fraction(round(whole * 10**8), 10**8)


def test_a_leg_that_was_closed_at_the_edge_can_be_read_and_saved_again(desk: Desk) -> None:
    """The server takes back what it wrote itself, a result of 36 digits too."""
    desk.ask(add_leg("a", "9999999999.99999999", "9999999999.99999997", "0.00000001"))
    desk.ask(close_leg("a", "0.00000001"))
    record = desk.book.positions.by_uuid["a"]
    message = message_of(record)
    assert len(Decimal(message.realized_pnl).as_tuple().digits) == 36
    body = shape.check_position(message, 10)
    desk.ask(Save("hk", "a", "GBPUSD", False, True, body))
    message.campaign_id = ""
    with pytest.raises(InvalidArgument, match="28"):
        shape.check_position(message, 10)
