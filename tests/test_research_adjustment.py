"""Adjustment for splits and dividends, against published figures and a loop."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from flatnb.research import adjust, read_actions

SPLIT = {"kind": "split", "amount": None, "factor": None}
DIVIDEND = {"kind": "dividend", "from": None, "to": None, "factor": None}


def actions(*rows: dict[str, Any]) -> pl.DataFrame:
    """A table of actions; what a row does not tell is null."""
    names = ["ticker", "date", "kind", "from", "to", "amount", "factor"]
    filled = [{name: row.get(name) for name in names} for row in rows]
    return pl.DataFrame(filled, infer_schema_length=None)


ETHA = actions({**SPLIT, "ticker": "ETHA", "date": "2026-10-06", "from": 3, "to": 1})


def daily(ticker: str, closes: dict[str, float]) -> pl.DataFrame:
    """Day bars, as `load` returns them, whose prices are all the close."""
    days = [date.fromisoformat(day) for day in closes]
    starts = pl.Series(days).cast(pl.Datetime("ns")).dt.replace_time_zone("America/New_York")
    values = list(closes.values())
    return pl.DataFrame(
        {
            "date": days,
            "ticker": [ticker] * len(days),
            "volume": [100.0] * len(days),
            **dict.fromkeys(["open", "close", "high", "low"], values),
            "window_start": starts.dt.convert_time_zone("UTC"),
            "transactions": [1] * len(days),
        }
    )


# --- published figures ---------------------------------------------------------------------------


def test_the_vendors_example_of_etha() -> None:
    """10:00 in New York on 2026-10-01: 20.34 on 45,879 shares is 61.02 on 15,293."""
    bar = pl.DataFrame(
        {
            "date": [date(2026, 10, 1)],
            "ticker": ["ETHA"],
            "volume": [45_879.0],
            **{name: [20.34] for name in ("open", "close", "high", "low")},
            "window_start": pl.Series([1_790_863_200_000_000_000]).cast(pl.Datetime("ns", "UTC")),
            "transactions": [300],
        }
    )
    local = bar["window_start"].dt.convert_time_zone("America/New_York")
    assert local.dt.strftime("%Y-%m-%d %H:%M").item() == "2026-10-01 10:00"
    made = adjust(bar, ETHA, factors=True).row(0, named=True)
    assert [made[name] for name in ("open", "high", "low", "close")] == pytest.approx([61.02] * 4)
    assert made["volume"] == pytest.approx(15_293)
    assert (made["price_factor"], made["size_factor"]) == (3.0, pytest.approx(1 / 3))
    assert made["transactions"] == 300
    before = adjust(bar, ETHA, as_of="2026-10-05")
    assert before.equals(bar), "the split is not known on that day"


def test_apples_dividends_of_2025_give_the_vendors_factor() -> None:
    """The vendor's documentation shows 0.997899 for the one of 2025-08-11, of 0.26 a share.

    AAPL closed at 229.35 on 2025-08-08 and at 268.47 on 2025-11-07; the dividend of 2025-11-10
    was 0.26 as well.
    """
    bars = daily("AAPL", {"2025-08-08": 229.35, "2025-11-07": 268.47, "2025-11-10": 269.43})
    table = actions(
        {**DIVIDEND, "ticker": "AAPL", "date": "2025-08-11", "amount": 0.26},
        {**DIVIDEND, "ticker": "AAPL", "date": "2025-11-10", "amount": 0.26},
    )
    made = adjust(bars, table, how="all", as_of="2025-11-25", factors=True)
    assert made["price_factor"].round(6).to_list() == [0.997899, 0.999032, 1.0]
    assert made["close"].to_list() == pytest.approx([229.35 * 0.997899, 268.47 * 0.999032, 269.43])
    assert made["volume"].to_list() == [100.0] * 3
    assert adjust(bars, table).equals(bars), "splits alone leave dividends out"


def test_nvidias_split_of_2024() -> None:
    """10-for-1 on 2024-06-10: the close of 1,208.88 on the Friday before is 120.888."""
    bars = daily("NVDA", {"2024-06-07": 1208.88, "2024-06-10": 121.79})
    table = actions({**SPLIT, "ticker": "NVDA", "date": "2024-06-10", "from": 1, "to": 10})
    made = adjust(bars, table)
    assert made["close"].to_list() == pytest.approx([120.888, 121.79])
    assert made["volume"].to_list() == pytest.approx([1000.0, 100.0])


# --- what is multiplied --------------------------------------------------------------------------


def test_trades_and_quotes_of_any_day_are_adjusted() -> None:
    """Prices with one factor, sizes with the other, and all other columns as they were."""
    market = DemoMarket(stocks=10)
    day = date(2024, 1, 2)
    table = actions({**SPLIT, "ticker": "AAPL", "date": "2024-06-03", "from": 1, "to": 4})
    for kind, prices, sizes in (
        ("trades", ["price"], ["size"]),
        ("quotes", ["bid_price", "ask_price"], ["bid_size", "ask_size"]),
    ):
        rows = market.table(f"stocks_{kind}", day)
        made = adjust(rows, table)
        assert made.columns == rows.columns
        apple, others = pl.col("ticker") == "AAPL", pl.col("ticker") != "AAPL"
        assert made.filter(others).equals(rows.filter(others))
        assert made.drop(prices + sizes).equals(rows.drop(prices + sizes))
        scaled = rows.filter(apple).with_columns(pl.col(prices) / 4, pl.col(sizes) * 4)
        assert made.filter(apple).equals(scaled)


def test_tickers_are_case_sensitive() -> None:
    """BCPC is not BCpC."""
    bars = pl.concat([daily("BCPC", {"2024-01-02": 10.0}), daily("BCpC", {"2024-01-02": 20.0})])
    table = actions({**SPLIT, "ticker": "BCpC", "date": "2024-01-03", "from": 2, "to": 1})
    assert adjust(bars, table)["close"].to_list() == [10.0, 40.0]


def test_the_day_of_a_split_is_on_the_new_basis() -> None:
    """Its pre-market too: the files' day tells, not the time."""
    bars = daily("A", {"2024-01-02": 30.0, "2024-01-03": 10.0})
    table = actions({**SPLIT, "ticker": "A", "date": "2024-01-03", "from": 1, "to": 3})
    assert adjust(bars, table)["close"].to_list() == pytest.approx([10.0, 10.0])


DAYS = trading_days("2024-01-02", "2024-02-29")
SPLITS = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "b"]), st.integers(-3, len(DAYS) + 3)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(SPLITS, st.integers(0, len(DAYS) - 1), st.randoms(use_true_random=False))
def test_splits_are_what_a_loop_makes(
    drawn: dict[Any, tuple[int, int]], last: int, random: Any
) -> None:
    """The product of all splits after a row's day up to `as_of`; traded value stays the same."""
    table = (
        actions(
            *(
                {**SPLIT, "ticker": ticker, "date": DAYS[0] + timedelta(place), "from": a, "to": b}
                for (ticker, place), (a, b) in drawn.items()
            )
        )
        if drawn
        else read_actions(ETHA).clear()
    )
    rows = [(day, ticker) for day in DAYS[: last + 1] for ticker in ("A", "B", "b")]
    random.shuffle(rows)
    frame = pl.DataFrame(rows, schema={"date": pl.Date, "ticker": pl.String}, orient="row")
    frame = frame.with_columns(price=pl.lit(100.0), size=pl.lit(7.0), id=pl.int_range(pl.len()))
    as_of = DAYS[last]
    made = adjust(frame, table, as_of=as_of, factors=True)
    assert sorted(made["id"]) == list(range(len(rows)))
    for day, ticker, price, size, number, price_factor, size_factor in made.iter_rows():
        assert rows[number] == (day, ticker)
        expected = 1.0
        for (whose, place), (a, b) in drawn.items():
            if whose == ticker and day < DAYS[0] + timedelta(place) <= as_of:
                expected *= a / b
        assert price_factor == pytest.approx(expected)
        assert price == pytest.approx(100 * expected)
        assert price * size == pytest.approx(700)
        assert price_factor * size_factor == pytest.approx(1)


def test_no_move_is_left_at_a_split(tmp_path: Path) -> None:
    """Bars that were split in two on a day are, adjusted, what they were before the split."""
    days = trading_days("2024-01-02", "2024-01-12")
    truth = pl.concat(
        [
            DemoMarket(stocks=20)
            .table("stocks_daily", day)
            .select(pl.lit(day).alias("date"), pl.all())
            for day in days
        ]
    )
    split = (pl.col("ticker") == "AAPL") & (pl.col("date") < days[4])
    scale = pl.when(split).then(4.0).otherwise(1.0)
    files = truth.with_columns(
        *(pl.col(name) * scale for name in ("open", "close", "high", "low")),
        pl.col("volume") / scale,
    )
    table = actions({**SPLIT, "ticker": "AAPL", "date": days[4], "from": 1, "to": 4})
    assert adjust(files, table).equals(truth)
    path = tmp_path / "actions.csv"
    table.write_csv(path)
    assert adjust(files, path).equals(truth)
    table.write_parquet(path.with_suffix(".parquet"))
    assert adjust(files, str(path.with_suffix(".parquet"))).equals(truth)
    made = adjust(files.to_pandas(), table.to_pandas())
    assert isinstance(made, pd.DataFrame)
    assert made["close"].tolist() == truth["close"].to_list()


# --- dividends and their closes ------------------------------------------------------------------

MONDAY_DIVIDEND = actions({**DIVIDEND, "ticker": "A", "date": "2024-01-08", "amount": 2.0})


def minutes(closes: dict[str, float], day: str) -> pl.DataFrame:
    """Minute bars of ticker A, by their time in New York."""
    frame = daily("A", {day: 0.0}).drop("window_start", "close")
    starts = [f"{day} {clock}" for clock in closes]
    stamps = pl.Series(starts).str.to_datetime("%Y-%m-%d %H:%M", time_unit="ns")
    return frame.join(
        pl.DataFrame(
            {
                "window_start": stamps.dt.replace_time_zone("America/New_York"),
                "close": list(closes.values()),
            }
        ),
        how="cross",
    )


def test_the_close_before_comes_from_the_frame() -> None:
    """The Friday's before a Monday's dividend; of minutes the last of the regular session."""
    bars = daily("A", {"2024-01-04": 90.0, "2024-01-05": 100.0, "2024-01-08": 97.0})
    made = adjust(bars, MONDAY_DIVIDEND, how="all", as_of="2024-01-08")
    assert made["close"].to_list() == pytest.approx([88.2, 98.0, 97.0])
    intraday = minutes(
        {"09:30": 95.0, "15:59": 100.0, "16:00": 111.0, "19:00": 112.0}, "2024-01-05"
    )
    made = adjust(intraday, MONDAY_DIVIDEND, how="all", as_of="2024-01-08")
    assert made["close"].to_list() == pytest.approx([95 * 0.98, 98.0, 111 * 0.98, 112 * 0.98])


def test_the_close_before_may_come_from_elsewhere() -> None:
    """From daily bars, or as a factor; trades have no closes of their own."""
    trades = pl.DataFrame({"date": [date(2024, 1, 5)], "ticker": ["A"], "price": [50.0]})
    with pytest.raises(ValueError, match=r"'close'.*'factor'.*closes"):
        adjust(trades, MONDAY_DIVIDEND, how="all")
    closes = daily("A", {"2024-01-05": 100.0})
    for bars in (closes, closes.to_pandas()):
        assert adjust(trades, MONDAY_DIVIDEND, how="all", closes=bars)["price"].item() == 49.0
    table = MONDAY_DIVIDEND.with_columns(factor=pl.lit(0.9))
    assert adjust(trades, table, how="all")["price"].item() == 45.0


def test_two_dividends_of_a_day_come_off_one_close() -> None:
    """A regular one and a special one."""
    bars = daily("A", {"2024-01-05": 100.0})
    table = pl.concat([MONDAY_DIVIDEND, MONDAY_DIVIDEND.with_columns(amount=pl.lit(3.0))])
    assert adjust(bars, table, how="all")["close"].item() == pytest.approx(95.0)


def test_a_ticker_that_did_not_trade_the_day_before() -> None:
    """Its last close counts, if the frame has the day at all."""
    bars = pl.concat(
        [daily("A", {"2024-01-04": 80.0}), daily("B", {"2024-01-04": 1.0, "2024-01-05": 1.0})]
    )
    made = adjust(bars, MONDAY_DIVIDEND, how="all").filter(ticker=pl.lit("A"))
    assert made["close"].item() == pytest.approx(78.0)
    split = actions({**SPLIT, "ticker": "A", "date": "2024-01-05", "from": 1, "to": 2})
    with pytest.raises(ValueError, match="2024-01-08 is from before a split"):
        adjust(bars, pl.concat([MONDAY_DIVIDEND, split], how="vertical_relaxed"), how="all")


def test_dividends_that_change_no_row_need_no_close() -> None:
    """Those on or before the first day of their ticker."""
    bars = daily("A", {"2024-01-08": 97.0})
    assert adjust(bars, MONDAY_DIVIDEND, how="all").equals(bars)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (MONDAY_DIVIDEND.with_columns(date=pl.lit("2024-02-01")), "no bars of 2024-01-31, before"),
        (MONDAY_DIVIDEND.with_columns(currency=pl.lit("CAD")), "is in CAD"),
        (MONDAY_DIVIDEND.with_columns(amount=pl.lit(100.0)), "not below the previous close 100"),
        (
            pl.concat(
                [
                    MONDAY_DIVIDEND,
                    actions({**SPLIT, "ticker": "A", "date": "2024-01-08", "from": 1, "to": 2}),
                ],
                how="vertical_relaxed",
            ),
            "on the day of a split",
        ),
        (
            pl.concat(
                [
                    MONDAY_DIVIDEND,
                    MONDAY_DIVIDEND.with_columns(amount=pl.lit(1.0), factor=pl.lit(0.9)),
                ],
                how="vertical_relaxed",
            ),
            "give both or neither",
        ),
    ],
)
def test_dividends_that_cannot_be_applied_are_refused(table: pl.DataFrame, message: str) -> None:
    """By name, with what to do."""
    bars = daily("A", {"2024-01-04": 90.0, "2024-01-05": 100.0})
    with pytest.raises(ValueError, match=f"A's dividend of .*{message}|{message}.*A's dividend"):
        adjust(bars, table, how="all")


# --- what is refused -----------------------------------------------------------------------------


def split(a: Any, b: Any, day: str = "2024-01-03", kind: str = "split") -> dict[str, Any]:
    """A split of ticker A."""
    return {**SPLIT, "ticker": "A", "date": day, "from": a, "to": b, "kind": kind}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([split(1, 2), split(1, 2)], "A's split from 1 to 2 on 2024-01-03 is there twice"),
        ([split(1, 2), split(1, 3)], "from 1 to 2 on 2024-01-03 contradicts .* from 1 to 3"),
        ([split(1, 2), split(1, 2, kind="forward_split")], "is there twice"),
        ([split(0, 2)], "from 0 to 2 .* not both numbers above zero"),
        ([split(1, 0)], "from 1 to 0"),
        ([split(1, None)], "from 1 to None"),
        ([split(-1, 2)], "from -1 to 2"),
        ([split(1, float("nan"))], "from 1 to None"),
        ([split(1, 3, kind="reverse_split")], "makes more shares"),
        ([split(3, 1, kind="forward_split")], "makes fewer shares"),
        ([split(1, 2, kind="merger")], "unknown kind.*stock_dividend"),
        ([{**DIVIDEND, "ticker": "A", "date": "2024-01-03", "amount": 0.0}], "without an amount"),
        ([{**DIVIDEND, "ticker": "A", "date": "2024-01-03"}], "without an amount"),
        ([{**DIVIDEND, "ticker": "A", "date": "2024-01-03", "amount": 1.0}] * 2, "there twice"),
        (
            [{**DIVIDEND, "ticker": "A", "date": "2024-01-03", "amount": 1.0, "factor": 1.1}],
            "factor that is not above 0",
        ),
        ([{**split(1, 2), "ticker": None}, split(1, 2)], "no ticker, date or kind"),
    ],
)
def test_wrong_actions_are_refused_by_name(rows: list[dict[str, Any]], message: str) -> None:
    """Where the frame has their ticker; else they are nobody's concern."""
    with pytest.raises(ValueError, match=f"actions: .*{message}"):
        adjust(daily("A", {"2024-01-02": 1.0}), actions(*rows))
    with pytest.raises(ValueError, match=f"actions: .*{message}"):
        read_actions(actions(*rows))
    other = daily("B", {"2024-01-02": 1.0})
    if all(row["ticker"] for row in rows):
        assert adjust(other, actions(*rows)).equals(other)


def test_tickers_that_readers_mistake_come_through_csv(tmp_path: Path) -> None:
    """NA, TRUE and INF are tickers."""
    path = tmp_path / "a.csv"
    path.write_text(
        "ticker,date,kind,from,to\nNA,2024-01-03,split,1,2\nTRUE,2024-01-03,split,1,2\n"
        "INF,2024-01-03,split,1,2\n"
    )
    assert read_actions(path)["ticker"].to_list() == ["INF", "NA", "TRUE"]


@pytest.mark.parametrize(
    ("ticker", "message"),
    [
        ("O:SPY240119C00475000", "options, which are not adjusted: .*OCC"),
        ("I:SPX", "indices, which are not adjusted: .*continuous"),
        ("X:BTC-USD", "crypto, which are not adjusted"),
    ],
)
def test_other_markets_are_refused_with_a_reason(ticker: str, message: str) -> None:
    """The OCC adjusts an option's contract, not its prices."""
    with pytest.raises(ValueError, match=message):
        adjust(daily(ticker, {"2024-01-02": 1.0}), ETHA)


def test_wrong_arguments_are_refused() -> None:
    """Words, days, files and frames."""
    bars = daily("A", {"2024-01-02": 1.0})
    with pytest.raises(ValueError, match="how='dividends'"):
        adjust(bars, ETHA, how="dividends")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"rows of 2024-01-02, after as_of=2024-01-01"):
        adjust(bars, ETHA, as_of="2024-01-01")
    with pytest.raises(ValueError, match=r"neither a \.csv nor a \.parquet"):
        adjust(bars, "actions.xlsx")
    with pytest.raises(ValueError, match="actions has no column 'kind'"):
        adjust(bars, ETHA.drop("kind"))


def test_no_rows_are_no_rows() -> None:
    """With the same columns, and the factors if they are asked for."""
    empty = daily("ETHA", {"2026-10-01": 20.0}).clear()
    assert adjust(empty, ETHA, how="all").schema == empty.schema
    assert adjust(empty, ETHA, factors=True).columns[-2:] == ["price_factor", "size_factor"]
    bars = daily("A", {"2024-01-02": 1.0})
    assert adjust(bars, ETHA.clear()).equals(bars)


def test_today_is_new_yorks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An announced split waits for its day."""
    from flatnb.research import adjustment

    assert adjustment.today() == pd.Timestamp.now(tz=ZoneInfo("America/New_York")).date()
    bar = daily("ETHA", {"2026-10-01": 20.0})
    monkeypatch.setattr(adjustment, "today", lambda: date(2026, 10, 5))
    assert adjust(bar, ETHA)["close"].item() == 20.0
    monkeypatch.setattr(adjustment, "today", lambda: date(2026, 10, 6))
    assert adjust(bar, ETHA)["close"].item() == 60.0
