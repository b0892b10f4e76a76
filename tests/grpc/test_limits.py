"""Limits of the server, each a setting: refused by name at once, and nothing else suffers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import hotbook
from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import PositionsStub
from hotbook_shared.wire import position_to_wire
from tests.make import closed, order


def test_hotkeys_max() -> None:
    """A listing of more hotkeys than the setting says is refused by the field's name."""
    with server(hotkeys_max=2) as target, hotbook.connect(target) as book:
        assert book.positions(["a", "b"]) == {"a": [], "b": []}
        with pytest.raises(hotbook.InvalidArgument) as refused:
            book.positions(["a", "b", "c"])

    assert refused.value.field == "hotkeys"


def test_a_write_larger_than_the_queue_is_taken_when_it_is_alone() -> None:
    """The queue's limit in bytes holds writes back beside others, never for good."""
    large = closed("large", orders=(order(extra={"note": "x" * 5_000}),))
    with server(queue_max_bytes=2_048) as target, hotbook.connect(target) as book:
        assert book.save(large).version == 1
        assert [type(answer) for answer in book.save_stream([large])] == [hotbook.Saved]


def test_a_pipeline_waits_for_a_place_as_a_call_does() -> None:
    """Beyond concurrent_calls_max a save_stream tries again, until its patience ends."""
    held, release = threading.Event(), threading.Event()

    def one_and_wait() -> Iterator[hotbook.Position]:
        yield closed("held")
        release.wait(30)

    def hold(book: hotbook.Client) -> None:
        for _ in book.save_stream(one_and_wait()):
            held.set()

    with server(concurrent_calls_max=1) as target, hotbook.connect(target) as book:
        holder = threading.Thread(target=hold, args=(book,))
        holder.start()
        held.wait(30)
        with pytest.raises(hotbook.QueueFull):
            list(book.save_stream([closed("late")], timeout_s=0.3))
        threading.Timer(0.3, release.set).start()
        answers = list(book.save_stream([closed("patient")], timeout_s=30))
        holder.join()

    assert [type(answer) for answer in answers] == [hotbook.Saved]


def test_a_repeated_save_many_is_answered_as_before_under_other_settings(tmp_path: Path) -> None:
    """The outcomes that were kept are the answer, also where the limits have changed since."""
    two = closed("two", orders=(order(0), order(1)))
    items = [pb.SaveItem(position=position_to_wire(p)) for p in (two, closed("one"))]
    request = pb.SaveManyRequest(items=items, request_id="again")
    answers = []
    for orders_max in (1, 5, 1):
        with (
            server(durability="fsync", data_dir=tmp_path, orders_max=orders_max) as target,
            grpc.insecure_channel(target) as channel,
        ):
            stub = PositionsStub(channel)  # type: ignore[no-untyped-call]
            answers.append(stub.SaveMany(request))

    assert answers[0] == answers[1] == answers[2]
    assert [one.WhichOneof("outcome") for one in answers[0].outcomes] == ["refused", "saved"]


def test_one_deadline_for_all_pages() -> None:
    """A listing of many pages has one deadline, not one for each page."""
    with server(page_size_default=1) as target, hotbook.connect(target) as book:
        book.save_many(closed(f"p{n}") for n in range(300))
        with pytest.raises(hotbook.DeadlineExceeded):
            book.positions("hk", timeout_s=0.02)
        assert len(book.positions("hk", timeout_s=30)) == 300


@pytest.mark.parametrize("bad", ["5", float("nan"), float("inf"), -1, 1e10])
def test_a_timeout_must_make_sense(bad: float) -> None:
    """A client is not made with a timeout that is none, or longer than any call."""
    with pytest.raises(hotbook.InvalidArgument):
        hotbook.connect("127.0.0.1:1", timeout_s=bad)
