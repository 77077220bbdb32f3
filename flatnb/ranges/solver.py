"""Narrows what the unknown bytes of a part of a text may be, by all rules in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alphabet import COMMA, DOT, EVERY, NEWLINE
from .automaton import Automaton
from .grammar import Grammar
from .history_bytes import ContradictionError, HistoryBytes, Symbols
from .rows import Rows, find_rows
from .rules import Region, high_and_low_bound, minutes_ascend, tickers_ascend, unknown
from .ticker_list import TickerList
from .unknown_history import MarkedText

SEGMENT = 64
"""How many bytes a window of the automaton looks at, besides its overlap."""

# Which of the places of an unknown byte are looked at: the first, the last, and some between.
_LOOKS = ((0.0, 0.5, 1.0), (0.25, 0.75), (0.125, 0.375, 0.625, 0.875))
_SUPPOSED_AT = (0.0, 0.14, 0.28, 0.42, 0.57, 0.71, 0.85, 1.0)
_MOST_SUPPOSED = 48
_ROUNDS = 4
_MOST_NEWLINES = 3
_STRUCTURE = np.uint64(COMMA | NEWLINE | DOT)


class Solver:
    """Knows a text that was decoded with unknown history, better and better.

    Parameters
    ----------
    text
        The text.
    grammar, tickers
        What its rows look like, and which tickers they may have.
    """

    def __init__(self, text: MarkedText, grammar: Grammar, tickers: TickerList) -> None:
        self.text = text
        self.history = HistoryBytes(grammar, tickers.alphabet)
        self._grammar = grammar
        self._tickers = tickers
        self._automaton = Automaton(grammar)
        self._overlap = grammar.longest_row

    def solve(self, start: int, stop: int) -> Region:
        """Apply all rules to the text from ``start`` to before ``stop``.

        Returns
        -------
        Region
            The sure rows, with offsets from ``start``.

        Raises
        ------
        ContradictionError
            If the rules cannot all hold.
        """
        symbols = self.history.symbols(self.text, start, stop)
        around = self.history.symbols(
            self.text, start - self._overlap, stop + self._overlap + SEGMENT
        )
        self._by_grammar(around, symbols, structure_only=False)
        self._suppose_newlines(around, symbols)
        return self._by_rows(around, symbols)

    def _by_rows(self, around: Symbols, symbols: Symbols) -> Region:
        for _ in range(_ROUNDS):
            region = self._rows(symbols)
            if not len(region.rows):
                return region
            told = tickers_ascend(region, self._grammar, self.history, self._tickers)
            told |= minutes_ascend(region, self._grammar, self.history)
            told |= high_and_low_bound(region, self._grammar, self.history)
            if not told:
                return region
            self._by_grammar(around, symbols, structure_only=True)
        region = self._rows(symbols)
        tickers_ascend(region, self._grammar, self.history, self._tickers)
        return region

    def _rows(self, symbols: Symbols) -> Region:
        rows: Rows = find_rows(self.history.sets[symbols], len(self._grammar.columns))
        count = len(rows)
        return Region(symbols, rows, np.zeros(count, np.int64), np.zeros(count, np.int64))

    def _by_grammar(self, around: Symbols, symbols: Symbols, *, structure_only: bool) -> None:
        """What is no row is not the text."""
        for look, places in enumerate(_LOOKS):
            segments = self._segments(symbols, places, structure_only=structure_only or look > 0)
            if not len(segments):
                return
            self._prune(around, segments)
        self._suppose(around, symbols)

    def _suppose_newlines(self, around: Symbols, symbols: Symbols) -> None:
        """Suppose that a byte is, or is not, a newline: often only the tickers' order decides."""
        for _ in range(_ROUNDS):
            cells = self._open(symbols, structure_only=True)
            cells = cells[(self.history.sets[symbols[cells]] & np.uint64(NEWLINE)) != 0]
            which, counts = np.unique(symbols[cells], return_counts=True)
            frequent = which[np.argsort(-counts, kind="stable")][:_MOST_NEWLINES]
            if not any([self._decide_newline(around, symbols, one) for one in frequent]):
                return
            self._by_grammar(around, symbols, structure_only=True)

    def _decide_newline(self, around: Symbols, symbols: Symbols, supposed: np.int64) -> bool:
        one = np.array([supposed])
        for newline in (True, False):
            allowed = np.array([NEWLINE if newline else EVERY ^ NEWLINE], np.uint64)
            if not (self.history.sets[one] & ~allowed).any():
                return False
            kept, self.history = self.history, self.history.copy()
            refuted = False
            try:
                self.history.narrow(one, allowed)
                self._by_grammar(around, symbols, structure_only=True)
                region = self._rows(symbols)
                if len(region.rows):
                    tickers_ascend(region, self._grammar, self.history, self._tickers)
            except ContradictionError:
                refuted = True
            finally:
                self.history = kept
            if refuted:
                return self.history.narrow(one, ~allowed)
        return False

    def _open(self, symbols: Symbols, *, structure_only: bool) -> NDArray[np.int64]:
        """Offsets of the bytes that may be several characters."""
        cells = np.flatnonzero(unknown(symbols))
        cells = cells[self.history.is_open(symbols[cells])]
        if structure_only:
            cells = cells[(self.history.sets[symbols[cells]] & _STRUCTURE) != 0]
        return cells

    def _segments(
        self, symbols: Symbols, places: tuple[float, ...], *, structure_only: bool
    ) -> NDArray[np.int64]:
        """The segments in which each open byte stands at some of its places."""
        cells = self._open(symbols, structure_only=structure_only)
        if not len(cells):
            return cells
        _, chosen = _at_places(symbols[cells], places)
        return np.unique(cells[chosen.ravel()] // SEGMENT)

    def _windows(self, around: Symbols, segments: NDArray[np.int64]) -> Symbols:
        steps = np.arange(2 * self._overlap + SEGMENT)[:, None]
        return around[segments * SEGMENT + steps]

    def _prune(self, around: Symbols, segments: NDArray[np.int64]) -> None:
        windows = self._windows(around, segments)
        core = windows[self._overlap : self._overlap + SEGMENT]
        steps, lanes = np.nonzero(unknown(core))
        cells = steps + self._overlap, lanes
        tables = self.history.tables(windows)
        allowed, fits = self._automaton.allowed(tables, self._overlap, cells)
        if not fits.all():
            raise ContradictionError("a part of the text cannot be rows")
        self.history.narrow(core[steps, lanes], allowed)

    def _suppose(self, around: Symbols, symbols: Symbols) -> None:
        """Suppose that an unknown byte is a comma, a digit, …: where no row fits, it is not."""
        for _ in range(_ROUNDS):
            cells = self._open(symbols, structure_only=True)
            if not len(cells):
                return
            which, chosen = _at_places(symbols[cells], _SUPPOSED_AT)
            which, chosen = which[:_MOST_SUPPOSED], chosen[:_MOST_SUPPOSED]
            if not self._refute(around, which, cells[chosen] // SEGMENT):
                return

    def _refute(
        self, around: Symbols, supposed: Symbols, segments: NDArray[np.int64]
    ) -> bool:
        """Remove the classes of characters with which some segment of a byte's cannot be rows."""
        classes = np.array(self._grammar.classes, np.uint64)
        sets = self.history.sets[supposed]
        byte, kind = np.nonzero((sets[:, None] & classes) != 0)
        lanes = segments[byte]
        windows = self._windows(around, lanes.ravel())
        tables = self.history.tables(windows)
        lane_byte = np.repeat(supposed[byte], lanes.shape[1])
        lane_kind = np.repeat(kind, lanes.shape[1])
        steps, at = np.nonzero(windows == lane_byte)
        tables[steps, :, at] = self._grammar.tables(classes)[:, lane_kind[at]].T
        fits = self._automaton.accepts(tables).reshape(lanes.shape).all(axis=1)
        allowed = np.zeros(len(supposed), np.uint64)
        np.bitwise_or.at(allowed, byte[fits], classes[kind[fits]])
        return self.history.narrow(supposed, allowed)

    def known_text(self, start: int, stop: int) -> bytes | None:
        """The text from ``start`` to before ``stop``, or None if a byte of it is not known."""
        symbols = self.history.symbols(self.text, start, stop)
        if self.history.is_open(symbols).any():
            return None
        return self._tickers.alphabet.bytes_of(self.history.sets[symbols]).tobytes()


def _at_places(
    symbols: Symbols, places: tuple[float, ...]
) -> tuple[Symbols, NDArray[np.int64]]:
    """Each symbol once, and where it stands: some of the indices, from the first to the last."""
    order = np.argsort(symbols, kind="stable")
    which, first, count = np.unique(symbols[order], return_index=True, return_counts=True)
    at = first[:, None] + np.round(np.array(places) * (count - 1)[:, None]).astype(np.int64)
    return which, order[at]

