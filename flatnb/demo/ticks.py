"""Minute bars → trades, quotes and index values that agree with them.

A minute has as many trades as its bar counts, or fewer, so that the files stay small: at least
those that have its open, high, low and close. They add up to its volume.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from .bars import SHARE_UNITS
from .noise import Flags, Floats, Ints, Keys, mix
from .session_minutes import MINUTE_NS, REGULAR, midnight_ns, stock_layout

MOST_TRADES = 4
"""So many trades have all prices of a bar."""

# By the vendor's numbers: 14 Intermarket Sweep, 41 Trade Thru Exempt, 37 Odd Lot, 12 Form T.
_STOCK_CONDITIONS = (
    *(None, "14", "14,41"),
    *("37", "14,37", "14,37,41"),
    *("12", "12,14", "12,14,41"),
    *("12,37", "12,14,37", "12,14,37,41"),
)
_KINDS = np.array([0, 1, 0, 1, 2])  # how often each of the first three
_ODD, _EXTENDED = 3, 6  # where those of odd lots and of extended hours begin
# OPRA's message types: automatic execution, single leg auction, intermarket sweep, multi leg.
_OPTION_CONDITIONS = ("209", "227", "209", "219", "232")
_OPRA_CONDITIONS_SINCE = date(2019, 11, 4)
_CRYPTO_SIDES = ("1", "2")
_LOT = 100
SIZES_IN_SHARES_SINCE = date(2025, 11, 3)
"""The first day whose stock quotes have sizes in shares, not in round lots (UTP Vendor Alert
2025-10)."""
_HALF_SPREAD = 1e-4
_DIGITS = 6
_TRF = 4  # FINRA's trade reporting facility, whose trades have its id and time besides


class _Rows:
    """Each bar repeated several times, with the values that differ between the repetitions.

    Parameters
    ----------
    bars
        Minute bars.
    times
        How often each is repeated.
    """

    def __init__(self, bars: pl.DataFrame, times: Ints) -> None:
        self.bar = np.repeat(np.arange(bars.height), times)
        self.place = np.arange(len(self.bar)) - np.repeat(np.cumsum(times) - times, times)
        self.count = times[self.bar]
        self.frame = bars[self.bar]
        start = self.frame["window_start"].to_numpy()
        self.keys: Keys = mix((start + self.bar * 97 + self.place).astype(np.uint64))
        within = (self.place + self.chance(0)) / self.count
        self.time_ns: Ints = start + (within * MINUTE_NS).astype(np.int64)

    def chance(self, which: int) -> Floats:
        """A random number in [0, 1) for each row; ``which``: 0 to 3, independent of each other."""
        word = self.keys >> np.uint64(16 * which)
        return (word & np.uint64(0xFFFF)).astype(np.float64) / 65536.0

    def price(self) -> pl.Series:
        """The bar's open, high, low and close in this order, as far as it has rows for them."""
        last, middle = self.place == self.count - 1, self.place == 1
        columns = {name: self.frame[name].to_numpy() for name in ("open", "close", "high", "low")}
        top = np.maximum(columns["open"], columns["close"])
        extreme = np.where(columns["high"] > top, columns["high"], columns["low"])
        price = np.where(self.place == 0, columns["open"], columns["low"])
        price = np.where(middle, np.where(self.count == 3, extreme, columns["high"]), price)
        if self.has_more:
            some = np.stack([columns[name] for name in ("open", "close", "high", "low")])
            choice = (self.keys % np.uint64(4)).astype(np.intp)
            price = np.where(self.place > 2, some[choice, np.arange(len(choice))], price)
        return pl.Series(np.where(last, columns["close"], price))

    @property
    def has_more(self) -> bool:
        """Whether there are more rows than a bar has prices."""
        return bool((self.count > MOST_TRADES).any())

    def is_spare(self, price: Floats) -> Flags:
        """Whether the bar has the price without this row."""
        first, last = self.place == 0, self.place == self.count - 1
        is_end = (price == self.frame["open"].to_numpy()) | (
            price == self.frame["close"].to_numpy()
        )
        return np.asarray(~first & ~last & (is_end | (self.place > 2)))

    def size(self) -> pl.Series:
        """Parts of the bar's volume that add up to it; whole shares if it is whole."""
        units = np.rint(self.frame["volume"].to_numpy() * SHARE_UNITS).astype(np.int64)
        part = units // SHARE_UNITS // self.count * SHARE_UNITS
        last = self.place == self.count - 1
        return pl.Series(np.where(last, units - part * (self.count - 1), part) / SHARE_UNITS)

    def number(self) -> Ints:
        """The number of the row within its ticker, from 1."""
        tickers = self.frame["ticker"].rle_id().to_numpy()
        first = np.flatnonzero(np.diff(tickers, prepend=-1))
        return np.arange(len(tickers)) - np.repeat(first, np.diff(first, append=len(tickers))) + 1


def make_trades(
    bars: pl.DataFrame, market: str, day: date, most: int | None = MOST_TRADES
) -> pl.DataFrame:
    """Trades, with the union of the columns of all markets' files.

    Parameters
    ----------
    most
        The most trades of a bar; None: as many as it counts.
    """
    count = bars["transactions"].to_numpy()
    rows = _Rows(bars, count if most is None else np.minimum(count, most))
    price, size = rows.price(), rows.size()
    exchange = 1 + (rows.chance(1) * 20).astype(np.int64)
    reported = exchange == _TRF
    late = (rows.chance(2) * 1e6).astype(np.int64)
    number = rows.number()
    return rows.frame.with_columns(
        _conditions(rows, market, day, price.to_numpy(), size.to_numpy()).alias("conditions"),
        pl.lit(0).alias("correction"),
        pl.Series("exchange", exchange),
        pl.Series("id", (rows.time_ns // 1000 % 10**14)).cast(pl.String),
        pl.Series("participant_timestamp", rows.time_ns - late),
        price.alias("price"),
        pl.Series("sequence_number", number * 7),
        pl.Series("report_sequence", number),
        pl.Series("sip_timestamp", rows.time_ns),
        pl.Series("timestamp", rows.time_ns),
        size.alias("size"),
        pl.Series("tape", 1 + (rows.frame["ticker"].hash(7) % 3).cast(pl.Int64)),
        pl.Series("trf_id", np.where(reported, 201, -1)).replace(-1, None),
        pl.Series("trf_timestamp", np.where(reported, rows.time_ns - late // 2, -1)).replace(
            -1, None
        ),
    )


def _conditions(rows: _Rows, market: str, day: date, price: Floats, size: Floats) -> pl.Series:
    """What was reported of each trade.

    Trades that make the bar's prices have only conditions that let them; an odd lot, which makes
    none, is one of the others.
    """
    chance = (rows.chance(3) * 5).astype(np.int64)
    if market == "stocks":
        start = rows.frame["window_start"].to_numpy() - midnight_ns(day)
        layout = stock_layout(day)
        opening = (layout.first_minute + layout.lengths[0]) * MINUTE_NS
        is_regular = (start >= opening) & (start < opening + layout.lengths[REGULAR] * MINUTE_NS)
        is_odd = rows.is_spare(price) & (size < _LOT)
        kind = _KINDS[chance] + _ODD * is_odd + _EXTENDED * ~is_regular
        return pl.Series(_STOCK_CONDITIONS).gather(kind)
    if market == "options" and day >= _OPRA_CONDITIONS_SINCE:
        return pl.Series(_OPTION_CONDITIONS).gather(chance)
    if market == "crypto":
        return pl.Series(_CRYPTO_SIDES).gather(chance % 2)
    return pl.Series([None] * len(chance), dtype=pl.String)


def make_quotes(bars: pl.DataFrame, market: str, day: date) -> pl.DataFrame:
    """Two quotes per bar, close to its open and close; some have a bid but no ask."""
    rows = _Rows(bars, np.full(bars.height, 2))
    price = rows.price().to_numpy()
    spread = np.maximum(np.round(price * _HALF_SPREAD * (1 + rows.chance(1)), 4), 1e-4)
    one_sided = rows.chance(2) < 0.02
    exchange = 1 + (rows.chance(3) * 20).astype(np.int64)
    number = rows.number()
    in_lots = market == "stocks" and day < SIZES_IN_SHARES_SINCE
    size = (1 if in_lots else _LOT) * (1 + (rows.chance(2) * 9).astype(np.int64))
    return rows.frame.with_columns(
        pl.Series("ask_exchange", np.where(one_sided, 0, exchange)),
        pl.Series("ask_price", np.where(one_sided, 0.0, price + spread)).round(_DIGITS),
        pl.Series("ask_size", np.where(one_sided, 0, size).astype(np.float64)),
        pl.Series("bid_exchange", exchange % 17 + 1),
        pl.Series("bid_price", np.maximum(price - spread, 0.0)).round(_DIGITS),
        pl.Series("bid_size", size.astype(np.float64)),
        pl.Series("conditions", np.where(one_sided, "1,81", "1")),
        pl.lit(None, pl.String).alias("indicators"),
        pl.Series("participant_timestamp", rows.time_ns - 250_000),
        pl.Series("sequence_number", number * 3),
        pl.Series("report_sequence", number),
        pl.Series("sip_timestamp", rows.time_ns),
        pl.Series("timestamp", rows.time_ns),
        pl.Series("ask_timestamp", rows.time_ns - 1000),
        pl.Series("bid_timestamp", rows.time_ns - 2000),
        pl.Series("tape", 1 + (rows.frame["ticker"].hash(7) % 3).cast(pl.Int64)),
        pl.lit(0).alias("trf_timestamp"),
    )


def make_values(bars: pl.DataFrame) -> pl.DataFrame:
    """Four values of an index per minute: open, high, low and close."""
    rows = _Rows(bars, np.full(bars.height, MOST_TRADES))
    return rows.frame.with_columns(
        rows.price().alias("value"), pl.Series("timestamp", rows.time_ns)
    )
