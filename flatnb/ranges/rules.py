"""The rules that hold for every row of stock minutes; each only removes what cannot be.

All take the rows that are sure by now, and narrow what the history's bytes may be. None knows the
day's bar, as the bar is what proves the result afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alphabet import DIGITS, DOT, Sets, highest_digit, is_single, lowest
from .grammar import PRICES, Grammar
from .history_bytes import ContradictionError, HistoryBytes, Symbols
from .rows import Rows
from .ticker_list import TickerList

_DIGITS = np.uint64(DIGITS)
_MINUTES = 1440
_PASSES = 4
# Prices as whole numbers of 10**-9: the most decimals that a row is looked at for.
_PRICE_DECIMALS = 9
_PRICE_WIDTH = 18


@dataclass
class Region:
    """A part of a text with its sure rows.

    Attributes
    ----------
    symbols
        The text; several parts of one are joined by unknown bytes.
    offsets
        Where in the text each symbol is.
    open
        Which symbols may be several characters, ascending.
    rows
        The sure rows, by places in ``symbols``.
    low, high
        For each row, the least and the greatest number of its ticker in the list.
    """

    symbols: Symbols
    offsets: NDArray[np.int64]
    open: NDArray[np.int64]
    rows: Rows
    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def column(self, grammar: Grammar, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where a column's cells begin and end."""
        number = grammar.columns.index(name)
        return self.rows.begins[:, number], self.rows.ends[:, number]

    def is_open(self, grammar: Grammar, name: str) -> NDArray[np.bool_]:
        """In which rows a column's cell has a symbol that may be several characters."""
        begins, ends = self.column(grammar, name)
        return np.asarray(np.searchsorted(self.open, begins) != np.searchsorted(self.open, ends))


def tickers_ascend(
    region: Region, grammar: Grammar, history: HistoryBytes, tickers: TickerList
) -> bool:
    """Each ticker is one of the day's list, and none comes after a greater one.

    Source: the vendor's files are sorted by ticker in byte order. Some tickers a day are not in
    their place; around them this rule finds a contradiction, or the day's bar does not add up.
    """
    begins, ends = region.column(grammar, "ticker")
    groups, cells = _ticker_cells(region, begins, ends, tickers.longest)
    low, high = np.zeros(len(groups), np.int64), np.full(len(groups), len(tickers) - 1)
    doubtful = []
    for group, cell in enumerate(cells):
        if history.is_open(cell).any():
            doubtful.append(group)
            continue
        number = tickers.number(history.text_of(cell))
        if number is None:
            raise ContradictionError("a ticker is not in the day's list")
        low[group] = high[group] = number
    _bound_by_neighbours(low, high)
    narrowed = False
    for _ in range(_PASSES):
        for group in doubtful:
            cell = cells[group]
            now = tickers.fitting(history.sets[cell], int(low[group]), int(high[group]))
            if not len(now):
                raise ContradictionError("a ticker is not in the day's list")
            low[group], high[group] = now[0], now[-1]
            narrowed |= history.narrow(cell, tickers.letters(now, len(cell)))
        if not _bound_by_neighbours(low, high):
            break
    lengths = np.diff(groups, append=len(region.rows))
    region.low, region.high = np.repeat(low, lengths), np.repeat(high, lengths)
    return narrowed


def _bound_by_neighbours(low: NDArray[np.int64], high: NDArray[np.int64]) -> bool:
    """Narrow each range by those before and behind, in place; whether that narrowed anything."""
    ascending = np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]
    if (ascending[0] > ascending[1]).any():
        raise ContradictionError("the tickers do not ascend")
    narrowed = bool((ascending[0] != low).any() or (ascending[1] != high).any())
    low[:], high[:] = ascending[0], ascending[1].copy()
    return narrowed


def _ticker_cells(
    region: Region, begins: NDArray[np.int64], ends: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], list[Symbols]]:
    """The first rows of runs with the same symbols as ticker, and these symbols."""
    lengths = ends - begins
    if np.max(lengths) > longest:
        raise ContradictionError("a ticker is longer than all of the day's list")
    place = np.arange(longest)
    at = np.minimum(begins[:, None] + place, len(region.symbols) - 1)
    cells = np.where(place < lengths[:, None], region.symbols[at], -1)
    groups = np.flatnonzero(np.append(True, (cells[1:] != cells[:-1]).any(axis=1)))
    return groups, [cells[group][: lengths[group]] for group in groups]


def minutes_ascend(region: Region, grammar: Grammar, history: HistoryBytes) -> bool:
    """Each ``window_start`` is a minute of the day, and a ticker's minutes do not go back.

    Source: the vendor's minute bars begin at whole minutes, in ascending order within a ticker.
    """
    begins, _ = region.column(grammar, "window_start")
    is_open = region.is_open(grammar, "window_start")
    at = np.arange(grammar.minute_digits.shape[1])
    first = _known_minutes(region.symbols[begins[:, None] + at], is_open, grammar, history)
    last = first.copy()
    symbols = region.symbols[begins[is_open, None] + at]
    narrowed = history.narrow(symbols.ravel(), np.tile(grammar.minute_digit_sets, len(symbols)))
    can_be = _minutes_with(history.sets[symbols], grammar.minute_digits)
    first[is_open] = can_be.argmax(axis=1)
    last[is_open] = _MINUTES - 1 - can_be[:, ::-1].argmax(axis=1)
    # Rows that are surely of one ticker are one run; further runs are lifted above it.
    same = (region.low[1:] == region.high[1:]) & (region.low[:-1] == region.high[:-1])
    same &= region.low[1:] == region.low[:-1]
    lifted = 2 * _MINUTES * np.cumsum(np.append(True, ~same))
    first = np.maximum.accumulate(first + lifted) - lifted
    last = np.minimum.accumulate((last + lifted)[::-1])[::-1] - lifted
    minute = np.arange(_MINUTES)
    can_be &= minute >= first[is_open, None]
    can_be &= minute <= last[is_open, None]
    if (first > last).any() or not can_be.any(axis=1).all():
        raise ContradictionError("the minutes do not ascend")
    return narrowed | _narrow_minutes(symbols, can_be, grammar.minute_digits, history)


def _known_minutes(
    symbols: Symbols, is_open: NDArray[np.bool_], grammar: Grammar, history: HistoryBytes
) -> NDArray[np.int64]:
    """The minute of the day of each row whose digits are known; 0 of the others."""
    digits = np.where(is_open[:, None], 0, lowest(history.sets[symbols]))
    power = 10 ** np.arange(digits.shape[1])[::-1]
    minute, rest = np.divmod(digits @ power - grammar.midnight_s, 60)
    minute, rest = np.where(is_open, 0, minute), np.where(is_open, 0, rest)
    is_digit = (digits >= 0) & (digits <= 9)
    if not is_digit.all() or rest.any() or ((minute < 0) | (minute >= _MINUTES)).any():
        raise ContradictionError("a time is not a minute of the day")
    return minute


def _minutes_with(sets: Sets, digits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which minutes of the day each row's digits allow; each row allows one at least."""
    can_be = np.ones((len(sets), _MINUTES), np.bool_)
    for place in range(digits.shape[1]):
        kinds, which = np.unique(sets[:, place], return_inverse=True)
        bits = np.uint64(1) << digits[:, place].astype(np.uint64)
        fits = (kinds[:, None] & bits) != 0
        if not fits.all():
            can_be &= fits[which]
    if not can_be.any(axis=1).all():
        raise ContradictionError("a time is not a minute of the day")
    return can_be


def _narrow_minutes(
    symbols: Symbols, can_be: NDArray[np.bool_], digits: NDArray[np.int64], history: HistoryBytes
) -> bool:
    narrowed = False
    for place in range(digits.shape[1]):
        open_ = np.flatnonzero(history.is_open(symbols[:, place]))
        if not len(open_):
            continue
        allowed = np.zeros(len(open_), np.uint64)
        for digit in np.unique(digits[:, place]):
            has = can_be[open_][:, digits[:, place] == digit].any(axis=1)
            allowed |= np.where(has, np.uint64(1 << int(digit)), np.uint64(0))
        narrowed |= history.narrow(symbols[open_, place], allowed)
    return narrowed


def high_and_low_bound(region: Region, grammar: Grammar, history: HistoryBytes) -> bool:
    """``low`` ≤ ``open``, ``close`` ≤ ``high`` in each row.

    Source: what the four words mean.
    """
    some = np.flatnonzero(np.any([region.is_open(grammar, name) for name in PRICES], axis=0))
    cells = {name: _PriceCells.of(region, grammar, history, name, some) for name in PRICES}
    readable = np.all([cell.readable for cell in cells.values()], axis=0)
    if not readable.any():
        return False
    part = {name: cell.rows(readable) for name, cell in cells.items()}
    least = {name: cell.least() for name, cell in part.items()}
    most = {name: cell.most() for name, cell in part.items()}
    floor = np.maximum(np.maximum(least["open"], least["close"]), least["low"])
    ceiling = np.minimum(np.minimum(most["open"], most["close"]), most["high"])
    narrowed = part["high"].keep_between(floor, most["high"], history)
    narrowed |= part["low"].keep_between(least["low"], ceiling, history)
    for name in ("open", "close"):
        narrowed |= part[name].keep_between(least["low"], most["high"], history)
    return narrowed


@dataclass(frozen=True)
class _PriceCells:
    """The cells of a price column, one row each, right-aligned around the point.

    Attributes
    ----------
    symbols, open
        The digits' symbols, and which of them are open.
    lows, highs
        The least and the greatest that each digit may be.
    worth
        What a one at that digit's place is worth.
    readable
        Rows whose point is known.
    """

    symbols: Symbols
    open: NDArray[np.bool_]
    lows: NDArray[np.int64]
    highs: NDArray[np.int64]
    worth: NDArray[np.int64]
    readable: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        region: Region,
        grammar: Grammar,
        history: HistoryBytes,
        name: str,
        rows: NDArray[np.int64],
    ) -> _PriceCells:
        """The cells of some rows."""
        begins, ends = (places[rows] for places in region.column(grammar, name))
        width = min(int(np.max(ends - begins, initial=1)), _PRICE_WIDTH)
        at = begins[:, None] + np.arange(width)
        inside = at < ends[:, None]
        symbols = region.symbols[np.minimum(at, len(region.symbols) - 1)]
        sets = history.sets[symbols]
        point = inside & (sets == np.uint64(DOT))
        digit = inside & ((sets & ~_DIGITS) == 0) & (sets != 0)
        readable = (digit | point | ~inside).all(axis=1) & (point.sum(axis=1) <= 1)
        readable &= ends - begins <= width
        whole = np.where(point.any(axis=1), point.argmax(axis=1), ends - begins)
        place = whole[:, None] - np.arange(width)
        power = np.where(place > 0, place - 1, place) + _PRICE_DECIMALS
        readable &= ((power >= 0) & (power < _PRICE_WIDTH) | ~digit).all(axis=1)
        worth = np.where(digit, 10 ** np.clip(power, 0, _PRICE_WIDTH - 1), 0)
        safe = np.where(digit, sets, np.uint64(1))
        open_ = digit & ~is_single(sets)
        return cls(symbols, open_, lowest(safe), highest_digit(safe), worth, readable)

    def rows(self, chosen: NDArray[np.bool_]) -> _PriceCells:
        """Some of the rows."""
        return _PriceCells(
            self.symbols[chosen],
            self.open[chosen],
            self.lows[chosen],
            self.highs[chosen],
            self.worth[chosen],
            self.readable[chosen],
        )

    def least(self) -> NDArray[np.int64]:
        """The least price of each row."""
        return np.asarray((self.lows * self.worth).sum(axis=1))

    def most(self) -> NDArray[np.int64]:
        """The greatest price of each row."""
        return np.asarray((self.highs * self.worth).sum(axis=1))

    def keep_between(
        self, floor: NDArray[np.int64], ceiling: NDArray[np.int64], history: HistoryBytes
    ) -> bool:
        """Remove the digits with which a price would be below the floor or above the ceiling."""
        row, place = np.nonzero(self.open)
        if not len(row):
            return False
        worth = self.worth[row, place]
        least = self.least()[row] - self.lows[row, place] * worth
        most = self.most()[row] - self.highs[row, place] * worth
        allowed = np.zeros(len(row), np.uint64)
        for digit in range(10):
            fits = (most + digit * worth >= floor[row]) & (least + digit * worth <= ceiling[row])
            allowed |= np.where(fits, np.uint64(1 << digit), np.uint64(0))
        symbols = self.symbols[row, place]
        return history.narrow(symbols, allowed & history.sets[symbols])
