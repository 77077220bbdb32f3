"""Regular and extended hours, against the minutes of the package exchange_calendars."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas as pd
import polars as pl
import pytest

from flatnb.demo import DemoMarket
from flatnb.market import calendar
from flatnb.research import hours, hours_expression, regular_hours

FIRST, LAST = date(2003, 9, 10), date(2027, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")
DAYS = calendar.trading_days(FIRST, LAST)


@cache
def exchange() -> Any:
    """The New York stock exchange; a minute is named by its beginning."""
    return exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST, side="left")


def utc_hours(day: date) -> int:
    """The difference between the clocks of London in winter and New York at noon."""
    offset = datetime(day.year, day.month, day.day, 12, tzinfo=NEW_YORK).utcoffset()
    assert offset is not None
    return int(-offset.total_seconds() // 3600)


EARLY = [day for day in DAYS if calendar.is_early_close(day)]
AROUND_CLOCK_CHANGES = [
    day
    for before, after in itertools.pairwise(DAYS)
    if utc_hours(before) != utc_hours(after)
    for day in (before, after)
]


def every_minute(day: date) -> pl.DataFrame:
    """A bar for each minute of the UTC day and a quarter more, as `load` returns bars."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    minutes = pl.datetime_range(
        start, start + timedelta(hours=30), "1m", time_unit="ns", time_zone="UTC", eager=True
    )
    return pl.DataFrame({"ticker": "A", "window_start": minutes}).select(
        pl.lit(day).alias("date"), pl.all()
    )


def test_there_are_enough_days_to_look_at() -> None:
    """About two early closes and two changes of the clocks a year."""
    assert len(EARLY) > 40
    assert len(AROUND_CLOCK_CHANGES) == 2 * 2 * 24 + 2


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_regular_hours_are_the_exchanges_minutes(zone: str) -> None:
    """All early closes and both sides of all clock changes of 2003 to 2027, minute by minute."""
    days = sorted({*EARLY, *AROUND_CLOCK_CHANGES})
    frame = pl.concat([every_minute(day) for day in days])
    in_zone = frame.with_columns(pl.col("window_start").dt.convert_time_zone(zone))
    got = regular_hours(in_zone)
    assert got.schema == in_zone.schema
    found = got["window_start"].dt.convert_time_zone("UTC").dt.timestamp("ns").to_list()
    expected = [
        minute.value for day in days for minute in exchange().session_minutes(pd.Timestamp(day))
    ]
    assert found == expected


def test_every_trading_day_opens_and_closes_when_the_exchange_does() -> None:
    """The first and the last minute of all 6,100 days of 2003 to 2027."""
    assert [day.date() for day in exchange().sessions] == DAYS
    opens, lasts = exchange().first_minutes, exchange().last_minutes
    minute = 60 * 10**9
    for day, first, last in zip(DAYS, opens, lasts, strict=True):
        stamps = pl.DataFrame(
            {"window_start": [t.value + m for t in (first, last) for m in (-minute, 0, minute)]}
        )
        inside = stamps.select(hours_expression(day)).to_series().to_list()
        assert inside == [False, True, True, True, True, False], day


@pytest.mark.parametrize(
    ("day", "which", "begin", "end"),
    [
        (date(2024, 1, 2), "extended", "04:00", "20:00"),
        (date(2024, 7, 3), "extended", "04:00", "17:00"),
        (date(2024, 3, 11), "extended", "04:00", "20:00"),
        (date(2024, 1, 2), "regular", "09:30", "16:00"),
        (date(2024, 7, 3), "regular", "09:30", "13:00"),
    ],
)
def test_the_end_is_left_out(day: date, which: Any, begin: str, end: str) -> None:
    """A bar stamped with the beginning is in, one stamped with the end is not."""
    frame = every_minute(day)
    got = hours(frame, which)["window_start"].dt.convert_time_zone("America/New_York")
    assert got.dt.strftime("%H:%M")[0] == begin
    last = datetime.strptime(end, "%H:%M") - timedelta(minutes=1)
    assert got.dt.strftime("%H:%M")[-1] == last.strftime("%H:%M")


def test_options_have_a_late_quarter_of_an_hour() -> None:
    """A few classes trade to 16:15, or to 13:15: extended, not regular."""
    for day, regular, late in ((date(2024, 1, 2), 390, 405), (date(2024, 7, 3), 210, 225)):
        frame = every_minute(day).with_columns(ticker=pl.lit("O:SPY240119C00475000"))
        assert len(hours(frame, "regular")) == regular
        assert len(hours(frame, "extended")) == late


def test_trades_are_placed_by_the_time_of_the_tape() -> None:
    """One nanosecond before the open is out, the open is in, the close is out."""
    opening = int(datetime(2024, 1, 2, 9, 30, tzinfo=NEW_YORK).timestamp()) * 10**9
    closing = opening + 390 * 60 * 10**9
    stamps = [opening - 1, opening, closing - 1, closing]
    trades = pl.DataFrame(
        {
            "date": [date(2024, 1, 2)] * 4,
            "ticker": "A",
            "participant_timestamp": [opening] * 4,
            "sip_timestamp": stamps,
            "price": [1.0, 2.0, 3.0, 4.0],
        }
    )
    assert regular_hours(trades)["price"].to_list() == [2.0, 3.0]


def test_the_demo_markets_regular_minutes_are_its_day_bars() -> None:
    """Volume of the regular session equals the day file's, on an early close and without `date`."""
    market = DemoMarket(stocks=40)
    for day in (date(2024, 7, 3), date(2024, 11, 4)):
        minutes = regular_hours(market.table("stocks_minute", day))
        volume = minutes.group_by("ticker").agg(pl.col("transactions").sum()).sort("ticker")
        daily = market.table("stocks_daily", day).select("ticker", "transactions").sort("ticker")
        assert volume.equals(daily)


def test_scattered_days_and_pandas() -> None:
    """Days may come in any order; pandas gives pandas with the same columns."""
    days = [date(2024, 7, 2), date(2024, 7, 3)]
    mixed = pl.concat([every_minute(day) for day in days]).sort("window_start", "date")
    shuffled = mixed.sample(fraction=1.0, shuffle=True, seed=3)
    got = hours(shuffled, "regular")
    assert len(got) == 390 + 210
    assert got.equals(shuffled.join(hours(mixed, "regular"), on=mixed.columns, how="semi"))
    got = hours(mixed.to_pandas(), "regular")
    assert isinstance(got, pd.DataFrame)
    assert len(got) == 390 + 210
    assert list(got.columns) == ["date", "ticker", "window_start"]
    assert str(got["window_start"].dtype) == "datetime64[ns, UTC]"


def test_all_hours_are_the_frame_itself() -> None:
    """Of any market."""
    frame = pl.DataFrame({"ticker": ["X:BTC-USD"], "window_start": [0]})
    assert hours(frame, "all") is frame
    assert frame.filter(hours_expression("2024-01-01", "all")).equals(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"ticker": ["X:BTC-USD"], "window_start": [1]}, "crypto.*around the clock.*'all'"),
        ({"ticker": ["C:EUR-USD"], "window_start": [1]}, "forex"),
        ({"ticker": ["ESH4"], "window_start": [1], "session_end_date": ["2024-01-02"]}, "futures"),
        ({"ticker": ["A", "O:SPY240119C00475000"], "window_start": [1, 1]}, "options and stocks"),
        ({"ticker": ["A"], "open": [1.0]}, "no time column"),
        ({"open": [1.0], "window_start": [1]}, "'ticker'"),
        # 2024-01-02 00:00 EST, a day bar; 2024-01-01 12:00 EST, a holiday.
        ({"ticker": ["A"], "window_start": [1704171600 * 10**9]}, "day bars"),
        ({"ticker": ["A"], "window_start": [1704128400 * 10**9]}, "2024-01-01.*New Year"),
    ],
)
def test_what_has_no_hours_is_refused(frame: dict[str, list[object]], message: str) -> None:
    """With the reason and what to do."""
    with pytest.raises(ValueError, match=message):
        regular_hours(pl.DataFrame(frame))


def test_wrong_arguments_are_refused() -> None:
    """An unknown word, no frame, and a lazy frame."""
    with pytest.raises(ValueError, match=r"hours='rth'.*regular, extended, all"):
        hours(every_minute(date(2024, 1, 2)), "rth")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="frame=list"):
        regular_hours([1])
    with pytest.raises(ValueError, match="LazyFrame"):
        regular_hours(pl.LazyFrame())
    with pytest.raises(ValueError, match="none of stocks, options, indices"):
        hours_expression("2024-01-02", market="bonds")
