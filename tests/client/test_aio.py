"""What only the client for asyncio does: its tasks, its loop, what is left behind.

What it has in common with the blocking one is tested over both: tests/conformance, test_client.py,
test_orders.py, test_retry.py.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import uvloop
from google.protobuf.message import Message

import hotbook
from hotbook import InvalidArgument, Position, Saved, aio
from hotbook._aio_transport import Transport
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.client.test_retry import PATIENCE_S, ServerProcess, served
from tests.conformance.scripted_server import ScriptedServer, scripted_server
from tests.make import closed, order, position


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    with served(tmp_path / "served") as made:
        yield made


async def arrived(counted: threading.Semaphore) -> bool:
    """Waits for one more, without holding up the loop."""
    return await asyncio.to_thread(counted.acquire, timeout=PATIENCE_S)


async def is_idle() -> bool:
    """Whether no task but ours is left, at the latest in a moment."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return not others or not (await asyncio.wait(others, timeout=PATIENCE_S))[1]


def frame(*names: str) -> Message:
    return pb.BookFrame(positions=[position_to_wire(closed(name)) for name in names])


async def everything(positions: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in positions]


# -------------------------------------------------------------------- cancellation

WAITS: dict[str, tuple[str, Callable[[aio.Client], Awaitable[object]]]] = {
    "get": ("Get", lambda book: book.get("hk", "p1")),
    "save": ("Save", lambda book: book.save(position())),
    "save_many": ("SaveMany", lambda book: book.save_many([position()])),
    "positions": ("List", lambda book: book.positions("hk")),
    "book": ("StreamBook", lambda book: everything(book.book())),
    "save_stream": ("SaveStream", lambda book: everything(book.save_stream([position()]))),
    "split_all": ("SplitAll", lambda book: book.split_all()),
    "backup": ("Backup", lambda book: book.backup("/tmp/never-written")),
}


@pytest.mark.parametrize(("rpc", "call"), WAITS.values(), ids=WAITS)
async def test_cancelling_a_task_cancels_its_call(
    scripted: ScriptedServer, rpc: str, call: Callable[[aio.Client], Awaitable[object]]
) -> None:
    """The task ends in CancelledError, the server is told while it still waits, nothing is asked
    again, and the client goes on."""
    hold = threading.Event()
    scripted.answers(rpc, hold)
    async with aio.connect(scripted.target, timeout_s=PATIENCE_S) as book:
        task = asyncio.ensure_future(call(book))
        assert await arrived(scripted.come)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await arrived(scripted.ended), "the server was told"

        assert await is_idle()
        assert len(scripted.seen[rpc]) == 1
        scripted.answers("Get", hotbook.NotFound("answered"))
        with pytest.raises(hotbook.NotFound):
            await book.get("hk", "p1")
    hold.set()


async def test_a_timeout_of_asyncio_is_the_callers_own(scripted: ScriptedServer) -> None:
    """`asyncio.timeout` around a call ends it in TimeoutError, as it ends everything else."""
    hold = threading.Event()
    scripted.answers("Get", hold)
    async with aio.connect(scripted.target) as book:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await book.get("hk", "p1")
    hold.set()


async def test_cancelling_between_two_attempts(scripted: ScriptedServer) -> None:
    """A task that pauses before it tries again is cancelled like any other."""
    scripted.answers("Get", hotbook.Unavailable("later"))
    async with aio.connect(scripted.target, timeout_s=PATIENCE_S) as book:
        task = asyncio.create_task(book.get("hk", "p1"))
        for _ in range(5):
            assert await arrived(scripted.come)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_a_client_is_no_cancellation(scripted: ScriptedServer) -> None:
    """A call that is under way when its client is closed ends in Unavailable; its task goes on,
    also one that has caught a cancellation before."""
    hold = threading.Event()
    scripted.answers("Get", hold)
    scripted.answers("StreamBook", hold)
    book = aio.connect(scripted.target, timeout_s=PATIENCE_S)

    async def stubborn(call: Callable[[], Awaitable[object]]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(hotbook.Unavailable, match="closed"):
                await call()

    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: book.get("hk", "p1"),
        lambda: everything(book.book()),
    ]
    tasks = [asyncio.create_task(stubborn(call)) for call in calls]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    for _ in tasks:
        assert await arrived(scripted.come)
    await book.close()
    await asyncio.gather(*tasks)
    hold.set()


# -------------------------------------------------------------------- many at once


async def test_many_calls_at_once_over_one_client(shared_target: str) -> None:
    """Three hundred tasks save and read through one client; each finds what it saved."""

    async def work(book: aio.Client, number: int) -> bool:
        own = f"hk-{number}"
        saved = await book.save(closed(own, hotkey=own))
        found = await book.get(own, own)
        streamed = [s async for s in book.save_stream([closed(own, hotkey=own)])]
        assert isinstance(streamed[0], Saved)
        return found is not None and found.revision == saved.revision < streamed[0].revision

    async with aio.connect(shared_target, timeout_s=60) as book:
        assert all(await asyncio.gather(*(work(book, number) for number in range(300))))
    assert await is_idle()


async def test_a_call_that_waits_holds_nobody_up(scripted: ScriptedServer) -> None:
    """While one call waits for its answer, others of the same client are answered."""
    hold = threading.Event()
    scripted.answers("Get", hold, hotbook.NotFound("answered"))
    async with aio.connect(scripted.target, timeout_s=PATIENCE_S) as book:
        waiting = asyncio.create_task(book.get("hk", "p1"))
        assert await arrived(scripted.come)
        for _ in range(3):
            with pytest.raises(hotbook.NotFound):
                await book.get("hk", "p2")
        assert not waiting.done()
        waiting.cancel()
        hold.set()


# -------------------------------------------------------------------- the loop, and threads

WHOLE = """
import asyncio, sys, threading
from hotbook import aio
from tests.make import closed, order, position

async def main():
    before = set(threading.enumerate())
    asyncio.new_event_loop = asyncio.Runner = None
    async with aio.connect(sys.argv[1]) as book:
        await book.save(position())
        assert len([s async for s in book.save_stream(closed(f"s{n}") for n in range(9))]) == 9
        assert len([p async for p in book.book()]) == 10
        await book.backup(sys.argv[2])
        print(*(thread.name for thread in set(threading.enumerate()) - before))

RUN
"""
RUNS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop; uvloop.run(main())",
}


@pytest.mark.parametrize("run", RUNS)
def test_it_has_no_thread_and_no_loop_of_its_own(
    process: ServerProcess, tmp_path: Path, run: str
) -> None:
    """Under asyncio and under uvloop, whatever is asked: the one thread that there is afterwards is
    that of grpc.aio, and nobody has made a loop."""
    code = WHOLE.replace("RUN", RUNS[run])
    command = [sys.executable, "-W", "error", "-c", code, process.target, str(tmp_path / "b")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    [thread] = done.stdout.splitlines()
    assert "_poll_wrapper" in thread
    assert len(thread.split()) == 2, "its name is `Thread-<number> (_poll_wrapper)`"


FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_a_client_belongs_to_the_loop_of_its_first_call(
    shared_target: str, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """It may be made without a loop. A second loop is refused by name, in every way of asking; a
    client of its own works there."""
    book = aio.connect(shared_target)
    with asyncio.Runner(loop_factory=factory) as first:
        assert first.run(book.status()).state == "serving"
        with asyncio.Runner(loop_factory=factory) as second:
            asks: list[Callable[[], Any]] = [
                book.status,
                lambda: everything(book.book()),
                lambda: everything(book.save_stream([position()])),
            ]
            for ask in asks:
                with pytest.raises(InvalidArgument, match="another event loop"):
                    second.run(ask())
            other = aio.connect(shared_target)
            assert second.run(other.status()).state == "serving"
            second.run(other.close())
        assert first.run(book.status()).state == "serving"
        first.run(book.close())


# -------------------------------------------------------------------- streams


@pytest.mark.parametrize("how", ["closed", "forgotten"])
async def test_a_stream_that_is_left_early_frees_its_call(
    scripted: ScriptedServer, how: str
) -> None:
    """At once where it is closed; in a moment where it is just forgotten."""
    hold = threading.Event()
    scripted.answers("StreamBook", (frame("a", "b"), hold))
    async with aio.connect(scripted.target, timeout_s=PATIENCE_S) as book:
        if how == "closed":
            async with aclosing(book.book()) as positions:
                assert (await anext(positions)).position_uuid == "a"
        else:
            async for found in book.book():
                assert found.position_uuid == "a"
                break
        assert await arrived(scripted.ended)
        assert await is_idle()
    hold.set()


async def test_what_is_begun_is_sent_while_the_loop_is_held_up(scripted: ScriptedServer) -> None:
    """As making the next request of a `save_many` holds it up: the server has the last by then."""
    scripted.answers("Status", pb.StatusReply(durability=1))  # type: ignore[arg-type]
    while scripted.come.acquire(blocking=False):
        pass
    transport = Transport(scripted.target)

    reply = await transport.begin("Status", pb.StatusRequest(), PATIENCE_S)

    assert scripted.come.acquire(timeout=PATIENCE_S), "nothing else runs on this loop meanwhile"
    assert (await transport.end(reply)).durability == 1
    await transport.close()


class Boom(Exception):
    """What the caller's own generator raises."""


class Drawn:
    """An asynchronous generator of what a test hands over one by one, and how it ended."""

    def __init__(self) -> None:
        self.ended_by: BaseException | None = None
        self.asked = asyncio.Semaphore(0)
        self._next: asyncio.Queue[Position | Exception | None] = asyncio.Queue()

    def hand(self, *given: Position | Exception | None) -> None:
        for one in given:
            self._next.put_nowait(one)

    async def positions(self) -> AsyncIterator[Position]:
        try:
            while True:
                self.asked.release()
                given = await self._next.get()
                if given is None:
                    return
                if isinstance(given, Exception):
                    raise given
                yield given
        except BaseException as error:
            self.ended_by = error
            raise


async def test_a_pipeline_takes_positions_as_they_come(shared_target: str) -> None:
    """Each is answered before the next is there; the end of the generator is the end."""
    drawn = Drawn()
    async with aio.connect(shared_target, timeout_s=PATIENCE_S) as book:
        answers = book.save_stream(drawn.positions())
        for number in range(5):
            drawn.hand(closed(f"one-{number}"))
            answer = await anext(answers)
            assert isinstance(answer, Saved)
            assert answer.position_uuid == f"one-{number}"
        drawn.hand(closed("last"), None)
        assert [a.position_uuid for a in await everything(answers)] == ["last"]
    assert drawn.ended_by is None


async def test_the_callers_own_error_comes_after_the_answers(shared_target: str) -> None:
    """What came before it is saved and answered; then it is raised as it is."""
    drawn = Drawn()
    drawn.hand(closed("before-1"), closed("before-2"), Boom())
    async with aio.connect(shared_target, timeout_s=PATIENCE_S) as book:
        answers = book.save_stream(drawn.positions())
        assert [type(await anext(answers)) for _ in range(2)] == [Saved, Saved]
        with pytest.raises(Boom):
            await anext(answers)


async def test_a_pipeline_that_the_server_ends_is_told_why(scripted: ScriptedServer) -> None:
    """Also where it ends while a request is being written, which gRPC tells as an error of its own
    in one case of a hundred: two hundred times, the reason is the server's."""
    large = closed("large", orders=(order(extra={"note": "x" * 20_000}),))
    scripted.answers("SaveStream", hotbook.VersionConflict("said the server"))
    async with aio.connect(scripted.target, timeout_s=PATIENCE_S) as book:
        for _ in range(200):
            with pytest.raises(hotbook.VersionConflict):
                await everything(book.save_stream([large] * 100))


async def test_a_pipeline_waits_for_its_caller_without_end(shared_target: str) -> None:
    """`timeout_s` is of the server: while nothing is without an answer it does not run."""
    drawn = Drawn()
    async with aio.connect(shared_target) as book:
        answers = book.save_stream(drawn.positions(), timeout_s=0.3)
        drawn.hand(closed("early"))
        assert isinstance(await anext(answers), Saved)
        late = asyncio.ensure_future(anext(answers))
        done, _ = await asyncio.wait({late}, timeout=1)
        assert not done
        drawn.hand(closed("late"))
        assert isinstance(await late, Saved)
        await answers.aclose()


async def test_a_pipeline_whose_caller_waits_for_answers_survives_a_restart(
    process: ServerProcess,
) -> None:
    """The server dies while the generator is asked for more and a request is without an answer: the
    request is sent again, the generator goes on where it was, and each position is saved once."""
    drawn = Drawn()
    async with aio.connect(process.target, timeout_s=PATIENCE_S) as book:
        answers = book.save_stream(drawn.positions())
        drawn.hand(closed("p0"))
        assert isinstance(await anext(answers), Saved)
        with process.asleep():
            drawn.hand(closed("p1"))
            for _ in range(3):  # for p0, for p1, and for what is not there yet
                await drawn.asked.acquire()
            waiting = asyncio.ensure_future(anext(answers))
            process.kill()
        await asyncio.to_thread(process.start)
        second = await waiting
        assert isinstance(second, Saved)
        assert (second.position_uuid, second.version) == ("p1", 1)
        assert drawn.ended_by is None
        drawn.hand(closed("p2"), None)
        assert [a.position_uuid for a in await everything(answers)] == ["p2"]
        assert (await book.status()).revision == 3


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_a_pipeline_that_is_left_early_asks_for_no_more(shared_target: str, how: str) -> None:
    """Its waiting for the generator is cancelled, at once, and no task is left."""
    drawn = Drawn()
    async with aio.connect(shared_target, timeout_s=PATIENCE_S) as book:
        answers = book.save_stream(drawn.positions())
        drawn.hand(closed("left"))
        assert isinstance(await anext(answers), Saved)
        for _ in range(2):
            await drawn.asked.acquire()
        if how == "cancelled":
            waiting = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        else:
            await answers.aclose()
        assert isinstance(drawn.ended_by, asyncio.CancelledError)
        assert await is_idle()


async def test_a_pipeline_of_a_plain_iterator(shared_target: str) -> None:
    """Lists and generators do as well; what is neither is an InvalidArgument."""
    wrong: Any = 7
    async with aio.connect(shared_target, timeout_s=PATIENCE_S) as book:
        for given in ([closed("i")], iter([closed("i")]), (closed("i") for _ in "1")):
            assert [type(answer) for answer in await everything(book.save_stream(given))] == [Saved]
        with pytest.raises(InvalidArgument):
            await everything(book.save_stream(wrong))


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_a_loop_that_is_held_up_is_no_server_that_stands_still(
    scripted: ScriptedServer, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """A reply that came while something else kept the loop for longer than `timeout_s` is taken."""
    hold = threading.Event()
    rest = [str(number) for number in range(20)]
    scripted.answers("StreamBook", (frame("a"), hold, *map(frame, rest)))

    async def read() -> None:
        async with aio.connect(scripted.target, timeout_s=0.2) as book:
            positions = book.book()
            await anext(positions)
            reading = asyncio.ensure_future(everything(positions))
            await asyncio.sleep(0)
            hold.set()
            time.sleep(0.6)  # noqa: ASYNC251 - this is the point
            assert [found.position_uuid for found in await reading] == rest

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(read())
