"""A campaign's legs and totals in one call: 150 of them, over gRPC and over REST.

Every tenth leg is closed, as in the original's own measurement. The calls are raw, so that what is
measured is the server: bytes in and bytes out, over one connection that stays. Beside them is the
raw echo of the same bytes by gRPC, which is the least that a server in Python can do.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change, ChangeKind
from tests.bench import campaign_data as data
from tests.bench import figures, rig
from tests.bench.figures import OURS, Figure, alternate, counted, measured, ratios
from tests.bench.rig import Caller, Rig

CALL_MAX_MS = 100
POSITIONS = "/hotbook.v1.Campaigns/CampaignPositions"
GRPC, REST, ECHO = "gRPC", "REST", "raw gRPC echo of the same bytes"
TIMEOUT_S = 30


class Scale(msgspec.Struct, frozen=True):
    rounds: int = 5
    calls: int = 100
    legs: int = 150


def measure(scale: Scale) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        campaign_id = _fill(folder, scale.legs)
        stand = stack.enter_context(rig.rig(folder, web_listen="127.0.0.1:0"))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        asked = Asked(runner, stand, campaign_id, scale)
        stack.callback(asked.close)
        found = alternate(scale.rounds, asked.sides())
    picture = f"{scale.legs} legs and their totals in one call"
    return [
        *(
            measured(f"{scale.legs} legs in one call, {way}", found[way], "ms", factor=1e3,
                     at_most=None if way == ECHO else CALL_MAX_MS,
                     picture=picture, line="" if way == ECHO else OURS)
            for way in (GRPC, REST, ECHO)
        ),
        counted("bytes of the answer by gRPC", asked.grpc_bytes, "B"),
        counted("bytes of the answer by REST", asked.rest_bytes, "B"),
        measured("legs by REST against gRPC", ratios(found[REST], found[GRPC]), "x"),
    ]  # fmt: skip


def _fill(folder: Path, legs: int) -> str:
    """A book with one campaign, its legs, and a mark of its pair. Returns the campaign's id."""
    campaign = data.campaigns(1, states=[data.ACTIVE])[0]
    changes = [Change.campaign_saved(campaign)]
    for number in range(legs):
        leg = data.leg(campaign, number, number + 2, is_open=number % 10 != 9)
        changes.append(Change(number + 2, ChangeKind.SAVED, leg.position_uuid, leg))
    changes.append(Change.marked(data.mark(campaign.trade_pair, 1, legs + 2)))
    rig.write(folder, changes)
    return campaign.campaign_id


class Asked:
    """The same question over three ways, each over a connection of its own."""

    def __init__(self, runner: asyncio.Runner, stand: Rig, campaign_id: str, scale: Scale) -> None:
        self._runner, self._scale = runner, scale
        self._ask = pb.CampaignPositionsRequest(campaign_id=campaign_id).SerializeToString()
        self._path = f"/api/v1/campaigns/{campaign_id}/positions"
        runner.run(self._connect(stand))
        self._web = http.client.HTTPConnection(stand.web, timeout=TIMEOUT_S)
        body = self._get()
        self.rest_bytes = len(body)
        assert len(json.loads(body)["positions"]) == scale.legs, "they come in one answer"

    async def _connect(self, stand: Rig) -> None:
        self._caller, self._echoing = Caller(stand.target), Caller(stand.echo)
        self._positions = self._caller.method(POSITIONS)
        reply = await self._positions(self._ask)
        self.grpc_bytes = len(reply)
        told = pb.CampaignPositionsReply.FromString(reply)
        assert len(told.positions) == self._scale.legs, "they come in one answer"
        assert told.totals.open_count + told.totals.closed_count == self._scale.legs
        self._echo = await self._echoing.teach(self._ask, reply)

    def sides(self) -> dict[str, Callable[[], float]]:
        calls, run = self._scale.calls, self._runner.run
        return {
            GRPC: lambda: run(rig.timed(calls, lambda: self._positions(self._ask))),
            REST: lambda: figures.timed(calls, self._get),
            ECHO: lambda: run(rig.timed(calls, lambda: self._echo(self._ask))),
        }

    def _get(self) -> bytes:
        self._web.request("GET", self._path)
        response = self._web.getresponse()
        assert response.status == http.HTTPStatus.OK
        return response.read()

    def close(self) -> None:
        self._web.close()
        self._runner.run(self._caller.close())
        self._runner.run(self._echoing.close())
