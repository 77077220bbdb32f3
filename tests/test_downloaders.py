"""The documented downloaders give the documented results, on moto's S3 server."""

from __future__ import annotations

import asyncio
import gc
import gzip
import inspect
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import botocore
import dateutil.parser
import pytest
from botocore.loaders import JSONFileLoader

import flatnb
from flatnb import AsyncS3Downloader, SyncS3Downloader, errors
from flatnb.demo import DemoMarket, DemoServer
from flatnb.download.core.transfer import PART_BYTES
from flatnb.download.drivers.botocore_client import parse_timestamp
from tests.conftest import LARGE
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz
from tests.servers.rclone_s3 import RcloneServer
from tests.servers.throttle import ThrottleProxy
from tests.twins import CREDENTIALS, MakeTwin, Twin

BUCKET = "flatfiles"
DAY = date(2024, 1, 2)
FOLDER = "us_stocks_sip/day_aggs_v1/2024/01/"
KEY = f"{FOLDER}{DAY}.csv.gz"


@pytest.fixture
def healthy_twin(make_twin: MakeTwin, service: DemoServer | RcloneServer) -> Twin:
    """One of the two downloaders, on one of two servers that have no faults."""
    return make_twin(service.endpoint_url)


def test_download(healthy_twin: Twin, market: DemoMarket) -> None:
    """Unpacked by default, as stored on request; always at position 0."""
    data = healthy_twin.download(BUCKET, KEY)
    assert isinstance(data, io.BytesIO)
    assert data.tell() == 0
    assert data.read() == market.csv("stocks_daily", DAY)
    packed = healthy_twin.download(BUCKET, KEY, decompress=False)
    assert packed.read() == market.file("stocks_daily", DAY)


def test_a_second_client_is_quick(
    make_twin: MakeTwin, demo_server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description of S3 (a megabyte of JSON) is read once in a process."""
    make_twin(demo_server.endpoint_url).download(BUCKET, KEY)
    read: list[str] = []
    load_file = JSONFileLoader.load_file

    def noted(self: JSONFileLoader, path: str) -> object:
        read.append(path)
        return load_file(self, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", noted)
    make_twin(demo_server.endpoint_url).download(BUCKET, KEY)
    assert read == []


def test_download_to_file(healthy_twin: Twin, market: DemoMarket, tmp_path: Path) -> None:
    """The file has the content and nothing else is left in its folder."""
    healthy_twin.download_to_file(BUCKET, KEY, tmp_path / "day.csv")
    healthy_twin.download_to_file(BUCKET, KEY, tmp_path / "day.csv.gz", decompress=False)
    assert (tmp_path / "day.csv").read_bytes() == market.csv("stocks_daily", DAY)
    assert (tmp_path / "day.csv.gz").read_bytes() == market.file("stocks_daily", DAY)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_large_object_of_a_server_without_ranges(
    make_twin: MakeTwin, rclone_server: RcloneServer, tmp_path: Path
) -> None:
    """It comes in one piece, into memory and to a file."""
    twin = make_twin(rclone_server.endpoint_url)
    assert twin.download(BUCKET, "large.csv.gz").getvalue() == LARGE
    twin.download_to_file(BUCKET, "large.csv.gz", tmp_path / "large.csv")
    assert (tmp_path / "large.csv").read_bytes() == LARGE


def test_list_objects(healthy_twin: Twin) -> None:
    """In byte order, up to ``max_keys``."""
    keys = healthy_twin.list_objects(BUCKET, FOLDER)
    assert len(keys) == 21
    assert keys == sorted(keys)
    assert keys[0] == KEY
    assert healthy_twin.list_objects(BUCKET, FOLDER, max_keys=3) == keys[:3]
    assert healthy_twin.list_objects(BUCKET, "nothing/") == []


def test_listings_follow_pages(twin: Twin, fault_server: FaultServer) -> None:
    """More keys than in one response, and a transient fault between the pages."""
    keys = [f"folder/{n:05}" for n in range(2500)]
    for key in keys:
        fault_server.put(key, b"")
    fault_server.script("folder/", [None, faults.bare_status(503)])
    assert twin.list_objects(BUCKET, "folder/", max_keys=10_000) == keys
    assert twin.list_objects(BUCKET, "folder/", max_keys=1001) == keys[:1001]
    assert twin.get_statistics()["total_retries"] == 1


def test_a_request_says_who_makes_it(twin: Twin, fault_server: FaultServer) -> None:
    """And botocore does not compose sixteen parts for each request."""
    fault_server.put(DAY_KEY, gz(b"x"))
    twin.download(BUCKET, DAY_KEY)
    agents = [str(request.user_agent) for request in fault_server.requests]
    assert [agent.lower() for agent in agents] == [
        f"flatnb/{flatnb.__version__} botocore/{botocore.__version__}"
    ]


def test_times_are_read_without_guessing(
    twin: Twin, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guessing a format took botocore longer than the rest of a listing."""

    def guess(*_: object, **__: object) -> datetime:
        raise AssertionError("a format was guessed")

    monkeypatch.setattr(dateutil.parser, "parse", guess)
    fault_server.put(DAY_KEY, gz(b"x"))
    twin.download(BUCKET, DAY_KEY)  # RFC 9110, in a header
    assert twin.list_objects(BUCKET, "") == [DAY_KEY]  # ISO 8601, in XML


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-03T16:40:00.000Z",
        "2024-01-03T11:40:00-05:00",
        "Wed, 03 Jan 2024 16:40:00 GMT",
        "Jan 3 2024 16:40 GMT",  # of a service that follows neither standard
        1_704_300_000,
    ],
)
def test_times_of_a_response(text: object) -> None:
    """Whatever the form, the same moment."""
    assert parse_timestamp(text) == datetime(2024, 1, 3, 16, 40, tzinfo=UTC)


def test_a_truncated_listing_is_an_error(twin: Twin, fault_server: FaultServer) -> None:
    """Truncated without a token: an error and not a short list."""
    for n in range(5):
        fault_server.put(f"folder/{n}", b"")
    fault_server.always("folder/", faults.listing_without_token())
    with pytest.raises(errors.IntegrityError, match="no token"):
        twin.list_objects(BUCKET, "folder/")


def test_check_exists(twin: Twin, fault_server: FaultServer) -> None:
    """True, False, or an error if access is denied."""
    fault_server.put(DAY_KEY, b"x")
    assert twin.check_exists(BUCKET, DAY_KEY) is True
    assert twin.check_exists(BUCKET, "other") is False
    fault_server.always(DAY_KEY, faults.bare_status(403))
    with pytest.raises(errors.AccessDeniedError):
        twin.check_exists(BUCKET, DAY_KEY)


def test_statistics(healthy_twin: Twin) -> None:
    """The documented dict, and its reset."""
    nothing = {
        "total_downloads": 0,
        "successful_downloads": 0,
        "failed_downloads": 0,
        "total_retries": 0,
        "success_rate": 0.0,
    }
    assert healthy_twin.get_statistics() == nothing
    healthy_twin.download(BUCKET, KEY)
    with pytest.raises(errors.ObjectNotFoundError, match="11:00 ET"):
        healthy_twin.download(BUCKET, KEY.replace("01-02", "01-01"))
    assert healthy_twin.get_statistics() == nothing | {
        "total_downloads": 2,
        "successful_downloads": 1,
        "failed_downloads": 1,
        "success_rate": 0.5,
    }
    healthy_twin.reset_statistics()
    assert healthy_twin.get_statistics() == nothing


def test_a_missing_options_file_names_the_live_folder(healthy_twin: Twin) -> None:
    """The documented root of options has never been in the live bucket."""
    key = f"us_options/day_aggs_v1/2024/01/{DAY}.csv.gz"
    with pytest.raises(errors.ObjectNotFoundError, match="us_options_opra"):
        healthy_twin.download(BUCKET, key)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_retries": -1}, "max_retries=-1"),
        ({"max_pool_connections": 0}, "max_pool_connections=0"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": "5"}, "timeout='5'"),
        ({"endpoint_url": "files.massive.com"}, "endpoint_url='files.massive.com'"),
        ({"endpoint_url": "https://user:secret@host"}, "must not contain a user name or password"),
    ],
)
def test_wrong_arguments_are_named(make_twin: MakeTwin, arguments: Any, message: str) -> None:
    """Before any request."""
    with pytest.raises(ValueError, match=message):
        make_twin(**({"endpoint_url": "http://127.0.0.1:9"} | arguments))


@pytest.mark.parametrize("kind", [AsyncS3Downloader, SyncS3Downloader])
@pytest.mark.parametrize("credentials", [{}, {"access_key_id": "a"}, None, {"secret": "s3cr3t"}])
def test_credentials_come_in_pairs(kind: Any, credentials: Any) -> None:
    """One key alone is an error without any value in its message."""
    with pytest.raises(errors.CredentialsError, match=r"access_key|secret_access") as caught:
        kind(credentials)
    assert "s3cr3t" not in str(caught.value)


def test_empty_names_are_errors(twin: Twin, fault_server: FaultServer) -> None:
    """Without a request."""
    with pytest.raises(ValueError, match="key=''"):
        twin.download(BUCKET, "")
    with pytest.raises(ValueError, match="bucket=None"):
        twin.download(None, KEY)  # type: ignore[arg-type]
    assert fault_server.requests == []


def test_an_unencrypted_endpoint_warns() -> None:
    """HTTP to any host but this machine."""
    with pytest.warns(UserWarning, match="not encrypted"):
        SyncS3Downloader(CREDENTIALS, "http://files.example.com")


def test_both_have_the_documented_signatures() -> None:
    """Names, order and defaults; common methods have the same ones."""

    def parameters(function: Any) -> dict[str, Any]:
        signature = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in signature if p.name != "self"}

    documented = {
        "endpoint_url": "https://files.polygon.io",
        "max_retries": 5,
        "timeout": 60,
        "max_pool_connections": 50,
        "max_concurrent": 8,
    }
    async_parameters = parameters(AsyncS3Downloader.__init__)
    assert list(async_parameters)[:6] == ["credentials", *documented]
    assert documented.items() <= async_parameters.items()
    sync_parameters = parameters(SyncS3Downloader.__init__)
    assert list(sync_parameters)[:5] == ["credentials", *list(documented)[:4]]
    assert sync_parameters["max_pool_connections"] == 10
    both = [
        ("download_one", "download"),
        *((name, name) for name in ("download_to_file", "list_objects", "check_exists")),
    ]
    for of_async, of_sync in both:
        assert parameters(getattr(AsyncS3Downloader, of_async)) == parameters(
            getattr(SyncS3Downloader, of_sync)
        )


def test_batch(demo_server: DemoServer, market: DemoMarket) -> None:
    """In the order of the keys, None where a download failed, with the exception in ``errors``."""
    missing = KEY.replace("01-02", "01-01")
    keys = [KEY.replace("01-02", "01-03"), missing, KEY, KEY]

    async def run() -> None:
        downloader = AsyncS3Downloader(CREDENTIALS, demo_server.endpoint_url)
        files = await downloader.download_batch(BUCKET, keys)
        assert isinstance(files, list)
        assert [file and file.getvalue() for file in files] == [
            market.csv("stocks_daily", date(2024, 1, 3)),
            None,
            market.csv("stocks_daily", DAY),
            market.csv("stocks_daily", DAY),
        ]
        assert list(files.errors) == [missing]
        assert isinstance(files.errors[missing], errors.ObjectNotFoundError)
        assert downloader.get_statistics()["total_downloads"] == 4
        assert await downloader.download_batch(BUCKET, []) == []

    asyncio.run(run())


def test_all_connections_are_closed(
    fault_server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """With ``async with``, with ``close``, or with neither when ``asyncio.run`` ends."""
    fault_server.put(DAY_KEY, gz(day_csv()))

    async def use(how: str) -> None:
        downloader = AsyncS3Downloader(CREDENTIALS, fault_server.endpoint_url)
        await asyncio.gather(*(downloader.download_one(BUCKET, DAY_KEY) for _ in range(5)))
        if how == "close":
            await downloader.close()
        if how == "with":
            async with downloader:
                await downloader.download_one(BUCKET, DAY_KEY)

    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for how in ("close", "with", "neither"):
            asyncio.run(use(how))
            gc.collect()
            assert fault_server.wait_closed()
    assert "Unclosed" not in caplog.text


def test_one_downloader_in_several_event_loops(fault_server: FaultServer) -> None:
    """One client for each event loop, closed with it."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    downloader = AsyncS3Downloader(CREDENTIALS, fault_server.endpoint_url)
    for _ in range(3):
        data = asyncio.run(downloader.download_one(BUCKET, DAY_KEY))
        assert data.getvalue() == day_csv()
    assert fault_server.wait_closed()


def test_connections_are_bounded_and_reused(make_twin: MakeTwin, fault_server: FaultServer) -> None:
    """All parts of an object together use no more connections than allowed."""
    twin = make_twin(fault_server.endpoint_url, max_pool_connections=3)
    fault_server.put("random.bin", os.urandom(12 * PART_BYTES))
    twin.download(BUCKET, "random.bin")
    assert 2 <= fault_server.peak_connections <= 3
    assert len(fault_server.requests) == 12


def test_parts_are_larger_on_fast_connections(
    make_twin: MakeTwin, fault_server: FaultServer
) -> None:
    """There a request costs more than a part; on slow ones many concurrent parts are faster."""
    content = os.urandom(12 * PART_BYTES)
    fault_server.put("random.bin", content)

    def requests_of_two_downloads(endpoint_url: str) -> list[int]:
        twin = make_twin(endpoint_url, max_pool_connections=12)
        counts = []
        for _ in range(2):
            fault_server.forget_requests()
            assert twin.download(BUCKET, "random.bin").getvalue() == content
            counts.append(len(fault_server.requests))
        return counts

    first, second = requests_of_two_downloads(fault_server.endpoint_url)
    assert first == 12 > second
    with ThrottleProxy("127.0.0.1", fault_server.port, rate=2e6) as proxy:
        assert requests_of_two_downloads(f"http://127.0.0.1:{proxy.port}") == [12, 12]


def test_cancelling_is_fast_and_cleans_up(fault_server: FaultServer, tmp_path: Path) -> None:
    """Also while the service stalls in one of many parts."""
    fault_server.put(DAY_KEY, os.urandom(20 * PART_BYTES))
    fault_server.always(DAY_KEY, faults.stall_after(1000), offset=5 * PART_BYTES)

    async def run() -> float:
        async with AsyncS3Downloader(CREDENTIALS, fault_server.endpoint_url) as downloader:
            task = asyncio.create_task(
                downloader.download_to_file(BUCKET, DAY_KEY, tmp_path / "file")
            )
            while len(fault_server.requests) < 20:  # noqa: ASYNC110 - the server is in a thread
                await asyncio.sleep(0.01)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1
            return time.monotonic() - began

    assert asyncio.run(run()) < 1
    assert list(tmp_path.iterdir()) == []
    assert fault_server.wait_closed()


def test_interrupting_a_stalled_sync_download(fault_server: FaultServer, tmp_path: Path) -> None:
    """Ctrl-C takes effect within a second, although the time-out is a minute."""
    fault_server.put(DAY_KEY, os.urandom(8 * PART_BYTES))
    fault_server.always(DAY_KEY, faults.stall_before_headers(), offset=5 * PART_BYTES)
    fault_server.always(DAY_KEY, faults.stall_after(1000), offset=6 * PART_BYTES)
    script = f"""
import faulthandler, signal, threading
from flatnb import SyncS3Downloader
faulthandler.dump_traceback_later(8, exit=True)  # should it hang, where
signal.signal(signal.SIGINT, signal.default_int_handler)
downloader = SyncS3Downloader({CREDENTIALS!r}, {fault_server.endpoint_url!r})
try:
    downloader.download_to_file("flatfiles", {DAY_KEY!r}, {str(tmp_path / "file")!r})
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while len(fault_server.requests) < 8 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert output == "interrupted 1\n"
    assert time.monotonic() - began < 2
    assert list(tmp_path.iterdir()) == []


def test_parts_of_killed_processes_are_removed(
    fault_server: FaultServer, tmp_path: Path, make_twin: MakeTwin
) -> None:
    """The next download removes them; files of running processes and others remain."""
    fault_server.put(DAY_KEY, os.urandom(3 * PART_BYTES))
    fault_server.always(DAY_KEY, faults.stall_after(1000), offset=2 * PART_BYTES)
    script = f"""
from flatnb import SyncS3Downloader
downloader = SyncS3Downloader({CREDENTIALS!r}, {fault_server.endpoint_url!r})
downloader.download_to_file("flatfiles", {DAY_KEY!r}, {str(tmp_path / "file")!r})
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 20
    while len(fault_server.requests) < 3 and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    process.kill()
    process.wait()
    (abandoned,) = tmp_path.iterdir()
    running = abandoned.with_name(abandoned.name.replace(f"-{process.pid}-", f"-{os.getpid()}-"))
    foreign = tmp_path / ".someone.flatnb-part"
    running.touch()
    foreign.touch()
    fault_server.heal()
    fault_server.put("small.csv.gz", gzip.compress(b"x"))
    make_twin(fault_server.endpoint_url).download_to_file(
        BUCKET, "small.csv.gz", tmp_path / "small.csv"
    )
    assert {p.name for p in tmp_path.iterdir()} == {running.name, foreign.name, "small.csv"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_fork_opens_its_own_connections(fault_server: FaultServer) -> None:
    """The child does not use its parent's connections."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    script = f"""
import os
from flatnb import SyncS3Downloader
downloader = SyncS3Downloader({CREDENTIALS!r}, {fault_server.endpoint_url!r})
first = downloader.download("flatfiles", {DAY_KEY!r}).getvalue()
child = os.fork()
for _ in range(20):
    assert downloader.download("flatfiles", {DAY_KEY!r}).getvalue() == first
if child:
    print(os.waitpid(child, 0)[1])
else:
    os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert fault_server.peak_connections >= 2
