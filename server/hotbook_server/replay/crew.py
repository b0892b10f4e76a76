"""The crew: the participants of a replay, and the threads that their steps run on.

Owns who still takes part. All take each step together: `turn` hands it to every participant and
waits until each has returned, left, raised, or taken too long. Whoever does not come back is left
out, so that nobody waits for it again.

A thread cannot be killed. One that does not come back is abandoned with whatever it is doing, and
another takes its place; should it wake up, what it has asked counts for nothing. It is a daemon, so
it does not keep the process.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

from hotbook_server.lru import Lru
from hotbook_server.replay.sight import DECODED_MAX, Market, ReplayBook, Step, Strategy
from hotbook_shared.errors import HotbookError
from hotbook_shared.model import Position

Open = Callable[["Participant"], ReplayBook]
"""Makes what a participant sees of the book at a step."""


class Participant:
    """One strategy on its way through the steps."""

    def __init__(self, name: str, strategy: Strategy) -> None:
        self.name = name
        self.strategy = strategy
        self.steps = 0
        self.asked = 0
        self.done = 0
        self.refused: dict[str, int] = {}
        self.refusals: tuple[HotbookError, ...] = ()
        """Of its last step."""
        self.ended = ""
        """Why it takes no more part; empty while it does."""
        self.has_failed = False
        self.decoded: Lru[bytes, Position] = Lru(DECODED_MAX)


class _Turn:
    """One participant's step, on its way through a thread."""

    __slots__ = ("began_s", "book", "failure", "is_abandoned", "market", "participant", "stays",
                 "step")  # fmt: skip

    def __init__(
        self, participant: Participant, step: Step, market: Market, book: ReplayBook
    ) -> None:
        self.participant = participant
        self.step, self.market, self.book = step, market, book
        self.began_s: float | None = None
        self.is_abandoned = False
        self.stays: bool | None = None
        self.failure = ""

    def run(self) -> None:
        self.began_s = time.monotonic()
        try:
            self.stays = self.participant.strategy.on_step(self.step, self.market, self.book)
        except BaseException as error:  # SystemExit as well: it ends this participant and no other
            self.failure = _told(error)


class Crew:
    def __init__(self, strategies: Mapping[str, Strategy], threads: int, timeout_s: float) -> None:
        self.participants = [Participant(name, strategies[name]) for name in sorted(strategies)]
        self._timeout_s = timeout_s
        self._waiting: SimpleQueue[_Turn | None] = SimpleQueue()
        self._finished: SimpleQueue[_Turn] = SimpleQueue()
        self._threads = min(threads, len(self.participants))
        for _ in range(self._threads):
            self._start_thread()

    @property
    def present(self) -> list[Participant]:
        return [one for one in self.participants if not one.ended]

    def turn(self, step: Step, market: Market, see: Open) -> list[tuple[Participant, ReplayBook]]:
        """One step of everybody. Returns the books of those that came back, by name."""
        turns = [_Turn(one, step, market, see(one)) for one in self.present]
        for turn in turns:
            self._waiting.put(turn)
        self._wait_for(set(turns))
        for turn in turns:
            turn.book.end()
            self._judge(turn)
        return [
            (turn.participant, turn.book)
            for turn in turns
            if not turn.failure and not turn.is_abandoned
        ]

    def stop(self) -> None:
        for _ in range(self._threads):
            self._waiting.put(None)

    def _wait_for(self, turns: set[_Turn]) -> None:
        """Waits until every one of them is finished or abandoned."""
        while turns:
            try:
                # NB: one that was abandoned at an earlier step may come back here.
                turns.discard(self._finished.get(timeout=self._patience_s(turns)))
            except Empty:
                for turn in [turn for turn in turns if self._is_late(turn)]:
                    turn.is_abandoned = True
                    turns.discard(turn)
                    self._start_thread()

    def _patience_s(self, turns: set[_Turn]) -> float:
        """How long until the first of those that run is late."""
        now_s = time.monotonic()
        began = [turn.began_s for turn in turns if turn.began_s is not None]
        return max(min(began, default=now_s) + self._timeout_s - now_s, 0.001)

    def _is_late(self, turn: _Turn) -> bool:
        return turn.began_s is not None and time.monotonic() >= turn.began_s + self._timeout_s

    def _judge(self, turn: _Turn) -> None:
        """Whether the participant is there at the next step."""
        one, number = turn.participant, turn.step.number
        one.steps += 1
        if turn.is_abandoned:
            one.ended = f"took longer than {self._timeout_s:g} s at step {number}: left out"
            one.has_failed = True
        elif turn.failure:
            one.ended = f"raised at step {number}: {turn.failure}"
            one.has_failed = True
        elif turn.stays is False:
            one.ended = f"left at step {number}"

    def _start_thread(self) -> None:
        threading.Thread(target=self._work, name="hotbook-strategy", daemon=True).start()

    def _work(self) -> None:
        while (turn := self._waiting.get()) is not None:
            turn.run()
            if turn.is_abandoned:
                return  # another thread has taken this one's place
            self._finished.put(turn)


def _told(error: BaseException) -> str:
    """An error, and where it was raised, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said:.200}{where}"
