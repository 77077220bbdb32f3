"""What a session can tell of its keys, its bucket and the days that it loaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from ..jobs.job import Job
from ..load.cache_policy import CachePolicy
from ..load.day_loader import DayLoader, LoadResult
from ..load.progress import Progress
from ..load.report import LoadReport
from ..load.request import Request
from ..market.calendar import EXCHANGE_TIME_ZONE, DateLike
from ..market.data_types import DATA_TYPES, DataType, find_data_type, get_data_type
from ..market.known_issues import is_published
from .audit import Audit, DayFacts, inspect_day, summarise, wanted_columns
from .entitlements import Entitlement, Entitlements, Prober
from .inventory import BucketInventory, list_inventory
from .lockfile import Lock, LockedFile, Verification, compare

if TYPE_CHECKING:
    from ..download.async_downloader import AsyncS3Downloader
    from ..download.s3_catalog import S3Catalog
    from ..jobs.job import LoopThread

T = TypeVar("T")

_MONTH_KEYS = 100


class Examining:
    """The part of `flatnb.FlatSession` that judges what the bucket gives."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    last_report: LoadReport | None
    _threads: LoopThread
    _keeping: CachePolicy | None
    _used: dict[str, LockedFile]
    _reach: dict[str, Entitlement]

    def catalog_view(self) -> BucketInventory:
        """What the bucket has: each data type with its years, also folders that are new.

        From some two listings of folders for each data type; a file that is listed may still be
        forbidden: see `entitlements`.

        Raises
        ------
        TransferError
            If a listing could not be had.
        """
        return self._wait(list_inventory(self.downloader, self.catalog.bucket), "catalog_view")

    def entitlements(self, data_types: Sequence[str] | str | None = None) -> Entitlements:
        """What these keys reach: one HEAD for each data type and year, nothing is downloaded.

        Parameters
        ----------
        data_types
            Names, or one; None: all that are known.

        Returns
        -------
        Entitlements
            By data type; ``["stocks_minute"].first_day`` is the first day that can be read.

        Raises
        ------
        ValueError
            If a data type is unknown.
        AuthenticationError
            If the keys themselves are refused.
        TransferError
            If it could not be found out.
        """
        names = (data_types,) if isinstance(data_types, str) else data_types or tuple(DATA_TYPES)
        return self._wait(self._probe([get_data_type(name) for name in names]), "entitlements")

    def audit(self, data_type: str, start: DateLike, end: DateLike) -> Audit:
        """Look for what is wrong with days: they are loaded one by one, in bounded memory.

        Looked for are missing and damaged files, rows of another day, more than three times or
        less than half of the rows of the neighbouring days, busy tickers that end before the
        close, rows that are there twice, and bars without volume.

        Parameters
        ----------
        data_type, start, end
            As `load` takes them.

        Returns
        -------
        Audit
            True if nothing was found; ``.findings`` has each day's.

        Raises
        ------
        ValueError
            If an argument is wrong.
        TransferError
            If a listing that is to tell the days could not be had.
        """
        columns = wanted_columns(get_data_type(data_type))
        request = Request.checked(data_type, start, end, frame="polars", columns=columns or None)
        return self._wait(self._audit(request), f"audit of {data_type} {start} … {end}")

    def lock(self, path: str | os.PathLike[str]) -> Lock:
        """Write down which version of which file this session has used so far.

        Returns
        -------
        Lock
            What was written: key, ETag, size and rules of reading of each file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        lock = Lock(self.catalog.bucket, tuple(self._used.values()))
        lock.write(path)
        return lock

    def verify(self, path: str | os.PathLike[str]) -> Verification:
        """Compare what `lock` wrote with what the bucket has now; one listing a month.

        Returns
        -------
        Verification
            True if the same load would give the same; else it tells what has changed.

        Raises
        ------
        ValueError
            If the file is no lock file, or of another bucket.
        OSError
            If it cannot be read.
        TransferError
            If a listing could not be had.
        """
        lock = Lock.read(path)
        if lock.bucket != self.catalog.bucket:
            raise ValueError(
                f"path={os.fspath(path)!r} locks files of the bucket {lock.bucket!r}, and this "
                f"session's is {self.catalog.bucket!r}; use a session of that bucket"
            )
        return self._wait(self._verify(lock), "verify")

    def _wait(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Wait for work on the session's loop; an interrupt cancels it."""

        def deliver(done: T) -> T:
            return done

        return Job(work, self._threads.loop, name=name, deliver=deliver).result()

    async def _probe(self, data_types: Sequence[DataType]) -> Entitlements:
        prober = Prober(self.downloader, self.catalog)
        until = _now().year
        found = await asyncio.gather(*(prober.entitlement(each, until) for each in data_types))
        self._reach |= {each.data_type: each for each in found}
        return Entitlements({each.data_type: each for each in found})

    async def _audit(self, request: Request) -> Audit:
        facts = [each async for each in self._facts(request)]
        return summarise(request.data_type, facts)

    async def _facts(self, request: Request) -> AsyncIterator[DayFacts]:
        loader = DayLoader(self.downloader, self.catalog, self._keeping, request, Progress())
        for day in await loader.days():
            if not is_published(day, _now()):
                continue
            one_day = replace(request, start=day, end=day)
            loaded = await DayLoader(
                self.downloader, self.catalog, self._keeping, one_day, Progress()
            ).load()
            for outcome in loaded.report:
                yield inspect_day(request.data_type, outcome, loaded.frame)

    async def _verify(self, lock: Lock) -> Verification:
        months = sorted({file.key.rpartition("/")[0] + "/" for file in lock.files})
        listed = await asyncio.gather(
            *(
                self.downloader.list_summaries(self.catalog.bucket, month, _MONTH_KEYS)
                for month in months
            )
        )
        columns = {file.key: _rules(file.key) for file in lock.files}
        return compare(lock, [item for each in listed for item in each], columns)

    async def _told(self, data_type: DataType, loaded: LoadResult) -> LoadResult:
        """Remember what was used, and tell of forbidden days from when on they would not be."""
        if loaded.report.with_status("forbidden"):
            loaded = replace(loaded, report=await self._with_reach(data_type, loaded.report))
        for day in loaded.report:
            if day.etag:
                self._used[day.key] = LockedFile(
                    day.key, day.etag, day.size_bytes, data_type.fingerprint
                )
        self.last_report = loaded.report
        return loaded

    async def _with_reach(self, data_type: DataType, report: LoadReport) -> LoadReport:
        from ..errors import TransferError

        if data_type.name not in self._reach:
            try:
                await self._probe([data_type])
            except TransferError:
                return report  # the days' own reasons say enough
        reach = self._reach[data_type.name]
        hint = f"{data_type.name}: these keys reach {reach.words}"
        days = tuple(
            replace(day, reason=f"{day.reason} {hint}.")
            if day.status == "forbidden" and reach.explains(day.date)
            else day
            for day in report
        )
        return replace(report, days=days)


def _rules(key: str) -> str:
    root, folder, *_ = key.split("/")
    known = find_data_type(root, folder) or get_data_type(f"{root}/{folder}")
    return known.fingerprint


def _now() -> datetime:
    return datetime.now(ZoneInfo(EXCHANGE_TIME_ZONE))
