"""Power cuts over the journal: what was acknowledged is there, whole, whatever the disk lost."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from hotbook_server.commands import Clear, Command, Delete
from hotbook_server.journal import store
from hotbook_server.journal.base import JournalBroken, KeptRequest
from hotbook_server.journal.sqlite import SqliteJournal
from hotbook_shared.book import Book
from hotbook_shared.model import Durability
from tests.crash.power import MARK, Author, Event, PowerVfs, disk_after, put_disk
from tests.make import closed, order, position, save

BATCHES = 40
CUTS = 80
STORIES = range(8)


class State(msgspec.Struct):
    """What the store must hold after so many batches."""

    book: Book
    requests: list[KeptRequest]


class Story(msgspec.Struct):
    """A workload that was run: every touch of the disk, and the state after each batch."""

    events: list[Event]
    states: list[State]


def commands(chance: random.Random, book: Book) -> list[Command]:
    """What the rules accept: saves small and large, closings, deletes, now and then a clear."""
    held = book.positions.by_uuid
    if held and chance.random() < 0.05:
        return [Clear("hk", len(held))]
    made: list[Command] = []
    for uuid in chance.sample(sorted(held), min(len(held), chance.randrange(4))):
        pair = held[uuid].trade_pair
        gone = chance.random() < 0.3
        made.append(Delete("hk", uuid) if gone else save(closed(uuid, trade_pair=pair)))
    for _ in range(chance.randrange(1, 4)):
        name = f"{chance.randrange(10**9)}"
        orders = tuple(order(number) for number in range(chance.choice((1, 3, 120))))
        made.append(save(position(f"p{name}", trade_pair=f"PAIR{name}", orders=orders)))
    return made


def run(folder: Path, vfs: PowerVfs, durability: Durability, seed: int) -> Story:
    """Batches through a journal that is closed, and opened again, half way."""
    chance = random.Random(seed)
    states: list[State] = []
    for half in range(2):
        journal = SqliteJournal(folder, durability, vfs=vfs.name)
        author = Author(journal)
        if half == 0:
            states.append(State(author.book.copy(), []))
        for _ in range(BATCHES // 2):
            author.commit(*commands(chance, author.book))
            vfs.events.append(MARK)
            states.append(State(author.book.copy(), list(author.requests)))
        journal.close()
    return Story(vfs.events, states)


@pytest.fixture
def vfs(monkeypatch: pytest.MonkeyPatch) -> Iterator[PowerVfs]:
    """Under a small log, so that it is folded into the store many times in a workload."""
    monkeypatch.setattr(store, "WAL_PAGES_MAX", 40)
    made = PowerVfs("power")
    yield made
    made.unregister()


def wrong_after_cut(folder: Path, story: Story, cut: int, seed: int) -> str:
    """What is not as promised when the power fails after so many events; empty: nothing."""
    acknowledged = story.events[:cut].count(MARK)
    put_disk(disk_after(story.events[:cut], seed), folder)
    (folder / f"{store.STORE_NAME}-shm").write_bytes(random.Random(seed).randbytes(32_768))
    try:
        journal = SqliteJournal(folder)
    except JournalBroken as error:
        return f"the store does not open: {error}"
    try:
        author = Author(journal)
        possible = story.states[acknowledged : acknowledged + 2]
        found = [state for state in possible if state.book.revision == author.book.revision]
        if not found:
            return f"revision {author.book.revision} after {acknowledged} acknowledged batches"
        return "; ".join(_differences(author, found[0]))
    finally:
        journal.close()


def _differences(author: Author, state: State) -> Iterator[str]:
    if author.book.positions.by_uuid != state.book.positions.by_uuid:
        yield "other positions than were written"
    if author.requests != state.requests:
        yield "other requests than were kept"
    for kept in state.requests[-3:]:
        if author.journal.outcome(kept.sequence) != b"outcome %d" % kept.sequence:
            yield f"the outcome of {kept.request_id} is lost"
    if author.journal.quarantined():
        yield "damaged rows"
    yield from author.problems()
    author.commit(save(position("after-the-cut", trade_pair="AFTER")))
    yield from author.problems()


def cuts_of(story: Story, seed: int) -> list[int]:
    """Moments everywhere; and, twice as likely, those just before a sync or an acknowledgement."""
    every = range(len(story.events) + 1)
    tight = [at for at, event in enumerate(story.events) if event.kind in ("sync", "mark")]
    chance = random.Random(seed)
    return chance.sample(every, CUTS // 2) + chance.sample(tight, CUTS // 2)


@pytest.mark.parametrize("seed", STORIES)
def test_a_power_cut_loses_no_acknowledged_batch(vfs: PowerVfs, tmp_path: Path, seed: int) -> None:
    """An acknowledged batch survives a power cut, whole; the one under way is whole or absent."""
    story = run(tmp_path / "data", vfs, Durability.FSYNC, seed)

    wrong = {
        f"story {seed}, cut {cut}, disk {number}": found
        for number, cut in enumerate(cuts_of(story, seed))
        if (found := wrong_after_cut(tmp_path / f"cut-{number}", story, cut, number))
    }

    assert not wrong


def test_the_log_was_folded_and_torn_in_these_stories(vfs: PowerVfs, tmp_path: Path) -> None:
    """The cuts above meet foldings of the log into the store, and disks that keep half a write."""
    story = run(tmp_path / "data", vfs, Durability.FSYNC, 0)

    folds = [event for event in story.events if event.kind == "sync" and event.name == "hotbook.db"]
    assert len(folds) >= 3
    assert torn_cuts(story.events) >= 10


def torn_cuts(events: Sequence[Event]) -> int:
    """How many cuts have several outcomes: some sectors there, some not."""
    cuts = [at for at, event in enumerate(events) if event.kind == "sync"]
    outcomes = [{_as_key(disk_after(events[:cut], seed)) for seed in range(8)} for cut in cuts[:20]]
    return sum(len(found) > 2 for found in outcomes)


def _as_key(disk: dict[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    return tuple(sorted(disk.items()))


@pytest.mark.parametrize("liar", ["a disk that does not sync", "relaxed, which promises less"])
def test_the_power_cut_would_find_a_lost_batch(vfs: PowerVfs, tmp_path: Path, liar: str) -> None:
    """The check can fail: where syncs are missing, acknowledged batches are found missing."""
    is_relaxed = liar.startswith("relaxed")
    durability = Durability.RELAXED if is_relaxed else Durability.FSYNC
    story = run(tmp_path / "data", vfs, durability, 1)
    if not is_relaxed:  # the syncs of the log lie, once it is there
        story.events = [
            event for event in story.events
            if event.kind != "sync" or event.syncs_folder or not event.name.endswith("-wal")
        ]  # fmt: skip
    marks = [at + 1 for at, event in enumerate(story.events) if event == MARK][5:20]

    wrong = [
        wrong_after_cut(tmp_path / f"cut-{cut}-{seed}", story, cut, seed)
        for cut in marks
        for seed in range(2)
    ]

    assert any(found.startswith("revision") for found in wrong)
