"""Request ids: one command, one effect, the same answer; also after a restart; for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import hotbook
from hotbook import DeadlineExceeded, Position, RequestReused
from hotbook_server.commands import SaveDone
from hotbook_server.engine import Engine
from hotbook_server.journal.memory import MemoryJournal
from hotbook_server.requests import RequestKey, request_key
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import OperationsStub, PositionsStub
from hotbook_shared.status import error_from_call
from hotbook_shared.wire import position_to_wire
from tests.client.test_retry import ServerProcess, served
from tests.conftest import FakeClock
from tests.grpc.test_lifecycle import GatedJournal
from tests.make import closed, position, save

StartEngine = Callable[..., Awaitable[Engine]]
Answer = bytes | tuple[grpc.StatusCode, str, str]

HOUR_MS = 3_600_000


def wire(hk: str, name: str, make: Callable[..., Position] = position) -> pb.Position:
    return position_to_wire(make(f"{hk}-{name}", hotkey=hk))


def items(hk: str, *names: str) -> list[pb.SaveItem]:
    return [pb.SaveItem(position=wire(hk, name)) for name in names]


def bad_item(hk: str) -> pb.SaveItem:
    return pb.SaveItem(position=pb.Position(hotkey=hk, position_uuid="no pair"))


# Each is asked of a hotkey that has A open; its id is set by the test.
REQUESTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "save": ("Save", lambda hk: pb.SaveRequest(position=wire(hk, "A"))),
    "save that is refused": ("Save", lambda hk: pb.SaveRequest(position=wire(hk, "B"))),
    "save that replaces": (
        "Save",
        lambda hk: pb.SaveRequest(position=wire(hk, "B"), replace_open=True),
    ),
    "save at a wrong version": (
        "Save",
        lambda hk: pb.SaveRequest(position=wire(hk, "A"), expected_version=7),
    ),
    "many": (
        "SaveMany",
        lambda hk: pb.SaveManyRequest(items=[*items(hk, "A", "B"), bad_item(hk), *items(hk, "A")]),
    ),
    "many, all or nothing": (
        "SaveMany",
        lambda hk: pb.SaveManyRequest(items=items(hk, "A", "A"), all_or_nothing=True),
    ),
    "many, nothing": (
        "SaveMany",
        lambda hk: pb.SaveManyRequest(items=items(hk, "A", "B"), all_or_nothing=True),
    ),
    "many, none given": ("SaveMany", lambda hk: pb.SaveManyRequest()),
    "delete": ("Delete", lambda hk: pb.DeleteRequest(hotkey=hk, position_uuid=f"{hk}-A")),
    "delete of nothing": ("Delete", lambda hk: pb.DeleteRequest(hotkey=hk, position_uuid="none")),
    "clear": ("Clear", lambda hk: pb.ClearRequest(hotkey=hk, expected_count=1)),
    "clear that is refused": ("Clear", lambda hk: pb.ClearRequest(hotkey=hk, expected_count=9)),
}


class Caller:
    """Calls by their names through the generated stubs, and compares answers whole."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stubs: tuple[Any, ...] = (
            PositionsStub(channel),  # type: ignore[no-untyped-call]
            OperationsStub(channel),  # type: ignore[no-untyped-call]
        )

    def ask(self, rpc: str, request: Any) -> Answer:
        call = next(getattr(stub, rpc) for stub in self._stubs if hasattr(stub, rpc))
        try:
            reply = call(request, timeout=20, wait_for_ready=True)
            return bytes(reply.SerializeToString(deterministic=True))
        except grpc.RpcError as failure:
            error = error_from_call(failure)
            return failure.code(), error.code, f"{error.message} {sorted(error.details.items())}"

    def prepare(self, hk: str) -> None:
        self.ask("Save", pb.SaveRequest(position=wire(hk, "A")))

    def stands(self, hk: str) -> Answer:
        return self.ask("List", pb.ListRequest(hotkeys=[hk], page_size=100))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with served(tmp_path_factory.mktemp("requests")) as made:
        yield made


@pytest.fixture(scope="module")
def caller(process: ServerProcess) -> Iterator[Caller]:
    with grpc.insecure_channel(process.target) as channel:
        yield Caller(channel)


def asked_of(name: str, hk: str, request_id: str) -> tuple[str, Any]:
    rpc, make = REQUESTS[name]
    request = make(hk)
    request.request_id = request_id
    return rpc, request


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_request_again_has_the_same_answer_and_no_effect(
    caller: Caller, name: str
) -> None:
    """Refusals included, and whatever was changed in between: the answer is the first one's."""
    hk = f"again-{name.replace(' ', '-')}"
    caller.prepare(hk)
    rpc, request = asked_of(name, hk, f"id-{hk}")

    first = caller.ask(rpc, request)
    caller.ask("Save", pb.SaveRequest(position=wire(hk, "A"), replace_open=True))
    caller.ask("Save", pb.SaveRequest(position=wire(hk, "late", closed)))
    between = caller.stands(hk)

    assert [caller.ask(rpc, request) for _ in range(3)] == [first] * 3
    assert caller.stands(hk) == between


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_id_with_another_body_is_refused(caller: Caller, name: str) -> None:
    """RequestReused, whether the first was accepted or refused; and nothing changes."""
    hk = f"reused-{name.replace(' ', '-')}"
    caller.prepare(hk)
    rpc, request = asked_of(name, hk, f"id-{hk}")
    first = caller.ask(rpc, request)
    before = caller.stands(hk)

    other = caller.ask("Delete", pb.DeleteRequest(
        hotkey=hk, position_uuid=f"{hk}-A", request_id=request.request_id
    )) if rpc != "Delete" else caller.ask("Save", pb.SaveRequest(
        position=wire(hk, "C", closed), request_id=request.request_id
    ))  # fmt: skip

    assert other[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_REUSED")
    assert caller.stands(hk) == before
    assert caller.ask(rpc, request) == first


@pytest.mark.parametrize("name", REQUESTS)
def test_concurrent_calls_with_one_id_share_one_effect(caller: Caller, name: str) -> None:
    """Sixteen at once: one effect, one answer for all."""
    hk = f"at-once-{name.replace(' ', '-')}"
    caller.prepare(hk)
    rpc, request = asked_of(name, hk, f"id-{hk}")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: caller.ask(rpc, request), range(16)))

    assert len(set(answers)) == 1
    assert caller.ask(rpc, request) == answers[0]


def test_all_of_it_holds_after_a_restart(tmp_path: Path) -> None:
    """After kill -9 every kept answer is given again, nothing changes, and reuse is refused."""
    asked = {name: f"kept-{name.replace(' ', '-')}" for name in REQUESTS}
    with (
        served(tmp_path / "restarted") as process,
        grpc.insecure_channel(process.target) as channel,
        hotbook.connect(process.target) as book,
    ):
        caller = Caller(channel)
        for hk in asked.values():
            caller.prepare(hk)
        first = {n: caller.ask(*asked_of(n, hk, f"id-{hk}")) for n, hk in asked.items()}
        before = book.status()
        process.kill()
        process.start()

        again = {n: caller.ask(*asked_of(n, hk, f"id-{hk}")) for n, hk in asked.items()}
        assert again == first
        for hk in asked.values():
            other = pb.DeleteRequest(hotkey="x", position_uuid="x", request_id=f"id-{hk}")
            assert caller.ask("Delete", other)[1] == "REQUEST_REUSED"
        after = book.status()
        assert (after.revision, after.digest) == (before.revision, before.digest)


# -------------------------------------------------------------------- how long, and how many


def key(request_id: str, body: str = "") -> RequestKey | None:
    return request_key(request_id, "Save", (body or request_id).encode())


async def saved(engine: Engine, request_id: str, body: str = "", timeout_s: float = 10) -> SaveDone:
    made = save(closed(body or request_id))
    outcome = await engine.submit(made, key(request_id, body), timeout_s=timeout_s)
    assert isinstance(outcome, SaveDone)
    return outcome


async def test_an_id_is_kept_for_its_hours(start_engine: StartEngine, clock: FakeClock) -> None:
    """Up to requests_kept_hours an id is known; after that it is free, and has a new effect."""
    engine = await start_engine(requests_kept_hours=2)
    first = await saved(engine, "r1")
    clock.move(2 * HOUR_MS)
    await saved(engine, "r2")
    assert await saved(engine, "r1") == first
    with pytest.raises(RequestReused):
        await saved(engine, "r1", "another")

    clock.move(1)
    await saved(engine, "r3")

    assert (await saved(engine, "r1")).version == 2
    with pytest.raises(RequestReused):
        await saved(engine, "r2", "another")


async def test_the_oldest_ids_go_first_when_there_are_too_many(
    start_engine: StartEngine, clock: FakeClock
) -> None:
    """Beyond requests_kept_max the oldest is forgotten; the newest are kept, also in the store."""
    engine = await start_engine(requests_kept_max=3)
    for number in range(10):
        await saved(engine, f"r{number}")

    assert (await saved(engine, "r9")).version == 1
    assert (await saved(engine, "r7")).version == 1
    assert (await saved(engine, "r0")).version == 2
    assert len(engine.journal.load().requests) <= 3 + 1


async def test_what_was_forgotten_is_not_known_after_a_restart(
    start_engine: StartEngine, clock: FakeClock
) -> None:
    """An engine that starts over the same journal knows the same ids, and no others."""
    journal = MemoryJournal()
    engine = await start_engine(journal, requests_kept_max=3)
    for number in range(10):
        await saved(engine, f"r{number}")

    engine = await start_engine(journal, requests_kept_max=3)

    assert (await saved(engine, "r9")).version == 1
    assert (await saved(engine, "r0")).version == 2


async def test_the_longest_deadline_of_those_who_wait_counts(
    start_engine: StartEngine, clock: FakeClock
) -> None:
    """A repeated request waits as long as it may itself, not as long as the first one could."""
    journal = GatedJournal()
    engine = await start_engine(journal)
    journal.shut()
    blocking = asyncio.create_task(saved(engine, "first"))
    async with asyncio.timeout(10):
        await asyncio.to_thread(journal.reached.wait)
    hasty = asyncio.create_task(saved(engine, "r1", timeout_s=1))
    patient = asyncio.create_task(saved(engine, "r1", timeout_s=100))
    await asyncio.sleep(0)  # both have handed in what they ask
    assert len(engine.intake) == 1
    clock.move(2_000)
    journal.open()
    await blocking

    outcomes = await asyncio.gather(hasty, patient, return_exceptions=True)
    assert isinstance(outcomes[0], SaveDone | DeadlineExceeded)
    assert isinstance(outcomes[1], SaveDone), "nothing has run out for this one"


def test_the_saves_of_a_message_share_a_commit(book: hotbook.Client, target: str) -> None:
    """However a stream deals them out, each save has its own id and its own answer, in order."""
    saves = [
        pb.SaveRequest(position=wire("dealt", str(number), closed), request_id=f"dealt-{number}")
        for number in range(5)
    ]
    together = pb.SaveStreamRequest(saves=saves)
    one_by_one = [pb.SaveStreamRequest(saves=[save]) for save in saves]
    before = book.status().telemetry.get("commit.changes.count", 0)
    with grpc.insecure_channel(target) as channel:
        stream = PositionsStub(channel).SaveStream  # type: ignore[no-untyped-call]
        [first] = stream(iter([together]))
        commits = book.status().telemetry["commit.changes.count"] - before
        again = [one for reply in stream(iter(one_by_one)) for one in reply.outcomes]

    assert [one.saved.version for one in first.outcomes] == [1] * 5
    assert again == list(first.outcomes)
    assert commits == 1
