"""Trades with the quotes that prevailed, the spread that was paid, and who took it.

The side is found as Lee and Ready do ("Inferring trade direction from intraday data", Journal of
Finance 46, 1991): the quote rule, and at the midpoint the tick test. Their lag of five seconds is
left out: times come from one clock, the tape's, to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Literal

from .frame import (
    Frame,
    as_polars,
    instant,
    like,
    map_days,
    market_of,
    require_columns,
    time_column,
    with_date,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SIZES_IN_SHARES_SINCE = date(2025, 11, 3)
"""The first day whose quote files of stocks have sizes in shares.

On it the tape began to give the sizes of quotes in shares, rounded down to the stock's round lot
(UTP Vendor Alert 2025-10; 17 CFR 242.600(b)(93) and 242.603). Users found the files to have
changed on that day.
"""

ROUND_LOT = 100
_SIZES = ("bid_size", "ask_size")
_PRICES = ("bid_price", "ask_price")
ADDED = (
    "quote_timestamp",
    *_PRICES,
    *_SIZES,
    "midpoint",
    "effective_spread",
    "side",
)


def quote_sizes_in_shares(frame: Frame, *, round_lots: Mapping[str, int] | None = None) -> Frame:
    """Quotes of stocks with ``bid_size`` and ``ask_size`` in shares, whatever the day.

    Files of days before 2025-11-03 have sizes in round lots, so they are multiplied with the
    stock's lot; later ones have shares already. Give quotes as the files have them: what is
    multiplied once looks like what is not.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Quotes of stocks.
    round_lots
        Ticker → shares in a lot, for the few stocks of high price that the exchanges gave lots of
        10 shares or of 1 before that day; all others are taken to have 100. The files do not have
        lots.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The same rows and columns. Before that day, shares that did not fill a round lot are not
        in the sizes, nor are they since (but the lots of stocks above 250 dollars have 40, 10 or
        1 shares now).

    Raises
    ------
    ValueError
        If the rows are not quotes of stocks, or a lot is not a whole number above 0.

    Examples
    --------
    >>> import polars as pl
    >>> quotes = pl.DataFrame({"date": [date(2025, 10, 31), date(2025, 11, 3)], "ticker": "A",
    ...     "bid_size": [2.0, 200.0], "ask_size": [11.0, 1100.0]})
    >>> quote_sizes_in_shares(quotes).select("bid_size", "ask_size").rows()
    [(200.0, 1100.0), (200.0, 1100.0)]
    """
    import polars as pl

    given = as_polars(frame)
    require_columns(given, _SIZES, "frame", "which quotes have")
    market = market_of(given)
    if market != "stocks":
        raise ValueError(f"frame holds {market}, whose sizes are not round lots; leave them as is")
    lots = dict(round_lots or {})
    for ticker, lot in lots.items():
        if not isinstance(lot, int) or lot < 1:
            raise ValueError(f"round_lots has {lot!r} for {ticker!r}; give whole shares above 0")
    rows = with_date(given, market)
    lot_of: pl.Expr = pl.lit(float(ROUND_LOT))
    if lots:
        table = {ticker: float(lot) for ticker, lot in lots.items()}
        lot_of = pl.col("ticker").replace_strict(table, default=lot_of, return_dtype=pl.Float64)
    in_lots = pl.col("date") < SIZES_IN_SHARES_SINCE
    shares = [
        pl.when(in_lots).then(pl.col(name) * lot_of).otherwise(pl.col(name)).alias(name)
        for name in _SIZES
    ]
    return like(frame, rows.with_columns(shares).select(given.columns))


def with_quotes(
    trades: Frame,
    quotes: pl.DataFrame | pd.DataFrame,
    *,
    sizes: Literal["shares", "as_filed"] = "shares",
    round_lots: Mapping[str, int] | None = None,
) -> Frame:
    """Trades with the prevailing quote, the effective spread and the side of each.

    The quote is the last one of the same ticker and day at or before the trade's time, both by
    ``sip_timestamp`` (futures: ``timestamp``); of several at the same time, the one with the
    highest ``sequence_number``. It is taken as it was: one-sided, locked or crossed too.

    Parameters
    ----------
    trades : polars.DataFrame or pandas.DataFrame
        Trades of stocks, options or futures, in any order. Filter what should not count in the
        tick test, such as odd lots or cancelled trades, before.
    quotes : polars.DataFrame or pandas.DataFrame
        Their quotes, as the files have them. Of days that ``trades`` lacks nothing is used.
    sizes
        ``"shares"``: sizes of stock quotes in shares, by `quote_sizes_in_shares`. ``"as_filed"``:
        as they are in ``quotes``.
    round_lots
        See `quote_sizes_in_shares`.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The trades in their order with these columns besides; all null where there was no quote
        yet, except ``side``, which the tick test may tell.

        - ``quote_timestamp``, ``bid_price``, ``ask_price``, ``bid_size``, ``ask_size``;
        - ``midpoint``: (bid + ask) / 2, null if a side is empty (its price is 0 in the files);
        - ``effective_spread``: 2 × abs(price - midpoint), in dollars a share;
        - ``side``: ``"buy"`` if the price is above the midpoint, ``"sell"`` if below it. At the
          midpoint, or without one, the tick test: ``"buy"`` if the last different price of that
          ticker and day was lower, ``"sell"`` if it was higher, null if there was none.

    Raises
    ------
    ValueError
        If the frames are not trades and quotes of one market.

    Examples
    --------
    >>> import polars as pl
    >>> trade = pl.DataFrame({"ticker": ["A"], "price": [10.04], "size": [100.0],
    ...     "sip_timestamp": [1704205800_000000005]})
    >>> quote = pl.DataFrame({"ticker": ["A"], "bid_price": [10.0], "ask_price": [10.05],
    ...     "bid_size": [1.0], "ask_size": [3.0], "sip_timestamp": [1704205800_000000004]})
    >>> with_quotes(trade, quote).select("ask_size", pl.col("effective_spread").round(3),
    ...     "side").row(0)
    (300.0, 0.03, 'buy')
    """
    if sizes not in ("shares", "as_filed"):
        raise ValueError(f"sizes={sizes!r} is unknown; choose 'shares' or 'as_filed'")
    given, quoted = as_polars(trades, "trades"), as_polars(quotes, "quotes")
    require_columns(given, ["ticker", "price"], "trades", "which trades have")
    require_columns(quoted, ["ticker", *_PRICES, *_SIZES], "quotes", "which quotes have")
    if taken := [name for name in ADDED if name in given.columns]:
        raise ValueError(f"trades has a column {taken[0]!r} already; rename or drop it")
    market, other = market_of(given), market_of(quoted)
    if market != other and not given.is_empty() and not quoted.is_empty():
        raise ValueError(f"trades holds {market}, quotes {other}; give both of one market")
    if sizes == "shares" and market == "stocks":
        quoted = quote_sizes_in_shares(quoted, round_lots=round_lots)
    rows, by_day = with_date(given, market), _by_day(with_date(quoted, market))
    time, quote_time = time_column(rows), time_column(quoted)

    def of_day(day: date, part: pl.DataFrame) -> pl.DataFrame:
        table = by_day.get(day, by_day[None])
        return _joined(part, time, _quote_table(table, quote_time))

    return like(trades, map_days(rows, of_day).select(*given.columns, *ADDED))


def _by_day(quotes: pl.DataFrame) -> dict[date | None, pl.DataFrame]:
    parts = quotes.partition_by("date", maintain_order=True)
    return {None: quotes.clear(), **{part["date"][0]: part for part in parts}}


def _quote_table(quotes: pl.DataFrame, time: str) -> pl.DataFrame:
    import polars as pl

    numbers = [name for name in ("sequence_number", "report_sequence") if name in quotes.columns]
    table = quotes.select(
        "ticker",
        instant(time).alias("_time"),
        pl.col(time).alias("quote_timestamp"),
        *_PRICES,
        *_SIZES,
        *(pl.col(name).alias(f"_{name}") for name in numbers),
    )
    ordered = table.sort("_time", *(f"_{name}" for name in numbers), maintain_order=True)
    return ordered.drop(f"_{name}" for name in numbers)


def _joined(trades: pl.DataFrame, time: str, quotes: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    numbers = [name for name in ("sequence_number", "report_sequence") if name in trades.columns]
    numbered = trades.with_row_index("_row").with_columns(instant(time).alias("_time"))
    ordered = numbered.sort("_time", *numbers, maintain_order=True)
    joined = ordered.join_asof(
        quotes, on="_time", by="ticker", strategy="backward", check_sortedness=False
    )
    bid, ask, price = pl.col("bid_price"), pl.col("ask_price"), pl.col("price")
    middle = pl.when((bid > 0) & (ask > 0)).then((bid + ask) / 2)
    # The last different price: the price before the run of equal ones that a trade is in.
    before = price.shift().over("ticker")
    changed = pl.when(price != before).then(before).forward_fill().over("ticker")
    spread = 2 * (price - pl.col("midpoint")).abs()
    side = (
        pl.when(price > pl.col("midpoint"))
        .then(pl.lit("buy"))
        .when(price < pl.col("midpoint"))
        .then(pl.lit("sell"))
        .when(price > pl.col("_changed"))
        .then(pl.lit("buy"))
        .when(price < pl.col("_changed"))
        .then(pl.lit("sell"))
    )
    marked = joined.with_columns(middle.alias("midpoint"), changed.alias("_changed"))
    return marked.with_columns(spread.alias("effective_spread"), side.alias("side")).sort("_row")
