"""Commands on the feed: watch, changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import msgspec

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command
from hotbook_shared.campaign import Campaign
from hotbook_shared.market import Mark

STYLES = {
    "opened": "green", "closed": "yellow", "removed": "red", "cleared": "red",
    "campaign": "cyan", "mark": "blue",
}  # fmt: skip


@command("watch", "Follows the book as it changes.", timeout_s=30)
@click.option("--from-revision", type=click.IntRange(min=0), metavar="N",
              help="Begin after revision N; else with what happens next.")  # fmt: skip
@click.option("--mark", default="", help="What came with N; shows that it is the same book.")
@click.option("--hotkey", "hotkeys", multiple=True, help="Only this hotkey; may be repeated.")
@click.option("--open", "open_only", is_flag=True, help="Only what is open, and its closing.")
@click.option("--snapshot", is_flag=True, help="The whole book first, as it stands.")
@click.option("--until-revision", type=click.IntRange(min=0), metavar="N",
              help="End with revision N; else never.")  # fmt: skip
def watch(
    asked: Asked, from_revision: int | None, mark: str, hotkeys: tuple[str, ...], open_only: bool,
    snapshot: bool, until_revision: int | None,
) -> None:  # fmt: skip
    """Follows the book: one line a change, in order, until Ctrl-C.

    With `-o json` each line is one JSON object. It goes on through restarts of the server, from
    where it was, and gives up where none comes back within --timeout-s. Changes that are no longer
    kept are made good by the whole book as it stands, after a line that says so. Such a book is
    told whole, also where it is newer than --until-revision.
    """
    with asked.connect() as book:
        updates = book.watch(
            from_revision,
            mark=mark,
            hotkeys=hotkeys or None,
            open_only=open_only,
            with_snapshot=snapshot,
        )
        try:
            for told in updates:
                update = _cut(told, until_revision)
                for line in _lines(update, asked.as_json):
                    click.echo(line)
                sys.stdout.flush()
                if until_revision is not None and _has_come(told, until_revision):
                    return
        except KeyboardInterrupt:
            return


@command("changed", "What has changed since a revision.", timeout_s=30)
@click.argument("revision", type=click.IntRange(min=0))
@click.option("--mark", default="", help="What came with REVISION; shows that it is one book.")
@click.option("--open-too", is_flag=True, help="Also what is open, and has not changed.")
@click.option("--hotkey", "hotkeys", multiple=True, help="Only this hotkey; may be repeated.")
def changed(
    asked: Asked, revision: int, mark: str, open_too: bool, hotkeys: tuple[str, ...]
) -> None:
    """What has changed since REVISION, as it stands now; and the revision to ask for next time.

    Where the changes since then are no longer kept, it is everything.
    """
    with asked.connect() as book:
        found = book.changed_since(revision, mark=mark, open_too=open_too, hotkeys=hotkeys or None)
    if asked.as_json:
        show.as_json(found)
        return
    if found.positions:
        show.positions(found.positions)
    for uuid in found.removed:
        click.echo(f"removed  {uuid}")
    told = show.counted(len(found.positions), "position")
    if found.is_whole and revision > found.revision:
        told += f", the whole book: it is at revision {found.revision:,}, and never reached "
        told += f"{revision:,}"
    elif found.is_whole:
        told += ", the whole book: what changed is no longer kept, or something was cleared"
    else:
        told += f", {len(found.removed):,} removed"
    click.echo(f"revision {found.revision:,}: {told}; mark {found.mark}", err=True)


def _has_come(update: api.Update, revision: int) -> bool:
    """Whether everything up to a revision has been told: of a snapshot, all its parts."""
    return update.revision >= revision and (update.snapshot is None or update.ends_snapshot)


def _cut(update: api.Update, until: int | None) -> api.Update:
    """Without what came after the last revision that is asked for. Of the book as it stood in
    between nobody has the mark."""
    if until is None or update.snapshot is not None or update.revision <= until:
        return update
    changes = tuple(change for change in update.changes if change.revision <= until)
    return msgspec.structs.replace(
        update, revision=until, mark="", is_newest=False, changes=changes
    )


def _lines(update: api.Update, as_json: bool) -> Iterator[str]:
    """What an update says, a line for each thing. Nothing new is no line."""
    if as_json:
        if update.changes or update.snapshot is not None:
            yield show.json_line(update)
        return
    if update.snapshot is not None:
        if update.starts_snapshot:
            count = show.counted(update.snapshot_total, "position")
            yield f"the book at revision {update.revision:,}: {count}"
        for position in update.snapshot:
            yield _line(update.revision, "open" if position.is_open else "is closed", position)
        for campaign in update.snapshot_campaigns:
            yield _campaign(update.revision, campaign)
        for mark in update.snapshot_marks:
            yield _mark(update.revision, mark)
    yield from map(_change, update.changes)


def _change(change: api.Change) -> str:
    """What happened, in one line."""
    revision = change.revision
    if change.position is not None:
        return _line(revision, _what(change, change.position), change.position)
    if change.campaign is not None:
        return _campaign(revision, change.campaign)
    if change.price_mark is not None:
        return _mark(revision, change.price_mark)
    if change.kind is api.ChangeKind.CLEARED:
        return _told(revision, "cleared", change.hotkey or "every hotkey")
    if change.kind is api.ChangeKind.CAMPAIGN_REMOVED:
        return _told(revision, "removed", change.hotkey, "campaign", change.campaign_id)
    return _told(revision, "removed", change.hotkey, change.position_uuid)


def _what(change: api.Change, position: api.Position) -> str:
    if position.is_open:
        return "changed" if change.was_open else "opened"
    return "closed" if change.was_open or position.version == 1 else "changed"


def _line(revision: int, what: str, position: api.Position) -> str:
    """One position in one line: when, what, whose, and how it stands."""
    color = show.SIDE_STYLE.get(position.side) if position.side else None
    return _told(
        revision,
        what,
        position.hotkey,
        f"{position.trade_pair:8}",
        click.style(f"{position.side or '-':5}", fg=color),
        f"{position.net_leverage:f}x".rjust(7),
        f"return {position.return_at_close:.4f}",
        f"v{position.version}",
        position.position_uuid,
    )


def _campaign(revision: int, campaign: Campaign) -> str:
    return _told(
        revision,
        "campaign",
        campaign.hotkey,
        f"{campaign.trade_pair:8}",
        f"{campaign.state:9}",
        show.counted(campaign.pattern_count, "pattern"),
        f"v{campaign.version}",
        campaign.campaign_id,
    )


def _mark(revision: int, mark: Mark) -> str:
    return _told(revision, "mark", f"{mark.trade_pair:8}", f"{mark.price:f}", show.moment(mark.at))


def _told(revision: int, what: str, whose: str, *others: str) -> str:
    word = click.style(f"{what:9}", fg=STYLES.get(what))
    return "  ".join((f"{revision:>9,}", word, whose, *filter(None, others)))
