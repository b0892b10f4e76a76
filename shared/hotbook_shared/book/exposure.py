"""Exposure: what a hotkey's open positions amount to, with the multipliers of their pairs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from hotbook_shared.book.book import Book, Picture
from hotbook_shared.model import Exposure, PairExposure
from hotbook_shared.money import ZERO, from_text
from hotbook_shared.pairs import Pairs
from hotbook_shared.record import Record


def portfolio_leverage(records: Iterable[Record], pairs: Pairs) -> Decimal:
    """The sum over open positions of their leverage without sign, times the pair's multiplier."""
    return sum((_counted(record, pairs) for record in records), ZERO)


def exposure_of(book: Book | Picture, hotkey: str, pairs: Pairs) -> Exposure:
    """The whole picture of one hotkey: by pair, by category, and in all."""
    by_pair: dict[str, list[Record]] = {}
    for record in book.positions.open_of_hotkey(hotkey):
        by_pair.setdefault(record.trade_pair, []).append(record)
    found = [_of_pair(name, records, pairs) for name, records in sorted(by_pair.items())]
    categories: dict[str, Decimal] = {}
    for pair in found:
        categories[pair.category] = categories.get(pair.category, ZERO) + pair.leverage
    return Exposure(
        hotkey=hotkey,
        revision=book.revision,
        leverage=sum((pair.leverage for pair in found), ZERO),
        pairs=tuple(found),
        categories=categories,
    )


def _of_pair(trade_pair: str, records: list[Record], pairs: Pairs) -> PairExposure:
    pair = pairs.of(trade_pair)
    return PairExposure(
        trade_pair=trade_pair,
        category=pair.category,
        net_leverage=sum((from_text(record.net_leverage) for record in records), ZERO),
        multiplier=pair.multiplier,
        leverage=portfolio_leverage(records, pairs),
    )


def _counted(record: Record, pairs: Pairs) -> Decimal:
    return abs(from_text(record.net_leverage)) * pairs.of(record.trade_pair).multiplier
