"""What a session offers to those who ask by queries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from ..load.cache_policy import CachePolicy
from ..load.day_loader import DayLoader, LoadResult
from ..load.progress import Progress
from ..load.report import LoadReport
from ..load.request import Request
from ..market.data_types import DATA_TYPES, get_data_type
from .service_tmp import Service

if TYPE_CHECKING:
    import polars as pl

    from ..download.async_downloader import AsyncS3Downloader
    from ..download.s3_catalog import S3Catalog
    from ..session import FlatSession


class Lazy:
    """The part of `flatnb.FlatSession` that is lazy."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    last_report: LoadReport | None
    _keeping: CachePolicy | None
    _max_concurrent: int | None
    _wait: Any
    _told: Any

    def scan(self, data_type: str) -> pl.LazyFrame:
        """All days of a data type as one lazy table; a query fetches what it needs.

        Conditions on ``date`` decide which days are fetched (through the cache), those on
        ``ticker`` and the columns that are used decide what of them is parsed. A query without a
        bound on ``date`` warns of what it may fetch before it does.

        The LazyFrame holds this session, but no keys: where it is pickled, the process that
        collects it finds its own.

        Parameters
        ----------
        data_type
            As `load` takes it; its columns must be known.

        Returns
        -------
        polars.LazyFrame
            ``date``, then the vendor's columns; times in UTC. Collecting it raises `LoadError` if
            a day is forbidden, damaged or failed, and warns of days that have no file.

        Raises
        ------
        ValueError
            If the data type is unknown, or nothing is known of its columns.

        Examples
        --------
        >>> bars = session.scan("stocks_minute")                        # doctest: +SKIP
        >>> january = pl.col("date").is_between(date(2024, 1, 1), date(2024, 1, 31))
        >>> bars.filter(january, pl.col("ticker") == "AAPL").select("close").collect()
        """
        from polars.io.plugins import register_io_source

        from .scan import Source, schema_of

        found = get_data_type(data_type)
        if not found.columns:
            raise ValueError(
                f"data_type={data_type!r} has no known columns, which a scan needs; name them: "
                "session.register(name, root, folder, columns=[…])"
            )
        session = cast("FlatSession", self)
        source = Source(found.name, Service.of(session), session)
        return register_io_source(source, schema=schema_of(found))

    def sql(self, query: str) -> pl.DataFrame:
        """The result of a query in SQL, by polars, on tables that are called as the data types.

        Parameters
        ----------
        query
            For example ``"SELECT date, close FROM stocks_daily WHERE ticker = 'SPY' AND date
            BETWEEN '2024-01-01' AND '2024-01-31'"``. As in `scan`, conditions on ``date`` and
            ``ticker`` decide what is fetched. Dates are written ``'2024-01-31'``.

        Returns
        -------
        polars.DataFrame

        Raises
        ------
        ValueError
            If it is no text.
        polars.exceptions.PolarsError
            If polars does not understand the query.
        LoadError
            If a day is forbidden, damaged or failed.
        """
        import polars as pl

        if not isinstance(query, str) or not query.strip():
            raise ValueError(f"query={query!r} must be SQL, for example 'SELECT * FROM …'")
        tables = {name: self.scan(name) for name, found in DATA_TYPES.items() if found.columns}
        return pl.SQLContext(tables).execute(query, eager=True)

    def _load_days(self, request: Request, days: Sequence[date]) -> tuple[pl.DataFrame, LoadReport]:
        """Some days of a request, and what became of them; for `scan`."""
        only = frozenset(days)
        loaded = self._wait(self._load_only(request, only), f"scan of {request.data_type.name}")
        return loaded.frame, loaded.report

    async def _load_only(self, request: Request, only: frozenset[date]) -> LoadResult:
        loader = DayLoader(
            self.downloader,
            self.catalog,
            self._keeping,
            request,
            Progress(),
            self._max_concurrent,
            only,
        )
        told: LoadResult = await self._told(request.data_type, await loader.load())
        return told
