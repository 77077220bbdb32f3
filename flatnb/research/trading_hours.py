"""Regular and extended hours of US stocks and options, day by day.

The regular session runs from 09:30 to 16:00 in New York, to 13:00 on the exchange's early closes
(nyse.com/markets/hours-calendars; `flatnb.market.calendar` has them). Stocks trade before it from
04:00 and after it to 20:00, after an early close to 17:00 (nasdaq.com, "Stock Market Hours").
Some option classes, those on SPX, VIX, SPY, QQQ, IWM and other indices and broad funds, trade a
quarter of an hour longer than stocks (Cboe rule 5.1, NYSE Arca rule 6.1-O).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from ..market.calendar import DateLike, as_date, is_early_close, session_close, session_open
from .frame import (
    Frame,
    as_polars,
    instant,
    like,
    map_days,
    market_of,
    moment_ns,
    time_column,
    with_date,
)

if TYPE_CHECKING:
    import polars as pl

Hours = Literal["regular", "extended", "all"]
"""The regular session; with what is traded before and after it; every row of the files."""

PRE_MARKET_OPEN = time(4)
POST_MARKET_CLOSE, POST_MARKET_EARLY_CLOSE = time(20), time(17)
_LATE_OPTIONS = timedelta(minutes=15)
_WITH_HOURS = ("stocks", "options", "indices")


def regular_hours(frame: Frame) -> Frame:
    """The rows of the regular session: `hours` with ``"regular"``."""
    return hours(frame, "regular")


def hours(frame: Frame, hours: Hours = "regular") -> Frame:
    """The rows of some hours of each day, by the exchange's calendar and clock.

    A row is in if its time is at or after the beginning and before the end, in New York over
    changes of daylight-saving time. A minute bar is stamped with its beginning, so the one of
    09:30 is in the regular session and the one of 16:00 is not. A trade or quote is placed by its
    ``sip_timestamp``, as the vendor places it in a minute, so that the trades in some hours are
    those of the minute bars in them. The closing auction is reported just after the close, and so
    is outside the regular session in both.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Minutes, trades, quotes or index values of stocks, options or indices. ``date`` is the day
        of the file; without it, each row's day in exchange time is taken.
    hours
        ``"regular"``: 09:30 to 16:00, or to 13:00 on an early close. ``"extended"``: stocks and
        indices from 04:00 to 20:00, on an early close to 17:00; options to a quarter of an hour
        after the regular close, which some classes on indices and funds have. ``"all"``: every
        row, of any market.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The same columns and order.

    Raises
    ------
    ValueError
        If a market has no such hours (crypto, forex, futures), the rows are day bars, or a day
        is not a trading day.

    Examples
    --------
    >>> import polars as pl
    >>> minutes = pl.DataFrame({
    ...     "date": [date(2024, 7, 3)] * 3,
    ...     "ticker": ["A"] * 3,
    ...     "window_start": pl.Series([datetime(2024, 7, 3, 13, 30), datetime(2024, 7, 3, 16, 59),
    ...         datetime(2024, 7, 3, 17)]).dt.cast_time_unit("ns").dt.replace_time_zone("UTC"),
    ... })
    >>> hours(minutes, "regular")["window_start"].dt.hour().to_list()  # 13:00 in New York is out
    [13, 16]
    """
    _check(hours)
    if hours == "all":
        return frame
    given = as_polars(frame)
    market = market_of(given)
    _check_market(hours, market)
    rows = with_date(given, market)
    name = time_column(rows)

    def of_day(day: date, part: pl.DataFrame) -> pl.DataFrame:
        check_intraday(part, day, name)
        return part.filter(hours_expression(day, hours, time=name, market=market))

    return like(frame, map_days(rows, of_day).select(given.columns))


def hours_expression(
    day: DateLike, hours: Hours = "regular", *, time: str = "window_start", market: str = "stocks"
) -> pl.Expr:
    """The same as a polars expression for the rows of one day, to filter a scan with.

    Parameters
    ----------
    day
        A trading day: that of the file which is read.
    hours
        See `hours`.
    time
        The column of the rows' time: a datetime of any zone, or Unix nanoseconds.
    market
        ``"stocks"``, ``"options"`` or ``"indices"``.

    Returns
    -------
    polars.Expr
        True for the rows with begin <= time < end.

    Raises
    ------
    ValueError
        As `hours` does.

    Examples
    --------
    >>> import polars as pl
    >>> row = pl.DataFrame({"window_start": [1704205800_000000000]})  # 2024-01-02 09:30 EST
    >>> row.select(hours_expression("2024-01-02")).item()
    True
    """
    import polars as pl

    _check(hours)
    if hours == "all":
        return pl.lit(True)
    begin, end = hours_of(as_date(day, "day"), hours, market)
    return instant(time).is_between(begin, end, closed="left")


def hours_of(day: date, hours: Literal["regular", "extended"], market: str) -> tuple[int, int]:
    """The beginning and the end of some hours of a day, as Unix nanoseconds.

    Raises
    ------
    ValueError
        If it is not a trading day, or the market has no such hours.
    """
    _check_market(hours, market)
    opening, closing = session_open(day), session_close(day)
    if hours == "extended" and market == "options":
        closing = (datetime.combine(day, closing) + _LATE_OPTIONS).time()
    elif hours == "extended":
        opening = PRE_MARKET_OPEN
        closing = POST_MARKET_EARLY_CLOSE if is_early_close(day) else POST_MARKET_CLOSE
    return moment_ns(day, opening), moment_ns(day, closing)


def has_hours(market: str) -> bool:
    """Whether a market keeps the stock exchanges' hours."""
    return market in _WITH_HOURS


def check_intraday(rows: pl.DataFrame, day: date, name: str) -> None:
    """Refuse day bars, whose time says nothing of hours.

    Raises
    ------
    ValueError
        If the first row is a bar that is stamped with midnight in New York.
    """
    first = rows.head(1).select(instant(name)).to_series()
    if name == "window_start" and first.to_list() == [moment_ns(day, time())]:
        raise ValueError(
            f"frame holds day bars (window_start of {day} is midnight); give minutes or trades"
        )


def check_hours(hours: str, market: str) -> None:
    """Refuse hours that there are not, or that a market does not have.

    Raises
    ------
    ValueError
        The message names ``hours``, its value and the remedy.
    """
    _check(hours)
    if hours != "all":
        _check_market(hours, market)


def _check(hours: str) -> None:
    if hours not in get_args(Hours):
        raise ValueError(f"hours={hours!r} is unknown; choose from {', '.join(get_args(Hours))}")


def _check_market(hours: str, market: str) -> None:
    if has_hours(market):
        return
    why = {
        "futures": "whose contracts have hours of their own, which the files do not tell",
        "crypto": "which trades around the clock",
        "forex": "which trades around the clock from Sunday evening to Friday",
    }.get(market, f"which is none of {', '.join(_WITH_HOURS)}")
    raise ValueError(
        f"hours={hours!r} has no meaning for {market}, {why}; pass hours='all', or filter by time"
    )
