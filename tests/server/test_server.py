"""A server's start: what is in its way is told in a line, and nothing is left running."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotbook_server.config import Settings
from hotbook_server.journal.base import Batch, JournalBroken
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.server import EXIT_CANNOT_START, EXIT_JOURNAL_FAILED, CannotStart, Server
from hotbook_server.web.endpoint import WebEndpoint
from hotbook_shared.model import Durability
from hotbook_shared.record import Change
from tests.make import record
from tests.server.test_splitter import LAST_OPEN, traded

PATIENCE_S = 20.0
FREE = "127.0.0.1:0"


@contextlib.contextmanager
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def changed(settings: Settings, **new: Any) -> Settings:
    return settings.model_copy(update=new)


def tasks_of_ours() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if "hotbook" in task.get_name()}


async def starts(settings: Settings) -> None:
    server = Server(settings)
    await server.start()
    await server.stop()


async def test_a_metrics_port_in_use_is_noticed_before_any_data_is_touched(
    settings: Settings,
) -> None:
    """No folder is made and nothing is left: the next start in this process has all it needs."""
    with taken_port() as port:
        server = Server(changed(settings, metrics_listen=port, split_on_load=True))
        with pytest.raises(CannotStart, match=f"{port}.*in use.*--metrics-listen") as refused:
            await server.start()

    assert refused.value.exit_code == EXIT_CANNOT_START
    assert not settings.data_dir.exists()
    assert tasks_of_ours() == set()
    await starts(settings)


async def test_whatever_goes_wrong_in_a_start_all_of_it_is_let_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step fails, with something that nobody expected: folder, ports and writer are free
    for the next start."""

    async def fails(*_: object) -> None:
        raise RuntimeError("nobody expected this")

    first = Server(changed(settings, web_listen=FREE, metrics_listen=FREE))
    with monkeypatch.context() as patched:
        patched.setattr(WebEndpoint, "start", fails)
        with pytest.raises(RuntimeError, match="nobody expected this"):
            await first.start()

    assert tasks_of_ours() == set()
    assert first.web_address is not None
    assert first.metrics_address is not None
    again = {"web_listen": first.web_address, "metrics_listen": first.metrics_address}
    await starts(changed(settings, listen=first.address, **again))


class FailsAtOnce(MemoryJournal):
    """A journal whose book stands, and whose disk takes nothing more."""

    def append(self, batch: Batch) -> None:
        raise JournalBroken("input/output error")


async def test_a_disk_that_fails_while_splitting_ends_the_start(settings: Settings) -> None:
    """More needs splitting than may wait: the start ends as a failed journal does, with 74, and
    does not wait for room that will never be."""
    journal = FailsAtOnce()
    needy = [traded(f"u{n}", LAST_OPEN, hotkey=f"hk{n}") for n in range(20)]
    stand = [Change.saved(record(one, 1, n)) for n, one in enumerate(needy, start=1)]
    MemoryJournal.append(journal, Batch(stand, [], at_ms=1))
    chosen = changed(settings, durability=Durability.MEMORY, split_on_load=True, queue_depth_max=4)

    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(CannotStart, match="the journal has failed") as refused:
            await Server(chosen, journal=journal).start()

    assert refused.value.exit_code == EXIT_JOURNAL_FAILED
    assert tasks_of_ours() == set()


@pytest.mark.parametrize("follows", [False, True])
async def test_a_bad_file_of_trade_pairs(settings: Settings, tmp_path: Path, follows: bool) -> None:
    """It is named in one line, whether the server keeps a book of its own or follows another."""
    bad = tmp_path / "pairs.toml"
    bad.write_text("no registry at all")
    chosen = changed(settings, pairs_file=bad, follow="127.0.0.1:1" if follows else None)

    with pytest.raises(CannotStart, match=r"pairs\.toml is no registry of trade pairs"):
        await Server(chosen).start()

    assert tasks_of_ours() == set()
