"""A replica as its user sees it: what it holds, what it refuses, and how it is shared by threads.

What it answers is the business of tests/conformance/test_reads.py, and what it does while servers
come and go that of test_replica_failing.py.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import pytest

import hotbook
from hotbook import DeadlineExceeded, InvalidArgument, NotFollowed, Position, Replica, Unavailable
from hotbook._reads import Reads
from hotbook.testing import server
from hotbook_shared.following import Freshness
from tests.grpc.test_lifecycle import eventually
from tests.make import closed, content, position, record
from tests.shared.test_following import change, frame, part

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def client(shared_target: str) -> Iterator[hotbook.Client]:
    with hotbook.connect(shared_target, timeout_s=PATIENCE_S) as made:
        yield made


@pytest.fixture(scope="module")
def replica(shared_target: str, client: hotbook.Client) -> Iterator[Replica]:
    """One of the whole book, for all tests of the module."""
    with Replica(shared_target, timeout_s=PATIENCE_S) as made:
        yield made


def of(hk: str, name: object, make: Callable[..., Position] = position, **changed: Any) -> Position:
    return make(f"{hk}-{name}", **{"hotkey": hk, **changed})


# -------------------------------------------------------------------- reading its own writes


def test_a_save_is_read_back_after_waiting_for_it(
    client: hotbook.Client, replica: Replica, hk: str
) -> None:
    """The revision that a save returns is the one to wait for: from then on it is there."""
    for number in range(100):
        made = of(hk, "a", signal_id=f"save-{number}")
        saved = client.save(made)

        assert replica.wait_for(saved.revision) >= saved.revision

        found = replica.open_position(hk, "BTCUSD")
        assert found is not None
        assert (content(found), found.version) == (made, number + 1)


def test_what_is_there_already_is_not_waited_for(replica: Replica) -> None:
    """A revision that readers see, or an older one: at once, even with no time at all."""
    now = replica.revision
    assert replica.wait_for(now, timeout_s=0) >= now
    assert replica.wait_for(0, timeout_s=0) >= now


def test_waiting_ends_in_time_and_says_what_stands(replica: Replica) -> None:
    """What does not come is DeadlineExceeded, with what was wanted, what stands, and where."""
    now, began_s = replica.revision, time.monotonic()
    with pytest.raises(DeadlineExceeded) as late:
        replica.wait_for(now + 1_000_000, timeout_s=0.2)

    assert 0.15 < time.monotonic() - began_s < 3
    for said in (str(now), str(now + 1_000_000), "127.0.0.1:", "0.2 s"):
        assert said in late.value.message


def test_many_wait_at_once(client: hotbook.Client, replica: Replica, hk: str) -> None:
    """Each of many threads is woken for its own revision."""
    first = client.save(of(hk, "first", closed)).revision
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(replica.wait_for, first + n) for n in range(1, 21)]
        for number in range(20):
            client.save(of(hk, number, closed))
        reached = [future.result(PATIENCE_S) for future in waiting]
    assert all(seen >= first + n for n, seen in enumerate(reached, start=1))


# -------------------------------------------------------------------- positions and views


def test_a_position_is_decoded_once(client: hotbook.Client, replica: Replica, hk: str) -> None:
    """Every way to it, and every later view, gives the very same object, until it changes."""
    client.save(of(hk, "other", trade_pair="ETHUSD"))
    replica.wait_for(client.save(of(hk, "a")).revision)
    first = replica.open_position(hk, "BTCUSD")
    assert first is not None

    replica.wait_for(client.save(of(hk, "other", trade_pair="ETHUSD")).revision)
    for again in (
        replica.open_position(hk, "BTCUSD"),
        replica.get(hk, f"{hk}-a"),
        next(p for p in replica.open_positions(hk) if p.position_uuid == f"{hk}-a"),
        next(p for p in replica.positions(hk) if p.position_uuid == f"{hk}-a"),
        next(p for p in replica.book() if p.position_uuid == f"{hk}-a"),
        replica.view().get(hk, f"{hk}-a"),
    ):
        assert again is first
    replica.wait_for(client.save(of(hk, "a")).revision)
    changed = replica.open_position(hk, "BTCUSD")
    assert changed is not None
    assert changed is not first
    assert (first.version, changed.version) == (1, 2), "what was handed out stays as it is"


def test_a_position_cannot_be_changed(client: hotbook.Client, replica: Replica, hk: str) -> None:
    """What all readers share is nobody's to change."""
    replica.wait_for(client.save(of(hk, "a")).revision)
    found = cast(Any, replica.open_position(hk, "BTCUSD"))
    with pytest.raises(AttributeError):
        found.close_ms = 1
    with pytest.raises((TypeError, AttributeError)):
        found.orders[0] = None


def test_a_view_stays_while_the_book_goes_on(
    client: hotbook.Client, replica: Replica, hk: str
) -> None:
    """Each of many views shows, at the end, what it showed when it was taken."""
    taken = []
    for number in range(60):
        saved = client.save(of(hk, number % 7, closed, signal_id=f"save-{number}"))
        replica.wait_for(saved.revision)
        view = replica.view()
        due = [content(p) for p in client.positions(hk)]
        taken.append((view, view.revision, view.digest, len(view), due))
    replica.wait_for(client.save(of(hk, "x")).revision)
    client.clear(hk, expected_count=8)
    replica.wait_for(client.status().revision)

    assert replica.positions(hk) == []
    for view, revision, digest, length, due in taken:
        assert (view.revision, view.digest, len(view)) == (revision, digest, length)
        assert [content(p) for p in view.positions(hk)] == due
        assert {c.hotkey: c.positions for c in view.hotkeys()}[hk] == len(due)


WRITER = """
import sys
import hotbook
from tests.make import leg, position
with hotbook.connect(sys.argv[1]) as book:
    for number in range(int(sys.argv[2]) + 1):
        said = {"signal_id": str(number)}
        book.save_many([
            position("BTCUSD", **said),
            position("ETHUSD", trade_pair="ETHUSD", **said),
            leg("leg", trade_pair="XYZ", **said),
        ], all_or_nothing=True)
        if number == 0:
            print("begun", flush=True)
"""
TRIO = ("BTCUSD", "ETHUSD", "leg")
WAYS: list[Callable[[Replica], Iterable[Position | None]]] = [
    lambda replica: replica.open_positions("hk"),
    lambda replica: replica.positions("hk", open_only=True),
    lambda replica: replica.book(open_only=True),
    lambda replica: map(partial(replica.view().get, "hk"), TRIO),
]


@pytest.fixture(params=["as usual", "often"])
def _switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads take turns as they do, where the replica's own has to wait long for its turn; and
    fifty times as often, so that they meet at every place."""
    usual_s = sys.getswitchinterval()
    if request.param == "often":
        sys.setswitchinterval(usual_s / 50)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.usefixtures("_switching")
def test_eight_readers_never_see_half_a_commit(target: str) -> None:
    """Three positions always change in one commit, to the same number. Eight threads that read as
    fast as they can see the same number in all three, and never an older one than before."""
    done = threading.Event()
    wrong: list[str] = []
    reads = [0] * 8

    def read(replica: Replica, number: int) -> None:
        newest = 0
        while not done.is_set():
            found = WAYS[reads[number] % len(WAYS)](replica)
            seen = [int(p.signal_id or -1) for p in found if p is not None]
            if len(seen) != 3 or len(set(seen)) != 1 or seen[0] < newest:
                wrong.append(f"{seen} after {newest}")
            newest = max(seen, default=newest)
            reads[number] += 1

    command = [sys.executable, "-c", WRITER, target, "200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        with Replica(target) as whole, Replica(target, ["hk"], open_only=True) as some:
            read_by = [whole, some] * 4
            with ThreadPoolExecutor(8) as pool:
                reading = [pool.submit(read, made, n) for n, made in enumerate(read_by)]
                try:
                    assert writer.wait(PATIENCE_S) == 0
                    for made in (whole, some):
                        made.wait_for(3 * 201, timeout_s=PATIENCE_S)
                finally:
                    done.set()
                assert [future.result(PATIENCE_S) for future in reading] == [None] * 8
            for made in (whole, some):
                assert {p.signal_id for p in made.open_positions("hk")} == {"200"}

    assert wrong == []
    assert min(reads) > 10


# -------------------------------------------------------------------- parts

QUESTIONS: dict[str, Callable[[Any], object]] = {
    "open_position": lambda r: r.open_position("other", "BTCUSD"),
    "open_positions": lambda r: r.open_positions("other"),
    "get": lambda r: r.get("other", "p1"),
    "positions": lambda r: r.positions("other"),
    "positions of several": lambda r: r.positions(["mine", "other"]),
    "exposure": lambda r: r.exposure("other"),
}
CLOSED_TOO: dict[str, Callable[[Any], object]] = {
    "get": lambda r: r.get("mine", "closed"),
    "positions": lambda r: r.positions("mine"),
    "positions of several": lambda r: r.positions(["mine"]),
    "book": lambda r: list(r.book()),
    "hotkeys": lambda r: r.hotkeys(),
}


@pytest.fixture(scope="module")
def parts() -> Iterator[tuple[Replica, Replica]]:
    """A replica of one hotkey, and one of what is open."""
    with (
        server() as target,
        hotbook.connect(target) as book,
        Replica(target, ["mine"]) as mine,
        Replica(target, open_only=True) as opened,
    ):
        book.save_many(
            [
                position("open", hotkey="mine"),
                closed("closed", hotkey="mine"),
                position("p1", hotkey="other"),
            ]
        )
        for one in (mine, opened):
            one.wait_for(3)
        yield mine, opened


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_hotkeys_that_are_not_followed_are_no_question_for_it(
    parts: tuple[Replica, Replica], ask: Callable[[Any], object]
) -> None:
    """NotFollowed, by the hotkey's name, from the replica and from its views: never "nothing"."""
    for reading in (parts[0], parts[0].view()):
        with pytest.raises(NotFollowed) as refused:
            ask(reading)
        assert "other" in refused.value.message


@pytest.mark.parametrize("ask", CLOSED_TOO.values(), ids=CLOSED_TOO)
def test_what_is_closed_is_no_question_for_one_of_what_is_open(
    parts: tuple[Replica, Replica], ask: Callable[[Any], object]
) -> None:
    """NotFollowed where an answer would leave out what is closed."""
    for reading in (parts[1], parts[1].view()):
        with pytest.raises(NotFollowed):
            ask(reading)


def test_a_part_answers_what_it_can(parts: tuple[Replica, Replica]) -> None:
    """Everything of its hotkeys; everything that is open."""
    mine, opened = parts
    assert [p.position_uuid for p in mine.positions("mine")] == ["closed", "open"]
    assert [c.hotkey for c in mine.hotkeys()] == ["mine"]
    assert len(list(mine.book())) == 2
    assert opened.open_position("other", "BTCUSD") is not None
    assert opened.get("mine", "open") is not None
    assert [p.position_uuid for p in opened.positions("mine", open_only=True)] == ["open"]
    assert len(list(opened.book(open_only=True))) == 2
    assert opened.exposure("mine").pairs[0].trade_pair == "BTCUSD"


def test_one_hotkey_may_be_given_by_itself(shared_target: str, hk: str) -> None:
    """A text is one hotkey, not its letters."""
    with Replica(shared_target, hk) as mine:
        assert mine.positions(hk) == []


BAD_ARGUMENTS: dict[str, Callable[[str], object]] = {
    "no address": lambda _: Replica("nowhere"),
    "no hotkey named": lambda t: Replica(t, []),
    "an empty hotkey": lambda t: Replica(t, [""]),
    "a hotkey that is none": lambda t: Replica(t, cast(Any, [1])),
    "hotkeys that are none": lambda t: Replica(t, cast(Any, 5)),
    "a lag that is none": lambda t: Replica(t, max_lag_ms=cast(Any, "fast")),
    "a lag below nothing": lambda t: Replica(t, max_lag_ms=-1),
    "no lag at all": lambda t: Replica(t, max_lag_ms=float("nan")),
    "no time at all": lambda t: Replica(t, timeout_s=float("nan")),
    "less than no time": lambda t: Replica(t, timeout_s=-1),
}


@pytest.mark.parametrize("make", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_what_cannot_be_followed_is_refused_when_it_is_made(
    shared_target: str, make: Callable[[str], object]
) -> None:
    """InvalidArgument, before anything is started."""
    before = threading.active_count()
    with pytest.raises(InvalidArgument):
        make(shared_target)
    assert threading.active_count() == before


BAD_READS: dict[str, Callable[[Replica], object]] = {
    "revision": lambda r: r.wait_for(-1),
    "a text for a revision": lambda r: r.wait_for(cast(Any, "1")),
    "time": lambda r: r.wait_for(0, timeout_s=-1),
    "lag": lambda r: r.view(max_lag_ms=-5),
    "lag of a quick read": lambda r: r.open_position("hk", "BTCUSD", max_lag_ms=cast(Any, "1")),
    "hotkey": lambda r: r.open_position("", "BTCUSD"),
    "hotkey that is a list": lambda r: r.open_position(cast(Any, ["hk"]), "BTCUSD"),
    "pair": lambda r: r.open_position("hk", ""),
    "uuid": lambda r: r.get("hk", cast(Any, None)),
    "hotkeys": lambda r: r.positions(cast(Any, 5)),
    "opened_after": lambda r: r.positions("hk", opened_after=cast(Any, "yesterday")),
}


@pytest.mark.parametrize("ask", BAD_READS.values(), ids=BAD_READS)
def test_bad_questions_are_refused(replica: Replica, ask: Callable[[Replica], object]) -> None:
    """As the client refuses them: InvalidArgument, never an answer or an error of Python's."""
    with pytest.raises(InvalidArgument):
        ask(replica)


# -------------------------------------------------------------------- verifying


def test_a_replica_that_is_right_is_verified(
    shared_target: str, client: hotbook.Client, hk: str
) -> None:
    """The whole and parts, while others change: no problems, and the server's own digest."""
    client.save_many([of(hk, n, closed) for n in range(20)] + [of(hk, "open")])
    stop = threading.Event()

    def change_others() -> None:
        number = 0
        with hotbook.connect(shared_target) as book:
            while not stop.is_set():
                number += 1
                book.save(closed(f"busy-{number % 9}", hotkey=f"busy-{number % 3}"))

    busy = threading.Thread(target=change_others)
    busy.start()
    try:
        for asked in (
            {},
            {"hotkeys": [hk]},
            {"open_only": True},
            {"hotkeys": [hk], "open_only": True},
        ):
            with Replica(shared_target, **cast(Any, asked)) as made:
                found = made.verify(timeout_s=PATIENCE_S)
                assert (found.ok, found.problems) == (True, ())
    finally:
        stop.set()
        busy.join()
    with Replica(shared_target) as made:
        found = made.verify()
        assert (found.digest, found.revision) == (client.status().digest, client.status().revision)


def spoil(made: Replica, hk: str, how: str) -> None:
    """Puts something wrong into a replica's own book, as a bug of ours might."""
    listed: Any = made.view().picture.positions
    held = listed.by_hotkey[hk]
    uuid = f"{hk}-0"
    match how:
        case "content":
            other = closed(uuid, hotkey=hk, signal_id="spoiled")
            held[uuid] = record(other, held[uuid].version, held[uuid].revision)
        case "gone":
            del held[uuid]
        case "index":
            listed.open.setdefault(hk, {})[uuid] = held[uuid]


@pytest.mark.parametrize("how", ["content", "gone", "index"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_spoiled_replica_is_found_out(
    shared_target: str, client: hotbook.Client, hk: str, how: str, is_whole: bool
) -> None:
    """What is not as the server has it, or not as its own positions say, is a problem by name."""
    client.save_many([of(hk, n, closed) for n in range(3)])
    with Replica(shared_target, None if is_whole else [hk]) as made:
        spoil(made, hk, how)
        found = made.verify()
    assert not found.ok
    assert found.problem_count >= 1
    assert found.problems


def test_a_replica_that_goes_wrong_makes_itself_anew(
    shared_target: str, client: hotbook.Client, hk: str
) -> None:
    """Where a change meets a book that is not the server's, a new snapshot takes its place,
    whether the digest shows it or the change cannot even be applied."""
    client.save_many([of(hk, n, closed) for n in range(3)])
    for how in ("digest", "index"):
        with Replica(shared_target) as made:
            book = made._follower.book
            kept = book.positions.by_uuid[f"{hk}-0"]
            if how == "digest":
                book.positions.put(f"{hk}-1", None)
            else:
                book.positions.by_hotkey[hk] = {}
            saved = client.save(of(hk, 0, closed, signal_id=how))
            eventually(lambda made=made: made.snapshots == 2, "the second snapshot")  # type: ignore[misc]
            made.wait_for(saved.revision)
            found = made.get(hk, f"{hk}-0")
            assert found is not None
            assert found.version > kept.version
            assert made.verify().ok
            assert made.last_error is not None


# -------------------------------------------------------------------- its end


def test_nothing_is_left_of_a_closed_replica(shared_target: str) -> None:
    """No thread of it goes on, however often replicas are made."""
    before = set(threading.enumerate())
    for _ in range(5):
        with Replica(shared_target) as made:
            made.view()
    eventually(lambda: set(threading.enumerate()) <= before, "all its threads have ended")


def test_a_closed_replica_says_so_and_its_views_stay(
    client: hotbook.Client, shared_target: str, hk: str
) -> None:
    """Every read is Unavailable; what was taken is valid for as long as it is held."""
    client.save(of(hk, "a"))
    with Replica(shared_target) as made:
        view = made.view()
    made.close()

    asks: list[Callable[[], object]] = [
        lambda: made.open_position(hk, "BTCUSD"),
        lambda: made.positions(hk),
        lambda: made.revision,
        lambda: made.view(max_lag_ms=10),
        lambda: made.wait_for(1, timeout_s=PATIENCE_S),
        lambda: made.verify(timeout_s=PATIENCE_S),
    ]
    for ask in asks:
        with pytest.raises(Unavailable, match="closed"):
            ask()
    assert not made.is_connected
    assert view.open_position(hk, "BTCUSD") is not None


def test_closing_while_others_read_and_wait(shared_target: str, client: hotbook.Client) -> None:
    """Readers have answers until it is closed, and Unavailable after; who waits is let go."""
    for _ in range(10):
        made = Replica(shared_target)
        made.start()
        reading = threading.Barrier(5)

        def read(made: Replica = made, reading: threading.Barrier = reading) -> Exception:
            reading.wait()
            while True:
                try:
                    made.open_position("hk", "BTCUSD")
                    made.view().hotkeys()
                except Exception as error:
                    return error

        def wait(made: Replica = made, reading: threading.Barrier = reading) -> Exception:
            reading.wait()
            with pytest.raises(Unavailable) as told:
                made.wait_for(10**9, timeout_s=60)
            return told.value

        with ThreadPoolExecutor(4) as pool:
            ended = [pool.submit(act) for act in (read, read, read, wait)]
            reading.wait()
            made.close()
            assert {type(future.result(PATIENCE_S)) for future in ended} == {Unavailable}


def test_a_replica_has_one_life(shared_target: str) -> None:
    """Started twice or after its end, it says so, and one that lives goes on."""
    made = Replica(shared_target)
    with made:
        with pytest.raises(InvalidArgument, match="make another"):
            made.start()
        assert made.verify().ok
    with pytest.raises(InvalidArgument, match="make another"):
        made.start()


def test_before_it_is_started_there_is_no_book(shared_target: str) -> None:
    """Unavailable, at once."""
    made = Replica(shared_target)
    with pytest.raises(Unavailable, match="no book yet"):
        made.open_position("hk", "BTCUSD")
    assert made.lag_ms == float("inf")
    made.close()


# -------------------------------------------------------------------- what is fresh is seen


class Looked(Freshness):
    """Looks at the replica in the very moment when it is told how fresh it is."""

    def __init__(self, look: Callable[[], int]) -> None:
        super().__init__()
        self._look = look
        self.seen: list[int] = []

    def note(self, as_of_ms: int, now_s: float, *, is_newest: bool, lag_ms: int = 0) -> None:
        super().note(as_of_ms, now_s, is_newest=is_newest, lag_ms=lag_ms)
        self.seen.append(self._look())


def test_no_reader_gets_an_old_answer_for_a_fresh_one() -> None:
    """Whoever is told that the answer is fresh has the one that the fresh frame has led to, also
    where it looks in the very moment when that frame is taken in."""
    fed = Reads("127.0.0.1:1", None, open_only=False, max_lag_ms=None)
    looked = fed._follower.freshness = Looked(lambda: fed.view(max_lag_ms=1_000).revision)

    def take_in(*frames: Any) -> None:
        for one in frames:
            one.as_of_ms, one.is_newest = round(time.monotonic() * 1000), True
            fed._take_in(one)

    take_in(part(10, "ab"), frame(11, change(11)), frame(12, change(12)))

    assert looked.seen == [10, 11, 12]


def test_a_snapshot_is_shown_as_no_fresher_than_it_is() -> None:
    """What another server says instead, which may be behind, is refused until its own news tells
    how old it is; also where a reader looks while it is being taken in."""
    fed = Reads("127.0.0.1:1", None, open_only=False, max_lag_ms=None)
    seen: list[int | None] = []

    def look() -> None:
        with contextlib.suppress(hotbook.Stale, hotbook.Unavailable):
            seen.append(fed.view(max_lag_ms=60_000).revision)

    def take_in(one: Any, *, is_newest: bool) -> None:
        one.as_of_ms, one.is_newest = round(time.monotonic() * 1000), is_newest
        fed._take_in(one)
        look()

    take_in(part(10, "ab"), is_newest=False)
    take_in(frame(11, change(11)), is_newest=True)
    fed._follower.freshness.begin()
    look()
    take_in(part(3, "z"), is_newest=False)
    take_in(frame(3), is_newest=False)
    take_in(frame(4, change(4)), is_newest=True)

    assert seen == [11, 11, 4]


class Interrupted(Reads):
    """A replica that is given another frame whenever a reader has looked how old it is."""

    next_frame: Callable[[], None] = staticmethod(lambda: None)

    @property
    def lag_ms(self) -> float:
        lag_ms = super().lag_ms
        self.next_frame()
        return lag_ms


def test_a_lag_is_that_of_the_answer() -> None:
    """A view that takes the place of another while a reader looks is not taken for as fresh."""
    fed = Interrupted("127.0.0.1:1", None, open_only=False, max_lag_ms=None)
    fed._take_in(part(10, "ab"))
    fed._take_in(frame(10, as_of_ms=round(time.monotonic() * 1000), is_newest=True))

    def lead_back() -> None:
        fed.next_frame = lambda: None
        fed._take_in(part(3, "z"))

    fed.next_frame = lead_back
    with pytest.raises(hotbook.Stale):
        fed.view(max_lag_ms=60_000)
