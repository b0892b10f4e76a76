"""`scripts/bench`: measures, prints, and keeps the figures as JSON, in the docs and as pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import uvloop

from hotbook_shared import __version__
from tests.bench import (
    bars,
    campaign_costs,
    campaigns,
    durable_saves,
    freshness,
    legs,
    load,
    lookups,
    minute,
    minute_ways,
    moving,
    open_positions,
    orders,
    readers,
    replays,
    saves,
    scale,
    scans,
    totals,
    volumes,
    watchers,
)
from tests.bench.figures import Figure, tell
from tests.bench.install import install
from tests.bench.machine import machine, versions
from tests.bench.peers import postgres, redis_server
from tests.bench.report import Report, Section, draw, keep, rewritten, show

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs/benchmarks.md"
KEPT = ROOT / "docs/benchmarks.json"
PICTURES = ROOT / "docs/pictures"


class Workload(msgspec.Struct):
    title: str
    measure: Callable[[bool], list[Figure]]
    """Takes whether it should be short."""

    peers: tuple[str, ...] = ()
    """Those that may be missing."""


MISSING = {"Redis": redis_server.missing, "PostgreSQL": postgres.missing}

WORKLOADS: dict[str, Workload] = {
    "lookups": Workload(
        "GetOpen over the wire, against a raw gRPC echo",
        lambda short: uvloop.run(
            lookups.measure(lookups.Scale(3, 100, 1_000, 10_000) if short else lookups.Scale())
        ),
    ),
    "saves": Workload(
        "Durable saves, against a raw gRPC echo",
        lambda short: uvloop.run(
            saves.measure(saves.Scale(2, 0.5, 50, 3) if short else saves.Scale())
        ),
    ),
    "orders": Workload(
        "Placing an order, against the three calls that it replaces",
        lambda short: uvloop.run(orders.measure(orders.Scale(2, 0.5) if short else orders.Scale())),
    ),
    "load": Workload(
        "Starting with a large book",
        lambda short: load.measure(load.Scale(1, 20_000, 1_000) if short else load.Scale()),
    ),
    "moving": Workload(
        "Moving in: a tree of files, and splitting on load",
        lambda short: moving.measure(moving.Scale(1, 1_000, 2_000) if short else moving.Scale()),
    ),
    "open": Workload(
        "One open position, as a user looks it up, against the peers",
        lambda short: open_positions.measure(
            open_positions.Scale(2, 16, 400, 100, 30, 1_000) if short else open_positions.Scale()
        ),
        ("Redis", "PostgreSQL"),
    ),
    "durable": Workload(
        "Durable saves, as a user makes them, against the peers",
        lambda short: durable_saves.measure(
            durable_saves.Scale(2, 32, 256, 20, 0.2, 200) if short else durable_saves.Scale()
        ),
        ("Redis", "PostgreSQL"),
    ),
    "minute": Workload(
        "The minute of a validator",
        lambda short: minute.measure(
            minute_ways.Scale(2, 32, 3_000, 60, 0.3) if short else minute_ways.Scale()
        ),
    ),
    "watchers": Workload(
        "Many watchers of many changes",
        lambda short: watchers.measure(
            watchers.Scale(1, 1, (1, 2, 8), (200, 800), 20, 0.4, 0.3) if short else watchers.Scale()
        ),
    ),
    "scale": Workload(
        "From ten thousand positions to a million",
        lambda short: scale.measure(
            scale.Scale(1, 1, (1_000, 2_000, 4_000), 50, 20, 1_000, 0.2) if short else scale.Scale()
        ),
    ),
    "readers": Workload(
        "Eight threads on one replica, while it changes",
        lambda short: readers.measure(
            readers.Scale(1, rate=1_000, settling_s=0.2, seconds=0.4) if short else readers.Scale()
        ),
    ),
    "scans": Workload(
        "An open position by index, against a scan",
        lambda short: scans.measure(scans.Scale(2, 100, 3) if short else scans.Scale()),
    ),
    "campaigns": Workload(
        "Campaigns by index, against scans of a list",
        lambda short: campaigns.measure(
            campaigns.Scale(2, (1_000, 4_000), 200, 2, 4) if short else campaigns.Scale()
        ),
    ),
    "campaign-costs": Workload(
        "What campaigns cost: a thousand patterns, and the memory of indexes",
        lambda short: campaign_costs.measure(
            campaign_costs.Scale(1, 100, 200, 10_000, 2_000) if short else campaign_costs.Scale()
        ),
    ),
    "totals": Workload(
        "Totals of legs, and marks that move, against every leg anew",
        lambda short: totals.measure(
            totals.Scale(2, (10, 2_000), 200, 4_000) if short else totals.Scale()
        ),
    ),
    "volumes": Workload(
        "Rolling volume, against taking the mean anew",
        lambda short: volumes.measure(
            volumes.Scale(2, (20, 2_000), 500, 4_000) if short else volumes.Scale()
        ),
    ),
    "freshness": Workload(
        "Which pairs are fresh, against a set behind a lock",
        lambda short: freshness.measure(
            freshness.Scale(2, 200, 4, 0.1) if short else freshness.Scale()
        ),
    ),
    "legs": Workload(
        "A campaign's legs and totals in one call",
        lambda short: legs.measure(legs.Scale(2, 10) if short else legs.Scale()),
    ),
    "bars": Workload(
        "Bars from one stream, with legs that they move and followers who are told",
        lambda short: bars.measure(bars.Scale(1, 400, 10, (1, 3)) if short else bars.Scale()),
    ),
    "replays": Workload(
        "Replaying a tape of bars",
        lambda short: replays.measure(replays.Scale(1, 60, 4) if short else replays.Scale()),
    ),
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(WORKLOADS)), help="One workload.")
@click.option("--short", is_flag=True, help="Small and quick: shows that it runs, proves nothing.")
@click.option("--json", "to", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option(
    "--write", is_flag=True, help="Write them to docs/benchmarks.json and .md, and docs/pictures."
)
@click.option("--setup", is_flag=True, help="Install the peers that are missing, and stop.")
def main(only: tuple[str, ...], short: bool, to: Path | None, write: bool, setup: bool) -> None:
    """Measures hotbook against its peers, all within this run.

    Exits with 1 where a figure is worse than it is held to (never with --short).
    """
    if setup:
        return install()
    if write and (only or short):
        raise click.UsageError("--write keeps whole runs: leave out --only and --short")
    sections = [_section(name, short) for name in only or WORKLOADS]
    report = Report(
        __version__,
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        machine(),
        versions(),
        short,
        sections,
    )
    if to:
        keep(report, to)
    if write:
        keep(report, KEPT)
        draw(report, PICTURES)
        DOCUMENT.write_text(rewritten(DOCUMENT.read_text(), report))
    if report.missed and not short:
        sys.exit(1)
    return None


def _section(name: str, short: bool) -> Section:
    workload = WORKLOADS[name]
    started = time.perf_counter()
    tell(f"{name} ...\n")
    skipped = [f"{peer}: {why}" for peer in workload.peers if (why := MISSING[peer]())]
    section = Section(name, workload.title, workload.measure(short), skipped)
    tell(f"{name}: {time.perf_counter() - started:.0f} s\n")
    show(section)
    return section


if __name__ == "__main__":
    main()
