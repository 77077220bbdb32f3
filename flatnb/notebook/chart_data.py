"""The bars that an interactive chart shows: fixed intervals, none across a session or a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from ..market.calendar import EXCHANGE_TIME_ZONE
from ..research.bar_making import bars
from ..research.frame import as_polars

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Interval = Literal["1 min", "5 min", "15 min", "1 hour", "1 day", "1 week"]
_LENGTHS: dict[Interval, str] = {
    "1 min": "1m",
    "5 min": "5m",
    "15 min": "15m",
    "1 hour": "1h",
    "1 day": "1d",
    "1 week": "1d",
}
_WITHIN_DAYS: tuple[Interval, ...] = ("1 min", "5 min", "15 min", "1 hour")
INTERVALS: tuple[Interval, ...] = tuple(_LENGTHS)

COLUMNS = ("ticker", "window_start", "open", "high", "low", "close", "volume")

MAX_BARS = 20_000
"""A chart has at most so many bars; more are shown by a longer interval."""


@dataclass(frozen=True)
class ChartSource:
    """The bars of some tickers of a loaded frame.

    Attributes
    ----------
    rows
        Of these tickers, in the order of time.
    is_daily
        Whether the frame has daily bars.
    """

    rows: pl.DataFrame
    symbols: tuple[str, ...]
    is_daily: bool

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals that can be made."""
        return ("1 day", "1 week") if self.is_daily else INTERVALS

    def bars(self, symbol: str, interval: Interval) -> pl.DataFrame:
        """The bars of a ticker.

        Returns
        -------
        polars.DataFrame
            ``time`` (seconds of the exchange's clock since 1970, as if that were UTC), ``open``,
            ``high``, ``low``, ``close``, ``volume``, ``session`` (``"pre"``, ``"regular"``,
            ``"post"``, ``"all"``), ``date``.

        Raises
        ------
        ValueError
            If the rows are neither minutes nor daily bars.
        """
        import polars as pl

        rows = self.rows.filter(pl.col("ticker") == symbol)
        if self.is_daily:
            made = rows.with_columns(session=pl.lit("all"))
        elif interval in _WITHIN_DAYS:
            made = bars(rows, _LENGTHS[interval], hours=_all_hours(rows))
        else:
            made = bars(rows, "1d")
        shown = made.select(
            _clock(interval in _WITHIN_DAYS and not self.is_daily).alias("time"),
            *(pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "volume")),
            "session",
            "date",
        ).sort("time")
        return _weeks(shown) if interval == "1 week" else shown

    def default_interval(self) -> Interval:
        """The shortest one that gives no more than a few hundred bars a screen."""
        if self.is_daily:
            return "1 day"
        days = self.rows["date"].n_unique() if "date" in self.rows.columns else 1
        if days <= 2:
            return "1 min"
        return "5 min" if days <= 10 else "1 hour" if days <= 60 else "1 day"

    def shown_interval(self, wanted: Interval) -> Interval:
        """The wanted interval, or the next that gives at most `MAX_BARS` bars."""
        count = self.rows.height / max(len(self.symbols), 1)
        per = {"1 min": 1, "5 min": 5, "15 min": 15, "1 hour": 60}
        for interval in self.intervals[self.intervals.index(wanted) :]:
            if count / per.get(interval, 390) <= MAX_BARS:
                return interval
        return self.intervals[-1]


def chart_source(
    frame: pl.DataFrame | pd.DataFrame, symbols: Sequence[str] | str | None
) -> ChartSource:
    """Check a frame and take the rows of some tickers.

    Raises
    ------
    ValueError
        If the frame has no bars, or not these tickers.
    """
    import polars as pl

    rows = as_polars(frame)
    if absent := [name for name in COLUMNS if name not in rows.columns]:
        raise ValueError(
            f"frame has no column {', '.join(map(repr, absent))}; a chart shows daily or minute "
            "bars that were loaded with all their columns"
        )
    tickers = rows["ticker"].unique().sort().to_list()
    if symbols is None and len(tickers) == 1:
        symbols = tickers
    chosen = (symbols,) if isinstance(symbols, str) else tuple(symbols or ())
    if not chosen or (unknown := [each for each in chosen if each not in tickers]):
        some = ", ".join(map(repr, tickers[:5])) + (", …" if len(tickers) > 5 else "")
        wrong = unknown if chosen else symbols
        raise ValueError(f"symbols={wrong!r} is not in the frame; choose from {some or 'none'}")
    rows = rows.filter(pl.col("ticker").is_in(list(chosen)))
    if "date" not in rows.columns:
        rows = rows.with_columns(date=_exchange_time().dt.date())
    per_day = rows.group_by("ticker", "date").len()["len"].max()
    return ChartSource(rows.sort("window_start"), chosen, cast("int", per_day) <= 1)


def _exchange_time() -> pl.Expr:
    import polars as pl

    # A frame without a zone has the vendor's UTC.
    return pl.col("window_start").dt.convert_time_zone(EXCHANGE_TIME_ZONE)


def _clock(within_days: bool) -> pl.Expr:
    """Seconds as the exchange's clock shows them; of whole days their midnight."""
    import polars as pl

    if not within_days:
        return pl.col("date").cast(pl.Datetime("us")).dt.epoch("s")
    return _exchange_time().dt.replace_time_zone(None).dt.epoch("s")


def _weeks(days: pl.DataFrame) -> pl.DataFrame:
    """One bar a week, from Monday, at its first trading day."""
    import polars as pl

    return (
        days.group_by(pl.col("date").dt.truncate("1w").alias("week"), maintain_order=True)
        .agg(
            pl.col("time", "open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("session", "date").first(),
        )
        .drop("week")
    )


def _all_hours(rows: pl.DataFrame) -> Literal["extended", "all"]:
    from ..research.frame import market_of
    from ..research.trading_hours import has_hours

    return "extended" if has_hours(market_of(rows)) else "all"
