"""Files that users have publicly reported as wrong, and when a day's files are published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from .calendar import EXCHANGE_ZONE
from .data_types import DataType

PUBLISHED_AT = time(11)
"""On the next day, in exchange time, by the vendor's documentation, which calls it approximate.

Minute bars may be published later than daily bars and trades."""

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
# The report (issue 308) was filed on 2024-07-18 and shows a file of 2024-06-10.
_TRUNCATED_TRADES = (date(2024, 6, 10), date(2024, 7, 18))


def known_issue(data_type: DataType, day: date) -> str:
    """What users reported about this file; empty if nothing is known. It may be fixed by now."""
    if data_type.name == "options_trades" and _TRUNCATED_TRADES[0] <= day <= _TRUNCATED_TRADES[1]:
        return f"trades of large tickers ended at about 15:30: {_REPORTS}/308"
    return _KNOWN.get(data_type.name, {}).get(day, "")


def published_at(day: date) -> datetime:
    """When the files of a day are complete, in exchange time."""
    return datetime.combine(day + timedelta(days=1), PUBLISHED_AT, EXCHANGE_ZONE)


def is_published(day: date, now: datetime) -> bool:
    """Whether the files of a day should be in the bucket at the time ``now`` (zone-aware)."""
    return published_at(day) <= now
