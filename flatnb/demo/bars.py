"""Bars as whole numbers, and their table in the vendor's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .noise import Ints

PRICE_UNITS = 10_000
"""Prices are whole numbers of 1/100 cent, the finest price in the files."""
SHARE_UNITS = 1_000_000
"""Volumes are whole numbers of a millionth of a share, so that parts add up to their whole."""

# Below this many trades a bar's high and low are its open and close, so that as many minute bars
# can always show all four of them.
TRADES_FOR_RANGE = 12


@dataclass(frozen=True)
class Bars:
    """Bars, as arrays of one shape."""

    volume: Ints
    open: Ints
    close: Ints
    high: Ints
    low: Ints
    transactions: Ints

    def __getitem__(self, index: Any) -> Bars:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return Bars(**{name: array[index] for name, array in arrays.items()})


def make_bars(volume: Ints, prices: tuple[Ints, Ints, Ints, Ints], transactions: Ints) -> Bars:
    """Bars whose ``(open, close, high, low)`` fit each other and the number of trades."""
    open_, close, high, low = prices
    open_ = np.where(transactions == 1, close, open_)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    wide = transactions >= TRADES_FOR_RANGE
    high = np.where(wide, np.maximum(high, top), top)
    low = np.where(wide, np.minimum(low, bottom), bottom)
    return Bars(volume, open_, close, high, low, transactions)


def to_table(tickers: pl.Series, owner: NDArray[np.intp], bars: Bars, start: Ints) -> pl.DataFrame:
    """The table of a file; row ``i`` belongs to ``tickers[owner[i]]``.

    Division by a power of ten gives the float nearest to the decimal number, which is what
    parsing the number's text gives.
    """
    return pl.DataFrame(
        {
            "ticker": tickers.gather(owner),
            "volume": bars.volume / SHARE_UNITS,
            "open": bars.open / PRICE_UNITS,
            "close": bars.close / PRICE_UNITS,
            "high": bars.high / PRICE_UNITS,
            "low": bars.low / PRICE_UNITS,
            "window_start": start,
            "transactions": bars.transactions,
        }
    )
