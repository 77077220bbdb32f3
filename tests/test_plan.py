"""What is told before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flatnb import FlatSession, S3Catalog, TransferError
from flatnb.market.calendar import trading_days
from flatnb.market.data_types import DATA_TYPES
from flatnb.market.known_issues import is_published, known_issue
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

RANGE = ("stocks_daily", "2024-01-02", "2024-01-08")
KEYS = S3Catalog().get_date_range_keys(*RANGE)  # the 2nd, 3rd, 4th, 5th and 8th


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with four of the five days."""
    for key in KEYS[:4]:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


@pytest.fixture
def session(days: FaultServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache of its own."""
    with FlatSession(
        "a", "b", endpoint_url=days.endpoint_url, cache=tmp_path, revalidate="always"
    ) as session:
        yield session


def test_a_plan(session: FlatSession, days: FaultServer) -> None:
    """One listing; what is here, what would come, what is missing, and how much it is."""
    session.load("stocks_daily", "2024-01-02", "2024-01-03")
    days.put(KEYS[1], gz(day_csv(["NEW"], KEYS[1])))
    days.forget_requests()
    plan = session.plan(*RANGE)
    assert [request.kind for request in days.requests] == ["list"]
    expected = ["cached", "replaced", "to download", "to download", "missing"]
    assert [day.status for day in plan.days] == expected
    assert plan.files == 4
    sizes = [len(gz(day_csv(key=key))) for key in KEYS]
    replaced = len(gz(day_csv(["NEW"], KEYS[1])))
    assert plan.bytes_cached == sizes[0]
    assert plan.bytes_to_download == replaced + sizes[2] + sizes[3]
    assert plan.seconds_estimate > 0
    assert plan.rows_estimate is not None
    assert plan.memory_bytes_estimate is not None
    assert "1 cached, 1 replaced, 2 to download, 1 missing" in repr(plan)
    assert "flatnb-day-missing" in plan._repr_html_()
    with pytest.warns(UserWarning, match="2024-01-08"):
        frame = plan.load()
    assert frame.height == 8 + 1 + 8 + 8
    assert session.plan(*RANGE).bytes_to_download == 0


def test_a_newer_file_that_load_would_not_look_for(
    session: FlatSession, days: FaultServer, tmp_path: Path
) -> None:
    """An old day is trusted by default: the plan says what that means."""
    session.load("stocks_daily", "2024-01-02", "2024-01-02")
    days.put(KEYS[0], gz(day_csv(["NEW"], KEYS[0])))
    with FlatSession("a", "b", endpoint_url=days.endpoint_url, cache=tmp_path) as other:
        plan = other.plan("stocks_daily", "2024-01-02", "2024-01-02")
        assert (plan.days[0].status, plan.bytes_to_download) == ("cached", 0)
        assert "revalidate='always' downloads it" in repr(plan)
        assert plan.load().height == 8


def test_a_plan_of_a_load_by_symbols(session: FlatSession) -> None:
    """Rows are those of the symbols, where that can be told."""
    plan = session.plan(*RANGE, symbols=["A", "SPY"])
    assert plan.rows_estimate == 8
    options = session.plan("options_daily", "2024-01-02", "2024-01-03", underlyings="SPY")
    assert options.rows_estimate is None
    assert options.memory_bytes_estimate is None
    assert "rows" not in repr(options)


def test_a_day_that_is_not_published_yet_is_late(session: FlatSession) -> None:
    """Until 11:00 in New York on the next day; from then on it is missing."""
    today = date.today()
    plan = session.plan("stocks_daily", today - timedelta(days=9), today + timedelta(days=9))
    now = datetime.now(UTC)
    for day in plan.days:
        eleven = datetime(day.date.year, day.date.month, day.date.day, 15, tzinfo=UTC)
        if abs(eleven + timedelta(days=1) - now) < timedelta(hours=2):
            continue  # by the clocks' season it is either
        assert day.status == ("missing" if eleven + timedelta(days=1) < now else "late")
    assert {day.status for day in plan.days} == {"missing", "late"}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2024-01-03T10:59:59-05:00", False),
        ("2024-01-03T11:00:00-05:00", True),
        ("2024-01-03T16:00:00+00:00", True),
    ],
)
def test_when_files_are_complete(now: str, expected: bool) -> None:
    """At 11:00 in New York on the day after."""
    assert is_published(date(2024, 1, 2), datetime.fromisoformat(now)) is expected


@pytest.mark.parametrize(
    ("data_type", "day", "words"),
    [
        ("options_trades", date(2018, 10, 12), "missing"),
        ("options_daily", date(2025, 2, 10), "1970"),
        ("stocks_minute", date(2025, 8, 8), "missing"),
        ("stocks_daily", date(2019, 8, 12), "stamped a day late"),
        ("options_trades", date(2024, 6, 20), "15:30"),
        ("stocks_trades", date(2015, 1, 6), "issues/291"),
        ("stocks_trades", date(2015, 1, 7), "issues/291"),
        ("stocks_trades", date(2015, 1, 8), ""),
        ("options_trades", date(2014, 6, 2), "issues/292"),
        ("options_trades", date(2019, 11, 3), "issues/292"),
        ("options_trades", date(2018, 10, 12), "issues/292"),
        ("options_trades", date(2019, 11, 4), ""),
        ("stocks_minute", date(2025, 1, 17), "issues/329"),
        ("stocks_minute", date(2025, 2, 18), ""),
        ("stocks_daily", date(2019, 8, 13), ""),
    ],
)
def test_days_of_public_reports(data_type: str, day: date, words: str) -> None:
    """A plan tells of them."""
    told = known_issue(DATA_TYPES[data_type], day)
    assert words in told
    assert bool(words) == bool(told)


def test_days_with_the_same_note_are_told_together(session: FlatSession, days: FaultServer) -> None:
    """Years of days with one report are one line of a plan."""
    text = repr(session.plan("options_trades", "2015-01-02", "2015-12-31"))
    assert len(text.splitlines()) == 2
    assert "2015-01-02 … 2015-12-31 (252 days) missing: no trade has conditions" in text


def test_what_is_available(session: FlatSession, days: FaultServer) -> None:
    """From one listing a year, kept for a while; a trading day without a file is missing."""
    coverage = session.available("stocks_daily", "2024-01-01", "2024-01-31")
    assert list(coverage.days) == trading_days("2024-01-02", "2024-01-05")
    assert coverage.missing == tuple(trading_days("2024-01-08", "2024-01-31"))
    assert (coverage.first, coverage.last) == (date(2024, 1, 2), date(2024, 1, 5))
    assert coverage.size_bytes == sum(len(gz(day_csv(key=key))) for key in KEYS[:4])
    assert "4 days from 2024-01-02 to 2024-01-05" in repr(coverage)
    assert "flatnb-day-missing" in coverage._repr_html_()
    days.forget_requests()
    session.available("stocks_daily", "2024-01-03", "2024-02-05")
    assert days.requests == []
    assert "no files" in repr(session.available("crypto_daily", "2024-01-01", "2024-01-31"))


def test_a_listing_that_fails(session: FlatSession, days: FaultServer) -> None:
    """Is an error, not an empty plan."""
    days.always("us_stocks_sip/day_aggs_v1/2024/01/", faults.bare_status(403))
    with pytest.raises(TransferError):
        session.plan(*RANGE)
