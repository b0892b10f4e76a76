"""The kinds of values that JSON carries here: numbers as texts, times in UTC, names with bounds.

Owns how each is written and what OpenAPI says of it. What is told comes from nouns that are right
already, so nothing is validated on its way out; what is asked is judged by `names.py`, as in every
other call, and the patterns here only say the same beforehand.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SkipValidation,
    WithJsonSchema,
)

from hotbook_shared.model import utc
from hotbook_shared.names import HOTKEY_MAX, PAIR_MAX, UUID_MAX

PRINTABLE = r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$"
"""Letters, marks, digits, punctuation and symbols: what `names.is_id` takes, and nothing else."""


def plain(number: Decimal) -> str:
    """A number in digits alone: without an exponent, whatever it is."""
    return f"{number:f}"


def rfc3339(ms: int) -> str:
    return utc(ms).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


Number = Annotated[
    Decimal,
    SkipValidation,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "format": "decimal",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
            "examples": ["1.25750000"],
        }
    ),
]
"""A Decimal, as text."""

Time = Annotated[
    int,
    SkipValidation,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-03-01T14:30:00.000Z"]}
    ),
]
"""Epoch milliseconds, as a time in UTC."""


def _told(kind: str, example: Any, **bounds: Any) -> Any:
    return WithJsonSchema({"type": kind, **bounds, "examples": [example]})


Count = Annotated[int, SkipValidation, _told("integer", 2, minimum=0)]
Revision = Annotated[int, SkipValidation, _told("integer", 4711, minimum=0)]
Duration = Annotated[int, SkipValidation, _told("integer", 1500)]
"""Milliseconds."""
Lag = Annotated[float, SkipValidation, _told("number", 12.5)]
"""Milliseconds, and parts of them."""
Text = Annotated[str, SkipValidation, _told("string", "text")]
Flag = Annotated[bool, SkipValidation, _told("boolean", True)]
Extra = Annotated[
    dict[str, Any], SkipValidation, _told("object", {"desk": "fx"}, additionalProperties=True)
]
"""What the sender knows and hotbook does not."""

HotkeyName = Annotated[str, SkipValidation, _told("string", "desk-1")]
PairName = Annotated[str, SkipValidation, _told("string", "GBPUSD")]
CampaignName = Annotated[str, SkipValidation, _told("string", "c-2026-03-gbp")]
UuidName = Annotated[str, SkipValidation, _told("string", "9b2e54c0-spring")]


def _part(text: object) -> object:
    """A part of a path as it was meant: a name may have any printable character, slashes too."""
    return unquote(text, errors="strict") if isinstance(text, str) else text


def _named(length_max: int, example: str) -> Any:
    return Field(min_length=1, max_length=length_max, pattern=PRINTABLE, examples=[example])


AskedHotkey = Annotated[str, _named(HOTKEY_MAX, "desk-1")]
AskedPair = Annotated[str, _named(PAIR_MAX, "GBPUSD")]
AskedCampaign = Annotated[str, _named(UUID_MAX, "c-2026-03-gbp")]
AskedUuid = Annotated[str, _named(UUID_MAX, "9b2e54c0-spring")]

IN_PATH = BeforeValidator(_part)
"""With this a name may stand in a path: its slashes are written as %2F."""


class Told(BaseModel):
    """What is answered: made of a noun, field by field, and never changed."""

    model_config = ConfigDict(
        from_attributes=True,
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class Asked(BaseModel):
    """What is asked: a stranger among its fields is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PageSize = Annotated[
    int | None,
    Field(ge=1, le=100_000, description="Most of a page; a setting bounds it.", examples=[100]),
]
PageToken = Annotated[
    str,
    Field(max_length=512, description="`next_page_token` of the page before; filters repeat."),
]
