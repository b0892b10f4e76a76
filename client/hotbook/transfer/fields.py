"""Two positions, field by field: which differ, under which path, and what each says there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from hotbook_shared.model import Position

OWN: Final = ("version", "revision", "updated_ms")
"""What the server says of a position."""


class FieldDifference(msgspec.Struct, frozen=True):
    """A field by its path, for example `orders[2].price`; None stands for nothing."""

    path: str
    a: Any
    b: Any


def differing_fields(
    a: Position, b: Position, ignored: Collection[str] = ()
) -> Iterator[FieldDifference]:
    """The fields in which two positions differ by value, in order; `ignored` are keys of `extra`.

    What is missing is its default, and in `extra` it is null.
    """
    return _Fields(ignored).of_structs("", a, b)


class _Fields:
    def __init__(self, ignored: Collection[str]) -> None:
        self._ignored = ignored

    def of_structs(self, at: str, a: Any, b: Any) -> Iterator[FieldDifference]:
        for name in a.__struct_fields__:
            if name == "extra":
                yield from self._of_keys(
                    f"{at}extra", self._without_ignored(a), self._without_ignored(b)
                )
            elif name not in OWN:
                yield from self._between(f"{at}{name}", getattr(a, name), getattr(b, name))

    def _between(self, path: str, a: Any, b: Any) -> Iterator[FieldDifference]:
        if isinstance(a, msgspec.Struct) and type(a) is type(b):
            yield from self.of_structs(f"{path}.", a, b)
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from self._of_keys(path, a, b)
        elif _is_list(a) and _is_list(b):
            for number, (x, y) in enumerate(zip_longest(a, b)):
                yield from self._between(f"{path}[{number}]", x, y)
        elif a != b or isinstance(a, bool) != isinstance(b, bool):  # for True == 1
            yield FieldDifference(path, a, b)

    def _of_keys(
        self, path: str, a: Mapping[str, Any], b: Mapping[str, Any]
    ) -> Iterator[FieldDifference]:
        for key in {**a, **b}:
            yield from self._between(f"{path}.{key}", a.get(key), b.get(key))

    def _without_ignored(self, noun: Any) -> dict[str, Any]:
        return {key: value for key, value in noun.extra.items() if key not in self._ignored}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
