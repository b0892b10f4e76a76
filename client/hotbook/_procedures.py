"""Answers that take several calls. No IO: each yields its calls, and is sent what they answer.

A face runs the calls inside one deadline; an error of a call is thrown in where it was yielded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from hotbook import _calls
from hotbook._calls import Call
from hotbook_shared.errors import HotbookError, InvalidArgument, MessageTooLarge, PageExpired
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb

Result = TypeVar("Result")
Procedure: TypeAlias = Generator[Call[Any], Any, Result]

LISTING_TRIES = 3


def save_many(
    positions: Iterable[Position], replace_open: bool
) -> Procedure[list[Saved | HotbookError]]:
    """Any number of positions in requests of a few hundred; one answer a position, in order."""
    answers: list[Saved | HotbookError] = []
    for chunk in _calls.chunks(positions, replace_open):
        answers += chunk.filled((yield from save_items(chunk.items)))
    return answers


def save_items(
    items: list[pb.SaveItem], *, dry_run: bool = False
) -> Procedure[list[Saved | HotbookError]]:
    """Items in one request; in halves, where that is more than this server takes."""
    if not items:
        return []
    try:
        answers: list[Saved | HotbookError] = yield _calls.save_items(items, dry_run=dry_run)
        return answers
    except (MessageTooLarge, InvalidArgument) as error:
        if isinstance(error, InvalidArgument) and error.field != "items":
            raise
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    first = yield from save_items(items[:middle], dry_run=dry_run)
    return first + (yield from save_items(items[middle:], dry_run=dry_run))


def listing(
    hotkeys: Sequence[str], open_only: bool, opened_after: datetime | int | None
) -> Procedure[dict[str, list[Position]]]:
    """Every page of a listing; begun anew where the server forgot it in between."""
    for last_try in (False,) * (LISTING_TRIES - 1) + (True,):
        try:
            return (yield from _pages(hotkeys, open_only, opened_after))
        except PageExpired:
            if last_try:
                raise
    raise AssertionError("the last try returns or raises")


def _pages(
    hotkeys: Sequence[str], open_only: bool, opened_after: datetime | int | None
) -> Procedure[dict[str, list[Position]]]:
    found: dict[str, list[Position]] = {hotkey: [] for hotkey in hotkeys}
    token = ""
    while True:
        page: _calls.Page = yield _calls.list_page(hotkeys, open_only, opened_after, token)
        for hotkey, positions in page.found:
            found[hotkey] += positions
        token = page.next_token
        if not token:
            return found
