"""How to follow a company over a change of its ticker? META was FB until 2022-06-08."""

import polars as pl

from flatnb import FlatSession

with FlatSession.demo() as session:
    meta = session.load(
        "stocks_daily", "2022-06-01", "2022-06-17", symbols="META", follow_renames=True
    )

print(meta.group_by("ticker", maintain_order=True).agg(pl.col("date").min(), pl.len()))
assert meta["ticker"].unique(maintain_order=True).to_list() == ["FB", "META"]
assert set(meta["symbol"]) == {"META"}
