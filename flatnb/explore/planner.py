"""What a session can tell before it loads: what there is, and what a load would mean."""

from __future__ import annotations

import asyncio
import time
import zoneinfo
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ..frames.to_pandas import FrameKind
from ..load.cache_policy import CachePolicy
from ..load.day_loader import DayLoader
from ..load.progress import Progress
from ..load.request import Request, RequestOptions
from ..market.calendar import EXCHANGE_TIME_ZONE, DateLike, as_date_range
from ..market.data_types import DataType, get_data_type
from .availability import Availability, make_availability
from .plan import Plan, expected_rate, make_plan

if TYPE_CHECKING:
    from ..download.async_downloader import AsyncS3Downloader
    from ..download.core.listing import ObjectSummary
    from ..download.s3_catalog import S3Catalog
    from ..jobs.job import LoopThread

T = TypeVar("T")

_YEAR_KEYS = 1000
_LISTINGS_LAST_S = 300.0


class Exploring:
    """The part of `flatnb.FlatSession` that looks before it leaps."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    load: Any
    _finalizer: Any
    _threads: LoopThread
    _keeping: CachePolicy | None
    _listings: dict[str, tuple[float, list[ObjectSummary]]]

    def plan(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        **options: Unpack[RequestOptions],
    ) -> Plan:
        """What `load` with the same arguments would mean; nothing is downloaded.

        One listing a month tells what there is, its size and version.

        Returns
        -------
        Plan
            Days, bytes, estimates of time and memory, and what users have publicly reported of
            these files; ``plan.load()`` loads it.

        Raises
        ------
        ValueError
            If an argument is wrong.
        TransferError
            If a listing could not be had.
        """
        request = Request.checked(data_type, start, end, frame=frame, **options)
        loader = DayLoader(self.downloader, self.catalog, self._keeping, request, Progress())
        keys, listed, kept = self._run(loader.survey())
        return make_plan(
            request,
            keys,
            listed,
            kept,
            needs_revalidation=loader.needs_revalidation,
            now=_now(),
            bytes_per_s=expected_rate(
                self.downloader.statistics.totals.bytes_per_s,
                self.downloader.max_pool_connections,
            ),
            run=lambda: self.load(data_type, start, end, frame=frame, **options),
        )

    def available(
        self, data_type: str, start: DateLike | None = None, end: DateLike | None = None
    ) -> Availability:
        """The days of a data type that the bucket has; listed again after five minutes.

        A file that is listed may still be forbidden: the service lists what a plan does not reach.

        Parameters
        ----------
        data_type
            As `load` takes it.
        start, end
            Both inclusive; None: from the data type's first day, to today.

        Returns
        -------
        Coverage
            Its days and sizes, and which trading days lack a file; displayed, a calendar.

        Raises
        ------
        ValueError
            If an argument is wrong.
        TransferError
            If a listing could not be had.
        """
        found, now = get_data_type(data_type), _now()
        first, last = as_date_range(
            found.first_day if start is None else start, now.date() if end is None else end
        )
        listed = self._run(self._list_years(found, range(first.year, last.year + 1)))
        return make_availability(found, listed, first, last, now)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._finalizer.alive:
            work.close()
            raise RuntimeError("this session is closed; make a new one")
        try:
            return self._threads.run(work)
        except CancelledError:
            raise RuntimeError("this session was closed meanwhile") from None

    async def _list_years(self, data_type: DataType, years: range) -> list[ObjectSummary]:
        found = await asyncio.gather(*(self._list_year(data_type, year) for year in years))
        return [item for each in found for item in each]

    async def _list_year(self, data_type: DataType, year: int) -> list[ObjectSummary]:
        key = self.catalog.get_key(data_type.name, date(year, 1, 1))
        folder = key.rsplit("/", 2)[0] + "/"
        listed_at, found = self._listings.get(folder, (-_LISTINGS_LAST_S, []))
        if time.monotonic() - listed_at > _LISTINGS_LAST_S:
            found = await self.downloader.list_summaries(self.catalog.bucket, folder, _YEAR_KEYS)
            self._listings[folder] = time.monotonic(), found
        return found


def _now() -> datetime:
    return datetime.now(zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE))
