"""How answers look: tables for people, JSON for programs. Both say the same.

What stands in a position is somebody else's text: it is never read as markup, and nothing that is
not printable reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

PART = 16_384
WRAPPED_MAX = 2_000
"""Of more rows than these none is wrapped or coloured, for that takes longer than asking."""

STATE_STYLE = {
    api.CampaignState.FORMING: "cyan",
    api.CampaignState.ACTIVE: "green",
    api.CampaignState.DORMANT: "yellow",
    api.CampaignState.COMPLETED: "blue",
    api.CampaignState.FAILED: "red",
}
LEVEL_STYLE = {api.VolumeLevel.LOW: "yellow", api.VolumeLevel.HIGH: "cyan"}
SIDE_STYLE = {api.Side.LONG: "green", api.Side.SHORT: "red"}


class Screen(Console):
    """A console that leaves it to the group of commands what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def as_json(value: Any) -> None:
    """Any noun, or a list of them: Decimals as texts, times as epoch milliseconds."""
    _say(msgspec.json.format(msgspec.json.encode(in_full(value)), indent=2).decode())


def json_line(value: Any) -> str:
    return msgspec.json.encode(in_full(value)).decode()


def in_full(value: Any) -> Any:
    """A noun with all its fields, null where there is nothing, so that programs look for none in
    vain; and Decimals written out: nothing is 0.00000000, and not 0E-8."""
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {told: in_full(getattr(value, name)) for told, name in names}
    if isinstance(value, Mapping):
        return {str(name): in_full(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return list(map(in_full, value))
    return plain(value) if isinstance(value, Decimal) else value


def plain(number: Decimal) -> str:
    """All its digits and no exponent, but for those of a number that would have no end of them."""
    exponent = number.as_tuple().exponent
    is_short = isinstance(exponent, int) and -DIGITS_MAX <= exponent <= 0
    return f"{number:f}" if is_short else str(number)


def table(
    columns: Sequence[str], rows: Iterable[Iterable[object]], right: Sequence[str] = ()
) -> None:
    cells = [[_cell(value) for value in row] for row in rows]
    if len(cells) > WRAPPED_MAX or not Console().is_terminal:
        right_edges = [column in right for column in columns]
        _padded([[Text(column) for column in columns], *cells], right_edges)
        return
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        edge: Literal["left", "right"] = "right" if column in right else "left"
        grid.add_column(column, justify=edge, no_wrap=column not in UUIDS, overflow="fold")
    for row in cells:
        grid.add_row(*row)
    Screen().print(grid)


def _padded(rows: Sequence[Sequence[Text]], right_edges: Sequence[bool]) -> None:
    """Rows as wide as they are: nothing is cut, and a hundred thousand take no time to lay out."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for cell, width, is_right in zip(row, widths, right_edges, strict=True):
            blanks = " " * (width - cell.cell_len)
            cells.append(blanks + cell.plain if is_right else cell.plain + blanks)
        lines.append("  ".join(cells).rstrip())
    _say("\n".join(lines))


def _say(text: str) -> None:
    """In parts, for an unbuffered stdout takes the first part of a large write for all of it."""
    for start in range(0, len(text), PART):
        click.echo(text[start : start + PART], nl=False)
    click.echo()


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing: a name and a value a line."""
    cells = [(_cell(name), _cell(value)) for name, value in pairs]
    if not Console().is_terminal:
        _padded(cells, (False, False))
        return
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in cells:
        grid.add_row(name, value)
    Screen().print(grid)


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
    if value is None:
        return "-"
    return plain(value) if isinstance(value, Decimal) else str(value)


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
    if isinstance(value, Text):
        return value
    return Text(plain(value) if isinstance(value, Decimal) else printable(str(value)))


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
