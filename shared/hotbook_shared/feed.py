"""The nouns of the feed: what happens to the book, as it happens, and what has happened to it."""

from __future__ import annotations

from enum import StrEnum

from hotbook_shared.campaign import Campaign
from hotbook_shared.market import Mark
from hotbook_shared.model import Noun, Position


class ChangeKind(StrEnum):
    """What a change did."""

    SAVED = "saved"
    """`position` stands under its uuid."""
    REMOVED = "removed"
    """Nothing stands under the uuid any more."""
    CLEARED = "cleared"
    """The hotkey has no positions and no campaigns any more; an empty one: nobody has."""
    CAMPAIGN_SAVED = "campaign_saved"
    """`campaign` stands under its id."""
    CAMPAIGN_REMOVED = "campaign_removed"
    """Nothing stands under the campaign id any more."""
    MARKED = "marked"
    """`price_mark` is the mark of its trade pair."""


class Change(Noun, frozen=True, kw_only=True):
    """One thing that happened to the book."""

    revision: int
    kind: ChangeKind
    hotkey: str
    """Whose it is; empty: everybody's."""
    position_uuid: str = ""
    position: Position | None = None
    was_open: bool = False
    """Whether what stood under the uuid before was open."""
    campaign_id: str = ""
    campaign: Campaign | None = None
    price_mark: Mark | None = None


class Update(Noun, frozen=True, kw_only=True):
    """What a watcher is told at once: it ends where a commit ends.

    Whoever has taken it in has the book as it stood at `revision`. One without changes says that
    nothing has happened.
    """

    revision: int
    mark: str
    """Give it back with the revision, to go on from there: it shows that it is the same book."""
    is_newest: bool
    """Whether nothing more had happened when this was sent."""
    changes: tuple[Change, ...] = ()
    snapshot: tuple[Position, ...] | None = None
    """A part of the whole book at `revision`: forget what you had when the first part comes."""
    snapshot_campaigns: tuple[Campaign, ...] = ()
    """They come after the positions, of large books in parts of their own."""
    snapshot_marks: tuple[Mark, ...] = ()
    """They come last."""
    snapshot_total: int = 0
    """How many positions all parts have together."""
    starts_snapshot: bool = False
    ends_snapshot: bool = False


class Changed(Noun, frozen=True, kw_only=True):
    """What has changed since a revision, as it stands at another."""

    revision: int
    """Ask for what has changed since this one next time."""
    mark: str
    """Give it back with the revision: it shows that it is the same book."""
    positions: tuple[Position, ...]
    removed: tuple[str, ...]
    """The uuids of what stood then, and stands no more."""
    is_whole: bool
    """The changes are no longer kept, the book is another, or a hotkey was cleared: `positions` is
    everything, and what is not in it is gone."""
