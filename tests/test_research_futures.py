"""Symbols of futures, and contracts chained by rules against tables worked by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from flatnb.research import FuturesSymbol, bars, continuous
from flatnb.research.contracts import MONTH_LETTERS

# A Thursday to the Thursday after.
SESSIONS = [date(2024, 3, day) for day in (7, 8, 11, 12, 13, 14)]
#             close and volume in each session; None where the contract has no bar
CONTRACTS: dict[str, list[tuple[float, float] | None]] = {
    "ESH4": [(100, 10), (101, 9), (102, 8), (103, 20), None, None],
    "ESM4": [(102, 4), (103, 9), (105, 12), (106, 5), (107, 6), (108, 3)],
    "ESU4": [None, None, (109, 1), (109, 1), (110, 7), (111, 9)],
}
INTEREST = {
    "ESH4": [50, 40, 30, 10],
    "ESM4": [20, 41, 45, 50, 40, 30],
    "ESU4": [0, 0, 1, 2, 3, 35],
}


def session_bars() -> pl.DataFrame:
    """The table as session bars, contract by contract, with a spread among them."""
    rows = [
        (ticker, str(session), number, *figures)
        for ticker, cells in CONTRACTS.items()
        for number, (session, figures) in enumerate(zip(SESSIONS, cells, strict=True))
        if figures
    ]
    rows.append(("ESH4-ESM4", str(SESSIONS[0]), 0, 2.0, 999.0))
    frame = pl.DataFrame(
        rows,
        schema=["ticker", "session_end_date", "window_start", "close", "volume"],
        orient="row",
        strict=False,
    ).with_columns(pl.col("close", "volume").cast(pl.Float64))
    return frame.with_columns(
        pl.col("close").alias("settlement_price"),
        *(pl.col("close").alias(name) for name in ("open", "high", "low")),
    )


def interest() -> pl.DataFrame:
    """Open interest from elsewhere."""
    rows = [
        (ticker, session, value)
        for ticker, values in INTEREST.items()
        for session, value in zip(SESSIONS, values, strict=False)
    ]
    return pl.DataFrame(rows, schema=["ticker", "date", "open_interest"], orient="row")


EXPIRIES = pl.DataFrame(
    {"ticker": ["ESH4", "ESM4", "ESU4"], "expiry": ["2024-03-12", "2024-06-21", "2024-09-20"]}
)


def chain(**options: Any) -> list[str]:
    """Which contract is held in each session."""
    made = continuous(session_bars(), **options).sort("session_end_date")
    assert made["session_end_date"].to_list() == [str(session) for session in SESSIONS]
    assert made["root"].unique().to_list() == ["ES"]
    return [ticker[2] for ticker in made["ticker"]]


# --- rules ---------------------------------------------------------------------------------------


def test_roll_by_volume() -> None:
    """A tie on the 8th is none; 12 to 8 on the 11th counts from the 12th on; 20 never goes back."""
    assert chain(roll="volume") == ["H", "H", "H", "M", "M", "U"]


def test_roll_by_open_interest() -> None:
    """41 to 40 on the 8th counts from the 11th on; 35 to 30 on the last day comes too late."""
    assert chain(roll="open_interest", open_interest=interest()) == ["H", "H", "M", "M", "M", "M"]


@pytest.mark.parametrize(
    ("days", "held"),
    [
        (0, ["H", "H", "H", "H", "M", "M"]),  # to the 12th, its last trading day
        (1, ["H", "H", "H", "M", "M", "M"]),
        (2, ["H", "H", "M", "M", "M", "M"]),  # the Friday is two weekdays before the Tuesday
        (3, ["H", "M", "M", "M", "M", "M"]),
        (9, ["M", "M", "M", "M", "M", "M"]),
    ],
)
def test_roll_by_days_before_expiry(days: int, held: list[str]) -> None:
    """Weekdays before the last trading day, the weekend left out."""
    assert chain(roll=days, expiries=EXPIRIES) == held


def test_a_contract_that_is_gone_is_left() -> None:
    """Its last volume was the highest, and it expired."""
    frame = session_bars().filter(
        ~((pl.col("ticker") == "ESH4") & (pl.col("session_end_date") > "2024-03-08"))
    )
    frame = frame.with_columns(
        volume=pl.when(pl.col("ticker") == "ESH4").then(50.0).otherwise(pl.col("volume"))
    )
    made = continuous(frame).sort("session_end_date")
    assert [ticker[2] for ticker in made["ticker"]] == ["H", "H", "M", "M", "M", "U"]


# --- adjustment ----------------------------------------------------------------------------------


def test_differences() -> None:
    """Gaps of 3 on the 11th (105 - 102) and of 3 on the 13th (110 - 107)."""
    made = continuous(session_bars(), "volume", "difference").sort("session_end_date")
    assert made["adjustment"].to_list() == [6, 6, 6, 3, 3, 0]
    for name in ("close", "open", "high", "low", "settlement_price"):
        assert made[name].to_list() == [106, 107, 108, 109, 110, 111]
    assert made["volume"].to_list() == [10, 9, 8, 5, 6, 9]


def test_ratios() -> None:
    """Returns are those of the contract that was held overnight."""
    made = continuous(session_bars(), "volume", "ratio").sort("session_end_date")
    second, first = 110 / 107, 110 / 107 * 105 / 102
    assert made["adjustment"].to_list() == pytest.approx([first] * 3 + [second] * 2 + [1])
    returns = (made["close"] / made["close"].shift()).to_list()[1:]
    assert returns == pytest.approx([101 / 100, 102 / 101, 106 / 105, 107 / 106, 111 / 110])


def test_no_adjustment_leaves_the_prices() -> None:
    """And shows that nothing was added."""
    made = continuous(session_bars()).sort("session_end_date")
    assert made["close"].to_list() == [100, 101, 102, 106, 107, 111]
    assert made["adjustment"].to_list() == [0] * 6


def test_what_an_adjustment_lacks_is_refused() -> None:
    """A close of the session before the roll, and prices above zero."""
    missing = (
        session_bars()
        .filter(~((pl.col("ticker") == "ESU4") & (pl.col("session_end_date") < "2024-03-14")))
        .with_columns(
            volume=pl.when(pl.col("ticker") == "ESM4").then(8.5).otherwise(pl.col("volume"))
        )
    )
    gone = missing.filter(
        ~((pl.col("ticker") == "ESM4") & (pl.col("session_end_date") == "2024-03-13"))
    )
    late = EXPIRIES.with_columns(
        expiry=pl.when(pl.col("ticker") == "ESM4").then(pl.lit("2024-03-13")).otherwise("expiry")
    )
    with pytest.raises(
        ValueError, match="closes of ESH2024 and ESU2024 in the session of 2024-03-12"
    ):
        continuous(gone, 0, "difference", expiries=late)
    below = session_bars().with_columns(pl.col("close") - 104)
    with pytest.raises(ValueError, match=r"'ratio' needs closes above zero.* -2 and 1"):
        continuous(below, "volume", "ratio")
    assert len(continuous(below, "volume", "difference")) == 6


# --- frames --------------------------------------------------------------------------------------


def test_minutes_products_and_pandas() -> None:
    """Minutes of several products over a quarter's end; the order of rows stays."""
    market = DemoMarket(stocks=5)
    days = [date(2024, 3, 28), date(2024, 4, 1)]
    frames = [market.table("futures_cme_minute", day) for day in days]
    both = pl.concat(frames)
    made = continuous(both)
    # Two contracts of each trade, and on these days the nearer one has most of the volume.
    nearer = both.filter(pl.col("ticker").str.ends_with("M4"))
    assert made.drop("root", "adjustment").equals(nearer)
    assert len(both) > len(nearer)
    assert made["root"].unique().sort().to_list() == ["6E", "ES", "NQ", "RTY"]
    in_pandas = continuous(session_bars().to_pandas(), "volume", "difference")
    assert isinstance(in_pandas, pd.DataFrame)
    assert sorted(in_pandas["close"]) == [106, 107, 108, 109, 110, 111]
    hourly = bars(both, "1h")
    assert len(continuous(hourly)) == len(bars(nearer, "1h"))


def test_the_demo_markets_contracts_are_chained() -> None:
    """Over a quarter the volume moves once to the next contract, and no jump is left there."""
    market = DemoMarket(stocks=5)
    days = trading_days("2024-02-20", "2024-04-05")
    sessions = pl.concat([market.table("futures_cme_session", day) for day in days])
    volumes = sessions.filter(pl.col("ticker").str.starts_with("ES")).pivot(
        "ticker", index="session_end_date", values="volume"
    )
    near = volumes.filter(pl.col("ESH4") > pl.col("ESM4"))["session_end_date"].to_list()
    assert near == [str(day) for day in days[: len(near)]]
    # It takes effect in the session after the first with more volume in the next contract.
    roll = days[len(near) + 1]
    raw, smooth = (
        continuous(sessions, "volume", adjust).filter(pl.col("root") == "ES")
        for adjust in (None, "ratio")
    )
    assert raw.filter(pl.col("ticker") == "ESM4")["session_end_date"].min() == str(roll)
    # Both contracts follow one price, so that what is left of a roll is rounding.
    expected = sessions.filter(pl.col("ticker") == "ESM4")["close"]
    assert smooth["close"].to_list() == pytest.approx(expected.to_list(), rel=1e-4)
    before = raw.filter(pl.col("ticker") == "ESH4")["close"].to_numpy()
    assert before == pytest.approx(expected.to_numpy()[: len(before)] / 1.006, rel=1e-4)


def test_minutes_are_chained_by_their_sessions_volume_and_last_close() -> None:
    """Two minutes a session: volumes add up, and the later close counts."""
    sessions = session_bars().filter(pl.col("ticker").str.len_chars() == 4)
    early = sessions.with_columns(pl.col("close") - 50, pl.col("window_start") * 10)
    late = sessions.with_columns(volume=pl.lit(0.0), window_start=pl.col("window_start") * 10 + 5)
    minutes = pl.concat([late, early])
    made = continuous(minutes, "volume", "difference")
    assert len(made) == 12
    last = made.sort("window_start").group_by("session_end_date", maintain_order=True).last()
    assert last["close"].to_list() == [106, 107, 108, 109, 110, 111]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roll": "open_interest"}, "needs open_interest.*the files do not have it"),
        ({"roll": 3}, "needs expiries.*last_trade_date"),
        ({"roll": 3, "expiries": EXPIRIES.head(1)}, "expiries has none for ESM4"),
        ({"roll": "open_interest", "open_interest": interest().head(4)}, "none for ESM4"),
        ({"roll": "calendar"}, "roll='calendar'"),
        ({"roll": -1}, "roll=-1"),
        ({"roll": True}, "roll=True"),
        ({"adjust": "panama"}, "adjust='panama'"),
    ],
)
def test_rules_without_what_they_need_are_refused(options: dict[str, Any], message: str) -> None:
    """With where to have it from."""
    with pytest.raises(ValueError, match=message):
        continuous(session_bars(), **options)


def test_other_frames_are_refused() -> None:
    """Stocks, and symbols that are no contract's."""
    with pytest.raises(ValueError, match="frame holds stocks"):
        continuous(session_bars().drop("session_end_date"))
    with pytest.raises(ValueError, match="symbol='ESA4' is not a futures contract"):
        continuous(session_bars().with_columns(ticker=pl.lit("ESA4")))
    assert continuous(session_bars().clear()).columns[-2:] == ["root", "adjustment"]


# --- symbols -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "on", "expected"),
    [
        ("ESZ4", date(2024, 9, 3), ("ES", 2024, 12)),
        ("6EU4", date(2024, 9, 16), ("6E", 2024, 9)),
        ("CLF5", date(2024, 12, 2), ("CL", 2025, 1)),
        ("ESH4", date(2024, 4, 1), ("ES", 2034, 3)),
        ("ESZ9", date(2020, 1, 2), ("ES", 2029, 12)),
        ("ZNZ24", date(2024, 1, 2), ("ZN", 2024, 12)),
        ("GEZ01", date(1999, 1, 4), ("GE", 2001, 12)),
        ("RTYM2026", date(2026, 1, 2), ("RTY", 2026, 6)),
    ],
)
def test_symbols_are_read(symbol: str, on: date, expected: tuple[str, int, int]) -> None:
    """One digit of the year is that of the next such delivery."""
    found = FuturesSymbol.parse(symbol, on)
    assert (found.root, found.year, found.month) == expected


@given(
    st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True),
    st.integers(0, 11),
    st.dates(date(2017, 4, 3), date(2040, 1, 1)),
    st.integers(0, 119),
)
def test_any_contract_of_the_next_ten_years_is_read(
    root: str, letter: int, on: date, ahead: int
) -> None:
    """One, two and four digits mean the same."""
    months = on.year * 12 + on.month - 1 + ahead
    months += (letter - months) % 12
    if months >= on.year * 12 + on.month - 1 + 120:
        months -= 12
    year, month = divmod(months, 12)
    expected = FuturesSymbol(root, year, month + 1)
    for digits in (str(year % 10), f"{year % 100:02}", str(year)):
        found = FuturesSymbol.parse(f"{root}{MONTH_LETTERS[month]}{digits}", on)
        assert found == expected, digits
    assert FuturesSymbol.parse(str(expected), on + timedelta(days=1)) == expected


@pytest.mark.parametrize(
    "symbol", ["", "ES", "ESZ", "Z4", "ESA4", "ESZ245", "ESH6-ESM6", "esz4", 4]
)
def test_what_is_no_symbol_is_refused(symbol: Any) -> None:
    """Spreads too: they are several."""
    with pytest.raises(ValueError, match="is not a futures contract"):
        FuturesSymbol.parse(symbol, date(2024, 1, 2))
