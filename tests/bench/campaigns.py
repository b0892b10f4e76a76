"""Campaigns by index, against scans of a plain list of the same records.

Every index is asked for what it is there for, and beside it the list, which is looked through as
the original did. Scans stop at what they look for, and what they look for lies half way on the
average. That a lookup takes microseconds says little, for a scan of a thousand campaigns does too:
what counts is the ratio of the two, and how either grows with the book.

A page of a state costs the same in any book that has a page of it; the whole of a state costs what
there is of it, by index or not. Adding a pattern is the rule and what it changes, applied: over the
Book, and over the list, which the rule makes look for what is overdue, and for what matches. An
expiry sweep is the same: the rule, and its changes applied, which are taken back outside the
clock. Most sweeps of a server, one a second, find nothing or one; ending a campaign costs what it
costs, found by index or not, so of many that are due at once the finding is the smaller part.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import msgspec

from hotbook_server.commands import AddPattern, Expire
from hotbook_server.config import load_settings
from hotbook_server.rules.campaigns import decide_expire
from hotbook_server.rules.patterns import decide_add_pattern, fits, match
from hotbook_server.rules.terms import Terms
from hotbook_shared.book import Book
from hotbook_shared.book.book import Undo
from hotbook_shared.book.marks import Marks
from hotbook_shared.record import LIVE_STATES, CampaignRecord, Change
from tests.bench import campaign_data as data
from tests.bench.figures import Figure, Rounds, alternate, measured, ratios

PAGE = 500
OVERDUE = 10
BY_ID, BY_STATE, WHOLE = "by id", f"a page of {PAGE} by state", "all of a state"
MATCH, ADD = "live match", "add_pattern"
FIND = f"finding {OVERDUE} that are due"
EXPIRY, EXPIRIES = "expiry sweep with one due", f"expiry sweep with {OVERDUE} due"
INDEX, SCAN = "index", "scan"
ASKED = (BY_ID, BY_STATE, WHOLE, MATCH, ADD, FIND, EXPIRY, EXPIRIES)
GAINED_MIN = 50

QUICK = (BY_ID, MATCH, FIND)
"""Answered in a microsecond or so: what the processor's caches hold is most of the time."""

GROWTH_MAX = {BY_ID: 10, BY_STATE: 2, MATCH: 3, ADD: 1.5, FIND: 3, EXPIRY: 4, EXPIRIES: 4}
"""What an answer by index may cost in the largest book, times what it does in the smallest."""


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    lookups: int = 1_000
    again: int = 5
    """How often an index is asked for the same again: books of any size are then as warm."""
    scans: int = 10


class Scanned:
    """A plain list of campaigns that answers the rule's questions by looking through it.

    What it found for a pair it knows until it is changed: so a pattern costs two scans, as it
    does in the original, one for what is overdue and one for what matches.
    """

    def __init__(self, records: Sequence[CampaignRecord]) -> None:
        self.campaigns = self
        self.marks = Marks()
        self.revision = len(records)
        self.listed = list(records)
        self._known: dict[tuple[str, str], list[CampaignRecord]] = {}

    def live_on_pair(self, hotkey: str, trade_pair: str) -> Iterator[CampaignRecord]:
        if (hotkey, trade_pair) not in self._known:
            self._known[hotkey, trade_pair] = [
                record for record in reversed(self.listed)
                if record.state in LIVE_STATES
                and record.hotkey == hotkey and record.trade_pair == trade_pair
            ]  # fmt: skip
        return iter(self._known[hotkey, trade_pair])

    def live_of_hotkey(self, hotkey: str) -> list[CampaignRecord]:
        return [one for one in self.listed if one.state in LIVE_STATES and one.hotkey == hotkey]

    def overdue(self, now_ms: int) -> list[CampaignRecord]:
        return [one for one in self.listed if one.state in LIVE_STATES and one.deadline_ms < now_ms]

    def apply(self, change: Change) -> Undo:
        assert change.campaign is not None
        self.revision = change.revision
        old = self._put(change.campaign)
        return [(change.kind, change.key, old)]

    def revert(self, undo: Undo, revision: int) -> None:
        for _, _, old in reversed(undo):
            assert isinstance(old, CampaignRecord)
            self._put(old)
        self.revision = revision

    def _put(self, record: CampaignRecord) -> CampaignRecord:
        place = record.created - 1
        old, self.listed[place] = self.listed[place], record
        self._known.clear()
        return old


class Standing:
    """The campaigns of one size, in a Book and in a list, and what both are asked."""

    def __init__(self, size: int, terms: Terms) -> None:
        self.terms = terms
        self.records = data.campaigns(size)
        self.book = Book((), size, self.records)
        self.scanned = Scanned(self.records)
        self.live = [record for record in self.records if record.is_live]
        self._numbers = itertools.count(1)

    def sides(self, scale: Scale) -> dict[str, Callable[[], float]]:
        """What is measured, by what is asked and who is."""
        questions: dict[tuple[str, str], tuple[Callable[[Any], object], Sequence[Any]]] = {
            (BY_ID, INDEX): (self.book.campaigns.by_id.get, [r.campaign_id for r in self.records]),
            (BY_ID, SCAN): (self._scan_id, [r.campaign_id for r in self.records]),
            (BY_STATE, INDEX): (self._page, self._pages()),
            (BY_STATE, SCAN): (self._scan_page, self._pages()),
            (WHOLE, INDEX): (self._state, [data.ACTIVE]),
            (WHOLE, SCAN): (self._scan_state, [data.ACTIVE]),
            (MATCH, INDEX): (self._match, self.live),
            (MATCH, SCAN): (self._scan_match, self.live),
            (FIND, INDEX): (self.book.campaigns.overdue, self._instants(OVERDUE)),
            (FIND, SCAN): (self.scanned.overdue, self._instants(OVERDUE)),
            (ADD, INDEX): (partial(self._add, self.book), self.live),
            (ADD, SCAN): (partial(self._add, cast(Book, self.scanned)), self.live),
        }
        for asked in (BY_ID, BY_STATE, MATCH, FIND, WHOLE):
            self._check(*questions[asked, INDEX], questions[asked, SCAN][0])
        sides: dict[str, Callable[[], float]] = {}
        for (asked, who), (act, given) in questions.items():
            chosen = evenly(given, scale.scans if who == SCAN else scale.lookups)
            if who == INDEX and asked in QUICK:
                chosen *= scale.again
            sides[f"{asked} {who}"] = partial(each, chosen, act)
        for asked, due in ((EXPIRY, 1), (EXPIRIES, OVERDUE)):
            at_ms = self._instants(due)[0]
            for who, book, count in (
                (INDEX, self.book, scale.lookups // OVERDUE),
                (SCAN, cast(Book, self.scanned), scale.scans),
            ):
                sides[f"{asked} {who}"] = partial(self._sweeps, book, at_ms, due, count)
        return sides

    def _check(
        self, index: Callable[[Any], Any], given: Sequence[Any], scan: Callable[[Any], Any]
    ) -> None:
        for one in evenly(given, 3):
            found = index(one)
            assert found == scan(one), "both find the same"
            assert found, "there is something to find"

    def _scan_id(self, campaign_id: str) -> CampaignRecord | None:
        return next((one for one in self.records if one.campaign_id == campaign_id), None)

    def _pages(self) -> list[int]:
        """Places of the book from which a page of ACTIVE ones can be read whole, if any can."""
        last = max(len(self.records) - PAGE * len(data.STATES), 1)
        return list(range(last))

    def _page(self, after: int) -> list[CampaignRecord]:
        return list(itertools.islice(self.book.campaigns.listed((data.ACTIVE,), "", after), PAGE))

    def _scan_page(self, after: int) -> list[CampaignRecord]:
        found = (one for one in self.records if one.state == data.ACTIVE and one.created > after)
        return list(itertools.islice(found, PAGE))

    def _state(self, state: int) -> list[CampaignRecord]:
        return list(self.book.campaigns.listed((state,)))

    def _scan_state(self, state: int) -> list[CampaignRecord]:
        return [one for one in self.records if one.state == state]

    def _match(self, like: CampaignRecord) -> CampaignRecord | None:
        return match(
            self.book, like.hotkey, like.trade_pair, like.range_id, data.NOW_MS, self.terms
        )

    def _scan_match(self, like: CampaignRecord) -> CampaignRecord | None:
        for one in reversed(self.records):
            if (
                one.state in LIVE_STATES
                and one.hotkey == like.hotkey
                and one.trade_pair == like.trade_pair
                and one.range_id == like.range_id
                and fits(one, data.NOW_MS, self.terms.of_timeframe(one.timeframe))
            ):
                return one
        return None

    def _instants(self, due: int) -> list[int]:
        """A time at which so many are overdue."""
        return [sorted(one.deadline_ms for one in self.live)[due - 1] + 1]

    def _sweeps(self, book: Book, at_ms: int, due: int, count: int) -> float:
        """Seconds for one sweep, over so many; each ends the same campaigns anew."""
        spent_s, revision = 0.0, book.revision
        for _ in range(count):
            started = time.perf_counter()
            changes, done = decide_expire(book, Expire(at_ms), data.NOW_MS)
            undo = [one for change in changes for one in book.apply(change)]
            spent_s += time.perf_counter() - started
            assert done.expired == due == len(undo), "what is due has failed"
            book.revert(undo, revision)
        return spent_s / count

    def _add(self, book: Book, like: CampaignRecord) -> None:
        add = self.pattern_for(like)
        changes, done = decide_add_pattern(book, add, data.NOW_MS, self.terms)
        assert done.campaign_id == like.campaign_id, "it is filed, and begins none"
        for change in changes:
            book.apply(change)

    def pattern_for(self, like: CampaignRecord) -> AddPattern:
        made = data.pattern(next(self._numbers), data.NOW_MS).SerializeToString()
        return AddPattern(like.hotkey, like.trade_pair, like.range_id, like.timeframe, made)


def evenly(given: Sequence[Any], count: int) -> list[Any]:
    """So many of these, as far from each other as from the ends."""
    return [given[(2 * place + 1) * len(given) // (2 * count)] for place in range(count)]


def each(given: Iterable[Any], act: Callable[[Any], object]) -> float:
    """Seconds for one act, over all that is given."""
    count = 0
    started = time.perf_counter()
    for one in given:
        act(one)
        count += 1
    return (time.perf_counter() - started) / count


def measure(scale: Scale) -> list[Figure]:
    terms = Terms.of(load_settings())
    by_size = {size: Standing(size, terms).sides(scale) for size in scale.sizes}
    names = [f"{asked} {who}" for asked in ASKED for who in (INDEX, SCAN)]
    sides = {f"{size} {name}": by_size[size][name] for name in names for size in scale.sizes}
    found = alternate(scale.rounds, sides)
    return [figure for one in ASKED for figure in _figures(found, scale, one)]


def _figures(found: Rounds, scale: Scale, asked: str) -> list[Figure]:
    least, most = scale.sizes[0], scale.sizes[-1]
    figures = [
        measured(f"{asked}, {who}, {size:,} campaigns", found[f"{size} {asked} {who}"], "us",
                 factor=1e6, picture=f"Campaigns: {asked}", line=who, x=size)
        for who in (INDEX, SCAN)
        for size in scale.sizes
    ]  # fmt: skip
    for who in (INDEX, SCAN):
        grown = ratios(found[f"{most} {asked} {who}"], found[f"{least} {asked} {who}"])
        name = f"{asked}, {who}, {most:,} campaigns against {least:,}"
        growth_max = GROWTH_MAX.get(asked) if who == INDEX else None
        figures.append(measured(name, grown, "x", at_most=growth_max))
    for size in scale.sizes:
        gained = ratios(found[f"{size} {asked} {SCAN}"], found[f"{size} {asked} {INDEX}"])
        name = f"{asked}, index against scan, {size:,} campaigns"
        held = GAINED_MIN if size == most and asked != EXPIRIES else None
        figures.append(measured(name, gained, "x", at_least=held))
    return figures
