"""The last regular close before a day, of bars that are not adjusted."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING

from ..market.calendar import trading_days
from .actions import names_of
from .frame import as_polars, instant, moment_ns, require_columns, with_date
from .trading_hours import hours

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_REMEDY = (
    "give actions a column 'factor' (the vendor's reference data have it), or pass daily bars of "
    "the days before as closes"
)
_LONGEST_CLOSURE_DAYS = 10  # 2001-09-11 to 09-17 was the longest in a century


def with_previous_close(
    dividends: pl.DataFrame,
    splits: pl.DataFrame,
    rows: pl.DataFrame,
    closes: pl.DataFrame | pd.DataFrame | None,
) -> pl.DataFrame:
    """Dividends with ``previous_close``: the ticker's last regular close before each date.

    Only dividends that have earlier rows of their ticker are kept: the others change none.

    Parameters
    ----------
    dividends
        ``ticker``, ``date``, ``kind`` and ``amount``.
    splits
        ``ticker`` and ``date``: a close from before a split does not fit a dividend after it.
    rows
        The frame that is adjusted.
    closes
        Daily bars; None to use ``rows``.

    Raises
    ------
    ValueError
        If there is no close, or the bars lack the trading day before the dividend.
    """
    import polars as pl

    if dividends.is_empty():
        return dividends.with_columns(pl.lit(None, pl.Float64).alias("previous_close"))
    of_interest = dividends.select(pl.col("ticker").unique())
    theirs = rows.select("ticker", "date").join(of_interest, on="ticker", how="semi")
    first = theirs.group_by("ticker").agg(pl.col("date").min().alias("_first"))
    kept = dividends.join(first, on="ticker").filter(pl.col("_first") < pl.col("date"))
    kept = kept.drop("_first")
    daily, days = _daily_closes(rows if closes is None else closes, of_interest, closes is None)
    for day in kept["date"].unique().to_list():
        before = _trading_day_before(day)
        if before not in days:
            example = kept.filter(date=pl.lit(day)).rows(named=True)
            raise ValueError(
                f"there are no bars of {before}, before {names_of(example)}: {_REMEDY}"
            )
    joined = kept.sort("date").join_asof(
        daily.sort("date"),
        on="date",
        by="ticker",
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    missing = joined.filter(pl.col("previous_close").is_null())
    if not missing.is_empty():
        named = names_of(missing.rows(named=True))
        raise ValueError(f"there is no close before {named}: {_REMEDY}")
    # A ticker that did not trade for long may have been split since its last close.
    split = joined.join(splits.select("ticker", split="date"), on="ticker").filter(
        (pl.col("_closed") < pl.col("split")) & (pl.col("split") < pl.col("date"))
    )
    if not split.is_empty():
        named = names_of(split.rows(named=True))
        raise ValueError(f"the last close before {named} is from before a split: {_REMEDY}")
    return joined.drop("_closed")


def _daily_closes(
    bars: pl.DataFrame | pd.DataFrame, tickers: pl.DataFrame, own: bool
) -> tuple[pl.DataFrame, set[date]]:
    """The last regular close of each day, and the days that there are bars of."""
    import polars as pl

    name = "frame" if own else "closes"
    table = as_polars(bars, name)
    for column in ("ticker", "close"):
        require_columns(table, [column], name, f"so dividends cannot be applied: {_REMEDY}")
    table = with_date(table, "stocks")
    days = set(table["date"].unique().to_list())
    table = table.join(tickers, on="ticker", how="semi")
    if "window_start" in table.columns and not table.is_empty():
        day = table["date"][0]
        if table.head(1).select(instant("window_start")).item() != moment_ns(day, time()):
            table = hours(table, "regular").sort("window_start")
    closes = table.group_by("ticker", "date").agg(pl.col("close").last().alias("previous_close"))
    return closes.with_columns(pl.col("date").alias("_closed")), days


def _trading_day_before(day: date) -> date:
    before = day - timedelta(days=1)
    return trading_days(day - timedelta(days=_LONGEST_CLOSURE_DAYS), before)[-1]
