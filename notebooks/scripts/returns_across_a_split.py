"""What does a split do to raw returns, and what to adjusted ones?"""

import polars as pl

from flatnb import FlatSession

SPAN = ("2024-06-03", "2024-06-28")

with FlatSession.demo() as session:
    raw = session.load("stocks_daily", *SPAN, symbols="WMT")
    adjusted = session.load("stocks_daily", *SPAN, symbols="WMT", adjust="splits", as_of=SPAN[1])

lowest = {
    name: frame.select(pl.col("close").pct_change().min()).item()
    for name, frame in (("raw", raw), ("adjusted", adjusted))
}

print(lowest)
assert lowest["raw"] < -0.6 < -0.1 < lowest["adjusted"]
