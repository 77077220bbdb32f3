"""A filter of option contracts by expiry, strike and type, which their symbols contain."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from ..market.calendar import DateLike, as_date
from ..market.option_symbols import STRIKE_UNITS, TAIL, TAIL_PATTERN, OptionType
from .option_columns import option_type, strike_units

if TYPE_CHECKING:
    import polars as pl


T = TypeVar("T")

# The earliest and the latest expiry that a symbol can express, with its two digits of the year.
_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)


@dataclass(frozen=True)
class ContractFilter:
    """Limits of expiry and strike, both ends inclusive, and an option type.

    Attributes
    ----------
    expiry
        First and last day, in the form of a symbol: yymmdd.
    strike
        Lowest and highest strike, in thousandths of a dollar.
    option_type
        ``"call"``, ``"put"`` or None for both.
    """

    expiry: tuple[str, str]
    strike: tuple[float, float]
    option_type: OptionType | None

    def expression(self) -> pl.Expr:
        """A polars expression that is true for the selected rows."""
        import polars as pl

        ticker = pl.col("ticker")
        first, last = self.expiry
        is_selected = (
            ticker.str.contains(f"{TAIL_PATTERN}$")
            & ticker.str.slice(-TAIL, 6).is_between(pl.lit(first), pl.lit(last))
            & strike_units().is_between(*self.strike)
        )
        if self.option_type is None:
            return is_selected
        return is_selected & (option_type() == self.option_type)


def parse_contract_filter(
    expiry: Sequence[DateLike | None] | None,
    strike: Sequence[float | None] | None,
    option_type: OptionType | None,
) -> ContractFilter | None:
    """Parse a user's arguments; None if all are None.

    Parameters
    ----------
    expiry
        A pair of dates, both inclusive; None for either end leaves it open.
    strike
        A pair of prices in dollars, both inclusive, of any numeric type; None for either end
        leaves it open.
    option_type
        ``"call"``, ``"put"`` or None for both.

    Raises
    ------
    ValueError
        If a range is not a pair or is reversed, or the type is unknown.
    """
    if expiry is None and strike is None and option_type is None:
        return None
    if option_type is not None and not (
        isinstance(option_type, str) and option_type in ("call", "put")
    ):
        raise ValueError(f"option_type={option_type!r} is unknown; choose 'call' or 'put'")
    dates: tuple[DateLike | None, DateLike | None]
    dates = _pair("expiry", expiry, "('2024-01-01', '2024-02-01')")
    start, end = dates
    first = _EARLIEST if start is None else as_date(start, "expiry")
    last = _LATEST if end is None else as_date(end, "expiry")
    lowest, highest = _pair("strike", strike, "(470, 480)")
    low = 0.0 if lowest is None else _strike_units(lowest, strike)
    high = math.inf if highest is None else _strike_units(highest, strike)
    if last < _EARLIEST or first > _LATEST:
        raise ValueError(f"expiry={expiry!r} has no day from 2000 to 2099, as symbols have")
    if first > last:
        raise ValueError(f"expiry={expiry!r} is reversed; swap its ends")
    first, last = max(first, _EARLIEST), min(last, _LATEST)
    if low > high:
        raise ValueError(f"strike={strike!r} is reversed; swap its ends")
    return ContractFilter((f"{first:%y%m%d}", f"{last:%y%m%d}"), (low, high), option_type)


def _strike_units(price: object, strike: object) -> float:
    """A price in dollars, of any numeric type, in thousandths of a dollar."""
    is_number = isinstance(price, (numbers.Real, Decimal)) and not isinstance(price, bool)
    try:
        # numpy's float32 is 470.1 as text, and 470.1000061 as a float.
        dollars = float(str(price)) if hasattr(price, "dtype") else float(price)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        dollars = math.nan
    if not is_number or math.isnan(dollars):
        raise ValueError(f"strike={strike!r} must be prices in dollars, such as (470, 480)")
    # Rounded, as 1.001 * 1000 is not 1001 in floating point.
    return dollars if math.isinf(dollars) else round(dollars * STRIKE_UNITS, 3)


def _pair(
    parameter: str, value: Sequence[T | None] | None, example: str
) -> tuple[T | None, T | None]:
    if value is None:
        return None, None
    # Not any iterable: a set has no order, and a dict or a string is a mistake.
    is_sequence = isinstance(value, Sequence) or hasattr(value, "dtype")
    try:
        ends = tuple(value) if is_sequence and not isinstance(value, (str, bytes)) else ()
    except TypeError:  # an array of no dimensions
        ends = ()
    if len(ends) != 2:
        raise ValueError(
            f"{parameter}={value!r} must be a pair, both ends inclusive, such as {example}; "
            "None leaves an end open"
        )
    return ends[0], ends[1]
