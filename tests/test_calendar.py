"""The trading calendar against the exchange's own notices, transcribed in ``tests/data``."""

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


def transcribed(name: str) -> set[date]:
    """The dates of a file of test data."""
    with (DATA / name).open(newline="") as file:
        return {date.fromisoformat(row["date"]) for row in csv.DictReader(file)}


def weekdays() -> list[date]:
    """All days from Monday to Friday of the bucket's history."""
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    return [day for day in days if day.weekday() < 5]


def test_trading_days_are_the_exchanges() -> None:
    """Every day from the first flat file to 2027."""
    closures = transcribed("nyse_closures.csv")
    assert calendar.trading_days(FIRST, LAST) == [d for d in weekdays() if d not in closures]


def test_special_closures_are_transcribed() -> None:
    """The test data contain the closures that follow no rule."""
    special = ["2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09"]
    assert {date.fromisoformat(day) for day in special} <= transcribed("nyse_closures.csv")


def test_early_closes_are_the_exchanges() -> None:
    """The regular session ends at 13:00 on the published days and at 16:00 on all others."""
    early = transcribed("nyse_early_closes.csv")
    days = calendar.trading_days(FIRST, LAST)
    assert {day for day in days if calendar.is_early_close(day)} == early
    assert calendar.session_close(date(2024, 7, 3)) == time(13)
    assert calendar.session_close(date(2024, 7, 2)) == time(16)
    assert calendar.session_open(date(2024, 7, 3)) == time(9, 30)


def test_why_the_exchange_is_closed() -> None:
    """The name of the holiday, "weekend", or None for trading days."""
    assert calendar.closure_name(date(2024, 3, 29)) == "Good Friday"
    assert "Carter" in (calendar.closure_name(date(2025, 1, 9)) or "")
    assert calendar.closure_name(date(2024, 3, 30)) == "weekend"
    assert calendar.closure_name(date(2024, 3, 28)) is None


@pytest.mark.parametrize("hours", [calendar.session_open, calendar.session_close])
def test_a_closed_day_has_no_session(hours: Callable[[date], time]) -> None:
    """The message says why the exchange is closed."""
    with pytest.raises(ValueError, match=r"day=2024-03-29.*Good Friday"):
        hours(date(2024, 3, 29))
    with pytest.raises(ValueError, match=r"day=2024-03-30.*weekend"):
        hours(date(2024, 3, 30))


@pytest.mark.parametrize("kind", [str, pd.Timestamp, np.datetime64, datetime.fromisoformat])
def test_timestamps_are_their_days(kind: Callable[[str], Any]) -> None:
    """A datetime equals no date: used unconverted, it would match no holiday."""
    assert not calendar.is_trading_day(kind("2024-01-01"))
    assert calendar.closure_name(kind("2024-01-01")) == "New Year's Day"
    assert calendar.is_early_close(kind("2024-07-03"))
    assert calendar.session_close(kind("2024-07-03")) == time(13)
    days = calendar.trading_days(kind("2023-12-29"), kind("2024-01-02"))
    assert days == [date(2023, 12, 29), date(2024, 1, 2)]
    assert {type(day) for day in days} == {date}


@given(st.lists(DAYS, min_size=3, max_size=3).map(sorted))
def test_ranges_join(days: list[date]) -> None:
    """A range is the union of its halves, as both ends are inclusive."""
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
    """Strings, dates and timestamps of any unit give their own day."""
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
def test_invalid_dates(value: Any) -> None:
    """Anything else is an error that names the parameter and the value."""
    with pytest.raises(
        ValueError, match=r"^start=.*(is not a valid date|does not exist)"
    ) as caught:
        calendar.as_date(value, "start")
    assert repr(value) in str(caught.value)


def test_the_time_at_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the evening of New York it is the next day in UTC."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2024, 7, 3, 2, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(calendar, "datetime", Clock)
    assert calendar.exchange_now().isoformat() == "2024-07-02T22:30:00-04:00"
    assert calendar.exchange_today() == date(2024, 7, 2)


def test_a_reversed_range() -> None:
    """The error names both ends."""
    with pytest.raises(ValueError, match="start=2024-01-03 is after end=2024-01-02"):
        calendar.as_date_range("2024-01-03", "2024-01-02")
