"""What requests of campaigns must look like, whatever the book holds; the rest is in shape.py."""

from __future__ import annotations

from collections.abc import Sized
from decimal import Decimal

from hotbook_server.config import Settings
from hotbook_server.rpc.extras import check_extra
from hotbook_server.rpc.shape import TIMEFRAME_MAX, check_enum, check_time
from hotbook_server.rules.leg_figures import check_stop
from hotbook_shared.campaign_wire import EXIT_REASONS, STATES
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.money import SUMS, check_leg_number, check_number, from_text
from hotbook_shared.names import UUID_MAX, check_hotkey, check_id, check_trade_pair, check_uuid
from hotbook_shared.pb import hotbook_pb2 as pb
from hotbook_shared.wire import PATTERN_TYPES

TEXT_MAX = 1_000


def check_campaign_id(text: str, field: str = "campaign_id") -> None:
    check_id(text, field, UUID_MAX)


def check_count(items: Sized, most: int, field: str) -> None:
    if not 0 < len(items) <= most:
        raise InvalidArgument(f"{field} must have 1 to {most} items, not {len(items)}", field=field)


def check_price(text: str, field: str, *, is_needed: bool = True) -> None:
    """A price or a size: above 0, at most 10 integer digits and 8 decimals."""
    if not text and not is_needed:
        return
    check_number(text, field, signed=False)
    check_leg_number(text, field)
    if not from_text(text):
        raise InvalidArgument(f"{field} must be above 0, not {text or 'left out'}", field=field)


def check_text(text: str, field: str) -> None:
    if len(text) > TEXT_MAX or not text.isprintable():
        raise InvalidArgument(
            f"{field} must be printable and have at most {TEXT_MAX} characters", field=field
        )


def check_state(state: int, field: str) -> None:
    check_enum(state, STATES, field)
    if not state:
        raise InvalidArgument(f"{field} is missing", field=field)


def check_exit_reason(reason: int) -> None:
    check_enum(reason, EXIT_REASONS, "reason")


def check_part(hotkey: str, trade_pair: str, at: str = "") -> None:
    """A hotkey and a pair, either of which may be left out."""
    if hotkey:
        check_hotkey(hotkey, f"{at}hotkey")
    if trade_pair:
        check_trade_pair(trade_pair, f"{at}trade_pair")


def check_pattern_request(request: pb.AddPatternRequest, at: str) -> None:
    """`at` is where it stands in a larger request."""
    check_hotkey(request.hotkey, f"{at}hotkey")
    check_trade_pair(request.trade_pair, f"{at}trade_pair")
    _check_setting(request, at)
    if not request.HasField("pattern"):
        raise InvalidArgument(f"{at}pattern is missing", field=f"{at}pattern")
    pattern, at = request.pattern, f"{at}pattern."
    pattern.DiscardUnknownFields()  # type: ignore[no-untyped-call, unused-ignore]
    check_id(pattern.signal_id, f"{at}signal_id", UUID_MAX)
    _check_kind(pattern.type, f"{at}type")
    check_time(pattern.at_ms, f"{at}at_ms")
    if not pattern.at_ms:
        raise InvalidArgument(f"{at}at_ms is missing", field=f"{at}at_ms")
    check_price(pattern.price, f"{at}price")
    for name in ("support", "resistance"):
        check_price(getattr(pattern, name), f"{at}{name}", is_needed=False)
    _check_range(pattern, at)
    check_number(pattern.volume_ratio, f"{at}volume_ratio", signed=False)
    check_extra(pattern.extra, f"{at}extra")


def campaign_of(request: pb.CreateCampaignRequest) -> pb.Campaign:
    """The campaign that a request describes."""
    if request.campaign_id:
        check_campaign_id(request.campaign_id)
    check_hotkey(request.hotkey)
    check_trade_pair(request.trade_pair)
    _check_setting(request, "")
    check_time(request.started_ms, "started_ms")
    for name in ("support", "resistance"):
        check_price(getattr(request, name), name, is_needed=False)
    _check_range(request, "")
    for name in ("risk_limit", "allocation"):
        check_number(getattr(request, name), name, signed=False)
    names = ("campaign_id", "hotkey", "trade_pair", "range_id", "timeframe", "started_ms",
             "support", "resistance", "account_size", "risk_limit", "allocation")  # fmt: skip
    return pb.Campaign(**{name: getattr(request, name) for name in names})


def leg_of(request: pb.AddLegRequest) -> pb.Position:
    """The position that a request for a leg describes; hotkey and pair are its campaign's."""
    if request.position_uuid:
        check_uuid(request.position_uuid)
    _check_kind(request.pattern_type, "pattern_type")
    for name, most in (("signal_id", UUID_MAX), ("timeframe", TIMEFRAME_MAX)):
        if text := getattr(request, name):
            check_id(text, name, most)
    if request.side not in (pb.SIDE_LONG, pb.SIDE_SHORT):
        raise InvalidArgument("side must be LONG or SHORT", field="side")
    for name in ("entry", "shares", "stop"):
        check_price(getattr(request, name), name)
    check_time(request.opened_ms, "opened_ms")
    check_extra(request.extra, "extra")
    entry, shares, stop = map(Decimal, (request.entry, request.shares, request.stop))
    is_long = request.side == pb.SIDE_LONG
    check_stop(is_long, entry, stop, "stop")
    return pb.Position(
        position_uuid=request.position_uuid,
        side=request.side,
        open_ms=request.opened_ms,
        quantity=f"{shares:f}",
        net_quantity=f"{shares if is_long else -shares:f}",
        average_entry_price=f"{entry:f}",
        cumulative_entry_value=_value(entry, shares),
        stop_loss=f"{stop:f}",
        pattern_type=request.pattern_type,
        signal_id=request.signal_id,
        timeframe=request.timeframe,
        extra=request.extra,
    )


def check_listing(request: pb.ListCampaignsRequest) -> None:
    for number, state in enumerate(request.states):
        check_state(state, f"states[{number}]")
    check_part(request.hotkey, request.trade_pair)


def page_size_of(asked: int, settings: Settings) -> int:
    if asked < 0:
        raise InvalidArgument(f"page_size must not be negative: {asked}", field="page_size")
    return min(asked or settings.page_size_default, settings.page_size_max)


def created_of(token: str) -> int:
    """After which campaign a page begins."""
    if not token:
        return 0
    if not token.isascii() or not token.isdecimal() or len(token) > 19:
        raise _bad_token()
    return int(token)


def leg_token_of(token: str) -> tuple[bool, int, str] | None:
    """After which leg a page begins: whether that was open, when it was opened, and its uuid."""
    if not token:
        return None
    opened, _, uuid = token[1:].partition(" ")
    if token[0] not in "oc" or not opened.isdecimal() or len(opened) > 19 or not uuid:
        raise _bad_token()
    return token[0] == "o", int(opened), uuid


def _bad_token() -> InvalidArgument:
    return InvalidArgument("page_token is not one of this server's", field="page_token")


def _check_setting(request: pb.AddPatternRequest | pb.CreateCampaignRequest, at: str) -> None:
    if request.range_id:
        check_id(request.range_id, f"{at}range_id", UUID_MAX)
    if request.timeframe:
        check_id(request.timeframe, f"{at}timeframe", TIMEFRAME_MAX)
    check_number(request.account_size, f"{at}account_size", signed=False)


def _check_range(given: pb.Pattern | pb.CreateCampaignRequest, at: str) -> None:
    low, high = from_text(given.support), from_text(given.resistance)
    if low and high and low > high:
        raise InvalidArgument(
            f"{at}support ({low}) lies above resistance ({high})", field=f"{at}support"
        )


def _check_kind(kind: int, field: str) -> None:
    check_enum(kind, PATTERN_TYPES, field)
    if not kind:
        raise InvalidArgument(f"{field} is missing: SPRING, AR, SOS or LPS", field=field)


def _value(entry: Decimal, shares: Decimal) -> str:
    """What a leg cost, where that has no more digits than a number may have."""
    value = f"{SUMS.multiply(entry, shares):f}"
    return value if len(value) <= 28 else ""
