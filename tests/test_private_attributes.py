"""Private attributes of other libraries: they exist, and downloads work without them.

For each there is a test that fails, and says what is lost, when a release of the library renames
it, and a test that simulates its absence.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import boto3
import pytest
from aiobotocore.httpsession import AIOHTTPSession

from flatnb import AccessDeniedError, AsyncS3Downloader, SyncS3Downloader
from flatnb.download import sync_downloader
from flatnb.download.core.transfer import PART_BYTES
from flatnb.download.drivers import aiobotocore_session
from flatnb.download.drivers.aiobotocore_session import SessionWithoutRetries
from flatnb.download.drivers.aiohttp_retries import disable_retries
from flatnb.download.drivers.socket_shutdown import ConnectionRegistry
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz
from tests.twins import CREDENTIALS

BUCKET = "flatfiles"


class Renamed:
    """An object without the attributes, as after a renaming."""

    __slots__ = ()


def seconds_to_fail(server: FaultServer, timeout: float) -> float:
    """How long a download takes of which one part is denied and another one stalls."""
    server.put(DAY_KEY, os.urandom(3 * PART_BYTES))
    server.always(DAY_KEY, faults.bare_status(403), offset=PART_BYTES)
    server.always(DAY_KEY, faults.stall_after(1000), offset=2 * PART_BYTES)
    started = time.monotonic()
    with SyncS3Downloader(
        CREDENTIALS, server.endpoint_url, max_retries=0, timeout=timeout
    ) as downloader:
        with pytest.raises(AccessDeniedError):
            downloader.download(BUCKET, DAY_KEY)
        return time.monotonic() - started


def test_botocore_has_its_connection_pools(fault_server: FaultServer) -> None:
    """The stalled part of a failed download is aborted long before the time-out."""
    client = boto3.client("s3", region_name="us-east-1", **keys())
    assert ConnectionRegistry(client).is_complete, (
        "botocore has renamed client._endpoint.http_session._pool_classes_by_scheme: cancelling a "
        "download of SyncS3Downloader takes up to the time-out; see drivers/socket_shutdown.py"
    )
    client.close()
    assert seconds_to_fail(fault_server, timeout=30) < 5


def test_without_botocores_connection_pools(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same error, after the time-out; and downloads work."""
    registry = ConnectionRegistry(Renamed())  # type: ignore[arg-type]
    assert not registry.is_complete
    monkeypatch.setattr(sync_downloader, "ConnectionRegistry", lambda client: registry)
    assert seconds_to_fail(fault_server, timeout=1) < 5
    fault_server.heal()
    fault_server.put(DAY_KEY, gz(day_csv()))
    with SyncS3Downloader(CREDENTIALS, fault_server.endpoint_url) as downloader:
        assert downloader.download(BUCKET, DAY_KEY).getvalue() == day_csv()


def retries_of_a_closed_connection(server: FaultServer) -> int:
    """Counted retries of two downloads; the server closes the connection of the second one."""
    server.put(DAY_KEY, gz(day_csv()))
    server.script(DAY_KEY, [None, faults.close_before_headers()])

    async def run() -> int:
        async with AsyncS3Downloader(
            CREDENTIALS, server.endpoint_url, backoff_s=0.001
        ) as downloader:
            for _ in range(2):
                data = await downloader.download_one(BUCKET, DAY_KEY)
                assert data.getvalue() == day_csv()
            return downloader.get_statistics()["total_retries"]

    retries = asyncio.run(run())
    # The second download used the connection of the first, as aiohttp retries only then.
    first, second, _ = server.requests
    assert first.connection == second.connection
    return retries


def test_aiohttp_has_the_switch_of_its_retries(fault_server: FaultServer) -> None:
    """A request on a connection that the server has closed is retried by the core, and counted."""

    async def attribute() -> Any:
        async with SessionWithoutRetries() as session:
            return getattr(await session._get_session(None), "_retry_connection", "missing")

    assert asyncio.run(attribute()) is False, (
        "aiohttp has renamed ClientSession._retry_connection: its own retries are not counted in "
        "the statistics; see drivers/aiohttp_retries.py"
    )
    assert retries_of_a_closed_connection(fault_server) == 1


def test_without_the_switch_of_aiohttps_retries(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloads work; aiohttp's retries are not counted."""
    renamed = Renamed()
    disable_retries(renamed)  # type: ignore[arg-type]
    assert not hasattr(renamed, "_retry_connection")
    monkeypatch.setattr(
        aiobotocore_session, "disable_retries", lambda session: disable_retries(renamed)
    )
    assert retries_of_a_closed_connection(fault_server) == 0


def test_aiobotocore_has_the_method_that_creates_sessions() -> None:
    """The method that `SessionWithoutRetries` overrides is the one that requests use."""
    assert "_get_session" in AIOHTTPSession.send.__code__.co_names, (
        "aiobotocore has renamed AIOHTTPSession._get_session: aiohttp's own retries are not "
        "counted in the statistics; see drivers/aiobotocore_session.py"
    )


def test_without_the_method_that_creates_sessions(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The override is not called: downloads work, and aiohttp's retries are not counted."""
    monkeypatch.delattr(SessionWithoutRetries, "_get_session")
    assert retries_of_a_closed_connection(fault_server) == 0


def keys() -> dict[str, str]:
    """Keys of the tests, by boto3's names."""
    return {
        "aws_access_key_id": CREDENTIALS["access_key_id"],
        "aws_secret_access_key": CREDENTIALS["secret_access_key"],
    }
