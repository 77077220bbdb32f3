"""A history as Parquet: whole days or none, resumable, the same by any number of workers."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, LoadError, S3Catalog
from flatnb.demo import DemoMarket
from flatnb.lake.day_task import DayTask, ManifestRow
from flatnb.lake.lake import Lake
from flatnb.lake.storage import _client
from flatnb.market.calendar import trading_days
from flatnb.market.data_types import get_data_type
from tests.servers import faults
from tests.servers.csv_payloads import extra_column
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz, gz_bad_crc

RANGE = ("2024-01-02", "2024-01-12")
DAYS = trading_days(*RANGE)
CATALOG = S3Catalog(options_root="us_options_opra")
KEYS = [CATALOG.get_key("stocks_daily", day) for day in DAYS]
SECRETS = ("an-access-key", "a-secret-key")


@pytest.fixture
def days(fault_server: FaultServer, market: DemoMarket) -> FaultServer:
    """The fault server with two weeks of the demo market."""
    for data_type in ("stocks_daily", "options_daily", "stocks_minute"):
        for day in DAYS:
            fault_server.put(CATALOG.get_key(data_type, day), market.file(data_type, day))
    return fault_server


@pytest.fixture
def session(days: FaultServer) -> Iterator[FlatSession]:
    """A session without a cache."""
    with FlatSession(
        *SECRETS, endpoint_url=days.endpoint_url, cache=False, max_retries=1, timeout=5
    ) as session:
        yield session


def parquet(lake: Path) -> dict[str, str]:
    """The lake's Parquet files and manifests, by checksum."""
    return {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.rglob("*"))
        if path.suffix in (".parquet", ".jsonl")
    }


def fetched(days: FaultServer) -> list[str]:
    """The days of the files that were asked for."""
    return sorted({request.key[-17:-7] for request in days.requests if request.kind == "get"})


@pytest.mark.parametrize("data_type", ["stocks_daily", "options_daily", "stocks_minute"])
def test_a_lake_is_what_load_gives(session: FlatSession, tmp_path: Path, data_type: str) -> None:
    """Row for row, in the same order and types; nothing else is left in the folder."""
    lake = session.to_lake(data_type, *RANGE, tmp_path)
    assert_frame_equal(lake.scan().collect(), session.load(data_type, *RANGE))
    assert lake.days == DAYS
    assert [Path(path).parent.name for path in lake.paths] == [f"date={day}" for day in DAYS]
    assert {path.name for path in tmp_path.iterdir()} == {data_type, "_flatnb"}
    some = lake.scan().filter(pl.col("date") == DAYS[3], pl.col("ticker") < "B").collect()
    loaded = session.load(data_type, str(DAYS[3]), str(DAYS[3]))
    assert_frame_equal(some, loaded.filter(pl.col("ticker") < "B"))
    again = Lake(tmp_path, data_type)
    assert (len(again), again.rows, again.paths) == (9, lake.rows, lake.paths)
    assert "9 days from 2024-01-02 to 2024-01-12" in repr(again)
    assert "9 days" in lake._repr_html_()


def test_others_read_the_folder_as_it_is(session: FlatSession, tmp_path: Path) -> None:
    """pyarrow, which knows nothing of flatnb, finds the same rows and the dates in the path."""
    import pyarrow.dataset

    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    table = pyarrow.dataset.dataset(lake.folder, partitioning="hive").to_table()
    assert table.num_rows == lake.rows
    assert set(table["date"].to_pylist()) == {str(day) for day in DAYS}


def test_dask_reads_it_in_parallel(session: FlatSession, tmp_path: Path) -> None:
    """A partition for each file; the sums are load's."""
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    frame = lake.to_dask()
    assert frame.npartitions == 9
    loaded = session.load("stocks_daily", *RANGE)
    assert frame["volume"].sum().compute(scheduler="sync") == loaded["volume"].sum()
    assert set(frame["date"].unique().compute(scheduler="sync")) == {str(day) for day in DAYS}


def test_a_lake_of_some_rows_and_columns(session: FlatSession, tmp_path: Path) -> None:
    """Selections are those of load; another selection is not mixed in."""
    options: dict[str, Any] = {"symbols": ["AAPL", "SPY"], "columns": ["ticker", "close"]}
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path, **options)
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE, **options))
    with pytest.raises(ValueError, match="choose another folder"):
        session.to_lake("stocks_daily", *RANGE, tmp_path, symbols=["AAPL"])
    with pytest.raises(ValueError, match="choose another folder"):
        session.to_lake("stocks_daily", *RANGE, tmp_path)


def test_a_second_build_does_what_is_new(
    session: FlatSession, days: FaultServer, market: DemoMarket, tmp_path: Path
) -> None:
    """Days that are there stay; a replaced file and a day that lost its files are done again."""
    session.to_lake("stocks_daily", "2024-01-02", "2024-01-08", tmp_path)
    days.forget_requests()
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert fetched(days) == [str(day) for day in DAYS[5:]]
    assert lake.report is not None
    assert [day.status for day in lake.report] == ["cached"] * 5 + ["loaded"] * 4
    days.put(KEYS[1], gz(market.csv("stocks_daily", DAYS[1]).replace(b"AAPL", b"AAPX")))
    Path(lake.paths[3]).unlink()
    days.forget_requests()
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert fetched(days) == [str(DAYS[1]), str(DAYS[3])]
    assert lake.scan().filter(pl.col("ticker") == "AAPX").collect()["date"].to_list() == [DAYS[1]]
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE))


def test_a_column_that_some_days_have(
    session: FlatSession, days: FaultServer, market: DemoMarket, tmp_path: Path
) -> None:
    """Is null on the others, as load has it, wherever among the days they are."""
    days.put(KEYS[4], gz(extra_column(market.csv("stocks_daily", DAYS[4]))))
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    loaded = session.load("stocks_daily", *RANGE)
    assert "vwap" in loaded.columns
    assert_frame_equal(lake.scan().collect(), loaded)


def test_a_missing_day_is_warned_of(
    session: FlatSession, days: FaultServer, tmp_path: Path
) -> None:
    """And the others are there."""
    days.delete(KEYS[1])
    with pytest.warns(FlatnbWarning, match=str(DAYS[1])):
        lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert lake.days == [day for day in DAYS if day != DAYS[1]]


def test_a_manifest_that_ends_in_mid_line(
    session: FlatSession, days: FaultServer, tmp_path: Path
) -> None:
    """As a killed process may leave it: that day is done again, the others are not."""
    session.to_lake("stocks_daily", *RANGE, tmp_path)
    before = parquet(tmp_path)
    manifest = tmp_path / "_flatnb" / "stocks_daily.jsonl"
    manifest.write_text(manifest.read_text()[:-30])
    (tmp_path / "_scratch" / "stocks_daily" / "left").mkdir(parents=True)
    days.forget_requests()
    session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert fetched(days) == [str(DAYS[-1])]
    assert parquet(tmp_path) == before
    assert not (tmp_path / "_scratch").exists()


def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file of some kilobytes what one of gigabytes is."""
    monkeypatch.setattr("flatnb.download.gzip_stream._INPUT_BYTES", 1000)
    monkeypatch.setattr("flatnb.frames.reader.PARSE_BYTES", 2000)
    monkeypatch.setattr("flatnb.frames.reader._BLOCKS_AT_ONCE", 1)
    monkeypatch.setattr("flatnb.lake.convert._PIECES_A_FILE", 2)


def test_a_large_day_is_several_files(
    session: FlatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded memory, and the rows are in their order all the same."""
    in_small_pieces(monkeypatch)
    lake = session.to_lake("stocks_minute", "2024-01-02", "2024-01-03", tmp_path)
    assert len(lake.paths) > 10
    loaded = session.load("stocks_minute", "2024-01-02", "2024-01-03")
    assert_frame_equal(lake.scan().collect(), loaded)


def test_bad_days_do_not_hold_up_the_others(
    session: FlatSession, days: FaultServer, market: DemoMarket, tmp_path: Path
) -> None:
    """Damaged, forbidden and missing days are told of; there is nothing of them in the lake."""
    days.put(KEYS[2], gz_bad_crc(market.csv("stocks_daily", DAYS[2])))
    days.always(KEYS[4], faults.bare_status(403))
    days.delete(KEYS[6])
    with pytest.raises(LoadError, match="2 of 9 days could not be converted") as caught:
        session.to_lake("stocks_daily", *RANGE, tmp_path)
    statuses = {day.date: day.status for day in caught.value.report}
    assert [statuses[DAYS[n]] for n in (2, 4, 6)] == ["failed", "forbidden", "missing"]
    there = [day for n, day in enumerate(DAYS) if n not in (2, 4, 6)]
    assert Lake(tmp_path, "stocks_daily").days == there
    days.heal()
    days.put(KEYS[2], market.file("stocks_daily", DAYS[2]))
    days.put(KEYS[6], market.file("stocks_daily", DAYS[6]))
    assert session.to_lake("stocks_daily", *RANGE, tmp_path).days == DAYS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"path": "gs://bucket/lake"}, "s3://bucket/folder"),
        ({"path": "s3:///lake"}, "s3://bucket/folder"),
        ({"path": 5}, "path=5 is not a path"),
        ({"client": "tcp://somewhere"}, r"distributed\.Client"),
        ({"tz": "Asia/Tokyo"}, "tz='Asia/Tokyo'"),
        ({"missing": "raise"}, "missing='raise'"),
        ({"columns": ["vwap"]}, "vwap"),
        ({"data_type": "stocks_dayly"}, "stocks_dayly"),
        ({"data_type": "lake", "start": "stocks_daily"}, "the path comes after the days"),
    ],
)
def test_what_is_refused(
    session: FlatSession, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    """By name, with a remedy; and no day is there."""
    usual = {"path": tmp_path / "lake", "data_type": "stocks_daily", "start": RANGE[0]}
    with pytest.raises(ValueError, match=words):
        session.to_lake(end=RANGE[1], **(usual | arguments))
    assert not list(tmp_path.rglob("*.parquet"))
    with pytest.raises(ValueError, match="has no day of stocks_daily"):
        Lake(tmp_path, "stocks_daily").scan()


def test_two_at_once(session: FlatSession, days: FaultServer, tmp_path: Path) -> None:
    """The second one is refused while the first builds."""
    for key in KEYS:
        days.always(key, faults.drip(512, 0.1))
    first = threading.Thread(
        target=session.to_lake, args=("stocks_daily", *RANGE, tmp_path), daemon=True
    )
    first.start()
    while not (tmp_path / "_scratch").exists():
        time.sleep(0.01)
    with (
        FlatSession("a", "b", endpoint_url=days.endpoint_url, cache=False) as other,
        pytest.raises(RuntimeError, match="another process"),
    ):
        other.to_lake("stocks_daily", *RANGE, tmp_path)
    first.join()
    assert Lake(tmp_path, "stocks_daily").days == DAYS


class Own:
    """An executor of somebody else: it keeps the tasks and does none."""

    def __init__(self) -> None:
        self.tasks: list[DayTask] = []
        self.futures: list[Future[ManifestRow]] = []

    def submit(self, task: DayTask) -> Future[ManifestRow]:
        """Keep the task."""
        self.tasks.append(task)
        self.futures.append(Future())
        return self.futures[-1]


def test_an_interrupt_cancels_all_tasks(session: FlatSession, tmp_path: Path) -> None:
    """Ctrl-C in a wait: the executor is told, nothing is left but what was done."""
    own = Own()

    def interrupt() -> None:
        while len(own.futures) < 9:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        session.to_lake("stocks_daily", *RANGE, tmp_path, client=own)
    assert len(own.futures) == 9
    assert all(future.cancelled() for future in own.futures)
    assert not (tmp_path / "_scratch").exists()


def test_an_interrupt_leaves_whole_days(
    session: FlatSession, days: FaultServer, market: DemoMarket, tmp_path: Path
) -> None:
    """Ctrl-C in mid-work on this machine: what is there is whole, and the rest comes later."""
    for key in KEYS[3:]:
        days.always(key, faults.drip(256, 0.2))
    manifest = tmp_path / "_flatnb" / "stocks_daily.jsonl"

    def interrupt() -> None:
        while not (manifest.exists() and manifest.read_text().count("\n") >= 3):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"stocks_daily", "_flatnb"}
    assert len(list(tmp_path.rglob("*.parquet"))) == 3
    days.heal()
    lake = session.to_lake("stocks_daily", *RANGE, tmp_path)
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE))


@pytest.mark.usefixtures("clean_registry")
def test_a_task_holds_no_keys(session: FlatSession, tmp_path: Path) -> None:
    """It pickles, with what was registered, and what it needs is in it."""
    session.register("bonds_daily_of_test", "us_bonds", "day_aggs_v1", ["ticker", "close"])
    task = DayTask(
        get_data_type("bonds_daily_of_test"),
        date(2024, 1, 2),
        "key",
        "etag",
        1,
        "3",
        session._context.spec,
        str(tmp_path),
        str(tmp_path),
    )
    packed = pickle.dumps(task)
    assert pickle.loads(packed) == task
    assert not any(secret.encode() in packed or secret in repr(task) for secret in SECRETS)


@pytest.fixture
def keys_of_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys in the environment, where workers find them."""
    monkeypatch.setenv("MASSIVE_S3_ACCESS_KEY", "of-the-worker")
    monkeypatch.setenv("MASSIVE_S3_SECRET_KEY", "of-the-worker")
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(tmp_path / "dask"))


def cluster(workers: int, **arguments: Any) -> Any:
    """Workers in processes of their own, each with one thread."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # None is port 8787 of all interfaces
        host="127.0.0.1",
        silence_logs=50,
        **arguments,
    )


@pytest.mark.usefixtures("keys_of_workers")
def test_the_lake_is_the_same_by_1_2_and_4_workers(session: FlatSession, tmp_path: Path) -> None:
    """Bit for bit, and as this process makes it; connections are bounded by resources."""
    session.to_lake("stocks_minute", *RANGE, tmp_path / "local")
    expected = parquet(tmp_path / "local")
    assert len(expected) == 10
    for workers in (1, 2, 4):
        resources = {"flatnb-connections": 128}
        with cluster(workers, resources=resources) as local, local.get_client() as client:
            lake = session.to_lake("stocks_minute", *RANGE, tmp_path / str(workers), client=client)
        assert parquet(tmp_path / str(workers)) == expected
        assert lake.days == DAYS


@pytest.mark.usefixtures("keys_of_workers")
def test_a_worker_that_is_killed(session: FlatSession, days: FaultServer, tmp_path: Path) -> None:
    """In mid-work, by kill -9: nothing is lost and nothing is there twice."""
    session.to_lake("stocks_daily", *RANGE, tmp_path / "local")
    for key in KEYS:
        days.always(key, faults.drip(512, 0.05))
    killed = []

    def kill_one(client: Any) -> None:
        manifest = tmp_path / "lake" / "_flatnb" / "stocks_daily.jsonl"
        while not (manifest.exists() and manifest.read_text().count("\n") >= 2):
            time.sleep(0.01)
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        pid = client.run(os.getpid, workers=busy[:1])[busy[0]]
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    with cluster(2) as local, local.get_client() as client:
        killer = threading.Thread(target=kill_one, args=(client,))
        killer.start()
        lake = session.to_lake("stocks_daily", *RANGE, tmp_path / "lake", client=client)
        killer.join()
    assert len(killed) == 1
    assert parquet(tmp_path / "lake") == parquet(tmp_path / "local")
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE))
    assert {path.name for path in (tmp_path / "lake").iterdir()} == {"stocks_daily", "_flatnb"}
    lines = (tmp_path / "lake" / "_flatnb" / "stocks_daily.jsonl").read_text().splitlines()
    assert [json.loads(line)["date"] for line in lines] == [str(day) for day in DAYS]


def test_workers_without_keys(
    session: FlatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every day tells that its worker found none; this session's are never sent."""
    for name in [name for name in os.environ if "_S3_" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with (
        cluster(1) as local,
        local.get_client() as client,
        pytest.raises(LoadError, match="no credentials found"),
    ):
        session.to_lake("stocks_daily", *RANGE, tmp_path / "lake", client=client)


@dataclass
class OwnBucket:
    """A bucket of one's own."""

    client: Any
    name: str

    @property
    def address(self) -> str:
        """Of a lake in it."""
        return f"s3://{self.name}/mine"

    def names(self) -> set[str]:
        """What there is below the address."""
        found = self.client.list_objects_v2(Bucket=self.name, Prefix="mine/")["Contents"]
        return {each["Key"].removeprefix("mine/") for each in found}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OwnBucket]:
    """Somebody's own S3, whose keys and address are in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    own = {
        "AWS_ACCESS_KEY_ID": "of-the-lake",
        "AWS_SECRET_ACCESS_KEY": "of-the-lake",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    _client.cache_clear()
    own_bucket = OwnBucket(boto3.client("s3"), f"lakes-{uuid.uuid4().hex}")
    own_bucket.client.create_bucket(Bucket=own_bucket.name)
    yield own_bucket
    _client.cache_clear()
    server.stop()


def test_a_lake_in_a_bucket(
    session: FlatSession,
    days: FaultServer,
    market: DemoMarket,
    bucket: OwnBucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a folder: the same rows; what is there stays, what is lost or replaced comes anew."""
    in_small_pieces(monkeypatch)
    address = bucket.address
    lake = session.to_lake("stocks_daily", *RANGE, address)
    loaded = session.load("stocks_daily", *RANGE)
    assert_frame_equal(lake.scan().collect(), loaded)
    assert lake.folder == f"{address}/stocks_daily"
    assert lake.days == DAYS
    assert len(lake.paths) > 9
    there = {path.removeprefix(f"{address}/") for path in lake.paths}
    assert bucket.names() == there | {"_flatnb/stocks_daily.jsonl"}

    lost = lake.paths[0].removeprefix(f"s3://{bucket.name}/")
    bucket.client.delete_object(Bucket=bucket.name, Key=lost)
    lines = market.csv("stocks_daily", DAYS[1]).splitlines(keepends=True)
    days.put(KEYS[1], gz(b"".join(lines[:50])))
    days.forget_requests()
    lake = session.to_lake("stocks_daily", *RANGE, address)
    assert fetched(days) == [str(DAYS[0]), str(DAYS[1])]
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE))
    left = {path.removeprefix(f"{address}/") for path in lake.paths}
    assert bucket.names() == left | {"_flatnb/stocks_daily.jsonl"}
    assert left < there


@pytest.mark.usefixtures("keys_of_workers")
def test_workers_fill_a_bucket(session: FlatSession, bucket: OwnBucket) -> None:
    """Each with the keys of its machine."""
    with cluster(2) as local, local.get_client() as client:
        lake = session.to_lake("stocks_daily", *RANGE, bucket.address, client=client)
    assert len(bucket.names()) == 10
    assert_frame_equal(lake.scan().collect(), session.load("stocks_daily", *RANGE))


def test_two_who_write_one_bucket(session: FlatSession, bucket: OwnBucket) -> None:
    """No lock keeps the second one out; but neither forgets the other's days."""

    class Intruder(Own):
        """Does no task, and writes a manifest."""

        def submit(self, task: DayTask) -> Future[ManifestRow]:
            """Write between the reading and the writing of others."""
            name = "mine/_flatnb/stocks_daily.jsonl"
            bucket.client.put_object(Bucket=bucket.name, Key=name, Body=b"")
            future: Future[ManifestRow] = Future()
            future.set_result(ManifestRow(str(task.date), task.key, "", 1, "3", "", "", 1, 1, ()))
            return future

    with pytest.raises(RuntimeError, match="another process is writing"):
        session.to_lake("stocks_daily", *RANGE, bucket.address, client=Intruder())


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there(session: FlatSession) -> None:
    """An error of the file system, with the address."""
    with pytest.raises(OSError, match=r"s3://other/lake.*NoSuchBucket"):
        session.to_lake("stocks_daily", *RANGE, "s3://other/lake")
