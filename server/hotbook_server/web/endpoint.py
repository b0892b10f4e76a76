"""The web server: uvicorn on the server's own loop, on a socket of its own.

It handles no signals and ends no process: it starts and stops with the server around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from contextlib import AbstractContextManager

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from hotbook_server.logs import log
from hotbook_server.telemetry import Telemetry
from hotbook_server.web.app import make_app
from hotbook_server.web.guard import WebGuard
from hotbook_server.web.source import Source
from hotbook_shared.address import split_address

HEADERS_MAX_BYTES = 16 * 1024
SUBSCRIPTION_MAX_BYTES = 1024 * 1024


class _Uvicorn(uvicorn.Server):
    """Says when it has started, and leaves the process' signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


class _Connection(H11Protocol):
    """Ends where a request does not come whole, as uvicorn lets it end between two requests.

    Otherwise whoever opens connections and says nothing holds files of the process for ever, and a
    few hundred of them lock everybody out, callers of gRPC too.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._end_at(self.loop.time() + self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        waiting, cycle = self.timeout_keep_alive_task, self.cycle
        super().data_received(data)
        # NB: uvicorn takes any letter for a request, and waits for the rest of it without end.
        is_ours = self in self.connections and not self.transport.is_closing()
        if is_ours and waiting is not None and self.cycle is cycle:
            self._end_at(waiting.when())

    def _end_at(self, time_s: float) -> None:
        handler = self.timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_at(time_s, handler)


class WebEndpoint:
    """Binds at once, so that a port in use is an OSError here; serves from `start` on."""

    def __init__(self, listen: str) -> None:
        self._socket = _bound(listen)
        port = self._socket.getsockname()[1]
        self.address = f"{listen.rpartition(':')[0]}:{port}"

    async def start(self, source: Source, telemetry: Telemetry) -> None:
        app = make_app()
        app.state.source = source
        settings = source.settings
        guarded = self._guard = WebGuard(app, settings, source.keeper, telemetry, self._abort)
        config = uvicorn.Config(
            guarded,
            http=_Connection,
            ws="websockets-sansio",
            lifespan="off",
            loop="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws_max_size=SUBSCRIPTION_MAX_BYTES,
            h11_max_incomplete_event_size=HEADERS_MAX_BYTES,
            timeout_graceful_shutdown=max(1, round(settings.drain_s)),
        )
        _log_in_our_way()
        self._server = _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        started = asyncio.create_task(self._server.has_started.wait())
        await asyncio.wait((self._serving, started), return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            started.cancel()
            await self._serving

    @property
    def under_way(self) -> int:
        """Requests and live connections."""
        return self._guard.under_way

    def close(self) -> None:
        """Lets go of the port of one that was never started."""
        self._socket.close()

    async def stop(self) -> None:
        """Answers what is under way, for as long as a drain may last, and ends."""
        self._server.should_exit = True
        await self._serving

    def _abort(self, scope: Scope) -> None:
        """Ends a connection at once; closing it would wait until what was sent is read."""
        for connection in list(self._server.server_state.connections):
            if getattr(connection, "scope", None) is scope and connection.transport is not None:
                connection.transport.abort()


def _bound(listen: str) -> socket.socket:
    host, port = split_address(listen)
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # NB: the protocol too, or asyncio does not turn Nagle's delay off: 40 ms an answer.
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


_OF_A_REFUSAL = "ASGI callable returned without completing handshake."
"""Said as an error of each WebSocket that was refused by an answer, which the guard has noted."""


class _OurLog(logging.Handler):
    """What uvicorn has to say, in the log of everybody else."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == _OF_A_REFUSAL:
            return
        tell = log.warning if record.levelno < logging.ERROR else log.error
        error = record.exc_info[1] if record.exc_info else None
        tell("web server", said=record.getMessage().strip(), exc_info=error)


def _log_in_our_way() -> None:
    for name in ("uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers = [_OurLog(logging.WARNING)]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
