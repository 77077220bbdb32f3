"""What traded on a day, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frame import Frame, as_polars, like, market_of, require_columns, with_date

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

TEST_TICKERS = frozenset(
    [
        *("ATEST", "CBO", "CBX", "CTEST", "IBO", "IGZ", "MTEST", "NTEST", "PTEST", "ZBZX"),
        *("ZJZZT", "ZTEST", "ZTST", "ZVV", "ZVZZT", "ZWZZT", "ZXYZ.A", "ZXZZT"),
    ]
)
"""Tickers in which the exchanges test their systems with orders that nobody means.

From the test issues of Nasdaq's symbol directory (nasdaqtrader.com, ``nasdaqlisted.txt`` and
``otherlisted.txt``, "Test Issue"); those of NYSE's have series with a suffix, ``NTEST.A`` and so
on. The list is not complete: the exchanges add and drop some.
"""

_SERIES = ("ATEST.", "CTEST.", "MTEST.", "NTEST.", "PTEST.")


def universe(frame: Frame, reference: pl.DataFrame | pd.DataFrame | None = None) -> Frame:
    """What traded on each day of a frame of daily bars, and what it is, as far as that is known.

    The files name securities by their ticker of the day and have no permanent identifier: a
    ticker of another day may be another security's. `follow_renames` joins what the vendor's
    ticker events join.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Daily bars of stocks, of one day or several.
    reference
        ``ticker`` and ``type``, as `flatnb.reference.ReferenceService.tickers` returns them. They
        are of the day on which they were fetched: a ticker that was dropped since has no type, and
        one that went to another security has that one's.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        ``date``, ``ticker``, ``close``, ``volume``, ``transactions``, ``dollar_volume`` (close ×
        volume, in dollars: an approximation), ``is_test`` (whether exchanges are known to test
        with it), and with ``reference`` the ``type``, null where it has none.

    Raises
    ------
    ValueError
        If the rows are not bars of stocks, one for each ticker and day, or ``reference`` has a
        ticker twice.

    Examples
    --------
    >>> import polars as pl
    >>> daily = pl.DataFrame({"date": ["2024-01-02"] * 2, "ticker": ["AAPL", "ZVZZT"],
    ...     "close": [185.64, 10.0], "volume": [100.0, 1.0], "transactions": [2, 1]})
    >>> universe(daily).filter(~pl.col("is_test"))["ticker"].to_list()
    ['AAPL']
    """
    import polars as pl

    given = as_polars(frame)
    require_columns(
        given, ["ticker", "close", "volume", "transactions"], "frame", "which daily bars have"
    )
    market = market_of(given)
    if market != "stocks":
        raise ValueError(f"frame holds {market}; the universe is one of stocks")
    rows = with_date(given, market)
    twice = rows.filter(pl.struct("date", "ticker").is_duplicated())
    if not twice.is_empty():
        example = twice.row(0, named=True)
        raise ValueError(
            f"frame holds {example['ticker']} twice on {example['date']}; give daily bars, with "
            "duplicates left out"
        )
    ticker = pl.col("ticker")
    is_test = ticker.is_in(list(TEST_TICKERS)) | pl.any_horizontal(
        ticker.str.starts_with(series) for series in _SERIES
    )
    made = rows.select(
        "date",
        "ticker",
        "close",
        "volume",
        "transactions",
        (pl.col("close") * pl.col("volume")).alias("dollar_volume"),
        is_test.alias("is_test"),
    )
    if reference is not None:
        made = made.join(_types(reference), on="ticker", how="left", maintain_order="left")
    return like(frame, made)


def _types(reference: pl.DataFrame | pd.DataFrame) -> pl.DataFrame:
    import polars as pl

    table = as_polars(reference, "reference")
    require_columns(table, ["ticker", "type"], "reference", "which says what a ticker is")
    twice = table.filter(pl.col("ticker").is_duplicated())
    if not twice.is_empty():
        raise ValueError(f"reference has {twice['ticker'][0]!r} twice; leave one of them out")
    return table.select("ticker", "type")
