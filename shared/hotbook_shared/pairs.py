"""The registry of trade pairs: what each one's orders are held to, and charged.

Read from a TOML file: the package's own, or one that an operator puts in its place. A pair that is
not in it is accepted, with a multiplier of 1, no bounds and no spread.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import TradePair
from hotbook_shared.money import ONE, ZERO, check_number
from hotbook_shared.names import PAIR_MAX, is_id

UNKNOWN = "unknown"
"""The category of a pair that is not in the registry."""


class _Terms(msgspec.Struct, forbid_unknown_fields=True):
    """What a category says of its pairs, or a pair of itself."""

    leverage_min: Decimal | None = None
    leverage_max: Decimal | None = None
    multiplier: Decimal = ONE
    lot_size: Decimal = ONE
    spread_rate: Decimal = ZERO


class _Category(_Terms, forbid_unknown_fields=True):
    pairs: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    category: dict[str, _Category] = {}
    pair: dict[str, dict[str, Any]] = {}


class Pairs:
    """Trade pairs by id. Unchanging; safe to share."""

    def __init__(self, known: dict[str, TradePair]) -> None:
        self._known = known

    def of(self, trade_pair: str) -> TradePair:
        found = self._known.get(trade_pair)
        return TradePair(trade_pair=trade_pair, category=UNKNOWN) if found is None else found

    def __iter__(self) -> Iterator[TradePair]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)


@functools.cache
def known_pairs() -> Pairs:
    """The package's own registry."""
    return _pairs_of((resources.files("hotbook_shared") / "pairs.toml").read_text("utf-8"))


def load_pairs(file: Path) -> Pairs:
    """The registry of a file. Raises InvalidArgument, in one line, for what is wrong with it."""
    try:
        return _pairs_of(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, InvalidArgument) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgument(f"{file} is no registry of trade pairs: {reason}") from error


def _pairs_of(text: str) -> Pairs:
    """Raises ValueError for a text that is no registry; msgspec's own errors are of that kind."""
    file = msgspec.convert(tomllib.loads(text, parse_float=_number), _File)
    known: dict[str, TradePair] = {}
    for name, category in file.category.items():
        for trade_pair in category.pairs:
            if trade_pair in known:
                raise ValueError(f"{trade_pair} stands twice in the categories")
            known[trade_pair] = _checked(
                TradePair(
                    trade_pair=trade_pair,
                    category=name,
                    leverage_min=category.leverage_min,
                    leverage_max=category.leverage_max,
                    multiplier=category.multiplier,
                    lot_size=category.lot_size,
                    spread_rate=category.spread_rate,
                )
            )
    for trade_pair, changed in file.pair.items():
        standing = known.get(trade_pair) or TradePair(trade_pair=trade_pair, category=UNKNOWN)
        known[trade_pair] = _checked(_changed(standing, changed))
    return Pairs(known)


def _changed(pair: TradePair, terms: dict[str, Any]) -> TradePair:
    if "trade_pair" in terms:
        raise ValueError(f"{pair.trade_pair}: trade_pair is no term; the table's name says it")
    try:
        return msgspec.convert({**msgspec.structs.asdict(pair), **terms}, TradePair)
    except msgspec.ValidationError as error:
        raise ValueError(f"{pair.trade_pair}: {error}") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text} is no number") from None


def _checked(pair: TradePair) -> TradePair:
    trade_pair = pair.trade_pair
    if not is_id(trade_pair, PAIR_MAX):
        raise ValueError(
            f"{trade_pair!r} is no trade pair: 1 to {PAIR_MAX} characters, no white space"
        )
    for name in ("leverage_min", "leverage_max", "multiplier", "lot_size", "spread_rate"):
        number = getattr(pair, name)
        if number is not None:
            check_number(str(number), f"{pair.trade_pair}.{name}", signed=False)
    if pair.lot_size == 0:
        raise ValueError(f"{pair.trade_pair}: lot_size must be above 0")
    if None not in (pair.leverage_min, pair.leverage_max) and (
        pair.leverage_min > pair.leverage_max  # type: ignore[operator]
    ):
        raise ValueError(f"{pair.trade_pair}: leverage_min is above leverage_max")
    return pair
