"""The objects that programs of the original handle: its names, its floats, free to be changed.

Invariant: nothing is lost on the way through one of them. They are made of the original's JSON and
become it again; `hotbook.transfer` alone maps that JSON to our Position. Keys that nobody knows are
attributes too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

import hotbook
from hotbook.transfer.reading import Corrupt, Foreign, read
from hotbook.transfer.writing import write
from hotbook_shared import wire
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.pairs import known_pairs
from hotbook_shared.pb import hotbook_pb2 as pb

_T = TypeVar("_T")

SLIPPAGE_SINCE_MS = 1_739_937_600_000
"""The original counts slippage into the first price from then on."""


class _Alike(Enum):
    """Equal to any enum's member of the same value: the program has the original's own enums."""

    def __eq__(self, other: object) -> bool:
        return bool(getattr(other, "value", other) == self.value)

    def __hash__(self) -> int:
        return hash(self.name)  # as every Enum does


class OrderType(_Alike):
    LONG = "LONG"
    SHORT = "SHORT"
    FLAT = "FLAT"


class ExecutionType(_Alike):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    BRACKET = "BRACKET"
    LIMIT_CANCEL = "LIMIT_CANCEL"


@dataclass(frozen=True, eq=False)
class TradePair:
    """An instrument; equal to whatever has the same `trade_pair_id`."""

    trade_pair_id: str
    trade_pair: str = ""
    fees: float = 0.0
    min_leverage: float = 0.0
    max_leverage: float = 0.0

    def __eq__(self, other: object) -> bool:
        return getattr(other, "trade_pair_id", None) == self.trade_pair_id

    def __hash__(self) -> int:
        return hash(self.trade_pair_id)

    @property
    def leverage_multiplier(self) -> float:
        return float(known_pairs().of(self.trade_pair_id).multiplier)

    @property
    def is_crypto(self) -> bool:
        return self._category == "crypto"

    @property
    def is_forex(self) -> bool:
        return self._category == "forex"

    @property
    def is_equities(self) -> bool:
        return self._category == "equities"

    @property
    def is_indices(self) -> bool:
        return self._category == "indices"

    @property
    def _category(self) -> str:
        return known_pairs().of(self.trade_pair_id).category


@dataclass(kw_only=True)
class PriceSource:
    source: str = ""
    timespan_ms: int = 0
    open: float | None = None
    close: float | None = None
    vwap: float | None = None
    high: float | None = None
    low: float | None = None
    start_ms: int = 0
    websocket: bool = False
    lag_ms: int = 0
    bid: float | None = None
    ask: float | None = None

    def __post_init__(self) -> None:
        _in_floats(self)


@dataclass(kw_only=True)
class Order:
    trade_pair: Any = field(default=None, repr=False)  # its position's; not in the JSON
    order_type: OrderType
    leverage: float | None = None
    value: float | None = None
    quantity: float | None = None
    execution_type: ExecutionType = ExecutionType.MARKET
    limit_price: float | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    price: float
    bid: float = 0.0
    ask: float = 0.0
    slippage: float = 0.0
    quote_usd_rate: float = 0.0
    usd_base_rate: float = 0.0
    processed_ms: int
    order_uuid: str
    price_sources: list[PriceSource] = field(default_factory=list)
    src: int = 0

    def __post_init__(self) -> None:
        _in_floats(self)
        self.order_type = OrderType(_plain(self.order_type))
        self.execution_type = ExecutionType(_plain(self.execution_type))
        self.price_sources = [_object(PriceSource, source) for source in self.price_sources]

    def to_dict(self) -> dict[str, Any]:
        return _plain(self)  # type: ignore[no-any-return]


@dataclass(kw_only=True, eq=False)
class Position:
    """A position as the original's client gives it out."""

    miner_hotkey: str
    position_uuid: str
    open_ms: int
    trade_pair: TradePair
    orders: list[Order] = field(default_factory=list)
    current_return: float = 1.0
    close_ms: int | None = None
    net_leverage: float = 0.0
    net_value: float = 0.0
    net_quantity: float = 0.0
    return_at_close: float = 1.0
    average_entry_price: float = 0.0
    cumulative_entry_value: float = 0.0
    account_size: float = 0.0
    realized_pnl: float = 0.0
    unrealized_pnl: float = 0.0
    position_type: OrderType | None = None
    is_closed_position: bool = False

    def __post_init__(self) -> None:
        _in_floats(self)
        pair = _plain(self.trade_pair)
        self.trade_pair = TradePair(*(pair[:5] if isinstance(pair, list) else [pair]))
        self.orders = [_object(Order, order) for order in self.orders]
        for order in self.orders:
            order.trade_pair = self.trade_pair
        if self.position_type is not None:
            self.position_type = OrderType(_plain(self.position_type))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Position:
        return _object(cls, dict(told))

    def to_dict(self) -> dict[str, Any]:
        """The original's JSON of a position, as a dict."""
        told: dict[str, Any] = _plain(self)
        for order in told["orders"]:
            order.pop("trade_pair", None)  # an order of the program's own class has it there
        return told

    def __str__(self) -> str:
        return json.dumps(self.to_dict())

    @property
    def is_open_position(self) -> bool:
        return not self.is_closed_position

    @property
    def initial_entry_price(self) -> float:
        if not self.orders:
            return 0.0
        first = self.orders[0]
        if first.processed_ms < SLIPPAGE_SINCE_MS:
            return first.price
        worse = first.slippage if (first.leverage or 0) > 0 else -first.slippage
        return first.price * (1 + worse)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Position):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[Any, ...]:
        """What the original compares: neither the orders nor whether it is closed."""
        return (
            self.miner_hotkey,
            self.position_uuid,
            self.open_ms,
            self.current_return,
            self.net_leverage,
            self.net_quantity,
            self.net_value,
            self.initial_entry_price,
            self.trade_pair.trade_pair,
        )


# ------------------------------------------------------------------ objects and their JSON


def _object(kind: type[_T], told: Any) -> _T:
    """The object of a dict. What it has no field for is an attribute all the same."""
    if isinstance(told, kind):
        return told
    known = _NAMES[kind]
    if told.keys() <= known:
        return kind(**told)
    made = kind(**{name: value for name, value in told.items() if name in known})
    vars(made).update((name, value) for name, value in told.items() if name not in known)
    return made


def _in_floats(made: Any) -> None:
    """Makes floats of ints where the original has floats: JSON may write 1.0 as 1."""
    attributes = vars(made)
    for name in _FLOATS[type(made)]:
        if type(attributes[name]) is int:
            attributes[name] = float(attributes[name])


def _plain(value: Any) -> Any:
    """What JSON knows, of what programs of the original handle: ours, pydantic's, enums."""
    if type(value) in _JSON:
        return value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Position | Order | PriceSource):
        hidden = _HIDDEN[type(value)]
        return {name: _plain(each) for name, each in vars(value).items() if name not in hidden}
    if isinstance(value, Enum | TradePair):
        return _plain_member(value)
    for to_dict in ("to_dict", "model_dump"):
        if hasattr(value, to_dict):
            return _plain(getattr(value, to_dict)())
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


def _plain_member(member: Any) -> Any:
    """An enum's value; a trade pair, the original's enum or ours, is a list in the JSON."""
    if hasattr(member, "trade_pair_id"):
        pair = (member.trade_pair_id, member.trade_pair, member.fees)
        return [*pair, member.min_leverage, member.max_leverage]
    return member.value


MARK = "_hotbook_fetched"
_JSON = {str, int, float, bool, type(None)}
_KINDS: tuple[Any, ...] = (Position, Order, PriceSource)
_NAMES: dict[Any, set[str]] = {kind: {each.name for each in fields(kind)} for kind in _KINDS}
_FLOATS: dict[Any, list[str]] = {
    kind: [each.name for each in fields(kind) if str(each.type).startswith("float")]
    for kind in _KINDS
}
_HIDDEN = {Position: {MARK}, Order: {"trade_pair"}, PriceSource: set[str]()}

# ------------------------------------------------------------------ ours and theirs


@dataclass(frozen=True)
class Fetched:
    """What a position that was read keeps beside it, so that saving it undoes nobody's work."""

    version: int
    aside: Mapping[str, Any]
    """The fields that the program's own class has no place for."""


def shown(position: hotbook.Position, kind: Any) -> Any:
    """A position as the program knows it: an object of its own class, or of ours."""
    told = json.loads(write(wire.position_to_wire(position)))
    if not told.get("quantity"):
        told.pop("quantity", None)  # ours, and none: the original has no such field
    made = Position.from_dict(told) if kind is Position else kind(**told)
    aside = {name: value for name, value in told.items() if not hasattr(made, name)}
    _mark(made, Fetched(position.version, aside))
    return made


def given(position: Any) -> Position:
    """Whatever the program calls a position, as an object of ours: a copy unless it was one."""
    if isinstance(position, Position):
        return position
    told = _plain(position)
    if not isinstance(told, dict):
        raise InvalidArgument(
            f"a position must be a Position, an object with to_dict(), or a dict, not "
            f"{type(position).__name__}",
            field="position",
        )
    fetched = _fetched_of(position)
    try:
        return Position.from_dict({**(fetched.aside if fetched else {}), **told})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidArgument(f"this is no position: {error}", field="position") from None


def taken(position: Any) -> hotbook.Position:
    """Our Position of whatever the program calls one, at the version that it was read with.

    0 where the program made it itself. Raises InvalidArgument.
    """
    try:
        text = json.dumps(given(position).to_dict(), allow_nan=False)
        message = pb.Position()
        read(text.encode(), message)
        message.version = fetched.version if (fetched := _fetched_of(position)) else 0
    except (TypeError, ValueError, Corrupt, Foreign) as error:
        raise InvalidArgument(f"this position cannot be saved: {error}", field="position") from None
    return wire.position_from_wire(message)


def saved_as(position: Any, version: int) -> None:
    """A position that was read stands now at another version."""
    if fetched := _fetched_of(position):
        _mark(position, Fetched(version, fetched.aside))


def _fetched_of(position: Any) -> Fetched | None:
    return getattr(position, MARK, None)


def _mark(position: Any, fetched: Fetched) -> None:
    """Past the class's own __setattr__: pydantic refuses attributes that are no fields."""
    object.__setattr__(position, MARK, fetched)
