"""A filter of option contracts by expiry, strike and type, which their symbols contain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeVar

from ..market.calendar import DateLike, as_date
from ..market.option_symbols import STRIKE_UNITS, TAIL, TAIL_PATTERN, OptionType
from .option_columns import option_type, strike_units

if TYPE_CHECKING:
    import polars as pl


T = TypeVar("T")


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
        A pair of prices in dollars, both inclusive; None for either end leaves it open.
    option_type
        ``"call"``, ``"put"`` or None for both.

    Raises
    ------
    ValueError
        If a range is not a pair or is reversed, or the type is unknown.
    """
    if expiry is None and strike is None and option_type is None:
        return None
    if option_type not in (None, "call", "put"):
        raise ValueError(f"option_type={option_type!r} is unknown; choose 'call' or 'put'")
    dates: tuple[DateLike | None, DateLike | None]
    dates = _pair("expiry", expiry, "('2024-01-01', '2024-02-01')")
    start, end = dates
    # The earliest and the latest expiry that a symbol can express.
    first = date(2000, 1, 1) if start is None else as_date(start, "expiry")
    last = date(2099, 12, 31) if end is None else as_date(end, "expiry")
    lowest, highest = _pair("strike", strike, "(470, 480)")
    for price in (lowest, highest):
        if price is not None and (isinstance(price, bool) or not isinstance(price, (int, float))):
            raise ValueError(f"strike={strike!r} must be prices in dollars, such as (470, 480)")
    # Rounded, as 1.001 * 1000 is not 1001 in floating point.
    low = 0 if lowest is None else round(lowest * STRIKE_UNITS, 3)
    high = math.inf if highest is None else round(highest * STRIKE_UNITS, 3)
    if first > last:
        raise ValueError(f"expiry={expiry!r} is reversed; swap its ends")
    if low > high:
        raise ValueError(f"strike={strike!r} is reversed; swap its ends")
    return ContractFilter((f"{first:%y%m%d}", f"{last:%y%m%d}"), (low, high), option_type)


def _pair(
    parameter: str, value: Sequence[T | None] | None, example: str
) -> tuple[T | None, T | None]:
    if value is None:
        return None, None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise ValueError(
            f"{parameter}={value!r} must be a pair, both ends inclusive, such as {example}; "
            "None leaves an end open"
        )
    return value[0], value[1]
