"""`Explorer`: see a loaded frame in a notebook. Only what is seen goes to the page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anywidget
import traitlets

from .chart import CHART_PARTS, chart_bars
from .chart_data import Interval, chart_source
from .debounce import Debouncer
from .frame_view import FrameView
from .live_view import confirm, widget_bundle
from .module import widget_module
from .subshell import handle_while_cells_run

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

MOST_ROWS, MOST_TICKERS = 200, 60
"""A message of the page may ask for so many."""

FIRST_ROWS = 30
"""Rows that are sent with a new filter, unasked: as many as are in view, and some."""

_SUMMARISE_AFTER_S = 0.3


class ExplorerWidget(anywidget.AnyWidget):
    """The explorer on the page. Parts of lists are asked for and answered by messages.

    Attributes
    ----------
    key
        Names this view in the page.
    columns
        The names of the columns.
    seen
        ``rows``, ``all_rows``, ``tickers``, ``ticker``, ``ranges``, ``code``, and ``version``,
        which changes with the filter.
    summaries
        Each a `ColumnSummary`, as far as they are made.
    bars
        The chart of the chosen ticker, `ChartBars`; empty: there is none.
    message
        The outcome of the last action, for people.
    """

    _esm, _css = widget_module("explorer", *CHART_PARTS)
    key = traitlets.Unicode().tag(sync=True)
    columns: traitlets.List[str] = traitlets.List().tag(sync=True)
    seen: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    summaries: traitlets.List[object] = traitlets.List().tag(sync=True)
    bars: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)


class Explorer:
    """A frame to look at, made by `FlatSession.explore`; display it in a notebook.

    Parameters
    ----------
    frame
        As `FlatSession.load` gives it.

    Attributes
    ----------
    view
        What is seen; ``view.all_rows()`` are its rows.
    widget
        The widget, to place beside others.

    Raises
    ------
    ValueError
        If the frame is neither polars nor pandas, or has no columns.
    """

    def __init__(self, frame: pl.DataFrame | pd.DataFrame) -> None:
        self.view = FrameView.of(frame)
        self._version = 0
        self._charts = Debouncer(0.05)
        self.widget = ExplorerWidget(columns=list(self.view.frame.columns))
        self.widget.key = self.widget.model_id
        handle_while_cells_run(self.widget)
        self.widget.on_msg(lambda _widget, content, _buffers: self.receive(content))
        self._summaries: threading.Timer | None = None
        self._refresh()

    @property
    def code(self) -> str:
        """The polars expression that gives the rows that are seen."""
        return self.view.code()

    @property
    def result(self) -> pl.DataFrame:
        """The rows that are seen."""
        return self.view.all_rows()

    def receive(self, content: object) -> None:
        """Handle a message of the page; an error is shown in it."""
        if not isinstance(content, Mapping):
            return
        try:
            self._handle(content)
        except (ValueError, TypeError, KeyError, OSError) as error:
            self.widget.message = f"{type(error).__name__}: {error}"
        finally:
            confirm(self.widget, content)
        if content.get("action") in ("rows", "tickers") and self._summaries is None:
            # After the first view: polars would use the cores that this needs.
            self._summaries = threading.Timer(_SUMMARISE_AFTER_S, self._summarise)
            self._summaries.daemon = True
            self._summaries.start()

    def _handle(self, content: Mapping[str, object]) -> None:
        match content.get("action"):
            case "rows":
                self._send_rows(*self._part(content, MOST_ROWS))
            case "tickers":
                start, count = self._part(content, MOST_TICKERS)
                search = str(content.get("search", ""))
                found = self.view.ticker_rows(search, start, count)
                total = self.view.tickers(search).height
                answer = {"tickers": found, "start": start, "search": search, "total": total}
                self.widget.send(answer)
            case "choose":
                self.view.choose(str(content["ticker"]))
                self._refresh()
                self._send_rows(0, FIRST_ROWS)
                self._draw(None)
            case "interval":
                self._draw(str(content["interval"]))
            case "restrict":
                low, high = content.get("low"), content.get("high")
                ends = (None, None) if low is None else (float(str(low)), float(str(high)))
                self.view.restrict(str(content["column"]), *ends)
                self._refresh()
                self._send_rows(0, FIRST_ROWS)
            case "save":
                self.widget.message = f"saved {self.save()}"

    @staticmethod
    def _part(content: Mapping[str, object], most: int) -> tuple[int, int]:
        start, count = int(str(content["start"])), int(str(content["count"]))
        return max(start, 0), min(max(count, 0), most)

    def _send_rows(self, start: int, count: int) -> None:
        rows = self.view.rows(start, count)
        self.widget.send({"rows": rows, "start": start, "version": self._version})

    def save(self, path: str | Path | None = None) -> Path:
        """Write the rows that are seen as Parquet.

        Parameters
        ----------
        path
            None: a new file in the working folder, named by the ticker.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        target = Path(path) if path is not None else _new_file(self.view.ticker or "rows")
        self.result.write_parquet(target)
        return target

    def _refresh(self) -> None:
        view = self.view
        self._version += 1
        self.widget.message = ""
        self.widget.seen = {
            "rows": view.count,
            "all_rows": view.frame.height,
            "tickers": view.tickers().height,
            "ticker": view.ticker,
            "ranges": {name: list(ends) for name, ends in view.ranges.items()},
            "code": view.code(),
            "version": self._version,
        }

    def _summarise(self) -> None:
        made = []
        for name in self.view.frame.columns:
            made.append(self.view.summary(name))
            self.widget.summaries = list(made)

    def _draw(self, interval: str | None) -> None:
        ticker = self.view.ticker
        self._charts.submit(lambda is_current: self._show_bars(ticker, interval))

    def _show_bars(self, ticker: str, interval: str | None) -> None:
        import polars as pl

        if not ticker:
            self.widget.bars = {}
            return
        try:
            rows = self.view.frame.filter(pl.col("ticker") == ticker)
            source = chart_source(rows, ticker)
            wanted: Interval = source.default_interval()
            for offered in source.intervals:
                if offered == interval:
                    wanted = offered
            bars: dict[str, object] = dict(chart_bars(source, [ticker], wanted))
            bars["intervals"] = list(source.intervals)
        except ValueError as error:
            bars = {"note": f"no chart: {error}"}
        self.widget.bars = bars

    def __repr__(self) -> str:
        return f"Explorer: {self.code}, {self.view.count:,} rows"

    def _display_(self) -> anywidget.AnyWidget:
        # How marimo asks for what it shows.
        return self.widget

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(widget_bundle(self.widget, repr(self)), raw=True)  # type: ignore[no-untyped-call]


def _new_file(name: str) -> Path:
    plain = "".join(each if each.isalnum() else "_" for each in name)
    path, number = Path(f"flatnb-{plain}.parquet"), 1
    while path.exists():
        number += 1
        path = Path(f"flatnb-{plain}-{number}.parquet")
    return path
