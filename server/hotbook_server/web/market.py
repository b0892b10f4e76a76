"""Prices, freshness and volume; and what the server is and does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from hotbook_server.market import in_turns, market_of
from hotbook_server.web import models
from hotbook_server.web.answers import answer, told_by
from hotbook_server.web.campaigns import campaign_of
from hotbook_server.web.source import From, Source
from hotbook_server.web.words import IN_PATH, Asked, AskedCampaign, AskedPair
from hotbook_shared import __version__
from hotbook_shared.errors import NotFound
from hotbook_shared.market import Generation, PairMarket
from hotbook_shared.names import check_trade_pair
from hotbook_shared.record import CampaignRecord

router = APIRouter()

Pair = Annotated[AskedPair, IN_PATH]


class MarketAsked(Asked):
    campaign_id: AskedCampaign | None = Field(
        None,
        description="Its pair alone, with the volume of the bars since its range last changed.",
    )


@router.get(
    "/market",
    response_model=models.MarketAnswer,
    responses=told_by(NotFound),
    tags=["market"],
)
async def get_market(source: From, asked: Annotated[MarketAsked, Query()]) -> Response:
    """Every trade pair that has a mark: its price and age, whether it is fresh, its volume."""
    campaign = None
    if asked.campaign_id is not None:
        campaign = campaign_of(source.keeper.book, asked.campaign_id)
    generation, pairs = _market(source, campaign=campaign)
    told = models.MarketAnswer(  # nothing is awaited before all is taken
        revision=source.keeper.book.revision,
        generation=generation.generation,
        step_at=generation.step_ms,
        pairs=(),
    )
    return answer(told, told.revision, await in_turns(pairs, _json_of), "pairs")


@router.get(
    "/market/{trade_pair}",
    response_model=models.PairAnswer,
    responses=told_by(NotFound),
    tags=["market"],
)
async def get_pair(source: From, trade_pair: Pair) -> Response:
    """One trade pair."""
    check_trade_pair(trade_pair)
    generation, (pair,) = _market(source, trade_pair)
    if pair.price is None:
        raise NotFound(f"{trade_pair} has no mark: no bar of it has come", trade_pair=trade_pair)
    told = models.PairAnswer(
        revision=source.keeper.book.revision,
        generation=generation.generation,
        step_at=generation.step_ms,
        pair=models.PairMarket.model_validate(pair),
    )
    return answer(told, told.revision)


@router.get("/status", response_model=models.StatusAnswer, responses=told_by(), tags=["operations"])
async def get_status(source: From) -> Response:
    """What the server is, holds and does. Settings and telemetry are told by gRPC alone."""
    keeper, settings = source.keeper, source.settings
    positions, campaigns = keeper.book.positions, keeper.book.campaigns
    told = models.StatusAnswer(
        revision=keeper.book.revision,
        server_version=__version__,
        book_id=keeper.book_id,
        state=keeper.state,
        durability=settings.durability,
        positions=len(positions.by_uuid),
        open_positions=positions.open_count,
        hotkeys=len(positions.by_hotkey),
        campaigns=len(campaigns.by_id),
        live_campaigns=len(campaigns.deadlines),
        marks=len(keeper.book.marks.by_pair),
        quarantined=keeper.quarantined,
        digest=keeper.book.digest,
        now=source.clock.now_ms(),
        queue_depth=len(keeper.intake),
        leader=settings.follow,
        lag_ms=keeper.lag_ms if settings.follow else 0.0,
    )
    return answer(told, told.revision)


def _json_of(pair: PairMarket) -> bytes:
    return models.PairMarket.model_validate(pair).model_dump_json().encode()


def _market(
    source: Source, *trade_pairs: str, campaign: CampaignRecord | None = None
) -> tuple[Generation, Iterator[PairMarket]]:
    keeper, settings = source.keeper, source.settings
    generation, now_ms = keeper.freshness.current(), keeper.freshness.event_now_ms()
    found = market_of(keeper.book, generation, now_ms, settings, trade_pairs, campaign)
    return generation, found
