"""A draft: what a batch of commands amounts to, decided against the book ahead, not yet journaled.

Invariant: the book ahead is always the book plus the draft's changes; `take_back` restores it
exactly. So a bug in one rule costs the command that met it, and no other. A bug in the book itself
leaves it nobody knows how: that one is raised, and the engine gives up.
"""

from __future__ import annotations

import asyncio

import msgspec

from hotbook_server.archive import Archive
from hotbook_server.commands import (
    AddLeg,
    AddPattern,
    AddPatterns,
    AnyOutcome,
    CampaignCommand,
    Clear,
    CloseAll,
    CloseAllDone,
    CloseLeg,
    ClosePosition,
    Command,
    CreateCampaign,
    Delete,
    DeleteCampaign,
    Expire,
    LegDone,
    PatternDone,
    PatternsDone,
    PlaceOrder,
    PushBars,
    RefusedOutcome,
    Save,
    SaveDone,
    SaveMany,
    SaveManyDone,
    SplitPosition,
    Transition,
)
from hotbook_server.logs import log
from hotbook_server.rules.campaigns import (
    decide_create,
    decide_delete_campaign,
    decide_expire,
    decide_transition,
)
from hotbook_server.rules.legs import decide_add_leg, decide_close_leg, with_campaigns
from hotbook_server.rules.market import decide_push
from hotbook_server.rules.orders import decide_close, decide_place
from hotbook_server.rules.patterns import decide_add_pattern
from hotbook_server.rules.positions import decide_clear, decide_delete, decide_save
from hotbook_server.rules.splitting import decide_split
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.book.book import Undo
from hotbook_shared.campaign_wire import totals_to_wire
from hotbook_shared.errors import HotbookError, InternalError, error_from
from hotbook_shared.model import PositionName
from hotbook_shared.record import Change

YIELD_EVERY = 128  # items of one large request between two turns of the loop


class BookTorn(Exception):
    """The book ahead took a change in part: what it holds now is unknown."""


class Draft:
    def __init__(self, ahead: Book, now_ms: int, terms: Terms, archive: Archive) -> None:
        self.changes: list[Change] = []
        self._ahead = ahead
        self._now_ms = now_ms
        self._terms = terms
        self._archive = archive
        self._start = ahead.revision
        self.undo: Undo = []

    async def decide(self, command: Command) -> AnyOutcome:
        """One command: what it changes is applied ahead. A refusal is an outcome like others, a bug
        in a rule as well."""
        revision, changed, undone = self._ahead.revision, len(self.changes), len(self.undo)
        try:
            if isinstance(command, SaveMany):
                outcome = await self._decide_many(command)
                if command.dry_run:
                    self._take_back_to(revision, changed, undone)
                return outcome
            if isinstance(command, CloseAll):
                return await self._decide_close_all(command)
            if isinstance(command, AddPatterns):
                return await self._decide_patterns(command)
            return self._decide_one(command)
        except HotbookError as refusal:
            self._take_back_to(revision, changed, undone)
            return RefusedOutcome.of(refusal, revision)
        except BookTorn:
            raise
        except Exception as bug:
            self._take_back_to(revision, changed, undone)
            kind = type(command).__name__
            log.error("a rule has failed: nothing changed", command=kind, exc_info=bug)
            told = InternalError("a bug in the server: nothing changed, its log has more")
            return RefusedOutcome.of(told, revision)

    def take_back(self) -> None:
        """Takes all of the draft from the book ahead."""
        self._ahead.revert(self.undo, self._start)
        self._archive.take_back(self.undo, self._start)

    def _take_back_to(self, revision: int, changed: int, undone: int) -> None:
        """Takes back what was done since the book ahead stood so."""
        self._ahead.revert(self.undo[undone:], revision)
        self._archive.take_back(self.undo[undone:], self._start)
        del self.changes[changed:], self.undo[undone:]

    def _decide_one(self, command: Command) -> AnyOutcome:
        made, outcome = self._made_of(command)
        for change in made:
            undo = self._applied(change)
            self.undo += undo
            self._archive.let_go(undo)
        self.changes += made
        return self._with_totals(outcome) if isinstance(outcome, LegDone) else outcome

    def _applied(self, change: Change) -> Undo:
        try:
            return self._ahead.apply(change)
        except Exception as bug:
            raise BookTorn(f"change {change.revision} was applied in part: {bug!r}") from bug

    def _made_of(self, command: Command) -> tuple[list[Change], AnyOutcome]:
        """The rule of a command, asked."""
        if isinstance(command, CampaignCommand):
            return self._made_of_campaigns(command)
        made, outcome = self._made_of_positions(command)
        return with_campaigns(self._ahead, made, self._now_ms), outcome

    def _made_of_campaigns(self, command: CampaignCommand) -> tuple[list[Change], AnyOutcome]:
        match command:
            case AddPattern():
                return decide_add_pattern(self._ahead, command, self._now_ms, self._terms)
            case AddLeg():
                return decide_add_leg(self._ahead, command, self._now_ms, self._terms)
            case CloseLeg():
                return decide_close_leg(self._ahead, command, self._now_ms)
            case PushBars():
                return decide_push(self._ahead, command, self._now_ms, self._terms)
            case CreateCampaign():
                return decide_create(self._ahead, command, self._now_ms, self._terms)
            case Transition():
                return decide_transition(self._ahead, command, self._now_ms, self._terms)
            case DeleteCampaign():
                return decide_delete_campaign(self._ahead, command)
            case Expire():
                return decide_expire(self._ahead, command, self._now_ms)
            case _:
                raise AssertionError(f"no rule for {type(command).__name__}")

    def _made_of_positions(self, command: Command) -> tuple[list[Change], AnyOutcome]:
        match command:
            case Save():
                return decide_save(self._ahead, command, self._now_ms)
            case Delete():
                return decide_delete(self._ahead, command)
            case Clear():
                return decide_clear(self._ahead, command)
            case PlaceOrder():
                return decide_place(self._ahead, command, self._now_ms, self._terms)
            case ClosePosition():
                return decide_close(self._ahead, command, self._now_ms, self._terms)
            case SplitPosition():
                return decide_split(self._ahead, command, self._now_ms, self._terms)
            case _:
                raise AssertionError(f"no rule for {type(command).__name__}")

    def _with_totals(self, done: LegDone) -> LegDone:
        """What a campaign's legs amount to, now that one of them has changed."""
        campaign = self.changes[-1].campaign
        assert campaign is not None, "a leg changes with its campaign"
        mark = self._ahead.marks.by_pair.get(campaign.trade_pair)
        legs = self._ahead.campaigns.legs_of(campaign.campaign_id)
        totals = totals_to_wire(legs.totals(campaign.campaign_id, mark))
        return msgspec.structs.replace(done, totals=totals.SerializeToString())

    async def _decide_many(self, command: SaveMany) -> SaveManyDone:
        outcomes: list[SaveDone | RefusedOutcome] = []
        for number, save in enumerate(command.saves):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)  # readers go on; only the writer touches the book ahead
            if isinstance(save, RefusedOutcome):
                outcomes.append(save)
                continue
            try:
                outcome = self._decide_one(save)
                assert isinstance(outcome, SaveDone)
                outcomes.append(outcome)
            except HotbookError as refusal:
                if command.all_or_nothing:
                    raise _at_item(refusal, number) from None
                outcomes.append(RefusedOutcome.of(refusal, self._ahead.revision))
        return SaveManyDone(self._ahead.revision, tuple(outcomes))

    async def _decide_patterns(self, command: AddPatterns) -> PatternsDone:
        """One after the other: the same as if each had come by itself."""
        outcomes: list[PatternDone | RefusedOutcome] = []
        for number, add in enumerate(command.patterns):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
            if isinstance(add, RefusedOutcome):
                outcomes.append(add)
                continue
            try:
                outcome = self._decide_one(add)
                assert isinstance(outcome, PatternDone)
                outcomes.append(msgspec.structs.replace(outcome, campaign=b""))
            except HotbookError as refusal:
                outcomes.append(RefusedOutcome.of(refusal, self._ahead.revision))
        return PatternsDone(self._ahead.revision, tuple(outcomes))

    async def _decide_close_all(self, command: CloseAll) -> CloseAllDone:
        found = [
            record
            for pairs in self._ahead.positions.open_by_pair.values()
            for trade_pair, record in pairs.items()
            if trade_pair in command.prices
        ]
        for number, record in enumerate(found):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
            price = command.prices[record.trade_pair]
            close = ClosePosition(record.hotkey, "", record.position_uuid, price,
                                  command.at_ms, command.source)  # fmt: skip
            self._decide_one(close)
        names = [
            PositionName(hotkey=r.hotkey, position_uuid=r.position_uuid, trade_pair=r.trade_pair)
            for r in found
        ]
        return CloseAllDone(self._ahead.revision, tuple(names))


def _at_item(refusal: HotbookError, number: int) -> HotbookError:
    """The refusal of one item, as that of the whole request."""
    details = {**refusal.details, "item": str(number)}
    return error_from(refusal.code, f"items[{number}]: {refusal.message}", details)
