"""What the client does when the server dies, stops, or a reply is lost on its way."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

import hotbook
from hotbook import Client, DeadlineExceeded, HotbookError, Position, Saved, Unavailable
from hotbook._connection import BACKOFF_FIRST_S, BACKOFF_MOST_S, backoff
from tests.faces import Connect
from tests.make import closed, position
from tests.relay import Relay

PATIENCE_S = 20.0
MARGIN_S = 1.5


class ServerProcess:
    """A real server over one folder, on the same port through all its lives."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.target = "127.0.0.1:0"
        self.log = folder / "log"
        self._settings = {
            "data_dir": folder / "data",
            "metrics_listen": "off",
            "web_listen": "off",
            "log_level": "info",
            **settings,
        }

    def start(self) -> None:
        chosen = {"listen": self.target, **self._settings}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotbook_server", *flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert " listens on " in first, self.log.read_text()
        self.target = first.split(" listens on ")[1].split(" ")[0]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """Waits for the end; gives the exit code."""
        code = self.process.wait(within_s)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.ended()

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """Stopped, as by a hung disk or a frozen machine; goes on at the end."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)


@contextlib.contextmanager
def served(folder: Path, **settings: object) -> Iterator[ServerProcess]:
    folder.mkdir(exist_ok=True)
    made = ServerProcess(folder, **settings)
    made.start()
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.kill()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    with served(tmp_path / "served") as made:
        yield made


@pytest.fixture
def client(process: ServerProcess, connect: Connect) -> Iterator[Client]:
    with connect(process.target, timeout_s=PATIENCE_S) as made:
        yield made


# -------------------------------------------------------------------- a server that dies

ASKS: dict[str, Callable[[Client], object]] = {
    "get": lambda book: book.get("hk", "p1") is not None,
    "open_position": lambda book: book.open_position("hk", "BTCUSD") is not None,
    "positions": lambda book: bool(book.positions("hk")),
    "book": lambda book: len(list(book.book())) == 1,
    "save": lambda book: book.save(position()).version == 2,
    "delete": lambda book: book.delete("hk", "p1"),
    "save_stream": lambda book: isinstance(next(iter(book.save_stream([position()]))), Saved),
}


@pytest.mark.parametrize("call", ASKS.values(), ids=ASKS)
def test_a_client_survives_the_servers_death(
    process: ServerProcess, client: Client, call: Callable[[Client], object]
) -> None:
    """A call made while a killed server is away is answered once it is back, by the same client."""
    client.save(position())
    process.kill()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, client)
        process.start()
        assert asked.result(PATIENCE_S) is True


def test_a_stream_survives_the_servers_death(process: ServerProcess, client: Client) -> None:
    """A pipeline goes on after kill -9 from the first without an answer: each is saved once."""
    sent = [closed(f"p{n}") for n in range(600)]
    answers: list[Saved] = []
    stream = client.save_stream(iter(sent))
    for answer in itertools.islice(stream, 50):
        assert isinstance(answer, Saved)
        answers.append(answer)
    process.kill()
    process.start()
    for answer in stream:
        assert isinstance(answer, Saved)
        answers.append(answer)

    assert [a.position_uuid for a in answers] == [p.position_uuid for p in sent]
    assert {a.version for a in answers} == {1}
    assert client.status().revision == len(sent)
    assert len(client.positions("hk")) == len(sent)


def test_a_stream_whose_caller_waits_for_answers_survives_too(process: ServerProcess) -> None:
    """A generator that goes on only after an answer does not keep the lost request from going.

    (On an event loop it would keep everything from going; `test_aio.py` has its twin.)
    """
    client = hotbook.connect(process.target, timeout_s=PATIENCE_S)
    handed, told, go, answered = (threading.Semaphore(0) for _ in range(4))

    def one_at_a_time() -> Iterator[Position]:
        for number in range(3):
            yield closed(f"p{number}")
            handed.release()
            assert answered.acquire(timeout=4 * PATIENCE_S)

    def save_all() -> Iterator[str]:
        for answer in client.save_stream(one_at_a_time()):
            assert isinstance(answer, Saved)
            told.release()
            yield answer.position_uuid
            assert go.acquire(timeout=PATIENCE_S)
            answered.release()

    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(list, save_all())
        try:
            assert handed.acquire(timeout=PATIENCE_S), "p0 is on its way"
            assert told.acquire(timeout=PATIENCE_S), "p0 is answered"
            with process.asleep():
                go.release(3)
                assert handed.acquire(timeout=PATIENCE_S), "p1 is on its way"
                process.kill()
            process.start()
            assert saving.result(8) == ["p0", "p1", "p2"]
        finally:
            answered.release(3)
            client.close()


def test_only_errors_of_hotbook_are_raised_while_servers_come_and_go(
    process: ServerProcess, connect: Connect
) -> None:
    """Whatever is asked while a server is killed and started: an answer or an error of hotbook."""
    finished = threading.Event()
    answered = threading.Semaphore(0)
    came_back: list[bool] = []
    seen: list[Exception | None] = []

    def ask(number: int) -> None:
        calls = list(ASKS.values())
        with connect(process.target, timeout_s=0.2) as made:
            while not finished.is_set():
                number += 1
                try:
                    calls[number % len(calls)](made)
                    seen.append(None)
                    answered.release()
                except Exception as error:
                    seen.append(error)

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, number) for number in range(8)]
        for _ in range(3):
            process.kill()
            while answered.acquire(blocking=False):
                pass  # by the server that was killed
            process.start()
            came_back.append(answered.acquire(timeout=PATIENCE_S))
        finished.set()
        for asked in asking:
            asked.result(PATIENCE_S)

    kinds = {type(error) for error in seen}
    assert came_back == [True] * 3, "each server that came back has answered"
    assert kinds & {Unavailable, DeadlineExceeded}, "some were not"
    assert all(kind is type(None) or issubclass(kind, HotbookError) for kind in kinds), kinds


def test_closing_a_client_ends_its_calls_with_errors_of_hotbook(
    process: ServerProcess, connect: Connect
) -> None:
    """A call that is under way when its client is closed ends at once, with an error of hotbook."""
    made = connect(process.target, timeout_s=PATIENCE_S)
    made.status()
    with process.asleep(), ThreadPoolExecutor(2) as pool:
        calls: list[Callable[[], object]] = [
            lambda: made.get("hk", "p1"),
            lambda: list(made.book()),
        ]
        asked = [pool.submit(call) for call in calls]
        done, _ = wait(asked, 0.3)
        assert not done, "they wait for the server"
        made.close()
        failures = [call.exception(MARGIN_S) for call in asked]

    assert [isinstance(failure, HotbookError) for failure in failures] == [True, True], failures


def test_no_server_is_told_with_its_address_and_what_to_do(connect: Connect) -> None:
    """Unavailable names the target and how to start a server; every kind of call says the same."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"127.0.0.1:{taken.getsockname()[1]}"
    with connect(target, timeout_s=0.2) as made:
        for call in ASKS.values():
            with pytest.raises(Unavailable) as failed:
                call(made)
            assert target in failed.value.message
            assert "hotbook serve" in failed.value.message


# -------------------------------------------------------------------- a reply that is lost


NEW = position("new", trade_pair="ETHUSD")
WRITES: dict[str, tuple[Callable[[Client], object], object]] = {
    # the write, and what of its answer tells that it happened once
    "save": (lambda book: book.save(position()).version, 2),
    "save what must be new": (lambda book: book.save(NEW, expected_version=0).version, 1),
    "save at a version": (lambda book: book.save(position(), expected_version=1).version, 2),
    "save_many": (lambda book: [type(a) for a in book.save_many([NEW])], [Saved]),
    "all or nothing": (
        lambda book: [type(a) for a in book.save_many([NEW], all_or_nothing=True)],
        [Saved],
    ),
    "save_stream": (
        lambda book: [a.version for a in book.save_stream([position()]) if isinstance(a, Saved)],
        [2],
    ),
    "delete": (lambda book: book.delete("hk", "p1"), True),
    "clear": (lambda book: book.clear("hk", expected_count=1), 1),
}


@pytest.mark.parametrize(("write", "told"), WRITES.values(), ids=WRITES)
def test_a_write_whose_reply_is_lost_has_one_effect(
    shared_target: str, connect: Connect, write: Callable[[Client], object], told: object
) -> None:
    """The connection is cut after the write and before the reply: the retry tells what happened."""
    relay = Relay(shared_target)
    with (
        hotbook.connect(shared_target) as direct,
        connect(relay.target, timeout_s=PATIENCE_S) as through,
        ThreadPoolExecutor(1) as pool,
    ):
        direct.clear(expected_count=direct.status().positions)
        through.save(position())
        before = direct.status().revision
        relay.keep_replies.set()
        asked = pool.submit(write, through)
        until_s = time.monotonic() + PATIENCE_S
        while direct.status().revision == before:
            assert time.monotonic() < until_s, "the write never came"
        relay.cut()

        assert asked.result(PATIENCE_S) == told
        assert direct.status().revision == before + 1
    relay.close()


# -------------------------------------------------------------------- a server that is stopped


@pytest.mark.parametrize("call", ASKS.values(), ids=ASKS)
def test_deadlines_are_kept_when_the_server_is_frozen(
    process: ServerProcess, connect: Connect, call: Callable[[Client], object]
) -> None:
    """A frozen server costs a caller no more than the client's timeout, whatever is called."""
    with connect(process.target, timeout_s=0.5) as made:
        made.save(position(), timeout_s=PATIENCE_S)
        with ThreadPoolExecutor(1) as pool, process.asleep():
            began_s = time.monotonic()
            failure = pool.submit(call, made).exception(0.5 + MARGIN_S)
            took_s = time.monotonic() - began_s

        assert isinstance(failure, DeadlineExceeded)
        assert took_s < 0.5 + MARGIN_S
        assert made.status(timeout_s=PATIENCE_S).positions == 1, "the same client goes on"


def test_pauses_double_are_bounded_and_differ() -> None:
    """Each pause lies between half and all of its longest; the longest doubles up to a second."""
    longest_s = BACKOFF_FIRST_S
    for pause_s in itertools.islice(backoff(), 20):
        assert longest_s / 2 <= pause_s <= longest_s
        longest_s = min(longest_s * 2, BACKOFF_MOST_S)

    assert longest_s == BACKOFF_MOST_S
    drawn = [tuple(itertools.islice(backoff(), 5)) for _ in range(20)]
    assert len(set(drawn)) == len(drawn), "callers spread out"
