"""Answers that take several calls. No IO: each yields its calls, and is sent what they answer.

A face runs the calls inside one deadline; an error of a call is thrown in where it was yielded. A
call may be begun ahead of the moment in which its answer is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
from google.protobuf.message import Message

from hotbook import _calls
from hotbook._calls import Ahead, Begun, Call, Chunk
from hotbook_shared.errors import HotbookError, InvalidArgument, MessageTooLarge, PageExpired
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb

Result = TypeVar("Result")
Item = TypeVar("Item", bound=Message)
Procedure: TypeAlias = Generator[Call[Any] | Ahead | Begun, Any, Result]

LISTING_TRIES = 3


def save_many(
    positions: Iterable[Position], replace_open: bool
) -> Procedure[list[Saved | HotbookError]]:
    """Any number of positions in requests of a few hundred; one answer a position, in order.

    The next request is made while the server works on the last; it is not sent before that one is
    answered, so that positions are saved in their order.
    """
    answers: list[Saved | HotbookError] = []
    chunks = _calls.chunks(positions, replace_open)
    last = _Sent(Chunk([]))
    while True:
        try:
            chunk = next(chunks, None)
        except Exception:  # the caller's own; what was sent before it is saved
            yield from last.answers()
            raise
        answers += yield from last.answers()
        if chunk is None:
            return answers
        last = yield from _sent(chunk)


class _Sent(msgspec.Struct):
    """A chunk that is under way; or, where there is nothing to do meanwhile, that will be."""

    chunk: Chunk
    begun: Begun | None = None

    def answers(self) -> Procedure[list[Saved | HotbookError]]:
        answered = yield from save_items(self.chunk.items, begun=self.begun)
        return self.chunk.filled(answered)


def _sent(chunk: Chunk) -> Procedure[_Sent]:
    if chunk.is_last or not chunk.items:
        return _Sent(chunk)
    return _Sent(chunk, (yield Ahead(_calls.save_items(chunk.items))))


def save_items(
    items: list[pb.SaveItem], *, dry_run: bool = False, begun: Begun | None = None
) -> Procedure[list[Saved | HotbookError]]:
    """Items in one request; in halves, where that is more than this server takes."""
    if not items:
        return []
    try:
        answers: list[Saved | HotbookError] = yield begun or _calls.save_items(
            items, dry_run=dry_run
        )
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
    return begun_anew(lambda: _pages(hotkeys, open_only, opened_after))


def begun_anew(pages: Callable[[], Procedure[Result]]) -> Procedure[Result]:
    """A listing of several pages, a few times over where it can not be read to its end."""
    for last_try in (False,) * (LISTING_TRIES - 1) + (True,):
        try:
            return (yield from pages())
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


def in_order(calls: Iterable[Call[Result]]) -> Procedure[list[Result]]:
    """One call after the other. The next is made while the server works on the last; it is not sent
    before that one is answered."""
    answers: list[Result] = []
    made = iter(calls)
    last: Begun | None = None
    while True:
        try:
            call = next(made, None)
        except Exception:  # the caller's own; what was sent before it is done
            if last is not None:
                yield last
            raise
        if last is not None:
            answers.append((yield last))
        if call is None:
            return answers
        last = yield Ahead(call)


def batches(items: Iterable[Item], count: int, size: int) -> Iterator[list[Item]]:
    """Messages in lists of so many, and of so many bytes, at most."""
    batch: list[Item] = []
    room = size
    for item in items:
        room -= item.ByteSize()
        if batch and (len(batch) == count or room < 0):
            yield batch
            batch, room = [], size - item.ByteSize()
        batch.append(item)
    if batch:
        yield batch
