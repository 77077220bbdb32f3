"""The session bars of stocks on one day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from .bars import PRICE_UNITS, SHARE_UNITS, Bars, make_bars
from .files import DECIMALS_SINCE
from .intraday import CENT, HALF_CENT, Precision
from .noise import Flags, Floats, Ints, Keys, derive, normal, uniform
from .session_minutes import REGULAR, day_before
from .universe import Universe

_DAY, _GAP, _UP, _DOWN, _TRADES, _ROUNDING, _SIZE, _SUB_PENNY, _FRACTION = range(9)

# Rule 612 of Regulation NMS: prices below a dollar may have steps of 1/100 cent.
_FINE_TICK_BELOW = 1.0


@dataclass(frozen=True)
class StockDay:
    """All stocks on one day.

    Attributes
    ----------
    sessions
        Bars with a row for each ticker, and a column for each of pre-market, regular session
        and post-market. A session without trades has no bar in any file.
    precision
        The smallest steps of prices and volumes.
    keys
        Random keys of the tickers on this day.
    """

    sessions: Bars
    precision: Precision
    keys: Keys


def make_stock_day(universe: Universe, day: date) -> StockDay:
    """Generate the bars of all tickers."""
    keys = derive(universe.keys, _DAY, day.toordinal())
    previous, close = universe.price_at(day_before(day)), universe.price_at(day)
    transactions = _transactions(universe, keys, np.log(close / previous) / universe.risk)
    price_factor, size_factor = universe.factors_on(day)
    previous, close = previous * price_factor, close * price_factor
    trade_size = universe.trade_size * size_factor
    sizes = trade_size[:, None] * np.exp(0.35 * normal(_by_session(keys, _SIZE)))
    fractional = universe.fractional & (day >= DECIMALS_SINCE)
    tick = np.where(close < _FINE_TICK_BELOW, 1, CENT)
    dollars = _prices(keys, previous, close, universe.risk)
    open_, end, high, low = (_round(keys, tick, each, i) for i, each in enumerate(dollars))
    volume = _volume(keys, transactions, sizes, fractional)
    bars = make_bars(volume, (open_, end, high, low), transactions)
    return StockDay(bars, Precision(tick, fractional, sub_penny=True), keys)


def _by_session(keys: Keys, purpose: int) -> Keys:
    return derive(derive(keys, purpose)[:, None], np.arange(3))


def _transactions(universe: Universe, keys: Keys, surprise: Floats) -> Ints:
    """Trades in each session; only liquid tickers trade much outside the regular one."""
    regular = np.exp(
        universe.log_trades + 0.3 * normal(derive(keys, _TRADES)) + 0.12 * np.abs(surprise)
    )
    outside = regular * regular / (regular + 200_000)
    expected = np.stack([0.020 * outside, regular, 0.015 * outside], axis=1)
    return (expected + uniform(_by_session(keys, _ROUNDING))).astype(np.int64)


def _volume(keys: Keys, transactions: Ints, sizes: Floats, fractional: Flags) -> Ints:
    volume = (transactions * np.maximum(sizes, 1.0)).astype(np.int64) * SHARE_UNITS
    parts = (uniform(_by_session(keys, _FRACTION)) * SHARE_UNITS).astype(np.int64)
    return np.asarray(volume + parts * fractional[:, None])


def _prices(
    keys: Keys, previous: Floats, close: Floats, risk: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Open, close, high and low of each session; together they continue yesterday's close."""
    gap = normal(_by_session(keys, _GAP)) * risk[:, None]
    day_open = previous * np.exp(0.3 * gap[:, REGULAR])
    open_ = np.stack([previous, day_open, close], axis=1) * np.exp(gap * (0.05, 0.0, 0.02))
    end = np.stack([day_open, close, close], axis=1) * np.exp(gap * (0.03, 0.0, 0.15))
    swing = risk[:, None] * np.array([0.12, 0.5, 0.08])
    up = np.exp(swing * np.abs(normal(_by_session(keys, _UP))))
    down = np.exp(-swing * np.abs(normal(_by_session(keys, _DOWN))))
    return open_, end, np.maximum(open_, end) * up, np.minimum(open_, end) * down


def _round(keys: Keys, tick: Ints, price: Floats, which: int) -> Ints:
    """Dollars → price units, on the tick or, for one price in eight, between two ticks."""
    chance = uniform(derive(_by_session(keys, _SUB_PENNY), which))
    half = np.minimum(tick, HALF_CENT)[:, None]
    step = np.where(chance < 0.05, 1, np.where(chance < 0.12, half, tick[:, None]))
    units = np.rint(price * PRICE_UNITS / step).astype(np.int64) * step
    return np.maximum(units, 1)
