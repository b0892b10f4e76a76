"""/api/v1/live: a WebSocket that follows campaigns, from a number that the client has.

The first message subscribes; from then on only the server speaks. A client that does not read is
cut off, and one that comes back goes on from its last number.
"""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from hotbook_server.live import LivePart
from hotbook_server.logs import log
from hotbook_server.rpc.feed import check_mark
from hotbook_server.web.live_messages import LiveError, LiveSubscription, Numbered, Numbers
from hotbook_server.web.problems import path_of
from hotbook_server.web.source import From, Source
from hotbook_shared.campaign_wire import news_from_wire
from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    InternalError,
    InvalidArgument,
    Unavailable,
)

router = APIRouter()

CLOSE_BAD, CLOSE_BUG, CLOSE_RESTART, CLOSE_LATER = 1008, 1011, 1012, 1013
HEARTBEAT_S = 5.0


@router.websocket("/live")
async def follow_live(socket: WebSocket, source: From) -> None:
    """Raises TimeoutError where the client does not read: the guard then ends the connection."""
    await socket.accept()
    numbers = Numbers()
    try:
        asked = await _subscription(socket, source.settings.call_timeout_s)
        numbers = Numbers(asked.from_number or 0, asked.history)
        await _tell(socket, source, asked, numbers)
    except WebSocketDisconnect:
        return
    except HotbookError as error:
        await _end(socket, source, error, numbers)
    except TimeoutError:
        raise
    except Exception as error:
        mark = socket.state.correlation_id
        log.error("a live connection failed", correlation_id=mark, exc_info=error)
        bug = InternalError(f"a bug in the server; its log has more under {mark}")
        await _end(socket, source, bug, numbers)


async def _subscription(socket: WebSocket, timeout_s: float) -> LiveSubscription:
    try:
        async with asyncio.timeout(timeout_s):
            first = await socket.receive_text()
    except TimeoutError:
        raise DeadlineExceeded(f"no subscription came in {timeout_s:g} s") from None
    except KeyError:
        raise InvalidArgument("the subscription must be a text", field="request") from None
    try:
        return LiveSubscription.model_validate_json(first)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = path_of(wrong["loc"])
        raise InvalidArgument(f"{field}: {wrong['msg']}", field=field) from None


async def _tell(
    socket: WebSocket, source: Source, asked: LiveSubscription, numbers: Numbers
) -> None:
    """Tells the news until the client leaves or speaks, or the server stops."""
    telling = asyncio.create_task(_tell_news(socket, source, asked, numbers))
    hearing = asyncio.create_task(_hear(socket))
    try:
        await asyncio.wait((telling, hearing), return_when=asyncio.FIRST_COMPLETED)
        for task in (hearing, telling):
            if task.done():
                await task
    finally:
        for task in (telling, hearing):
            task.cancel()
        await asyncio.wait((telling, hearing))


async def _tell_news(
    socket: WebSocket, source: Source, asked: LiveSubscription, numbers: Numbers
) -> None:
    part = LivePart(asked.campaigns, asked.hotkeys, asked.trade_pairs)
    check_mark(asked.history)
    frames = source.live.follow(part, asked.from_number, HEARTBEAT_S, asked.history)
    async with contextlib.aclosing(frames):
        async for frame in frames:
            for message in numbers.messages(news_from_wire(frame)):
                await _send(socket, message, source.settings.call_timeout_s)


async def _hear(socket: WebSocket) -> None:
    """Raises what ends the connection from the client's side."""
    with contextlib.suppress(KeyError):  # it was no text
        await socket.receive_text()
    raise InvalidArgument("one subscription a connection: open another", field="request")


async def _send(socket: WebSocket, message: Numbered, timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        await socket.send_text(message.model_dump_json())


async def _end(socket: WebSocket, source: Source, error: HotbookError, numbers: Numbers) -> None:
    """The last message says why, and the close says it again in a number."""
    last = LiveError(
        number=numbers.number,
        history=numbers.history,
        code=error.code,
        message=error.message,
        details=dict(error.details),
    )
    socket.state.refused = error.code
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await _send(socket, last, source.settings.call_timeout_s)
        await socket.close(_close_code(error), error.message[:100])


def _close_code(error: HotbookError) -> int:
    if isinstance(error, InternalError):
        return CLOSE_BUG
    if isinstance(error, Unavailable):
        return CLOSE_RESTART
    return CLOSE_LATER if error.retryable else CLOSE_BAD
