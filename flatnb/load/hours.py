"""The rows of a day's file that are within some hours."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ..market.calendar import is_trading_day
from ..market.data_types import DataType
from ..research.frame import TIME_COLUMNS
from ..research.trading_hours import Hours, check_hours, hours_expression

if TYPE_CHECKING:
    import polars as pl


def check_hours_of(data_type: DataType, hours: Hours) -> None:
    """Refuse hours that a data type's rows do not have.

    Raises
    ------
    ValueError
        The message names ``hours``, its value and the remedy.
    """
    check_hours(hours, data_type.asset_class)
    if hours == "all":
        return
    if data_type.kind in ("daily", "session"):
        raise ValueError(
            f"hours={hours!r} has no meaning for {data_type.name}: a bar of a whole day has no "
            "time; load minutes or trades, or omit it"
        )
    time_column_of(data_type)


def columns_to_read(
    data_type: DataType, columns: tuple[str, ...] | None, hours: Hours
) -> tuple[str, ...] | None:
    """Some columns and, if rows are chosen by it, the one of times; None: all."""
    if columns is None or hours == "all":
        return columns
    return tuple(dict.fromkeys((*columns, time_column_of(data_type))))


def in_hours(frame: pl.DataFrame, data_type: DataType, hours: Hours, day: date) -> pl.DataFrame:
    """The rows of one file within some hours.

    To be called after the check for misdated rows, which would otherwise vanish without a word.
    Nothing is saved by filtering earlier: nine of ten rows of a day are in the regular session.

    Parameters
    ----------
    frame
        With the column of times.
    day
        The file's. A day without a session, of which the bucket may have indices, has no hours.
    """
    if hours == "all":
        return frame
    if not is_trading_day(day):
        return frame.clear()
    time, market = time_column_of(data_type), data_type.asset_class
    return frame.filter(hours_expression(day, hours, time=time, market=market))


def time_column_of(data_type: DataType) -> str:
    """The column with the time of each row.

    Raises
    ------
    ValueError
        If none is known.
    """
    for name in TIME_COLUMNS:
        if name in data_type.columns:
            return name
    raise ValueError(
        f"hours needs a column of times, and none is known of {data_type.name} "
        f"({', '.join(TIME_COLUMNS)}); register its columns, or omit it"
    )
