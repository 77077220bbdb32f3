"""The markets beside stocks and options: indices, forex, crypto and the futures exchanges.

Their bars are generated as those of stocks are, in other hours, on other days and with finer
prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ..market import calendar
from .bars import PRICE_UNITS, to_table
from .futures_contracts import contracts_on
from .intraday import split
from .session_minutes import (
    EXCHANGE_TIME,
    MINUTE_NS,
    REGULAR,
    DayLayout,
    midnight_ns,
    option_layout,
)
from .stocks import make_stock_day
from .universe import Universe, make_universe

_UTC = ZoneInfo("UTC")
_DAY_MINUTES = 24 * 60
# CME Globex: the session of a day starts at 18:00 in New York on the evening before and lasts
# 23 hours.
_FUTURES_OPEN, _FUTURES_MINUTES = time(18), 23 * 60
_CLOSED_TO_FUTURES = frozenset({"New Year's Day", "Good Friday", "Christmas Day"})
_FUTURES_EXCHANGE = 4  # invented


def _every_minute(length: int) -> DayLayout:
    return DayLayout(0, (length,), np.ones(length))


def _weekday(day: date) -> bool:
    return day.weekday() < 5


def _futures_day(day: date) -> bool:
    return _weekday(day) and calendar.closure_name(day) not in _CLOSED_TO_FUTURES


@dataclass(frozen=True)
class MarketSpec:
    """A market beside stocks and options.

    Attributes
    ----------
    specs
        ``ticker/price/thousands of trades`` of each ticker; prices in the files' unit, multiplied
        by ``scale``.
    is_open
        Whether the market has files for a day.
    scale
        The factor between generated prices and those in the files, which have so much finer
        steps.
    futures
        Whether it has futures contracts: a session from the evening before, and the columns of
        futures files.
    around_the_clock
        Whether it trades all day; if not, in the hours of options. Futures have hours of their
        own.
    """

    specs: str
    is_open: Callable[[date], bool]
    scale: int = 1
    futures: bool = False
    around_the_clock: bool = True


_FUTURES_SPECS = {
    "us_futures_cbot": "YM/37800/90 ZB/124/60 ZC/470/40 ZN/112/90 ZS/1290/40",
    "us_futures_cme": "6E/110/50 ES/4780/200 NQ/16900/200 RTY/2020/60",
    "us_futures_comex": "GC/2060/90 HG/390/30 SI/24/40",
    "us_futures_nymex": "CL/72/120 HO/255/20 NG/2.6/60 RB/212/20",
}

MARKET_SPECS = {
    "us_indices": MarketSpec(
        "I:COMP/15000/9 I:DJI/37700/9 I:NDX/16800/9 I:RUT/2020/9 I:SPX/4750/9 I:VIX/13.2/9",
        calendar.is_trading_day,
        around_the_clock=False,
    ),
    "global_forex": MarketSpec(
        "C:AUD-USD/68/20 C:EUR-GBP/87/15 C:EUR-USD/110/60 C:GBP-USD/127/40 C:USD-CAD/133/20 "
        "C:USD-CHF/85/20 C:USD-JPY/14100/50",
        lambda day: day.weekday() != 5,  # Sunday evening to Friday
        scale=100,
    ),
    "global_crypto": MarketSpec(
        "X:ADA-USD/0.6/20 X:BTC-USD/44000/90 X:DOGE-USD/0.09/20 X:ETH-USD/2350/70 X:LTC-USD/73/10 "
        "X:SOL-USD/105/40",
        lambda day: True,
    ),
    **{
        root: MarketSpec(specs, _futures_day, futures=True)
        for root, specs in _FUTURES_SPECS.items()
    },
}
"""The folder in the bucket → its market."""


class OtherMarket:
    """The bars of the market that a `MarketSpec` describes."""

    def __init__(self, spec: MarketSpec, seed: int) -> None:
        self._spec = spec
        self._seed = seed

    @cached_property
    def _universe(self) -> Universe:
        return make_universe(self._spec.specs.split(), self._seed)

    def bars(self, day: date, *, minutes: bool) -> pl.DataFrame:
        """The rows of a day: the columns of stocks' bars and, for futures, their own as well."""
        stocks = make_stock_day(self._universe, day)
        regular, keys, precision = stocks.sessions[:, REGULAR], stocks.keys, stocks.precision
        tickers = self._universe.tickers
        if self._spec.futures:
            contracts = contracts_on(day, tickers, regular, keys, precision)
            tickers, regular, keys, precision = contracts
        if minutes:
            split_bars = split(regular[:, None], self._layout(day), keys, precision)
            owner, bars = split_bars.owner, split_bars.bars
            start = self._opening_ns(day) + split_bars.minute * MINUTE_NS
        else:
            owner = np.flatnonzero(regular.transactions)
            bars, start = regular[owner], np.full(len(owner), self._opening_ns(day))
        return self._add_market_columns(to_table(tickers, owner, bars, start), day)

    def _layout(self, day: date) -> DayLayout:
        if self._spec.futures:
            return _every_minute(_FUTURES_MINUTES)
        if self._spec.around_the_clock:
            return _every_minute(_DAY_MINUTES)
        return option_layout(day)

    def _opening_ns(self, day: date) -> int:
        if self._spec.futures:
            opening = datetime.combine(day - timedelta(1), _FUTURES_OPEN, EXCHANGE_TIME)
        elif self._spec.around_the_clock:
            opening = datetime.combine(day, time(), _UTC)
        else:
            return midnight_ns(day)
        return int(opening.timestamp()) * 10**9

    def _add_market_columns(self, table: pl.DataFrame, day: date) -> pl.DataFrame:
        if self._spec.scale > 1:
            # numpy divides; polars multiplies by the inverse, which differs in the last digit.
            units = PRICE_UNITS * self._spec.scale
            table = table.with_columns(
                pl.Series(name, np.rint(table[name].to_numpy() * PRICE_UNITS) / units)
                for name in ("open", "close", "high", "low")
            )
        if self._spec.futures:
            table = table.with_columns(
                pl.lit(_FUTURES_EXCHANGE).alias("exchange"),
                pl.lit(day.isoformat()).alias("session_end_date"),
                pl.col("volume").floor(),
                (pl.col("volume").floor() * pl.col("close") * 50).round(2).alias("dollar_volume"),
                pl.col("close").alias("settlement_price"),
            )
        return table
