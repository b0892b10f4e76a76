"""The command that serves until it is told to stop: settings from flags, then a server."""

from __future__ import annotations

import shutil
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import uvloop

from hotbook_server.config import BadSettings, Settings, load_settings
from hotbook_server.logs import configure_logs
from hotbook_server.server import CannotStart, Server, serve
from hotbook_shared import __version__
from hotbook_shared.bar import LateBar

EXIT_USAGE = 2


METAVARS = {"listen": "HOST:PORT", "follow": "HOST:PORT", "metrics_listen": "HOST:PORT|off",
            "web_listen": "HOST:PORT|off", "data_dir": "FOLDER", "pairs_file": "FILE",
            "closed_in_memory_max": "NUMBER", "durability": "fsync|relaxed|memory"}  # fmt: skip


def _options() -> list[click.Option]:
    """One flag for each setting, with the setting's own description and default."""
    return [
        click.Option(
            [f"--{name.replace('_', '-')}"],
            help=f"{field.description}  [default: {field.default}]",
            metavar=METAVARS.get(name) or _metavar(field.annotation),
        )
        for name, field in Settings.model_fields.items()
    ]


def _metavar(kind: Any) -> str:
    names = {int: "NUMBER", float: "NUMBER", Decimal: "NUMBER", bool: "true|false"}
    return names.get(kind) or "|".join(getattr(kind, "__args__", ("TEXT",)))


@click.command(
    name="serve",
    context_settings={"help_option_names": ["-h", "--help"]},
    params=_options(),
    epilog="Each setting is also a variable (--queue-depth-max is HOTBOOK_QUEUE_DEPTH_MAX) and a "
    "line of hotbook.toml (queue_depth_max). Flags win over variables, variables over the file.",
)
@click.option("--config", type=click.Path(path_type=Path), envvar="HOTBOOK_CONFIG",
              help="The settings file, if it is not ./hotbook.toml.")  # fmt: skip
@click.version_option(__version__, prog_name="hotbook")
def main(config: Path | None, **flags: Any) -> None:
    """Serves the book of positions until SIGTERM or Ctrl-C, then drains and exits with 0.

    Exits with 1 where it cannot start, 2 on bad settings, 74 when the journal's disk has failed.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = load_settings(config, **given)
    except BadSettings as error:
        click.echo(f"hotbook: {error}", err=True)
        sys.exit(EXIT_USAGE)
    configure_logs(settings.log_level, settings.log_format)
    bar = LateBar("loading positions")
    try:
        code = uvloop.run(serve(settings, _announce(bar), bar))
    except CannotStart as error:
        bar.stop()
        click.echo(f"hotbook: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code)


def _announce(bar: LateBar) -> Any:
    def announce(server: Server) -> None:
        bar.stop()
        settings, positions = server.settings, server.engine.book.positions
        where = f"data in {settings.data_dir}" if settings.on_disk else "nothing on disk"
        if settings.follow is not None:
            where = f"follows {settings.follow}, takes no writes"
        click.echo(
            f"hotbook {__version__} listens on {server.address} ({where}, durability "
            f"{settings.durability}, {len(positions.by_uuid):,} positions, "
            f"{positions.open_count:,} open)"
        )
        if server.metrics_address:
            click.echo(f"metrics on http://{server.metrics_address}/metrics")
        if server.web_address:
            click.echo(f"REST on http://{server.web_address}, its pages on /docs")
        if server.engine.quarantined:
            click.echo(
                f"{server.engine.quarantined} damaged rows are set aside: see docs/operations.md",
                err=True,
            )
        elsewhere = server.address != Settings.model_fields["listen"].default
        target = f" --target {server.address}" if elsewhere else ""
        click.echo(f"try next: {_hotbook()} status{target}")
        sys.stdout.flush()

    return announce


def _hotbook() -> str:
    """How the command line client is called from here."""
    if shutil.which("hotbook"):
        return "hotbook"
    beside = Path(sys.executable).with_name("hotbook")
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
