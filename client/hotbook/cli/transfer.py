"""Commands that move data in and out: import tree|checkpoint, export tree|checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command, hotbook
from hotbook.cli.endings import EXIT_PROBLEMS, interrupted
from hotbook.transfer.exporting import export_checkpoint, export_tree
from hotbook.transfer.importing import Interrupted, import_checkpoint, import_tree
from hotbook.transfer.rejects import DEFAULT_NAME
from hotbook.transfer.report import Kind, Report
from hotbook_shared.bar import LateBar

NAMED_MAX = 20
"""How many things of a kind are named to people."""

TIMEOUT_S = 60.0  # of one request

_Act = TypeVar("_Act", bound=Callable[..., None])
_FILE = click.Path(path_type=Path)


@hotbook.group("import", short_help="Brings positions in.")
def import_() -> None:
    """Brings positions in, from the original system's layouts.

    What stands in the book is never overwritten without --overwrite, so an import may be run again
    at any time: it saves what is missing. Exits with 8 where something was left out, with 4 where
    --strict refused.
    """


@hotbook.group("export", short_help="Writes positions out.")
def export() -> None:
    """Writes positions out, all of one revision."""


def _import_options(act: _Act) -> _Act:
    for option in (
        click.option("--rejects", type=_FILE, default=DEFAULT_NAME, show_default=True,
                     metavar="FILE", help="Where the positions go that cannot be saved; made only "
                     "if there are any, under a new name if it is there."),
        click.option("--overwrite", is_flag=True,
                     help="Save over what stands in the book and differs."),
        click.option("--dry-run", is_flag=True, help="Tell all of it, and write nothing."),
        click.option("--strict", is_flag=True,
                     help="Write nothing if anything is not as it should be."),
    ):  # fmt: skip
        act = option(act)
    return act


@command("tree", "The folder of position files.", timeout_s=TIMEOUT_S, group=import_)
@click.argument("path", type=_FILE)
@_import_options
def import_tree_(asked: Asked, path: Path, **flags: Any) -> None:
    """Imports a folder of position files: PATH is `validation/`, its `miners/`, or a like one.

    A position that is there twice, open and closed, is taken with more orders, else closed. Of two
    open ones on a pair the newer is taken, and the older goes to the rejects.
    """
    _import(asked, import_tree, path, flags)


@command("checkpoint", "A checkpoint, gzipped or not.", timeout_s=TIMEOUT_S, group=import_)
@click.argument("file", type=_FILE)
@_import_options
def import_checkpoint_(asked: Asked, file: Path, **flags: Any) -> None:
    """Imports the positions of a checkpoint FILE, gzipped or not."""
    _import(asked, import_checkpoint, file, flags)


def _import(asked: Asked, act: Callable[..., Report], path: Path, flags: dict[str, Any]) -> None:
    with asked.connect() as book, LateBar("importing") as bar:
        try:
            report = act(book, path, progress=bar, **flags)
        except Interrupted as stop:
            interrupted(
                f"interrupted: {stop.saved:,} of the {show.counted(stop.read, 'position')} read so "
                "far were saved, and perhaps some more; run it again: it saves what is missing",
                saved=stop.saved,
                read=stop.read,
            )
    if asked.as_json:
        show.as_json(report)
    else:
        _show(report)
    if report.refused_by_strict:
        raise api.Refused("not all is as it should be: nothing was written")
    if not report.is_whole:
        sys.exit(EXIT_PROBLEMS)


_ROWS = {
    "read": "read",
    "saved": "saved",
    "there_already": "there already",
    Kind.TWIN: "twins",
    Kind.DOUBLY_OPEN: "doubly open",
    Kind.MENDED: "mended",
    Kind.WRONG_FOLDER: "wrong folder",
    Kind.CORRUPT: "corrupt",
    Kind.EMPTY: "empty",
    Kind.FOREIGN: "foreign",
    Kind.MISPLACED: "misplaced",
    Kind.CONFLICT: "conflicts",
    Kind.REFUSED: "refused",
    "left_alone": "left alone",
}
_ALWAYS_SHOWN = 3  # the others only where there are any


def _show(report: Report) -> None:
    counts = [(name, getattr(report, str(field))) for field, name in _ROWS.items()]
    rows = [(name, f"{count:,}") for number, (name, count) in enumerate(counts)
            if count or number < _ALWAYS_SHOWN]  # fmt: skip
    if report.dry_run or report.refused_by_strict:
        rows[1] = ("would be saved", rows[1][1])
    rate = report.read / report.seconds if report.seconds else 0
    show.facts([*rows, ("took", f"{report.seconds:.1f} s, {rate:,.0f} positions/s")])
    for kind in Kind:
        named = [one for one in report.named if one.kind == kind]
        if named:
            click.echo()
            show.table((_ROWS[kind], "why"), [(n.place, n.reason) for n in named[:NAMED_MAX]])
        if len(named) > NAMED_MAX:
            click.echo(f"and {len(named) - NAMED_MAX:,} more; -o json names them all")
    if report.rejects:
        click.echo(f"\nwhat could not be saved is in {report.rejects}")


@command("tree", "The folder of position files.", timeout_s=TIMEOUT_S, group=export)
@click.argument("path", type=_FILE)
@click.argument("hotkeys", nargs=-1, metavar="[HOTKEY]...")
@click.option("--open", "open_only", is_flag=True, help="Open positions only.")
def export_tree_(asked: Asked, path: Path, hotkeys: tuple[str, ...], open_only: bool) -> None:
    """Writes the original's folder of position files to PATH, which must be new or empty.

    Every HOTKEY's positions, or those that are named.
    """
    with asked.connect() as book, LateBar("exporting") as bar:
        count = export_tree(book, path, hotkeys=hotkeys, open_only=open_only, progress=bar)
    _tell(asked, path, count)


@command("checkpoint", "A checkpoint.", timeout_s=TIMEOUT_S, group=export)
@click.argument("file", type=_FILE)
@click.argument("hotkeys", nargs=-1, metavar="[HOTKEY]...")
@click.option("--open", "open_only", is_flag=True, help="Open positions only.")
@click.option("--like", type=_FILE, metavar="OLD",
              help="Take from this checkpoint what is not hotbook's.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a FILE that is there.")
def export_checkpoint_(
    asked: Asked, file: Path, hotkeys: tuple[str, ...], open_only: bool, like: Path | None,
    overwrite: bool,
) -> None:  # fmt: skip
    """Writes the original's checkpoint to FILE; gzipped, where its name ends with .gz.

    Sections of other services and statistics of hotkeys are those of OLD, and empty without it.
    """
    with asked.connect() as book, LateBar("exporting") as bar:
        count = export_checkpoint(
            book, file, like=like, overwrite=overwrite, hotkeys=hotkeys, open_only=open_only,
            progress=bar,
        )  # fmt: skip
    _tell(asked, file, count)


def _tell(asked: Asked, path: Path, count: int) -> None:
    if asked.as_json:
        show.as_json({"path": str(path), "positions": count})
    else:
        click.echo(f"wrote {path} ({show.counted(count, 'position')})")
