"""The rows of a day that are within the hours that a request asks for."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ..market.calendar import is_trading_day
from ..research.trading_hours import hours_expression
from .request import Request

if TYPE_CHECKING:
    import polars as pl


def in_hours(frame: pl.DataFrame, request: Request, day: date) -> pl.DataFrame:
    """The rows of one file within the request's hours; all if it names none.

    It follows the check for misdated rows, which would otherwise vanish without a word. Nothing is
    saved by filtering earlier: nine of ten rows of a day are in the regular session.

    Parameters
    ----------
    frame
        With the request's `Request.columns_to_read`.
    day
        The file's. A day without a session, of which the bucket may have indices, has no hours.
    """
    if request.hours == "all":
        return frame
    if not is_trading_day(day):
        return frame.clear()
    market = request.data_type.asset_class
    return frame.filter(
        hours_expression(day, request.hours, time=request.time_column, market=market)
    )
