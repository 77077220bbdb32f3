"""Which days of a data type the bucket has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ..download.core.listing import ObjectSummary
from ..formatting import format_bytes
from ..html import head, heat_map, page
from ..market.calendar import trading_days
from ..market.data_types import DataType
from ..market.known_issues import is_published

_DAY_FILE = re.compile(r".*/(\d{4}-\d{2}-\d{2})\.csv(\.gz)?")


@dataclass(frozen=True)
class Availability:
    """The files of one data type; made by `FlatSession.available`.

    Attributes
    ----------
    days
        Day → size of its file in bytes, in ascending order.
    missing
        Trading days of the range, up to the last published one, that have no file; empty for
        data types whose days do not follow a calendar.
    """

    data_type: str
    days: Mapping[date, int]
    missing: tuple[date, ...]

    @property
    def first(self) -> date | None:
        """The first day with a file."""
        return min(self.days, default=None)

    @property
    def last(self) -> date | None:
        """The last day with a file."""
        return max(self.days, default=None)

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(self.days.values())

    def __repr__(self) -> str:
        if not self.days:
            return f"{self.data_type}: no files"
        lack = f"; {len(self.missing):,} trading days missing" if self.missing else ""
        return (
            f"{self.data_type}: {len(self.days):,} days from {self.first} to {self.last}, "
            f"{format_bytes(self.size_bytes)}{lack}"
        )

    def _repr_html_(self) -> str:
        squares = dict.fromkeys(self.days, "listed") | dict.fromkeys(self.missing, "missing")
        summary = repr(self).removeprefix(f"{self.data_type}: ")
        return page(head(self.data_type, summary) + heat_map(squares, ("listed", "missing")))


def make_availability(
    data_type: DataType, found: Iterable[ObjectSummary], first: date, last: date, now: datetime
) -> Availability:
    """Make it of a listing of the keys of a data type."""
    sizes = {
        date.fromisoformat(match[1]): item.size_bytes
        for item in found
        if (match := _DAY_FILE.fullmatch(item.key))
    }
    days = {day: size for day, size in sorted(sizes.items()) if first <= day <= last}
    missing: list[date] = []
    if data_type.days == "calendar":
        missing = [
            day
            for day in trading_days(max(first, data_type.first_day), last)
            if day not in days and is_published(day, now)
        ]
    return Availability(data_type.name, days, tuple(missing))
