"""The desk of the examples in OpenAPI: a campaign on the pound.

Owns what happens before the examples are asked for, and the requests that ask for them. All of it
has times of its own, so that each run gives the same answers to the last letter.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hotbook
from hotbook import Bar, ExitReason, Order, Pattern, PatternType, PriceSource, Side, aio
from tests.web.conftest import PAIR, Desk

NOW_MS = 1_772_467_200_000  # 2026-03-02T16:00:00Z
HOTKEY, CAMPAIGN, SPRING = "desk-1", "c-2026-03-gbp", "9b2e54c0-spring"
MINUTE_MS = 60_000

GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "list_campaigns": ("/campaigns", {}),
    "get_campaign": (f"/campaigns/{CAMPAIGN}", {}),
    "list_campaign_positions": (f"/campaigns/{CAMPAIGN}/positions", {}),
    "get_statistics": ("/statistics", {}),
    "list_hotkeys": ("/hotkeys", {}),
    "list_positions": (f"/hotkeys/{HOTKEY}/positions", {}),
    "get_open_position": (f"/hotkeys/{HOTKEY}/positions/open/{PAIR}", {}),
    "get_position": (f"/positions/{HOTKEY}/{SPRING}", {}),
    "get_market": ("/market", {}),
    "get_pair": (f"/market/{PAIR}", {}),
    "get_status": ("/status", {}),
}
"""What is asked for the example of each operation."""

BAD: dict[tuple[str, int], tuple[str, dict[str, Any]]] = {
    ("list_campaigns", 422): ("/campaigns", {"state": "OPEN"}),
    ("get_campaign", 404): ("/campaigns/c-9", {}),
    ("get_campaign", 422): ("/campaigns/a%20b", {}),
    ("list_campaign_positions", 404): ("/campaigns/c-9/positions", {}),
    ("list_campaign_positions", 409): (f"/campaigns/{CAMPAIGN}/positions", {"expected_version": 3}),
    ("list_campaign_positions", 422): (f"/campaigns/{CAMPAIGN}/positions", {"page": 0}),
    ("get_statistics", 422): ("/statistics", {"trade_pair": "GBP USD"}),
    ("list_hotkeys", 422): ("/hotkeys", {"page_size": 0}),
    ("list_positions", 422): (f"/hotkeys/{HOTKEY}/positions", {"open_only": "perhaps"}),
    ("get_open_position", 404): (f"/hotkeys/{HOTKEY}/positions/open/USDJPY", {}),
    ("get_open_position", 422): (f"/hotkeys/{HOTKEY}/positions/open/GBP%20USD", {}),
    ("get_position", 404): (f"/positions/{HOTKEY}/p-9", {}),
    ("get_position", 422): (f"/positions/desk%201/{SPRING}", {}),
    ("get_market", 404): ("/market", {"campaign_id": "c-9"}),
    ("get_market", 422): ("/market", {"campaign_id": "a b"}),
    ("get_pair", 404): ("/market/USDJPY", {}),
    ("get_pair", 422): ("/market/GBP%20USD", {}),
}
"""What is asked for the example of each refusal of its own."""


def ago(minutes: int) -> int:
    return NOW_MS - minutes * MINUTE_MS


async def fill(desk: Desk) -> None:
    """A campaign that was won, then one on the pound with two legs closed and two open."""
    async with aio.connect(desk.server.address) as book:
        await _won_campaign(book)
        await book.create_campaign(
            HOTKEY, PAIR, campaign_id=CAMPAIGN, range_id="gbp-1.24-1.27", timeframe="15m",
            started=ago(300), support=Decimal("1.2400"), resistance=Decimal("1.2700"),
            account_size=Decimal(100_000), allocation=Decimal("0.25"),
        )  # fmt: skip
        for n in range(20):
            close, volume = Decimal("1.2450") + n * Decimal("0.0005"), 90 + n
            await book.push_bars(
                [Bar(trade_pair=PAIR, at_ms=ago(320 - n), close=close, volume=Decimal(volume))]
            )
        await _leg(book, PatternType.SPRING, "1.2500", 8_000, "1.2475", 300)
        await _leg(book, PatternType.AR, "1.2570", 4_000, "1.2545", 240)
        await _leg(book, PatternType.SOS, "1.2550", 6_000, "1.2525", 180)
        await book.close_leg(CAMPAIGN, "9b2e54c0-ar", Decimal("1.2595"), ago(150))
        await book.close_leg(CAMPAIGN, SPRING, Decimal("1.2625"), ago(120))
        await _leg(book, PatternType.LPS, "1.2600", 4_000, "1.2575", 60)
        quote = PriceSource(
            source="feed-a", timespan_ms=0, start_ms=ago(31), websocket=True, lag_ms=40,
            bid=Decimal("1.25790"), ask=Decimal("1.25810"),
        )  # fmt: skip
        order = Order(
            order_uuid="4d11f0aa", type=Side.LONG, processed_ms=ago(30), leverage=Decimal("0.1"),
            price=Decimal("1.25800"), bid=Decimal("1.25790"), ask=Decimal("1.25810"),
            quote_usd_rate=Decimal(1), price_sources=(quote,),
        )  # fmt: skip
        await book.place_order(HOTKEY, PAIR, order, account_size=Decimal(100_000))
        await book.push_bars(
            [Bar(trade_pair=PAIR, at_ms=NOW_MS, close=Decimal("1.2575"), volume=Decimal(180))]
        )


async def _won_campaign(book: aio.Client) -> None:
    name = "c-2026-02-eur"
    await book.create_campaign(HOTKEY, "EURUSD", campaign_id=name, started=ago(2_000))
    await book.transition_campaign(name, hotbook.CampaignState.ACTIVE)
    await book.add_leg(
        name, pattern_type=PatternType.SOS, side=Side.LONG, entry=Decimal("1.0800"),
        shares=Decimal(10_000), stop=Decimal("1.0770"), opened=ago(1_900), position_uuid="51c7-sos",
    )  # fmt: skip
    await book.close_leg(name, "51c7-sos", Decimal("1.0850"), ago(1_000))
    await book.complete_campaign(name, Decimal("1.0850"), ExitReason.TARGET_HIT, at=ago(1_000))


async def _leg(
    book: aio.Client, kind: PatternType, entry: str, shares: int, stop: str, minutes: int
) -> None:
    """A pattern that was seen, and the leg that was opened on it."""
    signal = f"signal-{kind.lower()}"
    seen = Pattern(
        signal_id=signal, type=kind, at_ms=ago(minutes + 1), price=Decimal(entry),
        support=Decimal("1.2400"), resistance=Decimal("1.2700"), volume_ratio=Decimal("1.6"),
    )  # fmt: skip
    await book.add_pattern(HOTKEY, PAIR, seen, range_id="gbp-1.24-1.27", timeframe="15m")
    await book.add_leg(
        CAMPAIGN, pattern_type=kind, side=Side.LONG, entry=Decimal(entry), shares=Decimal(shares),
        stop=Decimal(stop), opened=ago(minutes), position_uuid=f"9b2e54c0-{kind.lower()}",
        signal_id=signal,
    )  # fmt: skip
