"""The group of commands, and what they have in common."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

import hotbook as api
from hotbook._connection import DEFAULT_TARGET
from hotbook.cli.endings import Commands, wants_json
from hotbook_shared.model import MS_MAX, epoch_ms

SECONDS_MAX = 86_400

EPILOG = """\b
Exit codes: 0 done; 1 a bug; 2 wrong usage or bad input; 3 not found; 4 refused by a rule, or
not confirmed; 5 no answer; 6 version conflict; 7 a limit of the server; 8 problems or differences;
9 input or output failed; 130 interrupted; 141 nobody reads the answer.
"""


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(api.__version__, prog_name="hotbook")
def hotbook() -> None:
    """The position server that answers 'what is open?' at once, from the command line."""


class Seconds(click.ParamType[float]):
    """A positive, finite number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= SECONDS_MAX:
            self.fail(
                f"{value!r} is not a number of seconds from above 0 to {SECONDS_MAX}", param, ctx
            )
        return seconds


class Number(click.ParamType[Decimal]):
    """An exact decimal number."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class Asked:
    """Where to ask and how to show the answer: the options that every command has."""

    def __init__(self, target: str, output: str, timeout_s: float) -> None:
        self.target = target
        self.as_json = output == "json"
        self.timeout_s = timeout_s

    def connect(self) -> api.Client:
        return api.connect(self.target, timeout_s=self.timeout_s)


def command(
    name: str, short_help: str, timeout_s: float = 5.0, group: click.Group = hotbook
) -> Callable[[Callable[..., None]], click.Command]:
    """A command of a group that talks to a server. Its first parameter is `Asked`."""

    def make(act: Callable[..., None]) -> click.Command:
        @functools.wraps(act)
        def run(target: str, output: str, timeout_s: float, **given: Any) -> None:
            act(Asked(target, output, timeout_s), **given)

        for option in (
            click.option(
                "--timeout-s", type=Seconds(), default=timeout_s, envvar="HOTBOOK_TIMEOUT_S",
                show_default=True, metavar="SECONDS", help="Longest wait for an answer.",
            ),
            click.option(
                "-o", "--output", type=click.Choice(["table", "json"]), default="table",
                envvar="HOTBOOK_OUTPUT", show_default=True, help="For people, or for programs.",
            ),
            click.option(
                "-t", "--target", default=DEFAULT_TARGET, envvar="HOTBOOK_TARGET",
                show_default=True, metavar="HOST:PORT", help="The server to ask.",
            ),
        ):  # fmt: skip
            option(run)
        return group.command(name, short_help=short_help)(run)

    return make


def moment_of(text: str | None, field: str) -> int | None:
    """A time as people and programs write it, in epoch milliseconds."""
    if text is None:
        return None
    try:
        ms = int(text) if text.isdecimal() else epoch_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError, api.InvalidArgument):
        ms = -1
    if not 0 <= ms <= MS_MAX:
        raise api.InvalidArgument(
            f"{field} must be ISO 8601 with a time zone (2026-01-31T12:00:00Z), or epoch "
            f"milliseconds, not {text[:40]!r}",
            field=field,
        )
    return ms


def confirm(warning: str, count: int, yes: bool) -> None:
    """Says what will happen, and wants --yes or the typed count before it does."""
    nobody = "nobody is there to ask: pass --yes to go on"
    is_alone = not yes and not sys.stdin.isatty()
    if is_alone and wants_json(sys.argv[1:]):
        raise api.Refused(nobody, warning=warning)
    click.echo(warning, err=True)
    if is_alone:
        raise api.Refused(nobody)
    if yes:
        return
    try:
        typed = click.prompt(f"Type {count} to go on", default="", show_default=False, err=True)
    except click.Abort:
        typed = ""
    if typed.strip() != str(count):
        raise api.Refused("not confirmed: nothing was changed")
