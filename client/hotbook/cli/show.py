"""How answers look: tables for people, JSON for programs. Both say the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

import hotbook as api

PIPE_COLUMNS = 400


def as_json(value: Any) -> None:
    """Any noun, or a list of them: Decimals as texts, times as epoch milliseconds."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(
    columns: Iterable[str], rows: Iterable[Iterable[object]], right: Iterable[str] = ()
) -> None:
    grid = Table(box=None, header_style="bold", pad_edge=False)
    aligned = set(right)
    for column in columns:
        grid.add_column(column, justify="right" if column in aligned else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(str(cell) for cell in row))
    _print(grid)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """One thing: a name and a value a line."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, str(value))
    _print(grid)


def _print(grid: Table) -> None:
    """As wide as the terminal; wide enough for any row where the output is none."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)
    console.print(grid)


def positions(found: Iterable[api.Position]) -> None:
    columns = ("hotkey", "pair", "side", "state", "opened", "closed", "orders", "leverage",
               "return", "version", "uuid")  # fmt: skip
    rows = (
        (
            shortened(p.hotkey), p.trade_pair, side(p), state(p), moment(p.opened_at),
            moment(p.closed_at), len(p.orders), f"{p.net_leverage:f}", f"{p.return_at_close:.4f}",
            p.version, p.position_uuid,
        )
        for p in found
    )  # fmt: skip
    table(columns, rows, right=("orders", "leverage", "return", "version"))


def position(p: api.Position) -> None:
    """One position in full: its fields, then its orders."""
    skipped = {"orders", "open_ms", "close_ms", "updated_ms", "extra", "side"}
    facts([
        ("state", state(p)), ("side", side(p)), ("opened", moment(p.opened_at)),
        ("closed", moment(p.closed_at)), ("updated", moment(p.updated_at)),
        *((name, getattr(p, name)) for name in p.__struct_fields__
          if name not in skipped and getattr(p, name) is not None),
        *((f"extra {name}", value) for name, value in p.extra.items()),
    ])  # fmt: skip
    if p.orders:
        click.echo()
        columns = ("time", "type", "leverage", "quantity", "value", "price", "source", "order")
        table(columns, (
            (moment(o.processed_at), o.type, blank(o.leverage), blank(o.quantity), blank(o.value),
             o.price, o.source, o.order_uuid)
            for o in p.orders
        ), right=("leverage", "quantity", "value", "price"))  # fmt: skip


def side(p: api.Position) -> str:
    colour = {api.Side.LONG: "green", api.Side.SHORT: "red"}.get(p.side) if p.side else None
    return f"[{colour}]{p.side}[/]" if colour else str(p.side or "-")


def state(p: api.Position) -> str:
    kind = "leg " if p.campaign_id else ""
    return f"[cyan]{kind}open[/]" if p.is_open else f"[dim]{kind}closed[/]"


def moment(at: datetime | None) -> str:
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%SZ")


def blank(value: object) -> str:
    return "-" if value is None else str(value)


def shortened(hotkey: str) -> str:
    """A long hotkey by its ends, as people compare them."""
    return hotkey if len(hotkey) <= 20 else f"{hotkey[:8]}…{hotkey[-8:]}"


def duration(ms: int) -> str:
    seconds = ms // 1000
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    head = f"{days} d " if days else ""
    return f"{head}{hours:02}:{minutes:02}:{seconds:02}"
