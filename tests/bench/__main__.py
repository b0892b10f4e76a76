"""`scripts/bench`: measures, prints, and keeps the figures as JSON and as a table in the docs."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from hotbook_shared import __version__
from tests.bench import load, lookups, moving, orders, saves, scans
from tests.bench.rig import Figure

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs/benchmarks.md"
KEPT = ROOT / "docs/benchmarks.json"
START, END = "<!-- figures: made by scripts/bench --write -->", "<!-- end of figures -->"

Measure = Callable[[bool], list[Figure]]

WORKLOADS: dict[str, tuple[str, Measure]] = {
    "lookups": (
        "GetOpen over the wire, against a raw gRPC echo",
        lambda short: uvloop.run(
            lookups.measure(lookups.Scale(3, 100, 1_000, 10_000) if short else lookups.Scale())
        ),
    ),
    "saves": (
        "Durable saves, against a raw gRPC echo",
        lambda short: uvloop.run(
            saves.measure(saves.Scale(2, 0.5, 50, 3) if short else saves.Scale())
        ),
    ),
    "orders": (
        "Placing an order, against the three calls that it replaces",
        lambda short: uvloop.run(orders.measure(orders.Scale(2, 0.5) if short else orders.Scale())),
    ),
    "load": (
        "Starting with a large book",
        lambda short: load.measure(load.Scale(1, 20_000, 1_000) if short else load.Scale()),
    ),
    "moving": (
        "Moving in: a tree of files, and splitting on load",
        lambda short: moving.measure(moving.Scale(1, 1_000, 2_000) if short else moving.Scale()),
    ),
    "scans": (
        "An open position by index, against a scan",
        lambda short: scans.measure(scans.Scale(2, 100, 3) if short else scans.Scale()),
    ),
}


class Section(msgspec.Struct):
    name: str
    title: str
    figures: list[Figure]


class Report(msgspec.Struct):
    """One run: what it ran on, and what it found."""

    version: str
    measured_at: str
    machine: str
    python: str
    short: bool
    sections: list[Section]


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(WORKLOADS)), help="One workload.")
@click.option("--short", is_flag=True, help="Small and quick: shows that it runs, proves nothing.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--write", is_flag=True, help="Write them to docs/benchmarks.json and .md.")
def main(only: tuple[str, ...], short: bool, to: Path | None, write: bool) -> None:
    """Measures hotbook against its peers, all within this run.

    Exits with 1 where a figure is worse than it is held to (never with --short).
    """
    sections = []
    for name in only or WORKLOADS:
        title, measure = WORKLOADS[name]
        section = Section(name, title, measure(short))
        show(section)
        sections.append(section)
    report = Report(
        __version__,
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        platform.python_version(),
        short,
        sections,
    )
    for file in [to] if to else []:
        keep(report, file)
    if write:
        keep(report, KEPT)
        DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), report))
    if not short and any(f.holds is False for section in sections for f in section.figures):
        sys.exit(1)


def keep(report: Report, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def show(section: Section) -> None:
    table = Table(title=section.title, title_justify="left", box=None)
    for column in ("figure", "value", "", "held to", ""):
        table.add_column(column, justify="right" if column == "value" else "left")
    for figure in section.figures:
        table.add_row(figure.name, number(figure.value), figure.unit, held_to(figure), mark(figure))
    Console(width=120).print(table, "")


def rewritten(document: str, report: Report) -> str:
    """The document with the figures of this run between its two marks."""
    before, rest = document.split(START)
    _, after = rest.split(END)
    lines = [
        "",
        f"Measured {report.measured_at} with hotbook {report.version} on {report.machine}, "
        f"Python {report.python}.",
        "",
    ]
    for section in report.sections:
        lines += [
            f"### {section.title}",
            "",
            "| figure | value | held to | |",
            "|---|---:|---|---|",
        ]
        lines += [
            f"| {f.name} | {number(f.value)} {f.unit} | {held_to(f)} | {mark(f)} |"
            for f in section.figures
        ]
        lines.append("")
    return before + START + "\n".join(lines) + "\n" + END + after


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def held_to(figure: Figure) -> str:
    if figure.at_least is not None:
        return f"at least {figure.at_least:g}"
    return "" if figure.at_most is None else f"at most {figure.at_most:g}"


def mark(figure: Figure) -> str:
    return {None: "", True: "holds", False: "MISSED"}[figure.holds]


if __name__ == "__main__":
    main()
