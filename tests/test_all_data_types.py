"""Every data type of the bucket: its days, its files' formats, and frames that have all of them."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import DATA_TYPES, FlatnbWarning, FlatSession, TransferError
from flatnb.demo import DemoServer
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz

# A Wednesday and the Saturday after it; before and after the demo's headers change.
DAY, SATURDAY, OLD_DAY = date(2024, 1, 3), date(2024, 1, 6), date(2023, 12, 27)
KINDS = {"float64": float, "int64": int, "timestamp": int, "string": str}


@pytest.fixture(scope="module")
def session(demo_server: DemoServer) -> Iterator[FlatSession]:
    """A session on the demo market."""
    with FlatSession(
        *demo_server.credentials.values(), endpoint_url=demo_server.endpoint_url, cache=False
    ) as session:
        yield session


@pytest.fixture(scope="module")
def s3(demo_server: DemoServer) -> Iterator[Any]:
    """boto3's client for the same bucket."""
    client = boto3.client(
        "s3",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url=demo_server.endpoint_url,
        region_name="us-east-1",
    )
    yield client
    client.close()


def parsed(s3: Any, name: str, day: date) -> tuple[list[str], list[dict[str, Any]]]:
    """Header and rows of a file, by boto3, gzip and csv."""
    data_type = DATA_TYPES[name]
    key = f"{data_type.root}/{data_type.folder}/{day:%Y/%m}/{day}.csv.gz"
    text = gzip.decompress(s3.get_object(Bucket="flatfiles", Key=key)["Body"].read()).decode()
    reader = csv.DictReader(io.StringIO(text))
    rows = [
        {
            column: None if cell == "" else KINDS[data_type.columns[column]](cell)
            for column, cell in row.items()
        }
        for row in reader
    ]
    return list(reader.fieldnames or ()), rows


def plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows with times as whole numbers."""
    times = [name for name, dtype in frame.schema.items() if dtype == pl.Datetime("ns", "UTC")]
    return frame.drop("date").with_columns(pl.col(times).to_physical()).to_dicts()


@pytest.mark.parametrize("name", sorted(DATA_TYPES))
def test_each_type_round_trips(session: FlatSession, s3: Any, name: str) -> None:
    """Every cell is that of the file; with symbols and columns too; pandas has the same rows."""
    header, rows = parsed(s3, name, DAY)
    assert rows
    frame = session.load(name, DAY, DAY)
    assert frame.columns == ["date", *DATA_TYPES[name].columns]
    assert [{column: row[column] for column in header} for row in plain(frame)] == rows
    tickers = sorted({row["ticker"] for row in rows})[:2]
    some = session.load(name, DAY, DAY, symbols=tickers, columns=[header[-1], "ticker"])
    assert (
        some.rows()
        == frame.filter(pl.col("ticker").is_in(tickers)).select("date", header[-1], "ticker").rows()
    )
    pdf = session.load(name, DAY, DAY, frame="pandas")
    assert len(pdf) == len(rows)
    assert list(pdf["ticker"]) == [row["ticker"] for row in rows]


@pytest.mark.parametrize(
    "name",
    [
        *["options_trades", "futures_cme_session", "futures_comex_minute"],
        *["futures_nymex_trades", "futures_cbot_quotes"],
    ],
)
def test_headers_that_changed_make_one_frame(session: FlatSession, s3: Any, name: str) -> None:
    """A column is null on the days whose files lack it."""
    (old, old_rows), (new, new_rows) = parsed(s3, name, OLD_DAY), parsed(s3, name, DAY)
    assert old != new
    frame = session.load(name, OLD_DAY, DAY)
    for day, header, rows in ((OLD_DAY, old, old_rows), (DAY, new, new_rows)):
        found = plain(frame.filter(pl.col("date") == day))
        every = DATA_TYPES[name].columns
        assert found == [dict.fromkeys(every) | row for row in rows]
        assert set(header) <= set(every)


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("crypto_daily", [4, 5, 6, 7, 8]),
        ("forex_daily", [4, 5, 7, 8]),
        ("futures_cme_session", [4, 5, 8]),
        ("indices_daily", [4, 5, 8]),
        ("stocks_daily", [4, 5, 8]),
    ],
)
def test_the_days_are_those_of_the_market(session: FlatSession, name: str, days: list[int]) -> None:
    """From a Thursday to a Monday."""
    session.load(name, "2024-01-04", "2024-01-08")
    assert session.last_report is not None
    assert [day.date for day in session.last_report] == [date(2024, 1, n) for n in days]


def test_a_range_without_a_file_is_told_of(session: FlatSession) -> None:
    """An empty frame with all columns, and a warning that names the data type."""
    with pytest.warns(FlatnbWarning, match="no file of forex_daily between 2024-01-06"):
        frame = session.load("forex_daily", SATURDAY, SATURDAY)
    assert frame.is_empty()
    assert frame.columns == ["date", *DATA_TYPES["forex_daily"].columns]


CRYPTO_KEY = "global_crypto/day_aggs_v1/2024/01/2024-01-06.csv.gz"
CRYPTO = b"ticker,volume,open,close,high,low,window_start,transactions\n" + (
    b"X:BTC-USD,1.5,2,3,4,1,1704499200000000000,7\n"
)


def caching(server: FaultServer, **arguments: Any) -> FlatSession:
    """A session with the test's cache."""
    return FlatSession("a", "b", endpoint_url=server.endpoint_url, max_retries=0, **arguments)


def test_a_listing_that_fails_is_an_error(fault_server: FaultServer) -> None:
    """It is not an empty range."""
    fault_server.always("global_crypto/day_aggs_v1/2024/01/", faults.bare_status(403))
    with caching(fault_server) as session, pytest.raises(TransferError, match="2024/01"):
        session.load("crypto_daily", SATURDAY, SATURDAY)


def test_listed_days_and_the_cache(fault_server: FaultServer) -> None:
    """The listing that tells the days tells their versions too; offline the cache tells them."""
    fault_server.put(CRYPTO_KEY, gz(CRYPTO))
    with caching(fault_server) as session:
        first = session.load("crypto_daily", "2024-01-01", "2024-01-31")
        fault_server.forget_requests()
        assert_frame_equal(session.load("crypto_daily", "2024-01-01", "2024-01-31"), first)
        assert [request.kind for request in fault_server.requests] == ["list"]
        fault_server.put(CRYPTO_KEY, gz(CRYPTO.replace(b"1.5", b"2.5")))
        replaced = session.load("crypto_daily", "2024-01-01", "2024-01-31")
        assert replaced["volume"].to_list() == [2.5]
        assert session.last_report is not None
        assert [day.status for day in session.last_report] == ["replaced"]
    fault_server.forget_requests()
    with caching(fault_server, offline=True) as session:
        assert_frame_equal(session.load("crypto_daily", "2024-01-01", "2024-01-31"), replaced)
    assert fault_server.requests == []


@pytest.mark.usefixtures("clean_registry")
def test_a_folder_that_flatnb_does_not_know(fault_server: FaultServer) -> None:
    """By its path, typed by the columns' names; with a name and types once it is registered."""
    text = b"ticker,close,rating,window_start\nUS1,99.5,7,1704171600000000000\n"
    fault_server.put("us_bonds/day_aggs_v1/2024/01/2024-01-02.csv.gz", gz(text))
    with caching(fault_server) as session:
        for _ in range(2):
            frame = session.load("us_bonds/day_aggs_v1", "2024-01-01", "2024-01-31")
            assert frame.dtypes[1:] == [
                pl.String,
                pl.Float64,
                pl.String,
                pl.Datetime("ns", "UTC"),
            ]
        session.register(
            "bonds_daily",
            "us_bonds",
            "day_aggs_v1",
            {"ticker": "string", "close": "float64", "rating": "int64", "window_start": "int64"},
        )
        # The entry in the cache was read by other rules.
        frame = session.load("bonds_daily", "2024-01-01", "2024-01-31")
        assert frame.dtypes[1:] == [pl.String, pl.Float64, pl.Int64, pl.Int64]
        assert frame["rating"].to_list() == [7]
