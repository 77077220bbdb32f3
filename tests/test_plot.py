"""Candles of a loaded frame."""

from __future__ import annotations

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
    assert figure.axes[0].get_title("left") == "MSFT"
    labels = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert labels[0] == "2024-01-02"
    assert figure._repr_png_().startswith(PNG)  # type: ignore[attr-defined]


def test_many_bars_become_fewer_candles(session: FlatSession) -> None:
    """First open, highest high, lowest low, last close, all the volume."""
    frame = session.load("stocks_minute", "2024-01-02", "2024-01-02", symbols="AAPL")
    candles = candles_of(frame)
    assert len(frame) > MAX_CANDLES >= len(candles)
    assert candles["volume"].sum() == frame["volume"].sum()
    assert (candles["high"].max(), candles["low"].min()) == (
        frame["high"].max(),
        frame["low"].min(),
    )
    assert (candles["open"][0], candles["close"][-1]) == (frame["open"][0], frame["close"][-1])
    each = -(-len(frame) // MAX_CANDLES)
    assert candles["close"][0] == frame["close"][each - 1]
    assert f"each candle is {each} bars" in session.plot(frame).axes[0].get_title("left")


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
