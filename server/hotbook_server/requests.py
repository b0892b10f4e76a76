"""Requests that were answered: what makes two requests the same, and for how long we know.

The ids are kept in memory, in the order of their answers; the outcomes stay in the journal.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable

import msgspec

from hotbook_server.config import Settings
from hotbook_server.journal.base import KeptRequest
from hotbook_shared.errors import RequestReused

FORGET_MOST = 10_000  # with one commit, so that none takes long
_HOUR_MS = 3_600_000


class RequestKey(msgspec.Struct, frozen=True):
    """What makes a request the same request."""

    request_id: str
    fingerprint: int


def request_key(request_id: str, method: str, body: bytes) -> RequestKey | None:
    """The key of a request; None where the caller gave no id."""
    if not request_id:
        return None
    fingerprint = hashlib.sha256(method.encode())
    fingerprint.update(body)
    return RequestKey(request_id, int.from_bytes(fingerprint.digest()[:8], "big"))


def check_same(key: RequestKey, fingerprint: int) -> None:
    """Raises RequestReused where an id came before with another body."""
    if key.fingerprint != fingerprint:
        raise RequestReused(
            f"request {key.request_id} came before with another body: give each request its own id",
            request_id=key.request_id,
        )


class Requests:
    def __init__(self, settings: Settings) -> None:
        self._most = settings.requests_kept_max
        self._kept_ms = int(settings.requests_kept_hours * _HOUR_MS)
        self._kept: dict[str, KeptRequest] = {}
        # NB: the front of a dict is slow to find once much was deleted from it.
        self._oldest_first: deque[KeptRequest] = deque()
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: RequestKey) -> KeptRequest | None:
        """The request of that id, if it was answered. Another body under the id is refused."""
        kept = self._kept.get(key.request_id)
        if kept is not None:
            check_same(key, kept.fingerprint)
        return kept

    def next(self, key: RequestKey, now_ms: int) -> KeptRequest:
        """A request as it will be kept; it is known from `remember` on."""
        self._sequence += 1
        return KeptRequest(key.request_id, key.fingerprint, self._sequence, now_ms)

    def remember(self, requests: Iterable[KeptRequest]) -> None:
        for kept in requests:
            self._kept[kept.request_id] = kept
            self._oldest_first.append(kept)
            self._sequence = max(self._sequence, kept.sequence)

    def due(self, now_ms: int) -> int:
        """The sequence up to which requests are too many or too old, some at a time; or 0."""
        surplus, horizon_ms, last = len(self._kept) - self._most, now_ms - self._kept_ms, 0
        for number, kept in enumerate(self._oldest_first):
            if number >= FORGET_MOST or (number >= surplus and kept.at_ms >= horizon_ms):
                break
            last = kept.sequence
        return last

    def forget(self, until: int) -> None:
        """Forgets the requests up to a sequence: the journal has forgotten them, too."""
        while self._oldest_first and self._oldest_first[0].sequence <= until:
            del self._kept[self._oldest_first.popleft().request_id]
