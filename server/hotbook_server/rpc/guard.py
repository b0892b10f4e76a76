"""What stands around every call: parsing, deadline, errors to status, telemetry, logs.

One wrapper a kind of call, put on when the service is registered, in place of gRPC's interceptors:
the same for every method, and cheaper, for nothing is looked up call by call.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from hotbook_server.config import Settings
from hotbook_server.logs import log
from hotbook_server.telemetry import Telemetry
from hotbook_shared.errors import (
    DeadlineExceeded,
    HotbookError,
    InternalError,
    InvalidArgument,
    QueueFull,
    Unavailable,
)
from hotbook_shared.status import error_metadata, error_to_status

CUT_OFF_MOST = 16
CORRELATION_KEY = "x-correlation-id"
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}").fullmatch
_NO_ANSWER = (
    "no answer in time; the outcome of a write is unknown: repeat it with the same request id"
)


class Call:
    """One call as a method sees it."""

    __slots__ = (
        "_correlation_id", "body", "context", "has_deadline", "method", "timeout_s", "when_stalled",
    )  # fmt: skip

    def __init__(self, method: str, body: bytes, context: Any, default_timeout_s: float) -> None:
        self.method = method
        self.body = body
        self.context = context
        remaining = context.time_remaining()
        self.has_deadline = remaining is not None
        self._correlation_id = ""
        self.when_stalled: Callable[[float], HotbookError] = _stalled
        """What the reader of a stream is told that takes nothing for so many seconds."""
        self.timeout_s: float = default_timeout_s if remaining is None else remaining

    @property
    def correlation_id(self) -> str:
        """The caller's own mark for this call, for logs and errors; made up where there is none."""
        if not self._correlation_id:
            given = dict(self.context.invocation_metadata() or ()).get(CORRELATION_KEY)
            valid = isinstance(given, str) and _CORRELATION(given)
            self._correlation_id = str(given) if valid else uuid.uuid4().hex
        return self._correlation_id


def _stalled(seconds: float) -> HotbookError:
    return DeadlineExceeded(f"nothing was read for {seconds:g} s")


Unary = Callable[[Any, Call], Awaitable[bytes]]
ServerStream = Callable[[Any, Call], AsyncGenerator[bytes]]
BidiStream = Callable[[AsyncIterator[Any], Call], AsyncGenerator[bytes]]


class Guard:
    """Makes gRPC handlers of a service's methods, and counts the calls under way.

    gRPC's own limit on calls counts those as well that it cannot end, for their reader takes
    nothing; so the count is ours.
    """

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        self._under_way = 0
        self._cut_off_calls: Counter[str] = Counter()
        """By peer: streams that were cut off, and whose end has not been read."""
        self._most = settings.concurrent_calls_max
        self._ended = asyncio.Event()
        self._draining = False
        self._timeout_s = settings.call_timeout_s
        self._slow_s = settings.slow_call_ms / 1000
        self._telemetry = telemetry

    def handlers(self, service: ServiceDescriptor, *methods: object) -> grpc.GenericRpcHandler:
        """All methods of a service, each named after its rpc, in snake case; of several objects
        the first that has it."""
        return grpc.method_handlers_generic_handler(
            service.full_name,
            {
                method.name: self._handler(method, method_of(methods, method.name))
                for method in service.methods
            },
        )

    async def drain(self, timeout_s: float) -> None:
        """Lets no new calls in, and waits until those under way have ended, or so long."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                while self._under_way:
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            log.warning("calls are cut off", under_way=self._under_way)

    def _enter(self) -> None:
        self._under_way += 1
        if self._draining:
            raise Unavailable("the server is stopping")
        if self._under_way > self._most:
            raise QueueFull(
                f"{self._most} calls are under way: try again in a moment",
                concurrent_calls_max=self._most,
            )

    def _leave(self) -> None:
        self._under_way -= 1
        if self._draining:
            self._ended.set()

    def _handler(self, method: MethodDescriptor, act: Any) -> Any:
        # Bytes in, bytes out: garbage gets our error, and ready answers are not encoded again.
        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(self._bidi(method, act))
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._server_stream(method, act))
        return grpc.unary_unary_rpc_method_handler(self._unary(method, act))

    def _unary(self, method: MethodDescriptor, act: Unary) -> Any:
        parse, name, series = _parser(method), method.name, f"rpc.{method.name}"
        record, slow_s, default_timeout_s = self._telemetry.record, self._slow_s, self._timeout_s

        async def unary(body: bytes, context: Any) -> bytes:
            started = perf_counter()
            call = Call(name, body, context, default_timeout_s)
            try:
                self._enter()
                if call.has_deadline:  # gRPC itself ends the call when it passes
                    return await act(parse(body), call)
                async with asyncio.timeout(default_timeout_s):
                    return await act(parse(body), call)
            except TimeoutError:
                await self._refuse(call, DeadlineExceeded(_NO_ANSWER))
            except HotbookError as error:
                await self._refuse(call, error)
            except Exception as error:
                await self._fail(call, error)
            finally:
                self._leave()
                seconds = perf_counter() - started
                record(series, seconds)
                if seconds > slow_s:
                    log.warning("slow call", rpc=name, seconds=round(seconds, 3),
                                correlation_id=call.correlation_id)  # fmt: skip

        return unary

    def _server_stream(self, method: MethodDescriptor, act: ServerStream) -> Any:
        parse = _parser(method)

        async def server_stream(body: bytes, context: Any) -> None:
            call = Call(method.name, body, context, self._timeout_s)
            await self._send(call, lambda: act(parse(body), call))

        return server_stream

    def _bidi(self, method: MethodDescriptor, act: BidiStream) -> Any:
        parse = _parser(method)

        async def requests(context: Any) -> AsyncIterator[Any]:
            while (body := await context.read()) is not grpc.aio.EOF:
                yield parse(body), body

        async def bidi(_: Any, context: Any) -> None:
            call = Call(method.name, b"", context, self._timeout_s)
            await self._send(call, lambda: act(requests(context), call))

        return bidi

    async def _send(self, call: Call, replies: Callable[[], AsyncGenerator[bytes]]) -> None:
        """Writes a stream of replies. A reader that takes nothing for too long is cut off."""
        started = perf_counter()
        headers: asyncio.Future[None] | None = None
        stalled = False
        try:
            self._enter()
            self._check_reads(call)
            headers = asyncio.ensure_future(call.context.send_initial_metadata(()))
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(headers)
            async with contextlib.aclosing(replies()) as stream:  # whatever ends it, end it now
                async for reply in stream:
                    async with asyncio.timeout(self._timeout_s):
                        await call.context.write(reply)
        except TimeoutError:
            stalled = True
        except HotbookError as error:
            await self._refuse(call, error)
        except grpc.aio.InternalError as error:  # what gRPC says of a write to one who has left
            log.debug("the reader has left", rpc=call.method, reason=str(error))
        except Exception as error:
            await self._fail(call, error)
        finally:
            self._leave()
            self._telemetry.record(f"rpc.{call.method}", perf_counter() - started)
        if stalled and headers is not None:
            await self._cut_off(call, headers)

    async def _cut_off(self, call: Call, headers: asyncio.Future[None]) -> NoReturn:
        """The status waits behind what is not read. For us the call is over already, but gRPC holds
        on to what it could not send: so a peer may leave only so many of them.

        It cannot end a call while headers are under way, which a reply without them would have
        with it: that is why they are sent alone, and waited for.
        """
        peer = call.context.peer()
        self._cut_off_calls[peer] += 1
        try:
            await headers
            await self._refuse(call, call.when_stalled(self._timeout_s))
        finally:
            self._cut_off_calls[peer] -= 1
            if not self._cut_off_calls[peer]:
                del self._cut_off_calls[peer]

    def _check_reads(self, call: Call) -> None:
        """Whoever leaves streams unread is given no more of them."""
        if self._cut_off_calls and self._cut_off_calls[call.context.peer()] >= CUT_OFF_MOST:
            raise QueueFull(
                f"{CUT_OFF_MOST} streams of this connection were cut off and are still unread: "
                "read or cancel them first",
                cut_off_max=CUT_OFF_MOST,
            )

    async def _refuse(self, call: Call, error: HotbookError) -> NoReturn:
        self._telemetry.record(f"refused.{error.code}")
        status, message, details = error_to_status(error)
        log.debug("refused", rpc=call.method, code=error.code, reason=message,
                  correlation_id=call.correlation_id)  # fmt: skip
        await call.context.abort(status, message, error_metadata(details))
        raise AssertionError("abort raises")

    async def _fail(self, call: Call, error: Exception) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        mark = call.correlation_id
        log.error("a call failed", rpc=call.method, correlation_id=mark, exc_info=error)
        await self._refuse(
            call,
            InternalError(
                f"a bug in the server; its log has more under {mark}", correlation_id=mark
            ),
        )


def method_of(services: Iterable[object], rpc: str) -> Any:
    """The method of an rpc: its name in snake case; of several services the first that has it."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower()
    return next(getattr(one, name) for one in services if hasattr(one, name))


def _parser(method: MethodDescriptor) -> Callable[[bytes], Message]:
    kind = GetMessageClass(method.input_type)

    def parse(body: bytes) -> Message:
        try:
            return kind.FromString(body)
        except DecodeError:
            name = method.input_type.full_name
            raise InvalidArgument(f"the request is not a {name}", field="request") from None

    return parse
