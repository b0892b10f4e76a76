"""Splitting the whole book: at a start, or when an operator asks. One commit for each position.

Owns the statistics of splits since the start. It may be stopped at any moment and begun again: what
is split already needs it no more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable

import msgspec

from hotbook_server.commands import SplitDone, SplitPosition
from hotbook_server.keeper import Keeper
from hotbook_server.requests import RequestKey
from hotbook_server.rules.splitting import may_need_split, needs_split, plan_of
from hotbook_shared.errors import HotbookError, QueueFull, Unavailable
from hotbook_shared.model import Split, SplitStats
from hotbook_shared.record import Record

LOOKED_AT_ONCE = 500  # records between two turns of the loop: about a millisecond
PATIENCE_S = 3_600.0  # how long a split of ours may wait for the writer


class Step(msgspec.Struct):
    """What splitting the whole book has come to: how far it is, and what it just did."""

    total: int
    done: int
    splits: list[Split]
    refused: list[tuple[Record, HotbookError]]


class Splitter:
    def __init__(self, engine: Keeper) -> None:
        self.stats: defaultdict[str, SplitStats] = defaultdict(SplitStats)
        self._engine = engine

    async def split(
        self, hotkey: str, position_uuid: str, key: RequestKey | None, *, timeout_s: float
    ) -> SplitDone:
        """One position, in one commit. A refusal is raised."""
        command, before = SplitPosition(hotkey, position_uuid), self._engine.book.revision
        outcome = await self._engine.submit(command, key, timeout_s=timeout_s)
        assert isinstance(outcome, SplitDone)
        if outcome.revision > before:  # the answer to a repeated request is older
            self._note(outcome.split)
        return outcome

    async def split_all(self, *, dry_run: bool = False) -> AsyncIterator[Step]:
        """Every position that needs it. What is refused is tried once more at the end, for the
        position that stood in its way may have been split meanwhile. Raises Unavailable where the
        writer ends first."""
        records = list(self._engine.book.positions.by_uuid.values())
        refused: list[Record] = []
        for start in range(0, len(records), LOOKED_AT_ONCE):
            part = records[start : start + LOOKED_AT_ONCE]
            due = await self._engine.archive.run(_that, may_need_split, part)
            splits, left = await self._split_some(due, dry_run=dry_run)
            refused += [record for record, _ in left]
            yield Step(len(records), start + len(part), splits, [])
        splits, left = await self._split_some(refused, dry_run=dry_run)
        yield Step(len(records), len(records), splits, left)

    async def _split_some(
        self, due: list[Record], *, dry_run: bool
    ) -> tuple[list[Split], list[tuple[Record, HotbookError]]]:
        await asyncio.sleep(0)  # readers go on
        if dry_run:
            terms, run = self._engine.terms, self._engine.archive.run
            plans = await run(lambda: [plan_of(record, terms) for record in due])
            return [plan for plan in plans if len(plan.parts) > 1], []
        needy = await self._engine.archive.run(_that, needs_split, due)
        answers = await asyncio.gather(*(self._ask(record) for record in needy))
        made = [answer for answer in answers if isinstance(answer, Split)]
        left = [
            (record, answer)
            for record, answer in zip(needy, answers, strict=True)
            if isinstance(answer, HotbookError)
        ]
        return made, left

    async def _ask(self, record: Record) -> Split | HotbookError:
        """Splits one; waits for room where too many writes are waiting."""
        while True:
            try:
                done = await self.split(
                    record.hotkey, record.position_uuid, None, timeout_s=PATIENCE_S
                )
            except QueueFull:
                await self._engine.intake.room.wait()
            except Unavailable:  # says nothing of this position, and the others fare no better
                raise
            except HotbookError as error:
                return error
            else:
                return done.split

    def _note(self, made: Split) -> None:
        if len(made.parts) > 1:
            self.stats[made.hotkey] = self.stats[made.hotkey].and_also(made)


def _that(holds: Callable[[Record], bool], records: Iterable[Record]) -> list[Record]:
    return [record for record in records if holds(record)]
