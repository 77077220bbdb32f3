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
        header, *lines = text.decode("utf-8").splitlines()
        self._columns = header.split(",")
        missing = {"ticker", "volume", "high", "low", "transactions"} - set(self._columns)
        if missing:
            raise ValueError(f"the daily file has no column {min(missing)!r}; read whole files")
        place = self._columns.index("ticker")
        if place or self._columns[-1] != "transactions":
            lines = [self._reordered(line) for line in lines]
        self.tickers = [line.partition(",")[0] for line in lines]
        self._lines = dict(zip(self.tickers, lines, strict=True))
        if len(self._lines) != len(lines):
            raise ValueError("the daily file has a ticker twice; read whole files")
        counts = [line[line.rfind(",") + 1 :] for line in lines]
        try:
            self.transactions: NDArray[np.int64] = np.array(counts, np.str_).astype(np.int64)
        except ValueError as error:
            raise ValueError(f"the daily file has odd transactions ({error})") from error

    def _reordered(self, line: str) -> str:
        """The line with its ticker first and its transactions last."""
        cells = line.split(",")
        named = dict(zip(self._columns, cells, strict=False))
        others = [named[name] for name in self._columns if name not in ("ticker", "transactions")]
        return ",".join([named["ticker"], *others, named["transactions"]])

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
        others = [name for name in self._columns if name not in ("ticker", "transactions")]
        named = dict(zip(["ticker", *others, "transactions"], line.split(","), strict=False))
        try:
            return Bar(
                Decimal(named["volume"]),
                Decimal(named["high"]),
                Decimal(named["low"]),
                int(named["transactions"]),
            )
        except (KeyError, InvalidOperation, ValueError) as error:
            raise ValueError(f"the daily bar of {ticker} is odd ({line})") from error
