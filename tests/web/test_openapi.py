"""What OpenAPI says is what the server does: examples, snapshot, and schemathesis against it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import grpc
import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode

from hotbook_server.server import Server
from hotbook_server.web.app import make_app, openapi_text
from hotbook_server.web.http_status import HTTP_STATUS_OF
from hotbook_server.web.openapi import openapi_of
from hotbook_shared.errors import ERRORS
from hotbook_shared.money import ZERO
from tests.chance import examples
from tests.grpc.test_lifecycle import serving
from tests.web.conftest import PAIR, Desk

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
    """Every operation is a GET, described, with a name and one place of its own; writes are sent to
    gRPC."""
    assert all(len(operation["tags"]) == 1 for _, _, operation in OPERATIONS)
    assert {method for _, method, _ in OPERATIONS} == {"get"}
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names) == 11
    assert all(operation["description"] for _, _, operation in OPERATIONS)
    assert "writes go by gRPC" in DESCRIBED["info"]["description"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda one: str(one)[:50])
def test_every_answer_has_an_example(path: str, method: str, operation: dict[str, Any]) -> None:
    """One that its schema accepts and that does not contradict itself; a refusal's has a code of
    that status, and names what the operation has."""
    named = {one["name"] for one in operation.get("parameters", ())}
    for status, response in operation["responses"].items():
        content = response["content"]["application/json"]
        example = content["example"]
        validator(content["schema"]).validate(example)
        if status == "200":
            assert contradictions(example) == []
            continue
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert HTTP_STATUS_OF[ERRORS[example["code"]]] == int(status)
        if status in ("404", "422"):
            details = example["details"]
            about = {details["field"].partition("[")[0]} if status == "422" else set(details)
            assert about <= named
            assert about
    for parameter in operation.get("parameters", ()):
        for example in parameter["schema"].get("examples", ()):
            validator(parameter["schema"]).validate(example)


def contradictions(told: Any) -> list[str]:
    """What an answer says of one thing in two ways that do not go together."""
    if isinstance(told, list):
        return [one for part in told for one in contradictions(part)]
    if not isinstance(told, dict):
        return []
    found = contradictions(list(told.values()))
    if "is_open" in told:
        ended = {told["closed_at"] is not None, told["exit_price"] is not None}
        if ended != {not told["is_open"]}:
            found.append(f"{told['position_uuid']} is open, and was closed")
        if not told["opened_at"] <= (told["closed_at"] or told["opened_at"]) <= told["updated_at"]:
            found.append(f"{told['position_uuid']} was closed before it was opened")
    if "positions" in told and "totals" in told:
        summed = sums(told["positions"], Decimal(told["totals"]["mark"]))
        found += [
            f"{name} is {told['totals'][name]}, of legs that make {total}"
            for name, total in summed.items()
            if told["totals"][name] != total
        ]
    if "revision" in told and told["revision"] < max(revisions(told)):
        found.append("a part is newer than the whole")
    return found


def sums(legs: list[dict[str, Any]], mark: Decimal) -> dict[str, str | int]:
    """What long legs amount to, by the formulas that everybody knows."""
    held = [one for one in legs if one["is_open"]]
    shares = [Decimal(one["quantity"]) for one in held]
    entries = [Decimal(one["average_entry_price"]) for one in held]
    stops = [Decimal(one["stop_loss"]) for one in held]
    open_pnl = sum((n * (mark - entry) for n, entry in zip(shares, entries, strict=True)), ZERO)
    realized = ZERO
    for one in legs:
        if not one["is_open"]:
            gain = Decimal(one["exit_price"]) - Decimal(one["average_entry_price"])
            realized += Decimal(one["quantity"]) * gain
    cost = sum((n * entry for n, entry in zip(shares, entries, strict=True)), ZERO)
    at_stop = sum((n * stop for n, stop in zip(shares, stops, strict=True)), ZERO)
    figures = {
        "total_shares": sum(shares, ZERO), "weighted_avg_entry": cost / sum(shares),
        "total_risk": cost - at_stop, "open_pnl": open_pnl, "realized_pnl": realized,
        "total_pnl": open_pnl + realized,
    }  # fmt: skip
    counts = {"open_count": len(held), "closed_count": len(legs) - len(held)}
    return {name: f"{figure:.8f}" for name, figure in figures.items()} | counts


def revisions(told: Any) -> list[int]:
    if isinstance(told, list):
        return [revision for one in told for revision in revisions(one)]
    if not isinstance(told, dict):
        return []
    own = [told["revision"]] if "revision" in told else []
    return own + revisions(list(told.values()))


def test_contradictions_are_found() -> None:
    """An answer put together from parts that do not belong together is seen for what it is."""
    operation = next(o for _, _, o in OPERATIONS if o["operationId"] == "list_campaign_positions")
    told = operation["responses"]["200"]["content"]["application/json"]["example"]
    leg = next(one for one in told["positions"] if one["is_open"])
    for wrong in (
        {**told, "positions": [{**leg, "closed_at": leg["updated_at"]}]},
        {**told, "positions": told["positions"][1:]},
        {**told, "totals": {**told["totals"], "total_pnl": "1.25750000"}},
        {**told, "revision": 1},
    ):
        assert contradictions(wrong)


def test_every_schema_s_own_examples_are_right() -> None:
    """Those of fields too, and of the messages of the WebSocket."""
    schemas = DESCRIBED["components"]["schemas"]
    seen = 0
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            for example in field.get("examples", ()):
                validator(field).validate(example)
                seen += 1
    assert seen > 100


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


# ------------------------------------------------------------------ schemathesis

KNOWN = {"campaign_id": "gbp", "hotkey": "desk-1", "trade_pair": PAIR, "position_uuid": "spring"}
EXAMPLES = 12
"""Requests of an operation and kind; with them all operations take seconds."""


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """A server on a loop and a thread of its own, for schemathesis blocks, and something in it."""
    with serving(web_listen="127.0.0.1:0", campaign_expiry_hours=100_000.0) as made:
        asyncio.run(_fill(made.target))
        yield f"http://{made.server.web_address}"


async def _fill(target: str) -> None:
    async with httpx.AsyncClient() as none, grpc.aio.insecure_channel(target) as channel:
        desk = Desk(cast(Server, None), none, channel)
        await desk.gbp()
        await desk.save("p1", hotkey="desk-1", trade_pair=PAIR)


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", ["known", "any", "wrong"])
@pytest.mark.parametrize("name", [operation["operationId"] for _, _, operation in OPERATIONS])
def test_requests_that_nobody_thought_of(served: str, name: str, kind: str) -> None:
    """Whatever is asked, the answer is one that OpenAPI has, in status, headers and body; what
    OpenAPI refuses is refused, and what it takes is taken."""
    schema = schemathesis.openapi.from_dict(DESCRIBED)
    operation = schema.find_operation_by_id(name)
    needed = [one["name"] for one in operation.definition.raw.get("parameters", ())]
    if kind == "wrong" and not needed:
        return  # nothing to be wrong in
    mode = GenerationMode.NEGATIVE if kind == "wrong" else GenerationMode.POSITIVE
    known = {one: KNOWN[one] for one in needed if f"{{{one}}}" in operation.path}
    seen: set[int] = set()

    @settings(
        max_examples=examples(EXAMPLES), deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        case=operation.as_strategy(
            generation_mode=mode, path_parameters=known if kind == "known" else None
        )
    )
    def ask(case: schemathesis.Case[Any]) -> None:
        parts = (*case.query.values(), *case.path_parameters.values())
        text = unquote("".join(map(str, parts)))
        # Which letters there are is not the same to it as to Python: those alone decide nothing.
        assume(text.isascii() or text.isprintable() == (kind != "wrong"))
        if kind != "wrong":
            assume(text.isprintable())
            case.query.pop("page_token", None)  # right is only one that the server has given
        seen.add(case.call_and_validate(base_url=served).status_code)

    ask()
    if kind == "known":
        assert 200 in seen
