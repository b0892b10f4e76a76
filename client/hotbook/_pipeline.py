"""Saving as a pipeline: many requests under way on one stream, answered in order.

What was sent and has no answer yet is kept, and is sent again, with the ids it had, when the
server comes back: so each position is saved once, and none is left out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

from hotbook import _calls
from hotbook._connection import Attempts
from hotbook._transport import Transport
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb


def save_stream(
    transport: Transport, positions: Iterable[Position], timeout_s: float
) -> Generator[Saved | HotbookError, None, None]:
    pipeline = _Pipeline(positions)
    attempts: Attempts | None = None  # since the last answer
    while True:
        replies = transport.stream(
            "SaveStream", pipeline.requests(), timeout_s, pipeline.has_unanswered
        )
        try:
            with closing(replies):
                for outcome in replies:
                    attempts = None
                    yield _calls.save_outcome(outcome, pipeline.answered())
            break
        except HotbookError as failure:
            error = failure
        attempts = attempts or transport.attempts(timeout_s)
        time.sleep(attempts.pause_s(error))
    if pipeline.failure is not None:
        raise pipeline.failure


class Sent:
    """The requests of one pipeline that have no answer yet, and which attempt may send them.

    Each attempt has a cursor: its place among all requests of the pipeline. `_lock` guards what was
    sent, for the requests may be taken on another thread than the answers.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        """What ended the caller's iterator, if it was an error."""
        self._unanswered: deque[tuple[str, pb.SaveRequest]] = deque()
        self._answered = 0
        self._attempt = 0
        self._ended = False
        self._lock = threading.Lock()

    def begin(self) -> tuple[int, int]:
        """Begins an attempt, and outdates the one before. Gives its number and its cursor."""
        with self._lock:
            self._attempt += 1
            return self._attempt, self._answered

    def has_unanswered(self) -> bool:
        return bool(self._unanswered)

    def answered(self) -> str:
        """Takes the oldest request off; returns its position's uuid."""
        with self._lock:
            self._answered += 1
            return self._unanswered.popleft()[0]

    def _sent(self, cursor: int) -> pb.SaveRequest | None:
        """The request at a place of the pipeline, if it was drawn already."""
        with self._lock:
            place = cursor - self._answered
            return self._unanswered[place][1] if place < len(self._unanswered) else None

    def _add(self, position: Position, request: pb.SaveRequest) -> None:
        with self._lock:
            self._unanswered.append((position.position_uuid, request))

    def _end(self, failure: Exception | None = None) -> None:
        """There is no more; a failure is the caller's own, told after the answers before it."""
        self._ended, self.failure = True, failure


class _Pipeline(Sent):
    """Takes positions as gRPC asks for them, on a thread of its own, one for each attempt.

    `_drawing` is held while the caller's iterator is asked for more, which may take as long as it
    likes: an attempt that has something to send again never waits for it.
    """

    def __init__(self, positions: Iterable[Position]) -> None:
        super().__init__()
        self._positions = _calls.iterate(positions, "positions")
        self._drawing = threading.Lock()

    def requests(self) -> Iterator[pb.SaveRequest]:
        """First what has no answer yet, then what comes next."""
        return self._requests(*self.begin())

    def _requests(self, attempt: int, cursor: int) -> Iterator[pb.SaveRequest]:
        while attempt == self._attempt:
            request = self._sent(cursor) or self._draw(attempt, cursor)
            if request is None or attempt != self._attempt:
                return
            cursor += 1
            yield request

    def _draw(self, attempt: int, cursor: int) -> pb.SaveRequest | None:
        with self._drawing:
            sent = self._sent(cursor)  # perhaps by an earlier attempt, while this one waited
            if sent is not None or self._ended or attempt != self._attempt:
                return sent
            try:
                position = next(self._positions)
                request = _calls.save_request(position)
            except StopIteration:
                self._end()
                return None
            except Exception as error:
                self._end(error)
                return None
            self._add(position, request)
        return request
