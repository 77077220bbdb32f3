"""The demo market: invented bars of realistic tickers, in exactly the vendor's format.

Nothing here is market data. Tickers may be those of real companies; every price and volume is
generated from a seed.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from ..market import calendar
from ..market.data_types import DataType, get_data_type
from .bars import PRICE_UNITS, to_table
from .corporate_actions import DemoAction, events_of, tickers_on
from .files import has_decimals, header_of, to_csv, to_gzip
from .intraday import MinuteBars, split
from .market_spec import MARKET_SPECS, OtherMarket
from .options import OptionChains
from .session_minutes import (
    MINUTE_NS,
    REGULAR,
    day_before,
    midnight_ns,
    option_layout,
    stock_layout,
)
from .stocks import make_stock_day
from .ticks import MOST_TRADES, make_quotes, make_trades, make_values
from .universe import make_universe, stock_specs, underlying_specs


class DemoMarket:
    """A synthetic market: the same seed gives the same bars, in whatever order they are requested.

    Prices continue from day to day. The day bar of a stock or contract is the aggregate of its
    minute bars of the regular session (09:30 to 16:00 in exchange time, or to the early close);
    stocks also have minutes before and after it.

    Parameters
    ----------
    seed
        Another seed is another market with the same tickers.
    stocks
        The number of tickers. 12,000 give files of the real market's size.
    option_underlyings
        The number of underlyings that have option chains.
    corporate_actions
        Whether stocks have splits and dividends (`actions`). Without them prices go on as adjusted
        ones must.
    most_trades
        The most trades of a minute that are in the files of trades: they make its prices and its
        volume. None: as many as its bar counts, some ten million a day in a market of 250 stocks.

    Notes
    -----
    Logarithms may differ in their last bit between kinds of processors, and with them, rarely, a
    price by one tick.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        stocks: int = 250,
        option_underlyings: int = 8,
        corporate_actions: bool = True,
        most_trades: int | None = MOST_TRADES,
    ) -> None:
        if stocks < 1 or option_underlyings < 1:
            raise ValueError(
                f"stocks={stocks} and option_underlyings={option_underlyings} must be at least 1"
            )
        if most_trades is not None and most_trades < MOST_TRADES:
            raise ValueError(
                f"most_trades={most_trades} must be at least {MOST_TRADES}: open, high, low and "
                "close of a minute are a trade each"
            )
        self.seed = seed
        self.most_trades = most_trades
        self.stocks = stocks
        self.option_underlyings = option_underlyings
        self._universe = make_universe(stock_specs(stocks), seed, with_actions=corporate_actions)
        self._specs = stock_specs(stocks)
        self._others = {root: OtherMarket(spec, seed) for root, spec in MARKET_SPECS.items()}
        self._chains = OptionChains(
            make_universe(
                underlying_specs(option_underlyings), seed, with_actions=corporate_actions
            )
        )

    def __repr__(self) -> str:
        return (
            f"DemoMarket(seed={self.seed}, stocks={self.stocks}, "
            f"option_underlyings={self.option_underlyings})  # synthetic data, no real prices"
        )

    def table(self, data_type: str, day: date) -> pl.DataFrame:
        """The rows of one file, in its order, with typed columns.

        Parameters
        ----------
        data_type
            One of `flatnb.DATA_TYPES`.
        day
            A day on which its market is open; it may be in the future.

        Returns
        -------
        polars.DataFrame
            The columns of that day's file: prices (US dollars), volumes and sizes Float64, times
            Int64 (Unix nanoseconds, UTC). The values are those that parsing the CSV gives.

        Raises
        ------
        ValueError
            If there is no such data type, or no trading on that day.
        """
        found = get_data_type(data_type)
        if not self.has_file(found, day):
            raise ValueError(
                f"day={day} is not a trading day of {found.name}, so it has no file; choose another"
            )
        kind = found.name.rpartition("_")[2]
        if kind in ("daily", "session", "minute"):
            bars = self._bars(found, day, minutes=kind == "minute")
            return bars.select(header_of(found, day))
        minutes = self._bars(found, day, minutes=True)
        if kind == "values":
            rows = make_values(minutes)
        elif kind == "trades":
            rows = make_trades(minutes, found.asset_class, day, self.most_trades)
        else:
            rows = make_quotes(minutes, found.asset_class, day)
        return rows.select(header_of(found, day))

    def actions(self) -> pl.DataFrame:
        """The splits and dividends of its stocks, as `flatnb.research.read_actions` takes them."""
        rows = [(each.ticker, each.day, *self._terms(each)) for _, each in self._universe.actions]
        columns = ("ticker", "date", "kind", "from", "to", "amount", "factor")
        schema: dict[str, type[pl.DataType]] = dict.fromkeys(columns, pl.Float64)
        schema |= {"ticker": pl.String, "date": pl.Date, "kind": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _terms(self, action: DemoAction) -> tuple[object, ...]:
        if not action.yield_:
            return "split", float(action.shares_from), float(action.shares_to), None, None
        # A market of this ticker alone has the same prices.
        spec = next(each for each in self._specs if each.startswith(f"{action.ticker}/"))
        alone = make_universe([spec], self.seed, with_actions=bool(self._universe.actions))
        before = make_stock_day(alone, day_before(action.day))
        close = before.sessions.close[0, REGULAR] / PRICE_UNITS
        amount = round(close * action.yield_, 4)
        return "dividend", None, None, amount, 1 - amount / close

    def ticker_events(self) -> dict[str, list[tuple[str, str]]]:
        """The first days of the tickers of each of its stocks, by today's ticker."""
        return dict(events_of(self._universe.tickers))

    @staticmethod
    def has_file(data_type: DataType, day: date) -> bool:
        """Whether the data type's market is open on a day."""
        spec = MARKET_SPECS.get(data_type.root)
        return spec.is_open(day) if spec else calendar.is_trading_day(day)

    def _bars(self, data_type: DataType, day: date, *, minutes: bool) -> pl.DataFrame:
        if data_type.asset_class == "stocks":
            return self._stock_table(day, minutes=minutes)
        if data_type.is_options:
            return self._option_table(day, minutes=minutes)
        return self._others[data_type.root].bars(day, minutes=minutes)

    def csv(self, data_type: str, day: date) -> bytes:
        """The text of one file; see `table` for the parameters."""
        table = self.table(data_type, day)
        return to_csv(table, decimals=has_decimals(get_data_type(data_type).name, day))

    def file(self, data_type: str, day: date) -> bytes:
        """One file as it is in the bucket: gzip of `csv`; see `table` for the parameters."""
        return to_gzip(self.csv(data_type, day))

    def _stock_table(self, day: date, *, minutes: bool) -> pl.DataFrame:
        stocks = make_stock_day(self._universe, day)
        tickers = tickers_on(self._universe.tickers, day)
        renamed = not tickers.equals(self._universe.tickers)
        if minutes:
            rows = split(stocks.sessions, stock_layout(day), stocks.keys, stocks.precision)
            return _in_order(_minute_table(tickers, rows, day), renamed)
        regular = stocks.sessions[:, REGULAR]
        traded = np.flatnonzero(regular.transactions)
        start = np.full(len(traded), midnight_ns(day))
        return _in_order(to_table(tickers, traded, regular[traded], start), renamed)

    def _option_table(self, day: date, *, minutes: bool) -> pl.DataFrame:
        options = self._chains.trade(day)
        if minutes:
            rows = split(options.bars[:, None], option_layout(day), options.keys, options.precision)
            return _minute_table(options.symbols, rows, day)
        owner = np.arange(len(options.symbols))
        return to_table(options.symbols, owner, options.bars, np.full(len(owner), midnight_ns(day)))


def _in_order(table: pl.DataFrame, renamed: bool) -> pl.DataFrame:
    """The rows in the order of their tickers, which are in order but for changed ones."""
    return table.sort("ticker", maintain_order=True) if renamed else table


def _minute_table(tickers: pl.Series, rows: MinuteBars, day: date) -> pl.DataFrame:
    return to_table(tickers, rows.owner, rows.bars, midnight_ns(day) + rows.minute * MINUTE_NS)
