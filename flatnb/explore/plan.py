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
        For the download, at ``bytes_per_s``.
    bytes_per_s, rate_source
        The rate, and whether this session measured it or a user of the service did.
    counted_days
        Of so many cached days the rows were counted for `rows_estimate`; 0: none was.
    sampled_days
        Of so many days alone the size was looked up, and the others are assumed to be there and
        as large as the nearest; 0: all were looked up.
    """

    data_type: str
    days: tuple[PlannedDay, ...]
    rows_estimate: int | None
    columns: int
    bytes_per_s: float
    rows_note: str
    run: Callable[[], Any]
    rate_source: str = ""
    counted_days: int = 0
    sampled_days: int = 0

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
        sampled = f" (sizes of {self.sampled_days} days looked up)" if self.sampled_days else ""
        pairs = {
            "Days": self._counts(),
            "To download": f"{size}{sampled}, {self.time_text}",
            "Cached": format_bytes(self.bytes_cached),
        }
        if self.rows_estimate is not None and self.memory_bytes_estimate is not None:
            pairs["Frame"] = f"{self.rows_text}, {format_bytes(self.memory_bytes_estimate)}"
        if self.rows_note:
            pairs["Rows"] = self.rows_note
        return pairs

    @property
    def time_text(self) -> str:
        """How long the download takes, and at which rate, for people."""
        if not self.bytes_to_download:
            return "nothing to wait for"
        rate = f"{format_bytes(self.bytes_per_s)}/s"
        source = f" ({self.rate_source})" if self.rate_source else ""
        return f"{format_duration(self.seconds_estimate)} at {rate}{source}"

    @property
    def rows_text(self) -> str:
        """How many rows, and what they were counted by, for people; empty if unknown."""
        if self.rows_estimate is None:
            return ""
        if self.counted_days and self.counted_days == self.files:
            return f"{self.rows_estimate:,} rows"
        source = f" (counted in {self.counted_days} cached days)" if self.counted_days else ""
        return f"about {self.rows_estimate:,} rows{source}"

    def _summary(self) -> str:
        return "; ".join(f"{name.lower()}: {value}" for name, value in self._facts().items())

    def _counts(self) -> str:
        counts = Counter(day.status for day in self.days)
        return ", ".join(f"{count:,} {status}" for status, count in counts.items()) or "none"

    def _notes(self) -> list[str]:
        return [f"  {span} {status}: {note}" for span, status, note in self._spans_with_notes()]

    def _spans_with_notes(self) -> Iterator[tuple[str, PlanStatus, str]]:
        """Days with a note, where those in a row that have the same one are grouped."""
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
    rate: Rate,
    rows_cached: Mapping[str, int],
    run: Callable[[], Any],
) -> Plan:
    """Make a plan of what is listed and what is cached; offline nothing is listed.

    Parameters
    ----------
    rows_cached
        Key → selected rows, of cached days in which they were counted.
    """
    sizes = _SampledSizes(survey)

    def planned(day: date, key: str) -> PlannedDay:
        listed, cached = survey.listed.get(key), survey.cached.get(key)
        status: PlanStatus
        impossible = reason_for_no_file(request.data_type, day)
        note = impossible or known_issue(request.data_type, day)
        if cached is not None and (listed == cached.version or not needs_revalidation(day)):
            status = "to download" if cached.missing_bytes else "cached"
            if listed is not None and listed != cached.version:
                note = f"{_NEWER}; {note}" if note else _NEWER
        elif listed is None and sizes.assumes(key):
            size_bytes = sizes.nearest(key)
            return PlannedDay(day, key, "to download", size_bytes, size_bytes, note)
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
    hours = "" if request.hours == "all" else f"{request.hours} hours"
    return Plan(
        request.data_type.name,
        days,
        _rows(request, days, rows_cached),
        len(columns) + 1,
        rate.bytes_per_s,
        ", ".join(filter(None, [hours, request.adjusted])),
        run,
        rate.source,
        len(rows_cached),
        len(survey.sampled),
    )


class _SampledSizes:
    """The sizes of files that were not looked up: those of the nearest that were."""

    def __init__(self, survey: VersionSurvey) -> None:
        order = list(survey.keys.values())
        self._places = {key: place for place, key in enumerate(order)} if survey.sampled else {}
        found = [key for key in survey.sampled if key in survey.listed]
        self._found = [(self._places[key], survey.listed[key].size_bytes) for key in found]
        self._looked_up = frozenset(survey.sampled)

    def assumes(self, key: str) -> bool:
        """Whether a file was not looked up."""
        return bool(self._found) and key in self._places and key not in self._looked_up

    def nearest(self, key: str) -> int:
        """The size in bytes of the nearest file that was."""
        place = self._places[key]
        return min(self._found, key=lambda found: abs(found[0] - place))[1]


def _rows(
    request: Request, days: tuple[PlannedDay, ...], rows_cached: Mapping[str, int]
) -> int | None:
    if rows_cached:
        return _rows_by_counts(request, days, rows_cached)
    name = request.data_type.name
    if request.selection is None:
        each = _BYTES_PER_ROW.get(name, _USUAL_BYTES_PER_ROW)
        return round(sum(day.size_bytes for day in days) / each)
    per_symbol = _ROWS_PER_SYMBOL.get(request.data_type.kind)
    if per_symbol is None or request.selection.roots or request.selection.contracts:
        return None
    files = sum(day.size_bytes > 0 for day in days)
    return files * len(request.selection.symbols) * per_symbol


def _rows_by_counts(
    request: Request, days: tuple[PlannedDay, ...], rows_cached: Mapping[str, int]
) -> int:
    """Rows as counted in cached days; the others have as many a byte, or by symbols a file."""
    others = [day.size_bytes for day in days if day.size_bytes and day.key not in rows_cached]
    counted = sum(rows_cached.values())
    if request.selection is not None:
        return counted + round(len(others) * counted / len(rows_cached))
    size = sum(day.size_bytes for day in days if day.key in rows_cached)
    return counted + (round(sum(others) * counted / size) if size else 0)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of downloads, and who measured it."""

    bytes_per_s: float
    source: str


def expected_rate(bytes_per_s: float, connections: int) -> Rate:
    """The rate that was measured in this session, or else by a user of the service."""
    if bytes_per_s:
        return Rate(bytes_per_s, "measured in this session")
    assumed = connections * _BYTES_PER_S_AND_CONNECTION
    return Rate(assumed, f"not measured yet; a user's with {connections} connections")
