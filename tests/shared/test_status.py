"""Errors cross the wire with all that they say: as a status, and as a refusal of one item."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from hotbook_shared.errors import ERRORS, HotbookError
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.status import (
    STATUS_OF,
    error_from_call,
    error_metadata,
    error_to_status,
    refusal_from_wire,
    refusal_to_wire,
)

DETAILS = {"field": "position.hotkey", "open_uuid": "a/é💶", "empty": ""}


class Refusing(grpc.GenericRpcHandler):
    """Answers every call with the error whose code is the request."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.unary_unary_rpc_method_handler(self.refuse)

    def refuse(self, code: bytes, context: grpc.ServicerContext) -> bytes:
        error = ERRORS[code.decode()](f"no: {code.decode()} é", **DETAILS)
        status, message, details = error_to_status(error)
        context.set_trailing_metadata(error_metadata(details))
        context.abort(status, message)


@pytest.fixture(scope="module")
def refusing() -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_an_error_goes_to_a_status_and_back(refusing: grpc.Channel, code: str) -> None:
    """Every error crosses a real call with its class, code, message and details."""
    call: Any = refusing.unary_unary("/any/Call")
    with pytest.raises(grpc.RpcError) as failed:
        call(code.encode())
    failure: Any = failed.value
    back = error_from_call(failure)

    assert type(back) is ERRORS[code]
    assert (back.code, back.message, back.details) == (code, f"no: {code} é", DETAILS)
    assert failure.code() == STATUS_OF.get(ERRORS[code], grpc.StatusCode.UNKNOWN)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_an_error_goes_to_a_refusal_and_back(code: str) -> None:
    """As the answer for one item of many, every error keeps class, code, message and details."""
    refusal = refusal_to_wire(ERRORS[code]("no", **DETAILS)).SerializeToString()
    back = refusal_from_wire(pb.Refusal.FromString(refusal))

    assert type(back) is ERRORS[code]
    assert (back.code, back.message, back.details) == (code, "no", DETAILS)


@pytest.mark.parametrize("name", ["message", "self", "code", "args"])
def test_a_detail_may_have_any_name(name: str) -> None:
    """A newer server may tell a detail of any name; the error still arrives."""
    refusal = pb.Refusal(code="ALREADY_OPEN", message="no", details={name: "x"})

    assert refusal_from_wire(refusal).details == {name: "x"}


def test_an_error_of_a_newer_server_is_the_root_class() -> None:
    """A code that this client does not know becomes a HotbookError, with message and details."""
    back = refusal_from_wire(pb.Refusal(code="NEW", message="no", details={"a": "b"}))

    assert type(back) is HotbookError
    assert (back.message, back.details) == ("no", {"a": "b"})
