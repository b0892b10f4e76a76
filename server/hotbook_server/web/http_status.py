"""Errors as HTTP tells them: one table, error class -> status, as status.py has it for gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from hotbook_server.web.models import Problem
from hotbook_shared import errors
from hotbook_shared.errors import HotbookError

HTTP_STATUS_OF: Mapping[type[HotbookError], HTTPStatus] = {
    errors.InvalidArgument: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AlreadyOpen: HTTPStatus.CONFLICT,
    errors.VersionConflict: HTTPStatus.CONFLICT,
    errors.IdentityChanged: HTTPStatus.CONFLICT,
    errors.CountMismatch: HTTPStatus.CONFLICT,
    errors.RequestReused: HTTPStatus.CONFLICT,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NothingOpen: HTTPStatus.CONFLICT,
    errors.OrderReused: HTTPStatus.CONFLICT,
    errors.LeverageOutOfBounds: HTTPStatus.CONFLICT,
    errors.PortfolioLeverageExceeded: HTTPStatus.CONFLICT,
    errors.TooManyOrders: HTTPStatus.CONFLICT,
    errors.CoolingDown: HTTPStatus.CONFLICT,
    errors.NeedsSplit: HTTPStatus.CONFLICT,
    errors.SplitConflict: HTTPStatus.CONFLICT,
    errors.AlreadyExists: HTTPStatus.CONFLICT,
    errors.IllegalTransition: HTTPStatus.CONFLICT,
    errors.CampaignEnded: HTTPStatus.CONFLICT,
    errors.HasLegs: HTTPStatus.CONFLICT,
    errors.LegClosed: HTTPStatus.CONFLICT,
    errors.LegKept: HTTPStatus.CONFLICT,
    errors.OutOfOrder: HTTPStatus.CONFLICT,
    errors.SignalReused: HTTPStatus.CONFLICT,
    errors.TooManyCampaigns: HTTPStatus.CONFLICT,
    errors.TooManyPatterns: HTTPStatus.CONFLICT,
    errors.RiskLimitExceeded: HTTPStatus.CONFLICT,
    errors.ReadOnly: HTTPStatus.FORBIDDEN,
    errors.Unsupported: HTTPStatus.NOT_IMPLEMENTED,
    errors.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.MessageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.PageExpired: HTTPStatus.GONE,
    errors.FellBehind: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.JournalFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Stale: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotFollowed: HTTPStatus.CONFLICT,
    errors.Unreadable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.InternalError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: HotbookError) -> HTTPStatus:
    return HTTP_STATUS_OF.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem_of(error: HotbookError) -> Problem:
    return Problem(code=error.code, message=error.message, details=dict(error.details))
