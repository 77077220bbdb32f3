"""Where in a file a ticker's rows may lie, estimated from how many trades it had."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PositionEstimates:
    """Estimates byte offsets from the daily file, and learns from what was found.

    An estimate that is wrong costs a request; nothing else depends on it.

    Parameters
    ----------
    transactions
        The day's trades of each ticker of the sorted list.
    size_bytes
        The size of the compressed file.
    """

    def __init__(self, transactions: NDArray[np.int64], size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._sums = np.append(0.0, np.cumsum(_weights(transactions)))
        self._seen = {0: 0.0, len(transactions): float(size_bytes)}

    def observe(self, ticker: int, offset: float) -> None:
        """Note where the rows of a ticker, given by its number, begin."""
        if 0 < ticker < len(self._sums) - 1:
            self._seen[ticker] = offset

    def begin(self, ticker: int) -> float:
        """Where the rows of a ticker may begin."""
        numbers = sorted(self._seen)
        at = int(np.searchsorted(numbers, ticker, side="right"))
        low, high = numbers[max(at - 1, 0)], numbers[min(at, len(numbers) - 1)]
        before, after = self._seen[low], self._seen[high]
        whole = self._sums[high] - self._sums[low]
        part = (self._sums[ticker] - self._sums[low]) / whole if whole else 0.0
        return float(before + part * (after - before))

    def end(self, ticker: int) -> float:
        """Where the rows of a ticker may end."""
        scale = self.size_bytes / max(float(self._sums[-1]), 1.0)
        return self.begin(ticker) + float(self._sums[ticker + 1] - self._sums[ticker]) * scale

    def uncertainty(self, ticker: int) -> float:
        """How far an estimate may be off, in bytes; less near what has been found."""
        nearest = min(abs(self.begin(ticker) - offset) for offset in self._seen.values())
        return min(0.008 * self.size_bytes, 0.08 * nearest) + 12_000


def _weights(transactions: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many bytes a ticker's rows take.

    Trades fall into minutes by chance: few trades have a row each, many share the 390 regular
    minutes and some besides. The constants are those of synthetic files.
    """
    trades = transactions.astype(np.float64)
    rows = trades / (1 + trades / 440)
    rows += 30 * np.maximum(np.log10(np.maximum(trades, 1) / 2000), 0)
    return np.asarray(rows * (9 + np.log10(1 + trades / np.maximum(rows, 1))) + 6)
