"""Judges what the bucket gives: the keys' entitlements, the folders, and the quality of days."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from ..context import Context
from ..load.entitlements import EntitlementProber, Entitlements
from ..load.object_versions import MONTH_KEYS
from ..load.progress import Progress
from ..load.request import Request, names_of
from ..loader import Loader
from ..market.calendar import DateLike, exchange_now
from ..market.data_types import DATA_TYPES, DataType, find_data_type, get_data_type
from ..market.known_issues import is_published
from .audit import Audit, DayFacts, inspect_day, summarise, wanted_columns
from .inventory import BucketInventory, list_inventory
from .lockfile import Lock, Verification, compare


@dataclass(frozen=True)
class Inspector:
    """Answers questions about the bucket and about the files that were used."""

    context: Context
    loader: Loader

    def catalog_view(self) -> BucketInventory:
        """See `FlatSession.catalog_view`."""
        work = list_inventory(self.context.downloader, self.context.catalog.bucket)
        return self.context.runner.wait(work, "catalog_view")

    def entitlements(self, data_types: Sequence[str] | str | None) -> Entitlements:
        """See `FlatSession.entitlements`."""
        names = names_of("data_types", data_types) or tuple(DATA_TYPES)
        work = self._probe([get_data_type(name) for name in names])
        return self.context.runner.wait(work, "entitlements")

    def audit(self, data_type: str, start: DateLike, end: DateLike) -> Audit:
        """See `FlatSession.audit`."""
        columns = wanted_columns(get_data_type(data_type))
        request = Request.validate(data_type, start, end, columns=columns or None)
        name = f"audit of {data_type} {start} … {end}"
        return self.context.runner.wait(self._audit(request), name)

    def lock(self, path: str | os.PathLike[str]) -> Lock:
        """See `FlatSession.lock`."""
        self.context.runner.check_open()
        lock = Lock(self.context.catalog.bucket, tuple(self.context.journal.files.values()))
        lock.write(path)
        return lock

    def verify(self, path: str | os.PathLike[str]) -> Verification:
        """See `FlatSession.verify`."""
        self.context.runner.check_open()
        lock = Lock.read(path)
        bucket = self.context.catalog.bucket
        if lock.bucket != bucket:
            raise ValueError(
                f"path={os.fspath(path)!r} locks files of the bucket {lock.bucket!r}, and this "
                f"session's is {bucket!r}; use a session of that bucket"
            )
        return self.context.runner.wait(self._verify(lock), "verify")

    async def _probe(self, data_types: Sequence[DataType]) -> Entitlements:
        prober = EntitlementProber(self.context.downloader, self.context.catalog)
        until = exchange_now().year
        found = await asyncio.gather(*(prober.entitlement(each, until) for each in data_types))
        by_type = {each.data_type: each for each in found}
        self.context.journal.entitlements.update(by_type)
        return Entitlements(by_type)

    async def _audit(self, request: Request) -> Audit:
        facts = [each async for each in self._facts(request)]
        return summarise(request.data_type, facts)

    async def _facts(self, request: Request) -> AsyncIterator[DayFacts]:
        for day in await self.loader.versions(request).keys():
            if not is_published(day, exchange_now()):
                continue
            # One day at a time, so that memory is bounded by the largest.
            one_day = replace(request, start=day, end=day)
            result = await self.loader.load(one_day, Progress())
            for outcome in result.report:
                yield inspect_day(request.data_type, outcome, result.frame)

    async def _verify(self, lock: Lock) -> Verification:
        months = sorted({file.key.rpartition("/")[0] + "/" for file in lock.files})
        downloader, bucket = self.context.downloader, self.context.catalog.bucket
        listed = await asyncio.gather(
            *(downloader.list_summaries(bucket, month, MONTH_KEYS) for month in months)
        )
        columns = {file.key: _fingerprint(file.key) for file in lock.files}
        return compare(lock, [item for each in listed for item in each], columns)


def _fingerprint(key: str) -> str:
    root, folder, *_ = key.split("/")
    known = find_data_type(root, folder) or get_data_type(f"{root}/{folder}")
    return known.fingerprint
