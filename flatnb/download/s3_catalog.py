"""Conversion of data types and dates to S3 keys, and back. Makes no requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import TypedDict

from ..market.calendar import DateLike, as_date, as_date_range, trading_days
from ..market.data_types import (
    DOCUMENTED_DATA_TYPES,
    DOCUMENTED_OPTIONS_ROOT,
    LIVE_BUCKET,
    OPTIONS_ROOTS,
    DataType,
    find_data_type,
    get_data_type,
)
from .object_names import check_bucket_name, list_of

# ASCII, as \d otherwise matches the digits of all scripts (documentation of re).
_KEY = re.compile(
    r"(?P<root>[^/]+)/(?P<folder>[^/]+)/(?P<year>\d{4})/(?P<month>\d{2})/"
    r"(?P<date>(?P=year)-(?P=month)-\d{2})\.csv\.gz",
    re.ASCII,
)


class KeyMetadata(TypedDict):
    """The parts of a key; all values are strings, ``date`` is YYYY-MM-DD."""

    data_type: str
    date: str
    year: str
    month: str


class S3Catalog:
    """Maps data types and dates to the keys of the bucket, and back.

    Data types are those of `flatnb.DATA_TYPES`, or a folder written as ``"root/folder"``. Dates
    may be strings YYYY-MM-DD, `datetime.date` or pandas or numpy timestamps; anything else, a date
    that does not exist or a start after its end is a ``ValueError`` that names the parameter.

    Parameters
    ----------
    bucket
        The bucket's name, an attribute for the caller's use; no key depends on it.
    options_root
        The first folder of option files: ``"us_options"`` as documented, or
        ``"us_options_opra"`` as in the live bucket. Keys of both can be parsed.

    Attributes
    ----------
    STOCKS_DAILY_PREFIX, STOCKS_MINUTE_PREFIX, OPTIONS_DAILY_PREFIX, OPTIONS_MINUTE_PREFIX
        What the keys of the four documented data types begin with, without a trailing slash. On
        the class, those of options have the documented root; on an object, its own.

    Raises
    ------
    ValueError
        If ``options_root`` is neither, or ``bucket`` is not a name alone.
    """

    STOCKS_DAILY_PREFIX = "us_stocks_sip/day_aggs_v1"
    STOCKS_MINUTE_PREFIX = "us_stocks_sip/minute_aggs_v1"
    OPTIONS_DAILY_PREFIX = f"{DOCUMENTED_OPTIONS_ROOT}/day_aggs_v1"
    OPTIONS_MINUTE_PREFIX = f"{DOCUMENTED_OPTIONS_ROOT}/minute_aggs_v1"

    def __init__(
        self, bucket: str = LIVE_BUCKET, options_root: str = DOCUMENTED_OPTIONS_ROOT
    ) -> None:
        if not isinstance(options_root, str) or options_root not in OPTIONS_ROOTS:
            known = " or ".join(map(repr, OPTIONS_ROOTS))
            raise ValueError(f"options_root={options_root!r} is unknown; choose {known}")
        check_bucket_name(bucket)
        self.bucket = bucket
        self.options_root = options_root
        # So that `get_options_daily_key` of this object begins with its own prefix.
        self.OPTIONS_DAILY_PREFIX = f"{options_root}/day_aggs_v1"
        self.OPTIONS_MINUTE_PREFIX = f"{options_root}/minute_aggs_v1"

    def __repr__(self) -> str:
        return f"S3Catalog(bucket={self.bucket!r}, options_root={self.options_root!r})"

    def get_key(self, data_type: str, date: DateLike) -> str:
        """The key of one day's file; whether the file exists is not checked.

        Raises
        ------
        ValueError
            If the data type is unknown (the message lists the known ones) or the date is invalid.
        """
        return self._key(get_data_type(data_type), as_date(date, "date"))

    def get_stocks_daily_key(self, date: DateLike) -> str:
        """The key of a day's daily bars of all stocks."""
        return self.get_key("stocks_daily", date)

    def get_stocks_minute_key(self, date: DateLike) -> str:
        """The key of a day's minute bars of all stocks."""
        return self.get_key("stocks_minute", date)

    def get_options_daily_key(self, date: DateLike) -> str:
        """The key of a day's daily bars of all option contracts."""
        return self.get_key("options_daily", date)

    def get_options_minute_key(self, date: DateLike) -> str:
        """The key of a day's minute bars of all option contracts."""
        return self.get_key("options_minute", date)

    def get_date_range_keys(
        self,
        data_type: str,
        start_date: DateLike,
        end_date: DateLike,
        symbols: Sequence[str] | None = None,
    ) -> list[str]:
        """The keys of all trading days of a range, both ends inclusive, in ascending order.

        Parameters
        ----------
        data_type
            For example ``"stocks_daily"``. If its days do not follow the stock exchanges' calendar
            (`DataType.days` is ``"listing"``: indices, forex, crypto, futures), the result has a
            key for every calendar day, and only a listing shows which of the files exist.
        start_date, end_date
            The range.
        symbols
            Has no effect, as each file has all symbols of its day; `FlatSession.load` selects.
        """
        found = get_data_type(data_type)
        first, last = _date_range(start_date, end_date)
        if found.days == "calendar":
            return [self._key(found, day) for day in trading_days(first, last)]
        count = (last - first).days + 1
        return [self._key(found, first + timedelta(days=n)) for n in range(count)]

    def parse_key_metadata(self, key: str) -> KeyMetadata:
        """Data type, date, year and month of a key.

        Raises
        ------
        ValueError
            If it is not the key of a flat file: unknown folders, a date that does not exist, or
            one that does not match its folders.
        """
        parts = _KEY.fullmatch(key) if isinstance(key, str) else None
        data_type = find_data_type(parts["root"], parts["folder"]) if parts else None
        if parts is None or data_type is None:
            raise ValueError(
                f"key={key!r} is not the key of a flat file; pass one of the form "
                "'{root}/{folder}/YYYY/MM/YYYY-MM-DD.csv.gz' with the folders of a known data type"
            )
        as_date(parts["date"], f"key={key!r}, whose date")
        return {
            "data_type": data_type.name,
            "date": parts["date"],
            "year": parts["year"],
            "month": parts["month"],
        }

    def validate_key(self, key: str) -> bool:
        """Whether `parse_key_metadata` can parse the key."""
        try:
            self.parse_key_metadata(key)
        except ValueError:
            return False
        return True

    def get_summary(self, keys: Iterable[str]) -> dict[str, int]:
        """Count keys: ``total``, one count for each data type, ``invalid``.

        The four documented data types are always included, other data types if they occur.

        Raises
        ------
        ValueError
            If ``keys`` is a single string, or not iterable.
        """
        counts = dict.fromkeys(DOCUMENTED_DATA_TYPES, 0)
        total = invalid = 0
        for key in list_of("keys", keys):
            total += 1
            try:
                data_type = self.parse_key_metadata(key)["data_type"]
            except ValueError:
                invalid += 1
            else:
                counts[data_type] = counts.get(data_type, 0) + 1
        return {"total": total, **counts, "invalid": invalid}

    @staticmethod
    def get_business_days(start_date: DateLike, end_date: DateLike) -> list[str]:
        """The days on which US stocks trade, as YYYY-MM-DD, both ends inclusive.

        Weekends, holidays and special closures (2012-10-29, Hurricane Sandy) are not included.
        """
        return [day.isoformat() for day in trading_days(*_date_range(start_date, end_date))]

    @staticmethod
    def get_missing_dates(
        existing_dates: Iterable[DateLike], start_date: DateLike, end_date: DateLike
    ) -> list[str]:
        """The trading days of a range, both ends inclusive, that are not in ``existing_dates``."""
        dates = list_of("existing_dates", existing_dates)
        existing = {as_date(day, "existing_dates").isoformat() for day in dates}
        days = S3Catalog.get_business_days(start_date, end_date)
        return [day for day in days if day not in existing]

    def _key(self, data_type: DataType, day: date) -> str:
        root = self.options_root if data_type.is_options else data_type.root
        # Not strftime: on Linux its %Y formats the year 999 with three digits.
        year, month, _ = day.isoformat().split("-")
        return f"{root}/{data_type.folder}/{year}/{month}/{day}.csv.gz"


def _date_range(start_date: DateLike, end_date: DateLike) -> tuple[date, date]:
    return as_date_range(start_date, end_date, start_name="start_date", end_name="end_date")
