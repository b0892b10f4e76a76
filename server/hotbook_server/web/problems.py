"""Refusals as answers: every error ends in the same body, with the status that its table has."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from hotbook_server.web.http_status import problem_of, status_of
from hotbook_server.web.models import Problem
from hotbook_shared.errors import HotbookError, InternalError, InvalidArgument, NotFound


def problem_response(problem: Problem, status: int, headers: Any = None) -> Response:
    return Response(
        problem.model_dump_json(), status, media_type="application/json", headers=headers
    )


def refusal(error: HotbookError) -> Response:
    return problem_response(problem_of(error), status_of(error))


def bug(correlation_id: str) -> Response:
    return refusal(
        InternalError(
            f"a bug in the server; its log has more under {correlation_id}",
            correlation_id=correlation_id,
        )
    )


def invalid(error: RequestValidationError) -> InvalidArgument:
    """The first thing that is wrong with a request, as every other call tells it."""
    first = error.errors()[0]
    field = path_of(first["loc"][1:])
    given = f", got {str(first['input'])[:80]!r}" if first["type"] != "missing" else ""
    return InvalidArgument(f"{field}: {first['msg']}{given}", field=field)


def path_of(parts: Iterable[int | str]) -> str:
    """Where a field stands, as errors of other calls name it: hotkeys[2]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "request"


def handle_problems(app: FastAPI) -> None:
    app.add_exception_handler(HotbookError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(Exception, _failed)  # it goes on to the guard, which logs it


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HotbookError)
    request.state.refused = error.code
    return refusal(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _refused(request, invalid(error))


async def _failed(request: Request, error: Exception) -> Response:  # noqa: ARG001
    request.state.refused = InternalError.code
    return bug(request.state.correlation_id)


async def _unrouted(request: Request, error: Exception) -> Response:
    """There is no such path, or it has no such method."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    code, message = NotFound.code, f"there is nothing at {path}; see /docs"
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        code, message = "METHOD_NOT_ALLOWED", f"{path} is read by GET; writes go by gRPC"
        headers = {"Allow": "GET, HEAD"}
    problem = Problem(code=code, message=message, details={})
    return problem_response(problem, error.status_code, headers)
