"""`FlatSession`: the one object that a notebook needs. Each method delegates to a service."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from .context import ContextSpec
from .credentials import find_credentials, log_out
from .download.async_downloader import AsyncS3Downloader
from .download.s3_catalog import S3Catalog
from .download.statistics import Statistics
from .explore.inspector import Inspector
from .explore.option_chain import OptionChains
from .explore.planner import Planner
from .explore.range_check import DEFAULT_TICKERS, RangeCheck, RangeChecker
from .explore.ticker_directory import TickerDirectory
from .frames.to_pandas import FrameKind
from .html import facts, head, page
from .jobs.job import Job
from .lake.transform import Transform
from .lake.writer import LakeWriter
from .lazy.scanner import Scanner
from .load.cache_policy import Revalidate
from .load.day_cache import DayCache, cache_root
from .load.proved_ranges import Ranges
from .load.reference_data import ReferenceData, Table
from .load.request import Between, LoadOptions, with_load_options
from .loader import Loader
from .market.calendar import DateLike, as_date
from .market.data_types import (
    LIVE_BUCKET,
    LIVE_ENDPOINT_URL,
    LIVE_OPTIONS_ROOT,
    DataTypeName,
    register_data_type,
)
from .market.option_symbols import OptionType
from .notebook.completion import offer_data_types
from .notebook.opening import open_chart, open_explorer
from .notebook.panel import Panel
from .reference.service import URL, ReferenceService
from .report import LoadReport
from .updater import Update, UpdatedDay, Updater

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from matplotlib.figure import Figure

    from .demo.server import DemoServer
    from .explore.audit import Audit
    from .explore.availability import Availability
    from .explore.inventory import BucketInventory
    from .explore.lockfile import Lock, Verification
    from .explore.plan import Plan
    from .lake.lake import Lake
    from .load.entitlements import Entitlements
    from .notebook.chart import Chart
    from .notebook.explorer import Explorer
    from .notebook.picker import Picker


class FlatSession:
    """Loads flat files straight into DataFrames.

    Parameters
    ----------
    access_key_id, secret_access_key
        The S3 keys of the vendor's dashboard. If omitted, they are looked for in
        ``MASSIVE_S3_ACCESS_KEY`` and ``MASSIVE_S3_SECRET_KEY``, then ``POLYGON_S3_ACCESS_KEY``
        and ``POLYGON_S3_SECRET_KEY``, then in an AWS profile called ``massive`` or ``polygon``.
    profile
        An AWS profile that holds them.
    endpoint_url, bucket, options_root
        Where the files are; the defaults are the live service.
    max_retries, timeout, max_pool_connections, max_concurrent, max_decompressed_bytes
        As `AsyncS3Downloader` takes them. ``max_concurrent`` is how many days are downloaded or
        read at once; None: 8, or 64 of daily bars, whose files are small.
    cache
        Where to cache what was loaded: True for ``FLATNB_CACHE`` or the user's cache folder, a
        path, or False for no cache. A load of all symbols stores the day as Parquet. A load of
        some symbols stores their rows, and with them the compressed file (up to 32 MiB) or an
        index of it, by which other symbols are read later without the whole file.
    revalidate
        Which cached days to compare with the bucket, one listing a month: ``"recent"``, those of
        the last four weeks; ``"always"``; or ``"never"``. A file that the vendor has replaced is
        downloaded again, and the report says so.
    offline
        Use the cache alone.
    max_cache_bytes
        When the cache grows larger, what was not used for the longest time is removed; None: no
        limit.
    ranges
        ``"proved"``: load stock minutes of up to 30 symbols by byte ranges, proved to be complete
        by the bars of the same day's daily file; days that cannot be proved are loaded whole. It
        has been proved on synthetic files only: check it with ``flatnb doctor --ranges DAY``. The
        search for the rows runs in up to four processes of Python, which end with the load.
        ``"never"``: load whole files.
    actions
        Splits and dividends for ``load(adjust=…)``: a frame, or the path of a CSV or Parquet file,
        as `flatnb.research.read_actions` takes it. None: the vendor's reference service, which is
        asked with the REST API key (extra ``reference``).
    ticker_events
        Changes of tickers for ``load(follow_renames=True)``, likewise: ``date``, ``from``, ``to``.
    reference
        The service to ask; None: `flatnb.reference.ReferenceService` with the key of
        ``MASSIVE_API_KEY`` or ``POLYGON_API_KEY``. Its answers are kept in the cache's folder.

    Raises
    ------
    CredentialsError
        If no credentials are found.
    ValueError
        If an argument is wrong.

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
        endpoint_url: str = LIVE_ENDPOINT_URL,
        bucket: str = LIVE_BUCKET,
        options_root: str = LIVE_OPTIONS_ROOT,
        max_retries: int = 5,
        timeout: float = 60,
        max_pool_connections: int = 128,
        max_concurrent: int | None = None,
        cache: bool | str | os.PathLike[str] = True,
        revalidate: Revalidate = "recent",
        offline: bool = False,
        max_cache_bytes: int | None = None,
        ranges: Ranges = "never",
        max_decompressed_bytes: int | None = None,
        actions: Table | None = None,
        ticker_events: Table | None = None,
        reference: ReferenceService | None = None,
    ) -> None:
        credentials = find_credentials(access_key_id, secret_access_key, profile=profile)
        spec = ContextSpec(
            endpoint_url=endpoint_url,
            bucket=bucket,
            options_root=options_root,
            max_retries=max_retries,
            timeout=timeout,
            max_pool_connections=max_pool_connections,
            max_concurrent=max_concurrent,
            cache=cache_root(cache),
            revalidate=revalidate,
            offline=offline,
            max_cache_bytes=max_cache_bytes,
            ranges=ranges,
            max_decompressed_bytes=max_decompressed_bytes,
            actions=_path_of(actions),
            ticker_events=_path_of(ticker_events),
            reference_url=URL if reference is None else reference.url,
        )
        self._panel = Panel(endpoint_url)
        self._context = context = spec.open(
            credentials,
            listener=self._panel.activity,
            statistics=self._panel.statistics,
            observer=self._panel.follow,
            reference=ReferenceData(
                reference or spec.reference_service(),
                actions if spec.actions is None else spec.actions,
                ticker_events if spec.ticker_events is None else spec.ticker_events,
            ),
        )
        self._loader = Loader(context)
        self._planner = Planner(context, self._loader)
        self._inspector = Inspector(context, self._loader)
        self._tickers = TickerDirectory(context, self._loader)
        self._scanner = Scanner(context)
        self._lake_writer = LakeWriter(context)
        self._updater = Updater(context, self._loader, self._lake_writer)
        self._option_chains = OptionChains(context, self._loader)
        self._is_demo = False
        offer_data_types()

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
        arguments.setdefault("cache", False)  # its port, and so its folder, differs each time
        keys = server.credentials
        kept = tempfile.TemporaryDirectory(prefix="flatnb-demo-", ignore_cleanup_errors=True)
        if "reference" not in arguments:
            stand_in = server.reference
            arguments["reference"] = ReferenceService(
                stand_in.api_key, url=stand_in.url, folder=kept.name
            )
        session = cls(
            keys["access_key_id"],
            keys["secret_access_key"],
            endpoint_url=server.endpoint_url,
            bucket=server.bucket,
            options_root=server.options_root,
            **arguments,
        )
        session._context.on_close(server.stop)
        session._context.on_close(kept.cleanup)
        session._is_demo = True
        session._panel.title = f"SYNTHETIC demo market at {server.endpoint_url}"
        return session

    register = staticmethod(register_data_type)

    @property
    def catalog(self) -> S3Catalog:
        """Data types and dates ⇄ keys of the bucket."""
        return self._context.catalog

    @property
    def downloader(self) -> AsyncS3Downloader:
        """What downloads the files."""
        return self._context.downloader

    @property
    def credentials_source(self) -> str:
        """Where the credentials were found; the credentials themselves are not shown."""
        return self._context.credentials_source

    @property
    def cache(self) -> DayCache | None:
        """The cached days: their number, size and folder; ``cache.clear()`` removes them."""
        policy = self._context.cache_policy
        return policy.cache if policy else None

    @property
    def stats(self) -> Statistics:
        """Totals and rates of all downloads of this session."""
        return self._context.downloader.statistics

    @property
    def last_report(self) -> LoadReport | None:
        """The outcome of every day of the load that ended last; None before the first."""
        return self._context.journal.last_report

    @overload
    def load(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["polars"] = ...,
        progress: bool | None = ...,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame: ...

    @overload
    def load(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["pandas"],
        progress: bool | None = ...,
        **options: Unpack[LoadOptions],
    ) -> pd.DataFrame: ...

    @with_load_options
    def load(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        progress: bool | None = None,
        **options: Unpack[LoadOptions],
    ) -> Any:
        """Load the files of a range of days into one frame.

        >>> session.load("stocks_daily", "2024-01-02", "2024-01-31", symbols=["AAPL", "MSFT"])

        Works the same in a script and in a notebook cell. Interrupting it (Ctrl-C, the stop
        button) cancels the downloads and leaves nothing behind.

        Parameters
        ----------
        data_type
            For example ``"stocks_daily"``; `flatnb.DATA_TYPES` lists them. Another folder of the
            bucket is written ``"root/folder"``; `register` gives it a name.
        start, end
            Dates of files, both inclusive: strings YYYY-MM-DD, dates, or pandas or numpy
            timestamps. Stocks and options have one for each trading day; the days of the
            others are found by listing.
        symbols
            Only these tickers, exactly as the vendor writes them (upper and lower case differ).
            ``"O:SPY*"`` is every contract of SPY. A contract may also be written without ``O:``,
            or as the OCC pads it: ``"SPY   240119C00475000"``.
        underlyings
            Only options with these OCC roots: ``"SPX"`` has none of SPXW's contracts. Together
            with ``symbols``: both.
        expiry, strike
            Only contracts between two days, or two prices in dollars (of any numeric type), both
            inclusive; None leaves an end open: ``strike=(470, None)``.
        option_type
            Only ``"call"`` or only ``"put"``.
        columns
            Only these columns; ``date`` is always there. If a file has a column ``date`` of its
            own, it is called ``vendor_date``.
        frame
            ``"polars"`` or ``"pandas"``.
        tz
            Time zone of the times in the frame, a name or a ``zoneinfo.ZoneInfo``; the instants are
            the same in any.
        missing
            What to do about a trading day without a file: ``"warn"``, ``"raise"`` or ``"ignore"``.
            `last_report` lists them in any case.
        strict
            Whether a day with rows that are not of that day fails; else it is warned of.
        hours
            ``"regular"`` (09:30 to 16:00 in New York, or to the early close), ``"extended"`` (the
            pre- and post-market too), or ``"all"`` rows of the files. For intraday rows of stocks,
            options and indices; see `flatnb.research.hours`.
        adjust
            ``"splits"``: prices and sizes of stocks on the share basis of ``as_of``; ``"all"``:
            less dividends too; None: as in the files. See `flatnb.research.adjust`.
        as_of
            The day of reference of ``adjust`` and ``follow_renames``; None: today in New York.
        follow_renames
            Whether ``symbols`` name the securities that have these tickers on ``as_of``, whatever
            theirs were before and after: a column ``symbol`` is added, and ``ticker`` stays that
            of the day. Other securities that had one of the tickers are not joined.
        quote_sizes
            For ``stocks_quotes`` only: ``"as stored"``, or ``"shares"`` to multiply the sizes of
            days before 2025-11-03, which are in round lots, by 100. A load of both kinds of days
            as they are stored warns.
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
        CredentialsError, ReferenceServiceError
            If splits or changes of tickers are needed and could not be loaded.
        LoadError
            If days are forbidden, damaged or failed; it lists them all and has the frame of
            those that did load.
        MissingDaysError
            If days have no file and ``missing="raise"``.
        TransferError
            If a listing that is needed to find the days could not be loaded.
        """
        return self.start(data_type, start, end, frame=frame, progress=progress, **options).result()

    @overload
    async def load_async(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["polars"] = ...,
        progress: bool | None = ...,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame: ...

    @overload
    async def load_async(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: Literal["pandas"],
        progress: bool | None = ...,
        **options: Unpack[LoadOptions],
    ) -> pd.DataFrame: ...

    @with_load_options
    async def load_async(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        progress: bool | None = None,
        **options: Unpack[LoadOptions],
    ) -> Any:
        """As `load`, in async code; cancelling it cancels the downloads."""
        return await self.start(data_type, start, end, frame=frame, progress=progress, **options)

    @with_load_options
    def start(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        progress: bool | None = None,
        **options: Unpack[LoadOptions],
    ) -> Job[Any]:
        """As `load`, in the background: returns at once with a handle on the work.

        >>> job = session.start("stocks_minute", "2024-01-02", "2024-01-31")  # doctest: +SKIP

        Raises
        ------
        ValueError
            If an argument is wrong.
        RuntimeError
            If the session is closed.
        """
        return self._loader.start(data_type, start, end, frame=frame, show=progress, **options)

    @with_load_options
    def plan(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        **options: Unpack[LoadOptions],
    ) -> Plan:
        """What `load` with the same arguments would download; nothing is downloaded yet.

        >>> session.plan("stocks_minute", "2024-01-02", "2024-12-31", symbols="AAPL")

        One listing a month gives the files, their sizes and versions.

        Returns
        -------
        Plan
            Days, bytes, estimates of time and memory, and what users have publicly reported of
            these files; ``plan.load()`` loads it.

        Raises
        ------
        ValueError
            If an argument is wrong.
        TransferError
            If a listing could not be loaded.
        """
        return self._planner.plan(data_type, start, end, frame=frame, **options)

    def available(
        self,
        data_type: DataTypeName | str,
        start: DateLike | None = None,
        end: DateLike | None = None,
    ) -> Availability:
        """The days of a data type that the bucket has; listed again after five minutes.

        >>> session.available("stocks_daily", "2023-01-01")  # doctest: +SKIP

        A file that is listed may still be forbidden: the service also lists files that a plan does
        not include.

        Parameters
        ----------
        data_type
            As `load` takes it.
        start, end
            Both inclusive; None: from the data type's first day, to today.

        Returns
        -------
        Availability
            Its days and sizes, and which trading days lack a file; displayed, a calendar.

        Raises
        ------
        ValueError
            If an argument is wrong.
        TransferError
            If a listing could not be loaded.
        """
        return self._planner.available(data_type, start, end)

    def tickers(self, data_type: DataTypeName | str, day: DateLike) -> list[str]:
        """The tickers of a market on a day, of its daily bars, sorted.

        >>> session.tickers("stocks_minute", "2024-01-31")              # doctest: +SKIP

        Parameters
        ----------
        data_type
            Any data type of the market.
        day
            If its file is not published, the last day before it is taken.

        Returns
        -------
        list of str
            Empty for options, and where the day cannot be read.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        found = self._tickers.tickers(data_type, as_date(day, "day"))
        return [] if found is None else list(found[1])

    def catalog_view(self) -> BucketInventory:
        """What the bucket has: each data type with its years, also folders that are new.

        >>> session.catalog_view()  # doctest: +SKIP

        Made of about two listings of folders for each data type. A listed file may still be
        forbidden: see `entitlements`.

        Raises
        ------
        TransferError
            If a listing could not be loaded.
        """
        return self._inspector.catalog_view()

    def entitlements(self, data_types: Sequence[str] | str | None = None) -> Entitlements:
        """What these keys give access to: one HEAD request for each data type and year.

        >>> session.entitlements("stocks_minute")["stocks_minute"].first_day  # doctest: +SKIP

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
            If a request failed.
        """
        return self._inspector.entitlements(data_types)

    def audit(self, data_type: DataTypeName | str, start: DateLike, end: DateLike) -> Audit:
        """Check days for errors in the data: they are loaded one by one, in bounded memory.

        >>> session.audit("stocks_minute", "2024-01-02", "2024-01-31").findings  # doctest: +SKIP

        The checks are: missing and damaged files, rows of another day, more than three times or
        less than half of the rows of the neighbouring days, busy tickers that end before the
        close, closing minute bars that more names lack than on these days, duplicate rows, and
        bars without volume.

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
            If a listing that is needed to find the days could not be loaded.
        """
        return self._inspector.audit(data_type, start, end)

    def check_ranges(self, day: DateLike, most: int = DEFAULT_TICKERS) -> RangeCheck:
        """Check ranged reads on a day: tickers are read by ranges and out of the whole file.

        It downloads the day's minute and daily files of stocks. What it prints holds no row of
        them, so that it can be sent to the project.

        Parameters
        ----------
        day
            A trading day.
        most
            How many tickers, drawn at random.

        Returns
        -------
        RangeCheck
            How many were exact, refused or wrong, and what they took.

        Raises
        ------
        TransferError
            If a file could not be downloaded.
        """
        return RangeChecker(self._context).check(day, most)

    def lock(self, path: str | os.PathLike[str]) -> Lock:
        """Write a lock file: which version of which file this session has used so far.

        >>> session.lock("study.lock.json")  # doctest: +SKIP

        Returns
        -------
        Lock
            What was written: key, ETag, size and rules of reading of each file.

        Raises
        ------
        ValueError
            If this session has used no file yet, or ``path`` is not a path of this machine.
        OSError
            If it cannot be written.
        """
        return self._inspector.lock(path)

    def verify(self, path: str | os.PathLike[str]) -> Verification:
        """Compare a lock file of `lock` with what the bucket has now; one listing a month.

        >>> assert session.verify("study.lock.json")  # doctest: +SKIP

        Returns
        -------
        Verification
            True if the same loads would give the same frames; else it lists what has changed.

        Raises
        ------
        ValueError
            If the file is not a lock file, locks nothing, or is of another bucket.
        OSError
            If it cannot be read.
        TransferError
            If a listing could not be loaded.
        """
        return self._inspector.verify(path)

    def scan(self, data_type: DataTypeName | str) -> pl.LazyFrame:
        """All days of a data type as one lazy table; a query loads what it needs.

        Conditions on ``date`` decide which days are loaded (through the cache), conditions on
        ``ticker`` and the used columns decide which rows and columns are parsed. A query without a
        bound on ``date`` warns of what it may load before it does.

        The LazyFrame holds this session, but no keys: where it is pickled, the process that
        collects it finds its own.

        Parameters
        ----------
        data_type
            As `load` takes it; its columns must be known.

        Returns
        -------
        polars.LazyFrame
            ``date``, then the vendor's columns; times in UTC. Collecting it raises `LoadError` if
            a day is forbidden, damaged or failed, and warns of days that have no file.

        Raises
        ------
        ValueError
            If the data type is unknown, or nothing is known of its columns.

        Examples
        --------
        >>> bars = session.scan("stocks_minute")                        # doctest: +SKIP
        >>> january = pl.col("date").is_between(date(2024, 1, 1), date(2024, 1, 31))
        >>> bars.filter(january, pl.col("ticker") == "AAPL").select("close").collect()
        """
        return self._scanner.scan(data_type)

    def sql(self, query: str) -> pl.DataFrame:
        """The result of a query in SQL, by polars, on tables named like the data types.

        >>> session.sql("SELECT * FROM stocks_daily WHERE date = '2024-01-31'")  # doctest: +SKIP

        Parameters
        ----------
        query
            For example ``"SELECT date, close FROM stocks_daily WHERE ticker = 'SPY' AND date
            BETWEEN '2024-01-01' AND '2024-01-31'"``. As in `scan`, conditions on ``date`` and
            ``ticker`` decide what is loaded. Dates are written ``'2024-01-31'``.

        Returns
        -------
        polars.DataFrame

        Raises
        ------
        ValueError
            If it is not a string.
        polars.exceptions.PolarsError
            If polars refuses the query.
        LoadError
            If a day is forbidden, damaged or failed.
        """
        return self._scanner.sql(query)

    @with_load_options
    def to_lake(
        self,
        data_type: DataTypeName | str,
        start: DateLike,
        end: DateLike,
        path: str | os.PathLike[str],
        *,
        client: object = None,
        progress: bool | None = None,
        transform: Transform | None = None,
        **options: Unpack[LoadOptions],
    ) -> Lake:
        """Convert a history to Parquet, one folder for each day, in bounded memory.

        >>> session.to_lake("stocks_minute", "2023-01-03", "2023-12-29", "lake").scan()

        Days that the lake already has, made of the same version of the file, are not converted
        again: an interrupted build continues where it stopped. A day appears whole or not at
        all, also if a process is killed. The session's cache is neither read nor written.

        Parameters
        ----------
        data_type, start, end
            As `load` takes them.
        path
            A folder; with a cluster, one that all workers can access under this name. Or
            ``s3://bucket/folder``: read and written with the machine's own AWS credentials
            (``AWS_PROFILE``, an instance's role …), not with those for the market data.
        client
            A ``distributed.Client`` whose workers convert the days, each with keys that it finds
            in its environment or an AWS profile; None: this process converts them. Any other
            object whose ``submit(task)`` returns a ``concurrent.futures.Future`` can be used.
        progress
            Whether to show it; None: in a notebook or a terminal.
        transform
            What to keep of a day in place of its rows: a function that is given them, as `load`
            gives a day, and returns a polars frame, for example ``functools.partial(
            flatnb.research.bars, every="10s")``. It must stand at the top of a module. It is
            called for a whole day of up to 256 MB of text, and for parts of a larger one: each
            with a thirty-second of the tickers, whose rows of the day are whole. Its name, its
            arguments and its source are part of what the lake is made of.
        **options
            ``symbols``, ``underlyings``, ``expiry``, ``strike``, ``option_type``, ``columns``,
            ``hours``: what to include, as `load` takes them.

        Returns
        -------
        Lake
            ``scan()`` for polars, ``to_dask()``, ``paths`` and ``folder`` for others; its
            ``report`` has the outcome of each day. Days without a file are warned of.

        Raises
        ------
        ValueError
            If an argument is wrong, or the lake was made with other options.
        RuntimeError
            If another process is writing this data type of this lake.
        LoadError
            If days are forbidden, damaged or failed; the others are in the lake.
        OSError
            If the lake cannot be written.
        """
        return self._lake_writer.to_lake(
            data_type,
            start,
            end,
            path,
            client=client,
            progress=progress,
            transform=transform,
            **options,
        )

    @with_load_options
    def update(
        self,
        data_types: Sequence[str] | str,
        *,
        lake: str | os.PathLike[str] | None = None,
        since: DateLike | None = None,
        transform: Transform | None = None,
        on_day: Callable[[UpdatedDay], object] | None = None,
        **options: Unpack[LoadOptions],
    ) -> Update:
        """Load the newest published days into the cache, or into a lake: only what is new.

        Days that are there are compared with the bucket, and loaded again if the vendor has
        replaced them. Two updates of one cache or lake run one after the other, also in two
        processes; the next run completes what a killed one left. ``flatnb update`` is the same as a
        command, for cron.

        Parameters
        ----------
        data_types
            Names, or one.
        lake
            A folder or ``s3://bucket/folder``, as `to_lake` takes it; None: the cache. The cache
            does not keep files of trades or quotes that do not fit into memory: these fail.
        since
            The first day to look for. None: the newest day that is there or four weeks ago,
            whichever is earlier, as in these weeks the vendor may replace files.
        transform, **options
            Of a lake, as `to_lake` takes them: the same as it was made with.
        on_day
            Called with each day as soon as its outcome is known.

        Returns
        -------
        Update
            The outcome of each day; ``.status``, and ``.exit_code``: 0 if there was something new
            or nothing to do, 3 if a day is late, 4 if something failed. A day is late if it should
            be published (11:00 in New York on the next day), is one of the last five trading days,
            and has no file. That is only known of stocks and options.

        Raises
        ------
        ValueError
            If an argument is wrong. What fails otherwise is in the result.
        """
        return self._updater.update(
            data_types, lake=lake, since=since, transform=transform, on_day=on_day, **options
        )

    def chain(
        self,
        underlying: str,
        day: DateLike,
        *,
        roots: Sequence[str] | str | None = None,
        expiry: Between[DateLike] | None = None,
        strike: Between[float] | None = None,
        option_type: OptionType | None = None,
        frame: FrameKind = "polars",
    ) -> Any:
        """The option chain of a day: each contract that traded, with its underlying's bar.

        >>> session.chain("SPY", "2024-01-31", expiry=(None, "2024-03-01"), option_type="call")

        Parameters
        ----------
        underlying
            The ticker of a stock, or the name of an index: ``"SPX"``.
        day
            A trading day.
        roots
            The OCC roots; None: the underlying's, and those of its weekly index options. Adjusted
            contracts (``T1``) deliver something else and are only included if their root is named.
        expiry, strike, option_type
            As `FlatSession.load` takes them.
        frame
            ``"polars"`` or ``"pandas"``.

        Returns
        -------
        polars.DataFrame or pandas.DataFrame
            ``date``, ``ticker``, ``root``, ``expiry``, ``option_type``, ``strike``, the columns of
            daily bars, and ``underlying_open``, ``…_high``, ``…_low``, ``…_close`` and
            ``…_volume`` (null if the underlying has no bar on that day; an index has no volume).
            Ordered by expiry, strike and type.

        Raises
        ------
        ValueError
            If an argument is wrong.
        LoadError
            If the day could not be loaded, or has no file.
        """
        return self._option_chains.chain(
            underlying,
            day,
            roots=roots,
            frame=frame,
            expiry=expiry,
            strike=strike,
            option_type=option_type,
        )

    @staticmethod
    def login() -> None:
        """Ask for the S3 keys; sessions made afterwards in this process find them.

        In a notebook a form is shown, elsewhere the terminal asks. The keys go to the
        memory of this process only, not to the notebook, its widgets' state or the history. On
        request they are stored in the system's keyring (extra ``keyring``).

        Raises
        ------
        CredentialsError
            In a terminal, if nothing was typed.
        """
        from .notebook.login import ask

        ask()

    @staticmethod
    def logout() -> None:
        """Forget the keys of `login`, in this process and in the keyring."""
        log_out()

    def panel(self) -> Panel:
        """The live panel: files, rate, time left, retries, failures; one for each session.

        >>> session.panel()  # doctest: +SKIP

        Display it in a notebook (as the last line of a cell, or by ``session.panel().show()``)
        and it is updated while anything loads, also while a cell runs `load`.
        """
        return self._panel

    def picker(self) -> Picker:
        """A form to pick data type, days and symbols, and to load them in the background.

        >>> picker = session.picker(); picker  # doctest: +SKIP

        After a load `explore` shows its rows below the form.

        Raises
        ------
        ImportError
            If the ``notebook`` extra is not installed.
        RuntimeError
            If the session is closed.
        """
        self._context.runner.check_open()
        try:
            from .notebook.picker import Picker
        except ImportError as error:
            raise ImportError(
                f"the picker needs {error.name}: pip install 'flatnb[notebook]'"
            ) from error
        return Picker(self, self._planner.estimate, self._tickers.tickers)

    def chart(
        self, frame: pl.DataFrame | pd.DataFrame, symbols: Sequence[str] | str | None = None
    ) -> Chart:
        """A chart to zoom and pan in a notebook: candles of one ticker, several in percent.

        >>> session.chart(frame, "AAPL")  # doctest: +SKIP

        Intervals are fixed, and no bar is made across sessions or days. Times are the exchange's.

        Parameters
        ----------
        frame
            Daily or minute bars from `load`, polars or pandas, with all their columns.
        symbols
            The tickers; None: the only one of the frame.

        Raises
        ------
        ValueError
            If the frame does not have bars, or not these tickers.
        ImportError
            If the ``notebook`` extra is not installed.
        """
        return open_chart(frame, symbols)

    def explore(self, frame: pl.DataFrame | pd.DataFrame) -> Explorer:
        """See what was loaded: its tickers, columns, rows and charts, by clicks that make code.

        >>> session.explore(frame)  # doctest: +SKIP

        Parameters
        ----------
        frame
            From `load`, polars or pandas, of any data type. Only what is seen goes to the page.

        Raises
        ------
        ValueError
            If it is neither, or has no columns.
        ImportError
            If the ``notebook`` extra is not installed.
        """
        return open_explorer(frame)

    def plot(
        self,
        frame: pl.DataFrame | pd.DataFrame,
        symbol: str | None = None,
        *,
        dark: bool = False,
    ) -> Figure:
        """A candlestick chart with volume of one symbol of a loaded frame.

        >>> session.plot(frame, "AAPL")  # doctest: +SKIP

        Parameters
        ----------
        frame
            Daily or minute bars from `load`, polars or pandas.
        symbol
            Which ticker; may be omitted if the frame has only one.
        dark
            Whether to draw for a dark page.

        Returns
        -------
        matplotlib.figure.Figure
            To show, change or save. Times are the exchange's; more than 250 bars are drawn by a
            longer interval.

        Raises
        ------
        ValueError
            If the frame does not have bars, or not this ticker.
        ImportError
            If the ``plot`` extra is not installed.
        """
        try:
            from .notebook.plot import plot
        except ImportError as error:
            raise ImportError(f"plot needs {error.name}: pip install 'flatnb[plot]'") from error
        return plot(frame, symbol, dark=dark)

    def close(self) -> None:
        """Cancel what runs and close all connections, and the demo server if there is one."""
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("FlatSession is not pickled: it holds credentials")

    def __repr__(self) -> str:
        where = self.downloader.endpoint_url
        if self._is_demo:
            return f"FlatSession(SYNTHETIC demo market at {where}; {self.stats!r})"
        return f"FlatSession({where}, credentials from {self.credentials_source}; {self.stats!r})"

    def _repr_html_(self) -> str:
        cache_text = "no" if self.cache is None else str(self.cache.folder)
        pairs = {
            "Files from": self._panel.title,
            "Bucket": self.catalog.bucket,
            "Credentials": self.credentials_source,
            "Cache": cache_text,
            "Downloads": repr(self.stats),
        }
        hint = "session.load(…) · session.picker() · session.panel() · session.last_report"
        return page(head("FlatSession", hint) + facts(pairs))


def _path_of(table: Table | None) -> Path | None:
    """The path of a table that is a file, wherever the working directory goes; else None."""
    return Path(table).expanduser().absolute() if isinstance(table, (str, os.PathLike)) else None
