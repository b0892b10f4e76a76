"""The command `diff`: two copies of a book, and what they do not agree on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from hotbook import Order
from hotbook.cli import show
from hotbook.cli.app import Seconds, hotbook
from hotbook.cli.endings import EXIT_PROBLEMS
from hotbook.transfer.diff import TOLD_MAX, Difference, PositionDifference, diff
from hotbook_shared.bar import LateBar

FIELDS_SHOWN = 10
"""Of one position; `-o json` has all."""

VALUE_MAX = 60
UNREAD_SHOWN = 20

SIGNS = {"only_in_a": "only in A", "only_in_b": "only in B", "differs": "differs"}


@hotbook.command("diff", short_help="Compares two copies of a book.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--hotkey", "hotkeys", multiple=True, metavar="HOTKEY",
              help="Compare this hotkey alone; may be given more than once.")  # fmt: skip
@click.option("--open", "open_only", is_flag=True, help="Open positions only.")
@click.option("--limit", type=click.IntRange(min=0), default=TOLD_MAX, show_default=True,
              help="Tell so many positions that differ; all are counted.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table",
              envvar="HOTBOOK_OUTPUT", show_default=True,
              help="For people, or for programs.")  # fmt: skip
@click.option("--timeout-s", type=Seconds(), default=60.0, envvar="HOTBOOK_TIMEOUT_S",
              show_default=True, metavar="SECONDS",
              help="Longest wait for an answer of a server.")  # fmt: skip
def diff_(
    a: str, b: str, hotkeys: tuple[str, ...], open_only: bool, limit: int, output: str,
    timeout_s: float,
) -> None:  # fmt: skip
    """Compares two copies of a book, A and B, in any mix: servers (HOST:PORT), folders of position
    files, checkpoints (.json, .json.gz), and backups.

    `server:`, `tree:`, `checkpoint:` or `backup:` before a name says what it is. Positions are
    compared by what they say; versions, revisions and times of saving are no part of that. Exits
    with 8 where A and B differ, or where something in them cannot be read.
    """
    with LateBar("comparing") as bar:
        found = diff(
            a,
            b,
            hotkeys=hotkeys,
            open_only=open_only,
            limit=limit,
            timeout_s=timeout_s,
            progress=bar,
        )
    if output == "json":
        show.as_json(found)
    else:
        _show(found)
    if not found.same:
        sys.exit(EXIT_PROBLEMS)


def _show(found: Difference) -> None:
    if found.told:
        rows = [row for one in found.told for row in _rows(one)]
        show.table(("", "hotkey", "pair", "uuid", "field", "A", "B"), rows)
    untold = found.only_in_a + found.only_in_b + found.differing - len(found.told)
    if untold:
        click.echo(f"and {untold:,} more: --limit tells them")
    for name, unread in (("A", found.unread_in_a), ("B", found.unread_in_b)):
        for one in unread[:UNREAD_SHOWN]:
            click.echo(f"cannot be read in {name}: {one.place}: {one.reason}")
        if len(unread) > UNREAD_SHOWN:
            click.echo(f"cannot be read in {name}: {len(unread) - UNREAD_SHOWN:,} more")
    held = f"A holds {found.positions_in_a:,}, B {found.positions_in_b:,}"
    click.echo(
        f"the same: {show.counted(found.positions_in_a, 'position')}" if found.same else
        f"{found.only_in_a:,} only in A, {found.only_in_b:,} only in B, {found.differing:,} "
        f"in both and different; {held}"
    )  # fmt: skip


def _rows(one: PositionDifference) -> Iterator[tuple[str, ...]]:
    """A row for each field; the position is named in the first."""
    head = (SIGNS[one.where], one.hotkey, one.trade_pair, one.position_uuid)
    if not one.fields:
        yield (*head, "", "", "")
    for field in one.fields[:FIELDS_SHOWN]:
        yield (*head, field.path, _value(field.a), _value(field.b))
        head = ("", "", "", "")
    if len(one.fields) > FIELDS_SHOWN:
        yield (*head, f"{len(one.fields) - FIELDS_SHOWN} more fields", "", "")


def _value(value: Any) -> str:
    """A value as JSON writes it, a text without its quotes; an order by its uuid; `-` for nothing.

    Long ones are cut: `-o json` has them in full.
    """
    if value is None:
        return "-"
    if isinstance(value, Order):
        value = value.order_uuid
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')
    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 1] + "…"
