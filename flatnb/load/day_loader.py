"""The days of one load: each from the cache or from the service, read, with what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import CacheHit, Event
from ..download.s3_catalog import S3Catalog
from ..download.targets import SPILL_BYTES, SpillTarget, Target
from ..errors import AccessDeniedError, ObjectNotFoundError, SchemaError, TransferError
from ..frames.header import check_columns
from ..frames.interrupts import retry_on_interrupt
from ..frames.misdated import misdated_rows
from ..frames.reader import empty_day, read_day
from ..frames.selection import Selection
from ..market.calendar import EXCHANGE_TIME_ZONE, trading_days
from ..market.data_types import DataType
from .cache_policy import CachePolicy
from .day_cache import DayCache
from .progress import Progress
from .report import DayOutcome, LoadReport, Status
from .request import Request

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

Day: TypeAlias = "tuple[DayOutcome, pl.DataFrame | None]"

REVALIDATION_WINDOW = timedelta(days=28)
"""The vendor replaces files mostly within days: those this young are always looked at again."""

DAYS_AT_ONCE = 8
SMALL_DAYS_AT_ONCE = 64
"""Daily bars are less than 5 MB a day: what takes time is to wait for their first bytes."""

_SMALL_FOLDERS = ("day_aggs_v1", "session_aggs_v1")

MONTH_KEYS = 100
"""More than a month's folder holds."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load brought; ``notes`` are to be warned of."""

    frame: pl.DataFrame
    report: LoadReport
    notes: tuple[str, ...] = ()


@dataclass
class DayLoader:
    """One load in progress."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    keeping: CachePolicy | None
    request: Request
    progress: Progress
    max_concurrent: int | None = None
    only: frozenset[date] | None = None
    _kept: dict[str, ObjectVersion] = field(default_factory=dict)
    _listed: dict[str, ObjectVersion] = field(default_factory=dict)
    _months: set[str] = field(default_factory=set)
    _turns: asyncio.Semaphore = field(init=False)
    _notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        small = self.request.data_type.folder in _SMALL_FOLDERS
        usual = SMALL_DAYS_AT_ONCE if small else DAYS_AT_ONCE
        self._turns = asyncio.Semaphore(self.max_concurrent or usual)

    async def load(self) -> LoadResult:
        """Bring all days, many at once.

        Raises
        ------
        TransferError
            If a listing that is to tell the days could not be had.
        """
        keys = await self._keys()
        current = await self._current(keys)
        self.progress.files = len(keys) - len(current)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._day(day, key, key in current))
                    for day, key in keys.items()
                ]
        except BaseExceptionGroup as errors:
            # What no day's outcome can tell of, such as a wrong column: it is the same for all.
            raise errors.exceptions[0] from None
        days = [task.result() for task in tasks]
        report = LoadReport(self.request.data_type.name, tuple(outcome for outcome, _ in days))
        frames = [frame for _, frame in days if frame is not None]
        return LoadResult(self._concatenate(frames), report, tuple(self._notes))

    async def days(self) -> list[date]:
        """The days that a load would bring, or tell to be missing.

        Raises
        ------
        TransferError
            If a listing that is to tell the days could not be had.
        """
        return list(await self._keys())

    async def survey(
        self,
    ) -> tuple[dict[date, str], dict[str, ObjectVersion], dict[str, ObjectVersion]]:
        """The days with their keys, what is listed of these, and what of them is in the cache.

        Raises
        ------
        TransferError
            If a listing could not be had.
        """
        keys = await self._keys()
        if self.keeping is not None:
            self._kept = await _in_thread(partial(self._versions, list(keys.values())))
        if self.keeping is None or not self.keeping.offline:
            await self._list(keys.values())
        return keys, self._listed, self._kept

    async def _keys(self) -> dict[date, str]:
        """The days to bring: by the calendar, or those that the bucket has."""
        request = self.request
        name = request.data_type.name
        if request.data_type.days == "calendar":
            days = self._wanted(trading_days(request.start, request.end))
            return {day: self.catalog.get_key(name, day) for day in days}
        first, last = max(request.start, request.data_type.first_day), min(request.end, _today())
        if first > request.start:
            self._notes[f"{name} begin on {first}: earlier days are not looked for"] = None
        ordinals = range(first.toordinal(), last.toordinal() + 1)
        days = self._wanted(map(date.fromordinal, ordinals))
        keys = {day: self.catalog.get_key(name, day) for day in days}
        if self.keeping is not None and self.keeping.offline:
            there = await _in_thread(partial(self.keeping.cache.days, name))
            return {day: keys[day] for day in there if day in keys}
        await self._list(keys.values())
        return {day: key for day, key in keys.items() if key in self._listed}

    def _wanted(self, days: Iterable[date]) -> list[date]:
        return [day for day in days if self.only is None or day in self.only]

    async def _current(self, keys: Mapping[date, str]) -> set[str]:
        """The keys of those cached days that may be used as they are."""
        if self.keeping is None:
            return set()
        self._kept = await _in_thread(partial(self._versions, list(keys.values())))
        doubtful = {
            key for day, key in keys.items() if key in self._kept and self.needs_revalidation(day)
        }
        # Without a listing they are fetched.
        with contextlib.suppress(TransferError):
            await self._list(doubtful)
        confirmed = {key for key in doubtful if self._listed.get(key) == self._kept[key]}
        return set(self._kept) - doubtful | confirmed

    def _versions(self, keys: Iterable[str]) -> dict[str, ObjectVersion]:
        assert self.keeping is not None
        cache, columns = self.keeping.cache, self.request.data_type.fingerprint
        found = ((key, cache.version(key, columns)) for key in keys)
        return {key: version for key, version in found if version is not None}

    def needs_revalidation(self, day: date) -> bool:
        """Whether a load compares a cached day with the bucket."""
        if self.keeping is None or self.keeping.offline or self.keeping.revalidate == "never":
            return False
        if self.request.data_type.days == "listing" or self.keeping.revalidate == "always":
            return True
        return day > _today() - REVALIDATION_WINDOW

    async def _list(self, keys: Iterable[str]) -> None:
        """One listing tells the versions of a month's files."""
        months = {key.rpartition("/")[0] + "/" for key in keys} - self._months
        listings = [
            self.downloader.list_summaries(self.catalog.bucket, month, MONTH_KEYS)
            for month in sorted(months)
        ]
        failed: list[BaseException] = []
        for found in await asyncio.gather(*listings, return_exceptions=True):
            if isinstance(found, BaseException):
                failed.append(found)
            else:
                self._listed |= {
                    item.key: ObjectVersion(item.size_bytes, item.etag) for item in found
                }
        if failed:
            raise failed[0]
        self._months |= months

    async def _day(self, day: date, key: str, current: bool) -> Day:
        failed: tuple[Status, str]
        if never := _never_there(self.request.data_type, day):
            self.progress.files -= 1
            return DayOutcome(day, key, "missing", never), None
        try:
            if current and (kept := await _in_thread(partial(self._from_cache, day, key))):
                self._tell(CacheHit(self.catalog.bucket, key, kept[0].size_bytes))
                return kept
            if self.keeping is not None and self.keeping.offline:
                return DayOutcome(day, key, "failed", "not in the cache, and offline=True"), None
            return await self._bring(day, key)
        except ObjectNotFoundError as error:
            failed = "missing", error.reason
        except AccessDeniedError as error:
            failed = "forbidden", f"{error.reason} – {error.remedy}"
        except (TransferError, SchemaError) as error:
            failed = "failed", f"{type(error).__name__}: {error.reason}"
        except OSError as error:
            failed = "failed", f"no room for the file while it is read: {error}"
        return DayOutcome(day, key, *failed), None

    async def _bring(self, day: date, key: str) -> Day:
        # Not the lock first: a lock is an open file, and there may be thousands of days.
        async with self._turns, contextlib.AsyncExitStack() as stack:
            if self.keeping is None:
                return await self._fetch(day, key)
            exclusive = self.keeping.cache.exclusive(key, self.downloader.timeout)
            waited = await stack.enter_async_context(exclusive)
            if waited and (kept := await _in_thread(partial(self._brought_by_other, day, key))):
                self.progress.files -= 1
                self._tell(CacheHit(self.catalog.bucket, key, kept[0].size_bytes))
                return kept
            return await self._fetch(day, key)

    def _brought_by_other(self, day: date, key: str) -> Day | None:
        """What another process has put into the cache just now."""
        assert self.keeping is not None
        version = self.keeping.cache.version(key, self.request.data_type.fingerprint)
        if version is None or version == self._kept.get(key):
            return None
        self._kept[key] = version
        return self._from_cache(day, key)

    async def _fetch(self, day: date, key: str) -> Day:
        return await self.downloader.fetch(
            self.catalog.bucket,
            key,
            SpillTarget(self._spill_folder()),
            partial(retry_on_interrupt(self._read), day, key),
            listener=self.progress,
        )

    def _tell(self, event: Event) -> None:
        self.downloader.emit(event)
        self.progress(event)

    def _spill_folder(self) -> Path | None:
        """Where a file that is too large for the memory lies while it is read."""
        if self.keeping is None or not self.keeping.cache.folder.is_dir():
            return None
        return self.keeping.cache.folder

    def _from_cache(self, day: date, key: str) -> Day | None:
        assert self.keeping is not None
        kept = self.keeping.cache.read(key, self.request.selection, self.request.columns)
        if kept is None:
            del self._kept[key]  # nothing is known of a damaged entry, so nothing is "replaced"
            return None
        outcome = DayOutcome(
            day,
            key,
            "cached",
            self.keeping.cache.note(key),
            self._kept[key].size_bytes,
            kept.height,
            self._kept[key].etag,
        )
        return self._day_of(outcome, kept)

    def _read(self, day: date, key: str, target: Target, version: ObjectVersion | None) -> Day:
        request = self.request
        wanted = request.selection, request.columns
        read = partial(
            read_day,
            target.chunks,
            request.data_type,
            key=key,
            max_decompressed_bytes=self.downloader.max_decompressed_bytes,
        )
        if self.keeping is None or version is None or target.size > SPILL_BYTES:
            frame = read(selection=request.selection, columns=request.columns)
            note = self._oddity(frame, day)
        else:
            whole = read()
            note = self._oddity(whole, day)
            self._keep(self.keeping.cache, key, version, whole, note)
            frame = _select(whole, *wanted)
        size = target.size
        target.abort()  # the stored bytes have done their work
        replaced = key in self._kept and self._kept[key] != version
        status: Status = "replaced" if replaced else "loaded"
        etag = version.etag if version is not None else ""
        return self._day_of(DayOutcome(day, key, status, note, size, frame.height, etag), frame)

    def _oddity(self, frame: pl.DataFrame, day: date) -> str:
        # Only the stock exchanges' days are known to begin and end in their time zone.
        return misdated_rows(frame, day) if self.request.data_type.days == "calendar" else ""

    def _day_of(self, outcome: DayOutcome, frame: pl.DataFrame) -> Day:
        if outcome.reason and self.request.strict:
            raise SchemaError(outcome.reason, key=outcome.key)
        return outcome, self._dress(outcome.date, frame)

    def _keep(
        self, cache: DayCache, key: str, version: ObjectVersion, frame: pl.DataFrame, note: str
    ) -> None:
        try:
            columns = self.request.data_type.fingerprint
            cache.store(key, version, frame, columns=columns, note=note)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._notes[f"the cache in {cache.folder} cannot be written ({reason})"] = None

    def _dress(self, day: date, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the date first and the times into the wanted zone."""
        import polars as pl
        import polars.selectors as cs

        dressed = frame.select(pl.lit(day).alias("date"), pl.all())
        if self.request.tz != "UTC":
            dressed = dressed.with_columns(cs.datetime().dt.convert_time_zone(self.request.tz))
        return dressed

    def _concatenate(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        import polars as pl

        if not frames:
            nothing = empty_day(self.request.data_type, columns=self.request.columns)
            return self._dress(date(1970, 1, 1), nothing)
        # A column that the vendor added on some day is null on the days before.
        how: Literal["vertical", "diagonal"] = (
            "vertical" if all(f.schema == frames[0].schema for f in frames) else "diagonal"
        )
        return pl.concat(frames, how=how)


async def _in_thread(function: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, retry_on_interrupt(function))


def _select(
    frame: pl.DataFrame, selection: Selection | None, columns: tuple[str, ...] | None
) -> pl.DataFrame:
    check_columns(columns, frame.columns)
    if selection is not None:
        frame = frame.filter(selection.expression())
    return frame.select(columns or frame.columns)


def _never_there(data_type: DataType, day: date) -> str:
    """Why no file of this day can exist, so that it is not asked for; empty if one can."""
    if day < data_type.first_day:
        return f"{data_type.name} begin on {data_type.first_day}"
    return "the day is yet to come" if day > _today() else ""


def _today() -> date:
    return datetime.now(zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)).date()
