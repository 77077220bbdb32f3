"""`FlatSession`: what a notebook holds. It only wires the rooms together."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from .credentials import Endpoint, find_credentials
from .download.async_downloader import AsyncS3Downloader
from .download.s3_catalog import S3Catalog
from .download.statistics import Statistics
from .explore.inspector import Examining
from .explore.option_chain import Chains
from .explore.planner import Exploring
from .frames.to_pandas import FrameKind
from .jobs.job import Job, LoopThread
from .lake.writer import Lakes
from .lazy.scanner import Lazy
from .load.cache_policy import CachePolicy, Revalidate
from .load.day_cache import DayCache
from .load.day_loader import SMALL_DAYS_AT_ONCE, DayLoader, LoadResult
from .load.progress import Progress
from .load.report import LoadReport
from .load.request import Between, Missing, Request, RequestOptions, deliver
from .market.calendar import DateLike
from .market.data_types import register_data_type
from .market.option_symbols import OptionType
from .notebook.panel import Panel
from .notebook_methods import NotebookMethods

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from .demo.server import DemoServer


class LoadOptions(RequestOptions, total=False):
    """The keyword arguments that all ways to load have in common."""

    progress: bool | None


class FlatSession(Exploring, Examining, Lazy, Lakes, NotebookMethods, Chains):
    """Loads flat files straight into DataFrames.

    Parameters
    ----------
    access_key_id, secret_access_key
        The S3 keys of the vendor's dashboard. Without them they are looked for in
        ``MASSIVE_S3_ACCESS_KEY`` and ``MASSIVE_S3_SECRET_KEY``, then ``POLYGON_S3_ACCESS_KEY``
        and ``POLYGON_S3_SECRET_KEY``, then in an AWS profile called ``massive`` or ``polygon``.
    profile
        An AWS profile that holds them.
    endpoint_url, bucket, options_root
        Where the files are; the defaults are the live service.
    max_retries, timeout, max_pool_connections, max_concurrent, max_unpacked_bytes
        As `AsyncS3Downloader` takes them. ``max_concurrent`` is how many days are downloaded or
        read at once; None: 8, or 64 of daily bars, whose files are small.
    cache
        Where to keep each day that was loaded, as Parquet: True for ``FLATNB_CACHE`` or the
        user's cache folder, a path, or False for nowhere.
    revalidate
        Which cached days to compare with the bucket, one listing a month: ``"recent"``, those of
        the last four weeks; ``"always"``; or ``"never"``. A file that the vendor has replaced is
        downloaded again, and the report says so.
    offline
        Use the cache alone.

    Raises
    ------
    CredentialsError
        If no credentials are found.

    Examples
    --------
    >>> session = FlatSession.demo()                                    # doctest: +SKIP
    >>> session.load("stocks_daily", "2024-01-02", "2024-01-31", symbols=["AAPL", "MSFT"])
    """

    def __init__(
        self,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        *,
        profile: str | None = None,
        endpoint_url: str = Endpoint.url,
        bucket: str = Endpoint.bucket,
        options_root: str = Endpoint.options_root,
        max_retries: int = 5,
        timeout: float = 60,
        max_pool_connections: int = 128,
        max_concurrent: int | None = None,
        cache: bool | str | os.PathLike[str] = True,
        revalidate: Revalidate = "recent",
        offline: bool = False,
        max_decompressed_bytes: int | None = None,
    ) -> None:
        self._credentials = find_credentials(access_key_id, secret_access_key, profile=profile)
        self.catalog = S3Catalog(bucket, options_root)
        self.last_report: LoadReport | None = None
        self._threads = LoopThread()
        self._listings, self._used, self._reach = {}, {}, {}
        self._panel = Panel(endpoint_url)
        self.downloader = AsyncS3Downloader(
            self._credentials.as_dict(),
            endpoint_url,
            max_retries,
            timeout,
            max_pool_connections,
            max_concurrent or SMALL_DAYS_AT_ONCE,
            listener=self._panel.activity,
            statistics=self._panel.statistics,
            max_decompressed_bytes=max_decompressed_bytes,
        )
        self._max_concurrent = max_concurrent
        self._keeping = CachePolicy.checked(cache, revalidate, offline, endpoint_url, bucket)
        self._server: DemoServer | None = None
        self._finalizer = weakref.finalize(self, _close, self._threads, None)

    @classmethod
    def demo(cls, server: DemoServer | None = None, **arguments: Any) -> Self:
        """A session on a synthetic market behind a local S3 server: no credentials, no network.

        The data look like the real ones in format and size of numbers, and mean nothing.

        Parameters
        ----------
        server
            A server to use in place of a new one with the default market; the session stops it.
        **arguments
            As `FlatSession` takes them.

        Raises
        ------
        ImportError
            If the ``demo`` extra is not installed.
        """
        try:
            from .demo.server import DemoServer
        except ImportError as error:
            raise ImportError(
                f"the demo market needs {error.name}: pip install 'flatnb[demo]'"
            ) from error
        server = (server or DemoServer()).start()
        arguments.setdefault("cache", False)  # its port, and so its folder, is another each time
        keys = server.credentials
        session = cls(
            keys["access_key_id"],
            keys["secret_access_key"],
            endpoint_url=server.endpoint_url,
            bucket=server.bucket,
            options_root=server.options_root,
            **arguments,
        )
        session._server = server
        session._panel.title = f"SYNTHETIC demo market at {server.endpoint_url}"
        session._finalizer.detach()
        session._finalizer = weakref.finalize(session, _close, session._threads, server)
        return session

    register = staticmethod(register_data_type)

    @property
    def credentials_source(self) -> str:
        """Where the credentials were found; the credentials themselves are not shown."""
        return self._credentials.source

    @property
    def cache(self) -> DayCache | None:
        """The days on disk: their number, size and folder; ``cache.clear()`` removes them."""
        return self._keeping.cache if self._keeping else None

    @property
    def stats(self) -> Statistics:
        """Totals and rates of all downloads of this session."""
        return self.downloader.statistics

    @overload
    def load(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["polars"] = ...,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame: ...

    @overload
    def load(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["pandas"],
        **options: Unpack[LoadOptions],
    ) -> pd.DataFrame: ...

    def load(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        symbols: Sequence[str] | str | None = None,
        underlyings: Sequence[str] | str | None = None,
        expiry: Between[DateLike] | None = None,
        strike: Between[float] | None = None,
        option_type: OptionType | None = None,
        columns: Sequence[str] | str | None = None,
        frame: FrameKind = "polars",
        tz: str = "UTC",
        missing: Missing = "warn",
        strict: bool = False,
        progress: bool | None = None,
    ) -> Any:
        """Load the files of a range of days into one frame.

        Works the same in a script and in a notebook cell. Interrupting it (Ctrl-C, the stop
        button) cancels the downloads and leaves nothing behind.

        Parameters
        ----------
        data_type
            For example ``"stocks_daily"``; `flatnb.DATA_TYPES` lists them. Another folder of the
            bucket is written ``"root/folder"``; `register` gives it a name.
        start, end
            Dates of files, both inclusive: strings YYYY-MM-DD, dates, or pandas or numpy
            timestamps. Stocks and options have one for each trading day; for the others a
            listing tells the days.
        symbols
            Only these tickers, exactly as the vendor writes them (upper and lower case differ).
            ``"O:SPY*"`` is every contract of SPY.
        underlyings
            Only options with these OCC roots: ``"SPX"`` has none of SPXW's contracts. Together
            with ``symbols``: both.
        expiry, strike
            Only contracts between two days, or two prices in dollars, both inclusive; None leaves
            an end open: ``strike=(470, None)``.
        option_type
            Only ``"call"`` or only ``"put"``.
        columns
            Only these columns; ``date`` is always there.
        frame
            ``"polars"`` or ``"pandas"``.
        tz
            Time zone of the times in the frame; the instants are the same in any.
        missing
            What to do about a trading day without a file: ``"warn"``, ``"raise"`` or ``"ignore"``.
            `last_report` tells of it in any case.
        strict
            Whether a day with rows that are not of that day fails; else it is warned of.
        progress
            Whether to show a progress bar; None: in a notebook or a terminal.

        Returns
        -------
        polars.DataFrame or pandas.DataFrame
            First ``date`` (the file's day), then the vendor's columns; ``window_start`` is a time
            in nanoseconds. Rows in the order of the files, days ascending.

        Raises
        ------
        ValueError
            If an argument is wrong.
        LoadError
            If days are forbidden, damaged or failed; it lists them all and has the frame of
            those that did load.
        MissingDaysError
            If days have no file and ``missing="raise"``.
        TransferError
            If a listing that is to tell the days could not be had.
        """
        return self.start(
            data_type,
            start,
            end,
            frame=frame,
            symbols=symbols,
            underlyings=underlyings,
            expiry=expiry,
            strike=strike,
            option_type=option_type,
            columns=columns,
            tz=tz,
            missing=missing,
            strict=strict,
            progress=progress,
        ).result()

    @overload
    async def load_async(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["polars"] = ...,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame: ...

    @overload
    async def load_async(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["pandas"],
        **options: Unpack[LoadOptions],
    ) -> pd.DataFrame: ...

    async def load_async(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        **options: Unpack[LoadOptions],
    ) -> Any:
        """As `load`, in async code; cancelling it cancels the downloads."""
        return await self.start(data_type, start, end, frame=frame, **options)

    def start(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        progress: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> Job[Any]:
        """As `load`, in the background: returns at once with a handle on the work.

        Raises
        ------
        RuntimeError
            If the session is closed.
        """
        if not self._finalizer.alive:
            raise RuntimeError("this session is closed; make a new one")
        request = Request.checked(data_type, start, end, frame=frame, **options)
        counts = Progress()
        job = Job(
            self._load(request, counts),
            self._threads.loop,
            name=f"{data_type} {start} … {end}",
            deliver=lambda loaded: deliver(request, loaded),
            progress=counts,
        )
        self._panel.follow(job, progress)
        return job

    async def _load(self, request: Request, progress: Progress) -> LoadResult:
        loader = DayLoader(
            self.downloader, self.catalog, self._keeping, request, progress, self._max_concurrent
        )
        return await self._told(request.data_type, await loader.load())

    def close(self) -> None:
        """Cancel what runs and close all connections, and the demo server if there is one."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("FlatSession is not pickled: it holds credentials")

    def __repr__(self) -> str:
        where = self.downloader.endpoint_url
        if self._server is not None:
            return f"FlatSession(SYNTHETIC demo market at {where}; {self.stats!r})"
        return f"FlatSession({where}, credentials from {self.credentials_source}; {self.stats!r})"


def _close(threads: LoopThread, server: DemoServer | None) -> None:
    # Not a method: a finalizer that held the session would keep it alive.
    threads.close()
    if server is not None:
        server.stop()
