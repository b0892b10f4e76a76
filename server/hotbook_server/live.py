"""Live: campaigns followed in real time, with their totals, marks and alerts.

A follower is a cursor into the feed's ring, as a watcher is: it holds no buffer. When it is woken,
what its campaigns amount to is read from the book, whatever number of changes led there; so a slow
follower is told less often, never more, and one whose changes are no longer kept is told everything
anew. Totals are never stored, and what is told of a campaign is made once for all followers.

Invariant: once a follower has taken in the last frame of what it is told, its picture is that of
the frame's revision, or newer where there were several frames: each frame is made of the book as it
stands when it is sent, with nothing awaited meanwhile. What is newer is told again by what follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator

import msgspec
from google.protobuf.message import Message

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_server.frames import FRAME_BYTES
from hotbook_server.keeper import Keeper
from hotbook_server.live_part import Happened, LivePart
from hotbook_server.lru import Lru
from hotbook_shared.book.legs import Legs, Sums
from hotbook_shared.campaign import Alert
from hotbook_shared.campaign_wire import alert_to_wire, totals_to_wire
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord, MarkRecord

__all__ = ["Live", "LivePart"]

PIECES_MOST = 100
"""Campaigns, marks and alerts of one frame: about so long nobody else has the loop."""

HAPPENED_KEPT = 8  # as frames of the feed: others ask for the same in the same moment
UPDATES_KEPT = 16_384  # of campaigns that are followed; about 2 kB each


class Place(msgspec.Struct, frozen=True):
    """Where a follower is: a revision, its mark, what comes next in the ring, and how many of the
    alerts raised so far it was told."""

    revision: int
    mark: str
    cursor: int
    alerts: int


NOWHERE = Place(0, "", 0, 0)


class News(msgspec.Struct, frozen=True):
    """What is due to a follower, by name: how it stands is looked up when it is sent."""

    campaigns: Iterable[str]
    removed: Collection[str]
    pairs: Iterable[str]
    alerts: list[Alert]
    is_reload: bool = False

    def __bool__(self) -> bool:
        return self.is_reload or bool(self.campaigns or self.pairs or self.alerts)


class Update(msgspec.Struct, frozen=True):
    """What is told of a campaign, and all that it was made of: none of that ever changes."""

    record: CampaignRecord
    sums: Sums
    mark: MarkRecord | None
    message: pb.CampaignUpdated


class Live:
    def __init__(self, settings: Settings, keeper: Keeper, clock: Clock) -> None:
        self._heartbeat_s = settings.watch_heartbeat_ms / 1000
        self._keeper = keeper
        self._feed = keeper.feed
        self._clock = clock
        self._happened: dict[tuple[int, int], Happened] = {}
        self._updates: Lru[str, Update] = Lru(UPDATES_KEPT)

    async def follow(
        self,
        part: LivePart,
        from_revision: int | None = None,
        heartbeat_s: float | None = None,
        mark: str = "",
    ) -> AsyncGenerator[pb.FollowFrame, None]:
        """Everything as it stands, or what has changed since a revision; then what happens. Frames
        are shared: they are not to be changed. To be closed by who leaves."""
        most_s = self._heartbeat_s if heartbeat_s is None else heartbeat_s
        with self._feed.watching():
            has = None if from_revision is None else self._place_of(from_revision, mark)
            beat_s = self._clock.monotonic_s()
            is_due = True
            while True:
                self._keeper.check_working()
                seen = self._feed.wakings
                raised = self._keeper.alerts.raised
                now = Place(self._feed.revision, self._feed.mark, self._feed.end, raised)
                news = self._news(part, has)
                if news or is_due:
                    for frame in self._frames(part, news, has or NOWHERE, now):
                        yield frame
                        await asyncio.sleep(0)  # a frame's work at a time: others go on
                    beat_s = self._clock.monotonic_s() + most_s
                has = now
                await self._feed.arrival(seen, max(beat_s - self._clock.monotonic_s(), 0.0))
                is_due = self._feed.wakings == seen  # so long nothing was told

    # ---------------------------------------------------------------- what is due

    def _place_of(self, revision: int, mark: str) -> Place | None:
        cursor = self._feed.seek(revision, mark)
        if cursor is None:
            return None
        return Place(revision, mark, cursor, self._keeper.alerts.raised_by(revision))

    def _news(self, part: LivePart, has: Place | None) -> News:
        book, alerts = self._keeper.book, self._keeper.alerts
        campaigns = book.campaigns
        if has is not None and has.cursor >= self._feed.first:
            happened = self._since(has.cursor)
            if not part.is_cleared(happened):
                told, pairs = part.moved(happened, campaigns)
                raised = [a for a in alerts.since(has.alerts) if part.has_alert(a, campaigns)]
                return News(told, happened.removed, pairs, raised)
        stand = [a for a in alerts.standing() if part.has_alert(a, campaigns)]
        ids = [record.campaign_id for record in part.records(campaigns)]
        pairs_now = part.all_pairs(campaigns, book.marks.by_pair)
        return News(ids, (), pairs_now, stand, is_reload=True)

    def _since(self, cursor: int) -> Happened:
        """What has happened since a cursor. Most followers are at the same."""
        key = (cursor, self._feed.end)
        known = self._happened.get(key)
        if known is None:
            if len(self._happened) >= HAPPENED_KEPT:
                self._happened.clear()
            known = self._happened[key] = Happened(self._feed.since(cursor))
        return known

    # ---------------------------------------------------------------- frames

    def _frames(
        self, part: LivePart, news: News, has: Place, now: Place
    ) -> Iterator[pb.FollowFrame]:
        """News in frames of bounded size, each made when it is asked for. Until the last has come,
        the follower is where it was; with a reload, nowhere."""
        before = NOWHERE if news.is_reload else has
        frame, size, count = _frame_at(before), 0, 0
        frame.is_reload = news.is_reload
        for name, piece in self._pieces(part, news):
            getattr(frame, name).append(piece)
            size += len(piece) if isinstance(piece, str) else piece.ByteSize()
            count += 1
            if size >= FRAME_BYTES or count >= PIECES_MOST:
                yield frame
                frame, size, count = _frame_at(before), 0, 0
        frame.revision, frame.mark, frame.is_last = now.revision, now.mark, True
        yield frame

    def _pieces(self, part: LivePart, news: News) -> Iterator[tuple[str, Message | str]]:
        """Each piece of news as it stands now, and the field that it goes into."""
        for trade_pair in news.pairs:
            mark = self._keeper.book.marks.by_pair.get(trade_pair)
            if mark is not None:
                yield "marks", pb.Mark.FromString(mark.wire)
        for campaign_id in news.campaigns:
            record = self._keeper.book.campaigns.by_id.get(campaign_id)
            if record is not None and part.has(record):
                yield "campaigns", self._update(record)
            elif campaign_id in news.removed:
                yield "removed", campaign_id
        for alert in news.alerts:
            yield "alerts", alert_to_wire(alert)

    def _update(self, record: CampaignRecord) -> pb.CampaignUpdated:
        book = self._keeper.book
        legs = book.campaigns.legs_of(record.campaign_id)
        # Without open legs no mark moves it: then it is not told again, and so has none to be old.
        mark = book.marks.by_pair.get(record.trade_pair) if legs.open else None
        known = self._updates.get(record.campaign_id)
        if (
            known is None
            or known.record is not record
            or known.sums is not legs.sums
            or known.mark is not mark
        ):
            known = Update(record, legs.sums, mark, _updated(record, legs, mark))
            self._updates.put(record.campaign_id, known)
        return known.message


def _frame_at(place: Place) -> pb.FollowFrame:
    return pb.FollowFrame(revision=place.revision, mark=place.mark)


def _updated(record: CampaignRecord, legs: Legs, mark: MarkRecord | None) -> pb.CampaignUpdated:
    campaign = pb.Campaign.FromString(record.wire[record.patterns_size :])
    campaign.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
    totals = totals_to_wire(legs.totals(record.campaign_id, mark))
    return pb.CampaignUpdated(campaign=campaign, totals=totals)
