"""Large requests leave the loop to others, and their answers are still of one revision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest

from hotbook_server.clock import SystemClock
from hotbook_server.engine import Engine
from hotbook_server.live import Live
from hotbook_server.rpc.campaigns import CampaignsService
from hotbook_server.rpc.guard import Call
from hotbook_server.rpc.market import MarketService
from hotbook_server.rpc.positions import PositionsService
from hotbook_server.web.market import MarketAsked, get_market
from hotbook_server.web.source import Source
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Change
from tests.conftest import StartEngine
from tests.make import mark_record

T = TypeVar("T")
PAIRS = 1_000
PATTERNS = 2_000
TURNS_LEAST = 8


class NoDeadline:
    def time_remaining(self) -> None:
        return None


def call(method: str, body: bytes) -> Call:
    return Call(method, body, NoDeadline(), 60)


@pytest.fixture
async def marked(start_engine: StartEngine) -> Engine:
    """An engine whose book has many marks, at a price of 100."""
    engine = await start_engine()
    for number in range(PAIRS):
        engine.book.apply(Change.marked(mark_record(f"P{number:04d}", number + 1)))
    return engine


async def beside_others(engine: Engine, answering: Awaitable[T]) -> tuple[T, int]:
    """The answer, and how often others had the loop meanwhile; the first of them moves marks."""
    task, turns = asyncio.ensure_future(answering), 0
    await asyncio.sleep(0)
    while not task.done():
        if not turns:
            for number in range(PAIRS):
                revision = PAIRS + 1 + number
                moved = mark_record(f"P{number:04d}", revision, "7")
                engine.book.apply(Change.marked(moved))
        turns += 1
        await asyncio.sleep(0)
    return task.result(), turns


async def test_the_whole_market(marked: Engine) -> None:
    """Whatever moves while it is told, it is told as it stood."""
    service = MarketService(marked._settings, marked)
    asked = pb.GetMarketRequest()

    answer, turns = await beside_others(marked, service.get_market(asked, call("GetMarket", b"")))

    told = pb.GetMarketReply.FromString(answer)
    assert told.revision == PAIRS
    assert {pair.price for pair in told.pairs} == {"100"}
    assert len(told.pairs) == PAIRS
    assert turns >= TURNS_LEAST


async def test_the_whole_market_for_browsers(marked: Engine) -> None:
    """The same over REST."""
    settings, clock = marked._settings, SystemClock()
    positions, live = PositionsService(settings, marked, clock), Live(settings, marked, clock)
    source = Source(settings, marked, clock, positions, live)

    response, turns = await beside_others(marked, get_market(source, MarketAsked(campaign_id=None)))

    told: dict[str, Any] = json.loads(bytes(response.body))
    assert told["revision"] == PAIRS
    assert response.headers["X-Hotbook-Revision"] == str(PAIRS)
    assert {pair["price"] for pair in told["pairs"]} == {"100"}
    assert [pair["trade_pair"] for pair in told["pairs"]] == [f"P{n:04d}" for n in range(PAIRS)]
    assert turns >= TURNS_LEAST


async def test_many_patterns(marked: Engine) -> None:
    """Others have the loop while they are looked at, before the writer has them."""
    service = CampaignsService(marked._settings, marked)
    unfit = pb.AddPatternRequest(hotkey="hk", trade_pair="BTCUSD")  # a range is missing
    asked = pb.AddPatternsRequest(patterns=[unfit] * PATTERNS)
    body = asked.SerializeToString()
    checking = asyncio.ensure_future(service.add_patterns(asked, call("AddPatterns", body)))
    turns = 0
    while not marked.intake and not checking.done():
        turns += 1
        await asyncio.sleep(0)

    told = pb.AddPatternsReply.FromString(await checking)

    assert turns >= TURNS_LEAST
    assert [one.refused.code for one in told.outcomes] == ["INVALID_ARGUMENT"] * PATTERNS
