"""A progress bar that shows itself only for work that takes longer than a second.

Needs rich, which only the command lines have: it is imported when the bar is first shown.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET_S = 1.0


class LateBar:
    """Call it with what is done and how much there is (0: nobody knows)."""

    def __init__(self, what: str, unit: str = "") -> None:
        self._what = what
        self._unit = unit
        self._shown: Progress | None = None
        self._began_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if self._shown is None and time.monotonic() - self._began_s > QUIET_S:
            self._show()
        if self._shown is not None:
            self._shown.update(self._task, completed=done, total=total or None)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        if not console.is_terminal:
            self._began_s = float("inf")  # nobody watches: do not ask again
            return
        amount = DownloadColumn() if self._unit == "bytes" else MofNCompleteColumn()
        self._shown = Progress(
            TextColumn(self._what),
            BarColumn(),
            amount,
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._shown.add_task("", total=None)
        self._shown.start()

    def stop(self) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def __enter__(self) -> LateBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
