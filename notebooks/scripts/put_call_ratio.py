"""How many puts were traded for each call of SPY, by expiry?"""

import polars as pl

from flatnb import FlatSession

with FlatSession.demo() as session:
    chain = session.chain("SPY", "2024-01-03")

volume = pl.col("volume")
ratio = (
    chain.group_by("expiry")
    .agg(
        calls=volume.filter(pl.col("option_type") == "call").sum(),
        puts=volume.filter(pl.col("option_type") == "put").sum(),
    )
    .with_columns(ratio=pl.col("puts") / pl.col("calls"))
    .sort("expiry")
)

print(ratio)
assert ratio["calls"].sum() + ratio["puts"].sum() == chain["volume"].sum()
