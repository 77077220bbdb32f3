"""Which ticker has rows where in a text: its runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .line_starts import CELL_BYTES, MOST_WORDS, NoFirstCellError, changes, first_cells, line_ends
from .packing import Reader, Writer

_TICKER_COLUMN = b"ticker"
_LONGEST_LINE = 65536
# What is compared together stays in the CPU's cache.
_PIECE_BYTES = 512 * 1024


class TickerRuns:
    """The runs of a file: stretches of consecutive rows of one ticker, in the file's order.

    Attributes
    ----------
    tickers
        The ticker of each run; one that stands in several places has several runs.
    starts
        Text offsets of the runs' first bytes.
    end
        Text offset behind the last run.
    """

    def __init__(self, tickers: list[str], starts: NDArray[np.int64], end: int) -> None:
        self.tickers = tickers
        self.starts = starts
        self.end = end
        self._runs_of: dict[str, list[int]] = {}
        for run, ticker in enumerate(tickers):
            self._runs_of.setdefault(ticker, []).append(run)

    def __contains__(self, ticker: object) -> bool:
        return ticker in self._runs_of

    def __iter__(self) -> Iterator[str]:
        """Each ticker once, in the order of its first rows."""
        return iter(self._runs_of)

    def __len__(self) -> int:
        return len(self.tickers)

    def spans(self, ticker: str) -> list[tuple[int, int]]:
        """Where the ticker's rows are: text offsets, the second behind the last byte."""
        found = []
        for run in self._runs_of.get(ticker, ()):
            end = int(self.starts[run + 1]) if run + 1 < len(self) else self.end
            found.append((int(self.starts[run]), end))
        return found

    def write(self, writer: Writer) -> None:
        """Append the runs to what is written."""
        writer.text("\n".join(self.tickers))
        writer.ascending(self.starts)
        writer.number(self.end)

    @classmethod
    def read(cls, reader: Reader) -> TickerRuns:
        """Take the runs from what `write` wrote."""
        joined = reader.text()
        starts = reader.ascending()
        return cls(joined.split("\n") if joined else [], starts, reader.number())


MOST_RUNS = 1_000_000
"""An index of more would take more memory than a load is allowed: a file that is not ordered by
ticker has a run for each row. A day of options has some 400,000 contracts."""


class TickerRunsBuilder:
    """Finds the runs while a text passes.

    It gives up rather than be wrong: where the header does not begin with ``ticker``, a ticker is
    quoted or empty or has other than printable ASCII characters, or a quoted cell goes over lines.
    """

    def __init__(self) -> None:
        self.header: bytes | None = None
        self.refusal: str | None = None
        self._offset = 0
        # The text that is looked at: what was kept of the last piece, then the next one.
        self._text = np.empty(_LONGEST_LINE + _PIECE_BYTES, np.uint8)
        self._scratch = np.empty(len(self._text), np.bool_)
        self._kept = 0
        self._kept_quotes = False
        self._last: NDArray[np.uint64] | None = None
        self._cells: list[NDArray[np.uint64]] = []
        self._starts: list[NDArray[np.int64]] = []
        self._count = 0

    def feed(self, block: bytes) -> None:
        """Look at the next bytes of the text."""
        view = np.frombuffer(block, np.uint8)
        for start in range(0, len(block), _PIECE_BYTES):
            piece = view[start : start + _PIECE_BYTES]
            self._offset += len(piece)
            if self.refusal:
                continue
            size = self._kept + len(piece)
            self._text[self._kept : size] = piece
            quotes = self._kept_quotes or block.find(b'"', start, start + _PIECE_BYTES) >= 0
            begin = 0 if self.header is not None else self._find_header(size)
            if not self.refusal:
                self._look(self._text[begin:size], quotes=quotes)

    def _find_header(self, size: int) -> int:
        """Where the header ends; its newline stays, so that each row has one before it."""
        end = self._text[:size].tobytes().find(b"\n")
        if end < 0:
            return 0
        self.header = self._text[: end + 1].tobytes()
        if self.header.rstrip(b"\r\n").split(b",")[0] != _TICKER_COLUMN:
            self._refuse("its first column is not ticker")
        return end

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        self._kept = 0
        self._cells, self._starts = [], []

    def _look(self, text: NDArray[np.uint8], *, quotes: bool) -> None:
        """Find the runs among the whole rows of a text that begins with a newline."""
        ends = line_ends(text, self._scratch)
        rows = 0
        if self.header is not None:
            # What is kept for the next piece begins with a newline: a row that is not whole, and
            # rows before it whose first bytes would be read beyond the text's end.
            rows = int(np.searchsorted(ends, len(text) - CELL_BYTES - 1))
            rows = min(rows, len(ends) - 1)
        if quotes and not _quotes_close_in_lines(text, ends[: rows + 1]):
            self._refuse("a quoted cell goes over lines")
            return
        if rows:
            base = self._offset - len(text)
            self._compare(text, ends[:rows] + 1, base)
        self._keep(text[int(ends[rows]) if rows else 0 :])

    def _keep(self, rest: NDArray[np.uint8]) -> None:
        if self.refusal:
            return
        if len(rest) > _LONGEST_LINE:
            self._refuse(f"a line is longer than {_LONGEST_LINE:,} bytes")
            return
        kept = rest.tobytes()
        self._kept = len(kept)
        self._kept_quotes = b'"' in kept
        self._text[: self._kept] = np.frombuffer(kept, np.uint8)

    def _compare(self, text: NDArray[np.uint8], starts: NDArray[np.int64], base: int) -> None:
        """Note the rows whose ticker is another than the row's before."""
        try:
            cells = first_cells(text, starts)
        except NoFirstCellError as error:
            self._refuse(str(error))
            return
        first = changes(cells)
        if self._last is not None and _equal(self._last, cells[0]):
            first = first[1:]
        self._last = cells[-1].copy()
        self._count += len(first)
        if self._count > MOST_RUNS:
            self._refuse(f"it has more than {MOST_RUNS:,} runs of tickers")
        elif len(first):
            self._cells.append(cells[first])
            self._starts.append(starts[first] + base)

    def finish(self) -> TickerRuns | None:
        """The runs of the text, or None where `refusal` says why not."""
        kept = self._text[: self._kept].tobytes()
        if self.header is None and not self.refusal:
            # A file may be a header alone, without a newline.
            self.header = kept
            if kept.split(b",")[0] != _TICKER_COLUMN:
                self._refuse("its first column is not ticker")
        elif not self.refusal and kept not in (b"", b"\n"):
            self._look_at_rest(kept)
        if self.refusal:
            return None
        starts = np.concatenate([*self._starts, np.zeros(0, np.int64)])
        tickers = self._names()
        return None if tickers is None else TickerRuns(tickers, starts, self._offset)

    def _look_at_rest(self, kept: bytes) -> None:
        """Find the runs among the last rows; the last one may have no newline."""
        rows = kept[1:].removesuffix(b"\n")
        for row in rows.split(b"\n"):
            if b"," not in row or row.count(b'"') % 2:
                self._refuse("the last lines are not rows, or a quoted cell goes over lines")
                return
        # Rows may be shorter than what is read of a row's beginning.
        text = np.frombuffer(kept + bytes(CELL_BYTES), np.uint8)
        starts = np.flatnonzero(text[: len(rows) + 1] == ord("\n")) + 1
        self._compare(text, starts, self._offset - len(kept))

    def _names(self) -> list[str] | None:
        """The tickers of all runs, or None if one is odd."""
        names: list[str] = []
        for cells in self._cells:
            text = np.zeros((len(cells), CELL_BYTES), np.uint8)
            text[:, : cells.shape[1] * 8] = np.ascontiguousarray(cells).view(np.uint8)
            used = text[text > 0]
            odd = (used <= ord(" ")) | (used == ord('"')) | (used > ord("~"))
            behind_zero = (text[:, 1:] > 0) & (text[:, :-1] == 0)
            if odd.any() or behind_zero.any() or (text[:, 0] == ord(",")).any():
                self._refuse("a ticker is empty, quoted or has characters that tickers have not")
                return None
            names += [cell.decode("ascii") for cell in text.view(f"S{CELL_BYTES}")[:, 0].tolist()]
        return [name[:-1] for name in names]


def _equal(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> bool:
    """Whether two first cells are the same, also when given with different numbers of words."""
    padded = np.zeros((2, MOST_WORDS), np.uint64)
    padded[0, : len(one)] = one
    padded[1, : len(other)] = other
    return bool((padded[0] == padded[1]).all())


def _quotes_close_in_lines(text: NDArray[np.uint8], ends: NDArray[np.int64]) -> bool:
    """Whether each of the lines between the newlines has an even number of quotes."""
    quotes = np.flatnonzero(text == ord('"'))
    lines = np.searchsorted(quotes, ends)
    return bool((np.diff(lines) % 2 == 0).all())
