"""Terms: what the settings and the registry of trade pairs hold orders to."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from hotbook_server.config import Settings
from hotbook_server.lru import Lru
from hotbook_shared.fills import Running
from hotbook_shared.pairs import Pairs, known_pairs, load_pairs
from hotbook_shared.record import Record

LATELY_MAX = 4_096
"""Positions of which is remembered what they amount to."""


class Lately:
    """What open positions amounted to when an order was last placed on them, by their digest.

    A memo: it saves decoding every order again for the next one, and can never be wrong, for what
    has a digest never changes.
    """

    def __init__(self) -> None:
        self._held: Lru[bytes, Running] = Lru(LATELY_MAX)

    def find(self, record: Record) -> Running | None:
        return self._held.get(record.digest)

    def keep(self, record: Record, running: Running) -> None:
        self._held.put(record.digest, running)


class Terms(msgspec.Struct, frozen=True):
    pairs: Pairs
    portfolio_leverage_max: Decimal
    position_orders_max: int
    order_cooldown_ms: int
    lately: Lately = msgspec.field(default_factory=Lately)

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """Raises InvalidArgument where the file of trade pairs is none."""
        file = settings.pairs_file
        return cls(
            known_pairs() if file is None else load_pairs(file),
            settings.portfolio_leverage_max,
            settings.position_orders_max,
            settings.order_cooldown_ms,
        )
