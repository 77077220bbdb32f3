"""Stock minutes by proved ranges, through a session: equal to whole files, or whole files."""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, S3Catalog
from flatnb.demo import DemoMarket
from flatnb.errors import LoadCancelledError, LoadError
from flatnb.explore.range_check import compare
from flatnb.load import search_processes
from flatnb.load.search_worker import Abandon, Begin, Continue, serve
from flatnb.market.calendar import trading_days
from flatnb.ranges import Request
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.faults import Fault
from tests.servers.payloads import gz

DAYS = trading_days("2024-01-02", "2024-01-05")
DAY = DAYS[0]
SYMBOLS = ["AAPL", "MSFT", "SPY"]
PROVED = "ranges, regular hours proved by the daily bar"
"""The demo market's daily bars cover the regular hours."""
CATALOG = S3Catalog()
OpenSession = Callable[..., FlatSession]


@pytest.fixture(scope="module")
def big_market() -> DemoMarket:
    """A market whose minute files are large enough for ranges to be a part of them."""
    return DemoMarket(stocks=2000)


@pytest.fixture
def server(fault_server: FaultServer, big_market: DemoMarket) -> FaultServer:
    """The fault server with the first day."""
    put(fault_server, big_market, DAY)
    return fault_server


def put(server: FaultServer, market: DemoMarket, day: date) -> None:
    """Store the day's minute file and its daily file."""
    for data_type in ("stocks_minute", "stocks_daily"):
        server.put(CATALOG.get_key(data_type, day), market.file(data_type, day))


def minute_key(day: date = DAY) -> str:
    """The key of a minute file."""
    return CATALOG.get_key("stocks_minute", day)


@pytest.fixture
def open_session(server: FaultServer, tmp_path: Path) -> Iterator[OpenSession]:
    """Opens sessions that share one cache and read by ranges."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> FlatSession:
            defaults: dict[str, Any] = {
                "cache": tmp_path / "cache",
                "ranges": "proved",
                "max_retries": 2,
            }
            session = FlatSession(
                "key", "secret", endpoint_url=server.endpoint_url, **(defaults | arguments)
            )
            return stack.enter_context(session)

        yield make


def sources(session: FlatSession) -> list[str]:
    """Where each day of the last load came from."""
    assert session.last_report is not None
    return [day.source for day in session.last_report]


def test_a_part_of_the_bytes(open_session: OpenSession, server: FaultServer) -> None:
    """The same frame, and cached like any other; all ranges are of the listed version."""
    whole = open_session(ranges="never", cache=False).load(
        "stocks_minute", DAY, DAY, symbols=SYMBOLS
    )
    server.forget_requests()
    session = open_session()
    proved = session.load("stocks_minute", DAY, DAY, symbols=SYMBOLS)
    assert_frame_equal(proved, whole)
    assert sources(session) == [PROVED]
    assert session.last_report is not None
    (outcome,) = session.last_report
    assert 0 < outcome.downloaded_bytes < outcome.size_bytes
    ranged = server.requests_for(minute_key())
    assert 0 < len(ranged) <= 4 * len(SYMBOLS)
    assert all(request.if_match and request.range for request in ranged)
    server.forget_requests()
    assert_frame_equal(session.load("stocks_minute", DAY, DAY, symbols=SYMBOLS), whole)
    assert (sources(session), server.requests) == ([f"cache ({PROVED})"], [])
    for careful in (session, open_session(ranges="never")):
        # Neither a strict load nor a session that does not read by ranges takes such rows.
        careful.load("stocks_minute", DAY, DAY, symbols="SPY", strict=careful is session)
        assert sources(careful) in (["whole file"], ["cache"])


def test_more_symbols_later(open_session: OpenSession, server: FaultServer) -> None:
    """Are added to those in the cache, in the order of the file; the daily file is cached."""
    session = open_session()
    session.load("stocks_minute", DAY, DAY, symbols="SPY")
    server.forget_requests()
    session.load("stocks_minute", DAY, DAY, symbols="AAPL")
    assert server.requests_for(CATALOG.get_key("stocks_daily", DAY)) == []
    server.forget_requests()
    both = open_session(offline=True).load("stocks_minute", DAY, DAY, symbols=["AAPL", "SPY"])
    assert server.requests == []
    fresh = open_session(cache=False, ranges="never")
    assert_frame_equal(both, fresh.load("stocks_minute", DAY, DAY, symbols=["AAPL", "SPY"]))


def two_runs(text: bytes) -> bytes:
    """A ticker's rows in two places, as real files have about two such tickers a day."""
    header, *lines = text.splitlines(keepends=True)
    of_ticker = [line for line in lines if line.startswith(b"AAPL,")]
    moved = of_ticker[len(of_ticker) // 2 :]
    rest = [line for line in lines if line not in set(moved)]
    return header + b"".join([*rest, *moved])


def without_bars(text: bytes) -> bytes:
    """A daily file that lacks a ticker."""
    return b"".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(b"AAPL,")
    )


@pytest.mark.parametrize(
    ("data_type", "change"),
    [
        ("stocks_minute", two_runs),
        ("stocks_daily", without_bars),
        ("stocks_daily", lambda text: text.replace(b"volume", b"size", 1)),
        ("stocks_daily", lambda text: b""),
    ],
    ids=["two runs", "no bar", "another header", "an empty daily file"],
)
def test_what_cannot_be_proved_is_loaded_whole(
    open_session: OpenSession,
    server: FaultServer,
    big_market: DemoMarket,
    data_type: str,
    change: Callable[[bytes], bytes],
) -> None:
    """The frame has all rows, also those in a second place."""
    server.put(CATALOG.get_key(data_type, DAY), gz(change(big_market.csv(data_type, DAY))))
    session = open_session()
    loaded = session.load("stocks_minute", DAY, DAY, symbols=["AAPL"])
    assert sources(session) == ["whole file"]
    fresh = open_session(cache=False, ranges="never")
    assert_frame_equal(loaded, fresh.load("stocks_minute", DAY, DAY, symbols=["AAPL"]))


def all_hours(market: DemoMarket, day: date) -> bytes:
    """The daily file of a market whose daily bars cover all hours."""
    minutes = market.table("stocks_minute", day)
    bars = minutes.group_by("ticker", maintain_order=True).agg(
        pl.col("volume").sum(),
        pl.col("open").first(),
        pl.col("close").last(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("window_start").first(),
        pl.col("transactions").sum(),
    )
    return bars.write_csv().encode()


def test_bars_of_all_hours(
    open_session: OpenSession, server: FaultServer, big_market: DemoMarket
) -> None:
    """Prove all rows: then five rows after the close in a second place are noticed too."""
    server.put(CATALOG.get_key("stocks_daily", DAY), gz(all_hours(big_market, DAY)))
    session = open_session()
    session.load("stocks_minute", DAY, DAY, symbols=["SPY"])
    assert sources(session) == ["ranges, proved by the daily bar"]
    header, *lines = big_market.csv("stocks_minute", DAY).splitlines(keepends=True)
    late = [line for line in lines if line.startswith(b"AAPL,")][-5:]
    rest = [line for line in lines if line not in set(late)]
    server.put(minute_key(), gz(header + b"".join([*rest, *late])))
    loaded = session.load("stocks_minute", DAY, DAY, symbols=["AAPL"])
    assert sources(session) == ["whole file"]
    assert loaded.height == sum(line.startswith(b"AAPL,") for line in lines)


def test_a_missing_daily_file(open_session: OpenSession, server: FaultServer) -> None:
    """Proves nothing."""
    server.delete(CATALOG.get_key("stocks_daily", DAY))
    session = open_session()
    assert not session.load("stocks_minute", DAY, DAY, symbols=["AAPL"]).is_empty()
    assert sources(session) == ["whole file"]


def test_the_first_days_decide(
    open_session: OpenSession, server: FaultServer, big_market: DemoMarket
) -> None:
    """When three could not be proved and none was, ranges are not tried again; said once."""
    for day in DAYS:
        put(server, big_market, day)
        server.put(CATALOG.get_key("stocks_daily", day), gz(b"ticker\nAAPL\n"))
    session = open_session(max_concurrent=1)
    with pytest.warns(FlatnbWarning, match="first 3 days could not be proved"):
        session.load("stocks_minute", DAYS[0], DAYS[2], symbols=["AAPL"])
    server.forget_requests()
    session.load("stocks_minute", DAYS[3], DAYS[3], symbols=["AAPL"])
    assert server.requests_for(CATALOG.get_key("stocks_daily", DAYS[3])) == []


@pytest.mark.parametrize(
    "options",
    [
        {"symbols": [f"T{number}" for number in range(31)]},
        {"symbols": None},
        {"symbols": "AAPL", "strict": True},
    ],
    ids=["31 symbols", "all symbols", "strict"],
)
def test_when_whole_files_are_loaded(open_session: OpenSession, options: dict[str, Any]) -> None:
    """More symbols than ranges are good for, and whenever proof by the daily bar is not enough."""
    session = open_session()
    session.load("stocks_minute", DAY, DAY, missing="ignore", **options)
    assert sources(session) == ["whole file"]


RANGE_FAULTS: list[Fault] = [
    faults.reset_after(1000),
    faults.short_body(),
    faults.flipped_byte(5000),
    faults.range_ignored(),
    faults.shifted_bytes(),
    faults.other_etag(),
    faults.s3_error("SlowDown"),
    faults.html_page(),
]


@pytest.mark.parametrize("fault", RANGE_FAULTS, ids=str)
def test_faults(open_session: OpenSession, server: FaultServer, fault: Fault) -> None:
    """Never another row than the file's."""
    fresh = open_session(cache=False, ranges="never")
    whole = fresh.load("stocks_minute", DAY, DAY, symbols=["AAPL", "SPY"])
    server.script(minute_key(), [fault, faults.healthy(), fault])
    session = open_session()
    assert_frame_equal(session.load("stocks_minute", DAY, DAY, symbols=["AAPL", "SPY"]), whole)


def test_a_file_that_is_replaced_between_two_ranges(
    open_session: OpenSession, server: FaultServer, big_market: DemoMarket
) -> None:
    """Ranges of two versions are never mixed."""
    header, *lines = big_market.csv("stocks_minute", DAY).splitlines(keepends=True)
    newer = header + b"".join(line for line in lines if not line.startswith(b"SPY,"))
    server.replace(minute_key(), gz(newer), from_request=2)
    session = open_session()
    loaded = session.load("stocks_minute", DAY, DAY, symbols=["AAPL", "SPY"], missing="ignore")
    assert sources(session) == ["whole file"]
    assert set(loaded["ticker"]) == {"AAPL"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The search processes that loads start."""
    processes: list[subprocess.Popen[bytes]] = []

    def noted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(*arguments, **options))
        return processes[-1]

    patched = SimpleNamespace(**{**vars(subprocess), "Popen": noted})
    monkeypatch.setattr(search_processes, "subprocess", patched)
    return processes


def test_the_processes_end_with_the_load(
    open_session: OpenSession, server: FaultServer, started: list[subprocess.Popen[bytes]]
) -> None:
    """No more than there are days, none where nothing is searched for."""
    session = open_session()
    session.load("stocks_minute", DAY, DAY, symbols="SPY")
    assert sources(session) == [PROVED]
    assert [process.returncode is not None for process in started] == [True]
    session.load("stocks_minute", DAY, DAY, symbols="SPY")
    assert len(started) == 1  # all is in the cache
    server.always(minute_key(), faults.stall_before_headers())
    job = session.start("stocks_minute", DAY, DAY, symbols="AAPL")
    while len(started) < 2:
        time.sleep(0.001)
    job.cancel()
    with pytest.raises(LoadCancelledError):
        job.result()
    assert [process.returncode is not None for process in started] == [True, True]


needs_signals = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@needs_signals
def test_a_cancelled_search_ends_quietly(
    open_session: OpenSession,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also while its process computes, or is stopped, and a thread waits for its answer."""
    send = search_processes._SearchProcess.send
    asked = threading.Event()

    def stopped(self: Any, message: Any) -> None:
        os.kill(started[0].pid, signal.SIGSTOP)
        asked.set()
        send(self, message)

    monkeypatch.setattr(search_processes._SearchProcess, "send", stopped)
    session = open_session()
    job = session.start("stocks_minute", DAY, DAY, symbols="SPY")
    assert asked.wait(30)
    began = time.monotonic()
    job.cancel()
    with pytest.raises(LoadCancelledError):
        job.result()
    assert time.monotonic() - began < 5
    assert started[0].returncode == -signal.SIGKILL
    session.close()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@needs_signals
def test_an_interrupt_is_not_for_the_processes(
    open_session: OpenSession, started: list[subprocess.Popen[bytes]]
) -> None:
    """A terminal sends Ctrl-C to all processes of its session; these are in one of their own."""
    job = open_session().start("stocks_minute", DAY, DAY, symbols="SPY")
    while not started:
        time.sleep(0.001)
    assert os.getsid(started[0].pid) == started[0].pid
    assert job.result().height


@pytest.mark.parametrize("why", ["killed", "no executable", "it cannot be started"])
def test_without_a_process_whole_files_are_loaded(
    open_session: OpenSession,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    why: str,
) -> None:
    """The right frame, and a reason."""
    whole = open_session(ranges="never", cache=False).load("stocks_minute", DAY, DAY, symbols="SPY")
    if why == "killed":
        ask = search_processes._SearchProcess.ask

        def killed(self: Any, message: Any) -> Any:
            started[-1].kill()
            return ask(self, message)

        monkeypatch.setattr(search_processes._SearchProcess, "ask", killed)
    else:
        path = None if why == "no executable" else "/no/such/python"
        monkeypatch.setattr(search_processes, "sys", SimpleNamespace(path=[], executable=path))
    session = open_session()
    assert_frame_equal(session.load("stocks_minute", DAY, DAY, symbols="SPY"), whole)
    assert sources(session) == ["whole file"]
    reads = session._context.ranged_reads
    assert reads.failed == 1
    assert "another process of Python: it" in reads.reasons[0]


def test_a_mistyped_symbol_is_no_failure(
    open_session: OpenSession, server: FaultServer, big_market: DemoMarket
) -> None:
    """Whole files are loaded for it, and ranges for what is asked for next."""
    for day in DAYS[1:]:
        put(server, big_market, day)
    session = open_session()
    with pytest.warns(FlatnbWarning, match="did you mean 'AAPL'") as caught:
        session.load("stocks_minute", DAYS[0], DAYS[2], symbols=["aapl", "SPY"])
    assert sources(session) == ["whole file"] * 3
    assert not any("could not be proved" in str(each.message) for each in caught)
    session.load("stocks_minute", DAYS[3], DAYS[3], symbols="SPY")
    assert sources(session) == [PROVED]


def test_rows_in_the_cache_that_are_damaged(
    open_session: OpenSession, server: FaultServer, tmp_path: Path
) -> None:
    """They are read anew, also where all days seemed to be cached."""
    session = open_session(revalidate="always")
    first = session.load("stocks_minute", DAY, DAY, symbols="SPY")
    (path,) = (p for p in (tmp_path / "cache").rglob("*.rows") if "minute" in str(p))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    assert_frame_equal(session.load("stocks_minute", DAY, DAY, symbols="SPY"), first)
    assert sources(session) == [PROVED]


def test_offline_asks_for_nothing(
    open_session: OpenSession, server: FaultServer, started: list[subprocess.Popen[bytes]]
) -> None:
    """Neither the bucket nor another process."""
    session = open_session(offline=True)
    with pytest.raises(LoadError, match="not in the cache"):
        session.load("stocks_minute", DAY, DAY, symbols="SPY")
    assert (server.requests, started) == ([], [])


@pytest.mark.parametrize("text", ["connected to vpn\\n", "cwelcome\\nfoo\\n", "no newline"])
def test_what_python_prints_at_its_start(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    """Is no answer of a search process, and neither is a file of the current folder a module."""
    (tmp_path / "sitecustomize.py").write_text(f"print('{text}', end='', flush=True)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "token.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path, tmp_path])
    session = open_session()
    session.load("stocks_minute", DAY, DAY, symbols="SPY")
    assert sources(session) == [PROVED]


@pytest.mark.parametrize("why", ["frozen", "silent"])
def test_what_is_no_python(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str
) -> None:
    """An application that would start itself, or a program that never answers."""
    if why == "frozen":
        monkeypatch.setattr("sys.frozen", True, raising=False)
    else:
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        monkeypatch.setattr("sys.executable", str(program))
        monkeypatch.setattr(search_processes, "_START_S", 0.5)
    session = open_session()
    began = time.monotonic()
    assert session.load("stocks_minute", DAY, DAY, symbols="SPY").height
    assert time.monotonic() - began < 20
    assert sources(session) == ["whole file"]


def test_one_search_that_fails_is_not_the_others(big_market: DemoMarket) -> None:
    """Its error is its answer."""
    daily = big_market.csv("stocks_daily", DAY)
    odd = Begin(1, DAY, daily, 4_000_000, ("\ud800",))
    messages = io.BytesIO(b"".join(map(pickle.dumps, (odd, Begin(2, DAY, daily, 10**7, ("SPY",))))))
    answers = io.BytesIO()
    serve(messages, answers)
    answers.seek(0)
    assert isinstance(pickle.load(answers), ValueError)
    assert [type(request) for request in pickle.load(answers)] == [Request, Request]


def test_an_abandoned_search_is_forgotten(big_market: DemoMarket) -> None:
    """There is no answer, and nothing is kept of it."""
    begin = Begin(1, DAY, big_market.csv("stocks_daily", DAY), 4_000_000, ("AAPL",))
    messages = io.BytesIO(b"".join(map(pickle.dumps, (begin, Abandon(1), Continue(1, [b""])))))
    answers = io.BytesIO()
    with pytest.raises(KeyError):  # it is not known any more
        serve(messages, answers)
    answers.seek(0)
    first = pickle.load(answers)
    assert [type(request) for request in first] == [Request, Request]
    assert answers.read() == b""


def test_an_unknown_mode() -> None:
    """Is named when the session is made."""
    with pytest.raises(ValueError, match="ranges='always'"):
        FlatSession("key", "secret", ranges="always")  # type: ignore[arg-type]


def test_a_check_of_a_day(open_session: OpenSession, big_market: DemoMarket) -> None:
    """Exact, refused and wrong are counted by comparison with the whole file; no row is shown."""
    session = open_session()
    check = session.check_ranges(DAY, most=20)
    assert (check.exact + check.refused, check.wrong) == (20, 0)
    assert check.exact >= 15
    minutes, daily = (big_market.file(f"stocks_{kind}", DAY) for kind in ("minute", "daily"))
    assert repr(check).splitlines()[0] == (
        f"ranged reads of stocks_minute {DAY}, {len(minutes) / 1e6:.1f} MB:"
    )
    broken = gz(two_runs(big_market.csv("stocks_minute", DAY)))
    assert compare(DAY, broken, daily, most=5).wrong == 0
