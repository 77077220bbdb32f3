"""What loads of some symbols leave in the cache, and what later loads move for others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatSession, LoadError, S3Catalog
from flatnb.demo import DemoMarket
from flatnb.load import selected_rows
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.faults import Fault
from tests.servers.payloads import gz

DAY = date(2024, 1, 2)
LOAD = ("stocks_minute", DAY, DAY)
KEY = S3Catalog().get_key("stocks_minute", DAY)
OpenSession = Callable[..., FlatSession]
FILES = {"small": ["file", "rows"], "large": ["index", "rows"]}
"""What a load of some symbols leaves of each kind of file, by suffix."""


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the file counts as large: then it is indexed, with a point each 16 kB."""
    if request.param == "large":
        make_large(monkeypatch)
    return str(request.param)


def make_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat all files as large."""
    monkeypatch.setattr(selected_rows, "SPILL_BYTES", 1000)
    monkeypatch.setattr(selected_rows, "SPACING_BYTES", 16 * 1024)


@pytest.fixture
def server(fault_server: FaultServer, market: DemoMarket) -> FaultServer:
    """The fault server with a day of minute bars."""
    fault_server.put(KEY, market.file("stocks_minute", DAY))
    return fault_server


@pytest.fixture
def open_session(server: FaultServer, tmp_path: Path) -> Iterator[OpenSession]:
    """Opens sessions that share one cache."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> FlatSession:
            defaults: dict[str, Any] = {"cache": tmp_path / "cache", "max_retries": 2}
            session = FlatSession(
                "key", "secret", endpoint_url=server.endpoint_url, **(defaults | arguments)
            )
            return stack.enter_context(session)

        yield make


def expected(market: DemoMarket, *symbols: str) -> pl.DataFrame:
    """The rows of some symbols, out of the generator's table."""
    return market.table("stocks_minute", DAY).filter(pl.col("ticker").is_in(symbols))


def rows_of(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """The rows without the date, as the generator has them."""
    return frame.drop("date").with_columns(pl.col("window_start").to_physical()).rows()


def cached_suffixes(tmp_path: Path) -> list[str]:
    """The kinds of files in the cache."""
    return sorted(
        path.suffix[1:] for path in (tmp_path / "cache").rglob("2024-*") if path.is_file()
    )


def moved(session: FlatSession) -> tuple[str, str, int]:
    """Status, source and downloaded bytes of the last load's day."""
    assert session.last_report is not None
    (day,) = session.last_report
    return day.status, day.source, day.downloaded_bytes


def test_other_symbols_afterwards(
    open_session: OpenSession, server: FaultServer, market: DemoMarket, tmp_path: Path, size: str
) -> None:
    """A small file serves them without the network, a large one by a fraction of its bytes."""
    session = open_session()
    whole = len(market.file("stocks_minute", DAY))
    first = session.load(*LOAD, symbols=["AAPL", "NOPE"], missing="ignore", progress=False)
    assert rows_of(first) == expected(market, "AAPL").rows()
    assert moved(session) == ("loaded", "whole file", whole)
    assert cached_suffixes(tmp_path) == FILES[size]
    server.forget_requests()
    assert rows_of(session.load(*LOAD, symbols=["AAPL"])) == expected(market, "AAPL").rows()
    assert server.requests == []
    second = open_session(revalidate="never")
    both = second.load(*LOAD, symbols=["SPY", "AAPL"], columns=["ticker", "close"])
    assert both.columns == ["date", "ticker", "close"]
    assert both["close"].to_list() == expected(market, "SPY", "AAPL")["close"].to_list()
    status, source, bytes_moved = moved(second)
    if size == "small":
        assert (status, source, bytes_moved) == ("cached", "cache", 0)
        assert server.requests == []
    else:
        assert (status, source) == ("loaded", "ranges")
        assert 0 < bytes_moved < whole / 4
        assert {request.kind for request in server.requests} == {"get"}
        assert all(request.if_match and request.range for request in server.requests)
    server.forget_requests()
    again = second.load(*LOAD, symbols=["SPY", "AAPL"], columns=["ticker", "close"])
    assert_frame_equal(again, both)
    assert (moved(second)[0], server.requests) == ("cached", [])


def test_offline_answers_what_is_covered(
    open_session: OpenSession, market: DemoMarket, size: str
) -> None:
    """A small file answers all; a large one what was read, absent symbols included."""
    open_session().load(*LOAD, symbols=["AAPL"])
    offline = open_session(offline=True)
    assert rows_of(offline.load(*LOAD, symbols="AAPL")) == expected(market, "AAPL").rows()
    if size == "small":
        assert offline.load(*LOAD).height == market.table("stocks_minute", DAY).height
        return
    with pytest.warns(match="NOPE"):
        assert offline.load(*LOAD, symbols="NOPE").is_empty()
    with pytest.raises(LoadError, match="cached for other symbols only"):
        offline.load(*LOAD, symbols=["AAPL", "SPY"])
    with pytest.raises(LoadError, match="not in the cache"):
        offline.load(*LOAD)


def test_the_whole_day_afterwards(
    open_session: OpenSession, server: FaultServer, market: DemoMarket, tmp_path: Path, size: str
) -> None:
    """Becomes Parquet, which replaces the other files."""
    session = open_session()
    session.load(*LOAD, symbols=["AAPL"])
    server.forget_requests()
    assert rows_of(session.load(*LOAD)) == market.table("stocks_minute", DAY).rows()
    assert bool(server.requests) == (size == "large")
    assert cached_suffixes(tmp_path) == ["parquet"]
    server.forget_requests()
    assert rows_of(session.load(*LOAD, symbols="SPY")) == expected(market, "SPY").rows()
    assert server.requests == []


def test_a_plan_knows_the_ranges(open_session: OpenSession, size: str) -> None:
    """What is planned is what is then moved."""
    session = open_session(revalidate="never")
    session.load(*LOAD, symbols=["AAPL"])
    plan = session.plan(*LOAD, symbols=["AAPL", "SPY"])
    session.load(*LOAD, symbols=["AAPL", "SPY"])
    assert plan.bytes_to_download == moved(session)[2]
    assert (plan.bytes_to_download > 0) == (size == "large")
    assert session.plan(*LOAD, symbols=["AAPL"]).bytes_to_download == 0


@pytest.mark.parametrize("suffix", ["file", "rows", "index"])
def test_flipped_bits(
    open_session: OpenSession, market: DemoMarket, tmp_path: Path, size: str, suffix: str
) -> None:
    """Each file of the cache has a checksum: a damaged one is not used."""
    if suffix not in FILES[size]:
        pytest.skip("there is no such file")
    open_session().load(*LOAD, symbols=["AAPL", "MSFT"])
    (path,) = (tmp_path / "cache").rglob(f"*.{suffix}")
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 3, len(content) - 300, len(content) // 7):
        content[at] ^= 4
    path.write_bytes(content)
    session = open_session()
    assert rows_of(session.load(*LOAD, symbols="AAPL")) == expected(market, "AAPL").rows()
    loaded = session.load(*LOAD, symbols=["SPY", "MSFT"])
    assert rows_of(loaded) == expected(market, "SPY", "MSFT").rows()


def test_a_replaced_file(
    open_session: OpenSession, server: FaultServer, market: DemoMarket, size: str
) -> None:
    """Versions are never mixed: neither with the cache nor between two ranges."""
    session = open_session(revalidate="never")
    session.load(*LOAD, symbols=["AAPL"])
    text = market.csv("stocks_minute", DAY)
    server.put(KEY, gz(b"\n".join(line for line in text.split(b"\n") if b"MSFT" not in line)))
    both = session.load(*LOAD, symbols=["AAPL", "MSFT"])
    assert set(both["ticker"]) == ({"AAPL", "MSFT"} if size == "small" else {"AAPL"})
    current = open_session(revalidate="always")
    assert set(current.load(*LOAD, symbols=["AAPL", "MSFT"])["ticker"]) == {"AAPL"}


RANGE_FAULTS: list[Fault] = [
    faults.reset_after(1000),
    faults.close_after(1000),
    faults.short_body(),
    faults.flipped_byte(5000),
    faults.range_ignored(),
    faults.shifted_range(),
    faults.shifted_bytes(),
    faults.content_range_off(),
    faults.other_etag(),
    faults.s3_error("SlowDown"),
    faults.html_page(),
]


@pytest.mark.parametrize("fault", RANGE_FAULTS, ids=str)
@pytest.mark.parametrize("always", [False, True])
def test_faults_on_ranges(
    open_session: OpenSession,
    server: FaultServer,
    market: DemoMarket,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    always: bool,
) -> None:
    """The rows are right, by a retry or the whole file, or the day fails and says so."""
    make_large(monkeypatch)
    session = open_session(revalidate="never")
    session.load(*LOAD, symbols=["AAPL"])
    if always:
        server.always(KEY, fault)
    else:
        server.script(KEY, [fault])
    try:
        rows = session.load(*LOAD, symbols=["AAPL", "SPY"])
    except LoadError as error:
        assert always
        assert error.report.days[0].status == "failed"
    else:
        assert rows_of(rows) == expected(market, "AAPL", "SPY").rows()


def test_a_ticker_in_two_runs(
    open_session: OpenSession,
    server: FaultServer,
    market: DemoMarket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real files have about two such tickers a day: all rows come, in the file's order."""
    make_large(monkeypatch)
    header, *lines = market.csv("stocks_minute", DAY).splitlines(keepends=True)
    spy = [line for line in lines if line.startswith(b"SPY,")]
    others = [line for line in lines if not line.startswith(b"SPY,")]
    middle = next(at for at, line in enumerate(others) if line.startswith(b"MSFT,"))
    mixed = [*spy[: len(spy) // 2], *others[:middle], *spy[len(spy) // 2 :], *others[middle:]]
    server.put(KEY, gz(header + b"".join(mixed)))
    want = [line for line in mixed if line.partition(b",")[0] in (b"AAPL", b"SPY", b"MSFT")]
    session = open_session(revalidate="never")
    session.load(*LOAD, symbols=["AAPL"])
    loaded = session.load(*LOAD, symbols=["SPY", "AAPL"])
    session.load(*LOAD, symbols=["MSFT"])
    assert moved(session)[1] == "ranges"
    loaded = session.load(*LOAD, symbols=["SPY", "AAPL", "MSFT"])
    assert moved(session)[1] == "cache"
    assert loaded["ticker"].to_list() == [line.partition(b",")[0].decode() for line in want]
    fresh = open_session(cache=False).load(*LOAD, symbols=["SPY", "AAPL", "MSFT"])
    assert_frame_equal(loaded, fresh)


def test_options_by_their_roots(
    open_session: OpenSession,
    server: FaultServer,
    market: DemoMarket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Roots and limits on contracts are resolved by the index's own list of tickers."""
    make_large(monkeypatch)
    catalog = S3Catalog(options_root="us_options_opra")
    server.put(catalog.get_key("options_minute", DAY), market.file("options_minute", DAY))
    options: dict[str, Any] = {"underlyings": "SPY", "option_type": "call"}
    arguments = ("options_minute", DAY, DAY)
    fresh = open_session(cache=False).load(*arguments, **options)
    assert not fresh.is_empty()
    session = open_session(revalidate="never")
    assert_frame_equal(session.load(*arguments, **options), fresh)
    server.forget_requests()
    assert_frame_equal(session.load(*arguments, **options), fresh)
    assert server.requests == []


def test_the_limit_removes_what_was_not_used(
    open_session: OpenSession, server: FaultServer, market: DemoMarket, tmp_path: Path
) -> None:
    """The least recently used files go first, and the newest stays."""
    later = date(2024, 1, 3)
    server.put(S3Catalog().get_key("stocks_minute", later), market.file("stocks_minute", later))
    unlimited = open_session()
    unlimited.load(*LOAD)
    assert unlimited.cache is not None
    one_day = unlimited.cache.size_bytes
    session = open_session(max_cache_bytes=int(one_day * 1.5))
    session.load("stocks_minute", later, later)
    assert session.cache is not None
    assert session.cache.days("stocks_minute") == [later]
    session.load(*LOAD)
    os.utime(next((tmp_path / "cache").rglob("*.parquet")), (time.time(), time.time()))
    assert session.cache.days("stocks_minute") == [DAY]


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "1 GB"])
def test_a_wrong_limit(limit: object) -> None:
    """Is named when the session is made."""
    with pytest.raises(ValueError, match="max_cache_bytes"):
        FlatSession("key", "secret", max_cache_bytes=limit)  # type: ignore[arg-type]
