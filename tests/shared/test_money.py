"""Numbers: which texts are numbers, where the limits are, and that no float comes through."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotbook_shared.errors import InvalidArgument
from hotbook_shared.money import (
    DIGITS_MAX,
    TEXT_MAX,
    ZERO,
    are_plain,
    check_leg_number,
    check_number,
    from_text,
    from_text_or_none,
    to_text,
)

NINES = "9" * DIGITS_MAX

NUMBERS = [
    *("", "0", "-0", "0.0", "00012", "1", "-1", "+1", "1.", ".5", "65000.25", "1e5", "1E-5"),
    *(NINES, f"-{NINES}", f"0.{NINES}", f"0.0000{NINES}", "1e400", "-1e400", "1e-400"),
    *("1" + "0" * 27, f"{NINES}e-300", "0e800", "0e-800", "0" * TEXT_MAX, "1.7976931348623157e308"),
    "0." + "0" * 399 + NINES,
]
NO_NUMBERS = [
    *("nan", "NaN", "-nan", "sNaN", "NaN123", "inf", "-Infinity", "Infinity"),
    *("abc", "1,5", "1 ", " 1", "1\n", "\n", " ", "1_000", "0x10", "1e", "e5", "--1", "1.2.3"),
    *("٣", "１", "½", "1\x00", "\x00", "💶", "'; drop", "True", "None"),  # noqa: RUF001
    *(NINES + "9", f"0.{NINES}9", "1" + "0" * DIGITS_MAX, "0" * (TEXT_MAX + 1)),
    *("1e401", "-1e401", "9e-401", "0e801", "0e-801", "1e999999999999999999999"),
]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_within_the_limits_is_taken(text: str) -> None:
    """Any spelling of a finite number of 28 digits, from 1e-400 to 1e+400, is a number."""
    check_number(text, "price")

    assert to_text(from_text(text, ZERO)) == str(Decimal(text or 0))


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_refused_by_the_name_of_its_field(text: str) -> None:
    """NaN, infinities, other scripts, white space, too many digits, too far out: refused."""
    with pytest.raises(InvalidArgument) as refused:
        check_number(text, "position.orders[2].price")

    assert refused.value.field == "position.orders[2].price"
    assert refused.value.message.startswith("position.orders[2].price ")


@pytest.mark.parametrize("text", ["1.1e400", "9.9e400", "-2e400"])
def test_the_largest_magnitude_is_the_one_that_is_documented(text: str) -> None:
    """Nothing beyond 1e+400 is taken, for that is what the module promises."""
    with pytest.raises(InvalidArgument, match="out of range"):
        check_number(text, "price")


@pytest.mark.parametrize("text", ["-1", "-0.0000001", "-1e-400"])
def test_a_negative_number_is_refused_where_none_may_stand(text: str) -> None:
    """A price below zero is refused; zero, in any spelling, is not negative."""
    check_number("-0.00", "price", signed=False)
    check_number(text, "price", signed=True)

    with pytest.raises(InvalidArgument, match="price must not be negative"):
        check_number(text, "price", signed=False)


LEG_NUMBERS = [
    ("", True),
    ("0", True),
    ("9999999999.99999999", True),
    ("-9999999999.99999999", True),
    ("0.00000001", True),
    ("1e9", True),
    ("10000000000", False),
    ("1e10", False),
    ("0.000000001", False),
    ("1.123456789", False),
]


@pytest.mark.parametrize(("text", "is_taken"), LEG_NUMBERS)
def test_a_leg_is_held_to_ten_integer_digits_and_eight_decimals(text: str, is_taken: bool) -> None:
    """A leg's number is taken up to the very edge of NUMERIC(18, 8), and not beyond."""
    if is_taken:
        check_leg_number(text, "position.quantity")
        return
    with pytest.raises(InvalidArgument) as refused:
        check_leg_number(text, "position.quantity")

    assert refused.value.field == "position.quantity"


@pytest.mark.parametrize("value", [0.1, 1.0, float("nan"), True, False, b"1", [1], object(), 1j])
def test_a_float_is_refused_by_the_name_of_its_field(value: object) -> None:
    """What is no Decimal never becomes a number: its digits are not what was meant."""
    with pytest.raises(InvalidArgument) as refused:
        to_text(value, "position.net_leverage")  # type: ignore[arg-type]

    assert refused.value.field == "position.net_leverage"
    assert type(value).__name__ in refused.value.message


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_digits(number: Decimal) -> None:
    """A Decimal comes back with the same sign, digits and exponent: 1.10 is not 1.1."""
    back = from_text_or_none(to_text(number))

    assert back is not None
    assert back.as_tuple() == number.as_tuple()


def test_nothing_is_the_empty_text() -> None:
    """None and the empty text stand for "not given"; a default replaces it on the way in."""
    assert to_text(None) == ""
    assert from_text_or_none("") is None
    assert from_text("", Decimal(7)) == 7


texts = st.one_of(
    st.sampled_from([*NUMBERS, *NO_NUMBERS]),
    st.from_regex(r"-?[0-9]{0,12}\.?[0-9]{0,30}", fullmatch=True),
    st.text(alphabet="0123456789.-\n", max_size=12),
)


@settings(deadline=None)
@given(st.lists(texts, min_size=2, max_size=2))
def test_the_quick_look_lets_nothing_wrong_through(given: list[str]) -> None:
    """Where many texts are found plain by one match, each of them is within the limits."""
    if are_plain(given):
        for text in given:
            check_number(text, "number")


def test_the_quick_look_knows_usual_numbers() -> None:
    """What nearly every number looks like takes the quick way; a line break never passes."""
    assert are_plain(("-65000.25", "", "0.1", "1.5e-05", "0", "1e+16"))
    assert are_plain(())
    assert not are_plain(("1\n1", ""))
    assert not are_plain(("1", "1\n", ""))
    assert not are_plain(("1e100",))
