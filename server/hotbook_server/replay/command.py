"""The command that replays a file: strategies by name, settings as the server has them, a report.

Owns how strategies are found and what people read of a replay. A strategy is code of the caller's
own: it is imported from the folder where the command runs, or from wherever Python finds modules.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotbook_server.config import BadSettings, load_settings
from hotbook_server.replay.examples import EXAMPLES
from hotbook_server.replay.report import ReplayReport, positions_of
from hotbook_server.replay.run import Replay
from hotbook_server.replay.sight import Strategy
from hotbook_server.replay.tape import BadTape, read_tape
from hotbook_shared import __version__
from hotbook_shared.bar import LateBar
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import utc
from hotbook_shared.money import to_places
from hotbook_shared.names import check_hotkey

EXIT_USAGE = 2
EXIT_PROBLEMS = 8

_FILE = click.Path(path_type=Path, dir_okay=False)


class BadStrategy(Exception):
    """A strategy that cannot take part; the message says which, and why."""


@click.command(name="replay", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=_FILE)
@click.option(
    "-s",
    "--strategy",
    "specs",
    multiple=True,
    metavar="[NAME=]MODULE:FACTORY",
    help="Takes part; may be given often. MODULE is a file in this folder (mine:Mine is class Mine "
    f"in mine.py), or installed. Examples without a MODULE: {', '.join(EXAMPLES)}.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Threads that the strategies share. They change the pace and nothing else.",
)
@click.option(
    "--step-timeout-s",
    type=click.FloatRange(0, 86_400, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="A strategy that takes longer over a step is left out; the others go on.",
)
@click.option(
    "--save",
    type=_FILE,
    metavar="FILE",
    help="Write all positions of the end to a new FILE: JSON, one a line.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    envvar="HOTBOOK_OUTPUT",
    show_default=True,
    help="For people, or for programs.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="HOTBOOK_CONFIG",
    help="The settings file, if it is not ./hotbook.toml.",
)
@click.version_option(__version__, prog_name="hotbook")
def main(
    file: Path, specs: tuple[str, ...], threads: int, step_timeout_s: float, save: Path | None,
    output: str, config: Path | None,
) -> None:  # fmt: skip
    """Replays a FILE of bars and orders, minute by minute, over a book in memory.

    Needs no server. The same FILE, strategies and settings give the same report, seconds aside.

    \b
    FILE is CSV, or Parquet (.parquet, .pq). Its columns, in any order:
      kind                bar or order; left out: bar
      trade_pair          for example BTCUSD
      time                2026-01-31T12:00:00Z, or epoch milliseconds
      close, volume       of bars; open, high and low are passed over
      hotkey, side        of orders; side is LONG, SHORT or FLAT
      leverage, quantity  of orders: the size, one of the two
      price               of orders; left out: the pair's close in that minute
      account_size, order_uuid    of orders; may be left out

    \b
    FACTORY is called with the strategy's name. It makes an object with one
    method, called at each minute that has rows; who returns False leaves:
      def on_step(self, step, market, book):
          if market.price("BTCUSD") and not book.has_open("me", "BTCUSD"):
              book.place_order("me", "BTCUSD", "LONG", leverage=Decimal("0.1"))
    "me" is any hotkey. What is asked for is done when all have returned, at the
    closes of that minute; what was refused is in book.refusals at the next one.
    docs/replay.md has all that step, market and book offer.

    \b
    Rules and limits are those of the server's settings. Exit codes:
      0  replayed to the end
      2  FILE, settings, a strategy or an option cannot be used: nothing was
         replayed; or it was, and --save could not write
      8  replayed to the end, but a strategy raised or was too slow
    """
    try:
        settings = load_settings(config)
        strategies = strategies_of(specs)
        tape = read_tape(file, settings.market_step_ms)
    except (BadSettings, BadStrategy) as error:
        _end(EXIT_USAGE, [str(error)])
    except BadTape as error:
        _end(EXIT_USAGE, error.problems)
    replay = Replay(tape, strategies, settings, threads=threads, step_timeout_s=step_timeout_s)
    with LateBar("replaying") as bar:
        report = replay.run(bar)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _show(report)
    if save is not None:  # last, so that a file that cannot be written costs no report
        _save(save, replay)
    if report.has_failed:
        sys.exit(EXIT_PROBLEMS)


def _end(code: int, problems: Iterable[str]) -> NoReturn:
    for problem in problems:
        click.echo(f"hotbook: {problem}", err=True)
    sys.exit(code)


def strategies_of(specs: Iterable[str]) -> dict[str, Strategy]:
    """Strategies by their names. Raises BadStrategy."""
    found: dict[str, Strategy] = {}
    for spec in specs:
        name, _, target = spec.rpartition("=")
        name = name or target
        if name in found:
            raise BadStrategy(f"two strategies are called {name}: write --strategy NAME={target}")
        try:
            check_hotkey(name, "the name of a strategy")
        except InvalidArgument as error:
            raise BadStrategy(error.message) from None
        found[name] = _made(name, target)
    return found


def _made(name: str, target: str) -> Strategy:
    factory = EXAMPLES.get(target) or _factory(target)
    try:
        made = factory(name)
    except Exception as error:
        raise BadStrategy(f"{target}({name!r}) raised {type(error).__name__}: {error}") from error
    if not callable(getattr(made, "on_step", None)):
        raise BadStrategy(f"{target}({name!r}) made {made!r:.80}, which has no on_step")
    return made


def _factory(target: str) -> Any:
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise BadStrategy(
            f"{target!r} is no strategy: write MODULE:FACTORY, or {' or '.join(EXAMPLES)}"
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise BadStrategy(f"{module} has no {attribute}") from None
    except Exception as error:
        raise BadStrategy(f"{module} cannot be imported: {error}") from error


def _save(file: Path, replay: Replay) -> None:
    encode = msgspec.json.Encoder().encode
    try:
        with file.open("xb") as to:
            to.writelines(encode(position) + b"\n" for position in positions_of(replay.book))
    except OSError as error:
        _end(EXIT_USAGE, [f"cannot write {file}: {error.strerror}"])


# ---------------------------------------------------------------------------- for people


def _show(report: ReplayReport) -> None:
    placed = report.orders - report.orders_refused
    first, last = utc(report.first_ms), utc(report.last_ms)
    pace = f"{report.seconds:.1f} s, {report.steps_per_s:,.0f} a second"
    _facts([
        ("time", f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"),
        ("steps", f"{report.steps:,} in {pace}"),
        ("bars", f"{report.bars:,}, {report.stale_bars:,} stale"),
        ("orders", f"{report.orders:,} in the file: {placed:,} placed, "
                   f"{report.orders_refused:,} refused"),
        ("positions", f"{report.positions:,}, {report.open:,} open"),
        ("campaigns", f"{report.campaigns:,}, {report.expired:,} expired"),
        ("realized", f"{to_places(report.realized_pnl):f}"),
        ("book", f"revision {report.revision}, digest {report.digest}"),
    ])  # fmt: skip
    if report.strategies:
        click.echo()
        _table(("strategy", "steps", "asked", "done", "refused", "ended"), [
            (one.name, f"{one.steps:,}", f"{one.asked:,}", f"{one.done:,}",
             f"{one.asked - one.done:,}", one.ended)
            for one in report.strategies
        ])  # fmt: skip
    if report.hotkeys:
        click.echo()
        _table(("hotkey", "positions", "open", "won", "lost", "realized", "mean return"), [
            (one.hotkey, f"{one.positions:,}", f"{one.open:,}", f"{one.won:,}", f"{one.lost:,}",
             f"{to_places(one.realized_pnl):f}", f"{to_places(one.mean_return):f}")
            for one in report.hotkeys
        ])  # fmt: skip
    for refusal in report.refusals:
        click.echo(f"refused: {refusal}", err=True)


def _facts(pairs: Iterable[tuple[str, str]]) -> None:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, Text(value))
    _print(grid)


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        edge: Any = "right" if number and column != "ended" else "left"
        grid.add_column(column, justify=edge, no_wrap=column != "ended", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    _print(grid)


def _print(grid: Table) -> None:
    """As wide as the terminal; in a pipe as wide as its rows are, so that nothing is cut."""
    console = Console()
    if not console.is_terminal:
        width = console.measure(grid, options=console.options.update(max_width=100_000)).maximum
        console = Console(width=max(width, 1))
    console.print(grid)
