"""Which campaigns a follower hears of, and which of them commits have moved.

Pure: it looks at commits and at the book, and never waits. What commits are about is gathered once
for all followers; each then meets it from the smaller side, so that a mark that moves ten thousand
campaigns costs a follower of one of them no more than that one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from hotbook_server.feed import Published
from hotbook_shared.book.campaigns import Campaigns
from hotbook_shared.campaign import Alert
from hotbook_shared.record import CampaignRecord, ChangeKind


class Happened:
    """What commits are about, as far as it concerns campaigns."""

    def __init__(self, commits: Iterable[Published]) -> None:
        self.campaigns: dict[str, None] = {}
        self.by_hotkey: dict[str, dict[str, None]] = {}
        self.removed: set[str] = set()
        """Campaigns that were removed; they may stand again."""
        self.pairs: dict[str, None] = {}
        """Whose mark has moved."""
        self.cleared: set[str] = set()
        """Hotkeys; the empty one stands for all."""
        for commit in commits:
            for change in commit.changes:
                if change.kind is ChangeKind.MARKED:
                    self.pairs[change.key] = None
                elif change.kind is ChangeKind.CLEARED:
                    self.cleared.add(change.key)
                elif change.kind in (ChangeKind.CAMPAIGN_SAVED, ChangeKind.CAMPAIGN_REMOVED):
                    self.campaigns[change.key] = None
                    self.by_hotkey.setdefault(change.hotkey, {})[change.key] = None
                    if change.kind is ChangeKind.CAMPAIGN_REMOVED:
                        self.removed.add(change.key)


class LivePart:
    """What a follower follows: each kind of names that is given narrows it; none: everything."""

    def __init__(
        self,
        campaign_ids: Iterable[str] = (),
        hotkeys: Iterable[str] = (),
        trade_pairs: Iterable[str] = (),
    ) -> None:
        self.campaign_ids = frozenset(campaign_ids)
        self.hotkeys = frozenset(hotkeys)
        self.trade_pairs = frozenset(trade_pairs)
        self._has_names = bool(self.campaign_ids or self.hotkeys)

    def has(self, record: CampaignRecord) -> bool:
        return (
            (not self.campaign_ids or record.campaign_id in self.campaign_ids)
            and (not self.hotkeys or record.hotkey in self.hotkeys)
            and (not self.trade_pairs or record.trade_pair in self.trade_pairs)
        )

    def has_alert(self, alert: Alert, campaigns: Campaigns) -> bool:
        """An alert of all of a hotkey's campaigns is for those who follow that hotkey, or all."""
        if alert.campaign_id is not None:
            record = campaigns.by_id.get(alert.campaign_id)
            return record is not None and self.has(record)
        if self.hotkeys:
            return not self.campaign_ids and alert.hotkey in self.hotkeys
        return not self.campaign_ids and not self.trade_pairs

    def records(self, campaigns: Campaigns) -> Iterator[CampaignRecord]:
        """All of its campaigns."""
        held: Iterable[CampaignRecord] = campaigns.by_id.values()
        if self.campaign_ids:
            named = (campaigns.by_id.get(one) for one in self.campaign_ids)
            held = [record for record in named if record is not None]
        elif self.hotkeys:
            held = [r for hotkey in self.hotkeys for r in campaigns.by_hotkey.get(hotkey, ())]
        return (record for record in held if self.has(record))

    def all_pairs(self, campaigns: Campaigns, marked: Collection[str]) -> Iterable[str]:
        """The pairs whose marks concern it: where it has a campaign that is live, or that has open
        legs; where it names none, all that have a mark."""
        if not self._has_names:
            return _common(self.trade_pairs, marked) if self.trade_pairs else list(marked)
        return {r.trade_pair for r in self.records(campaigns) if _is_moving(r, campaigns)}

    # ---------------------------------------------------------------- what has happened

    def is_cleared(self, happened: Happened) -> bool:
        """Whether campaigns of it may be gone without being named."""
        cleared = happened.cleared
        if not cleared or not self.hotkeys or "" in cleared:
            return bool(cleared)
        return not cleared.isdisjoint(self.hotkeys)

    def moved(self, happened: Happened, campaigns: Campaigns) -> tuple[dict[str, None], set[str]]:
        """Its campaigns that are to be told anew, or that are gone; and the pairs whose marks are
        to be told."""
        told: dict[str, None] = {}
        pairs: set[str] = set()
        for campaign_id in self._touched(happened):
            record = campaigns.by_id.get(campaign_id)
            if record is not None and self.has(record):
                told[campaign_id] = None
                if self._has_names and _is_moving(record, campaigns):
                    pairs.add(record.trade_pair)  # it may be new to the follower, and so its mark
            elif campaign_id in happened.removed:
                told[campaign_id] = None
        moved = happened.pairs
        for trade_pair in _common(self.trade_pairs, moved) if self.trade_pairs else moved:
            found = self._open_on(trade_pair, campaigns)
            told.update(dict.fromkeys(found))
            if not self._has_names or found or self._is_live_on(trade_pair, campaigns):
                pairs.add(trade_pair)
        return told, pairs

    def _touched(self, happened: Happened) -> Iterable[str]:
        """Those of the campaigns that were changed or removed that may be its own."""
        if self.campaign_ids:
            return _common(self.campaign_ids, happened.campaigns)
        if self.hotkeys:
            theirs = happened.by_hotkey
            return (one for hotkey in _common(self.hotkeys, theirs) for one in theirs[hotkey])
        return happened.campaigns

    def _open_on(self, trade_pair: str, campaigns: Campaigns) -> Collection[str]:
        """Its campaigns with open legs on a pair."""
        held = campaigns.open_on_pair.get(trade_pair)
        if held is None:
            return ()
        if not self._has_names:
            return held
        found: Iterable[str] = held
        if self.campaign_ids:
            found = _common(self.campaign_ids, held)
        else:
            theirs = [campaigns.by_hotkey.get(hotkey, ()) for hotkey in self.hotkeys]
            if sum(map(len, theirs)) < len(held):
                found = (r.campaign_id for one in theirs for r in one if r.campaign_id in held)
        records = (campaigns.by_id.get(one) for one in found)
        return [r.campaign_id for r in records if r is not None and self.has(r)]

    def _is_live_on(self, trade_pair: str, campaigns: Campaigns) -> bool:
        if self.campaign_ids:
            named = (campaigns.by_id.get(one) for one in self.campaign_ids)
            return any(r.is_live and r.trade_pair == trade_pair and self.has(r)
                       for r in named if r is not None)  # fmt: skip
        return any(trade_pair in campaigns.live.get(hotkey, ()) for hotkey in self.hotkeys)


def _is_moving(record: CampaignRecord, campaigns: Campaigns) -> bool:
    return record.is_live or bool(campaigns.legs_of(record.campaign_id).open)


def _common(some: Collection[str], others: Collection[str]) -> list[str]:
    """What stands in both, looked up from the smaller side."""
    few, many = (some, others) if len(some) <= len(others) else (others, some)
    return [one for one in few if one in many]
