"""Commands on positions: hotkeys, open, list, get, save, delete."""

from __future__ import annotations

import sys
from typing import IO, Any

import click
import msgspec

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command, confirm, moment_of
from hotbook.cli.endings import exit_code_of, interrupted, tell_error
from hotbook_shared.bar import LateBar

PART = 1_000
"""How many positions are saved in one request."""


@command("hotkeys", "Every hotkey, with its counts.")
def hotkeys(asked: Asked) -> None:
    """Every hotkey that has positions, with its counts."""
    with asked.connect() as book:
        found = book.hotkeys()
    if asked.as_json:
        show.as_json(found)
    else:
        rows = [(h.hotkey, h.positions, h.open_positions) for h in found]
        show.table(("hotkey", "positions", "open"), rows, right=("positions", "open"))


@command("open", "What a hotkey has open.")
@click.argument("hotkey")
@click.argument("trade_pair", required=False)
def open_(asked: Asked, hotkey: str, trade_pair: str | None) -> None:
    """What a HOTKEY has open: everything, or the one position on a TRADE_PAIR.

    Exits with 3 where a pair is named and nothing is open on it.
    """
    with asked.connect() as book:
        if trade_pair is None:
            _show_all(asked, book.open_positions(hotkey))
        else:
            what = f"{hotkey} has nothing open on {trade_pair}"
            _show_one(asked, book.open_position(hotkey, trade_pair), what)


@command("list", "Positions of hotkeys.", timeout_s=30)
@click.argument("hotkeys", nargs=-1, metavar="[HOTKEY]...")
@click.option("--all", "everyone", is_flag=True, help="Every hotkey; the whole book.")
@click.option("--open", "open_only", is_flag=True, help="Open positions only.")
@click.option("--opened-after", metavar="TIME", help="Opened after TIME, strictly: ISO 8601 with a "
              "zone (2026-01-31T12:00:00Z), or epoch milliseconds.")  # fmt: skip
def list_(
    asked: Asked, hotkeys: tuple[str, ...], everyone: bool, open_only: bool,
    opened_after: str | None,
) -> None:  # fmt: skip
    """Positions of each HOTKEY: the closed ones by close time, then the open ones."""
    if everyone == bool(hotkeys):
        raise click.UsageError("name at least one HOTKEY, or pass --all")
    after = moment_of(opened_after, "opened_after")
    with asked.connect() as book:
        if everyone:
            found = _whole_book(book, open_only, after)
        else:
            by_hotkey = book.positions(hotkeys, open_only=open_only, opened_after=after)
            found = [position for held in by_hotkey.values() for position in held]
    _show_all(asked, found)


@command("get", "One position in full.")
@click.argument("hotkey")
@click.argument("position_uuid")
def get(asked: Asked, hotkey: str, position_uuid: str) -> None:
    """One position in full. Exits with 3 where there is none."""
    with asked.connect() as book:
        found = book.get(hotkey, position_uuid)
    _show_one(asked, found, f"{hotkey} has no position {position_uuid}")


@command("save", "Saves positions from JSON.", timeout_s=30)
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--expected-version", type=click.IntRange(min=0),
              help="Refuse unless this version stands (0: none). For one position.")  # fmt: skip
@click.option("--replace-open", is_flag=True, help="Remove what else is open on the pair.")
@click.option("--all-or-nothing", is_flag=True, help="Save all in one commit, or none.")
def save(
    asked: Asked, file: IO[bytes], expected_version: int | None, replace_open: bool,
    all_or_nothing: bool,
) -> None:  # fmt: skip
    """Saves positions from a FILE (or standard input): JSON, as `-o json` shows them.

    One object, a list, or one object a line. The first refusal decides the exit code; the others
    are told as well.
    """
    positions = _positions_in(file.read())
    if expected_version is not None and len(positions) != 1:
        raise click.UsageError("--expected-version is for one position")
    with asked.connect() as book:
        if expected_version is not None:
            answers: list[api.Saved | api.HotbookError] = [
                book.save(
                    positions[0], expected_version=expected_version, replace_open=replace_open
                )
            ]
        elif all_or_nothing:
            answers = book.save_many(positions, all_or_nothing=True, replace_open=replace_open)
        else:
            answers = _save_in_parts(book, positions, replace_open)
    refused = [(p, a) for p, a in zip(positions, answers, strict=True)
               if isinstance(a, api.HotbookError)]  # fmt: skip
    saved = [answer for answer in answers if isinstance(answer, api.Saved)]
    if asked.as_json:
        show.as_json({"saved": saved, "refused": [_refusal(p, error) for p, error in refused]})
    else:
        click.echo(f"saved {len(saved):,} of {show.counted(len(positions), 'position')}")
    for position, error in refused:
        tell_error(error, about=position.position_uuid)
    if refused:
        sys.exit(exit_code_of(refused[0][1]))


@command("delete", "Removes one position.")
@click.argument("hotkey")
@click.argument("position_uuid")
@click.option("--expected-version", type=click.IntRange(min=1), help="Refuse at another version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(
    asked: Asked, hotkey: str, position_uuid: str, expected_version: int | None, yes: bool
) -> None:
    """Removes one position for good. Exits with 3 where there is none."""
    with asked.connect() as book:
        found = book.get(hotkey, position_uuid)
        existed = False
        if found is not None:
            kind = "open" if found.is_open else "closed"
            warning = f"This removes 1 {kind} position of {hotkey} on {found.trade_pair}."
            confirm(warning, 1, yes)
            existed = book.delete(
                hotkey, position_uuid, expected_version=expected_version or found.version
            )
    if asked.as_json:
        show.as_json({"existed": existed})
    elif existed:
        click.echo("removed 1 position")
    if not existed:
        raise api.NotFound(f"{hotkey} has no position {position_uuid}")


def _whole_book(book: api.Client, open_only: bool, after_ms: int | None) -> list[api.Position]:
    """Every position, in the order of a listing; as all of them are of one revision."""
    total = book.status().positions
    found = []
    with LateBar("reading") as bar:
        for number, position in enumerate(book.book(open_only=open_only)):
            if number % 1_000 == 0:
                bar(number, total)
            if after_ms is None or position.open_ms > after_ms:
                found.append(position)
    found.sort(key=lambda p: (p.hotkey, p.is_open, p.close_ms or 0, p.open_ms, p.position_uuid))
    return found


def _show_all(asked: Asked, found: list[api.Position]) -> None:
    if asked.as_json:
        show.as_json(found)
    else:
        show.positions(found)


def _show_one(asked: Asked, found: api.Position | None, missing: str) -> None:
    if found is None:
        if asked.as_json:
            show.as_json(None)
        raise api.NotFound(missing)
    if asked.as_json:
        show.as_json(found)
    else:
        show.position(found)


def _save_in_parts(
    book: api.Client, positions: list[api.Position], replace_open: bool
) -> list[api.Saved | api.HotbookError]:
    answers: list[api.Saved | api.HotbookError] = []
    with LateBar("saving") as bar:
        try:
            for start in range(0, len(positions), PART):
                bar(start, len(positions))
                part = positions[start : start + PART]
                answers += book.save_many(part, replace_open=replace_open)
        except KeyboardInterrupt:
            saved = sum(1 for answer in answers if isinstance(answer, api.Saved))
            interrupted(
                f"interrupted: {saved:,} of {show.counted(len(positions), 'position')} were saved, "
                f"and perhaps some of the next {PART:,}; saving them again makes it whole",
                saved=saved,
            )
    return answers


def _positions_in(text: bytes) -> list[api.Position]:
    """The positions of a JSON object, a JSON list, or one JSON object a line."""
    if not text.strip():
        raise api.InvalidArgument("the input is empty: nothing was saved")
    decoder = msgspec.json.Decoder(api.Position)
    try:
        if text.lstrip()[:1] == b"[":
            return msgspec.json.decode(text, type=list[api.Position])
        try:
            return [decoder.decode(text)]
        except msgspec.DecodeError:
            return decoder.decode_lines(text)
    except UnicodeDecodeError as error:
        raise api.InvalidArgument(f"the input is not UTF-8: {error.reason}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise api.InvalidArgument(f"this is not a position: {error}") from None


def _refusal(position: api.Position, error: api.HotbookError) -> dict[str, Any]:
    return {
        "position_uuid": position.position_uuid,
        "code": error.code,
        "message": error.message,
        "details": dict(error.details),
    }
