"""The proof that rows are all of a ticker's: they add up to its bar in the daily file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import compress
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
        first, after = self._regular or (0, 0)
        try:
            cells = zip(*(row.split(",") for row in rows.decode("utf-8").splitlines()), strict=True)
            everything = self._minutes(list(cells))
            is_regular = [first <= start < after for start in everything.starts]
        except (InvalidOperation, ValueError, IndexError):
            raise ProofError("a row has an invalid number") from None
        regular = everything.some(is_regular)
        # The tape's rules let trades outside the regular hours count for the volume of a day, but
        # not for its high and low.
        prices = everything.price_difference(bar)
        if regular.price_difference(bar) is None:
            prices = None
        counts = everything.count_difference(bar)
        if counts is None and prices is None:
            return "all"
        if not (regular.count_difference(bar) or regular.price_difference(bar)):
            return "regular"
        raise ProofError(f"the minutes do not add up to the day's bar ({counts or prices})")

    def _minutes(self, cells: list[tuple[str, ...]]) -> _Minutes:
        place = self._place
        return _Minutes(
            [int(cell) for cell in cells[place["window_start"]]],
            [Decimal(cell) for cell in cells[place["volume"]]],
            [Decimal(cell) for cell in cells[place["high"]]],
            [Decimal(cell) for cell in cells[place["low"]]],
            [int(cell) for cell in cells[place["transactions"]]],
        )


class ProofError(ValueError):
    """Rows do not add up to their bar."""


@dataclass(frozen=True)
class _Minutes:
    """The columns of some minutes of a ticker."""

    starts: list[int]
    volumes: list[Decimal]
    highs: list[Decimal]
    lows: list[Decimal]
    transactions: list[int]

    def some(self, chosen: list[bool]) -> _Minutes:
        """Some of the minutes."""
        return _Minutes(*(list(compress(column, chosen)) for column in vars(self).values()))

    def count_difference(self, bar: Bar) -> str | None:
        """The first count that differs from the bar's."""
        transactions, volume = sum(self.transactions), sum(self.volumes)
        if transactions != bar.transactions:
            return f"transactions {transactions} for {bar.transactions}"
        return f"volume {volume} for {bar.volume}" if volume != bar.volume else None

    def price_difference(self, bar: Bar) -> str | None:
        """The first price that differs from the bar's."""
        if not self.starts:
            return "there are no minutes"
        high, low = max(self.highs), min(self.lows)
        if high != bar.high:
            return f"high {high} for {bar.high}"
        return f"low {low} for {bar.low}" if low != bar.low else None
