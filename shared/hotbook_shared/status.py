"""error <-> gRPC status. Tables written out; the code travels as data, in the details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from hotbook_shared import errors
from hotbook_shared.errors import HotbookError
from hotbook_shared.pb import hotbook_pb2 as pb

STATUS_OF: Mapping[type[HotbookError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.AlreadyOpen: grpc.StatusCode.ALREADY_EXISTS,
    errors.VersionConflict: grpc.StatusCode.ABORTED,
    errors.IdentityChanged: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CountMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RequestReused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.NothingOpen: grpc.StatusCode.FAILED_PRECONDITION,
    errors.OrderReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.LeverageOutOfBounds: grpc.StatusCode.FAILED_PRECONDITION,
    errors.PortfolioLeverageExceeded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyOrders: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CoolingDown: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NeedsSplit: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SplitConflict: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.IllegalTransition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.CampaignEnded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.HasLegs: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LegClosed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LegKept: grpc.StatusCode.FAILED_PRECONDITION,
    errors.OutOfOrder: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SignalReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.TooManyPatterns: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyCampaigns: grpc.StatusCode.FAILED_PRECONDITION,
    errors.RiskLimitExceeded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ReadOnly: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.MessageTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DiskFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.PageExpired: grpc.StatusCode.OUT_OF_RANGE,
    errors.FellBehind: grpc.StatusCode.DATA_LOSS,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.JournalFailed: grpc.StatusCode.UNAVAILABLE,
    errors.Stale: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotFollowed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unreadable: grpc.StatusCode.DATA_LOSS,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}

# What a status means that came without our details: from gRPC itself, or a proxy in between.
_BARE_STATUS: Mapping[grpc.StatusCode, type[HotbookError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidArgument,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.LimitReached,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unsupported,
}

_DETAILS_KEY = "grpc-status-details-bin"
_INFO_TYPE = "type.googleapis.com/google.rpc.ErrorInfo"


def error_to_status(error: HotbookError) -> tuple[grpc.StatusCode, str, bytes]:
    """An error's gRPC status, its message, and the details for the trailing metadata."""
    status = STATUS_OF.get(type(error), grpc.StatusCode.UNKNOWN)
    info = pb.ErrorInfo(reason=error.code, domain="hotbook", metadata=error.details)
    details = pb.RpcStatus(
        code=status.value[0],
        message=error.message,
        details=[AnyMessage(type_url=_INFO_TYPE, value=info.SerializeToString())],
    )
    return status, error.message, details.SerializeToString()


def error_metadata(details: bytes) -> tuple[tuple[str, bytes], ...]:
    return ((_DETAILS_KEY, details),)


def error_from_call(failure: grpc.RpcError) -> HotbookError:
    """The error behind a failed call; the RpcError itself never reaches a user."""
    call: Any = failure
    message = call.details() or "the call failed without a reason"
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS_KEY and (info := _error_info(value)) is not None:
            return errors.error_from(info.reason, message, info.metadata)
    kind = _BARE_STATUS.get(call.code(), errors.InternalError)
    return kind(message, grpc_status=call.code().name)


def _error_info(value: bytes) -> pb.ErrorInfo | None:
    try:
        status = pb.RpcStatus.FromString(value)
        for detail in status.details:
            if detail.type_url == _INFO_TYPE:
                return pb.ErrorInfo.FromString(detail.value)
    except DecodeError:
        pass  # details of somebody else: the bare status still speaks
    return None


def refusal_to_wire(error: HotbookError) -> pb.Refusal:
    return pb.Refusal(code=error.code, message=error.message, details=dict(error.details))


def refusal_from_wire(refusal: pb.Refusal) -> HotbookError:
    return errors.error_from(refusal.code, refusal.message, refusal.details)
