"""What the workloads stand on: a server process with a raw echo on the same loop, and timers.

The echo is a grpc.aio server that answers every request with bytes it was given before: the least
that any gRPC server in Python does. It shares loop, process and core with hotbook, and the rounds
of the two alternate, so that a noisy neighbour disturbs both alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import uvloop

from hotbook._connection import OPTIONS
from hotbook_server.config import load_settings
from hotbook_server.journal.base import Batch
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.logs import configure_logs
from hotbook_server.server import Server
from hotbook_shared.record import Change, ChangeKind, Record

ECHO = "/bench.Echo/Echo"


class Rig:
    """Where the two servers listen, and the first of them for the web, if it does."""

    def __init__(self, target: str, echo: str, web: str, process: subprocess.Popen[str]) -> None:
        self.target = target
        self.echo = echo
        self.web = web
        self.pid = process.pid


@contextlib.contextmanager
def rig(data_dir: Path, **settings: object) -> Iterator[Rig]:
    """A server over a data folder in a process of its own."""
    flags = [f"{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "tests.bench.rig", f"data_dir={data_dir}", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            target, echo, web = process.stdout.readline().split()
            yield Rig(target, echo, web, process)
        finally:
            process.terminate()


async def _serve(flags: dict[str, Any]) -> None:
    configure_logs("warning", "text")
    settings = load_settings(
        **{"listen": "127.0.0.1:0", "metrics_listen": "off", "web_listen": "off",
           "log_level": "warning", **flags}
    )  # fmt: skip
    server = Server(settings)
    await server.start()
    echo = grpc.aio.server()
    replies: dict[bytes, bytes] = {}

    async def answer(body: bytes, context: Any) -> bytes:
        return replies.get(body) or replies.setdefault(*_taught(body))

    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    echo.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench.Echo", {"Echo": handler}),)
    )
    port = echo.add_insecure_port("127.0.0.1:0")
    await echo.start()
    print(server.address, f"127.0.0.1:{port}", server.web_address or "off", flush=True)
    await server.wait()
    await echo.stop(None)
    await server.stop()


def _taught(body: bytes) -> tuple[bytes, bytes]:
    """A first message teaches the echo: four bytes of length, the request, then its answer."""
    length = int.from_bytes(body[:4], "big")
    return body[4 : 4 + length], body[4 + length :]


class Caller:
    """Raw calls, bytes in and bytes out: what is measured is the server, not a client."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)

    def method(self, path: str) -> Callable[[bytes], Awaitable[bytes]]:
        call: Any = self._channel.unary_unary(path)

        async def one(body: bytes) -> bytes:
            return await call(body, timeout=30)  # type: ignore[no-any-return]

        return one

    async def teach(self, request: bytes, reply: bytes) -> Callable[[bytes], Awaitable[bytes]]:
        """An echo that gives this reply to this request."""
        echo = self.method(ECHO)
        await echo(len(request).to_bytes(4, "big") + request + reply)
        assert await echo(request) == reply
        return echo

    async def close(self) -> None:
        await self._channel.close()


async def timed(count: int, act: Callable[[], Awaitable[object]]) -> float:
    """Seconds for one act, over so many in a row."""
    started = time.perf_counter()
    for _ in range(count):
        await act()
    return (time.perf_counter() - started) / count


async def rate(seconds: float, callers: int, act: Callable[[], Awaitable[object]]) -> float:
    """Acts a second, by so many callers side by side."""
    done, until = 0, time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await act()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.perf_counter() - started)


def fill(data_dir: Path, records: list[Record]) -> None:
    """Writes a large book straight into a journal."""
    write(
        data_dir,
        [Change(number, ChangeKind.SAVED, record.position_uuid, record)
         for number, record in enumerate(records, start=1)],
    )  # fmt: skip


def write(data_dir: Path, changes: list[Change]) -> None:
    """Writes the first changes of a book straight into a journal."""
    journal = SqliteJournal(data_dir)
    for start in range(0, len(changes), 10_000):
        journal.append(Batch(changes[start : start + 10_000], [], at_ms=0))
    journal.close()


if __name__ == "__main__":
    uvloop.run(_serve(dict(flag.split("=", 1) for flag in sys.argv[1:])))
