"""The server's life over gRPC: health, reflection, drain, deadlines, limits, marks in the log."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from structlog.testing import capture_logs

import hotbook
from hotbook import InternalError, QueueFull, Saved, Unavailable
from hotbook.testing import server as server_process
from hotbook_server.config import load_settings
from hotbook_server.journal.base import Batch, Journal
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.rpc.guard import CUT_OFF_MOST
from hotbook_server.server import Server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import PositionsStub
from hotbook_shared.status import error_from_call
from hotbook_shared.wire import position_to_wire
from tests.client.test_retry import served
from tests.make import closed, order, position
from tests.relay import Relay

PATIENCE_S = 20.0
SERVICES = ["", "hotbook.v1.Positions", "hotbook.v1.Operations"]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class GatedJournal(MemoryJournal):
    """A journal in memory whose appends wait while its gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        """Set when an append stands before the shut gate."""
        self._gate = threading.Event()
        self._gate.set()

    def shut(self) -> None:
        self.reached.clear()
        self._gate.clear()

    def open(self) -> None:
        self._gate.set()

    def append(self, batch: Batch) -> None:
        self.reached.set()
        assert self._gate.wait(PATIENCE_S)
        super().append(batch)


class ForgetfulJournal(MemoryJournal):
    """A journal with a bug: it cannot give the outcome of a request."""

    def outcome(self, sequence: int) -> bytes | None:
        raise RuntimeError("a bug that nobody expected")


class Served:
    """A server on a loop of its own, in a thread."""

    def __init__(self, made: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = made
        self.target = made.address
        self.loop = loop

    def tell_to_stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.tell_to_stop)

    def ended_calls(self, rpc: str) -> int:
        series = self.server.telemetry.snapshot().get(f"rpc.{rpc}")
        return series.count if series is not None else 0


@contextlib.contextmanager
def serving(journal: Journal | None = None, **settings: Any) -> Iterator[Served]:
    """Serves over a given journal, or that of the settings; at the end, drains."""
    chosen = {
        "listen": "127.0.0.1:0",
        "metrics_listen": "off",
        "web_listen": "off",
        "durability": "memory",
    }
    started: queue.Queue[Served] = queue.Queue()

    async def serve() -> None:
        made = Server(load_settings(**chosen | settings), journal=journal)
        await made.start()
        started.put(Served(made, asyncio.get_running_loop()))
        await made.wait()
        await made.stop()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, serve())
        made = started.get(timeout=PATIENCE_S)
        try:
            yield made
        finally:
            if isinstance(journal, GatedJournal):
                journal.open()
            with contextlib.suppress(
                RuntimeError
            ):  # its loop has ended already: it was told before
                made.tell_to_stop()
            running.result(PATIENCE_S)


@contextlib.contextmanager
def stub_of(target: str) -> Iterator[Any]:
    with grpc.insecure_channel(target) as channel:
        yield PositionsStub(channel)  # type: ignore[no-untyped-call]


def save_of(name: str) -> pb.SaveRequest:
    return pb.SaveRequest(position=position_to_wire(closed(name)))


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Waits for a condition; fails with its name when it does not come true."""
    until_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until_s, f"this never came: {what}"
        time.sleep(0.002)


@contextlib.contextmanager
def blocked_write(journal: GatedJournal, stub: Any) -> Iterator[Any]:
    """A save that stands before the journal's shut gate; it is answered once that is open."""
    journal.shut()
    call = stub.Save.future(save_of("first"), timeout=PATIENCE_S)
    assert journal.reached.wait(PATIENCE_S)
    yield call
    journal.open()
    assert call.result(PATIENCE_S).version == 1


# -------------------------------------------------------------------- health and reflection


def test_health_is_serving_and_while_draining_not() -> None:
    """Health says SERVING for each service, and NOT_SERVING as soon as the server drains."""
    journal = GatedJournal()
    with serving(journal) as made, grpc.insecure_channel(made.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in SERVICES:
            request = health_pb2.HealthCheckRequest(service=name)
            assert health.Check(request, timeout=10).status == SERVING
        watches = [
            health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S)
            for name in SERVICES
        ]
        assert [next(watch).status for watch in watches] == [SERVING] * 3
        with blocked_write(journal, PositionsStub(channel)):  # type: ignore[no-untyped-call]
            made.tell_to_stop()
            assert [next(watch).status for watch in watches] == [NOT_SERVING] * 3
        for watch in watches:
            watch.cancel()


def test_a_watcher_of_health_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """A load balancer that watches health is told, and then let go: the stop does not wait."""
    with (
        served(tmp_path / "s", drain_s=5) as process,
        grpc.insecure_channel(process.target) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        process.send(signal.SIGTERM)
        assert process.ended(3) == 0


@pytest.mark.parametrize("reflection", [True, False])
def test_reflection_lists_the_services_unless_it_is_off(reflection: bool) -> None:
    """Tools find every service by reflection; with the setting off there is none."""
    with (
        server_process(reflection=reflection) as target,
        grpc.insecure_channel(target) as channel,
    ):
        found = ProtoReflectionDescriptorDatabase(channel)
        if not reflection:
            with pytest.raises(grpc.RpcError) as refused:
                found.get_services()
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            return
        assert {*SERVICES[1:], "grpc.health.v1.Health"} <= set(found.get_services())
        file = found.FindFileContainingSymbol("hotbook.v1.Positions")
        assert "hotbook.v1.SaveRequest" in {f"{file.package}.{m.name}" for m in file.message_type}


# -------------------------------------------------------------------- the end


def write_until_stopped(target: str, name: str) -> tuple[dict[str, int], list[Exception]]:
    """Saves until the server stops. Gives what was acknowledged, and what was raised."""
    acknowledged: dict[str, int] = {}
    raised: list[Exception] = []
    with hotbook.connect(target, timeout_s=0.5) as book:
        for number in range(100_000):
            uuid = f"{name}-{number}"
            try:
                acknowledged[uuid] = book.save(closed(uuid, hotkey=name)).revision
            except Exception as error:
                raised.append(error)
                break
    return acknowledged, raised


def test_a_stop_answers_its_callers_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """SIGTERM under 64 writers: exit 0 in time, answers or Unavailable, and nothing is lost."""
    let_go = threading.Event()

    def idle() -> Iterator[pb.SaveStreamRequest]:
        yield pb.SaveStreamRequest(saves=[save_of("streamed")])
        let_go.wait(PATIENCE_S)

    with (
        served(tmp_path / "s", drain_s=8) as process,
        hotbook.connect(process.target) as book,
        stub_of(process.target) as stub,
        ThreadPoolExecutor(64) as pool,
    ):
        stream = stub.SaveStream(idle())
        assert next(stream).outcomes[0].saved.version == 1
        writing = [pool.submit(write_until_stopped, process.target, f"w{n}") for n in range(64)]
        eventually(lambda: book.status().revision > 500, "500 saves")
        process.send(signal.SIGTERM)
        assert process.ended(6) == 0
        with pytest.raises(grpc.RpcError) as told:
            next(stream)
        let_go.set()
        assert isinstance(error_from_call(told.value), Unavailable)
        written = [future.result(PATIENCE_S) for future in writing]
        process.start()
        held = {p.position_uuid: p.revision for p in book.book()}

    acknowledged = {uuid: at for saved, _ in written for uuid, at in saved.items()}
    assert len(acknowledged) > 400
    assert acknowledged.items() <= held.items()
    assert {type(error) for _, raised in written for error in raised} == {Unavailable}


# -------------------------------------------------------------------- deadlines and cancels


def test_a_call_without_a_deadline_gets_the_servers_own() -> None:
    """A save that the journal keeps waiting ends after call_timeout_s; reads go on meanwhile."""
    journal = GatedJournal()
    with (
        serving(journal, call_timeout_s=1) as made,
        stub_of(made.target) as stub,
        blocked_write(journal, stub),
    ):
        began_s = time.monotonic()
        waiting = stub.Save.future(save_of("second"))
        assert not stub.Get(pb.GetRequest(hotkey="hk", position_uuid="first")).HasField("position")
        with pytest.raises(grpc.RpcError) as late:
            waiting.result(PATIENCE_S)

        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert error_from_call(late.value).code == "DEADLINE_EXCEEDED"
        assert 0.9 < time.monotonic() - began_s < 3


@pytest.mark.parametrize("leaves", ["cancels", "runs out of time"])
def test_a_caller_who_leaves_before_the_write_changes_nothing(leaves: str) -> None:
    """A save whose caller cancelled, or whose deadline passed, while it waited is not done."""
    journal = GatedJournal()
    with serving(journal) as made, stub_of(made.target) as stub:
        with blocked_write(journal, stub):
            timeout_s = 0.2 if leaves == "runs out of time" else PATIENCE_S
            left = stub.Save.future(save_of("left"), timeout=timeout_s)
            eventually(
                lambda: made.server.gauges()["queue_depth"] == 1, "the second save in the queue"
            )
            if leaves == "cancels":
                left.cancel()
            eventually(lambda: made.ended_calls("Save") == 1, "the server knows of it")
        stub.Save(save_of("after"), timeout=PATIENCE_S)

        held = made.server.engine.book
        assert set(held.positions.by_uuid) == {"first", "after"}
        assert held.revision == 2


# -------------------------------------------------------------------- limits


@pytest.mark.parametrize("limit", [{"queue_depth_max": 3}, {"queue_max_bytes": 1024}])
def test_a_full_queue_refuses_at_once_and_harms_nothing(limit: dict[str, int]) -> None:
    """RESOURCE_EXHAUSTED, by the name QueueFull; what was accepted is saved once there is room."""
    journal = GatedJournal()
    with (
        serving(journal, **limit) as made,
        stub_of(made.target) as stub,
        hotbook.connect(made.target, timeout_s=0.3) as book,
    ):
        with blocked_write(journal, stub):
            calls = [stub.Save.future(save_of(f"p{n}"), timeout=PATIENCE_S) for n in range(20)]
            eventually(lambda: any(call.done() for call in calls), "a refusal")
            eventually(lambda: made.ended_calls("Save") == sum(c.done() for c in calls), "rest")
            with pytest.raises(QueueFull):
                book.save(position())
            assert book.status().positions == 0
        wait_for = [call for call in calls if call.exception(PATIENCE_S) is None]
        refused = [call for call in calls if call.exception() is not None]

        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert {error_from_call(call.exception()).code for call in refused} == {"QUEUE_FULL"}
        assert 0 < len(wait_for) <= limit.get("queue_depth_max", 20)
        assert book.status().positions == 1 + len(wait_for)
        assert book.verify().ok
        assert isinstance(book.save(position()), Saved)


def test_too_many_calls_at_once_are_refused_at_once() -> None:
    """Beyond concurrent_calls_max a call is QueueFull; when the others end, it is taken."""
    journal = GatedJournal()
    with (
        serving(journal, concurrent_calls_max=4) as made,
        stub_of(made.target) as stub,
        hotbook.connect(made.target, timeout_s=0.3) as book,
    ):
        with blocked_write(journal, stub):
            calls = [stub.Save.future(save_of(f"p{n}"), timeout=PATIENCE_S) for n in range(3)]
            eventually(lambda: made.server.gauges()["queue_depth"] == 3, "three that wait")
            with pytest.raises(QueueFull):
                book.get("hk", "first")
        assert [call.result(PATIENCE_S).version for call in calls] == [1, 1, 1]

        assert book.status().positions == 4


# -------------------------------------------------------------------- marks in the log


def test_the_callers_mark_is_in_the_log_and_in_the_error() -> None:
    """x-correlation-id stands in the log line of a failure of the server's, and in its error."""
    request = pb.SaveRequest(position=position_to_wire(closed("a")), request_id="r1")
    marked = (("x-correlation-id", "trace-4711"),)
    with serving(ForgetfulJournal()) as made, stub_of(made.target) as stub, capture_logs() as lines:
        stub.Save(request, timeout=PATIENCE_S)
        with pytest.raises(grpc.RpcError) as failed:
            stub.Save(request, timeout=PATIENCE_S, metadata=marked)
        with pytest.raises(grpc.RpcError) as unmarked:
            stub.Save(request, timeout=PATIENCE_S, metadata=(("x-correlation-id", "x" * 500),))

    told, made_up = error_from_call(failed.value), error_from_call(unmarked.value)
    assert isinstance(told, InternalError)
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert told.details["correlation_id"] == "trace-4711"
    assert "trace-4711" in told.message
    assert "nobody expected" not in told.message, "insides stay inside"
    logged = [line for line in lines if line["log_level"] == "error"]
    assert [line["correlation_id"] for line in logged] == [
        "trace-4711",
        made_up.details["correlation_id"],
    ]
    assert "nobody expected" in str(logged[0]["exc_info"])


# -------------------------------------------------------------------- a reader that does not read

HEAVY = tuple(order(n, extra={"weight": "x" * 250_000}) for n in range(4))
BOOK = 30  # positions, of a MB each: more than any buffer takes in between


@contextlib.contextmanager
def unread(target: str) -> Iterator[tuple[Any, threading.Event]]:
    """A stub whose connection stands and takes nothing from the server until the event is set.

    What is not read is certain only under gRPC, which may take a stream ahead of its reader.
    """
    relay = Relay(target)
    with contextlib.closing(relay), stub_of(relay.target) as stub:
        stub.Get(pb.GetRequest(hotkey="hk", position_uuid="p1"), timeout=PATIENCE_S)
        relay.reads.clear()
        yield stub, relay.reads


def refused(made: Served, code: str) -> int:
    """How many calls the server has refused so."""
    series = made.server.telemetry.snapshot().get(f"refused.{code}")
    return series.count if series is not None else 0


def test_a_reader_who_never_reads_is_cut_off() -> None:
    """After call_timeout_s the server lets go of a stalled stream; others never notice it."""
    with (
        serving(MemoryJournal(), call_timeout_s=1, drain_s=8) as made,
        hotbook.connect(made.target) as book,
        unread(made.target) as (stub, reads),
    ):
        book.save_many(closed(f"p{n}", orders=HEAVY) for n in range(BOOK))
        stalled = stub.StreamBook(pb.StreamBookRequest())
        slowest_s = 0.0
        until_s = time.monotonic() + 6
        while made.ended_calls("StreamBook") == 0:
            assert time.monotonic() < until_s, "the server never let go"
            began_s = time.monotonic()
            book.save(position(), timeout_s=PATIENCE_S)
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            assert book.get("hk", "p1") is not None
        cut = made.server.telemetry.snapshot()["rpc.StreamBook"].last

        assert 0.9 < cut < 4
        assert slowest_s < 0.5
        reads.set()
        with pytest.raises(grpc.RpcError) as told:
            list(stalled)
        assert told.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert sum(1 for _ in book.book()) == BOOK


def test_a_peer_that_leaves_streams_unread_is_given_no_more() -> None:
    """What was cut off is held by gRPC until its reader reads or goes; so a peer may leave only so
    many. Others are served, and the peer is again when it has let go of them."""

    def open_stream() -> Any:
        return stub.StreamBook(pb.StreamBookRequest(), timeout=PATIENCE_S)

    with (
        serving(MemoryJournal(), call_timeout_s=0.5, drain_s=8) as made,
        hotbook.connect(made.target) as book,
        unread(made.target) as (stub, reads),
    ):
        book.save_many(closed(f"p{n}", orders=HEAVY) for n in range(BOOK))
        stalled = [open_stream() for _ in range(CUT_OFF_MOST)]
        eventually(lambda: made.ended_calls("StreamBook") == CUT_OFF_MOST, "all are cut off")
        one_more = open_stream()
        eventually(lambda: refused(made, "QUEUE_FULL") == 1, "one more is refused")
        assert sum(1 for _ in book.book()) == BOOK

        reads.set()
        for call, code in ((one_more, "QUEUE_FULL"), (stalled[-1], "DEADLINE_EXCEEDED")):
            with pytest.raises(grpc.RpcError) as told:
                list(call)
            assert error_from_call(told.value).code == code
        for call in stalled:
            call.cancel()
        eventually(lambda: positions_of(open_stream()) == BOOK, "the peer is served again")


def positions_of(call: Any) -> int:
    """How many positions a stream brings; 0 where it is refused for those that are unread."""
    with contextlib.suppress(grpc.RpcError):
        return sum(len(frame.positions) for frame in call)
    return 0
