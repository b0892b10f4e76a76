"""What the original's client computes of positions, away from any server.

Pure, and in floats, as programs of the original expect it; the names of functions and arguments are
the original's. Takes whatever they call a position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from hotbook.compat.positions import Position, given

DURATION_MIN_MS = 60_000
"""A position that was closed sooner counts for no score."""

_DAY_MS = 24 * 60 * 60 * 1000
LOOKBACK_MS = 120 * _DAY_MS
"""What `thirty_day_returns` looks back upon; the original's name for it is older."""

PRICE_SOURCES_KEPT_MS = 7 * _DAY_MS


def counts(position: Any) -> bool:
    """Whether a position counts for a score: closed, and not at once."""
    if position.close_ms is None or not position.is_closed_position:
        return False
    return bool(position.close_ms - position.open_ms >= DURATION_MIN_MS)


def get_percent_profitable_positions(positions: Iterable[Any]) -> float:
    closed = [position for position in positions if position.is_closed_position]
    profitable = [position for position in closed if position.return_at_close > 1.0]
    return len(profitable) / len(closed) if closed else 0.0


def get_return_per_closed_position(positions: Iterable[Any]) -> list[float]:
    """The product of the returns so far, at each close. ValueError unless they are sorted."""
    product, latest_ms, products = 1.0, 0, []
    for position in positions:
        if not position.is_closed_position:
            continue
        if position.close_ms < latest_ms:
            raise ValueError("positions must be sorted by close_ms")
        latest_ms = position.close_ms
        product *= position.return_at_close
        products.append(product)
    return products


def positions_to_dashboard_dict(
    original_positions: Iterable[Any], time_now_ms: int
) -> dict[str, Any]:
    every = [given(position) for position in original_positions]
    counted = [position for position in every if counts(position)]
    recent = [position for position in counted if position.open_ms > time_now_ms - LOOKBACK_MS]
    return {
        "positions": [_on_dashboard(position, time_now_ms) for position in every],
        "thirty_day_returns": (get_return_per_closed_position(recent) or [1.0])[-1],
        "all_time_returns": (get_return_per_closed_position(counted) or [1.0])[-1],
        "n_positions": len(counted),
        "percentage_profitable": get_percent_profitable_positions(counted),
    }


def _on_dashboard(position: Position, now_ms: int) -> dict[str, Any]:
    told = position.to_dict()
    told["close_ms"] = told["close_ms"] or 0
    for order in told["orders"]:
        if order["processed_ms"] < now_ms - PRICE_SOURCES_KEPT_MS:
            order["price_sources"] = []
    return told


def positions_are_the_same(position1: Any, position2: Any) -> tuple[bool, str]:
    """Whether two positions hold the same, floats but for their last digits; and what differs."""
    ours, theirs = vars(given(position1)), vars(given(position2))
    for name in [name for name in ours if not name.startswith("_")]:
        if not _alike(ours[name], theirs.get(name)):
            return False, f"{name} is different. {ours[name]} != {theirs.get(name)}"
    return True, ""


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)
