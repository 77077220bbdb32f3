"""The cache with flipped bits, full and read-only disks, other processes and kill -9."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, S3Catalog
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

LOAD = ("stocks_daily", "2024-01-02", "2024-01-04")
KEYS = S3Catalog().get_date_range_keys(*LOAD)
ROWS = 24


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with three days of daily bars."""
    for key in KEYS:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the cache."""
    return tmp_path / "cache"


@pytest.fixture
def session(days: FaultServer, folder: Path) -> Iterator[FlatSession]:
    """A session with that cache."""
    with open_session(days, folder) as session:
        yield session


def open_session(days: FaultServer, folder: Path | bool) -> FlatSession:
    """A new session with the same cache."""
    return FlatSession("key", "secret", endpoint_url=days.endpoint_url, cache=folder)


def statuses(session: FlatSession) -> list[str]:
    """The statuses of the last load's days."""
    assert session.last_report is not None
    return [day.status for day in session.last_report]


def entry(session: FlatSession, key: str) -> Path:
    """The file of a cached day."""
    assert session.cache is not None
    return session.cache.folder / key.replace(".csv.gz", ".parquet")


def test_a_flipped_bit_is_noticed(days: FaultServer, folder: Path) -> None:
    """Anywhere in the entry: the day is downloaded again, and the frame is right."""
    with open_session(days, folder) as session:
        frame = session.load(*LOAD)
        path = entry(session, KEYS[1])
    whole = path.read_bytes()
    rng = random.Random(5)
    for _ in range(60):
        at = rng.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        with open_session(days, folder) as session:
            assert_frame_equal(session.load(*LOAD), frame)
            assert statuses(session) == ["cached", "loaded", "cached"], at
        assert path.read_bytes() == whole


def test_clearing_a_selection(session: FlatSession) -> None:
    """By data type and by days, both inclusive; the others remain."""
    cache = session.cache
    assert cache is not None
    session.load(*LOAD)
    foreign = cache.folder / "us_stocks_sip" / "day_aggs_v1" / "2024-01-03.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(foreign)
    assert [str(day) for day in cache.days("stocks_daily")] == [*LOAD[1:2], "2024-01-03", LOAD[2]]
    assert cache.days("options_minute") == []
    assert cache.clear("stocks_minute") == 0
    assert cache.clear("stocks_daily", "2024-01-03", "2024-01-03") == 1
    assert [path.exists() for path in (foreign, *(entry(session, key) for key in KEYS))] == [
        True,
        True,
        False,
        True,
    ]
    assert cache.clear("stocks_daily", end="2024-01-03") == 1
    assert cache.clear("stocks_daily", start="2024-01-04") == 1
    with pytest.raises(ValueError, match="start='soon'"):
        cache.clear(start="soon")
    with pytest.raises(ValueError, match="'stock_daily'"):
        cache.clear("stock_daily")


LOAD_ONCE = """
import json, sys, warnings
from flatnb import FlatSession
endpoint_url, cache, before = sys.argv[1:]
import polars, flatnb.frames.reader, filelock, aioboto3
session = FlatSession("key", "secret", endpoint_url=endpoint_url, cache=cache)
session.load("stocks_daily", "2024-01-05", "2024-01-05", missing="ignore")
exec(before)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    frame = session.load("stocks_daily", "2024-01-02", "2024-01-04", progress=False)
print(json.dumps([frame.height, [str(each.message) for each in caught],
                  [day.status for day in session.last_report]]))
"""


def start(
    days: FaultServer, folder: Path, before: str = "", launcher: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """A process that runs ``before`` and then loads."""
    command = [*launcher, sys.executable, "-c", LOAD_ONCE, days.endpoint_url, str(folder), before]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> tuple[int, list[str], list[str]]:
    """Rows, warnings and statuses of the days."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    height, messages, found = json.loads(out)
    return height, messages, found


@pytest.mark.skipif(os.name != "posix", reason="no such limit elsewhere")
def test_a_full_disk(days: FaultServer, folder: Path) -> None:
    """The load succeeds, warns once, and leaves no partial entry."""
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))"
    height, messages, _ = result(start(days, folder, full))
    assert height == ROWS
    assert len(messages) == 1
    assert "cannot be written" in messages[0]
    assert not [path for path in folder.rglob("*") if path.suffix in (".parquet", ".flatnb-part")]
    assert result(start(days, folder)) == (ROWS, [], ["loaded"] * 3)


@pytest.mark.skipif(os.name != "posix", reason="another system of permissions")
def test_a_read_only_folder(days: FaultServer, folder: Path) -> None:
    """Cached days are used, others are loaded with one warning."""
    launcher: list[str] = []
    if os.geteuid() == 0:  # permissions have no effect for root
        launcher = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        if shutil.which(launcher[0]) is None:
            pytest.skip("setpriv (util-linux) is not installed")
    with open_session(days, folder) as session:
        session.load(*LOAD)
        path = entry(session, KEYS[0])
    path.unlink()
    folders = [folder, *(each for each in folder.rglob("*") if each.is_dir())]
    for each in folders:
        each.chmod(0o555)
    try:
        height, messages, found = result(start(days, folder, launcher=launcher))
    finally:
        for each in folders:
            each.chmod(0o755)
    assert (height, found) == (ROWS, ["loaded", "cached", "cached"])
    assert len(messages) == 1
    assert "cannot be written" in messages[0]
    assert not path.exists()


def test_four_processes_load_the_same_days(days: FaultServer, folder: Path) -> None:
    """Each file is downloaded once; all have the same frame."""
    days.always(KEYS[0], faults.drip(20, 0.05))
    days.always(KEYS[2], faults.drip(20, 0.05))
    processes = [start(days, folder, "input()") for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        while len(days.requests_for(KEYS[0].replace("-02", "-05"))) < 4:
            time.sleep(0.05)
        process.stdin.write("\n")
        process.stdin.flush()
    results = [result(process) for process in processes]
    assert [height for height, _, _ in results] == [ROWS] * 4
    assert [len(days.requests_for(key)) for key in KEYS] == [1, 1, 1]
    found = Counter(status for _, _, statuses in results for status in statuses)
    assert found == {"cached": 9, "loaded": 3}


def test_waiting_for_a_lock_is_limited(days: FaultServer, folder: Path) -> None:
    """A process that does not release a lock delays others only by the session's ``timeout``."""
    with FlatSession(
        "key", "secret", endpoint_url=days.endpoint_url, cache=folder, timeout=0.4
    ) as session:
        assert session.cache is not None
        locks = session.cache.folder / ".locks"
        locks.mkdir(parents=True)
        hold = (
            "import fcntl, os, sys, time\n"
            "files = [open(os.path.join(sys.argv[1], '%03x.lock' % n), 'w') for n in range(1024)]\n"
            "for file in files: fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('locked', flush=True); time.sleep(60)"
        )
        script = (
            f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n{hold}"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(locks)], stdout=subprocess.PIPE
        ) as holder:
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline()
                started = time.monotonic()
                assert session.load(*LOAD).height == ROWS
                assert 0.3 < time.monotonic() - started < 20
                assert statuses(session) == ["loaded"] * 3
            finally:
                holder.kill()


def test_two_sessions_of_one_process(days: FaultServer, folder: Path) -> None:
    """They, too, download each file once."""
    days.always(KEYS[0], faults.drip(20, 0.05))
    with open_session(days, folder) as one, open_session(days, folder) as other:
        jobs = [session.start(*LOAD) for session in (one, other)]
        first, second = (job.result(30) for job in jobs)
        assert_frame_equal(first, second)
        assert len(days.requests_for(KEYS[0])) == 1


def fill_again_and_again(endpoint_url: str, folder: Path) -> None:
    """Load and clear without end."""
    session = FlatSession("key", "secret", endpoint_url=endpoint_url, cache=folder)
    assert session.cache is not None
    while True:
        session.load(*LOAD, progress=False)
        session.cache.clear()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_while_filling_the_cache(days: FaultServer, folder: Path) -> None:
    """``kill -9`` at 20 random times leaves complete entries or none; the next run cleans up."""
    with open_session(days, False) as session:
        expected = session.load(*LOAD)
    rng = random.Random(11)
    # Forked from a process that has imported everything, which takes longer than the rest.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "flatnb.loader", "polars", "aioboto3"])
    for _ in range(20):
        process = processes.Process(target=fill_again_and_again, args=(days.endpoint_url, folder))
        seen = len(days.requests) + rng.randrange(1, 12)
        process.start()
        while len(days.requests) < seen and process.is_alive():
            time.sleep(0.001)
        time.sleep(rng.random() * 0.03)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with open_session(days, folder) as session:
            assert_frame_equal(session.load(*LOAD), expected)
            assert_frame_equal(session.load(*LOAD), expected)
            assert statuses(session) == ["cached"] * 3
            assert session.cache is not None
            session.cache.clear()
            session.load(*LOAD)
        assert list(folder.rglob("*.flatnb-part")) == []


def test_a_cache_that_cannot_be_created(days: FaultServer, folder: Path) -> None:
    """The load succeeds nevertheless, with one warning."""
    folder.write_text("a file where the folder should be")
    with open_session(days, folder) as session:
        with pytest.warns(FlatnbWarning, match="cannot be written") as caught:
            assert session.load(*LOAD).height == ROWS
        assert len(caught) == 1
