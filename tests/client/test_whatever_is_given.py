"""Whatever stands in an argument, of whichever method: an answer, or an error of hotbook's own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

import hotbook
from hotbook import Bar, CampaignState, Pattern, PatternFiling, PatternType, Side
from hotbook_shared.errors import HotbookError, InternalError
from tests.make import OPEN_MS, order, position

MOMENT = datetime(2024, 12, 12, tzinfo=UTC)
# What may be put in any argument: some of it has a place there, most has none.
STRANGE: list[Any] = [
    None, True, 1, -1, 1.0, 1.5, float("nan"), float("inf"), 2**63, 2**64, -(2**64), 10**400,
    "", "LONG", "1.5", "\ud800", b"1", (), [], {}, {"a": 1}, {"a": object()}, {1: Decimal(1)},
    {"BTCUSD": 2**64}, Decimal("1.10"), Decimal("NaN"), Decimal("1e999999"), datetime.max,
    MOMENT.replace(tzinfo=None), MOMENT, timedelta(1), Side.LONG, PatternType.LPS, object(),
    (None,), ("candle",), ["\ud800"], [position()], [2**64],
]  # fmt: skip
PATTERN = Pattern(signal_id="s", type=PatternType.SPRING, at_ms=OPEN_MS, price=Decimal(100))
FILING = PatternFiling(hotkey="hk", trade_pair="BTCUSD", pattern=PATTERN)
BAR = Bar(trade_pair="BTCUSD", at_ms=OPEN_MS, close=Decimal(1))
# One good value for what has no default, by the name of the argument.
GOOD: dict[str, Any] = {
    "hotkey": "hk", "trade_pair": "BTCUSD", "position_uuid": "u", "campaign_id": "c",
    "position": position(), "positions": [position()], "hotkeys": ["hk"], "order": order(),
    "pattern": PATTERN, "filings": [FILING], "bars": [BAR], "prices": {"BTCUSD": Decimal(1)},
    "pattern_type": PatternType.SPRING, "side": Side.LONG, "entry": Decimal(100),
    "shares": Decimal(1), "stop": Decimal(90), "exit_price": Decimal(110), "reason": "why",
    "to": CampaignState.ACTIVE, "expected_count": 0, "trade_pairs": ["BTCUSD"],
    "revision": 0, "generation": 0,
}  # fmt: skip
# What ends the client, what writes a file where it is told to, and what the caller's own code is.
LEFT_OUT = {"close", "backup", "progress"}
METHODS = sorted(
    name
    for name, _ in inspect.getmembers(hotbook.Client, inspect.isfunction)
    if not name.startswith("_") and name not in LEFT_OUT
)


@pytest.fixture(scope="module")
def client(shared_target: str) -> Iterator[hotbook.Client]:
    with hotbook.connect(shared_target, timeout_s=2) as made:
        yield made


@pytest.mark.parametrize("method", METHODS)
def test_an_argument_gets_an_answer_or_a_named_error(client: hotbook.Client, method: str) -> None:
    """No TypeError of protobuf's, no OverflowError, no fault of the server: what can be asked is
    answered, what cannot be is refused in hotbook's own words."""
    asked = getattr(client, method)
    parameters = inspect.signature(asked).parameters.values()
    needed = {p.name: GOOD[p.name] for p in parameters if p.default is p.empty}
    wrong = []
    for name in (p.name for p in parameters if p.name not in LEFT_OUT):
        for value in STRANGE:
            try:
                answer = asked(**needed | {"timeout_s": 0.5} | {name: value})
                if isinstance(answer, Iterator):
                    list(islice(answer, 1))
            except InternalError as error:
                wrong.append(f"{name}={value!r:.60}: {error!r}")
            except HotbookError:
                pass
            except Exception as error:
                wrong.append(f"{name}={value!r:.60}: {error!r}")

    assert not wrong, "\n".join(wrong)
    assert client.status(), "and the server goes on"
