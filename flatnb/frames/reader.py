"""Reading a day's file into a typed polars frame: exactly, or with an error that names the line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..errors import SchemaError
from ..market.columns import ColumnType, column_type
from ..market.data_types import DataType
from .decode import PARSE_BYTES, SEARCH_BYTES, Chunks, complete_lines, header_and_rows
from .header import BoundHeader, bind_header, check_columns, locate_error
from .selection import Selection

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

_BLOCKS_AT_ONCE = 8
"""Blocks for one call of polars. With more, their memory is returned to the system and allocated
again each time, which cost 1 s of system time; with fewer, less than two cores are busy (measured
on 21 days of minute bars)."""


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

    The decompressed file is never in memory as a whole, only the selected rows are.

    Parameters
    ----------
    chunks
        Returns the file as stored: gzip, or plain CSV. Called again to locate an error.
    data_type
        The file's data type. Columns are bound by name, never by position or values.
    key
        The file's key, for messages; a file whose key ends in ``.gz`` must be gzip.
    selection
        Return only rows with these tickers. If possible, the other rows are not parsed.
    columns
        Return only these columns, in this order.
    max_decompressed_bytes
        As in `flatnb.download.gzip_stream.decompress_stream`.

    Returns
    -------
    polars.DataFrame
        Rows in the order of the file. Timestamps are ``Datetime("ns", "UTC")``; columns that are
        not in the data type are last, as strings.

    Raises
    ------
    GzipError
        If the gzip is damaged.
    SchemaError
        If the CSV does not match the data type: the header, the number of fields in a parsed row,
        or a cell in one of the columns.
    ValueError
        If ``columns`` names one that the file does not have.
    """
    import polars as pl

    def concatenate(pieces: Iterator[pl.DataFrame]) -> pl.DataFrame:
        # Without rechunk, which would copy the whole frame and double the peak of memory.
        return pl.concat(pieces, rechunk=False)

    return consume_day(
        chunks,
        data_type,
        concatenate,
        key=key,
        selection=selection,
        columns=columns,
        max_decompressed_bytes=max_decompressed_bytes,
    )


def consume_day(
    chunks: Callable[[], Chunks],
    data_type: DataType,
    consume: Callable[[Iterator[pl.DataFrame]], T],
    *,
    key: str,
    selection: Selection | None,
    columns: Sequence[str] | None,
    max_decompressed_bytes: int | None,
) -> T:
    """Read one day's file as one or more frames of about 32 MB of text each.

    Parameters
    ----------
    consume
        Called with the frames; it must exhaust them, as the file is verified only then. Called
        anew, from the first frame on, if the file has to be read again to locate an error.

    Returns
    -------
    T
        What ``consume`` returned.

    Raises
    ------
    GzipError, SchemaError, ValueError
        As `read_day`.
    """

    def pieces(prefilter: bool) -> Iterator[pl.DataFrame]:
        block_bytes = SEARCH_BYTES if prefilter else PARSE_BYTES
        header, rows = header_and_rows(chunks(), key, max_decompressed_bytes, block_bytes)
        reader = _Reader(bind_header(header, data_type, key), key, selection, columns)
        if prefilter and selection is not None and selection.can_prefilter(header):
            rows = complete_lines(selection.prefilter(rows), PARSE_BYTES)
        yield from reader.pieces(rows)

    if selection is None:
        return consume(pieces(prefilter=False))
    try:
        return consume(pieces(prefilter=True))
    except SchemaError:
        # The line numbers of the prefiltered rows are not those of the file.
        return consume(pieces(prefilter=False))


def empty_day(data_type: DataType, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The frame that `read_day` returns for a file without rows.

    Of a data type whose columns are unknown it has those that are asked for.
    """
    import polars as pl

    types = dict(data_type.columns) or {name: column_type(name) for name in columns or ()}
    selected = BoundHeader(types, tuple(types)).select(columns)
    dtypes = _dtypes(types) | {
        name: pl.Datetime("ns", "UTC") for name, kind in types.items() if kind == "timestamp"
    }
    return pl.DataFrame(schema={name: dtypes[name] for name in selected})


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
    """Parses the rows of one file and verifies that polars changed none of them.

    polars fills a short row with nulls and accepts a NUL as a character. So a null in the last
    column shows a short row, if that column is parsed; if its cells may be empty, the number of
    commas shows it. If only some columns are parsed, polars does not notice a long row: then, too,
    the number of commas shows it.
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
        self._lines = 1  # the header

    def pieces(self, rows: Iterable[bytes]) -> Iterator[pl.DataFrame]:
        """Parse blocks of complete lines; at least one frame, which may be empty."""
        return (self._select(self._parse(blocks)) for blocks in batches(rows, _BLOCKS_AT_ONCE))

    def _select(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        absent = _dtypes(self._binding.absent)
        frame = frame.with_columns(pl.lit(None, absent[name]).alias(name) for name in absent)
        if self._selection is not None:
            frame = self._selection.apply(frame)
        frame = frame.select(self._selected)
        columns = self._binding.columns | self._binding.absent
        # polars' CSV reader does not parse integers as Datetime.
        times = [name for name in frame.columns if columns[name] == "timestamp"]
        return frame.with_columns(pl.col(times).cast(pl.Datetime("ns", "UTC")))

    def _parse(self, blocks: list[bytes]) -> pl.DataFrame:
        import polars as pl

        binding = self._binding
        names = list(binding.columns)
        lines = sum(map(_line_count, blocks))
        # The last column is always parsed, as its nulls show short rows.
        parsed = {*self._selected, names[-1]} - set(binding.absent)
        parsed |= {"ticker"} if self._selection else set()
        if names[-1] in binding.nullable or any(b'"' in block for block in blocks):
            # All columns, so that polars itself rejects long rows: the number of commas shows no
            # long row if there are quoted commas, and no short row if there might be long ones.
            parsed = set(names)
        elif len(parsed) < len(names):
            commas = sum(block.count(b",") for block in blocks)
            if commas > (len(names) - 1) * lines:
                raise self._locate(blocks, "it has rows with too many fields")
        try:
            # With a schema polars infers no types from values, and without null_values only empty
            # cells are null: the tickers NA and NULL remain strings.
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
        # Different if a cell contains a line break, or if a line is empty.
        if frame.height != lines:
            raise self._locate(blocks, f"{frame.height} rows were read from {lines} lines")
        if any(b"\0" in block for block in blocks):
            raise self._locate(blocks, "it contains NUL bytes")
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
            return "it has empty cells or short rows"
        last = frame[frame.columns[-1]]
        if last.name in binding.nullable and last.null_count():
            separators = (len(binding.columns) - 1) * lines
            if sum(map(_separators, blocks)) != separators:
                return f"it has rows with fewer than {len(binding.columns)} fields"
        # A cell that is not finite makes the sum not finite, which is faster to check. A finite
        # column can overflow, so the cells are checked then.
        for total in known.select(cs.float().sum()):
            if not total.is_finite().all() and not known[total.name].is_finite().all():
                return "it has numbers that are not finite"
        return None

    def _locate(self, blocks: list[bytes], reason: str) -> SchemaError:
        return locate_error(blocks, self._binding, self._key, reason, lines_before=self._lines)


def batches(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """The items in lists of ``count``; at least one list, which may be empty."""
    pending: list[T] = []
    for item in items:
        if len(pending) == count:
            yield pending
            pending = []
        pending.append(item)
    yield pending


def _separators(block: bytes) -> int:
    """The commas outside quotes."""
    # Every second part is outside; a doubled quote within quotes adds an empty part outside.
    return sum(part.count(b",") for part in block.split(b'"')[::2])


def _line_count(block: bytes) -> int:
    import numpy as np
    import polars as pl

    # A fraction of the time of bytes.count (measured), and it releases the GIL.
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
