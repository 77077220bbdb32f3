"""The trading calendar of the picker: two months, and what is known of each of their days."""

from __future__ import annotations

import time
import zoneinfo
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, TypedDict

from ..errors import FlatnbError
from ..explore.plan import Plan
from ..market.calendar import EXCHANGE_TIME_ZONE, closure_name, is_early_close
from ..market.data_types import DataType, get_data_type
from ..market.known_issues import is_published
from .debounce import Debouncer

DayKind = Literal["closed", "open", "cached", "missing", "uncached", "late", "future", "before"]
"""What a day is; the page has a colour for each."""

Statuses = Mapping[date, str]
"""Day → its status in a `Plan`."""

STATUSES_LAST_S = 300.0
"""How long the statuses of a month are used before they are looked up again."""

FIRST_YEAR, LAST_YEAR = 1990, 2100

FIRST_FILES = date(2003, 9, 10)
"""No file of the bucket is older: the first of stocks' daily bars."""

# Files are complete by about 11:00 ET on the next day (vendor's knowledge base, October 2026).
_DESCRIPTIONS: Mapping[DayKind, str] = {
    "open": "",
    "cached": "cached",
    "missing": "no file in the bucket",
    "uncached": "not cached, and the session is offline",
    "late": "not published yet: complete at about 11:00 in New York on the next day",
    "future": "in the future",
    "before": "before the first day of this data type",
}
_KIND_OF_STATUS: Mapping[str, DayKind] = {
    "cached": "cached",
    # A load downloads it again, so for a user it is like a day that is not cached.
    "replaced": "open",
    "to download": "open",
    "missing": "missing",
    "not cached": "uncached",
    "late": "late",
}


class Day(TypedDict):
    """A day as the page draws it; ``early``: the exchange closes at 13:00."""

    date: str
    kind: DayKind
    early: bool
    today: bool
    label: str


class Month(TypedDict):
    """A month as the page draws it; ``lead`` is the number of empty cells before its first day."""

    year: int
    month: int
    title: str
    lead: int
    days: list[Day]


class PickerCalendar:
    """The two months that the picker shows; the statuses of their days are looked up.

    Parameters
    ----------
    plan
        Makes the plan of a data type between two days; it may block.
    on_change
        Called with the two months whenever one of them has changed, from any thread.
    """

    def __init__(
        self,
        plan: Callable[[str, date, date], Plan],
        on_change: Callable[[list[Month]], object],
    ) -> None:
        self._plan = plan
        self._on_change = on_change
        self._debouncer = Debouncer()
        self._data_type = ""
        self._last_month = (exchange_now().year, exchange_now().month)
        self._statuses: dict[tuple[str, int, int], tuple[float, Statuses]] = {}

    def show(self, data_type: str, year: int | None = None, month: int | None = None) -> None:
        """Show a month and the one before it.

        Parameters
        ----------
        data_type
            The name of the data type whose days are shown.
        year, month
            The month; None: the one that is shown already.

        Raises
        ------
        ValueError
            If there is no such month.
        """
        if year is not None and month is not None:
            if not 1 <= month <= 12 or not FIRST_YEAR <= year <= LAST_YEAR:
                raise ValueError(
                    f"year={year}, month={month} is not a month of the years {FIRST_YEAR} to "
                    f"{LAST_YEAR}; give another one"
                )
            self._last_month = year, month
        self._data_type = data_type
        self._draw()
        self._debouncer.submit(lambda is_current: self._look_up(data_type, is_current))

    def includes(self, day: date) -> bool:
        """Whether a day is in one of the two months."""
        return (day.year, day.month) in self._months()

    def forget_statuses(self) -> None:
        """Have all statuses looked up again; a lookup under way adds to the forgotten ones."""
        self._statuses = {}

    def _months(self) -> list[tuple[int, int]]:
        year, month = self._last_month
        return [(year, month - 1) if month > 1 else (year - 1, 12), (year, month)]

    def _draw(self) -> None:
        now, data_type = exchange_now(), get_data_type(self._data_type)
        drawn = []
        for year, month in self._months():
            _, statuses = self._statuses.get((self._data_type, year, month), (0.0, None))
            drawn.append(month_of(year, month, data_type, statuses, now))
        self._on_change(drawn)

    def _look_up(self, name: str, is_current: Callable[[], bool]) -> None:
        for year, month in self._months():
            # The dict of this moment: what is found after `forget_statuses` must not be kept.
            known = self._statuses
            known_at, _ = known.get((name, year, month), (-STATUSES_LAST_S, {}))
            first = date(year, month, 1)
            if time.monotonic() - known_at < STATUSES_LAST_S or first > exchange_now().date():
                continue
            try:
                plan = self._plan(name, first, date(year, month, monthrange(year, month)[1]))
            except (FlatnbError, RuntimeError):
                # The calendar is drawn without statuses; the estimate shows the error.
                continue
            found = {day.date: str(day.status) for day in plan.days}
            known[name, year, month] = time.monotonic(), found
            if is_current():
                self._draw()


def month_of(
    year: int, month: int, data_type: DataType, statuses: Statuses | None, now: datetime
) -> Month:
    """A month for the page.

    Parameters
    ----------
    statuses
        The known statuses of its days; None: they were not looked up yet.
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


def _day(day: date, data_type: DataType, statuses: Statuses | None, now: datetime) -> Day:
    kind, description = describe_day(day, data_type, statuses, now)
    early = data_type.days == "calendar" and is_early_close(day)
    parts = [f"{day:%A}, {day.day} {day:%B} {day.year}", description]
    if early:
        parts.append("early close at 13:00")
    return {
        "date": day.isoformat(),
        "kind": kind,
        "early": early,
        "today": day == now.date(),
        "label": ", ".join(part for part in parts if part),
    }


def describe_day(
    day: date, data_type: DataType, statuses: Statuses | None, now: datetime
) -> tuple[DayKind, str]:
    """What a day is, as the page's kind and in words; the words of an ordinary day are empty.

    Parameters
    ----------
    statuses
        The known statuses of the month's days; None: they were not looked up yet.
    now
        In exchange time.
    """
    closed = closure_name(day) if data_type.days == "calendar" else None
    if closed:
        return "closed", closed
    kind: DayKind
    published = is_published(day, now)
    if day < data_type.first_day:
        kind = "before"
    elif day > now.date():
        kind = "future"
    elif statuses is not None and day in statuses:
        kind = _KIND_OF_STATUS[statuses[day]]
    elif statuses is not None and data_type.days == "listing" and published:
        # For these markets the listing is the calendar: a day without a file is a closed one.
        return "closed", "no file"
    else:
        kind = "open" if published else "late"
    return kind, _DESCRIPTIONS[kind]


def preset(name: str, now: datetime, first_day: date = date.min) -> tuple[date, date]:
    """First and last day of a preset: up to the last trading day with published files.

    Parameters
    ----------
    name
        ``"day"``, ``"week"``, ``"month"``, ``"quarter"``, ``"ytd"`` (year to date), ``"year"``,
        ``"five_years"`` or ``"all"``.
    now
        In exchange time.
    first_day
        The first day that the bucket may have, where ``"all"`` begins.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    last = now.date()
    while closure_name(last) or not is_published(last, now):
        last -= timedelta(days=1)
    first_days = {
        "day": last,
        "week": last - timedelta(days=6),
        "month": _months_before(last, 1) + timedelta(days=1),
        "quarter": _months_before(last, 3) + timedelta(days=1),
        "ytd": date(last.year, 1, 1),
        "year": _months_before(last, 12) + timedelta(days=1),
        "five_years": _months_before(last, 60) + timedelta(days=1),
        "all": max(first_day, FIRST_FILES),
    }
    if name not in first_days:
        raise ValueError(f"preset={name!r} is unknown; choose one of {', '.join(first_days)}")
    return max(first_days[name], first_day), last


def _months_before(day: date, count: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def exchange_now() -> datetime:
    """The present time in New York."""
    return datetime.now(zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE))
