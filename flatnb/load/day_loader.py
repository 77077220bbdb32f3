"""Loads the days of one request: each from the cache or from the bucket, read, with its outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import CacheHit, DownloadStarted, Event
from ..download.s3_catalog import S3Catalog
from ..download.targets import SpillTarget
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
from ..market.calendar import exchange_now
from ..market.data_types import DataType
from ..market.known_issues import is_published, why_no_file
from ..report import DayOutcome, LoadReport, Status
from .cache_policy import CachePolicy
from .day_reader import DayReader, LoadedDay
from .object_versions import ObjectVersions, reason_for_no_file
from .progress import Progress
from .proved_ranges import ProvedRangesReader, RangedReads
from .refusals import explain_second_refusal, unexpectedly_forbidden
from .request import Request
from .result import LoadResult
from .search_processes import SearchProcesses

DAYS_AT_ONCE = 8
SMALL_DAYS_AT_ONCE = 64
"""Daily bars are less than 5 MB a day: the time goes into waiting for their first bytes."""
PROVED_DAYS_AT_ONCE = 24
"""Of a few tickers, 0.9 MB each (measured), but in steps that wait for one another. No more, as
those that are on their way when the first days cannot be proved are downloaded in vain."""


def days_at_once(data_type: DataType, max_concurrent: int | None) -> int:
    """How many days of a data type are downloaded or read at once."""
    if max_concurrent is not None:
        return max_concurrent
    return SMALL_DAYS_AT_ONCE if data_type.kind in ("daily", "session") else DAYS_AT_ONCE


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
    _reader: DayReader = field(init=False)
    _slots: asyncio.Semaphore = field(init=False)
    _proved_slots: asyncio.Semaphore = field(init=False)
    _processes: SearchProcesses = field(init=False)

    def __post_init__(self) -> None:
        self._reader = DayReader(
            self.request, self.policy, self.catalog.bucket, self.downloader.max_decompressed_bytes
        )
        self._slots = asyncio.Semaphore(days_at_once(self.request.data_type, self.max_concurrent))
        self._proved_slots = asyncio.Semaphore(self.max_concurrent or PROVED_DAYS_AT_ONCE)

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
        new = set(keys.values()) - current
        is_offline = self.policy is not None and self.policy.offline
        async with SearchProcesses(len(new)) as self._processes:
            if new and self.ranged_reads.fits(self.request) and not is_offline:
                self._processes.start()  # during the listing
                await self.versions.list_versions(new)
            return await self._load_days(keys, current)

    async def _load_days(self, keys: Mapping[date, str], current: Collection[str]) -> LoadResult:
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
            # What is no day's own failure, such as a wrong bucket, is the same for all days. Raised
            # here, as IPython shows the whole group that is an exception's context.
            raise failed from None
        days = [task.result() for task in tasks]
        # Each at the end, when all others had their turn.
        for at in unexpectedly_forbidden([day.outcome for day in days]):
            self.progress.retry_failed()
            again = await self._load_day(days[at].outcome.date, days[at].outcome.key, False)
            days[at] = replace(again, outcome=explain_second_refusal(again.outcome))
        report = LoadReport(self.request.data_type.name, tuple(day.outcome for day in days))
        if not report.with_status("forbidden", "failed"):  # one of these may have the column
            self._reader.columns.check()
        frames = [day.frame for day in days if day.frame is not None]
        notes = (*self.versions.notes, *self._reader.notes)
        result = LoadResult(self._reader.concatenate(frames), report, notes)
        find_unknown = self._reader.tickers.with_unknown_symbols
        return await in_thread(partial(find_unknown, result, self.policy, self.catalog))

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
        loaded = await in_thread(partial(self._reader.read_cached, day, key, cached))
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
        found = await in_thread(partial(self._reader.missing_ranges, key))
        if found is None or (self.policy is not None and self.policy.offline):
            return None
        index, parts = found
        read = partial(self._reader.read_ranges, day, key, index, parts)
        try:
            async with self._slots:
                self.progress.files += 1
                return await self.downloader.fetch_ranges(
                    self.catalog.bucket,
                    key,
                    [(part.start, part.stop) for part in parts],
                    version,
                    retry_on_interrupt(read),
                    listener=self.progress,
                )
        except (ObjectChangedError, IntegrityError, SchemaError):
            return None  # the whole file shows what is wrong, or is the newer version

    def _why_missing(self, day: date, error: ObjectNotFoundError) -> str:
        now = exchange_now()
        reason = why_no_file(day, now)
        return f"{reason} ({error.reason})" if is_published(day, now) else reason

    async def _fetch_locked(self, day: date, key: str) -> LoadedDay:
        """Download a day while no other process of this machine does."""
        # Not the lock first: a lock is an open file, and there may be thousands of days.
        by_ranges = self.ranged_reads.fits(self.request)
        slots = self._proved_slots if by_ranges else self._slots
        async with slots, contextlib.AsyncExitStack() as stack:
            if self.policy is None:
                return await self._fetch_unlocked(day, key, by_ranges)
            exclusive = self.policy.cache.exclusive(key, self.downloader.timeout)
            waited = await stack.enter_async_context(exclusive)
            read = partial(self._read_from_other_process, day, key)
            if waited and (cached := await in_thread(read)):
                self.progress.files -= 1
                self._emit(CacheHit(self.catalog.bucket, key, cached.outcome.size_bytes))
                return cached
            return await self._fetch_unlocked(day, key, by_ranges)

    async def _fetch_unlocked(self, day: date, key: str, by_ranges: bool) -> LoadedDay:
        if not by_ranges:
            return await self._fetch(day, key)
        if proved := await self._fetch_proved(day, key):
            return proved
        async with self._slots:
            return await self._fetch(day, key)

    async def _fetch_proved(self, day: date, key: str) -> LoadedDay | None:
        """Load a day by proved ranges; None if the whole file has to be downloaded."""
        if not self.ranged_reads.fits(self.request):  # it has given up meanwhile
            return None
        version = self.versions.listed.get(key)
        if version is None:
            return None
        cache = self.policy.cache if self.policy is not None else None
        reader = ProvedRangesReader(
            self.downloader,
            self.catalog,
            cache,
            self.ranged_reads,
            self._processes,
            self._count_ranges,
        )
        assert self.request.selection is not None
        proved = await reader.read(day, key, version, self.request.selection.symbols)
        if self.ranged_reads.note:
            self._reader.notes[self.ranged_reads.note] = None
        if proved is None:
            return None
        try:
            return await in_thread(partial(self._reader.read_proved, day, key, proved))
        except SchemaError:
            return None  # the whole file gives the line of the error

    def _count_ranges(self, event: Event) -> None:
        # A day takes several downloads: its daily file, and one for each step of the search.
        if isinstance(event, DownloadStarted):
            self.progress.files += 1
        self.progress(event)

    def _read_from_other_process(self, day: date, key: str) -> LoadedDay | None:
        """Read what another process has put into the cache while this one waited."""
        assert self.policy is not None
        fingerprint = self.request.data_type.fingerprint
        cached = self.policy.cache.find(
            key,
            fingerprint,
            self.request.selection,
            accept_proved=self.ranged_reads.accepts(self.request),
        )
        if cached is None or cached.missing_bytes or cached == self.versions.cached.get(key):
            return None
        self.versions.cached[key] = cached
        return self._reader.read_cached(day, key, cached)

    async def _fetch(self, day: date, key: str) -> LoadedDay:
        cached = self.versions.cached.get(key)
        return await self.downloader.fetch(
            self.catalog.bucket,
            key,
            SpillTarget(self._spill_folder()),
            partial(retry_on_interrupt(self._reader.read_download), cached, day, key),
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


def _reason_of(error: OSError) -> str:
    """What the system says, such as "No space left on device", and of which file."""
    reason = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    return f"{type(error).__name__} while the file is stored and read: {reason}{where}"
