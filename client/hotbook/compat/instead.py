"""What the original's methods have in common: each call warns, and says what takes its place."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

INSTEAD: dict[str, str] = {}
"""Method of the original -> what takes its place; the table in docs/compat.md says the same."""


def instead(advice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A method of the original. The warning points at the line of its caller."""

    def mark(method: Callable[P, R]) -> Callable[P, R]:
        INSTEAD[method.__name__] = advice

        @functools.wraps(method)
        def warned(*args: P.args, **kwargs: P.kwargs) -> R:
            warning = f"{method.__qualname__} is of the original: {advice}"
            warnings.warn(warning, DeprecationWarning, stacklevel=2)
            return method(*args, **kwargs)

        return warned

    return mark
