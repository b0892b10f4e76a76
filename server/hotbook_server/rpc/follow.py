"""Following campaigns over gRPC: the request is judged here, the rest is live.py's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from hotbook_server.config import Settings
from hotbook_server.live import Live, LivePart
from hotbook_server.rpc import shape
from hotbook_server.rpc.campaign_shape import check_campaign_id
from hotbook_server.rpc.feed import check_mark
from hotbook_server.rpc.guard import Call
from hotbook_shared.errors import FellBehind, InvalidArgument
from hotbook_shared.names import check_trade_pair
from hotbook_shared.pb import hotbook_pb2 as pb


class FollowService:
    def __init__(self, settings: Settings, live: Live) -> None:
        self._settings = settings
        self._live = live

    async def follow(self, request: pb.FollowRequest, call: Call) -> AsyncIterator[bytes]:
        part = self._part(request)
        check_mark(request.mark)
        has = request.from_revision if request.HasField("from_revision") else None
        if request.mark and has is None:
            raise InvalidArgument("mark goes with the revision it came with", field="mark")
        call.when_stalled = _stalled
        frames = self._live.follow(part, has, mark=request.mark)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield frame.SerializeToString()

    def _part(self, request: pb.FollowRequest) -> LivePart:
        shape.check_hotkeys(request.hotkeys, self._settings.hotkeys_max)
        self._check_count(request.campaign_ids, "campaign_ids")
        for number, campaign_id in enumerate(request.campaign_ids):
            check_campaign_id(campaign_id, f"campaign_ids[{number}]")
        self._check_count(request.trade_pairs, "trade_pairs")
        for number, trade_pair in enumerate(request.trade_pairs):
            check_trade_pair(trade_pair, f"trade_pairs[{number}]")
        return LivePart(request.campaign_ids, request.hotkeys, request.trade_pairs)

    def _check_count(self, names: Sequence[str], field: str) -> None:
        most = self._settings.hotkeys_max
        if len(names) > most:
            raise InvalidArgument(
                f"{field} has {len(names)} names; at most {most} are taken", field=field
            )


def _stalled(seconds: float) -> FellBehind:
    return FellBehind(f"nothing was read for {seconds:g} s: follow again from what you have")
