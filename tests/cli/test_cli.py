"""The commands on positions, run as people and programs run them: in a process of their own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.cells import cell_len

import hotbook
from hotbook.testing import server
from tests.make import OPEN_MS, closed, content, position

HOTBOOK = Path(sys.executable).with_name("hotbook")
LONG_HOTKEY, LONG_UUID = "5" + "F" * 127, "u" + "0" * 255
STRANGE = ["[/x]", "[red]x", "[bold", "a[0]", ":smile:", "\\[x]", "-x", "日本", "x'\"<&"]
QUICK = "--timeout-s=0.2"
TERMINAL_S = 20


class Told(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    def refuses(self, code: int, *words: str) -> None:
        """Asserts that it ended as a refusal should: one line on stderr, no answer."""
        assert "Traceback" not in self.err, self.err
        assert (self.code, self.out) == (code, ""), self
        assert len(self.err.splitlines()) == 1, self.err
        for word in ("hotbook: ", *words):
            assert word in self.err, self.err


def surroundings(**variables: str) -> dict[str, str]:
    """The environment of a command: ours, without what would change its looks or its target."""
    looks = {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in looks and not name.startswith("HOTBOOK_")
    }
    return kept | {"TERM": "xterm-256color"} | variables


def tell(
    target: str, *args: str, stdin: bytes = b"", cwd: Path | None = None, **variables: str
) -> Told:
    """Runs `hotbook ARGS` against a server, with pipes on all three sides."""
    ended = subprocess.run(
        [HOTBOOK, *args],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=surroundings(HOTBOOK_TARGET=target, **variables),
        timeout=60,
        check=False,
    )
    return Told(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def at_terminal(
    target: str,
    *command: str | Path,
    types: tuple[str, bytes] | None = None,
    stdout: int | None = None,
) -> tuple[int, str, str]:
    """Runs a command at a terminal of 100 columns; types an answer once the prompt stands there.

    Returns the exit code, what stood on the terminal, and what went into a piped `stdout`.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        env=surroundings(HOTBOOK_TARGET=target),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen, deadline_s = b"", time.monotonic() + TERMINAL_S
        with suppress(OSError):  # the end of a terminal is an error on Linux
            while select.select([ours], [], [], deadline_s - time.monotonic())[0]:
                data = os.read(ours, 65536)
                if not data:
                    break
                seen += data
                if types is not None and types[0].encode() in seen:
                    os.write(ours, types[1])
                    types = None
        os.close(ours)
        piped = process.stdout.read().decode() if process.stdout else ""
        return process.wait(TERMINAL_S), seen.decode(), piped


@pytest.fixture(scope="module")
def stocked() -> Iterator[str]:
    """A server with an open and a closed position of "hk", and one with the longest of names."""
    with server() as target, hotbook.connect(target) as book:
        book.save(position("a"))
        book.save(closed("b", trade_pair="ETHUSD"))
        book.save(position(LONG_UUID, hotkey=LONG_HOTKEY))
        yield target


@pytest.fixture(scope="module")
def strange() -> Iterator[str]:
    """A server with a position under each strange name."""
    with server() as target, hotbook.connect(target) as book:
        for name in STRANGE:
            book.save(position(name, hotkey=name, extra={name: name}))
        yield target


@pytest.fixture
def empty() -> Iterator[str]:
    """A server of its own for a test that counts everything."""
    with server() as target:
        yield target


TABLES = [
    (["hotkeys"], ["hotkey", "positions", "open", "hk", LONG_HOTKEY]),
    (["open", "hk"], ["BTCUSD", "LONG", "open", "2024-12-12 10:40:00Z", "0.1", "a"]),
    (["open", "hk", "BTCUSD"], ["BTCUSD", "LONG", "order-0", "64900.41", "position_uuid"]),
    (["list", "hk"], ["closed", "ETHUSD", "FLAT", "2024-12-12 11:40:00Z", "b", "BTCUSD"]),
    (["list", "--all"], ["hk", LONG_HOTKEY, LONG_UUID, "ETHUSD"]),
    (["get", LONG_HOTKEY, LONG_UUID], [LONG_HOTKEY, LONG_UUID]),
]


@pytest.mark.parametrize(("args", "wanted"), TABLES, ids=lambda part: " ".join(part)[:30])
def test_a_table_holds_what_was_asked_for(stocked: str, args: list[str], wanted: list[str]) -> None:
    """Tables name everything in words; in a pipe no hotkey and no uuid is cut or broken."""
    told = tell(stocked, *args)

    assert (told.code, told.err) == (0, "")
    cells = told.out.split()
    assert not [text for text in wanted if text not in cells and text not in told.out], told.out
    assert "\x1b" not in told.out
    assert "…" not in told.out


def test_one_row_is_one_line_in_a_pipe(stocked: str) -> None:
    """Programs may read tables line by line: the longest names do not break a row."""
    told = tell(stocked, "list", "--all")

    lines = told.out.strip().splitlines()
    assert len(lines) == 1 + 3
    assert [line for line in lines if LONG_HOTKEY in line and LONG_UUID in line]


FILTERS = [
    (["list", "hk", "--open"], ["a"]),
    (["list", "hk", "--opened-after", str(OPEN_MS)], []),
    (["list", "hk", "--opened-after", "2024-12-12T12:39:59+02:00"], ["b", "a"]),
    (["list", "--all"], [LONG_UUID, "b", "a"]),
    (["open", "hk"], ["a"]),
    (["open", "nobody"], []),
]


@pytest.mark.parametrize(("args", "uuids"), FILTERS, ids=lambda part: " ".join(part)[:40])
def test_lists_as_json(stocked: str, args: list[str], uuids: list[str]) -> None:
    """`-o json` gives a list of positions, closed ones first, with every filter in force."""
    told = tell(stocked, *args, "-o", "json")

    assert (told.code, told.err) == (0, "")
    assert [found["position_uuid"] for found in json.loads(told.out)] == uuids


@pytest.mark.parametrize("form", ["a list", "one object", "one object a line", "a file"])
def test_json_goes_back_into_save(stocked: str, empty: str, form: str, tmp_path: Path) -> None:
    """What `-o json` shows can be piped into `hotbook save`, and arrives as it was."""
    args = ["get", "hk", "a"] if form == "one object" else ["list", "--all"]
    text = tell(stocked, *args, "-o", "json").out
    if form == "one object a line":
        text = "".join(json.dumps(found) + "\n" for found in json.loads(text))
    file = tmp_path / "positions.json"
    file.write_text(text)
    count = 1 if form == "one object" else 3

    saved = (
        tell(empty, "save", str(file)) if form == "a file"
        else tell(empty, "save", stdin=text.encode())
    )  # fmt: skip

    assert saved == (0, f"saved {count} of {count} position{'s' * (count > 1)}\n", "")
    with hotbook.connect(stocked) as source, hotbook.connect(empty) as copy:
        there = {p.position_uuid: content(p) for p in source.book()}
        here = {p.position_uuid: content(p) for p in copy.book()}
    assert here == ({"a": there["a"]} if count == 1 else there)


def test_columns_line_up_in_a_pipe(strange: str) -> None:
    """By what a terminal would show: a character of two columns counts as two."""
    lines = tell(strange, "hotkeys").out.splitlines()

    assert len(lines) == 1 + len(STRANGE)
    assert len({cell_len(line) for line in lines}) == 1  # the last column ends at the right


@pytest.mark.parametrize("args", [["hotkeys"], ["list", "--all"], ["get", "--", "-x", "-x"]])
def test_names_are_data(strange: str, args: list[str]) -> None:
    """Hotkeys and uuids are any printable text: none is read as markup, and none is changed."""
    told = tell(strange, *args)

    assert (told.code, told.err) == (0, ""), told.err[-300:]
    wanted = ["-x"] if args[0] == "get" else STRANGE
    assert not set(wanted) - set(told.out.split())


@pytest.mark.parametrize("name", ["[/x]", "[red]x", ":smile:"])
def test_a_strange_name_in_full(strange: str, name: str) -> None:
    """One position is shown with its names as they are, those of its extra fields too."""
    told = tell(strange, "get", name, name)

    assert (told.code, told.err) == (0, ""), told.err[-300:]
    assert told.out.count(name) == 4


def test_text_of_others_cannot_drive_a_terminal(shared_target: str) -> None:
    """What a sender put into a position is shown, but its control characters are not obeyed."""
    evil = "\x1b]0;owned\x07\x1b[2J\r"
    with hotbook.connect(shared_target) as book:
        book.save(position("evil", hotkey="evil", extra={"note": evil, evil: 1}))

    told = tell(shared_target, "get", "evil", "evil")

    assert told.code == 0
    assert not {"\x1b", "\x07", "\r"} & set(told.out)


# What is typed, what stands in stdin, the exit code, and what the one line says.
MISTAKES: list[tuple[list[str], bytes, int, str]] = [
    (["status", "-t", "127.0.0.1:1", QUICK], b"", 5, "is the server running?"),
    (["status", "-t", "no.such.host.invalid:50700", QUICK], b"", 5, "no.such.host.invalid"),
    (["status", "-t", "", QUICK], b"", 2, "HOST:PORT"),
    (["status", "-t", "http://127.0.0.1:1", QUICK], b"", 2, "HOST:PORT"),
    (["status", "-t", "127.0.0.1", QUICK], b"", 2, "HOST:PORT"),
    (["status", "-t", "127.0.0.1:99999", QUICK], b"", 2, "HOST:PORT"),
    (["get", "hk", "nothing"], b"", 3, "hk has no position nothing"),
    (["open", "hk", "XAUUSD"], b"", 3, "hk has nothing open on XAUUSD"),
    (["delete", "hk", "nothing", "--yes"], b"", 3, "hk has no position nothing"),
    (["get", "h k", "a"], b"", 2, "hotkey"),
    (["get", "hk", ""], b"", 2, "position_uuid is missing"),
    (["list", "hk", "--opened-after", "yesterday"], b"", 2, "ISO 8601"),
    (["list", "hk", "--opened-after", "2026-01-31T12:00:00"], b"", 2, "time zone"),
    (["list", "hk", "--opened-after", "9" * 20], b"", 2, "opened_after"),
    (["list", "--all", "--opened-after", "9" * 20], b"", 2, "opened_after"),
    (["list", "hk", "--opened-after", "9" * 5000], b"", 2, "opened_after"),
    (["list", "hk", "--opened-after", "0001-01-01T00:00:00+14:00"], b"", 2, "opened_after"),
    (["save"], b"", 2, "empty"),
    (["save"], b"null", 2, "this is not a position"),
    (["save"], b"[1]", 2, "Expected `object`, got `int` - at `$[0]`"),
    (["save"], b'{"hotkey": 5}', 2, "hotkey`"),
    (["save"], b'{\n "hotkey": "h"\n}', 2, "position_uuid"),
    (["save"], b'{"hotkey": "\xff"}', 2, "UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "stdin", "code", "word"), MISTAKES)
def test_a_mistake_is_told_in_one_line(
    stocked: str, args: list[str], stdin: bytes, code: int, word: str
) -> None:
    """A mistake ends in one line on stderr that says what is wrong, and in its exit code."""
    tell(stocked, *args, stdin=stdin).refuses(code, word)


USAGE = [
    (["status", "--nonsense"], "No such option '--nonsense'"),
    (["status", "-o", "yaml"], "'yaml' is not one of 'table', 'json'"),
    (["status", "--timeout-s", "nan"], "--timeout-s"),
    (["status", "--timeout-s", "inf"], "--timeout-s"),
    (["list"], "name at least one HOTKEY, or pass --all"),
    (["save", "/no/such/file"], "No such file or directory"),
    (["clear"], "name a HOTKEY, or pass --all"),
]


@pytest.mark.parametrize(("args", "words"), USAGE, ids=lambda part: " ".join(part)[:40])
def test_wrong_usage(stocked: str, args: list[str], words: str) -> None:
    """Wrong usage exits with 2; the last line says what is wrong, the first how it is meant."""
    told = tell(stocked, *args)

    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Usage: hotbook ")
    assert words in told.err.splitlines()[-1]


def version_of(target: str, hotkey: str, uuid: str) -> int:
    with hotbook.connect(target) as book:
        found = book.get(hotkey, uuid)
        return found.version if found else 0


def as_json(*made: hotbook.Position) -> bytes:
    return msgspec.json.encode(made)


@pytest.mark.parametrize(
    ("flags", "code", "versions"),
    [
        ([], 4, (1, 0)),
        (["--replace-open"], 0, (0, 1)),
        (["--expected-version=1"], 6, (1, 0)),
        (["--expected-version=0"], 4, (1, 0)),
        (["--all-or-nothing"], 4, (1, 0)),
    ],
)
def test_save_of_a_second_open_position(
    shared_target: str, flags: list[str], code: int, versions: tuple[int, int]
) -> None:
    """A second open position on a pair is refused by name, or takes the first one's place."""
    hotkey = "second" + "".join(flags)
    first, second = (position(uuid + hotkey, hotkey=hotkey) for uuid in "xy")
    with hotbook.connect(shared_target) as book:
        book.save(first)

    told = tell(shared_target, "save", *flags, stdin=as_json(second))

    assert told.code == code
    assert tuple(version_of(shared_target, hotkey, u + hotkey) for u in "xy") == versions
    if code == 4:
        assert first.position_uuid in told.err.strip().splitlines()[-1]


def test_one_refusal_among_many(shared_target: str) -> None:
    """The others are saved; each refusal has a line with its code; the first decides."""
    made = [position(f"many{n}", hotkey="many") for n in range(3)]
    other = position("many9", hotkey="many", trade_pair="ETHUSD")

    told = tell(shared_target, "save", "-o", "json", stdin=as_json(*made, other))

    answer: dict[str, Any] = json.loads(told.out)
    assert told.code == 4
    assert [saved["position_uuid"] for saved in answer["saved"]] == ["many0", "many9"]
    assert [(no["position_uuid"], no["code"]) for no in answer["refused"]] == [
        ("many1", "ALREADY_OPEN"),
        ("many2", "ALREADY_OPEN"),
    ]
    lines = [json.loads(line) for line in told.err.splitlines()]
    assert [line["message"].split(": ")[0] for line in lines] == ["many1", "many2"]
    assert {line["code"] for line in lines} == {"ALREADY_OPEN"}


def test_all_or_nothing_is_nothing(shared_target: str) -> None:
    """With --all-or-nothing one refusal leaves nothing, and one line says which position it was."""
    made = [position(f"none{n}", hotkey="none") for n in range(2)]

    told = tell(shared_target, "save", "--all-or-nothing", stdin=as_json(*made))

    told.refuses(4, "none0", "items[1]")
    assert version_of(shared_target, "none", "none0") == 0


DELETES = [
    ([], 4, "pass --yes"),
    (["--expected-version=7"], 4, "pass --yes"),
    (["--expected-version=7", "--yes"], 6, "version"),
    (["--yes"], 0, "removes 1 open position of gone on BTCUSD"),
]


@pytest.mark.parametrize(("flags", "code", "word"), DELETES)
def test_delete(shared_target: str, flags: list[str], code: int, word: str) -> None:
    """A delete wants --yes where nobody can be asked, and the version where one is named."""
    with hotbook.connect(shared_target) as book:
        book.save(position("gone", hotkey="gone"))

    told = tell(shared_target, "delete", "gone", "gone", *flags)

    assert (told.code, told.out) == (code, "" if code else "removed 1 position\n")
    assert word in told.err
    assert bool(version_of(shared_target, "gone", "gone")) == bool(code)


def test_variables_stand_in_for_flags(stocked: str) -> None:
    """HOTBOOK_TARGET, _OUTPUT and _TIMEOUT_S work for every command, and a flag wins over them."""
    assert json.loads(tell(stocked, "hotkeys", HOTBOOK_OUTPUT="json").out)[0]["positions"] == 1
    assert tell("127.0.0.1:1", "hotkeys", "-t", stocked, HOTBOOK_TIMEOUT_S="9").code == 0
    tell("127.0.0.1:1", "hotkeys", HOTBOOK_TIMEOUT_S="0.2").refuses(5, "within 0.2 s")


def test_colours_are_for_terminals(stocked: str) -> None:
    """A terminal gets colours; the tests of tables see none in pipes."""
    code, seen, _ = at_terminal(stocked, HOTBOOK, "list", "hk")

    assert code == 0
    assert "\x1b[" in seen


def test_a_reader_that_goes_away_is_no_accident(stocked: str) -> None:
    """`hotbook ... | head -1` ends in silence."""
    for args in ("list --all", "status -o json"):
        ended = subprocess.run(
            ["bash", "-c", f"{HOTBOOK} {args} | true"],
            env=surroundings(HOTBOOK_TARGET=stocked),
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert ended.stderr == b""


IMPATIENT = "import hotbook_shared.bar as bar; bar.QUIET_S = 0; import hotbook.cli as c; c.main()"
"""The command line, with bars that do not wait a second before they show themselves."""


def test_progress_never_mixes_with_answers(stocked: str) -> None:
    """Bars go to a terminal on stderr, and nowhere else; what is piped stays JSON."""
    command = [sys.executable, "-c", IMPATIENT, "list", "--all", "-o", "json"]
    code, seen, piped = at_terminal(stocked, *command, stdout=subprocess.PIPE)

    assert code == 0
    assert "reading" in seen
    assert len(json.loads(piped)) == 3
    quiet = subprocess.run(
        command, env=surroundings(HOTBOOK_TARGET=stocked), capture_output=True, check=True
    )
    assert quiet.stderr == b""
    assert len(json.loads(quiet.stdout)) == 3
