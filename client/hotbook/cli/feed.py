"""Commands on the feed: watch, changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import msgspec

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command

WORDS = {api.ChangeKind.REMOVED: "removed", api.ChangeKind.CLEARED: "cleared"}
STYLES = {"opened": "green", "closed": "yellow", "removed": "red", "cleared": "red"}


@command("watch", "Follows the book as it changes.", timeout_s=30)
@click.option("--from-revision", type=click.IntRange(min=0), metavar="N",
              help="Begin after revision N; else with what happens next.")  # fmt: skip
@click.option("--mark", default="", help="What came with N; shows that it is the same book.")
@click.option("--hotkey", "hotkeys", multiple=True, help="Only this hotkey; may be repeated.")
@click.option("--open", "open_only", is_flag=True, help="Only what is open, and its closing.")
@click.option("--snapshot", is_flag=True, help="The whole book first, as it stands.")
@click.option("--until-revision", type=click.IntRange(min=0), metavar="N",
              help="End when revision N has come; else never.")  # fmt: skip
def watch(
    asked: Asked, from_revision: int | None, mark: str, hotkeys: tuple[str, ...], open_only: bool,
    snapshot: bool, until_revision: int | None,
) -> None:  # fmt: skip
    """Follows the book: one line a change, in order, until Ctrl-C.

    With `-o json` each line is one JSON object. It goes on through restarts of the server, from
    where it was, and gives up where none comes back within --timeout-s. Changes that are no longer
    kept are made good by the whole book as it stands, after a line that says so.
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
            for update in updates:
                for line in _lines(update, asked.as_json):
                    click.echo(line)
                sys.stdout.flush()
                if until_revision is not None and _has_come(update, until_revision):
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
    if found.is_whole:
        told += ", the whole book: what changed is no longer kept, or something was cleared"
    else:
        told += f", {len(found.removed):,} removed"
    click.echo(f"revision {found.revision:,}: {told}; mark {found.mark}", err=True)


def _has_come(update: api.Update, revision: int) -> bool:
    """Whether everything up to a revision has been told: of a snapshot, all its parts."""
    return update.revision >= revision and (update.snapshot is None or update.ends_snapshot)


def _lines(update: api.Update, as_json: bool) -> Iterator[str]:
    """What an update says, a line for each thing. Nothing new is no line."""
    if as_json:
        if update.changes or update.snapshot is not None:
            yield msgspec.json.encode(update).decode()
        return
    if update.snapshot is not None:
        if update.starts_snapshot:
            count = show.counted(update.snapshot_total, "position")
            yield f"the book at revision {update.revision:,}: {count}"
        for position in update.snapshot:
            yield _line(update.revision, "open" if position.is_open else "is closed", position)
    for change in update.changes:
        if change.position is not None:
            yield _line(change.revision, _what(change, change.position), change.position)
        else:
            whose = change.hotkey or "every hotkey"
            yield _told(change.revision, WORDS[change.kind], whose, change.position_uuid)


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


def _told(revision: int, what: str, hotkey: str, *others: str) -> str:
    word = click.style(f"{what:9}", fg=STYLES.get(what))
    return "  ".join((f"{revision:>9,}", word, hotkey, *filter(None, others)))
