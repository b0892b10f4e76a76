"""docs/web.md, run as it is written: commands and their answers, conversations, and its tables."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from hotbook.testing import server
from hotbook_server.web.app import openapi_text
from hotbook_server.web.http_status import HTTP_STATUS_OF
from hotbook_server.web.live_messages import NAMES_MAX
from hotbook_shared.errors import ERRORS
from tests.web.test_examples import ANY

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/web.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", DOCUMENT, re.DOTALL)
OPENAPI: dict[str, Any] = json.loads(openapi_text())
PRINTED = "127.0.0.1:50702"
PATIENCE_S = 30


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """As a user's, with the commands of this environment, and a server on free ports."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web = f"127.0.0.1:{probe.getsockname()[1]}"
    own = {k: v for k, v in os.environ.items() if not k.startswith("HOTBOOK_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    with server(web_listen=web) as target:
        yield own | {"HOTBOOK_TARGET": target, "PATH": path, "WEB": web}


def run(text: str, env: dict[str, str]) -> str:
    text = text.replace(PRINTED, env["WEB"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env=env, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_told(told: Any, printed: Any) -> None:
    """What is printed was told; fields that are not printed were left out of the document."""
    if isinstance(printed, dict):
        for name, part in printed.items():
            check_told(told[name], part)
    elif isinstance(printed, list):
        assert len(told) == len(printed)
        for one, part in zip(told, printed, strict=True):
            check_told(one, part)
    else:
        assert told == printed


def with_status(text: str) -> tuple[Any, str]:
    """A body of JSON, and the status after it, where there is one."""
    body, status = re.fullmatch(r"(.*?\S)(?:\n(\d{3})|)\s*", text, re.DOTALL).groups("")  # type: ignore[union-attr]
    return json.loads(body), status


class Conversation:
    """The blocks of a WebSocket: `>` is sent, `<` is told, `$` is done meanwhile."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self._history: dict[int, str] = {}

    async def hold(self, text: str) -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            connect(f"ws://{self._env['WEB']}/api/v1/live") as live,
        ):
            for line in text.splitlines():
                await self._take(line[0], line[2:], live)

    async def _take(self, kind: str, rest: str, live: ClientConnection) -> None:
        if kind == "$":
            await asyncio.to_thread(run, rest, self._env)
        elif kind == ">":
            for number, history in self._history.items():
                rest = rest.replace(f"<that of {number}>", history)
            await live.send(rest)
        else:
            told: dict[str, Any] = {"type": "heartbeat"}
            while told["type"] == "heartbeat":
                told = json.loads(await live.recv())
            check_told(told, json.loads(rest))
            self._history[told["number"]] = told["history"]


async def test_the_document_runs_as_it_is_written(env: dict[str, str]) -> None:
    """Every command in order, with the answer that is printed after it; every conversation."""
    conversation = Conversation(env)
    shown, compared = "", 0
    for kind, text in BLOCKS:
        if kind == "sh":
            shown = await asyncio.to_thread(run, text, env)
        elif kind == "json" and '"JOURNAL_FAILED"' in text:
            assert json.loads(text) == ANY["503"]
        elif kind == "json":
            (told, status), (printed, expected) = with_status(shown), with_status(text)
            check_told(told, printed)
            assert status == expected
        elif kind == "http":
            assert set(text.splitlines()) <= set(shown.splitlines())
        elif kind == "live":
            await conversation.hold(text)
        else:
            assert kind in ("js", "ts")
            continue
        compared += kind != "sh"
    assert compared == 12


def test_every_path_and_filter_is_documented() -> None:
    """The table of paths has each, and each of its parameters that narrows or pages."""
    everywhere = {"page_size", "page_token", "if-match"}
    for path, methods in OPENAPI["paths"].items():
        (row,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| `{path}` |")]
        for parameter in methods["get"].get("parameters", ()):
            assert parameter["in"] == "path" or f"`{parameter['name']}`" in row or (
                parameter["name"] in everywhere
            )  # fmt: skip


def test_every_refusal_is_documented() -> None:
    """Each status that OpenAPI has is in the table, and each code there has its own status."""
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", DOCUMENT, re.MULTILINE)
    operations = [one["get"] for one in OPENAPI["paths"].values()]
    statuses = {status for one in operations for status in one["responses"]} - {"200"}
    assert statuses <= {status for status, _ in rows}
    own = {"FOREIGN_ORIGIN": "403", "METHOD_NOT_ALLOWED": "405", "MISDIRECTED": "421"}
    for status, codes in rows:
        for code in re.findall(r"`(\w+)`", codes):
            assert own.get(code) == status or HTTP_STATUS_OF[ERRORS[code]] == int(status)


def test_every_message_is_documented() -> None:
    """The table of live messages has each type, and no other."""
    message = OPENAPI["components"]["schemas"]["LiveMessage"]
    table = DOCUMENT.partition("| message | says |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(told) == sorted(message["discriminator"]["mapping"])
    assert f"{NAMES_MAX:,} names" in DOCUMENT


def test_the_types_that_are_imported_are_there() -> None:
    """The example in TypeScript uses what types.ts has."""
    types = (ROOT / "client/typescript/types.ts").read_text()
    ((names, operation),) = re.findall(
        r'import type \{ (.*?) \} from.*?read\("(\w+)"', DOCUMENT, re.DOTALL
    )
    for name in names.split(", "):
        assert re.search(rf"^export (type|interface) {name}\b", types, re.MULTILINE), name
    assert f"  {operation}: {{" in types
