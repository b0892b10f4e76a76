"""`hotbook top`: campaigns, totals, marks and rates, live on the screen.

One thread follows the campaigns, another asks for the market and the status; this one draws what
they have found, and hears the keys. None of them waits for another, and a server that is away only
makes the picture older.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.live import Live

import hotbook as api
from hotbook.cli import show
from hotbook.cli.app import Asked, command
from hotbook.cli.screen import Seen, drawn

LOOK_S = 0.5
"""How often the market and the status are asked for."""
RATES_S = 10.0
"""How far back rates look."""
DRAW_S = 0.25
ALERTS_KEPT = 50
PIPE_WIDTH = 160
LEAVE = ("q", "Q")


@command("top", "Campaigns and the market, live.")
@click.option("--campaign", "campaign_ids", multiple=True, metavar="ID",
              help="Only this campaign; may be repeated.")  # fmt: skip
@click.option("--hotkey", "hotkeys", multiple=True, help="Only this hotkey's; may be repeated.")
@click.option("--pair", "trade_pairs", multiple=True, help="Only on this pair; may be repeated.")
@click.option("--once", is_flag=True, help="Show one picture, and end.")
def top(
    asked: Asked, once: bool, campaign_ids: tuple[str, ...], hotkeys: tuple[str, ...],
    trade_pairs: tuple[str, ...],
) -> None:  # fmt: skip
    """Campaigns with their legs, totals and marks, as they move, until q or Ctrl-C.

    The last touched come first; what does not fit is counted. It goes on through restarts of the
    server, and says so. With --once it shows everything as it stands, and ends; -o json needs it.
    """
    if asked.as_json and not once:
        raise click.UsageError("-o json needs --once")
    if not once and not sys.stdout.isatty():
        raise click.UsageError("top needs a terminal; --once shows one picture without")
    followed = Followed(asked.target)
    with asked.connect() as book:

        def news() -> Iterator[api.CampaignNews]:
            return book.follow_campaigns(
                campaign_ids or None, hotkeys=hotkeys or None, trade_pairs=trade_pairs or None
            )

        if once:
            _show_once(asked, book, news(), followed)
        else:
            _show_live(book, news, followed)


def _show_once(
    asked: Asked, book: api.Client, news: Iterator[api.CampaignNews], followed: Followed
) -> None:
    for told in news:
        followed.take_in(told)
        if told.is_last:
            break
    followed.look(book)
    seen = followed.seen()
    if asked.as_json:
        told_apart = ("revision", "campaigns", "market", "alerts", "status")
        show.as_json({name: getattr(seen, name) for name in told_apart})
        return
    console = show.Screen()
    width = console.width if console.is_terminal else PIPE_WIDTH
    show.Screen(width=width).print(drawn(seen, width))


def _show_live(
    book: api.Client, news: Callable[[], Iterator[api.CampaignNews]], followed: Followed
) -> None:
    over = threading.Event()
    for act in (lambda: _follow(news, followed, over), lambda: _look(book, followed, over)):
        threading.Thread(target=_until_over, args=(act, followed, over), daemon=True).start()
    console = Console()
    try:
        with _keys() as key, Live(console=console, screen=True, auto_refresh=False) as live:
            while key(DRAW_S) not in LEAVE:
                live.update(drawn(followed.seen(), console.width, console.height), refresh=True)
    except KeyboardInterrupt:
        pass
    finally:
        over.set()


def _follow(
    news: Callable[[], Iterator[api.CampaignNews]], followed: Followed, over: threading.Event
) -> None:
    while not over.is_set():
        with suppress(api.Unavailable, api.DeadlineExceeded):  # the screen shows the silence
            for told in news():
                followed.take_in(told)


def _look(book: api.Client, followed: Followed, over: threading.Event) -> None:
    while not over.is_set():
        with suppress(api.Unavailable, api.DeadlineExceeded):
            followed.look(book)
        over.wait(LOOK_S)


def _until_over(act: Callable[[], None], followed: Followed, over: threading.Event) -> None:
    """Runs what a thread does. What ends it before the screen does is told on the screen."""
    try:
        act()
    except api.HotbookError as error:
        if not over.is_set():
            followed.fails(error)


class Followed:
    """What is known of the campaigns and the market: put here by threads, shown by another.

    What stands on the screen is whole: while everything is told anew, the old picture stays.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._campaigns: dict[str, api.CampaignUpdated] = {}
        self._coming: dict[str, api.CampaignUpdated] | None = None
        self._marks: dict[str, Decimal] = {}
        self._alerts: deque[api.Alert] = deque(maxlen=ALERTS_KEPT)
        self._revision = 0
        self._heard_s = time.monotonic()
        self._is_whole = False
        self._rates: deque[tuple[float, int, int]] = deque()
        self._frames = 0
        self._status: api.Status | None = None
        self._market: api.MarketView | None = None
        self._looked_s = self._answer_ms = 0.0
        self._restarts = 0
        self._error: api.HotbookError | None = None

    def take_in(self, news: api.CampaignNews) -> None:
        with self._lock:
            if news.is_reload:
                self._coming = {}
                self._alerts.clear()  # those that stand come again
            into = self._campaigns if self._coming is None else self._coming
            for updated in news.campaigns:
                into[updated.campaign.campaign_id] = updated
            for campaign_id in news.removed:
                into.pop(campaign_id, None)
            self._marks.update({mark.trade_pair: mark.price for mark in news.marks})
            self._alerts.extend(news.alerts)
            self._heard_s = time.monotonic()
            self._frames += 1
            if news.is_last:
                self._campaigns, self._coming = into, None
                self._revision, self._is_whole = news.revision, True
                self._count()

    def look(self, book: api.Client) -> None:
        """Asks for the market and the status."""
        market = book.market()
        began_s = time.monotonic()
        status = book.status()
        with self._lock:
            self._looked_s = time.monotonic()
            self._answer_ms = (self._looked_s - began_s) * 1000
            if self._status is not None and status.started_ms != self._status.started_ms:
                self._restarts += 1
            self._status, self._market = status, market
            self._heard_s = self._looked_s
            self._count()

    def fails(self, error: api.HotbookError) -> None:
        with self._lock:
            self._error = error

    def seen(self) -> Seen:
        """The picture as it is now; nothing in it changes any more."""
        with self._lock:
            now_s = time.monotonic()
            changes_per_s, frames_per_s = self._per_s(now_s)
            return Seen(
                target=self._target,
                revision=self._revision,
                is_whole=self._is_whole,
                campaigns=sorted(self._campaigns.values(), key=_last_touched_first),
                marks=dict(self._marks),
                market=self._market,
                status=self._status,
                alerts=list(self._alerts),
                changes_per_s=changes_per_s,
                frames_per_s=frames_per_s,
                answer_ms=self._answer_ms,
                since_look_ms=int((now_s - self._looked_s) * 1000),
                silence_s=now_s - self._heard_s,
                restarts=self._restarts,
                error=self._error,
            )

    def _count(self) -> None:
        now_s = time.monotonic()
        newest = max(self._revision, self._status.revision if self._status else 0)
        self._rates.append((now_s, newest, self._frames))
        while self._rates[0][0] < now_s - RATES_S:
            self._rates.popleft()

    def _per_s(self, now_s: float) -> tuple[float, float]:
        """Changes of the book and frames of news, a second, over the last while."""
        if not self._rates:
            return 0.0, 0.0
        first_s, revision, frames = self._rates[0]
        took_s = max(now_s - first_s, 1.0)
        changes = max(self._rates[-1][1] - revision, 0)  # fewer, where a backup was restored
        return changes / took_s, (self._rates[-1][2] - frames) / took_s


def _last_touched_first(updated: api.CampaignUpdated) -> tuple[bool, int, str]:
    campaign = updated.campaign
    return campaign.state.has_ended, -campaign.last_activity_ms, campaign.campaign_id


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Hears keys as they are pressed. A kill leaves the terminal as it was, too."""

    def ends(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ends)
    try:
        if not sys.stdin.isatty():
            yield _no_key
            return
        import termios
        import tty

        terminal = sys.stdin.fileno()
        looks = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        try:
            yield lambda wait_s: _key(terminal, wait_s)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, looks)
    finally:
        signal.signal(signal.SIGTERM, before)


def _key(terminal: int, wait_s: float) -> str:
    if not select.select([terminal], [], [], wait_s)[0]:
        return ""
    return os.read(terminal, 1).decode(errors="replace")


def _no_key(wait_s: float) -> str:
    time.sleep(wait_s)
    return ""
