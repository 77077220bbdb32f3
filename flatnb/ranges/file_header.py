"""The first bytes of a minute file: its columns, and how its numbers are written."""

from __future__ import annotations

from .gzip_members import GzipStream
from .inflate import InflateError

HEADER_BYTES = 16_384
"""How many compressed bytes are looked at."""

_NUMBERS = frozenset({"volume", "open", "close", "high", "low"})
_FEWEST_ROWS, _MOST_ROWS = 50, 300


class FileHeader:
    """What the beginning of a file says.

    Attributes
    ----------
    line
        The first line with its newline.
    columns
        Its columns.
    decimals
        Columns whose numbers have all the same number of decimals there, and how many: stock files
        write six in volumes and prices since 2026-02-23. That the rest of the file does as well is
        assumed: where it does not, a contradiction is found, or the day's bar does not add up.
        Columns without decimals are left out, as the first rows are of few tickers.

    Raises
    ------
    ValueError
        If it is not gzip, or has no line.
    """

    def __init__(self, data: bytes) -> None:
        try:
            text, _ = GzipStream().feed(data)
        except InflateError as error:
            raise ValueError(f"the file is not readable: {error}") from error
        end = text.find(b"\n") + 1
        if not end:
            raise ValueError("the file has no header line")
        self.line = text[:end]
        try:
            self.columns = tuple(self.line.decode("utf-8").rstrip("\n").split(","))
        except UnicodeDecodeError as error:
            raise ValueError("the file's header is not text") from error
        rows = [row.split(b",") for row in text[end:].split(b"\n", _MOST_ROWS)[:-1]]
        whole = [row for row in rows if len(row) == len(self.columns)]
        self.decimals: dict[str, int] = {}
        if len(whole) != len(rows) or len(rows) < _FEWEST_ROWS:
            return
        for place, column in enumerate(self.columns):
            counts = {len(row[place].partition(b".")[2]) for row in rows}
            if len(counts) == 1 and column in _NUMBERS and (count := counts.pop()):
                self.decimals[column] = count
