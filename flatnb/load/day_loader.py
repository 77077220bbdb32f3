"""Loads the days of one request: each from the cache or from the bucket, read, with its outcome."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import CacheHit, Event
from ..download.s3_catalog import S3Catalog
from ..download.targets import SPILL_BYTES, SpillTarget, Target
from ..errors import AccessDeniedError, ObjectNotFoundError, SchemaError, TransferError
from ..frames.interrupts import in_thread, retry_on_interrupt
from ..frames.misdated import misdated_rows
from ..frames.reader import empty_day, read_day, select
from ..market.calendar import exchange_today
from ..market.data_types import DataType
from ..report import DayOutcome, LoadReport, Status
from .cache_policy import CachePolicy
from .object_versions import ObjectVersions
from .progress import Progress
from .request import Request
from .result import LoadResult

if TYPE_CHECKING:
    import polars as pl

DAYS_AT_ONCE = 8
SMALL_DAYS_AT_ONCE = 64
"""Daily bars are less than 5 MB a day: the time goes into waiting for their first bytes."""


def days_at_once(data_type: DataType, max_concurrent: int | None) -> int:
    """How many days of a data type are downloaded or read at once."""
    if max_concurrent is not None:
        return max_concurrent
    return SMALL_DAYS_AT_ONCE if data_type.kind in ("daily", "session") else DAYS_AT_ONCE


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """One day's outcome, with its rows if it loaded."""

    outcome: DayOutcome
    frame: pl.DataFrame | None = None


@dataclass
class DayLoader:
    """One load in progress."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    policy: CachePolicy | None
    request: Request
    versions: ObjectVersions
    progress: Progress
    max_concurrent: int | None = None
    _slots: asyncio.Semaphore = field(init=False)
    _notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(days_at_once(self.request.data_type, self.max_concurrent))

    async def load(self) -> LoadResult:
        """Load all days, many at once.

        Raises
        ------
        TransferError
            If a listing that is needed to find the days could not be loaded.
        ValueError
            If ``columns`` names one that the files do not have.
        """
        keys = await self.versions.keys()
        current = await self.versions.current(keys)
        self.progress.files = len(keys) - len(current)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._load_day(day, key, key in current))
                    for day, key in keys.items()
                ]
        except BaseExceptionGroup as errors:
            failed = errors.exceptions[0]
        else:
            failed = None
        if failed is not None:
            # What is no day's own failure, such as a wrong column, is the same for all days. Raised
            # here, as IPython shows the whole group that is an exception's context.
            raise failed from None
        days = [task.result() for task in tasks]
        report = LoadReport(self.request.data_type.name, tuple(day.outcome for day in days))
        frames = [day.frame for day in days if day.frame is not None]
        notes = (*self.versions.notes, *self._notes)
        return LoadResult(self._concatenate(frames), report, notes)

    async def _load_day(self, day: date, key: str, is_current: bool) -> LoadedDay:
        failed: tuple[Status, str]
        if reason := _reason_for_no_file(self.request.data_type, day):
            self.progress.files -= 1
            return LoadedDay(DayOutcome(day, key, "missing", reason))
        try:
            if is_current and (cached := await in_thread(partial(self._read_cached, day, key))):
                self._emit(CacheHit(self.catalog.bucket, key, cached.outcome.size_bytes))
                return cached
            if self.policy is not None and self.policy.offline:
                reason = "not in the cache, and offline=True"
                return LoadedDay(DayOutcome(day, key, "failed", reason))
            return await self._fetch_locked(day, key)
        except ObjectNotFoundError as error:
            failed = "missing", error.reason
        except AccessDeniedError as error:
            failed = "forbidden", f"{error.reason} – {error.remedy}"
        except (TransferError, SchemaError) as error:
            failed = "failed", f"{type(error).__name__}: {error.reason}"
        except OSError as error:
            failed = "failed", f"no space for the file while it is read: {error}"
        return LoadedDay(DayOutcome(day, key, *failed))

    async def _fetch_locked(self, day: date, key: str) -> LoadedDay:
        """Download a day while no other process of this machine does."""
        # Not the lock first: a lock is an open file, and there may be thousands of days.
        async with self._slots, contextlib.AsyncExitStack() as stack:
            if self.policy is None:
                return await self._fetch(day, key)
            exclusive = self.policy.cache.exclusive(key, self.downloader.timeout)
            waited = await stack.enter_async_context(exclusive)
            read = partial(self._read_from_other_process, day, key)
            if waited and (cached := await in_thread(read)):
                self.progress.files -= 1
                self._emit(CacheHit(self.catalog.bucket, key, cached.outcome.size_bytes))
                return cached
            return await self._fetch(day, key)

    def _read_from_other_process(self, day: date, key: str) -> LoadedDay | None:
        """Read what another process has put into the cache while this one waited."""
        assert self.policy is not None
        version = self.policy.cache.version(key, self.request.data_type.fingerprint)
        if version is None or version == self.versions.cached.get(key):
            return None
        self.versions.cached[key] = version
        return self._read_cached(day, key)

    async def _fetch(self, day: date, key: str) -> LoadedDay:
        return await self.downloader.fetch(
            self.catalog.bucket,
            key,
            SpillTarget(self._spill_folder()),
            partial(retry_on_interrupt(self._read), day, key),
            listener=self.progress,
        )

    def _emit(self, event: Event) -> None:
        self.downloader.emit(event)
        self.progress(event)

    def _spill_folder(self) -> Path | None:
        """Where a file that is too large for the memory lies while it is read."""
        if self.policy is None or not self.policy.cache.folder.is_dir():
            return None
        return self.policy.cache.folder

    def _read_cached(self, day: date, key: str) -> LoadedDay | None:
        assert self.policy is not None
        cache = self.policy.cache
        frame = cache.read(key, self.request.selection, self.request.columns)
        if frame is None:
            # Nothing is known of a damaged entry, so the next version is not "replaced".
            del self.versions.cached[key]
            return None
        version = self.versions.cached[key]
        outcome = DayOutcome(
            day, key, "cached", cache.note(key), version.size_bytes, frame.height, version.etag
        )
        return self._loaded(outcome, frame)

    def _read(
        self, day: date, key: str, target: Target, version: ObjectVersion | None
    ) -> LoadedDay:
        request = self.request
        read = partial(
            read_day,
            target.chunks,
            request.data_type,
            key=key,
            max_decompressed_bytes=self.downloader.max_decompressed_bytes,
        )
        if self.policy is None or version is None or target.size > SPILL_BYTES:
            frame = read(selection=request.selection, columns=request.columns)
            note = self._quality_note(frame, day)
        else:
            whole = read()
            note = self._quality_note(whole, day)
            self._store(self.policy, key, version, whole, note)
            frame = select(whole, request.selection, request.columns)
        size_bytes = target.size
        target.abort()  # frees the compressed bytes, which are not needed any more
        cached = self.versions.cached.get(key)
        status: Status = "loaded" if cached in (None, version) else "replaced"
        etag = version.etag if version is not None else ""
        return self._loaded(
            DayOutcome(day, key, status, note, size_bytes, frame.height, etag), frame
        )

    def _quality_note(self, frame: pl.DataFrame, day: date) -> str:
        # Only the stock exchanges' days are known to begin and end in their time zone.
        return misdated_rows(frame, day) if self.request.data_type.days == "calendar" else ""

    def _loaded(self, outcome: DayOutcome, frame: pl.DataFrame) -> LoadedDay:
        if outcome.reason and self.request.strict:
            raise SchemaError(outcome.reason, key=outcome.key)
        return LoadedDay(outcome, self._add_date_and_zone(outcome.date, frame))

    def _store(
        self, policy: CachePolicy, key: str, version: ObjectVersion, frame: pl.DataFrame, note: str
    ) -> None:
        try:
            columns = self.request.data_type.fingerprint
            policy.cache.store(key, version, frame, columns=columns, note=note)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._notes[f"the cache in {policy.cache.folder} cannot be written ({reason})"] = None

    def _add_date_and_zone(self, day: date, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the date first and the times into the wanted zone."""
        import polars as pl
        import polars.selectors as cs

        dated = frame.select(pl.lit(day).alias("date"), pl.all())
        if self.request.tz != "UTC":
            dated = dated.with_columns(cs.datetime().dt.convert_time_zone(self.request.tz))
        return dated

    def _concatenate(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        import polars as pl

        if not frames:
            nothing = empty_day(self.request.data_type, columns=self.request.columns)
            return self._add_date_and_zone(date(1970, 1, 1), nothing)
        # A column that the vendor added on some day is null on the days before.
        how: Literal["vertical", "diagonal"] = (
            "vertical" if all(f.schema == frames[0].schema for f in frames) else "diagonal"
        )
        return pl.concat(frames, how=how)


def _reason_for_no_file(data_type: DataType, day: date) -> str:
    """Why no file of this day can exist, so that it is not requested; empty if one can."""
    if day < data_type.first_day:
        return f"{data_type.name} begin on {data_type.first_day}"
    return "the day is in the future" if day > exchange_today() else ""
