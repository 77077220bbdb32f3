"""Adjustment and bars of a month of minutes, against plain polars expressions for the same.

``python -m tests.benchmarks.research`` makes the demo market's minutes of some trading days with
as many tickers as the real market has (1.8 million rows a day), runs both on them in turns, checks
that the results agree, and prints the ratios. A month of 21 days is 39 million rows and takes
8 GB; without ``--days 21`` there are 14, which take less than 6 GB.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl

from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from flatnb.research import adjust, bars

FIRST, LAST = date(2024, 5, 1), date(2024, 7, 31)
STOCKS = 12_000
SPLITS = 120
PRICES = ("open", "close", "high", "low")
TARGET = 1.5


def minutes(days: int) -> pl.DataFrame:
    """The minutes of some days, as `FlatSession.load` returns them."""
    market = DemoMarket(stocks=STOCKS)
    time_utc = pl.col("window_start").cast(pl.Datetime("ns", "UTC"))
    return pl.concat(
        [
            market.table("stocks_minute", day).select(
                pl.lit(day).alias("date"), pl.all().exclude("window_start"), time_utc
            )
            for day in trading_days(FIRST, LAST)[:days]
        ]
    )


def splits(frame: pl.DataFrame) -> pl.DataFrame:
    """Some splits a month after another, of tickers that are in the frame."""
    tickers = frame["ticker"].unique().sort()
    days = trading_days(FIRST, LAST)
    chosen = tickers.gather_every(max(len(tickers) // SPLITS, 1)).head(SPLITS)
    return pl.DataFrame(
        {
            "ticker": chosen,
            "date": [days[number % len(days)] for number in range(len(chosen))],
            "kind": "split",
            "from": [1 + number % 3 for number in range(len(chosen))],
            "to": [5 - number % 2 for number in range(len(chosen))],
        }
    )


def plain_adjust(frame: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """The factors of each ticker and day, joined and multiplied."""
    days = frame.select(pl.col("date").unique())
    factors = (
        days.join(actions, how="cross", suffix="_of_split")
        .filter(pl.col("date") < pl.col("date_of_split"))
        .group_by("date", "ticker")
        .agg((pl.col("from") / pl.col("to")).product().alias("factor"))
    )
    factor = pl.col("factor").fill_null(1.0)
    return (
        frame.lazy()
        .join(factors.lazy(), on=["date", "ticker"], how="left", maintain_order="left")
        .with_columns(*(pl.col(name) * factor for name in PRICES), pl.col("volume") / factor)
        .drop("factor")
        .collect()
    )


def plain_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Five-minute bars of the regular session; 09:30 is a multiple of five minutes."""
    local = pl.col("window_start").dt.convert_time_zone("America/New_York")
    clock = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
    return (
        frame.lazy()
        .filter(clock.is_between(570, 960, closed="left"))
        .with_columns((typical * pl.col("volume")).alias("turnover"))
        .group_by("date", "ticker", pl.col("window_start").dt.truncate("5m"))
        .agg(
            pl.col("open").first(),
            pl.col("close").last(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("volume").sum(),
            pl.col("transactions").sum(),
            pl.col("turnover").sum(),
        )
        .with_columns((pl.col("turnover") / pl.col("volume")).alias("vwap_approx"))
        .drop("turnover")
        .collect()
    )


def agree(made: pl.DataFrame, plain: pl.DataFrame, keys: list[str]) -> None:
    """Refuse to compare what is not the same."""
    names = [*keys, *PRICES, "volume", "transactions"]
    pair = [table.select(names).sort(keys) for table in (made, plain)]
    assert pair[0].shape == pair[1].shape, (pair[0].shape, pair[1].shape)
    for name in names:
        ours, theirs = (table[name] for table in pair)
        if ours.dtype.is_float():
            off = ((ours - theirs).abs() / theirs.abs().clip(1e-9)).max()
            assert isinstance(off, float) and off < 1e-9, (name, off)
        else:
            assert ours.equals(theirs), name


def seconds(function: Callable[[], pl.DataFrame]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def peak_mb() -> float:
    """The most memory that this process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


def main() -> None:
    """Make the rows, run both in turns, print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    frame = minutes(options.days)
    actions = splits(frame)
    print(f"{len(frame):,} minutes of {options.days} days, {frame.estimated_size('mb'):,.0f} MB")

    one = frame.filter(pl.col("date") == frame["date"][0])
    agree(adjust(one, actions, as_of=LAST), plain_adjust(one, actions), ["ticker", "window_start"])
    agree(bars(one, "5m"), plain_bars(one), ["ticker", "window_start"])

    tasks: dict[str, tuple[Callable[[], pl.DataFrame], Callable[[], pl.DataFrame]]] = {
        "adjust": (
            lambda: adjust(frame, actions, as_of=LAST),
            lambda: plain_adjust(frame, actions),
        ),
        "bars 5m": (lambda: bars(frame, "5m"), lambda: plain_bars(frame)),
    }
    print("| task | flatnb.research, s | plain polars, s | ratio | peak so far, MB |")
    print("| --- | --- | --- | --- | --- |")
    for name, (ours, plain) in tasks.items():
        runs = [(seconds(ours), seconds(plain)) for _ in range(options.rounds)]
        mine, theirs = (statistics.median(each) for each in zip(*runs, strict=True))
        verdict = "" if mine <= TARGET * theirs else f" (above {TARGET})"
        print(
            f"| {name} | {mine:.2f} | {theirs:.2f} | {mine / theirs:.2f}{verdict} | "
            f"{peak_mb():,.0f} |"
        )


if __name__ == "__main__":
    main()
