"""A server that holds few closed positions in memory, as its clients see it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

import hotbook
from hotbook.testing import server
from hotbook_server.config import load_settings
from hotbook_server.journal.store import STORE_NAME
from hotbook_server.server import Server
from tests.make import closed, content, leg, order, position

MADE = [closed(f"p{n:02}", orders=(order(n),)) for n in range(20)] + [leg("leg"), position("open")]


def test_clients_notice_nothing(tmp_path: Path) -> None:
    """Every read, a replica and Verify, before a restart and after it; and what it cost is told."""
    settings = {"durability": "fsync", "data_dir": tmp_path, "closed_in_memory_max": 3,
                "page_size_default": 7}  # fmt: skip
    for restarted in (False, True):
        with server(**settings) as target, hotbook.connect(target) as book:
            if not restarted:
                book.save_many(MADE)
            found = [book.get("hk", made.position_uuid) for made in MADE]
            assert [content(one) for one in found if one is not None] == MADE
            assert [content(p) for p in book.positions("hk")] == MADE
            assert {content(p).position_uuid for p in book.book()} == {
                made.position_uuid for made in MADE
            }
            assert book.verify().ok
            with hotbook.Replica(target) as replica:
                assert replica.verify().ok
                assert [content(p) for p in replica.positions("hk")] == MADE
            told = book.status().telemetry
            assert told["closed_in_memory"] == 3
            assert told["closed_misses"] >= 17 + 17
            assert told["closed_hits"] + told["closed_misses"] == 20 + 20


def test_damage_is_told_to_its_reader(tmp_path: Path) -> None:
    """A position that the disk does not give back is named, with what to do; a reload sets it
    aside, and everything else is answered all the while."""
    settings = {"durability": "fsync", "data_dir": tmp_path, "closed_in_memory_max": 3}
    with server(**settings) as target, hotbook.connect(target) as book:
        book.save_many(MADE)
        store = apsw.Connection(str(tmp_path / STORE_NAME))
        store.execute("UPDATE positions SET crc = crc + 1 WHERE position_uuid = 'p00'")
        store.close()

        for read in (
            lambda: book.get("hk", "p00"),
            lambda: book.positions("hk"),
            lambda: list(book.book()),
            lambda: book.digests(),
        ):
            with pytest.raises(hotbook.Unreadable, match=r"position p00 of hk .*`hotbook reload`"):
                read()
        assert book.get("hk", "p01") is not None
        assert book.reload().quarantined == 1
        assert len(book.positions("hk")) == len(MADE) - 1


async def test_the_page_of_metrics_has_the_figures(tmp_path: Path) -> None:
    """Hits, misses and evictions are gauges, where there is a bound; and else there are none."""
    for bound in (5, None):
        chosen = load_settings(
            listen="127.0.0.1:0",
            metrics_listen="off",
            web_listen="off",
            data_dir=tmp_path,
            closed_in_memory_max=bound,
        )
        running = Server(chosen)
        await running.start()
        gauges = running.gauges()
        await running.stop()
        names = {"closed_in_memory", "closed_hits", "closed_misses", "closed_evictions"}
        assert names & gauges.keys() == (names if bound is not None else set())
