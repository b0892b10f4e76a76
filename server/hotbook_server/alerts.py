"""Alerts: the risk of a campaign, or of all of a hotkey's, has come near its limit.

Owns the level of every limit that was ever near, and the newest alerts. It reads the book and never
changes it; and whatever goes wrong here, the writer goes on. A level is reached at its share of the
limit, and left 5 percent points below that:

    NORMAL  - 80 % ->  WARNING  - 95 % ->  CRITICAL
            <- 75 % -           <- 90 % -

Invariant: what was told last of a limit is its level, unless it has come back to one that was told
less than `alert_pause_s` ago; that is told when the pause is over, if it still stands: `look_again`
sees to it, without a change. NORMAL is told once, whenever it comes. Nothing is kept of a limit
that is NORMAL and has no pause to wait for.

Nothing here is stored. At a start levels are found anew, and nothing is raised for those that stand
already: followers find them with everything else that stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import IntEnum
from itertools import islice, takewhile

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

    __slots__ = ("alert", "level", "raised_ms", "told")

    def __init__(self, level: Level = Level.NORMAL, alert: Alert | None = None) -> None:
        self.level = level
        self.alert = alert
        """What there is to say of the level, told or not."""
        self.told = level
        self.raised_ms: dict[Level, int] = {}
        """When each level but NORMAL was told last."""


class Alerts:
    def __init__(self, settings: Settings) -> None:
        self._heat = SUMS.multiply(settings.heat_percent, Decimal("0.01"))
        self._reached = (
            (Level.CRITICAL, settings.alert_critical_percent),
            (Level.WARNING, settings.alert_warning_percent),
        )
        self._pause_ms = settings.alert_pause_s * 1000
        self._standing: dict[Subject, _Standing] = {}
        self._unsettled: dict[Subject, None] = {}  # those that time alone has something to do to
        self._newest: deque[tuple[int, Alert]] = deque(maxlen=ALERTS_KEPT)
        self.raised = 0
        """How many were raised so far: where a follower is among them."""

    # ---------------------------------------------------------------- reading

    def since(self, raised: int) -> list[Alert]:
        """Those that came after the first so many, as far as they are kept, the oldest first."""
        first = max(len(self._newest) - (self.raised - raised), 0)
        return [alert for _, alert in islice(self._newest, first, None)]

    def raised_by(self, revision: int) -> int:
        """How many a follower knows who has all that was told up to a revision. One that came late,
        with no change, he may not have: it is told to who comes back with the revision it came at.
        """
        later = takewhile(lambda one: one[0] > revision, reversed(self._newest))
        return self.raised - sum(1 for _ in later)

    def standing(self) -> list[Alert]:
        """Every limit that is near, at the level where it is, told or not."""
        near = (one.alert for one in self._standing.values() if one.level is not Level.NORMAL)
        return [alert for alert in near if alert is not None]

    # ---------------------------------------------------------------- watching the book

    def restart(self, book: Book, now_ms: int) -> None:
        """Finds all levels anew, and raises nothing: the book is one that nobody has seen grow."""
        self._standing.clear()
        self._unsettled.clear()
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
                alert = _alert(subject, level, risk, limit, book.revision, now_ms)
                self._standing[subject] = _Standing(level, alert)

    def observe(self, changes: Sequence[Change], book: Book, now_ms: int) -> list[Alert]:
        """What is to be told of a commit that the book has by now. Never raises."""
        return self._raise(self._subjects(changes), book, now_ms, book.revision)

    def look_again(self, book: Book, now_ms: int) -> list[Alert]:
        """What is to be told though nothing has changed: a pause is over. Never raises."""
        return self._raise(list(self._unsettled), book, now_ms, book.revision + 1)

    def _raise(
        self, subjects: Iterable[Subject], book: Book, now_ms: int, known_from: int
    ) -> list[Alert]:
        """`known_from`: the first revision of which one can say that who has it was told."""
        raised: list[Alert] = []
        try:
            looked_at = (self._look(one, book, now_ms) for one in dict.fromkeys(subjects))
            raised.extend(alert for alert in looked_at if alert is not None)
        except Exception as error:
            log.error("alerts cannot be found", revision=book.revision, exc_info=error)
        self._newest.extend((known_from, alert) for alert in raised)
        self.raised += len(raised)
        return raised

    def _subjects(self, changes: Iterable[Change]) -> Iterator[Subject]:
        """Whose risk, or limit, changes may have moved. What is cleared is forgotten."""
        for change in changes:
            if change.kind is ChangeKind.CLEARED:
                for subject in [s for s in self._standing if change.key in ("", s[0])]:
                    del self._standing[subject]
                    self._unsettled.pop(subject, None)
            elif change.kind in (ChangeKind.CAMPAIGN_SAVED, ChangeKind.CAMPAIGN_REMOVED):
                yield change.hotkey, change.key
                yield change.hotkey, ""
            elif change.kind is ChangeKind.REMOVED or (change.record and change.record.campaign_id):
                yield change.hotkey, ""

    def _look(self, subject: Subject, book: Book, now_ms: int) -> Alert | None:
        """The alert that is due now, if any."""
        self._unsettled.pop(subject, None)
        risk, limit = self._figures(subject, book)
        stands = self._standing.get(subject)
        level = self._level(risk, limit, Level.NORMAL if stands is None else stands.level)
        if stands is None:
            if level is Level.NORMAL:
                return None
            stands = self._standing[subject] = _Standing()
        is_due = level is not stands.told and not self._has_pause(stands, level, now_ms)
        if is_due or level is not stands.level:
            stands.alert = _alert(subject, level, risk, limit, book.revision, now_ms)
        stands.level = level
        if is_due:
            stands.told = level
            if level is not Level.NORMAL:
                stands.raised_ms[level] = now_ms
        self._keep(subject, stands, now_ms)
        return stands.alert if is_due else None

    def _keep(self, subject: Subject, stands: _Standing, now_ms: int) -> None:
        """Keeps what is still to be known of a limit; it is looked at again where time changes it.

        A campaign that was removed is NORMAL, and goes like all that are.
        """
        is_normal = stands.level is Level.NORMAL
        if is_normal and not any(self._has_pause(stands, one, now_ms) for one in Level):
            del self._standing[subject]
        elif is_normal or stands.level is not stands.told:
            self._unsettled[subject] = None

    def _has_pause(self, stands: _Standing, level: Level, now_ms: int) -> bool:
        raised_ms = stands.raised_ms.get(level)
        return raised_ms is not None and now_ms - raised_ms < self._pause_ms

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
