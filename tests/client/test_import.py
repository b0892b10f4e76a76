"""Importing the client: what it loads, how long it takes, and which names it offers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import types

import pytest

import hotbook

ITS_OWN = {"hotbook", "hotbook_shared"}
NEVER = {
    "apsw", "click", "rich", "pydantic", "pydantic_core", "pydantic_settings", "structlog",
    "uvloop", "prometheus_client", "numpy", "pandas", "psycopg", "hotbook_server",
}  # fmt: skip
RUNS = 5
ALLOWANCE = 1.7  # times the import of the libraries alone
FIXED_S = 0.1
MOST_S = 0.3


def fresh(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a statement loads, the standard library aside."""
    named = fresh(f"import sys\n{statement}\nprint(*{{m.split('.')[0] for m in sys.modules}})")
    return set(named.split()) - set(sys.stdlib_module_names) - {"__main__"}


def seconds_of(statement: str) -> float:
    timed = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
    return float(fresh(timed.format(statement)))


def test_the_import_loads_three_libraries_and_no_more() -> None:
    """The thin client needs grpcio, protobuf and msgspec, and nothing of the server's."""
    libraries = loaded_by("import grpc, google.protobuf, msgspec")

    loaded = loaded_by("import hotbook")

    assert loaded - libraries == ITS_OWN
    assert not loaded & NEVER


def test_what_not_everybody_needs_is_not_loaded_by_the_import() -> None:
    """`hotbook.cli`, `hotbook.testing` and `hotbook.aio` are loaded by those who ask for them."""
    listed = fresh("import hotbook, sys; print(*(m for m in sys.modules if 'hotbook' in m))")

    others = {"hotbook.cli", "hotbook.testing", "hotbook.aio", "hotbook._aio_client", "subprocess"}
    assert not others & set(listed.split())


def test_the_client_for_asyncio_needs_no_more() -> None:
    """`hotbook.aio` loads what `hotbook` loads, and its own modules."""
    libraries = loaded_by("import grpc, google.protobuf, msgspec")

    assert loaded_by("import hotbook.aio") - libraries == ITS_OWN


def test_the_import_is_quick() -> None:
    """The import takes under 0.3 s; on a busy machine, little more than its libraries alone."""
    pairs = [(seconds_of("import grpc"), seconds_of("import hotbook")) for _ in range(RUNS)]

    alone_s = statistics.median(alone for alone, _ in pairs)
    whole_s = statistics.median(whole for _, whole in pairs)
    assert whole_s < max(MOST_S, alone_s * ALLOWANCE + FIXED_S), f"grpc alone: {alone_s:.3f} s"


def test_all_is_sorted_and_is_what_is_public() -> None:
    """`__all__` is the public surface: sorted, complete, and without a name that is not there."""
    public = {
        name
        for name, value in vars(hotbook).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    assert hotbook.__all__ == sorted(hotbook.__all__)
    assert set(hotbook.__all__) == public | {"__version__"}


@pytest.mark.parametrize("name", [n for n in hotbook.__all__ if n[0].isupper()])
def test_every_public_class_says_what_it_is(name: str) -> None:
    """Each public class of the client proper has words of its own, or is a plain list of values."""
    held = getattr(hotbook, name)

    assert held.__name__ == name
    assert held.__module__.startswith(("hotbook.", "hotbook_shared."))
