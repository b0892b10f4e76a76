"""TypeScript of what OpenAPI says: types of all that is asked, answered and told live.

    python -m hotbook_server.web.typescript FOLDER [--check]

Writes openapi.json and types.ts; with --check it fails where what stands there is another. Types
only: what a browser runs is none of its business. A schema that it cannot say in TypeScript ends
it, so that nothing is ever left out in silence.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotbook_server.web.app import openapi_text

Schema = dict[str, Any]

_HEAD = """\
// What hotbook's REST and WebSocket ask, answer and tell. Made by scripts/typescript from
// openapi.json: change nothing here.

/** A decimal number in digits, "1.25750000": read it with a decimal library, never as a float. */
export type Decimal = string;

/** A time in UTC, "2026-03-01T14:30:00.000Z". */
export type Time = string;
"""
_FORMATS = {"decimal": "Decimal", "date-time": "Time"}
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean",
          "null": "null"}  # fmt: skip
_is_identifier = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*").fullmatch


def types_of(openapi: Schema) -> str:
    """The whole file."""
    schemas: dict[str, Schema] = openapi["components"]["schemas"]
    parts = [_HEAD, *(_declared(name, schema) for name, schema in schemas.items())]
    operations = []
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            name = _camel(operation["operationId"])
            parts += _of_operation(name, operation)
            operations.append(
                f"  {operation['operationId']}: {{\n"
                f"    path: {json.dumps(path)};\n"
                f"    parameters: {name}Parameters;\n"
                f"    answer: {name}Answer;\n"
                "  };\n"
            )
    parts.append(
        "/** Every operation by its name: where it is, what it takes, what it answers. */\n"
        f"export interface Operations {{\n{''.join(operations)}}}\n"
    )
    return "\n".join(parts)


def _of_operation(name: str, operation: Schema) -> Iterator[str]:
    described = _comment(operation["description"])
    fields = "".join(
        _field(one["name"], one["schema"], is_needed=one["required"])
        for one in operation.get("parameters", ())
    )
    yield f"{described}export interface {name}Parameters {{\n{fields}}}\n"
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    yield f"export type {name}Answer = {type_of(answer)};\n"


def _declared(name: str, schema: Schema) -> str:
    described = _comment(schema.get("description", ""))
    if "properties" not in schema:
        return f"{described}export type {name} = {type_of(schema)};\n"
    needed = schema.get("required", ())
    fields = "".join(
        _field(field, one, is_needed=field in needed) for field, one in schema["properties"].items()
    )
    return f"{described}export interface {name} {{\n{fields}}}\n"


def _field(name: str, schema: Schema, *, is_needed: bool) -> str:
    key = name if _is_identifier(name) else json.dumps(name)
    described = _comment(schema.get("description", ""), "  ")
    return f"{described}  {key}{'' if is_needed else '?'}: {type_of(schema)};\n"


def type_of(schema: Schema) -> str:
    """The type of a schema. Raises ValueError for one that it does not know."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(map(type_of, schema[name])))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    kind = schema.get("type")
    if kind == "array" and "items" in schema:
        inner = type_of(schema["items"])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if kind == "object" and "properties" not in schema:
        return _record(schema)
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if kind not in _PLAIN:
        raise ValueError(f"there is no TypeScript for {schema}")
    return _PLAIN[kind]


def _record(schema: Schema) -> str:
    key = type_of(schema["propertyNames"]) if "propertyNames" in schema else "string"
    inner = schema.get("additionalProperties", True)
    return f"Record<{key}, {'unknown' if inner is True else type_of(inner)}>"


def _comment(text: str, indent: str = "") -> str:
    lines = text.replace("*/", "* /").strip().split("\n") if text.strip() else []
    if len(lines) < 2:
        return "".join(f"{indent}/** {line} */\n" for line in lines)
    inner = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{inner}{indent} */\n"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def files() -> dict[str, str]:
    """What stands in the folder, by name."""
    text = openapi_text()
    return {"openapi.json": text, "types.ts": types_of(json.loads(text))}


def main(folder: Path, *, is_check: bool) -> int:
    stale = []
    for name, text in files().items():
        path = folder / name
        if is_check and not (path.is_file() and path.read_text(encoding="utf-8") == text):
            stale.append(str(path))
        elif not is_check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is stale: run scripts/typescript", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), is_check="--check" in sys.argv[2:]))
