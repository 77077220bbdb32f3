"""What a session can say before it loads: which files there are, and what a load would mean."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Unpack

from ..context import Context
from ..download.core.listing import ObjectSummary
from ..frames.to_pandas import FrameKind
from ..load.first_day import first_day_from
from ..load.folders import check_folder
from ..load.request import LoadOptions, Request
from ..loader import Loader
from ..market.calendar import DateLike, as_date_range, exchange_now
from ..market.data_types import DataType, get_data_type
from .availability import Availability, make_availability
from .plan import Plan, expected_rate, make_plan

_YEAR_KEYS = 1000
_LISTING_LIFETIME_S = 300.0
_SAMPLED_DAYS = 24
_COUNTED_DAYS, _COUNTED_WHOLE_DAYS = 5, 250


@dataclass(frozen=True)
class Planner:
    """Answers what there is and what a load would mean, from listings and the cache alone."""

    context: Context
    loader: Loader
    _listings: dict[str, tuple[float, list[ObjectSummary]]] = field(default_factory=dict)

    def plan(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind,
        **options: Unpack[LoadOptions],
    ) -> Plan:
        """See `FlatSession.plan`."""
        return self._plan(None, data_type, start, end, frame=frame, **options)

    def estimate(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        **options: Unpack[LoadOptions],
    ) -> Plan:
        """As `plan`, but of a range of more than two years look up only some days."""
        return self._plan(_SAMPLED_DAYS, data_type, start, end, frame=frame, **options)

    def _plan(
        self,
        most: int | None,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind,
        **options: Unpack[LoadOptions],
    ) -> Plan:
        request = Request.validate(data_type, start, end, frame=frame, **options)
        versions = self.loader.versions(request)  # which tickers are wanted changes no file
        work = versions.survey() if most is None else versions.sample(most)
        survey = self.context.runner.wait(work, f"plan of {data_type}")
        downloader = self.context.downloader

        def load() -> object:
            job = self.loader.start(data_type, start, end, frame=frame, show=None, **options)
            return job.result()

        return make_plan(
            request,
            survey,
            needs_revalidation=versions.needs_revalidation,
            now=exchange_now(),
            is_offline=self.context.spec.offline,
            rate=expected_rate(
                downloader.statistics.totals.bytes_per_s, downloader.max_pool_connections
            ),
            rows_cached=self._rows_cached(request, list(survey.cached)),
            run=load,
        )

    def _rows_cached(self, request: Request, keys: list[str]) -> dict[str, int]:
        """Key → selected rows, of the last cached days; by symbols of fewer.

        The rows of a whole day are in its Parquet file's footer, those of symbols have to be read.
        """
        policy = self.context.cache_policy
        if policy is None:
            return {}
        most = _COUNTED_WHOLE_DAYS if request.selection is None else _COUNTED_DAYS
        chosen = keys[-most:]
        counts = {key: policy.cache.count_rows(key, request.selection) for key in chosen}
        return {key: count for key, count in counts.items() if count is not None}

    def available(
        self, data_type: str, start: DateLike | None, end: DateLike | None
    ) -> Availability:
        """See `FlatSession.available`."""
        found, now = get_data_type(data_type), exchange_now()
        first, last = as_date_range(
            found.first_day if start is None else start, now.date() if end is None else end
        )
        last = min(last, now.date())
        first, listed = self.context.runner.wait(
            self._list_range(found, first, last), f"available {data_type}"
        )
        return make_availability(found, listed, first, last, now)

    async def _list_range(
        self, data_type: DataType, first: date, last: date
    ) -> tuple[date, list[ObjectSummary]]:
        """The first day that may have a file, and the files of these years."""
        context = self.context
        first = await first_day_from(context.downloader, context.catalog, data_type, first)
        years = range(first.year, last.year + 1)
        found = await asyncio.gather(*(self._list_year(data_type, year) for year in years))
        if not any(found):
            await check_folder(context.downloader, context.catalog, data_type)
        return first, [item for each in found for item in each]

    async def _list_year(self, data_type: DataType, year: int) -> list[ObjectSummary]:
        bucket, catalog = self.context.catalog.bucket, self.context.catalog
        folder = catalog.get_key(data_type.name, date(year, 1, 1)).rsplit("/", 2)[0] + "/"
        listed_at, found = self._listings.get(folder, (-_LISTING_LIFETIME_S, []))
        if time.monotonic() - listed_at > _LISTING_LIFETIME_S:
            found = await self.context.downloader.list_summaries(bucket, folder, _YEAR_KEYS)
            self._listings[folder] = time.monotonic(), found
        return found
