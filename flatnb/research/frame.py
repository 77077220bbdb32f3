"""What a frame of the vendor's rows is: its kind, its market, its time, and its days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeVar, cast
from zoneinfo import ZoneInfo

from ..market.calendar import EXCHANGE_TIME_ZONE

if TYPE_CHECKING:
    import polars as pl

Frame = TypeVar("Frame")
"""A polars or a pandas frame; what comes out is of the kind that went in."""

TIME_COLUMNS = ("window_start", "sip_timestamp", "timestamp", "participant_timestamp")
"""The columns that tell when a row is of, the first that a frame has counts."""

_PLACE = "_place"
_SOME_DAY = date(2024, 1, 2)
_EXCHANGE_TIME = ZoneInfo(EXCHANGE_TIME_ZONE)
_MARKETS = {"O": "options", "I": "indices", "C": "forex", "X": "crypto"}


def as_polars(frame: object, parameter: str = "frame") -> pl.DataFrame:
    """The frame in polars; its column ``date``, if there is one, as dates.

    Raises
    ------
    ValueError
        If it is neither a polars nor a pandas frame.
    """
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        raise ValueError(
            f"{parameter} is a LazyFrame; collect() it first, best a day at a time (filter a scan "
            "with hours_expression() to read less)"
        )
    if isinstance(frame, pl.DataFrame):
        rows = frame
    elif type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        rows = pl.from_pandas(cast("Any", frame))
    else:
        raise ValueError(f"{parameter}={type(frame).__name__} is neither a polars nor pandas frame")
    if "date" not in rows.columns or rows.schema["date"] == pl.Date:
        return rows
    if rows.schema["date"] == pl.String:
        return rows.with_columns(pl.col("date").str.to_date("%Y-%m-%d"))
    return rows.with_columns(pl.col("date").cast(pl.Date))


def like(given: Frame, result: pl.DataFrame) -> Frame:
    """The result as a frame of the kind that was given."""
    import polars as pl

    if isinstance(given, pl.DataFrame):
        return cast("Frame", result)
    return cast("Frame", _to_pandas(result))


def _to_pandas(result: pl.DataFrame) -> Any:
    import pandas as pd

    converted = result.to_pandas()
    for name, dtype in result.schema.items():
        if dtype.is_integer() and result[name].null_count():
            # By way of float64, as polars goes, whole numbers above 2**53 would be rounded.
            arrow = result[name].to_arrow()
            converted[name] = arrow.to_pandas(types_mapper=lambda _: pd.Int64Dtype())
        elif converted[name].dtype == object and str(dtype) == "String":  # before pandas 3
            converted[name] = converted[name].astype("string")
    return converted


def require_columns(frame: pl.DataFrame, names: Iterable[str], parameter: str, why: str) -> None:
    """Refuse a frame that lacks a column.

    Raises
    ------
    ValueError
        The message names the first that is missing, what it is for, and those there are.
    """
    for name in names:
        if name not in frame.columns:
            raise ValueError(
                f"{parameter} has no column {name!r}, {why}; it has {', '.join(frame.columns)}"
            )


def time_column(frame: pl.DataFrame) -> str:
    """The column with the time of each row.

    Raises
    ------
    ValueError
        If there is none.
    """
    for name in TIME_COLUMNS:
        if name in frame.columns:
            return name
    raise ValueError(
        f"frame has no time column ({', '.join(TIME_COLUMNS)}); load it with one of them"
    )


def instant(name: str) -> pl.Expr:
    """A time column as Unix nanoseconds (Int64), whatever its zone and unit.

    A column of whole numbers is taken as nanoseconds, as the files have them.
    """
    import polars as pl

    return pl.col(name).cast(pl.Datetime("ns", "UTC")).to_physical()


def moment_ns(day: date, clock: time) -> int:
    """A time of day in exchange time, as Unix nanoseconds."""
    return int(datetime.combine(day, clock, _EXCHANGE_TIME).timestamp()) * 1_000_000_000


def market_of(frame: pl.DataFrame) -> str:
    """The market of a frame's tickers: ``"stocks"``, ``"options"``, …, ``"futures"``.

    Options, indices, forex and crypto are recognised by what stands before a colon in their
    tickers, futures by the column ``session_end_date``, which only their files have.

    Raises
    ------
    ValueError
        If there is no column ``ticker``, or tickers of several markets.
    """
    import polars as pl

    require_columns(frame, ["ticker"], "frame", "which every file has")
    if "session_end_date" in frame.columns:
        return "futures"
    head = pl.col("ticker").str.head(2)
    kinds = (
        tickers_of(frame)
        .to_frame()
        .select(
            pl.when(head.str.ends_with(":")).then(head.str.head(1)).otherwise(pl.lit("")).unique()
        )
        .to_series()
    )
    markets = sorted({_MARKETS.get(kind, "stocks") for kind in kinds if kind is not None})
    if len(markets) > 1:
        raise ValueError(f"frame holds tickers of {' and '.join(markets)}; give one market a time")
    return markets[0] if markets else "stocks"


def tickers_of(frame: pl.DataFrame) -> pl.Series:
    """The tickers of a frame, each once, in no order."""
    # Files are grouped by ticker: runs are few, and found much faster than rows are hashed.
    runs = frame["ticker"].rle().struct.field("value")
    return runs.unique().alias("ticker")


def with_date(frame: pl.DataFrame, market: str) -> pl.DataFrame:
    """The frame with a column ``date``: as it has it, or else the day of the file of each row.

    That is the day of its time, in New York, of crypto and forex in UTC; of futures it is the
    ``session_end_date``.
    """
    import polars as pl

    if "date" in frame.columns:
        if frame["date"].null_count():
            raise ValueError("frame has rows whose date is null; give each the day of its file")
        return frame
    if market == "futures":
        ended = pl.col("session_end_date")
        is_text = frame.schema["session_end_date"] == pl.String
        day = ended.str.to_date("%Y-%m-%d") if is_text else ended.cast(pl.Date)
    else:
        zone = "UTC" if market in ("crypto", "forex") else EXCHANGE_TIME_ZONE
        utc = pl.col(time_column(frame)).cast(pl.Datetime("ns", "UTC"))
        day = utc.dt.convert_time_zone(zone).dt.date()
    return frame.select(day.alias("date"), pl.all())


def map_days(
    frame: pl.DataFrame, function: Callable[[date, pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Apply a function to the rows of each day, and put the results in a row.

    A day at a time: what is made on the way stays small, however many days there are. If days lie
    scattered, rows that the function leaves in place go back to their places, and rows that it
    made anew stay by days. A frame without rows is taken as some trading day's, so that the
    result has its columns.
    """
    import polars as pl

    runs = frame["date"].rle().struct.unnest()
    days = runs["value"].to_list()
    if not days:
        return function(_SOME_DAY, frame)
    if len(set(days)) == len(days):
        starts = runs["len"].cum_sum() - runs["len"]
        spans = zip(days, starts, runs["len"], strict=True)
        return pl.concat([function(day, frame.slice(at, length)) for day, at, length in spans])
    parts = frame.with_row_index(_PLACE).partition_by("date", maintain_order=True)
    made = pl.concat([function(part["date"][0], part) for part in parts])
    return made.sort(_PLACE).drop(_PLACE) if _PLACE in made.columns else made
