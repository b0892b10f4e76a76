"""The nouns: times to the millisecond, naive datetimes refused, nothing can be changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotbook import Order, Position, PriceSource, Side
from hotbook_shared.errors import InvalidArgument
from hotbook_shared.model import MS_MAX, epoch_ms, utc
from tests.make import CLOSE_MS, OPEN_MS, closed, order, position


class ZoneWithoutOffset(tzinfo):
    """A zone that does not know its offset: Python calls a datetime with it naive."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None


TIMES = [
    (0, datetime(1970, 1, 1, tzinfo=UTC)),
    (1, datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)),
    (OPEN_MS, datetime(2024, 12, 12, 10, 40, tzinfo=UTC)),
    (MS_MAX, datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
]


@pytest.mark.parametrize(("ms", "moment"), TIMES)
def test_a_time_has_a_twin(ms: int, moment: datetime) -> None:
    """Epoch milliseconds and the aware datetime are the same moment, both ways."""
    assert utc(ms) == moment
    assert utc(ms).tzinfo is UTC
    assert epoch_ms(moment) == ms == epoch_ms(ms)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=MS_MAX))
def test_no_millisecond_is_lost(ms: int) -> None:
    """Every millisecond up to the year 9999 survives its datetime: no float is on the way."""
    assert epoch_ms(utc(ms)) == ms


def test_a_zone_is_converted_and_what_is_under_a_millisecond_is_cut() -> None:
    """12:00 in a zone of +02:00 is 10:00 UTC; microseconds are cut, never rounded up."""
    summer = timezone(timedelta(hours=2))

    assert epoch_ms(datetime(1970, 1, 1, 3, 0, tzinfo=summer)) == 3_600_000
    assert epoch_ms(datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)) == 1


NO_TIMES = [
    datetime(2024, 12, 12, 10, 40),
    datetime(2024, 12, 12, 10, 40, tzinfo=ZoneWithoutOffset()),
    1.5,
    1e12,
    True,
    None,
    "2024-12-12",
    Decimal(1),
    OPEN_MS * 1.0,
]


@pytest.mark.parametrize("value", NO_TIMES, ids=lambda value: type(value).__name__)
def test_what_is_no_certain_moment_is_refused_by_name(value: object) -> None:
    """A naive datetime, a float, a bool or a text is no time; the error names the field."""
    with pytest.raises(InvalidArgument) as refused:
        epoch_ms(value, "position.open_ms")  # type: ignore[arg-type]

    assert refused.value.field == "position.open_ms"


def test_each_time_of_a_noun_has_its_twin() -> None:
    """opened_at, closed_at, updated_at and processed_at say the same as their milliseconds."""
    made = closed(updated_ms=5)

    assert made.opened_at == utc(OPEN_MS)
    assert made.closed_at == utc(CLOSE_MS)
    assert made.updated_at == utc(5)
    assert made.orders[0].processed_at == utc(OPEN_MS)
    assert position().closed_at is None


@pytest.mark.parametrize("close_ms", [None, 0, OPEN_MS, CLOSE_MS])
def test_the_close_time_alone_says_whether_a_position_is_open(close_ms: int | None) -> None:
    """A position without a close time is open, whatever its side; a close at 0 is a close."""
    made = position(close_ms=close_ms, side=Side.FLAT)

    assert made.is_open == (close_ms is None)


NOUNS: list[tuple[msgspec.Struct, str]] = [
    (position(), "net_leverage"),
    (position(), "close_ms"),
    (position(), "orders"),
    (order(), "price"),
    (PriceSource(), "open"),
]


@pytest.mark.parametrize(("noun", "field"), NOUNS)
def test_a_noun_cannot_be_changed(noun: msgspec.Struct, field: str) -> None:
    """Neither a field that is there nor a new one can be set or removed."""
    with pytest.raises(AttributeError):
        setattr(noun, field, None)
    with pytest.raises(AttributeError):
        delattr(noun, field)
    with pytest.raises(AttributeError):
        noun.surprise = 1  # type: ignore[attr-defined]


def test_defaults_are_not_shared() -> None:
    """What is written into one position's `extra` does not appear in another's."""
    first, second = position(), position()
    assert isinstance(first.extra, dict)
    first.extra["mark"] = 1

    assert second.extra == {}
    assert position().extra == {}


@pytest.mark.parametrize("noun", [Position, Order])
def test_what_a_noun_needs_must_be_named(noun: type[msgspec.Struct]) -> None:
    """No field is given by its place, and one that has no default cannot be left out."""
    with pytest.raises(TypeError):
        noun("hk", "p1", "BTCUSD")
    with pytest.raises(TypeError):
        noun()


def test_equal_fields_make_equal_positions() -> None:
    """Positions are compared by what they hold; 1.10 and 1.1 are the same number."""
    assert position(net_leverage=Decimal("1.10")) == position(net_leverage=Decimal("1.1"))
    assert position() != position(net_leverage=Decimal(2))
