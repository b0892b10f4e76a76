"""The rules of campaigns, legs and marks once more, in the plainest way: lists and fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from msgspec.structs import replace

from hotbook import Position, Side
from hotbook_server.commands import (
    AddLeg,
    AddPattern,
    AddPatterns,
    Clear,
    CloseLeg,
    Command,
    CreateCampaign,
    Delete,
    DeleteCampaign,
    Expire,
    PushBars,
    Save,
    Transition,
)
from hotbook_shared.campaign import MAY_FOLLOW, CampaignState
from hotbook_shared.campaign_wire import pattern_from_wire, state_of
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_from_wire
from tests.campaigns import HOUR_MS
from tests.model.naive import Refusal, Saved
from tests.model.naive_orders import Answer, NaiveOrders

WINDOW_MS = GAP_MS = 48 * HOUR_MS
EXPIRY_MS = 72 * HOUR_MS
LIVE_MAX = 3
RISK, HEAT = Fraction(5, 100), Fraction(10, 100)
LIVE = (CampaignState.FORMING, CampaignState.ACTIVE)


class Plan(NamedTuple):
    """A campaign. The list of them is in order of touch, the last touched last."""

    name: str
    key: tuple[str, str, str]  # hotkey, pair, range
    started: int
    deadline: int
    account: Fraction
    state: CampaignState = CampaignState.FORMING
    patterns: tuple[tuple[int, str, str], ...] = ()  # time, signal and kind, in order of time
    version: int = 1

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def newest(self) -> int:
        return self.patterns[-1][0] if self.patterns else self.started


class Filed(NamedTuple):
    name: str
    version: int
    created: bool = False
    repeated: bool = False


class LegSaid(NamedTuple):
    uuid: str
    version: int
    totals: tuple[Fraction, ...]


class Pushed(NamedTuple):
    accepted: int
    stale: int


CampaignAnswer = Answer | Filed | list[Any] | LegSaid | Pushed | Plan


class NaiveCampaigns(NaiveOrders):
    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self.plans: list[Plan] = []
        self.marks: dict[str, tuple[int, Fraction]] = {}
        self.volumes: dict[str, list[tuple[int, Fraction | None]]] = {}
        self._unnamed = 0
        self._moves: list[str] = []

    @property
    def state(self) -> tuple[object, ...]:
        return *super().state, self.plans, self._moves

    def do(self, command: Command) -> Any:
        before = self.plans, self._unnamed
        answer = super().do(command)
        if isinstance(answer, Refusal):
            self.plans, self._unnamed = before
        return answer

    def _do(self, command: Command) -> Any:
        match command:
            case AddPattern():
                return self.add_pattern(command)
            case AddPatterns():
                return [self.do(one) for one in command.patterns]  # type: ignore[arg-type]
            case CreateCampaign():
                return self.create(command)
            case Transition():
                return self.go_to(command)
            case DeleteCampaign():
                return self.delete_campaign(command)
            case Expire():
                return self.expire(command)
            case AddLeg():
                return self.add_leg(command)
            case CloseLeg():
                return self.close_leg(command)
            case PushBars():
                return self.push(command)
            case _:
                return super()._do(command)

    # ---------------------------------------------------------------- positions that are legs

    def save(self, asked: Save) -> Saved:
        old, before = self.of_uuid(asked.position_uuid), (self.stands, self.plans)
        saved = super().save(asked)
        try:
            self._saved_by_hand(old and old[0], asked.position_uuid)
        except Refusal:  # one of many: the others stand
            self.stands, self.plans = before
            raise
        return saved

    def delete(self, asked: Delete) -> bool:
        old = self.of_uuid(asked.position_uuid)
        existed = super().delete(asked)
        if existed and old is not None and self._plan_of(old[0]) is not None:
            raise Refusal("LEG_KEPT")
        return existed

    def close(self, asked: Any) -> Any:
        old = self.of_uuid(asked.position_uuid) if asked.position_uuid else None
        answer = super().close(asked)
        if old is not None:
            self._saved_by_hand(old[0], asked.position_uuid)
        return answer

    def clear(self, asked: Clear) -> int:
        count = super().clear(asked)
        self.plans = [p for p in self.plans if asked.hotkey not in ("", p.key[0])]
        return count

    def campaign_count(self, hotkey: str) -> int:
        return sum(hotkey in ("", p.key[0]) for p in self.plans)

    def _saved_by_hand(self, old: Position | None, uuid: str) -> None:
        stands = self.of_uuid(uuid)
        assert stands is not None
        new = stands[0]
        was, now = old and self._plan_of(old), self._plan_of(new)
        if was is not None and was is not now:
            raise Refusal("LEG_KEPT")
        if now is None:
            return
        if (new.hotkey, new.trade_pair) != now.key[:2]:
            raise Refusal("INVALID_ARGUMENT")
        before = old if was is now else None
        _check_figures(before, new)
        if new.is_open and before is None and MAY_FOLLOW[now.state] == ():
            raise Refusal("CAMPAIGN_ENDED")
        self._touch(now)

    # ---------------------------------------------------------------- patterns

    def add_pattern(self, add: AddPattern) -> Filed:
        told = pattern_from_wire(pb.Pattern.FromString(add.pattern))
        key = add.hotkey, add.trade_pair, add.range_id
        in_time = [p for p in self.plans if p.is_live and p.deadline >= told.at_ms]
        for plan in reversed([p for p in in_time if p.key == key]):
            for filed in plan.patterns:
                if filed[1] == told.signal_id:
                    if filed != (told.at_ms, told.signal_id, told.type):
                        raise Refusal("SIGNAL_REUSED")
                    return Filed(plan.name, plan.version, repeated=True)
        for plan in [p for p in self.plans if p.is_live and p.key[0] == add.hotkey]:
            if plan.deadline < told.at_ms:
                self._touch(plan, state=CampaignState.FAILED)
        ours = [p for p in self.plans if p.is_live and p.key == key]
        for plan in reversed(ours):
            since = told.at_ms - plan.started
            if -GAP_MS <= since <= WINDOW_MS and told.at_ms - plan.newest <= GAP_MS:
                self._check_version(plan, add.expected_version)
                patterns = (*plan.patterns, (told.at_ms, told.signal_id, told.type))
                patterns = tuple(sorted(patterns, key=lambda one: one[0]))
                return Filed(*self._with_patterns(plan, patterns)[:2])
        if ours and told.at_ms < min(p.started for p in ours) - GAP_MS:
            raise Refusal("OUT_OF_ORDER")
        if add.expected_version:
            raise Refusal("VERSION_CONFLICT")
        self._check_room(add.hotkey)
        self._unnamed += 1
        plan = Plan(f"#{self._unnamed}", key, told.at_ms, told.at_ms + EXPIRY_MS, Fraction(0),
                    patterns=((told.at_ms, told.signal_id, told.type),))  # fmt: skip
        self.plans = [*self.plans, plan]
        return Filed(plan.name, 1, created=True)

    def _with_patterns(
        self, plan: Plan, patterns: tuple[tuple[int, str, str], ...]
    ) -> tuple[str, int]:
        becomes = plan.state is CampaignState.FORMING and len(patterns) >= 2
        state = CampaignState.ACTIVE if becomes else plan.state
        made = self._touch(plan, patterns=patterns, state=state)
        return made.name, made.version

    # ---------------------------------------------------------------- states

    def create(self, ask: CreateCampaign) -> Plan:
        told = pb.Campaign.FromString(ask.campaign)
        if self._plan(told.campaign_id, missing_ok=True) is not None:
            raise Refusal("ALREADY_EXISTS")
        key = told.hotkey, told.trade_pair, told.range_id
        for position, _ in self.stands:
            if position.campaign_id == told.campaign_id and (
                (position.hotkey, position.trade_pair) != key[:2]
            ):
                raise Refusal("INVALID_ARGUMENT")
            if position.campaign_id == told.campaign_id:
                _check_figures(None, position)
        self._check_room(told.hotkey)
        started = told.started_ms or self.now_ms
        account = Fraction(told.account_size or 0)
        plan = Plan(told.campaign_id, key, started, started + EXPIRY_MS, account)
        self.plans = [*self.plans, plan]
        return plan

    def go_to(self, ask: Transition) -> Plan:
        plan, to = self._plan(ask.campaign_id), state_of(ask.to)
        assert plan is not None
        self._check_version(plan, ask.expected_version)
        if to not in MAY_FOLLOW[plan.state]:
            raise Refusal("ILLEGAL_TRANSITION")
        if to is CampaignState.COMPLETED and any(p.is_open for p in self._legs(plan)):
            raise Refusal("HAS_LEGS")
        deadline = plan.deadline
        if to is CampaignState.ACTIVE and not plan.is_live:
            self._check_room(plan.key[0])
            deadline = max(deadline, max(self.now_ms, plan.started) + EXPIRY_MS)
        return self._touch(plan, state=to, deadline=deadline)

    def expire(self, ask: Expire) -> int:
        due = [p for p in self.plans if p.is_live and p.deadline < ask.now_ms]
        for plan in sorted(due, key=lambda p: p.deadline):
            self._touch(plan, state=CampaignState.FAILED)
        return len(due)

    def delete_campaign(self, ask: DeleteCampaign) -> bool:
        plan = self._plan(ask.campaign_id, missing_ok=True)
        version = 0 if plan is None else plan.version
        if ask.expected_version not in (None, version):
            raise Refusal("VERSION_CONFLICT")
        if plan is not None and self._legs(plan):
            raise Refusal("HAS_LEGS")
        if plan is None:
            return False
        self.plans = [p for p in self.plans if p is not plan]
        return True

    # ---------------------------------------------------------------- legs and marks

    def add_leg(self, add: AddLeg) -> LegSaid:
        plan = self._plan(add.campaign_id)
        assert plan is not None
        self._check_version(plan, add.expected_version)
        if not MAY_FOLLOW[plan.state]:
            raise Refusal("CAMPAIGN_ENDED")
        hotkey, pair, _ = plan.key
        wire = pb.Position.FromString(add.leg)
        wire.hotkey, wire.trade_pair, wire.campaign_id = hotkey, pair, plan.name
        wire.open_ms = wire.open_ms or self.now_ms
        leg = position_from_wire(wire)
        if self.of_uuid(leg.position_uuid) is not None:
            raise Refusal("ALREADY_EXISTS")
        risk = _risk(leg)
        whole = sum(map(_risk, self._legs(plan)), risk)
        heat = sum((_risk(p) for p, _ in self.stands if p.hotkey == hotkey and p.campaign_id), risk)
        live = [p.account for p in self.plans if p.is_live and p.key[0] == hotkey]
        account = max([*live, plan.account])
        if (plan.account and whole > RISK * plan.account) or (account and heat > HEAT * account):
            raise Refusal("RISK_LIMIT_EXCEEDED")
        self.put(leg)
        made = self._touch(plan)
        return LegSaid(leg.position_uuid, made.version, self.totals(made))

    def close_leg(self, close: CloseLeg) -> LegSaid:
        plan = self._plan(close.campaign_id)
        assert plan is not None
        self._check_version(plan, close.expected_version)
        held = self.of_uuid(close.position_uuid)
        if held is None or held[0].campaign_id != plan.name:
            raise Refusal("NOT_FOUND")
        leg = held[0]
        if not leg.is_open:
            raise Refusal("LEG_CLOSED")
        closed_ms = close.closed_ms or max(self.now_ms, leg.open_ms)
        if closed_ms < leg.open_ms:
            raise Refusal("INVALID_ARGUMENT")
        price = Decimal(close.exit_price)
        earned = _written(_earned(leg, price))
        self.put(replace(leg, close_ms=closed_ms, exit_price=price, realized_pnl=earned,
                         net_quantity=Decimal(0), unrealized_pnl=Decimal(0)))  # fmt: skip
        made = self._touch(plan)
        return LegSaid(leg.position_uuid, made.version, self.totals(made))

    def totals(self, plan: Plan) -> tuple[Fraction, ...]:
        """Shares, their cost, risk, open result, realized result: leg by leg."""
        shares = cost = risk = open_pnl = realized = Fraction(0)
        marked_ms, price = self.marks.get(plan.key[1], (-1, Fraction(0)))
        for leg in self._legs(plan):
            if not leg.is_open:
                realized += Fraction(leg.realized_pnl)
                continue
            shares += Fraction(_shares(leg))
            cost += Fraction(leg.average_entry_price) * Fraction(_shares(leg))
            risk += _risk(leg)
            if leg.open_ms <= marked_ms:
                moved = price - Fraction(leg.average_entry_price)
                open_pnl += _sign(leg) * moved * Fraction(_shares(leg))
        return shares, cost, risk, open_pnl, realized

    def push(self, push: PushBars) -> Pushed:
        stale = 0
        for bar in push.bars:
            at, _ = self.marks.get(bar.trade_pair, (-1, Fraction(0)))
            if bar.at_ms < at:
                stale += 1
                continue
            volumes = self.volumes.setdefault(bar.trade_pair, [])
            volume = Fraction(bar.volume) if bar.volume else None
            if bar.at_ms > at or not volumes:
                volumes.append((bar.at_ms, volume))
            elif volume is not None:
                volumes[-1] = (bar.at_ms, volume)
            self._moves = [*self._moves, bar.trade_pair]
            self.marks[bar.trade_pair] = bar.at_ms, Fraction(bar.close)
        return Pushed(len(push.bars) - stale, stale)

    def volume_of(self, trade_pair: str) -> tuple[Fraction, int]:
        """The sum of the newest twenty volumes, and how many they are."""
        told = [v for _, v in self.volumes.get(trade_pair, ()) if v is not None][-20:]
        return sum(told, Fraction(0)), len(told)

    # ---------------------------------------------------------------- parts

    def _plan(self, name: str, *, missing_ok: bool = False) -> Plan | None:
        found = next((p for p in self.plans if p.name == name), None)
        if found is None and not missing_ok:
            raise Refusal("NOT_FOUND")
        return found

    def _plan_of(self, position: Position) -> Plan | None:
        return self._plan(position.campaign_id or "", missing_ok=True)

    def _legs(self, plan: Plan) -> list[Position]:
        return [p for p, _ in self.stands if p.campaign_id == plan.name]

    def _touch(self, plan: Plan, **changed: Any) -> Plan:
        """A campaign's next version: it is the last touched now."""
        made = plan._replace(version=plan.version + 1, **changed)
        self.plans = [*(p for p in self.plans if p.name != plan.name), made]
        return made

    def _check_room(self, hotkey: str) -> None:
        if sum(p.is_live and p.key[0] == hotkey for p in self.plans) >= LIVE_MAX:
            raise Refusal("TOO_MANY_CAMPAIGNS")

    def _check_version(self, plan: Plan, expected: int | None) -> None:
        if expected not in (None, plan.version):
            raise Refusal("VERSION_CONFLICT")


def _sign(leg: Position) -> int:
    return -1 if leg.side is Side.SHORT else 1


def _check_figures(before: Position | None, new: Position) -> None:
    """A leg that is saved by hand."""
    held = [(p.side, p.average_entry_price, _shares(p)) for p in (before or new, new)]
    if before is not None and not before.is_open:
        ends = [(p.open_ms, p.close_ms, p.exit_price, p.realized_pnl) for p in (before, new)]
        if held[0] != held[1] or ends[0] != ends[1]:
            raise Refusal("LEG_CLOSED")
    elif new.is_open:
        distance = Fraction(new.average_entry_price) - Fraction(new.stop_loss or 0)
        if new.stop_loss is not None and _sign(new) * distance <= 0:
            raise Refusal("INVALID_ARGUMENT")
    elif (
        held[0] != held[1]
        or not new.exit_price
        or Fraction(new.realized_pnl) != _earned(new, new.exit_price)
    ):
        raise Refusal("INVALID_ARGUMENT")


def _earned(leg: Position, price: Decimal) -> Fraction:
    moved = Fraction(price) - Fraction(leg.average_entry_price)
    return _sign(leg) * moved * Fraction(_shares(leg))


def _written(number: Fraction) -> Decimal:
    """A number of at most 16 decimals, with all of its digits."""
    whole = number * 10**16
    assert whole.denominator == 1
    return Decimal(f"{whole.numerator}e-16")


def _shares(leg: Position) -> Decimal:
    return abs(leg.quantity or leg.net_quantity)


def _risk(leg: Position) -> Fraction:
    if not leg.is_open or leg.stop_loss is None:
        return Fraction(0)
    distance = Fraction(leg.average_entry_price) - Fraction(leg.stop_loss)
    return _sign(leg) * distance * Fraction(_shares(leg))
