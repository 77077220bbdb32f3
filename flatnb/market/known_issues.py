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
    "stocks_trades": dict.fromkeys(
        (date(2015, 1, 6), date(2015, 1, 7)),
        f"sizes of trades were wrong, all from 33 to 49: {_REPORTS}/291",
    ),
}
_KNOWN_PERIODS: Mapping[str, tuple[tuple[date, date, str], ...]] = {
    "options_trades": (
        # OPRA changed its trade conditions on 2019-11-04; the files have none of the old ones.
        (date.min, date(2019, 11, 3), f"no trade has conditions: {_REPORTS}/292"),
        # The report was filed on 2024-07-18 and shows a file of 2024-06-10.
        (
            date(2024, 6, 10),
            date(2024, 7, 18),
            f"trades of large tickers ended at about 15:30: {_REPORTS}/308",
        ),
    ),
    "stocks_minute": (
        # The report was filed on 2025-02-17; the first of its days is 2025-01-17.
        (
            date(2025, 1, 17),
            date(2025, 2, 17),
            f"about 40 names a day lacked the closing minute: {_REPORTS}/329",
        ),
    ),
}
"""First and last day, both inclusive, and what was reported."""

QUOTE_SIZES_IN_SHARES_SINCE = date(2025, 11, 3)
"""The first day whose stock quotes have sizes in shares; before it they are in round lots.

On that day the tape began to give the sizes of quotes in shares (UTP Vendor Alert 2025-10); users
found the files to have changed on it. The vendor's page still says round lots.
"""


def known_issue(data_type: DataType, day: date) -> str:
    """What users reported about this file; empty if nothing is known. It may be fixed by now."""
    found = [_KNOWN.get(data_type.name, {}).get(day, "")]
    for first, last, what in _KNOWN_PERIODS.get(data_type.name, ()):
        found += [what] if first <= day <= last else []
    return "; ".join(filter(None, found))


def has_quote_sizes(data_type: DataType) -> bool:
    """Whether the files are stock quotes, whose sizes changed from round lots to shares."""
    return (data_type.asset_class, data_type.kind) == ("stocks", "quotes")


def why_no_file(day: date, now: datetime) -> str:
    """Why the bucket has no file of a day that is not in the future.

    Parameters
    ----------
    now
        The current time, zone-aware.
    """
    if is_published(day, now):
        return "the bucket has no file"
    return (
        "not published yet: a day's files are complete at about 11:00 ET on the next day, "
        f"{day + timedelta(days=1)}"
    )


def published_at(day: date) -> datetime:
    """When the files of a day are complete, in exchange time."""
    return datetime.combine(day + timedelta(days=1), PUBLISHED_AT, EXCHANGE_ZONE)


def is_published(day: date, now: datetime) -> bool:
    """Whether the files of a day should be in the bucket at the time ``now`` (zone-aware)."""
    return published_at(day) <= now
