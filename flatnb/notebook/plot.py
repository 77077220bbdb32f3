"""A first look at what was loaded: candles and volume of one symbol, by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("ticker", "window_start", "open", "high", "low", "close", "volume")

CANDLES = 250
"""More bars are drawn as fewer candles of several bars each."""

_RISING, _FALLING = "#2e7d32", "#c62828"
_TICKS = 8


class Chart(Figure):
    """A figure that a notebook shows as it is, whether or not pyplot is in use."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png")
        return out.getvalue()


def plot(frame: Any, symbol: str | None = None) -> Chart:
    """Draw candles, and the volume below them.

    Bars are drawn side by side: nights, weekends and minutes without a trade take no room.

    Parameters
    ----------
    frame
        What `flatnb.FlatSession.load` gave, polars or pandas, of daily or minute bars.
    symbol
        Which ticker; may be left out if the frame has one only.

    Raises
    ------
    ValueError
        If the frame is not one of bars, or has no such ticker.
    """
    bars = _bars(frame, symbol)
    title = str(bars["ticker"][0])
    bars_each = -(-len(bars) // CANDLES)
    if bars_each > 1:
        bars = _join(bars, bars_each)
        title += f" – each candle is {bars_each} bars"
    figure = Chart(figsize=(9, 4.5), dpi=110, layout="constrained")
    candles, volume = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw(bars, candles, volume)
    candles.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return figure


def candles_of(frame: Any, symbol: str | None = None) -> pl.DataFrame:
    """The candles that `plot` draws, as a frame."""
    bars = _bars(frame, symbol)
    return _join(bars, -(-len(bars) // CANDLES))


def _bars(frame: Any, symbol: str | None) -> pl.DataFrame:
    """The bars of one symbol in the order of time."""
    import polars as pl

    bars: pl.DataFrame = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
    if absent := [name for name in COLUMNS if name not in bars.columns]:
        raise ValueError(
            f"frame has no column {', '.join(map(repr, absent))}; plot draws bars, loaded with "
            "all their columns"
        )
    tickers = bars["ticker"].unique().sort().to_list()
    if symbol is None and len(tickers) == 1:
        symbol = tickers[0]
    if symbol not in tickers:
        some = ", ".join(map(repr, tickers[:5])) + (", …" if len(tickers) > 5 else "")
        raise ValueError(f"symbol={symbol!r} is not in the frame; choose one of {some or 'none'}")
    return bars.filter(pl.col("ticker") == symbol).sort("window_start")


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
    places = range(len(bars))
    columns = {name: bars[name].to_list() for name in COLUMNS}
    opens, closes = columns["open"], columns["close"]
    colours = [_RISING if c >= o else _FALLING for o, c in zip(opens, closes, strict=True)]
    candles.vlines(places, columns["low"], columns["high"], colors=colours, linewidth=0.8)
    tall = (max(columns["high"]) - min(columns["low"])) or 1.0
    heights = [max(abs(c - o), tall / 400) for o, c in zip(opens, closes, strict=True)]
    bottoms = [min(o, c) for o, c in zip(opens, closes, strict=True)]
    candles.bar(places, heights, bottom=bottoms, width=0.7, color=colours)
    volume.bar(places, columns["volume"], width=0.7, color=colours, alpha=0.6)
    times = columns["window_start"]
    within_days = len({moment.date() for moment in times}) < len(times)
    marked = list(places)[:: max(1, len(bars) // _TICKS)]
    form = "%m-%d\n%H:%M" if within_days else "%Y-%m-%d"
    volume.set_xticks(marked, [f"{times[place]:{form}}" for place in marked])
    if within_days:
        volume.set_xlabel(f"{times[0].tzinfo}", loc="right", fontsize=9)
    candles.set_ylim(min(columns["low"]) - tall / 20, max(columns["high"]) + tall / 20)
    candles.set_ylabel("price")
    volume.set_ylabel("volume")
    volume.yaxis.set_major_formatter(EngFormatter())
    volume.set_ylim(bottom=0)
    for axes in (candles, volume):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        axes.margins(x=0.01)
        axes.tick_params(labelsize=9)
