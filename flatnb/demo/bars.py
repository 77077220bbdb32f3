"""Bars as integer arrays, and their table in the vendor's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .noise import Ints

PRICE_UNITS = 10_000
"""Price units per dollar: prices are integers of 1/100 cent, the finest step in the files."""

SHARE_UNITS = 1_000_000
"""Volume units per share: the files have six decimals, and integers add up exactly."""

TRADES_FOR_RANGE = 12
"""A bar of fewer trades has no prices beyond its open and close.

Its minute bars may be too few to have a separate high and low.
"""

Index: TypeAlias = "int | slice | NDArray[np.intp] | tuple[slice, int | None]"


@dataclass(frozen=True)
class Bars:
    """Bars, as arrays of the same shape; prices in `PRICE_UNITS`, volumes in `SHARE_UNITS`."""

    volume: Ints
    open: Ints
    close: Ints
    high: Ints
    low: Ints
    transactions: Ints

    def __getitem__(self, index: Index) -> Bars:
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return Bars(**{name: array[index] for name, array in arrays.items()})


def make_bars(volume: Ints, prices: tuple[Ints, Ints, Ints, Ints], transactions: Ints) -> Bars:
    """Bars whose ``prices`` (open, close, high, low) agree with each other and the trades."""
    open_, close, high, low = prices
    open_ = np.where(transactions == 1, close, open_)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    wide = transactions >= TRADES_FOR_RANGE
    high = np.where(wide, np.maximum(high, top), top)
    low = np.where(wide, np.minimum(low, bottom), bottom)
    return Bars(volume, open_, close, high, low, transactions)


def to_table(tickers: pl.Series, owner: NDArray[np.intp], bars: Bars, start: Ints) -> pl.DataFrame:
    """The table of a file.

    Parameters
    ----------
    owner
        For each row the index of its ticker.
    start
        For each row its ``window_start``, Unix nanoseconds.
    """
    # Division by a power of ten rounds to the float nearest to the decimal number (IEEE 754),
    # which is what parsing the number's text gives.
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
