"""The commands on the feed, run as people and programs run them."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import grpc
import pytest

import hotbook
from hotbook.cli.feed import _lines
from hotbook.testing import server
from hotbook_shared.market import Mark
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import CampaignsStub
from tests.cli.test_cli import HOTBOOK, TERMINAL_S, at_terminal, surroundings, tell
from tests.client.test_retry import served
from tests.make import closed, leg, position


@pytest.fixture(scope="module")
def stocked() -> Iterator[str]:
    """A server with a history of eight revisions, of every kind."""
    with server() as target, hotbook.connect(target) as book:
        book.save(position("a"))  # 1
        book.save(position("b", trade_pair="ETHUSD"))  # 2
        book.save(position("a", net_leverage=1))  # 3
        book.save(closed("a"))  # 4
        book.save(position("x", hotkey="other"))  # 5
        book.delete("hk", "b")  # 6
        book.clear("other", expected_count=1)  # 7
        book.save(leg("c"))  # 8
        yield target


def words(out: str) -> list[list[str]]:
    """The first three words of each line: revision, what, whose."""
    return [line.split()[:3] for line in out.splitlines()]


HISTORY = [
    ["1", "opened", "hk"], ["2", "opened", "hk"], ["3", "changed", "hk"], ["4", "closed", "hk"],
    ["5", "opened", "other"], ["6", "removed", "hk"], ["7", "cleared", "other"],
    ["8", "opened", "hk"],
]  # fmt: skip

PARTS = [
    (["--from-revision=0"], HISTORY),
    (["--from-revision=5"], HISTORY[5:]),
    (["--from-revision=0", "--hotkey=other"], [HISTORY[4], HISTORY[6]]),
    (["--from-revision=0", "--hotkey=other", "--hotkey=hk"], HISTORY),
    (["--from-revision=0", "--open"], HISTORY),
    (["--snapshot"], [["the", "book", "at"], ["8", "is", "closed"], ["8", "open", "hk"]]),
    (["--snapshot", "--open"], [["the", "book", "at"], ["8", "open", "hk"]]),
]


@pytest.mark.parametrize(("options", "lines"), PARTS)
def test_watch_tells_each_change_in_a_line(
    stocked: str, options: list[str], lines: list[list[str]]
) -> None:
    """In order, each once, of the part that was asked for; and it ends where it was told to."""
    told = tell(stocked, "watch", *options, "--until-revision=8")

    assert (told.code, told.err) == (0, "")
    assert words(told.out) == lines


def test_watch_for_programs_is_an_object_a_line(stocked: str) -> None:
    """Each line is JSON by itself, with the revision and the mark to go on from."""
    told = tell(stocked, "watch", "--from-revision=0", "--until-revision=8", "-o", "json")

    updates = [json.loads(line) for line in told.out.splitlines()]
    changes = [change for update in updates for change in update["changes"]]
    assert [change["revision"] for change in changes] == list(range(1, 9))
    assert [change["kind"] for change in changes][5:7] == ["removed", "cleared"]
    assert updates[-1]["revision"] == 8
    assert updates[-1]["mark"]


def test_watch_ends_with_the_revision_that_is_asked_for(stocked: str) -> None:
    """What comes in the same frame, but after that revision, is not told."""
    told = tell(stocked, "watch", "--from-revision=0", "--until-revision=3")
    found = tell(stocked, "watch", "--from-revision=0", "--until-revision=3", "-o", "json")

    assert [line[0] for line in words(told.out)] == ["1", "2", "3"]
    updates = [json.loads(line) for line in found.out.splitlines()]
    assert [one["revision"] for one in updates[-1]["changes"]][-1] == updates[-1]["revision"] == 3


def test_changed_ahead_of_the_book_says_where_the_book_is(stocked: str) -> None:
    """A revision that was never reached is not called one that is no longer kept."""
    told = tell(stocked, "changed", "99999")

    assert "it is at revision 8, and never reached 99,999" in told.err
    assert "no longer kept" not in told.err


def test_watch_goes_on_through_a_restart_until_it_is_interrupted(tmp_path: Path) -> None:
    """What happens shows at once; the server's death is no end; Ctrl-C is a good one."""
    with served(tmp_path / "served") as process, subprocess.Popen(
        [HOTBOOK, "watch", "--from-revision=0", "-t", process.target],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings(), text=True,
    ) as watch:  # fmt: skip
        assert watch.stdout is not None
        assert watch.stderr is not None
        seen = []
        for name in ("first", "second"):
            with hotbook.connect(process.target, timeout_s=TERMINAL_S) as book:
                book.save(closed(name))
            assert select.select([watch.stdout], [], [], TERMINAL_S)[0]
            seen.append(watch.stdout.readline())
            process.kill()
            process.start()
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=TERMINAL_S)

    assert (watch.returncode, out, err) == (0, "", "")
    assert words("".join(seen)) == [["1", "closed", "hk"], ["2", "closed", "hk"]]


def test_watch_gives_up_where_no_server_comes_back() -> None:
    """No answer for the time that it was given: one line, and the exit code of no answer."""
    tell("127.0.0.1:1", "watch", "--timeout-s=0.3").refuses(5, "127.0.0.1:1")


def test_a_revision_that_is_not_kept_begins_with_the_whole_book() -> None:
    """It says so, and then tells what stands; a revision that was never reached is such a one."""
    with server() as target, hotbook.connect(target) as book:
        book.save(position("a"))
        told = tell(target, "watch", "--from-revision=99", "--until-revision=1")

    assert told.out.splitlines()[0] == "the book at revision 1: 1 position"
    assert words(told.out)[1:] == [["1", "open", "hk"]]


def test_the_whole_book_comes_to_its_end_before_watch_does() -> None:
    """A snapshot of several frames is told to its last position, though the first is of the
    revision that was asked for."""
    with server() as target, hotbook.connect(target) as book:
        wide = {"note": "x" * 60_000}
        book.save_many(closed(f"{n:02}", extra=wide) for n in range(25))
        told = tell(target, "watch", "--snapshot", "--until-revision=25")

    assert told.out.splitlines()[0] == "the book at revision 25: 25 positions"
    assert sorted(line.split()[-1] for line in told.out.splitlines()[1:]) == [
        f"{n:02}" for n in range(25)
    ]


def test_campaigns_and_marks_have_lines_of_their_own() -> None:
    """What stands, of campaigns with their state, of marks with their price; what is gone."""
    with server() as target, grpc.insecure_channel(target) as channel:
        campaigns: Any = CampaignsStub(channel)  # type: ignore[no-untyped-call]
        campaigns.CreateCampaign(
            pb.CreateCampaignRequest(campaign_id="plan", hotkey="hk", trade_pair="BTCUSD")
        )
        campaigns.DeleteCampaign(pb.DeleteCampaignRequest(campaign_id="plan"))
        told = tell(target, "watch", "--from-revision=0", "--until-revision=2")
        as_json = tell(target, "watch", "--from-revision=0", "--until-revision=2", "-o", "json")

    saved, removed = (line.split() for line in told.out.splitlines())
    assert saved == ["1", "campaign", "hk", "BTCUSD", "FORMING", "0", "patterns", "v1", "plan"]
    assert removed == ["2", "removed", "hk", "campaign", "plan"]
    first, _ = (one for line in as_json.out.splitlines() for one in json.loads(line)["changes"])
    assert (first["kind"], first["campaign"]["state"]) == ("campaign_saved", "FORMING")

    mark = Mark(trade_pair="BTCUSD", price=Decimal("65000.25"), at_ms=1_734_000_000_000)
    change = hotbook.Change(revision=7, kind=hotbook.ChangeKind.MARKED, hotkey="", price_mark=mark)
    known: dict[str, Any] = {"revision": 7, "mark": "m", "is_newest": True}
    line = ["7", "mark", "BTCUSD", "65000.25", "2024-12-12", "10:40:00Z"]
    for update in (
        hotbook.Update(**known, changes=(change,)),
        hotbook.Update(**known, snapshot=(), snapshot_marks=(mark,), ends_snapshot=True),
    ):
        [shown] = _lines(update, as_json=False)
        assert click.unstyle(shown).split() == line
        [shown] = _lines(update, as_json=True)
        assert '"price":"65000.25"' in shown


CHANGED = [
    (["7"], ["c"], "revision 8: 1 position, 0 removed"),
    (["8"], [], "revision 8: 0 positions, 0 removed"),
    (["8", "--open-too"], ["c"], "revision 8: 1 position, 0 removed"),
    (["8", "--open-too", "--hotkey=other"], [], "revision 8: 0 positions, 0 removed"),
    (["3", "--hotkey=hk"], ["a", "c"], "revision 8: 2 positions, 1 removed"),
    (["3"], ["a", "c"], "revision 8: 2 positions, the whole book"),
    (["99"], ["a", "c"], "revision 8: 2 positions, the whole book"),
]


@pytest.mark.parametrize(("asked", "uuids", "said"), CHANGED)
def test_changed_tells_what_is_new(
    stocked: str, asked: list[str], uuids: list[str], said: str
) -> None:
    """As a table for people, with the revision to ask for next; as one object for programs."""
    told = tell(stocked, "changed", *asked)
    found = json.loads(tell(stocked, "changed", *asked, "-o", "json").out)

    assert told.code == 0
    assert said in told.err
    assert sorted(p["position_uuid"] for p in found["positions"]) == uuids
    assert found["revision"] == 8
    for uuid in uuids:
        assert f" {uuid}" in told.out


def test_what_was_removed_is_named(stocked: str) -> None:
    """The uuids of what is gone are told beside what stands."""
    told = tell(stocked, "changed", "5", "--hotkey=hk")

    assert "removed  b" in told.out


def test_a_mark_tells_another_book_from_the_same(stocked: str) -> None:
    """With the mark that came with a revision it goes on; with another's the whole book comes."""
    seen = json.loads(tell(stocked, "changed", "8", "-o", "json").out)

    same = tell(stocked, "watch", "--from-revision=8", f"--mark={seen['mark']}",
                "--until-revision=8")  # fmt: skip
    other = tell(stocked, "watch", "--from-revision=8", f"--mark={'0' * 32}", "--until-revision=8")
    polled = tell(stocked, "changed", "8", f"--mark={'0' * 32}")

    assert (same.code, same.out) == (0, "")
    assert other.out.startswith("the book at revision 8: 2 positions")
    assert "the whole book" in polled.err
    assert seen["mark"] in polled.err


BAD = [
    (["watch", "--mark=0"], "mark goes with"),
    (["watch", "--from-revision=-1"], "--from-revision"),
    (["watch", "--from-revision=x"], "--from-revision"),
    (["watch", "--hotkey="], "hotkey"),
    (["watch", "--hotkey=a b"], "hotkeys[0]"),
    (["watch", "--from-revision=99999999999999999999999"], "cannot be asked"),
    (["changed"], "REVISION"),
    (["changed", "-1"], "-1"),
    (["changed", "0", "--hotkey="], "hotkeys[0]"),
]


@pytest.mark.parametrize(("command", "word"), BAD)
def test_bad_input_is_refused_with_its_name(stocked: str, command: list[str], word: str) -> None:
    """Wrong usage has exit code 2, and says what is wrong."""
    told = tell(stocked, *command, "--timeout-s=5")

    assert told.code == 2
    assert word in told.err
    assert "Traceback" not in told.err


def test_at_a_terminal_what_happened_has_a_colour(stocked: str) -> None:
    """Opened is green, removed is red; in a pipe there are no colours."""
    command = (HOTBOOK, "watch", "--from-revision=4", "--until-revision=8")
    _, seen, _ = at_terminal(stocked, *command)

    assert "\x1b[32mopened" in seen
    assert "\x1b[31mremoved" in seen
    assert "\x1b[" not in tell(stocked, *map(str, command[1:])).out
