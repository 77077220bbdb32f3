"""Binding a file's header to its data type by column name, and locating the line of an error."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import SchemaError
from ..market.columns import DATE_COLUMN_IN_FRAMES, ColumnType, column_type
from ..market.data_types import DataType


@dataclass(frozen=True, slots=True)
class BoundHeader:
    """A file's columns and their types.

    Attributes
    ----------
    columns
        The file's columns, in its order, with their types. Columns that are not in the data type
        are strings.
    known
        The data type's columns, in its order.
    absent
        The data type's columns that the file lacks, with their types; they are null in a frame.
    nullable
        The columns whose cells may be empty.
    """

    columns: dict[str, ColumnType]
    known: tuple[str, ...]
    absent: dict[str, ColumnType] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()

    def ordered(self) -> list[str]:
        """The columns in the order of a frame: those of the data type, then the others."""
        return [*self.known, *(name for name in self.columns if name not in self.known)]

    def select(self, columns: Sequence[str] | None) -> list[str]:
        """The columns of the frame, in the requested order; None: all.

        Raises
        ------
        ValueError
            If a column does not exist; the message lists the available ones.
        """
        ordered = self.ordered()
        check_columns(columns, ordered)
        return ordered if columns is None else list(columns)


class AbsentColumnsError(ValueError):
    """A wanted column does not exist.

    Attributes
    ----------
    available
        The columns that there are.
    """

    def __init__(self, name: str, available: Sequence[str]) -> None:
        self.name = name
        self.available = list(available)
        super().__init__(
            f"columns contains {name!r}, which the files do not have; "
            f"choose from: {', '.join(available)}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return AbsentColumnsError, (self.name, self.available)


def check_columns(columns: Sequence[str] | None, available: Sequence[str]) -> None:
    """Raise an error for columns that are not available.

    Raises
    ------
    AbsentColumnsError
        The message lists the available ones.
    """
    for name in columns or ():
        if name not in available:
            raise AbsentColumnsError(name, available)


def bind_header(header: bytes, data_type: DataType, key: str) -> BoundHeader:
    """Parse a file's first line.

    A column ``date`` of the file is called ``vendor_date`` from here on, as the ``date`` of a
    frame is the file's day.

    Raises
    ------
    SchemaError
        If it is not a header of this data type: a column is missing, unnamed or duplicated.
    """
    # With the csv module, as names may be quoted.
    try:
        names = next(csv.reader([header.decode("utf-8").rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error):  # the latter: a NUL, or a field over 128 KiB
        names = []
    # A frame's ``date`` is the file's day.
    names = [DATE_COLUMN_IN_FRAMES if name == "date" else name for name in names]
    missing = [name for name in data_type.required if name not in names]
    if missing:
        shown = header[:80].decode("utf-8", "replace").strip()
        raise SchemaError(
            f"the header lacks {', '.join(missing)} (a {data_type.name} file has "
            f"{', '.join(data_type.required)}); its first line is {shown!r}",
            key=key,
            line=1,
        )
    for name in names or [""]:
        if not name or names.count(name) > 1:
            problem = "twice" if name else "without a name"
            raise SchemaError(f"the header has the column {name!r} {problem}", key=key, line=1)
    return _bind_columns(names, data_type)


def _bind_columns(names: Sequence[str], data_type: DataType) -> BoundHeader:
    if not data_type.columns:
        # Columns of which nothing is known: any cell may be empty, but each row has a ticker.
        types = {name: column_type(name) for name in names}
        return BoundHeader(types, tuple(names), nullable=frozenset(names) - {"ticker"})
    types = {name: data_type.columns.get(name, "string") for name in names}
    absent = {name: kind for name, kind in data_type.columns.items() if name not in types}
    return BoundHeader(types, tuple(data_type.columns), absent, data_type.nullable)


def locate_error(
    blocks: Iterable[bytes], binding: BoundHeader, key: str, error: str, *, lines_before: int
) -> SchemaError:
    """Find the line of an error, by reading the rows with the csv module.

    Parameters
    ----------
    blocks
        Complete lines, without the header.
    error
        The message if no line is found.
    lines_before
        Number of lines in the file before these.
    """
    names = list(binding.columns)
    # newline="", as the csv module recognises line breaks in quotes itself (its documentation).
    texts = (io.StringIO(block.decode("utf-8", "replace"), newline="") for block in blocks)
    reader = csv.reader((line for text in texts for line in text), strict=True)

    def error_at(reason: str) -> SchemaError:
        return SchemaError(reason, key=key, line=lines_before + reader.line_num)

    try:
        for row in reader:
            if reason := _row_error(row, names, binding):
                return error_at(reason)
    except csv.Error as csv_error:
        return error_at(f"invalid CSV: {csv_error}")
    return SchemaError(error, key=key)


def _row_error(row: list[str], names: list[str], binding: BoundHeader) -> str | None:
    if not row:
        return "the line is empty"
    if len(row) != len(names):
        return f"{len(row)} fields, where the header has {len(names)}"
    for name, cell in zip(names, row, strict=True):
        # U+FFFD replaces invalid UTF-8, see the decode() above; no ticker contains it.
        if "\n" in cell or "\0" in cell or "\ufffd" in cell:
            return f"{name} contains a line break, a NUL or invalid UTF-8: {cell!r}"
        if cell == "" and name in binding.nullable:
            continue
        if name in binding.known and not _is_valid(cell, binding.columns[name]):
            return f"{name} is {cell!r}, which is not a valid {binding.columns[name]}"
    return None


# What polars' CSV reader takes for numbers. Python takes more: 1_000, other scripts' digits.
_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]+")
_NUMBER = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _is_valid(cell: str, column_type: ColumnType) -> bool:
    match column_type:
        case "string":
            return cell != ""
        case "float64":
            return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))
        case "int64" | "timestamp":  # the range of polars' Int64
            # Not int() of more digits than that, which Python refuses beyond 4,300.
            is_integer = _INTEGER.fullmatch(cell) is not None and len(cell) < 4000
            return is_integer and -(2**63) <= int(cell) < 2**63
