"""Saving as a pipeline: many saves under way on one stream, answered in order.

What was drawn and has no answer yet is kept, and is sent again, with the ids it had, when the
server comes back: so each position is saved once, and none is left out. The caller's iterator is
asked for more on a thread of its own, ahead of what is sent; so a message holds what is there. It
is sent at once where nothing is under way; otherwise it waits a moment to be filled.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice

import msgspec

from hotbook import _calls
from hotbook._connection import Attempts
from hotbook._transport import Transport
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb

MESSAGE_SAVES = 64
MESSAGE_BYTES = 1024 * 1024
DRAWN_AHEAD_MAX = 2 * MESSAGE_SAVES
"""How many positions are drawn that no message has taken yet."""
COMPANY_S = 0.002
"""How long a message waits at most to be filled, while others are under way."""


def save_stream(
    transport: Transport, positions: Iterable[Position], timeout_s: float
) -> Generator[Saved | HotbookError, None, None]:
    with closing(_Pipeline(positions)) as pipeline:
        attempts: Attempts | None = None  # since the last answer
        while True:
            replies = transport.stream(
                "SaveStream", pipeline.requests(), timeout_s, pipeline.has_unanswered
            )
            try:
                with closing(replies):
                    for reply in replies:
                        attempts = None
                        for outcome in reply.outcomes:
                            yield _calls.save_outcome(outcome, pipeline.answered())
                break
            except HotbookError as failure:
                error = failure
            attempts = attempts or transport.attempts(timeout_s)
            time.sleep(attempts.pause_s(error))
        if pipeline.failure is not None:
            raise pipeline.failure


class _Drawn(msgspec.Struct):
    """A save that has no answer yet."""

    position_uuid: str
    request: pb.SaveRequest
    size: int


class Sent:
    """The saves of one pipeline that have no answer yet, and the attempt that may send them.

    `_taken` is the attempt's place among them. Whoever calls from several threads holds a lock.
    """

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        """What the caller's iterator raised, whatever it was; None where it just ended."""
        self._unanswered: deque[_Drawn] = deque()
        self._taken = 0
        self._attempt = 0
        self._has_ended = False

    def begin(self) -> int:
        """Begins an attempt, and outdates the one before. Gives its number."""
        self._attempt += 1
        self._taken = 0
        return self._attempt

    def has_unanswered(self) -> bool:
        return bool(self._unanswered)

    def answered(self) -> str:
        """Takes the oldest save off; returns its position's uuid."""
        self._taken -= 1
        return self._unanswered.popleft().position_uuid

    def has_room(self) -> bool:
        return len(self._unanswered) - self._taken < DRAWN_AHEAD_MAX

    def has_news(self, attempt: int) -> bool:
        """Whether `take` has something to say to an attempt."""
        is_there = self._taken < len(self._unanswered)
        return is_there or self._has_ended or attempt != self._attempt

    def is_due(self, attempt: int) -> bool:
        """Whether it makes no sense to wait for company, before `take`."""
        drawn = len(self._unanswered) - self._taken
        is_alone = not self._taken or self._has_ended
        return is_alone or drawn >= MESSAGE_SAVES or attempt != self._attempt

    def take(self, attempt: int) -> pb.SaveStreamRequest | None:
        """What an attempt is to send next; None where that is nothing more."""
        if attempt != self._attempt:
            return None
        saves: list[pb.SaveRequest] = []
        room = MESSAGE_BYTES
        for drawn in islice(self._unanswered, self._taken, self._taken + MESSAGE_SAVES):
            room -= drawn.size
            if saves and room < 0:
                break
            saves.append(drawn.request)
        self._taken += len(saves)
        return pb.SaveStreamRequest(saves=saves) if saves else None

    def add(self, position: Position, request: pb.SaveRequest) -> None:
        self._unanswered.append(_Drawn(position.position_uuid, request, request.ByteSize()))

    def end(self, failure: BaseException | None = None) -> None:
        """There is no more; a failure is the caller's own, told after the answers before it."""
        self._has_ended, self.failure = True, failure


class _Pipeline(Sent):
    """Draws positions on a thread of its own, and gives messages to gRPC's, one for each attempt.

    `_news` guards what was drawn, and is told of everything that somebody may wait for. It is not
    held while the caller's iterator is asked for more, which may take as long as it likes.
    """

    def __init__(self, positions: Iterable[Position]) -> None:
        super().__init__()
        self._positions = _calls.iterate(positions, "positions")
        self._news = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._draw, name="hotbook-pipeline", daemon=True).start()

    def requests(self) -> Iterator[pb.SaveStreamRequest]:
        """First what has no answer yet, then what comes next."""
        with self._news:
            attempt = self.begin()
            self._news.notify_all()
        return self._messages(attempt)

    def answered(self) -> str:
        with self._news:
            uuid = super().answered()
            if not self._taken:
                self._news.notify_all()
            return uuid

    def close(self) -> None:
        """Ends the last attempt; nothing more is drawn."""
        with self._news:
            self._is_closed = True
            self.begin()
            self._news.notify_all()

    def _messages(self, attempt: int) -> Iterator[pb.SaveStreamRequest]:
        while True:
            with self._news:
                self._news.wait_for(lambda: self.has_news(attempt))
                self._news.wait_for(lambda: self.is_due(attempt), COMPANY_S)
                message = self.take(attempt)
                self._news.notify_all()
            if message is None:
                return
            yield message

    def _draw(self) -> None:
        failure: BaseException | None = None
        try:
            for position in self._positions:
                request = _calls.save_request(position)
                with self._news:
                    self.add(position, request)
                    self._news.notify_all()
                    self._news.wait_for(lambda: self._is_closed or self.has_room())
                    if self._is_closed:
                        return
        except BaseException as error:  # the caller's: it is raised where he waits, not here
            failure = error
        with self._news:
            self.end(failure)
            self._news.notify_all()
