"""What answers are made from: the book's keeper and the services beside it, given to each route.

Routes are plain functions, so that what OpenAPI says of them needs no server.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends
from starlette.requests import HTTPConnection

from hotbook_server.clock import Clock
from hotbook_server.config import Settings
from hotbook_server.keeper import Keeper
from hotbook_server.live import Live
from hotbook_server.rpc.positions import PositionsService


class Source(msgspec.Struct, frozen=True):
    settings: Settings
    keeper: Keeper
    clock: Clock
    positions: PositionsService
    live: Live


async def _source_of(connection: HTTPConnection) -> Source:
    source = connection.app.state.source
    assert isinstance(source, Source)
    return source


From = Annotated[Source, Depends(_source_of)]
