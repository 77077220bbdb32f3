"""Which symbols of a request no loaded day has, and the tickers of a day to compare them with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..download.s3_catalog import S3Catalog
from ..frames.reader import read_day
from ..market.data_types import DATA_TYPES, DataType
from ..report import LOADED_STATUSES
from .cache_policy import CachePolicy
from .day_cache import DayCache
from .request import Request
from .result import LoadResult

if TYPE_CHECKING:
    import polars as pl

_MOST_DAYS = 3


class DayTickers:
    """Finds the unknown symbols of a load; all tickers of a day are read only if there are some."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._tickers: frozenset[str] = frozenset()

    def look_at(self, frame: pl.DataFrame, read: Callable[[], pl.DataFrame]) -> None:
        """Read all tickers of a day that is not cached, if its selected rows lack a symbol.

        Parameters
        ----------
        frame
            The selected rows of the day.
        read
            Returns the column ``ticker`` of the whole day.
        """
        if not self._tickers and self._unknown_in(frame):
            self._tickers = _tickers_of(read())

    def with_unknown_symbols(
        self, result: LoadResult, policy: CachePolicy | None, catalog: S3Catalog
    ) -> LoadResult:
        """The result with its unknown symbols, and the tickers to compare them with."""
        unknown = tuple(self._unknown_in(result.frame))
        if not unknown or not result.report.with_status(*LOADED_STATUSES):
            return result
        tickers = self._tickers or self._cached(result, policy, catalog)
        return replace(result, unknown_symbols=unknown, tickers=tickers)

    def _unknown_in(self, frame: pl.DataFrame) -> list[str]:
        selection = self._request.selection
        if selection is None or "ticker" not in frame.columns:
            return []
        return selection.not_in(_tickers_of(frame))

    def _cached(
        self, result: LoadResult, policy: CachePolicy | None, catalog: S3Catalog
    ) -> frozenset[str]:
        """The tickers of the last loaded day of which the cache has the whole file."""
        if policy is None:
            return frozenset()
        loaded = result.report.with_status(*LOADED_STATUSES)
        for day in loaded[: -_MOST_DAYS - 1 : -1]:
            for data_type in _with_same_tickers(self._request.data_type):
                key = catalog.get_key(data_type.name, day.date)
                if tickers := _cached_tickers(policy.cache, key, data_type):
                    return tickers
        return frozenset()


def _cached_tickers(cache: DayCache, key: str, data_type: DataType) -> frozenset[str]:
    """All tickers of a day of which the whole file or its index is cached; empty if neither is."""
    cached = cache.find(key, data_type.fingerprint, None)
    if cached is None:
        index = cache.index(key)
        return frozenset(index.tickers or ()) if index is not None else frozenset()
    frame: pl.DataFrame | None = None
    if cached.form == "day":
        frame = cache.read(key, None, ["ticker"])
    elif (content := cache.file(key)) is not None:
        frame = read_day(lambda: [content], data_type, key=key, columns=["ticker"])
    return frozenset() if frame is None else _tickers_of(frame)


def _with_same_tickers(data_type: DataType) -> list[DataType]:
    """The data type, and the small files of its market that may be cached if it is not."""
    small = [
        each
        for each in DATA_TYPES.values()
        if each.root == data_type.root and each.kind in ("daily", "session", "minute")
    ]
    return [data_type, *small]


def _tickers_of(frame: pl.DataFrame) -> frozenset[str]:
    return frozenset(frame["ticker"].unique().drop_nulls())
