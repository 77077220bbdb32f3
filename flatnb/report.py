"""The outcome of every day of a load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from . import html
from .formatting import format_bytes, format_days

Status = Literal["loaded", "cached", "replaced", "missing", "forbidden", "failed"]
STATUSES: tuple[Status, ...] = (
    "cached",
    "loaded",
    "replaced",
    "missing",
    "forbidden",
    "failed",
)
"""All statuses, the most important last."""
LOADED_STATUSES: tuple[Status, ...] = ("loaded", "cached", "replaced")
"""The statuses of days that are in the frame."""


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """One day of a load.

    Attributes
    ----------
    date, key
        The day and its file.
    status
        ``"loaded"``: downloaded; ``"cached"``: read from the cache; ``"replaced"``: cached, but
        downloaded again as the vendor has a newer file; ``"missing"``: there is no file;
        ``"forbidden"``: the keys do not give access to it; ``"failed"``: any other failure.
    reason
        Why the day is not in the frame; for a day in the frame, a remark on its quality, mostly
        empty.
    size_bytes
        Size of the file in the bucket; 0 if the day is not in the frame.
    rows
        Rows in the frame, after the selection of symbols.
    etag
        The version of the file; empty if the day is not in the frame or the service sends none.
    downloaded_bytes
        Bytes of the file that were downloaded for it; 0 if it was cached.
    source
        Where the rows are from: ``"whole file"``, ``"cache"``, ``"ranges"`` (verified by an
        index), ``"ranges, proved by the daily bar"``, or ``"ranges, regular hours proved by the
        daily bar"``, where that bar covers only the regular hours.
    """

    date: date
    key: str
    status: Status
    reason: str = ""
    size_bytes: int = 0
    rows: int = 0
    etag: str = ""
    downloaded_bytes: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The outcome of every day of a load, in the order of the days.

    Attributes
    ----------
    adjusted
        How prices and sizes were adjusted; empty if they are as in the files.
    """

    data_type: str
    days: tuple[DayOutcome, ...]
    adjusted: str = ""

    def __iter__(self) -> Iterator[DayOutcome]:
        return iter(self.days)

    def __len__(self) -> int:
        return len(self.days)

    def with_status(self, *statuses: Status) -> list[DayOutcome]:
        """The days with one of these statuses."""
        return [day for day in self.days if day.status in statuses]

    def __repr__(self) -> str:
        counts = Counter(day.status for day in self.days)
        states = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no days"
        adjusted = f"; {self.adjusted}" if self.adjusted else ""
        lines = [f"{self.data_type}: {states}; {self._size}{adjusted}"]
        lines += list_days([day for day in self.days if day.reason])
        return "\n".join(lines)

    @property
    def _size(self) -> str:
        size_bytes = sum(day.size_bytes for day in self.days)
        moved_bytes = sum(day.downloaded_bytes for day in self.days)
        moved = f"{format_bytes(moved_bytes)} of {format_bytes(size_bytes)} downloaded"
        return f"{moved}, {sum(day.rows for day in self.days):,} rows"

    def _repr_html_(self) -> str:
        groups = groupby(self.days, key=lambda day: (day.status, day.reason))
        rows = [
            (span_of([day.date for day in days]), *status_and_reason)
            for status_and_reason, days in groups
            if status_and_reason[1]
        ]
        facts = (f"{len(self)} days", self._size, self.adjusted)
        more = f"… and {len(rows) - MOST_DAYS} more" if len(rows) > MOST_DAYS else ""
        return html.page(
            html.head(self.data_type, " · ".join(filter(None, facts)))
            + html.heat_map({day.date: day.status for day in self.days}, STATUSES)
            + (html.rows_html(rows[:MOST_DAYS], ("day", "status", "reason")) if rows else "")
            + more
        )


MOST_DAYS = 20
"""So many days with a reason are listed; the others are counted."""


def span_of(days: Sequence[date]) -> str:
    """One day, or the first and the last of several and their number, for messages."""
    return f"{days[0]} … {days[-1]} ({len(days)} days)" if len(days) > 1 else str(days[0])


def list_days(days: Sequence[DayOutcome], most: int = MOST_DAYS) -> list[str]:
    """For messages: one line for neighbouring days of the same status and reason.

    Lines past ``most`` are counted.
    """
    groups = [list(group) for _, group in groupby(days, lambda day: (day.status, day.reason))]
    lines = [f"  {_group_text(group)}" for group in groups[:most]]
    if len(groups) > most:
        lines.append(f"  … and {sum(map(len, groups[most:]))} more")
    return lines


def _group_text(days: Sequence[DayOutcome]) -> str:
    first, last = days[0], days[-1]
    if len(days) == 1:
        return f"{first.date} {first.status}: {first.reason}"
    span = format_days(first.date, last.date)
    return f"{len(days)} days {first.status}, {span}: {first.reason}"
