"""The bounded mapping: who goes first, and what is counted."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from hotbook_server.lru import Lru


def test_what_was_used_longest_ago_goes_first() -> None:
    """Both keeping and finding a value are uses of it; `put` returns what had to go."""
    held: Lru[str, int] = Lru(3)
    for number, key in enumerate("abc"):
        assert held.put(key, number) is None
    held.get("a")
    held.put("b", 10)

    assert held.put("d", 3) == 2
    assert list(held) == [0, 10, 3]


def test_finds_are_counted() -> None:
    """A hit for what is there, a miss for what is not, an eviction for what had to go."""
    held: Lru[str, str] = Lru(1)
    held.put("a", "A")

    assert (held.get("a"), held.get("b")) == ("A", None)
    held.put("b", "B")
    held.discard("b")
    held.discard("never there")

    assert (held.hits, held.misses, held.evictions, len(held)) == (1, 1, 1, 0)


def test_without_room_nothing_stays() -> None:
    """A bound of none sends each value away at once."""
    held: Lru[str, int] = Lru(0)

    assert held.put("a", 1) == 1
    assert len(held) == 0


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from(["get", "put", "discard"]), st.integers(0, 6))),
)
def test_it_is_a_list_in_the_order_of_use(most: int, steps: list[tuple[str, int]]) -> None:
    """After any steps it holds what a plain list in the order of use would hold."""
    held: Lru[int, str] = Lru(most)
    naive: list[int] = []
    for act, key in steps:
        was_there = key in naive
        if act == "put":
            naive = [*(k for k in naive if k != key), key]
            gone = naive.pop(0) if len(naive) > most else None
            assert held.put(key, str(key)) == (None if gone is None else str(gone))
        elif act == "get":
            assert held.get(key) == (str(key) if was_there else None)
            naive = [*(k for k in naive if k != key), *([key] if was_there else [])]
        else:
            held.discard(key)
            naive = [k for k in naive if k != key]
        assert list(held) == [str(k) for k in naive]
