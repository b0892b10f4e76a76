"""The commands of operators: serving, looking after a book, and everything that removes."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import hotbook
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, Told, at_terminal, surroundings, tell
from tests.make import OPEN_MS, closed, content, position

SERVE: list[str | Path] = [HOTBOOK, "serve"]
MODULE: list[str | Path] = [sys.executable, "-m", "hotbook_server"]
APART = ("--listen=127.0.0.1:0", "--metrics-listen=off")


@contextmanager
def serving(
    cwd: Path, *flags: str, command: Sequence[str | Path] = SERVE, **variables: str
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A server started by hand in a folder, and the lines that it has printed by then."""
    with subprocess.Popen(
        [*command, *flags], cwd=cwd, env=surroundings(**variables), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines: list[str] = []
        try:
            while line := process.stdout.readline():
                lines.append(line.rstrip("\n"))
                if line.startswith("try next: "):
                    break
            yield process, lines
        finally:
            process.terminate()


def start(cwd: Path, *flags: str, command: Sequence[str | Path] = MODULE, **variables: str) -> Told:
    """A server that is expected not to start."""
    ended = subprocess.run(
        [*command, *flags], cwd=cwd, env=surroundings(**variables), text=True,
        capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    return Told(ended.returncode, ended.stdout, ended.stderr)


def figures(target: str) -> tuple[int, int]:
    """The book's positions and its revision."""
    with hotbook.connect(target, timeout_s=10) as book:
        found = book.status()
        return found.positions, found.revision


# ------------------------------------------------------------------ serve


@pytest.mark.parametrize(
    ("command", "stop"),
    [(SERVE, signal.SIGTERM), (SERVE, signal.SIGINT), (MODULE, signal.SIGTERM)],
    ids=["hotbook serve, SIGTERM", "hotbook serve, Ctrl-C", "the module, SIGTERM"],
)
def test_serve_says_where_and_what_next(
    tmp_path: Path, command: Sequence[str | Path], stop: signal.Signals
) -> None:
    """The line to try next works as it stands; SIGTERM and Ctrl-C end a server with 0."""
    with serving(tmp_path, *APART, command=command) as (process, lines):
        assert " listens on 127.0.0.1:" in lines[0]
        assert "data in hotbook-data, durability fsync, 0 positions, 0 open" in lines[0]
        next_line = lines[-1].removeprefix("try next: ")
        tried = subprocess.run(
            ["bash", "-c", next_line], cwd=tmp_path, env=surroundings(), capture_output=True,
            text=True, timeout=20, check=False,
        )  # fmt: skip
        process.send_signal(stop)

        assert process.wait(20) == 0
        assert (tried.returncode, tried.stderr) == (0, "")
        assert lines[0].split(" listens on ")[1].split()[0] in tried.stdout


def test_serve_help_names_every_setting() -> None:
    """`hotbook serve --help` calls itself so, and tells every setting with its default."""
    told = tell("", "serve", "--help", COLUMNS="200")

    assert told.code == 0
    assert told.out.startswith("Usage: hotbook serve ")
    assert all(flag in told.out for flag in ("--queue-depth-max", "--listen", "[default: 10000]"))


@pytest.mark.parametrize("command", ["serve", "restore", "replay", "diff", "status"])
def test_every_command_helps_by_both_names(command: str) -> None:
    """`-h` is `--help`, also where the server's package has the command."""
    short, long = tell("", command, "-h"), tell("", command, "--help")

    assert short == long
    assert short.code == 0
    assert short.out.startswith(f"Usage: hotbook {command} ")


def test_flags_win_over_variables_over_the_file(tmp_path: Path) -> None:
    """The same names in all three places; status tells the settings in force."""
    (tmp_path / "hotbook.toml").write_text("batch_max = 3\nitems_max = 3\norders_max = 3\n")
    variables = {"HOTBOOK_BATCH_MAX": "2", "HOTBOOK_ITEMS_MAX": "2"}

    with serving(tmp_path, *APART, "--batch-max=1", **variables) as (_, lines):
        target = lines[0].split(" listens on ")[1].split()[0]
        settings = json.loads(tell(target, "status", "-o", "json").out)["settings"]

    assert [settings[name] for name in ("batch_max", "items_max", "orders_max")] == ["1", "2", "3"]


CANNOT_START = [
    (["--listen=127.0.0.1:{port}"], "127.0.0.1:{port}"),
    (["--metrics-listen=127.0.0.1:{port}"], "--metrics-listen"),
    (["--data-dir=taken"], "in use by another server"),
    (["--data-dir=a-file"], "a-file"),
    (["--data-dir=not-a-store"], "restore a backup with `hotbook restore`"),
    (["--listen=no.such.host.invalid:0"], "no.such.host.invalid:0"),
]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A folder where much is in the way, and a port that is taken."""
    folder = tmp_path_factory.mktemp("busy")
    (folder / "a-file").touch()
    (folder / "not-a-store").mkdir()
    (folder / "not-a-store" / "hotbook.db").write_text("not a store at all\n" * 100)
    with (
        server(durability="fsync", data_dir=folder / "taken"),
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
    ):
        yield folder, taken.getsockname()[1]


@pytest.mark.parametrize(("flags", "words"), CANNOT_START, ids=lambda part: str(part)[:40])
def test_a_server_that_cannot_start(busy: tuple[Path, int], flags: list[str], words: str) -> None:
    """What is in the way is told in one line, and the exit code is 1."""
    folder, port = busy
    flags = [flag.format(port=port) for flag in flags]

    start(folder, *APART, *flags).refuses(1, words.format(port=port))


BAD_SETTINGS = [
    (["--batch-max=0"], "", {}, "setting batch_max (--batch-max): "),
    ([], "", {"HOTBOOK_BATCH_MAX": "many"}, "setting batch_max (HOTBOOK_BATCH_MAX): "),
    ([], "", {"HOTBOOK_BATCHES_MAX": "1"}, "HOTBOOK_BATCHES_MAX"),
    ([], "batch_max = 0", {}, "setting batch_max ("),
    ([], "batches_max = 1", {}, "no setting"),
]


@pytest.mark.parametrize(("flags", "toml", "variables", "words"), BAD_SETTINGS)
def test_bad_settings(
    tmp_path: Path, flags: list[str], toml: str, variables: dict[str, str], words: str
) -> None:
    """A setting that cannot be used is told in one line, with its name and where it is set."""
    (tmp_path / "hotbook.toml").write_text(toml)

    start(tmp_path, *APART, *flags, **variables).refuses(2, words)

    assert not (tmp_path / "hotbook-data").exists()


def test_an_unknown_flag_of_serve(tmp_path: Path) -> None:
    """An unknown flag is wrong usage, told in the words of the command that was typed."""
    told = start(tmp_path, "--nonsense", command=SERVE)

    assert (told.code, told.out) == (2, "")
    assert "No such option '--nonsense'" in told.err.splitlines()[-1]
    assert told.err.startswith("Usage: hotbook serve ")


# ------------------------------------------------------------------ looking after a book


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def holding_three(data: Path) -> Iterator[str]:
    """A server on disk that holds two positions of "hk" and one of "other"."""
    three = [position("a"), closed("b"), position("c", hotkey="other")]
    with server(durability="fsync", data_dir=data) as target, hotbook.connect(target) as book:
        book.save_many(three, all_or_nothing=True)
        yield target


@pytest.fixture
def kept(data: Path) -> Iterator[str]:
    """Three positions, for a test that changes them."""
    with holding_three(data) as target:
        yield target


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three positions, for tests that change nothing."""
    with holding_three(tmp_path_factory.mktemp("still")) as target:
        yield target


DAMAGE = {
    "cut short": "substr(record, 1, 20)",
    "another type": "CAST(record AS TEXT)",  # one bit of a row's header makes bytes a text
}


def spoil(data: Path, how: str = "cut short") -> None:
    """Damages position "a" on disk, behind the server's back."""
    with closing(sqlite3.connect(data / "hotbook.db")) as store, store:
        store.execute(f"UPDATE positions SET record = {DAMAGE[how]} WHERE position_uuid = 'a'")


def test_status_tells_the_book(kept: str, data: Path) -> None:
    """Status names the server, its folder, its counts, and how long its calls took."""
    told = tell(kept, "status")
    found = json.loads(tell(kept, "status", "-o", "json").out)

    assert (told.code, told.err) == (0, "")
    for text in (
        kept,
        str(data),
        "3 of 2 hotkeys",
        "serving",
        "fsync",
        found["digest"],
        "SaveMany",
    ):
        assert text in told.out
    assert (found["positions"], found["open_positions"], found["revision"]) == (3, 2, 3)


def test_status_counts_campaigns_and_marks(tmp_path: Path) -> None:
    """For people and for programs alike: campaigns, those that are live, and marks."""
    bar = hotbook.Bar(trade_pair="BTCUSD", at_ms=OPEN_MS, close=Decimal(1))
    with server() as target, hotbook.connect(target) as book:
        ended = book.create_campaign("hk", "BTCUSD")
        book.fail_campaign(ended.campaign_id, "over")
        book.create_campaign("hk", "BTCUSD")
        book.push_bars([bar])
        lines = tell(target, "status").out.splitlines()
        found = json.loads(tell(target, "status", "-o", "json").out)

    assert ["campaigns", "2,", "1", "live"] in [line.split() for line in lines]
    assert ["marks", "1"] in [line.split() for line in lines]
    assert (found["campaigns"], found["live_campaigns"], found["marks"]) == (2, 1, 1)


def test_a_follower_says_whom_it_follows() -> None:
    """Status has the leader and the lag; a reload there speaks of the leader, and of no disk."""
    with server() as leader, server(follow=leader) as follower:
        status = tell(follower, "status")
        reloaded = tell(follower, "reload")
        alone = tell(leader, "status")

    told = [line.split(maxsplit=1)[1] for line in status.out.splitlines() if "follows" in line]
    assert len(told) == 1, status
    assert re.fullmatch(rf"{leader}, \d+\.\d s behind", told[0].strip())
    assert reloaded.out.startswith(f"memory and the book of {leader} were the same: ")
    assert "follows" not in alone.out


LOOKS = [
    ("verify", "all is right: 3 positions, 2 open", {"ok": True, "problem_count": 0}),
    ("rebuild", "the indexes were right: 3 positions, 2 open", {"changed": False}),
    ("reload", "memory and disk were the same: 3 positions", {"changed": False}),
]


@pytest.mark.parametrize(("command", "words", "wanted"), LOOKS)
def test_a_sound_book(still: str, command: str, words: str, wanted: dict[str, object]) -> None:
    """Verify, rebuild and reload find nothing in a sound book, and say so in words and as JSON."""
    told = tell(still, command)
    found = json.loads(tell(still, command, "-o", "json").out)

    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(words)
    assert {**found, **wanted} == found
    assert found["positions"] == 3


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_on_disk_is_found(kept: str, data: Path, how: str) -> None:
    """Verify exits with 8 and names the damaged position; reload sets it aside, with 8 too."""
    spoil(data, how)

    found = tell(kept, "verify")
    assert (found.code, found.err) == (8, "")
    assert "problem: " in found.out
    assert "a" in found.out.splitlines()[0].split()

    reloaded = tell(kept, "reload")
    assert reloaded.code == 8
    assert "memory and disk differed: 2 positions" in reloaded.out
    assert "1 damaged row set aside" in reloaded.out
    assert tell(kept, "get", "hk", "a").code == 3


def test_a_limit_of_the_server() -> None:
    """A position that is larger than the server takes is refused with 7, by the setting's name."""
    large = position("large", extra={"note": "x" * 4096})
    with server(message_max_bytes=2048) as target:
        saved = tell(target, "save", stdin=hotbook_json(large))

    assert (saved.code, saved.out) == (7, "saved 0 of 1 position\n")
    assert "larger" in saved.err


def hotbook_json(made: hotbook.Position) -> bytes:
    return json.dumps(
        {"hotkey": made.hotkey, "position_uuid": made.position_uuid,
         "trade_pair": made.trade_pair, "open_ms": made.open_ms, "extra": dict(made.extra)}
    ).encode()  # fmt: skip


# ------------------------------------------------------------------ backup and restore


def test_a_backup_comes_back(kept: str, tmp_path: Path) -> None:
    """A backup restored into a new folder is the same positions, under a server of its own."""
    file, folder = tmp_path / "b.db", tmp_path / "restored"
    with hotbook.connect(kept) as book:
        before = {p.position_uuid: content(p) for p in book.book()}

    told = tell(kept, "backup", str(file), "-o", "json")
    restored = tell("", "restore", str(file), "--data-dir", str(folder))

    assert json.loads(told.out) == {
        "file": str(file), "revision": 3, "bytes": file.stat().st_size,
        "problems": 0,
    }  # fmt: skip
    assert restored.code == 0
    assert restored.out.splitlines()[-1] == f"restored 3 positions into {folder}"
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        assert {p.position_uuid: content(p) for p in book.book()} == before
        assert book.verify().ok


BACKUP_TARGETS = ["kept.db", "a-file/b.db", "none/b.db", "x" * 300]


@pytest.mark.parametrize("name", BACKUP_TARGETS, ids=lambda name: name[:12])
def test_a_backup_never_overwrites_and_never_trips(still: str, tmp_path: Path, name: str) -> None:
    """A target that cannot be written is told in one line; what is there stays as it was."""
    (tmp_path / "folder").mkdir()
    for file in ("kept.db", "a-file"):
        (tmp_path / file).write_text("mine")

    tell(still, "backup", name, cwd=tmp_path).refuses(2)

    assert {file.name for file in tmp_path.iterdir()} == {"kept.db", "a-file", "folder"}
    assert (tmp_path / "kept.db").read_text() == "mine"


def test_a_book_in_memory_has_no_backup(shared_target: str, tmp_path: Path) -> None:
    """A server without a disk refuses a backup by its rules, and leaves no file."""
    tell(shared_target, "backup", str(tmp_path / "b.db")).refuses(4, "no store to back up")

    assert not list(tmp_path.iterdir())


def test_restore_refuses(kept: str, data: Path, tmp_path: Path) -> None:
    """Nothing is restored over a running server, nor over a store unasked, nor from rubbish."""
    good, rubbish, nothing = tmp_path / "good.db", tmp_path / "rubbish", tmp_path / "nothing"
    rubbish.write_text("not a store at all\n" * 100)
    nothing.touch()
    tell(kept, "backup", str(good))

    def restore(file: Path, *flags: str, into: Path = data) -> Told:
        told = tell("", "restore", str(file), "--data-dir", str(into), *flags)
        return told._replace(out="")  # it says what a backup holds before it says no

    restore(good, "--overwrite", "--yes").refuses(4, "in use by another server")
    restore(good, "--overwrite").refuses(4, "pass --yes")
    restore(rubbish, into=tmp_path / "new").refuses(4, "is not a store of hotbook")
    restore(tmp_path / "missing", into=tmp_path / "new").refuses(2, "there is no backup")
    restore(nothing, into=tmp_path / "new").refuses(4, "is not a store of hotbook")
    assert not (tmp_path / "new").exists()
    assert figures(kept) == (3, 3)


# ------------------------------------------------------------------ what removes

UNASKED = [["clear", "hk"], ["clear", "--all"], ["delete", "hk", "a"]]


@pytest.mark.parametrize("args", UNASKED, ids=" ".join)
def test_nothing_is_removed_unasked(still: str, args: list[str]) -> None:
    """Without --yes and without a terminal a command that removes refuses, and changes nothing."""
    told = tell(still, *args)

    assert (told.code, told.out) == (4, "")
    assert told.err.splitlines()[0].startswith("This removes ")
    assert told.err.splitlines()[1] == "hotbook: nobody is there to ask: pass --yes to go on"
    assert figures(still) == (3, 3)


@pytest.mark.parametrize(
    ("args", "count", "typed"),
    [
        (["clear", "hk"], 2, b"3\n"),
        (["clear", "hk"], 2, b"\n"),
        (["clear", "hk"], 2, b"\x04"),
        (["delete", "hk", "a"], 1, b"yes\n"),
    ],
)
def test_a_wrong_count(still: str, args: list[str], count: int, typed: bytes) -> None:
    """At a terminal the number is asked for; anything else, an end of input too, is a no."""
    code, seen, _ = at_terminal(still, HOTBOOK, *args, types=(f"Type {count} to go on", typed))

    assert code == 4, seen
    assert "hotbook: not confirmed: nothing was changed" in seen
    assert figures(still) == (3, 3)


def test_the_right_count(kept: str) -> None:
    """The typed count goes on, and removes exactly what was counted."""
    steps = [(["delete", "hk", "a"], b"1\n", 2), (["clear", "hk"], b"1\n", 1),
             (["clear", "--all"], b" 1 \n", 0)]  # fmt: skip
    for args, typed, left in steps:
        code, seen, _ = at_terminal(kept, HOTBOOK, *args, types=("Type 1 to go on", typed))
        assert (code, figures(kept)[0]) == (0, left), seen


def test_clear_with_yes(kept: str) -> None:
    """--yes asks nothing, and removes what it names alone; the answer is on stdout."""
    assert tell(kept, "clear", "nobody", "--yes") == (0, "removed 0 positions\n", "")
    told = tell(kept, "clear", "hk", "--yes", "-o", "json")

    assert (told.code, json.loads(told.out)) == (0, {"removed": 2, "removed_campaigns": 0})
    assert told.err == f"This removes 2 positions (1 open) of hk from {kept}.\n"
    assert tell(kept, "clear", "--all", "--yes").out == "removed 1 position\n"
    assert figures(kept)[0] == 0


def test_a_backup_of_a_damaged_store(kept: str, data: Path, tmp_path: Path) -> None:
    """Said aloud, with 8: the copy is kept. A restore refuses it and names the flag with which all
    but the damaged row is restored."""
    spoil(data)
    file, new = str(tmp_path / "b.db"), str(tmp_path / "new")

    told = tell(kept, "backup", file)

    assert (told.code, told.out.startswith(f"wrote {file} ")) == (8, True)
    assert f"{file} is kept, but 1 problem of the server may be in it (store: " in told.err
    refused = tell("", "restore", file, "--data-dir", new)
    assert (refused.code, "pass --set-damaged-aside" in refused.err) == (4, True)
    done = tell("", "restore", file, "--data-dir", new, "--set-damaged-aside")
    assert (done.code, done.err) == (8, "")
    assert done.out.startswith("damaged, set aside: position a: ")
    with server(durability="fsync", data_dir=Path(new)) as target, hotbook.connect(target) as book:
        assert {found.position_uuid for found in book.book()} == {"b", "c"}
        assert book.status().quarantined == 1
        assert book.verify().ok
        book.save(position("a"))
        assert tell(target, "backup", str(tmp_path / "sound.db")).code == 0


def test_clear_counts_campaigns(kept: str) -> None:
    """Campaigns are counted, asked about and told like positions, also where there are no others:
    then their number is what is typed."""
    with hotbook.connect(kept, timeout_s=10) as book:
        for hotkey, pair in (("hk", "BTCUSD"), ("hk", "ETHUSD"), ("planner", "BTCUSD")):
            book.create_campaign(hotkey, pair)

    code, seen, _ = at_terminal(
        kept, HOTBOOK, "clear", "planner", types=("Type 1 to go on", b"1\n")
    )
    assert code == 0, seen
    assert f"This removes 1 campaign of planner from {kept}." in seen
    assert "removed 0 positions and 1 campaign" in seen

    asked = f"This removes 3 positions (2 open) and 2 campaigns of all hotkeys from {kept}.\n"
    told = tell(kept, "clear", "--all", "--yes")
    assert told == (0, "removed 3 positions and 2 campaigns\n", asked)
    with hotbook.connect(kept, timeout_s=10) as book:
        assert (book.campaigns(), list(book.book())) == ([], [])


def test_restore_over_a_store(tmp_path: Path, data: Path) -> None:
    """Replacing a store asks for the typed count as well, and keeps what stood there."""
    file = tmp_path / "b.db"
    with server(durability="fsync", data_dir=data) as target, hotbook.connect(target) as book:
        book.save_many([position(u, hotkey=u) for u in "abc"])
        book.backup(file)
        book.clear(expected_count=3)
    before = (data / "hotbook.db").read_bytes()
    command = (HOTBOOK, "restore", file, "--data-dir", data, "--overwrite")

    code, seen, _ = at_terminal("", *command, types=("Type 3 to go on", b"2\n"))
    assert (code, (data / "hotbook.db").read_bytes()) == (4, before), seen

    code, seen, _ = at_terminal("", *command, types=("Type 3 to go on", b"3\n"))
    assert code == 0, seen
    kept = next(data.glob("hotbook.db.replaced-*"))
    assert kept.read_bytes() == before
    assert str(kept) in seen.replace("\r\n", "")
    with server(durability="fsync", data_dir=data) as target:
        assert figures(target)[0] == 3
