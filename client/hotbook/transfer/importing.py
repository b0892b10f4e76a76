"""Importing: a source of positions into a book, by rule, with a report of all that is odd.

Nothing that stands in the book is overwritten unless that is asked for; so an import may be run
again, after a crash as well, and saves what is missing. Memory holds one hotkey, and what is on
its way to the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hotbook import Client
from hotbook.transfer.checkpoint import Checkpoint
from hotbook.transfer.judging import Judge
from hotbook.transfer.rejects import DEFAULT_NAME, Rejects
from hotbook.transfer.report import Progress, Report, Tally
from hotbook.transfer.saving import Saver
from hotbook.transfer.source import Found, Source
from hotbook.transfer.standing import Standing
from hotbook.transfer.tree import Tree


def import_tree(
    book: Client,
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    rejects: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Imports the original's folder of position files: `validation/`, its `miners/` or a like one.

    `strict`: where anything in it is not as it should be, nothing is written. `dry_run`: nothing is
    written at all. `overwrite`: what stands in the book and differs is saved over. What cannot be
    saved goes to the file `rejects` (by default hotbook-rejects.jsonl in the working folder).
    """
    importer = _Importer(book, Tree(Path(path)), overwrite, rejects, progress)
    return importer.run(strict, dry_run)


def import_checkpoint(
    book: Client,
    path: str | os.PathLike[str],
    *,
    strict: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    rejects: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Imports a checkpoint, gzipped or not; otherwise like `import_tree`."""
    importer = _Importer(book, Checkpoint(Path(path)), overwrite, rejects, progress)
    return importer.run(strict, dry_run)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while something was imported. What was saved stands."""

    def __init__(self, saved: int, read: int) -> None:
        super().__init__(f"interrupted: {saved:,} of {read:,} positions that were read are saved")
        self.saved = saved
        self.read = read


class _Importer:
    def __init__(
        self,
        book: Client,
        source: Source,
        overwrite: bool,
        rejects: str | os.PathLike[str] | None,
        progress: Progress | None,
    ) -> None:
        self._book = book
        self._source = source
        self._overwrite = overwrite
        self._rejects = Path(rejects or DEFAULT_NAME)
        self._progress = progress or (lambda _done, _total: None)

    def run(self, strict: bool, dry_run: bool) -> Report:
        if strict or dry_run:
            tally = self._survey()
            refused = strict and tally.has_faults
            if refused or dry_run:
                return tally.report(dry_run=dry_run, refused_by_strict=refused)
        return self._save()

    def _survey(self) -> Tally:
        """Reads and decides everything, asks the server what it would do, and saves nothing."""
        return self._go(None)

    def _save(self) -> Report:
        with Rejects(self._rejects) as aside:
            tally = self._go(aside)
        return tally.report(rejects=str(aside.path) if aside.path else None)

    def _go(self, aside: Rejects | None) -> Tally:
        tally = Tally()
        standing = Standing(self._book, self._overwrite, tally)
        judge = Judge(tally, self._source.open_close_ms)
        try:
            with Saver(self._book, standing, tally, aside) as saver:
                for texts in self._texts(tally):
                    kept, rejects = judge.judge(texts)
                    for reject in rejects:
                        saver.refuse(reject)
                    for candidate in standing.without(kept):
                        saver.save(candidate)
        except KeyboardInterrupt:
            raise Interrupted(tally.saved, tally.read) from None
        return tally

    def _texts(self, tally: Tally) -> Iterator[Iterator[Found]]:
        total = self._source.count()
        for texts in self._source.hotkeys(tally):
            yield texts
            self._progress(tally.read, total)
