"""Narrows what the unknown bytes of a part of a text may be, by all rules in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alphabet import COMMA, DOT, EVERY, NEWLINE, is_single
from .automaton import Automaton
from .grammar import Grammar
from .history_bytes import ANYTHING, FIRST_PLACE, ContradictionError, HistoryBytes, Symbols
from .rows import Borders, find_rows
from .rules import Region, high_and_low_bound, minutes_ascend, tickers_ascend
from .ticker_list import TickerList
from .unknown_history import MarkedText

SEGMENT = 64
"""How many bytes a window of the automaton looks at, besides its overlap."""

# Which of the places of an unknown byte are looked at: the first, the last, and some between.
_LOOKS = ((0.0, 0.5, 1.0), (0.25, 0.75), (0.125, 0.375, 0.625, 0.875))
_SUPPOSED_AT = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MOST_SUPPOSED = 24
_ROUNDS = 4
_MOST_NEWLINES = 3
_STRUCTURE = np.uint64(COMMA | NEWLINE | DOT)
_COMMA, _NEWLINE = COMMA.bit_length() - 1, NEWLINE.bit_length() - 1  # as symbols


@dataclass(frozen=True)
class _Part:
    """Spans of a text, joined.

    Attributes
    ----------
    symbols
        The text, with anything between the spans.
    offsets
        Where in the text each symbol is.
    unknown
        Which symbols stand for bytes of the history, ascending.
    known_borders
        Where cells end, as far as it does not depend on the history.
    """

    symbols: Symbols
    offsets: NDArray[np.int64]
    unknown: NDArray[np.int64]
    known_borders: Borders

    @classmethod
    def of(cls, symbols: Symbols, offsets: NDArray[np.int64]) -> _Part:
        is_anything = symbols == ANYTHING
        borders = Borders(
            np.flatnonzero(symbols == _NEWLINE),
            np.flatnonzero(symbols == _COMMA),
            np.flatnonzero(is_anything),
        )
        unknown = np.flatnonzero((symbols >= FIRST_PLACE) & ~is_anything)
        return cls(symbols, offsets, unknown, borders)


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

    def solve(self, *spans: tuple[int, int], thorough: bool = True) -> Region:
        """Apply all rules to some spans of the text, in ascending order.

        Parameters
        ----------
        spans
            Offsets of the text, the second behind the last byte.
        thorough
            Whether to suppose newlines where it is not known whether one stands there.

        Returns
        -------
        Region
            The sure rows.

        Raises
        ------
        ContradictionError
            If the rules cannot all hold.
        """
        part = self._part(spans)
        self._by_grammar(part, structure_only=False)
        region = self._by_rows(part)
        if thorough and self._suppose_newlines(part):
            region = self._by_rows(part)
        return region

    def _part(self, spans: tuple[tuple[int, int], ...]) -> _Part:
        """The symbols of some spans, with a gap around each for the automaton's overlap."""
        gap = np.full(self._overlap, ANYTHING, np.int64)
        nowhere = np.full(self._overlap, -1, np.int64)
        symbols, offsets = [gap], [nowhere]
        for start, stop in spans:
            symbols += [self.history.symbols(self.text, start, stop), gap]
            offsets += [np.arange(start, stop), nowhere]
        tail = np.full(SEGMENT, ANYTHING, np.int64)
        return _Part.of(np.concatenate([*symbols, tail]), np.concatenate([*offsets, tail]))

    def _by_rows(self, part: _Part) -> Region:
        for _ in range(_ROUNDS):
            region = self._rows(part)
            if not len(region.rows):
                return region
            narrowed = tickers_ascend(region, self._grammar, self.history, self._tickers)
            narrowed |= minutes_ascend(region, self._grammar, self.history)
            narrowed |= high_and_low_bound(region, self._grammar, self.history)
            if not narrowed:
                return region
            self._by_grammar(part, structure_only=True)
        region = self._rows(part)
        tickers_ascend(region, self._grammar, self.history, self._tickers)
        return region

    def _rows(self, part: _Part) -> Region:
        sets = self.history.sets[part.symbols[part.unknown]]
        borders = part.known_borders.including(part.unknown, sets)
        rows = find_rows(borders, len(self._grammar.columns))
        nothing = np.zeros(len(rows), np.int64)
        open_ = part.unknown[~is_single(sets)]
        return Region(part.symbols, part.offsets, open_, rows, nothing, nothing)

    def _by_grammar(self, part: _Part, *, structure_only: bool) -> None:
        """What is not a row is not the text."""
        for look, places in enumerate(_LOOKS):
            segments = self._segments(part, places, structure_only=structure_only or look > 0)
            if not len(segments):
                return
            self._prune(part.symbols, segments)
        self._suppose(part)

    def _doubtful_newlines(self, part: _Part) -> Symbols:
        """The bytes that may or may not be newlines, the most frequent one first."""
        symbols = part.symbols[self._open(part, structure_only=True)]
        symbols = symbols[(self.history.sets[symbols] & np.uint64(NEWLINE)) != 0]
        which, counts = np.unique(symbols, return_counts=True)
        return np.asarray(which[np.argsort(-counts, kind="stable")])

    def _suppose_newlines(self, part: _Part) -> bool:
        """Suppose that a byte is, or is not, a newline: often only the tickers' order decides."""
        narrowed = False
        for _ in range(_MOST_NEWLINES):
            tried = self._doubtful_newlines(part)[:_MOST_NEWLINES]
            # What is decided for one often decides the others.
            if not any(self._decide_newline(part, one) for one in tried):
                break
            narrowed = True
            self._by_grammar(part, structure_only=True)
        return narrowed

    def _decide_newline(self, part: _Part, supposed: np.int64) -> bool:
        one = np.array([supposed])
        for newline in (True, False):
            allowed = np.array([NEWLINE if newline else EVERY ^ NEWLINE], np.uint64)
            if not (self.history.sets[one] & ~allowed).any():
                return False
            kept, self.history = self.history, self.history.copy()
            refuted = False
            try:
                self.history.narrow(one, allowed)
                for places in _LOOKS[:2]:
                    segments = self._segments(part, places, structure_only=True)
                    if len(segments):
                        self._prune(part.symbols, segments)
                region = self._rows(part)
                if len(region.rows):
                    tickers_ascend(region, self._grammar, self.history, self._tickers)
            except ContradictionError:
                refuted = True
            finally:
                self.history = kept
            if refuted:
                return self.history.narrow(one, ~allowed)
        return False

    def _open(self, part: _Part, *, structure_only: bool) -> NDArray[np.int64]:
        """Offsets of the bytes that may be several characters."""
        sets = self.history.sets[part.symbols[part.unknown]]
        is_open = ~is_single(sets)
        if structure_only:
            is_open &= (sets & _STRUCTURE) != 0
        return part.unknown[is_open]

    def _segments(
        self, part: _Part, places: tuple[float, ...], *, structure_only: bool
    ) -> NDArray[np.int64]:
        """The segments in which each open byte stands at some of its places."""
        cells = self._open(part, structure_only=structure_only)
        if not len(cells):
            return cells
        _, chosen = _at_places(part.symbols[cells], places)
        return np.unique((cells[chosen.ravel()] - self._overlap) // SEGMENT)

    def _windows(self, symbols: Symbols, segments: NDArray[np.int64]) -> Symbols:
        steps = np.arange(2 * self._overlap + SEGMENT)[:, None]
        return np.asarray(symbols[segments * SEGMENT + steps])

    def _prune(self, symbols: Symbols, segments: NDArray[np.int64]) -> None:
        windows = self._windows(symbols, segments)
        core = windows[self._overlap : self._overlap + SEGMENT]
        steps, lanes = np.nonzero((core >= FIRST_PLACE) & (core != ANYTHING))
        cells = steps + self._overlap, lanes
        tables = self.history.tables(windows)
        allowed, fits = self._automaton.allowed(tables, self._overlap, cells)
        if not fits.all():
            raise ContradictionError("a part of the text cannot be rows")
        self.history.narrow(core[steps, lanes], allowed)

    def _suppose(self, part: _Part) -> None:
        """Suppose that an unknown byte is a comma, a digit, …: where no row fits, it is not."""
        for _ in range(_ROUNDS):
            cells = self._open(part, structure_only=True)
            if not len(cells):
                return
            which, chosen = _at_places(part.symbols[cells], _SUPPOSED_AT)
            which, chosen = which[:_MOST_SUPPOSED], chosen[:_MOST_SUPPOSED]
            segments = (cells[chosen] - self._overlap) // SEGMENT
            if not self._refute(part.symbols, which, segments):
                return

    def _refute(self, symbols: Symbols, supposed: Symbols, segments: NDArray[np.int64]) -> bool:
        """Remove the classes of characters with which some segment of a byte's cannot be rows."""
        classes = self._grammar.classes
        sets = self.history.sets[supposed]
        byte, kind = np.nonzero((sets[:, None] & classes) != 0)
        lanes = segments[byte]
        windows = self._windows(symbols, lanes.ravel())
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
        return self.history.text_of(symbols)


def _at_places(symbols: Symbols, places: tuple[float, ...]) -> tuple[Symbols, NDArray[np.int64]]:
    """Each symbol once, and where it stands: some of the indices, from the first to the last."""
    order = np.argsort(symbols, kind="stable")
    which, first, count = np.unique(symbols[order], return_index=True, return_counts=True)
    at = first[:, None] + np.round(np.array(places) * (count - 1)[:, None]).astype(np.int64)
    return which, order[at]
