"""Positions by their hotkeys."""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from hotbook_server.rpc.campaign_shape import page_size_of
from hotbook_server.web import models
from hotbook_server.web.answers import answer, position_of, positions_json, told_by
from hotbook_server.web.source import From, Source
from hotbook_server.web.words import (
    IN_PATH,
    Asked,
    AskedHotkey,
    AskedPair,
    AskedUuid,
    PageSize,
    PageToken,
)
from hotbook_shared.errors import NotFound, PageExpired
from hotbook_shared.names import check_hotkey, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record

router = APIRouter(tags=["positions"])

Hotkey = Annotated[AskedHotkey, IN_PATH]
Pair = Annotated[AskedPair, IN_PATH]
Uuid = Annotated[AskedUuid, IN_PATH]


class PageAsked(Asked):
    page_size: PageSize = None
    page_token: PageToken = ""


class PositionsAsked(PageAsked):
    open_only: bool = Field(False, description="Without the closed ones.")


@router.get("/hotkeys", response_model=models.HotkeyPage, responses=told_by())
async def list_hotkeys(source: From, asked: Annotated[PageAsked, Query()]) -> Response:
    """Every hotkey that has positions, with its counts, page by page."""
    book = source.keeper.book
    held, opened = book.positions.by_hotkey, book.positions.open
    names = sorted(held)
    size = page_size_of(asked.page_size or 0, source.settings)
    first = bisect_right(names, asked.page_token) if asked.page_token else 0
    page = names[first : first + size]
    told = models.HotkeyPage(
        revision=book.revision,
        hotkeys=tuple(
            models.HotkeyCounts(
                hotkey=name, positions=len(held[name]), open_positions=len(opened.get(name, ()))
            )
            for name in page
        ),
        next_page_token=page[-1] if first + size < len(names) else None,
    )
    return answer(told, book.revision)


@router.get(
    "/hotkeys/{hotkey}/positions",
    response_model=models.PositionPage,
    responses=told_by(PageExpired),
)
async def list_positions(
    source: From, hotkey: Hotkey, asked: Annotated[PositionsAsked, Query()]
) -> Response:
    """A hotkey's positions, page by page; none where the hotkey has none."""
    request = pb.ListRequest(
        hotkeys=[hotkey],
        open_only=asked.open_only,
        page_size=asked.page_size or 0,
        page_token=asked.page_token,
    )
    page = await source.positions.page_of(request)
    ready = await positions_json(chain.from_iterable(one.positions for one in page.hotkeys))
    told = models.PositionPage(
        revision=page.revision, positions=(), next_page_token=page.next_page_token or None
    )
    return answer(told, page.revision, ready, "positions")


@router.get(
    "/hotkeys/{hotkey}/positions/open/{trade_pair}",
    response_model=models.PositionAnswer,
    responses=told_by(NotFound),
)
async def get_open_position(source: From, hotkey: Hotkey, trade_pair: Pair) -> Response:
    """The open position of a hotkey on a trade pair; legs of campaigns aside."""
    check_hotkey(hotkey)
    check_trade_pair(trade_pair)
    found = source.keeper.book.positions.open_on_pair(hotkey, trade_pair)
    if found is None:
        raise NotFound(
            f"{hotkey} has nothing open on {trade_pair}", hotkey=hotkey, trade_pair=trade_pair
        )
    return await _one(source, found)


@router.get(
    "/positions/{hotkey}/{position_uuid}",
    response_model=models.PositionAnswer,
    responses=told_by(NotFound),
)
async def get_position(source: From, hotkey: Hotkey, position_uuid: Uuid) -> Response:
    """One position by its uuid; another hotkey's is as absent as one that is not there."""
    check_hotkey(hotkey)
    check_uuid(position_uuid)
    found = source.keeper.book.positions.by_uuid.get(position_uuid)
    if found is None or found.hotkey != hotkey:
        raise NotFound(
            f"{hotkey} has no position {position_uuid}", hotkey=hotkey, position_uuid=position_uuid
        )
    return await _one(source, found)


async def _one(source: Source, record: Record) -> Response:
    revision = source.keeper.book.revision
    position = position_of(await source.keeper.archive.use(record))
    return answer(models.PositionAnswer(revision=revision, position=position), revision)
