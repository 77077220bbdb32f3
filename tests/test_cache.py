"""The cache: nothing is downloaded twice, nothing outdated or damaged is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, LoadError, S3Catalog
from flatnb.download.core.transfer import ObjectVersion
from flatnb.load.day_cache import DayCache, cache_folder, cache_root
from flatnb.market.calendar import trading_days
from tests.servers import faults
from tests.servers.csv_payloads import extra_column
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

LOAD = ("stocks_daily", "2024-01-02", "2024-01-04")
KEYS = S3Catalog().get_date_range_keys(*LOAD)
OpenSession = Callable[..., FlatSession]


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with three days of daily bars."""
    for key in KEYS:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


@pytest.fixture
def open_session(days: FaultServer, tmp_path: Path) -> Iterator[OpenSession]:
    """Opens sessions that share one cache."""
    with ExitStack() as stack:

        def make(**arguments: Any) -> FlatSession:
            defaults: dict[str, Any] = {"cache": tmp_path / "cache", "max_retries": 0}
            session = FlatSession(
                "key", "secret", endpoint_url=days.endpoint_url, **(defaults | arguments)
            )
            return stack.enter_context(session)

        yield make


def statuses(session: FlatSession) -> list[str]:
    """The statuses of the last load's days."""
    assert session.last_report is not None
    return [day.status for day in session.last_report]


def test_the_second_load_downloads_nothing(open_session: OpenSession, days: FaultServer) -> None:
    """Cached days need no request, in another session either, with and without a selection."""
    first = open_session().load(*LOAD)
    days.forget_requests()
    session = open_session()
    assert_frame_equal(session.load(*LOAD), first)
    assert statuses(session) == ["cached"] * 3
    chosen = {"symbols": ["BCpC", "SPY"], "columns": ["close", "ticker"], "tz": "Asia/Tokyo"}
    with_cache = session.load(*LOAD, **chosen)
    assert days.requests == []
    assert_frame_equal(with_cache, open_session(cache=False).load(*LOAD, **chosen))
    with pytest.raises(ValueError, match=r"'vwap'.*ticker"):
        session.load(*LOAD, columns=["vwap"])


def test_a_first_load_by_symbols_fills_the_cache(
    open_session: OpenSession, days: FaultServer
) -> None:
    """Whole days are cached, so that other symbols need no request afterwards."""
    session = open_session()
    assert session.load(*LOAD, symbols=["SPY"], columns=["ticker"])["ticker"].n_unique() == 1
    days.forget_requests()
    assert session.load(*LOAD)["ticker"].n_unique() == 8
    assert days.requests == []


def test_a_replaced_file_is_downloaded_again(open_session: OpenSession, days: FaultServer) -> None:
    """One listing shows it for all days, and the report has the status."""
    open_session().load(*LOAD)
    days.put(KEYS[1], gz(day_csv(["NEW"], KEYS[1])))
    days.forget_requests()
    session = open_session(revalidate="always")
    frame = session.load(*LOAD)
    assert statuses(session) == ["cached", "replaced", "cached"]
    assert "NEW" in frame["ticker"]
    assert [r.kind for r in days.requests] == ["list", "get"]
    days.forget_requests()
    assert_frame_equal(session.load(*LOAD), frame)
    assert statuses(session) == ["cached"] * 3


def test_recent_days_are_revalidated(open_session: OpenSession, days: FaultServer) -> None:
    """By default a day of the last weeks costs a listing; with "never" it does not."""
    today = date.today()
    day = trading_days(today - timedelta(days=9), today - timedelta(days=2))[-1]
    key = S3Catalog().get_stocks_daily_key(day)
    days.put(key, gz(day_csv(key=key)))
    open_session().load("stocks_daily", day, day)
    days.put(key, gz(day_csv(["NEW"], key)))
    never = open_session(revalidate="never")
    assert "NEW" not in never.load("stocks_daily", day, day)["ticker"]
    recent = open_session()
    assert "NEW" in recent.load("stocks_daily", day, day)["ticker"]
    assert statuses(recent) == ["replaced"]


def test_after_a_failed_listing_days_are_downloaded(
    open_session: OpenSession, days: FaultServer
) -> None:
    """Entries that cannot be revalidated are not used."""
    open_session().load(*LOAD)
    days.always(KEYS[0].rpartition("/")[0] + "/", faults.bare_status(403))
    session = open_session(revalidate="always")
    session.load(*LOAD)
    assert statuses(session) == ["loaded"] * 3


def test_a_file_deleted_from_the_bucket(open_session: OpenSession, days: FaultServer) -> None:
    """With ``revalidate="always"`` it is missing, although it is still in the cache."""
    open_session().load(*LOAD)
    days.delete(KEYS[1])
    session = open_session(revalidate="always")
    with pytest.warns(FlatnbWarning, match="2024-01-03 missing"):
        session.load(*LOAD)


def test_offline(open_session: OpenSession, days: FaultServer) -> None:
    """Only the cache is used; days that are not in it are listed in an error."""
    frame = open_session().load(*LOAD)
    days.forget_requests()
    session = open_session(offline=True, revalidate="always")
    assert_frame_equal(session.load(*LOAD), frame)
    with pytest.raises(LoadError, match="2024-01-05 failed: not in the cache") as caught:
        session.load("stocks_daily", "2024-01-02", "2024-01-05")
    assert_frame_equal(caught.value.frame, frame)
    assert days.requests == []


@pytest.mark.parametrize("damage", ["cut", "emptied", "zeroed", "text", "other version", "footer"])
def test_a_damaged_entry_is_downloaded_again(
    damage: str, open_session: OpenSession, days: FaultServer
) -> None:
    """Whatever the damage, the frame is right and the entry is replaced."""
    session = open_session()
    frame = session.load(*LOAD)
    assert session.cache is not None
    path = session.cache.folder / KEYS[1].replace(".csv.gz", ".parquet")
    whole = path.read_bytes()
    if damage == "other version":
        pl.read_parquet(path).write_parquet(path, metadata={"flatnb.schema": "0"})
    else:
        path.write_bytes(
            {
                "cut": whole[: len(whole) // 2],
                "emptied": b"",
                "zeroed": whole[:4] + bytes(len(whole) - 8) + whole[-4:],
                "text": b"hello",
                "footer": whole[:-20] + bytes(12) + whole[-8:],
            }[damage]
        )
    assert_frame_equal(session.load(*LOAD), frame)
    assert statuses(session) == ["cached", "loaded", "cached"]
    assert_frame_equal(session.load(*LOAD), frame)
    assert statuses(session) == ["cached"] * 3


def test_summary_and_clearing(open_session: OpenSession) -> None:
    """Number, size and folder; other files remain."""
    session = open_session()
    cache = session.cache
    assert cache is not None
    assert len(cache) == 0
    session.load(*LOAD)
    foreign = cache.folder / "mine.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(foreign)
    files = [path for path in cache.folder.rglob("*.parquet") if path != foreign]
    assert len(cache) == 3
    assert cache.size_bytes == sum(path.stat().st_size for path in files)
    assert "3 days" in repr(cache)
    assert cache.clear() == 3
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == [foreign]
    assert open_session(cache=False).cache is None


def test_services_have_separate_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Folder by argument, by environment, by the user's cache; host and bucket below it."""
    monkeypatch.setenv("FLATNB_CACHE", str(tmp_path / "env"))
    root = cache_root(True)
    assert root is not None
    live = cache_folder(root, "https://files.massive.com", "flatfiles")
    assert live == tmp_path / "env" / "files.massive.com" / "flatfiles"
    local = cache_folder(tmp_path, "http://127.0.0.1:5000", "flatfiles")
    assert local == tmp_path / "127.0.0.1_5000" / "flatfiles"
    monkeypatch.delenv("FLATNB_CACHE")
    root = cache_root(True)
    assert root is not None
    assert "flatnb" in root.parts
    assert cache_root(False) is None


def test_an_unknown_column_is_cached(open_session: OpenSession, days: FaultServer) -> None:
    """The cached frame has it as well."""
    days.put(KEYS[0], gz(extra_column(day_csv(key=KEYS[0]))))
    session = open_session()
    first = session.load(*LOAD)
    assert first.columns[-1] == "vwap"
    assert_frame_equal(session.load(*LOAD), first)


def test_several_writers_leave_one_complete_entry(tmp_path: Path) -> None:
    """Each renames its own file: the last one remains, and no temporary files."""
    cache = DayCache(tmp_path)
    for n in range(3):
        cache.store(
            "a/b.csv.gz",
            ObjectVersion(n, f'"{n}"'),
            pl.DataFrame({"ticker": [str(n)]}),
            columns="c",
        )
    assert cache.version("a/b.csv.gz", "other") is None
    assert cache.version("a/b.csv.gz", "c") == ObjectVersion(2, '"2"')
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.parquet"]
