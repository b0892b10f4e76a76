"""docs/python.md is true: its examples run as they are printed, and its tables are the classes."""

from __future__ import annotations

import re
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

import hotbook
from hotbook.testing import server

DOCUMENT = (Path(__file__).parent.parent / "docs/python.md").read_text()
EXAMPLES = "".join(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL))
TABLES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
PRINTED = "127.0.0.1:50700"
NOUNS = (
    "Position", "Order", "PriceSource", "Bar", "Pattern", "PatternFiling", "Campaign",
    "CampaignTotals", "Saved", "Placed", "LegChanged",
)  # fmt: skip


def test_the_examples_run_as_printed() -> None:
    """All blocks, in order, word for word but for the address; what they print is what the
    comments after `print` say."""
    expected = re.findall(r"print\(.*\)  # (.*)", EXAMPLES)
    assert len(expected) == EXAMPLES.count("print(")
    with server(listen="127.0.0.1:0") as target:
        done = subprocess.run(
            [sys.executable, "-c", EXAMPLES.replace(PRINTED, target)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == " ".join(expected).split()


@pytest.mark.parametrize("name", NOUNS)
def test_a_table_has_every_field_as_it_is(name: str) -> None:
    """Each field in its order, with its type and its default; each time names its twin."""
    noun = getattr(hotbook, name)
    hints = typing.get_type_hints(noun)
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.+) \|$", TABLES[name], re.MULTILINE)
    assert [row[:3] for row in rows] == [
        (field.name, kind(hints[field.name]), default(field)) for field in fields(noun)
    ]
    told = "".join(row[3] for row in rows)
    twins = {name for name, one in vars(noun).items() if isinstance(one, property)} - {"is_open"}
    assert twins - set(re.findall(r"\(`(\w+)`\)", told)) == set()


def test_every_noun_has_its_table() -> None:
    """And no table is of something else."""
    assert set(TABLES) == set(NOUNS)


def fields(noun: Any) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(noun)


def kind(hint: Any) -> str:
    """A type in words."""
    inside = typing.get_args(hint)
    match typing.get_origin(hint):
        case types.UnionType | typing.Union:
            return " or ".join(map(kind, inside))
        case origin if origin is tuple:
            return f"tuple of {kind(inside[0])}"
        case None:
            return "None" if hint is type(None) else str(hint.__name__)
        case _:
            return "mapping"


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT:
        return "needed" if field.default_factory is msgspec.NODEFAULT else "`{}`"
    match field.default:
        case Enum() as member:
            return f"`{member.value}`"
        case Mapping():
            return "`{}`"
        case Decimal() as number:
            return f"`{number}`"
        case "":
            return '`""`'
        case other:
            return f"`{other!r}`"
