"""One day's file in, one typed polars frame out; exact, or an error that names the line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..download.gunzip import MAGIC, unpack
from ..errors import SchemaError
from ..market.data_types import ColumnType, DataType
from .schema import Binding, bind_header, find_fault
from .select import rows_of

if TYPE_CHECKING:
    import polars as pl

MAX_UNPACKED_BYTES = 8 * 10**9
"""What one day's file may unpack to; a day of stock minutes is about 0.1 GB."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_day(
    data: bytes | bytearray | memoryview,
    data_type: DataType,
    *,
    key: str,
    symbols: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    max_unpacked_bytes: int | None = MAX_UNPACKED_BYTES,
) -> pl.DataFrame:
    """Read one day's file.

    Parameters
    ----------
    data
        The file as stored: gzip, or plain CSV.
    data_type
        What it holds. Columns are bound by name, never by position or by looking at values.
    key
        Its key, for messages; a key that ends in ``.gz`` must be gzip.
    symbols
        Keep only rows with these tickers, exactly as written. The other rows are not parsed, but
        for their tickers, where that saves time.
    columns
        Keep only these columns, in this order.
    max_unpacked_bytes
        Refuse a file that unpacks to more.

    Returns
    -------
    polars.DataFrame
        Rows in file order. Timestamps are ``Datetime("ns", "UTC")``; a column that the data type
        does not know comes last, as strings.

    Raises
    ------
    GzipFault
        If the gzip is damaged.
    SchemaError
        If the CSV is not what the data type says: the header, the number of fields in a row
        that is parsed, or a cell of the columns that are read.
    ValueError
        If ``columns`` names one that the file does not have.
    """
    if symbols is not None:
        # Whatever is odd about the few rows, the whole file tells better, with its line.
        with contextlib.suppress(SchemaError):
            rows = rows_of(_blocks(data, key, max_unpacked_bytes), symbols)
            if rows is not None:
                return _read_csv(rows, data_type, key, symbols, columns)
    csv = b"".join(_blocks(data, key, max_unpacked_bytes))
    return _read_csv(csv, data_type, key, symbols, columns)


def _read_csv(
    csv: bytes,
    data_type: DataType,
    key: str,
    symbols: Sequence[str] | None,
    columns: Sequence[str] | None,
) -> pl.DataFrame:
    import polars as pl

    csv = csv.removeprefix(_BYTE_ORDER_MARK)
    binding = bind_header(csv[: csv.find(b"\n") + 1 or None], data_type, key)
    selected = binding.select(columns)
    frame = _parse(csv, binding, selected, key, with_ticker=symbols is not None)
    if symbols is not None:
        frame = frame.filter(pl.col("ticker").is_in(list(symbols)))
    return _with_times(frame.select(selected), binding.columns)


def empty_day(data_type: DataType, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """What `read_day` gives for a file without rows."""
    import polars as pl

    binding = Binding(dict(data_type.columns), tuple(data_type.columns))
    frame = pl.DataFrame(schema=_dtypes(binding.columns))
    return _with_times(frame.select(binding.select(columns)), binding.columns)


def _blocks(
    data: bytes | bytearray | memoryview, key: str, max_unpacked_bytes: int | None
) -> Iterator[bytes]:
    if key.endswith(".gz") or bytes(data[:2]) == MAGIC:
        return unpack([data], max_unpacked_bytes=max_unpacked_bytes)
    return iter([bytes(data)])


def _parse(
    csv: bytes, binding: Binding, selected: Sequence[str], key: str, *, with_ticker: bool
) -> pl.DataFrame:
    """Parse all rows and prove that none was bent to fit.

    polars fills a short row with nulls and takes a NUL for a character. No known column may be
    empty, so a null tells of a short row if the row's last column is among the parsed. Where not
    all columns are parsed, polars does not see a long row: the commas tell of it.
    """
    import polars as pl

    names = list(binding.columns)
    parsed = {*selected, names[-1]} | ({"ticker"} if with_ticker else set())
    if b'"' in csv:
        parsed = set(names)  # a quoted comma separates nothing, so commas tell nothing
    elif len(parsed) < len(names) and csv.count(b",") > (len(names) - 1) * _line_count(csv):
        raise find_fault(csv, binding, key, "it holds rows with too many fields")
    try:
        frame = pl.read_csv(
            csv,
            schema=_dtypes(binding.columns),
            columns=[name for name in names if name in parsed],
            null_values=None,
            extra_columns="raise",
        )
    except pl.exceptions.PolarsError as error:
        raise find_fault(csv, binding, key, f"polars: {error}") from error
    if symptom := _symptom(frame, csv, binding):
        raise find_fault(csv, binding, key, symptom)
    return frame


def _symptom(frame: pl.DataFrame, csv: bytes, binding: Binding) -> str | None:
    import polars as pl
    import polars.selectors as cs

    lines = _line_count(csv) - 1
    if frame.height != lines:
        return f"{frame.height} rows were read from {lines} lines"
    if b"\0" in csv:
        return "it holds NUL bytes"
    known = frame.select(pl.col(name for name in frame.columns if name in binding.known))
    if any(column.null_count() for column in known):
        return "it holds empty cells or short rows"
    finite = known.select(pl.all_horizontal(True, cs.float().is_finite().all()))
    return None if all(finite.to_series()) else "it holds numbers that are not finite"


def _line_count(csv: bytes) -> int:
    return csv.count(b"\n") + (not csv.endswith(b"\n"))


def _dtypes(columns: dict[str, ColumnType]) -> dict[str, pl.DataType]:
    import polars as pl

    dtypes: dict[ColumnType, pl.DataType] = {
        "string": pl.String(),
        "float64": pl.Float64(),
        "int64": pl.Int64(),
        "timestamp": pl.Int64(),
    }
    return {name: dtypes[column_type] for name, column_type in columns.items()}


def _with_times(frame: pl.DataFrame, columns: dict[str, ColumnType]) -> pl.DataFrame:
    import polars as pl

    times = [name for name in frame.columns if columns[name] == "timestamp"]
    return frame.with_columns(pl.col(times).cast(pl.Datetime("ns", "UTC")))
