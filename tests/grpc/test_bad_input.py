"""Bad input over real gRPC: it is refused by name, changes nothing, and never breaks a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

import hotbook
from hotbook.testing import server
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import position_to_wire
from tests.make import OPEN_MS, closed, content, leg, position

RPCS: dict[str, MethodDescriptor] = {
    rpc.name: rpc for made in pb.DESCRIPTOR.services_by_name.values() for rpc in made.methods
}
INVALID = grpc.StatusCode.INVALID_ARGUMENT
LARGE = "x" * 5 * 1024 * 1024


@pytest.fixture(scope="module")
def channel(shared_target: str) -> Iterator[grpc.Channel]:
    """A bare channel: bytes in, bytes out."""
    with grpc.insecure_channel(
        shared_target, options=[("grpc.max_send_message_length", -1)]
    ) as made:
        yield made


@pytest.fixture(scope="module")
def client(shared_target: str) -> Iterator[hotbook.Client]:
    """A client of the shared server, which holds a few positions."""
    with hotbook.connect(shared_target, timeout_s=10) as made:
        made.save_many([position(f"stands-{n}", trade_pair=f"T{n}") for n in range(3)])
        yield made


@pytest.fixture
def unchanged(client: hotbook.Client) -> Iterator[None]:
    """Whatever the test sends, the book is the same after it, and in order."""
    before = client.status()
    yield
    after = client.status()
    assert (after.digest, after.revision) == (before.digest, before.revision)
    assert after.state == "serving"


def ask(channel: grpc.Channel, method: str, *bodies: bytes) -> list[bytes]:
    """One call with ready bytes, of whatever kind the rpc is; its replies."""
    rpc = RPCS[method]
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"
    call: Any
    if rpc.client_streaming:
        call = channel.stream_stream(path)
        return list(call(iter(bodies), timeout=20))
    if rpc.server_streaming:
        call = channel.unary_stream(path)
        return list(call(bodies[0], timeout=20))
    call = channel.unary_unary(path)
    return [call(bodies[0], timeout=20)]


def refusal(channel: grpc.Channel, method: str, *bodies: bytes) -> tuple[grpc.StatusCode, str]:
    """The status of a refused call, and the field that its ErrorInfo names."""
    with pytest.raises(grpc.RpcError) as failed:
        ask(channel, method, *bodies)
    call: Any = failed.value
    for key, value in call.trailing_metadata():
        if key == "grpc-status-details-bin":
            status = pb.RpcStatus.FromString(value)
            info = pb.ErrorInfo.FromString(status.details[0].value)
            assert (info.reason, info.domain) == (call.code().name, "hotbook")
            assert status.message == call.details()
            return call.code(), info.metadata["field"]
    return call.code(), ""


# ------------------------------------------------------------------ bytes that are no message

GARBAGE = [b"\xff", b"\x0a\x05ab", b"\x0b", b"\x0a\xff\xff\xff\xff\x0f", b"\xaa" * 999]


@pytest.mark.parametrize("method", RPCS)
@pytest.mark.usefixtures("unchanged")
def test_garbage_is_refused_by_every_rpc(channel: grpc.Channel, method: str) -> None:
    """Bytes that are no message are an invalid argument, for every rpc, streams included."""
    for garbage in GARBAGE:
        assert refusal(channel, method, garbage) == (INVALID, "request")


@pytest.mark.parametrize("method", RPCS)
@pytest.mark.usefixtures("unchanged")
def test_a_message_over_the_limit_is_refused_by_every_rpc(
    channel: grpc.Channel, method: str
) -> None:
    """5 MB are over the limit of 4 MiB: the message is not even looked at."""
    status, _ = refusal(channel, method, LARGE.encode())

    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.usefixtures("unchanged")
def test_garbage_in_a_stream_of_saves_comes_after_the_answers(channel: grpc.Channel) -> None:
    """What was right before the garbage is answered; then the stream ends with the refusal."""
    wrong = streaming(saving(hotkey=""))
    stream: Any = channel.stream_stream("/hotbook.v1.Positions/SaveStream")
    call = stream(iter([wrong, b"\xff"]), timeout=20)

    assert [one.refused.code for one in outcomes_in(next(call))] == ["INVALID_ARGUMENT"]
    with pytest.raises(grpc.RpcError):
        next(call)
    assert call.code() is INVALID


# ------------------------------------------------------------------ messages that cannot be right


def streaming(*saves: pb.SaveRequest) -> bytes:
    return pb.SaveStreamRequest(saves=saves).SerializeToString()


def outcomes_in(reply: bytes) -> Sequence[pb.SaveOutcome]:
    return pb.SaveStreamReply.FromString(reply).outcomes


def saving(**changed: Any) -> pb.SaveRequest:
    message = position_to_wire(position("new", trade_pair="NEW"))
    for name, value in changed.items():
        setattr(message, name, value)
    return pb.SaveRequest(position=message)


def ordering(**changed: Any) -> pb.SaveRequest:
    request = saving()
    for name, value in changed.items():
        setattr(request.position.orders[0], name, value)
    return request


def sourcing(**changed: Any) -> pb.SaveRequest:
    request = saving()
    request.position.orders[0].price_sources.add(**changed)
    return request


def many_orders() -> pb.SaveRequest:
    request = saving()
    request.position.orders.extend([request.position.orders[0]] * 5_000)
    return request


A_LEG = position_to_wire(leg("new"))
NOT_JSON = ["[]", "1", '{"a":', '{"a": NaN}', "{'a': 1}", '{"a":' * 50_000, "[" * 50_000]
BAD_SAVES: list[tuple[pb.SaveRequest, str]] = [
    (pb.SaveRequest(), "position"),
    (pb.SaveRequest(position=pb.Position()), "position.hotkey"),
    *((saving(hotkey=bad), "position.hotkey") for bad in ("", "a b", "x" * 129, "a\n", "\u200b")),
    *((saving(position_uuid=bad), "position.position_uuid") for bad in ("", "\t", "x" * 257)),
    *((saving(trade_pair=bad), "position.trade_pair") for bad in ("", "a b", "x" * 33)),
    *((saving(side=bad), "position.side") for bad in (4, -1, 2**31 - 1)),
    *((saving(open_ms=bad), "position.open_ms") for bad in (-1, 2**63 - 1)),
    *((saving(close_ms=bad), "position.close_ms") for bad in (-1, OPEN_MS - 1, 2**63 - 1)),
    *((saving(net_leverage=bad), "position.net_leverage") for bad in ("NaN", "Infinity", "x")),
    *((saving(quantity=bad), "position.quantity") for bad in ("-inf", "sNaN", "1" * 29, "1e401")),
    *((saving(extra=bad), "position.extra") for bad in NOT_JSON),
    (saving(pattern_type=99), "position.pattern_type"),
    (saving(timeframe="x" * 17), "position.timeframe"),
    (ordering(order_uuid=""), "position.orders[0].order_uuid"),
    (ordering(type=0), "position.orders[0].type"),
    (ordering(type=77), "position.orders[0].type"),
    (ordering(execution_type=77), "position.orders[0].execution_type"),
    (ordering(source=-5), "position.orders[0].source"),
    (ordering(price="-1"), "position.orders[0].price"),
    (ordering(leverage="1" * 29), "position.orders[0].leverage"),
    (ordering(extra="[]"), "position.orders[0].extra"),
    (sourcing(bid="nan"), "position.orders[0].price_sources[0].bid"),
    (sourcing(extra='{"a":' * 50_000), "position.orders[0].price_sources[0].extra"),
    (many_orders(), "position.orders"),
    (pb.SaveRequest(position=A_LEG, replace_open=True), "replace_open"),
    (pb.SaveRequest(position=saving().position, expected_version=2**63), "expected_version"),
    (pb.SaveRequest(position=saving().position, expected_version=2**64 - 1), "expected_version"),
]
WHITE = [" ", "a b", "\t", "a\n", "\u00a0", "x" * 129]
BAD_REQUESTS: list[tuple[str, Message, str]] = [
    *(("Save", pb.SaveRequest(position=A_LEG, request_id=bad), "request_id") for bad in WHITE),
    *(("SaveMany", pb.SaveManyRequest(request_id=bad), "request_id") for bad in WHITE),
    ("SaveMany", pb.SaveManyRequest(items=[pb.SaveItem()] * 10_001), "items"),
    ("Get", pb.GetRequest(position_uuid="u"), "hotkey"),
    ("Get", pb.GetRequest(hotkey="hk"), "position_uuid"),
    ("Get", pb.GetRequest(hotkey="hk", position_uuid="x" * 257), "position_uuid"),
    ("GetOpen", pb.GetOpenRequest(hotkey="h k", trade_pair="T"), "hotkey"),
    ("GetOpen", pb.GetOpenRequest(hotkey="hk"), "trade_pair"),
    ("ListOpen", pb.ListOpenRequest(hotkey="x" * 129), "hotkey"),
    ("List", pb.ListRequest(), "hotkeys"),
    ("List", pb.ListRequest(hotkeys=["hk", ""]), "hotkeys[1]"),
    ("List", pb.ListRequest(hotkeys=["hk"], page_size=-1), "page_size"),
    ("List", pb.ListRequest(hotkeys=["hk"], opened_after_ms=-1), "opened_after_ms"),
    *(
        ("List", pb.ListRequest(hotkeys=["hk"], page_token=bad), "page_token")
        for bad in ("x", "..", "a.0.0", "x" * 32, "x" * 32 + ".-1.0", "x" * 32 + ".0.²", LARGE[:99])
    ),
    ("Delete", pb.DeleteRequest(position_uuid="u"), "hotkey"),
    ("Delete", pb.DeleteRequest(hotkey="hk"), "position_uuid"),
    ("Delete", pb.DeleteRequest(hotkey="hk", position_uuid="u", request_id=" "), "request_id"),
    (
        "Delete",
        pb.DeleteRequest(hotkey="hk", position_uuid="stands-0", expected_version=2**63),
        "expected_version",
    ),
    ("Clear", pb.ClearRequest(), "hotkey"),
    ("Clear", pb.ClearRequest(hotkey="hk", every_hotkey=True), "hotkey"),
    ("Clear", pb.ClearRequest(hotkey="h k"), "hotkey"),
    ("Clear", pb.ClearRequest(hotkey="hk", request_id="\t"), "request_id"),
]


@pytest.mark.parametrize(("request_", "field"), BAD_SAVES, ids=[field for _, field in BAD_SAVES])
@pytest.mark.usefixtures("unchanged")
def test_a_wrong_save_is_refused_by_name_in_every_way(
    channel: grpc.Channel, request_: pb.SaveRequest, field: str
) -> None:
    """Alone, in a stream, or among many: the refusal names the field, and nothing is saved."""
    body = request_.SerializeToString()
    assert refusal(channel, "Save", body) == (INVALID, field)

    alone, together = streaming(request_), streaming(request_, request_)
    replies = ask(channel, "SaveStream", alone, together)
    streamed = [one for reply in replies for one in outcomes_in(reply)]
    assert [one.refused.details["field"] for one in streamed] == [field] * 3

    items = [pb.SaveItem(), pb.SaveItem()]
    items[1].replace_open = request_.replace_open
    if request_.HasField("position"):
        items[1].position.CopyFrom(request_.position)
    if request_.HasField("expected_version"):
        items[1].expected_version = request_.expected_version
    many = pb.SaveManyRequest(items=items)
    [reply] = ask(channel, "SaveMany", many.SerializeToString())
    outcomes = pb.SaveManyReply.FromString(reply).outcomes
    assert [one.refused.details["field"] for one in outcomes] == [
        "items[0].position",
        f"items[1].{field}",
    ]


@pytest.mark.parametrize(
    ("method", "request_", "field"), BAD_REQUESTS, ids=[f"{m}-{f}" for m, _, f in BAD_REQUESTS]
)
@pytest.mark.usefixtures("unchanged")
def test_a_wrong_request_is_refused_by_name(
    channel: grpc.Channel, method: str, request_: Message, field: str
) -> None:
    """Missing, oversized or impossible: each is an invalid argument whose field is named."""
    assert refusal(channel, method, request_.SerializeToString()) == (INVALID, field)


@pytest.mark.parametrize("field", ["position.hotkey", "expected_version", "replace_open"])
@pytest.mark.usefixtures("unchanged")
def test_all_or_nothing_names_the_item(channel: grpc.Channel, field: str) -> None:
    """Where one wrong item refuses the whole request, the field says which item it is."""
    wrong = next(request for request, named in BAD_SAVES if named == field)
    item = pb.SaveItem(position=wrong.position, replace_open=wrong.replace_open)
    if wrong.HasField("expected_version"):
        item.expected_version = wrong.expected_version
    right = pb.SaveItem(position=saving().position)
    many = pb.SaveManyRequest(items=[right, item], all_or_nothing=True)

    assert refusal(channel, "SaveMany", many.SerializeToString()) == (INVALID, f"items[1].{field}")


@pytest.mark.usefixtures("unchanged")
def test_a_page_token_is_for_its_own_listing_and_place(channel: grpc.Channel) -> None:
    """A token with another filter, or with a place that was made up, gives no wrong page."""
    asked = pb.ListRequest(hotkeys=["hk"], page_size=1)
    [reply] = ask(channel, "List", asked.SerializeToString())
    token = pb.ListReply.FromString(reply).next_page_token
    name = token.partition(".")[0]
    wrong = [
        pb.ListRequest(hotkeys=["hk"], open_only=True, page_token=token),
        pb.ListRequest(hotkeys=["hk", "other"], page_token=token),
        pb.ListRequest(hotkeys=["hk"], opened_after_ms=0, page_token=token),
        pb.ListRequest(hotkeys=["hk"], page_token=f"{name}.0.99999999999"),
        pb.ListRequest(hotkeys=["hk"], page_token=f"{name}.7.0"),
    ]

    for request in wrong:
        assert refusal(channel, "List", request.SerializeToString()) == (INVALID, "page_token")
    asked.page_token = token
    assert ask(channel, "List", asked.SerializeToString()), "the listing itself goes on"


# ------------------------------------------------------------------ input at the edge of the limits


def test_the_longest_refusals_arrive(client: hotbook.Client) -> None:
    """A refusal that quotes the longest ids still arrives by its name, not as a transport error."""
    wide = {"hotkey": "💶" * 128, "trade_pair": "💷" * 32}
    client.save(position("💴" * 256, **wide))

    for _ in range(10):
        with pytest.raises(hotbook.AlreadyOpen):
            client.save(position("💵" * 256, **wide), timeout_s=2)
        with pytest.raises(hotbook.IdentityChanged):
            client.save(position("💴" * 256, hotkey="💵" * 128, trade_pair="T"), timeout_s=2)
        with pytest.raises(hotbook.InvalidArgument):
            client.save(position("n", net_leverage="\U000e0001" * 450), timeout_s=2)


def nested_groups(depth: int) -> bytes:
    """An unknown field of a position that holds itself so often."""
    return b"\xa3\x7d" * depth + b"\xa4\x7d" * depth


def nested_extra(depth: int) -> bytes:
    return pb.Position(extra='{"a":' * depth + "{}" + "}" * depth).SerializeToString()


def save_the_deepest(
    channel: grpc.Channel, hotkey: str, nested: Callable[[int], bytes], most: int
) -> int:
    """Saves a position with the deepest nesting that is taken; returns how deep that is."""
    for depth in range(most, 0, -1):
        message = position_to_wire(position("deep", hotkey=hotkey))
        message.MergeFromString(nested(depth))
        try:
            ask(channel, "Save", pb.SaveRequest(position=message).SerializeToString())
        except grpc.RpcError:
            continue
        return depth
    raise AssertionError("not even one level is taken")


@pytest.mark.parametrize(("nested", "most"), [(nested_groups, 100), (nested_extra, 1_000)])
def test_what_was_saved_can_be_read(
    channel: grpc.Channel, client: hotbook.Client, nested: Callable[[int], bytes], most: int
) -> None:
    """However deep the deepest input that a save takes: every way to read it works."""
    hotkey = nested.__name__
    assert save_the_deepest(channel, hotkey, nested, most)

    try:
        assert client.get(hotkey, "deep") is not None
        assert len(client.open_positions(hotkey)) == 1
        assert len(client.positions(hotkey)) == 1
        assert len([p for p in client.book() if p.hotkey == hotkey]) == 1
    finally:
        client.delete(hotkey, "deep")


def many_sources() -> pb.SaveRequest:
    message = position_to_wire(closed("many", hotkey="counts"))
    message.orders[0].price_sources.extend([pb.PriceSource()] * 200_000)
    return pb.SaveRequest(position=message)


COUNTS: list[tuple[str, Message, str]] = [
    ("Save", many_sources(), "position.orders[0].price_sources"),
    ("List", pb.ListRequest(hotkeys=[f"{n:x}" for n in range(200_000)]), "hotkeys"),
]


@pytest.mark.parametrize(("method", "request_", "field"), COUNTS, ids=["sources", "hotkeys"])
@pytest.mark.usefixtures("unchanged")
def test_each_list_in_a_request_has_a_limit(
    channel: grpc.Channel, method: str, request_: Message, field: str
) -> None:
    """Nothing that fits into one message may keep all other callers waiting for seconds."""
    assert refusal(channel, method, request_.SerializeToString()) == (INVALID, field)


IDS = [
    *("../../x", "a/b", "/etc/passwd", "..", ".", "C:\\x", "%2e%2e%2f", "~", "-rf", "*", "%", "_"),
    *("'; DROP TABLE positions;--", "$(reboot)", "{0}", "%s", "NULL", "é/💶", "ﷺ", "0", "<b>"),
]


def test_ids_are_data(tmp_path: Path) -> None:
    """Dots, slashes and quotes in ids are data: save, read, list, restart and delete work."""
    names = [name.replace(" ", "_") for name in IDS]
    made = [position(name, hotkey=name, trade_pair=name) for name in names]
    folder = tmp_path / "served"
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        saved = book.save_many(made)
        assert all(isinstance(one, hotbook.Saved) for one in saved), saved
        assert_all_there(book, made)
        digest = book.status().digest

    assert [path.name for path in tmp_path.iterdir()] == ["served"]
    with server(durability="fsync", data_dir=folder) as target, hotbook.connect(target) as book:
        assert_all_there(book, made)
        assert (book.status().digest, book.status().quarantined) == (digest, 0)
        assert all(book.delete(name, name) for name in names)
        assert book.hotkeys() == []
        assert book.verify().ok


def assert_all_there(book: hotbook.Client, made: list[hotbook.Position]) -> None:
    listed = book.positions([one.hotkey for one in made])
    assert [content(p) for held in listed.values() for p in held] == made
    assert [count.hotkey for count in book.hotkeys()] == sorted(one.hotkey for one in made)
    for one in made:
        got = book.get(one.hotkey, one.position_uuid)
        assert got is not None
        assert got == book.open_position(one.hotkey, one.trade_pair)
        assert content(got) == one
