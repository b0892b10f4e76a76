"""The application: all routes under one roof, and what OpenAPI says of them.

It stands without a server, so that the description can be made, kept and compared.
"""

from __future__ import annotations

import asyncio
import functools
import json

from fastapi import FastAPI
from fastapi.responses import Response
from fastapi.routing import APIRoute

from hotbook_server.web import campaigns, docs, live, market, positions
from hotbook_server.web.openapi import openapi_of
from hotbook_server.web.problems import handle_problems
from hotbook_shared import __version__

PREFIX = "/api/v1"

DESCRIPTION = """
Reads of the book: campaigns, their legs and totals, positions, the market.
**Nothing is written here**: writes go by gRPC, with its client and its command line.

* Numbers of money and size are decimal texts, `"1.25750000"`, without an exponent.
* Times are UTC, `"2026-03-01T14:30:00.000Z"`.
* Every answer has the revision that it is of, in its body and as `X-Hotbook-Revision`.
* Names may have any printable character; in a path a slash is written `%2F`.
* A refusal has a stable `code`, a `message` for people and `details` for programs.

**Live**: a WebSocket at `/api/v1/live`. The first message subscribes (`LiveSubscription`):
`{"hotkeys": ["desk-1"]}`. What comes back is one `LiveMessage` a text, each with a `number` and a
`history`. Whoever was cut off sends the last two that came, `{"from": 4711, "history": "5f1c0a"}`,
and gets what was missed; where that is no longer known, a `reload` comes and then everything as it
stands. What is told of a campaign is how it stands now: taken in twice it does no harm. A client
that does not read is cut off.
"""


def make_app() -> FastAPI:
    app = FastAPI(
        title="hotbook",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_named_after_its_function,
    )
    for router in (campaigns.router, positions.router, market.router, live.router):
        app.include_router(router, prefix=PREFIX)
    app.add_api_route("/openapi.json", show_openapi, include_in_schema=False)
    app.include_router(docs.router)
    handle_problems(app)
    return app


def _named_after_its_function(route: APIRoute) -> str:
    return route.name


@functools.cache
def openapi_text() -> str:
    return json.dumps(openapi_of(make_app()), indent=2, ensure_ascii=False) + "\n"


async def show_openapi() -> Response:
    """Made for the first who asks, on a thread: it takes a while, and nobody else is to wait."""
    return Response(await asyncio.to_thread(openapi_text), media_type="application/json")
