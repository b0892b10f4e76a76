"""TypeScript out of OpenAPI: each kind of schema, and the file that is committed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hotbook_server.web.typescript import files, main, type_of, types_of

COMMITTED = Path(__file__).parents[2] / "client/typescript"

TYPES: list[tuple[dict[str, Any], str]] = [
    ({"type": "string"}, "string"),
    ({"type": "integer", "minimum": 0}, "number"),
    ({"type": "number"}, "number"),
    ({"type": "boolean"}, "boolean"),
    ({"type": "string", "format": "decimal"}, "Decimal"),
    ({"type": "string", "format": "date-time"}, "Time"),
    ({"type": "string", "format": "another"}, "string"),
    ({"type": "string", "enum": ["A", 'B"']}, '"A" | "B\\""'),
    ({"const": "mark", "type": "string"}, '"mark"'),
    ({"$ref": "#/components/schemas/Side"}, "Side"),
    ({"anyOf": [{"$ref": "#/x/Side"}, {"type": "null"}]}, "Side | null"),
    ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, "number"),
    ({"oneOf": [{"$ref": "#/x/A"}, {"$ref": "#/x/B"}]}, "A | B"),
    ({"type": "array", "items": {"type": "string"}}, "string[]"),
    ({"type": "array", "items": {"enum": ["A", "B"]}}, '("A" | "B")[]'),
    ({"type": "object", "additionalProperties": True}, "Record<string, unknown>"),
    ({"type": "object", "additionalProperties": {"type": "string"}}, "Record<string, string>"),
    (
        {
            "type": "object",
            "propertyNames": {"$ref": "#/x/State"},
            "additionalProperties": {"type": "integer"},
        },
        "Record<State, number>",
    ),
]


@pytest.mark.parametrize(("schema", "expected"), TYPES, ids=[expected for _, expected in TYPES])
def test_types(schema: dict[str, Any], expected: str) -> None:
    """What is read out of JSON of a schema."""
    assert type_of(schema) == expected


@pytest.mark.parametrize(
    "schema", [{}, {"type": "array"}, {"allOf": []}, {"type": ["string", "null"]}, {"not": {}}]
)
def test_what_cannot_be_said(schema: dict[str, Any]) -> None:
    """Nothing becomes `any` in silence."""
    with pytest.raises((ValueError, TypeError)):
        type_of(schema)


def test_a_small_file() -> None:
    """Interfaces with what may be left out, comments that nothing can end, and each operation."""
    text = types_of(
        {
            "components": {
                "schemas": {
                    "One": {
                        "description": "First.\n\nMore */ of it.",
                        "properties": {
                            "number": {"type": "integer", "description": "Which."},
                            "if-match": {"type": "string"},
                        },
                        "required": ["number"],
                        "type": "object",
                    }
                }
            },
            "paths": {
                "/ones/{name}": {
                    "get": {
                        "operationId": "get_one",
                        "description": "One.",
                        "parameters": [
                            {"name": "name", "required": True, "schema": {"type": "string"}}
                        ],
                        "responses": {
                            "200": {
                                "content": {"application/json": {"schema": {"$ref": "#/c/One"}}}
                            }
                        },
                    }
                }
            },
        }
    )
    assert text.partition("export type Time = string;\n\n")[2] == (
        "/**\n * First.\n *\n * More * / of it.\n */\n"
        'export interface One {\n  /** Which. */\n  number: number;\n  "if-match"?: string;\n}\n\n'
        "/** One. */\nexport interface GetOneParameters {\n  name: string;\n}\n\n"
        "export type GetOneAnswer = One;\n\n"
        "/** Every operation by its name: where it is, what it takes, what it answers. */\n"
        'export interface Operations {\n  get_one: {\n    path: "/ones/{name}";\n'
        "    parameters: GetOneParameters;\n    answer: GetOneAnswer;\n  };\n}\n"
    )


def test_every_name_is_declared_once() -> None:
    """No type is used that is not there, and none is there twice."""
    text = re.sub(r"/\*\*.*?\*/", "", files()["types.ts"], flags=re.DOTALL)
    declared = re.findall(r"^export (?:interface|type) (\w+)", text, flags=re.MULTILINE)
    assert len(declared) == len(set(declared)) > 40
    code = re.sub(r'"[^"]*"|//.*', "", text)
    used = set(re.findall(r"\b[A-Z]\w+", code)) - {"Record"}
    assert used == set(declared)


def test_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It passes over what was just written, and over what is committed; and names what is stale or
    missing."""
    assert main(COMMITTED, is_check=True) == 0
    assert main(tmp_path, is_check=False) == 0
    assert main(tmp_path, is_check=True) == 0
    (tmp_path / "types.ts").write_text("other")
    (tmp_path / "openapi.json").unlink()
    assert main(tmp_path, is_check=True) == 1
    told = capsys.readouterr().err
    assert "types.ts is stale: run scripts/typescript" in told
    assert "openapi.json is stale" in told
    assert (tmp_path / "types.ts").read_text() == "other"
