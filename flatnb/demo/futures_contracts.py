"""The two futures contracts of each root that trade: volume moves from one to the next."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from .bars import SHARE_UNITS, Bars, make_bars
from .intraday import Precision
from .noise import Keys, derive
from .session_minutes import weekday_index

_QUARTERS = "HMUZ"  # the month codes of March, June, September and December
_ROLL_WEEKDAYS = 6.5
"""So long before the last trading day both contracts would have the same volume (invented); half a
day, so that on no day they do."""

_ROLL_SPEED = 1.2  # weekdays
_LEAST_SHARE = 0.02  # of the volume; both contracts always trade
_CARRY = 0.006  # of a quarter: how much more the next contract costs (invented)
_NEXT = 1


def contracts_on(
    day: date, roots: pl.Series, bars: Bars, keys: Keys, precision: Precision
) -> tuple[pl.Series, Bars, Keys, Precision]:
    """The contracts that trade on a day, in the order of their symbols.

    Parameters
    ----------
    bars
        The day's bar of each root, both contracts together; prices are the nearer one's.

    Returns
    -------
    tickers, bars, keys, precision
        A row for each contract.
    """
    near, later = expiries_after(day)
    left = weekday_index(near) - weekday_index(day)
    share = 1 / (1 + np.exp(-(left - _ROLL_WEEKDAYS) / _ROLL_SPEED))
    share = _LEAST_SHARE + (1 - 2 * _LEAST_SHARE) * share
    parts = [
        _part(bars, share, 1.0, precision),
        _part(bars, 1 - share, 1 + _CARRY, precision),
    ]
    tickers = pl.concat([roots + _code(near), roots + _code(later)])
    order = tickers.arg_sort().to_numpy()
    both = Bars(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])[order]
            for name in Bars.__dataclass_fields__
        }
    )
    twice = Precision(
        np.tile(precision.tick, 2)[order], np.tile(precision.fractional, 2)[order], sub_penny=True
    )
    all_keys = np.concatenate([keys, derive(keys, _NEXT)])[order]
    return tickers.gather(order), both, all_keys, twice


def expiries_after(day: date) -> tuple[date, date]:
    """The last trading days of the contract that is near on a day, and of the next one.

    The third Friday of the quarter's last month, as of index futures; all roots have it here.
    """
    month = (day.year * 12 + day.month - 1) // 3 * 3 + 2
    last = [_third_friday(month + 3 * each) for each in range(3)]
    later = [each for each in last if each >= day]
    return later[0], later[1]


def _third_friday(month: int) -> date:
    first = date(month // 12, month % 12 + 1, 1)
    return first + timedelta((4 - first.weekday()) % 7 + 14)


def _code(expiry: date) -> str:
    return f"{_QUARTERS[expiry.month // 3 - 1]}{expiry.year % 10}"


def _part(bars: Bars, share: float, factor: float, precision: Precision) -> Bars:
    transactions = np.maximum((bars.transactions * share).astype(np.int64), 1)
    volume = (
        np.maximum((bars.volume * share).astype(np.int64) // SHARE_UNITS, transactions)
        * SHARE_UNITS
    )
    prices = [
        np.maximum(np.rint(each * factor / precision.tick).astype(np.int64), 1) * precision.tick
        if factor != 1
        else each
        for each in (bars.open, bars.close, bars.high, bars.low)
    ]
    return make_bars(volume, (prices[0], prices[1], prices[2], prices[3]), transactions)
