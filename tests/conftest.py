"""What several test modules need: the two downloaders, and the servers they talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flatnb import FlatSession
from flatnb.demo import DemoMarket, DemoServer
from tests.servers.fault_s3 import FaultServer
from tests.twins import CREDENTIALS, TWINS, MakeTwin, Twin


@pytest.fixture(scope="session")
def market() -> DemoMarket:
    """The synthetic market whose tables are the expected answers."""
    return DemoMarket()


@pytest.fixture(scope="session")
def demo_server(market: DemoMarket) -> Iterator[DemoServer]:
    """Moto's S3 server with the synthetic market."""
    with DemoServer(market) as server:
        yield server


@pytest.fixture(autouse=True)
def cache_of_the_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """No test reads or fills the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FLATNB_CACHE", str(folder))
    return folder


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """An S3 server that fails on request."""
    with FaultServer() as server:
        yield server


@pytest.fixture(params=sorted(TWINS))
def make_twin(request: pytest.FixtureRequest) -> Iterator[MakeTwin]:
    """Makes one of the two downloaders, quick to retry; closes what it made."""
    made: list[Twin] = []

    def make(endpoint_url: str, **arguments: Any) -> Twin:
        defaults: dict[str, Any] = {"timeout": 5, "backoff_s": 0.001}
        twin = TWINS[request.param](
            credentials=CREDENTIALS, endpoint_url=endpoint_url, **(defaults | arguments)
        )
        made.append(twin)
        return twin

    yield make
    for twin in made:
        twin.close()


@pytest.fixture
def twin(make_twin: MakeTwin, fault_server: FaultServer) -> Twin:
    """One of the two downloaders, on the server that fails on request."""
    return make_twin(fault_server.endpoint_url)


@pytest.fixture
def fault_session(fault_server: FaultServer) -> Iterator[FlatSession]:
    """A session on the server that fails on request, quick to give up."""
    with FlatSession(
        CREDENTIALS["access_key_id"],
        CREDENTIALS["secret_access_key"],
        endpoint_url=fault_server.endpoint_url,
        max_retries=1,
        timeout=5,
        cache=False,
    ) as session:
        yield session
