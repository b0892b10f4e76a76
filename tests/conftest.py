"""What many tests stand on: a clock moved by hand, engines, and live servers on free ports."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hotbook
import tests.chance  # noqa: F401
from hotbook.testing import server
from hotbook_server.config import Settings, load_settings
from hotbook_server.engine import Engine
from hotbook_server.journal.base import Journal
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.telemetry import Telemetry
from tests.faces import FACES, Connect
from tests.make import NOW_MS


class FakeClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000

    def move(self, ms: int) -> None:
        self.ms += ms


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        data_dir=tmp_path / "data", listen="127.0.0.1:0", metrics_listen="off", web_listen="off"
    )


StartEngine = Callable[..., Awaitable[Engine]]


@pytest.fixture
async def start_engine(settings: Settings, clock: FakeClock) -> AsyncIterator[StartEngine]:
    """Starts engines, over a journal in memory unless another is given; stops them at the end."""
    started: list[Engine] = []

    async def start(
        journal: Journal | None = None,
        on_step: Callable[[str], None] | None = None,
        **changed: Any,
    ) -> Engine:
        chosen = settings.model_copy(update=changed)
        engine = Engine(chosen, journal or MemoryJournal(), clock, Telemetry(), on_step)
        await engine.start()
        started.append(engine)
        return engine

    yield start
    for engine in started:
        if not engine.failure.done():
            async with asyncio.timeout(10):
                await engine.stop()


@pytest.fixture
async def engine(start_engine: StartEngine) -> Engine:
    return await start_engine()


@pytest.fixture(scope="module")
def shared_target() -> Iterator[str]:
    """A real server in memory, shared by the tests of a module: each uses hotkeys of its own."""
    with server() as target:
        yield target


@pytest.fixture(params=FACES, scope="module")
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """`hotbook.connect`, and what stands for it over each other face: a test runs over all."""
    with FACES[request.param]() as made:
        yield made


@pytest.fixture
def hk() -> str:
    """A hotkey of the test's own, also the beginning of its uuids."""
    return f"hk-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    """A real server on disk, for one test."""
    with server(durability="fsync", data_dir=tmp_path / "served") as address:
        yield address


@pytest.fixture
def book(target: str) -> Iterator[hotbook.Client]:
    """A client of `target`."""
    with hotbook.connect(target, timeout_s=10) as client:
        yield client
