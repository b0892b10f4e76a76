"""What stands around every request: strangers, limits, bugs, and what is told of each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.telemetry import Telemetry
from hotbook_server.web.guard import WebGuard
from hotbook_server.web.http_status import HTTP_STATUS_OF, problem_of, status_of
from hotbook_shared import errors
from hotbook_shared.errors import ERRORS, HotbookError
from hotbook_shared.status import STATUS_OF
from tests.web.conftest import Desk, StartDesk

PATIENCE_S = 20


class Rig:
    """A guard over an application of a test's own, and what it did."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.telemetry = Telemetry()
        self.aborted: list[Scope] = []
        self.act: Any = None
        settings = settings.model_copy(update={"web_listen": "127.0.0.1:0"})
        guard = WebGuard(self._app, settings, engine, self.telemetry, self.aborted.append)
        self.web = httpx.AsyncClient(
            transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1"
        )

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.act(scope, receive, send)


@pytest.fixture
async def rig(settings: Settings, engine: Engine) -> AsyncIterator[Rig]:
    changed = {"call_timeout_s": 0.05, "concurrent_calls_max": 1, "slow_call_ms": 1.0}
    made = Rig(settings.model_copy(update=changed), engine)
    async with made.web:
        yield made


async def begin(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await begin(send)
    await send({"type": "http.response.body", "body": b"well"})


def test_every_error_has_a_status() -> None:
    """One row for each class that is raised, as the table of gRPC has it."""
    assert HTTP_STATUS_OF.keys() == STATUS_OF.keys()
    assert all(status >= 400 for status in HTTP_STATUS_OF.values())
    parts = {HotbookError, errors.Refused, errors.LimitReached}  # never raised as such
    assert HTTP_STATUS_OF.keys() == set(ERRORS.values()) - parts


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.InvalidArgument, 422), (errors.NotFound, 404), (errors.VersionConflict, 409),
        (errors.PageExpired, 410), (errors.QueueFull, 429), (errors.MessageTooLarge, 413),
        (errors.JournalFailed, 503), (errors.Unavailable, 503), (errors.Unreadable, 503),
        (errors.DeadlineExceeded, 504), (errors.InternalError, 500), (HotbookError, 500),
    ],
)  # fmt: skip
def test_statuses(kind: type[HotbookError], status: int) -> None:
    """Those that callers go by; what no table knows is a bug."""
    error = kind("why", field="x")
    assert status_of(error) == status
    problem = problem_of(error)
    assert (problem.code, problem.message, problem.details) == (kind.code, "why", {"field": "x"})


async def test_hosts(desk: Desk) -> None:
    """A request names this host, by an address or by what it listens on; another gets 421."""
    port = str(desk.server.web_address).rpartition(":")[2]
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]:80", "10.1.2.3"):
        answered = await desk.web.get("/api/v1/status", headers={"Host": host})
        assert answered.status_code == 200, host
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.x",
                 "[::1].evil.example", "[::1", "1.2.3", "127.0.0.1:x"):  # fmt: skip
        answered = await desk.web.get("/api/v1/status", headers={"Host": host})
        assert (answered.status_code, answered.json()["code"]) == (421, "MISDIRECTED"), host


async def test_origins(desk: Desk) -> None:
    """A WebSocket comes from a page of this very host, or from no page."""
    address = desk.server.web_address
    async with connect(f"ws://{address}/api/v1/live", origin=f"http://{address}"):  # type: ignore[arg-type]
        pass
    for origin in ("http://evil.example", "null", f"http://{address}.evil.example",
                   "http://127.0.0.1:1"):  # fmt: skip
        with capture_logs() as logs, pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{address}/api/v1/live", origin=origin):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"")["code"] == "FOREIGN_ORIGIN"
        async with asyncio.timeout(PATIENCE_S):  # what uvicorn says of it, it says when all is over
            state = desk.server._web._server.server_state  # type: ignore[union-attr]
            while state.tasks:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        assert [one["refused"] for one in logs if "refused" in one] == ["FOREIGN_ORIGIN"]
        assert not [one for one in logs if one["log_level"] != "debug"]


async def test_nothing_is_shared_with_other_origins(desk: Desk) -> None:
    """No answer lets a page of another origin read it, and none stays in a cache."""
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        answered = await desk.web.get("/api/v1/status", headers=headers)
        assert not [name for name in answered.headers if name.startswith("access-control")]
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers["x-content-type-options"] == "nosniff"


async def test_correlation_ids(desk: Desk) -> None:
    """The caller's own mark is given back and logged; without a valid one, one is made."""
    with capture_logs() as logs:
        answered = await desk.web.get("/api/v1/status", headers={"X-Correlation-Id": "desk-42"})
        assert answered.headers["X-Correlation-Id"] == "desk-42"
        for bad in ("", "a b", "x" * 129):
            made = await desk.web.get("/api/v1/nothing", headers={"X-Correlation-Id": bad})
            assert len(made.headers["X-Correlation-Id"]) == 32
    told = [one["correlation_id"] for one in logs if one["event"] == "request"]
    assert told[:1] == ["desk-42"]


async def test_paths_and_methods_that_are_not_there(desk: Desk) -> None:
    """404 and 405 have the body of every other refusal; 405 says what is allowed."""
    for path in ("/nothing", "/api/v1", "/api/v1/campaigns/", "/api/v1/campaigns/a/b", "/docs/x",
                 "/api/v2/status", "/%2e%2e/etc/passwd"):  # fmt: skip
        answered = await desk.web.get(path)
        assert (answered.status_code, answered.json()["code"]) == (404, "NOT_FOUND"), path
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answered = await desk.web.request(method, "/api/v1/campaigns")
        assert (answered.status_code, answered.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answered.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/campaigns/gbp/positions", 200), ("/api/v1/campaigns/c9", 404), ("/docs", 200),
     ("/openapi.json", 200), ("/api/v1/campaigns?page_size=0", 422), ("/nothing", 404)],
)  # fmt: skip
async def test_head(desk: Desk, path: str, status: int) -> None:
    """HEAD answers what GET does, headers and all, without the body; the connection goes on."""
    await desk.gbp()
    whole, head = await desk.web.get(path), await desk.web.head(path)
    assert (whole.status_code, head.status_code) == (status, status)
    assert head.content == b""
    assert int(head.headers["Content-Length"]) == len(whole.content) > 0
    told = {"date", "x-correlation-id"}
    assert dict(head.headers) | dict.fromkeys(told) == dict(whole.headers) | dict.fromkeys(told)
    assert (await desk.web.get(path)).content == whole.content


async def test_a_long_query(desk: Desk) -> None:
    """413, before anything is read out of it."""
    answered = await desk.web.get("/api/v1/campaigns?page_token=" + "x" * 9_000)
    assert (answered.status_code, answered.json()["code"]) == (413, "MESSAGE_TOO_LARGE")


async def test_requests_are_counted(desk: Desk) -> None:
    """By the name of their route, refusals by their code; names of paths make no new series."""
    for n in range(3):
        await desk.get(f"/campaigns/c{n}", 404)
    await desk.web.get("/nothing")
    figures = desk.server.telemetry.as_figures()
    assert figures["web.get_campaign.count"] == 3
    assert figures["refused.NOT_FOUND.count"] == 3
    assert figures["web.unmatched.count"] == 1


async def test_a_bug(rig: Rig) -> None:
    """500 with a mark under which the log has the rest; nothing of it is told."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret")

    rig.act = fail
    with capture_logs() as logs:
        answered = await rig.web.get("/", headers={"X-Correlation-Id": "m1"})
    body = answered.json()
    assert (answered.status_code, body["code"]) == (500, "INTERNAL")
    assert "m1" in body["message"]
    assert "secret" not in answered.text
    (told,) = [one for one in logs if one["event"] == "a request failed"]
    assert (told["correlation_id"], str(told["exc_info"])) == ("m1", "secret")


async def test_an_answer_that_does_not_come(rig: Rig) -> None:
    """504 at the deadline; where the answer has begun, the connection ends at once."""

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def begin_and_wait(scope: Scope, receive: Receive, send: Send) -> None:
        await begin(send)
        await wait(scope, receive, send)

    rig.act = wait
    answered = await rig.web.get("/")
    assert (answered.status_code, answered.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    assert rig.aborted == []
    rig.act = begin_and_wait
    with pytest.raises(AssertionError):  # the test's own transport, for no answer is complete
        await rig.web.get("/")
    assert len(rig.aborted) == 1
    assert rig.telemetry.as_figures()["refused.DEADLINE_EXCEEDED.count"] == 2


async def test_too_many_at_once(settings: Settings, engine: Engine) -> None:
    """429 for the one beyond the limit, and room again when one has ended."""
    rig = Rig(settings.model_copy(update={"concurrent_calls_max": 1}), engine)
    reached, gate = asyncio.Event(), asyncio.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        reached.set()
        await gate.wait()
        await answer(scope, receive, send)

    rig.act = wait
    async with rig.web, asyncio.timeout(PATIENCE_S):
        first = asyncio.create_task(rig.web.get("/"))
        await reached.wait()
        refused = await rig.web.get("/")
        assert (refused.status_code, refused.json()["code"]) == (429, "QUEUE_FULL")
        gate.set()
        assert (await first).text == "well"
        assert (await rig.web.get("/")).text == "well"


async def test_a_server_that_stops(rig: Rig, engine: Engine) -> None:
    """503 from the moment on that no new work is taken; before it, an answer."""
    rig.act = answer
    assert (await rig.web.get("/")).status_code == 200
    engine.refuse_new_work()
    refused = await rig.web.get("/")
    assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")


async def test_a_store_that_has_failed(rig: Rig, engine: Engine) -> None:
    """503 and why."""
    engine.failure.set_result(OSError("the disk"))
    rig.act = answer
    refused = await rig.web.get("/")
    assert (refused.status_code, refused.json()["code"]) == (503, "JOURNAL_FAILED")


async def test_slow_requests_are_logged(start_desk: StartDesk) -> None:
    """By the setting that calls of gRPC go by."""
    desk = await start_desk(slow_call_ms=0.001)
    with capture_logs() as logs:
        await desk.get("/status")
    (told,) = [one for one in logs if one["event"] == "slow request"]
    assert (told["route"], told["log_level"]) == ("get_status", "warning")
