"""Loads the days of one request: each from the cache or from the bucket, read, with its outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import CacheHit, DownloadStarted, Event
from ..download.s3_catalog import S3Catalog
from ..download.targets import RangesTarget, SpillTarget, Target
from ..errors import (
    AccessDeniedError,
    BucketNotFoundError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    SchemaError,
    TransferError,
)
from ..formatting import format_bytes
from ..frames.interrupts import in_thread, retry_on_interrupt
from ..frames.misdated import misdated_rows
from ..frames.quote_sizes import sizes_in_shares
from ..frames.reader import empty_day, read_day, select
from ..frames.selection import Selection
from ..frames.wanted_columns import WantedColumns
from ..market.calendar import exchange_now
from ..market.data_types import DataType
from ..market.known_issues import is_published, why_no_file
from ..report import DayOutcome, LoadReport, Status
from .cache_policy import CachePolicy
from .day_cache import CachedDay
from .day_tickers import DayTickers
from .hours import in_hours, time_column_of
from .object_versions import ObjectVersions, reason_for_no_file
from .progress import Progress
from .proved_ranges import ProvedRangesReader, ProvedRows, RangedReads
from .refusals import explain_second_refusal, unexpectedly_forbidden
from .request import Request
from .result import LoadResult
from .selected_rows import SelectedRows

if TYPE_CHECKING:
    import polars as pl

    from ..ranges import ByteRange, SeekIndex

DAYS_AT_ONCE = 8
SMALL_DAYS_AT_ONCE = 64
"""Daily bars are less than 5 MB a day: the time goes into waiting for their first bytes."""


_SMALL_BYTES = 8 * 1024 * 1024
"""Of a file no larger than this all tickers are read where a symbol is not found."""


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
    ranged_reads: RangedReads
    max_concurrent: int | None = None
    tickers: DayTickers = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)
    _columns: WantedColumns = field(init=False)
    _notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tickers = DayTickers(self.request)
        self._slots = asyncio.Semaphore(days_at_once(self.request.data_type, self.max_concurrent))
        self._columns = WantedColumns(self.request.data_type, self.request.columns_to_read)

    async def load(self) -> LoadResult:
        """Load all days, many at once.

        Raises
        ------
        TransferError
            If a listing that is needed to find the days could not be loaded, or there is no such
            bucket.
        ValueError
            If ``columns`` names one that no file of these days has.
        """
        keys = await self.versions.keys()
        current = await self.versions.current(keys)
        self.progress.files = len(keys) - len(current)
        if self.ranged_reads.fits(self.request):
            await self.versions.list_versions(set(keys.values()) - current)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._load_day(day, key, key in current))
                    for day, key in keys.items()
                ]
        except BaseExceptionGroup as errors:
            # What is no day's own failure, such as a wrong bucket, is the same for all days.
            raise errors.exceptions[0] from None
        days = [task.result() for task in tasks]
        # Each at the end, when all others had their turn.
        for at in unexpectedly_forbidden([day.outcome for day in days]):
            again = await self._load_day(days[at].outcome.date, days[at].outcome.key, False)
            days[at] = replace(again, outcome=explain_second_refusal(again.outcome))
        report = LoadReport(self.request.data_type.name, tuple(day.outcome for day in days))
        if not report.with_status("forbidden", "failed"):  # one of these may have the column
            self._columns.check()
        frames = [day.frame for day in days if day.frame is not None]
        notes = (*self.versions.notes, *self._notes)
        result = LoadResult(self._concatenate(frames), report, notes)
        return await in_thread(partial(self.tickers.judge, result, self.policy, self.catalog))

    async def _load_day(self, day: date, key: str, is_current: bool) -> LoadedDay:
        failed: tuple[Status, str]
        if reason := reason_for_no_file(self.request.data_type, day):
            self.progress.files -= 1
            return LoadedDay(DayOutcome(day, key, "missing", reason))
        try:
            if is_current and (cached := await self._load_cached(day, key)):
                return cached
            if self.policy is not None and self.policy.offline:
                return LoadedDay(DayOutcome(day, key, "failed", self._reason_offline(key)))
            return await self._fetch_locked(day, key)
        except BucketNotFoundError:
            raise
        except ObjectNotFoundError as error:
            failed = "missing", self._why_missing(day, error)
        except AccessDeniedError as error:
            failed = "forbidden", f"{error.reason} – {error.remedy}"
        except TransferError as error:
            failed = "failed", f"{type(error).__name__}: {error.reason} – {error.remedy}"
        except SchemaError as error:
            failed = "failed", f"{type(error).__name__}: {error.reason}"
        except OSError as error:
            failed = "failed", _reason_of(error)
        return LoadedDay(DayOutcome(day, key, *failed))

    async def _load_cached(self, day: date, key: str) -> LoadedDay | None:
        """Load a day from the cache, and what it lacks by byte ranges; None if that fails."""
        cached = self.versions.cached[key]
        if cached.form == "index":
            return await self._fetch_ranges(day, key, cached.version)
        loaded = await in_thread(partial(self._read_cached, day, key, cached))
        if loaded is None:
            # Nothing is known of a damaged entry, so the next version is not "replaced".
            del self.versions.cached[key]
        else:
            self._emit(CacheHit(self.catalog.bucket, key, loaded.outcome.size_bytes))
        return loaded

    def _reason_offline(self, key: str) -> str:
        cached = self.versions.cached.get(key)
        if cached is None:
            return "not in the cache, and offline=True"
        missing = format_bytes(cached.missing_bytes)
        return f"cached for other symbols only ({missing} of it would be downloaded), offline=True"

    async def _fetch_ranges(self, day: date, key: str, version: ObjectVersion) -> LoadedDay | None:
        """Download what an indexed file lacks; None if the whole file has to be downloaded."""
        assert self.policy is not None
        assert self.request.selection is not None
        if self.policy.offline:
            return None
        rows, selection = self._selected_rows(self.policy, key), self.request.selection
        found = await in_thread(partial(rows.missing, selection))
        if found is None:
            return None
        index, parts = found
        read = partial(self._read_ranges, rows, index, parts)
        try:
            async with self._slots:
                self.progress.files += 1
                frame = await self.downloader.fetch_ranges(
                    self.catalog.bucket,
                    key,
                    [(part.start, part.stop) for part in parts],
                    version,
                    retry_on_interrupt(read),
                    listener=self.progress,
                )
        except (ObjectChangedError, IntegrityError, SchemaError):
            return None  # the whole file tells what is wrong, or has the newer version
        outcome = DayOutcome(
            day,
            key,
            "loaded",
            self._quality_note(frame, day),
            version.size_bytes,
            frame.height,
            version.etag,
            sum(part.size_bytes for part in parts),
            "ranges",
        )
        return self._loaded(outcome, frame)

    def _read_ranges(
        self,
        rows: SelectedRows,
        index: SeekIndex,
        parts: Sequence[ByteRange],
        target: RangesTarget,
    ) -> pl.DataFrame:
        assert self.request.selection is not None
        data = [target.read(part.start, part.stop) for part in parts]
        frame = rows.from_ranges(index, parts, data, self.request.selection)
        return self._present_columns(frame)

    def _selected_rows(self, policy: CachePolicy, key: str) -> SelectedRows:
        return SelectedRows(
            policy.cache,
            self.request.data_type,
            self.catalog.bucket,
            key,
            self.downloader.max_decompressed_bytes,
        )

    def _why_missing(self, day: date, error: ObjectNotFoundError) -> str:
        now = exchange_now()
        reason = why_no_file(day, now)
        return f"{reason} ({error.reason})" if is_published(day, now) else reason

    async def _fetch_locked(self, day: date, key: str) -> LoadedDay:
        """Download a day while no other process of this machine does."""
        # Not the lock first: a lock is an open file, and there may be thousands of days.
        async with self._slots, contextlib.AsyncExitStack() as stack:
            if self.policy is None:
                return await self._fetch_proved(day, key) or await self._fetch(day, key)
            exclusive = self.policy.cache.exclusive(key, self.downloader.timeout)
            waited = await stack.enter_async_context(exclusive)
            read = partial(self._read_from_other_process, day, key)
            if waited and (cached := await in_thread(read)):
                self.progress.files -= 1
                self._emit(CacheHit(self.catalog.bucket, key, cached.outcome.size_bytes))
                return cached
            return await self._fetch_proved(day, key) or await self._fetch(day, key)

    async def _fetch_proved(self, day: date, key: str) -> LoadedDay | None:
        """Load a day by proved ranges; None if the whole file has to be downloaded."""
        if not self.ranged_reads.fits(self.request):
            return None
        version = self.versions.listed.get(key)
        if version is None:
            return None
        cache = self.policy.cache if self.policy is not None else None
        reader = ProvedRangesReader(
            self.downloader, self.catalog, cache, self.ranged_reads, self._count_ranges
        )
        assert self.request.selection is not None
        proved = await reader.read(day, key, version, self.request.selection.symbols)
        if self.ranged_reads.note:
            self._notes[self.ranged_reads.note] = None
        if proved is None:
            return None
        try:
            frame = await in_thread(partial(self._read_proved, key, proved))
        except SchemaError:
            return None  # the whole file gives the line of the error
        outcome = DayOutcome(
            day,
            key,
            "loaded",
            self._quality_note(frame, day),
            version.size_bytes,
            frame.height,
            version.etag,
            proved.downloaded_bytes,
            proved.source,
        )
        return self._loaded(outcome, frame)

    def _read_proved(self, key: str, proved: ProvedRows) -> pl.DataFrame:
        selection = self.request.selection
        assert selection is not None
        frame = None
        if self.policy is not None:
            try:
                frame = self._selected_rows(self.policy, key).from_proof(proved, selection)
            except OSError as error:
                self._note_cache_failure(self.policy, error)
        if frame is None:
            frame = read_day(
                lambda: [proved.header, *proved.rows],
                self.request.data_type,
                key=key.removesuffix(".gz"),
            )
        return self._present_columns(frame)

    def _count_ranges(self, event: Event) -> None:
        # A day takes several downloads: its daily file, and one for each step of the search.
        if isinstance(event, DownloadStarted):
            self.progress.files += 1
        self.progress(event)

    def _read_from_other_process(self, day: date, key: str) -> LoadedDay | None:
        """Read what another process has put into the cache while this one waited."""
        assert self.policy is not None
        fingerprint = self.request.data_type.fingerprint
        cached = self.policy.cache.find(key, fingerprint, self.request.selection)
        if cached is None or cached.missing_bytes or cached == self.versions.cached.get(key):
            return None
        self.versions.cached[key] = cached
        return self._read_cached(day, key, cached)

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

    def _read_cached(self, day: date, key: str, cached: CachedDay) -> LoadedDay | None:
        assert self.policy is not None
        cache, selection = self.policy.cache, self.request.selection
        note = ""
        if cached.form == "day":
            frame = self._columns.read(partial(cache.read, key, selection))
            note = cache.note(key)
        elif selection is None:
            frame = self._convert_cached_file(day, key, cached.version)
        else:
            rows = self._selected_rows(self.policy, key)
            if cached.form == "file":
                found = rows.from_file(selection)
                frame = None if found is None else found[0]
            else:
                frame = rows.stored(selection)
        if frame is None:
            return None
        if cached.form != "day":
            note = self._quality_note(frame, day)
            frame = self._present_columns(frame)
        outcome = DayOutcome(
            day,
            key,
            "cached",
            note,
            cached.version.size_bytes,
            frame.height,
            cached.version.etag,
            source="cache",
        )
        return self._loaded(outcome, frame)

    def _convert_cached_file(
        self, day: date, key: str, version: ObjectVersion
    ) -> pl.DataFrame | None:
        """Read a whole day of a cached compressed file, and cache it as Parquet instead."""
        assert self.policy is not None
        content = self.policy.cache.file(key)
        if content is None:
            return None
        frame = read_day(
            lambda: [content],
            self.request.data_type,
            key=key,
            max_decompressed_bytes=self.downloader.max_decompressed_bytes,
        )
        self._store(self.policy, key, version, frame, self._quality_note(frame, day))
        return frame

    def _read(
        self, day: date, key: str, target: Target, version: ObjectVersion | None
    ) -> LoadedDay:
        request, policy = self.request, self.policy
        read = partial(
            read_day,
            target.chunks,
            request.data_type,
            key=key,
            max_decompressed_bytes=self.downloader.max_decompressed_bytes,
        )
        if policy is None or version is None:
            frame = self._columns.read(
                lambda columns: read(selection=request.selection, columns=columns)
            )
            note = self._quality_note(frame, day)
            if target.size <= _SMALL_BYTES:
                self.tickers.look_at(frame, partial(read, columns=["ticker"]))
        elif request.selection is None:
            whole = read()
            note = self._quality_note(whole, day)
            self._store(policy, key, version, whole, note)
            frame = self._present_columns(whole)
        else:
            frame = self._read_selected(policy, key, target, version, request.selection)
            note = self._quality_note(frame, day)
            frame = self._present_columns(frame)
        size_bytes = target.size
        target.abort()  # frees the compressed bytes, which are not needed any more
        cached = self.versions.cached.get(key)
        is_new = cached is None or cached.version == version
        return self._loaded(
            DayOutcome(
                day,
                key,
                "loaded" if is_new else "replaced",
                note,
                size_bytes,
                frame.height,
                version.etag if version is not None else "",
                size_bytes,
                "whole file",
            ),
            frame,
        )

    def _read_selected(
        self,
        policy: CachePolicy,
        key: str,
        target: Target,
        version: ObjectVersion,
        selection: Selection,
    ) -> pl.DataFrame:
        """Read the selected rows, and cache them if the cache can be written."""
        try:
            return self._selected_rows(policy, key).from_download(target, version, selection)
        except OSError as error:
            self._note_cache_failure(policy, error)
            return read_day(
                target.chunks,
                self.request.data_type,
                key=key,
                selection=selection,
                max_decompressed_bytes=self.downloader.max_decompressed_bytes,
            )

    def _quality_note(self, frame: pl.DataFrame, day: date) -> str:
        # Only the stock exchanges' days are known to begin and end in their time zone.
        return misdated_rows(frame, day) if self.request.data_type.days == "calendar" else ""

    def _present_columns(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Those of the wanted columns that a day has."""
        return self._columns.read(partial(select, frame, None))

    def _loaded(self, outcome: DayOutcome, frame: pl.DataFrame) -> LoadedDay:
        data_type, hours = self.request.data_type, self.request.hours
        if hours != "all" and not outcome.reason and data_type.days == "calendar":
            # Such rows are in no hours of the day: they would be left out without a word.
            note = misdated_rows(frame, outcome.date, time_column_of(data_type))
            outcome = replace(outcome, reason=note)
        if outcome.reason and self.request.strict:
            raise SchemaError(outcome.reason, key=outcome.key)
        frame = in_hours(self._columns.complete(frame), data_type, hours, outcome.date)
        outcome = replace(outcome, rows=frame.height)
        if self.request.quote_sizes == "shares":
            frame = sizes_in_shares(frame, outcome.date)
        return LoadedDay(outcome, self._add_date_and_zone(outcome.date, frame))

    def _store(
        self, policy: CachePolicy, key: str, version: ObjectVersion, frame: pl.DataFrame, note: str
    ) -> None:
        try:
            columns = self.request.data_type.fingerprint
            policy.cache.store(key, version, frame, columns=columns, note=note)
        except OSError as error:
            self._note_cache_failure(policy, error)

    def _note_cache_failure(self, policy: CachePolicy, error: OSError) -> None:
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
            nothing = self._columns.complete(empty_day(self.request.data_type))
            return self._add_date_and_zone(date(1970, 1, 1), nothing)
        # A column that the vendor added on some day is null on the days before.
        how: Literal["vertical", "diagonal"] = (
            "vertical" if all(f.schema == frames[0].schema for f in frames) else "diagonal"
        )
        return pl.concat(frames, how=how)


def _reason_of(error: OSError) -> str:
    """What the system says, such as "No space left on device", and of which file."""
    reason = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    return f"{type(error).__name__} while the file is stored and read: {reason}{where}"
