"""What a pipeline sends, and what it keeps: the part of it that neither waits nor sends. And how it
ends where the caller's own iterator ends in whatever is no error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

import hotbook
from hotbook import Position, Saved, _calls, aio
from hotbook._pipeline import DRAWN_AHEAD_MAX, MESSAGE_BYTES, MESSAGE_SAVES, Sent
from tests.make import closed, order

PATIENCE_S = 10.0


def drawn(*positions: Position) -> Sent:
    made = Sent()
    for position in positions:
        made.add(position, _calls.save_request(position))
    return made


def small(count: int) -> list[Position]:
    return [closed(f"p{number}") for number in range(count)]


def names(sent: Sent, attempt: int) -> list[str]:
    """The uuids of what an attempt is to send next."""
    message = sent.take(attempt)
    return [] if message is None else [save.position.position_uuid for save in message.saves]


def test_a_message_holds_what_is_there_up_to_its_limits() -> None:
    """So many saves or so many bytes; a position that is larger than that goes alone."""
    heavy = (order(extra={"note": "x" * 200_000}),) * (MESSAGE_BYTES // 400_000)
    large = [closed(f"large-{number}", orders=heavy * 3) for number in range(2)]
    sent = drawn(*small(MESSAGE_SAVES + 1), *large, *small(2))
    attempt = sent.begin()

    told = []
    while message := names(sent, attempt):
        told.append(message)

    assert [len(message) for message in told] == [MESSAGE_SAVES, 1, 1, 1, 2]
    assert [name for message in told for name in message] == [
        *(p.position_uuid for p in small(MESSAGE_SAVES + 1)), "large-0", "large-1", "p0", "p1",
    ]  # fmt: skip


def test_what_has_no_answer_is_sent_again_with_the_ids_it_had() -> None:
    """A new attempt begins with the oldest save without an answer; the old one has nothing more."""
    sent = drawn(*small(3))
    first = sent.begin()
    before = sent.take(first)
    assert sent.answered() == "p0"

    second = sent.begin()
    again = sent.take(second)

    assert before is not None
    assert again is not None
    assert list(again.saves) == list(before.saves)[1:]
    assert sent.take(first) is None
    assert sent.has_news(first), "it is told that it is over"
    assert not sent.has_news(second)
    assert [sent.answered(), sent.answered(), sent.has_unanswered()] == ["p1", "p2", False]


def test_no_more_is_drawn_than_messages_take() -> None:
    """There is room for so many positions that no message has taken, sent ones aside."""
    sent = drawn(*small(DRAWN_AHEAD_MAX))
    assert not sent.has_room()

    names(sent, sent.begin())
    assert sent.has_room()
    sent.begin()
    assert not sent.has_room(), "what is to be sent again waits for its turn like all"


def test_the_end_is_news() -> None:
    """Who waits for more is told that there is none."""
    sent = drawn()
    attempt = sent.begin()
    assert not sent.has_news(attempt)

    sent.end()

    assert sent.has_news(attempt)
    assert sent.take(attempt) is None


def test_a_lone_position_is_sent_at_once_and_others_wait_for_company() -> None:
    """A message is due where nothing is under way, where it is full, and where nothing follows."""
    sent = drawn(*small(1))
    attempt = sent.begin()
    assert sent.is_due(attempt)
    names(sent, attempt)

    for position in small(MESSAGE_SAVES):
        assert not sent.is_due(attempt)
        sent.add(position, _calls.save_request(position))
    assert sent.is_due(attempt), "it is full"
    names(sent, attempt)

    sent.add(closed("late"), _calls.save_request(closed("late")))
    assert not sent.is_due(attempt)
    for _ in range(1 + MESSAGE_SAVES):
        sent.answered()
    assert sent.is_due(attempt), "nothing is under way any more"


def test_the_last_message_waits_for_nobody() -> None:
    """When no more is to come, what is there goes; and an attempt that is over learns of it."""
    sent = drawn(*small(1))
    attempt = sent.begin()
    names(sent, attempt)
    assert not sent.is_due(attempt)

    sent.end()
    assert sent.is_due(attempt)

    unfinished = drawn(*small(1))
    first = unfinished.begin()
    names(unfinished, unfinished.begin())
    assert unfinished.is_due(first)


# -------------------------------------------------------------------- how it ends


class Ended(BaseException):
    """What no `except Exception` sees."""


@pytest.mark.parametrize("ends_in", [SystemExit, KeyboardInterrupt, GeneratorExit, Ended])
def test_whatever_the_callers_iterator_raises_comes_after_the_answers(
    shared_target: str, hk: str, ends_in: type[BaseException]
) -> None:
    """Also what ends a program: it is raised where the answers are awaited, and nothing hangs."""
    told: list[object] = []

    def positions() -> Iterator[Position]:
        yield closed(hk, hotkey=hk)
        raise ends_in

    def save() -> None:
        with hotbook.connect(shared_target) as book:
            try:
                told.extend(type(one) for one in book.save_stream(positions()))
            except BaseException as error:
                told.append(type(error))

    saving = threading.Thread(target=save, daemon=True)
    saving.start()
    saving.join(PATIENCE_S)
    assert told == [Saved, ends_in]


@pytest.mark.parametrize("ends_in", [asyncio.CancelledError, GeneratorExit, Ended])
async def test_whatever_is_raised_in_asyncio_comes_after_the_answers(
    shared_target: str, hk: str, ends_in: type[BaseException]
) -> None:
    """Also a cancel, where it is of something that the caller's generator waited for."""
    told: list[object] = []

    async def positions() -> AsyncIterator[Position]:
        yield closed(hk, hotkey=hk)
        raise ends_in

    async def save() -> None:
        async with aio.connect(shared_target) as book:
            try:
                async for one in book.save_stream(positions()):
                    told.append(type(one))  # noqa: PERF401 - what came before the end is kept
            except BaseException as error:
                told.append(type(error))

    saving = asyncio.create_task(save())
    await asyncio.wait({saving}, timeout=PATIENCE_S)
    saving.cancel()
    assert told == [Saved, ends_in]
