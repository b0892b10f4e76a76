"""Assembles a server from its settings: the only file that knows all the others."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hotbook_server.clock import Clock, SystemClock
from hotbook_server.config import Settings
from hotbook_server.engine import Engine
from hotbook_server.following import Following
from hotbook_server.journal.base import DiskIsFull, Journal, JournalBroken, Progress
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_server.journal.store import FolderInUse, StoreTooNew
from hotbook_server.keeper import Keeper
from hotbook_server.live import Live
from hotbook_server.logs import log
from hotbook_server.rpc.campaigns import CampaignsService
from hotbook_server.rpc.feed import FeedService
from hotbook_server.rpc.follow import FollowService
from hotbook_server.rpc.guard import Guard
from hotbook_server.rpc.market import MarketService
from hotbook_server.rpc.operations import OperationsService
from hotbook_server.rpc.orders import OrdersService
from hotbook_server.rpc.positions import PositionsService
from hotbook_server.rpc.splitting import SplittingService
from hotbook_server.splitter import Splitter
from hotbook_server.telemetry import MetricsEndpoint, Telemetry
from hotbook_shared.address import split_address
from hotbook_shared.errors import InvalidArgument, JournalFailed, Unavailable
from hotbook_shared.model import Durability
from hotbook_shared.pb import hotbook_pb2 as pb

if TYPE_CHECKING:
    from hotbook_server.web.endpoint import WebEndpoint

SERVICES = pb.DESCRIPTOR.services_by_name

EXIT_CANNOT_START = 1
EXIT_JOURNAL_FAILED = 74
LAST_REPLIES_S = 0.5  # for replies on their way, when every call of ours has ended


class CannotStart(Exception):
    """The server could not be started; the message is one line that says why."""

    def __init__(self, reason: str, exit_code: int = EXIT_CANNOT_START) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Server:
    """A running server. `wait` ends when it is told to stop, or when its journal has failed."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        on_step: Callable[[str], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        if settings.follow is not None:  # nothing of its own is on disk
            settings = settings.model_copy(update={"durability": Durability.MEMORY})
        self.settings = settings
        self.clock = clock or SystemClock()
        self.telemetry = Telemetry(settings.telemetry_names_max)
        self._on_step = on_step
        self._given_journal = journal
        self._told_to_stop = asyncio.Event()
        self._metrics: MetricsEndpoint | None = None
        self._web: WebEndpoint | None = None
        self._is_serving = False

    async def start(self, progress: Progress | None = None) -> None:
        """Whatever goes wrong, what was started before it is stopped, and another may start."""
        async with contextlib.AsyncExitStack() as started:
            # The ports first: a second server on one must fail before it touches any data.
            await self._bind_all(started)
            self.engine = await self._keep(progress)
            started.push_async_callback(self.engine.stop)
            self.splitter = Splitter(self.engine)
            if self.settings.split_on_load and self.settings.follow is None:  # a leader sees to it
                await self._split()
            gc.freeze()  # the loaded book is not garbage: keep the collector from walking it
            self._register()
            await self._grpc.start()
            if self._web is not None:
                await self._start_web(self._web)
                started.push_async_callback(self._web.stop)
            await self._set_health(health_pb2.HealthCheckResponse.SERVING)
            started.pop_all()  # nothing can go wrong any more: from now on `stop` sees to it
        self._is_serving = True
        self._failure_watch = asyncio.create_task(self._watch_for_failure())

    async def _bind_all(self, started: contextlib.AsyncExitStack) -> None:
        self._grpc = grpc.aio.server(options=_grpc_options(self.settings))
        started.push_async_callback(self._grpc.stop, None)
        self.address = self._bind()
        if self.settings.web_listen != "off":
            self._web = self._bind_web()
            started.callback(self._web.close)
        if self.settings.metrics_listen != "off":
            self._metrics = self._bind_metrics()
            started.push_async_callback(asyncio.to_thread, self._metrics.close)

    async def _keep(self, progress: Progress | None) -> Keeper:
        """Who keeps the book, once the book is there."""
        try:
            if self.settings.follow is not None:
                follower = Following(self.settings, self.clock)
                await follower.start(progress)
                return follower
            with contextlib.ExitStack() as opened:
                journal = self._given_journal or self._open_journal()
                opened.callback(journal.close)
                engine = Engine(self.settings, journal, self.clock, self.telemetry, self._on_step)
                await engine.start(progress)
                opened.pop_all()
            return engine
        except (JournalBroken, DiskIsFull, InvalidArgument, Unavailable) as error:
            raise CannotStart(str(error)) from error

    def _open_journal(self) -> Journal:
        try:
            return _open_journal(self.settings, self._on_step)
        except OSError as error:
            reason = f"cannot use the data folder {self.settings.data_dir}: {error.strerror}"
            raise CannotStart(reason) from error
        except (FolderInUse, StoreTooNew, JournalBroken, DiskIsFull) as error:
            raise CannotStart(str(error)) from error

    @property
    def metrics_address(self) -> str | None:
        return self._metrics.address if self._metrics else None

    @property
    def web_address(self) -> str | None:
        return self._web.address if self._web else None

    async def wait(self) -> int:
        """Waits for the end. Returns the process' exit code."""
        told = asyncio.create_task(self._told_to_stop.wait())
        await asyncio.wait((told, self._failure_watch), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        return EXIT_JOURNAL_FAILED if self.engine.failure.done() else 0

    def tell_to_stop(self) -> None:
        self._told_to_stop.set()

    async def stop(self) -> None:
        """Drains: no new work, what was accepted is answered, then everything is let go."""
        self.engine.refuse_new_work()
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.gather(self._guard.drain(self.settings.drain_s), self._stop_web())
        await self._grpc.stop(LAST_REPLIES_S)
        self._failure_watch.cancel()
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        await self.engine.stop()

    async def _split(self) -> None:
        """Splits what needs it, before anybody is served."""
        count = 0
        try:
            async for step in self.splitter.split_all():
                count += len(step.splits)
                for record, error in step.refused:
                    log.error("not split", hotkey=record.hotkey, position=record.position_uuid,
                              reason=error.message)  # fmt: skip
        except JournalFailed as error:
            raise CannotStart(str(error), EXIT_JOURNAL_FAILED) from error
        log.info("split on load", positions=count, hotkeys=len(self.splitter.stats))

    def gauges(self) -> dict[str, float]:
        if not self._is_serving:  # the page is there before the book is
            return {}
        positions = self.engine.book.positions
        return {
            "revision": self.engine.book.revision,
            "positions": len(positions.by_uuid),
            "open_positions": positions.open_count,
            "hotkeys": len(positions.by_hotkey),
            "queue_depth": len(self.engine.intake),
            "quarantined": self.engine.quarantined,
            "lag_ms": self.engine.lag_ms,
            "watchers": self.engine.feed.watchers,
            "feed_changes": self.engine.feed.changes,
            "feed_frames": self.engine.feed.frames,
            "web_requests": self._web.under_way if self._web is not None else 0,
            **self.engine.archive.figures,
        }

    def _bind(self) -> str:
        host, _, _ = self.settings.listen.rpartition(":")
        try:
            port = self._grpc.add_insecure_port(self.settings.listen)
        except RuntimeError as error:
            raise CannotStart(
                f"cannot listen on {self.settings.listen}: {_why_not(self.settings.listen)}"
            ) from error
        return f"{host}:{port}"

    def _register(self) -> None:
        self._live = Live(self.settings, self.engine, self.clock)
        guard = self._guard = Guard(self.settings, self.telemetry)
        positions = self._positions = PositionsService(self.settings, self.engine, self.clock)
        orders = OrdersService(self.settings, self.engine)
        splitting = SplittingService(self.settings, self.engine, self.splitter)
        feed = FeedService(self.settings, self.engine)
        campaigns = CampaignsService(self.settings, self.engine)
        follow = FollowService(self.settings, self._live)
        market = MarketService(self.settings, self.engine)
        operations = OperationsService(self.settings, self.engine, self.clock, self.telemetry)
        self._grpc.add_generic_rpc_handlers(
            (
                guard.handlers(SERVICES["Positions"], positions),
                guard.handlers(SERVICES["Orders"], orders),
                guard.handlers(SERVICES["Splitting"], splitting),
                guard.handlers(SERVICES["Feed"], feed),
                guard.handlers(SERVICES["Campaigns"], campaigns, follow),
                guard.handlers(SERVICES["Market"], market),
                guard.handlers(SERVICES["Operations"], operations),
            )
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        if self.settings.reflection:
            names = [service.full_name for service in SERVICES.values()]
            names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._grpc)

    def _bind_metrics(self) -> MetricsEndpoint:
        listen = self.settings.metrics_listen
        try:
            return MetricsEndpoint(self.telemetry, self.gauges, listen)
        except OSError as error:
            raise CannotStart(
                f"cannot serve metrics on {listen}: {error.strerror}; "
                "choose another --metrics-listen, or off"
            ) from error

    def _bind_web(self) -> WebEndpoint:
        # Imported where it is served: without it a server starts sooner and is smaller.
        from hotbook_server.web.endpoint import WebEndpoint

        listen = self.settings.web_listen
        try:
            return WebEndpoint(listen)
        except OSError as error:
            raise CannotStart(
                f"cannot serve the web on {listen}: {error.strerror}; "
                "choose another --web-listen, or off"
            ) from error

    async def _start_web(self, web: WebEndpoint) -> None:
        from hotbook_server.web.source import Source

        source = Source(self.settings, self.engine, self.clock, self._positions, self._live)
        await web.start(source, self.telemetry)

    async def _stop_web(self) -> None:
        if self._web is not None:
            await self._web.stop()

    async def _set_health(self, status: int) -> None:
        for name in ("", *(service.full_name for service in SERVICES.values())):
            await self._health.set(name, status)

    async def _watch_for_failure(self) -> None:
        await asyncio.shield(self.engine.failure)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)


async def serve(
    settings: Settings,
    announce: Callable[[Server], None],
    progress: Progress | None = None,
    on_step: Callable[[str], None] | None = None,
) -> int:
    """Runs a server until SIGTERM or SIGINT, or until its journal fails. Returns the exit code."""
    server = Server(settings, on_step=on_step)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.tell_to_stop)
    await server.start(progress)
    announce(server)
    code = await server.wait()
    log.info("stopping", exit_code=code)
    try:
        await server.stop()
    except JournalBroken as error:
        log.critical("the journal has failed", reason=str(error))
        code = EXIT_JOURNAL_FAILED
    if server.engine.failure.done():  # perhaps while it drained
        code = EXIT_JOURNAL_FAILED
    log.info("stopped", exit_code=code)
    return code


def _why_not(listen: str) -> str:
    """Why an address could not be listened on, in words; gRPC says it in its own log alone."""
    host, port = split_address(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.bind(address)
    except OSError as error:
        hint = "; is another server running there?" if error.errno == errno.EADDRINUSE else ""
        return f"{error.strerror}{hint}"
    return "the address was free a moment later: try again"


def _open_journal(settings: Settings, on_step: Callable[[str], None] | None) -> Journal:
    if not settings.on_disk:
        return MemoryJournal()
    return SqliteJournal(
        settings.data_dir,
        settings.durability,
        changes_kept_max=settings.changes_kept_max,
        disk_free_min_bytes=settings.disk_free_min_bytes,
        on_step=on_step,
    )


def _grpc_options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.message_max_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.so_reuseport", 0),  # a second server on the port fails loudly
        ("grpc.keepalive_permit_without_calls", 1),
        # A watcher whose machine is gone is noticed, though nothing is sent that would fail.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]
