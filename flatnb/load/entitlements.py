"""What the keys give access to: which data types, from which day on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.listing import ObjectSummary
from ..download.s3_catalog import S3Catalog
from ..errors import AccessDeniedError, AuthenticationError
from ..html import table
from ..market.data_types import DataType
from .first_day import first_day_from

_YEAR_KEYS = 1000


@dataclass(frozen=True)
class Entitlement:
    """What the keys give access to of one data type.

    Attributes
    ----------
    years
        Year → whether its first file can be read; years without files are not listed.
    first_day
        The first day that can be read (all later days can be read too); None: none.
    """

    data_type: str
    years: Mapping[int, bool]
    first_day: date | None

    def explains(self, day: date) -> bool:
        """Whether a day is forbidden because it lies before the plan's first day.

        The service now and then forbids a single day that the plan covers.
        """
        return bool(self.years) and (self.first_day is None or day < self.first_day)

    @property
    def summary(self) -> str:
        """In words."""
        if not self.years:
            return "no files"
        if self.first_day is None:
            return "nothing"
        return "everything" if all(self.years.values()) else f"from {self.first_day} on"


_HOW = (
    "probed by a HEAD request for the first file of each year, and in the year in which access "
    "begins by bisection; other files were not asked for"
)


@dataclass(frozen=True)
class Entitlements:
    """What the keys give access to, by data type; made by `FlatSession.entitlements`.

    Found by probing: nothing in the bucket says what a plan includes.
    """

    by_type: Mapping[str, Entitlement]

    def __getitem__(self, data_type: str) -> Entitlement:
        return self.by_type[data_type]

    def __repr__(self) -> str:
        width = max(map(len, self.by_type), default=0)
        lines = [f"{name:{width}}  {found.summary}" for name, found in self.by_type.items()]
        return "\n".join([*lines, _HOW])

    def _repr_html_(self) -> str:
        rows = [(name, found.summary) for name, found in self.by_type.items()]
        return table("What these keys give access to", rows, ("data type", "access"), _HOW)


@dataclass(frozen=True)
class EntitlementProber:
    """Finds out by one HEAD request a year, and some more for the year in which a plan begins.

    The service also lists files that it forbids to read, so the days come from listings and the
    access from HEAD requests. A plan covers a period up to today, so a day that can be read
    implies that all later ones can.
    """

    downloader: AsyncS3Downloader
    catalog: S3Catalog

    async def entitlement(self, data_type: DataType, until: int) -> Entitlement:
        """What the keys give access to of a data type, up to a year.

        Raises
        ------
        AuthenticationError
            If the keys themselves are refused.
        TransferError
            If a request failed.
        """
        first = await first_day_from(self.downloader, self.catalog, data_type, date.min)
        years = range(first.year, until + 1)
        probed = await asyncio.gather(*(self._first_file_is_readable(data_type, y) for y in years))
        known = {year: ok for year, ok in zip(years, probed, strict=True) if ok is not None}
        return Entitlement(data_type.name, known, await self._first_day(data_type, known))

    async def _first_day(self, data_type: DataType, years: Mapping[int, bool]) -> date | None:
        if not years:
            return None
        forbidden = [year for year, is_open in years.items() if not is_open]
        readable = [year for year in years if year > max(forbidden, default=0)]
        for year in (*forbidden[-1:], *readable[:1]):
            if (day := await self._first_day_of(data_type, year)) is not None:
                return day
        return None

    async def _first_day_of(self, data_type: DataType, year: int) -> date | None:
        keys = [item.key for item in await self._list(data_type, year, _YEAR_KEYS)]
        if not keys or not await self._is_readable(keys[-1]):
            return None
        return _day_of(await self._bisect(keys))

    async def _bisect(self, keys: Sequence[str]) -> str:
        """The first readable key, where the last is."""
        low, high = 0, len(keys) - 1
        while low < high:
            middle = (low + high) // 2
            if await self._is_readable(keys[middle]):
                high = middle
            else:
                low = middle + 1
        return keys[high]

    async def _first_file_is_readable(self, data_type: DataType, year: int) -> bool | None:
        found = await self._list(data_type, year, 1)
        return await self._is_readable(found[0].key) if found else None

    async def _is_readable(self, key: str) -> bool:
        try:
            return await self.downloader.check_exists(self.catalog.bucket, key)
        except AuthenticationError:
            raise
        except AccessDeniedError:
            return False

    async def _list(self, data_type: DataType, year: int, most: int) -> list[ObjectSummary]:
        folder = year_folder(self.catalog, data_type, year)
        return await self.downloader.list_summaries(self.catalog.bucket, folder, most)


def year_folder(catalog: S3Catalog, data_type: DataType, year: int) -> str:
    """The prefix of the keys of a year."""
    return catalog.get_key(data_type.name, date(year, 1, 1)).rsplit("/", 2)[0] + "/"


def _day_of(key: str) -> date:
    return date.fromisoformat(key.rpartition("/")[2][:10])
