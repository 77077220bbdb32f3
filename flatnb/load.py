"""One load: from (data type, dates, symbols) over the files of its days to a frame and a report."""

from __future__ import annotations

import asyncio
import sys
import warnings
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .download.async_downloader import AsyncS3Downloader
from .download.s3_catalog import S3Catalog
from .download.targets import MemoryTarget
from .errors import (
    AccessDeniedError,
    FlatnbWarning,
    LoadError,
    MissingDaysError,
    ObjectNotFoundError,
    SchemaError,
    TransferError,
)
from .frames.pandas import FrameKind, check_frame_kind, to_pandas
from .frames.read import empty_day, read_day
from .market.calendar import EXCHANGE_TIME_ZONE, DateLike, as_date_range, trading_days
from .market.data_types import DataType, get_data_type
from .progress import Progress
from .report import DayOutcome, LoadReport, Status, list_days

if TYPE_CHECKING:
    import polars as pl

Missing = Literal["warn", "raise", "ignore"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for, checked."""

    data_type: DataType
    days: tuple[date, ...]
    symbols: tuple[str, ...] | None
    columns: tuple[str, ...] | None
    frame: FrameKind
    tz: str
    missing: Missing

    @classmethod
    def checked(
        cls,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        symbols: Sequence[str] | str | None,
        columns: Sequence[str] | str | None,
        frame: FrameKind,
        tz: str,
        missing: Missing,
    ) -> Request:
        """Check all arguments before anything is fetched.

        Raises
        ------
        ValueError
            If one is wrong; the message names it, its value and the remedy.
        """
        found = get_data_type(data_type)
        first, last = as_date_range(start, end)
        check_frame_kind(frame)
        if missing not in ("warn", "raise", "ignore"):
            raise ValueError(f"missing={missing!r} is unknown; choose 'warn', 'raise' or 'ignore'")
        wanted = _names("columns", columns)
        if wanted is not None:
            # The date is the file's, not the row's: it is always there.
            wanted = tuple(name for name in wanted if name != "date")
        return cls(
            data_type=found,
            days=tuple(trading_days(first, last)),
            symbols=_names("symbols", symbols),
            columns=wanted,
            frame=frame,
            tz=_time_zone(tz),
            missing=missing,
        )


def _names(parameter: str, value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names:
        raise ValueError(f"{parameter}={value!r} selects nothing; leave it out to have all")
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} holds {name!r}; give non-empty strings")
    return tuple(dict.fromkeys(names))


def _time_zone(tz: str) -> str:
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(
            f"tz={tz!r} is no time zone; give a name such as 'UTC' or 'America/New_York'"
        ) from None
    return tz


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load brought."""

    frame: pl.DataFrame
    report: LoadReport


async def load_days(
    downloader: AsyncS3Downloader, catalog: S3Catalog, request: Request, progress: Progress
) -> Loaded:
    """Fetch and read all days, many at once."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_load_day(downloader, catalog, request, day, progress))
                for day in request.days
            ]
    except BaseExceptionGroup as errors:
        # What no day's outcome can tell of, such as a wrong column: it is the same for all.
        raise errors.exceptions[0] from None
    days = [task.result() for task in tasks]
    report = LoadReport(request.data_type.name, tuple(outcome for outcome, _ in days))
    frames = [frame for _, frame in days if frame is not None]
    return Loaded(_concatenate(request, frames), report)


async def _load_day(
    downloader: AsyncS3Downloader,
    catalog: S3Catalog,
    request: Request,
    day: date,
    progress: Progress,
) -> tuple[DayOutcome, pl.DataFrame | None]:
    key = catalog.get_key(request.data_type.name, day)
    failed: tuple[Status, str]
    if never := _never_there(request.data_type, day):
        return DayOutcome(day, key, "missing", never), None
    read = partial(_read, request, day, key)
    try:
        frame, size = await downloader.fetch(
            catalog.bucket, key, MemoryTarget(), read, listener=progress
        )
    except ObjectNotFoundError as error:
        failed = "missing", error.reason
    except AccessDeniedError as error:
        failed = "forbidden", f"{error.reason} – {error.remedy}"
    except (TransferError, SchemaError) as error:
        failed = "failed", f"{type(error).__name__}: {error.reason}"
    else:
        return DayOutcome(day, key, "loaded", "", size, frame.height), frame
    return DayOutcome(day, key, *failed), None


def _never_there(data_type: DataType, day: date) -> str:
    """Why no file of this day can exist, so that it is not asked for; empty if one can."""
    if day < data_type.first_day:
        return f"{data_type.name} begin on {data_type.first_day}"
    if day > datetime.now(zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)).date():
        return "the day is yet to come"
    return ""


def _read(request: Request, day: date, key: str, target: MemoryTarget) -> tuple[pl.DataFrame, int]:
    frame = read_day(
        target.buffer,
        request.data_type,
        key=key,
        symbols=request.symbols,
        columns=request.columns,
    )
    return _dress(request, day, frame), target.size


def _dress(request: Request, day: date, frame: pl.DataFrame) -> pl.DataFrame:
    """Put the date first and the times into the wanted zone."""
    import polars as pl
    import polars.selectors as cs

    dressed = frame.select(pl.lit(day).alias("date"), pl.all())
    if request.tz != "UTC":
        dressed = dressed.with_columns(cs.datetime().dt.convert_time_zone(request.tz))
    return dressed


def _concatenate(request: Request, frames: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    if not frames:
        nothing = empty_day(request.data_type, columns=request.columns)
        return _dress(request, date(1970, 1, 1), nothing)
    # A column that the vendor added on some day is null on the days before.
    how: Literal["vertical", "diagonal"] = (
        "vertical" if all(f.schema == frames[0].schema for f in frames) else "diagonal"
    )
    return pl.concat(frames, how=how)


def deliver(request: Request, loaded: Loaded) -> Any:
    """The frame in the wanted kind, after warning of or raising what is not in it."""
    frame = loaded.frame if request.frame == "polars" else to_pandas(loaded.frame)
    report = loaded.report
    bad = report.with_status("forbidden", "failed")
    missing = report.with_status("missing")
    if bad:
        raise LoadError(
            _message(f"{len(bad)} of {len(report)} days could not be loaded", bad + missing),
            report=report,
            frame=frame,
        )
    if missing and request.missing == "raise":
        message = _message(f"{len(missing)} of {len(report)} days have no file", missing)
        raise MissingDaysError(message, report=report, frame=frame)
    if missing and request.missing == "warn":
        _warn(_message(f"{len(missing)} of {len(report)} days have no file", missing))
    if not report.days:
        _warn("there is no trading day between start and end: the frame is empty")
    _warn_of_unknown_symbols(request, loaded)
    return frame


def _warn_of_unknown_symbols(request: Request, loaded: Loaded) -> None:
    if not request.symbols or "ticker" not in loaded.frame.columns or loaded.frame.is_empty():
        return
    found = set(loaded.frame["ticker"].unique())
    unknown = [s for s in request.symbols if s not in found and not s.endswith("*")]
    if unknown:
        _warn(
            f"symbols={unknown!r} are in none of the loaded days (tickers are case-sensitive: "
            "'BCpC' is not 'BCPC')"
        )


def _message(what: str, days: Sequence[DayOutcome]) -> str:
    hint = "(.report tells of every day, .frame holds those that loaded)"
    return "\n".join([f"{what} {hint}" if what.endswith("loaded") else what, *list_days(days)])


def _warn(message: str) -> None:
    """Warn at the line that called flatnb, however deep this is (a load may be awaited)."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("flatnb.", "asyncio.")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FlatnbWarning, stacklevel=level)
