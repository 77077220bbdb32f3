"""A check for rows that are not of their file's day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ..market.calendar import EXCHANGE_ZONE

if TYPE_CHECKING:
    import polars as pl


def misdated_rows(
    frame: pl.DataFrame, day: date, time: str = "window_start", slack_days: int = 0
) -> str:
    """Describe how many rows are not of the file's day in exchange time; empty if there are none.

    The vendor has published such files: stocks of 2019-08-12 with times a day late, options of
    2025-02-10 with every ``window_start`` 19 hours before 1970.

    Parameters
    ----------
    frame
        A day as `read_day` returns it; without the column ``time`` the result is empty.
    time
        The column of times.
    slack_days
        Number of days before and after ``day`` that are accepted as well.
    """
    if time not in frame.columns:
        return ""
    # Local midnights, not 24 hours apart: a day with a change to or from DST has 23 or 25.
    first_ns, next_ns = (
        int(datetime(each.year, each.month, each.day, tzinfo=EXCHANGE_ZONE).timestamp()) * 10**9
        for each in (day - timedelta(days=slack_days), day + timedelta(days=1 + slack_days))
    )
    start_ns = frame[time].to_physical()  # nanoseconds since 1970 in UTC
    count = frame.height - start_ns.is_between(first_ns, next_ns - 1).sum()
    return f"{time} of {count:,} of {frame.height:,} rows is not on {day}" if count else ""
