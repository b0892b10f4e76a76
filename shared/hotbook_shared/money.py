"""Decimal rules: what a number may look like, on its way in and out. Never a float.

Owns the limits of numbers. A number is finite, has at most 28 significant digits, and a magnitude
between 1e-400 and 1e+400 (so that every float of an older system fits). The empty text stands
for "not given".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation

from hotbook_shared.errors import InvalidArgument

DIGITS_MAX = 28
EXPONENT_MAX = 400
TEXT_MAX = 450  # characters: a number written out in full at either end of the magnitudes

# Legs of campaigns are held to NUMERIC(18, 8).
LEG_INTEGER_DIGITS_MAX = 10
LEG_DECIMALS_MAX = 8
LEG_RESULT_DIGITS_MAX = 2 * (LEG_INTEGER_DIGITS_MAX + LEG_DECIMALS_MAX)
"""Digits of a leg's result, a price times a size: it is kept whole, so that sums are exact."""

ZERO = Decimal(0)
ONE = Decimal(1)
_LEAST, _MOST = Decimal(f"1e-{EXPONENT_MAX}"), Decimal(f"1e{EXPONENT_MAX}")

SUMS = Context(prec=2_000, traps=[Inexact])
"""Sums and products of numbers within the limits are exact in it, or fail loudly."""

PLACES = Decimal("1.00000000")
"""What figures of campaigns are rounded to, once, half-even."""

_ROUNDED = Context(prec=2_000, rounding=ROUND_HALF_EVEN)

# What nearly every number looks like, a float's shortest form included: at most 28 digits, whatever
# the form, and an exponent of two.
_PLAIN = r"(?:0\.[0-9]{1,28}+|[0-9]{1,9}+(?:\.[0-9]{1,19}+)?+(?:e[-+]?[0-9]{1,2}+)?+)"
# NB: possessive, so that a text that is none is found out without trying the others again; inside a
# number too, where there is nothing else to try: it is a third quicker.
_match_plain = re.compile(rf"(?:-?{_PLAIN}\n)*+").fullmatch


def are_plain(texts: Iterable[str]) -> bool:
    """A look at many texts at once. True: all are numbers within the limits, or empty. False: some
    may not be; `check_number` tells."""
    given = [*filter(None, texts), ""]
    joined = "\n".join(given)
    return _match_plain(joined) is not None and joined.count("\n") == len(given) - 1


def check_number(
    text: str, field: str, *, signed: bool = True, digits_max: int = DIGITS_MAX
) -> None:
    """Raises InvalidArgument, naming the field, unless the text is a number within the limits."""
    if not text:
        return
    if len(text) > TEXT_MAX:
        raise InvalidArgument(f"{field} is longer than {TEXT_MAX} characters", field=field)
    try:
        if not text.isascii() or "_" in text or text != text.strip():
            raise InvalidOperation
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidArgument(f"{field} is not a decimal number: {text!r}", field=field) from None
    if not number.is_finite():
        raise InvalidArgument(f"{field} must be finite, not {text!r}", field=field)
    if len(number.as_tuple().digits) > digits_max:
        raise InvalidArgument(
            f"{field} has more than {digits_max} significant digits: {text}", field=field
        )
    if (number and not _LEAST <= number.copy_abs() <= _MOST) or abs(
        _exponent(number)
    ) > 2 * EXPONENT_MAX:
        raise InvalidArgument(f"{field} is out of range: {text}", field=field)
    if not signed and number < 0:
        raise InvalidArgument(f"{field} must not be negative: {text}", field=field)


def check_leg_number(text: str, field: str) -> None:
    """The narrower limits of a campaign's legs and marks: 10 integer digits, 8 decimals."""
    number = Decimal(text or 0)
    if number.adjusted() >= LEG_INTEGER_DIGITS_MAX or -_exponent(number) > LEG_DECIMALS_MAX:
        raise InvalidArgument(
            f"{field}, a figure of campaigns, may have {LEG_INTEGER_DIGITS_MAX} integer digits and "
            f"{LEG_DECIMALS_MAX} decimals: {text}",
            field=field,
        )


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "the number is finite"
    return exponent


def to_text(number: Decimal | int | str | None, field: str = "number") -> str:
    """The wire's form of a number. A float is refused: its digits are not what was meant."""
    if number is None:
        return ""
    if isinstance(number, bool | float) or not isinstance(number, Decimal | int | str):
        raise InvalidArgument(
            f"{field} must be a Decimal, not {type(number).__name__}: write Decimal('{number}')",
            field=field,
        )
    return str(number)


def from_text(text: str, default: Decimal = ZERO) -> Decimal:
    """The number behind a text that has passed `check_number`; the default where it is empty."""
    return Decimal(text) if text else default


def from_text_or_none(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def to_places(number: Decimal) -> Decimal:
    """A figure with 8 decimals, half-even; of nothing 0.00000000, never a negative one."""
    rounded = number.quantize(PLACES, context=_ROUNDED)
    return rounded if rounded else ZERO_PLACES


def ratio(of: Decimal, to: Decimal) -> Decimal:
    """The quotient with 8 decimals, half-even, rounded once; zero where there is nothing to divide
    by."""
    if not to or not of:
        return ZERO_PLACES
    whole, rest = _ROUNDED.divmod(SUMS.multiply(of.copy_abs(), _SCALE), to.copy_abs())
    twice = _ROUNDED.multiply(rest, Decimal(2))
    if twice > to.copy_abs() or (twice == to.copy_abs() and whole % 2):
        whole += 1
    signed = -whole if (of < 0) != (to < 0) else whole
    return to_places(_ROUNDED.divide(signed, _SCALE))


_SCALE = Decimal(10**8)
ZERO_PLACES = ZERO.quantize(PLACES)
