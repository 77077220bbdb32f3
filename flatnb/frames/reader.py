"""One day's file in, one typed polars frame out; exact, or an error that names the line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import SchemaError
from ..market.columns import ColumnType
from ..market.data_types import DataType
from .decode import PARSE_BYTES, SEARCH_BYTES, Chunks, header_and_rows, whole_lines
from .header import BoundHeader, bind_header, check_columns, locate_error
from .selection import Selection

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

_BLOCKS_AT_ONCE = 8
"""Blocks for one call of polars. Measured on 21 days of minutes: with more, their memory is given
back and had anew each time, which cost a second of the system's; fewer keep less than two cores
busy."""


def read_day(
    chunks: Callable[[], Chunks],
    data_type: DataType,
    *,
    key: str,
    selection: Selection | None = None,
    columns: Sequence[str] | None = None,
    max_decompressed_bytes: int | None = None,
) -> pl.DataFrame:
    """Read one day's file.

    It is never in memory unpacked as a whole, but for the rows that are wanted.

    Parameters
    ----------
    chunks
        Gives the file as stored: gzip, or plain CSV. Called again where something is at fault.
    data_type
        What it holds. Columns are bound by name, never by position or by looking at values.
    key
        Its key, for messages; a key that ends in ``.gz`` must be gzip.
    selection
        Keep only rows with these tickers. The other rows are not parsed where that can be told
        from the text.
    columns
        Keep only these columns, in this order.
    max_unpacked_bytes
        As `flatnb.download.gzip_stream.decompress_stream` takes it.

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
    import polars as pl

    def read(in_text: bool) -> pl.DataFrame:
        pieces = read_pieces(
            chunks(),
            data_type,
            key=key,
            selection=selection,
            columns=columns,
            max_decompressed_bytes=max_decompressed_bytes,
            in_text=in_text,
        )
        return pl.concat(pieces, rechunk=False)

    if selection is None:
        return read(in_text=False)
    try:
        return read(in_text=True)
    except SchemaError:
        # Whatever is odd about the few rows, the whole file tells better, with its line.
        return read(in_text=False)


def read_pieces(
    chunks: Chunks,
    data_type: DataType,
    *,
    key: str,
    selection: Selection | None,
    columns: Sequence[str] | None,
    max_decompressed_bytes: int | None,
    in_text: bool,
) -> Iterator[pl.DataFrame]:
    """As `read_day`, in at least one frame, of some 32 MB of text each.

    Only when the last one has been taken is the file verified. ``in_text``: whether to look for
    the selected rows in the text, and to parse no others.
    """
    block_bytes = SEARCH_BYTES if in_text else PARSE_BYTES
    header, rows = header_and_rows(chunks, key, max_decompressed_bytes, block_bytes)
    reader = _Reader(bind_header(header, data_type, key), key, selection, columns)
    if in_text and selection is not None and selection.can_prefilter(header):
        rows = whole_lines(selection.prefilter(rows), PARSE_BYTES)
    yield from reader.pieces(rows)


def empty_day(data_type: DataType, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """What `read_day` gives for a file without rows."""
    binding = BoundHeader(dict(data_type.columns), tuple(data_type.columns))
    return next(_Reader(binding, "", None, columns).pieces(()))


def select(
    frame: pl.DataFrame, selection: Selection | None, columns: Sequence[str] | None
) -> pl.DataFrame:
    """The wanted rows and columns of a whole day.

    Raises
    ------
    ValueError
        If ``columns`` names one that the day does not have.
    """
    check_columns(columns, frame.columns)
    if selection is not None:
        frame = selection.apply(frame)
    return frame.select(columns or frame.columns)


class _Reader:
    """Parses the rows of one file and proves that none was bent to fit.

    polars fills a short row with nulls and takes a NUL for a character. So a null tells of a short
    row if the row's last column is among the parsed; where that may be empty, the commas tell.
    Where not all columns are parsed, polars does not see a long row: the commas tell of it.
    """

    def __init__(
        self,
        binding: BoundHeader,
        key: str,
        selection: Selection | None,
        columns: Sequence[str] | None,
    ) -> None:
        self._binding = binding
        self._key = key
        self._selection = selection
        self._selected = binding.select(columns)
        self._lines = 1

    def pieces(self, rows: Iterable[bytes]) -> Iterator[pl.DataFrame]:
        """Read blocks of whole lines; at least one frame, be it empty."""
        return (self._narrow(self._parse(blocks)) for blocks in by_many(rows, _BLOCKS_AT_ONCE))

    def _narrow(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        absent = _dtypes(self._binding.absent)
        frame = frame.with_columns(pl.lit(None, absent[name]).alias(name) for name in absent)
        if self._selection is not None:
            frame = self._selection.apply(frame)
        frame = frame.select(self._selected)
        columns = self._binding.columns | self._binding.absent
        times = [name for name in frame.columns if columns[name] == "timestamp"]
        return frame.with_columns(pl.col(times).cast(pl.Datetime("ns", "UTC")))

    def _parse(self, blocks: list[bytes]) -> pl.DataFrame:
        import polars as pl

        binding = self._binding
        names = list(binding.columns)
        lines = sum(map(_line_count, blocks))
        parsed = {*self._selected, names[-1]} - set(binding.absent)
        parsed |= {"ticker"} if self._selection else set()
        if names[-1] in binding.nullable or any(b'"' in block for block in blocks):
            # A quoted comma separates nothing, so commas tell nothing; and a row whose last cell
            # may be empty is compared with the others in its commas, so none may be long.
            parsed = set(names)
        elif len(parsed) < len(names):
            commas = sum(block.count(b",") for block in blocks)
            if commas > (len(names) - 1) * lines:
                raise self._locate(blocks, "it holds rows with too many fields")
        try:
            frame = pl.read_csv(
                blocks,
                has_header=False,
                schema=_dtypes(binding.columns),
                columns=[at for at, name in enumerate(names) if name in parsed],
                null_values=None,
                extra_columns="raise",
            )
        except pl.exceptions.PolarsError as error:
            raise self._locate(blocks, f"polars: {error}") from error
        if frame.height != lines:
            raise self._locate(blocks, f"{frame.height} rows were read from {lines} lines")
        if any(b"\0" in block for block in blocks):
            raise self._locate(blocks, "it holds NUL bytes")
        if reason := self._error_in(frame, blocks, lines):
            raise self._locate(blocks, reason)
        self._lines += lines
        return frame

    def _error_in(self, frame: pl.DataFrame, blocks: list[bytes], lines: int) -> str | None:
        import polars as pl
        import polars.selectors as cs

        binding = self._binding
        known = frame.select(pl.col(name for name in frame.columns if name in binding.known))
        if any(column.null_count() for column in known if column.name not in binding.nullable):
            return "it holds empty cells or short rows"
        last = frame[frame.columns[-1]]
        if last.name in binding.nullable and last.null_count():
            separators = (len(binding.columns) - 1) * lines
            if sum(map(_separators, blocks)) != separators:
                return f"it holds rows with fewer than {len(binding.columns)} fields"
        # What is not finite makes the sum so, which is the quicker to tell.
        for total in known.select(cs.float().sum()):
            if not total.is_finite().all() and not known[total.name].is_finite().all():
                return "it holds numbers that are not finite"
        return None

    def _locate(self, blocks: list[bytes], reason: str) -> SchemaError:
        return locate_error(blocks, self._binding, self._key, reason, lines_before=self._lines)


def by_many(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """The items in lists of so many; at least one, be it empty."""
    pending: list[T] = []
    for item in items:
        if len(pending) == count:
            yield pending
            pending = []
        pending.append(item)
    yield pending


def _separators(block: bytes) -> int:
    """The commas outside quotes."""
    return sum(part.count(b",") for part in block.split(b'"')[::2])


def _line_count(block: bytes) -> int:
    import numpy as np
    import polars as pl

    # A fraction of the time of bytes.count, and other threads have the interpreter meanwhile.
    breaks = int((pl.Series(np.frombuffer(block, np.uint8)) == ord("\n")).sum())
    return breaks + (not block.endswith(b"\n"))


def _dtypes(columns: dict[str, ColumnType]) -> dict[str, pl.DataType]:
    import polars as pl

    dtypes: dict[ColumnType, pl.DataType] = {
        "string": pl.String(),
        "float64": pl.Float64(),
        "int64": pl.Int64(),
        "timestamp": pl.Int64(),
    }
    return {name: dtypes[column_type] for name, column_type in columns.items()}
