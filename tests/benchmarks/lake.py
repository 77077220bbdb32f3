"""How a lake's building speeds up with workers: ``python -m tests.benchmarks.lake``.

A quarter of stock minutes of the demo market, over a link that gives each connection 1.15 MB/s, as
measured on the service; each worker has some connections of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from distributed import LocalCluster

from flatnb import FlatSession
from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from tests.servers.throttle import throttle_process

from .files import CATALOG
from .serve import server_process

QUARTER = ("2024-01-02", "2024-03-28")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--connections", type=int, default=2, help="of each worker")
    parser.add_argument("--stocks", type=int, default=250, help="tickers of the market")
    options = parser.parse_args()
    os.environ["MASSIVE_S3_ACCESS_KEY"] = os.environ["MASSIVE_S3_SECRET_KEY"] = "benchmark"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        size = _make_files(folder / "files", options.stocks)
        host, port = stack.enter_context(server_process(folder / "files"))
        endpoint = stack.enter_context(throttle_process(host, port))
        print(f"{size / 1e6:.1f} MB, {options.connections} connections a worker, 1.15 MB/s each\n")
        print("| workers | seconds | speed-up | checksum of the lake |\n|---|---|---|---|")
        first = 0.0
        for workers in options.workers:
            lake = folder / f"lake-{workers}"
            seconds = _build(endpoint, lake, workers, options.connections)
            first = first or seconds
            print(f"| {workers} | {seconds:.1f} | {first / seconds:.2f} | {_checksum(lake)} |")


def _make_files(folder: Path, stocks: int) -> int:
    market = DemoMarket(stocks=stocks)
    size = 0
    for day in trading_days(*QUARTER):
        path = folder / CATALOG.get_key("stocks_minute", day)
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(market.file("stocks_minute", day))
    return size


def _build(endpoint: str, lake: Path, workers: int, connections: int) -> float:
    arguments = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=workers, **arguments) as cluster,
        cluster.get_client() as client,
        FlatSession(
            endpoint_url=endpoint, cache=False, max_pool_connections=connections
        ) as session,
    ):
        # What a worker does once, such as importing polars, is not the lake's time.
        for each in client.scheduler_info(n_workers=-1)["workers"]:
            client.submit(_warm_up, each, workers=[each], pure=False).result()
        began = time.monotonic()
        session.to_lake("stocks_minute", *QUARTER, lake, client=client)
        return time.monotonic() - began


def _warm_up(_: str) -> None:
    import polars

    import flatnb.lake.executors

    assert polars
    assert flatnb.lake.executors


def _checksum(lake: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(lake.rglob("*.parquet")):
        digest.update(str(path.relative_to(lake)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
