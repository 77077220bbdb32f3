"""The first day that a data type may have, where the registry does not know it."""

from __future__ import annotations

from datetime import date

from ..download.async_downloader import AsyncS3Downloader
from ..download.s3_catalog import S3Catalog
from ..market.data_types import DataType

_OLDEST_DAY = date(1900, 1, 1)
"""An earlier first day, such as ``date.min``, means that none is known."""

_FIRST_OF_VENDOR = date(2003, 1, 1)
"""The vendor's own files begin in this year; other folders of a bucket may be older."""


def is_first_day_known(data_type: DataType) -> bool:
    """Whether the registry knows a data type's first day; an unregistered folder has none."""
    return data_type.first_day >= _OLDEST_DAY


async def first_day_from(
    downloader: AsyncS3Downloader, catalog: S3Catalog, data_type: DataType, start: date
) -> date:
    """The first day, from ``start`` on, that may have a file.

    By the registry; if that knows none and ``start`` is before 2003, by one listing of the years'
    folders: so that nobody goes through all days since the year 1.

    Raises
    ------
    TransferError
        If the listing failed.
    """
    if is_first_day_known(data_type):
        return max(start, data_type.first_day)
    if start >= _FIRST_OF_VENDOR:
        return start
    folder = catalog.get_key(data_type.name, _OLDEST_DAY).rsplit("/", 3)[0] + "/"
    found = await downloader.list_folders(catalog.bucket, folder)
    names = [each.rstrip("/").rpartition("/")[2] for each in found]
    years = [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) == 4]
    oldest = min((year for year in years if year), default=_FIRST_OF_VENDOR.year)
    return max(start, date(oldest, 1, 1))
