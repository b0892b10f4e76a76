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
from hotbook_shared.errors import HotbookError, Unavailable
from hotbook_shared.model import Position, Saved
from hotbook_shared.pb import hotbook_pb2 as pb


def save_stream(
    transport: Transport, positions: Iterable[Position], timeout_s: float
) -> Iterator[Saved | HotbookError]:
    pipeline = _Pipeline(positions)
    pauses, failing_since = backoff(), None
    while True:
        try:
            for outcome in transport.stream("SaveStream", pipeline.requests(), None):
                pauses, failing_since = backoff(), None
                yield _calls.save_outcome(outcome, pipeline.answered())
        except Unavailable:
            failing_since = failing_since or time.monotonic()
            pause_s = next(pauses)
            if time.monotonic() + pause_s - failing_since > timeout_s:
                raise
            time.sleep(pause_s)
            continue
        if pipeline.failure is not None:
            raise pipeline.failure
        return


class _Pipeline:
    """The requests of one pipeline. gRPC draws them on a thread of its own."""

    def __init__(self, positions: Iterable[Position]) -> None:
        self.failure: Exception | None = None
        self._positions = iter(positions)
        self._unanswered: deque[tuple[str, pb.SaveRequest]] = deque()
        self._lock = threading.Lock()
        self._attempt = 0

    def requests(self) -> Iterator[pb.SaveRequest]:
        """First what has no answer yet, then what comes next. Ends an earlier attempt's drawing."""
        with self._lock:
            self._attempt += 1
            attempt, again = self._attempt, list(self._unanswered)
        for _, request in again:
            yield request
        while (drawn := self._draw(attempt)) is not None:
            yield drawn

    def answered(self) -> str:
        """Takes the oldest request off the list; returns its position's uuid."""
        return self._unanswered.popleft()[0]

    def _draw(self, attempt: int) -> pb.SaveRequest | None:
        with self._lock:
            if attempt != self._attempt or self.failure is not None:
                return None
            try:
                position = next(self._positions, None)
                if position is None:
                    return None
                request = _calls.save_request(position)
            except Exception as error:  # the caller's own, told where the answers are read
                self.failure = error
                return None
            self._unanswered.append((position.position_uuid, request))
            return request
