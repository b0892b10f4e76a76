"""The web server beside the other one: one loop, its own port, its own end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from hotbook_server.config import Settings
from hotbook_server.server import CannotStart, Server
from hotbook_shared.model import Durability
from tests.make import CLOSE_MS, order
from tests.web.conftest import Desk, StartDesk

PATIENCE_S = 20


async def test_off(start_desk: StartDesk) -> None:
    """Without an address there is no web server."""
    desk = await start_desk(web_listen="off")
    assert desk.server.web_address is None


def test_what_is_off_is_not_imported() -> None:
    """A server without the web neither waits for its packages nor holds them."""
    code = (
        "import sys, hotbook_server.serve;"
        "print(sorted({'fastapi', 'uvicorn', 'starlette', 'websockets'} & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


async def test_a_port_in_use(settings: Settings) -> None:
    """It is named, with what to do; and nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        changed = {"web_listen": listen, "durability": Durability.MEMORY}
        server = Server(settings.model_copy(update=changed))
        with pytest.raises(CannotStart, match=f"{listen}.*in use.*--web-listen"):
            await server.start()
    await server.start()  # it is free now, and so is all that the first try had taken
    await server.stop()


async def test_both_servers_at_once(desk: Desk) -> None:
    """While saves go on over gRPC, each answer is of one revision, and revisions only grow."""
    await desk.campaign("c1")

    async def save() -> None:
        for n in range(60):
            await desk.leg("c1", f"leg-{n}", "2", "10", "9")

    saving = asyncio.create_task(save())
    seen: list[int] = []
    while not saving.done():
        body = await desk.get("/campaigns/c1/positions", page_size=500)
        count = len(body["positions"])
        assert body["totals"]["open_count"] == body["position_count"] == count
        assert body["totals"]["total_shares"] == f"{2 * count}.00000000"
        assert body["campaign_version"] == 1 + count
        seen.append(body["revision"])
    await saving
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


async def test_a_server_that_follows_another(start_desk: StartDesk) -> None:
    """It answers as its leader does, live too, and says whom it follows."""
    leader = await start_desk()
    await leader.gbp()
    follower = await start_desk(follow=leader.server.address)
    path = "/campaigns/gbp/positions"
    assert await follower.get(path) == await leader.get(path)
    assert (await follower.get("/status"))["leader"] == leader.server.address
    async with follower.live() as live:
        await live.until(await leader.bar("1.2595"))
    assert live.told[-1]["totals"] == (await leader.get(path))["totals"]


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\nGET"]
)
async def test_a_request_that_does_not_come_is_not_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A connection that says nothing, or one letter at a time, ends: else a few hundred of them
    would take every file that the process may open, and lock everybody out."""
    monkeypatch.setattr(desk.server._web._server.config, "timeout_keep_alive", 0.2)  # type: ignore[union-attr]
    host, port = str(desk.server.web_address).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"a" if said else b"")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await reader.read(65_536)
    writer.close()


async def test_what_is_under_way_is_answered_at_a_stop(start_desk: StartDesk) -> None:
    """A stop lets a request end that has begun, and takes no other."""
    desk = await start_desk()
    orders = tuple(order(n) for n in range(2_000))
    for n in range(5):
        await desk.save(f"p{n}", close_ms=CLOSE_MS + n, orders=orders)
    asking = asyncio.create_task(desk.web.get("/api/v1/hotkeys/hk/positions"))
    async with asyncio.timeout(PATIENCE_S):
        while not desk.server.gauges()["web_requests"]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        await desk.stop()
    answered = await asking
    assert (answered.status_code, len(answered.json()["positions"])) == (200, 5)
    with pytest.raises(httpx.TransportError):
        await desk.web.get("/api/v1/status")


def test_signals_are_the_server_s_own(tmp_path: object) -> None:
    """SIGTERM drains the whole server, with the web in it, and it ends with 0."""
    flags = ["--listen=127.0.0.1:0", "--web-listen=127.0.0.1:0", "--metrics-listen=off",
             "--durability=memory", "--log-level=debug", "--log-format=json"]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "hotbook_server", *flags],
        cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        told = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert told is not None
        assert httpx.get(f"{told.group()}/api/v1/status").json()["state"] == "serving"
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert '"route": "get_status"' in logged
    assert all(line.startswith("{") for line in logged.splitlines())


async def test_the_page_needs_nothing_from_elsewhere(desk: Desk) -> None:
    """Every file of the documentation is served here, and the browser is told to load no other."""
    begun = await desk.web.get("/", follow_redirects=True)
    assert begun.url.path == "/docs"
    assert "default-src 'self'" in begun.headers["Content-Security-Policy"]
    assert "http" not in begun.text
    files = re.findall(r'(?:src|href)="([^"]+)"', begun.text)
    assert len(files) == 4
    for file in files:
        assert file.startswith("/docs/")
        answered = await desk.web.get(file)
        assert (answered.status_code, len(answered.content) > 100) == (200, True), file
    assert '"/openapi.json"' in (await desk.web.get("/docs/begin.js")).text
    assert (await desk.web.get("/openapi.json")).json()["openapi"].startswith("3.1")
