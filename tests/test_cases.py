"""Faults that users' own reports found, each with the right value."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flatnb
from flatnb import AsyncS3Downloader, FlatnbWarning, FlatSession, S3Catalog
from flatnb.errors import BucketNotFoundError, ObjectNotFoundError
from flatnb.explore.lockfile import Lock
from flatnb.lake.lake import Lake
from flatnb.load.journal import UsedFile
from flatnb.market.calendar import EXCHANGE_ZONE, trading_days
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.twins import CREDENTIALS, MakeTwin

HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
DAY, NEXT = "2024-01-02", "2024-01-03"
CATALOG = S3Catalog(options_root="us_options_opra")
MIDNIGHT_NS = 1704171600 * 10**9
"""2024-01-02 in New York."""


def csv_of(*tickers: str, header: str = HEADER, tail: str = "", start_ns: int = MIDNIGHT_NS) -> str:
    """A file with one bar of each ticker."""
    rows = [f"{ticker},10,1,2,3,0.5,{start_ns},7{tail}" for ticker in tickers]
    return "\n".join([header, *rows, ""])


def put(server: FaultServer, data_type: str, day: str, text: str) -> None:
    """Serve a day's file."""
    server.put(CATALOG.get_key(data_type, day), gzip.compress(text.encode(), 1))


NewSession = Callable[..., FlatSession]


@pytest.fixture
def new_session(fault_server: FaultServer, tmp_path: Path) -> Iterator[NewSession]:
    """Makes sessions with a cache of their own."""
    made: list[FlatSession] = []

    def new(**arguments: Any) -> FlatSession:
        defaults: dict[str, Any] = {
            "endpoint_url": fault_server.endpoint_url,
            "cache": tmp_path / f"cache-{len(made)}",
            "max_retries": 1,
            "timeout": 5,
        }
        made.append(FlatSession("key", "secret", **(defaults | arguments)))
        return made[-1]

    yield new
    for session in made:
        session.close()


@pytest.mark.parametrize(
    ("folder", "other"),
    [
        ("[ab]", "a"),
        ("[!a]", "b"),
        ("q?", "q1"),
        ("st*r", "star"),
        ("{x,y}", "x"),
        ("year=2024", "x"),
        ("date=2020-01-01", "x"),
        ("50%20 #1", "50 #1"),
    ],
)
def test_a_lake_is_where_its_path_says(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path, folder: str, other: str
) -> None:
    """Also where the path is a pattern that fits another lake, in polars and in Dask."""
    session = new_session()
    days = trading_days("2024-01-02", "2024-01-03")
    for day in (DAY, NEXT):
        put(fault_server, "stocks_daily", day, csv_of("AAPL"))
    lake = session.to_lake("stocks_daily", DAY, NEXT, tmp_path / folder, symbols="AAPL")
    for day in (DAY, NEXT):
        put(fault_server, "stocks_daily", day, csv_of("ZZZ"))
    session.to_lake("stocks_daily", DAY, NEXT, tmp_path / other)
    expected = [(days[0], "AAPL"), (days[1], "AAPL")]
    for each in (lake, Lake(tmp_path / folder, "stocks_daily")):
        assert each.scan().select("date", "ticker").collect().rows() == expected
        assert each.scan().filter(pl.col("date") == days[1]).collect()["date"].to_list() == days[1:]
        found = each.to_dask().compute(scheduler="sync")
        assert [*zip(found["date"], found["ticker"], strict=True)] == [
            (str(day), ticker) for day, ticker in expected
        ]
        assert str(found["date"].dtype) == "category"
        assert set(found.columns) == set(each.scan().collect_schema().names())
        assert each.to_dask()["volume"].sum().compute(scheduler="sync") == 20


@pytest.mark.parametrize("folder", ["[ab]", "q?", "st*r", "{x,y}", "date=2020-01-01"])
def test_a_cache_is_where_its_path_says(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path, folder: str
) -> None:
    """The days, their locks and the lock file of the notebook."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    session = new_session(cache=tmp_path / folder)
    for expected in ("loaded", "cached"):
        assert session.load("stocks_daily", DAY, DAY)["ticker"].to_list() == ["AAPL"]
        assert session.last_report is not None
        assert [day.status for day in session.last_report] == [expected]
    assert session.cache is not None
    assert session.cache.days("stocks_daily") == trading_days(DAY, DAY)
    assert [path.name for path in tmp_path.iterdir()] == [folder]
    session.lock(tmp_path / folder / "used.json")
    assert session.verify(tmp_path / folder / "used.json")
    assert session.cache.clear() == 1
    assert not session.cache.days("stocks_daily")


@pytest.fixture
def moto_url() -> Iterator[str]:
    """Moto's S3 server with the bucket ``flatfiles`` and two days of daily bars in it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="flatfiles")
    for day in (DAY, NEXT):
        body = gzip.compress(csv_of("AAPL").encode())
        client.put_object(Bucket="flatfiles", Key=CATALOG.get_key("stocks_daily", day), Body=body)
    yield url
    client.close()
    server.stop()


USES_OF_A_BUCKET: dict[str, Callable[[FlatSession, Path], object]] = {
    "load": lambda s, _: s.load("stocks_daily", DAY, NEXT, missing="ignore"),
    "load by listing": lambda s, _: s.load("crypto_daily", DAY, NEXT, missing="ignore"),
    "plan": lambda s, _: s.plan("stocks_daily", DAY, NEXT),
    "available": lambda s, _: s.available("stocks_daily", DAY, NEXT),
    "catalog_view": lambda s, _: s.catalog_view(),
    "entitlements": lambda s, _: s.entitlements("stocks_daily"),
    "audit": lambda s, _: s.audit("stocks_daily", DAY, NEXT),
    "scan": lambda s, _: s.scan("stocks_daily").filter(date=pl.date(2024, 1, 2)).collect(),
    "scan without a bound": lambda s, _: s.scan("stocks_daily").collect(),
    "sql": lambda s, _: s.sql(f"SELECT * FROM stocks_daily WHERE date = '{DAY}'"),
    "to_lake": lambda s, tmp: s.to_lake("stocks_daily", DAY, NEXT, tmp / "lake"),
    "chain": lambda s, _: s.chain("SPY", DAY),
    "verify": lambda s, tmp: s.verify(locked(tmp, s.catalog.bucket)),
}


def locked(folder: Path, bucket: str) -> Path:
    """A lock file of one file."""
    path = folder / "used.json"
    key = CATALOG.get_key("stocks_daily", DAY)
    Lock(bucket, (UsedFile(key, '"etag"', 1, "columns"),)).write(path)
    return path


@pytest.mark.parametrize("use", USES_OF_A_BUCKET)
@pytest.mark.parametrize("wrong", ["bucket", "path of the endpoint"])
def test_a_wrong_bucket_is_an_error_that_names_it(
    moto_url: str, new_session: NewSession, tmp_path: Path, use: str, wrong: str
) -> None:
    """In every method; it is no empty frame and no report of missing days."""
    arguments = {"endpoint_url": moto_url, "bucket": "flat-files"}
    if wrong != "bucket":
        arguments = {"endpoint_url": f"{moto_url}/flatfiles", "bucket": "flatfiles"}
    session = new_session(**arguments)
    with pytest.raises(BucketNotFoundError, match=arguments["bucket"]) as caught:
        USES_OF_A_BUCKET[use](session, tmp_path)
    assert "Check bucket" in str(caught.value)
    assert "endpoint_url" in str(caught.value)


@pytest.mark.parametrize("wrong", ["bucket", "path of the endpoint"])
def test_the_downloaders_name_a_wrong_bucket(
    moto_url: str, make_twin: MakeTwin, tmp_path: Path, wrong: str
) -> None:
    """Also after a HEAD, whose response has no body."""
    bucket = "flat-files" if wrong == "bucket" else "flatfiles"
    url = moto_url if wrong == "bucket" else f"{moto_url}/flatfiles"
    key = CATALOG.get_key("stocks_daily", DAY)
    for use in (
        lambda twin: twin.download(bucket, key),
        lambda twin: twin.download_to_file(bucket, key, tmp_path / "day.csv"),
        lambda twin: twin.list_objects(bucket, "us_stocks_sip/"),
        lambda twin: twin.check_exists(bucket, key),
    ):
        with pytest.raises(BucketNotFoundError, match=bucket):
            use(make_twin(url))
    twin = make_twin(moto_url)
    assert not twin.check_exists("flatfiles", "none.csv.gz")
    with pytest.raises(ObjectNotFoundError):
        twin.download("flatfiles", "none.csv.gz")


def test_a_batch_names_a_wrong_bucket(moto_url: str) -> None:
    """It is the same for all keys, and no list of Nones."""
    keys = [CATALOG.get_key("stocks_daily", day) for day in (DAY, NEXT)]

    async def run(bucket: str) -> list[bool]:
        async with AsyncS3Downloader(CREDENTIALS, moto_url) as downloader:
            return [each is not None for each in await downloader.download_batch(bucket, keys)]

    with pytest.raises(BucketNotFoundError, match="flat-files"):
        asyncio.run(run("flat-files"))
    assert asyncio.run(run("flatfiles")) == [True, True]


def test_a_missing_key_is_no_wrong_bucket(
    fault_server: FaultServer, make_twin: MakeTwin, new_session: NewSession
) -> None:
    """One listing tells; none where the bucket is known, or where keys may not list."""
    twin = make_twin(fault_server.endpoint_url)
    for _ in range(2):
        assert not twin.check_exists("flatfiles", "none.csv.gz")
    assert [request.kind for request in fault_server.requests] == ["head", "list", "head"]
    fault_server.always("", faults.s3_error("AccessDenied"))
    assert not make_twin(fault_server.endpoint_url).check_exists("flatfiles", "none.csv.gz")
    with pytest.warns(FlatnbWarning, match="2 of 2 days have no file"):
        assert new_session().load("stocks_daily", DAY, NEXT).is_empty()


@pytest.mark.parametrize("keys", ["one/key.csv.gz", b"one/key.csv.gz", 5, None])
def test_a_single_key_is_no_list_of_keys(fault_server: FaultServer, keys: Any) -> None:
    """Its characters would be taken for keys."""

    async def run() -> None:
        async with AsyncS3Downloader(CREDENTIALS, fault_server.endpoint_url) as downloader:
            await downloader.download_batch("flatfiles", keys)

    with pytest.raises(ValueError, match="must be a list, also for a single element"):
        asyncio.run(run())
    assert fault_server.requests == []


def test_no_module_switches_the_warnings_of_the_process() -> None:
    """`warnings.catch_warnings` and the filters are the process's: no thread may change them."""
    forbidden = {"catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"}
    for path in Path(flatnb.__file__).parent.rglob("*.py"):
        names = {
            getattr(node, "attr", getattr(node, "id", None))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        }
        assert not names & forbidden, path


def test_chains_in_threads_leave_warnings_on(
    fault_server: FaultServer, new_session: NewSession
) -> None:
    """Then a load of two days without a file warns."""
    session = new_session()
    days = trading_days("2024-01-02", "2024-01-11")
    for day in days:
        put(fault_server, "options_daily", str(day), csv_of("O:SPY240119C00475000"))
        put(fault_server, "stocks_daily", str(day), csv_of("SPY"))
    with ThreadPoolExecutor(4) as pool:
        chains = list(pool.map(lambda day: session.chain("SPY", day), days))
    assert [chain.height for chain in chains] == [1] * len(days)
    with pytest.warns(FlatnbWarning, match="2 of 2 days have no file"):
        session.load("stocks_daily", "2024-02-01", "2024-02-02")


def test_a_scan_has_the_days_before_2003(
    fault_server: FaultServer, new_session: NewSession, clean_registry: None
) -> None:
    """Of types with a first day, without one, by the calendar or by listing; and their kin."""
    columns = HEADER.split(",")
    old = date(1998, 3, 2)
    for name, options in {
        "with_first_day": {"first_day": old},
        "by_calendar": {"first_day": old, "days": "calendar"},
        "unknown": {},
        "unknown_by_calendar": {"days": "calendar"},
    }.items():
        FlatSession.register(name, "us_old", f"{name}_day_aggs_v1", columns, **options)
        for day in (old, date(1998, 3, 3), date(2004, 5, 5)):
            put(fault_server, name, str(day), csv_of("AAPL"))
        session = new_session(max_retries=0)
        fault_server.forget_requests()
        with pytest.warns(FlatnbWarning):  # of a query without a bound
            found = session.scan(name).select("date").collect()["date"].to_list()
        assert found == [old, date(1998, 3, 3), date(2004, 5, 5)], name
        before = session.scan(name).filter(pl.col("date") < date(1998, 4, 1))
        with pytest.warns(FlatnbWarning) if options.get("days") else contextlib.nullcontext():
            assert before.collect().height == 2
        assert session.available(name).first == old
        assert session.entitlements(name)[name].first_day == old
        with pytest.warns(FlatnbWarning) if options else contextlib.nullcontext():
            assert session.load(name, "0001-01-01", "1998-03-03").height == 2
        assert len(fault_server.requests) < 600


def test_a_column_that_appears_is_null_before(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path
) -> None:
    """In the order asked, loaded or cached, by symbols, and in a lake; as without ``columns``."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL", "MSFT"))
    put(fault_server, "stocks_daily", NEXT, csv_of("AAPL", header=f"{HEADER},vwap", tail=",1.25"))
    for session in (new_session(), new_session(cache=False)):
        for columns in (["ticker", "vwap"], ["vwap", "ticker"], ["vwap"]):
            for _ in range(2):
                frame = session.load("stocks_daily", DAY, NEXT, columns=columns)
                assert frame.columns == ["date", *columns]
                assert frame["vwap"].to_list() == [None, None, "1.25"]
        frame = session.load(
            "stocks_daily", DAY, NEXT, columns=["ticker", "vwap"], symbols="AAPL", frame="pandas"
        )
        assert [*frame["ticker"]] == ["AAPL", "AAPL"]
        lake = session.to_lake(
            "stocks_daily", DAY, NEXT, tmp_path / str(id(session)), columns=["vwap", "ticker"]
        )
        rows = lake.scan().collect()
        assert rows.columns == ["date", "vwap", "ticker"]
        assert rows["vwap"].to_list() == [None, None, "1.25"]
        with pytest.raises(ValueError, match=r"'vwop'.*choose from: ticker, .*vwap"):
            session.load("stocks_daily", DAY, NEXT, columns=["ticker", "vwop"])
        with pytest.raises(ValueError, match=r"'vwap'.*choose from: ticker, "):
            session.load("stocks_daily", DAY, DAY, columns=["ticker", "vwap"])


def minutes_of(day: date, tickers: int, lacking: int) -> str:
    """Minute bars of a session from 9:30 to 16:00; some tickers lack the last two."""
    opens = datetime(day.year, day.month, day.day, 9, 30, tzinfo=EXCHANGE_ZONE)
    first = int(opens.timestamp())
    rows = [
        f"T{ticker:03},10,1,2,3,0.5,{(first + 60 * minute) * 10**9},7"
        for ticker in range(tickers)
        for minute in range(389 if ticker < lacking else 391)
    ]
    return "\n".join([HEADER, *rows, ""])


@pytest.mark.parametrize(("lacking", "found"), [(40, [date(2024, 1, 4)]), (4, []), (0, [])])
def test_an_audit_finds_lacking_closing_bars(
    fault_server: FaultServer, new_session: NewSession, lacking: int, found: list[date]
) -> None:
    """Where more names lack them than on the days around: the day is named."""
    days = trading_days("2024-01-02", "2024-01-05")
    for day in days:
        text = minutes_of(day, 100, lacking if day == date(2024, 1, 4) else 0)
        put(fault_server, "stocks_minute", str(day), text)
    audit = new_session().audit("stocks_minute", days[0], days[-1])
    assert [(each.date, each.check) for each in audit.findings] == [
        (day, "closing bars") for day in found
    ]
    assert ("40 of 100 busy names lack" in repr(audit)) == bool(found)


def test_a_plan_offline_knows_what_is_not_cached(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path
) -> None:
    """Such a day is not missing: the bucket was not asked."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    new_session(cache=tmp_path).load("stocks_daily", DAY, DAY)
    fault_server.forget_requests()
    plan = new_session(cache=tmp_path, offline=True).plan("stocks_daily", DAY, NEXT)
    assert [day.status for day in plan.days] == ["cached", "not cached"]
    assert (plan.files, fault_server.requests) == (1, [])
    assert "1 not cached" in repr(plan)
    assert "flatnb-day-missing" in plan._repr_html_()


@pytest.mark.parametrize(
    "use", ["load", "to_lake", "audit", "scan", "sql", "chain", "second to_lake"]
)
def test_a_lock_has_all_files_that_were_used(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path, use: str
) -> None:
    """Whatever used them, and from the cache too."""
    put(fault_server, "stocks_daily", DAY, csv_of("SPY"))
    put(fault_server, "options_daily", DAY, csv_of("O:SPY240119C00475000"))
    if use == "second to_lake":
        new_session().to_lake("stocks_daily", DAY, DAY, tmp_path / "lake")
    session = new_session()
    uses = USES_OF_A_BUCKET | {
        "load": lambda s, _: s.load("stocks_daily", DAY, DAY),
        "audit": lambda s, _: s.audit("stocks_daily", DAY, DAY),
        "to_lake": lambda s, tmp: s.to_lake("stocks_daily", DAY, DAY, tmp / "lake"),
    }
    uses["second to_lake"] = uses["to_lake"]
    uses[use](session, tmp_path)
    names = {"stocks_daily", "options_daily"} if use == "chain" else {"stocks_daily"}
    lock = session.lock(tmp_path / "used.json")
    assert {file.key for file in lock.files} == {CATALOG.get_key(name, DAY) for name in names}
    assert session.verify(tmp_path / "used.json")


def test_an_empty_lock_is_refused(new_session: NewSession, tmp_path: Path) -> None:
    """It would verify, whatever the bucket has."""
    session = new_session()
    path = tmp_path / "used.json"
    with pytest.raises(ValueError, match="used no file yet; call lock"):
        session.lock(path)
    assert not path.exists()
    path.write_text('{"flatnb": "0", "schema": "3", "bucket": "flatfiles", "files": {}}')
    with pytest.raises(ValueError, match="locks no file"):
        session.verify(path)
