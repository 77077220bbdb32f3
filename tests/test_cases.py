"""Faults that users' own reports found, each with the right value."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flatnb import FlatSession, S3Catalog
from flatnb.lake.lake import Lake
from flatnb.market.calendar import trading_days
from tests.servers.fault_s3 import FaultServer

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
