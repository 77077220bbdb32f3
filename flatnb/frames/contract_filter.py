"""Which option contracts are wanted, by what their symbols say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ..market.calendar import as_date
from ..market.option_symbols import STRIKE_UNITS, TAIL, TAIL_PATTERN, OptionType
from .option_columns import option_type, strike_units

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ContractFilter:
    """Limits, both inclusive.

    Attributes
    ----------
    expiry
        First and last day, as in a symbol: yymmdd.
    strike
        Lowest and highest, in thousandths of a dollar.
    option_type
        ``"call"``, ``"put"`` or None for both.
    """

    expiry: tuple[str, str]
    strike: tuple[float, float]
    option_type: OptionType | None

    def expression(self) -> pl.Expr:
        """The rows that are wanted, as a polars filter."""
        import polars as pl

        ticker = pl.col("ticker")
        first, last = self.expiry
        wanted = (
            ticker.str.contains(f"{TAIL_PATTERN}$")
            & ticker.str.slice(-TAIL, 6).is_between(pl.lit(first), pl.lit(last))
            & strike_units().is_between(*self.strike)
        )
        return wanted if self.option_type is None else wanted & (option_type() == self.option_type)


def parse_contract_filter(expiry: Any, strike: Any, option_type: Any) -> ContractFilter | None:
    """What a user asks for; None for all.

    Raises
    ------
    ValueError
        If a range is no pair or runs backwards, or the type is unknown.
    """
    if expiry is strike is option_type is None:
        return None
    if option_type not in (None, "call", "put"):
        raise ValueError(f"option_type={option_type!r} is unknown; choose 'call' or 'put'")
    first, last = _pair("expiry", expiry, "('2024-01-01', '2024-02-01')")
    first = date(2000, 1, 1) if first is None else as_date(first, "expiry")
    last = date(2099, 12, 31) if last is None else as_date(last, "expiry")
    low, high = _pair("strike", strike, "(470, 480)")
    for end in (low, high):
        if end is not None and (isinstance(end, bool) or not isinstance(end, (int, float))):
            raise ValueError(f"strike={strike!r} must hold dollars, such as (470, 480)")
    low = 0 if low is None else round(low * STRIKE_UNITS, 3)
    high = math.inf if high is None else round(high * STRIKE_UNITS, 3)
    if first > last:
        raise ValueError(f"expiry={expiry!r} runs backwards; swap its ends")
    if low > high:
        raise ValueError(f"strike={strike!r} runs backwards; swap its ends")
    return ContractFilter((f"{first:%y%m%d}", f"{last:%y%m%d}"), (low, high), option_type)


def _pair(parameter: str, value: Any, example: str) -> tuple[Any, Any]:
    if value is None:
        return None, None
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise ValueError(
            f"{parameter}={value!r} must be a pair, both inclusive, such as {example}; "
            "None leaves an end open"
        )
    return value[0], value[1]
