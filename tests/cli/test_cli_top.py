"""`hotbook top`: its picture in every size, and on a terminal while the server comes and goes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import hotbook
from hotbook import (
    Alert,
    Campaign,
    CampaignNews,
    CampaignState,
    CampaignTotals,
    CampaignUpdated,
    PatternType,
    Side,
)
from hotbook.cli.screen import drawn
from hotbook.cli.top import Followed
from hotbook.testing import server
from tests.cli.test_cli import HOTBOOK, TERMINAL_S, surroundings, tell
from tests.client.test_retry import served

LEAVES_SCREEN = b"\x1b[?1049l"


def stock(target: str) -> None:
    """A campaign with an open leg that has won 25, and one without legs that has failed."""
    with hotbook.connect(target, timeout_s=TERMINAL_S) as book:
        book.create_campaign("hk", "BTCUSD", campaign_id="one")
        book.create_campaign("other", "ETHUSD", campaign_id="two")
        book.fail_campaign("two", "it broke")
        book.add_leg(
            "one",
            pattern_type=PatternType.LPS,
            side=Side.LONG,
            entry=Decimal(100),
            shares=Decimal(10),
            stop=Decimal(95),
        )
        book.update_marks({"BTCUSD": Decimal("102.5")})


@pytest.fixture(scope="module")
def stocked() -> Iterator[str]:
    with server() as target:
        stock(target)
        yield target


# -------------------------------------------------------------------- the picture


def updated(number: int, **figures: Any) -> CampaignUpdated:
    name = f"{number:04}-" + "[red]x" * 40
    campaign = Campaign(
        campaign_id=name, hotkey=name, trade_pair=f"PAIR{number % 9}", started_ms=1, deadline_ms=2,
        last_activity_ms=number, state=list(CampaignState)[number % 5], pattern_count=number,
    )  # fmt: skip
    return CampaignUpdated(campaign=campaign, totals=CampaignTotals(campaign_id=name, **figures))


def picture(followed: Followed, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, record=True)
    with console.capture() as taken:
        console.print(drawn(followed.seen(), width, height))
    return taken.get().splitlines()


@pytest.mark.parametrize(
    ("width", "height"), [(40, 12), (80, 24), (100, 30), (132, 43), (250, 400)], ids=str
)
@pytest.mark.parametrize("many", [0, 1, 300])
def test_a_picture_fits_its_terminal(width: int, height: int, many: int) -> None:
    """No line is too long and none too many, whatever is in it; what is hidden is counted, names
    are no markup, and the newest are on top."""
    followed = Followed("127.0.0.1:50700")
    most = Decimal("9999999999.99999999")
    figures = {"total_pnl": -most, "total_risk": most, "total_shares": most, "open_count": 9_999}
    alerts = [
        Alert(revision=1, hotkey="h" * 128, level="CRITICAL", risk=most, limit=most, at_ms=1)
    ] * 9
    news = CampaignNews(
        revision=7,
        is_reload=True,
        campaigns=tuple(updated(number, **figures) for number in range(many)),
        alerts=tuple(alerts[:many]),
    )
    followed.take_in(news)

    lines = picture(followed, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[1].startswith(f"{many:,} campaign"[:width])
    if width < 80:  # names are cut there
        return
    rows = [line for line in lines if "PAIR" in line]
    hidden = [line for line in lines if line.startswith("and ")]
    assert hidden == ([f"and {many - len(rows):,} more"] if len(rows) < many else [])
    going_on = [n for n in range(many) if not list(CampaignState)[n % 5].has_ended]
    if going_on:
        assert f"PAIR{max(going_on) % 9} " in rows[0]


def followed_with_alerts() -> Followed:
    """Much of everything, and a limit of risk that is near."""
    followed = Followed("127.0.0.1:50700")
    most = Decimal("1234567.89")
    alert = Alert(revision=1, hotkey="hk", level="CRITICAL", risk=most, limit=most, at_ms=1)
    made = tuple(updated(n, total_pnl=most, total_risk=most, open_count=9) for n in range(40))
    followed.take_in(CampaignNews(revision=7, is_reload=True, campaigns=made, alerts=(alert,)))
    return followed


def test_a_small_screen_has_the_alerts(stocked: str) -> None:
    """Marks give way first, then campaigns, which are counted; alerts stay, and stand above."""
    followed = followed_with_alerts()
    with hotbook.connect(stocked, timeout_s=TERMINAL_S) as book:
        followed.look(book)
    for height in (9, 14, 24):
        lines = picture(followed, 80, height)
        assert len(lines) <= height
        alert = next(n for n, line in enumerate(lines) if line.startswith("CRITICAL"))
        marks = [n for n, line in enumerate(lines) if line.startswith("mark of")]
        assert marks == ([] if height == 9 else [alert + 2]), lines


@pytest.mark.parametrize(("width", "line"), [(60, 2), (120, 1)])
def test_a_narrow_heading_keeps_the_result(width: int, line: int) -> None:
    """What all of it amounts to goes over two lines, where one is too narrow."""
    lines = picture(followed_with_alerts(), width, 24)

    assert lines[line].endswith("risk 49,382,715.60   pnl +49,382,715.60")


def test_a_picture_stays_while_everything_is_told_anew() -> None:
    """Half a reload is not shown; what is not in it is gone when it is whole."""
    followed = Followed("a:1")
    one, two, three = map(updated, (1, 2, 3))
    followed.take_in(CampaignNews(revision=3, is_reload=True, campaigns=(one, two)))
    followed.take_in(CampaignNews(revision=0, is_reload=True, campaigns=(three,), is_last=False))
    assert {u.campaign.campaign_id for u in followed.seen().campaigns} == {
        one.campaign.campaign_id, two.campaign.campaign_id,
    }  # fmt: skip

    followed.take_in(CampaignNews(revision=5))
    assert list(followed.seen().campaigns) == [three]
    followed.take_in(CampaignNews(revision=6, removed=(three.campaign.campaign_id, "unknown")))
    assert (list(followed.seen().campaigns), followed.seen().revision) == ([], 6)


def test_one_picture_for_people_and_for_programs(stocked: str) -> None:
    """With --once it ends; JSON has every digit; a part may be asked for."""
    told = tell(stocked, "top", "--once")
    found = json.loads(tell(stocked, "top", "--once", "-o", "json").out)
    part = json.loads(tell(stocked, "top", "--once", "-o", "json", "--hotkey=other").out)

    assert (told.code, told.err) == (0, "")
    assert "\x1b" not in told.out
    for word in ("one", "two", "FORMING", "FAILED", "+25.00", "102.5000", "BTCUSD"):
        assert word in told.out.split(), word
    totals = [one["totals"] for one in found["campaigns"]]
    assert [(t["total_pnl"], t["open_count"]) for t in totals] == [
        ("25.00000000", 1), ("0.00000000", 0),
    ]  # fmt: skip
    assert [pair["trade_pair"] for pair in found["market"]["pairs"]] == ["BTCUSD"]
    assert found["revision"] == found["status"]["revision"]
    assert [one["campaign"]["campaign_id"] for one in part["campaigns"]] == ["two"]


def test_no_server_is_told_in_a_line() -> None:
    """Exit code 5, as of every command."""
    tell("127.0.0.1:1", "top", "--once", "--timeout-s=0.3").refuses(5, "127.0.0.1:1")


# -------------------------------------------------------------------- the terminal


class Terminal:
    """What has come on a terminal on which `top` runs."""

    def __init__(self, target: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.looks = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            [HOTBOOK, "top"], stdin=theirs, stdout=theirs, stderr=theirs,
            env=surroundings(HOTBOOK_TARGET=target), start_new_session=True,
        )  # fmt: skip
        self._seen = b""

    def shows(self, word: str) -> None:
        """Waits until a word is drawn, after what was waited for before."""
        deadline_s = time.monotonic() + TERMINAL_S
        while word.encode() not in self._seen:
            left_s = max(deadline_s - time.monotonic(), 0)
            assert select.select([self.ours], [], [], left_s)[0], (word, self._seen[-2_000:])
            self._seen += os.read(self.ours, 65536)
        self._seen = self._seen.partition(word.encode())[2]

    def ends(self) -> int:
        """Its exit code; the terminal is as it was before."""
        self.shows(LEAVES_SCREEN.decode())
        code = self.process.wait(TERMINAL_S)
        assert termios.tcgetattr(self.theirs) == self.looks
        return code


@contextmanager
def top_on(target: str) -> Iterator[Terminal]:
    terminal = Terminal(target)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)
        os.close(terminal.theirs)


@pytest.mark.parametrize("leaves", ["q", signal.SIGTERM, signal.SIGINT], ids=repr)
def test_leaving_gives_the_terminal_back(stocked: str, leaves: str | signal.Signals) -> None:
    """By a key or a signal: exit code 0, the screen from before, and keys are shown again."""
    with top_on(stocked) as terminal:
        terminal.shows("+25.00")
        if isinstance(leaves, str):
            os.write(terminal.ours, leaves.encode())
        else:
            terminal.process.send_signal(leaves)
        assert terminal.ends() == 0


def test_a_restart_is_survived_and_told(tmp_path: Path) -> None:
    """While the server is away the picture stays, and says so; after it, it goes on."""
    with served(tmp_path / "served") as process:
        stock(process.target)
        with top_on(process.target) as terminal:
            terminal.shows("live")
            terminal.shows("fresh")  # of the market: by now both have been asked
            process.kill()
            terminal.shows("no answer for")
            process.start()
            terminal.shows("restarted 1x")
            with hotbook.connect(process.target, timeout_s=TERMINAL_S) as book:
                book.update_marks({"BTCUSD": Decimal("107.5")})
            terminal.shows("+75.00")
            os.write(terminal.ours, b"q")
            assert terminal.ends() == 0
