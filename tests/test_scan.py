"""The lazy market: scan, SQL and load agree row for row, and only what is needed is fetched."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import cloudpickle
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import DATA_TYPES, FlatnbWarning, FlatSession, LoadError, S3Catalog
from flatnb.demo import DemoMarket
from flatnb.lazy.predicate import days_of, tickers_of, tree_of
from flatnb.market.calendar import trading_days
from tests.servers import faults
from tests.servers.csv_payloads import extra_column
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz

DAYS = trading_days("2024-01-02", "2024-01-12")
CATALOG = S3Catalog(options_root="us_options_opra")
when, who = pl.col("date"), pl.col("ticker")
JANUARY_3_TO_5 = when.is_between(date(2024, 1, 3), date(2024, 1, 5))


@pytest.fixture
def days(fault_server: FaultServer, market: DemoMarket) -> FaultServer:
    """The fault server with two weeks of the demo market."""
    for data_type in ("stocks_daily", "options_daily"):
        for day in DAYS:
            fault_server.put(CATALOG.get_key(data_type, day), market.file(data_type, day))
    return fault_server


@pytest.fixture
def session(days: FaultServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache of its own."""
    with FlatSession(
        "an-access-key",
        "a-secret-key",
        endpoint_url=days.endpoint_url,
        cache=tmp_path / "cache",
        max_retries=0,
    ) as session:
        yield session


def fetched(days: FaultServer) -> list[str]:
    """The days of the files that were asked for."""
    asked = {request.key[-17:-7] for request in days.requests if request.kind == "get"}
    return sorted(asked)


Query = Callable[[pl.LazyFrame], pl.LazyFrame]

QUERIES: dict[str, Query] = {
    "all columns": lambda bars: bars.filter(JANUARY_3_TO_5),
    "a ticker": lambda bars: bars.filter(JANUARY_3_TO_5, who == "AAPL").select("close"),
    "some tickers": lambda bars: bars.filter(
        JANUARY_3_TO_5 & who.is_in(["AAPL", "SPY", "no such"])
    ),
    "two filters": lambda bars: bars.filter(JANUARY_3_TO_5).filter(who != "A"),
    "an aggregation": lambda bars: (
        bars.filter(JANUARY_3_TO_5, who.str.starts_with("A"))
        .group_by("ticker")
        .agg(pl.col("volume").sum(), pl.len())
        .sort("ticker")
    ),
    "other columns": lambda bars: bars.filter(JANUARY_3_TO_5, pl.col("close") > pl.col("open")),
    "either": lambda bars: bars.filter(
        ((when == date(2024, 1, 3)) & (who == "SPY"))
        | ((when == date(2024, 1, 5)) & (who == "AAPL"))
    ),
    "not": lambda bars: bars.filter(JANUARY_3_TO_5, ~(who == "AAPL")),
    "xor": lambda bars: bars.filter(JANUARY_3_TO_5, (who == "AAPL") ^ (pl.col("close") > 50)),
    "a count": lambda bars: bars.filter(JANUARY_3_TO_5).select(pl.len()),
    "the date alone": lambda bars: bars.filter(JANUARY_3_TO_5).select("date"),
    "the first rows": lambda bars: bars.filter(JANUARY_3_TO_5).head(7),
    "across days": lambda bars: bars.filter(JANUARY_3_TO_5).head(600).tail(20),
    "the last day of all": lambda bars: bars.filter(JANUARY_3_TO_5).filter(when.max() == when),
    "a window": lambda bars: bars.filter(JANUARY_3_TO_5).filter(
        pl.col("close") == pl.col("close").max().over("ticker")
    ),
    "a list that holds null": lambda bars: bars.filter(JANUARY_3_TO_5, who.is_in(["SPY", None])),
    "a cast": lambda bars: bars.filter(
        JANUARY_3_TO_5, when.dt.to_string("%d").cast(pl.Int32) >= 4, pl.lit("SPY") == who
    ),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_query_gives_what_it_gives_of_the_loaded_frame(
    session: FlatSession, days: FaultServer, name: str, engine: Any
) -> None:
    """Row for row, by both engines; no day outside the filter is fetched."""
    query = QUERIES[name]
    found = query(session.scan("stocks_daily")).collect(engine=engine)
    assert set(fetched(days)) <= {"2024-01-03", "2024-01-04", "2024-01-05"}
    loaded = session.load("stocks_daily", "2024-01-02", "2024-01-12")
    assert_frame_equal(found, query(loaded.lazy()).collect())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (when == date(2024, 1, 4), ["2024-01-04"]),
        ((when > date(2024, 1, 9)) & (when < date(2024, 1, 12)), ["2024-01-10", "2024-01-11"]),
        (when.is_in([date(2024, 1, 2), date(2024, 1, 12)]), ["2024-01-02", "2024-01-12"]),
        (
            when.is_between(date(2024, 1, 2), date(2024, 1, 12)) & (when.dt.weekday() == 5),
            ["2024-01-05", "2024-01-12"],
        ),
        (when == date(2024, 1, 6), []),
    ],
)
def test_which_days_are_fetched(
    session: FlatSession, days: FaultServer, condition: pl.Expr, expected: list[str]
) -> None:
    """Those for which the condition may hold, and once: the next query has them from the cache."""
    bars = session.scan("stocks_daily").filter(condition)
    first = bars.collect()
    assert fetched(days) == expected
    days.forget_requests()
    assert_frame_equal(bars.collect(), first)
    assert days.requests == []


def test_sql_gives_what_load_gives(session: FlatSession, days: FaultServer) -> None:
    """Dates and tickers of a WHERE decide what is fetched; tables may be joined."""
    found = session.sql(
        "SELECT * FROM stocks_daily WHERE date BETWEEN '2024-01-03' AND '2024-01-05' "
        "AND ticker IN ('AAPL', 'SPY')"
    )
    assert fetched(days) == ["2024-01-03", "2024-01-04", "2024-01-05"]
    loaded = session.load("stocks_daily", "2024-01-03", "2024-01-05", symbols=["AAPL", "SPY"])
    assert_frame_equal(found, loaded)
    joined = session.sql(
        "SELECT s.date, COUNT(*) AS n FROM stocks_daily s JOIN options_daily o ON s.date = o.date "
        "WHERE s.date = '2024-01-03' AND o.date = '2024-01-03' AND s.ticker = 'SPY' GROUP BY s.date"
    )
    options = session.load("options_daily", "2024-01-03", "2024-01-03")
    assert joined["n"].to_list() == [options.height]
    assert "2024-01-02" not in fetched(days)


def test_what_sql_refuses(session: FlatSession) -> None:
    """No query at all, an unknown table."""
    with pytest.raises(ValueError, match="SELECT"):
        session.sql("  ")
    with pytest.raises(pl.exceptions.PolarsError, match="stocks_dayly"):
        session.sql("SELECT * FROM stocks_dayly")


def test_a_query_without_a_bound_says_what_it_may_fetch(
    session: FlatSession, days: FaultServer
) -> None:
    """Before it does; of the days that are there, the first rows need the first alone."""
    bars = session.scan("stocks_daily")
    with pytest.warns(FlatnbWarning, match="has no bound on date: it may load all 9 days"):
        first = bars.head(3).collect()
    assert first["date"].unique().to_list() == [DAYS[0]]
    assert fetched(days) == ["2024-01-02"]
    with pytest.warns(FlatnbWarning, match="trading days missing") as told:
        everything = bars.select("date").unique().sort("date").collect()
    assert everything["date"].to_list() == DAYS
    assert fetched(days) == [str(day) for day in DAYS]
    assert "2003-09-10" in "".join(str(warning.message) for warning in told)


def test_polars_does_not_hand_down_a_filter_that_looks_at_all_rows(
    session: FlatSession, days: FaultServer
) -> None:
    """Together with such a condition in one filter, no other one is: the user is told."""
    highest = pl.col("close") == pl.col("close").max().over("ticker")
    with pytest.warns(FlatnbWarning, match="no bound on date"):
        together = session.scan("stocks_daily").filter(JANUARY_3_TO_5, highest).collect()
    loaded = session.load("stocks_daily", "2024-01-02", "2024-01-12")
    assert_frame_equal(together, loaded.filter(JANUARY_3_TO_5, highest))


def test_a_scan_offline(days: FaultServer, session: FlatSession, tmp_path: Path) -> None:
    """Only what is in the cache, without a request."""
    session.load("stocks_daily", "2024-01-03", "2024-01-04")
    days.forget_requests()
    with FlatSession(
        "a", "b", endpoint_url=days.endpoint_url, cache=tmp_path / "cache", offline=True
    ) as offline:
        found = offline.scan("stocks_daily").select("date").unique().sort("date").collect()
    assert found["date"].to_list() == [date(2024, 1, 3), date(2024, 1, 4)]
    assert days.requests == []


def test_days_without_a_file_are_told(session: FlatSession) -> None:
    """By a warning with the day."""
    with pytest.warns(FlatnbWarning, match="2024-01-16"):
        found = (
            session.scan("stocks_daily")
            .filter(when.is_between(date(2024, 1, 12), date(2024, 1, 16)))
            .collect()
        )
    assert found["date"].unique().to_list() == [date(2024, 1, 12)]
    assert session.last_report is not None
    assert [day.status for day in session.last_report] == ["loaded", "missing"]


def test_a_failed_day_fails_the_query(session: FlatSession, days: FaultServer) -> None:
    """There is no result without it."""
    days.always(CATALOG.get_key("stocks_daily", "2024-01-04"), faults.bare_status(403))
    with pytest.raises((LoadError, pl.exceptions.ComputeError), match="2024-01-04 forbidden"):
        session.scan("stocks_daily").filter(JANUARY_3_TO_5).collect()


def test_columns_that_are_not_known(session: FlatSession, days: FaultServer) -> None:
    """A column that the vendor adds is told of; a folder without known columns is refused."""
    key = CATALOG.get_key("stocks_daily", "2024-01-03")
    days.put(key, gz(extra_column(DemoMarket().csv("stocks_daily", date(2024, 1, 3)))))
    with pytest.warns(FlatnbWarning, match="vwap"):
        found = session.scan("stocks_daily").filter(when == date(2024, 1, 3)).collect()
    assert "vwap" not in found.columns
    with pytest.raises(ValueError, match=r"session\.register"):
        session.scan("us_bonds/day_aggs_v1")


def test_every_data_type_can_be_scanned(session: FlatSession) -> None:
    """The schema is that of an empty load."""
    for name in DATA_TYPES:
        names = session.scan(name).collect_schema().names()
        assert names == ["date", *DATA_TYPES[name].columns]


@pytest.mark.parametrize(
    ("condition", "tickers"),
    [
        (who == "A", {"A"}),
        (pl.lit("A") == who, {"A"}),
        (who.is_in(["A", "B"]) & (who != "B"), {"A", "B"}),
        ((who == "A") & (who == "B"), set()),
        ((who == "A") | (who == "B"), {"A", "B"}),
        ((who == "A") | (pl.col("close") > 1), None),
        ((who == "A") & (pl.col("close") > 1), {"A"}),
        (~(who == "A"), None),
        (who != "A", None),
        (who > "A", None),
        (who.str.to_lowercase() == "a", None),
        (pl.col("other") == "A", None),
        (pl.col("other") == who, None),
        (who.is_in(["A"]).not_(), None),
        (who.is_null(), None),
    ],
)
def test_which_tickers_a_filter_leaves(condition: pl.Expr, tickers: set[str] | None) -> None:
    """A set only where no other ticker can be among the rows."""
    assert tickers_of(tree_of(condition)) == tickers


def test_which_days_a_filter_leaves() -> None:
    """What is not known of a day leaves it in."""
    days = DAYS[:4]
    assert days_of(tree_of((DAYS[1] < when) | (who == "A")), days) == set(days)
    assert days_of(tree_of((DAYS[1] < when) & (who == "A")), days) == set(DAYS[2:4])
    assert days_of(tree_of(~(DAYS[1] < when)), days) == set(DAYS[:2])
    assert days_of(tree_of(when.cast(pl.Datetime) == pl.col("window_start")), days) == set(days)


@pytest.mark.parametrize("dumps", [cloudpickle.dumps, lambda frame: frame.serialize()])
def test_a_lazy_frame_holds_no_keys(session: FlatSession, dumps: Callable[[Any], bytes]) -> None:
    """Neither pickled nor serialised nor described."""
    bars = session.scan("stocks_daily").filter(JANUARY_3_TO_5)
    packed = dumps(bars)
    for secret in (b"an-access-key", b"a-secret-key"):
        assert secret not in packed
        assert secret.decode() not in bars.explain()


def test_another_process_finds_its_own_keys(
    session: FlatSession, market: DemoMarket, tmp_path: Path
) -> None:
    """A LazyFrame that was pickled is collected elsewhere, by what that process has."""
    packed = tmp_path / "lazy.pickle"
    packed.write_bytes(cloudpickle.dumps(session.scan("stocks_daily").filter(JANUARY_3_TO_5)))
    script = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).collect().height)"
    own = {"MASSIVE_S3_ACCESS_KEY": "other", "MASSIVE_S3_SECRET_KEY": "other"}
    rows = sum(market.table("stocks_daily", day).height for day in DAYS[1:4])
    for keys, expected in ((own, f"{rows}\n"), ({}, "")):
        environment = {k: v for k, v in os.environ.items() if "_S3_" not in k}
        environment |= {"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", **keys}
        done = subprocess.run(
            [sys.executable, "-c", script, str(packed)],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.stdout == expected
        assert ("no credentials found" in done.stderr) == (not keys)


def test_a_lazy_frame_keeps_its_session(days: FaultServer, market: DemoMarket) -> None:
    """A session that nobody else holds is there as long as its LazyFrame."""
    bars = FlatSession("a", "b", endpoint_url=days.endpoint_url, cache=False).scan("stocks_daily")
    rows = market.table("stocks_daily", date(2024, 1, 3)).height
    assert bars.filter(when == date(2024, 1, 3)).collect().height == rows


def test_a_source_pickles_without_its_session(session: FlatSession) -> None:
    """What is left is the service's address."""
    from flatnb.lazy.scan import Source

    source = Source("stocks_daily", session._context.spec, session._context)
    again = pickle.loads(pickle.dumps(source))
    assert again == source
    assert again.context is None
