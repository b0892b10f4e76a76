"""Commands of operators: serve, status, clear, verify, rebuild, reload, backup, restore, replay."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command, confirm, hotbook
from hotbook.cli.endings import EXIT_PROBLEMS
from hotbook_shared.bar import LateBar

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@hotbook.command("serve", short_help="Starts a server.", context_settings=_PASS_ON)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def serve(args: tuple[str, ...]) -> None:
    """Starts a server; `hotbook serve --help` tells every setting."""
    _become("serve", "hotbook_server", args)


@hotbook.command("restore", short_help="Puts a backup in place.", context_settings=_PASS_ON)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def restore(args: tuple[str, ...]) -> None:
    """Puts a backup in place of a data folder's store; `hotbook restore --help`."""
    _become("restore", "hotbook_server.restore", args)


@hotbook.command("replay", short_help="Strategies over recorded bars.", context_settings=_PASS_ON)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def replay(args: tuple[str, ...]) -> None:
    """Runs strategies over a file of bars and orders, without a server; `hotbook replay --help`."""
    _become("replay", "hotbook_server.replay", args)


@command("status", "What the server is, holds and does.")
def status(asked: Asked) -> None:
    """What the server is, holds and does."""
    with asked.connect() as book:
        found = book.status()
    if asked.as_json:
        show.as_json(found)
        return
    running = show.duration(found.now_ms - found.started_ms)
    show.facts([
        ("server", f"hotbook {found.server_version} at {asked.target}"),
        ("state", f"{found.state} for {running}"),
        *([("follows", f"{found.leader}, {_behind(found.lag_ms)}")] if found.leader else []),
        ("book", f"{found.book_id}, revision {found.revision}"),
        ("digest", found.digest),
        ("positions", f"{found.positions:,} of {show.counted(found.hotkeys, 'hotkey')}"),
        ("open", f"{found.open_positions:,}"),
        ("campaigns", f"{found.campaigns:,}, {found.live_campaigns:,} live"),
        ("marks", f"{found.marks:,}"),
        ("durability", f"{found.durability} {found.data_dir}".strip()),
        ("waiting", show.counted(found.queue_depth, "write")),
        ("quarantined", show.counted(found.quarantined, "damaged row")),
    ])  # fmt: skip
    _show_calls(found.telemetry)


def _behind(lag_ms: float) -> str:
    return f"{lag_ms / 1000:,.1f} s behind" if math.isfinite(lag_ms) else "not heard of yet"


def _show_calls(figures: Mapping[str, float]) -> None:
    """How often each rpc was called, and how long the server took."""
    names = [name[:-6] for name in figures if name.startswith("rpc.") and name.endswith(".count")]
    if not names:
        return
    click.echo()
    rows = []
    for name in sorted(names):
        count, most_s = figures[f"{name}.count"], figures[f"{name}.max"]
        mean_s = figures[f"{name}.sum"] / count
        rows.append((name[4:], f"{count:,.0f}", f"{mean_s * 1e3:.2f}", f"{most_s * 1e3:.2f}"))
    columns = ("call", "count", "mean ms", "most ms")
    show.table(columns, rows, right=columns[1:])


@command("clear", "Removes all positions and campaigns of a hotkey.", timeout_s=60)
@click.argument("hotkey", required=False)
@click.option("--all", "everyone", is_flag=True, help="Every hotkey; the whole book.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(asked: Asked, hotkey: str | None, everyone: bool, yes: bool) -> None:
    """Removes all positions and campaigns of a HOTKEY, or of all, for good.

    Says how many will go and wants the number of positions typed (where there are none, that of
    campaigns), or --yes. Should either number change meanwhile, nothing is removed.
    """
    if everyone == (hotkey is not None):
        raise click.UsageError("name a HOTKEY, or pass --all")
    with asked.connect() as book:
        held = [counts for counts in book.hotkeys() if everyone or counts.hotkey == hotkey]
        count, opened = sum(h.positions for h in held), sum(h.open_positions for h in held)
        campaigns = book.campaign_statistics(hotkey=hotkey).total
        if count or campaigns:
            positions = f"{show.counted(count, 'position')} ({opened:,} open)"
            whose = f"all {show.counted(len(held), 'hotkey')}" if everyone else str(hotkey)
            if everyone and campaigns:  # some may have campaigns alone, and are not counted here
                whose = "all hotkeys"
            what = _both(positions if count else "", campaigns)
            confirm(f"This removes {what} of {whose} from {asked.target}.", count or campaigns, yes)
            book.clear(hotkey, expected_count=count, expected_campaigns=campaigns)
    if asked.as_json:
        show.as_json({"removed": count, "removed_campaigns": campaigns})
    else:
        click.echo(f"removed {_both(show.counted(count, 'position'), campaigns)}")


def _both(positions: str, campaigns: int) -> str:
    """What a clear is about; campaigns are named where there are some."""
    named = show.counted(campaigns, "campaign") if campaigns else ""
    return " and ".join(part for part in (positions, named) if part)


@command("verify", "Checks indexes, digest and store.", timeout_s=600)
def verify(asked: Asked) -> None:
    """Checks every index against the positions and back, the digest, and the store on disk.

    Exits with 8 where something is wrong.
    """
    with asked.connect() as book, _at_work("verifying"):
        found = book.verify()
    if asked.as_json:
        show.as_json(found)
    else:
        for problem in found.problems:
            click.echo(f"problem: {problem}")
        verdict = "all is right" if found.ok else show.counted(found.problem_count, "problem")
        click.echo(
            f"{verdict}: {found.positions:,} positions, {found.open_positions:,} open, "
            f"{found.changes_checked:,} changes, revision {found.revision}, digest {found.digest}"
        )
    if not found.ok:
        sys.exit(EXIT_PROBLEMS)


@command("rebuild", "Makes the indexes anew.", timeout_s=600)
def rebuild(asked: Asked) -> None:
    """Makes the indexes anew from the positions in memory."""
    with asked.connect() as book, _at_work("rebuilding"):
        found = book.rebuild()
    _show_rebuilt(
        asked, found, "the indexes were wrong and are right now", "the indexes were right"
    )


@command("reload", "Makes the book anew from disk.", timeout_s=600)
def reload(asked: Asked) -> None:
    """Makes the whole book anew from disk; reads go on meanwhile.

    A server that follows another takes its leader's whole book anew. Exits with 8 where damaged
    rows were found: they are set aside, and their positions are gone.
    """
    with asked.connect() as book, _at_work("reloading"):
        found = book.reload()
        leader = book.status().leader
    both = f"memory and the book of {leader}" if leader else "memory and disk"
    _show_rebuilt(asked, found, f"{both} differed", f"{both} were the same")
    if found.quarantined:
        sys.exit(EXIT_PROBLEMS)


@command("backup", "Copies the store of a running server.", timeout_s=3600)
@click.argument("file", type=click.Path(path_type=Path))
def backup(asked: Asked, file: Path) -> None:
    """Writes a consistent copy of the server's store to a new FILE, while the server runs.

    A copy is as damaged as the store. So the store is verified as well: exits with 8 where
    something is wrong with it, for `hotbook restore` may refuse such a copy.
    """
    with asked.connect() as book:
        with LateBar("receiving", "bytes") as bar:
            revision = book.backup(file, progress=bar, timeout_s=asked.timeout_s)
        with _at_work("verifying"):
            found = book.verify(timeout_s=asked.timeout_s)
    size = file.stat().st_size
    if asked.as_json:
        show.as_json(
            {
                "file": str(file),
                "revision": revision,
                "bytes": size,
                "problems": found.problem_count,
            }
        )
    else:
        click.echo(f"wrote {file} ({size:,} bytes, revision {revision})")
    if not found.ok:
        click.echo(
            f"hotbook: {file} is kept, but {show.counted(found.problem_count, 'problem')} of the "
            f"server may be in it ({found.problems[0]}): see `hotbook verify`; `hotbook reload` "
            "sets damaged rows aside, then take another backup",
            err=True,
        )
        sys.exit(EXIT_PROBLEMS)


def _show_rebuilt(asked: Asked, found: api.Rebuilt, changed: str, same: str) -> None:
    if asked.as_json:
        show.as_json(found)
        return
    aside = (
        f", {show.counted(found.quarantined, 'damaged row')} set aside" if found.quarantined else ""
    )
    click.echo(
        f"{changed if found.changed else same}: {found.positions:,} positions, "
        f"{found.open_positions:,} open, revision {found.revision}{aside}"
    )


@contextmanager
def _at_work(what: str) -> Iterator[None]:
    """A sign of life for work whose length nobody knows; for people at a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what}…"):
        yield


def _become(name: str, module: str, args: tuple[str, ...]) -> None:
    """Lets a module of the server take this process over, so that signals reach it directly."""
    if importlib.util.find_spec("hotbook_server") is None or not _has("apsw"):
        raise api.HotbookError("serving needs more packages: pip install 'hotbook[server]'")
    os.environ["HOTBOOK_PROGRAM"] = f"hotbook {name}"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *args])  # noqa: S606 - our own module


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
