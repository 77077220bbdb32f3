"""Prevailing quotes, spreads and sides against a loop; sizes on both sides of 2025-11-03."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.demo import DemoMarket
from flatnb.research import quote_sizes_in_shares, with_quotes

DAYS = [date(2025, 10, 31), date(2025, 11, 3)]
NOON = 1_761_926_400_000_000_000  # 2025-10-31 12:00 EDT
DAY_NS = 3 * 86_400_000_000_000  # to the Monday

TRADE = st.tuples(
    st.sampled_from([0, 1]), st.sampled_from("ABa"), st.integers(0, 12), st.integers(95, 105)
)
QUOTE = st.tuples(
    st.sampled_from([0, 1]),
    st.sampled_from("ABa"),
    st.integers(0, 12),
    st.sampled_from([0, 96, 98, 100, 101]),
    st.sampled_from([0, 99, 100, 102, 104]),
    st.integers(1, 9),
)


def trade_frame(rows: list[Any]) -> pl.DataFrame:
    """Trades of two days; a price is given in cents."""
    return pl.DataFrame(
        {
            "date": pl.Series([DAYS[row[0]] for row in rows], dtype=pl.Date),
            "ticker": pl.Series([row[1] for row in rows], dtype=pl.String),
            "sip_timestamp": pl.Series(
                [NOON + row[0] * DAY_NS + row[2] for row in rows], dtype=pl.Int64
            ).cast(pl.Datetime("ns", "UTC")),
            "price": pl.Series([row[3] / 100 for row in rows], dtype=pl.Float64),
            "id": pl.Series(range(len(rows)), dtype=pl.Int64),
        }
    )


def quote_frame(rows: list[Any]) -> pl.DataFrame:
    """Quotes of two days; the later row of two at the same time is the later quote."""
    return pl.DataFrame(
        {
            "date": pl.Series([DAYS[row[0]] for row in rows], dtype=pl.Date),
            "ticker": pl.Series([row[1] for row in rows], dtype=pl.String),
            "sip_timestamp": pl.Series(
                [NOON + row[0] * DAY_NS + row[2] for row in rows], dtype=pl.Int64
            ).cast(pl.Datetime("ns", "UTC")),
            "bid_price": pl.Series([row[3] / 100 for row in rows], dtype=pl.Float64),
            "ask_price": pl.Series([row[4] / 100 for row in rows], dtype=pl.Float64),
            "bid_size": pl.Series([float(row[5]) for row in rows], dtype=pl.Float64),
            "ask_size": pl.Series([float(row[5]) for row in rows], dtype=pl.Float64),
            "sequence_number": pl.Series(range(len(rows)), dtype=pl.Int64),
        }
    )


def loop(trades: list[Any], quotes: list[Any]) -> list[dict[str, Any]]:
    """The same by looking through all quotes and all earlier trades for each trade."""
    found = []
    ordered = sorted(range(len(trades)), key=lambda number: (trades[number][2], number))
    for number, (day, ticker, time, price) in enumerate(trades):
        best = None
        for place, (quote_day, quoted, quote_time, *_) in enumerate(quotes):
            if (quote_day, quoted) != (day, ticker) or quote_time > time:
                continue
            if best is None or (quote_time, place) >= best[0]:
                best = ((quote_time, place), quotes[place])
        last = None
        for other in ordered[: ordered.index(number)]:
            if trades[other][:2] == (day, ticker) and trades[other][3] != price:
                last = trades[other][3]
        side = None if last is None else ("buy" if price > last else "sell")
        row: dict[str, Any] = {"size": None, "middle": None, "spread": None}
        if best:
            bid, ask, size = best[1][3:]
            row["size"] = size * (100 if day == 0 else 1)
            if bid > 0 and ask > 0:
                middle = (bid / 100 + ask / 100) / 2
                row["middle"], row["spread"] = middle, 2 * abs(price / 100 - middle)
                if price / 100 != middle:
                    side = "buy" if price / 100 > middle else "sell"
        found.append({**row, "side": side})
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(TRADE, max_size=25), st.lists(QUOTE, max_size=25))
def test_quotes_are_what_a_loop_finds(trades: list[Any], quotes: list[Any]) -> None:
    """Same day, same ticker (case-sensitive), at or before; sizes in shares on both days."""
    made = with_quotes(trade_frame(trades), quote_frame(quotes))
    assert made["id"].to_list() == list(range(len(trades)))
    expected = loop(trades, quotes)
    for row, want in zip(made.iter_rows(named=True), expected, strict=True):
        assert (row["bid_size"], row["ask_size"]) == (want["size"], want["size"])
        assert row["midpoint"] == want["middle"]
        assert row["effective_spread"] == want["spread"]
        assert row["side"] == want["side"]


def test_the_side_of_the_textbook_cases() -> None:
    """Above, below and at the midpoint; an uptick, and equal prices after a downtick."""
    quotes = quote_frame([(0, "A", 0, 98, 102, 1)])
    prices = [101, 99, 100, 100, 99, 100]
    made = with_quotes(trade_frame([(0, "A", n + 1, p) for n, p in enumerate(prices)]), quotes)
    assert made["side"].to_list() == ["buy", "sell", "buy", "buy", "sell", "buy"]
    assert made["effective_spread"].round(10).to_list() == [0.02, 0.02, 0, 0, 0.02, 0]


def test_quotes_of_the_demo_market_prevail() -> None:
    """Shuffled frames and pandas give the same; every quote is at or before its trade."""
    market = DemoMarket(stocks=5)
    trades = market.table("stocks_trades", date(2024, 7, 3))
    quotes = market.table("stocks_quotes", date(2024, 7, 3))
    made = with_quotes(trades, quotes)
    assert made.select(trades.columns).equals(trades)
    assert made.filter(pl.col("quote_timestamp") > pl.col("sip_timestamp")).is_empty()
    assert made["quote_timestamp"].is_not_null().mean() > 0.9
    shuffled = quotes.sample(fraction=1.0, shuffle=True, seed=2)
    assert with_quotes(trades, shuffled).equals(made)
    in_pandas = with_quotes(trades.to_pandas(), quotes.to_pandas())
    assert isinstance(in_pandas, pd.DataFrame)
    assert pl.from_pandas(in_pandas)["effective_spread"].equals(
        made["effective_spread"], null_equal=True
    )


def test_options_and_futures_have_quotes_too() -> None:
    """Sizes of options are contracts, and stay."""
    market = DemoMarket(stocks=5)
    day = date(2024, 7, 3)
    options = with_quotes(
        market.table("options_trades", day).head(500), market.table("options_quotes", day)
    )
    assert options["bid_size"].max() == market.table("options_quotes", day)["bid_size"].max()
    futures = with_quotes(
        market.table("futures_cme_trades", day), market.table("futures_cme_quotes", day)
    )
    assert futures["midpoint"].is_not_null().mean() > 0.9


def test_sizes_are_round_lots_until_2025_10_31() -> None:
    """And shares from 2025-11-03 on; some stocks had other lots."""
    quotes = quote_frame(
        [(0, "A", 0, 98, 102, 3), (0, "B", 0, 98, 102, 3), (1, "A", 0, 98, 102, 3)]
    )
    made = quote_sizes_in_shares(quotes, round_lots={"B": 10})
    assert made["bid_size"].to_list() == made["ask_size"].to_list() == [300.0, 30.0, 3.0]
    assert made.drop("bid_size", "ask_size").equals(quotes.drop("bid_size", "ask_size"))
    without_date = quote_sizes_in_shares(quotes.drop("date"))
    assert without_date["bid_size"].to_list() == [300.0, 300.0, 3.0]
    filed = with_quotes(trade_frame([(0, "A", 5, 100)]), quotes, sizes="as_filed")
    assert filed["bid_size"].item() == 3.0


def test_wrong_arguments_are_refused() -> None:
    """Quotes for trades, markets mixed, words, lots and columns."""
    trades, quotes = trade_frame([(0, "A", 5, 100)]), quote_frame([(0, "A", 0, 98, 102, 3)])
    options = quotes.with_columns(ticker=pl.lit("O:SPY240119C00475000"))
    with pytest.raises(ValueError, match="trades has no column 'price'"):
        with_quotes(quotes, trades)
    with pytest.raises(ValueError, match="trades holds stocks, quotes options"):
        with_quotes(trades, options)
    with pytest.raises(ValueError, match="options, whose sizes are not round lots"):
        quote_sizes_in_shares(options)
    with pytest.raises(ValueError, match="sizes='lots'"):
        with_quotes(trades, quotes, sizes="lots")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 for 'A'"):
        quote_sizes_in_shares(quotes, round_lots={"A": 0})
    with pytest.raises(ValueError, match="'side' already"):
        with_quotes(trades.with_columns(side=pl.lit("buy")), quotes)
