"""What each byte of the unknown history may be: sets that rules only make smaller."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alphabet import EVERY, ODD, Alphabet, Sets, is_single
from .grammar import Grammar
from .inflate import HISTORY_BYTES
from .unknown_history import MarkedText

Symbols = NDArray[np.int64]
"""0 to 63: the alphabet's characters, `ODD` for others. From 64 on: places in the history. The
last one stands for anything, outside of the text."""

FIRST_PLACE = 64
ANYTHING = FIRST_PLACE + HISTORY_BYTES


class ContradictionError(ValueError):
    """The rules cannot all hold: what was supposed is false, or the file is not as it should be."""


class HistoryBytes:
    """The sets of characters that the 32,768 unknown bytes, and known ones, may be.

    Attributes
    ----------
    sets
        Symbol → what it may be.
    """

    def __init__(self, grammar: Grammar, alphabet: Alphabet) -> None:
        self._grammar = grammar
        self._alphabet = alphabet
        self.sets: Sets = np.full(ANYTHING + 1, EVERY, np.uint64)
        self.sets[:ODD] = np.uint64(1) << np.arange(ODD, dtype=np.uint64)
        self.sets[ODD] = 0
        self.sets[FIRST_PLACE:] = alphabet.all
        self._tables = grammar.tables(self.sets[: FIRST_PLACE + 1])
        some = np.repeat(self._tables[:, -1:], ANYTHING - FIRST_PLACE, axis=1)
        self._tables = np.concatenate([self._tables, some], axis=1)

    def copy(self) -> HistoryBytes:
        """The same knowledge, to suppose something on top of it."""
        other = object.__new__(HistoryBytes)
        other.__dict__.update(self.__dict__)
        other.sets, other._tables = self.sets.copy(), self._tables.copy()
        return other

    def symbols(self, text: MarkedText, start: int, stop: int) -> Symbols:
        """The symbols of a part of a text; what lies outside of the text is anything."""
        found = np.full(stop - start, ANYTHING, np.int64)
        low, high = max(start, 0), min(stop, len(text))
        if low >= high:
            return found
        inside = self._alphabet.numbers[text.first[low:high]].astype(np.int64)
        cells, places = text.unknown(low, high)
        inside[cells - low] = places + FIRST_PLACE
        found[low - start : high - start] = inside
        return found

    def tables(self, windows: Symbols) -> NDArray[np.uint64]:
        """The grammar's tables of windows, whose rows are steps and whose columns are windows."""
        return np.stack([table[windows] for table in self._tables], axis=1)

    def narrow(self, symbols: Symbols, allowed: Sets) -> bool:
        """Make the sets of unknown bytes smaller; symbols may be repeated.

        Returns
        -------
        bool
            Whether that narrowed anything.

        Raises
        ------
        ContradictionError
            If a byte could be nothing any more.
        """
        narrowed = self.sets[symbols] & allowed
        changed = narrowed != self.sets[symbols]
        if not changed.any():
            return False
        symbols, allowed = symbols[changed], allowed[changed]
        if (symbols < FIRST_PLACE).any():
            raise ContradictionError("a known byte breaks a rule")
        np.bitwise_and.at(self.sets, symbols, allowed)
        changed = np.unique(symbols)
        if (self.sets[changed] == 0).any():
            raise ContradictionError("an unknown byte can be nothing")
        self._tables[:, changed] = self._grammar.tables(self.sets[changed])
        return True

    def is_open(self, symbols: Symbols) -> NDArray[np.bool_]:
        """Which symbols may still be several characters."""
        return ~is_single(self.sets[symbols])

    def text_of(self, symbols: Symbols) -> bytes:
        """The text of symbols that are all known."""
        return self._alphabet.bytes_of(self.sets[symbols]).tobytes()
