"""How a command ends: its exit code, and what it says on stderr where it did not do what was asked.

To people it says it in one line, to programs (`-o json`) as one JSON object. What happens around a
command is no bug of it: a reader of a pipe that goes away, Ctrl-C, a disk that is full.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click
import msgspec

import hotbook as api

EXIT_CODES: tuple[tuple[type[api.HotbookError], int], ...] = (
    (api.InvalidArgument, 2),
    (api.VersionConflict, 6),
    (api.NotFound, 3),
    (api.Refused, 4),
    (api.LimitReached, 7),
    (api.Unavailable, 5),
    (api.DeadlineExceeded, 5),
    (api.HotbookError, 1),
)
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_PROBLEMS = 8
EXIT_INPUT_OUTPUT = 9
EXIT_INTERRUPTED = 130
EXIT_NOBODY_READS = 141
"""As of a process that SIGPIPE has ended, and of one that SIGINT has."""
STDOUT = 1


class Commands(click.Group):
    """The group of all commands: whatever one of them ends with is told here."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except api.HotbookError as error:
            tell_error(error)
            sys.exit(exit_code_of(error))
        except click.UsageError as error:
            if not wants_json(sys.argv[1:]):
                raise
            tell(api.InvalidArgument.code, error.format_message())
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            interrupted("interrupted")
        except BrokenPipeError:
            _leave_stdout()
            sys.exit(EXIT_NOBODY_READS)
        except OSError as error:
            _leave_stdout()
            tell("INPUT_OUTPUT", f"input or output failed: {error}")
            sys.exit(EXIT_INPUT_OUTPUT)
        return answer


def exit_code_of(error: api.HotbookError) -> int:
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def tell_error(error: api.HotbookError, about: str = "") -> None:
    """`about` is what a line of its own is about, where one command has several."""
    tell(error.code, f"{about}: {error.message}" if about else error.message, error.details)


def tell(code: str, message: str, details: Mapping[str, str] | None = None) -> None:
    if wants_json(sys.argv[1:]):
        told = {"code": code, "message": message, "details": dict(details or {})}
        line = msgspec.json.encode(told).decode()
    else:
        line = f"hotbook: {message}"
    with suppress(OSError):  # where nobody hears it, the exit code still says it
        click.echo(line, err=True)


def interrupted(message: str, **details: object) -> NoReturn:
    """Ends as what was stopped by Ctrl-C."""
    tell("INTERRUPTED", message, {name: str(value) for name, value in details.items()})
    sys.exit(EXIT_INTERRUPTED)


def wants_json(args: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, also one that makes no sense otherwise."""
    output = os.environ.get("HOTBOOK_OUTPUT", "")
    for number, arg in enumerate(args):
        if arg == "--":
            break
        if arg in ("-o", "--output"):
            output = "".join(args[number + 1 : number + 2])
        elif arg.startswith("--output="):
            output = arg.removeprefix("--output=")
        elif arg.startswith("-o"):
            output = arg.removeprefix("-o")
    return output == "json"


def _leave_stdout() -> None:
    """What is still held for a stdout that takes nothing goes nowhere, in silence."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)
