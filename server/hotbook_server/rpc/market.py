"""The Market service: bars in, marks and generations out."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from hotbook_server.commands import AnyOutcome, Expire, ExpireDone, PushBars, PushDone, PushedBar
from hotbook_server.config import Settings
from hotbook_server.keeper import Keeper
from hotbook_server.market import in_turns, market_of
from hotbook_server.requests import request_key
from hotbook_server.rpc import campaign_shape as shape
from hotbook_server.rpc.guard import Call
from hotbook_server.rpc.pipelined import Begun, begin, in_order
from hotbook_server.rpc.shape import check_request_id, check_time
from hotbook_server.rules.campaigns import EARLY_MS
from hotbook_shared.campaign_wire import pair_market_to_wire
from hotbook_shared.errors import InvalidArgument, NotFound
from hotbook_shared.market import Generation
from hotbook_shared.model import MS_MAX
from hotbook_shared.money import check_leg_number, check_number
from hotbook_shared.names import check_trade_pair
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord
from hotbook_shared.wire import DURABILITY_NUMBER

YIELD_EVERY = 500  # bars of a message between two turns of the loop

_is_plain = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,8})?").fullmatch
"""What nearly every price and volume looks like; others are looked at closely."""


class MarketService:
    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        self._settings = settings
        self._keeper = keeper
        self._freshness = keeper.freshness
        self._durability = DURABILITY_NUMBER[settings.durability]

    # ---------------------------------------------------------------- bars

    async def push_bars(self, request: pb.PushBarsRequest, call: Call) -> bytes:
        outcome = await self._keeper.submit(
            await self._checked(request),
            request_key(request.request_id, call.method, call.body),
            timeout_s=call.timeout_s,
            size=len(call.body),
        )
        return self._pushed(outcome)

    async def push_bar_stream(
        self, requests: AsyncIterator[tuple[pb.PushBarsRequest, bytes]], call: Call
    ) -> AsyncIterator[bytes]:
        """Reads ahead of the answers, up to the window. A message that is refused ends the stream,
        when those before it are answered."""

        async def read(begun: Begun) -> None:
            async for request, body in requests:
                push = await self._checked(request)
                key = request_key(request.request_id, call.method, body)
                timeout_s = self._settings.call_timeout_s
                await begun.put(await begin(self._keeper, push, key, timeout_s, len(body)))

        window, stopping = self._settings.stream_window, self._keeper.stopping
        async with contextlib.aclosing(in_order(read, stopping, window)) as answered:
            async for outcomes in answered:
                for outcome in outcomes:
                    yield self._pushed(outcome)

    # ---------------------------------------------------------------- reading

    async def get_market(self, request: pb.GetMarketRequest, call: Call) -> bytes:  # noqa: ARG002
        most = self._settings.items_max
        if len(request.trade_pairs) > most:
            raise InvalidArgument(
                f"trade_pairs has {len(request.trade_pairs)} names; at most {most} are taken",
                field="trade_pairs",
            )
        for number, trade_pair in enumerate(request.trade_pairs):
            check_trade_pair(trade_pair, f"trade_pairs[{number}]")
        # Nothing is awaited before all is taken: the answer is of one revision and one generation.
        book, generation = self._keeper.book, self._freshness.current()
        revision = book.revision
        found = market_of(
            book,
            generation,
            self._freshness.event_now_ms(),
            self._settings,
            request.trade_pairs,
            self._campaign(request.campaign_id),
        )
        return pb.GetMarketReply(
            revision=revision,
            generation=generation.generation,
            step_ms=generation.step_ms,
            pairs=await in_turns(found, pair_market_to_wire),
        ).SerializeToString()

    # ---------------------------------------------------------------- steps

    async def advance(self, request: pb.AdvanceRequest, call: Call) -> bytes:
        """What is overdue fails first: whoever wakes for the step sees it failed."""
        check_time(request.to_ms, "to_ms")
        self._freshness.check_advance(request.to_ms)
        while await self._expire(request.to_ms, call):
            pass  # so many at once
        return _generation_reply(self._freshness.advance(request.to_ms))

    async def wait_for_generation(
        self,
        request: pb.WaitForGenerationRequest,
        call: Call,  # noqa: ARG002 - who waits too long is told so by the guard, or by gRPC
    ) -> bytes:
        return _generation_reply(await self._freshness.wait_for(request.generation))

    # ---------------------------------------------------------------- parts

    async def _expire(self, now_ms: int, call: Call) -> int:
        outcome = await self._keeper.submit(Expire(now_ms), timeout_s=call.timeout_s)
        assert isinstance(outcome, ExpireDone)
        return outcome.expired

    async def _checked(self, request: pb.PushBarsRequest) -> PushBars:
        """The command behind a message of bars, once its shape is right."""
        check_request_id(request.request_id)
        shape.check_count(request.bars, self._settings.items_max, "bars")
        latest_ms = MS_MAX
        if self._settings.market_clock == "live":  # one from afar would make all that follow stale
            latest_ms = self._freshness.event_now_ms() + EARLY_MS
        bars: list[PushedBar] = []
        for number, bar in enumerate(request.bars):
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)  # a large message does not keep readers waiting
            bars.append(_checked_bar(bar, number, latest_ms))
        return PushBars(tuple(bars))

    def _pushed(self, outcome: AnyOutcome) -> bytes:
        assert isinstance(outcome, PushDone), "a rule refuses no bars"
        return pb.PushBarsReply(
            revision=outcome.revision,
            accepted=outcome.accepted,
            stale=outcome.stale,
            durability=self._durability,
        ).SerializeToString()

    def _campaign(self, campaign_id: str) -> CampaignRecord | None:
        if not campaign_id:
            return None
        shape.check_campaign_id(campaign_id)
        campaign = self._keeper.book.campaigns.by_id.get(campaign_id)
        if campaign is None:
            raise NotFound(f"there is no campaign {campaign_id}", campaign_id=campaign_id)
        return campaign


def _checked_bar(bar: pb.Bar, number: int, latest_ms: int) -> PushedBar:
    trade_pair, at_ms, close, volume = bar.trade_pair, bar.at_ms, bar.close, bar.volume
    at = f"bars[{number}]"
    check_trade_pair(trade_pair, f"{at}.trade_pair")
    check_time(at_ms, f"{at}.at_ms")
    if not at_ms:
        raise InvalidArgument(f"{at}.at_ms is missing", field=f"{at}.at_ms")
    if at_ms > latest_ms:
        raise InvalidArgument(
            f"{at}.at_ms ({at_ms}) lies in the future: it is {latest_ms - EARLY_MS} now",
            field=f"{at}.at_ms",
        )
    if not _is_plain(close) or not close.strip("0."):
        shape.check_price(close, f"{at}.close")
    if volume and not _is_plain(volume):
        check_number(volume, f"{at}.volume", signed=False)
        check_leg_number(volume, f"{at}.volume")
    return PushedBar(trade_pair, at_ms, close, volume)


def _generation_reply(generation: Generation) -> bytes:
    return pb.GenerationReply(
        generation=generation.generation,
        step_ms=generation.step_ms,
        fresh=sorted(generation.fresh),
    ).SerializeToString()
