"""A part of a minute file, decoded from a block start in its middle, and a ticker's rows in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alphabet import ODD
from .block_starts import block_starts
from .grammar import Grammar
from .history_bytes import ContradictionError
from .inflate import InflateError
from .rules import Region
from .solver import Solver
from .ticker_list import TickerList
from .unknown_history import MarkedText, decode_from_start, decode_marked

# So much text behind the start, most bytes still are copies of the unknown history.
UNCLEAR_BYTES = 150_000

_LONGEST_SEARCH = 256 * 1024
_MARGIN = 3_000
_STEP = 16_000
_EVIDENCE = 60_000
_MOST_EXTENSIONS = 6
_SURVEYED = 10
_SURVEYED_BYTES = 2_500
_MOST_SURVEYS = 3
_CLUSTER_GAP = 1_000
_NEAR_BYTES = 600_000
# Odd cells are few; in noise five characters of six are odd.
_SAMPLED, _FEWEST_IN_ROWS = 4_000, 0.9


class NoBlockStartError(ValueError):
    """No block starts in these bytes, so they cannot be decoded."""


@dataclass(frozen=True)
class Found:
    """All rows of a ticker, whole and known, between those of smaller and greater ones."""

    rows: bytes
    offset: float
    """About where in the file they begin."""


@dataclass(frozen=True)
class Unclear:
    """More of the file could tell more.

    Attributes
    ----------
    reason
        What is not known.
    before, behind
        On which sides more is needed.
    """

    reason: str
    before: bool
    behind: bool = False


@dataclass(frozen=True)
class Elsewhere:
    """The ticker is not here.

    Attributes
    ----------
    seen, offset
        The nearest ticker, by its number, and about where in the file it is.
    """

    seen: int
    offset: float


class Stretch:
    """Decodes consecutive bytes of a file, and finds rows in them.

    Parameters
    ----------
    start
        Where in the file they are.
    data
        The bytes.
    size_bytes
        The file's size.
    grammar, tickers
        What its rows look like, and the sorted tickers that it may have.

    Raises
    ------
    NoBlockStartError
        If no block starts in the bytes' first 256 KiB.
    """

    def __init__(
        self, start: int, data: bytes, size_bytes: int, grammar: Grammar, tickers: TickerList
    ) -> None:
        self.start = start
        self.data = data
        self._tickers = tickers
        at_end = start + len(data) >= size_bytes
        self.text = _decode(memoryview(data), tickers, at_start=start == 0, at_end=at_end)
        self._first_row = 0
        if start == 0:
            self._first_row = self.text.first_bytes.find(b"\n")
        self._grammar = grammar

    @property
    def stop(self) -> int:
        """Where in the file the bytes end."""
        return self.start + len(self.data)

    def _file_offset(self, text_offset: int) -> float:
        """About where in the file a byte of the text is."""
        begin = self.text.start_bit / 8
        part = text_offset / max(len(self.text), 1)
        return self.start + begin + part * (len(self.data) - begin)

    def _text_offset(self, file_offset: float) -> int:
        """About where in the text a byte of the file is."""
        begin = self.text.start_bit / 8
        part = (file_offset - self.start - begin) / max(len(self.data) - begin, 1)
        return int(min(max(part, 0), 1) * len(self.text))

    def find(self, number: int, expected: float) -> Found | Unclear | Elsewhere:
        """Look for all rows of a ticker.

        Parameters
        ----------
        number
            The ticker's number in the list.
        expected
            About where in the file its rows should be.
        """
        # Each look begins without knowledge: what one ticker's surroundings made believe, if the
        # file is not in order there, must not tell anything of another's rows.
        try:
            for place in self._places(number, expected):
                found = self._extract(number, *place, self._solver())
                if not isinstance(found, Elsewhere):
                    return found
            between = self._survey(number, self._solver())
            if isinstance(between, tuple):
                return self._extract(number, *between, self._solver())
        except ContradictionError as error:
            return Unclear(str(error), before=True)
        return between

    def _solver(self) -> Solver:
        return Solver(self.text, self._grammar, self._tickers)

    def _places(self, number: int, expected: float) -> list[tuple[int, int]]:
        """Where the ticker's letters stand, as far as they are known: the most likely place."""
        cell = b"\n" + self._tickers.tickers[number].encode("utf-8") + b","
        near = self._text_offset(expected)
        at = np.zeros(0, np.int64)
        for start, stop in ((near - _NEAR_BYTES, near + _NEAR_BYTES), (0, len(self.text))):
            for first, last in _parts_of(cell):
                at = _occurrences(self.text, cell, (first, last), (start, stop))
                at = at[at >= self._first_row]
                if len(at):
                    break
            if len(at):
                break
        if not len(at):
            return []
        breaks = np.flatnonzero(np.diff(at) > _CLUSTER_GAP)
        firsts, lasts = at[np.append(0, breaks + 1)], at[np.append(breaks, len(at) - 1)]
        offsets = np.array([self._file_offset(int(first)) for first in firsts])
        best = int(np.argmin(np.abs(offsets - expected)))
        return [(int(firsts[best]), int(lasts[best]))]

    def _survey(self, number: int, solver: Solver) -> tuple[int, int] | Unclear | Elsewhere:
        """Between which offsets of the text the ticker's rows must be."""
        low, high = self._first_row, len(self.text)
        if self.start:
            low = min(UNCLEAR_BYTES, high // 2)
        before: int | None = None
        behind: int | None = None
        for _ in range(_MOST_SURVEYS):
            starts = np.linspace(low, max(high - _SURVEYED_BYTES, low), _SURVEYED).astype(int)
            spans = [(int(at), min(int(at) + _SURVEYED_BYTES, len(self.text))) for at in starts]
            region = solver.solve(*_apart(spans), thorough=False)
            if not len(region.rows):
                region = solver.solve(*_apart(spans))
            if not len(region.rows):
                return Unclear("no row is sure", before=True)
            offsets = region.offsets[region.rows.begins[:, 0]]
            less, more = region.high < number, region.low > number
            if less.all() and behind is None and not self.ends_with(high):
                return self.elsewhere(int(region.low[-1]), int(offsets[-1]))
            if more.all() and before is None and self.start:
                return self.elsewhere(int(region.high[0]), int(offsets[0]))
            before = int(offsets[less][-1]) if less.any() else before
            behind = int(offsets[more][0]) if more.any() else behind
            low = low if before is None else before
            high = high if behind is None else behind
            if high - low < _STEP:
                break
        return low, high

    def _extract(
        self, number: int, first: int, last: int, solver: Solver
    ) -> Found | Unclear | Elsewhere:
        """The ticker's rows, which are about between two offsets of the text."""
        looked = first
        for _ in range(_MOST_EXTENSIONS):
            start = max(first - _MARGIN, self._first_row)
            stop = min(last + _MARGIN, len(self.text))
            judged = _judge(solver.solve((start, stop)), number, self, solver)
            if isinstance(judged, Found | Elsewhere):
                return judged
            if judged.behind and stop < len(self.text):
                last = min(last + _STEP, len(self.text))
            elif judged.reason == _NO_LESS and start > self._limit():
                first = max(first - _STEP, self._limit())
            elif looked == first and looked - _MARGIN > self._limit():
                # The same unknown bytes stand in the rows before, and may be clear there.
                looked = max(first - _MARGIN - _EVIDENCE, self._limit())
                solver.solve((looked, first - _MARGIN))
            else:
                return judged
        return judged

    def _limit(self) -> int:
        return UNCLEAR_BYTES // 2 if self.start else self._first_row

    def begins_with(self, offset: int) -> bool:
        """Whether the file's first row begins at an offset of the text."""
        return self.start == 0 and offset == self._first_row + 1

    def ends_with(self, offset: int) -> bool:
        """Whether the file ends at an offset of the text."""
        return self.text.ended and offset >= len(self.text)

    def found(self, rows: bytes, offset: int) -> Found:
        """The answer that these rows stand at an offset of the text."""
        return Found(rows, self._file_offset(offset))

    def elsewhere(self, number: int, offset: int) -> Elsewhere:
        """The answer that another ticker stands at an offset of the text."""
        return Elsewhere(number, self._file_offset(offset))


_NO_LESS = "no smaller ticker is known before its rows"
_NO_MORE = "no greater ticker is known behind its rows"


def _judge(
    region: Region, number: int, stretch: Stretch, solver: Solver
) -> Found | Unclear | Elsewhere:
    """Whether a region has all rows of a ticker, and knows every byte of them."""
    if not len(region.rows):
        return Unclear("no row is sure", before=True)
    sure = np.flatnonzero((region.low == number) & (region.high == number))
    less = np.flatnonzero(region.high < number)
    more = np.flatnonzero(region.low > number)
    if len(sure) + len(less) + len(more) < len(region.rows):
        return Unclear("a row may be of it, or of another ticker", before=True)
    begins, ends = (
        region.offsets[region.rows.begins[:, 0]],
        region.offsets[region.rows.ends[:, -1]] + 1,
    )
    if not len(sure):
        nearest = less[-1] if len(less) else more[0]
        return stretch.elsewhere(int(region.low[nearest]), int(begins[nearest]))
    one, other = int(sure[0]), int(sure[-1])
    if not len(less) and not stretch.begins_with(int(begins[one])):
        return Unclear(_NO_LESS, before=True)
    if not len(more) and not stretch.ends_with(int(ends[other])):
        return Unclear(_NO_MORE, before=False, behind=True)
    direct = region.rows.follows_directly()[max(one - 1, 0) : other + 1]
    if not direct.all():
        return Unclear("where a row ends is not known", before=True)
    rows = solver.known_text(int(begins[one]), int(ends[other]))
    if rows is None:
        return Unclear("a byte of its rows is not known", before=True)
    return stretch.found(rows, int(begins[one]))


def _decode(data: memoryview, tickers: TickerList, *, at_start: bool, at_end: bool) -> MarkedText:
    if at_start:
        try:
            return decode_from_start(data)
        except InflateError as error:
            raise NoBlockStartError(str(error)) from error
    for bit in block_starts(data, _LONGEST_SEARCH):
        try:
            text = decode_marked(data, bit)
        except InflateError:
            continue
        if (at_end or not text.ended) and _is_rows(text, tickers):
            return text
    raise NoBlockStartError("no deflate block start was found")


def _is_rows(text: MarkedText, tickers: TickerList) -> bool:
    """Whether the known bytes are characters of rows: from a false block start they are noise."""
    some = slice(0, None, max(len(text) // _SAMPLED, 1))
    known = text.first[some][text.first[some] == text.second[some]]
    in_rows = tickers.alphabet.numbers[known] != ODD
    return len(known) > 0 and bool(in_rows.mean() > _FEWEST_IN_ROWS)


def _parts_of(cell: bytes) -> list[tuple[int, int]]:
    """Parts of a ticker's cell to look for: what is left out may be copied, and so unknown."""
    count = len(cell)
    # The first letter is often copied together with the newline before it.
    parts = [(2, count), (1, count), (2, count - 1), (1, count - 1), (3, count), (1, count - 2)]
    return [(first, last) for first, last in parts if last - first >= 3] or [(1, count)]


def _occurrences(
    text: MarkedText, cell: bytes, part: tuple[int, int], within: tuple[int, int]
) -> NDArray[np.int64]:
    """Where a cell may stand in a part of the text, if this part of it is known."""
    first, last = part
    start, stop = max(within[0], 0), max(within[1], 0)
    found = []
    at = text.first_bytes.find(cell[first:last], start, stop)
    while at >= 0:
        found.append(at - first)
        at = text.first_bytes.find(cell[first:last], at + 1, stop)
    offsets = np.array(found, np.int64)
    offsets = offsets[(offsets >= 0) & (offsets + len(cell) <= len(text))]
    for place, byte in enumerate(cell):
        one, other = text.first[offsets + place], text.second[offsets + place]
        inside = first <= place < last
        offsets = offsets[
            (one == other) & (one == byte) if inside else (one != other) | (one == byte)
        ]
    return offsets


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans without overlap, in ascending order."""
    kept: list[tuple[int, int]] = []
    for start, stop in spans:
        if kept and start <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(stop, kept[-1][1]))
        else:
            kept.append((start, stop))
    return kept
