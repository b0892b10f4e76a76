"""Saving an import: requests of about two megabytes, a few of them under way at once.

So client and server work at the same time. What the server refuses goes to the rejects.
"""

from __future__ import annotations

import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from hotbook import Client, _procedures
from hotbook.transfer.judging import Candidate, Reject
from hotbook.transfer.rejects import Rejects
from hotbook.transfer.report import Tally
from hotbook.transfer.standing import Standing
from hotbook_shared.errors import HotbookError, VersionConflict
from hotbook_shared.model import Saved
from hotbook_shared.pb import hotbook_pb2 as pb

REQUEST_BYTES = 4 * 1024 * 1024  # of JSON, which is half as long on the wire
REQUEST_POSITIONS = 1_000
UNDER_WAY_MAX = 3

_OWN_PATH = re.compile(r"items\[[0-9]+\]\.(?:position\.)?")
"""Where a field stands in a request of ours, which is not where it stands in a file."""

_Answers = Future[list[Saved | HotbookError]]


class Saver:
    """Takes candidates one by one. At the end of its context everything is answered."""

    def __init__(
        self, book: Client, standing: Standing, tally: Tally, rejects: Rejects | None
    ) -> None:
        """Without rejects it is a dry run: the server tells what it would do, and does not."""
        self._book = book
        self._standing = standing
        self._tally = tally
        self._rejects = rejects
        self._threads = ThreadPoolExecutor(UNDER_WAY_MAX)
        self._next: list[Candidate] = []
        self._next_bytes = 0
        self._under_way: deque[tuple[list[Candidate], _Answers]] = deque()

    def save(self, candidate: Candidate) -> None:
        self._next.append(candidate)
        self._next_bytes += len(candidate.found.text)
        if self._next_bytes >= REQUEST_BYTES or len(self._next) >= REQUEST_POSITIONS:
            self._send()

    def refuse(self, reject: Reject) -> None:
        reason = _OWN_PATH.sub("", reject.error.message)
        self._tally.name(reject.kind, reject.candidate.place, reason)
        if self._rejects is not None:
            self._rejects.add(reject)

    def _send(self) -> None:
        sent, self._next, self._next_bytes = self._next, [], 0
        items = [candidate.item for candidate in sent]
        self._under_way.append((sent, self._threads.submit(self._answers, items)))
        if len(self._under_way) == UNDER_WAY_MAX:
            self._settle()

    def _answers(self, items: list[pb.SaveItem]) -> list[Saved | HotbookError]:
        dry_run = self._rejects is None
        return self._book._run_all(_procedures.save_items(items, dry_run=dry_run), None)

    def _settle(self) -> None:
        """Waits for the oldest request, and counts what became of it."""
        sent, answers = self._under_way.popleft()
        for candidate, answer in zip(sent, answers.result(), strict=True):
            if isinstance(answer, Saved):
                self._tally.saved += 1
            elif isinstance(answer, VersionConflict):
                self._standing.look_again(candidate)
            else:
                self.refuse(Reject(candidate, answer))

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._next:
                self._send()
            while error is None and self._under_way:
                self._settle()
        finally:
            self._threads.shutdown(cancel_futures=True)
