"""The columns that a load asks for, over all of its days: null on a day whose file lacks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ..market.columns import ColumnType, column_type
from ..market.data_types import DataType
from .header import AbsentColumnsError

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")


@dataclass
class WantedColumns:
    """The wanted columns of one data type; safe to use from several threads.

    Attributes
    ----------
    names
        The columns, in the order of the frame; None: all.
    found
        Those that at least one day has.
    """

    data_type: DataType
    names: Sequence[str] | None
    found: set[str] = field(default_factory=set)
    _available: dict[str, None] = field(default_factory=dict)

    def read(self, read: Callable[[Sequence[str] | None], T]) -> T:
        """Read those columns that a file has, by a function that refuses the others.

        Parameters
        ----------
        read
            Called with the columns to read.
        """
        if self.names is None:
            return read(None)
        try:
            result = read(self.names)
        except AbsentColumnsError as error:
            self._available |= dict.fromkeys(error.available)
            present = [name for name in self.names if name in error.available]
            # At least one column, as a frame without any has no rows.
            result = read(present or error.available[:1])
            self.found.update(present)
        else:
            self.found.update(self.names)
        return result

    def complete(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add what `read` left out, as nulls, and put the columns in their order."""
        import polars as pl

        if self.names is None:
            return frame
        absent = [name for name in self.names if name not in frame.columns]
        nulls = (pl.lit(None, self._dtype(name)).alias(name) for name in absent)
        return frame.with_columns(nulls).select(self.names)

    def check(self) -> None:
        """Refuse columns that no day has.

        Raises
        ------
        AbsentColumnsError
            The message lists the columns that there are.
        """
        for name in self.names or ():
            if name not in self.found and self._available:
                raise AbsentColumnsError(name, list(self._available))

    def _dtype(self, name: str) -> pl.DataType:
        import polars as pl

        dtypes: dict[ColumnType, pl.DataType] = {
            "string": pl.String(),
            "float64": pl.Float64(),
            "int64": pl.Int64(),
            "timestamp": pl.Datetime("ns", "UTC"),
        }
        # As files have them: new columns of a known data type are strings.
        return dtypes["string" if self.data_type.columns else column_type(name)]
