"""A bounded mapping: what was used longest ago goes first.

Not locked: one thread at a time uses it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """At most `most` values, each under its key."""

    def __init__(self, most: int) -> None:
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[V]:
        """The values, what was used longest ago first."""
        return iter(self._held.values())

    def get(self, key: K) -> V | None:
        """The value of a key, which is now the most recently used."""
        value = self._held.get(key)
        if value is None:
            self.misses += 1
            return None
        self.hits += 1
        self._held.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> V | None:
        """Keeps a value, as most recently used. Returns the one that had to go for it, if any."""
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) <= self._most:
            return None
        self.evictions += 1
        return self._held.popitem(last=False)[1]

    def discard(self, key: K) -> None:
        self._held.pop(key, None)

    def discard_all(self) -> None:
        self._held = OrderedDict()
