"""Option chains around the underlyings' prices: expiries, strikes, and bars of the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from ..market import calendar
from .bars import PRICE_UNITS, SHARE_UNITS, Bars, make_bars
from .intraday import CENT, Precision
from .noise import Floats, Ints, Keys, derive, normal, uniform
from .pricing import option_values
from .session_minutes import REGULAR
from .stocks import make_stock_day
from .universe import Universe

_CONTRACT, _POPULARITY, _DAY, _TRADES, _ROUNDING, _SIZE, _PATH = range(7)

_WEEKS, _MONTHS, _LEAPS = 6, 6, 2
_STRIKES_EACH_SIDE = 12
_WEEKLY_UNDERLYINGS = 400


@dataclass(frozen=True)
class Expiry:
    """One expiry date of the market's calendar."""

    day: date
    monthly: bool


@dataclass(frozen=True)
class _Root:
    """One series of contracts.

    An underlying can have several: index options expire in the morning (SPX) or the afternoon
    (SPXW), and contracts adjusted for a spin-off get a digit.
    """

    name: str
    underlying: int
    weekly: bool
    monthly: bool
    log_trades: float


@dataclass(frozen=True)
class OptionDay:
    """All contracts that traded on one day, in byte order of their symbols."""

    symbols: pl.Series
    bars: Bars
    precision: Precision
    keys: Keys


@dataclass(frozen=True)
class _Contracts:
    """Contracts as columns."""

    root: Ints
    expiry: Ints
    strike: Floats
    put: Ints

    def __getitem__(self, index: Ints) -> _Contracts:
        return _Contracts(self.root[index], self.expiry[index], self.strike[index], self.put[index])


class OptionChains:
    """The chains of some underlyings."""

    def __init__(self, underlyings: Universe) -> None:
        self._underlyings = underlyings
        self._roots = sorted(_roots(underlyings), key=lambda root: root.name)
        self._underlying = np.array([root.underlying for root in self._roots])
        self._log_trades = np.array([root.log_trades for root in self._roots])
        self._implied = (1.15 * np.sqrt(252) * underlyings.risk)[self._underlying]

    def trade(self, day: date) -> OptionDay:
        """The contracts that traded on a day, and their bars."""
        expiries = expiries_on(day)
        stocks = make_stock_day(self._underlyings, day)
        spot = (stocks.sessions.close[:, REGULAR] / PRICE_UNITS)[self._underlying]
        contracts = self._listed(day, expiries, spot)
        days_left = np.array([(expiry.day - day).days + 0.3 for expiry in expiries])
        keys = self._keys(contracts, expiries)
        transactions = self._transactions(contracts, keys, day, spot, days_left)
        traded = np.flatnonzero(transactions)
        contracts, transactions = contracts[traded], transactions[traded]
        symbols = self._symbols(contracts, expiries)
        order = symbols.arg_sort().to_numpy()
        contracts, transactions = contracts[order], transactions[order]
        keys = derive(keys[traded][order], _DAY, day.toordinal())
        years = days_left[contracts.expiry] / 365
        prices = self._prices(contracts, keys, transactions, stocks.sessions[:, REGULAR], years)
        precision = Precision(
            np.full(len(order), CENT), np.zeros(len(order), np.bool_), sub_penny=False
        )
        bars = make_bars(_volume(keys, transactions), prices, transactions)
        return OptionDay(symbols.gather(order), bars, precision, keys)

    def _listed(self, day: date, expiries: tuple[Expiry, ...], spot: Floats) -> _Contracts:
        weekly = np.array([root.weekly for root in self._roots])[:, None]
        monthly = np.array([root.monthly for root in self._roots])[:, None]
        is_monthly = np.array([expiry.monthly for expiry in expiries])
        soon = np.array([(expiry.day - day).days < 7 * _WEEKS for expiry in expiries])
        has_expiry = (monthly & is_monthly) | (weekly & soon)
        # Expiries further away have every second strike, over twice the range.
        step = _strike_step(spot)[:, None] * np.where(soon, 1, 2)
        centre = np.rint(spot[:, None] / step)
        offsets = np.arange(-_STRIKES_EACH_SIDE, _STRIKES_EACH_SIDE + 1)
        strike = (centre[:, :, None] + offsets) * step[:, :, None]
        root, expiry, place = np.nonzero(has_expiry[:, :, None] & (strike > 0))
        strikes = strike[root, expiry, place]
        return _Contracts(
            np.tile(root, 2),
            np.tile(expiry, 2),
            np.tile(strikes, 2),
            np.repeat(np.arange(2), len(root)),
        )

    def _keys(self, contracts: _Contracts, expiries: tuple[Expiry, ...]) -> Keys:
        """Keys of the contracts themselves, the same on every day."""
        ordinals = np.array([expiry.day.toordinal() for expiry in expiries])
        roots = derive(self._underlyings.keys[self._underlying], _CONTRACT)
        # The roots of one underlying (SPX and SPXW, T and T1) differ in length.
        roots = derive(roots, np.array([len(root.name) for root in self._roots]))
        strikes = np.rint(contracts.strike * 1000).astype(np.int64) * 2 + contracts.put
        return derive(roots[contracts.root], ordinals[contracts.expiry], strikes)

    def _transactions(
        self, contracts: _Contracts, keys: Keys, day: date, spot: Floats, days_left: Floats
    ) -> Ints:
        """Trades of each contract: most near the money, near the expiry and out of the money."""
        years = days_left[contracts.expiry] / 365
        moneyness = np.log(contracts.strike / spot[contracts.root])
        moneyness /= self._implied[contracts.root] * np.sqrt(years)
        in_the_money = np.where(contracts.put == 1, moneyness, -moneyness) > 0.3
        log_trades = self._log_trades[contracts.root] - 0.35 * moneyness**2
        log_trades -= np.where(in_the_money, 2.0, 0.0) + 0.8 * np.log(1 + 8 * years)
        log_trades += 0.9 * normal(derive(keys, _POPULARITY))
        today = derive(keys, _DAY, day.toordinal())
        log_trades += 0.6 * normal(derive(today, _TRADES))
        expected = np.exp(log_trades) + uniform(derive(today, _ROUNDING))
        return np.asarray(expected.astype(np.int64))

    def _symbols(self, contracts: _Contracts, expiries: tuple[Expiry, ...]) -> pl.Series:
        roots = pl.Series([f"O:{root.name}" for root in self._roots])
        dates = pl.Series([f"{expiry.day:%y%m%d}" for expiry in expiries])
        strikes = pl.Series(np.rint(contracts.strike * 1000).astype(np.int64)).cast(pl.String)
        return (
            roots.gather(contracts.root)
            + dates.gather(contracts.expiry)
            + pl.Series(["C", "P"]).gather(contracts.put)
            + strikes.str.zfill(8)
        )

    def _prices(
        self, contracts: _Contracts, keys: Keys, transactions: Ints, underlying: Bars, years: Floats
    ) -> tuple[Ints, Ints, Ints, Ints]:
        owner = self._underlying[contracts.root]
        put = contracts.put == 1
        implied = self._implied[contracts.root] * np.exp(0.02 * normal(derive(keys, _PATH)))

        def value(price: Ints) -> Floats:
            spot = price[owner] / PRICE_UNITS
            return option_values(spot, contracts.strike, years, implied, put)

        low, high = value(underlying.low), value(underlying.high)
        low, high = np.minimum(low, high), np.maximum(low, high)
        # The first and last trade of an illiquid contract are not at the day's open and close.
        is_illiquid = transactions < 40
        first, second = (uniform(derive(keys, _PATH, which)) for which in (1, 2))
        open_ = np.where(is_illiquid, low + (high - low) * first, value(underlying.open))
        close = np.where(is_illiquid, low + (high - low) * second, value(underlying.close))
        return _cents(open_), _cents(close), _cents(high), _cents(low)


def _roots(underlyings: Universe) -> Iterator[_Root]:
    busiest = np.argsort(-underlyings.log_trades, kind="stable")[:_WEEKLY_UNDERLYINGS]
    for place, ticker in enumerate(underlyings.tickers):
        weekly = place in busiest
        trades = float(underlyings.log_trades[place]) - 9.9
        if ticker == "SPX":
            yield _Root("SPX", place, weekly=False, monthly=True, log_trades=trades - 1)
            yield _Root("SPXW", place, weekly=True, monthly=False, log_trades=trades)
            continue
        yield _Root(ticker, place, weekly=weekly, monthly=True, log_trades=trades)
        if ticker == "T":
            yield _Root("T1", place, weekly=False, monthly=True, log_trades=trades - 1.5)


@lru_cache(maxsize=64)
def expiries_on(day: date) -> tuple[Expiry, ...]:
    """The expiries listed on a day: near Fridays, third Fridays, and two Januaries.

    Where the Friday is a holiday, the expiry is the Thursday before.
    """
    friday = day + timedelta((4 - day.weekday()) % 7)
    fridays = {friday + timedelta(weeks=week) for week in range(_WEEKS)}
    months = [(day.year, day.month + month) for month in range(_MONTHS + 1)]
    months += [(day.year + year, 1) for year in range(1, _LEAPS + 1)]
    fridays |= {_third_friday(*month) for month in months}
    expiries = [Expiry(_trading_day(friday), 15 <= friday.day <= 21) for friday in sorted(fridays)]
    return tuple(expiry for expiry in expiries if expiry.day >= day)


def _third_friday(year: int, month: int) -> date:
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    first = date(year, month, 1)
    return first + timedelta((4 - first.weekday()) % 7 + 14)


def _trading_day(friday: date) -> date:
    return friday if calendar.is_trading_day(friday) else friday - timedelta(1)


def _strike_step(spot: Floats) -> Floats:
    steps = np.array([0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 100.0])
    return np.asarray(steps[np.searchsorted([25.0, 75.0, 250.0, 600.0, 2000.0, 9000.0], spot)])


def _cents(price: Floats) -> Ints:
    return np.maximum(np.rint(price * 100), 1).astype(np.int64) * CENT


def _volume(keys: Keys, transactions: Ints) -> Ints:
    lots = transactions * (1 + 6 * uniform(derive(keys, _SIZE)) ** 3)
    return np.asarray(lots.astype(np.int64)) * SHARE_UNITS
