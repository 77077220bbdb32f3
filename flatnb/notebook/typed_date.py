"""Dates as people type them."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal

End = Literal["first", "last"]
"""Which day of a month or year is meant where the text names no day."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        start=1,
    )
}
_HINT = "type for example 2024-01-31, Jan 2024, 1/31/2024 or -30d"


def parse_typed_date(text: str, today: date, end: End = "first") -> date:
    """A date from the text of a form's field.

    Understood are ``2026-11-03``, ``2026-11-3``, ``20261103``, ``11/23/2026`` and ``23.11.2026``
    where only one of the two can be the month, ``3 Nov 2026``, ``Nov 3, 2026``, ``Nov 2026``,
    ``2026-11``, ``2026``, ``today``, and ``-30d``, ``-2w``, ``-3m``, ``-1y`` from today.

    Parameters
    ----------
    text
        What was typed; upper and lower case are the same.
    today
        The date at the exchange.
    end
        Whether a month or a year alone stands for its first or its last day.

    Raises
    ------
    ValueError
        If it is not a date, or could be two.

    Examples
    --------
    >>> parse_typed_date("Jan 2024", date(2024, 7, 1), "last")
    datetime.date(2024, 1, 31)
    """
    cleaned = " ".join(text.lower().replace(",", " ").split())
    try:
        for pattern, read in _FORMS:
            if match := re.fullmatch(pattern, cleaned, re.ASCII):
                return read(match, today, end)
    except _AmbiguousError as error:
        raise ValueError(f"{text!r} could be {error}; write one of them") from None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} does not exist: {error}") from None
    raise ValueError(f"{text!r} is not a date; {_HINT}")


class _AmbiguousError(Exception):
    """Two readings are possible; the message has both."""


_Read = Callable[[re.Match[str], date, End], date]


def _by_numbers(match: re.Match[str], today: date, end: End) -> date:
    return date(int(match["y"]), int(match["m"]), int(match["d"]))


def _by_slashes(match: re.Match[str], today: date, end: End) -> date:
    a, b, year = int(match["a"]), int(match["b"]), int(match["y"])
    if a <= 12 and b <= 12 and a != b:
        raise _AmbiguousError(f"{date(year, a, b)} or {date(year, b, a)}")
    month, day = (a, b) if a <= 12 else (b, a)
    return date(year, month, day)


def _by_name(match: re.Match[str], today: date, end: End) -> date:
    return date(int(match["y"]), _month(match["n"]), int(match["d"]))


def _whole_month(match: re.Match[str], today: date, end: End) -> date:
    found = match.groupdict()
    month = int(found["m"]) if found.get("m") else _month(match["n"])
    year = int(match["y"])
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    return date(year, month, 1 if end == "first" else monthrange(year, month)[1])


def _whole_year(match: re.Match[str], today: date, end: End) -> date:
    year = int(match["y"])
    return date(year, 1, 1) if end == "first" else date(year, 12, 31)


def _relative(match: re.Match[str], today: date, end: End) -> date:
    count, unit = int(match["k"]), match["u"]
    if unit in "dw":
        return today - timedelta(days=count * (7 if unit == "w" else 1))
    months = today.year * 12 + today.month - 1 - count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))


def _today(match: re.Match[str], today: date, end: End) -> date:
    return today if match[0] == "today" else today - timedelta(days=1)


def _month(name: str) -> int:
    if name[:3] not in _MONTHS:
        raise ValueError(f"there is no month {name}")
    return _MONTHS[name[:3]]


_YEAR = r"(?P<y>\d{4})"
_NAMED = (
    r"(?P<n>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_FORMS: tuple[tuple[str, _Read], ...] = (
    (rf"{_YEAR}[-/.](?P<m>\d\d?)[-/.](?P<d>\d\d?)", _by_numbers),
    (rf"{_YEAR}(?P<m>\d\d)(?P<d>\d\d)", _by_numbers),
    (rf"(?P<a>\d\d?)[/.-](?P<b>\d\d?)[/.-]{_YEAR}", _by_slashes),
    (rf"(?P<d>\d\d?)\.? {_NAMED} {_YEAR}", _by_name),
    (rf"{_NAMED} (?P<d>\d\d?) {_YEAR}", _by_name),
    (rf"{_NAMED} {_YEAR}", _whole_month),
    (rf"{_YEAR}[-/](?P<m>\d\d?)", _whole_month),
    (_YEAR, _whole_year),
    (r"[-−] ?(?P<k>\d{1,5}) ?(?P<u>[dwmy])", _relative),
    (r"today|yesterday", _today),
)
