"""The proof that rows are all of a ticker's: they add up to its bar in the daily file."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from ..market.calendar import is_trading_day, session_close, session_open
from .daily_bars import Bar

_EXCHANGE_TIME = ZoneInfo("America/New_York")
_NS = 10**9


class Proof:
    """Compares rows with bars.

    A bar is of all hours, or of the regular ones: which, no file says, so both are tried, and all
    four figures must agree in one of them.

    Parameters
    ----------
    columns
        The columns of the minute file, in its order.
    day
        The day, in exchange time.
    """

    def __init__(self, columns: tuple[str, ...], day: date) -> None:
        self._place = {name: columns.index(name) for name in columns}
        self._regular: tuple[int, int] | None = None
        if is_trading_day(day):
            opens, closes = (
                int(datetime.combine(day, time, _EXCHANGE_TIME).timestamp()) * _NS
                for time in (session_open(day), session_close(day))
            )
            self._regular = opens, closes

    def refusal(self, rows: bytes, bar: Bar) -> str | None:
        """Why the rows cannot be all of the ticker's rows, or None if they add up.

        Parameters
        ----------
        rows
            Whole rows, without the header.
        bar
            The ticker's bar of the same day.
        """
        cells = [row.split(",") for row in rows.decode("utf-8").splitlines()]
        try:
            minutes = [self._minute(row) for row in cells]
        except (InvalidOperation, ValueError, IndexError):
            return "a row has an odd number"
        reason = _difference([figures for _, figures in minutes], bar)
        if reason is None or self._regular is None:
            return reason
        first, after = self._regular
        regular = [figures for start, figures in minutes if first <= start < after]
        if _difference(regular, bar) is None:
            return None
        return f"the minutes do not add up to the day's bar ({reason})"

    def _minute(self, row: list[str]) -> tuple[int, Bar]:
        place = self._place
        figures = Bar(
            Decimal(row[place["volume"]]),
            Decimal(row[place["high"]]),
            Decimal(row[place["low"]]),
            int(row[place["transactions"]]),
        )
        return int(row[place["window_start"]]), figures


def _difference(minutes: list[Bar], bar: Bar) -> str | None:
    """The first figure that is another than the bar's."""
    if not minutes:
        return "there are none"
    sums = {
        "transactions": (sum(minute.transactions for minute in minutes), bar.transactions),
        "volume": (sum(minute.volume for minute in minutes), bar.volume),
        "high": (max(minute.high for minute in minutes), bar.high),
        "low": (min(minute.low for minute in minutes), bar.low),
    }
    for name, (found, expected) in sums.items():
        if found != expected:
            return f"{name} {found} for {expected}"
    return None
