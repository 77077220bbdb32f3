"""FlatSession: from data type and dates to a frame, and what became of every day."""

from __future__ import annotations

import asyncio
import gc
import io
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, LoadError, MissingDaysError, S3Catalog
from flatnb.demo import DemoMarket, DemoServer
from flatnb.errors import LoadCancelledError
from flatnb.frames import reader
from flatnb.jobs.progress_bar import ProgressBar
from flatnb.load.progress import Progress
from flatnb.market.calendar import DateLike, trading_days
from tests.conftest import SERVED
from tests.servers import faults
from tests.servers.csv_payloads import short_row
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz, gz_bad_crc
from tests.servers.rclone_s3 import RcloneServer

KEYS = [S3Catalog().get_stocks_daily_key(f"2024-01-{day:02}") for day in (2, 3, 4, 5, 8)]


@pytest.fixture(scope="module")
def session() -> Iterator[FlatSession]:
    """A session on a demo market of its own."""
    with FlatSession.demo() as session:
        yield session


@pytest.fixture
def served(service: DemoServer | RcloneServer) -> Iterator[FlatSession]:
    """A session on one of two implementations of S3, with the days of `SERVED`."""
    with FlatSession(
        *service.credentials.values(), endpoint_url=service.endpoint_url, cache=False
    ) as session:
        yield session


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with a week of daily bars."""
    for key in KEYS:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


def expected(market: DemoMarket, data_type: str, start: DateLike, end: DateLike) -> pl.DataFrame:
    """The generator's own tables, put together by the test."""
    tables = [
        market.table(data_type, day).select(
            pl.lit(day).alias("date"),
            pl.all().exclude("window_start", "transactions"),
            pl.col("window_start").cast(pl.Datetime("ns", "UTC")),
            "transactions",
        )
        for day in trading_days(start, end)
    ]
    return pl.concat(tables)


@pytest.mark.parametrize(("data_type", "start", "end"), SERVED)
def test_loads_equal_the_generators_tables(
    served: FlatSession, market: DemoMarket, data_type: str, start: str, end: str
) -> None:
    """All data types: every value, dtype and the order of rows and columns."""
    frame = served.load(data_type, start, end)
    assert_frame_equal(frame, expected(market, data_type, start, end))
    report = served.last_report
    assert report is not None
    assert {day.status for day in report} == {"loaded"}
    assert sum(day.rows for day in report) == frame.height
    assert all(day.size_bytes == len(market.file(data_type, day.date)) for day in report)


def test_pandas_has_the_same(served: FlatSession, market: DemoMarket) -> None:
    """Columns, dtypes and values; tickers that are words included."""
    day = date(2024, 1, 2)
    pdf = served.load("stocks_daily", day, day, frame="pandas")
    table = expected(market, "stocks_daily", day, day)
    assert isinstance(pdf, pd.DataFrame)
    assert list(pdf.columns) == table.columns
    assert {"NA", "TRUE", "NULL", "NAN"} <= set(pdf["ticker"])
    assert_frame_equal(pl.from_pandas(pdf).with_columns(pl.col("date").cast(pl.Date)), table)


@pytest.mark.parametrize("columns", [None, ["ticker", "close"]])
def test_days_are_not_copied_into_one_block(
    served: FlatSession, columns: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of a month of minutes would be another 3 GB, and a third of the time."""
    # As large files are read: a day is several pieces, while its date is one.
    monkeypatch.setattr(reader, "PARSE_BYTES", 1000)
    monkeypatch.setattr(reader, "_BLOCKS_AT_ONCE", 1)
    frame = served.load("stocks_minute", "2024-01-02", "2024-01-03", columns=columns)
    dates, *others = frame.n_chunks("all")
    assert dates == 2
    assert min(others) > 4


def test_narrowing(served: FlatSession, market: DemoMarket) -> None:
    """Symbols and columns select; the date stays; the zone changes no instant."""
    day = date(2024, 1, 2)
    frame = served.load(
        "stocks_minute",
        day,
        day,
        symbols=["TPC", "AAPL"],
        columns=["ticker", "window_start"],
        tz="America/New_York",
    )
    assert frame.columns == ["date", "ticker", "window_start"]
    assert frame["window_start"].dtype == pl.Datetime("ns", "America/New_York")
    wanted = expected(market, "stocks_minute", day, day).filter(
        pl.col("ticker").is_in(["AAPL", "TPC"])
    )
    assert frame["window_start"].to_physical().equals(wanted["window_start"].to_physical())
    assert served.load("stocks_daily", day, day, symbols="AAPL").height == 1


def test_a_symbol_that_is_nowhere_is_warned_of(session: FlatSession) -> None:
    """At the user's own line."""
    with pytest.warns(FlatnbWarning, match=r"(?s)\['aapl'\].*case-sensitive") as caught:
        session.load("stocks_daily", "2024-01-02", "2024-01-02", symbols=["aapl", "AAPL"])
    assert caught[0].filename == __file__


@pytest.mark.parametrize("columns", [None, ["close"]])
def test_nothing_found_is_warned_of(session: FlatSession, columns: list[str] | None) -> None:
    """An empty frame never comes without a word."""
    with pytest.warns(FlatnbWarning, match=r"O:SP\*"):
        frame = session.load(
            "options_daily", "2024-01-02", "2024-01-02", symbols=["O:SP*"], columns=columns
        )
    assert frame.is_empty()


@pytest.mark.parametrize(
    "arguments",
    [
        {"cache": 5},
        {"revalidate": "x"},
        {"cache": False, "offline": True},
        {"bucket": ""},
        {"endpoint_url": None},
        {"options_root": "x"},
    ],
    ids=str,
)
def test_wrong_settings_are_named(arguments: dict[str, Any]) -> None:
    """When the session is made, not when it loads."""
    with pytest.raises(ValueError, match=next(reversed(arguments))):
        FlatSession("key", "secret", **arguments)


def test_a_closed_session_says_so(demo_server: DemoServer) -> None:
    """It does not come back to life half."""
    session = FlatSession("a", "b", endpoint_url=demo_server.endpoint_url)
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.load("stocks_daily", "2024-01-02", "2024-01-02")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_type": "stocks"}, "data_type='stocks'.*did you mean 'stocks_"),
        ({"start": "02.01.2024"}, "start='02.01.2024'"),
        ({"end": "2024-01-01"}, "start=2024-01-02 is after end=2024-01-01"),
        ({"symbols": []}, "symbols=.*omit it"),
        ({"symbols": 5}, "symbols=5"),
        ({"columns": ["date"]}, "columns holds only 'date'"),
        ({"symbols": [1]}, "symbols holds 1"),
        ({"columns": ["vwap"]}, "'vwap'.*ticker, volume"),
        ({"frame": "arrow"}, "frame='arrow'"),
        ({"tz": "Mars/Base"}, "tz='Mars/Base'"),
        ({"missing": "skip"}, "missing='skip'"),
    ],
)
def test_wrong_arguments_are_named(
    session: FlatSession, arguments: dict[str, Any], message: str
) -> None:
    """The parameter, its value and the remedy."""
    right = {"data_type": "stocks_daily", "start": "2024-01-02", "end": "2024-01-03"}
    with pytest.raises(ValueError, match=message):
        session.load(**(right | arguments))


def test_a_missing_day(days: FaultServer, fault_session: FlatSession) -> None:
    """Warned of by name, raised or ignored; the rest is there, and the report tells."""
    days.delete(KEYS[1])
    load = ("stocks_daily", "2024-01-02", "2024-01-08")
    with pytest.warns(FlatnbWarning, match="2024-01-03 missing") as caught:
        frame = fault_session.load(*load)
    assert caught[0].filename == __file__
    assert frame["date"].n_unique() == 4
    assert fault_session.load(*load, missing="ignore").equals(frame)
    with pytest.raises(MissingDaysError, match="2024-01-03") as raised:
        fault_session.load(*load, missing="raise")
    assert raised.value.frame.equals(frame)
    report = fault_session.last_report
    assert report is not None
    assert [day.status for day in report] == ["loaded", "missing", "loaded", "loaded", "loaded"]
    assert "2024-01-03 missing: the bucket has no file (404" in repr(report)


def test_bad_days_are_raised_at_the_end(days: FaultServer, fault_session: FlatSession) -> None:
    """Forbidden, corrupt, broken and failed days: all listed, the others on the exception."""
    days.always(KEYS[0], faults.bare_status(403))
    days.put(KEYS[1], gz_bad_crc(day_csv()))
    days.put(KEYS[2], gz(short_row(day_csv(key=KEYS[2]))))
    days.always(KEYS[3], faults.bare_status(500))
    with pytest.raises(LoadError) as caught:
        fault_session.load("stocks_daily", "2024-01-02", "2024-01-08", missing="ignore")
    error = caught.value
    assert [day.status for day in error.report] == ["forbidden", *["failed"] * 3, "loaded"]
    assert error.frame["date"].unique().to_list() == [date(2024, 1, 8)]
    reasons = [day.reason for day in error.report]
    for expected_reason, reason in zip(
        ["403", "IntegrityError", "line 3", "ServiceError", ""], reasons, strict=True
    ):
        assert expected_reason in reason
    for day in ("2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"):
        assert day in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert repr(copy.report) == repr(error.report)


def test_a_day_after_a_new_column(days: FaultServer, fault_session: FlatSession) -> None:
    """A column that the vendor adds is null on the days before."""
    day = (
        day_csv(key=KEYS[1])
        .replace(b"\n", b",x\n")
        .replace(b"transactions,x", b"transactions,vwap")
    )
    days.put(KEYS[1], gz(day))
    frame = fault_session.load("stocks_daily", "2024-01-02", "2024-01-03")
    assert frame.columns[-1] == "vwap"
    assert frame["vwap"].null_count() == frame.height // 2


def test_no_trading_day(session: FlatSession) -> None:
    """A weekend gives an empty frame with the right schema, and says so."""
    with pytest.warns(FlatnbWarning, match="no trading day"):
        frame = session.load("stocks_daily", "2024-01-06", "2024-01-07")
    assert frame.is_empty()
    assert frame.schema == session.load("stocks_daily", "2024-01-02", "2024-01-02").schema


def test_days_that_cannot_be_are_not_asked_for(
    days: FaultServer, fault_session: FlatSession
) -> None:
    """Before the first and after today; they are reported all the same."""
    year = date.today().year + 1
    with pytest.warns(FlatnbWarning, match="in the future"):
        frame = fault_session.load("stocks_daily", f"{year}-01-01", f"{year}-12-31")
    assert frame.is_empty()
    assert days.requests == []


def test_days_before_the_first(session: FlatSession) -> None:
    """The market begins on 2003-09-10."""
    with pytest.warns(FlatnbWarning, match="begin on 2003-09-10"):
        frame = session.load("stocks_daily", "2003-09-09", "2003-09-10")
    assert frame["date"].unique().to_list() == [date(2003, 9, 10)]


def test_no_more_days_at_once_than_allowed(days: FaultServer, fault_session: FlatSession) -> None:
    """``max_concurrent`` files are under way, not more."""
    with FlatSession(
        "a", "b", endpoint_url=days.endpoint_url, max_concurrent=1, max_pool_connections=5
    ) as session:
        session.load("stocks_daily", "2024-01-02", "2024-01-08")
        assert days.peak_connections == 1


def test_load_in_async_code(session: FlatSession, market: DemoMarket) -> None:
    """``load_async``, ``await start(…)`` and plain ``load`` inside a running loop agree."""
    day = date(2024, 1, 2)

    async def run() -> None:
        loaded = await session.load_async("stocks_daily", day, day)
        started = await session.start("stocks_daily", day, day)
        blocking = session.load("stocks_daily", day, day)
        table = expected(market, "stocks_daily", day, day)
        for frame in (loaded, started, blocking):
            assert_frame_equal(frame, table)

    asyncio.run(run())


def test_cancelling_a_job(days: FaultServer, fault_session: FlatSession) -> None:
    """It stops within a second, and the session goes on working."""
    days.always(KEYS[0], faults.stall_after(10))
    job = fault_session.start("stocks_daily", "2024-01-02", "2024-01-03")
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(timeout=0.1)
    assert "running" in repr(job)
    began = time.monotonic()
    job.cancel()
    with pytest.raises(LoadCancelledError):
        job.result()
    assert time.monotonic() - began < 1
    assert job.cancelled()
    days.heal()
    assert fault_session.load("stocks_daily", "2024-01-02", "2024-01-03").height == 16


def test_cancelling_an_await(days: FaultServer, fault_session: FlatSession) -> None:
    """Cancelling the waiter cancels the work."""
    days.always(KEYS[0], faults.stall_after(10))

    async def run() -> None:
        task = asyncio.create_task(
            fault_session.load_async("stocks_daily", "2024-01-02", "2024-01-02")
        )
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 1.5
    assert fault_session.stats.totals.running == 0


def test_interrupting_a_load(days: FaultServer) -> None:
    """Ctrl-C ends a blocked load at once, and the session goes on working."""
    days.always(KEYS[0], faults.stall_after(10))
    script = f"""
import signal, time
from flatnb import FlatSession
signal.signal(signal.SIGINT, signal.default_int_handler)
session = FlatSession("key", "secret", endpoint_url={days.endpoint_url!r})
print("ready", flush=True)
try:
    session.load("stocks_daily", "2024-01-02", "2024-01-03")
except KeyboardInterrupt:
    frame = session.load("stocks_daily", "2024-01-03", "2024-01-03")
    print(session.stats.totals.running, frame.height)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while len(days.requests) < 2 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (output, error) == ("ready\n0 8\n", "")
    assert time.monotonic() - began < 2


def test_a_script_that_closes_nothing_ends_cleanly() -> None:
    """No complaint of an unclosed client, no hanging thread."""
    script = """
from flatnb import FlatSession
session = FlatSession.demo()
print(session.load("stocks_daily", "2024-01-02", "2024-01-03").height > 0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_closing_leaves_no_thread(demo_server: DemoServer) -> None:
    """Nor does a session that is merely forgotten."""
    before = set(threading.enumerate())
    session = FlatSession("a", "b", endpoint_url=demo_server.endpoint_url)
    session.load("stocks_daily", "2024-01-02", "2024-01-02")
    session.close()
    session.close()
    session = FlatSession("a", "b", endpoint_url=demo_server.endpoint_url)
    session.load("stocks_daily", "2024-01-02", "2024-01-02")
    del session
    gc.collect()
    names = {t.name for t in set(threading.enumerate()) - before if t.name.startswith("flatnb")}
    assert names == set()


def test_demo_says_that_it_is_synthetic(session: FlatSession) -> None:
    """In its repr; a real session tells where its keys come from."""
    assert "SYNTHETIC" in repr(session)


class Terminal(io.StringIO):
    """A standard error output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_progress_bar(
    days: FaultServer, fault_session: FlatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown in a terminal when it takes long, with bytes and files; else and on request not."""
    days.always(KEYS[0], faults.drip(piece_bytes=8, every_s=0.03))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fault_session.load("stocks_daily", "2024-01-02", "2024-01-03")
    assert "stocks_daily: 100%" in terminal.getvalue()
    assert "2/2 files" in terminal.getvalue()
    silent = Terminal()
    monkeypatch.setattr(sys, "stderr", silent)
    fault_session.load("stocks_daily", "2024-01-03", "2024-01-03", progress=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert ProgressBar(Progress(1), "x", None)._show is False
    assert silent.getvalue() == ""
