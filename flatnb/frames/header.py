"""A file's header bound to its data type by column name; and the search for a line at fault."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import SchemaError
from ..market.columns import ColumnType, column_type
from ..market.data_types import DataType


@dataclass(frozen=True, slots=True)
class BoundHeader:
    """What a file's header says.

    Attributes
    ----------
    columns
        The file's columns, in its order, with their types. One that the data type does not know
        is kept as strings.
    known
        The data type's own columns, in its order.
    absent
        Those of them that the file lacks, as older or newer ones do: null in a frame.
    nullable
        The columns whose cells may be empty.
    """

    columns: dict[str, ColumnType]
    known: tuple[str, ...]
    absent: dict[str, ColumnType] = field(default_factory=dict)
    nullable: frozenset[str] = frozenset()

    def ordered(self) -> list[str]:
        """The columns in the order of a frame: the data type's own, then the unknown ones."""
        return [*self.known, *(name for name in self.columns if name not in self.known)]

    def select(self, columns: Sequence[str] | None) -> list[str]:
        """The columns of the frame, in the order asked for.

        Raises
        ------
        ValueError
            If there is no such column; the message lists those there are.
        """
        ordered = self.ordered()
        check_columns(columns, ordered)
        return ordered if columns is None else list(columns)


def check_columns(columns: Sequence[str] | None, available: Sequence[str]) -> None:
    """Refuse columns that there are not.

    Raises
    ------
    ValueError
        The message lists those there are.
    """
    for name in columns or ():
        if name not in available:
            raise ValueError(
                f"columns holds {name!r}, which the files do not have; "
                f"choose from: {', '.join(available)}"
            )


def bind_header(header: bytes, data_type: DataType, key: str) -> BoundHeader:
    """Read a file's first line.

    Raises
    ------
    SchemaError
        If it is no header of this data type: a column is missing, empty or there twice.
    """
    try:
        names = next(csv.reader([header.decode("utf-8").rstrip("\r\n")]), [])
    except UnicodeDecodeError:
        names = []
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
            raise SchemaError(f"the header has the column {name!r} twice or empty", key=key, line=1)
    return _bind(names, data_type)


def _bind(names: Sequence[str], data_type: DataType) -> BoundHeader:
    if not data_type.columns:
        types = {name: column_type(name) for name in names}
        return BoundHeader(types, tuple(names), nullable=frozenset(names) - {"ticker"})
    types = {name: data_type.columns.get(name, "string") for name in names}
    absent = {name: kind for name, kind in data_type.columns.items() if name not in types}
    return BoundHeader(types, tuple(data_type.columns), absent, data_type.nullable)


def locate_error(
    blocks: Iterable[bytes], binding: BoundHeader, key: str, error: str, *, lines_before: int
) -> SchemaError:
    """Say which line is at fault, by reading slowly what the fast reader stumbled over.

    Parameters
    ----------
    blocks
        Whole lines, without the header.
    lines_before
        How many lines of the file come before them.
    """
    names = list(binding.columns)
    texts = (io.StringIO(block.decode("utf-8", "replace"), newline="") for block in blocks)
    reader = csv.reader((line for text in texts for line in text), strict=True)

    def error_at(reason: str) -> SchemaError:
        return SchemaError(reason, key=key, line=lines_before + reader.line_num)

    try:
        for row in reader:
            if reason := _row_error(row, names, binding):
                return error_at(reason)
    except csv.Error as refusal:
        return error_at(f"invalid CSV: {refusal}")
    return SchemaError(error, key=key)


def _row_error(row: list[str], names: list[str], binding: BoundHeader) -> str | None:
    if not row:
        return "the line is empty"
    if len(row) != len(names):
        return f"{len(row)} fields, where the header has {len(names)}"
    for name, cell in zip(names, row, strict=True):
        if "\n" in cell or "\0" in cell or "\ufffd" in cell:
            return f"{name} holds a line break, a NUL or what is not UTF-8: {cell!r}"
        if cell == "" and name in binding.nullable:
            continue
        if name in binding.known and not _fits(cell, binding.columns[name]):
            return f"{name} is {cell!r}, which is no {binding.columns[name]}"
    return None


def _fits(cell: str, column_type: ColumnType) -> bool:
    try:
        match column_type:
            case "string":
                return cell != ""
            case "float64":
                return math.isfinite(float(cell))
            case "int64" | "timestamp":
                return -(2**63) <= int(cell) < 2**63
    except ValueError:
        return False
