"""The examples of OpenAPI are what a server answers, word for word."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hotbook_server.config import Settings
from hotbook_shared import __version__
from hotbook_shared.model import Durability
from tests.conftest import FakeClock
from tests.web.conftest import Desk, StartDesk
from tests.web.example_desk import BAD, GOOD, HOTKEY, NOW_MS, fill

COMMITTED = Path(__file__).parents[2] / "server/hotbook_server/web/examples.json"
EXAMPLES: dict[str, dict[str, Any]] = json.loads(COMMITTED.read_text(encoding="utf-8"))
ANY = EXAMPLES["every_operation"]
MARK = {"X-Correlation-Id": "desk-42"}


@pytest.fixture
async def filled(start_desk: StartDesk, clock: FakeClock) -> Desk:
    """The desk of the examples, on disk, at a moment that does not pass."""
    clock.ms = NOW_MS
    desk = await start_desk(
        clock, durability=Durability.FSYNC, listings_max=1, campaign_expiry_hours=72.0
    )
    await fill(desk)
    return desk


async def test_every_example_is_a_real_answer(filled: Desk, tmp_path: Path) -> None:
    """Of one and the same book; where this fails the new ones are in the file that it names."""
    told: dict[str, dict[str, Any]] = {}
    for name, (path, asked) in GOOD.items():
        told[name] = {"200": await filled.get(path, **asked)}
    for (name, status), (path, asked) in BAD.items():
        told[name][str(status)] = await filled.get(path, status, **asked)
    told["list_positions"]["410"] = await _too_late(filled)
    status = told["get_status"]["200"]
    status["book_id"] = EXAMPLES["get_status"]["200"]["book_id"]  # each book has another
    assert status["server_version"] == __version__
    told["every_operation"] = ANY
    written = tmp_path / COMMITTED.name
    written.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert told == EXAMPLES, f"see {written}"


async def _too_late(desk: Desk) -> dict[str, Any]:
    path = f"/hotkeys/{HOTKEY}/positions"
    first = await desk.get(path, page_size=2)
    await desk.get(path, page_size=1)  # one listing is kept, and this is another
    return await desk.get(path, 410, page_size=2, page_token=first["next_page_token"])


# ------------------------------------------------------------------ refusals of any operation


async def test_a_query_that_is_too_long(desk: Desk) -> None:
    """413."""
    assert await desk.get("/campaigns", 413, page_token="x" * 9_000) == ANY["413"]


async def test_too_many_at_once(start_desk: StartDesk) -> None:
    """429: the setting is named, here at its default."""
    most = Settings.model_fields["concurrent_calls_max"].default
    assert ANY["429"]["details"] == {"concurrent_calls_max": str(most)}
    desk = await start_desk(concurrent_calls_max=2)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            await (await stack.enter_async_context(desk.live())).next()
        refused = await desk.get("/status", 429)
    assert without_numbers(refused) == without_numbers(ANY["429"])


async def test_a_bug(desk: Desk, failing: Callable[[Callable[[], Awaitable[Any]]], None]) -> None:
    """500, with the caller's own mark."""

    async def fail() -> None:
        raise RuntimeError("secret")

    failing(fail)
    with capture_logs() as logs:
        answered = await desk.web.get("/api/v1/statistics", headers=MARK)
    assert [one["correlation_id"] for one in logs if one["event"] == "a request failed"] == [
        "desk-42"
    ]
    assert (answered.status_code, answered.json()) == (500, ANY["500"])
    assert (await desk.get("/status"))["state"] == "serving"


async def test_an_answer_that_does_not_come(
    start_desk: StartDesk, failing: Callable[[Callable[[], Awaitable[Any]]], None]
) -> None:
    """504: after the setting's time, here its default."""
    failing(asyncio.Event().wait)
    desk = await start_desk(call_timeout_s=0.2)
    refused = await desk.get("/statistics", 504)
    assert without_numbers(refused) == without_numbers(ANY["504"])
    default_s = Settings.model_fields["call_timeout_s"].default
    assert f" {default_s:g} s" in ANY["504"]["message"]


async def test_a_store_that_has_failed(desk: Desk) -> None:
    """503, from then on."""
    desk.server.engine.failure.set_result(OSError("the disk"))
    assert await desk.get("/status", 503) == ANY["503"]


def without_numbers(told: Any) -> Any:
    return json.loads(re.sub(r"\d+(?:\.\d+)?", "N", json.dumps(told)))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Awaitable[Any]]], None]:
    """Lets the work behind one route end as the test says."""

    def put(act: Callable[[], Awaitable[Any]]) -> None:
        async def instead(*_: object) -> Any:
            return await act()

        monkeypatch.setattr("hotbook_server.web.campaigns.statistics_of", instead)

    return put
