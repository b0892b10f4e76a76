"""Sealed JSON reads like any other, and cannot be changed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hotbook_shared.sealed import NOTHING, SealedDict, SealedList, sealed

PLAIN: dict[str, Any] = {"a": [1, {"b": None}, []], "c": {"d": "e"}, "f": 1.5}


def test_it_equals_what_it_was_made_of() -> None:
    """As a dict, in JSON, in copies and pickles."""
    made = sealed(PLAIN)

    assert made == PLAIN
    assert msgspec.json.encode(made) == msgspec.json.encode(PLAIN)
    assert copy.deepcopy(made) == copy.copy(made) == PLAIN
    assert pickle.loads(pickle.dumps(made)) == PLAIN
    assert {**made, "g": 1} == {**PLAIN, "g": 1}


DICT: dict[str, Callable[[Any], object]] = {
    "set": lambda d: d.__setitem__("x", 1),
    "delete": lambda d: d.__delitem__("a"),
    "update": lambda d: d.update(x=1),
    "or": lambda d: d.__ior__({"x": 1}),
    "pop": lambda d: d.pop("a"),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("x", 1),
    "clear": lambda d: d.clear(),
}
LIST: dict[str, Callable[[Any], object]] = {
    "set": lambda d: d.__setitem__(0, 9),
    "delete": lambda d: d.__delitem__(0),
    "append": lambda d: d.append(1),
    "extend": lambda d: d.extend([1]),
    "add": lambda d: d.__iadd__([1]),
    "multiply": lambda d: d.__imul__(2),
    "insert": lambda d: d.insert(0, 1),
    "pop": lambda d: d.pop(),
    "remove": lambda d: d.remove(1),
    "reverse": lambda d: d.reverse(),
    "sort": lambda d: d.sort(),
    "clear": lambda d: d.clear(),
}


@pytest.mark.parametrize("change", DICT.values(), ids=DICT)
def test_an_object_cannot_be_changed(change: Callable[[Any], object]) -> None:
    """At the top or further down, however it is tried; and nothing has changed."""
    made = sealed(PLAIN)
    for place in (made, made["c"], made["a"][1], NOTHING):
        assert type(place) is SealedDict
        with pytest.raises(TypeError, match="this object is sealed"):
            change(place)
    assert made == PLAIN


@pytest.mark.parametrize("change", LIST.values(), ids=LIST)
def test_a_list_cannot_be_changed(change: Callable[[Any], object]) -> None:
    """At any depth, however it is tried."""
    made = sealed(PLAIN)
    for place in (made["a"], made["a"][2]):
        assert type(place) is SealedList
        with pytest.raises(TypeError, match="this list is sealed"):
            change(place)
    assert made == PLAIN


def test_every_way_to_change_is_closed() -> None:
    """What a dict or a list can do in place, and a tuple or a mapping proxy cannot, is refused."""
    from types import MappingProxyType

    changing = {"__init__", "__reduce__", "__copy__", "__deepcopy__"}
    for kind, base, plain in (
        (SealedDict, dict, MappingProxyType),
        (SealedList, list, tuple),
    ):
        ways = {name for name in vars(base) if name not in dir(plain)} - changing
        harmless = {"copy", "__reversed__", "fromkeys", "__class_getitem__"}
        assert not [way for way in ways - harmless if getattr(kind, way) is getattr(base, way)]
