"""Ordered: records in the order of a key that each has to itself.

A sorted list: finding a place takes O(log n) looks, and making room moves pointers, which costs
less than those looks up to some hundred thousand of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FEW = 16
"""So many are taken out one by one, which is quicker than a look at all."""


class Ordered(Generic[T]):
    __slots__ = ("_items", "_key")

    def __init__(self, key: Callable[[T], Any], items: Iterable[T] = ()) -> None:
        self._key = key
        self._items = sorted(items, key=key)

    def put(self, old: T | None, new: T | None) -> None:
        """Lets `new` stand in place of `old`; either may be None."""
        if old is not None and new is not None and self._key(old) == self._key(new):
            self._items[self._place(old)] = new
            return
        if old is not None:
            del self._items[self._place(old)]
        if new is not None:
            self._items.insert(bisect_left(self._items, self._key(new), key=self._key), new)

    def drop(self, gone: Sequence[T]) -> None:
        """The same as putting None in place of each. Making room for each of many would cost the
        square of their number, so these are left out in one pass."""
        if len(gone) <= FEW:
            for item in gone:
                self.put(item, None)
            return
        left_out = {id(item) for item in gone}
        self._items = [item for item in self._items if id(item) not in left_out]

    def after(self, key: Any) -> Iterator[T]:
        """Those whose key is greater, in order. Of the others only a few are looked at; where there
        are none, as is mostly so of legs younger than a mark, the last one alone."""
        if not self._items or self._key(self._items[-1]) <= key:
            return iter(())
        first = bisect_right(self._items, key, key=self._key)
        return map(self._items.__getitem__, range(first, len(self._items)))

    def before(self, key: Any) -> list[T]:
        """Those whose key is smaller, in order."""
        return self._items[: bisect_left(self._items, key, key=self._key)]

    @property
    def first(self) -> T | None:
        return self._items[0] if self._items else None

    def copy(self) -> Ordered[T]:
        twin = Ordered.__new__(Ordered)
        twin._key = self._key
        twin._items = self._items.copy()
        return twin

    def _place(self, item: T) -> int:
        at = bisect_left(self._items, self._key(item), key=self._key)
        assert self._items[at] is item, "what is taken out stood there"
        return at

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._items)

    def __len__(self) -> int:
        return len(self._items)
