"""What OpenAPI says is what the server does: examples, snapshot, and schemathesis against it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    use_after_free,
)

from hotbook_server.web.app import make_app, openapi_text
from hotbook_server.web.openapi import example_of, openapi_of
from tests.web.conftest import Desk

COMMITTED = Path(__file__).parents[2] / "client/typescript/openapi.json"
DESCRIBED: dict[str, Any] = json.loads(openapi_text())
OPERATIONS = [
    (path, method, operation)
    for path, methods in DESCRIBED["paths"].items()
    for method, operation in methods.items()
]


def validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    whole = {**schema, "components": DESCRIBED["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def test_it_is_the_committed_one() -> None:
    """Whoever changes what is told sees it in the diff, and runs scripts/typescript."""
    assert COMMITTED.read_text(encoding="utf-8") == openapi_text()
    assert openapi_of(make_app()) == DESCRIBED


def test_it_only_reads() -> None:
    """Every operation is a GET, described, with a name of its own; writes are sent to gRPC."""
    assert {method for _, method, _ in OPERATIONS} == {"get"}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names) == 11
    assert all(operation["description"] for _, _, operation in OPERATIONS)
    assert "writes go by gRPC" in DESCRIBED["info"]["description"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda one: str(one)[:50])
def test_every_answer_has_an_example(path: str, method: str, operation: dict[str, Any]) -> None:
    """One that its schema accepts; and every refusal has the body of all refusals."""
    for status, response in operation["responses"].items():
        content = response["content"]["application/json"]
        if status == "200":
            validator(content["schema"]).validate(content["example"])
        else:
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    for parameter in operation.get("parameters", ()):
        for example in parameter["schema"].get("examples", ()):
            validator(parameter["schema"]).validate(example)


def test_every_schema_has_an_example() -> None:
    """The messages of the WebSocket too."""
    schemas = DESCRIBED["components"]["schemas"]
    for name in sorted(schemas.keys() - {"LiveMessage"}):
        validator(schemas[name]).validate(example_of(schemas[name], schemas))


async def test_what_is_told_live(desk: Desk) -> None:
    """Every message of a WebSocket is a LiveMessage as OpenAPI has it."""
    check = validator({"$ref": "#/components/schemas/LiveMessage"})
    await desk.gbp()
    async with desk.live() as live:
        await live.until(desk.server.engine.book.revision)
        await live.socket.send("again")
        while (await live.next())["type"] != "error":
            pass
    kinds = {one["type"] for one in live.told}
    assert kinds == {"reload", "mark", "campaign_updated", "error"}
    for message in live.told:
        check.validate(message)


class Checked:
    """schemathesis over a desk, on a thread of its own: it blocks, and the server has the loop."""

    checks = (
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        negative_data_rejection,
        positive_data_acceptance,
        unsupported_method,
        use_after_free,
        schemathesis.checks.not_a_server_error,
    )
