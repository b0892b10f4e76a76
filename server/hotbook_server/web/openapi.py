"""What OpenAPI says of the routes, exactly: one description for people, generators and tests.

FastAPI makes it; here it gets the messages of the WebSocket, an example for every answer, and
loses what is not so: a parameter is left out, never null. Examples are in examples.json, each of
one and the same book, as a server really answered; a test asks a server again.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from hotbook_server.web.live_messages import LiveMessage, LiveSubscription

_REF = "#/components/schemas/{model}"
_OF_ANY = "every_operation"
Schema = dict[str, Any]


def openapi_of(app: FastAPI) -> Schema:
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    schemas: dict[str, Schema] = made["components"]["schemas"]
    schemas |= _live_schemas()
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; ours is Problem
        schemas.pop(name, None)
    made["components"]["schemas"] = schemas = dict(sorted(schemas.items()))
    examples = json.loads(files(__package__).joinpath("examples.json").read_text("utf-8"))
    for path in made["paths"].values():
        for operation in path.values():
            _mend(operation, {**examples[_OF_ANY], **examples[operation["operationId"]]})
    described: Schema = _untitled(made)
    described["info"]["title"] = app.title
    return described


def _live_schemas() -> dict[str, Schema]:
    """The messages of the WebSocket, of which OpenAPI knows nothing."""
    _, asked = models_json_schema([(LiveSubscription, "validation")], ref_template=_REF)
    told = TypeAdapter(LiveMessage).json_schema(mode="serialization", ref_template=_REF)
    given = asked["$defs"][LiveSubscription.__name__]["properties"]
    for name, schema in given.items():
        given[name] = _without_null(schema)
    return {**asked["$defs"], **told.pop("$defs"), "LiveMessage": told}


def _mend(operation: Schema, examples: dict[str, Any]) -> None:
    parameters = operation.get("parameters", ())
    for parameter in parameters:
        parameter["schema"] = _without_null(parameter["schema"])
    if not parameters:  # nothing to be wrong in
        operation["responses"].pop("422")
    for status, response in operation["responses"].items():
        response["content"]["application/json"]["example"] = examples[status]


def _without_null(schema: Schema) -> Schema:
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {name: one for name, one in schema.items() if name != "anyOf" and one is not None}
    return {**kinds[0], **rest}


def _untitled(value: Any) -> Any:
    """Without the titles that are made of names: they say nothing that the names do not."""
    if isinstance(value, dict):
        return {
            name: _untitled(one)
            for name, one in value.items()
            if not (name == "title" and isinstance(one, str))
        }
    return [_untitled(one) for one in value] if isinstance(value, list) else value
