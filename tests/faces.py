"""The faces of the client, each as if it were the blocking one, so that one test runs over all."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Protocol, cast

import hotbook
from hotbook import Client, aio

DRIVEN_MOST_S = 120.0


class Connect(Protocol):
    def __call__(self, target: str, *, timeout_s: float = ...) -> Client: ...


class Driven:
    """A client of asyncio that waits for each call, and so may be used like the blocking one."""

    def __init__(self, client: aio.Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if not callable(method):  # a property, which waits for nothing
            return method  # type: ignore[no-any-return]

        def call(*args: Any, **named: Any) -> Any:
            made = method(*args, **named)
            return self._waited(made) if inspect.isawaitable(made) else self._each(made)

        return call

    def __enter__(self) -> Driven:
        self._waited(self._client.__aenter__())
        return self

    def __exit__(self, *raised: Any) -> None:
        self._waited(self._client.__aexit__(*raised))

    def _waited(self, made: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await made

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(DRIVEN_MOST_S)

    def _each(self, made: AsyncGenerator[Any, None]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._waited(anext(made))
                except StopAsyncIteration:
                    return
        finally:
            self._waited(made.aclose())


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread. Nothing may be left on it at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DRIVEN_MOST_S)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextlib.contextmanager
def blocking() -> Iterator[Connect]:
    yield hotbook.connect


@contextlib.contextmanager
def asynchronous() -> Iterator[Connect]:
    """Clients of asyncio, all on one loop."""
    with running_loop() as loop:

        def connect(target: str, *, timeout_s: float = 10.0) -> Client:
            return cast(Client, Driven(aio.connect(target, timeout_s=timeout_s), loop))

        yield connect


FACES: dict[str, Callable[[], contextlib.AbstractContextManager[Connect]]] = {
    "blocking": blocking,
    "asyncio": asynchronous,
}
