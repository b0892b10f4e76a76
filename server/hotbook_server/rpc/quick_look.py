"""A quick look at the wire bytes of a position or an order: is it certainly right?

Reading the fields one by one costs more than all else that a save does on the loop; so the bytes,
as protobuf writes them, are matched as a whole. A pattern has of each field the tag, the length and
just as many characters of what may stand there, so that it can take no bytes for another field than
protobuf does. What is rare has no place in it. True may only ever mean that the judge in `shape`
would find nothing wrong, and False that it must look; tests/server/test_shape.py holds it to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from hotbook_server.rpc.extras import is_extra
from hotbook_shared.money import DIGITS_MAX
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.pb import records_pb2 as raw
from hotbook_shared.wire import EXECUTION_TYPES, ORDER_SOURCES, SIDES

_LONGEST = 127  # bytes: a longer text's length takes two bytes itself
PRICE_SOURCES_MAX = 1_000  # of one order


def varint(number: int) -> bytes:
    """A number as protobuf writes tags and lengths."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# ------------------------------------------------------------------ patterns


def _text(number: int, content: Callable[[int], bytes], lengths: tuple[int, ...]) -> bytes:
    """A field with a length: the one that is given there, and its content. The first are the
    quickest."""
    forms = (re.escape(bytes([length])) + content(length) for length in lengths)
    return re.escape(varint(number << 3 | 2)) + b"(?:" + b"|".join(forms) + b")"


def _name(number: int, most: int, usual: int) -> bytes:
    """Printable ASCII without white space, as nearly all names are."""
    lengths = usual, *(length for length in range(1, most + 1) if length != usual)
    return _text(number, lambda length: b"[!-~]{%d}" % length, lengths)


def _any_text(number: int) -> bytes:
    lengths = tuple(range(_LONGEST + 1))
    return _maybe(_text(number, lambda length: b".{%d}" % length, lengths))


def _number(number: int, *, signed: bool = False) -> bytes:
    """A decimal, but for one thing: it may have several dots."""
    forms = {length: number_forms(length, signed=signed) for length in range(DIGITS_MAX + 4)}
    lengths = tuple(length for length in forms if forms[length])
    return _maybe(_text(number, lambda length: b"(?:" + b"|".join(forms[length]) + b")", lengths))


def number_forms(length: int, *, signed: bool) -> list[bytes]:
    """What a number of just so many characters looks like, with at most 28 digits that count."""
    if not length:
        return [b""]
    negative = [b"-" + form for form in number_forms(length - 1, signed=False) if form]
    digits = b"[0-9][0-9.]{%d}" % (length - 1)
    forms = negative if signed else []
    if length <= DIGITS_MAX:
        forms.append(digits)
    if 4 < length <= DIGITS_MAX:
        forms.append(b"[0-9][0-9.]{%d}e[-+][0-9]{2}" % (length - 5))
    if length == DIGITS_MAX + 1:
        forms.append(b"(?=[0-9]*+[.])" + digits)
    if length == DIGITS_MAX + 2:
        forms.append(b"0[.][0-9]{%d}" % DIGITS_MAX)
    return forms


def _whole(number: int, most: int, least: int = 0) -> bytes:
    """An enum or a bool up to `most`, which is below 128."""
    values = re.escape(bytes([least])) + b"-" + re.escape(bytes([most]))
    return re.escape(varint(number << 3)) + b"[" + values + b"]"


def _time(number: int) -> bytes:
    """Milliseconds of at most 42 bits: until the year 2109."""
    return re.escape(varint(number << 3)) + b"[\\x80-\\xff]{0,5}+[\\x00-\\x7f]"


def _any_int(number: int) -> bytes:
    return _maybe(re.escape(varint(number << 3)) + b"[\\x80-\\xff]{0,9}+[\\x00-\\x7f]")


def _maybe(field: bytes) -> bytes:
    return b"(?:" + field + b")?+"


def _compiled(*fields: bytes) -> re.Pattern[bytes]:
    return re.compile(b"".join(fields), re.DOTALL)


_has_two_dots = re.compile(rb"\.[0-9]*+\.").search
"""Whether any number has. Between two of them stands a length, which is no digit. A name that seems
to have them is looked at closely, too."""

_match_position = _compiled(
    _name(1, 64, usual=48),
    _name(2, 64, usual=36),
    _name(3, 16, usual=6),
    _maybe(_whole(4, len(SIDES) - 1)),
    _maybe(_time(5)),
    _maybe(_time(6)),
    *(_number(number, signed=True) for number in range(8, 19)),
    *(_number(number) for number in (19, 20)),
).match
_match_order = _compiled(
    _name(1, 64, usual=36),
    _whole(2, len(SIDES) - 1, least=1),
    *(_number(number, signed=True) for number in (3, 4, 5)),
    *(_number(number) for number in (6, 7, 8)),
    _number(9, signed=True),
    *(_number(number) for number in (10, 11, 12, 13, 14)),
    _maybe(_whole(15, len(EXECUTION_TYPES) - 1)),
    _maybe(_whole(16, len(ORDER_SOURCES) - 1)),
    _maybe(_time(17)),
).match
_match_source = _compiled(
    _any_text(1),
    _any_int(2),
    *(_number(number) for number in (3, 4, 5, 6, 7)),
    _any_int(8),
    _maybe(_whole(9, 1)),
    _any_int(10),
    *(_number(number) for number in (11, 12)),
).fullmatch


# ------------------------------------------------------------------ looking


def is_position_right(position: pb.Position, wire: bytes, orders_max: int) -> bool:
    """A position and its wire bytes, without what the server says of it. No leg is certain."""
    parts = raw.PositionParts.FromString(wire)
    orders = list(parts.orders)
    parts.ClearField("orders")
    beside = parts.SerializeToString()
    match = _match_position(beside)
    return (
        match is not None
        and _has_two_dots(wire) is None
        and (match.end() == len(beside) or _is_end(beside[match.end() :], position.extra))
        and (not position.HasField("close_ms") or position.open_ms <= position.close_ms)
        and (not position.stop_loss or Decimal(position.stop_loss) > 0)
        and len(orders) <= orders_max
        and all(map(_is_order, orders))
    )


def is_order_right(wire: bytes) -> bool:
    """The wire bytes of an order."""
    return _has_two_dots(wire) is None and _is_order(wire)


def _is_order(wire: bytes) -> bool:
    match = _match_order(wire)
    return match is not None and (match.end() == len(wire) or _is_tail(wire[match.end() :]))


def _is_tail(wire: bytes) -> bool:
    """What stands after an order's own fields: price sources and `extra`, and nothing else."""
    tail = raw.OrderTail.FromString(wire)
    extra, sources = tail.extra, list(tail.price_sources)
    tail.DiscardUnknownFields()
    return (
        tail.ByteSize() == len(wire)
        and (not extra or is_extra(extra))
        and len(sources) <= PRICE_SOURCES_MAX
        and all(map(_match_source, sources))
    )


def _is_end(wire: bytes, extra: str) -> bool:
    """Whether a message ends with this `extra` and nothing else."""
    data = extra.encode()
    return wire == _EXTRA + varint(len(data)) + data and is_extra(extra)


_EXTRA = varint(99 << 3 | 2)
