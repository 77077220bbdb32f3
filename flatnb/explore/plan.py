"""What a load would mean: days, bytes, time and memory, before anything is downloaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal

from ..formatting import format_bytes, format_duration
from ..html import facts, head, heat_map, page, rows_html
from ..load.object_versions import VersionSurvey, reason_for_no_file
from ..load.request import Request
from ..market.known_issues import is_published, known_issue
from ..report import span_of

PlanStatus = Literal["cached", "to download", "replaced", "missing", "late", "not cached"]

_NEWER = "the bucket has a newer file; a session with revalidate='always' downloads it"

_ORDER = ("cached", "download", "replaced", "late", "missing")
_SQUARES: Mapping[PlanStatus, str] = {"to download": "download", "not cached": "missing"}
"""Statuses that are drawn under another name."""

# Compressed bytes of a row, in files of May 2026: 27 to 30 MB for 1.83M rows of stock minutes,
# 305 KB for 12,093 daily bars of stocks, 4 MB for 364,000 daily bars of options.
_BYTES_PER_ROW = {"stocks_daily": 25.0, "options_daily": 11.0}
_USUAL_BYTES_PER_ROW = 15.0
_ROWS_PER_SYMBOL = {"daily": 1, "session": 1, "minute": 400}

# Measured by a user of the service: 128 connections, 26.8 MB/s.
_BYTES_PER_S_AND_CONNECTION = 26.8e6 / 128
_DECODED_BYTES_PER_S = 60e6


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """One day of a plan.

    Attributes
    ----------
    status
        ``"cached"``; ``"to download"``; ``"replaced"``: cached, but the bucket has a newer file,
        which would be downloaded; ``"missing"``: the bucket has no file; ``"late"``: none
        yet, as a day's files are complete at about 11:00 in New York on the next day;
        ``"not cached"``: not in the cache, and with ``offline=True`` the bucket is not asked.
    size_bytes
        Size of the file in the bucket; 0 if there is none.
    download_bytes
        Bytes of it that would be downloaded: all, or ranges of a file that is cached in part.
    note
        What users have publicly reported of this file, or other remarks.
    """

    date: date
    key: str
    status: PlanStatus
    size_bytes: int
    download_bytes: int = 0
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What a load would mean; made by `FlatSession.plan`.

    Attributes
    ----------
    days
        Each day of the range that could have a file; of those before the data type's first day
        and of those in the future one each, with a note.
    rows_estimate
        Rows in the frame, estimated from the sizes; None where too little is known.
    rows_note
        Which rows there will be, and how adjusted; empty if they are those of the files.
    seconds_estimate
        For the download, at the rate that this session measured, or else at what users measured.
    """

    data_type: str
    days: tuple[PlannedDay, ...]
    rows_estimate: int | None
    columns: int
    bytes_per_s: float
    rows_note: str
    run: Callable[[], Any]

    def with_status(self, *statuses: PlanStatus) -> list[PlannedDay]:
        """The days with one of these statuses."""
        return [day for day in self.days if day.status in statuses]

    @property
    def files(self) -> int:
        """How many days have a file, cached or in the bucket."""
        return len(self.with_status("cached", "to download", "replaced"))

    @property
    def bytes_to_download(self) -> int:
        """Size of the files that are not cached, or of the ranges needed of them."""
        return sum(day.download_bytes for day in self.days)

    @property
    def bytes_cached(self) -> int:
        """Size in the bucket of the files that are cached."""
        return sum(day.size_bytes for day in self.with_status("cached"))

    @property
    def memory_bytes_estimate(self) -> int | None:
        """Size of the frame: eight bytes a cell, and the text of the tickers."""
        if self.rows_estimate is None:
            return None
        return self.rows_estimate * (8 * self.columns + 16)

    @property
    def seconds_estimate(self) -> float:
        """Seconds to download and read what is not cached."""
        size = self.bytes_to_download
        return size / self.bytes_per_s + size / _DECODED_BYTES_PER_S

    def load(self) -> Any:
        """Load it, as `FlatSession.load` with the same arguments."""
        return self.run()

    def __repr__(self) -> str:
        return "\n".join([f"{self.data_type}: {self._summary()}", *self._notes()])

    def _repr_html_(self) -> str:
        days = {day.date: _SQUARES.get(day.status, str(day.status)) for day in self.days}
        with_notes = list(self._spans_with_notes())
        table = rows_html(with_notes, ("day", "status", "note")) if with_notes else ""
        title = head(f"Plan: {self.data_type}", "plan.load() loads it")
        return page(title + facts(self._facts()) + heat_map(days, _ORDER) + table)

    def _facts(self) -> Mapping[str, str]:
        size = format_bytes(self.bytes_to_download)
        pairs = {
            "Days": self._counts(),
            "To download": f"{size}, {format_duration(self.seconds_estimate)}",
            "Cached": format_bytes(self.bytes_cached),
        }
        if self.rows_estimate is not None and self.memory_bytes_estimate is not None:
            pairs["Frame"] = (
                f"about {self.rows_estimate:,} rows, {format_bytes(self.memory_bytes_estimate)}"
            )
        if self.rows_note:
            pairs["Rows"] = self.rows_note
        return pairs

    def _summary(self) -> str:
        return "; ".join(f"{name.lower()}: {value}" for name, value in self._facts().items())

    def _counts(self) -> str:
        counts = Counter(day.status for day in self.days)
        return ", ".join(f"{count:,} {status}" for status, count in counts.items()) or "none"

    def _notes(self) -> list[str]:
        return [f"  {span} {status}: {note}" for span, status, note in self._spans_with_notes()]

    def _spans_with_notes(self) -> Iterator[tuple[str, PlanStatus, str]]:
        """Days with a note, where those in a row that have the same one are told together."""
        for (status, note), group in groupby(self.days, key=lambda day: (day.status, day.note)):
            if note:
                yield span_of([day.date for day in group]), status, note


def make_plan(
    request: Request,
    survey: VersionSurvey,
    *,
    needs_revalidation: Callable[[date], bool],
    now: datetime,
    is_offline: bool,
    bytes_per_s: float,
    run: Callable[[], Any],
) -> Plan:
    """Make a plan of what is listed and what is cached; offline nothing is listed."""

    def planned(day: date, key: str) -> PlannedDay:
        listed, cached = survey.listed.get(key), survey.cached.get(key)
        status: PlanStatus
        impossible = reason_for_no_file(request.data_type, day)
        note = impossible or known_issue(request.data_type, day)
        if cached is not None and (listed == cached.version or not needs_revalidation(day)):
            status = "to download" if cached.missing_bytes else "cached"
            if listed is not None and listed != cached.version:
                note = f"{_NEWER}; {note}" if note else _NEWER
        elif is_offline and not impossible:
            status = "not cached"
        elif listed is None:
            status = "missing" if is_published(day, now) else "late"
        else:
            status = "replaced" if cached is not None else "to download"
        is_cached = status == "cached" or (cached is not None and cached.missing_bytes > 0)
        version = cached.version if cached is not None and is_cached else listed
        size_bytes = version.size_bytes if version else 0
        needed = cached.missing_bytes if cached is not None and is_cached else size_bytes
        return PlannedDay(day, key, status, size_bytes, needed, note)

    days = tuple(planned(day, key) for day, key in survey.keys.items())
    columns = request.columns or tuple(request.data_type.columns) or ("ticker",)
    rows = _rows(request, days)
    hours = "" if request.hours == "all" else f"{request.hours} hours"
    note = ", ".join(filter(None, [hours, request.adjusted]))
    return Plan(request.data_type.name, days, rows, len(columns) + 1, bytes_per_s, note, run)


def _rows(request: Request, days: tuple[PlannedDay, ...]) -> int | None:
    name = request.data_type.name
    if request.selection is None:
        each = _BYTES_PER_ROW.get(name, _USUAL_BYTES_PER_ROW)
        return round(sum(day.size_bytes for day in days) / each)
    per_symbol = _ROWS_PER_SYMBOL.get(request.data_type.kind)
    if per_symbol is None or request.selection.roots or request.selection.contracts:
        return None
    files = sum(day.size_bytes > 0 for day in days)
    return files * len(request.selection.symbols) * per_symbol


def expected_rate(bytes_per_s: float, connections: int) -> float:
    """Bytes per second: as measured in this session, or else by users."""
    return bytes_per_s or connections * _BYTES_PER_S_AND_CONNECTION
