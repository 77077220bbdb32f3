"""The proof that rows are all of a ticker's: they add up to its bar in the daily file."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal
from zoneinfo import ZoneInfo

from ..market.calendar import is_trading_day, session_close, session_open
from .daily_bars import Bar

_EXCHANGE_TIME = ZoneInfo("America/New_York")
_NS = 10**9


ProvedHours = Literal["all", "regular"]
"""Whether the counts of all hours add up, or only those of the regular session."""


class Proof:
    """Compares rows with bars.

    Which hours a bar covers is stated nowhere. If the transactions and the volume of all hours add
    up, the rows are complete. If only those of the regular hours do, the rows of those are.

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

    def hours(self, rows: bytes, bar: Bar) -> ProvedHours:
        """For which hours the bar proves that these are all rows of the ticker.

        Parameters
        ----------
        rows
            Whole rows, without the header.
        bar
            The ticker's bar of the same day.

        Raises
        ------
        ProofError
            If the rows do not add up to the bar.
        """
        cells = [row.split(",") for row in rows.decode("utf-8").splitlines()]
        try:
            minutes = [self._minute(row) for row in cells]
        except (InvalidOperation, ValueError, IndexError):
            raise ProofError("a row has an invalid number") from None
        everything = [figures for _, figures in minutes]
        first, after = self._regular or (0, 0)
        regular = [figures for start, figures in minutes if first <= start < after]
        # The tape's rules let trades outside the regular hours count for the volume of a day, but
        # not for its high and low.
        prices = _price_difference(everything, bar)
        if _price_difference(regular, bar) is None:
            prices = None
        counts = _count_difference(everything, bar)
        if counts is None and prices is None:
            return "all"
        if not (_count_difference(regular, bar) or _price_difference(regular, bar)):
            return "regular"
        raise ProofError(f"the minutes do not add up to the day's bar ({counts or prices})")

    def _minute(self, row: list[str]) -> tuple[int, Bar]:
        place = self._place
        figures = Bar(
            Decimal(row[place["volume"]]),
            Decimal(row[place["high"]]),
            Decimal(row[place["low"]]),
            int(row[place["transactions"]]),
        )
        return int(row[place["window_start"]]), figures


class ProofError(ValueError):
    """Rows do not add up to their bar."""


def _count_difference(minutes: list[Bar], bar: Bar) -> str | None:
    """The first count that differs from the bar's."""
    transactions = sum(minute.transactions for minute in minutes)
    volume = sum(minute.volume for minute in minutes)
    if transactions != bar.transactions:
        return f"transactions {transactions} for {bar.transactions}"
    return f"volume {volume} for {bar.volume}" if volume != bar.volume else None


def _price_difference(minutes: list[Bar], bar: Bar) -> str | None:
    """The first price that differs from the bar's."""
    if not minutes:
        return "there are no minutes"
    high = max(minute.high for minute in minutes)
    low = min(minute.low for minute in minutes)
    if high != bar.high:
        return f"high {high} for {bar.high}"
    return f"low {low} for {bar.low}" if low != bar.low else None
