"""The bars of a day: which tickers there are, and what their minutes must add up to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bar:
    """What the minutes of a ticker must add up to.

    Attributes
    ----------
    volume, high, low
        Exactly as the file writes them.
    transactions
        How many trades there were.
    """

    volume: Decimal
    high: Decimal
    low: Decimal
    transactions: int


class DailyBars:
    """The bars of one day.

    Attributes
    ----------
    tickers
        In the file's order.
    transactions
        How many trades each of them had.

    Parameters
    ----------
    text
        The decompressed daily file of the same day.

    Raises
    ------
    ValueError
        If it has no such columns, a ticker twice, or a number that is none.
    """

    def __init__(self, text: bytes) -> None:
        header, _, rows = text.partition(b"\n")
        self._columns = header.decode("utf-8").rstrip("\r").split(",")
        missing = {"ticker", "volume", "high", "low", "transactions"} - set(self._columns)
        if missing:
            raise ValueError(f"the daily file has no column {min(missing)!r}; read whole files")
        lines = rows.decode("utf-8").splitlines()
        self.tickers = self._cells(lines, "ticker")
        self._lines = dict(zip(self.tickers, lines, strict=True))
        if len(self._lines) != len(lines):
            raise ValueError("the daily file has a ticker twice; read whole files")
        try:
            counts = [int(cell) for cell in self._cells(lines, "transactions")]
        except ValueError as error:
            raise ValueError(f"the daily file has odd transactions ({error})") from error
        self.transactions: NDArray[np.int64] = np.array(counts, np.int64)

    def _cells(self, lines: list[str], column: str) -> list[str]:
        """A column's cells."""
        place = self._columns.index(column)
        if place == 0:
            return [line.partition(",")[0] for line in lines]
        if place == len(self._columns) - 1:
            return [line.rpartition(",")[2] for line in lines]
        cells = [line.split(",", place + 1) for line in lines]
        return [cell[place] if place < len(cell) else "" for cell in cells]

    def counts_of(self, tickers: list[str]) -> NDArray[np.int64]:
        """The transactions of these tickers, in this order."""
        if tickers == self.tickers:
            return self.transactions
        known = dict(zip(self.tickers, self.transactions.tolist(), strict=True))
        return np.array([known[ticker] for ticker in tickers], np.int64)

    def bar(self, ticker: str) -> Bar | None:
        """The ticker's bar, or None if it has none."""
        line = self._lines.get(ticker)
        if line is None:
            return None
        named = dict(zip(self._columns, line.split(","), strict=False))
        try:
            return Bar(
                Decimal(named["volume"]),
                Decimal(named["high"]),
                Decimal(named["low"]),
                int(named["transactions"]),
            )
        except (KeyError, InvalidOperation, ValueError) as error:
            raise ValueError(f"the daily bar of {ticker} is odd ({line})") from error
