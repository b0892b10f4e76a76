"""How `hotbook top` looks: one picture, drawn for a width and a height. No IO.

Figures are shortened where the screen is narrow; `-o json` has all their digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import hotbook as api
from hotbook.cli import show

WIDE = 100
"""From so many columns on there is room for all that is told of the server and the market."""
MARKS_MAX = 6
CAMPAIGNS_LEAST = 3
"""There is room for so many campaigns before there is any for marks."""
ALERTS_MAX = 3
SILENT_S = 2.0
"""A server that is there is heard of far more often than this."""
LEVEL_STYLE = {"NORMAL": "green", "WARNING": "yellow", "CRITICAL": "bold red"}
EVERYTHING = 1_000_000


class Seen(msgspec.Struct, frozen=True):
    """All that a picture shows, at one moment."""

    target: str
    revision: int
    is_whole: bool
    campaigns: Sequence[api.CampaignUpdated]
    marks: Mapping[str, Decimal]
    market: api.MarketView | None
    status: api.Status | None
    alerts: Sequence[api.Alert]
    changes_per_s: float
    frames_per_s: float
    answer_ms: float
    since_look_ms: int
    silence_s: float
    restarts: int
    error: api.HotbookError | None


class Column(NamedTuple):
    name: str
    cell: Callable[[api.CampaignUpdated], Text]
    is_right: bool = True


def drawn(seen: Seen, width: int, height: int = EVERYTHING) -> RenderableType:
    """The picture. Campaigns that do not fit into the height are counted; marks give way to them,
    and alerts to nothing."""
    head = [_header(seen, width), *_sums(seen, width)]
    alerts = _alerts(seen, width)
    room = height - len(head) - 2 - (len(alerts) + 1 if alerts else 0)
    most = (
        EVERYTHING if height == EVERYTHING else max(min(room - CAMPAIGNS_LEAST - 2, MARKS_MAX), 0)
    )
    marks = _marks(seen, width, most)
    room -= marks.row_count + 2 if marks.row_count else 0
    parts: list[RenderableType] = [*head, Text("")]
    parts += _campaigns(seen, width, max(room, 1))
    if alerts:
        parts += [Text(""), *alerts]
    if marks.row_count:
        parts += [Text(""), marks]
    return Group(*parts)


# ------------------------------------------------------------------ head


def _header(seen: Seen, width: int) -> Text:
    head = Text("hotbook top", style="bold")
    head.append(f"  {seen.target}  ", style="not bold")
    head.append_text(_connection(seen))
    told = [f"revision {seen.revision:,}", f"{seen.changes_per_s:,.0f} changes/s"]
    if width >= WIDE:
        told += [f"{seen.frames_per_s:,.0f} frames/s", f"answers in {seen.answer_ms:.1f} ms"]
    if seen.status is not None and seen.status.leader:
        told.append(f"{seen.status.lag_ms:.0f} ms behind {seen.status.leader}")
    head.append("  " + "  ".join(told), style="not bold")
    head.truncate(width)
    return head


def _connection(seen: Seen) -> Text:
    if seen.error is not None:
        return Text(f"ended: {seen.error.message}", style="red")
    if seen.silence_s > SILENT_S:
        return Text(f"no answer for {seen.silence_s:.0f} s", style="red")
    if not seen.is_whole:
        return Text("connecting", style="yellow")
    if seen.restarts:
        return Text(f"live, restarted {seen.restarts}x", style="green")
    return Text("live", style="green")


def _sums(seen: Seen, width: int) -> list[Text]:
    """What all that is shown amounts to: a line, or two where the screen is narrow."""
    totals = [updated.totals for updated in seen.campaigns]
    live = sum(1 for updated in seen.campaigns if updated.campaign.state.is_live)
    line = Text(f"{show.counted(len(totals), 'campaign')}, {live:,} live   legs ")
    line.append(f"{sum(t.open_count for t in totals):,} open", style="cyan")
    line.append(f", {sum(t.closed_count for t in totals):,} closed")
    money = Text(f"risk {_money(sum((t.total_risk for t in totals), Decimal(0))).plain}   pnl ")
    money.append_text(_gain(sum((t.total_pnl for t in totals), Decimal(0))))
    is_wide = line.cell_len + 3 + money.cell_len <= width
    lines = [line.append("   ").append_text(money)] if is_wide else [line, money]
    for one in lines:
        one.truncate(width)
    return lines


# ------------------------------------------------------------------ campaigns


DROPPED = ("phase", "patterns", "realized", "shares", "hotkey", "closed", "risk", "entry", "mark")
"""Which columns give way where there is no room, in their order."""
GAP = 2


def _columns(marks: Mapping[str, Decimal]) -> list[Column]:
    return [
        Column("campaign", lambda u: Text(_end(u.campaign.campaign_id, 12)), is_right=False),
        Column("hotkey", lambda u: Text(_end(u.campaign.hotkey, 12)), is_right=False),
        Column("pair", lambda u: Text(_end(u.campaign.trade_pair, 10)), is_right=False),
        Column("state", lambda u: show.campaign_state(u.campaign.state), is_right=False),
        Column("phase", lambda u: Text(u.campaign.phase or "-"), is_right=False),
        Column("patterns", lambda u: _count(u.campaign.pattern_count, "")),
        Column("open", lambda u: _count(u.totals.open_count, "cyan")),
        Column("closed", lambda u: _count(u.totals.closed_count, "")),
        Column("shares", lambda u: _size(u.totals.total_shares or None)),
        Column("entry", lambda u: _price(u.totals.weighted_avg_entry or None)),
        Column("mark", lambda u: _price(marks.get(u.campaign.trade_pair))),
        Column("risk", lambda u: _money(u.totals.total_risk)),
        Column("pnl", lambda u: _gain(u.totals.total_pnl)),
        Column("realized", lambda u: _gain(u.totals.realized_pnl)),
    ]


def _fitting(
    columns: Sequence[Column], shown: Sequence[api.CampaignUpdated], width: int
) -> list[tuple[Column, list[Text]]]:
    """The columns that there is room for, with their cells."""
    made = {c.name: (c, [c.cell(updated) for updated in shown]) for c in columns}
    wide = {
        name: GAP + max(len(name), *(cell.cell_len for cell in cells))
        for name, (_, cells) in made.items()
    }
    for name in DROPPED:
        if sum(wide.values()) - GAP <= width:
            break
        del made[name], wide[name]
    return list(made.values())


def _campaigns(seen: Seen, width: int, room: int) -> list[RenderableType]:
    if not seen.campaigns:
        return [Text("no campaigns" if seen.is_whole else "", style="dim")]
    shown = seen.campaigns if len(seen.campaigns) <= room else seen.campaigns[: max(room - 1, 1)]
    fitting = _fitting(_columns(seen.marks), shown, width)
    grid = _grid([(column.name, column.is_right) for column, _ in fitting])
    rows = zip(*(cells for _, cells in fitting), strict=True)
    for updated, row in zip(shown, rows, strict=True):
        grid.add_row(*row, style="dim" if updated.campaign.state.has_ended else "")
    hidden = len(seen.campaigns) - len(shown)
    return [grid, Text(f"and {hidden:,} more", style="dim")] if hidden else [grid]


# ------------------------------------------------------------------ market


def _marks(seen: Seen, width: int, most: int) -> Table:
    names = ["mark of", "price", "age", "fresh", "volume", "level"]
    if width >= WIDE:
        names[5:5] = ["average", "bars"]
    grid = _grid([(name, name not in ("mark of", "fresh", "level")) for name in names])
    pairs = seen.market.pairs if seen.market is not None else ()
    watched = {updated.campaign.trade_pair for updated in seen.campaigns}
    for pair in sorted(pairs, key=lambda p: (p.trade_pair not in watched, p.trade_pair))[:most]:
        cells = [
            Text(pair.trade_pair),
            _price(seen.marks.get(pair.trade_pair, pair.price)),  # one price in both tables
            _age(pair, seen.since_look_ms),
            show.freshness(pair),
            _size(pair.last_volume),
            show.volume_level(pair.volume_level),
        ]
        if width >= WIDE:
            average = _size(pair.average_volume) if pair.bars else Text("-")
            cells[5:5] = [average, Text(f"{pair.bars}{'' if pair.is_ready else ' (not ready)'}")]
        grid.add_row(*cells)
    return grid


def _age(pair: api.PairMarket, since_look_ms: int) -> Text:
    if pair.age_ms is None:
        return Text("-")
    age_s = (pair.age_ms + since_look_ms) // 1000
    return Text(f"{age_s} s" if age_s < 120 else str(timedelta(seconds=age_s)))


def _alerts(seen: Seen, width: int) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for alert in list(seen.alerts)[-ALERTS_MAX:]:
        line = Text(f"{alert.level:8}", style=LEVEL_STYLE.get(alert.level, ""))
        whose = f"campaign {_end(alert.campaign_id, 16)} of " if alert.campaign_id else "all of "
        risk, limit = _money(alert.risk).plain, _money(alert.limit).plain
        told = f"  {risk} of {limit} at risk: {whose}{_end(alert.hotkey, 16)}"
        line.append(told, style="not bold default").truncate(width)
        lines.append(line)
    return lines


# ------------------------------------------------------------------ cells


def _grid(columns: Sequence[tuple[str, bool]]) -> Table:
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name, is_right in columns:
        edge: Literal["left", "right"] = "right" if is_right else "left"
        grid.add_column(name, justify=edge, no_wrap=True, overflow="ellipsis")
    return grid


def _end(text: str, most: int) -> str:
    """A name that is too long by its end, which differs where its beginning does not."""
    shown = show.printable(text)
    return shown if len(shown) <= most else "…" + shown[1 - most :]


def _count(count: int, style: str) -> Text:
    return Text(f"{count:,}", style=style if count else "dim")


def _price(number: Decimal | None) -> Text:
    """With the decimals that matter, whatever its size is: two for thousands, eight below 1."""
    if number is None:
        return Text("-", style="dim")
    digits = 2 if abs(number) >= 1000 else 4 if abs(number) >= 1 else 8
    return Text(f"{number:,.{digits}f}")


def _size(number: Decimal | None) -> Text:
    shown = _price(number).plain
    return Text(shown.rstrip("0").rstrip(".") if "." in shown else shown)


def _money(number: Decimal) -> Text:
    return Text(f"{number:,.2f}", style="" if number else "dim")


def _gain(result: Decimal) -> Text:
    style = "green" if result > 0 else "red" if result < 0 else "dim"
    return Text(f"{result:+,.2f}" if result else "0.00", style=style)
