"""A real server with its web on the test's own loop, and those who write to it over gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_server.server import Server
from hotbook_shared.model import Durability
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import hotbook_pb2_grpc as stubs
from hotbook_shared.wire import position_to_wire
from tests.make import position

PAIR = "GBPUSD"
BAR_MS = 1_700_000_000_000
DESK = {"campaigns_live_max": 100, "campaign_expiry_hours": 100_000.0}


class Desk:
    """One server, a browser's client of it, and a desk that trades over gRPC."""

    def __init__(self, server: Server, web: httpx.AsyncClient, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.web = web
        self.campaigns: Any = stubs.CampaignsStub(channel)  # type: ignore[no-untyped-call]
        self.market: Any = stubs.MarketStub(channel)  # type: ignore[no-untyped-call]
        self.positions: Any = stubs.PositionsStub(channel)  # type: ignore[no-untyped-call]
        self._bars = 0
        self._has_stopped = False

    async def stop(self) -> None:
        if not self._has_stopped:
            self._has_stopped = True
            await self.server.stop()

    async def get(self, path: str, status: int = 200, **params: Any) -> dict[str, Any]:
        answer = await self.web.get(f"/api/v1{path}", params=params or None)
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        if status == 200:
            assert answer.headers["X-Hotbook-Revision"] == str(body["revision"])
        return body

    async def save(self, uuid: str, **changed: Any) -> int:
        request = pb.SaveRequest(position=position_to_wire(position(uuid, **changed)))
        return int((await self.positions.Save(request)).revision)

    async def campaign(self, campaign_id: str, **changed: Any) -> pb.Campaign:
        fields = {"hotkey": "desk-1", "trade_pair": PAIR, "campaign_id": campaign_id, **changed}
        reply = await self.campaigns.CreateCampaign(pb.CreateCampaignRequest(**fields))
        return reply.campaign  # type: ignore[no-any-return]

    async def leg(self, campaign_id: str, uuid: str, shares: str, entry: str, stop: str) -> None:
        await self.campaigns.AddLeg(
            pb.AddLegRequest(
                campaign_id=campaign_id, position_uuid=uuid, pattern_type=pb.PATTERN_SPRING,
                side=pb.SIDE_LONG, shares=shares, entry=entry, stop=stop, opened_ms=BAR_MS,
            )
        )  # fmt: skip

    async def close(self, campaign_id: str, uuid: str, price: str) -> None:
        await self.campaigns.CloseLeg(
            pb.CloseLegRequest(
                campaign_id=campaign_id, position_uuid=uuid, exit_price=price,
                closed_ms=BAR_MS + 60_000,
            )
        )  # fmt: skip

    async def bar(self, close: str, trade_pair: str = PAIR, volume: str = "100") -> int:
        self._bars += 1
        at_ms = BAR_MS + self._bars * 60_000
        bar = pb.Bar(trade_pair=trade_pair, at_ms=at_ms, close=close, volume=volume)
        return int((await self.market.PushBars(pb.PushBarsRequest(bars=[bar]))).revision)

    async def gbp(self) -> None:
        """Two legs open and one closed, of a campaign that is marked: 105.00 in all."""
        await self.campaign("gbp")
        await self.leg("gbp", "spring", "8000", "1.2500", "1.2450")
        await self.leg("gbp", "sos", "6000", "1.2550", "1.2500")
        await self.close("gbp", "spring", "1.2625")
        await self.leg("gbp", "lps", "4000", "1.2600", "1.2550")
        await self.bar("1.2575")

    @contextlib.asynccontextmanager
    async def live(self, **asked: Any) -> AsyncIterator[Live]:
        async with connect(f"ws://{self.server.web_address}/api/v1/live", max_size=None) as socket:
            await socket.send(json.dumps(asked))
            yield Live(socket)


class Live:
    """The client's end of /api/v1/live: what it was told, and the picture that this comes to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.socket.recv())
        self.told.append(message)
        return message

    async def until(self, number: int) -> None:
        """Reads on until it has what happened up to a revision."""
        while (await self.next())["number"] < number:
            pass


StartDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def start_desk(settings: Settings) -> AsyncIterator[StartDesk]:
    """Starts servers in memory, with the web on a free port; stops those that still run."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(clock: Clock | None = None, **changed: Any) -> Desk:
            chosen = {
                "web_listen": "127.0.0.1:0",
                "durability": Durability.MEMORY,
                **DESK,
                **changed,
            }
            server = Server(settings.model_copy(update=chosen), clock)
            await server.start()
            client = httpx.AsyncClient(base_url=f"http://{server.web_address}", timeout=30)
            web = await stack.enter_async_context(client)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
            desk = Desk(server, web, channel)
            stack.push_async_callback(desk.stop)
            return desk

        yield start


@pytest.fixture
async def desk(start_desk: StartDesk) -> Desk:
    return await start_desk()


@pytest.fixture
def turns_of() -> Callable[[Awaitable[Any]], Awaitable[tuple[int, Any]]]:
    """Counts the turns of the loop until something is there."""

    async def count(awaited: Awaitable[Any]) -> tuple[int, Any]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        try:
            found = await awaited
        finally:
            turning.cancel()
        return turns, found

    return count
