"""Which tickers a market had on a day: from its file of daily bars, which is small."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from ..context import Context
from ..errors import FlatnbError
from ..load.progress import Progress
from ..load.request import Request
from ..loader import Loader
from ..market.calendar import exchange_now, trading_days
from ..market.data_types import DATA_TYPES, DataType, get_data_type
from ..market.known_issues import is_published

_LOOK_BACK = timedelta(days=10)


@dataclass(frozen=True)
class TickerDirectory:
    """The tickers of single days, each read at most once."""

    context: Context
    loader: Loader
    _known: dict[tuple[str, date], tuple[str, ...]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tickers(self, data_type: str, day: date) -> tuple[date, Sequence[str]] | None:
        """The tickers of the last published day up to ``day``, sorted, with that day.

        None where they are not known: the market has no daily bars, or the file cannot be read.
        """
        daily = _daily(get_data_type(data_type))
        if daily is None:
            return None
        days = trading_days(day - _LOOK_BACK, day)
        published = [each for each in days if is_published(each, exchange_now())]
        if not published:
            return None
        last = published[-1]
        with self._lock:
            if (daily.name, last) not in self._known:
                self._known[daily.name, last] = self._read(daily, last)
        found = self._known[daily.name, last]
        return (last, found) if found else None

    def _read(self, daily: DataType, day: date) -> tuple[str, ...]:
        request = Request.validate(daily.name, day, day, columns="ticker", missing="ignore")
        try:
            # Not recorded: it is not a load of the user's own.
            work = self.loader.read(request, Progress())
            result = self.context.runner.wait(work, f"tickers of {daily.name} {day}")
        except (FlatnbError, RuntimeError):
            return ()
        if "ticker" not in result.frame.columns:
            return ()
        return tuple(result.frame["ticker"].unique().drop_nulls().sort())


def _daily(data_type: DataType) -> DataType | None:
    """The daily bars of the same market; None if there are none, or too many tickers to offer."""
    if data_type.is_options:
        return None  # hundreds of thousands of contracts: the form has fields for them
    name = f"{data_type.name.rpartition('_')[0]}_daily"
    return DATA_TYPES.get(name)
