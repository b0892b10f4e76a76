"""Requests that are remembered: for how long, and at what cost."""

from __future__ import annotations

import time

import pytest

from hotbook_server.config import Settings
from hotbook_server.requests import FORGET_MOST, RequestKey, Requests, request_key
from hotbook_shared.errors import RequestReused

HOUR_MS = 3_600_000


def remembering(settings: Settings, count: int) -> Requests:
    requests = Requests(settings)
    requests.remember(requests.next(RequestKey(f"r{n}", n), now_ms=n) for n in range(count))
    return requests


def test_the_key_is_of_method_and_body() -> None:
    """Another body or another method is another request; no id is no key."""
    key = request_key("id", "Save", b"body")

    assert key == request_key("id", "Save", b"body")
    assert key != request_key("id", "Save", b"other")
    assert key != request_key("id", "Delete", b"body")
    assert request_key("", "Save", b"body") is None


def test_an_id_with_another_body_is_refused(settings: Settings) -> None:
    """Only the very same request is found again."""
    requests = remembering(settings, 2)

    assert requests.find(RequestKey("r1", 1)) is not None
    assert requests.find(RequestKey("unknown", 1)) is None
    with pytest.raises(RequestReused):
        requests.find(RequestKey("r1", 7))


def test_too_many_and_too_old_ones_are_due(settings: Settings) -> None:
    """The oldest go first, by number or by age; what is due is known until it is forgotten."""
    few = settings.model_copy(update={"requests_kept_max": 3, "requests_kept_hours": 1.0})
    requests = remembering(few, 5)

    assert requests.due(now_ms=10) == 2
    assert requests.due(now_ms=HOUR_MS + 4) == 4
    assert len(requests) == 5
    requests.forget(2)
    assert len(requests) == 3
    assert requests.due(now_ms=10) == 0


def test_forgetting_many_is_quick_and_bounded(settings: Settings) -> None:
    """After an idle day nothing stands still: some thousands go with each commit."""
    requests = remembering(settings, 200_000)
    later = 200_000 + 25 * HOUR_MS
    slowest_s, rounds = 0.0, 0
    while until := requests.due(later):
        began_s = time.perf_counter()
        requests.forget(until)
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
        rounds += 1

    assert len(requests) == 0
    assert rounds == 200_000 / FORGET_MOST
    assert slowest_s < 0.25
