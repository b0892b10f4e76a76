"""Campaigns: every record by id, the indexes over them, and their legs.

Invariant: each index equals what a scan of campaigns and positions would give. It holds because
`put` (of a campaign) and `put_leg` are the only functions that touch any of them, from the old
record and the new one, whichever they are; but for `drop`, which does the same for all of a hotkey
at once. Nothing here is stored.

    by_id         id -> record                             the truth; GetCampaign
    by_state      state -> records in creation order       ListCampaigns, Statistics
    by_hotkey     hotkey -> records in creation order      ListCampaigns of a hotkey, Clear
    live          hotkey -> pair -> record, or records     matching, and the limit of a hotkey
                  FORMING and ACTIVE; the last touched last
    deadlines     live records in order of deadline        expiry
    legs          campaign -> status -> legs, and sums     CampaignPositions, totals
    open_on_pair  pair -> campaign -> open legs on it      which totals a mark moves
    risk          hotkey -> risk of all its open legs      the limit of a hotkey's heat
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any

from hotbook_shared.book.legs import NO_LEGS, NOTHING, ONE_MORE, Leg, Legs, Sums
from hotbook_shared.book.ordered import Ordered
from hotbook_shared.money import SUMS, ZERO, from_text
from hotbook_shared.record import DIGEST_MASK, CampaignRecord, Record, campaign_record_from

_created = attrgetter("created")
_due = attrgetter("deadline_ms", "created")


_touched = attrgetter("revision")

_Live = CampaignRecord | Ordered[CampaignRecord]
"""The live campaigns of a hotkey on a pair: mostly one, which needs nothing around it."""


class Campaigns:
    __slots__ = (
        "by_hotkey", "by_id", "by_state", "deadlines", "digest", "legs", "live", "open_on_pair",
        "risk",
    )  # fmt: skip

    by_id: dict[str, CampaignRecord]
    by_state: dict[int, Ordered[CampaignRecord]]
    by_hotkey: dict[str, Ordered[CampaignRecord]]
    live: dict[str, dict[str, _Live]]
    deadlines: Ordered[CampaignRecord]
    legs: dict[str, Legs]
    open_on_pair: dict[str, dict[str, int]]
    risk: dict[str, Decimal]
    digest: int

    def __init__(
        self, records: Iterable[CampaignRecord] = (), positions: Iterable[Record] = ()
    ) -> None:
        self.by_id = {r.campaign_id: r for r in sorted(records, key=_created)}
        self.rebuild(positions)

    # ---------------------------------------------------------------- reading

    def listed(
        self, states: Iterable[int] = (), hotkey: str = "", after: int = 0
    ) -> Iterator[CampaignRecord]:
        """In order of creation, from after one that was created then: those of some states (none
        named: all), of one hotkey or of all."""
        wanted = frozenset(states)
        if hotkey:
            held = self.by_hotkey.get(hotkey)
            found = held.after(after) if held is not None else iter(())
            return (record for record in found if not wanted or record.state in wanted)
        parts = [held.after(after) for state, held in self.by_state.items()
                 if not wanted or state in wanted]  # fmt: skip
        return parts[0] if len(parts) == 1 else heapq.merge(*parts, key=_created)

    def live_on_pair(self, hotkey: str, trade_pair: str) -> Iterator[CampaignRecord]:
        """The live campaigns of a hotkey on a pair, the last touched first."""
        return reversed(_several(self.live.get(hotkey, _NONE).get(trade_pair)))

    def live_of_hotkey(self, hotkey: str) -> list[CampaignRecord]:
        """All live campaigns of a hotkey, the last touched first."""
        held = self.live.get(hotkey, _NONE).values()
        return sorted((r for one in held for r in _several(one)), key=_touched, reverse=True)

    def account_of(self, hotkey: str) -> Decimal:
        """The largest account that a live campaign of the hotkey names; zero: none does."""
        held = self.live.get(hotkey, _NONE).values()
        sizes = (from_text(r.account_size) for one in held for r in _several(one))
        return max(sizes, default=ZERO)

    def overdue(self, now_ms: int) -> list[CampaignRecord]:
        """The live ones whose deadline lies strictly before, in order of deadline."""
        return self.deadlines.before((now_ms,))

    def legs_of(self, campaign_id: str) -> Legs:
        return self.legs.get(campaign_id, NO_LEGS)

    # ---------------------------------------------------------------- changing

    def put(self, campaign_id: str, new: CampaignRecord | None) -> CampaignRecord | None:
        """Lets `new` (None: nothing) stand under the id, everywhere. Returns the old."""
        old = self.by_id.get(campaign_id)
        if new is None:
            self.by_id.pop(campaign_id, None)
        else:
            self.by_id[campaign_id] = new
        if old is not None and new is not None and old.state == new.state:
            self.by_state[new.state].put(old, new)
        else:
            _put_ordered(self.by_state, old and old.state, old, None)
            _put_ordered(self.by_state, new and new.state, None, new)
        record = new or old
        if record is not None:
            _put_ordered(self.by_hotkey, record.hotkey, old, new)
        live_before = old if old is not None and old.is_live else None
        live_now = new if new is not None and new.is_live else None
        self.deadlines.put(live_before, live_now)
        self._put_live(live_before, live_now)
        self.digest = (self.digest + _number(new) - _number(old)) & DIGEST_MASK
        return old

    def put_leg(self, old: Record | None, new: Record | None) -> None:
        """A position has changed; where it was a leg, or is one, so do its campaigns' legs."""
        if old is not None and old.campaign_id:
            leg, legs = Leg.of(old), self.legs[old.campaign_id]
            legs.remove(leg)
            self._note_leg(leg, -1)
            if not legs:
                del self.legs[old.campaign_id]
        if new is not None and new.campaign_id:
            leg, legs = Leg.of(new), self.legs.setdefault(new.campaign_id, Legs())
            legs.add(leg)
            self._note_leg(leg, 1)

    def drop(self, hotkey: str, positions: Iterable[Record]) -> list[CampaignRecord]:
        """The same as putting None in place of each of a hotkey's campaigns, and of the legs among
        its positions, in one pass. Returns the campaigns."""
        self._drop_legs(hotkey, positions)
        campaigns = list(self.by_hotkey.pop(hotkey, ()))
        by_state: dict[int, list[CampaignRecord]] = {}
        digest = self.digest
        for record in campaigns:
            del self.by_id[record.campaign_id]
            by_state.setdefault(record.state, []).append(record)
            digest -= _number(record)
        self.digest = digest & DIGEST_MASK
        for state, gone in by_state.items():
            self.by_state[state].drop(gone)
            if not self.by_state[state]:
                del self.by_state[state]
        self.deadlines.drop([record for record in campaigns if record.is_live])
        self.live.pop(hotkey, None)
        return campaigns

    def _drop_legs(self, hotkey: str, positions: Iterable[Record]) -> None:
        held: dict[str, list[Record]] = {}
        for position in positions:
            if position.campaign_id:
                held.setdefault(position.campaign_id, []).append(position)
        for campaign_id, gone in held.items():
            if len(gone) < len(self.legs[campaign_id]):  # others have legs of it as well
                for position in gone:
                    self.put_leg(position, None)
                continue
            for pair in {leg.trade_pair for leg in self.legs.pop(campaign_id).open}:
                del self.open_on_pair[pair][campaign_id]
                if not self.open_on_pair[pair]:
                    del self.open_on_pair[pair]
        self.risk.pop(hotkey, None)

    def let_go(self) -> None:
        """Frees all of them, a little at a time; nobody may look any more."""
        for index in (self.live, self.by_hotkey, self.by_state, self.legs, self.by_id):
            while index:
                index.popitem()

    def rebuild(self, positions: Iterable[Record]) -> None:
        """Makes every index anew: from the campaigns here, and from all positions."""
        by_state: dict[int, list[CampaignRecord]] = {}
        by_hotkey: dict[str, list[CampaignRecord]] = {}
        self.live, self.open_on_pair, self.risk = {}, {}, {}
        digest = 0
        for record in self.by_id.values():
            by_state.setdefault(record.state, []).append(record)
            by_hotkey.setdefault(record.hotkey, []).append(record)
            digest += _number(record)
        self.digest = digest & DIGEST_MASK
        self.by_state = {state: Ordered(_created, held) for state, held in by_state.items()}
        self.by_hotkey = {hotkey: Ordered(_created, held) for hotkey, held in by_hotkey.items()}
        live = [record for record in self.by_id.values() if record.is_live]
        self.deadlines = Ordered(_due, live)
        for record in sorted(live, key=attrgetter("revision")):
            self._put_live(None, record)
        legs: dict[str, list[Record]] = {}
        sums: dict[str, Sums] = {}
        for position in positions:
            if campaign_id := position.campaign_id:
                leg = Leg.of(position)
                legs.setdefault(campaign_id, []).append(position)
                sums[campaign_id] = sums.get(campaign_id, NOTHING).plus(leg, ONE_MORE)
                self._note_leg(leg, 1)
        self.legs = {
            campaign_id: Legs(held, sums[campaign_id]) for campaign_id, held in legs.items()
        }

    def copy(self) -> Campaigns:
        """Independent indexes over the same records."""
        twin = Campaigns.__new__(Campaigns)
        twin.by_id = self.by_id.copy()
        twin.by_state = {state: held.copy() for state, held in self.by_state.items()}
        twin.by_hotkey = {hotkey: held.copy() for hotkey, held in self.by_hotkey.items()}
        twin.live = {
            hotkey: {
                pair: held.copy() if isinstance(held, Ordered) else held
                for pair, held in pairs.items()
            }
            for hotkey, pairs in self.live.items()
        }
        twin.deadlines = self.deadlines.copy()
        twin.legs = {campaign_id: legs.copy() for campaign_id, legs in self.legs.items()}
        twin.open_on_pair = {pair: held.copy() for pair, held in self.open_on_pair.items()}
        twin.risk = self.risk.copy()
        twin.digest = self.digest
        return twin

    def _put_live(self, old: CampaignRecord | None, new: CampaignRecord | None) -> None:
        record = new or old
        if record is None:
            return
        pairs = self.live.setdefault(record.hotkey, {})
        held = pairs.get(record.trade_pair)
        if isinstance(held, Ordered):
            held.put(old, new)
            if len(held) == 1:
                pairs[record.trade_pair] = next(iter(held))
        elif new is None:
            assert held is old, "what is taken out stood there"
            del pairs[record.trade_pair]
            if not pairs:
                del self.live[record.hotkey]
        elif held is None or old is not None:
            assert held is old, "what is taken out stood there"
            pairs[record.trade_pair] = new
        else:
            pairs[record.trade_pair] = Ordered(_touched, (held, new))

    def _note_leg(self, leg: Leg, times: int) -> None:
        """The indexes over all campaigns' legs, once one has come (1) or gone (-1)."""
        record = leg.record
        if not record.is_open:
            return
        # Counted for each pair, for nothing here forbids a campaign legs on several of them.
        held = self.open_on_pair.setdefault(record.trade_pair, {})
        count = held.get(record.campaign_id, 0) + times
        if count:
            held[record.campaign_id] = count
        else:
            del held[record.campaign_id]
            if not held:
                del self.open_on_pair[record.trade_pair]
        before = self.risk.get(record.hotkey, ZERO)
        risk = SUMS.fma(leg.risk, times, before)
        if risk:
            self.risk[record.hotkey] = risk
        else:
            self.risk.pop(record.hotkey, None)

    # ---------------------------------------------------------------- verifying

    def problems(self, positions: Iterable[Record]) -> Iterator[str]:
        """Every difference between the indexes and a fresh scan, in both directions."""
        fresh = Campaigns(self.by_id.values(), positions)
        for campaign_id, record in self.by_id.items():
            if record.campaign_id != campaign_id or record != campaign_record_from(record.wire):
                yield f"the record of campaign {campaign_id} is not that of its wire bytes"
        for name in ("by_state", "by_hotkey", "deadlines", "live", "open_on_pair", "risk"):
            stands, due = _plain(getattr(self, name)), _plain(getattr(fresh, name))
            if stands != due:
                yield f"campaigns: {name} is not what a scan gives"
        for campaign_id in self.legs.keys() | fresh.legs.keys():
            stands, due = self.legs.get(campaign_id, NO_LEGS), fresh.legs.get(campaign_id, NO_LEGS)
            if stands is not NO_LEGS and not stands:
                yield f"campaigns: an empty entry for the legs of {campaign_id}"
            if any(
                list(map(id, getattr(stands, name))) != list(map(id, getattr(due, name)))
                for name in ("open", "closed")
            ):
                yield f"campaigns: the legs of {campaign_id} are not what a scan gives"
            if stands.sums != due.sums:
                yield f"campaigns: the sums of {campaign_id} are not those of its legs"
        if self.digest != fresh.digest:
            yield f"the digest of the campaigns is {self.digest:032x}, not {fresh.digest:032x}"


_NONE: dict[str, _Live] = {}


def _several(held: _Live | None) -> Ordered[CampaignRecord] | tuple[CampaignRecord, ...]:
    if held is None:
        return ()
    return (held,) if isinstance(held, CampaignRecord) else held


def _put_ordered(
    index: dict[Any, Ordered[CampaignRecord]],
    key: Any,
    old: CampaignRecord | None,
    new: CampaignRecord | None,
) -> None:
    """The same in one of the ordered indexes. No entry is left behind empty."""
    if old is None and new is None:
        return
    held = index.get(key)
    if held is None:
        held = index[key] = Ordered(_created)
    held.put(old, new)
    if not held:
        del index[key]


def _plain(index: Any) -> Any:
    """An index as lists, of which order and members compare; records by what they are."""
    if isinstance(index, Ordered):
        return [_plain(item) for item in index]
    if isinstance(index, CampaignRecord):
        return id(index)
    if isinstance(index, dict):
        return {key: _plain(held) for key, held in index.items()}
    return index


def _number(record: CampaignRecord | None) -> int:
    return int.from_bytes(record.digest, "big") if record is not None else 0
