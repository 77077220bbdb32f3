"""What is odd about the rows of a day that are sound CSV."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ..market.calendar import EXCHANGE_TIME_ZONE

if TYPE_CHECKING:
    import polars as pl


def misdated_rows(
    frame: pl.DataFrame, day: date, time: str = "window_start", slack_days: int = 0
) -> str:
    """Say how many rows are not of the file's day, in exchange time; empty if none is.

    The vendor has published such files: stocks of 2019-08-12 stamped a day late, options of
    2025-02-10 with every ``window_start`` 19 hours before 1970. A frame without the column
    ``time`` tells nothing. So many days before and after are not stray either.
    """
    if time not in frame.columns:
        return ""
    zone = zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)
    first_ns, next_ns = (
        int(datetime(each.year, each.month, each.day, tzinfo=zone).timestamp()) * 10**9
        for each in (day - timedelta(days=slack_days), day + timedelta(days=1 + slack_days))
    )
    start_ns = frame[time].to_physical()
    stray = frame.height - start_ns.is_between(first_ns, next_ns - 1).sum()
    return f"{time} of {stray:,} of {frame.height:,} rows is not on {day}" if stray else ""
