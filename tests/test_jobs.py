"""All work of a session: refused once it is closed, interrupted at once, ended with its session."""

from __future__ import annotations

import gc
import pickle
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from flatnb import FlatSession
from flatnb.context import Context, ContextSpec
from flatnb.errors import LoadCancelledError
from flatnb.explore.lockfile import Lock
from flatnb.load.journal import UsedFile
from tests.servers.fault_s3 import FaultServer

DAYS = "stocks_daily", "2024-01-02", "2024-01-03"

METHODS = (
    "load(*DAYS)",
    "start(*DAYS).result()",
    "plan(*DAYS)",
    "available('stocks_daily')",
    "catalog_view()",
    "entitlements('stocks_daily')",
    "audit(*DAYS)",
    "lock(LOCK)",
    "verify(LOCK)",
    "scan('stocks_daily').filter(pl.col('date') == pl.date(2024, 1, 2)).collect()",
    "sql(\"SELECT * FROM stocks_daily WHERE date = '2024-01-02'\")",
    "to_lake(*DAYS, LAKE)",
    "chain('SPY', '2024-01-02')",
)
"""Each method that does work, as a call on a session."""

ON_THE_SERVICE = tuple(method for method in METHODS if not method.startswith("lock("))


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A service that takes connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    """A lock file of one file."""
    path = tmp_path / "used.json"
    key = "us_stocks_sip/day_aggs_v1/2024/01/2024-01-02.csv.gz"
    Lock("flatfiles", (UsedFile(key, '"etag"', 1, "columns"),)).write(path)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_a_closed_session_refuses_all_work(
    method: str, silent_url: str, lock_file: Path, tmp_path: Path
) -> None:
    """At once, with a message that names the remedy."""
    import polars as pl

    session = FlatSession("key", "secret", endpoint_url=silent_url, cache=False)
    session.close()
    names = {"DAYS": DAYS, "LOCK": lock_file, "LAKE": tmp_path / "lake", "pl": pl}
    with pytest.raises(RuntimeError, match="this session is closed; make a new one"):
        eval(f"session.{method}", {"session": session, **names})


def test_a_lazy_frame_of_a_closed_session(silent_url: str) -> None:
    """It refuses when it is collected."""
    import polars as pl

    session = FlatSession("key", "secret", endpoint_url=silent_url, cache=False)
    rows = session.scan("stocks_daily").filter(pl.col("date") == date(2024, 1, 2))
    session.close()
    with pytest.raises(RuntimeError, match="this session is closed"):
        rows.collect()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_an_interrupt_ends_all_work(silent_url: str, lock_file: Path, tmp_path: Path) -> None:
    """Within a second, with polars' handler of SIGINT installed, against a service that stalls."""
    script = f"""
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import polars as pl
from flatnb import FlatSession
DAYS, LOCK, LAKE = {DAYS!r}, {str(lock_file)!r}, {str(tmp_path / "lake")!r}
session = FlatSession("key", "secret", endpoint_url={silent_url!r}, cache=False)
sent_at = 0.0

def interrupt():
    global sent_at
    time.sleep(0.4)
    sent_at = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)

for method in {ON_THE_SERVICE!r}:
    threading.Thread(target=interrupt).start()
    how = "went on"
    try:
        try:
            eval("session." + method)
        except KeyboardInterrupt:
            how = "ended"
            time.sleep(0.1)  # a polars query is interrupted twice: by polars and by Python
    except KeyboardInterrupt:
        how = "ended"
    took_s = time.monotonic() - sent_at
    print(method.partition("(")[0], how if took_s < 1 else f"took {{took_s:.1f}} s")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    ended = [f"{method.partition('(')[0]} ended" for method in ON_THE_SERVICE]
    assert (done.stdout.splitlines(), done.stderr) == (ended, "")


def started_on(url: str) -> tuple[Callable[[], object], weakref.ref[Context]]:
    """A job's `result` of a session that nobody holds, and its context."""
    session = FlatSession("key", "secret", endpoint_url=url, cache=False)
    return session.start(*DAYS).result, weakref.ref(session._context)


def test_a_job_keeps_its_session(days_server: FaultServer) -> None:
    """Until it ends; then the loop's thread ends as well, without a wait in itself."""
    before = threading.active_count()
    result, context = started_on(days_server.endpoint_url)
    assert len(result()) == 16  # type: ignore[arg-type]
    began = time.monotonic()
    while context() is not None or threading.active_count() > before:
        gc.collect()
        assert time.monotonic() - began < 2
        time.sleep(0.02)


def test_closing_meanwhile(silent_url: str) -> None:
    """Who waits in another thread gets an error at once."""
    session = FlatSession("key", "secret", endpoint_url=silent_url, cache=False)
    threading.Timer(0.2, session.close).start()
    began = time.monotonic()
    with pytest.raises(LoadCancelledError, match="plan of stocks_daily was cancelled"):
        session.plan(*DAYS)
    assert time.monotonic() - began < 2


@pytest.fixture
def days_server(fault_server: FaultServer) -> FaultServer:
    """The fault server with two days of eight rows."""
    from tests.servers.payloads import day_csv, gz

    for day in ("2024-01-02", "2024-01-03"):
        key = f"us_stocks_sip/day_aggs_v1/2024/01/{day}.csv.gz"
        fault_server.put(key, gz(day_csv()))
    return fault_server


@pytest.mark.usefixtures("clean_registry")
def test_a_pickled_spec_makes_the_same_context(tmp_path: Path) -> None:
    """In another process: settings and registered data types, and never a key."""
    spec = ContextSpec(
        endpoint_url="http://127.0.0.1:1",
        bucket="other",
        options_root="us_options",
        max_retries=1,
        timeout=2.5,
        max_pool_connections=3,
        max_concurrent=4,
        cache=tmp_path,
        revalidate="never",
        offline=True,
        max_decompressed_bytes=10_000,
    )
    FlatSession.register("bonds_of_test", "us_bonds", "day_aggs_v1", ["ticker", "close"])
    data = pickle.dumps(spec)
    script = f"""
import pickle, os
spec = pickle.loads({data!r})
context = spec.shared()
from flatnb import DATA_TYPES
downloader, policy = context.downloader, context.cache_policy
print(downloader.endpoint_url, context.catalog.bucket, context.catalog.options_root,
      downloader.max_retries, downloader.timeout, downloader.max_pool_connections,
      downloader.max_concurrent, policy.revalidate, policy.offline,
      downloader.max_decompressed_bytes, list(DATA_TYPES["bonds_of_test"].columns))
print(policy.cache.folder)
assert spec.shared() is context and pickle.loads({data!r}).shared() is context
"""
    keys = {"MASSIVE_S3_ACCESS_KEY": "its-own-key", "MASSIVE_S3_SECRET_KEY": "its-own-secret"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=keys, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "http://127.0.0.1:1 other us_options 1 2.5 3 4 never True 10000 ['ticker', 'close']",
        str(tmp_path / "127.0.0.1_1" / "other"),
    ]


def test_a_context_is_not_pickled(silent_url: str) -> None:
    """It holds credentials; the message names what can be pickled."""
    session = FlatSession("key", "secret", endpoint_url=silent_url, cache=False)
    with pytest.raises(TypeError, match="pickle its spec"):
        pickle.dumps(session._context)
