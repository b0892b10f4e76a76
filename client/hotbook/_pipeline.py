"""Saving as a pipeline: many requests under way on one stream, answered in order.

What was sent and has no answer yet is kept, and is sent again, with the ids it had, when the
server comes back: so each position is saved once, and none is left out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from hotbook import _calls
from hotbook._transport import Transport, backoff
from hotbook_shared.errors import HotbookError, QueueFull, Unavailable
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb


def save_stream(
    transport: Transport, positions: Iterable[Position], timeout_s: float
) -> Iterator[Saved | HotbookError]:
    pipeline = _Pipeline(positions)
    pauses, failing_since_s = backoff(), None
    while True:
        replies = transport.stream(
            "SaveStream", pipeline.requests(), timeout_s, pipeline.has_unanswered
        )
        try:
            for outcome in replies:
                pauses, failing_since_s = backoff(), None
                yield _calls.save_outcome(outcome, pipeline.answered())
        except (Unavailable, QueueFull) as error:
            failing_since_s = failing_since_s or time.monotonic()
            pause_s = next(pauses)
            late = time.monotonic() + pause_s - failing_since_s > timeout_s
            if late or not error.retryable:
                raise transport.told(error, timeout_s) from None
            time.sleep(pause_s)
            continue
        if pipeline.failure is not None:
            raise pipeline.failure
        return


class _Pipeline:
    """The requests of one pipeline. gRPC takes them on a thread of its own, one for each attempt.

    `_lock` guards what was sent; `_drawing` is held while the caller's iterator is asked for more,
    which may take as long as it likes: an attempt that has something to send again never waits
    for it.
    """

    def __init__(self, positions: Iterable[Position]) -> None:
        self.failure: Exception | None = None
        self._positions = _calls.iterate(positions, "positions")
        self._unanswered: deque[tuple[str, pb.SaveRequest]] = deque()
        self._answered = 0
        self._attempt = 0
        self._ended = False
        self._lock = threading.Lock()
        self._drawing = threading.Lock()

    def requests(self) -> Iterator[pb.SaveRequest]:
        """First what has no answer yet, then what comes next. Outdates an earlier attempt."""
        with self._lock:
            self._attempt += 1
            attempt, cursor = self._attempt, self._answered
        return self._requests(attempt, cursor)

    def _requests(self, attempt: int, cursor: int) -> Iterator[pb.SaveRequest]:
        while attempt == self._attempt:
            request = self._drawn(cursor) or self._draw(attempt, cursor)
            if request is None or attempt != self._attempt:
                return
            cursor += 1
            yield request

    def has_unanswered(self) -> bool:
        return bool(self._unanswered)

    def answered(self) -> str:
        """Takes the oldest request off; returns its position's uuid."""
        with self._lock:
            self._answered += 1
            return self._unanswered.popleft()[0]

    def _drawn(self, cursor: int) -> pb.SaveRequest | None:
        """The request at a place of the pipeline, if it was drawn already."""
        with self._lock:
            place = cursor - self._answered
            return self._unanswered[place][1] if place < len(self._unanswered) else None

    def _draw(self, attempt: int, cursor: int) -> pb.SaveRequest | None:
        with self._drawing:
            drawn = self._drawn(cursor)  # perhaps by an earlier attempt, while this one waited
            if drawn is not None or self._ended or attempt != self._attempt:
                return drawn
            try:
                position = next(self._positions)
                request = _calls.save_request(position)
            except StopIteration:
                self._ended = True
                return None
            except Exception as error:  # the caller's own, told where the answers are read
                self._ended, self.failure = True, error
                return None
            with self._lock:
                self._unanswered.append((position.position_uuid, request))
        return request
