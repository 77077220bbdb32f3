"""A chart of loaded bars: candles and volume of one symbol, by matplotlib."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from ..research.frame import as_polars
from .chart_data import COLUMNS, Interval, chart_source

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

MAX_CANDLES = 250
"""More bars are drawn by a longer interval: thinner candles cannot be told apart."""

_RISING, _FALLING = "#2e7d32", "#c62828"
_DARK, _LIGHT_TEXT = "#111111", "#e6edf3"
_TIME_LABELS = 8


class Chart(Figure):
    """A figure that a notebook displays by itself, whether or not pyplot is in use.

    IPython's display of a plain `Figure` needs ``%matplotlib inline``.
    """

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png")
        return out.getvalue()


def plot(
    frame: pl.DataFrame | pd.DataFrame, symbol: str | None = None, *, dark: bool = False
) -> Chart:
    """Draw candles, and the volume below them.

    Bars are drawn side by side: nights, weekends and minutes without a trade leave no gap. More
    than `MAX_CANDLES` are drawn by a longer interval, no candle of which spans sessions or days.
    Times are the exchange's; pre- and post-market are shaded.

    Parameters
    ----------
    frame
        A result of `flatnb.FlatSession.load`, polars or pandas, of daily or minute bars.
    symbol
        The ticker; it can be omitted if the frame has only one.
    dark
        Whether to draw for a dark page.

    Raises
    ------
    ValueError
        If the frame has no bars, or none of this ticker.
    """
    bars = _bars(frame, symbol)
    title = str(bars["ticker"][0])
    interval, shown = _candles(bars)
    figure = Chart(figsize=(9, 4.5), dpi=110, layout="constrained")
    candles, volume = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw(shown, interval, candles, volume)
    colour = _LIGHT_TEXT if dark else "black"
    name = f"{title} – {interval}"
    candles.set_title(name, loc="left", fontsize=11, fontweight="bold", color=colour)
    if dark:
        _darken(figure)
    return figure


def candles_of(frame: pl.DataFrame | pd.DataFrame, symbol: str | None = None) -> pl.DataFrame:
    """The candles that `plot` draws, as `flatnb.notebook.chart_data.ChartSource.bars` has them."""
    return _candles(_bars(frame, symbol))[1]


def _candles(bars: pl.DataFrame) -> tuple[Interval, pl.DataFrame]:
    """The shortest interval of at most `MAX_CANDLES` bars, with these."""
    source = chart_source(bars, None)
    for interval in source.intervals:
        shown = source.bars(source.symbols[0], interval)
        if shown.height <= MAX_CANDLES:
            break
    return interval, shown


def _bars(frame: pl.DataFrame | pd.DataFrame, symbol: str | None) -> pl.DataFrame:
    """The bars of one symbol in the order of time."""
    import polars as pl

    bars = as_polars(frame)
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


def _draw(bars: pl.DataFrame, interval: Interval, candles: Axes, volume: Axes) -> None:
    positions = range(len(bars))
    columns = {name: bars[name].to_list() for name in bars.columns}
    opens, closes = columns["open"], columns["close"]
    colours = [_RISING if c >= o else _FALLING for o, c in zip(opens, closes, strict=True)]
    candles.vlines(positions, columns["low"], columns["high"], colors=colours, linewidth=0.8)
    price_range = (max(columns["high"]) - min(columns["low"])) or 1.0
    # A bar whose open is its close would have no height, and be invisible.
    heights = [max(abs(c - o), price_range / 400) for o, c in zip(opens, closes, strict=True)]
    bottoms = [min(o, c) for o, c in zip(opens, closes, strict=True)]
    candles.bar(positions, heights, bottom=bottoms, width=0.7, color=colours)
    volume.bar(positions, columns["volume"], width=0.7, color=colours, alpha=0.6)
    within_days = interval not in ("1 day", "1 week")
    times = [datetime.fromtimestamp(seconds, UTC) for seconds in columns["time"]]
    ticks = _ticks(times, within_days)
    volume.set_xticks(list(ticks), list(ticks.values()))
    if within_days:  # times of day mean nothing without their time zone
        volume.set_xlabel("exchange time (New York)", loc="right", fontsize=9)
    for axes in (candles, volume):
        _shade(axes, columns["session"])
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


def _ticks(times: list[datetime], within_days: bool) -> dict[int, str]:
    """Position → label of at most `_TIME_LABELS` bars: of full hours, or where days begin."""
    if not within_days:
        step = max(1, -(-len(times) // _TIME_LABELS))
        return {place: f"{times[place]:%Y-%m-%d}" for place in range(0, len(times), step)}
    before = [None, *times[:-1]]
    days = [
        place
        for place, (time, last) in enumerate(zip(times, before, strict=True))
        if last is None or time.date() != last.date()
    ]
    if len(days) > 1:
        step = -(-len(days) // _TIME_LABELS)
        return {place: f"{times[place]:%a %d %b\n%H:%M}" for place in days[::step]}
    hours = [place for place, time in enumerate(times) if time.minute == 0]
    step = max(1, -(-len(hours) // _TIME_LABELS))
    return {place: f"{times[place]:%H:%M}" for place in hours[::step]} or {0: f"{times[0]:%H:%M}"}


def _shade(axes: Axes, sessions: list[str]) -> None:
    """Mark the bars before and after the regular session."""
    for place, session in enumerate(sessions):
        if session in ("pre", "post"):
            axes.axvspan(place - 0.5, place + 0.5, color="#808080", alpha=0.12, linewidth=0)


def _darken(figure: Figure) -> None:
    figure.set_facecolor(_DARK)
    for axes in figure.axes:
        axes.set_facecolor(_DARK)
        axes.tick_params(colors=_LIGHT_TEXT)
        axes.xaxis.label.set_color(_LIGHT_TEXT)
        axes.yaxis.label.set_color(_LIGHT_TEXT)
        for spine in axes.spines.values():
            spine.set_color(_LIGHT_TEXT)
