"""What the explorer and the chart are made of, without a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from datetime import time as clock
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb import FlatSession
from flatnb.demo import DemoServer
from flatnb.notebook.chart import Chart
from flatnb.notebook.chart_data import chart_source
from flatnb.notebook.explorer import Explorer
from flatnb.notebook.frame_view import FrameView


@pytest.fixture(scope="module")
def session(demo_server: DemoServer) -> Iterator[FlatSession]:
    """A session on the demo market."""
    with FlatSession("a", "b", endpoint_url=demo_server.endpoint_url, cache=False) as session:
        yield session


@pytest.fixture(scope="module")
def minutes(session: FlatSession) -> pl.DataFrame:
    """Three days of minutes, one with an early close."""
    return session.load("stocks_minute", "2024-07-02", "2024-07-05", symbols=["AAPL", "MSFT"])


def test_the_list_of_tickers(minutes: pl.DataFrame) -> None:
    """Counts and times are those of the rows, gaps the days without a row in between."""
    less = minutes.filter((pl.col("ticker") != "MSFT") | (pl.col("date") != date(2024, 7, 3)))
    aapl, msft = FrameView.of(less).ticker_rows("", 0, 10)
    assert aapl["ticker"] == "AAPL"
    assert aapl["rows"] == less.filter(pl.col("ticker") == "AAPL").height
    assert (aapl["gaps"], msft["gaps"]) == (0, 1)
    assert aapl["first"].startswith("2024-07-02 04:")
    assert len(FrameView.of(less).ticker_rows("sf", 0, 10)) == 1
    assert FrameView.of(less).ticker_rows("", 1, 10)[0]["ticker"] == "MSFT"


def test_daily_bars_have_days_without_a_clock(session: FlatSession) -> None:
    """They begin at midnight, all of them."""
    frame = session.load("stocks_daily", "2024-07-02", "2024-07-03", symbols="AAPL")
    (row,) = FrameView.of(frame).ticker_rows("", 0, 10)
    assert (row["first"], row["last"]) == ("2024-07-02", "2024-07-03")


def test_summaries_count_each_row(minutes: pl.DataFrame) -> None:
    """The bins hold all rows that are not null."""
    with_nulls = minutes.with_columns(pl.when(pl.col("close") > 0).then("open").alias("open"))
    view = FrameView.of(with_nulls.with_columns(open=pl.lit(None, pl.Float64)))
    for name in ("close", "volume", "window_start", "date"):
        summary = view.summary(name)
        assert sum(summary["counts"]) == minutes.height
        assert summary["nulls"] == 0
    empty = view.summary("open")
    assert (empty["nulls"], empty["range"], empty["counts"]) == (minutes.height, "no values", [])
    assert view.summary("ticker")["range"] == "2 different"


@given(data=st.data())
def test_the_code_gives_the_rows(minutes: pl.DataFrame, data: st.DataObject) -> None:
    """Whatever is chosen: what is shown is what the shown expression gives."""
    view = FrameView.of(minutes)
    view.choose(data.draw(st.sampled_from(["", "AAPL", "MSFT", "NONE"])))
    for column in data.draw(st.sets(st.sampled_from(["close", "volume", "window_start", "date"]))):
        summary = view.summary(column)
        low, high = summary["low"], summary["high"]
        assert low is not None
        assert high is not None
        ends = data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
        view.restrict(column, *(low + (high - low) * share for share in ends))
    scope: dict[str, Any] = {"df": minutes, "pl": pl}
    expected = eval(view.code(), scope)
    assert view.count == expected.height
    assert view.all_rows().equals(expected)
    assert len(view.rows(0, 5)) == min(5, expected.height)


def test_messages_of_the_page(session: FlatSession, minutes: pl.DataFrame, tmp_path: Path) -> None:
    """Choose, restrict, save; a wrong one is said, and changes nothing."""
    explorer = session.explore(minutes)
    explorer.receive({"action": "choose", "ticker": "AAPL"})
    assert explorer.code == 'df.filter(pl.col("ticker") == "AAPL")'
    explorer.receive({"action": "restrict", "column": "none", "low": 1, "high": 2})
    assert "column='none' is not in the frame" in explorer.widget.message
    explorer.receive({"action": "restrict", "column": "close", "low": 1, "high": 2})
    assert explorer.result.height == 0
    explorer.receive({"action": "restrict", "column": "close"})
    path = explorer.save(tmp_path / "x.parquet")
    assert pl.read_parquet(path).equals(minutes.filter(pl.col("ticker") == "AAPL"))
    for nonsense in (None, {}, {"action": "rows"}, {"action": "rows", "start": "x", "count": 1}):
        explorer.receive(nonsense)
    deadline = time.monotonic() + 10
    while not explorer.widget.bars and time.monotonic() < deadline:
        time.sleep(0.02)
    assert explorer.widget.bars["intervals"][0] == "1 min"  # type: ignore[index]


def test_frames_without_bars_are_explored_too(session: FlatSession) -> None:
    """Trades have no candles: that is said; a frame may have no ticker."""
    trades = session.load("stocks_trades", "2024-07-03", "2024-07-03", symbols="AAPL")
    explorer = Explorer(trades)
    explorer.receive({"action": "choose", "ticker": "AAPL"})
    deadline = time.monotonic() + 10
    while not explorer.widget.bars and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "no chart: frame has no column" in str(explorer.widget.bars["note"])
    assert Explorer(trades.select("price")).view.tickers().height == 0
    with pytest.raises(ValueError, match="frame"):
        session.explore([1])  # type: ignore[arg-type]


def test_no_bar_spans_a_session(minutes: pl.DataFrame) -> None:
    """Each is as long as it says, of one session; days have the regular session's prices."""
    source = chart_source(minutes, "AAPL")
    aapl = minutes.filter(pl.col("ticker") == "AAPL")
    for interval in ("5 min", "15 min", "1 hour"):
        made = source.bars("AAPL", interval)  # type: ignore[arg-type]
        assert made["volume"].sum() == aapl["volume"].sum()
        opens = (
            made.filter(pl.col("session") == "regular").group_by("date").agg(pl.col("time").min())
        )
        assert {value % 86400 for value in opens["time"]} == {int(9.5 * 3600)}
    post = source.bars("AAPL", "1 hour").filter(
        pl.col("session") == "post", pl.col("date") == date(2024, 7, 3)
    )
    assert post["time"].min() % 86400 == 13 * 3600  # type: ignore[operator]
    local = aapl.with_columns(at=pl.col("window_start").dt.convert_time_zone("America/New_York"))
    regular = local.filter(
        pl.col("date") == date(2024, 7, 2),
        pl.col("at").dt.time().is_between(clock(9, 30), clock(15, 59)),
    )
    day = source.bars("AAPL", "1 day").row(0, named=True)
    assert (day["high"], day["low"]) == (regular["high"].max(), regular["low"].min())
    week = source.bars("AAPL", "1 week")
    assert week.height == 1
    assert week["volume"].sum() == source.bars("AAPL", "1 day")["volume"].sum()


def test_a_chart_shows_what_it_can(session: FlatSession, minutes: pl.DataFrame) -> None:
    """Unknown tickers and intervals are refused; the saved picture has words."""
    chart = session.chart(minutes, ["AAPL", "MSFT"])
    assert isinstance(chart, Chart)
    chart.receive({"action": "interval", "interval": "1 day"})
    assert chart.widget.bars["interval"] == "1 day"
    chart.receive({"action": "interval", "interval": "1 year"})
    assert chart.widget.bars["interval"] == "1 day"
    with pytest.raises(ValueError, match="interval='1 year'"):
        chart.show("1 year")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="symbols="):
        session.chart(minutes)
    with pytest.raises(ValueError, match="'NONE'"):
        session.chart(minutes, "NONE")
    assert "AAPL, 2024-07-02 to 2024-07-05, between" in chart.picture()
