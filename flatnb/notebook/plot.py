"""A chart of loaded bars: candles and volume of one symbol, by matplotlib."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

COLUMNS = ("ticker", "window_start", "open", "high", "low", "close", "volume")

MAX_CANDLES = 250
"""More bars are joined to candles of several bars each: thinner ones cannot be told apart."""

_RISING, _FALLING = "#2e7d32", "#c62828"
_TIME_LABELS = 8


class Chart(Figure):
    """A figure that a notebook displays by itself, whether or not pyplot is in use.

    IPython's display of a plain `Figure` needs ``%matplotlib inline``.
    """

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png")
        return out.getvalue()


def plot(frame: pl.DataFrame | pd.DataFrame, symbol: str | None = None) -> Chart:
    """Draw candles, and the volume below them.

    Bars are drawn side by side: nights, weekends and minutes without a trade leave no gap.

    Parameters
    ----------
    frame
        A result of `flatnb.FlatSession.load`, polars or pandas, of daily or minute bars.
    symbol
        The ticker; it can be omitted if the frame has only one.

    Raises
    ------
    ValueError
        If the frame has no bars, or none of this ticker.
    """
    bars = _bars(frame, symbol)
    title = str(bars["ticker"][0])
    bars_each = -(-len(bars) // MAX_CANDLES)  # rounded up
    if bars_each > 1:
        bars = _join(bars, bars_each)
        title += f" – each candle is {bars_each} bars"
    figure = Chart(figsize=(9, 4.5), dpi=110, layout="constrained")
    candles, volume = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw(bars, candles, volume)
    candles.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return figure


def candles_of(frame: pl.DataFrame | pd.DataFrame, symbol: str | None = None) -> pl.DataFrame:
    """The candles that `plot` draws, as a frame."""
    bars = _bars(frame, symbol)
    return _join(bars, -(-len(bars) // MAX_CANDLES))


def _bars(frame: pl.DataFrame | pd.DataFrame, symbol: str | None) -> pl.DataFrame:
    """The bars of one symbol in the order of time."""
    import polars as pl

    bars = _as_polars(frame)
    if absent := [name for name in COLUMNS if name not in bars.columns]:
        raise ValueError(
            f"frame has no column {', '.join(map(repr, absent))}; plot draws daily or minute bars "
            "that were loaded with all their columns"
        )
    if not bars["window_start"].dtype.is_temporal() or not all(
        bars[name].dtype.is_numeric() for name in COLUMNS[2:]
    ):
        raise ValueError("frame has prices, volumes or times of other types than those of load()")
    tickers = bars["ticker"].unique().sort().to_list()
    if symbol is None and len(tickers) == 1:
        symbol = tickers[0]
    if not isinstance(symbol, str) or symbol not in tickers:
        some = ", ".join(map(repr, tickers[:5])) + (", …" if len(tickers) > 5 else "")
        raise ValueError(f"symbol={symbol!r} is not in the frame; choose one of {some or 'none'}")
    return bars.filter(pl.col("ticker") == symbol).sort("window_start")


def _as_polars(frame: pl.DataFrame | pd.DataFrame) -> pl.DataFrame:
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        return frame
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        raise ValueError(
            f"frame={type(frame).__name__} is neither a polars nor a pandas frame; pass one"
        )
    converted: pl.DataFrame = pl.from_pandas(frame)
    return converted


def _join(bars: pl.DataFrame, bars_each: int) -> pl.DataFrame:
    """One candle of each few bars."""
    import polars as pl

    return (
        bars.with_row_index("group")
        .group_by(pl.col("group") // bars_each, maintain_order=True)
        .agg(
            pl.col("ticker", "window_start", "open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
        .drop("group")
    )


def _draw(bars: pl.DataFrame, candles: Axes, volume: Axes) -> None:
    positions = range(len(bars))
    columns = {name: bars[name].to_list() for name in COLUMNS}
    opens, closes = columns["open"], columns["close"]
    colours = [_RISING if c >= o else _FALLING for o, c in zip(opens, closes, strict=True)]
    candles.vlines(positions, columns["low"], columns["high"], colors=colours, linewidth=0.8)
    price_range = (max(columns["high"]) - min(columns["low"])) or 1.0
    # A bar whose open is its close would have no height, and be invisible.
    heights = [max(abs(c - o), price_range / 400) for o, c in zip(opens, closes, strict=True)]
    bottoms = [min(o, c) for o, c in zip(opens, closes, strict=True)]
    candles.bar(positions, heights, bottom=bottoms, width=0.7, color=colours)
    volume.bar(positions, columns["volume"], width=0.7, color=colours, alpha=0.6)
    times = columns["window_start"]
    within_days = len({time.date() for time in times}) < len(times)
    labelled = list(positions)[:: max(1, len(bars) // _TIME_LABELS)]
    label_format = "%m-%d\n%H:%M" if within_days else "%Y-%m-%d"
    volume.set_xticks(labelled, [f"{times[index]:{label_format}}" for index in labelled])
    if within_days:  # times of day mean nothing without their time zone
        volume.set_xlabel(f"{times[0].tzinfo}", loc="right", fontsize=9)
    candles.set_ylim(
        min(columns["low"]) - price_range / 20, max(columns["high"]) + price_range / 20
    )
    candles.set_ylabel("price")
    volume.set_ylabel("volume")
    volume.yaxis.set_major_formatter(EngFormatter())
    volume.set_ylim(bottom=0)
    for axes in (candles, volume):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        axes.margins(x=0.01)
        axes.tick_params(labelsize=9)
