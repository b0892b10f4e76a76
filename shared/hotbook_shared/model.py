"""The nouns that users handle: plain, frozen, typed. No behaviour beyond what their fields say.

Numbers are Decimal, times are epoch milliseconds, and each time has a twin property that gives it
as an aware UTC datetime.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.money import ONE, ZERO

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999: no later time can be shown as a datetime."""


class Side(StrEnum):
    """A position's side, and an order's type."""

    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


class ExecutionType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    BRACKET = "BRACKET"
    LIMIT_CANCEL = "LIMIT_CANCEL"


class PatternType(StrEnum):
    """What a campaign's leg was opened on."""

    SPRING = "SPRING"
    AR = "AR"
    SOS = "SOS"
    LPS = "LPS"


class OrderSource(StrEnum):
    """Where an order came from."""

    ORGANIC = "ORGANIC"
    ELIMINATION_FLAT = "ELIMINATION_FLAT"
    DEPRECATION_FLAT = "DEPRECATION_FLAT"
    PRICE_FILLED_ELIMINATION_FLAT = "PRICE_FILLED_ELIMINATION_FLAT"
    MAX_ORDERS_CLOSE = "MAX_ORDERS_CLOSE"
    LIMIT_UNFILLED = "LIMIT_UNFILLED"
    LIMIT_FILLED = "LIMIT_FILLED"
    LIMIT_CANCELLED = "LIMIT_CANCELLED"
    BRACKET_UNFILLED = "BRACKET_UNFILLED"
    BRACKET_FILLED = "BRACKET_FILLED"
    BRACKET_CANCELLED = "BRACKET_CANCELLED"


class Durability(StrEnum):
    """How safe an acknowledged change is."""

    FSYNC = "fsync"
    RELAXED = "relaxed"
    MEMORY = "memory"


def utc(ms: int) -> datetime:
    """Epoch milliseconds as an aware datetime, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


def epoch_ms(moment: datetime | int, field: str = "time") -> int:
    """Epoch milliseconds of an aware datetime. A naive one is refused: its zone is unknown."""
    if type(moment) is int:
        return moment
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise InvalidArgument(f"{field} must be aware of its time zone: {moment}", field=field)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise InvalidArgument(
            f"{field} must be epoch milliseconds or an aware datetime, not {moment!r}", field=field
        )
    return moment


class Noun(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Shared by the nouns: immutable, named fields only; in JSON no defaults and no strangers."""


class PriceSource(Noun, frozen=True, kw_only=True):
    """One quote or candle that an order's price was taken from."""

    source: str = ""
    timespan_ms: int = 0
    open: Decimal | None = None
    close: Decimal | None = None
    vwap: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    start_ms: int = 0
    websocket: bool = False
    lag_ms: int = 0
    bid: Decimal | None = None
    ask: Decimal | None = None
    extra: Mapping[str, Any] = {}


class Order(Noun, frozen=True, kw_only=True):
    """One fill inside a position."""

    order_uuid: str
    type: Side
    processed_ms: int
    leverage: Decimal | None = None
    quantity: Decimal | None = None
    value: Decimal | None = None
    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    slippage: Decimal = ZERO
    quote_usd_rate: Decimal = ZERO
    usd_base_rate: Decimal = ZERO
    limit_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    execution_type: ExecutionType = ExecutionType.MARKET
    source: OrderSource = OrderSource.ORGANIC
    price_sources: tuple[PriceSource, ...] = ()
    extra: Mapping[str, Any] = {}

    @property
    def processed_at(self) -> datetime:
        return utc(self.processed_ms)


class Position(Noun, frozen=True, kw_only=True):
    """One holding of one hotkey in one trade pair, from open to close.

    `close_ms` alone says whether it is open. `version`, `revision` and `updated_ms` are the
    server's; what stands there when a position is saved is ignored. `extra` holds what the sender
    knows and hotbook does not; it comes back as it was.
    """

    hotkey: str
    position_uuid: str
    trade_pair: str
    open_ms: int
    side: Side | None = None
    close_ms: int | None = None
    orders: tuple[Order, ...] = ()
    account_size: Decimal = ZERO
    quantity: Decimal = ZERO
    net_quantity: Decimal = ZERO
    net_leverage: Decimal = ZERO
    net_value: Decimal = ZERO
    average_entry_price: Decimal = ZERO
    cumulative_entry_value: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    current_return: Decimal = ONE
    return_at_close: Decimal = ONE
    stop_loss: Decimal | None = None
    exit_price: Decimal | None = None
    campaign_id: str | None = None
    pattern_type: PatternType | None = None
    signal_id: str | None = None
    timeframe: str | None = None
    version: int = 0
    revision: int = 0
    updated_ms: int = 0
    extra: Mapping[str, Any] = {}

    @property
    def is_open(self) -> bool:
        return self.close_ms is None

    @property
    def opened_at(self) -> datetime:
        return utc(self.open_ms)

    @property
    def closed_at(self) -> datetime | None:
        return None if self.close_ms is None else utc(self.close_ms)

    @property
    def updated_at(self) -> datetime:
        return utc(self.updated_ms)


class TradePair(Noun, frozen=True, kw_only=True):
    """What the registry says of an instrument. No bound: any leverage."""

    trade_pair: str
    category: str
    leverage_min: Decimal | None = None
    leverage_max: Decimal | None = None
    multiplier: Decimal = ONE
    lot_size: Decimal = ONE
    spread_rate: Decimal = ZERO


class Saved(Noun, frozen=True, kw_only=True):
    """The answer to a save: what stands now, and since which revision of the book."""

    position_uuid: str
    version: int
    revision: int
    durability: Durability
    replaced_uuid: str | None = None


class Placed(Noun, frozen=True, kw_only=True):
    """The answer to an order: the position where it stands, as it is now.

    `closed` is another one that was closed in the same commit: by a flip that was reversed, or for
    its orders were too many. `repeated`: the order stood there already, and nothing changed.
    """

    position: Position
    closed: Position | None = None
    revision: int
    durability: Durability
    repeated: bool = False


class PositionName(Noun, frozen=True, kw_only=True):
    hotkey: str
    position_uuid: str
    trade_pair: str


class PairExposure(Noun, frozen=True, kw_only=True):
    """What a hotkey has open on one pair; `leverage` is what it counts in the portfolio."""

    trade_pair: str
    category: str
    net_leverage: Decimal
    multiplier: Decimal
    leverage: Decimal


class Exposure(Noun, frozen=True, kw_only=True):
    """What a hotkey's open positions amount to, of one revision."""

    hotkey: str
    revision: int
    leverage: Decimal
    pairs: tuple[PairExposure, ...]
    categories: Mapping[str, Decimal]


class OrderSpan(Noun, frozen=True, kw_only=True):
    """The first and the last time at which an order was processed; None where there is none."""

    revision: int
    first_ms: int | None
    last_ms: int | None


class Split(Noun, frozen=True, kw_only=True):
    """What splitting made of one position. One part: it needed none.

    `parts` are uuids, the first its own. `kept`: those that stood already, with the same orders or
    more. `closed_by_flat` and `closed_by_net` count the parts that orders follow, by how they were
    closed. `return_before` is the return of the whole as it stood, `return_after` the product over
    the parts that are closed.
    """

    hotkey: str
    position_uuid: str
    parts: tuple[str, ...]
    kept: tuple[str, ...] = ()
    closed_by_flat: int = 0
    closed_by_net: int = 0
    return_before: Decimal = ONE
    return_after: Decimal = ONE


class SplitStats(Noun, frozen=True, kw_only=True):
    """What splitting has done to positions: sums, and products of returns."""

    positions: int = 0
    parts: int = 0
    closed_by_flat: int = 0
    closed_by_net: int = 0
    return_before: Decimal = ONE
    return_after: Decimal = ONE

    def and_also(self, made: Split) -> SplitStats:
        """These, with one more position that was split."""
        return SplitStats(
            positions=self.positions + 1,
            parts=self.parts + len(made.parts),
            closed_by_flat=self.closed_by_flat + made.closed_by_flat,
            closed_by_net=self.closed_by_net + made.closed_by_net,
            return_before=self.return_before * made.return_before,
            return_after=self.return_after * made.return_after,
        )


class HotkeyDigest(Noun, frozen=True, kw_only=True):
    """A digest of the content of one hotkey's positions: without version, revision and times."""

    hotkey: str
    digest: str
    positions: int


class HotkeyCounts(Noun, frozen=True, kw_only=True):
    """One hotkey of the book, and how much it holds."""

    hotkey: str
    positions: int
    open_positions: int


class Status(Noun, frozen=True, kw_only=True):
    """What a server is, holds and does."""

    revision: int
    server_version: str
    book_id: str
    state: str
    durability: Durability
    positions: int
    open_positions: int
    hotkeys: int
    quarantined: int
    digest: str
    started_ms: int
    now_ms: int
    queue_depth: int
    data_dir: str
    settings: Mapping[str, str]
    telemetry: Mapping[str, float]
    leader: str = ""
    """The server that this one follows; empty: it takes the writes itself."""
    lag_ms: float = 0.0
    """How old its book may be, where it follows another."""
    campaigns: int = 0
    live_campaigns: int = 0
    """FORMING or ACTIVE."""
    marks: int = 0
    """Trade pairs with a price."""


class Verification(Noun, frozen=True, kw_only=True):
    """What Verify found: every index against the positions, the digest, the store on disk."""

    revision: int
    ok: bool
    problems: tuple[str, ...]
    problem_count: int
    digest: str
    positions: int
    open_positions: int
    changes_checked: int


class Rebuilt(Noun, frozen=True, kw_only=True):
    """What Rebuild and Reload made; `changed` says whether it differs from what stood before."""

    revision: int
    positions: int
    open_positions: int
    changed: bool
    quarantined: int = 0
