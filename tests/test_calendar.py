"""The trading calendar against the exchange's own notices, written down in ``tests/data``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb.market import calendar

FIRST, LAST = date(2003, 9, 10), date(2027, 12, 31)
DATA = Path(__file__).parent / "data"
DAYS = st.dates(FIRST, LAST)


def written_down(name: str) -> set[date]:
    """The dates of a file of test data."""
    with (DATA / name).open(newline="") as file:
        return {date.fromisoformat(row["date"]) for row in csv.DictReader(file)}


def weekdays() -> list[date]:
    """All days from Monday to Friday of the bucket's history."""
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    return [day for day in days if day.weekday() < 5]


def test_trading_days_are_the_exchanges() -> None:
    """From the first flat file to 2027 no day is wrong."""
    closures = written_down("nyse_closures.csv")
    assert calendar.trading_days(FIRST, LAST) == [d for d in weekdays() if d not in closures]


def test_special_closures_are_written_down() -> None:
    """The test data themselves hold the closures that no rule gives."""
    special = ["2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09"]
    assert {date.fromisoformat(day) for day in special} <= written_down("nyse_closures.csv")


def test_early_closes_are_the_exchanges() -> None:
    """The regular session ends at 13:00 on the published days and at 16:00 on all others."""
    early = written_down("nyse_early_closes.csv")
    days = calendar.trading_days(FIRST, LAST)
    assert {day for day in days if calendar.is_early_close(day)} == early
    assert calendar.session_close(date(2024, 7, 3)) == time(13)
    assert calendar.session_close(date(2024, 7, 2)) == time(16)
    assert calendar.session_open(date(2024, 7, 3)) == time(9, 30)


def test_why_the_exchange_is_closed() -> None:
    """Holidays have names, weekends are called so, trading days have none."""
    assert calendar.closure_name(date(2024, 3, 29)) == "Good Friday"
    assert "Carter" in (calendar.closure_name(date(2025, 1, 9)) or "")
    assert calendar.closure_name(date(2024, 3, 30)) == "weekend"
    assert calendar.closure_name(date(2024, 3, 28)) is None


@pytest.mark.parametrize("hours", [calendar.session_open, calendar.session_close])
def test_a_closed_day_has_no_session(hours: Callable[[date], time]) -> None:
    """The error says why the exchange is closed."""
    with pytest.raises(ValueError, match=r"day=2024-03-29.*Good Friday"):
        hours(date(2024, 3, 29))
    with pytest.raises(ValueError, match=r"day=2024-03-30.*weekend"):
        hours(date(2024, 3, 30))


@pytest.mark.parametrize("kind", [str, pd.Timestamp, np.datetime64, datetime.fromisoformat])
def test_timestamps_are_their_days(kind: Callable[[str], Any]) -> None:
    """A datetime is a date but equals none: taken as it comes, it would miss every holiday."""
    assert not calendar.is_trading_day(kind("2024-01-01"))
    assert calendar.closure_name(kind("2024-01-01")) == "New Year's Day"
    assert calendar.is_early_close(kind("2024-07-03"))
    assert calendar.session_close(kind("2024-07-03")) == time(13)
    days = calendar.trading_days(kind("2023-12-29"), kind("2024-01-02"))
    assert days == [date(2023, 12, 29), date(2024, 1, 2)]
    assert {type(day) for day in days} == {date}


@given(st.lists(DAYS, min_size=3, max_size=3).map(sorted))
def test_ranges_join(days: list[date]) -> None:
    """A range is its two halves, with both ends inclusive."""
    start, middle, end = days
    halves = calendar.trading_days(start, middle) + calendar.trading_days(
        middle + timedelta(days=1), end
    )
    assert calendar.trading_days(start, end) == halves


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-02",
        date(2024, 1, 2),
        datetime(2024, 1, 2, 23, 59, tzinfo=UTC),
        pd.Timestamp("2024-01-02 15:30"),
        pd.Timestamp("2024-01-02 23:30", tz="America/New_York"),
        np.datetime64("2024-01-02"),
        np.datetime64("2024-01-02T15:30:00.123456789"),
        np.datetime64("2024-01-02T15", "h"),
    ],
    ids=repr,
)
def test_dates_of_all_kinds(value: Any) -> None:
    """Strings, dates and timestamps of any unit mean their own day."""
    day = calendar.as_date(value, "start")
    assert day == date(2024, 1, 2)
    assert type(day) is date


@pytest.mark.parametrize(
    "value",
    [
        "20240102",
        "2024-1-2",
        " 2024-01-02",
        "2024-01-02T00:00",
        "2024-W01-2",
        "２０２４-01-02",
        "2024-02-30",
        "2023-02-29",
        "",
        "today",
        None,
        20240102,
        1704153600.0,
        True,
        pd.NaT,
        np.datetime64("NaT"),
        time(12),
    ],
    ids=repr,
)
def test_what_is_no_date(value: Any) -> None:
    """Anything else is an error that names the parameter and the value."""
    with pytest.raises(ValueError, match=r"^start=") as caught:
        calendar.as_date(value, "start")
    assert repr(value) in str(caught.value)


def test_a_range_that_runs_backwards() -> None:
    """The error names both ends."""
    with pytest.raises(ValueError, match="start=2024-01-03 is after end=2024-01-02"):
        calendar.as_date_range("2024-01-03", "2024-01-02")
