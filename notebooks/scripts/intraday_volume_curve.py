"""When in the day does volume happen? Half-hours of the regular session, in exchange time."""

import polars as pl

from flatnb import FlatSession
from flatnb.research import bars

with FlatSession.demo() as session:
    minutes = session.load(
        "stocks_minute",
        "2024-01-02",
        "2024-01-05",
        symbols=["AAPL", "MSFT"],
        hours="regular",
        tz="America/New_York",
    )

half_hours = bars(minutes, "30m")
of_day = pl.col("volume") / pl.col("volume").sum().over("ticker", "date")
curve = (
    half_hours.with_columns(share=of_day, time=pl.col("window_start").dt.time())
    .group_by("time")
    .agg(pl.col("share").mean())
    .sort("time")
)

print(curve)
