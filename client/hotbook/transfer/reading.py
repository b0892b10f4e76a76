"""From the original's JSON of one position to our wire message: nothing is lost.

A number's literal in the JSON becomes the decimal text on the wire; no float stands in between.
What we have no field for goes into `extra` of its level. A value that had to be mended is kept
beside what was made of it, under MENDED, so that it can come out as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from hotbook.transfer.layout import EXTRA, MENDED, Level, Order, Position, PriceSource
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.money import DIGITS_MAX, LEG_RESULT_DIGITS_MAX, check_number
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import EXECUTION_TYPES, PATTERN_TYPES, SIDES


class Corrupt(ValueError):
    """It was meant to be a position, and cannot be read as one."""


class Foreign(ValueError):
    """It never was a position."""


_decode = msgspec.json.Decoder(Position, float_hook=str).decode
_fields: Callable[[Any], dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw]).decode
_levels: Callable[[Any], list[dict[str, Raw]]] = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode = msgspec.json.Encoder().encode


def _numbers_of(level: type[Level]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(level) if field.type is Any)


POSITION_NUMBERS = _numbers_of(Position)
ORDER_NUMBERS = _numbers_of(Order)
SOURCE_NUMBERS = _numbers_of(PriceSource)
_position_numbers = attrgetter(*POSITION_NUMBERS)
_order_numbers = attrgetter(*ORDER_NUMBERS)
_source_numbers = attrgetter(*SOURCE_NUMBERS)

_SIDE_NUMBER: dict[Any, Any] = {side and str(side): number for number, side in enumerate(SIDES)}
_PATTERN_NUMBER: dict[Any, Any] = {
    kind and str(kind): number for number, kind in enumerate(PATTERN_TYPES)
}
_EXECUTION_NUMBER: dict[Any, Any] = {
    str(kind): number for number, kind in enumerate(EXECUTION_TYPES)
}
_EXECUTION_NUMBER[None] = 0  # "not given", which is read as MARKET


def read(text: bytes, position: pb.Position, open_close_ms: int | None = None) -> str:
    """Fills an empty message from the JSON of a position. Returns what had to be mended, if so.

    `open_close_ms` is how this layout writes the `close_ms` of an open position: null in files,
    0 in checkpoints. Raises Corrupt or Foreign.
    """
    try:
        return _fill(position, _file_of(text), open_close_ms)
    except Corrupt:
        raise
    except InvalidArgument as error:
        raise Corrupt(error.message) from None
    except (ValueError, RecursionError) as error:  # msgspec's own errors are of that kind
        if _is_foreign(text):
            raise Foreign("it is no position: it has neither hotkey nor uuid") from None
        raise Corrupt(str(error)) from None


def _file_of(text: bytes) -> Position:
    try:
        return _decode(text)
    except msgspec.ValidationError:  # perhaps only for a field that we do not know
        return _decode(_with_strangers_aside(text))


def _with_strangers_aside(text: bytes) -> bytes:
    """The same position, with the fields that we do not know, of each level, in its `EXTRA`."""
    position = _aside(_fields(text), Position)
    if "orders" in position:
        orders = [_aside(order, Order) for order in _levels(position["orders"])]
        for order in orders:
            if "price_sources" in order:
                sources = [_aside(s, PriceSource) for s in _levels(order["price_sources"])]
                order["price_sources"] = Raw(_encode(sources))
        position["orders"] = Raw(_encode(orders))
    return _encode(position)


def _aside(fields: dict[str, Raw], level: type[Level]) -> dict[str, Raw]:
    known = level.__struct_encode_fields__
    strange = {name: fields.pop(name) for name in list(fields) if name not in known}
    if MENDED in strange:
        raise Corrupt(f"it has a field {MENDED}, which is ours alone")
    if strange:
        beside = _fields(fields[EXTRA]) if EXTRA in fields else {}
        fields[EXTRA] = Raw(_encode(strange | beside))
    return fields


def _is_foreign(text: bytes) -> bool:
    try:
        return not {"miner_hotkey", "position_uuid"} & set(_fields(text))
    except (ValueError, RecursionError):
        return not text.lstrip().startswith(b"{")


def _fill(position: pb.Position, file: Position, open_close_ms: int | None) -> str:
    try:
        _check_numbers(file)
        _fill_numbers(position, file)
    except TypeError:  # an int among the numbers, or what is no number
        _make_plain(file)
        position.Clear()
        _fill_numbers(position, file)
    position.hotkey = file.miner_hotkey
    position.position_uuid = file.position_uuid
    position.trade_pair = trade_pair_id(bytes(file.trade_pair))
    position.side = _SIDE_NUMBER[file.position_type]
    position.open_ms = file.open_ms
    if file.campaign_id or file.pattern_type or file.signal_id or file.timeframe:
        position.campaign_id = file.campaign_id or ""
        position.pattern_type = _PATTERN_NUMBER[file.pattern_type]
        position.signal_id = file.signal_id or ""
        position.timeframe = file.timeframe or ""
    return _fill_state(position, file, open_close_ms)


def _fill_numbers(position: pb.Position, file: Position) -> None:
    """The position's numbers, and its orders. Raises TypeError for what is no literal."""
    for name, number in zip(POSITION_NUMBERS, _position_numbers(file), strict=True):
        if number is not None:
            setattr(position, name, number)
    add_order = position.orders.add
    for o in file.orders:
        order = add_order(
            order_uuid=o.order_uuid if type(o.order_uuid) is str else str(o.order_uuid),
            type=_SIDE_NUMBER[o.order_type],
            leverage=o.leverage, quantity=o.quantity, value=o.value,
            price=o.price, bid=o.bid, ask=o.ask, slippage=o.slippage,
            quote_usd_rate=o.quote_usd_rate, usd_base_rate=o.usd_base_rate,
            limit_price=o.limit_price, stop_loss=o.stop_loss, take_profit=o.take_profit,
            execution_type=_EXECUTION_NUMBER[o.execution_type],
            source=o.src,
            processed_ms=o.processed_ms,
            extra=_extra_of_order(o),
        )  # fmt: skip
        add_source = order.price_sources.add
        for s in o.price_sources:
            add_source(
                source=s.source, timespan_ms=s.timespan_ms, open=s.open, close=s.close,
                vwap=s.vwap, high=s.high, low=s.low, start_ms=s.start_ms, websocket=s.websocket,
                lag_ms=s.lag_ms, bid=s.bid, ask=s.ask, extra=_text(s.extra),
            )  # fmt: skip


def _extra_of_order(order: Order) -> str:
    if type(order.order_uuid) is str:
        return _text(order.extra)
    mended = {"order_uuid": [order.order_uuid, str(order.order_uuid)]}
    return _joined(order.extra, {MENDED: mended})


def _fill_state(position: pb.Position, file: Position, open_close_ms: int | None) -> str:
    """Open or closed, and since when; and `extra`, which keeps what was odd about that."""
    was, mended = file.close_ms, ""
    close_ms: int | None = None
    if file.is_closed_position and was:
        close_ms = was
        if was < file.open_ms:
            raise Corrupt(f"close_ms ({was}) lies before open_ms ({file.open_ms})")
    elif file.is_closed_position:
        last_ms = file.orders[-1].processed_ms if file.orders else 0
        close_ms = max(last_ms, file.open_ms)
        mended = f"closed without close_ms: closed at its last order, {close_ms}"
    elif was:
        mended = f"open with a close_ms, {was}: left open"
    if close_ms is not None:
        position.close_ms = close_ms
    own: dict[str, Any] = {"trade_pair": file.trade_pair}
    if bytes(file.initial_entry_price):
        own["initial_entry_price"] = file.initial_entry_price
    usual = open_close_ms if close_ms is None else close_ms
    if mended or (was is not msgspec.UNSET and was != usual):
        own[MENDED] = {"close_ms": [was or None if was is msgspec.UNSET else was, close_ms]}
    position.extra = _joined(file.extra, own)
    return mended


def _joined(extra: Raw, own: dict[str, Any]) -> str:
    text = bytes(extra)
    return _encode(own | _fields(text) if text else own).decode()


def _text(extra: Raw) -> str:
    text = bytes(extra).decode()
    if text and not text.startswith("{"):
        raise Corrupt(f"{EXTRA} must be an object, not {text:.80}")
    return text


@lru_cache(maxsize=10_000)
def trade_pair_id(text: bytes) -> str:
    """The id out of `[id, name, ...]`; or the bare id."""
    told = msgspec.json.decode(text)
    trade_pair = told[0] if isinstance(told, list) and told else told
    if not isinstance(trade_pair, str):
        raise Corrupt(f"trade_pair must be a list that begins with an id, not {text[:80]!r}")
    return trade_pair


_LITERAL_CHARACTERS = b"0123456789.-+eE"


def _check_numbers(file: Position) -> None:
    """Raises TypeError unless every number is the literal of a float, or None.

    A look at all of them at once, for nearly every file passes. A text in a number's place that
    is made of a number's characters alone passes too: what is wrong with it, the server will say.
    """
    numbers = list(_position_numbers(file))
    for order in file.orders:
        numbers += _order_numbers(order)
        for source in order.price_sources:
            numbers += _source_numbers(source)
    if "".join(filter(None, numbers)).encode().translate(None, _LITERAL_CHARACTERS):
        raise TypeError("a text stands where a number should")


def _make_plain(file: Position) -> None:
    """Makes ints literals. Raises Corrupt or InvalidArgument for what is no number, by name."""
    _make_level_plain(file, POSITION_NUMBERS, "")
    for i, order in enumerate(file.orders):
        _make_level_plain(order, ORDER_NUMBERS, f"orders[{i}].")
        for j, source in enumerate(order.price_sources):
            _make_level_plain(source, SOURCE_NUMBERS, f"orders[{i}].price_sources[{j}].")


def _make_level_plain(level: Level, names: tuple[str, ...], at: str) -> None:
    for name in names:
        number = getattr(level, name)
        if type(number) is int:
            setattr(level, name, str(number))
        elif type(number) is str:
            digits_max = LEG_RESULT_DIGITS_MAX if name == "realized_pnl" else DIGITS_MAX
            check_number(number, at + name, digits_max=digits_max)
        elif number is not None:
            raise Corrupt(f"{at}{name} must be a number, not {number!r:.80}")
