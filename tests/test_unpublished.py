"""Days that are not published yet, and days that are refused though their neighbours are not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flatnb import FlatnbWarning, FlatSession, LoadError, MissingDaysError, S3Catalog
from flatnb.market import calendar
from flatnb.market.calendar import EXCHANGE_ZONE
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz
from tests.twins import CREDENTIALS

WEDNESDAY, THURSDAY = "2024-01-03", "2024-01-04"
NOT_YET = "not published yet: .* about 11:00 ET on the next day, 2024-01-05"


@pytest.fixture(autouse=True)
def thursday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 20:00 in New York on Thursday: the files of Wednesday are complete."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2024, 1, 4, 20, tzinfo=EXCHANGE_ZONE).astimezone(tz)

    monkeypatch.setattr(calendar, "datetime", Clock)


def key_of(day: str, data_type: str = "stocks_daily") -> str:
    """The key of a day."""
    return S3Catalog(options_root="us_options_opra").get_key(data_type, day)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """The days up to Wednesday of stocks, options and crypto."""
    with FaultServer() as server:
        for data_type in ("stocks_daily", "options_daily", "crypto_daily"):
            for day in ("2024-01-02", WEDNESDAY):
                key = key_of(day, data_type)
                server.put(key, gz(day_csv(key=key)))
        yield server


@pytest.fixture
def session(server: FaultServer, cache_or_none: Path | bool) -> Iterator[FlatSession]:
    """With and without a cache, from which the tickers of a day can be read."""
    with FlatSession(
        *CREDENTIALS.values(), endpoint_url=server.endpoint_url, cache=cache_or_none, max_retries=0
    ) as session:
        yield session


@pytest.mark.parametrize("data_type", ["stocks_daily", "crypto_daily"])
def test_a_load(session: FlatSession, data_type: str) -> None:
    """Says so, and never a bare 404; also where a listing tells the days."""
    with pytest.warns(FlatnbWarning, match=NOT_YET) as caught:
        frame = session.load(data_type, WEDNESDAY, THURSDAY)
    assert set(frame["date"]) == {date(2024, 1, 3)}
    assert "404" not in "".join(str(each.message) for each in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.load(data_type, WEDNESDAY, THURSDAY, missing="ignore")


def test_the_report(session: FlatSession) -> None:
    """Has the reason of each day; that of a day that should be there is another one."""
    with pytest.raises(MissingDaysError, match=NOT_YET):
        session.load("stocks_daily", WEDNESDAY, THURSDAY, missing="raise")
    with pytest.warns(FlatnbWarning, match="the bucket has no file"):
        session.load("stocks_daily", "2023-12-29", "2024-01-02")


def test_other_ways_to_a_day(session: FlatSession, tmp_path: Path) -> None:
    """A chain, a lake and a scan."""
    with pytest.raises(LoadError, match=NOT_YET):
        session.chain("SPY", THURSDAY)
    with pytest.warns(FlatnbWarning, match=NOT_YET):
        lake = session.to_lake("stocks_daily", WEDNESDAY, THURSDAY, tmp_path / "lake")
    assert lake.days == [date(2024, 1, 3)]
    with pytest.warns(FlatnbWarning, match=NOT_YET):
        session.to_lake("crypto_daily", WEDNESDAY, THURSDAY, tmp_path / "lake")
    recent = pl.col("date") >= pl.date(2024, 1, 3)
    with pytest.warns(FlatnbWarning, match=NOT_YET):
        frame = session.scan("stocks_daily").filter(recent).collect()
    assert set(frame["date"]) == {date(2024, 1, 3)}


def test_a_chain_of_a_closed_day(session: FlatSession) -> None:
    """Is an error that says why."""
    with pytest.raises(LoadError, match=r"closed on this day .weekend"):
        session.chain("SPY", "2023-12-30")
    with pytest.raises(LoadError, match="New Year"):
        session.chain("SPY", "2024-01-01")


def test_a_refused_day_is_tried_again(session: FlatSession, server: FaultServer) -> None:
    """Once, after the others, where an earlier day could be read."""
    server.script(key_of(WEDNESDAY), [faults.bare_status(403)], when="get")
    frame = session.load("stocks_daily", "2024-01-02", WEDNESDAY)
    assert set(frame["date"]) == {date(2024, 1, 2), date(2024, 1, 3)}
    assert [day.status for day in session.last_report or ()] == ["loaded", "loaded"]


def test_a_day_that_stays_refused(session: FlatSession, server: FaultServer) -> None:
    """It is told that it was tried twice; the days that loaded are there."""
    server.always(key_of(WEDNESDAY), faults.bare_status(403), when="get")
    with pytest.raises(LoadError, match="refused twice, though an earlier day") as caught:
        session.load("stocks_daily", "2024-01-02", WEDNESDAY)
    assert caught.value.frame is not None
    assert caught.value.frame.height == 8
    gets = [each for each in server.requests if (each.kind, each.key) == ("get", key_of(WEDNESDAY))]
    assert len(gets) == 2


def test_days_before_the_plan_are_tried_once(session: FlatSession, server: FaultServer) -> None:
    """Refused days without an earlier one that can be read are what a plan means."""
    server.always(key_of("2024-01-02"), faults.bare_status(403))
    with pytest.raises(LoadError, match="your plan begins 2024-01-03"):
        session.load("stocks_daily", "2024-01-02", WEDNESDAY)
    gets = [each for each in server.requests if each.kind == "get" and "01-02" in each.key]
    assert len(gets) == 1


def test_a_lake_tries_again_too(session: FlatSession, server: FaultServer, tmp_path: Path) -> None:
    """A refused day does not cost the lake a day."""
    server.script(key_of(WEDNESDAY), [faults.bare_status(403)], when="get")
    lake = session.to_lake("stocks_daily", "2024-01-02", WEDNESDAY, tmp_path / "lake")
    assert len(lake) == 2
