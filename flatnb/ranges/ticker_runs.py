"""Which ticker has rows where in a text: its runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .line_starts import CELL_BYTES, MOST_WORDS, NoFirstCellError, changes, first_cells, line_ends
from .packing import Reader, Writer

_TICKER_COLUMN = b"ticker"
_LONGEST_LINE = 65536


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


class TickerRunsBuilder:
    """Finds the runs while a text passes.

    It gives up rather than be wrong: where the header does not begin with ``ticker``, a ticker is
    quoted or empty or has other than printable ASCII characters, or a quoted cell goes over lines.
    """

    def __init__(self) -> None:
        self.header: bytes | None = None
        self.refusal: str | None = None
        self._offset = 0
        self._carried = b""
        self._last: NDArray[np.uint64] | None = None
        self._cells: list[NDArray[np.uint64]] = []
        self._starts: list[NDArray[np.int64]] = []

    def feed(self, block: bytes) -> None:
        """Look at the next bytes of the text."""
        if self.header is not None and self.refusal:
            return
        text = self._carried + block if self._carried else block
        base = self._offset - len(self._carried)
        self._offset += len(block)
        if self.header is None:
            text, base = self._after_header(text, base)
        if not self.refusal and text:
            self._look(text, base)

    def _after_header(self, text: bytes, base: int) -> tuple[bytes, int]:
        end = text.find(b"\n") + 1
        if not end:
            self._carried = text
            if len(text) > _LONGEST_LINE:
                self._refuse("it has no header line")
            return b"", base
        self.header = text[:end]
        self._carried = b""
        if self.header.rstrip(b"\r\n").split(b",")[0] != _TICKER_COLUMN:
            self._refuse("its first column is not ticker")
        # The header's newline stays, so that the first row has one before it, as all others.
        return text[end - 1 :], base + end - 1

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        self.header = self.header if self.header is not None else b""
        self._carried = b""
        self._cells, self._starts = [], []

    def _look(self, text: bytes, base: int) -> None:
        """Find the runs among the whole rows of a text that begins with a newline."""
        array = np.frombuffer(text, np.uint8)
        ends = line_ends(array)
        # What is kept for the next block begins with a newline: a row that is not whole, and rows
        # before it whose first bytes would be read beyond the text's end.
        rows = int(np.searchsorted(ends, len(text) - CELL_BYTES - 1))
        rows = min(rows, len(ends) - 1)
        self._carried = text[int(ends[rows]) :]
        if len(self._carried) > _LONGEST_LINE:
            self._refuse(f"a line is longer than {_LONGEST_LINE:,} bytes")
        elif b'"' in text and not _quotes_close_in_lines(array, ends[: rows + 1]):
            self._refuse("a quoted cell goes over lines")
        elif rows:
            self._compare(array, ends[:rows] + 1, base)

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
        if len(first):
            self._cells.append(cells[first])
            self._starts.append(starts[first] + base)

    def finish(self) -> TickerRuns | None:
        """The runs of the text, or None where `refusal` says why not."""
        if self.header is None:
            # A file may be a header alone, without a newline.
            header = self._carried
            self._after_header(header + b"\n", 0)
            self.header = header
            self._carried = b""
        if not self.refusal and self._carried not in (b"", b"\n"):
            self._look_at_rest()
        if self.refusal:
            return None
        starts = np.concatenate([*self._starts, np.zeros(0, np.int64)])
        tickers = self._names()
        return None if tickers is None else TickerRuns(tickers, starts, self._offset)

    def _look_at_rest(self) -> None:
        """Find the runs among the last rows; the last one may have no newline."""
        rows = self._carried[1:].removesuffix(b"\n")
        for row in rows.split(b"\n"):
            if b"," not in row or row.count(b'"') % 2:
                self._refuse("the last lines are no rows, or a quoted cell goes over lines")
                return
        # Rows may be shorter than what is read of a row's beginning.
        text = np.frombuffer(self._carried + bytes(CELL_BYTES), np.uint8)
        starts = np.flatnonzero(text[: len(rows) + 1] == ord("\n")) + 1
        self._compare(text, starts, self._offset - len(self._carried))

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
