"""Minute bars → trades, quotes and index values that agree with them.

A minute has at most four trades, which have its open, high, low and close and add up to its
volume: often fewer than its ``transactions``, so that the files stay small.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from .bars import SHARE_UNITS
from .noise import Floats, Ints, Keys, mix
from .session_minutes import MINUTE_NS

_MOST_TRADES = 4
_CONDITIONS = (None, "12", "37", "12,37", "14,41")
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
        return pl.Series(np.where(last, columns["close"], price))

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


def make_trades(bars: pl.DataFrame) -> pl.DataFrame:
    """Trades, with the union of the columns of all markets' files."""
    count = np.minimum(bars["transactions"].to_numpy(), _MOST_TRADES)
    rows = _Rows(bars, count)
    exchange = 1 + (rows.chance(1) * 20).astype(np.int64)
    reported = exchange == _TRF
    late = (rows.chance(2) * 1e6).astype(np.int64)
    conditions = pl.Series(_CONDITIONS)[(rows.chance(3) * 5).astype(np.int64)]
    number = rows.number()
    return rows.frame.with_columns(
        pl.Series("conditions", conditions),
        pl.lit(0).alias("correction"),
        pl.Series("exchange", exchange),
        pl.Series("id", (rows.time_ns // 1000 % 10**14)).cast(pl.String),
        pl.Series("participant_timestamp", rows.time_ns - late),
        rows.price().alias("price"),
        pl.Series("sequence_number", number * 7),
        pl.Series("report_sequence", number),
        pl.Series("sip_timestamp", rows.time_ns),
        pl.Series("timestamp", rows.time_ns),
        rows.size().alias("size"),
        pl.Series("tape", 1 + (rows.frame["ticker"].hash(7) % 3).cast(pl.Int64)),
        pl.Series("trf_id", np.where(reported, 201, -1)).replace(-1, None),
        pl.Series("trf_timestamp", np.where(reported, rows.time_ns - late // 2, -1)).replace(
            -1, None
        ),
    )


def make_quotes(bars: pl.DataFrame) -> pl.DataFrame:
    """Two quotes per bar, close to its open and close; some have a bid but no ask."""
    rows = _Rows(bars, np.full(bars.height, 2))
    price = rows.price().to_numpy()
    spread = np.maximum(np.round(price * _HALF_SPREAD * (1 + rows.chance(1)), 4), 1e-4)
    one_sided = rows.chance(2) < 0.02
    exchange = 1 + (rows.chance(3) * 20).astype(np.int64)
    number = rows.number()
    size = 100 * (1 + (rows.chance(2) * 9).astype(np.int64))
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
    rows = _Rows(bars, np.full(bars.height, _MOST_TRADES))
    return rows.frame.with_columns(
        rows.price().alias("value"), pl.Series("timestamp", rows.time_ns)
    )
