"""What the services of a session share, and how another process makes the same of it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .credentials import Credentials, find_credentials
from .download.async_downloader import AsyncS3Downloader
from .download.events import Listener
from .download.s3_catalog import S3Catalog
from .download.statistics import Statistics
from .jobs.runner import JobObserver, JobRunner
from .load.cache_policy import CachePolicy, Revalidate
from .load.day_cache import cache_folder, cache_root
from .load.day_loader import SMALL_DAYS_AT_ONCE
from .load.journal import Journal
from .load.proved_ranges import RangedReads, Ranges
from .load.reference_data import ReferenceData
from .market.data_types import (
    LIVE_BUCKET,
    LIVE_ENDPOINT_URL,
    LIVE_OPTIONS_ROOT,
    DataType,
    register,
    registered_types,
)
from .reference.service import URL, ReferenceService


@dataclass(frozen=True)
class Context:
    """What the services of one session share; closed when nobody uses it any more.

    Attributes
    ----------
    spec
        The settings it was made of.
    credentials_source
        Where the credentials were found.
    downloader, catalog
        The bucket.
    cache_policy
        The cache and when it is trusted; None: no cache.
    runner
        Runs all work of the session, and refuses it after `close`.
    ranged_reads
        Whether minutes are read by ranges, and how that went.
    reference
        Splits, dividends and changes of tickers.
    journal
        What the session's loads used and found out.
    """

    spec: ContextSpec
    credentials_source: str
    downloader: AsyncS3Downloader
    catalog: S3Catalog
    cache_policy: CachePolicy | None
    runner: JobRunner
    ranged_reads: RangedReads
    reference: ReferenceData
    journal: Journal = field(default_factory=Journal)
    _finalizers: list[weakref.finalize] = field(default_factory=list, repr=False)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        # Not on the session: a job or a LazyFrame of a session that nobody holds goes on.
        self.on_close(self.runner.close)

    def on_close(self, function: Callable[[], object]) -> None:
        """Have a function called when the context is closed or garbage-collected.

        It must not hold the context.
        """
        self._finalizers.append(weakref.finalize(self, function))

    def close(self) -> None:
        """Cancel what runs and close all connections; work that comes later is refused."""
        for finalizer in self._finalizers:
            finalizer()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Context is not pickled: it holds credentials; pickle its spec")


@dataclass(frozen=True)
class ContextSpec:
    """The settings of a context, without keys: pickled, it makes the same in another process.

    Attributes
    ----------
    endpoint_url, bucket, options_root, max_retries, timeout, max_pool_connections, max_concurrent
        As `FlatSession` takes them.
    cache
        The folder of all caches; None: no cache.
    revalidate, offline, max_cache_bytes, ranges, max_decompressed_bytes
        As `FlatSession` takes them.
    actions, ticker_events
        Files of splits and dividends, and of changes of tickers; None: the reference service's.
    reference_url
        The address of that service; its key is looked for where it is asked.
    """

    endpoint_url: str = LIVE_ENDPOINT_URL
    bucket: str = LIVE_BUCKET
    options_root: str = LIVE_OPTIONS_ROOT
    max_retries: int = 5
    timeout: float = 60
    max_pool_connections: int = 128
    max_concurrent: int | None = None
    cache: Path | None = None
    revalidate: Revalidate = "recent"
    offline: bool = False
    max_cache_bytes: int | None = None
    ranges: Ranges = "never"
    max_decompressed_bytes: int | None = None
    actions: Path | None = None
    ticker_events: Path | None = None
    reference_url: str = URL

    def open(
        self,
        credentials: Credentials,
        *,
        listener: Listener | None = None,
        statistics: Statistics | None = None,
        observer: JobObserver = lambda job, show: None,
        reference: ReferenceData | None = None,
    ) -> Context:
        """Make a context.

        Parameters
        ----------
        credentials
            The S3 keys.
        listener
            Called with each event of a download.
        statistics
            Counts the downloads.
        observer
            Called with each job that may be displayed.
        reference
            The reference data; None: those of the settings.

        Raises
        ------
        ValueError
            If a setting is wrong.
        """
        downloader = AsyncS3Downloader(
            credentials.as_dict(),
            self.endpoint_url,
            self.max_retries,
            self.timeout,
            self.max_pool_connections,
            SMALL_DAYS_AT_ONCE if self.max_concurrent is None else self.max_concurrent,
            listener=listener,
            statistics=statistics,
            max_decompressed_bytes=self.max_decompressed_bytes,
        )
        return Context(
            self,
            credentials.source,
            downloader,
            S3Catalog(self.bucket, self.options_root),
            CachePolicy.at(
                self._cache_folder(), self.revalidate, self.offline, self.max_cache_bytes
            ),
            JobRunner(observer),
            RangedReads(self.ranges),
            reference or ReferenceData(self.reference_service(), self.actions, self.ticker_events),
        )

    def reference_service(self) -> ReferenceService:
        """The service of reference data, which looks for its key when it is first asked."""
        # Small, and asked for once a day: kept without a cache of days too.
        root = self.cache or cache_root(True)
        folder = None if root is None else root / "reference"
        return ReferenceService(url=self.reference_url, folder=folder, offline=self.offline)

    def _cache_folder(self) -> Path | None:
        if self.cache is None:
            return None
        return cache_folder(self.cache, self.endpoint_url, self.bucket)

    def __reduce__(self) -> tuple[object, ...]:
        # A process that unpickles it knows nothing of the data types registered here.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _unpickled, (values, registered_types())

    def shared(self) -> Context:
        """The context of these settings in this process, with keys that are found here.

        Raises
        ------
        CredentialsError
            If none are found: a worker needs them in its environment or an AWS profile.
        """
        with _LOCK:
            if self not in _SHARED:
                _SHARED[self] = self.open(find_credentials())
            return _SHARED[self]


def _unpickled(values: dict[str, object], data_types: tuple[DataType, ...]) -> ContextSpec:
    for data_type in data_types:
        register(data_type)
    return ContextSpec(**values)  # type: ignore[arg-type]


_LOCK = threading.Lock()
_SHARED: dict[ContextSpec, Context] = {}
