"""CSV files that are damaged or unusual.

Each function takes and returns plain CSV (without quotes, ending in a newline), for example that
of `payloads.day_csv`; its docstring gives the expected result. "The same frame" means that of the
undamaged file. Lines are counted from 1, the header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Change: TypeAlias = Callable[[bytes], bytes]

WORD_TICKERS = ("NA", "NULL", "TRUE", "NAN", "INF", "ON", "E", "DEC")


def header_only(csv: bytes) -> bytes:
    """No rows, as in some real files. An empty frame with all columns and their dtypes."""
    return _lines(csv)[0] + b"\n"


def without_header(csv: bytes) -> bytes:
    """The first row is data. SchemaError, line 1; no row may be used as a header."""
    return _join(_lines(csv)[1:])


def reordered_columns(csv: bytes) -> bytes:
    """The columns in reverse. The same frame, as columns are bound by name."""
    return _join([b",".join(reversed(line.split(b","))) for line in _lines(csv)])


def extra_column(csv: bytes, name: bytes = b"vwap", value: bytes = b"10.25") -> bytes:
    """An additional last column. The same frame plus this column as a string."""
    header, *rows = _lines(csv)
    return _join([header + b"," + name, *(row + b"," + value for row in rows)])


def quoted_comma_column(csv: bytes) -> bytes:
    """A column ``conditions`` with a comma in quotes. The same frame plus it: ``"12,37"``."""
    return extra_column(csv, b"conditions", b'"12,37"')


def duplicate_column(csv: bytes, column: bytes = b"close") -> bytes:
    """Two columns of the same name with different values. SchemaError, line 1."""
    return extra_column(csv, column, b"0.5")


def missing_column(csv: bytes, column: bytes = b"volume") -> bytes:
    """A column is missing in the header and in the rows. SchemaError that names it."""
    lines = [line.split(b",") for line in _lines(csv)]
    at = lines[0].index(column)
    return _join([b",".join(cells[:at] + cells[at + 1 :]) for cells in lines])


def empty_file(csv: bytes = b"") -> bytes:
    """A valid gzip without any bytes, not even a header. SchemaError, line 1."""
    return b""


def short_row(csv: bytes, line: int = 3) -> bytes:
    """A row without its last cell. SchemaError with the line; no null may appear."""
    return _edit(csv, line, lambda row: row.rpartition(b",")[0])


def long_row(csv: bytes, line: int = 3) -> bytes:
    """A row with one cell too many. SchemaError with the line."""
    return _edit(csv, line, lambda row: row + b",1")


def cut_last_row(csv: bytes) -> bytes:
    """The file ends within its last row, which lacks cells. SchemaError with the line."""
    last = _lines(csv)[-1]
    return csv[: -1 - len(last) + len(last) // 2]


def no_last_newline(csv: bytes) -> bytes:
    """The last row has no newline. The same frame."""
    return csv.removesuffix(b"\n")


def blank_line(csv: bytes, line: int = 3) -> bytes:
    """An empty line between rows: a row with too few cells. SchemaError with the line."""
    lines = _lines(csv)
    return _join([*lines[: line - 1], b"", *lines[line - 1 :]])


def nul_byte(csv: bytes, line: int = 3) -> bytes:
    """A NUL at the end of a ticker. SchemaError with the line."""
    return _edit(csv, line, lambda row: row.replace(b",", b"\0,", 1))


def crlf(csv: bytes) -> bytes:
    r"""Lines end in ``\r\n``. The same frame."""
    return csv.replace(b"\n", b"\r\n")


def byte_order_mark(csv: bytes) -> bytes:
    """A UTF-8 byte order mark before the header. The same frame; it is not part of a name."""
    return b"\xef\xbb\xbf" + csv


def invalid_utf8(csv: bytes, line: int = 3) -> bytes:
    """A ticker with a byte that is not UTF-8. SchemaError with the line."""
    return set_cell(csv, line, b"ticker", b"A\xff")


def quoted_fields(csv: bytes) -> bytes:
    """Every cell of every row in quotes. The same frame."""
    header, *rows = _lines(csv)
    return _join([header, *(_quoted(row) for row in rows)])


def quoted_header(csv: bytes) -> bytes:
    """The names of the columns in quotes. The same frame."""
    header, *rows = _lines(csv)
    return _join([_quoted(header), *rows])


def text_in_number(
    csv: bytes, line: int = 3, column: bytes = b"volume", text: bytes = b"n/a"
) -> bytes:
    """A word in place of a number. SchemaError with the line; no null may appear."""
    return set_cell(csv, line, column, text)


def empty_number(csv: bytes, line: int = 3, column: bytes = b"volume") -> bytes:
    """An empty cell in place of a number. A null in this one cell."""
    return set_cell(csv, line, column, b"")


def late_decimal(csv: bytes, rows: int = 20_000) -> bytes:
    """Integer volumes in many rows, ``17798.430378`` in the last. Float64, no value lost."""
    header, *original = _lines(csv)
    many = (original * (rows // len(original) + 1))[:rows]
    return set_cell(_join([header, *many]), rows + 1, b"volume", b"17798.430378")


def word_tickers(csv: bytes, words: Sequence[str] = WORD_TICKERS) -> bytes:
    """Tickers that readers may parse as nulls, booleans or numbers. The same strings."""
    for line, word in enumerate(words[: len(_lines(csv)) - 1], start=2):
        csv = set_cell(csv, line, b"ticker", word.encode())
    return csv


def empty_ticker(csv: bytes, line: int = 3) -> bytes:
    """A row with an empty ticker. The row remains; its ticker is an empty string, not a null."""
    return set_cell(csv, line, b"ticker", b"")


def set_cell(csv: bytes, line: int, column: bytes, value: bytes) -> bytes:
    """Replace one cell."""
    at = _lines(csv)[0].split(b",").index(column)

    def change(row: bytes) -> bytes:
        cells = row.split(b",")
        return b",".join([*cells[:at], value, *cells[at + 1 :]])

    return _edit(csv, line, change)


def _edit(csv: bytes, line: int, change: Change) -> bytes:
    lines = _lines(csv)
    lines[line - 1] = change(lines[line - 1])
    return _join(lines)


def _quoted(row: bytes) -> bytes:
    return b",".join(b'"' + cell + b'"' for cell in row.split(b","))


def _lines(csv: bytes) -> list[bytes]:
    return csv.removesuffix(b"\n").split(b"\n")


def _join(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


BROKEN_CSV: Mapping[str, Change] = {
    "missing header": without_header,
    "duplicate column": duplicate_column,
    "missing column": missing_column,
    "empty file": empty_file,
    "short row": short_row,
    "long row": long_row,
    "cut last row": cut_last_row,
    "blank line": blank_line,
    "NUL": nul_byte,
    "invalid UTF-8": invalid_utf8,
    "text in a number": text_in_number,
}
"""Each must raise a SchemaError."""

SAME_FRAME_CSV: Mapping[str, Change] = {
    "reordered columns": reordered_columns,
    "no last newline": no_last_newline,
    "CRLF": crlf,
    "byte order mark": byte_order_mark,
    "quoted fields": quoted_fields,
    "quoted header": quoted_header,
}
"""Each must give the frame of the original file."""
