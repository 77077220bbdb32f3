"""Trading days of the US stock exchanges, and the current time at the exchange.

The days are those of the NYSE calendar in the ``holidays`` package. Stocks and options have a flat
file for each of these days and for no other.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    DateLike: TypeAlias = "str | date | np.datetime64"
else:
    DateLike: TypeAlias = object

EXCHANGE_TIME_ZONE = "America/New_York"
EXCHANGE_ZONE = zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)
# The NYSE's core session; on early-close days it ends at 13:00 (nyse.com/markets/hours-calendars).
REGULAR_OPEN = time(9, 30)
REGULAR_CLOSE = time(16, 0)
EARLY_CLOSE = time(13, 0)


def exchange_now() -> datetime:
    """The current time, in the exchange's time zone (New York)."""
    return datetime.now(EXCHANGE_ZONE)


def exchange_today() -> date:
    """The current date at the exchange (New York)."""
    return exchange_now().date()


def as_date(value: DateLike, parameter: str) -> date:
    """A date from a string YYYY-MM-DD, a date, or a pandas or numpy timestamp.

    The time of day of a timestamp is dropped; its time zone is not converted.

    Raises
    ------
    ValueError
        If it is anything else, or the day does not exist; the message names ``parameter``.
    """
    wrong = ValueError(
        f"{parameter}={value!r} is not a valid date; pass a string 'YYYY-MM-DD', a "
        "datetime.date or a pandas or numpy timestamp"
    )
    if type(value).__name__ == "datetime64":
        # Matched by name, so that numpy need not be imported. In units finer than microseconds
        # item() returns a plain integer (numpy's datetime documentation).
        value = value.astype("datetime64[D]").item()  # type: ignore[union-attr]
    if isinstance(value, str):
        # Since Python 3.11 date.fromisoformat also accepts 20240102 and 2024-W01-2.
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            raise wrong
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{parameter}={value!r} does not exist: {error}") from None
    if not isinstance(value, date) or value != value:  # pandas' NaT is a datetime and != itself
        raise wrong
    return value.date() if isinstance(value, datetime) else value


def as_date_range(
    start: DateLike, end: DateLike, *, start_name: str = "start", end_name: str = "end"
) -> tuple[date, date]:
    """Both ends of a range as dates.

    Raises
    ------
    ValueError
        If either is not a valid date, or ``start`` is after ``end``.
    """
    first, last = as_date(start, start_name), as_date(end, end_name)
    if first > last:
        raise ValueError(
            f"{start_name}={first} is after {end_name}={last}; swap them (both are inclusive)"
        )
    return first, last


def trading_days(start: DateLike, end: DateLike) -> list[date]:
    """The days on which US stocks trade, from ``start`` to ``end``, both inclusive.

    Empty if ``start`` is after ``end``; `as_date_range` raises in that case.
    """
    first, last = as_date(start, "start"), as_date(end, "end")
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if _is_open(day)]


def is_trading_day(day: DateLike) -> bool:
    """Whether US stocks trade on this day."""
    return _is_open(as_date(day, "day"))


def closure_name(day: DateLike) -> str | None:
    """Why the exchange is closed on this day, for example ``"Good Friday"``; None if it is not."""
    day = as_date(day, "day")
    return _closures(day.year).get(day) or ("weekend" if day.weekday() >= 5 else None)


def is_early_close(day: DateLike) -> bool:
    """Whether the regular session of this day ends at 13:00 New York time."""
    day = as_date(day, "day")
    return _is_open(day) and day in _early_closes(day.year)


def session_open(day: DateLike) -> time:
    """When the regular session of a trading day begins, in New York time: always 9:30.

    Raises
    ------
    ValueError
        If the exchange is closed all day.
    """
    _check_open(day)
    return REGULAR_OPEN


def session_close(day: DateLike) -> time:
    """When the regular session of a trading day ends, in New York time: 16:00 or 13:00.

    Raises
    ------
    ValueError
        If the exchange is closed all day.
    """
    _check_open(day)
    return EARLY_CLOSE if is_early_close(day) else REGULAR_CLOSE


def _check_open(day: DateLike) -> None:
    if reason := closure_name(day):
        raise ValueError(
            f"day={as_date(day, 'day')} is not a trading day ({reason}); choose one of "
            "trading_days()"
        )


def _is_open(day: date) -> bool:
    return day.weekday() < 5 and day not in _closures(day.year)


# One dict per year, never changed afterwards: the package's own lookup adds years on demand to a
# dict that is not safe to share between threads.
@cache
def _closures(year: int) -> dict[date, str]:
    from holidays import financial_holidays

    return dict(financial_holidays("NYSE", years=year))


@cache
def _early_closes(year: int) -> frozenset[date]:
    from holidays import financial_holidays
    from holidays.constants import HALF_DAY

    return frozenset(financial_holidays("NYSE", years=year, categories=HALF_DAY))
