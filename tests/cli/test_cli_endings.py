"""How commands end: errors as one line or one JSON object, answers in full, and what stops them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import hotbook
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, QUICK, TERMINAL_S, surroundings, tell
from tests.client.test_retry import ServerProcess, served
from tests.make import closed, order, position


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A server with much of one hotkey, more than a pipe holds."""
    with server() as target, hotbook.connect(target, timeout_s=TERMINAL_S) as book:
        book.save_many(
            closed(f"p{number:04}", orders=tuple(map(order, range(5)))) for number in range(2_000)
        )
        book.save(position("open"))
        yield target


# ------------------------------------------------------------------ errors

ERRORS: list[tuple[list[str], int, str, str]] = [
    (["get", "hk", "nothing"], 3, "NOT_FOUND", "hk has no position nothing"),
    (["delete", "hk", "nothing", "--yes"], 3, "NOT_FOUND", "hk has no position nothing"),
    (["campaigns", "get", "nothing"], 3, "NOT_FOUND", "no campaign nothing"),
    (["get", "h k", "a"], 2, "INVALID_ARGUMENT", "hotkey"),
    (["delete", "hk", "open"], 4, "REFUSED", "pass --yes"),
    (["status", "-t", "127.0.0.1:1", QUICK], 5, "UNAVAILABLE", "is the server running?"),
    (["status", "--nonsense"], 2, "INVALID_ARGUMENT", "No such option '--nonsense'"),
    (["nonsense"], 2, "INVALID_ARGUMENT", "No such command 'nonsense'"),
    (["list"], 2, "INVALID_ARGUMENT", "name at least one HOTKEY"),
]


@pytest.mark.parametrize(("args", "code", "name", "words"), ERRORS, ids=lambda a: str(a)[:30])
def test_errors_for_programs_are_json(
    target: str, args: list[str], code: int, name: str, words: str
) -> None:
    """With -o json an error is one JSON object on stderr, with the exit code that it has anyway."""
    told = tell(target, *args, HOTBOOK_OUTPUT="json")

    assert told.code == code
    assert len(told.err.splitlines()) == 1
    error = json.loads(told.err)
    assert (set(error), error["code"]) == ({"code", "message", "details"}, name)
    assert words in error["message"]
    assert tell(target, *args).code == code


@pytest.mark.parametrize("flags", [["-ojson"], ["-o", "json"], ["--output=json"]])
def test_json_is_asked_for_in_every_way(target: str, flags: list[str]) -> None:
    """However the flag is written, and before whatever makes no sense."""
    assert json.loads(tell(target, "status", *flags, "--nonsense").err)["details"] == {}


def test_details_are_data(target: str) -> None:
    """What a refusal says about itself comes with it."""
    told = tell(target, "get", "h k", "a", "-o", "json")

    assert json.loads(told.err)["details"] == {"field": "hotkey"}


# ------------------------------------------------------------------ answers in full


def test_answers_have_all_their_fields(target: str) -> None:
    """A program finds every field, null where there is nothing; `save` reads positions back."""
    status = json.loads(tell(target, "status", "-o", "json").out)
    market = json.loads(tell(target, "market", "NEW", "-o", "json").out)["pairs"][0]
    found = json.loads(tell(target, "open", "hk", "BTCUSD", "-o", "json").out)
    options = ("--from-revision=2000", "--until-revision=2001", "-o", "json")
    change = json.loads(tell(target, "watch", *options).out)["changes"][0]
    reloaded = json.loads(tell(target, "reload", "-o", "json").out)

    assert (status["leader"], status["lag_ms"], reloaded["quarantined"]) == ("", 0.0, 0)
    assert (market["price"], market["is_fresh"], market["is_ready"]) == (None, False, False)
    fields = {field.name for field in msgspec.structs.fields(hotbook.Position)}
    assert set(found) == set(change["position"]) == fields
    assert found["close_ms"] is None


# ------------------------------------------------------------------ pipes

PIPED = [
    "export jsonl -",
    "export csv -",
    "list --all",
    "list --all -o json",
    "watch --from-revision 0",
    "watch --snapshot -o json",
]


@pytest.mark.parametrize("args", PIPED)
def test_a_reader_that_goes_away_ends_a_command_in_silence(target: str, args: str) -> None:
    """Every command that is cut off by `head` exits with 141, and says nothing."""
    with subprocess.Popen(
        [HOTBOOK, *args.split()], env=surroundings(HOTBOOK_TARGET=target),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        if args.startswith("watch"):  # it ends when there is something more to tell
            with hotbook.connect(target, timeout_s=TERMINAL_S) as book:
                until_s = time.monotonic() + TERMINAL_S
                while process.poll() is None and time.monotonic() < until_s:
                    book.save(closed("again"))
        told = process.stderr.read()

        assert (process.wait(TERMINAL_S), told) == (141, b"")


@pytest.mark.parametrize("args", ["status", "status -o json", "export jsonl -", "hotkeys"])
def test_a_disk_that_is_full_has_a_line_and_a_code(target: str, args: str) -> None:
    """An answer that cannot be written is told in one line, with 9."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [HOTBOOK, *args.split()], env=surroundings(HOTBOOK_TARGET=target), stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert ended.returncode == 9
    assert len(ended.stderr.splitlines()) == 1
    assert "No space left on device" in ended.stderr


# ------------------------------------------------------------------ Ctrl-C


def interrupted(server: ServerProcess, *args: str, stdin: bytes = b"") -> tuple[int, str]:
    """Runs a command until something is saved, puts its server to sleep, and presses Ctrl-C."""
    with subprocess.Popen(
        [HOTBOOK, *args], env=surroundings(HOTBOOK_TARGET=server.target), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        with hotbook.connect(server.target, timeout_s=TERMINAL_S) as book:
            until_s = time.monotonic() + TERMINAL_S
            while book.status().positions == 0:
                assert time.monotonic() < until_s
        with server.asleep():
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TERMINAL_S)
        return process.returncode, err.decode()


def test_ctrl_c_says_what_was_imported(tmp_path: Path) -> None:
    """130; how much was saved by then, and that it may be run again; which saves the rest."""
    with server() as source, hotbook.connect(source, timeout_s=TERMINAL_S) as book:
        book.save_many(closed(f"p{n:05}", hotkey=f"hk{n % 60}") for n in range(3_000))
        assert tell(source, "export", "tree", str(tmp_path / "tree")).code == 0
    command = ("import", "tree", str(tmp_path / "tree"))
    with served(tmp_path / "served", durability="memory", batch_wait_ms=200) as process:
        code, err = interrupted(process, *command)
        again = tell(process.target, *command, "-o", "json")

    assert code == 130, err
    assert len(err.splitlines()) == 1
    assert "run it again: it saves what is missing" in err
    assert again.code == 0
    report = json.loads(again.out)
    assert report["there_already"] > 0
    assert report["there_already"] + report["saved"] == 3_000


def test_ctrl_c_says_what_was_saved(tmp_path: Path) -> None:
    """130; how many were saved by then, and that doing it again makes it whole."""
    lines = b"\n".join(msgspec.json.encode(closed(f"p{number}")) for number in range(20_000))
    with served(tmp_path / "served", durability="memory", batch_wait_ms=200) as process:
        code, err = interrupted(process, "save", stdin=lines)

    assert code == 130, err
    assert len(err.splitlines()) == 1
    assert "of 20,000 positions were saved" in err
    assert "saving them again makes it whole" in err
