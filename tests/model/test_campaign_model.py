"""The model test of campaigns: the same machine, with patterns, legs, marks and deadlines as well.

Everything that positions do goes on among them: positions saved by hand are legs of campaigns now
and then, restarts and kills come at every step of the write path, replicas follow.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, rule

from hotbook import Position
from hotbook_server.commands import (
    AnyOutcome,
    CampaignDone,
    Command,
    ExpireDone,
    LegDone,
    PatternDone,
    PatternsDone,
    PushDone,
    RefusedOutcome,
)
from hotbook_shared.campaign_wire import campaign_from_wire, mark_from_wire
from hotbook_shared.pb import hotbook_pb2 as pb
from tests.chance import examples, times
from tests.model.campaign_strategies import several_on_campaigns
from tests.model.naive import Refusal
from tests.model.naive_campaigns import Filed, LegSaid, NaiveCampaigns, Plan, Pushed
from tests.model.test_model import AFTER_COMMIT, BEFORE_COMMIT, BookMachine

pytestmark = pytest.mark.timeout(900 * times())  # a failure is made small first

Figures = tuple[Fraction, ...]


class CampaignMachine(BookMachine):
    make_naive = NaiveCampaigns

    @rule(several=several_on_campaigns)
    def ask_campaigns(self, several: list[Command]) -> None:
        self.ask(several)

    @rule(several=several_on_campaigns, step=st.sampled_from(BEFORE_COMMIT + AFTER_COMMIT))
    def kill_campaigns(self, several: list[Command], step: str) -> None:
        """Never a leg without its campaign's next version, or the other way about."""
        self.kill(several, step)

    # ---------------------------------------------------------------- answers

    def check(self, outcome: AnyOutcome, due: Any, stands: list[tuple[Position, int]]) -> None:
        match outcome:
            case PatternDone():
                assert isinstance(due, Filed), f"{outcome} instead of {due}"
                self._check_name(due.name, outcome.campaign_id)
                told = outcome.version, outcome.created, outcome.repeated
                assert told == (due.version, due.created, due.repeated)
            case PatternsDone():
                for one, wanted in zip(outcome.outcomes, due, strict=True):
                    self.check(one, wanted, stands)
            case CampaignDone():
                assert isinstance(due, Plan), f"{outcome} instead of {due}"
                self._check_campaign(outcome.campaign, due)
            case ExpireDone():
                assert outcome.expired == due
            case LegDone():
                assert isinstance(due, LegSaid), f"{outcome} instead of {due}"
                assert pb.Position.FromString(outcome.leg).position_uuid == due.uuid
                assert outcome.campaign_version == due.version
                _check_totals(pb.CampaignTotals.FromString(outcome.totals), due.totals)
            case PushDone():
                assert Pushed(outcome.accepted, outcome.stale) == due
            case RefusedOutcome() if isinstance(due, Refusal):
                assert outcome.code in due.codes, f"{outcome} instead of {due.codes}"
            case _:
                super().check(outcome, due, stands)

    def _check_name(self, name: str, told: str) -> None:
        """The list gives names of its own to what nobody named; each stands for one of ours."""
        if name.startswith("#"):
            assert self.names.setdefault(name, told) == told
        else:
            assert name == told

    def _check_campaign(self, wire: bytes, due: Plan) -> None:
        found = campaign_from_wire(pb.Campaign.FromString(wire))
        self._check_name(due.name, found.campaign_id)
        assert (found.hotkey, found.trade_pair, found.range_id or "") == due.key
        assert (found.state, found.version) == (due.state, due.version)
        assert (found.started_ms, found.deadline_ms) == (due.started, due.deadline)
        assert tuple((p.at_ms, p.signal_id, p.type) for p in found.patterns) == due.patterns

    # ---------------------------------------------------------------- after every step

    @invariant()
    def campaigns_and_list_agree(self) -> None:
        if not hasattr(self, "engine"):
            return
        book = self.engine.book
        due = {self.names.get(p.name, p.name): p for p in self.naive.plans}
        assert book.campaigns.by_id.keys() == due.keys()
        for campaign_id, record in book.campaigns.by_id.items():
            plan = due[campaign_id]
            self._check_campaign(record.wire, plan)
            legs = book.campaigns.legs_of(campaign_id)
            totals = legs.totals(campaign_id, book.marks.by_pair.get(record.trade_pair))
            _check_totals(totals, self.naive.totals(plan))
        for hotkey in ("ann", "bob"):
            live = [r.campaign_id for r in book.campaigns.live_of_hotkey(hotkey)]
            wanted = [p for p in reversed(self.naive.plans) if p.is_live and p.key[0] == hotkey]
            assert live == [self.names.get(p.name, p.name) for p in wanted]

    @invariant()
    def marks_and_list_agree(self) -> None:
        if not hasattr(self, "engine"):
            return
        stands = self.engine.book.marks.by_pair
        assert stands.keys() == self.naive.marks.keys()
        for pair, record in stands.items():
            mark = mark_from_wire(pb.Mark.FromString(record.wire))
            assert (mark.at_ms, Fraction(mark.price)) == self.naive.marks[pair]
            assert (Fraction(mark.volume_sum), len(mark.volumes)) == self.naive.volume_of(pair)


def _check_totals(found: Any, due: Figures) -> None:
    shares, cost, risk, open_pnl, realized = due
    told = [Fraction(text) for text in (
        found.total_shares, found.weighted_avg_entry, found.total_risk, found.open_pnl,
        found.realized_pnl, found.total_pnl,
    )]  # fmt: skip
    average = cost / shares if shares else Fraction(0)
    wanted = (shares, average, risk, open_pnl, realized, open_pnl + realized)
    assert told == [Fraction(round(one * 10**8), 10**8) for one in wanted]


TestCampaigns = CampaignMachine.TestCase
TestCampaigns.settings = settings(
    max_examples=examples(250),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
