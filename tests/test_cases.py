"""Faults that users' own reports found, each with the right value."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import errno
import gzip
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import flatnb
from flatnb import (
    AsyncS3Downloader,
    FlatnbWarning,
    FlatSession,
    LoadError,
    MissingDaysError,
    S3Catalog,
)
from flatnb.cli import main
from flatnb.errors import BucketNotFoundError, ObjectNotFoundError
from flatnb.explore.lockfile import Lock
from flatnb.lake.day_task import content_label
from flatnb.lake.lake import Lake
from flatnb.load.journal import UsedFile
from flatnb.load.request import Request
from flatnb.market.calendar import EXCHANGE_ZONE, exchange_today, trading_days
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
    keys = [CATALOG.get_key("stocks_daily", day) for day in (DAY, NEXT)]
    for key in keys:
        body = gzip.compress(csv_of("AAPL").encode())
        client.put_object(Bucket="flatfiles", Key=key, Body=body)
    yield url
    # moto's servers of one process share the names of buckets.
    for key in keys:
        client.delete_object(Bucket="flatfiles", Key=key)
    client.delete_bucket(Bucket="flatfiles")
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
    with pytest.warns(FlatnbWarning, match="2 of 2 days missing"):
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
    with pytest.warns(FlatnbWarning, match="2 of 2 days missing"):
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


FORKED = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of Python, for a fork among threads
from flatnb import FlatSession, S3Catalog
from flatnb.lake.lake import Lake
import polars as pl

def new():
    return FlatSession("key", "secret", endpoint_url={url!r}, cache={cache!r})

def try_all(session, job):
    outcomes = {{}}
    for name, use in {{
        "load": lambda: session.load("stocks_daily", "2024-01-02", "2024-01-02"),
        "load anew": lambda: new().load("stocks_daily", "2024-01-02", "2024-01-02"),
        "start": lambda: session.start("stocks_daily", "2024-01-02", "2024-01-02").result(),
        "job": lambda: job and job.result(),
        "plan": lambda: session.plan("stocks_daily", "2024-01-02", "2024-01-02"),
        "available": lambda: session.available("stocks_daily", "2024-01-02", "2024-01-02"),
        "catalog_view": lambda: session.catalog_view(),
        "entitlements": lambda: session.entitlements("stocks_daily"),
        "audit": lambda: session.audit("stocks_daily", "2024-01-02", "2024-01-02"),
        "lock": lambda: session.lock({path!r} + ".lock"),
        "verify": lambda: session.verify({path!r} + ".lock"),
        "scan": lambda: session.scan("stocks_daily").head(1).collect(),
        "sql": lambda: session.sql("SELECT * FROM stocks_daily LIMIT 1"),
        "to_lake": lambda: session.to_lake("stocks_daily", "2024-01-02", "2024-01-02", {path!r}),
        "lake": lambda: Lake({path!r}, "stocks_daily").scan(),
        "chain": lambda: session.chain("SPY", "2024-01-02"),
        "picker": lambda: session.picker(),
    }}.items():
        try:
            use()
            outcomes[name] = "worked"
        except RuntimeError as error:
            outcomes[name] = "spawn" if "get_context('spawn')" in str(error) else str(error)
    return outcomes

def in_a_fork(queue, session, job):
    queue.put(try_all(session, job))

def in_a_spawn(queue):
    queue.put(new().load("stocks_daily", "2024-01-02", "2024-01-02").height)

if __name__ == "__main__":
    session, job = new(), None
    if {use!r} == "flatnb":
        job = session.start("stocks_daily", "2024-01-02", "2024-01-02")
        job.result()
        session.to_lake("stocks_daily", "2024-01-02", "2024-01-02", {path!r})
        session.lock({path!r} + ".lock")
    elif {use!r} == "polars":
        pl.DataFrame({{"a": [*range(1000)]}}).lazy().filter(pl.col("a") > 1).collect()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_a_fork, args=(queue, session, job))
    child.start()
    print(queue.get(timeout=60))
    child.join(60)
    spawned = multiprocessing.get_context("spawn").Queue()
    child = multiprocessing.get_context("spawn").Process(target=in_a_spawn, args=(spawned,))
    child.start()
    print(spawned.get(timeout=60))
    child.join(60)
    print(session.load("stocks_daily", "2024-01-02", "2024-01-02").height)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork, and /proc")
@pytest.mark.parametrize("use", ["flatnb", "polars"])
def test_a_fork_after_the_first_use_says_spawn(
    fault_server: FaultServer, tmp_path: Path, use: str
) -> None:
    """In every method, before anything waits; a spawned process and the parent work."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    script = tmp_path / "script.py"
    script.write_text(
        FORKED.format(
            url=fault_server.endpoint_url,
            cache=str(tmp_path / "cache"),
            path=str(tmp_path / "lake"),
            use=use,
        )
    )
    # A script's own folder is on the path, and not the working directory.
    environment = os.environ | {"PYTHONPATH": str(Path(flatnb.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.stderr == ""
    forked, spawned, parent = done.stdout.splitlines()
    outcomes = ast.literal_eval(forked)
    if use == "polars":  # where there is no job
        del outcomes["job"]
    assert outcomes == dict.fromkeys(outcomes, "spawn")
    assert len(outcomes) >= 15
    assert (spawned, parent) == ("1", "1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_before_the_first_use_works(fault_server: FaultServer, tmp_path: Path) -> None:
    """Nothing was started yet, so nothing is waited for."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    script = f"""
import os
from flatnb import FlatSession
session = FlatSession("key", "secret", endpoint_url={fault_server.endpoint_url!r}, cache=False)
child = os.fork()
assert session.load("stocks_daily", "2024-01-02", "2024-01-02").height == 1
print(os.waitpid(child, 0)[1]) if child else os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("end", ["2262-04-11", "9999-12-31"])
def test_an_end_far_ahead_is_cut_off_at_today(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path, end: str
) -> None:
    """At once, in every method; the future is told of once, not day by day."""
    session = new_session()
    today = exchange_today()
    start = today - timedelta(days=10)
    days = trading_days(start, today)
    for day in days:
        put(fault_server, "stocks_daily", str(day), csv_of("AAPL"))
        put(fault_server, "crypto_daily", str(day), csv_of("X:BTC-USD"))
    began = time.monotonic()
    with pytest.warns(FlatnbWarning, match=r"the day is in the future, and so are later ones"):
        assert session.load("stocks_daily", start, end)["date"].unique().to_list() == days
    assert session.last_report is not None
    statuses = [day.status for day in session.last_report]
    assert statuses == ["loaded"] * len(days) + ["missing"]
    with pytest.raises(MissingDaysError, match="1 of"):
        session.load("stocks_daily", start, end, missing="raise")
    with pytest.warns(FlatnbWarning, match=f"days after {today} are in the future"):
        assert session.load("crypto_daily", start, end)["date"].unique().to_list() == days
    plan = session.plan("stocks_daily", start, end)
    assert [day.status for day in plan.days] == ["cached"] * len(days) + ["late"]
    assert "so are later ones" in plan.days[-1].note
    assert session.plan("crypto_daily", start, end).days[-1].date == days[-1]
    assert list(session.available("stocks_daily", start, end).days) == days
    assert list(session.available("crypto_daily", None, end).days) == days
    assert set(session.audit("stocks_daily", start, end).days) <= set(days)
    until = pl.col("date").is_between(start, date.fromisoformat(end))
    assert session.scan("stocks_daily").filter(until).collect().height == len(days)
    with pytest.warns(FlatnbWarning, match="so are later ones"):
        lake = session.to_lake("stocks_daily", start, end, tmp_path / "lake")
    assert lake.days == days
    with pytest.warns(FlatnbWarning, match="so are later ones"):
        assert session.load("stocks_daily", today + timedelta(days=9), end).is_empty()
    with pytest.warns(FlatnbWarning):
        assert session.load("stocks_daily", "0001-01-01", "2003-09-09").is_empty()
    assert len(session.last_report) == 1
    assert time.monotonic() - began < 10


def test_no_day_is_enumerated_twice_or_lost_around_today(
    fault_server: FaultServer, new_session: NewSession
) -> None:
    """With each end from before today to after it, each trading day to today has an outcome."""
    today = exchange_today()
    session = new_session(cache=False)
    start = today - timedelta(days=6)
    for ahead in range(-6, 10):
        end = today + timedelta(days=ahead)
        session.load("stocks_daily", start, end, missing="ignore")
        assert session.last_report is not None
        dates = [day.date for day in session.last_report]
        expected = trading_days(start, end)
        past = [day for day in expected if day <= today]
        assert dates == past + [day for day in expected if day > today][:1]


def test_download_to_file_makes_the_folders(
    fault_server: FaultServer, make_twin: MakeTwin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its target, also below ``~``; an address is no path."""
    key = CATALOG.get_key("stocks_daily", DAY)
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    twin = make_twin(fault_server.endpoint_url)
    for path in (tmp_path / "a" / "b" / "day.csv", "c/d/day.csv", "~/e/day.csv"):
        twin.download_to_file("flatfiles", key, path)  # type: ignore[arg-type]
    for place in ("a/b", "c/d", "home/e"):
        assert (tmp_path / place / "day.csv").read_text() == csv_of("AAPL")
    for wrong in ("s3://mine/day.csv", "", None, 5):
        with pytest.raises(ValueError, match="local_path="):
            twin.download_to_file("flatfiles", key, wrong)  # type: ignore[arg-type]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c", "home"}


def test_a_cut_listing_says_so(fault_server: FaultServer, make_twin: MakeTwin) -> None:
    """Whether in the first page or after several; a listing of exactly all keys does not."""
    keys = [f"folder/{number:04}" for number in range(1203)]
    for key in keys:
        fault_server.put(key, b"")
    twin = make_twin(fault_server.endpoint_url)
    for count in (1, 1000, 1001, 1202):
        with pytest.warns(FlatnbWarning, match=f"max_keys={count} has cut the listing"):
            assert twin.list_objects("flatfiles", "folder/", count) == keys[:count]
    with pytest.warns(FlatnbWarning, match="raise max_keys"):
        twin.list_objects("flatfiles", "folder/")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (1203, 5000):
            assert twin.list_objects("flatfiles", "folder/", count) == keys


def test_the_prefixes_of_the_documented_types() -> None:
    """As class attributes; the keys of each catalogue begin with its own."""
    assert S3Catalog.STOCKS_DAILY_PREFIX == "us_stocks_sip/day_aggs_v1"
    assert S3Catalog.STOCKS_MINUTE_PREFIX == "us_stocks_sip/minute_aggs_v1"
    assert S3Catalog.OPTIONS_DAILY_PREFIX == "us_options/day_aggs_v1"
    assert S3Catalog.OPTIONS_MINUTE_PREFIX == "us_options/minute_aggs_v1"
    for catalog in (S3Catalog(), S3Catalog(options_root="us_options_opra")):
        for name in ("stocks_daily", "stocks_minute", "options_daily", "options_minute"):
            prefix = getattr(catalog, f"{name.upper()}_PREFIX")
            assert catalog.get_key(name, DAY) == f"{prefix}/2024/01/{DAY}.csv.gz"


def test_a_relative_cache_stays_where_it_was(
    fault_server: FaultServer,
    new_session: NewSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the working directory changes; of the argument and of the environment."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    for cache in ("c", Path("d"), True):
        monkeypatch.chdir(tmp_path / "first")
        monkeypatch.setenv("FLATNB_CACHE", "e")
        session = new_session(cache=cache)
        session.load("stocks_daily", DAY, DAY)
        monkeypatch.chdir(tmp_path / "second")
        session.load("stocks_daily", DAY, DAY)
        assert session.last_report is not None
        assert [day.status for day in session.last_report] == ["cached"]
    assert {path.name for path in (tmp_path / "first").iterdir()} == {"c", "d", "e"}
    assert list((tmp_path / "second").iterdir()) == []


@pytest.mark.parametrize("cache", ["s3://b/x", "https://b/x", "", b"x", 3, "~nobody-here/x"])
def test_what_is_no_cache(monkeypatch: pytest.MonkeyPatch, cache: Any) -> None:
    """An address would become a folder called ``s3:``."""
    with pytest.raises(ValueError, match="cache="):
        FlatSession("key", "secret", cache=cache)
    if isinstance(cache, str) and cache:
        monkeypatch.setenv("FLATNB_CACHE", cache)
        with pytest.raises(ValueError, match="cache="):
            FlatSession("key", "secret")


def test_a_tilde_is_the_users_home(
    fault_server: FaultServer,
    new_session: NewSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In caches, lakes, lock files and the command's ``--out``."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    session = new_session(cache="~/cache")
    session.load("stocks_daily", DAY, DAY)
    session.lock("~/used.json")
    assert session.verify("~/used.json")
    assert session.to_lake("stocks_daily", DAY, DAY, "~/lake").scan().collect().height == 1
    assert Lake("~/lake", "stocks_daily").scan().collect().height == 1
    monkeypatch.setenv("MASSIVE_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("MASSIVE_S3_SECRET_KEY", "secret")
    url = ["--endpoint-url", fault_server.endpoint_url]
    assert main(["load", "stocks_daily", DAY, DAY, "--out", "~/out.csv", *url]) == 0
    assert main(["load", "stocks_daily", DAY, DAY, "--out", "s3://b/out.csv", *url]) == 2
    names = {"cache", "lake", "out.csv", "used.json"}
    assert {path.name for path in home.iterdir()} == names
    assert list(elsewhere.iterdir()) == []
    for wrong in ("s3://b/x", "~nobody-here/x", ""):
        with pytest.raises(ValueError, match="path="):
            session.lock(wrong)
        with pytest.raises(ValueError, match="path="):
            session.verify(wrong)


def test_no_day_at_a_time_is_refused() -> None:
    """By name."""
    for wrong in (0, -1, 1.5, True, "8"):
        with pytest.raises(ValueError, match="max_concurrent="):
            FlatSession("key", "secret", max_concurrent=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="max_concurrent="):
            AsyncS3Downloader(CREDENTIALS, max_concurrent=wrong)  # type: ignore[arg-type]


def test_a_closed_session_has_no_picker(new_session: NewSession) -> None:
    """As it could neither plan nor load; a job of before cannot be run again by its plan."""
    session = new_session()
    plan = session.plan("stocks_daily", DAY, NEXT)
    session.close()
    with pytest.raises(RuntimeError, match="this session is closed; make a new one"):
        session.picker()
    with pytest.raises(RuntimeError, match="this session is closed; make a new one"):
        plan.load()


def test_a_lake_is_the_same_in_any_order(
    fault_server: FaultServer, new_session: NewSession, tmp_path: Path
) -> None:
    """Of symbols, columns and underlyings; strikes may be whole numbers or not."""
    put(fault_server, "stocks_daily", DAY, csv_of("A", "B", "C"))
    session = new_session()
    one = session.to_lake(
        "stocks_daily", DAY, DAY, tmp_path, symbols=["A", "B"], columns=["ticker", "open"]
    )
    again = session.to_lake(
        "stocks_daily", DAY, DAY, tmp_path, symbols=["B", "A"], columns=["open", "ticker"]
    )
    assert again.report is not None
    assert [day.status for day in again.report] == ["cached"]
    assert again.scan().collect().rows() == one.scan().collect().rows()
    (line,) = (tmp_path / "_flatnb" / "stocks_daily.jsonl").read_text().splitlines()
    content = json.loads(json.loads(line)["content"])
    assert content == {"columns": ["open", "ticker"], "symbols": ["A", "B"]}
    with pytest.raises(ValueError, match="choose another folder"):
        session.to_lake("stocks_daily", DAY, DAY, tmp_path, symbols=["A", "C"])
    labels = [
        content_label(Request.validate("options_daily", DAY, DAY, **options).selection, None)
        for options in (
            {"underlyings": ["SPX", "SPY"], "strike": (470, None)},
            {"symbols": ["O:SPY*", "O:SPX*"], "strike": [470.0, None]},
        )
    ]
    assert labels[0] == labels[1]


def test_a_connection_that_fails_tells_what_to_do(tmp_path: Path) -> None:
    """A load, and a lake, as the downloaders do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (
        FlatSession("key", "secret", endpoint_url=url, cache=False, max_retries=0) as session,
        pytest.raises(LoadError, match="Check the network and endpoint_url") as caught,
    ):
        session.load("stocks_daily", DAY, DAY)
    assert "ConnectionFailedError: " in caught.value.report.days[0].reason


def test_an_error_of_the_system_tells_its_own_reason(
    fault_server: FaultServer, new_session: NewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every one is a full disk."""
    put(fault_server, "stocks_daily", DAY, csv_of("AAPL"))
    for number in (errno.EMFILE, errno.ENOSPC, errno.EACCES):

        def fail(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, os.strerror(number), "/some/file")

        monkeypatch.setattr("flatnb.load.day_reader.read_day", fail)
        with pytest.raises(LoadError) as caught:
            new_session().load("stocks_daily", DAY, DAY)
        (day,) = caught.value.report.days
        assert os.strerror(number) in day.reason
        assert "/some/file" in day.reason
        assert ("space" in day.reason) == (number == errno.ENOSPC)
