"""The universe of a day, and one security under several tickers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from flatnb.research import follow_renames, renames_of, universe

RENAME = date(2022, 6, 9)


def events(*rows: tuple[object, str | None, str | None]) -> pl.DataFrame:
    """A table of changes."""
    return pl.DataFrame(
        {
            "date": [str(row[0]) for row in rows],
            "from": pl.Series([row[1] for row in rows], dtype=pl.String),
            "to": pl.Series([row[2] for row in rows], dtype=pl.String),
        }
    )


META = events(("2012-05-18", None, "FB"), (RENAME, "FB", "META"))


def spans(symbol: str, table: Any, start: str, end: str, **options: Any) -> list[str]:
    """The tenures as words."""
    found = renames_of(symbol, table, start, end, **options)
    return [f"{each.ticker} {each.start} {each.end}" for each in found]


# --- renames -------------------------------------------------------------------------------------


def test_a_rename_over_a_year() -> None:
    """FB to META on 2022-06-09: each row under the ticker of its day, all under one symbol."""
    days = trading_days("2022-01-03", "2022-12-30")
    rows = [
        (day, ticker, price)
        for day in days
        # Until 2022-01-31 META was another security, an exchange-traded fund; FB was free later.
        for ticker, price in (
            ("FB" if day < RENAME else "META", 1.0),
            ("META" if day < date(2022, 2, 1) else "METV", 2.0),
            ("AAPL", 3.0),
        )
    ]
    frame = pl.DataFrame(rows, schema=["date", "ticker", "close"], orient="row")
    made = follow_renames(frame, "META", META)
    assert made["date"].to_list() == days
    assert made["close"].unique().to_list() == [1.0]
    assert made["symbol"].unique().to_list() == ["META"]
    assert made.filter(pl.col("ticker") == "META")["date"].min() == RENAME
    assert made.filter(pl.col("ticker") == "FB")["date"].max() == date(2022, 6, 8)
    both = follow_renames(frame.to_pandas(), ["META", "AAPL"], META.to_pandas())
    assert isinstance(both, pd.DataFrame)
    assert len(both) == 2 * len(days)


def test_which_tickers_to_load() -> None:
    """By the ticker on the last day, or on another day."""
    assert spans("META", META, "2022-06-01", "2022-06-30") == [
        "FB 2022-06-01 2022-06-08",
        "META 2022-06-09 2022-06-30",
    ]
    assert spans("META", META, "2023-01-01", "2023-12-31") == ["META 2023-01-01 2023-12-31"]
    assert spans("META", META, "2010-01-01", "2012-12-31", as_of="2024-01-01") == [
        "FB 2012-05-18 2012-12-31"
    ]
    assert spans("FB", META, "2022-06-01", "2022-06-30", as_of="2022-06-01") == [
        "FB 2022-06-01 2022-06-08",
        "META 2022-06-09 2022-06-30",
    ]
    assert spans("AAPL", META, "2022-06-01", "2022-06-30") == ["AAPL 2022-06-01 2022-06-30"]
    with pytest.raises(ValueError, match=r"symbol='FB' became META on 2022-06-09"):
        renames_of("FB", META, "2022-06-01", "2022-06-30")


def test_recycled_tickers_are_not_joined() -> None:
    """X was one security's until it became Y; later another one took X."""
    table = events(
        ("2020-01-01", None, "X"),
        ("2021-01-01", "X", "Y"),
        ("2022-01-01", "W", "X"),
        ("2023-01-01", "Y", None),
    )
    assert spans("X", table, "2019-01-01", "2024-01-01") == [
        "W 2019-01-01 2021-12-31",
        "X 2022-01-01 2024-01-01",
    ]
    assert spans("Y", table, "2019-01-01", "2024-01-01", as_of="2022-06-01") == [
        "X 2020-01-01 2020-12-31",
        "Y 2021-01-01 2022-12-31",
    ]
    assert spans("X", table, "2019-01-01", "2024-01-01", as_of="2020-06-01") == [
        "X 2020-01-01 2020-12-31",
        "Y 2021-01-01 2022-12-31",
    ]
    with pytest.raises(ValueError, match="'Y' ended on 2023-01-01"):
        renames_of("Y", table, "2019-01-01", "2024-01-01")


STEPS = st.lists(st.integers(1, 40), max_size=6)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(0, 200), st.integers(0, 100), st.integers(0, 299))
def test_tenures_are_what_a_walk_over_the_days_gives(
    gaps: list[int], first: int, length: int, when: int
) -> None:
    """Of a chain T0 → T1 → …, whatever day the security is named on."""
    begin = date(2020, 1, 1)
    changes, day = [], begin
    for number, gap in enumerate(gaps):
        day += timedelta(gap)
        changes.append((day, f"T{number}", f"T{number + 1}"))

    def on(day: date) -> str:
        return f"T{sum(change[0] <= day for change in changes)}"

    start, end, as_of = (begin + timedelta(n) for n in (first, first + length, when))
    table = events(*changes, ("2020-02-01", "OTHER", "ELSE"))
    found = renames_of(on(as_of), table, start, end, as_of=as_of)
    walked = [
        (each.ticker, each.start + timedelta(n))
        for each in found
        for n in range((each.end - each.start).days + 1)
    ]
    days = [start + timedelta(n) for n in range(length + 1)]
    assert walked == [(on(day), day) for day in days]


def test_contradicting_events_are_refused() -> None:
    """Two takers, two successors, no date; the same event twice is once."""
    twice = pl.concat([META, META])
    assert spans("META", twice, "2022-06-01", "2022-06-30")[0] == "FB 2022-06-01 2022-06-08"
    for rows, message in (
        ([(RENAME, "A", "C"), (RENAME, "B", "C")], "two changes to C: A → C and B → C"),
        ([(RENAME, "A", "B"), (RENAME, "A", "C")], "two changes from A"),
        ([(RENAME, None, None)], "without tickers"),
    ):
        with pytest.raises(ValueError, match=message):
            renames_of("C", events(*rows), "2022-01-01", "2022-12-31")
    with pytest.raises(ValueError, match="events has no column 'from'"):
        renames_of("C", META.drop("from"), "2022-01-01", "2022-12-31")


def test_what_cannot_be_followed_is_refused() -> None:
    """Options, a column in the way; no rows are no rows."""
    frame = pl.DataFrame({"date": [RENAME], "ticker": ["O:SPY240119C00475000"]})
    with pytest.raises(ValueError, match="options"):
        follow_renames(frame, "META", META)
    with pytest.raises(ValueError, match="'symbol' already"):
        follow_renames(frame.with_columns(symbol=pl.lit("A")), "META", META)
    empty = follow_renames(frame.clear(), "META", META)
    assert empty.columns == ["date", "ticker", "symbol"]


# --- the universe --------------------------------------------------------------------------------


def test_the_universe_of_the_demo_market() -> None:
    """Every ticker of the day file, with what it traded; the exchanges' test ticker is marked."""
    day = date(2024, 1, 2)
    daily = DemoMarket().table("stocks_daily", day)
    made = universe(daily)
    assert made["ticker"].to_list() == daily["ticker"].to_list()
    assert made["date"].unique().to_list() == [day]
    assert made.filter("is_test")["ticker"].to_list() == ["ZVZZT"]
    expected = (daily["close"] * daily["volume"]).to_list()
    assert made["dollar_volume"].to_list() == pytest.approx(expected)
    types = pl.DataFrame({"ticker": ["AAPL", "BCPC"], "type": ["CS", "CS"]})
    marked = universe(daily.to_pandas(), types)
    assert isinstance(marked, pd.DataFrame)
    assert marked.set_index("ticker")["type"].dropna().to_dict() == {"AAPL": "CS", "BCPC": "CS"}


def test_series_of_test_tickers_and_others_like_them() -> None:
    """NTEST.A is one, NTES (NetEase) is none."""
    tickers = ["NTES", "NTEST", "NTEST.A", "ZVZZT", "ZVZZ"]
    daily = pl.DataFrame(
        {"date": [RENAME] * 5, "ticker": tickers, "close": 1.0, "volume": 1.0, "transactions": 1}
    )
    assert universe(daily)["is_test"].to_list() == [False, True, True, True, False]


def test_frames_that_have_no_universe_are_refused() -> None:
    """Minutes, options, and a reference that has a ticker twice."""
    daily = pl.DataFrame(
        {"date": [RENAME] * 2, "ticker": "A", "close": 1.0, "volume": 1.0, "transactions": 1}
    )
    with pytest.raises(ValueError, match="A twice on 2022-06-09"):
        universe(daily)
    one = daily.head(1)
    with pytest.raises(ValueError, match="options"):
        universe(one.with_columns(ticker=pl.lit("O:SPY240119C00475000")))
    with pytest.raises(ValueError, match="reference has 'A' twice"):
        universe(one, pl.DataFrame({"ticker": ["A", "A"], "type": ["CS", "ETF"]}))
