"""Which files a request is about, in which versions the bucket and the cache have them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.s3_catalog import S3Catalog
from ..errors import TransferError
from ..frames.interrupts import in_thread
from ..market.calendar import exchange_today, trading_days
from .cache_policy import CachePolicy
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
        Key → version, of the files in the cache.
    sampled
        The keys that alone were looked up in the bucket; empty: all were.
    """

    keys: Mapping[date, str]
    listed: Mapping[str, ObjectVersion]
    cached: Mapping[str, ObjectVersion]
    sampled: tuple[str, ...] = ()


@dataclass
class ObjectVersions:
    """Finds the keys and versions of one request's files; each month is listed at most once.

    Attributes
    ----------
    only
        Restricts the request to these days; None: all of its range.
    listed, cached
        Key → version, as far as it was looked up.
    notes
        Messages to warn of.
    """

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    policy: CachePolicy | None
    request: Request
    only: Collection[date] | None = None
    listed: dict[str, ObjectVersion] = field(default_factory=dict)
    cached: dict[str, ObjectVersion] = field(default_factory=dict)
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

        Raises
        ------
        TransferError
            If a listing that is needed to find the days could not be loaded.
        """
        request = self.request
        name = request.data_type.name
        if request.data_type.days == "calendar":
            return self._keys_of(trading_days(request.start, request.end))
        first, last = max(request.start, request.data_type.first_day), request.end
        last = min(last, exchange_today())
        if first > request.start:
            self.notes.append(f"{name} begin on {first}: earlier days are not looked for")
        keys = self._keys_of(map(date.fromordinal, range(first.toordinal(), last.toordinal() + 1)))
        if self.policy is not None and self.policy.offline:
            cached = await in_thread(partial(self.policy.cache.days, name))
            return {day: keys[day] for day in cached if day in keys}
        await self._list(keys.values())
        return {day: key for day, key in keys.items() if key in self.listed}

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
        with contextlib.suppress(TransferError):
            await self._list(uncertain)
        confirmed = {key for key in uncertain if self.listed.get(key) == self.cached[key]}
        return set(self.cached) - uncertain | confirmed

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

        def look_up() -> dict[str, ObjectVersion]:
            found = ((key, cache.version(key, columns)) for key in keys)
            return {key: version for key, version in found if version is not None}

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
