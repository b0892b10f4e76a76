"""Answers: a model as JSON, with its revision in the body and in a header.

A large page is put together a few positions at a time, so that it keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.responses import Response

from hotbook_server.archive import Archive
from hotbook_server.web import models
from hotbook_server.web.http_status import HTTP_STATUS_OF
from hotbook_server.web.words import Told
from hotbook_shared import errors
from hotbook_shared.errors import HotbookError
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.record import Record
from hotbook_shared.wire import position_from_wire

REVISION_HEADER = "X-Hotbook-Revision"
CORRELATION_HEADER = "X-Correlation-Id"
YIELD_AFTER_ORDERS = 200
"""How many orders of one answer are looked at between two turns of the loop."""


def answer(
    told: Told, revision: int, parts: Iterable[bytes] = (), at: str = "", **headers: str
) -> Response:
    """A model as JSON; `parts` are ready, and stand in its list `at`."""
    body: Any = told.model_dump_json()
    if at:
        whole = told.model_dump(mode="json")
        body = msgspec.json.encode({**whole, at: [msgspec.Raw(part) for part in parts]})
    return Response(
        body, media_type="application/json", headers={REVISION_HEADER: str(revision), **headers}
    )


def position_of(wire: bytes) -> models.Position:
    noun = position_from_wire(pb.Position.FromString(wire))
    return models.Position.model_validate(noun)


async def positions_json(wires: Iterable[bytes]) -> list[bytes]:
    made, weight = [], 0
    for wire in wires:
        position = position_of(wire)
        weight += 1 + len(position.orders)
        if weight > YIELD_AFTER_ORDERS:
            await asyncio.sleep(0)  # a large page does not keep others waiting
            weight = 0
        made.append(position.model_dump_json().encode())
    return made


async def records_json(archive: Archive, records: list[Record]) -> list[bytes]:
    return await positions_json(await archive.use_all(lambda look: [look(one) for one in records]))


# ------------------------------------------------------------------ what OpenAPI says of them

_HEADERS = {
    REVISION_HEADER: {
        "description": "The book's revision, when this was answered.",
        "schema": {"type": "integer", "minimum": 0},
    },
    CORRELATION_HEADER: {
        "description": "The caller's own mark for this request, or one that was made for it.",
        "schema": {"type": "string"},
    },
}
_ANY_TIME: tuple[type[HotbookError], ...] = (
    errors.InvalidArgument,
    errors.MessageTooLarge,
    errors.QueueFull,
    errors.Unavailable,
    errors.InternalError,
    errors.DeadlineExceeded,
)


def told_by(*also: type[HotbookError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its answer, and the refusals that may come in its place."""
    found: dict[int | str, dict[str, Any]] = {200: {"headers": _HEADERS}}
    for error in (*_ANY_TIME, *also):
        status = HTTP_STATUS_OF[error]
        found[int(status)] = {
            "model": models.Problem,
            "description": _MEANING.get(status, status.phrase),
        }
    return found


_MEANING = {
    HTTPStatus.NOT_FOUND: "There is none of that name.",
    HTTPStatus.CONFLICT: "It is at another version: `details.current_version`.",
    HTTPStatus.GONE: "The listing was forgotten: begin at its first page again.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request cannot be right: `details.field` says where.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server is stopping, or its store has failed.",
}
