"""`Chart`: the bars of one ticker, or several in percent, to zoom and pan in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import anywidget
import traitlets

from ..html import head, page
from ..jobs.progress_bar import in_kernel
from .chart_data import ChartSource, Interval, chart_source
from .live_view import confirm, widget_bundle
from .module import widget_module
from .saved_view import saved_view
from .static_chart import static_chart
from .subshell import handle_while_cells_run

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

CHART_PARTS = ("vendor/lightweight-charts.js", "chart_view.js")
"""What modules that draw a chart are put behind."""


class Series(TypedDict):
    """The bars of a ticker, by columns; times as `ChartSource.bars` has them."""

    symbol: str
    time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]
    session: list[str]


class ChartBars(TypedDict):
    """What the page draws; ``within_days``: times of day matter."""

    interval: str
    within_days: bool
    series: list[Series]


def chart_bars(source: ChartSource, symbols: Sequence[str], wanted: Interval) -> ChartBars:
    """The bars of tickers for the page, by the wanted interval or a longer one."""
    interval = source.shown_interval(wanted)
    return {
        "interval": interval,
        "within_days": interval not in ("1 day", "1 week"),
        "series": [_series(symbol, source.bars(symbol, interval)) for symbol in symbols],
    }


def _series(symbol: str, bars: pl.DataFrame) -> Series:
    columns = {name: bars[name].to_list() for name in bars.columns if name != "date"}
    return Series(symbol=symbol, **columns)  # type: ignore[typeddict-item, no-any-return]


class ChartWidget(anywidget.AnyWidget):
    """The chart on the page.

    Attributes
    ----------
    key
        Names this view in the page: the saved picture is hidden while it is there.
    title
        The tickers.
    intervals
        The offered intervals.
    bars
        What is drawn, `ChartBars`.
    """

    _esm, _css = widget_module("chart", *CHART_PARTS)
    key = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    intervals: traitlets.List[str] = traitlets.List().tag(sync=True)
    bars: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)


class Chart:
    """An interactive chart, made by `FlatSession.chart`; display it in a notebook.

    Parameters
    ----------
    frame
        Daily or minute bars as `FlatSession.load` gives them.
    symbols
        The tickers; None: the only one.

    Attributes
    ----------
    widget
        The widget, to place beside others.

    Raises
    ------
    ValueError
        If the frame has no bars, or not these tickers.
    """

    def __init__(
        self, frame: pl.DataFrame | pd.DataFrame, symbols: Sequence[str] | str | None = None
    ) -> None:
        self._source = chart_source(frame, symbols)
        title = ", ".join(self._source.symbols)
        self.widget = ChartWidget(title=title, intervals=list(self._source.intervals))
        self.widget.key = self.widget.model_id
        handle_while_cells_run(self.widget)
        self.widget.on_msg(lambda _widget, content, _buffers: self.receive(content))
        self.show(self._source.default_interval())

    def show(self, interval: Interval) -> None:
        """Show bars of an interval: ``"1 min"``, …, ``"1 week"``.

        An interval of too many bars is replaced by a longer one.

        Raises
        ------
        ValueError
            If the frame's bars cannot make it.
        """
        intervals = self._source.intervals
        if interval not in intervals:
            raise ValueError(f"interval={interval!r} is not one of {', '.join(intervals)}")
        self.widget.bars = dict(chart_bars(self._source, self._source.symbols, interval))

    def receive(self, content: object) -> None:
        """Handle a message of the page."""
        if not isinstance(content, dict):
            return
        for interval in self._source.intervals:
            if content.get("action") == "interval" and content.get("interval") == interval:
                self.show(interval)
        confirm(self.widget, content)

    def _display_(self) -> anywidget.AnyWidget:
        # How marimo asks for what it shows.
        return self.widget

    def _ipython_display_(self) -> None:
        from IPython.display import display

        text = f"Chart of {self.widget.title}"
        display(widget_bundle(self.widget, text), raw=True)  # type: ignore[no-untyped-call]
        if in_kernel():
            html = saved_view(self.widget.key, self.picture(), needs_kernel=False)
            display({"text/html": html, "text/plain": ""}, raw=True)  # type: ignore[no-untyped-call]

    def picture(self) -> str:
        """A picture of the first ticker as HTML, for saved notebooks."""
        symbol, interval = self._source.symbols[0], str(self.widget.bars["interval"])
        bars = self._source.bars(symbol, interval)  # type: ignore[arg-type]
        return page(head(symbol, interval) + static_chart(bars, symbol))
