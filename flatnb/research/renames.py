"""One security under several tickers: which ticker to load on which days, and the rows joined.

The files have no permanent identifier. What joins a history are ticker events: that on a day one
ticker became another (FB became META on 2022-06-09). They come from the vendor's reference data
(`flatnb.reference.ReferenceService.ticker_events`) or from a table of one's own. A ticker that was
another security's before or after is left to that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ..market.calendar import DateLike, as_date, as_date_range
from .frame import Frame, as_polars, like, map_days, market_of, require_columns, with_date

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True, slots=True)
class Tenure:
    """The days on which a security has a ticker, both inclusive."""

    ticker: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class _Change:
    day: date
    old: str | None
    new: str | None


def renames_of(
    symbol: str,
    events: pl.DataFrame | pd.DataFrame,
    start: DateLike,
    end: DateLike,
    *,
    as_of: DateLike | None = None,
) -> list[Tenure]:
    """Which tickers to load for one security, and on which days.

    Parameters
    ----------
    symbol
        The security's ticker on the day ``as_of``.
    events
        Changes of tickers: ``date`` (the first day of the new one, a date or YYYY-MM-DD),
        ``from`` (the old one; null where a security begins) and ``to`` (the new one; null where
        one ends). Other columns are not looked at.
    start, end
        Both inclusive.
    as_of
        A day, in the range or not. None: ``end``.

    Returns
    -------
    list of Tenure
        ``ticker``, ``start`` and ``end`` (both inclusive), in order of time and without overlap.
        There is none for days before the security began or after it ended, if events tell.

    Raises
    ------
    ValueError
        If nobody had the ticker on that day because it was given up before, or two events
        contradict each other.

    Examples
    --------
    >>> import polars as pl
    >>> events = pl.DataFrame({"date": ["2012-05-18", "2022-06-09"], "from": [None, "FB"],
    ...     "to": ["FB", "META"]})
    >>> for tenure in renames_of("META", events, "2022-01-01", "2022-12-31"):
    ...     print(tenure.ticker, tenure.start, tenure.end)
    FB 2022-01-01 2022-06-08
    META 2022-06-09 2022-12-31
    """
    first, last = as_date_range(start, end)
    day = last if as_of is None else as_date(as_of, "as_of")
    changes = _changes(events)
    began, before = _history_before(symbol, changes, day)
    ended, after = _history_after(symbol, changes, day)
    tenures = [*before, Tenure(symbol, began, ended), *after]
    return [
        Tenure(each.ticker, max(each.start, first), min(each.end, last))
        for each in tenures
        if each.start <= last and each.end >= first
    ]


def follow_renames(
    frame: Frame,
    symbols: str | Iterable[str],
    events: pl.DataFrame | pd.DataFrame,
    *,
    as_of: DateLike | None = None,
) -> Frame:
    """The rows of some securities, each under the tickers that it had on each day.

    Load all their tickers first: `renames_of` lists them.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Any rows of stocks, with the tickers of all days.
    symbols
        The securities' tickers on the day ``as_of``.
    events
        See `renames_of`.
    as_of
        None: the frame's last day.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The securities' rows with a column ``symbol`` besides, which is the same for all days;
        ``ticker`` stays that of the day. Rows of other securities, which had one of the tickers
        on other days, are left out.

    Raises
    ------
    ValueError
        As `renames_of` does; or if the frame is without rows and ``as_of`` is None.
    """
    import polars as pl

    given = as_polars(frame)
    if "symbol" in given.columns:
        raise ValueError("frame has a column 'symbol' already; rename or drop it")
    market = market_of(given)
    if market != "stocks":
        raise ValueError(f"frame holds {market}; only stocks change their tickers")
    rows = with_date(given, market)
    first, last = rows["date"].min(), rows["date"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        return like(frame, given.with_columns(pl.col("ticker").alias("symbol")))
    names = [symbols] if isinstance(symbols, str) else list(dict.fromkeys(symbols))
    owners = [
        (each.ticker, each.start, each.end, name)
        for name in names
        for each in renames_of(name, events, first, last, as_of=last if as_of is None else as_of)
    ]

    def of_day(day: date, part: pl.DataFrame) -> pl.DataFrame:
        names = {ticker: name for ticker, begin, end, name in owners if begin <= day <= end}
        table = pl.DataFrame(
            {"ticker": list(names), "symbol": list(names.values())},
            schema={"ticker": pl.String, "symbol": pl.String},
        )
        return part.join(table, on="ticker", how="inner", maintain_order="left")

    return like(frame, map_days(rows, of_day).select(*given.columns, "symbol"))


def _changes(events: pl.DataFrame | pd.DataFrame) -> list[_Change]:
    import polars as pl

    table = as_polars(events, "events")
    require_columns(table, ["date", "from", "to"], "events", "which tell of changes of tickers")
    changes = set()
    for day, old, new in table.select(
        "date", pl.col("from").cast(pl.String), pl.col("to").cast(pl.String)
    ).iter_rows():
        if day is None or (old is None and new is None):
            raise ValueError(f"events has a change without a date or without tickers: {old}, {new}")
        if old != new:
            changes.add((day, old, new))
    ordered = sorted(changes, key=lambda change: (change[0], change[1] or "", change[2] or ""))
    for place, what in ((1, "from"), (2, "to")):
        seen: dict[tuple[date, str], tuple[object, ...]] = {}
        for change in ordered:
            if change[place] is None:
                continue
            key = (change[0], change[place])
            if key in seen:
                raise ValueError(
                    f"events: on {change[0]} there are two changes {what} {change[place]}: "
                    f"{_say(seen[key])} and {_say(change)}; leave one of them out"
                )
            seen[key] = change
    return [_Change(*change) for change in ordered]


def _say(change: tuple[object, ...]) -> str:
    return f"{change[1] or 'nothing'} → {change[2] or 'nothing'}"


def _history_before(symbol: str, changes: list[_Change], day: date) -> tuple[date, list[Tenure]]:
    """When the symbol was taken, and what the security had before, in order of time."""
    began = date.min
    tenures: list[Tenure] = []
    ticker = symbol
    for change in reversed([change for change in changes if change.day <= day]):
        if change.old == ticker and not tenures and began == date.min:
            now = f"became {change.new}" if change.new else "ended"
            raise ValueError(
                f"symbol={symbol!r} {now} on {change.day} and was nobody's on {day}; ask for the "
                "new ticker, or pass an as_of before that day"
            )
        if change.new != ticker:
            continue
        if ticker == symbol and began == date.min:
            began = change.day
        else:
            tenures[0] = Tenure(ticker, change.day, tenures[0].end)
        if change.old is None:
            break
        ticker = change.old
        tenures.insert(0, Tenure(ticker, date.min, change.day - timedelta(days=1)))
    return began, tenures


def _history_after(symbol: str, changes: list[_Change], day: date) -> tuple[date, list[Tenure]]:
    """When the symbol was given up, and what the security had afterwards."""
    ended: date | None = None
    tenures: list[Tenure] = []
    ticker: str | None = symbol
    began = date.min
    for change in changes:
        if change.day <= day or ticker is None or change.old != ticker:
            continue
        until = change.day - timedelta(days=1)
        if ended is None:
            ended = until
        else:
            tenures.append(Tenure(ticker, began, until))
        ticker, began = change.new, change.day
    if ended is not None and ticker is not None:
        tenures.append(Tenure(ticker, began, date.max))
    return ended or date.max, tenures
