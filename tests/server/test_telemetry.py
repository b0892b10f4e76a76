"""Telemetry: bounded, cheap at any size, safe from any thread, and readable by Prometheus."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

import hotbook
from hotbook_server.config import Settings
from hotbook_server.server import Server
from hotbook_server.telemetry import MetricsEndpoint, Telemetry
from tests.make import position


def names(telemetry: Telemetry) -> list[str]:
    return list(telemetry.snapshot())


def filled(names_max: int, count: int) -> Telemetry:
    telemetry = Telemetry(names_max)
    for number in range(count):
        telemetry.record(f"m{number}", number)
    return telemetry


@pytest.mark.parametrize(
    ("names_max", "count"), [(100, 150), (3, 4), (1, 5), (5, 5), (5, 4), (5, 0)]
)
def test_no_more_names_than_allowed(names_max: int, count: int) -> None:
    """S3-13: at the limit a new name takes the place of the one recorded longest ago."""
    telemetry = filled(names_max, count)

    kept = [f"m{number}" for number in range(max(count - names_max, 0), count)]
    assert names(telemetry) == kept
    assert len(telemetry) == len(kept)


def test_an_update_at_the_limit_evicts_nobody() -> None:
    """S3-13's trap: recording a name that is there removes no other, however often."""
    telemetry = filled(3, 3)

    for _ in range(10):
        telemetry.record("m0", 7)

    assert sorted(names(telemetry)) == ["m0", "m1", "m2"]
    assert telemetry.snapshot()["m0"].count == 11


def test_the_stalest_goes_first() -> None:
    """Recording keeps a name fresh: what goes is what was recorded longest ago, not made first."""
    telemetry = filled(3, 3)
    telemetry.record("m0")

    telemetry.record("new")

    assert names(telemetry) == ["m2", "m0", "new"]


def figures(telemetry: Telemetry) -> dict[str, float]:
    """The figures without their times, which are now."""
    found = telemetry.as_figures()
    now_ms = time.time() * 1000
    assert all(now_ms - 60_000 < at <= now_ms for n, at in found.items() if n.endswith(".at_ms"))
    return {name: value for name, value in found.items() if not name.endswith(".at_ms")}


def test_an_evicted_name_begins_anew() -> None:
    """A name that comes back after its eviction counts from nothing."""
    telemetry = filled(1, 2)

    telemetry.record("m0", 5)

    assert figures(telemetry) == {"m0.count": 1, "m0.sum": 5, "m0.last": 5, "m0.max": 5}


def test_figures() -> None:
    """S3-14: of each name its count, its sum, its newest and its largest value; also below zero."""
    telemetry = Telemetry()
    for value in (-4, -1.5, -2.5):
        telemetry.record("x", value)
    telemetry.record("event")

    assert figures(telemetry) == {
        "x.count": 3, "x.sum": -8, "x.last": -2.5, "x.max": -1.5,
        "event.count": 1, "event.sum": 1, "event.last": 1, "event.max": 1,
    }  # fmt: skip


def test_clear() -> None:
    """S3-14: after clear there is nothing, and recording goes on."""
    telemetry = filled(3, 3)
    telemetry.clear()
    assert (len(telemetry), telemetry.as_figures()) == (0, {})

    telemetry.record("again")
    assert names(telemetry) == ["again"]


def test_a_snapshot_stands_still() -> None:
    """What was handed out does not change when recording goes on."""
    telemetry = filled(3, 1)
    before = telemetry.snapshot()

    telemetry.record("m0", 9)
    telemetry.record("m1")

    assert (list(before), before["m0"].count) == (["m0"], 1)


def cost_s(names_max: int, records: int = 20_000) -> float:
    """Seconds to record ever new names into a full registry; the best of several tries."""
    best = float("inf")
    fresh = [f"new{number}" for number in range(records)]
    for _ in range(5):
        telemetry = filled(names_max, names_max)
        began = time.perf_counter()
        for name in fresh:
            telemetry.record(name, 1.0)
        best = min(best, time.perf_counter() - began)
    return best


def test_an_eviction_costs_the_same_at_any_size() -> None:
    """Ten times the names cost about the same per record: nothing is searched for the stalest.

    A search over all names would make this ten times slower; the limit leaves room for caches.
    """
    small, large = cost_s(1_000), cost_s(10_000)

    assert large < 3 * small, f"{small:.4f} s with 1,000 names, {large:.4f} s with 10,000"


def test_threads_lose_nothing() -> None:
    """Records from many threads all count, while others read and names are evicted."""
    telemetry, threads_count, each = Telemetry(50), 8, 5_000
    begin, failures = threading.Barrier(threads_count + 1), []

    def run(work: Callable[[int], None]) -> Callable[[], None]:
        def guarded() -> None:
            begin.wait()
            try:
                for number in range(each):
                    work(number)
            except Exception as error:  # told by the test, not by a thread
                failures.append(error)

        return guarded

    def record(number: int) -> None:
        telemetry.record("shared")
        telemetry.record(f"own{number % 100}.{threading.get_ident() % 7}")

    def read(number: int) -> None:
        if number % 100 == 0:
            assert len(telemetry.as_figures()) <= 4 * 50

    workers = [threading.Thread(target=run(record)) for _ in range(threads_count)]
    for worker in (*workers, reader := threading.Thread(target=run(read))):
        worker.start()
    for worker in (*workers, reader):
        worker.join(30)

    assert failures == []
    assert len(telemetry) == 50
    assert telemetry.snapshot()["shared"].count == threads_count * each


# ------------------------------------------------------------------ the Prometheus page

STRANGE = ['say "x"', "back\\slash", "two\nlines", "\\n", "{a=b,}", "日本", "a b", "", "#", "é\t"]


def page(address: str, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def samples(text: str) -> dict[tuple[str, str], float]:
    """What the page says, by sample and label, as Prometheus' own parser reads it."""
    return {
        (sample.name, sample.labels.get("name", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def endpoint(telemetry: Telemetry) -> Iterator[MetricsEndpoint]:
    opened = MetricsEndpoint(telemetry, lambda: {"positions": 7.0}, "127.0.0.1:0")
    yield opened
    opened.close()


def test_the_page_says_what_was_recorded(telemetry: Telemetry, endpoint: MetricsEndpoint) -> None:
    """Prometheus reads gauges, and of each name the count, the sum and the newest value."""
    for value in (1.5, 0.5):
        telemetry.record("rpc.Save", value)

    assert samples(page(endpoint.address)) == {
        ("hotbook_positions", ""): 7,
        ("hotbook_recorded_count", "rpc.Save"): 2,
        ("hotbook_recorded_sum", "rpc.Save"): 2,
        ("hotbook_recorded_last", "rpc.Save"): 0.5,
    }


def test_strange_names_arrive_as_they_are(telemetry: Telemetry, endpoint: MetricsEndpoint) -> None:
    """Quotes, backslashes, line ends and other scripts in a name break nothing and stay apart."""
    for number, name in enumerate(STRANGE):
        telemetry.record(name, number)

    found = samples(page(endpoint.address))

    assert {
        name: found["hotbook_recorded_last", name] for name in STRANGE
    } == {name: number for number, name in enumerate(STRANGE)}  # fmt: skip


def test_an_empty_page_is_a_page(endpoint: MetricsEndpoint) -> None:
    """Before anything was recorded the page has the gauges alone."""
    assert samples(page(endpoint.address)) == {("hotbook_positions", ""): 7}


def test_the_endpoint_lets_its_port_go(telemetry: Telemetry) -> None:
    """After close nobody answers, and another endpoint can take the very same port."""
    first = MetricsEndpoint(telemetry, dict, "127.0.0.1:0")
    first.close()
    with pytest.raises(urllib.error.URLError):
        page(first.address)

    second = MetricsEndpoint(telemetry, dict, first.address)
    try:
        assert samples(page(second.address)) == {}
    finally:
        second.close()


def test_the_port_of_another_is_refused(telemetry: Telemetry, endpoint: MetricsEndpoint) -> None:
    """Two endpoints never share a port."""
    with pytest.raises(OSError, match="in use"):
        MetricsEndpoint(telemetry, dict, endpoint.address)


async def test_a_server_shows_its_book(settings: Settings) -> None:
    """A real server's page has the book's figures and its calls; at its stop the page is gone."""
    changed = {"metrics_listen": "127.0.0.1:0", "telemetry_names_max": 5}
    server = Server(settings.model_copy(update=changed))
    await server.start()
    assert server.metrics_address is not None

    def use() -> None:
        with hotbook.connect(server.address, timeout_s=10) as book:
            book.save(position("a"))
            book.get("hk", "a")

    await asyncio.to_thread(use)
    found = samples(await asyncio.to_thread(page, server.metrics_address))
    await server.stop()

    gauges = ("positions", "open_positions", "hotkeys", "revision", "queue_depth", "quarantined")
    assert [found[f"hotbook_{name}", ""] for name in gauges] == [1, 1, 1, 1, 0, 0]
    assert found["hotbook_recorded_count", "rpc.Save"] == 1
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(page, server.metrics_address)
