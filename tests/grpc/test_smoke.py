"""Unary smoke calls through the generated stubs, on pytest-grpc's fixtures, at a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb.hotbook_pb2_grpc import OperationsStub, PositionsStub
from hotbook_shared.status import error_from_call
from hotbook_shared.wire import position_to_wire
from tests.make import closed, leg, position


@pytest.fixture(scope="module")
def grpc_addr(shared_target: str) -> str:
    """Where the channels of pytest-grpc lead."""
    return shared_target


@pytest.fixture(scope="module")
def grpc_server() -> None:
    """In place of pytest-grpc's own server: the real one is up when its address is known."""


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type[PositionsStub]:
    return PositionsStub


@pytest.fixture(scope="module")
def operations(grpc_channel: grpc.Channel) -> Any:
    return OperationsStub(grpc_channel)  # type: ignore[no-untyped-call]


SMOKE: list[tuple[str, Any, Callable[[Any], bool]]] = [
    # The calls follow each other on one book: rpc, request, what must hold of the reply.
    ("Save", pb.SaveRequest(position=position_to_wire(position("A"))), lambda m: m.version == 1),
    ("Save", pb.SaveRequest(position=position_to_wire(position("A"))), lambda m: m.version == 2),
    (
        "SaveMany",
        pb.SaveManyRequest(
            items=[pb.SaveItem(position=position_to_wire(p)) for p in (leg("L"), closed("C"))]
        ),
        lambda m: [o.WhichOneof("outcome") for o in m.outcomes] == ["saved", "saved"],
    ),
    (
        "Get",
        pb.GetRequest(hotkey="hk", position_uuid="A"),
        lambda m: (m.position.position_uuid, m.position.version, m.revision) == ("A", 2, 4),
    ),
    ("Get", pb.GetRequest(hotkey="hk", position_uuid="B"), lambda m: not m.HasField("position")),
    (
        "GetOpen",
        pb.GetOpenRequest(hotkey="hk", trade_pair="BTCUSD"),
        lambda m: m.position.position_uuid == "A",
    ),
    (
        "ListOpen",
        pb.ListOpenRequest(hotkey="hk"),
        lambda m: [p.position_uuid for p in m.positions] == ["A", "L"],
    ),
    (
        "List",
        pb.ListRequest(hotkeys=["hk", "none"]),
        lambda m: [(h.hotkey, len(h.positions)) for h in m.hotkeys] == [("hk", 3), ("none", 0)],
    ),
    (
        "ListHotkeys",
        pb.ListHotkeysRequest(),
        lambda m: [(c.hotkey, c.positions, c.open_positions) for c in m.hotkeys] == [("hk", 3, 2)],
    ),
    ("Delete", pb.DeleteRequest(hotkey="hk", position_uuid="L"), lambda m: m.existed),
    ("Delete", pb.DeleteRequest(hotkey="hk", position_uuid="L"), lambda m: not m.existed),
    ("Status", pb.StatusRequest(), lambda m: (m.state, m.positions) == ("serving", 2)),
    ("Verify", pb.VerifyRequest(), lambda m: m.ok and m.positions == 2),
    ("Rebuild", pb.RebuildRequest(), lambda m: (m.positions, m.changed) == (2, False)),
    ("Reload", pb.ReloadRequest(), lambda m: (m.positions, m.changed) == (2, False)),
    ("Clear", pb.ClearRequest(every_hotkey=True, expected_count=2), lambda m: m.removed == 2),
]


def test_every_unary_call_answers(grpc_stub: Any, operations: Any) -> None:
    """Each unary rpc works through the generated stubs, and its reply says what was done."""
    for number, (rpc, request, holds) in enumerate(SMOKE):
        reply = getattr(grpc_stub, rpc, None) or getattr(operations, rpc)
        assert holds(reply(request, timeout=10)), f"{number}: {rpc}"


REFUSALS = [
    ("Save", pb.SaveRequest(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    ("Get", pb.GetRequest(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    ("List", pb.ListRequest(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    (
        "Save",
        pb.SaveRequest(position=position_to_wire(position("v")), expected_version=3),
        grpc.StatusCode.ABORTED,
        "VERSION_CONFLICT",
    ),
    (
        "Delete",
        pb.DeleteRequest(hotkey="hk", position_uuid="v", expected_version=3),
        grpc.StatusCode.ABORTED,
        "VERSION_CONFLICT",
    ),
    ("Clear", pb.ClearRequest(), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    (
        "Clear",
        pb.ClearRequest(hotkey="nobody", expected_count=1),
        grpc.StatusCode.FAILED_PRECONDITION,
        "COUNT_MISMATCH",
    ),
]


@pytest.mark.parametrize(("rpc", "request_", "status", "code"), REFUSALS)
def test_a_refusal_is_a_status_with_details(
    grpc_stub: Any, operations: Any, rpc: str, request_: Any, status: grpc.StatusCode, code: str
) -> None:
    """A refusal has its gRPC status, and details that name the stable code."""
    call = getattr(grpc_stub, rpc, None) or getattr(operations, rpc)

    with pytest.raises(grpc.RpcError) as refused:
        call(request_, timeout=10)

    assert refused.value.code() is status
    assert error_from_call(refused.value).code == code
