"""What did trades cost against the quotes of their time?"""

import polars as pl

from flatnb import FlatSession
from flatnb.research import with_quotes

DAY = ("2024-01-02", "2024-01-02")
SYMBOLS = ["KO", "SPY"]

with FlatSession.demo() as session:
    trades = session.load("stocks_trades", *DAY, symbols=SYMBOLS, hours="regular")
    quotes = session.load("stocks_quotes", *DAY, symbols=SYMBOLS)

priced = with_quotes(trades, quotes).drop_nulls("effective_spread")
cost_bp = (pl.col("effective_spread") / pl.col("midpoint") * 1e4).median()
spreads = priced.group_by("ticker").agg(
    trades=pl.len(), median_bp=cost_bp, buys=(pl.col("side") == "buy").mean()
)

print(spreads.sort("ticker"))
