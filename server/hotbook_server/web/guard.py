"""What stands around every request: who may ask, how much at once, how long, telemetry, logs.

The same for REST and WebSocket, as rpc/guard.py is for calls of gRPC. Owns the requests under way,
and nothing of the book.

A stranger's page in a browser on this machine must not read the book. So a request has to name
this host, which a name that was made to point here afterwards does not; a WebSocket must come from
a page of ours, or from no page; and no answer is shared with other origins.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import uuid
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotbook_server.config import Settings
from hotbook_server.keeper import Keeper
from hotbook_server.logs import log
from hotbook_server.telemetry import Telemetry
from hotbook_server.web.answers import CORRELATION_HEADER, REVISION_HEADER
from hotbook_server.web.models import Problem
from hotbook_server.web.problems import bug, problem_response, refusal
from hotbook_shared.address import split_address
from hotbook_shared.errors import DeadlineExceeded, HotbookError, MessageTooLarge, QueueFull

QUERY_MAX_BYTES = 8 * 1024
_is_mark = re.compile(r"[\x21-\x7e]{1,128}").fullmatch

Abort = Callable[[Scope], None]
"""Ends a connection without waiting for who does not read."""


class Stranger(Exception):
    """A request that is not meant for this host, or comes from a page that is not ours."""

    def __init__(self, status: HTTPStatus, problem: Problem) -> None:
        super().__init__(problem.message)
        self.status = status
        self.problem = problem


class WebCall:
    """One request as the guard sees it."""

    __slots__ = (
        "correlation_id", "has_begun", "has_ended", "headers", "is_head", "scope", "started_s",
    )  # fmt: skip

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.started_s = perf_counter()
        self.has_begun = False
        """The answer has begun: nothing else can be said any more."""
        self.has_ended = False
        self.is_head = scope.get("method") == "HEAD"
        """What GET would answer, without its body."""
        given = self.headers.get(CORRELATION_HEADER, "")
        self.correlation_id = given if _is_mark(given) else uuid.uuid4().hex

    @property
    def route(self) -> str:
        return getattr(self.scope.get("endpoint"), "__name__", "unmatched")

    @property
    def refused(self) -> str:
        return str(self.scope["state"].get("refused", ""))


class WebGuard:
    def __init__(
        self, app: ASGIApp, settings: Settings, keeper: Keeper, telemetry: Telemetry, abort: Abort
    ) -> None:
        self._app = app
        self._keeper = keeper
        self._telemetry = telemetry
        self._abort = abort
        self.under_way = 0
        self._most = settings.concurrent_calls_max
        self._timeout_s = settings.call_timeout_s
        self._slow_s = settings.slow_call_ms / 1000
        self._host = split_address(settings.web_listen)[0].lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = WebCall(scope)
        # Names may have slashes in them: paths are taken apart as they were sent.
        scope["path"] = scope["raw_path"].decode("ascii", "replace")
        if call.is_head:  # every route reads: HEAD is GET, and its body goes nowhere
            scope["method"] = "GET"
        scope.setdefault("state", {})["correlation_id"] = call.correlation_id
        self.under_way += 1
        try:
            await self._answer(call, receive, self._marked(call, send))
        finally:
            self.under_way -= 1
            self._note(call)

    async def _answer(self, call: WebCall, receive: Receive, send: Send) -> None:
        refuse = functools.partial(self._refuse, call, receive, send)
        try:
            self._check(call)
            if call.scope["type"] == "websocket":  # it bounds each of its messages itself
                await self._app(call.scope, receive, send)
                return
            async with asyncio.timeout(self._timeout_s):
                await self._app(call.scope, receive, send)
        except Stranger as stranger:
            call.scope["state"]["refused"] = stranger.problem.code
            await refuse(problem_response(stranger.problem, stranger.status))
        except HotbookError as error:
            call.scope["state"]["refused"] = error.code
            await refuse(refusal(error))
        except TimeoutError:
            late = DeadlineExceeded(f"no answer in {self._timeout_s:g} s, or nobody read it")
            call.scope["state"]["refused"] = late.code
            await refuse(refusal(late))
        except Exception as error:
            log.error("a request failed", route=call.route, correlation_id=call.correlation_id,
                      exc_info=error)  # fmt: skip
            await refuse(bug(call.correlation_id))

    async def _refuse(self, call: WebCall, receive: Receive, send: Send, response: ASGIApp) -> None:
        if call.has_ended:
            return
        if call.has_begun:
            self._abort(call.scope)
        else:
            await response(call.scope, receive, send)

    # ---------------------------------------------------------------- who may ask

    def _check(self, call: WebCall) -> None:
        self._check_host(call.headers.get("host", ""))
        if call.scope["type"] == "websocket":
            _check_origin(call.headers)
        if len(call.scope["query_string"]) > QUERY_MAX_BYTES:
            raise MessageTooLarge(f"the query is longer than {QUERY_MAX_BYTES} bytes")
        if self.under_way > self._most:
            raise QueueFull(
                f"{self._most} requests are under way: try again in a moment",
                concurrent_calls_max=self._most,
            )
        self._keeper.check_working()

    def _check_host(self, given: str) -> None:
        """This host by its address, or by the name that it listens on."""
        name = _host_of(given)
        if name in ("localhost", self._host) or _is_ip_address(name):
            return
        raise Stranger(
            HTTPStatus.MISDIRECTED_REQUEST,
            Problem(
                code="MISDIRECTED",
                message=f"this server is not {given[:200] or 'named'}: ask it by its address, or "
                "let web_listen have that name",
                details={"host": given[:200]},
            ),
        )

    # ---------------------------------------------------------------- what is told of it

    def _marked(self, call: WebCall, send: Send) -> Send:
        """Sends with the headers that every answer has."""

        async def marked(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                call.has_begun = True
                headers = MutableHeaders(scope=message)
                headers.setdefault(REVISION_HEADER, str(self._keeper.book.revision))
                headers.setdefault("Cache-Control", "no-store")
                headers[CORRELATION_HEADER] = call.correlation_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            elif message["type"] == "websocket.accept":
                call.has_begun = True
            elif call.is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)
            if message["type"] == "http.response.body":
                call.has_ended = not message.get("more_body", False)

        return marked

    def _note(self, call: WebCall) -> None:
        seconds = perf_counter() - call.started_s
        self._telemetry.record(f"web.{call.route}", seconds)
        if call.refused:
            self._telemetry.record(f"refused.{call.refused}")
        facts = {"route": call.route, "seconds": round(seconds, 3),
                 "correlation_id": call.correlation_id}  # fmt: skip
        if seconds > self._slow_s and call.scope["type"] == "http":
            log.warning("slow request", **facts)
        else:
            log.debug("request", refused=call.refused, **facts)


def _check_origin(headers: Headers) -> None:
    """A browser says which page a WebSocket is from; programs need not."""
    origin = headers.get("origin")
    host = headers.get("host", "").lower()
    if origin is None or origin.lower().partition("://")[2] == host:
        return
    raise Stranger(
        HTTPStatus.FORBIDDEN,
        Problem(
            code="FOREIGN_ORIGIN",
            message=f"a page of {origin[:200]} may not read this server",
            details={"origin": origin[:200]},
        ),
    )


def _host_of(given: str) -> str:
    """The host of a Host header, without its port and without brackets; empty where it is none."""
    host, _, port = given.lower().rpartition(":")
    if not host or not port.isdecimal():
        host = given.lower()
    if host.startswith("["):
        return host[1:-1] if host.endswith("]") else ""
    return host


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
