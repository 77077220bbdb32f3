"""The bucket of the demo: a moto bucket whose objects are made when first asked for.

Every published file is a key from the start, so moto itself answers listings, ranges, conditions
and missing keys. A key makes its bytes only when moto wants its size, ETag or content, and a
listing wants those of the keys on its page alone.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from moto.s3.models import FakeBucket, FakeKey, s3_backends

from ..market.calendar import trading_days
from ..market.data_types import DATA_TYPES, DOCUMENTED_DATA_TYPES
from ..market.known_issues import published_at
from .market import DemoMarket
from .sessions import EXCHANGE_TIME

_REGION = "us-east-1"
_MEMORY_LIMIT = 1 << 30
_PART_SIZE = 8 << 20
# moto looks through all keys for each listing.
_OTHERS_SINCE = date(2023, 1, 3)
_DIRECTORY_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Facts:
    size: int
    etag: str


class _Files:
    """The files of a market: made once each, by one thread; the latest stay in memory."""

    def __init__(self, market: DemoMarket) -> None:
        self._market = market
        self._lock = threading.Lock()
        self._content: OrderedDict[tuple[str, date], bytes] = OrderedDict()
        self._held = 0
        self._facts: dict[tuple[str, date], _Facts] = {}
        self._making: dict[tuple[str, date], threading.Lock] = {}
        # More makers than cores only take memory: a file of the real size takes 0.5 GB.
        self._makers = threading.Semaphore(os.cpu_count() or 2)

    def content(self, data_type: str, day: date) -> bytes:
        """The bytes of a file."""
        name = (data_type, day)
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            with self._lock:
                content = self._content.get(name)
                if content is not None:
                    self._content.move_to_end(name)
                    return content
            with self._makers:
                content = self._market.file(data_type, day)
                facts = _Facts(len(content), _multipart_etag(content))
            with self._lock:
                self._facts[name] = facts
                self._content[name] = content
                self._held += len(content)
                while self._held > _MEMORY_LIMIT and len(self._content) > 1:
                    self._held -= len(self._content.popitem(last=False)[1])
            return content

    def facts(self, data_type: str, day: date) -> _Facts:
        """The size and ETag of a file, also of one that is no longer in memory."""
        if (data_type, day) not in self._facts:
            self.content(data_type, day)
        return self._facts[data_type, day]


def _multipart_etag(content: bytes) -> str:
    """The ETag of an upload in parts, as the vendor's are: it is no MD5 of the content."""
    parts = [content[start : start + _PART_SIZE] for start in range(0, len(content), _PART_SIZE)]
    digests = [hashlib.md5(part, usedforsecurity=False).digest() for part in parts]
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{whole}-{len(parts)}"


class _PublishedKey(FakeKey):
    """A file in the bucket."""

    _files: _Files
    _file: tuple[str, date]

    @property
    def last_modified(self) -> datetime:  # type: ignore[override]
        return published_at(self._file[1]).astimezone(UTC).replace(tzinfo=None)

    @property
    def value(self) -> bytes:
        return self._files.content(*self._file)

    @property
    def size(self) -> int:
        return self._files.facts(*self._file).size

    @property
    def etag(self) -> str:
        return f'"{self._files.facts(*self._file).etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Nothing to close: unlike moto's own keys this one has no temporary file."""


class DemoBucket:
    """All files of a market between two days, as a bucket of moto's account ``account``."""

    def __init__(
        self,
        market: DemoMarket,
        account: str,
        name: str,
        keys: Collection[tuple[str, str, date]],
    ) -> None:
        self._account = account
        self._name = name
        self._bucket = _make_unlisted_bucket(name, account)
        self._pattern = FakeKey("", b"", account, _REGION, bucket_name=name)
        self._files = _Files(market)
        self._published = [(data_type, day) for _, data_type, day in keys]
        for key, data_type, day in keys:
            self._bucket.keys[key] = self._make_key(key, data_type, day)

    def install(self) -> None:
        """Put the bucket where moto looks for it, again if a reset of moto has taken it away."""
        s3_backends[self._account]["aws"].buckets[self._name] = self._bucket

    def close(self) -> None:
        """Take the bucket out of moto and close what it holds."""
        s3_backends[self._account]["aws"].buckets.pop(self._name, None)
        for key in self._bucket.keys.values():
            key.dispose()
        self._pattern.dispose()

    def prepare(self, data_types: Collection[str]) -> None:
        """Make the files of some data types, on all cores."""
        wanted = [file for file in self._published if file[0] in data_types]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda file: self._files.facts(*file), wanted):
                pass

    def _make_key(self, name: str, data_type: str, day: date) -> _PublishedKey:
        # A copy of one key's attributes takes a hundredth of the time of FakeKey.__init__, which
        # opens a temporary file; and __new__ would keep the key in a list of moto's for ever.
        key: _PublishedKey = object.__new__(_PublishedKey)
        key.__dict__.update(self._pattern.__dict__)
        key.name = name
        key._files = self._files
        key._file = (data_type, day)
        return key


def _make_unlisted_bucket(name: str, account: str) -> FakeBucket:
    """A bucket that only its account knows.

    moto lists the buckets of all accounts in one directory, where another server's, or the
    user's own, may have the same name. Within its account a bucket is found without it.
    """
    directory = s3_backends.bucket_accounts
    with _DIRECTORY_LOCK:
        listed = directory.get(name)
        bucket = FakeBucket(name, account, _REGION)  # type: ignore[abstract]
        del directory[name]
        if listed is not None:
            directory[name] = listed
    return bucket


def last_published_day() -> date:
    """The latest trading day whose files would be in the bucket by now."""
    now = datetime.now(EXCHANGE_TIME)
    days = trading_days(now.date() - timedelta(14), now.date())
    return max(day for day in days if published_at(day) <= now)


def published_keys(
    start: date | None, end: date, options_root: str, absent: Collection[date]
) -> Iterator[tuple[str, str, date]]:
    """Key, data type and day of every file in the bucket."""
    for name, data_type in DATA_TYPES.items():
        root = options_root if data_type.is_options else data_type.root
        first = max(start or date.min, data_type.first_day)
        if name not in DOCUMENTED_DATA_TYPES:
            first = max(first, _OTHERS_SINCE)
        for number in range(first.toordinal(), end.toordinal() + 1):
            day = date.fromordinal(number)
            if day not in absent and DemoMarket.has_file(data_type, day):
                yield f"{root}/{data_type.folder}/{day:%Y/%m}/{day.isoformat()}.csv.gz", name, day
