"""Candles of a loaded frame."""

from __future__ import annotations

from datetime import date, time

import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure

from flatnb import FlatSession
from flatnb.demo import DemoServer
from flatnb.notebook.plot import MAX_CANDLES, candles_of

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def session(demo_server: DemoServer) -> FlatSession:
    """A session on the demo market."""
    return FlatSession("a", "b", endpoint_url=demo_server.endpoint_url, cache=False)


def heights(figure: Figure) -> list[float]:
    """The heights of the volume's bars."""
    return [bar.get_height() for bar in figure.axes[1].containers[0]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_each_bar_is_a_candle(session: FlatSession, kind: str) -> None:
    """Of the chosen symbol only; the same from either kind of frame; it can be drawn."""
    frame = session.load(
        "stocks_daily",
        "2024-01-02",
        "2024-01-31",
        symbols=["AAPL", "MSFT"],
        frame=kind,  # type: ignore[arg-type]
    )
    figure = session.plot(frame, "MSFT")
    table = pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame
    bars = table.filter(pl.col("ticker") == "MSFT").sort("window_start")
    assert heights(figure) == bars["volume"].to_list()
    assert figure.axes[0].get_title("left") == "MSFT – 1 day"
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels[0] == "2024-01-02"
    assert figure._repr_png_().startswith(PNG)  # type: ignore[attr-defined]


def test_many_bars_become_fewer_candles(session: FlatSession) -> None:
    """First open, highest high, lowest low, last close, all the volume; none spans a session."""
    frame = session.load("stocks_minute", "2024-01-02", "2024-01-03", symbols="AAPL")
    candles = candles_of(frame)
    assert len(frame) > MAX_CANDLES >= len(candles)
    assert candles["volume"].sum() == frame["volume"].sum()
    assert (candles["high"].max(), candles["low"].min()) == (
        frame["high"].max(),
        frame["low"].min(),
    )
    assert (candles["open"][0], candles["close"][-1]) == (frame["open"][0], frame["close"][-1])
    local = frame.with_columns(pl.col("window_start").dt.convert_time_zone("America/New_York"))
    morning = local.filter(
        pl.col("date") == date(2024, 1, 3), pl.col("window_start").dt.time() < time(9, 30)
    )
    pre = candles.filter(pl.col("date") == date(2024, 1, 3), pl.col("session") == "pre")
    assert pre["volume"].sum() == morning["volume"].sum()
    figure = session.plot(frame, dark=True)
    assert figure.axes[0].get_title("left") == "AAPL – 15 min"
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels == ["Tue 02 Jan\n04:00", "Wed 03 Jan\n04:00"]


def test_what_cannot_be_drawn_is_named(session: FlatSession) -> None:
    """A symbol that the frame does not have, one of several not chosen, columns not loaded."""
    frame = session.load("stocks_daily", "2024-01-02", "2024-01-02", symbols=["AAPL", "MSFT"])
    with pytest.raises(ValueError, match=r"symbol='aapl'.*'AAPL', 'MSFT'"):
        session.plot(frame, "aapl")
    with pytest.raises(ValueError, match=r"symbol=None.*choose one"):
        session.plot(frame)
    with pytest.raises(ValueError, match="no column 'volume'"):
        session.plot(frame.drop("volume"), "AAPL")
    with pytest.raises(ValueError, match="choose one of none"):
        session.plot(frame.clear())
