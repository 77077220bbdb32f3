"""What is told before anything is downloaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flatnb import FlatSession, S3Catalog, TransferError
from flatnb.demo import DemoServer
from flatnb.demo.demo_market import DemoMarket
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
    assert "flatnb-day-listed" in coverage._repr_html_()
    assert "loaded" not in coverage._repr_html_().partition("</style>")[2]
    days.forget_requests()
    session.available("stocks_daily", "2024-01-03", "2024-02-05")
    assert days.requests == []
    assert "no files" in repr(session.available("crypto_daily", "2024-01-01", "2024-01-31"))


def test_a_listing_that_fails(session: FlatSession, days: FaultServer) -> None:
    """Is an error, not an empty plan."""
    days.always("us_stocks_sip/day_aggs_v1/2024/01/", faults.bare_status(403))
    with pytest.raises(TransferError):
        session.plan(*RANGE)


def test_rows_are_counted_once_days_are_cached(session: FlatSession) -> None:
    """Exactly where all are cached; before, and for the others, it is said to be an estimate."""
    assert "about" in session.plan(*RANGE).rows_text
    session.load("stocks_daily", "2024-01-02", "2024-01-03")
    plan = session.plan("stocks_daily", "2024-01-02", "2024-01-03")
    assert (plan.rows_estimate, plan.rows_text) == (16, "16 rows")
    more = session.plan("stocks_daily", "2024-01-02", "2024-01-05")
    assert more.rows_estimate == pytest.approx(32, abs=2)
    assert "counted in 2 cached days" in repr(more)
    some = session.plan("stocks_daily", "2024-01-02", "2024-01-05", symbols=["A", "NONE"])
    assert some.rows_estimate == 4


def test_at_which_rate(session: FlatSession) -> None:
    """A user's before anything was downloaded, then this session's own."""
    before = session.plan(*RANGE)
    assert "at 26.8 MB/s (not measured yet; a user's with 128 connections)" in repr(before)
    session.load("stocks_daily", "2024-01-02", "2024-01-02")
    after = session.plan(*RANGE)
    assert "measured in this session)" in repr(after)
    assert after.bytes_per_s == pytest.approx(session.stats.totals.bytes_per_s)


class CountingMarket(DemoMarket):
    """The demo's market; it counts the files that it makes."""

    made = 0

    def file(self, data_type: str, day: date) -> bytes:
        """As the demo's."""
        self.made += 1
        return super().file(data_type, day)


def test_an_estimate_of_twenty_years_makes_few_files() -> None:
    """Of the demo's; the size is near that of all, and it is said how it was found."""
    market = CountingMarket()
    with FlatSession.demo(DemoServer(market)) as session:
        years = ("stocks_daily", "2006-01-03", "2025-12-31")
        picker = session.picker()
        picker.choose(data_type=years[0], start=years[1], end=years[2])
        deadline = time.monotonic() + 20
        while "sizes of 24" not in picker.widget.estimate["text"] and time.monotonic() < deadline:
            time.sleep(0.05)
        text = picker.widget.estimate["text"]
        assert text.startswith("5,031 trading days, by the sizes of 24 of them · ")
        assert market.made < 150  # of which the two months of the calendar are most
        exact = session.plan(years[0], "2006-01-03", "2006-12-29").bytes_to_download
        year = session.plan(years[0], "2024-01-02", "2024-12-31").bytes_to_download
        estimate = session._planner.estimate(*years).bytes_to_download
        assert 19 * min(exact, year) < estimate < 21 * max(exact, year)
