"""How answers look: tables for people, JSON for programs. Both say the same.

What stands in a position is somebody else's text: it is never read as markup, and nothing that is
not printable reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

import hotbook as api
from hotbook_shared.money import DIGITS_MAX

UUIDS = ("uuid", "order", "campaign", "leg")
"""Columns that go over two lines, where the terminal is too narrow for all."""

STATE_STYLE = {
    api.CampaignState.FORMING: "cyan",
    api.CampaignState.ACTIVE: "green",
    api.CampaignState.DORMANT: "yellow",
    api.CampaignState.COMPLETED: "blue",
    api.CampaignState.FAILED: "red",
}
LEVEL_STYLE = {api.VolumeLevel.LOW: "yellow", api.VolumeLevel.HIGH: "cyan"}
SIDE_STYLE = {api.Side.LONG: "green", api.Side.SHORT: "red"}


def as_json(value: Any) -> None:
    """Any noun, or a list of them: Decimals as texts, times as epoch milliseconds."""
    plain = _plain(msgspec.to_builtins(value, builtin_types=(Decimal,)))
    click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())


def _plain(value: Any) -> Any:
    """Decimals written out with all their places: nothing is 0.00000000, and not 0E-8."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return f"{value:f}" if isinstance(exponent, int) and -DIGITS_MAX <= exponent <= 0 else value
    return value


def table(
    columns: Sequence[str], rows: Iterable[Iterable[object]], right: Sequence[str] = ()
) -> None:
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        edge: Literal["left", "right"] = "right" if column in right else "left"
        grid.add_column(column, justify=edge, no_wrap=column not in UUIDS, overflow="fold")
    for row in rows:
        grid.add_row(*map(_cell, row))
    _print(grid)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing: a name and a value a line."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(_cell(name), _cell(value))
    _print(grid)


def positions(found: Sequence[api.Position]) -> None:
    """On a terminal a table for each hotkey, under its name; in a pipe one row a line, in full."""
    if not found:
        click.echo("no positions", err=True)
    elif Console().is_terminal:
        for number, hotkey in enumerate(dict.fromkeys(p.hotkey for p in found)):
            click.echo(("\n" if number else "") + click.style(printable(hotkey), bold=True))
            _brief([p for p in found if p.hotkey == hotkey])
    else:
        _full(found)


def _brief(found: Sequence[api.Position]) -> None:
    columns = ("pair", "side", "opened", "closed", "orders", "leverage", "return", "uuid")
    rows = [
        (
            p.trade_pair, side(p), day(p.opened_at), closing(p), len(p.orders),
            f"{p.net_leverage:f}", f"{p.return_at_close:.4f}", p.position_uuid,
        )
        for p in found
    ]  # fmt: skip
    table(columns, rows, right=("orders", "leverage", "return"))


def _full(found: Sequence[api.Position]) -> None:
    columns = ("hotkey", "pair", "side", "state", "opened", "closed", "orders", "leverage",
               "return", "version", "uuid")  # fmt: skip
    rows = [
        (
            p.hotkey, p.trade_pair, p.side or "-", state(p), moment(p.opened_at),
            moment(p.closed_at) if p.closed_at else "-", len(p.orders), f"{p.net_leverage:f}",
            f"{p.return_at_close:.4f}", p.version, p.position_uuid,
        )
        for p in found
    ]  # fmt: skip
    table(columns, rows, right=("orders", "leverage", "return", "version"))


def position(p: api.Position) -> None:
    """One position: what differs from its defaults, then its orders."""
    shown_apart = {"hotkey", "trade_pair", "position_uuid", "side", "open_ms", "close_ms",
                   "updated_ms", "orders", "extra"}  # fmt: skip
    facts(
        [
            ("hotkey", p.hotkey),
            ("trade_pair", p.trade_pair),
            ("position_uuid", p.position_uuid),
            ("state", state(p)),
            ("side", side(p)),
            ("opened", moment(p.opened_at)),
            *([("closed", moment(p.closed_at))] if p.closed_at else []),
            *(
                (field.name, getattr(p, field.name))
                for field in msgspec.structs.fields(p)
                if field.name not in shown_apart and getattr(p, field.name) != field.default
            ),
            ("updated", moment(p.updated_at)),
            *((f"extra {name}", value) for name, value in p.extra.items()),
        ]
    )
    if p.orders:
        click.echo()
        columns = ("time", "type", "leverage", "quantity", "value", "price", "order")
        rows = [
            (moment(o.processed_at), o.type, blank(o.leverage), blank(o.quantity), blank(o.value),
             o.price, o.order_uuid)
            for o in p.orders
        ]  # fmt: skip
        table(columns, rows, right=("leverage", "quantity", "value", "price"))


def side(p: api.Position) -> Text:
    return Text(p.side or "-", style=SIDE_STYLE.get(p.side, "") if p.side else "")


def state(p: api.Position) -> str:
    return ("leg " if p.campaign_id else "") + ("open" if p.is_open else "closed")


def closing(p: api.Position) -> Text:
    kind = "leg open" if p.campaign_id else "open"
    return Text(kind, style="cyan") if p.closed_at is None else Text(day(p.closed_at))


def campaign_state(state: api.CampaignState) -> Text:
    return Text(state, style=STATE_STYLE[state])


def gain(result: Decimal) -> Text:
    """A result: green where it is won, red where it is lost."""
    style = "green" if result > 0 else "red" if result < 0 else "dim"
    return Text(f"{result:f}", style=style)


def freshness(pair: api.PairMarket) -> Text:
    return Text("fresh", style="green") if pair.is_fresh else Text("-", style="dim")


def volume_level(level: api.VolumeLevel) -> Text:
    return Text(
        "-" if level is api.VolumeLevel.UNKNOWN else level, style=LEVEL_STYLE.get(level, "")
    )


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def day(at: datetime) -> str:
    """A time as a listing shows it: to the minute within this year, else the date."""
    same_year = at.year == datetime.now(UTC).year
    return at.strftime("%m-%d %H:%MZ" if same_year else "%Y-%m-%d")


def blank(value: object) -> str:
    return "-" if value is None else str(value)


def counted(count: int, noun: str) -> str:
    """`1 position`, `2,000 positions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    head = f"{days} d " if days else ""
    return f"{head}{hours:02}:{minutes:02}:{seconds:02}"


def _cell(value: object) -> Text:
    """A text that rich takes as it is: no markup, no control characters."""
    return value if isinstance(value, Text) else Text(printable(str(value)))


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _print(grid: Table) -> None:
    """As wide as the terminal; in a pipe as wide as its rows are, so that nothing is cut."""
    console = Console()
    if not console.is_terminal:
        width = console.measure(grid, options=console.options.update(max_width=100_000)).maximum
        console = Console(width=max(width, 1))
    console.print(grid)
