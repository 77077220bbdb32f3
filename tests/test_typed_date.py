"""Dates as people type them in the picker."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb.notebook.typed_date import parse_typed_date

TODAY = date(2026, 11, 25)
DAYS = st.dates(date(1000, 1, 1), date(9999, 12, 31))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-03", date(2026, 11, 3)),
        ("2026-11-3", date(2026, 11, 3)),
        (" 20261103 ", date(2026, 11, 3)),
        ("2026/1/9", date(2026, 1, 9)),
        ("11/23/2026", date(2026, 11, 23)),
        ("23/11/2026", date(2026, 11, 23)),
        ("23.11.2026", date(2026, 11, 23)),
        ("3/3/2026", date(2026, 3, 3)),
        ("3 Nov 2026", date(2026, 11, 3)),
        ("November 3, 2026", date(2026, 11, 3)),
        ("Sept. 1 2025", date(2025, 9, 1)),
        ("Jan 2024", date(2024, 1, 1)),
        ("2024-02", date(2024, 2, 1)),
        ("2024", date(2024, 1, 1)),
        ("-30d", date(2026, 10, 26)),
        ("-2w", date(2026, 11, 11)),
        ("-9m", date(2026, 2, 25)),
        ("-1Y", date(2025, 11, 25)),
        ("today", TODAY),
        ("yesterday", date(2026, 11, 24)),
    ],
)
def test_what_is_understood(text: str, expected: date) -> None:
    """The forms that the field offers."""
    assert parse_typed_date(text, TODAY) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("feb 2024", date(2024, 2, 29)),
        ("2023-02", date(2023, 2, 28)),
        ("2024", date(2024, 12, 31)),
        ("2024-02-03", date(2024, 2, 3)),
    ],
)
def test_the_last_day(text: str, expected: date) -> None:
    """A month or a year in the field of the end is its last day."""
    assert parse_typed_date(text, TODAY, "last") == expected


def test_two_readings_are_refused() -> None:
    """Both are named."""
    with pytest.raises(ValueError, match="2026-11-03 or 2026-03-11; write one of them"):
        parse_typed_date("11/3/2026", TODAY)


@pytest.mark.parametrize("text", ["", "soon", "2024-13-45", "31/31/2024", "Foo 2024", "-d", "12"])
def test_what_is_no_date(text: str) -> None:
    """The text itself is in the message."""
    with pytest.raises(
        ValueError, match=r"is not a date; type for example|does not exist"
    ) as error:
        parse_typed_date(text, TODAY)
    assert repr(text) in str(error.value)


@given(DAYS)
def test_each_day_in_each_form(day: date) -> None:
    """Python's own formats of a day are read back."""
    for form in ("%Y-%m-%d", "%Y%m%d", "%d %b %Y", "%B %d, %Y"):
        assert parse_typed_date(f"{day:{form}}".replace("%Y", str(day.year)), TODAY) == day
    if day.day > 12 or day.day == day.month:
        assert parse_typed_date(f"{day.month}/{day.day}/{day.year}", TODAY) == day


@given(st.integers(0, 20_000))
def test_days_ago(count: int) -> None:
    """As timedelta counts."""
    assert parse_typed_date(f"-{count}d", TODAY) == TODAY - timedelta(days=count)


@given(st.integers(1000, 9999), st.integers(1, 12))
def test_months_have_ends(year: int, month: int) -> None:
    """The calendar's."""
    text = f"{year}-{month:02}"
    assert parse_typed_date(text, TODAY, "last").day == monthrange(year, month)[1]
    assert parse_typed_date(text, TODAY).day == 1
