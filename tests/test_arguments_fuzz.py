"""Values of wrong kinds for every public method: only documented exceptions come out.

``FLATNB_FUZZ_EXAMPLES=5000 pytest tests/test_arguments_fuzz.py`` tries more of them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import os
import warnings
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatnb import (
    AsyncS3Downloader,
    FlatnbError,
    FlatSession,
    S3Catalog,
    SyncS3Downloader,
    with_option_fields,
)
from flatnb.download.events import Event
from flatnb.lake.lake import Lake
from flatnb.load.request import LoadOptions
from tests.servers.fault_s3 import FaultServer
from tests.servers.loop_thread import LoopThread
from tests.servers.payloads import DAY, DAY_KEY, HEADER, TICKERS, day_csv, gz
from tests.twins import CREDENTIALS

EXAMPLES = int(os.environ.get("FLATNB_FUZZ_EXAMPLES", "15"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
OPTIONS_KEY = DAY_KEY.replace("us_stocks_sip", "us_options_opra")
CRYPTO_KEY = DAY_KEY.replace("us_stocks_sip", "global_crypto")
BONDS_KEY = DAY_KEY.replace("us_stocks_sip", "us_bonds")
CONTRACTS = ("O:AAPL240119C00100000", "O:BRKB240119P00300000", "O:SPY240119C00475000")


class Unprintable:
    """Nothing that any argument takes."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")


WRONG: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            "",
            "x",
            "*",
            "O:*",
            "a\0b",
            "\ud800",
            "s3://flatfiles/x",
            "../..",
            "~nobody-of-this-name/x",
            "1_000",
            "localtime",
            "2024-02-30",
            "AAPL,MSFT",
            b"AAPL",
            (),
            [],
            {},
            [[]],
            [None],
            {"ticker": 1},
            {1, 2},
            float("nan"),
            float("inf"),
            10**400,
            1j,
            object(),
            Unprintable(),
            dt.date(1, 1, 1),
            dt.date(2024, 1, 6),
            dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
            dt.timedelta(1),
            dt.UTC,
            zoneinfo.ZoneInfo("Asia/Tokyo"),
            decimal.Decimal("NaN"),
            decimal.Decimal("470.5"),
            np.int64(3),
            np.float32(0.1),
            np.bool_(True),
            np.datetime64("NaT"),
            np.datetime64("2024-01-02"),
            np.array([1, 2]),
            np.array(3),
            np.array(["AAPL", "SPY"]),
            pd.NaT,
            pd.NA,
            pd.Timestamp("2024-01-02"),
            pd.Series(["AAPL"]),
            pd.DataFrame({"ticker": [1.5, None]}),
            pl.Series(["AAPL"]),
            pl.col("ticker"),
            pl.DataFrame({"ticker": [1]}),
            pl.LazyFrame({"ticker": ["O:X"]}),
            len,
            int,
            Path("x"),
        ]
    ),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.binary(max_size=4),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=4)), max_size=3),
    st.tuples(st.floats(), st.floats()),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)

SYMBOLS = st.one_of(
    st.sampled_from([*TICKERS, *CONTRACTS, "aapl", "BRK/B", "O:SPY*", "SPY   240119C00475000"]),
    st.lists(st.sampled_from([*TICKERS, *CONTRACTS]), min_size=1, max_size=3),
    st.none(),
)
DATA_TYPES = st.sampled_from(
    ["stocks_daily", "options_daily", "crypto_daily", "us_bonds/day_aggs_v1", "us_bonds/day_agg"]
)
DAYS = st.sampled_from([DAY, "2024-01-01", "2024-01-06", dt.date(2024, 1, 3)])
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "data_type": DATA_TYPES,
    "start": DAYS,
    "end": DAYS,
    "start_date": DAYS,
    "end_date": DAYS,
    "day": DAYS,
    "date": DAYS,
    "symbols": SYMBOLS,
    "symbol": SYMBOLS,
    "underlying": st.sampled_from(["SPY", "BRK.B", "SPX"]),
    "underlyings": st.sampled_from(["SPY", "BRK.B", None]),
    "roots": st.sampled_from(["SPY", None]),
    "expiry": st.sampled_from([("2024-01-01", None), None]),
    "strike": st.sampled_from([(470, 480), (np.int64(3), None), None]),
    "option_type": st.sampled_from(["call", "put", None]),
    "columns": st.sampled_from(["close", ["ticker", "volume"], "vwap", None]),
    "tz": st.sampled_from(["UTC", "America/New_York", zoneinfo.ZoneInfo("Asia/Tokyo")]),
    "missing": st.sampled_from(["ignore", "warn", "raise"]),
    "strict": st.booleans(),
    "quote_sizes": st.sampled_from(["as stored", "shares"]),
    "frame": st.sampled_from(["polars", "pandas"]),
    "bucket": st.just("flatfiles"),
    "key": st.sampled_from([DAY_KEY, "none"]),
    "keys": st.sampled_from([[DAY_KEY, "none"], []]),
    "prefix": st.sampled_from(["", "us_stocks_sip/"]),
    "hours": st.sampled_from(["all", "regular"]),
    "adjust": st.none(),
    "as_of": st.none(),
    "follow_renames": st.just(False),
    "client": st.none(),
    "progress": st.just(False),
    "decompress": st.booleans(),
    "max_keys": st.integers(1, 3),
    "query": st.just("SELECT close FROM stocks_daily WHERE date = '2024-01-02'"),
}
LOAD = (
    "symbols",
    "underlyings",
    "expiry",
    "strike",
    "option_type",
    "columns",
    "tz",
    "missing",
    "strict",
    "quote_sizes",
    "hours",
    "adjust",
    "as_of",
    "follow_renames",
)
OPTIONAL = frozenset(LOAD) | {
    "client",
    "frame",
    "roots",
    "max_keys",
    "decompress",
    "symbol",
    "data_types",
}


def arguments(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Keyword arguments: some of the optional ones; at least one has a value of any kind."""

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        wrong = draw(st.sampled_from(names))
        chosen: dict[str, Any] = {}
        for name in names:
            if name == wrong or name not in RIGHT:
                chosen[name] = draw(WRONG)
            elif name not in OPTIONAL or draw(st.integers(0, 3)) == 0:
                chosen[name] = draw(RIGHT[name])
        return chosen

    return build()


DOCUMENTED = (ValueError, FlatnbError, OSError, ImportError, pl.exceptions.PolarsError)
"""Of polars only where the user gives a query or a frame of polars: see `check`."""


def check(function: Callable[..., object], polars_errors: bool, given: dict[str, Any]) -> None:
    """Call it; any other exception than the documented ones fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**given)
        except DOCUMENTED as error:
            is_of_polars = isinstance(error, pl.exceptions.PolarsError)
            assert polars_errors or not is_of_polars, repr(error)
            assert str(error).strip(), repr(error)


@pytest.fixture(scope="module")
def files() -> Iterator[FaultServer]:
    """A server with a day of three markets and of a folder that nobody registered."""
    with FaultServer() as server:
        server.put(DAY_KEY, gz(day_csv()))
        server.put(OPTIONS_KEY, gz(day_csv(CONTRACTS)))
        server.put(CRYPTO_KEY, gz(day_csv(("X:BTC-USD",))))
        server.put(BONDS_KEY, gz(day_csv().replace(HEADER, HEADER.replace(b"volume", b"date"))))
        yield server


@pytest.fixture(scope="module")
def session(files: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlatSession]:
    """A session on it, with a cache."""
    with FlatSession(
        *CREDENTIALS.values(),
        endpoint_url=files.endpoint_url,
        cache=tmp_path_factory.mktemp("cache"),
        max_retries=0,
        timeout=5,
    ) as session:
        yield session


@pytest.fixture(autouse=True)
def away_from_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> None:
    """What is written to a relative path lies in a folder of the test."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def loop(files: FaultServer) -> Iterator[LoopThread]:
    """The event loop of the asynchronous downloader: a client for each example would be slow."""
    thread = LoopThread("fuzz")
    yield thread
    thread.run(downloader(AsyncS3Downloader, files.endpoint_url).close())
    downloader(SyncS3Downloader, files.endpoint_url).close()
    thread.close()


SESSION_METHODS: dict[str, tuple[str, ...]] = {
    "load": ("data_type", "start", "end", "frame", "progress", *LOAD),
    "plan": ("data_type", "start", "end", "frame", *LOAD),
    "available": ("data_type", "start", "end"),
    "entitlements": ("data_types",),
    "audit": ("data_type", "start", "end"),
    "lock": ("path",),
    "verify": ("path",),
    "scan": ("data_type",),
    "sql": ("query",),
    "to_lake": ("data_type", "start", "end", "path", "client", "progress", *LOAD),
    "chain": (
        "underlying",
        "day",
        "roots",
        "expiry",
        "strike",
        "option_type",
        "frame",
    ),
    "plot": ("frame", "symbol"),
}


@pytest.mark.parametrize("method", sorted(SESSION_METHODS))
@FUZZ
@given(data=st.data())
def test_session(method: str, data: st.DataObject, session: FlatSession, tmp_path: Path) -> None:
    """`FlatSession`'s methods."""
    given = data.draw(arguments(*SESSION_METHODS[method]))
    if method == "plot" and ("frame" not in given or data.draw(st.booleans())):
        given["frame"] = session.load("stocks_daily", DAY, DAY)
    if method == "to_lake" and data.draw(st.booleans()):
        given["path"] = tmp_path / "lake"
    check(getattr(session, method), method in ("sql", "scan"), given)


SETTINGS = (
    "access_key_id",
    "secret_access_key",
    "profile",
    "endpoint_url",
    "bucket",
    "options_root",
    "max_retries",
    "timeout",
    "max_pool_connections",
    "max_concurrent",
    "cache",
    "revalidate",
    "offline",
    "max_decompressed_bytes",
)


@FUZZ
@given(name=st.sampled_from(SETTINGS), value=WRONG)
def test_settings(name: str, value: Any, files: FaultServer) -> None:
    """Those of a session."""

    def make(**changed: Any) -> None:
        keys = {"access_key_id": "key", "secret_access_key": "secret"}
        right = {"endpoint_url": files.endpoint_url, "cache": False, "max_retries": 0}
        with FlatSession(**(keys | right | {"timeout": 5} | changed)) as made:
            repr(made)

    check(make, False, {name: value})


CATALOG_METHODS: dict[str, tuple[str, ...]] = {
    "get_key": ("data_type", "date"),
    "get_stocks_daily_key": ("date",),
    "get_stocks_minute_key": ("date",),
    "get_options_daily_key": ("date",),
    "get_options_minute_key": ("date",),
    "get_date_range_keys": ("data_type", "start_date", "end_date"),
    "parse_key_metadata": ("key",),
    "validate_key": ("key",),
    "get_summary": ("keys",),
    "get_business_days": ("start_date", "end_date"),
    "get_missing_dates": ("existing_dates", "start_date", "end_date"),
}


@pytest.mark.parametrize("method", sorted(CATALOG_METHODS))
@FUZZ
@given(data=st.data())
def test_catalog(method: str, data: st.DataObject) -> None:
    """`S3Catalog`'s methods."""
    check(getattr(S3Catalog(), method), False, data.draw(arguments(*CATALOG_METHODS[method])))


@FUZZ
@given(given=arguments("bucket", "options_root"))
def test_catalog_settings(given: dict[str, Any]) -> None:
    """`S3Catalog` itself."""
    check(S3Catalog, False, given)


DOWNLOADER_METHODS: dict[str, tuple[str, ...]] = {
    "download": ("bucket", "key", "decompress"),
    "download_one": ("bucket", "key", "decompress"),
    "download_batch": ("bucket", "keys", "decompress"),
    "download_to_file": ("bucket", "key", "local_path", "decompress"),
    "list_objects": ("bucket", "prefix", "max_keys"),
    "list_summaries": ("bucket", "prefix", "max_keys"),
    "list_folders": ("bucket", "prefix"),
    "check_exists": ("bucket", "key"),
}


@pytest.mark.parametrize("kind", [SyncS3Downloader, AsyncS3Downloader])
@pytest.mark.parametrize("method", sorted(DOWNLOADER_METHODS))
@FUZZ
@given(data=st.data())
def test_downloaders(
    kind: type[SyncS3Downloader | AsyncS3Downloader],
    method: str,
    data: st.DataObject,
    files: FaultServer,
    loop: LoopThread,
) -> None:
    """The methods of both."""
    if not hasattr(kind, method):
        return
    given = data.draw(arguments(*DOWNLOADER_METHODS[method]))
    call = getattr(downloader(kind, files.endpoint_url), method)
    if kind is AsyncS3Downloader:
        check(lambda **given: loop.run(call(**given)), False, given)
    else:
        check(call, False, given)


DOWNLOADER_SETTINGS = (
    "credentials",
    "endpoint_url",
    "max_retries",
    "timeout",
    "max_pool_connections",
    "backoff_s",
    "listener",
    "max_decompressed_bytes",
    "statistics",
)


@functools.cache
def downloader(kind: Any, endpoint_url: str) -> Any:
    """One for all examples."""
    return kind(CREDENTIALS, endpoint_url, max_retries=0, timeout=5)


@pytest.mark.parametrize("kind", [SyncS3Downloader, AsyncS3Downloader])
@FUZZ
@given(
    name=st.sampled_from(DOWNLOADER_SETTINGS),
    value=WRONG,
)
def test_downloader_settings(kind: Any, name: str, value: Any) -> None:
    """Those of both."""
    check(kind, False, {"credentials": CREDENTIALS, name: value})


CACHE_METHODS: dict[str, tuple[str, ...]] = {
    "days": ("data_type",),
    "clear": ("data_type", "start", "end"),
    "note": ("key",),
}


@pytest.mark.parametrize("method", sorted(CACHE_METHODS))
@FUZZ
@given(data=st.data())
def test_cache(method: str, data: st.DataObject, session: FlatSession) -> None:
    """`DayCache`'s methods."""
    check(getattr(session.cache, method), False, data.draw(arguments(*CACHE_METHODS[method])))


@FUZZ
@given(given=arguments("path", "data_type"), is_there=st.booleans())
def test_lake(
    given: dict[str, Any], is_there: bool, session: FlatSession, tmp_path_factory: Any
) -> None:
    """`Lake`, and what it has."""
    if is_there:
        given["path"] = lake_of(session, tmp_path_factory)
    if isinstance(given["path"], str) and given["path"].startswith("s3://"):
        return  # asks the machine's own AWS keys, and the network

    def use(**given: Any) -> None:
        lake = Lake(**given)
        repr(lake), lake.days, lake.paths, lake.rows, lake.folder, lake._repr_html_()
        lake.scan().collect()

    check(use, False, given)


_LAKES: dict[int, Path] = {}


def lake_of(session: FlatSession, tmp_path_factory: Any) -> Path:
    """One lake for all examples."""
    if id(session) not in _LAKES:
        path = _LAKES[id(session)] = tmp_path_factory.mktemp("lake")
        session.to_lake("stocks_daily", DAY, DAY, path)
    return _LAKES[id(session)]


@FUZZ
@given(frame=WRONG, column=st.one_of(WRONG, st.lists(WRONG, max_size=3)))
def test_option_fields(frame: Any, column: Any) -> None:
    """Of frames of both libraries with any column ``ticker``, and of what is no frame."""
    check(with_option_fields, True, {"frame": frame})
    for library in (pl, pd):
        try:
            made = library.DataFrame({"ticker": column})
        except (Exception, pl.exceptions.PanicException):  # the library makes no frame of it
            continue
        check(with_option_fields, False, {"frame": made})


@FUZZ
@given(given=arguments("name", "root", "folder", "columns", "days", "optional", "kind"))
@pytest.mark.usefixtures("clean_registry")
def test_register(given: dict[str, Any]) -> None:
    """`FlatSession.register`."""
    check(FlatSession.register, False, {"name": "bonds", "root": "us_bonds"} | given)


def test_all_load_options_are_tried() -> None:
    """Also those that come later."""
    assert sorted(LOAD) == sorted(LoadOptions.__annotations__)


def test_the_fuzz_can_fail() -> None:
    """So that the tests above cannot pass for the wrong reason."""
    for error in (AttributeError("x"), TypeError("x"), IndexError("x"), KeyError("x")):

        def broken(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)):
            check(broken, True, {})

    def of_polars() -> None:
        raise pl.exceptions.ComputeError("x")

    with pytest.raises(AssertionError):
        check(of_polars, False, {})


def test_events_of_a_listener_are_its_own(files: FaultServer) -> None:
    """What a listener raises is no matter of flatnb's: it comes out unchanged."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError

    with (
        SyncS3Downloader(CREDENTIALS, files.endpoint_url, listener=listener) as made,
        pytest.raises(ZeroDivisionError),
    ):
        made.download("flatfiles", DAY_KEY)
