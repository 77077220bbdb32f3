"""Days whose files users have publicly reported as wrong, and when a day's files are complete."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from .calendar import EXCHANGE_TIME_ZONE
from .data_types import DataType

PUBLISHED_AT = time(11)
"""In exchange time on the next day; files of minutes may come later than those of days."""

_REPORTS = "https://github.com/polygon-io/issues/issues"

_KNOWN: Mapping[str, Mapping[date, str]] = {
    "options_trades": {date(2018, 10, 12): f"was missing: {_REPORTS}/293"},
    "options_daily": {
        date(2025, 2, 10): f"every window_start was 19 hours before 1970: {_REPORTS}/334"
    },
    "stocks_minute": {
        date(2025, 8, 7): f"was missing for days: {_REPORTS}/338",
        date(2025, 8, 8): f"was missing for days: {_REPORTS}/338",
    },
    "stocks_daily": {date(2019, 8, 12): "many rows were stamped a day late"},
}
# The report is of 2024-07-18 and shows 2024-06-10.
_CUT_TRADES = (date(2024, 6, 10), date(2024, 7, 18))


def known_issue(data_type: DataType, day: date) -> str:
    """What users reported of this file; empty if nothing is known. It may be mended since."""
    if data_type.name == "options_trades" and _CUT_TRADES[0] <= day <= _CUT_TRADES[1]:
        return f"trades of large tickers ended at about 15:30: {_REPORTS}/308"
    return _KNOWN.get(data_type.name, {}).get(day, "")


def published_at(day: date) -> datetime:
    """When the files of a day are complete, in exchange time."""
    zone = zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)
    return datetime.combine(day + timedelta(days=1), PUBLISHED_AT, zone)


def is_published(day: date, now: datetime) -> bool:
    """Whether the files of a day should be there at an instant."""
    return published_at(day) <= now
