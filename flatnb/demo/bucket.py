"""The bucket of the demo: a moto bucket whose objects are generated when first requested.

Every published file has a key from the start, so moto itself handles listings, ranges, conditions
and missing keys. The bytes of a key are generated only when moto reads its size, ETag or content,
and a listing reads those of the keys on its page alone.
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
from .demo_market import DemoMarket
from .session_minutes import EXCHANGE_TIME

_REGION = "us-east-1"
_MEMORY_LIMIT_BYTES = 1 << 30
_PART_BYTES = 8 << 20
# moto searches all keys for each listing, so the markets beside stocks and options have fewer.
_OTHER_MARKETS_SINCE = date(2023, 1, 3)
_DIRECTORY_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Metadata:
    size_bytes: int
    etag: str


class _Files:
    """The files of a market, each generated once; those used last stay in memory."""

    def __init__(self, market: DemoMarket) -> None:
        self._market = market
        self._lock = threading.Lock()
        self._content: OrderedDict[tuple[str, date], bytes] = OrderedDict()
        self._content_bytes = 0
        self._metadata: dict[tuple[str, date], _Metadata] = {}
        self._locks: dict[tuple[str, date], threading.Lock] = {}
        # More generators than cores would only take memory: a file of the real size needs 0.5 GB.
        self._generators = threading.Semaphore(os.cpu_count() or 2)

    def content(self, data_type: str, day: date) -> bytes:
        """The bytes of a file."""
        name = (data_type, day)
        with self._lock:
            file_lock = self._locks.setdefault(name, threading.Lock())
        with file_lock:
            with self._lock:
                content = self._content.get(name)
                if content is not None:
                    self._content.move_to_end(name)
                    return content
            with self._generators:
                content = self._market.file(data_type, day)
                metadata = _Metadata(len(content), _multipart_etag(content))
            with self._lock:
                self._metadata[name] = metadata
                self._content[name] = content
                self._content_bytes += len(content)
                while self._content_bytes > _MEMORY_LIMIT_BYTES and len(self._content) > 1:
                    self._content_bytes -= len(self._content.popitem(last=False)[1])
            return content

    def metadata(self, data_type: str, day: date) -> _Metadata:
        """The size and ETag of a file, which stay known when its bytes are dropped from memory."""
        if (data_type, day) not in self._metadata:
            self.content(data_type, day)
        return self._metadata[data_type, day]


def _multipart_etag(content: bytes) -> str:
    """The ETag of a multipart upload, as the vendor's are: not the MD5 of the content.

    S3 forms it from the MD5 digests of the parts, and appends their number.
    """
    parts = [content[start : start + _PART_BYTES] for start in range(0, len(content), _PART_BYTES)]
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
        return self._files.metadata(*self._file).size_bytes

    @property
    def etag(self) -> str:
        return f'"{self._files.metadata(*self._file).etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Do nothing: unlike moto's own keys this one has no temporary file to close."""


class DemoBucket:
    """All files of a market between two days, as a bucket of a moto account.

    Parameters
    ----------
    account
        The moto account that the bucket belongs to.
    name
        The bucket's name.
    keys
        Key, data type and day of each file.
    """

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
        self._template = FakeKey("", b"", account, _REGION, bucket_name=name)
        self._files = _Files(market)
        self._published = [(data_type, day) for _, data_type, day in keys]
        for key, data_type, day in keys:
            self._bucket.keys[key] = self._make_key(key, data_type, day)

    def install(self) -> None:
        """Register the bucket with moto, also after a reset of moto has removed it."""
        s3_backends[self._account]["aws"].buckets[self._name] = self._bucket

    def close(self) -> None:
        """Remove the bucket from moto and close its keys."""
        s3_backends[self._account]["aws"].buckets.pop(self._name, None)
        for key in self._bucket.keys.values():
            key.dispose()
        self._template.dispose()

    def prepare(self, data_types: Collection[str]) -> None:
        """Generate the files of some data types, on all cores."""
        wanted = [file for file in self._published if file[0] in data_types]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda file: self._files.metadata(*file), wanted):
                pass

    def _make_key(self, name: str, data_type: str, day: date) -> _PublishedKey:
        # Copying one key's attributes takes a hundredth of the time of FakeKey.__init__, which
        # opens a temporary file; FakeKey.__new__ would add the key to a list of moto's that is
        # never emptied.
        key: _PublishedKey = object.__new__(_PublishedKey)
        key.__dict__.update(self._template.__dict__)
        key.name = name
        key._files = self._files
        key._file = (data_type, day)
        return key


def _make_unlisted_bucket(name: str, account: str) -> FakeBucket:
    """A bucket that is not in moto's directory of all accounts' buckets.

    Another server's bucket, or one of the user's own tests, may have the same name there. Within
    its account a bucket is found without the directory.
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
    """The latest trading day whose files are published by now."""
    now = datetime.now(EXCHANGE_TIME)
    days = trading_days(now.date() - timedelta(14), now.date())
    return max(day for day in days if published_at(day) <= now)


def published_keys(
    start: date | None, end: date, options_root: str, absent: Collection[date]
) -> Iterator[tuple[str, str, date]]:
    """Key, data type and day of every file in the bucket.

    Parameters
    ----------
    start, end
        First and last day, both inclusive; ``start`` None: each data type's first day.
    options_root
        The folder of the options files.
    absent
        Days without files.
    """
    for name, data_type in DATA_TYPES.items():
        root = options_root if data_type.is_options else data_type.root
        first = max(start or date.min, data_type.first_day)
        if name not in DOCUMENTED_DATA_TYPES:
            first = max(first, _OTHER_MARKETS_SINCE)
        for number in range(first.toordinal(), end.toordinal() + 1):
            day = date.fromordinal(number)
            if day not in absent and DemoMarket.has_file(data_type, day):
                yield f"{root}/{data_type.folder}/{day:%Y/%m}/{day.isoformat()}.csv.gz", name, day
