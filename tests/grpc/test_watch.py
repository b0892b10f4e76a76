"""Watch over gRPC: what a watcher gets, from wherever it begins, and how it ends."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import grpc
import pytest

import hotbook
from hotbook_server.journal.base import Batch
from hotbook_server.journal.store import STORE_NAME
from hotbook_shared.errors import FellBehind, QueueFull, Unavailable
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.record import ChangeKind, record_from
from hotbook_shared.status import error_from_call
from tests.changes import change_of
from tests.client.test_retry import served as served_process
from tests.grpc.test_bad_input import INVALID, refusal
from tests.grpc.test_lifecycle import Served, eventually, serving
from tests.make import CLOSE_MS, closed, order, position
from tests.watching import PATIENCE_S, has_snapshot, revisions, snapshot_of, watching

RING: dict[str, Any] = {}
TABLE: dict[str, Any] = {"feed_changes_max": 1}  # what came before the last commit is on disk alone


@pytest.fixture(params=["ring", "table"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server on disk, which keeps changes for watchers in its ring or in its table."""
    chosen = RING if request.param == "ring" else TABLE
    with serving(durability="fsync", data_dir=tmp_path / "served", **chosen) as made:
        yield made


@pytest.fixture
def book(served: Served) -> Iterator[hotbook.Client]:
    with hotbook.connect(served.target, timeout_s=PATIENCE_S) as made:
        yield made


def several(book: hotbook.Client) -> int:
    """A few commits, of one change and of many; gives the revision after them."""
    book.save(position("a"))
    book.save_many([closed(f"many-{n}") for n in range(5)])
    book.save(closed("a"))
    book.delete("hk", "many-1")
    book.save(position("b", hotkey="other"))
    book.clear("other", expected_count=1)
    return book.status().revision


# -------------------------------------------------------------------- where it begins


def test_a_watcher_without_a_past_begins_now(book: hotbook.Client, served: Served) -> None:
    """It is told the revision at once, and then every change that comes."""
    now = several(book)
    with watching(served.target) as watch:
        first = watch.next()
        assert (first.revision, first.is_newest, first.digest) == (now, True, book.status().digest)
        assert not first.changes
        assert not first.HasField("snapshot")

        at = book.save(position("later")).revision
        assert revisions(watch.until(at)) == [now + 1]


def test_a_snapshot_is_the_book_and_then_it_goes_on(book: hotbook.Client, served: Served) -> None:
    """The whole book at one revision, and every change after that one."""
    now = several(book)
    with watching(served.target, with_snapshot=True) as watch:
        frames = watch.until(now)
        held = served.server.engine.book.positions.by_uuid.values()
        assert sorted(snapshot_of(frames)) == sorted(record.wire for record in held)
        assert revisions(frames) == []
        assert frames[0].digest == book.status().digest

        book.save(position("later"))
        assert revisions(watch.until(now + 1)) == [now + 1]


def test_the_snapshot_of_an_empty_book_is_complete() -> None:
    """One part, with nothing in it; revision 0 is a revision like others."""
    with serving() as made, watching(made.target, with_snapshot=True) as watch:
        [part, beat] = watch.until(0)
        assert (part.snapshot.is_last, part.snapshot.total, part.revision) == (True, 0, 0)
        assert beat.is_newest


def test_a_watcher_goes_on_from_every_revision(book: hotbook.Client, served: Served) -> None:
    """From the middle of a commit as well: what came after it, all, once and in order."""
    now = several(book)

    for revision in range(now + 1):
        with watching(served.target, from_revision=revision) as watch:
            frames = watch.until(now)
            assert revisions(frames) == list(range(revision + 1, now + 1)), revision
            assert not has_snapshot(frames)


def test_a_watcher_goes_on_with_its_mark(book: hotbook.Client, served: Served) -> None:
    """Revision and mark of any frame that was seen are enough to go on from there."""
    seen = []
    with watching(served.target) as watch:
        watch.next()
        for number in range(10):
            watch.until(book.save(closed(f"p{number}")).revision)
            seen.append((watch.revision, watch.mark))
    assert len(set(seen)) == 10

    for revision, mark in seen:
        with watching(served.target, from_revision=revision, mark=mark) as watch:
            frames = watch.until(10)
            assert revisions(frames) == list(range(revision + 1, 11))
            assert not has_snapshot(frames)


def test_many_stored_commits_come_in_few_frames(tmp_path: Path) -> None:
    """What is in the table alone is sent many changes to a frame, too."""
    with (
        serving(durability="fsync", data_dir=tmp_path / "s", **TABLE) as made,
        hotbook.connect(made.target) as book,
    ):
        for number in range(60):
            book.save(closed(f"p{number}"))
        with watching(made.target, from_revision=0) as watch:
            frames = watch.until(60)
    assert revisions(frames) == list(range(1, 61))
    assert len(frames) <= 5


def test_asking_for_a_snapshot_wins_over_a_revision(book: hotbook.Client, served: Served) -> None:
    """Where both are given, the snapshot comes."""
    now = several(book)
    with watching(served.target, with_snapshot=True, from_revision=now) as watch:
        assert has_snapshot(watch.until(now))


@pytest.mark.parametrize("from_revision", [0, 3, 10**6])
def test_what_is_kept_no_more_or_never_was_is_made_good_by_a_snapshot(from_revision: int) -> None:
    """A revision too old for ring and table, or in the future: the book as it stands."""
    with serving(feed_changes_max=2) as made, hotbook.connect(made.target) as book:
        now = several(book)
        with watching(made.target, from_revision=from_revision) as watch:
            frames = watch.until(now)
            assert len(snapshot_of(frames)) == book.status().positions
            assert revisions(frames) == []


def test_what_the_table_has_forgotten_is_made_good_by_a_snapshot(tmp_path: Path) -> None:
    """Changes older than changes_kept_max are gone; those after are not."""
    with (
        serving(durability="fsync", data_dir=tmp_path / "s", changes_kept_max=100, **TABLE) as made,
        hotbook.connect(made.target) as book,
    ):
        for _ in range(21):
            book.save_many([closed(f"p{n}") for n in range(50)])
        now = book.status().revision
        for revision, is_kept in ((0, False), (800, False), (960, True), (1_000, True)):
            with watching(made.target, from_revision=revision) as watch:
                frames = watch.until(now)
                assert has_snapshot(frames) is not is_kept, revision
                if is_kept:
                    assert revisions(frames) == list(range(revision + 1, now + 1))


# -------------------------------------------------------------------- another history


def test_a_mark_of_another_book_is_answered_with_a_snapshot(
    book: hotbook.Client, served: Served
) -> None:
    """The same revision in another book is no place to go on from."""
    now = several(book)
    for revision in (0, 1, now):
        with watching(served.target, from_revision=revision, mark="ab" * 16) as watch:
            assert has_snapshot(watch.until(now))


class Seen:
    """Where a watcher was after each commit of a server's life."""

    def __init__(self, folder: Path, commits: int, note: str, **settings: Any) -> None:
        self.at: list[tuple[int, str]] = []
        with (
            serving(durability="fsync", data_dir=folder, **settings) as made,
            hotbook.connect(made.target) as book,
            watching(made.target) as watch,
        ):
            watch.next()
            for number in range(commits):
                watch.until(book.save(closed(f"p{number}", signal_id=note)).revision)
                self.at.append((watch.revision, watch.mark))


@pytest.mark.parametrize("settings", [RING, TABLE], ids=["ring", "table"])
def test_a_store_set_back_to_an_older_copy_is_another_history(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Revisions that were lost and used again are told apart from those that a watcher has."""
    folder, copy = tmp_path / "s", tmp_path / "copy"
    common = Seen(folder, 3, "common").at
    shutil.copytree(folder, copy)
    lost = Seen(folder, 4, "lost").at
    shutil.rmtree(folder)
    copy.rename(folder)
    again = Seen(folder, 4, "again").at
    assert [revision for revision, _ in lost] == [revision for revision, _ in again] == [4, 5, 6, 7]

    with (
        serving(durability="fsync", data_dir=folder, **settings) as made,
        hotbook.connect(made.target) as book,
    ):
        now = book.save(closed("after")).revision
        for at in (common, lost, again):
            for revision, mark in at:
                with watching(made.target, from_revision=revision, mark=mark) as watch:
                    frames = watch.until(now)
                assert has_snapshot(frames) is (at is lost), (revision, at is common)
                if at is not lost:
                    assert revisions(frames) == list(range(revision + 1, now + 1))


def caught_up(target: str, now: int, revision: int, mark: str) -> list[raw.WatchFrame]:
    """What a watcher gets until it is at the newest revision; cut off once, it comes again."""
    frames: list[raw.WatchFrame] = []
    for _ in range(2):
        with watching(target, from_revision=revision, mark=mark) as watch:
            with contextlib.suppress(grpc.RpcError):
                while revision < now or not frames[-1].is_newest:
                    frames.append(watch.next())
                    revision, mark = watch.revision, watch.mark
                return frames
            assert isinstance(error_from_call(watch.call), FellBehind)
    raise AssertionError("cut off twice")


def test_changes_cut_off_the_store_are_never_passed_over(tmp_path: Path) -> None:
    """Where the newest changes are gone from the table, who lacks them is given a snapshot."""
    folder = tmp_path / "s"
    seen = Seen(folder, 6, "kept").at
    store = apsw.Connection(str(folder / STORE_NAME))
    store.execute("DELETE FROM changes WHERE revision > 3")
    store.close()

    with (
        serving(durability="fsync", data_dir=folder) as made,
        hotbook.connect(made.target) as book,
    ):
        now = book.save(closed("after")).revision
        assert now == 7, "revisions never run backwards"
        for revision, mark in seen:
            frames = caught_up(made.target, now, revision, mark)
            assert len(snapshot_of(frames)) == 7
            assert revisions(frames) == list(range(revision + 1, 4)), "what is kept may come first"


def test_damage_that_was_set_aside_is_another_history(tmp_path: Path) -> None:
    """A position that is in quarantine since a restart is not left standing with a watcher."""
    folder = tmp_path / "s"
    seen = Seen(folder, 4, "kept").at
    store = apsw.Connection(str(folder / STORE_NAME))
    store.execute("UPDATE positions SET crc = crc + 1 WHERE position_uuid = 'p1'")
    store.close()

    with serving(durability="fsync", data_dir=folder) as made:
        for revision, mark in seen:
            with watching(made.target, from_revision=revision, mark=mark) as watch:
                assert len(snapshot_of(watch.until(4))) == 3


def test_a_reload_that_finds_nothing_wrong_loses_no_watcher(tmp_path: Path) -> None:
    """Whoever watches is cut off at a reload, and goes on from what it has."""
    with (
        serving(durability="fsync", data_dir=tmp_path / "s") as made,
        hotbook.connect(made.target) as book,
    ):
        now = several(book)
        with watching(made.target, from_revision=0) as watch:
            watch.until(now)
            book.reload()
            assert isinstance(error_from_call(watch.ended()), FellBehind)
            at = watch.revision, watch.mark
        with watching(made.target, from_revision=at[0], mark=at[1]) as watch:
            assert not has_snapshot(watch.until(now))


# -------------------------------------------------------------------- what it gets


def test_heartbeats_come_while_nothing_happens(book: hotbook.Client, served: Served) -> None:
    """As often as was asked, each with the newest revision, its mark and the time."""
    now = several(book)
    with watching(served.target, from_revision=now, heartbeat_ms=20) as watch:
        began_s = time.monotonic()
        frames = [watch.next() for _ in range(6)]
        took_s = time.monotonic() - began_s

    assert {(f.revision, f.mark, f.is_newest, len(f.changes)) for f in frames} == {
        (now, frames[0].mark, True, 0)
    }
    gaps = [later.as_of_ms - f.as_of_ms for f, later in itertools.pairwise(frames)]
    assert all(gap >= 15 for gap in gaps), gaps
    assert took_s < 5


def test_changes_are_gathered_for_as_long_as_was_asked(shared_target: str, hk: str) -> None:
    """What happens within that time comes in one frame; none of it is left out."""
    with hotbook.connect(shared_target) as book:
        first = book.save(closed(f"{hk}-first", hotkey=hk)).revision
        with watching(shared_target, from_revision=first, hotkeys=[hk], gather_ms=1_000) as watch:
            watch.next()  # it follows
            saved = [book.save(closed(f"{hk}-{n}", hotkey=hk)).revision for n in range(20)]
            frames = [frame for frame in watch.until(saved[-1]) if frame.changes]

    assert revisions(frames) == saved
    assert len(frames) <= 2, "twenty saves take a fraction of a second"


PARTS: list[tuple[dict[str, Any], set[str], list[tuple[int, str]]]] = [
    # What is asked, the uuids of the snapshot, and the kinds and uuids of the changes.
    ({"hotkeys": ["ann"]}, {"a", "b"}, [(1, "a"), (1, "d"), (2, "d"), (3, "")]),
    ({"open_only": True}, {"a"}, [(1, "a"), (3, "")]),
    ({"hotkeys": ["hk"], "open_only": True}, set(), []),
    ({"hotkeys": ["hk", "bob"]}, {"c"}, [(1, "e")]),
    ({}, {"a", "b", "c"}, [(1, "a"), (1, "d"), (1, "e"), (2, "d"), (3, "")]),
]


@pytest.mark.parametrize(("asked", "held", "due"), PARTS)
def test_a_part_gets_its_own(
    asked: dict[str, Any], held: set[str], due: list[tuple[int, str]]
) -> None:
    """Hotkeys and open_only hold for the snapshot and for what follows; all hear the revision."""
    with serving() as made, hotbook.connect(made.target) as book:
        book.save_many([position("a", hotkey="ann"), closed("b", hotkey="ann"), closed("c")])
        with watching(made.target, with_snapshot=True, **asked) as watch:
            wires = snapshot_of(watch.until(3))
            assert {record_from(wire).position_uuid for wire in wires} == held

            book.save(closed("a", hotkey="ann"))
            book.save(closed("d", hotkey="ann"))
            book.save(closed("e"))
            book.delete("ann", "d")
            book.clear("ann", expected_count=2)

            told = [change for frame in watch.until(8) for change in frame.changes]
            assert [(int(change.kind), change.position_uuid) for change in told] == due
            cleared = [change for change in told if int(change.kind) == ChangeKind.CLEARED]
            assert all(change.hotkey == "ann" for change in cleared)


def test_nobody_hears_of_a_commit_before_readers_see_it(tmp_path: Path) -> None:
    """A commit may be on disk a moment before the book has it: no watcher is told, none cut off."""
    with (
        serving(durability="fsync", data_dir=tmp_path / "s", **TABLE) as made,
        hotbook.connect(made.target) as book,
    ):
        for number in range(4):
            book.save(closed(f"p{number}"))
        # What the journal's thread does before the loop goes on, held at that very moment.
        made.server.engine.journal.append(Batch([change_of(5, "early")], [], at_ms=1))

        with watching(made.target, from_revision=1, heartbeat_ms=20) as watch:
            frames = watch.until(4)
            frames += [watch.next() for _ in range(3)]
    assert revisions(frames) == [2, 3, 4]
    assert {frame.revision for frame in frames[-3:]} == {4}


# -------------------------------------------------------------------- bad input

BAD: list[tuple[str, dict[str, Any]]] = [
    ("hotkeys[1]", {"hotkeys": ["fine", ""]}),
    ("hotkeys[0]", {"hotkeys": ["x" * 300]}),
    ("hotkeys[0]", {"hotkeys": ["a\nb"]}),
    ("hotkeys", {"hotkeys": [f"hk{n}" for n in range(10_001)]}),
    ("mark", {"from_revision": 1, "mark": "x" * 129}),
    ("heartbeat_ms", {"heartbeat_ms": 9}),
    ("heartbeat_ms", {"heartbeat_ms": 60_001}),
    ("gather_ms", {"gather_ms": 1_001}),
]


@pytest.mark.parametrize(("field", "asked"), BAD, ids=[f"{n}-{b[0]}" for n, b in enumerate(BAD)])
def test_bad_requests_are_refused_by_field(
    shared_target: str, field: str, asked: dict[str, Any]
) -> None:
    """What cannot be right is refused before anything is sent, and takes no place of a watcher."""
    with grpc.insecure_channel(shared_target) as channel:
        sent = pb.WatchRequest(**asked).SerializeToString()
        assert refusal(channel, "Watch", sent) == (INVALID, field)


# -------------------------------------------------------------------- how it ends


def test_a_stop_ends_watchers_at_once_with_unavailable() -> None:
    """A server that drains does not wait for watchers: each is told to come back."""
    with serving(drain_s=8) as made, hotbook.connect(made.target) as book:
        several(book)
        with (
            watching(made.target) as idle,
            watching(made.target, heartbeat_ms=60_000) as quiet,
            watching(made.target, with_snapshot=True) as filled,
        ):
            for watch in (idle, quiet, filled):
                watch.next()
            began_s = time.monotonic()
            made.tell_to_stop()
            errors = [error_from_call(watch.ended()) for watch in (idle, quiet, filled)]

    assert [type(error) for error in errors] == [Unavailable] * 3
    assert time.monotonic() - began_s < 5


def test_one_watcher_too_many_is_refused_and_place_is_made_when_one_leaves() -> None:
    """Beyond watchers_max: QUEUE_FULL at once; those who watch never notice."""
    with serving(watchers_max=2) as made, hotbook.connect(made.target) as book:
        with watching(made.target) as first, watching(made.target) as second:
            for watch in (first, second):
                watch.next()
            with watching(made.target) as third:
                assert isinstance(error_from_call(third.ended()), QueueFull)
            at = book.save(position()).revision
            assert revisions(first.until(at)) == revisions(second.until(at)) == [at]
        feed = made.server.engine.feed
        eventually(lambda: feed.watchers == 0, "both places are free again")
        with watching(made.target) as fourth:
            assert fourth.next().revision == at


# -------------------------------------------------------------------- those who do not read


def heavy(number: int) -> hotbook.Position:
    """One position over and over, of 50 kB."""
    weight = order(extra={"weight": "x" * 50_000})
    return closed("heavy", close_ms=CLOSE_MS + number, orders=(weight,))


def resident_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def test_watchers_who_never_read_cost_neither_saves_nor_memory(tmp_path: Path) -> None:
    """Ten who never read, while 50 MB of changes pass: saves go on, and nothing is kept for them;
    each is cut off with FELL_BEHIND. One who reads has every change."""
    limits = {"feed_max_bytes": 1_000_000, "call_timeout_s": 3, "durability": "memory"}
    with (
        served_process(tmp_path / "s", **limits) as process,
        hotbook.connect(process.target, timeout_s=PATIENCE_S) as book,
        contextlib.ExitStack() as stack,
    ):
        stalled = [stack.enter_context(watching(process.target)) for _ in range(10)]
        reading = stack.enter_context(watching(process.target))
        reading.next()
        told: list[int] = []
        slowest_s, before = 0.0, 0
        for number in range(1, 1_001):
            began_s = time.monotonic()
            at = book.save(heavy(number)).revision
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            if number % 10 == 0:
                told += revisions(reading.until(at))
            if number == 100:
                before = resident_bytes(process.process.pid)
        grown = resident_bytes(process.process.pid) - before
        errors = [error_from_call(watch.ended()) for watch in stalled]

    assert told == list(range(1, 1_001))
    assert slowest_s < 1
    assert grown < 30_000_000, "45 MB passed by each of the ten"
    assert [type(error) for error in errors] == [FellBehind] * 10


def test_one_who_reads_too_slowly_is_cut_off_by_name_and_can_come_back() -> None:
    """What the ring has forgotten meanwhile ends the call; from what was read there is a way on."""
    with (
        serving(feed_changes_max=20) as made,
        hotbook.connect(made.target) as book,
        watching(made.target) as watch,
    ):
        watch.next()
        for number in range(200):
            at = book.save(heavy(number)).revision
        assert isinstance(error_from_call(watch.ended()), FellBehind)
        assert watch.revision < at
        with watching(made.target, from_revision=watch.revision, mark=watch.mark) as again:
            assert len(snapshot_of(again.until(at))) == 1


WATCH_FOR_EVER = """
import sys
from tests.watching import watching
with watching(sys.argv[1]) as watch:
    print(watch.next().revision, flush=True)
    while True:
        watch.next()
"""


def test_a_watcher_whose_process_is_killed_is_forgotten() -> None:
    """The connection breaks, and its place is free again."""
    with serving(watchers_max=1) as made:
        feed = made.server.engine.feed
        command = [sys.executable, "-c", WATCH_FOR_EVER, made.target]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
            assert feed.watchers == 1
            process.kill()
        eventually(lambda: feed.watchers == 0, "the dead watcher is forgotten")
        with watching(made.target) as watch:
            assert watch.next().revision == 0


def test_greedy_watchers_with_a_snapshot_each(tmp_path: Path) -> None:
    """Thirty whole snapshots of 15 MB at once, while saves go on: each is whole and of one
    revision, and every change after it follows."""
    stop = threading.Event()
    slowest_s = [0.0]

    def save() -> None:
        with hotbook.connect(made.target, timeout_s=PATIENCE_S) as book:
            number = 0
            while not stop.is_set():
                number += 1
                began_s = time.monotonic()
                book.save(closed(f"p{number % 300}", signal_id=f"again-{number}"))
                slowest_s[0] = max(slowest_s[0], time.monotonic() - began_s)

    def fill(_: int) -> None:
        with watching(made.target, with_snapshot=True) as watch:
            frames = watch.until(start + 50)
        assert len(snapshot_of(frames)) == 300
        first = frames[0].revision
        assert revisions(frames) == list(range(first + 1, frames[-1].revision + 1))

    with (
        serving(durability="fsync", data_dir=tmp_path / "s") as made,
        hotbook.connect(made.target) as book,
        ThreadPoolExecutor(30) as pool,
    ):
        weight = order(extra={"weight": "x" * 50_000})
        for first in range(0, 300, 50):
            book.save_many(closed(f"p{n}", orders=(weight,)) for n in range(first, first + 50))
        start = book.status().revision
        saving = threading.Thread(target=save)
        saving.start()
        try:
            list(pool.map(fill, range(30)))
        finally:
            stop.set()
            saving.join()

    assert slowest_s[0] < 3
