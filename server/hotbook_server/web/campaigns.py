"""Campaigns, their legs and totals, and their statistics."""

from __future__ import annotations

import asyncio
from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import Field

from hotbook_server.rpc import campaign_shape as shape
from hotbook_server.rpc.campaigns import campaigns_page
from hotbook_server.statistics import statistics_of
from hotbook_server.web import models
from hotbook_server.web.answers import answer, records_json, told_by
from hotbook_server.web.source import From
from hotbook_server.web.words import (
    IN_PATH,
    Asked,
    AskedCampaign,
    AskedHotkey,
    AskedPair,
    PageSize,
    PageToken,
)
from hotbook_shared.book import Book
from hotbook_shared.campaign import CampaignState
from hotbook_shared.campaign_wire import STATE_NUMBER, campaign_from_wire
from hotbook_shared.errors import NotFound, VersionConflict
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import CampaignRecord

router = APIRouter(tags=["campaigns"])

LIVE = (CampaignState.FORMING, CampaignState.ACTIVE)
YIELD_EVERY = 50  # campaigns of a page between two turns of the loop

InPath = Annotated[AskedCampaign, IN_PATH]
IfMatch = Annotated[
    str | None,
    Header(
        pattern=r'^"[0-9]{1,18}"$',
        description="The campaign's version that is expected, as ETag had it.",
        examples=['"3"'],
    ),
]


class CampaignsAsked(Asked):
    state: tuple[CampaignState, ...] = Field((), description="Only these; none: all.")
    live: bool = Field(False, description="Only FORMING and ACTIVE.")
    hotkey: AskedHotkey | None = None
    trade_pair: AskedPair | None = None
    page_size: PageSize = None
    page_token: PageToken = ""


class LegsAsked(Asked):
    include_closed: bool = Field(True, description="The closed ones too.")
    page: int = Field(1, ge=1, le=1_000_000_000, description="From 1.", examples=[1])
    page_size: PageSize = None
    expected_version: int | None = Field(
        None, ge=0, le=2**63 - 1, description="Of the campaign; another is refused.", examples=[3]
    )


class PartAsked(Asked):
    hotkey: AskedHotkey | None = None
    trade_pair: AskedPair | None = None


@router.get("/campaigns", response_model=models.CampaignPage, responses=told_by())
async def list_campaigns(source: From, asked: Annotated[CampaignsAsked, Query()]) -> Response:
    """Campaigns and their totals, in order of creation, page by page."""
    states = {state for state in asked.state or CampaignState if state in LIVE or not asked.live}
    request = pb.ListCampaignsRequest(
        hotkey=asked.hotkey or "",
        trade_pair=asked.trade_pair or "",
        states=sorted(STATE_NUMBER[state] for state in states),  # type: ignore[misc]
    )
    size = shape.page_size_of(asked.page_size or 0, source.settings)
    after = shape.created_of(asked.page_token)
    book = source.keeper.book
    found: list[CampaignRecord] = []
    token = ""
    if states:
        shape.check_listing(request)
        found, token = campaigns_page(book.campaigns, request, size, after)
    totals = [_totals(book, record) for record in found]  # at once: they are of one revision
    page = models.CampaignPage(revision=book.revision, campaigns=(), next_page_token=token or None)
    ready = await campaigns_json(found, totals)
    return answer(page, page.revision, ready, "campaigns")


@router.get(
    "/campaigns/{campaign_id}",
    response_model=models.CampaignAnswer,
    responses=told_by(NotFound),
)
async def get_campaign(source: From, campaign_id: InPath) -> Response:
    """One campaign with its patterns, and its totals."""
    book = source.keeper.book
    record = campaign_of(book, campaign_id)
    told = models.CampaignAnswer(
        revision=book.revision,
        campaign=models.CampaignInFull.model_validate(_noun(record.wire)),
        totals=_totals(book, record),
    )
    return answer(told, book.revision, ETag=_etag(record))


@router.get(
    "/campaigns/{campaign_id}/positions",
    response_model=models.CampaignPositions,
    responses=told_by(NotFound, VersionConflict),
)
async def list_campaign_positions(
    source: From,
    campaign_id: InPath,
    asked: Annotated[LegsAsked, Query()],
    if_match: IfMatch = None,
) -> Response:
    """A campaign's legs, page by page, and the totals of all of them, of one revision."""
    book = source.keeper.book
    record = campaign_of(book, campaign_id)
    expected = (asked.expected_version, None if if_match is None else int(if_match.strip('"')))
    for version in expected:
        _check_version(record, version)
    legs = book.campaigns.legs_of(campaign_id)
    count = len(legs.open) + (len(legs.closed) if asked.include_closed else 0)
    size = shape.page_size_of(asked.page_size or 0, source.settings)
    first = min((asked.page - 1) * size, count)
    page = islice(chain(legs.open, legs.closed), first, min(first + size, count))
    told = models.CampaignPositions(
        revision=book.revision,
        campaign_version=record.version,
        totals=_totals(book, record),
        positions=(),
        page=asked.page,
        page_count=-(-count // size),
        position_count=count,
    )
    ready = await records_json(source.keeper.archive, list(page))
    return answer(told, told.revision, ready, "positions", ETag=_etag(record))


@router.get("/statistics", response_model=models.CampaignStatistics, responses=told_by())
async def get_statistics(source: From, asked: Annotated[PartAsked, Query()]) -> Response:
    """What campaigns have come to: all of them, or those of a hotkey, a pair, or both."""
    shape.check_part(asked.hotkey or "", asked.trade_pair or "")
    found = await statistics_of(source.keeper.book, asked.hotkey or "", asked.trade_pair or "")
    return answer(models.CampaignStatistics.model_validate(found), found.revision)


# ------------------------------------------------------------------ parts


async def campaigns_json(
    records: list[CampaignRecord], totals: list[models.CampaignTotals]
) -> list[bytes]:
    """Campaigns without their patterns, which are not even read."""
    made: list[bytes] = []
    for record, its_totals in zip(records, totals, strict=True):
        if len(made) % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)  # a large page does not keep others waiting
        campaign = models.Campaign.model_validate(_noun(record.wire[record.patterns_size :]))
        told = models.CampaignWithTotals(campaign=campaign, totals=its_totals)
        made.append(told.model_dump_json().encode())
    return made


def _noun(wire: bytes) -> object:
    return campaign_from_wire(pb.Campaign.FromString(wire))


def _totals(book: Book, record: CampaignRecord) -> models.CampaignTotals:
    mark = book.marks.by_pair.get(record.trade_pair)
    totals = book.campaigns.legs_of(record.campaign_id).totals(record.campaign_id, mark)
    return models.CampaignTotals.model_validate(totals)


def campaign_of(book: Book, campaign_id: str) -> CampaignRecord:
    """The campaign of that name. Raises NotFound."""
    shape.check_campaign_id(campaign_id)
    record = book.campaigns.by_id.get(campaign_id)
    if record is None:
        raise NotFound(f"there is no campaign {campaign_id}", campaign_id=campaign_id)
    return record


def _check_version(record: CampaignRecord, expected: int | None) -> None:
    if expected is not None and expected != record.version:
        raise VersionConflict(
            f"campaign {record.campaign_id} is at version {record.version}, not {expected}",
            current_version=record.version,
            expected_version=expected,
            campaign_id=record.campaign_id,
        )


def _etag(record: CampaignRecord) -> str:
    return f'"{record.version}"'
