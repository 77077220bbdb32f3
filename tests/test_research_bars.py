"""Bars from minutes and from trades: sessions, the tape's rules, and a loop as the other answer."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.demo import DemoMarket
from flatnb.errors import FlatnbWarning
from flatnb.research import bars, trade_conditions, trade_corrections

NEW_YORK = ZoneInfo("America/New_York")
DAY, EARLY_CLOSE = date(2024, 1, 2), date(2024, 7, 3)
MOST = 60
PRICES = ["open", "close", "high", "low"]


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    """A small market: minutes and trades of one day fit together."""
    return DemoMarket(stocks=40)


def at(clock: str, day: date = DAY) -> int:
    """A time of day in New York, as nanoseconds."""
    return (
        int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=NEW_YORK).timestamp()) * 10**9
    )


def clocks(made: pl.DataFrame) -> list[str]:
    """When the bars begin in New York."""
    local = made["window_start"].dt.convert_time_zone("America/New_York")
    return local.dt.strftime("%H:%M:%S").to_list()


def trades(rows: Sequence[tuple[str, float, float, str | None]], **columns: object) -> pl.DataFrame:
    """Trades of one ticker: time in New York, price, size and conditions."""
    return pl.DataFrame(
        {
            "date": [DAY] * len(rows),
            "ticker": ["A"] * len(rows),
            "conditions": pl.Series([row[3] for row in rows], dtype=pl.String),
            "sip_timestamp": [at(row[0]) for row in rows],
            "price": [row[1] for row in rows],
            "size": [row[2] for row in rows],
            **columns,
        }
    )


# --- the demo market -----------------------------------------------------------------------------


@pytest.mark.parametrize("day", [EARLY_CLOSE, date(2024, 3, 11), date(2026, 2, 23)])
def test_minutes_from_trades_are_the_minute_file(market: DemoMarket, day: date) -> None:
    """Every price, the volume and the count of trades, by the tape's rules for its conditions.

    The tape has up to 60 trades a minute, among them odd lots and trades of extended hours: that
    is all of them in most minutes, and 60 in those of the busiest tickers, which have thousands.
    """
    tape_market = DemoMarket(stocks=40, most_trades=MOST)
    minutes = market.table("stocks_minute", day)
    tape = tape_market.table("stocks_trades", day)
    assert {"12", "37", "12,37", "14", "14,41", None} <= {*tape["conditions"].unique()}
    made = bars(tape, "1m", hours="all")
    assert made["date"].unique().to_list() == [day]
    assert made["ticker"].to_list() == minutes["ticker"].to_list()
    assert made["window_start"].dt.timestamp("ns").to_list() == minutes["window_start"].to_list()
    assert made.select(PRICES).equals(minutes.select(PRICES))
    whole = minutes["transactions"] <= MOST
    assert 0.5 < whole.mean() < 1
    assert (
        made["transactions"].to_list() == minutes["transactions"].clip(upper_bound=MOST).to_list()
    )
    assert made["volume"].to_list() == pytest.approx(minutes["volume"].to_list(), rel=1e-12)


@pytest.mark.parametrize("day", [EARLY_CLOSE, date(2024, 11, 4)])
@pytest.mark.parametrize("kind", ["stocks", "options"])
def test_day_bars_from_minutes_are_the_day_file(market: DemoMarket, kind: str, day: date) -> None:
    """The regular session's bar of a day is that of the day file."""
    made = bars(market.table(f"{kind}_minute", day), "1d")
    daily = market.table(f"{kind}_daily", day).sort("ticker")
    assert made.select("ticker", *PRICES, "transactions").equals(
        daily.select("ticker", *PRICES, "transactions")
    )
    assert made["volume"].to_list() == pytest.approx(daily["volume"].to_list())
    assert set(clocks(made)) == {"09:30:00"}


def test_options_minutes_from_trades_are_the_minute_file(market: DemoMarket) -> None:
    """By OPRA's conditions, which files have since 2019-11-04."""
    columns = ["ticker", *PRICES, "transactions"]
    whole = DemoMarket(stocks=1, most_trades=1000)
    for day in (DAY, date(2019, 11, 1)):
        minutes = market.table("options_minute", day)
        made = bars(whole.table("options_trades", day), "1m", hours="all")
        assert made.select(columns).equals(minutes.select(columns))
        assert made["volume"].to_list() == minutes["volume"].to_list()
    assert whole.table("options_trades", DAY)["conditions"].unique().sort().to_list() == [
        *("209", "219", "227", "232")
    ]


def test_every_market_has_bars(market: DemoMarket) -> None:
    """Crypto from midnight in UTC, futures from the evening before, indices without volume."""
    crypto = bars(market.table("crypto_minute", DAY), "6h")
    assert set(crypto["window_start"].dt.strftime("%H:%M")) == {"00:00", "06:00", "12:00", "18:00"}
    of_trades = bars(market.table("crypto_trades", DAY), "1d")
    assert of_trades["date"].unique().to_list() == [DAY]
    futures = bars(market.table("futures_cme_minute", DAY), "1d")
    assert clocks(futures) == ["18:00:00"] * 8
    assert futures["session_end_date"].to_list() == ["2024-01-02"] * 8
    index = bars(market.table("indices_minute", DAY), "30m")
    assert index.columns == ["date", "ticker", *PRICES, "window_start", "session"]
    assert len(index.filter(ticker=pl.lit("I:SPX"))) == 13


# --- sessions ------------------------------------------------------------------------------------


def whole_day(day: date, first: str = "04:00", last: str = "19:59") -> pl.DataFrame:
    """A minute bar of volume 1 for each minute of a day's extended hours."""
    starts = range(at(first, day), at(last, day) + 1, 60 * 10**9)
    return pl.DataFrame({"ticker": "A", "window_start": pl.Series(starts)}).select(
        pl.lit(day).alias("date"),
        pl.all(),
        *(pl.lit(1.0).alias(name) for name in [*PRICES, "volume"]),
        pl.lit(1, pl.Int64).alias("transactions"),
    )


def test_hours_begin_at_the_open_and_end_at_the_close() -> None:
    """The regular session has seven hourly bars, the last of half an hour."""
    made = bars(whole_day(DAY), "1h", hours="all")
    assert clocks(made) == [
        *(f"{hour:02}:00:00" for hour in range(4, 10)),
        *(f"{hour:02}:30:00" for hour in range(9, 16)),
        *(f"{hour:02}:00:00" for hour in range(16, 20)),
    ]
    assert made["volume"].to_list() == [60] * 5 + [30] + [60] * 6 + [30] + [60] * 4
    assert made["session"].to_list() == ["pre"] * 6 + ["regular"] * 7 + ["post"] * 4


def test_an_early_close_ends_the_last_bar() -> None:
    """At 13:00 the post-market begins, with bars of its own."""
    made = bars(whole_day(EARLY_CLOSE, last="16:59"), "2h", hours="all")
    regular = made.filter(session=pl.lit("regular"))
    assert clocks(regular) == ["09:30:00", "11:30:00"]
    assert regular["volume"].to_list() == [120, 90]
    assert clocks(made.filter(session=pl.lit("post"))) == ["13:00:00", "15:00:00"]


def test_regular_hours_are_what_is_made_by_default() -> None:
    """A day bar is one a ticker and day; `hours` says otherwise."""
    assert clocks(bars(whole_day(DAY), "1d")) == ["09:30:00"]
    assert clocks(bars(whole_day(DAY), "1d", hours="extended")) == [
        "04:00:00",
        "09:30:00",
        "16:00:00",
    ]


def test_no_bar_spans_a_day() -> None:
    """Two days of the same ticker, one right after the other."""
    made = bars(pl.concat([whole_day(DAY), whole_day(date(2024, 1, 3))]), "1d")
    assert made["date"].to_list() == [DAY, date(2024, 1, 3)]
    assert made["volume"].to_list() == [390, 390]


def test_times_keep_their_zone() -> None:
    """What `load(timezone=…)` gave is given back."""
    local = pl.col("window_start").cast(pl.Datetime("ns", "UTC"))
    frame = whole_day(DAY).with_columns(local.dt.convert_time_zone("America/New_York"))
    assert bars(frame, "5m").schema["window_start"] == pl.Datetime("ns", "America/New_York")


# --- from minutes --------------------------------------------------------------------------------


def test_minutes_are_put_together() -> None:
    """First open, highest high, lowest low, last close, sums; a worked example."""
    frame = pl.DataFrame(
        {
            "ticker": ["A"] * 3,
            "volume": [10.0, 30.0, 5.0],
            "open": [5.0, 6.0, 7.0],
            "close": [6.0, 7.0, 8.0],
            "high": [6.5, 7.5, 8.0],
            "low": [4.5, 5.5, 7.0],
            "window_start": [at("09:30"), at("09:34"), at("09:35")],
            "transactions": [2, 3, 1],
        }
    )
    made = bars(frame, "5m")
    assert made.row(0, named=True) == {
        "date": DAY,
        "ticker": "A",
        "volume": 40.0,
        "open": 5.0,
        "close": 7.0,
        "high": 7.5,
        "low": 4.5,
        "window_start": datetime(2024, 1, 2, 9, 30, tzinfo=NEW_YORK),
        "transactions": 5,
        # ((6.5 + 4.5 + 6) / 3 × 10 + (7.5 + 5.5 + 7) / 3 × 30) / 40
        "vwap_approx": pytest.approx((17 / 3 * 10 + 20 / 3 * 30) / 40),
        "session": "regular",
    }
    assert len(made) == 2


def test_the_order_of_rows_does_not_matter(market: DemoMarket) -> None:
    """Shuffled rows, and a ticker in two runs, as a few a day are in real files."""
    minutes = market.table("stocks_minute", EARLY_CLOSE)
    expected = bars(minutes, "15m", hours="all")
    shuffled = minutes.sample(fraction=1.0, shuffle=True, seed=1)
    two_runs = pl.concat([minutes[5000:], minutes[:5000]])
    for frame in (shuffled, two_runs):
        made = bars(frame, "15m", hours="all")
        assert made.drop("volume", "vwap_approx").equals(expected.drop("volume", "vwap_approx"))
        assert made["volume"].to_list() == pytest.approx(expected["volume"].to_list())


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([5, 10, 15, 30]), st.sampled_from([2, 3, 4]), st.integers(0, 1000))
def test_bars_of_bars_are_the_longer_bars(minutes: int, times: int, seed: int) -> None:
    """Two steps give the same as one."""
    drawn = random.Random(seed)
    frame = whole_day(DAY).with_columns(
        pl.Series(name, [drawn.randint(1, 1000) / 100 for _ in range(960)], dtype=pl.Float64)
        for name in PRICES
    )
    once = bars(frame, f"{minutes * times}m", hours="all")
    twice = bars(bars(frame, f"{minutes}m", hours="all"), f"{minutes * times}m", hours="all")
    assert twice.drop("vwap_approx").equals(once.drop("vwap_approx"))


def test_minutes_that_are_there_twice_are_told_of() -> None:
    """As a few in the files are: they count twice, with a warning."""
    frame = whole_day(DAY)
    with pytest.warns(FlatnbWarning, match=r"1 minute\(s\) of 2024-01-02 are in the frame twice"):
        made = bars(pl.concat([frame, frame[700:701]]), "1d", hours="all")
    assert made["volume"].sum() == 961


def test_pandas_and_empty_frames() -> None:
    """Pandas gives pandas; no rows give no rows with the same columns."""
    frame = whole_day(DAY)
    made = bars(frame.to_pandas(), "1h")
    assert isinstance(made, pd.DataFrame)
    assert made["volume"].tolist() == bars(frame, "1h")["volume"].to_list()
    empty = bars(frame.clear(), "1h")
    assert empty.schema == bars(frame, "1h").schema
    assert empty.is_empty()


# --- from trades ---------------------------------------------------------------------------------

RULES = {
    number: (open_close, high_low, volume)
    for number, _, open_close, high_low, volume in trade_conditions().iter_rows()
}


def test_the_table_has_the_rules_that_the_vendor_publishes() -> None:
    """Of its conditions endpoint, as read on 2026-10-09: (open and close, high and low, volume)."""
    published = {
        1: (True, True, True),
        2: (False, False, True),
        7: (False, False, True),
        10: (False, True, True),
        12: (False, False, True),
        14: (True, True, True),
        16: (False, False, False),
        32: (False, True, True),
        37: (False, False, True),
        38: (True, True, False),
        41: (True, True, True),
    }
    assert {number: RULES[number] for number in published} == published
    assert trade_conditions("options").filter(pl.col("id") == 201).row(0)[2:] == (False,) * 3
    assert trade_conditions("futures").is_empty()
    with pytest.raises(ValueError, match="market='forex'"):
        trade_conditions("forex")


def test_conditions_say_what_a_trade_updates() -> None:
    """One bar worked by hand, and the vendor's average over all that counts in volume."""
    tape = trades(
        [
            ("09:30:00", 99.0, 10, "37"),  # odd lot: volume alone
            ("09:30:01", 100.0, 100, None),  # regular: the open
            ("09:30:02", 104.0, 100, "10"),  # derivatively priced: high, and neither open nor close
            ("09:30:03", 90.0, 100, "2"),  # average price: volume alone
            ("09:30:04", 101.0, 200, "14,41"),  # a sweep: the close
            ("09:30:05", 98.0, 100, "32"),  # out of sequence: low
            ("09:30:06", 120.0, 300, "15"),  # official close: nothing at all
            ("09:30:07", 110.0, 100, "14,37"),  # the stricter of two
            ("09:30:08", 70.0, 100, "12"),  # Form T reported in the regular session
        ]
    )
    made = bars(tape, "1m").row(0, named=True)
    counted = [(99, 10), (100, 100), (104, 100), (90, 100), (101, 200), (98, 100), (110, 100)]
    counted.append((70, 100))
    volume = sum(size for _, size in counted)
    assert [made[name] for name in PRICES] == [100.0, 101.0, 104.0, 98.0]
    assert (made["volume"], made["transactions"]) == (volume, 8)
    assert made["vwap"] == pytest.approx(sum(price * size for price, size in counted) / volume)


def test_extended_hours_trades_make_prices_outside_the_regular_session() -> None:
    """Else there were no minute bars before the open; odd lots make none there either."""
    tape = trades(
        [
            ("08:00:00", 10.0, 100, "12"),
            ("08:00:01", 11.0, 5, "12,37"),
            ("08:00:02", 12.0, 100, "13"),
            ("16:00:00", 13.0, 100, "12,14"),
        ]
    )
    made = bars(tape, "1m", hours="all")
    assert made["open"].to_list() == [10.0, 13.0]
    assert made["high"].to_list() == [10.0, 13.0]
    assert made["volume"].to_list() == [205.0, 100.0]


def test_bars_without_a_price() -> None:
    """Odd lots alone make no bar, as in the vendor's files, unless it is asked for."""
    tape = trades([("09:30:00", 99.0, 10, "37"), ("09:31:00", 100.0, 100, None)])
    assert bars(tape, "1m")["volume"].to_list() == [100.0]
    kept = bars(tape, "1m", without_price="keep")
    assert kept["volume"].to_list() == [10.0, 100.0]
    assert kept["open"].to_list() == [None, 100.0]


def test_corrected_and_cancelled_trades_are_left_out() -> None:
    """By the column `correction`: 1 stands, the records of errors and cancellations do not."""
    codes = [None, 0, 1, 7, 8, 10, 11, 12]
    tape = trades(
        [(f"09:30:{place:02}", float(place), 1.0, None) for place in range(len(codes))],
        correction=pl.Series(codes, dtype=pl.Int64),
    )
    made = bars(tape, "1m").row(0, named=True)
    assert (made["open"], made["close"], made["volume"]) == (0.0, 2.0, 3.0)
    assert trade_corrections().filter("stands")["code"].to_list() == [0, 1]
    with pytest.raises(ValueError, match="correction code 9"):
        bars(tape.with_columns(correction=pl.lit(9)), "1m")


def test_cancelled_options_trades_go_with_their_cancellation() -> None:
    """The latest like it before, or the opening one; another exchange's stays."""
    rows = [
        ("09:31:00", 5.0, 1.0, "209"),  # the opening trade, cancelled by 205
        ("09:31:01", 4.0, 1.0, "209"),
        ("09:31:02", 5.0, 1.0, "209"),  # another of the same price and size, cancelled by 201
        ("09:31:03", 5.0, 1.0, "201"),
        ("09:31:04", 5.0, 1.0, "205"),
        ("09:31:05", 4.5, 1.0, "227"),
    ]
    tape = trades(rows, exchange=[302] * len(rows)).with_columns(
        ticker=pl.lit("O:SPY240119C00475000")
    )
    made = bars(tape, "1m").row(0, named=True)
    assert (made["open"], made["close"], made["high"]) == (4.0, 4.5, 4.5)
    assert (made["volume"], made["transactions"]) == (2.0, 2)
    elsewhere = tape.with_columns(exchange=pl.Series([301, 302, 301, 302, 302, 302]))
    with pytest.warns(FlatnbWarning, match="2 cancellation"):
        assert bars(elsewhere, "1m")["volume"].to_list() == [4.0]


def test_the_opening_options_trade_is_the_first_like_it() -> None:
    """205 takes back the opening trade, and another of the same price and size stays."""
    rows = [
        ("09:31:00", 5.0, 1.0, "209"),
        ("09:31:01", 4.0, 1.0, "209"),
        ("09:31:02", 5.0, 1.0, "209"),
        ("09:31:03", 5.0, 1.0, "205"),
    ]
    tape = trades(rows, exchange=[302] * len(rows)).with_columns(
        ticker=pl.lit("O:SPY240119C00475000")
    )
    made = bars(tape, "1m").row(0, named=True)
    assert (made["open"], made["close"], made["volume"]) == (4.0, 5.0, 2.0)


def test_a_cancellation_after_hours_counts() -> None:
    """It is of a trade in the regular session, and reported after it."""
    rows = [("15:59:00", 5.0, 1.0, "209"), ("15:59:01", 4.0, 1.0, "209")]
    rows.append(("16:05:00", 5.0, 1.0, "201"))
    tape = trades(rows, exchange=[302] * len(rows)).with_columns(
        ticker=pl.lit("O:SPY240119C00475000")
    )
    assert bars(tape, "1d")["high"].to_list() == [4.0]


def test_unknown_conditions_are_refused_until_there_is_a_rule() -> None:
    """By their number."""
    tape = trades([("09:30:00", 1.0, 1.0, "14,99")])
    with pytest.raises(ValueError, match=r"condition 99.*trade_conditions\(\)"):
        bars(tape, "1m")
    table = trade_conditions()
    more = pl.concat([table, table.head(1).with_columns(id=pl.lit(99, pl.Int64))])
    assert bars(tape, "1m", conditions=more)["close"].to_list() == [1.0]


TRADE = st.tuples(
    st.sampled_from(["A", "B", "a"]),
    st.integers(at("09:29:30"), at("09:33:00")),
    st.integers(1, 50),
    st.integers(1, 300),
    st.sampled_from([None, "14", "37", "12", "12,37", "10", "32", "15", "38", "14,41", "2"]),
    st.sampled_from([0, 1, 8]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TRADE, max_size=40), st.sampled_from([10, 30, 60]))
def test_bars_from_trades_are_what_a_loop_makes(rows: list[Any], seconds: int) -> None:
    """A plain loop over the trades, with the rules written out once more."""
    tape = pl.DataFrame(
        [(DAY, *row, number) for number, row in enumerate(rows)],
        schema={
            "date": pl.Date,
            "ticker": pl.String,
            "sip_timestamp": pl.Int64,
            "price": pl.Float64,
            "size": pl.Float64,
            "conditions": pl.String,
            "correction": pl.Int64,
            "sequence_number": pl.Int64,
        },
        orient="row",
        strict=False,
    )
    expected: dict[Any, dict[str, Any]] = {}
    ordered = sorted(enumerate(rows), key=lambda each: (each[1][0], each[1][1], each[0]))
    for _, (ticker, time_ns, price, size, conditions, correction) in ordered:
        if correction == 8:
            continue
        numbers = [int(number) for number in (conditions or "").split(",") if number]
        if time_ns < at("09:30"):
            numbers = [number for number in numbers if number != 12]
            start = at("04:00") + (time_ns - at("04:00")) // (seconds * 10**9) * seconds * 10**9
        else:
            start = at("09:30") + (time_ns - at("09:30")) // (seconds * 10**9) * seconds * 10**9
        bar = expected.setdefault(
            (ticker, start),
            {"first": None, "last": None, "high": -math.inf, "low": math.inf, "volume": 0, "n": 0},
        )
        if all(RULES[number][0] for number in numbers):
            bar["first"] = price if bar["first"] is None else bar["first"]
            bar["last"] = price
        if all(RULES[number][1] for number in numbers):
            bar["high"], bar["low"] = max(bar["high"], price), min(bar["low"], price)
        if all(RULES[number][2] for number in numbers):
            bar["volume"] += size
            bar["n"] += 1
    made = bars(tape, f"{seconds}s", hours="all")
    found = {
        (row["ticker"], int(row["window_start"].timestamp()) * 10**9): row
        for row in made.iter_rows(named=True)
    }
    assert len(found) == len(made)
    priced = {key: bar for key, bar in expected.items() if bar["first"] is not None}
    assert found.keys() == priced.keys()
    for key, bar in priced.items():
        row = found[key]
        assert (row["open"], row["close"]) == (bar["first"], bar["last"])
        assert (row["high"], row["low"]) == (bar["high"], bar["low"])
        assert (row["volume"], row["transactions"]) == (bar["volume"], bar["n"])


# --- wrong arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize("every", ["5", "0m", "1w", "1.5h", "5min", "25h", "2d", 5])
def test_lengths_that_are_none_are_refused(every: Any) -> None:
    """With an example of one that is."""
    with pytest.raises(ValueError, match=r"every=.*(for example '5m'|longer than a day)"):
        bars(whole_day(DAY), every)


def test_frames_that_bars_are_not_made_from(market: DemoMarket) -> None:
    """Seconds from minutes, quotes, day bars, and other words."""
    with pytest.raises(ValueError, match=r"every='10s'.*trades"):
        bars(whole_day(DAY), "10s")
    with pytest.raises(ValueError, match="neither bars"):
        bars(market.table("stocks_quotes", DAY), "1m")
    with pytest.raises(ValueError, match="day bars"):
        bars(market.table("stocks_daily", DAY), "1d", hours="all")
    with pytest.raises(ValueError, match="without_price='zero'"):
        bars(whole_day(DAY), "1m", without_price="zero")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="crypto"):
        bars(market.table("crypto_minute", DAY), "1h", hours="regular")
