"""Thousands of downloads under random faults: no wrong byte, nothing left behind.

``FLATNB_CHAOS`` is how many downloads each downloader makes: a few hundred unless it says more.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flatnb import AsyncS3Downloader, SyncS3Downloader, TransferError
from flatnb.download.core.transfer import PART_BYTES
from flatnb.download.statistics import StatisticsDict
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz
from tests.twins import CREDENTIALS

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

DOWNLOADS = int(os.environ.get("FLATNB_CHAOS", "400"))
FAULTS = (*faults.CUTS, *faults.STATUSES, *faults.LIES, *faults.SILENT)
RATE = 0.3
AT_ONCE = 16

rng = random.Random(2)
SMALL = {f"{n:02}.csv.gz": rng.randbytes(rng.randrange(1, 20_000)) for n in range(50)}
# Three parts each; as many bytes as 40 of the others take, so one for 20 of them.
LARGE = {f"large{n}.csv.gz": rng.randbytes(2 * PART_BYTES + n) for n in range(3)}


@dataclass
class Outcome:
    """What became of the downloads."""

    wrong: list[str] = field(default_factory=list)
    failed: int = 0
    statistics: StatisticsDict | None = None


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def contents(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """The files, unpacked."""
    found: dict[str, bytes] = request.param
    return found


@pytest.fixture
def chaos(fault_server: FaultServer, contents: dict[str, bytes]) -> FaultServer:
    """The files, each request of which fails with some probability."""
    for key, content in contents.items():
        fault_server.put(key, gz(content))
    fault_server.set_random(random.Random(1), RATE, FAULTS)
    return fault_server


@pytest.fixture
def outcome(chaos: FaultServer, contents: dict[str, bytes], tmp_path: Path) -> Iterator[Outcome]:
    """To be filled by the test; then everything is looked at."""
    sockets, threads = open_sockets(), threading.active_count()
    outcome = Outcome()
    yield outcome
    assert outcome.wrong == []
    assert list(tmp_path.iterdir()) == []
    gc.collect()  # botocore leaves it to the collector to close a socket whose answer was cut
    assert chaos.wait_closed()
    assert open_sockets() <= sockets
    assert threading.active_count() <= threads
    statistics = outcome.statistics
    assert statistics is not None
    count = len(plan(contents))
    assert statistics["total_downloads"] == count
    assert statistics["failed_downloads"] == outcome.failed
    # Were most to fail, little would be shown of the others.
    assert outcome.failed < count / 10
    if contents is SMALL:
        assert statistics["total_retries"] == len(chaos.requests) - count > 0


def open_sockets() -> int:
    """Sockets that this process has open."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("/proc is Linux's")
    count = 0
    for link in folder.iterdir():
        try:
            count += str(link.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return count


def plan(contents: dict[str, bytes]) -> list[tuple[int, str]]:
    """Which file each download takes."""
    keys = list(contents)
    count = DOWNLOADS if contents is SMALL else DOWNLOADS // 20
    return [(n, keys[n % len(keys)]) for n in range(count)]


SETTINGS = {"timeout": 10, "backoff_s": 0.001, "max_retries": 7}


def test_async(
    chaos: FaultServer, contents: dict[str, bytes], outcome: Outcome, tmp_path: Path
) -> None:
    """In memory and to files, many at once."""

    async def one(downloader: AsyncS3Downloader, n: int, key: str) -> None:
        try:
            if n % 2:
                got = (await downloader.download_one("flatfiles", key)).getvalue()
            else:
                path = tmp_path / f"{n}.csv"
                await downloader.download_to_file("flatfiles", key, path)
                got = path.read_bytes()
                path.unlink()
        except TransferError:
            outcome.failed += 1
        else:
            outcome.wrong += [key] if got != contents[key] else []

    async def everything() -> None:
        async with AsyncS3Downloader(
            CREDENTIALS, chaos.endpoint_url, max_concurrent=AT_ONCE, **SETTINGS
        ) as downloader:
            before = asyncio.all_tasks()
            async with asyncio.TaskGroup() as group:
                for n, key in plan(contents):
                    group.create_task(one(downloader, n, key))
            assert asyncio.all_tasks() == before
            outcome.statistics = downloader.get_statistics()

    asyncio.run(everything())


def test_sync(
    chaos: FaultServer, contents: dict[str, bytes], outcome: Outcome, tmp_path: Path
) -> None:
    """The same from many threads."""

    def one(n: int, key: str) -> None:
        try:
            if n % 2:
                got = downloader.download("flatfiles", key).getvalue()
            else:
                path = tmp_path / f"{n}.csv"
                downloader.download_to_file("flatfiles", key, path)
                got = path.read_bytes()
                path.unlink()
        except TransferError:
            outcome.failed += 1
        else:
            outcome.wrong += [key] if got != contents[key] else []

    with SyncS3Downloader(CREDENTIALS, chaos.endpoint_url, **SETTINGS) as downloader:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(one, n, key) for n, key in plan(contents)]:
                done.result()
        outcome.statistics = downloader.get_statistics()
