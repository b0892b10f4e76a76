"""Alerts: the risk of a campaign, or of all of a hotkey's, has come near its limit.

Owns the level of every limit that was ever near, and the newest alerts. It reads the book and never
changes it; and whatever goes wrong here, the writer goes on. A level is reached at its share of the
limit, and left 5 percent points below that:

    NORMAL  - 80 % ->  WARNING  - 95 % ->  CRITICAL
            <- 75 % -           <- 90 % -

Invariant: what was told last of a limit is its level, unless it has come back to one that was told
less than `alert_pause_s` ago; that is told by the first change after, if it still stands. NORMAL is
told once, whenever it comes.

Nothing here is stored. At a start levels are found anew, and nothing is raised for those that stand
already: followers find them with everything else that stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import IntEnum
from itertools import takewhile

from hotbook_server.config import Settings
from hotbook_server.logs import log
from hotbook_shared.book import Book
from hotbook_shared.campaign import Alert
from hotbook_shared.money import SUMS, ZERO, to_places
from hotbook_shared.record import Change, ChangeKind

ALERTS_KEPT = 1_000
BACK_PERCENT = 5
"""A level is left so many percent points below where it is reached."""

Subject = tuple[str, str]
"""A hotkey and a campaign of it; without a campaign: all of the hotkey's."""


class Level(IntEnum):
    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


class _Standing:
    """How a limit stands, and what was told of it."""

    __slots__ = ("level", "raised_ms", "told")

    def __init__(self, level: Level = Level.NORMAL, told: Alert | None = None) -> None:
        self.level = level
        self.told = told
        self.raised_ms: dict[Level, int] = {}

    @property
    def told_level(self) -> Level:
        return Level.NORMAL if self.told is None else Level[self.told.level]


class Alerts:
    def __init__(self, settings: Settings) -> None:
        self._heat = SUMS.multiply(settings.heat_percent, Decimal("0.01"))
        self._reached = (
            (Level.CRITICAL, settings.alert_critical_percent),
            (Level.WARNING, settings.alert_warning_percent),
        )
        self._pause_ms = settings.alert_pause_s * 1000
        self._standing: dict[Subject, _Standing] = {}
        self._newest: deque[Alert] = deque(maxlen=ALERTS_KEPT)

    # ---------------------------------------------------------------- reading

    def since(self, revision: int) -> list[Alert]:
        """The alerts of later revisions, as far as they are kept, the oldest first."""
        later = takewhile(lambda alert: alert.revision > revision, reversed(self._newest))
        return [*later][::-1]

    def standing(self) -> list[Alert]:
        """What was told last of every limit that is near, as far as was told."""
        told = (one.told for one in self._standing.values() if one.told_level is not Level.NORMAL)
        return [alert for alert in told if alert is not None]

    # ---------------------------------------------------------------- watching the book

    def restart(self, book: Book, now_ms: int) -> None:
        """Finds all levels anew, and raises nothing: the book is one that nobody has seen grow."""
        self._standing.clear()
        self._newest.clear()
        campaigns = book.campaigns
        subjects = [(hotkey, "") for hotkey in campaigns.risk]
        for held in campaigns.open_on_pair.values():
            records = (campaigns.by_id.get(one) for one in held)
            subjects += [(r.hotkey, r.campaign_id) for r in records if r is not None]
        for subject in subjects:
            risk, limit = self._figures(subject, book)
            level = self._level(risk, limit, Level.NORMAL)
            if level is not Level.NORMAL:
                told = _alert(subject, level, risk, limit, book.revision, now_ms)
                self._standing[subject] = _Standing(level, told)

    def observe(self, changes: Sequence[Change], book: Book, now_ms: int) -> list[Alert]:
        """What is to be told of a commit that the book has by now. Never raises."""
        try:
            subjects = dict.fromkeys(self._subjects(changes))
            looked_at = (self._look(subject, book, now_ms) for subject in subjects)
            raised = [alert for alert in looked_at if alert is not None]
        except Exception as error:
            log.error("alerts cannot be found", revision=book.revision, exc_info=error)
            return []
        self._newest.extend(raised)
        return raised

    def _subjects(self, changes: Iterable[Change]) -> Iterator[Subject]:
        """Whose risk, or limit, changes may have moved. What is cleared is forgotten."""
        for change in changes:
            if change.kind is ChangeKind.CLEARED:
                for subject in [s for s in self._standing if change.key in ("", s[0])]:
                    del self._standing[subject]
            elif change.kind in (ChangeKind.CAMPAIGN_SAVED, ChangeKind.CAMPAIGN_REMOVED):
                yield change.hotkey, change.key
                yield change.hotkey, ""
            elif change.kind is ChangeKind.REMOVED or (change.record and change.record.campaign_id):
                yield change.hotkey, ""

    def _look(self, subject: Subject, book: Book, now_ms: int) -> Alert | None:
        """The alert that is due now, if any."""
        risk, limit = self._figures(subject, book)
        stands = self._standing.get(subject)
        level = self._level(risk, limit, Level.NORMAL if stands is None else stands.level)
        if stands is None:
            if level is Level.NORMAL:
                return None
            stands = self._standing[subject] = _Standing()
        stands.level = level
        if level is stands.told_level or self._is_too_soon(stands, now_ms):
            return None
        stands.told = _alert(subject, level, risk, limit, book.revision, now_ms)
        stands.raised_ms[level] = now_ms
        return stands.told

    def _is_too_soon(self, stands: _Standing, now_ms: int) -> bool:
        raised_ms = stands.raised_ms.get(stands.level)
        if stands.level is Level.NORMAL or raised_ms is None:
            return False
        return now_ms - raised_ms < self._pause_ms

    def _figures(self, subject: Subject, book: Book) -> tuple[Decimal, Decimal | None]:
        """The risk that stands, and its limit; None where it has none."""
        hotkey, campaign_id = subject
        campaigns = book.campaigns
        if not campaign_id:
            account = campaigns.account_of(hotkey)
            limit = SUMS.multiply(account, self._heat) if account else None
            return campaigns.risk.get(hotkey, ZERO), limit
        record = campaigns.by_id.get(campaign_id)
        risk = campaigns.legs_of(campaign_id).sums.risk
        if record is None or record.hotkey != hotkey or not record.risk_limit:
            return risk, None
        return risk, Decimal(record.risk_limit)

    def _level(self, risk: Decimal, limit: Decimal | None, was: Level) -> Level:
        if limit is None or risk <= 0:
            return Level.NORMAL
        hundredfold = SUMS.multiply(risk, Decimal(100))
        for level, percent in self._reached:
            needed = SUMS.subtract(percent, Decimal(BACK_PERCENT)) if was >= level else percent
            if hundredfold >= SUMS.multiply(needed, limit):
                return level
        return Level.NORMAL


def _alert(
    subject: Subject, level: Level, risk: Decimal, limit: Decimal | None, revision: int, at_ms: int
) -> Alert:
    hotkey, campaign_id = subject
    return Alert(
        revision=revision,
        hotkey=hotkey,
        level=level.name,
        risk=to_places(risk),
        limit=to_places(limit or ZERO),
        at_ms=at_ms,
        campaign_id=campaign_id or None,
    )
