"""`extra`: what a sender knows and the contract does not; one JSON object of bounded size."""

from __future__ import annotations

import msgspec

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.wire import extra_from

EXTRA_MAX_BYTES = 256 * 1024
EXTRA_DEPTH_MAX = 64


def is_extra(text: str) -> bool:
    try:
        check_extra(text, "extra")
    except InvalidArgument:
        return False
    return True


def check_extra(text: str, field: str) -> None:
    if not text:
        return
    if len(text) > EXTRA_MAX_BYTES or (not text.isascii() and len(text.encode()) > EXTRA_MAX_BYTES):
        raise InvalidArgument(f"{field} is longer than {EXTRA_MAX_BYTES} bytes", field=field)
    try:
        extra = extra_from(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"{field} is not one JSON object: {error}", field=field) from None
    if text.count("{") + text.count("[") > EXTRA_DEPTH_MAX and _is_too_deep(extra):
        raise InvalidArgument(f"{field} is nested deeper than {EXTRA_DEPTH_MAX}", field=field)


def _is_too_deep(extra: dict[str, object]) -> bool:
    """Whether it is nested so deep that a reader, further down its stack, may fail on it."""
    level: list[dict[str, object] | list[object]] = [extra]
    for _ in range(EXTRA_DEPTH_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
