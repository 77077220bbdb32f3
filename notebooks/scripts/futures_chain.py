"""One series of a future over its rolls, by volume, without the jump between two contracts."""

import polars as pl

from flatnb import FlatSession
from flatnb.research import continuous

with FlatSession.demo() as session:
    sessions = session.load("futures_cme_session", "2024-03-04", "2024-03-22")

chained = continuous(sessions, "volume", "ratio").filter(pl.col("root") == "ES")

print(
    chained.group_by("ticker", maintain_order=True).agg(
        first=pl.col("session_end_date").min(),
        last=pl.col("session_end_date").max(),
        adjustment=pl.col("adjustment").first(),
    )
)
