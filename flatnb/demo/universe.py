"""The tickers of the demo market, and the properties of each.

The tickers have the forms of the real market's: share classes with dots, lower-case suffixes
(``p`` preferred, ``r`` rights, ``w`` when issued), and words that CSV readers interpret as
missing values, booleans, numbers or dates. Prices and volumes are invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl

from .corporate_actions import DemoAction, actions_of
from .noise import Flags, Floats, Keys, derive, normal, uniform, walk
from .session_minutes import weekday_index

# ticker/price on the reference day/thousands of trades per day; those that tests and notebooks use
# come first, as a market of ten tickers has the first ten.
_WELL_KNOWN = """
AAPL/190/560 MSFT/374/420 SPY/475/480 NA/6/4 TRUE/3.2/6 BRK.B/362/90 BCPC/148/3 BCpC/25/0.3
T/17/110 ZVZZT/10/0.4 QQQ/405/430 NVDA/490/590 TSLA/250/900 NAN/11/0.6 NULL/4/0.9 E/33/5 TPC/9/4
TpC/24/0.2 NE.WS.A/18/0.05 INF/21/1.5 ON/82/70 DEC/12/3 MAR/223/20 CON/20/8 PRN/31/0.5 BATRw/39/0.2
BATRA/42/2 AMZN/152/480 GOOGL/139/300 GOOG/140/210 META/350/190 AMD/140/520 BRK.A/545000/1.1
JPM/170/100 XOM/100/150 BAC/34/230 BACpB/25/0.2 BA/251/60 BApA/60/1.3 DCOM/27/4 DCOMp/17/0.08
NMCO/10/2 NMCOr/0.0225/2.4 BCAT/15/3 BCATrw/0.0055/0.1 ACHR/6/30 ACHR.WS/1.2/0.8 AKO.A/12/0.03
AKO.B/15/0.1 AGM/190/2 AGM.A/150/0.02 NE/48/20 ALUB.U/10/0.01 A/139/30 AA/34/60 AAA/25.1/0.06
ZZZTA/4974.8/0.01 ABR/15/40 ABRpD/18/0.2 IWM/199/260 GLD/190/70 TLT/98/190 NFLX/488/60 INTC/48/300
DIS/91/110 KO/59/90 WMT/158/70 JNJ/157/80 V/258/70 F/12/260 GE/127/60 PLTR/17/240 GME/17/40
"""
# In larger markets only: a ticker that trades in every minute adds 400 rows per day.
_MORE_WELL_KNOWN = """
PFE/29/260 C/52/120 MA/424/30 UNH/524/40 HD/345/40 PG/147/70 CVX/150/80 MRK/110/90 ABBV/155/60
PEP/170/50 COST/655/30 AVGO/1110/45 ADBE/590/40 CRM/260/60 ORCL/104/80 CSCO/50/120 QCOM/142/80
TXN/168/50 IBM/162/40 UBER/60/140 PYPL/61/120 SQ/76/90 SOFI/9.8/210 RIVN/23/200 LCID/4.1/130
NIO/9/220 BABA/77/130 COIN/160/120 HOOD/12.5/80 MARA/24/280 RIOT/15/180 AMC/6/110 SNAP/17/150
GM/36/100 DAL/40/70 AAL/13.8/120 CCL/18/160 UAL/41/60 CAT/291/40 DE/395/20 MMM/108/40 HON/208/30
LMT/453/15 RTX/84/60 GS/385/30 MS/93/60 WFC/49/130 SCHW/69/80 BLK/800/9 AXP/187/40 NKE/107/80
SBUX/95/80 MCD/295/40 TGT/142/50 LOW/221/30 DIA/376/40 XLF/37/210 XLE/84/110 XLK/191/60 EEM/40/120
VOO/436/50 VTI/237/40 ARKK/52/70 SQQQ/13.5/330 TQQQ/50/380 UVXY/8.3/120 X/48/50 Z/57/30 CHPT/2.3/90
PLUG/4.5/180 BB/3.5/50
"""
_MORE_WELL_KNOWN_AFTER = 250

# An index has options and no stock rows.
_INDEXES = ("SPX/4750/500",)
_FUNDS = frozenset(
    ["DIA", "EEM", "GLD", "IWM", "QQQ", "SPX", "SPY", "TLT", "VOO", "VTI", "XLE", "XLF", "XLK"]
)

# The day of the prices above.
_REFERENCE = weekday_index(date(2024, 1, 2))
_MARKET_KEY = np.array([0x5EED], dtype=np.uint64)
_MARKET_VOLATILITY = 0.009
_MARKET_DRIFT = 0.07 / 261

# Chosen so that 12,000 tickers make 1.8 million minute rows, as the real market does.
_GENERATED_LOG_TRADES = (4.75, 2.35)

_PRICE, _TRADES, _SIZE, _RISK, _BETA, _FRACTIONAL, _PATH, _MARKET = range(8)


@dataclass(frozen=True)
class Universe:
    """Tickers in byte order, and their constant properties.

    Attributes
    ----------
    tickers
        The symbols.
    keys
        A random key for each, which depends on the seed and the ticker alone.
    log_price
        Logarithm of the price in dollars on the reference day, less the price path's value there.
    volatility, beta
        Standard deviation of a day's idiosyncratic log return, and the factor of the market's
        return.
    log_trades
        Logarithm of the number of trades on a usual day.
    trade_size
        Shares in a usual trade.
    fractional
        Whether fractions of its shares are traded.
    market_key
        The random key of the market's return, of shape (1,).
    actions
        Splits and dividends, each with its ticker's place; `price_at` is without them.
    """

    tickers: pl.Series
    keys: Keys
    log_price: Floats
    volatility: Floats
    beta: Floats
    log_trades: Floats
    trade_size: Floats
    fractional: Flags
    market_key: Keys
    actions: tuple[tuple[int, DemoAction], ...] = ()

    def factors_on(self, day: date) -> tuple[Floats, Floats]:
        """What prices and volumes are multiplied with in the files of a day, for each ticker."""
        price, size = np.ones(len(self.tickers)), np.ones(len(self.tickers))
        for place, action in self.actions:
            if action.day <= day:
                price[place] *= action.price_factor
                size[place] *= action.size_factor
        return price, size

    @property
    def risk(self) -> Floats:
        """Standard deviation of a day's whole log return."""
        return np.hypot(self.volatility, _MARKET_VOLATILITY * self.beta)

    def price_at(self, day: date) -> Floats:
        """The closing prices of a weekday, in dollars."""
        step = weekday_index(day)
        path = _path(self.keys, self.market_key, self.volatility, self.beta, step)
        return np.exp(self.log_price + path)


def _path(keys: Keys, market_key: Keys, volatility: Floats, beta: Floats, step: int) -> Floats:
    market = _MARKET_VOLATILITY * walk(market_key, step) + _MARKET_DRIFT * step
    return volatility * walk(derive(keys, _PATH), step) + beta * market


def make_universe(specs: Sequence[str], seed: int, *, with_actions: bool = False) -> Universe:
    """A universe of ``ticker/price/thousands of trades`` entries."""
    rows = sorted((ticker, price, trades) for ticker, price, trades in _parse(specs))
    tickers = [ticker for ticker, _, _ in rows]
    price = np.array([price for _, price, _ in rows])
    trades = np.array([trades for _, _, trades in rows]) * 1000.0
    keys = derive(np.array([_ticker_id(ticker) for ticker in tickers], np.uint64), seed)
    fund = np.array([ticker in _FUNDS for ticker in tickers])
    risk = 0.011 * np.exp(0.45 * normal(derive(keys, _RISK))) * np.where(price < 5, 1.8, 1.0)
    volatility = np.where(fund, 0.002, risk)
    beta = np.where(fund, 1.0, 0.9 + 0.35 * normal(derive(keys, _BETA)))
    market_key = derive(_MARKET_KEY, seed, _MARKET)
    start = _path(keys, market_key, volatility, beta, _REFERENCE)
    size = 70.0 * np.exp(0.5 * normal(derive(keys, _SIZE))) * (1 + 20 / (1 + price))
    return Universe(
        tickers=pl.Series("ticker", tickers, dtype=pl.String),
        keys=keys,
        log_price=np.log(price) - start,
        volatility=volatility,
        beta=beta,
        log_trades=np.log(trades),
        trade_size=size,
        fractional=uniform(derive(keys, _FRACTIONAL)) < np.where(price < 1, 0.1, 0.85),
        market_key=market_key,
        actions=tuple(actions_of(pl.Series(tickers))) if with_actions else (),
    )


def stock_specs(count: int) -> list[str]:
    """The first ``count`` stocks; a larger market has all stocks of a smaller one."""
    well_known, more_well_known = _WELL_KNOWN.split(), _MORE_WELL_KNOWN.split()
    generated = _generated_specs(max(count - len(well_known), 0))
    early = _MORE_WELL_KNOWN_AFTER - len(well_known)
    return [*well_known, *generated[:early], *more_well_known, *generated[early:]][:count]


def underlying_specs(count: int) -> list[str]:
    """The underlyings of the first ``count`` option chains, the most traded first."""
    first = ("SPY", "QQQ", "AAPL", "NVDA", "TSLA", "MSFT", "T")
    specs = stock_specs(max(count * 3, 500))
    by_ticker = {spec.split("/", 1)[0]: spec for spec in specs}
    chosen = [*_INDEXES, *(by_ticker.pop(ticker) for ticker in first)]
    ordinary = [spec for ticker, spec in by_ticker.items() if ticker.isupper() and ticker.isalpha()]
    ordinary.sort(key=lambda spec: -float(spec.rsplit("/", 1)[1]))
    return (chosen + ordinary)[:count]


def _parse(specs: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    for spec in specs:
        ticker, price, trades = spec.split("/")
        yield ticker, float(price), float(trades)


def _ticker_id(ticker: str) -> int:
    return int.from_bytes(hashlib.blake2b(ticker.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=4)
def _generated_specs(count: int) -> tuple[str, ...]:
    taken = {spec.split("/", 1)[0] for spec in (_WELL_KNOWN + _MORE_WELL_KNOWN).split()}
    tickers = _new_tickers(count, taken)
    keys = np.array([_ticker_id(ticker) for ticker in tickers], np.uint64)
    derived = np.array([not (t.isalpha() and t.isupper()) for t in tickers])
    rights = np.array([t.endswith(("r", "w", ".WS")) for t in tickers])
    mean, spread = _GENERATED_LOG_TRADES
    log_trades = mean + spread * normal(derive(keys, _TRADES)) - np.where(derived, 2.5, 0.0)
    price = 18.0 * np.exp(1.1 * normal(derive(keys, _PRICE)))
    price = np.where(rights, price * 0.02, np.where(derived, 16 + price / 4, price))
    rows = zip(tickers, price, np.exp(log_trades) / 1000, strict=True)
    return tuple(f"{ticker}/{price:.4f}/{trades:.6f}" for ticker, price, trades in rows)


def _new_tickers(count: int, taken: set[str]) -> list[str]:
    """Invented tickers; lengths and suffixes are as frequent as among 13,192 real ones."""
    tickers: list[str] = []
    number = 0
    while len(tickers) < count:
        bits = _ticker_id(f"#{number}")
        number += 1
        ticker = _letters(bits, tickers)
        if ticker not in taken:
            taken.add(ticker)
            tickers.append(ticker)
    return tickers


def _letters(bits: int, earlier: Sequence[str]) -> str:
    kind, bits = bits % 1000, bits // 1000
    if kind < 43 and earlier:
        base = earlier[bits % len(earlier)][:4].split(".")[0].rstrip("prw")
        letter = chr(ord("A") + bits // 65536 % 8)
        if kind < 30:
            return f"{base}p{letter}"
        return base + ("r" if kind < 32 else "w" if kind < 33 else ".WS" if kind < 39 else ".U")
    length = 3 if kind < 290 else 5 if kind < 390 else 4
    letters = []
    for _ in range(length):
        bits, letter_index = divmod(bits, 26)
        letters.append(chr(ord("A") + letter_index))
    return "".join(letters)
