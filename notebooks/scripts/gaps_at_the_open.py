"""How far from the previous close does a stock open? Adjusted for splits, or splits are gaps."""

import polars as pl

from flatnb import FlatSession

with FlatSession.demo() as session:
    bars = session.load(
        "stocks_daily", "2024-06-03", "2024-06-28", adjust="splits", as_of="2024-06-28"
    )

previous = pl.col("close").shift().over("ticker", order_by="date")
gaps = bars.with_columns(gap=pl.col("open") / previous - 1).drop_nulls("gap")

print(gaps.select("date", "ticker", "gap").sort(pl.col("gap").abs(), descending=True).head(10))
print(gaps.select(mean=pl.col("gap").mean(), deviation=pl.col("gap").std()))
