"""A run's report: what it ran on, what it found, and how that is shown.

Owns the JSON that is kept and the part of the document between its marks. Nothing is measured
here, and nothing is shown that is not in the report.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure
from tests.bench.machine import Machine
from tests.bench.pictures import file_name, pictures

START, END = "<!-- figures: made by scripts/bench --write -->", "<!-- end of figures -->"


class Section(msgspec.Struct):
    """One workload's figures. `skipped` names the peers that were not there, and why."""

    name: str
    title: str
    figures: list[Figure]
    skipped: list[str] = []


class Report(msgspec.Struct):
    """One run: what it ran on, and what it found."""

    version: str
    measured_at: str
    machine: Machine
    versions: dict[str, str]
    short: bool
    sections: list[Section]

    @property
    def missed(self) -> list[Figure]:
        return [f for f in self.held if not f.holds]

    @property
    def held(self) -> list[Figure]:
        """The figures that have a bound."""
        return [f for section in self.sections for f in section.figures if f.holds is not None]


def keep(report: Report, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def show(section: Section) -> None:
    console = Console(width=120)
    table = Table(title=section.title, title_justify="left", box=None)
    for column in ("figure", "value", "", "lowest", "highest", "held to", ""):
        right = column in ("value", "lowest", "highest")
        table.add_column(column, justify="right" if right else "left")
    for f in section.figures:
        table.add_row(
            f.name, number(f.value), f.unit, *(spread(f) or ["", ""]), held_to(f), mark(f)
        )
    console.print(table)
    for skipped in section.skipped:
        console.print(f"SKIPPED {skipped}", style="bold red", highlight=False)
    console.print()


def draw(report: Report, folder: Path) -> None:
    """The report's pictures, in place of those that are there."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for section in report.sections:
        for title, svg in pictures(section.figures).items():
            (folder / file_name(section.name, title)).write_text(svg)


def rewritten(document: str, report: Report) -> str:
    """The document with the figures of this run between its two marks."""
    before, rest = document.split(START)
    _, after = rest.split(END)
    known = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines = [
        "",
        f"Measured {report.measured_at} with hotbook {report.version} on {report.machine}.",
        f"Versions: {known}.",
        "",
        *_missed(report),
        "",
    ]
    for section in report.sections:
        lines += _chapter(section)
    return before + START + "\n".join(lines) + "\n" + END + after


def _missed(report: Report) -> list[str]:
    """How many bounds this run has missed, and which: nothing that prose could get wrong."""
    if not report.missed:
        return [f"All {len(report.held)} bounds hold."]
    return [
        f"Of {len(report.held)} bounds {len(report.missed)} are missed:",
        "",
        *(
            f"- {section.title}: {f.name}: {number(f.value)} {f.unit}, held to {held_to(f)}"
            for section in report.sections
            for f in section.figures
            if f.holds is False
        ),
    ]


def _chapter(section: Section) -> list[str]:
    shown = [
        f"![{title}](pictures/{file_name(section.name, title)})"
        for title in pictures(section.figures)
    ]
    rows = [
        f"| {f.name} | {number(f.value)} {f.unit} | {' to '.join(spread(f))} "
        f"| {held_to(f)} | {mark(f)} |"
        for f in section.figures
    ]
    return [
        f"### {section.title}",
        "",
        *(line for skipped in section.skipped for line in (f"**Skipped: {skipped}**", "")),
        *(line for picture in shown for line in (picture, "")),
        "| figure | median | lowest to highest | held to | |",
        "|---|---:|---|---|---|",
        *rows,
        "",
    ]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def spread(figure: Figure) -> list[str]:
    """The lowest and the highest round; nothing for what has no rounds."""
    return [number(end) for end in (figure.low, figure.high) if end is not None]


def held_to(figure: Figure) -> str:
    if figure.at_least is not None:
        return f"at least {number(figure.at_least)}"
    return "" if figure.at_most is None else f"at most {number(figure.at_most)}"


def mark(figure: Figure) -> str:
    return {None: "", True: "holds", False: "MISSED"}[figure.holds]
