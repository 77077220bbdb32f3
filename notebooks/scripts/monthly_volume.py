"""How much of each ticker traded in a month? A query that downloads only what it needs."""

from datetime import date

import polars as pl

from flatnb import FlatSession

with FlatSession.demo() as session:
    bars = session.scan("stocks_daily")
    january = pl.col("date").is_between(date(2024, 1, 1), date(2024, 1, 31))
    volume = (
        bars.filter(january)
        .group_by("ticker")
        .agg(shares=pl.col("volume").sum(), dollars=(pl.col("volume") * pl.col("close")).sum())
        .sort("dollars", descending=True)
        .collect()
    )

print(volume.head(10))
