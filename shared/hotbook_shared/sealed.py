"""Sealed JSON: objects and lists that are read like any other, and cannot be changed.

A position that is read from a replica is shared by all its readers, down to its `extra`.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    kind = "object" if isinstance(self, dict) else "list"
    raise TypeError(f"this {kind} is sealed: change a copy of it")


class SealedDict(dict[str, Any]):
    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


class SealedList(list[Any]):
    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[list[Any]]]:
        return type(self), (list(self),)


NOTHING = SealedDict()


def sealed(value: Any) -> Any:
    """The same value, all the way down."""
    if isinstance(value, dict):
        return SealedDict({name: sealed(one) for name, one in value.items()})
    if isinstance(value, list):
        return SealedList([sealed(one) for one in value])
    return value
