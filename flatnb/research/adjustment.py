"""Prices and sizes on the share basis of one day: back-adjustment for splits and dividends.

A split from a to b shares multiplies prices before it with a / b and sizes with b / a, as in the
vendor's REST bars and in CRSP's cumulative factors. The vendor's splits endpoint says of the day:
"On the execution date, all trading is already adjusted for the split. This includes the
pre-market session." A cash dividend of D multiplies prices before its ex-date with 1 - D / C,
where C is the last regular close before it, and leaves sizes alone; so does the
``historical_adjustment_factor`` of the vendor's dividends endpoint.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from ..market.calendar import EXCHANGE_TIME_ZONE, DateLike, as_date
from .actions import Actions, names_of, read_actions
from .frame import Frame, as_polars, like, map_days, market_of, tickers_of, with_date
from .previous_closes import with_previous_close

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

PRICES = ("open", "close", "high", "low", "price", "ask_price", "bid_price", "vwap", "vwap_approx")
SIZES = ("volume", "size", "ask_size", "bid_size")
FACTORS = ("price_factor", "size_factor")

_NOT_ADJUSTED = {
    "options": "an option's contract is adjusted by the OCC (another strike, root or deliverable), "
    "not its price history; follow the adjusted contract's own symbol",
    "indices": "an index is continuous over the splits of its members by construction",
    "forex": "currency pairs have no splits or dividends",
    "crypto": "crypto pairs have no splits or dividends",
    "futures": "futures have no splits or dividends; chain contracts with continuous()",
}


def adjust(
    frame: Frame,
    actions: Actions,
    *,
    how: Literal["splits", "all"] = "splits",
    as_of: DateLike | None = None,
    factors: bool = False,
    closes: pl.DataFrame | pd.DataFrame | None = None,
) -> Frame:
    """Back-adjust prices and sizes of stocks to the share basis of one day.

    Rows of the day of a split and later are on the new basis already; earlier ones are multiplied.
    A ticker that ``actions`` does not name is taken to have had none; actions of tickers that the
    frame does not hold are not looked at. Tickers are case-sensitive.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Bars, trades or quotes of stocks. Multiplied are the prices ``open``, ``close``, ``high``,
        ``low``, ``price``, ``bid_price``, ``ask_price``, ``vwap`` and ``vwap_approx``, and the
        sizes ``volume``, ``size``, ``bid_size`` and ``ask_size``, as far as the frame has them.
        ``transactions`` and all else stay.
    actions
        Splits and dividends: see `read_actions`.
    how
        ``"splits"``, or ``"all"``: dividends too.
    as_of
        The day on whose basis all prices and volumes are stated; actions after it do not count.
        None: today in New York, so that announced splits wait for their day.
    factors
        Whether to add the columns ``price_factor`` and ``size_factor``, by which the columns were
        multiplied.
    closes
        For ``how="all"``, where ``actions`` has no ``factor``: daily bars (``date``, ``ticker``,
        ``close``, not adjusted) to take the previous closes from. None: the frame's own closes,
        which it then must have.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The same columns and order.

    Raises
    ------
    ValueError
        If the rows are not of stocks, an action is wrong, a row is of a day after ``as_of``, or a
        dividend's previous close is not there or not above its amount.

    Examples
    --------
    The vendor's knowledge base has a bar of ETHA before its 1-for-3 reverse split:

    >>> import polars as pl
    >>> bar = pl.DataFrame({"date": [date(2026, 10, 1)], "ticker": ["ETHA"], "close": [20.34],
    ...     "volume": [45879.0]})
    >>> split = pl.DataFrame({"ticker": ["ETHA"], "date": ["2026-10-06"], "kind": ["split"],
    ...     "from": [3], "to": [1]})
    >>> adjust(bar, split, as_of="2026-10-06").select(pl.col("close", "volume").round(2)).row(0)
    (61.02, 15293.0)
    """
    import polars as pl

    if how not in ("splits", "all"):
        raise ValueError(f"how={how!r} is unknown; choose 'splits' or 'all'")
    given = as_polars(frame)
    market = market_of(given)
    if market != "stocks":
        raise ValueError(f"frame holds {market}, which are not adjusted: {_NOT_ADJUSTED[market]}")
    day = today() if as_of is None else as_date(as_of, "as_of")
    rows = with_date(given, market)
    last = rows["date"].max()
    if isinstance(last, date) and last > day:
        raise ValueError(
            f"frame holds rows of {last}, after as_of={day}; choose a later day, or leave them out"
        )
    table = read_actions(actions, tickers_of(rows)).filter(pl.col("date") <= day)
    steps = _steps(table, rows, how, closes)

    def of_day(when: date, part: pl.DataFrame) -> pl.DataFrame:
        return _adjusted(part, _factors_on(when, steps), factors)

    made = [*given.columns, *(FACTORS if factors else ())]
    return like(frame, map_days(rows, of_day).select(made))


def today() -> date:
    """The date in New York."""
    return datetime.now(ZoneInfo(EXCHANGE_TIME_ZONE)).date()


def _steps(
    table: pl.DataFrame,
    rows: pl.DataFrame,
    how: str,
    closes: pl.DataFrame | pd.DataFrame | None,
) -> pl.DataFrame:
    """The actions after the frame's first day, with a factor each."""
    import polars as pl

    applying = table.filter(pl.col("date") > rows["date"].min()) if len(rows) else table.clear()
    splits = applying.filter(kind="split").select(
        "ticker",
        "date",
        (pl.col("from") / pl.col("to")).alias("price_factor"),
        (pl.col("to") / pl.col("from")).alias("size_factor"),
    )
    if how == "splits":
        return splits
    dividends = applying.filter(kind="dividend")
    clash = dividends.filter(pl.col("factor").is_null()).join(
        splits, on=["ticker", "date"], how="semi"
    )
    if not clash.is_empty():
        raise ValueError(
            f"actions: {names_of(clash.rows(named=True))} is on the day of a split, so that its "
            "share basis is not known; give its factor"
        )
    return pl.concat([splits, _dividend_steps(dividends, splits, rows, closes)])


def _dividend_steps(
    dividends: pl.DataFrame,
    splits: pl.DataFrame,
    rows: pl.DataFrame,
    closes: pl.DataFrame | pd.DataFrame | None,
) -> pl.DataFrame:
    import polars as pl

    keys = ["ticker", "date"]
    # Several dividends of a day are one: their amounts were all taken off the same close.
    known = dividends.filter(pl.col("factor").is_not_null())
    partly = dividends.filter(pl.col("factor").is_null()).join(known, on=keys, how="semi")
    if not partly.is_empty():
        raise ValueError(
            f"actions: {names_of(partly.rows(named=True))} has no factor, and another dividend of "
            "that day has one; give both or neither"
        )
    without = dividends.filter(pl.col("factor").is_null())
    foreign = without.filter(pl.col("currency") != "USD")
    if not foreign.is_empty():
        raise ValueError(
            f"actions: {names_of(foreign.rows(named=True))} is in {foreign['currency'][0]}, the "
            "prices in USD; give its factor, or its amount in USD"
        )
    amounts = without.group_by(keys, maintain_order=True).agg(
        pl.lit("dividend").alias("kind"), pl.col("amount").sum()
    )
    closed = with_previous_close(amounts, splits, rows, closes)
    too_much = closed.filter(pl.col("amount") >= pl.col("previous_close"))
    if not too_much.is_empty():
        example = too_much.row(0, named=True)
        raise ValueError(
            f"actions: {names_of([example])} is not below the previous close "
            f"{example['previous_close']:g}, so it makes no factor; correct or omit it"
        )
    price_factor = (1 - pl.col("amount") / pl.col("previous_close")).alias("price_factor")
    one = pl.lit(1.0).alias("size_factor")
    return pl.concat(
        [
            known.select(*keys, pl.col("factor").alias("price_factor"), one),
            closed.select(*keys, price_factor, one),
        ]
    )


def _factors_on(day: date, steps: pl.DataFrame) -> pl.DataFrame:
    """What a day's rows are multiplied with: the product of all later steps, by ticker."""
    import polars as pl

    later = steps.filter(pl.col("date") > day)
    return later.group_by("ticker").agg(pl.col(*FACTORS).product())


def _adjusted(rows: pl.DataFrame, table: pl.DataFrame, factors: bool) -> pl.DataFrame:
    import polars as pl

    one = [pl.lit(1.0).alias(name) for name in FACTORS]
    if table.is_empty():
        return rows.with_columns(one) if factors else rows
    joined = rows.join(table, on="ticker", how="left", maintain_order="left").with_columns(
        pl.col(*FACTORS).fill_null(1.0)
    )
    scaled = [
        (pl.col(name) * pl.col(factor)).alias(name)
        for names, factor in ((PRICES, "price_factor"), (SIZES, "size_factor"))
        for name in names
        if name in rows.columns
    ]
    made = joined.with_columns(scaled)
    return made if factors else made.drop(FACTORS)
