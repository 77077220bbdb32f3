"""A lake, to read from."""

from __future__ import annotations

import os
import re
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from ..html import table
from ..jobs.forked import check_fork
from ..market.data_types import get_data_type
from ..report import LoadReport
from .day_task import type_folder
from .manifest import Manifest
from .storage import storage_at

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


_PATH = "_flatnb_path"
_DAY_OF_PATH = r"date=(\d{4}-\d{2}-\d{2})[/\\][^/\\]*$"


def _partition(path: str, days: list[str]) -> pd.DataFrame:
    """One file as a partition of a Dask DataFrame, with its date as a category of strings."""
    import pandas as pd
    import polars as pl

    frame = pl.scan_parquet(path, glob=False, hive_partitioning=False).collect().to_pandas()
    found = re.search(_DAY_OF_PATH, path)
    assert found is not None
    return frame.assign(date=pd.Categorical([found[1]] * len(frame), categories=days))


class Lake:
    """The days of one data type as Parquet, partitioned by ``date=YYYY-MM-DD``.

    polars, DuckDB, Spark and Dask read the folder as it is: ``{path}/{data_type}``.

    Parameters
    ----------
    path
        The lake: a folder, or ``s3://bucket/folder``, which is read with the machine's own keys
        for AWS.
    data_type
        Which of its data types.
    report
        The outcome of each requested day, if the lake has just been built.
    """

    def __init__(
        self, path: str | os.PathLike[str], data_type: str, report: LoadReport | None = None
    ) -> None:
        self.data_type = get_data_type(data_type).name
        self.report = report
        self._storage = storage_at(path)
        self._manifest = Manifest(self._storage, self.data_type)

    @property
    def path(self) -> str:
        """Where the lake is."""
        return self._storage.address

    @property
    def folder(self) -> str:
        """The folder of this data type, for other tools."""
        return self._storage.at(type_folder(self.data_type))

    @property
    def days(self) -> list[date]:
        """The days in the lake, ascending."""
        return [date.fromisoformat(day) for day in sorted(self._manifest.rows)]

    @property
    def paths(self) -> list[str]:
        """All Parquet files, in the order of the days."""
        return self._manifest.paths()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(row.rows for row in self._manifest.rows.values())

    def scan(self) -> pl.LazyFrame:
        """All days as one lazy table: ``date`` first, as `FlatSession.load` gives it.

        A column that some days lack is null there.

        Raises
        ------
        ValueError
            If it has no day.
        RuntimeError
            If this process was forked after polars was used.
        """
        import polars as pl

        check_fork()
        paths = self.paths
        if not paths:
            raise ValueError(f"path={self.path!r} has no day of {self.data_type}")
        # The vendor adds columns over the years.
        schema: dict[str, Any] = {}
        # Without glob, as the address may contain [ or *; read_parquet_schema always expands them.
        for path in self._manifest.examples():
            schema |= pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema()
        scan = partial(pl.scan_parquet, paths, schema=schema, missing_columns="insert", glob=False)
        if not self._is_plain:
            rows = scan(hive_partitioning=False, include_file_paths=_PATH)
            day = pl.col(_PATH).str.extract(_DAY_OF_PATH).str.to_date("%Y-%m-%d")
            return rows.select(day.alias("date"), *schema)
        rows = scan(hive_partitioning=True, hive_schema={"date": pl.Date})
        return rows.select("date", *schema)

    @property
    def _is_plain(self) -> bool:
        """Whether readers of partitioned folders read this one as it is.

        They take ``name=value`` anywhere in the address for a column.
        """
        return "=" not in self._storage.address

    def to_dask(self) -> Any:
        """All days as a Dask DataFrame; ``date`` is a category of strings.

        Raises
        ------
        ImportError
            If Dask's data frames are not installed.
        """
        try:
            import dask.dataframe as dd
        except ImportError as error:
            raise ImportError(
                f"to_dask needs {error.name}: pip install 'flatnb[pandas]' 'dask[dataframe]'"
            ) from error
        if self._is_plain and not set("*?[]{}") & set(self.folder):
            return dd.read_parquet(self.folder)
        # Dask expands wildcards in the address and in single paths.
        paths = self.paths
        if not paths:
            raise ValueError(f"path={self.path!r} has no day of {self.data_type}")
        days = [str(day) for day in self.days]
        meta = _partition(paths[0], days=days).iloc[:0]
        return dd.from_map(_partition, paths, days=days, meta=meta)  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        """The number of days."""
        return len(self._manifest.rows)

    def __repr__(self) -> str:
        return f"Lake({self.folder!r}: {self._summary})"

    def _repr_html_(self) -> str:
        with_reason = [] if self.report is None else [day for day in self.report if day.reason]
        rows = [(day.date, day.status, day.reason) for day in with_reason]
        return table(f"Lake: {self.data_type}", rows, ("day", "status", "reason"), self._summary)

    @property
    def _summary(self) -> str:
        if not self.days:
            return "no days"
        return f"{len(self):,} days from {self.days[0]} to {self.days[-1]}, {self.rows:,} rows"
