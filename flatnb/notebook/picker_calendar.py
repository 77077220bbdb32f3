"""The trading calendar of the picker: what each day of a month is."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal

from ..market.calendar import closure_name, is_early_close
from ..market.data_types import DataType
from ..market.known_issues import is_published

DayLook = Literal["closed", "open", "cached", "missing", "late", "future", "before"]

_WORDS: Mapping[str, str] = {
    "open": "",
    "cached": "cached",
    "missing": "no file in the bucket",
    "late": "not published yet: complete at about 11:00 in New York on the next day",
    "future": "yet to come",
    "before": "before the first day of this data type",
}
_STATUS: Mapping[str, DayLook] = {
    "cached": "cached",
    "replaced": "open",
    "to download": "open",
    "missing": "missing",
    "late": "late",
}

Statuses = Mapping[date, str]
"""Day → status of a plan; a month that was not looked up has none."""


def month_of(
    year: int, month: int, data_type: DataType, statuses: Statuses | None, now: datetime
) -> dict[str, Any]:
    """A month for the front end.

    Parameters
    ----------
    statuses
        What is known of its days; None: nothing yet.
    now
        In exchange time.
    """
    _, length = monthrange(year, month)
    days = [date(year, month, number) for number in range(1, length + 1)]
    return {
        "year": year,
        "month": month,
        "title": f"{days[0]:%B} {year}",
        "lead": days[0].weekday(),
        "days": [_day(day, data_type, statuses, now) for day in days],
    }


def _day(
    day: date, data_type: DataType, statuses: Statuses | None, now: datetime
) -> dict[str, Any]:
    look, name = look_of(day, data_type, statuses, now)
    by_calendar = data_type.days == "calendar"
    early = by_calendar and is_early_close(day)
    words = [f"{day:%A}, {day.day} {day:%B} {day.year}", name]
    if early:
        words.append("early close at 13:00")
    return {
        "date": day.isoformat(),
        "look": look,
        "early": early,
        "today": day == now.date(),
        "label": ", ".join(word for word in words if word),
    }


def look_of(
    day: date, data_type: DataType, statuses: Statuses | None, now: datetime
) -> tuple[DayLook, str]:
    """How a day looks, and in words why."""
    look: DayLook
    closed = closure_name(day) if data_type.days == "calendar" else None
    if closed:
        return "closed", closed
    if day < data_type.first_day:
        look = "before"
    elif day > now.date():
        look = "future"
    elif statuses is not None and day in statuses:
        look = _STATUS[statuses[day]]
    elif statuses is not None and data_type.days == "listing":
        return ("closed", "no file") if is_published(day, now) else ("late", _WORDS["late"])
    else:
        look = "open" if is_published(day, now) else "late"
    return look, _WORDS[look]


def preset(name: str, now: datetime) -> tuple[date, date]:
    """First and last day of a preset: up to the last published trading day.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    last = now.date()
    while closure_name(last) or not is_published(last, now):
        last -= timedelta(days=1)
    firsts = {
        "day": last,
        "week": last - timedelta(days=6),
        "month": _a_month_before(last) + timedelta(days=1),
        "ytd": date(last.year, 1, 1),
        "year": date(last.year - 1, last.month, min(last.day, 28)) + timedelta(days=1),
    }
    if name not in firsts:
        raise ValueError(f"preset={name!r} is unknown; choose {', '.join(firsts)}")
    return firsts[name], last


def _a_month_before(day: date) -> date:
    end = day.replace(day=1) - timedelta(days=1)
    return end.replace(day=min(day.day, end.day))
