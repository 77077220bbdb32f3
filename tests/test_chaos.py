"""Many downloads under random faults: no wrong byte, no file, thread or socket left.

``FLATNB_CHAOS`` sets the number of downloads of each downloader (default: 400).
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
CONCURRENT = 16

rng = random.Random(2)
SMALL = {f"{n:02}.csv.gz": rng.randbytes(rng.randrange(1, 20_000)) for n in range(50)}
# Three parts each; as many bytes as 40 of the others take, so one for 20 of them.
LARGE = {f"large{n}.csv.gz": rng.randbytes(2 * PART_BYTES + n) for n in range(3)}


@dataclass
class Outcome:
    """The results of the downloads."""

    wrong: list[str] = field(default_factory=list)
    failed: int = 0
    statistics: StatisticsDict | None = None


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def contents(request: pytest.FixtureRequest) -> dict[str, bytes]:
    """Key → decompressed content."""
    found: dict[str, bytes] = request.param
    return found


@pytest.fixture
def chaos(fault_server: FaultServer, contents: dict[str, bytes]) -> FaultServer:
    """A server with the files, where each request fails with a probability of `RATE`."""
    for key, content in contents.items():
        fault_server.put(key, gz(content))
    fault_server.set_random(random.Random(1), RATE, FAULTS)
    return fault_server


@pytest.fixture
def outcome(chaos: FaultServer, contents: dict[str, bytes], tmp_path: Path) -> Iterator[Outcome]:
    """Filled in by the test, and checked after it."""
    sockets, threads = open_sockets(), threading.active_count()
    outcome = Outcome()
    yield outcome
    assert outcome.wrong == []
    assert list(tmp_path.iterdir()) == []
    gc.collect()  # closes the sockets of truncated responses, which botocore does not close
    assert chaos.wait_closed()
    assert open_sockets() <= sockets
    assert threading.active_count() <= threads
    statistics = outcome.statistics
    assert statistics is not None
    count = len(plan(contents))
    assert statistics["total_downloads"] == count
    assert statistics["failed_downloads"] == outcome.failed
    # If most downloads failed, the test would show little.
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
    """Number and key of each download."""
    keys = list(contents)
    count = DOWNLOADS if contents is SMALL else DOWNLOADS // 20
    return [(n, keys[n % len(keys)]) for n in range(count)]


SETTINGS = {"timeout": 10, "backoff_s": 0.001, "max_retries": 7}


def test_async(
    chaos: FaultServer, contents: dict[str, bytes], outcome: Outcome, tmp_path: Path
) -> None:
    """In memory and to files, concurrently."""

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
            CREDENTIALS, chaos.endpoint_url, max_concurrent=CONCURRENT, **SETTINGS
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
        with ThreadPoolExecutor(CONCURRENT) as pool:
            for done in [pool.submit(one, n, key) for n, key in plan(contents)]:
                done.result()
        outcome.statistics = downloader.get_statistics()
