"""Which files a request is about, in which versions the bucket and the cache have them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.s3_catalog import S3Catalog
from ..errors import TransferError
from ..frames.interrupts import in_thread
from ..market.calendar import exchange_now, exchange_today, trading_days
from ..market.data_types import DataType
from ..market.known_issues import is_published, why_no_file
from ..report import span_of
from .cache_policy import CachePolicy
from .day_cache import CachedDay
from .first_day import first_day_from, is_first_day_known
from .folders import check_folder
from .request import Request

REVALIDATION_WINDOW = timedelta(days=28)
"""The vendor replaces files mostly within days: those this young are always compared."""

MONTH_KEYS = 100
"""More than a month's folder has."""


@dataclass(frozen=True, slots=True)
class VersionSurvey:
    """The files of a request: what the bucket lists and what is cached.

    Attributes
    ----------
    keys
        The days that have or may have a file, with its key.
    listed
        Key → version, of the files in the bucket.
    cached
        Key → what the cache has, of the files that can be used for the request.
    sampled
        The keys that alone were looked up in the bucket; empty: all were.
    """

    keys: Mapping[date, str]
    listed: Mapping[str, ObjectVersion]
    cached: Mapping[str, CachedDay]
    sampled: tuple[str, ...] = ()


def reason_for_no_file(data_type: DataType, day: date) -> str:
    """Why no file of this day can exist, so that it is not requested; empty if one can."""
    if day < data_type.first_day:
        return f"{data_type.name} begin on {data_type.first_day}: earlier days have no file"
    if day > exchange_today():
        return "the day is in the future, and so are later ones"
    return ""


@dataclass
class ObjectVersions:
    """Finds the keys and versions of one request's files; each month is listed at most once.

    Attributes
    ----------
    only
        Restricts the request to these days; None: all of its range.
    accept_proved
        Whether cached rows may be used that ranged reads proved.
    listed, cached
        Key → version, and key → what is cached, as far as it was looked up.
    notes
        Messages to warn of.
    """

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    policy: CachePolicy | None
    request: Request
    only: Collection[date] | None = None
    accept_proved: bool = False
    listed: dict[str, ObjectVersion] = field(default_factory=dict)
    cached: dict[str, CachedDay] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _months: set[str] = field(default_factory=set)

    async def survey(self) -> VersionSurvey:
        """List the request's months and look up its days in the cache.

        Raises
        ------
        TransferError
            If a listing could not be loaded.
        """
        keys = await self.keys()
        await self._look_up_cached(keys.values())
        if self.policy is None or not self.policy.offline:
            await self._list(keys.values())
        return VersionSurvey(keys, self.listed, self.cached)

    async def sample(self, most: int) -> VersionSurvey:
        """As `survey`, but look up only some of the files, evenly spread, each by its own key.

        A listing a month of twenty years is 240 requests. Data types whose days are found by
        listing are surveyed whole.

        Parameters
        ----------
        most
            How many files; a request for fewer days is surveyed whole.

        Raises
        ------
        TransferError
            If a file could not be looked up.
        """
        offline = self.policy is not None and self.policy.offline
        if self.request.data_type.days == "listing" or offline:
            return await self.survey()
        keys = await self.keys()
        names = list(keys.values())
        if len({name.rpartition("/")[0] for name in names}) <= most:
            return await self.survey()
        await self._look_up_cached(names)
        chosen = [names[(2 * n + 1) * len(names) // (2 * most)] for n in range(most)]
        bucket, listing = self.catalog.bucket, self.downloader.list_summaries
        for found in await asyncio.gather(*(listing(bucket, name, 1) for name in chosen)):
            self.listed |= {item.key: ObjectVersion(item.size_bytes, item.etag) for item in found}
        return VersionSurvey(keys, self.listed, self.cached, tuple(chosen))

    async def keys(self) -> dict[date, str]:
        """The days to load with their keys: by the calendar, or those that the bucket lists.

        Of the days before the first and after today, one each is included by the calendar; where a
        listing finds the days, `notes` lists them.

        Raises
        ------
        TransferError
            If a listing that is needed to find the days could not be loaded.
        """
        data_type, name = self.request.data_type, self.request.data_type.name
        first, last = await self._range()
        if data_type.days == "calendar":
            outside = self._nearest_outside(first, last)
            return self._keys_of(sorted([*outside, *trading_days(first, last)]))
        if is_first_day_known(data_type) and first > self.request.start and self.only is None:
            self.notes.append(f"{name} begin on {first}: earlier days are not looked for")
        if last < self.request.end and self.only is None:
            self.notes.append(f"days after {last} are in the future: they are not looked for")
        if self.policy is not None and self.policy.offline:
            cached = await in_thread(partial(self.policy.cache.days, name))
            return self._keys_of(day for day in cached if first <= day <= last)
        keys = self._keys_of(map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1)))
        await self._list(keys.values())
        listed = {day: key for day, key in keys.items() if key in self.listed}
        if not listed:
            await check_folder(self.downloader, self.catalog, data_type)
        self._note_unpublished([day for day in keys if day not in listed])
        return listed

    def _note_unpublished(self, days: Sequence[date]) -> None:
        """Warn of days that are not listed as they are too young: nothing else reports them."""
        data_type, now = self.request.data_type, exchange_now()
        young = [day for day in days if not is_published(day, now)]
        if young and self.request.missing != "ignore":
            reason = why_no_file(young[-1], now)
            self.notes.append(f"{data_type.name} of {span_of(young)}: {reason}")

    async def _range(self) -> tuple[date, date]:
        """The part of the request's range that may have files: not in the future."""
        request = self.request
        last = min(request.end, exchange_today())
        if self.only is not None:
            first = min(self.only, default=request.end)
            return max(request.start, first), min(last, max(self.only, default=first))
        if self.policy is not None and self.policy.offline:
            cached = partial(self.policy.cache.days, request.data_type.name)
            oldest = min(await in_thread(cached), default=last)
            unknown = not is_first_day_known(request.data_type)
            return max(request.start, oldest if unknown else request.data_type.first_day), last
        found = first_day_from(self.downloader, self.catalog, request.data_type, request.start)
        return await found, last

    def _nearest_outside(self, first: date, last: date) -> list[date]:
        """The trading days next to the range that may have files, as far as they are requested.

        They stand for all that lie further outside, which a request up to the year 9999 has
        millions of: see `reason_for_no_file`.
        """
        start, end = self.request.start, self.request.end
        week = timedelta(days=7)  # the exchange never closes for longer
        before: list[date] = []
        if start < first:
            until = min(first - timedelta(days=1), end)
            before = trading_days(max(start, until - min(week, until - date.min)), until)
        after: list[date] = []
        if last < end:
            begin = max(last + timedelta(days=1), start)
            after = trading_days(begin, min(end, begin + min(week, date.max - begin)))
        return [*before[-1:], *after[:1]]

    def _keys_of(self, days: Iterable[date]) -> dict[date, str]:
        name = self.request.data_type.name
        return {
            day: self.catalog.get_key(name, day)
            for day in days
            if self.only is None or day in self.only
        }

    async def current(self, keys: Mapping[date, str]) -> set[str]:
        """The keys of the cached days that may be used as they are, after comparing the others."""
        await self._look_up_cached(keys.values())
        uncertain = {
            key for day, key in keys.items() if key in self.cached and self.needs_revalidation(day)
        }
        # Days that could not be compared are downloaded again.
        await self.list_versions(uncertain)
        confirmed = {key for key in uncertain if self.listed.get(key) == self.cached[key].version}
        return set(self.cached) - uncertain | confirmed

    async def list_versions(self, keys: Iterable[str]) -> None:
        """Look up the versions of files in the bucket, as far as they can be listed."""
        with contextlib.suppress(TransferError):
            await self._list(keys)

    def needs_revalidation(self, day: date) -> bool:
        """Whether a load compares a cached day with the bucket."""
        if self.policy is None or self.policy.offline or self.policy.revalidate == "never":
            return False
        if self.request.data_type.days == "listing" or self.policy.revalidate == "always":
            return True
        return day > exchange_today() - REVALIDATION_WINDOW

    async def _look_up_cached(self, keys: Collection[str]) -> None:
        if self.policy is None:
            return
        cache, columns = self.policy.cache, self.request.data_type.fingerprint

        find = partial(
            cache.find,
            columns=columns,
            selection=self.request.selection,
            accept_proved=self.accept_proved,
        )

        def look_up() -> dict[str, CachedDay]:
            found = ((key, find(key)) for key in keys)
            return {key: day for key, day in found if day is not None}

        self.cached = await in_thread(look_up)

    async def _list(self, keys: Iterable[str]) -> None:
        """List the months of these keys: one listing has the versions of a month's files."""
        months = {key.rpartition("/")[0] + "/" for key in keys} - self._months
        listings = [
            self.downloader.list_summaries(self.catalog.bucket, month, MONTH_KEYS)
            for month in sorted(months)
        ]
        failed: list[BaseException] = []
        for found in await asyncio.gather(*listings, return_exceptions=True):
            if isinstance(found, BaseException):
                failed.append(found)
            else:
                self.listed |= {
                    item.key: ObjectVersion(item.size_bytes, item.etag) for item in found
                }
        if failed:
            raise failed[0]
        self._months |= months
