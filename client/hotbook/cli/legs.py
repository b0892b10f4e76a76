"""Commands on legs, the positions of campaigns: `hotbook legs list|add|close`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import click

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, Number, command, confirm, hotbook, moment_of
from hotbook.cli.campaigns import AT, TIMEFRAME, VERSION
from hotbook_shared.model import utc

TOTALS = ("total_shares", "weighted_avg_entry", "total_risk", "total_pnl", "open_pnl",
          "realized_pnl")  # fmt: skip


@hotbook.group("legs", short_help="Legs of campaigns, and their totals.")
def legs() -> None:
    """Legs: the positions of a campaign, and what they amount to."""


@command("list", "A campaign's legs and totals.", group=legs)
@click.argument("campaign_id")
@click.option("--open", "open_only", is_flag=True, help="Without the closed legs; their results "
              "still count in the totals.")  # fmt: skip
def list_(asked: Asked, campaign_id: str, open_only: bool) -> None:
    """A campaign's legs, the open ones first, and the totals of all of them."""
    with asked.connect() as book:
        found = book.get_campaign_positions(campaign_id, not open_only)
    if asked.as_json:
        show.as_json(found)
        return
    if found.positions:
        _show_legs(found.positions)
        click.echo()
    _show_totals(found.totals)


@command("add", "Opens a leg.", group=legs)
@click.argument("campaign_id")
@click.argument("kind", metavar="TYPE",
                type=click.Choice(list(api.PatternType), case_sensitive=False))  # fmt: skip
@click.argument("side", metavar="SIDE",
                type=click.Choice(["LONG", "SHORT"], case_sensitive=False))  # fmt: skip
@click.option("--entry", type=Number(), required=True, metavar="NUMBER", help="The price it was "
              "opened at.")  # fmt: skip
@click.option("--shares", type=Number(), required=True, metavar="NUMBER", help="Its size.")
@click.option("--stop", type=Number(), required=True, metavar="NUMBER", help="Where it would be "
              "given up: below the entry for LONG, above it for SHORT.")  # fmt: skip
@click.option("--uuid", "position_uuid", metavar="UUID", help="Its name; made up if left out.")
@click.option("--signal", "signal_id", metavar="ID", help="The signal that it was opened on.")
@TIMEFRAME
@AT
@VERSION
def add(asked: Asked, campaign_id: str, kind: str, side: str, at: str | None, **given: Any) -> None:
    """Opens a leg of CAMPAIGN_ID. TYPE is SPRING, AR, SOS or LPS, SIDE is LONG or SHORT."""
    with asked.connect() as book:
        changed = book.add_leg(
            campaign_id,
            pattern_type=api.PatternType(kind),
            side=api.Side(side),
            opened=moment_of(at, "at"),
            **given,
        )
    _show_changed(asked, changed)


@command("close", "Closes a leg.", group=legs)
@click.argument("campaign_id")
@click.argument("position_uuid")
@click.argument("exit_price", type=Number())
@AT
@VERSION
@click.option("--yes", is_flag=True, help="Do not ask.")
def close(
    asked: Asked, campaign_id: str, position_uuid: str, exit_price: Decimal, at: str | None,
    expected_version: int | None, yes: bool,
) -> None:  # fmt: skip
    """Closes a leg at EXIT_PRICE. It stays in its campaign for ever, with its result."""
    confirm(f"This closes leg {position_uuid} of campaign {campaign_id}.", 1, yes)
    with asked.connect() as book:
        changed = book.close_leg(
            campaign_id,
            position_uuid,
            exit_price,
            moment_of(at, "at"),
            expected_version=expected_version,
        )
    _show_changed(asked, changed)


def _show_changed(asked: Asked, changed: api.LegChanged) -> None:
    if asked.as_json:
        show.as_json(changed)
        return
    _show_legs([changed.leg])
    click.echo()
    _show_totals(changed.totals)


def _show_legs(found: Any) -> None:
    columns = ("type", "side", "opened", "closed", "shares", "entry", "stop", "exit", "result",
               "leg")  # fmt: skip
    rows = [
        (
            show.blank(p.pattern_type), show.side(p), show.day(p.opened_at), show.closing(p),
            f"{p.quantity:f}", f"{p.average_entry_price:f}", show.blank(p.stop_loss),
            show.blank(p.exit_price), "-" if p.is_open else show.gain(p.realized_pnl),
            p.position_uuid,
        )
        for p in found
    ]  # fmt: skip
    show.table(columns, rows, right=("shares", "entry", "stop", "exit", "result"))


def _show_totals(t: api.CampaignTotals) -> None:
    mark = "-" if t.marked_ms is None else f"{t.mark}  ({show.moment(utc(t.marked_ms))})"
    show.facts(
        [
            ("legs", f"{t.open_count:,} open, {t.closed_count:,} closed"),
            *((name, f"{getattr(t, name):f}") for name in TOTALS),
            ("mark", mark),
        ]
    )
