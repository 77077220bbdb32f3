"""The tickers of a day, as numbers that can be compared with half-known cells in bulk."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .alphabet import Alphabet, Sets


class TickerList:
    """The sorted tickers that a file may have.

    Attributes
    ----------
    tickers
        In byte order, as in the files.
    alphabet
        The characters of the tickers and of numbers.
    """

    def __init__(self, tickers: Iterable[str]) -> None:
        # UTF-8 sorts as the code points do, so the order of the strings is that of the bytes.
        # Duplicates are removed in order, not by a set: what is sorted already is sorted quickly.
        self.tickers = sorted(dict.fromkeys(tickers))
        self.alphabet = Alphabet(self.tickers)
        encoded = "\n".join(self.tickers).encode("utf-8").split(b"\n") if self.tickers else []
        self._numbers = dict(zip(encoded, range(len(encoded)), strict=True))
        self.lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self.longest = int(np.max(self.lengths, initial=1))
        codes = np.array(encoded, f"S{self.longest}").view(np.uint8).reshape(-1, self.longest)
        one = np.uint64(1)
        self._letters: Sets = one << self.alphabet.numbers[codes].astype(np.uint64)

    def __len__(self) -> int:
        return len(self.tickers)

    def number(self, ticker: bytes) -> int | None:
        """The place of a ticker in the list, or None if it is not there."""
        return self._numbers.get(ticker)

    def fitting(self, sets: Sets, low: int, high: int) -> NDArray[np.int64]:
        """The numbers from ``low`` to ``high`` (inclusive) of the tickers that a cell may be.

        Parameters
        ----------
        sets
            What each byte of the cell may be.
        """
        some = np.flatnonzero(self.lengths[low : high + 1] == len(sets)) + low
        fits = (self._letters[some, : len(sets)] & sets) != 0
        return np.asarray(some[fits.all(axis=1)])

    def letters(self, numbers: NDArray[np.int64], length: int) -> Sets:
        """Which letters these tickers have at each place."""
        letters = self._letters[numbers, :length]
        found: Sets = np.bitwise_or.reduce(letters, axis=0)  # type: ignore[call-overload, unused-ignore]  # stubs of numpy 2.5
        return found
