"""Names: what a hotkey, a uuid and a trade pair look like. They are data, never paths."""

from __future__ import annotations

from hotbook_shared.errors import InvalidArgument

HOTKEY_MAX = 128
PAIR_MAX = 32
UUID_MAX = 256
"""Most characters of a position's or an order's name."""


def is_id(text: str, length_max: int) -> bool:
    return 0 < len(text) <= length_max and text.isprintable() and " " not in text


def check_id(text: str, field: str, length_max: int) -> None:
    """Any printable text without white space: it is data, so dots and slashes are welcome."""
    if is_id(text, length_max):
        return
    if not text:
        raise InvalidArgument(f"{field} is missing", field=field)
    if len(text) > length_max:
        raise InvalidArgument(
            f"{field} has {len(text)} characters; at most {length_max} are taken", field=field
        )
    raise InvalidArgument(
        f"{field} must be printable and without white space: {text[:80]!r}", field=field
    )


def check_hotkey(text: str, field: str = "hotkey") -> None:
    check_id(text, field, HOTKEY_MAX)


def check_uuid(text: str, field: str = "position_uuid") -> None:
    check_id(text, field, UUID_MAX)


def check_trade_pair(text: str, field: str = "trade_pair") -> None:
    check_id(text, field, PAIR_MAX)
