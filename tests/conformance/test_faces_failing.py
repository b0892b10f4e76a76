"""Every face of the client on a bad day: errors, retries, deadlines, restarts, the end.

The server is a real one where it can be brought to it, and a scripted one where it cannot.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from hotbook import (
    Client,
    DeadlineExceeded,
    HotbookError,
    InternalError,
    InvalidArgument,
    JournalFailed,
    MessageTooLarge,
    PageExpired,
    Position,
    Refused,
    Saved,
    Unavailable,
)
from hotbook._calls import CHUNK_POSITIONS, FIRST_CHUNK_POSITIONS
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import STATUS_OF
from hotbook_shared.wire import position_to_wire
from tests.client.test_retry import MARGIN_S, PATIENCE_S, served
from tests.conformance.scripted_server import Reply, ScriptedServer, scripted_server
from tests.faces import Connect
from tests.grpc.test_bad_methods import TIMED
from tests.make import closed, position

Timed = dict[str, Callable[[Client, float | None], object]]

RPC_OF = {
    "save": "Save", "save_many": "SaveMany", "save_stream": "SaveStream", "delete": "Delete",
    "get": "Get", "open_position": "GetOpen", "open_positions": "ListOpen", "positions": "List",
    "book": "StreamBook", "hotkeys": "ListHotkeys", "clear": "Clear", "place_order": "PlaceOrder",
    "close_position": "ClosePosition", "close_all": "CloseAll", "exposure": "Exposure",
    "order_span": "OrderSpan", "trade_pairs": "ListPairs", "split": "Split",
    "split_all": "SplitAll", "split_stats": "SplitStats", "digests": "Digests", "status": "Status",
    "verify": "Verify", "rebuild": "Rebuild", "reload": "Reload", "backup": "Backup",
    "watch": "Watch", "changed_since": "ListChanged", "add_pattern": "AddPattern",
    "add_patterns": "AddPatterns", "create_campaign": "CreateCampaign", "campaign": "GetCampaign",
    "campaigns": "ListCampaigns", "transition_campaign": "TransitionCampaign",
    "complete_campaign": "CompleteCampaign", "fail_campaign": "FailCampaign",
    "delete_campaign": "DeleteCampaign", "campaign_statistics": "CampaignStatistics",
    "add_leg": "AddLeg", "close_leg": "CloseLeg", "get_campaign_positions": "CampaignPositions",
    "follow_campaigns": "Follow", "push_bars": "PushBars", "update_marks": "PushBars",
    "market": "GetMarket", "advance": "Advance", "wait_for_generation": "WaitForGeneration",
}  # fmt: skip

REQUESTS = {
    method.name: method.input_type
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
LISTINGS = ("positions", "campaigns", "get_campaign_positions")
HAVE_ID = [name for name, rpc in RPC_OF.items() if "request_id" in REQUESTS[rpc].fields_by_name]
WRITES = [*HAVE_ID, "save_stream"]  # each of whose saves has an id


@pytest.fixture
def calls(tmp_path: Path) -> Timed:
    """Each method of the client that calls, with a deadline."""
    numbers = itertools.count()
    made: Timed = dict(TIMED)
    made["backup"] = lambda book, s: book.backup(tmp_path / f"b{next(numbers)}", timeout_s=s)
    return made


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as made:
        yield made


@pytest.fixture(scope="module")
def client(scripted: ScriptedServer, connect: Connect) -> Iterator[Client]:
    with connect(scripted.target, timeout_s=PATIENCE_S) as made:
        yield made


def test_every_method_is_tried(calls: Timed) -> None:
    """The tables here know each method, and each rpc that one face or the other calls."""
    assert set(RPC_OF) == set(calls)
    assert set(RPC_OF.values()) == set(REQUESTS) - {"PushBarStream"}


# -------------------------------------------------------------------- errors

KINDS = [kind for kind in STATUS_OF if kind not in (Unavailable, DeadlineExceeded)]


def details_of(kind: type[HotbookError]) -> dict[str, str]:
    """Details with a value in each: what the properties of the errors read is there."""
    names = ("open_uuid", "position_uuid", "field", "item", "current_state", "asked_state")
    numbers = ("current_version", "actual_count", "actual_campaigns", "remaining_ms", "legs")
    return {"code": kind.code, **dict.fromkeys(names, "x"), **dict.fromkeys(numbers, "7")}


def failures_of(calls: Timed, client: Client) -> dict[str, HotbookError]:
    """The error of each call, made all at once; of `save_many` perhaps the answer at its place."""

    def failure_of(call: Callable[[Client, float | None], Any]) -> HotbookError:
        try:
            [refused] = call(client, 0.6)
        except HotbookError as error:
            return error
        assert isinstance(refused, HotbookError)
        return refused

    with ThreadPoolExecutor(len(calls)) as pool:
        return dict(zip(calls, pool.map(failure_of, calls.values()), strict=True))


def told_in_time(failures: dict[str, HotbookError]) -> dict[str, HotbookError]:
    """Those whose last attempt was answered before the deadline: most, however busy it is."""
    told = {n: error for n, error in failures.items() if type(error) is not DeadlineExceeded}
    assert len(told) > len(failures) / 2
    return told


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_of_each_kind_comes_as_it_was_sent(
    client: Client, scripted: ScriptedServer, calls: Timed, kind: type[HotbookError]
) -> None:
    """Class, message and details are the server's, whatever was called; retryable ones are tried
    again until the deadline, others are told at once."""
    scripted.answers_all(kind("said the server", **details_of(kind)))
    failures = failures_of(calls, client)
    for name, error in (told_in_time(failures) if kind.retryable else failures).items():
        callers = [*RPC_OF.values()].count(RPC_OF[name])
        asked = len(scripted.seen[RPC_OF[name]]) / callers

        assert type(error) is kind, name
        assert (error.message, error.details) == ("said the server", details_of(kind))
        is_listing = name in LISTINGS and kind is PageExpired
        if name != "save_stream" or kind.retryable:  # its refusal may be hidden once, by gRPC
            assert asked == 3 if is_listing else (asked > 1) is kind.retryable, name


@pytest.mark.parametrize("kind", [Unavailable, DeadlineExceeded])
def test_no_answer_is_told_with_the_target(
    client: Client, scripted: ScriptedServer, calls: Timed, kind: type[HotbookError]
) -> None:
    """Both say whom was asked and for how long, and whether a write may have happened."""
    scripted.answers_all(kind("said the server"))
    failures = failures_of(calls, client)
    for name, error in (told_in_time(failures) if kind.retryable else failures).items():
        assert type(error) is kind, name
        assert scripted.target in error.message
        assert re.search(r"within 0\.\d{1,3} s", error.message), error.message
        if kind is DeadlineExceeded:
            is_write = "may or may not have happened" in error.message
            assert is_write is (name in WRITES), name


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_tried_again_with_the_very_same_bytes(
    client: Client, scripted: ScriptedServer, calls: Timed, name: str
) -> None:
    """Its request id is one, however often it is sent."""
    scripted.answers_all(Unavailable("not yet"))
    with pytest.raises(Unavailable):
        calls[name](client, 0.3)

    seen = scripted.seen[RPC_OF[name]]
    assert len(seen) > 1
    assert len(set(seen)) == 1


def test_a_failed_disk_is_told_rather_than_what_came_after_it(
    client: Client, scripted: ScriptedServer
) -> None:
    """JournalFailed, then no server at all: the first says more."""
    scripted.answers("Get", JournalFailed("the disk failed"), Unavailable("gone"))
    with pytest.raises(JournalFailed):
        client.get("hk", "p1", timeout_s=0.3)

    assert len(scripted.seen["Get"]) > 1


# -------------------------------------------------------------------- answers of several calls


def page(token: str, *names: str) -> Message:
    found = [position_to_wire(closed(name)) for name in names]
    part = pb.HotkeyPositions(hotkey="hk", positions=found)
    return pb.ListReply(hotkeys=[part], next_page_token=token)


def test_a_listing_that_was_forgotten_is_begun_anew(
    client: Client, scripted: ScriptedServer
) -> None:
    """Twice; what was read before is read again, and stands once."""
    forgotten = PageExpired("forgotten")
    scripted.answers("List", page("t", "a"), forgotten, forgotten, page("t", "a"), page("", "b"))

    assert [p.position_uuid for p in client.positions("hk")] == ["a", "b"]
    tokens = [pb.ListRequest.FromString(request).page_token for request in scripted.seen["List"]]
    assert tokens == ["", "t", "", "", "t"]


class Boom(Exception):
    """What the caller's own generator raises."""


def saved_all(request: bytes) -> Message:
    """Every item saved, at a version that is its number in its request."""
    items = pb.SaveManyRequest.FromString(request).items
    replies = [pb.SaveReply(version=n, durability=1) for n in range(len(items))]  # type: ignore[arg-type]
    return pb.SaveManyReply(outcomes=[pb.SaveOutcome(saved=reply) for reply in replies])


@pytest.mark.parametrize(
    "refusal",
    [MessageTooLarge("too large"), InvalidArgument("too many", field="items")],
    ids=lambda refusal: refusal.code,
)
def test_what_is_too_much_is_sent_in_halves(
    client: Client, scripted: ScriptedServer, refusal: HotbookError
) -> None:
    """Down to one position, which is refused at its place; the others are saved, in order."""
    scripted.answers("SaveMany", refusal, refusal, saved_all, refusal, saved_all, saved_all)
    names = ["a", "b", "c", "d"]  # abcd and ab are too much, a is not, b is; cd is not

    answers = client.save_many(closed(name) for name in names)

    assert [answer.position_uuid if isinstance(answer, Saved) else answer.code for answer in answers
            ] == ["a", refusal.code, "c", "d"]  # fmt: skip
    sent = [pb.SaveManyRequest.FromString(request) for request in scripted.seen["SaveMany"]]
    assert [len(request.items) for request in sent] == [4, 2, 1, 1, 2]
    assert len({request.request_id for request in sent}) == 5


def test_a_large_save_begins_with_a_small_request(client: Client, scripted: ScriptedServer) -> None:
    """The server has something to do at once; then requests grow, up to the most, in order."""
    sizes = [100, 200, 400, 500, 500, 7]
    assert (FIRST_CHUNK_POSITIONS, CHUNK_POSITIONS) == (100, 500)
    scripted.answers("SaveMany", *[saved_all] * len(sizes))

    answers = client.save_many(closed(str(number)) for number in range(sum(sizes)))

    sent = [pb.SaveManyRequest.FromString(request) for request in scripted.seen["SaveMany"]]
    assert [len(request.items) for request in sent] == sizes
    uuids = [item.position.position_uuid for request in sent for item in request.items]
    assert uuids == [str(number) for number in range(sum(sizes))]
    assert len(answers) == len(uuids)


def test_the_next_request_is_made_while_the_server_has_the_last(
    client: Client, scripted: ScriptedServer
) -> None:
    """The server answers the first only when positions are drawn that go with the second."""
    drawn = threading.Event()

    def positions() -> Iterator[Position]:
        for number in range(2 * FIRST_CHUNK_POSITIONS):
            if number > FIRST_CHUNK_POSITIONS:  # that one more shows that the first is full
                drawn.set()
            yield closed(str(number))

    scripted.answers("SaveMany", (drawn, saved_all), saved_all)

    answers = client.save_many(positions())

    assert [a.version for a in answers if isinstance(a, Saved)] == [
        *range(FIRST_CHUNK_POSITIONS)
    ] * 2


def test_the_callers_own_error_comes_when_what_was_sent_is_answered(
    client: Client, scripted: ScriptedServer
) -> None:
    """A generator that fails beside a request does not cut that off."""
    answered = []

    def positions() -> Iterator[Position]:
        yield from (closed(str(number)) for number in range(FIRST_CHUNK_POSITIONS + 1))
        raise Boom

    def save_and_tell(request: bytes) -> Message:
        answered.append(request)
        return saved_all(request)

    scripted.answers("SaveMany", save_and_tell)
    with pytest.raises(Boom):
        client.save_many(positions())

    assert len(answered) == 1


def test_a_request_that_was_begun_ahead_is_tried_again(
    client: Client, scripted: ScriptedServer
) -> None:
    """With the same bytes, like any other; its answers are in their place."""
    scripted.answers("SaveMany", Unavailable("later"), saved_all, saved_all)

    answers = client.save_many(closed(str(number)) for number in range(FIRST_CHUNK_POSITIONS + 1))

    assert [a.version for a in answers if isinstance(a, Saved)] == [
        *range(FIRST_CHUNK_POSITIONS),
        0,
    ]
    first, again, last = scripted.seen["SaveMany"]
    assert first == again != last


def test_another_refusal_of_many_is_raised(client: Client, scripted: ScriptedServer) -> None:
    """Halves help against size alone."""
    scripted.answers("SaveMany", InvalidArgument("no", field="request_id"))
    with pytest.raises(InvalidArgument):
        client.save_many([closed("a"), closed("b")])

    assert len(scripted.seen["SaveMany"]) == 1


def test_the_pages_of_a_listing_share_one_deadline(
    client: Client, scripted: ScriptedServer
) -> None:
    """A listing that never ends, of quick pages, ends at its deadline."""
    scripted.answers("List", page("t"))
    began_s = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        client.positions("hk", timeout_s=0.3)

    assert 0.3 <= time.monotonic() - began_s < 0.3 + MARGIN_S


# -------------------------------------------------------------------- streams


def frame(*names: str) -> Message:
    return pb.BookFrame(positions=[position_to_wire(closed(name)) for name in names])


def test_a_stream_that_breaks_before_its_first_reply_is_begun_again(
    client: Client, scripted: ScriptedServer
) -> None:
    """Nothing was given out yet, so that nothing is given out twice."""
    scripted.answers("StreamBook", Unavailable("later"), (frame("a"), frame("b", "c")))

    assert [p.position_uuid for p in client.book()] == ["a", "b", "c"]


def test_a_stream_that_breaks_later_is_not_begun_again(
    client: Client, scripted: ScriptedServer
) -> None:
    """What came is given out; then the error."""
    scripted.answers("StreamBook", (frame("a"), frame("b"), Unavailable("gone")))
    found = client.book()

    assert [next(found).position_uuid, next(found).position_uuid] == ["a", "b"]
    with pytest.raises(Unavailable):
        next(found)
    assert len(scripted.seen["StreamBook"]) == 1


@pytest.mark.parametrize("begun", [(), (frame("a"),)], ids=["at once", "after a reply"])
def test_a_stream_that_stands_still_is_ended(
    client: Client, scripted: ScriptedServer, begun: tuple[Message, ...]
) -> None:
    """After `timeout_s` without a reply: DeadlineExceeded, with the target."""
    release = threading.Event()
    scripted.answers("StreamBook", (*begun, release, frame("b")))
    began_s = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=scripted.target):
        list(client.book(timeout_s=0.3))
    took_s = time.monotonic() - began_s
    release.set()

    assert 0.3 <= took_s < 0.3 + MARGIN_S


def test_a_stream_may_take_long_as_long_as_it_moves(
    client: Client, scripted: ScriptedServer
) -> None:
    """Five replies, each in less than `timeout_s`, which all of them together exceed; and a caller
    who takes longer than that for one of them."""
    steps = [threading.Event() for _ in range(5)]
    script: list[Reply] = []
    for number, step in enumerate(steps):
        script += [step, frame(str(number))]
    scripted.answers("StreamBook", tuple(script))
    found = client.book(timeout_s=0.5)
    with ThreadPoolExecutor(1) as pool:
        for number, step in enumerate(steps):
            asked = pool.submit(next, found)
            assert not step.wait(0.2 if number < 4 else 0)
            step.set()
            assert asked.result(PATIENCE_S).position_uuid == str(number)
            if number == 2:
                assert not steps[3].wait(0.8), "the caller's own pause"
        assert list(found) == []


def backup_of(data: bytes, sha256: str) -> tuple[Message, ...]:
    size = len(data)
    return (
        pb.BackupFrame(revision=7, total_bytes=size, data=data[: size // 2]),
        pb.BackupFrame(revision=7, total_bytes=size, data=data[size // 2 :], sha256=sha256),
    )


def test_a_backup_is_written_whole(
    client: Client, scripted: ScriptedServer, tmp_path: Path
) -> None:
    """Larger than what is brought to disk at once; how far it is is told after each frame."""
    data = bytes(range(256)) * (9 * 4096)
    scripted.answers("Backup", backup_of(data, hashlib.sha256(data).hexdigest()))
    seen: list[tuple[int, int]] = []

    revision = client.backup(tmp_path / "b", progress=lambda *far: seen.append(far))

    assert (revision, (tmp_path / "b").read_bytes() == data) == (7, True)
    assert seen == [(len(data) // 2, len(data)), (len(data), len(data))]


CUT: dict[str, tuple[Any, ...]] = {
    "a wrong checksum": backup_of(b"data", "0" * 64),
    "nothing": (),
    "the first half": backup_of(b"data", hashlib.sha256(b"data").hexdigest())[:1],
}


@pytest.mark.parametrize("script", CUT.values(), ids=CUT)
def test_a_backup_that_does_not_arrive_whole_leaves_no_file(
    client: Client, scripted: ScriptedServer, tmp_path: Path, script: tuple[Any, ...]
) -> None:
    """InternalError, and nothing under its name or beside it."""
    scripted.answers("Backup", script)
    with pytest.raises(InternalError, match="whole"):
        client.backup(tmp_path / "b")

    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------- deadline, restart, the end


@pytest.mark.parametrize("name", RPC_OF)
def test_a_deadline_is_kept_by_every_method(connect: Connect, calls: Timed, name: str) -> None:
    """An address that takes connections and never says a word costs no more than the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with connect(target) as book, ThreadPoolExecutor(1) as pool:
            began_s = time.monotonic()
            failure = pool.submit(calls[name], book, 0.2).exception(0.2 + MARGIN_S)

    assert isinstance(failure, DeadlineExceeded | Unavailable)
    assert time.monotonic() - began_s < 0.2 + MARGIN_S


def test_every_method_survives_a_restart(connect: Connect, calls: Timed, tmp_path: Path) -> None:
    """Asked all at once while the server is away, each is answered once it is back, by a client
    that knew the server before; what a rule refuses is an answer too."""
    with (
        served(tmp_path / "served") as process,
        connect(process.target, timeout_s=PATIENCE_S) as book,
        ThreadPoolExecutor(len(calls)) as pool,
    ):
        book.save(position())
        process.kill()
        asked = {name: pool.submit(call, book, PATIENCE_S) for name, call in calls.items()}
        process.start()
        failures = {name: one.exception(PATIENCE_S) for name, one in asked.items()}

    assert {k: f for k, f in failures.items() if f is not None and not isinstance(f, Refused)} == {}


@pytest.mark.parametrize("used", [True, False], ids=["used before", "never used"])
def test_a_closed_client_says_so_in_every_method(
    connect: Connect, calls: Timed, scripted: ScriptedServer, used: bool
) -> None:
    """At once, and it is Unavailable; closing twice is no error, or closing what was not used."""
    scripted.answers("Status", pb.StatusReply(durability=1))  # type: ignore[arg-type]
    book = connect(scripted.target, timeout_s=PATIENCE_S)
    if used:
        book.status()
    book.close()
    book.close()
    began_s = time.monotonic()
    for call in calls.values():
        with pytest.raises(Unavailable, match="this client is closed"):
            call(book, None)

    assert time.monotonic() - began_s < PATIENCE_S / 2
