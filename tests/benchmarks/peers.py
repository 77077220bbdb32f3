"""The ways to get days into one polars frame: flatnb's and its peers', as their users write them.

Each takes a `Task` and returns the frame (or pandas' of it). What they import is not timed.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .files import CATALOG

KEY_ID, SECRET = "test-access-key", "test-secret-key"
BUCKET = "flatfiles"
THREADS = 8


@dataclass(frozen=True)
class Task:
    """What is to be loaded, and from where."""

    endpoint_url: str
    folder: Path
    data_type: str
    days: Sequence[date]
    symbols: Sequence[str] | None
    cache: Path

    @property
    def keys(self) -> list[str]:
        """The days' keys."""
        return [CATALOG.get_key(self.data_type, day) for day in self.days]


Peer = Callable[[Task], Any]
PEERS: dict[str, Peer] = {}


def peer(name: str) -> Callable[[Peer], Peer]:
    """Put a function into the table."""

    def put(function: Peer) -> Peer:
        PEERS[name] = function
        return function

    return put


def _schema() -> dict[str, Any]:
    import polars as pl

    numbers = ("volume", "open", "close", "high", "low")
    return {
        "ticker": pl.String,
        **dict.fromkeys(numbers, pl.Float64),
        "window_start": pl.Int64,
        "transactions": pl.Int64,
    }


def _polars(files: Sequence[Any], symbols: Sequence[str] | None) -> Any:
    import polars as pl

    frames = []
    for file in files:
        frame = pl.read_csv(file, schema=_schema())
        frames.append(frame.filter(pl.col("ticker").is_in(symbols)) if symbols else frame)
    return pl.concat(frames)


def _boto3(task: Task) -> Any:
    import boto3

    return boto3.client(
        "s3",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        endpoint_url=task.endpoint_url,
        region_name="us-east-1",
    )


def _get(client: Any, key: str) -> bytes:
    content: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


@peer("boto3 + pandas, one file after the other")
def boto3_pandas(task: Task) -> Any:
    import pandas as pd

    client, frames = _boto3(task), []
    for key in task.keys:
        frame = pd.read_csv(io.BytesIO(_get(client, key)), compression="gzip")
        frames.append(frame[frame["ticker"].isin(task.symbols)] if task.symbols else frame)
    return pd.concat(frames, ignore_index=True)


@peer("boto3 in 8 threads, gzip, polars")
def boto3_threads(task: Task) -> Any:
    client = _boto3(task)

    def one(key: str) -> Any:
        return _polars([gzip.decompress(_get(client, key))], task.symbols)

    import polars as pl

    with ThreadPoolExecutor(THREADS) as pool:
        return pl.concat(pool.map(one, task.keys))


async def _new_client_per_file(task: Task, at_once: int) -> Any:
    import aioboto3
    import polars as pl

    limit = asyncio.Semaphore(at_once)

    async def one(key: str) -> Any:
        async with (
            limit,
            aioboto3.Session().client(
                "s3",
                aws_access_key_id=KEY_ID,
                aws_secret_access_key=SECRET,
                endpoint_url=task.endpoint_url,
                region_name="us-east-1",
            ) as client,
        ):
            answer = await client.get_object(Bucket=BUCKET, Key=key)
            return _polars([gzip.decompress(await answer["Body"].read())], task.symbols)

    return pl.concat(await asyncio.gather(*map(one, task.keys)))


@peer("aioboto3, a new client per file, 8 at once")
def common_script(task: Task) -> Any:
    return asyncio.run(_new_client_per_file(task, THREADS))


@peer("aioboto3, a new client per file, all at once")
def common_script_unbounded(task: Task) -> Any:
    return asyncio.run(_new_client_per_file(task, len(task.days)))


@peer("polars.scan_csv on s3://")
def polars_scan(task: Task) -> Any:
    import polars as pl

    lazy = pl.scan_csv(
        [f"s3://{BUCKET}/{key}" for key in task.keys],
        schema=_schema(),
        storage_options={
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
            "aws_endpoint_url": task.endpoint_url,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        },
    )
    return (lazy.filter(pl.col("ticker").is_in(task.symbols)) if task.symbols else lazy).collect()


@peer("s5cmd, then polars")
def s5cmd(task: Task) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        lines = "".join(f"cp s3://{BUCKET}/{key} {folder}/\n" for key in task.keys)
        subprocess.run(
            ["s5cmd", "--endpoint-url", task.endpoint_url, "--log", "error", "run"],
            input=lines,
            text=True,
            check=True,
            env={
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_REGION": "us-east-1",
                "PATH": _path(),
            },
        )
        return _polars(sorted(Path(folder).iterdir()), task.symbols)


def _path() -> str:
    import os

    return os.environ["PATH"]


@peer("obstore in 8 threads, gzip, polars")
def obstore(task: Task) -> Any:
    import polars as pl
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=task.endpoint_url,
        access_key_id=KEY_ID,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True, "timeout": "600s"},
    )

    def one(key: str) -> Any:
        return _polars([gzip.decompress(bytes(store.get(key).bytes()))], task.symbols)

    with ThreadPoolExecutor(THREADS) as pool:
        return pl.concat(pool.map(one, task.keys))


@peer("polygon-options-puller to Parquet, then polars")
def polygon_options_puller(task: Task) -> Any:
    import polars as pl
    from polygon_options_puller import pull

    with tempfile.TemporaryDirectory() as folder:
        done = pull(
            output_dir=folder,
            datasets=["/".join(task.keys[0].split("/")[:2])],
            start_date=task.days[0],
            end_date=task.days[-1],
            tickers=task.symbols or (),
            progress=False,
            s3_client=_boto3(task),
        )
        assert done.ok
        return pl.read_parquet(f"{folder}/**/*.parquet")


@peer("flatnb SyncS3Downloader, then polars")
def sync_downloader(task: Task) -> Any:
    from flatnb import SyncS3Downloader

    credentials = {"access_key_id": KEY_ID, "secret_access_key": SECRET}
    with SyncS3Downloader(credentials, task.endpoint_url) as downloader:
        files = (downloader.download(BUCKET, key) for key in task.keys)
        return _polars([file.getvalue() for file in files], task.symbols)


@peer("flatnb AsyncS3Downloader, then polars")
def async_downloader(task: Task) -> Any:
    from flatnb import AsyncS3Downloader

    async def download() -> Any:
        credentials = {"access_key_id": KEY_ID, "secret_access_key": SECRET}
        async with AsyncS3Downloader(credentials, task.endpoint_url) as downloader:
            return await downloader.download_batch(BUCKET, task.keys)

    return _polars([file.getvalue() for file in asyncio.run(download())], task.symbols)


def _load(task: Task, **arguments: Any) -> Any:
    from flatnb import FlatSession

    with FlatSession(KEY_ID, SECRET, endpoint_url=task.endpoint_url, **arguments) as session:
        return session.load(
            task.data_type, task.days[0], task.days[-1], symbols=task.symbols, progress=False
        )


@peer("flatnb session.load")
def load(task: Task) -> Any:
    return _load(task, cache=False)


@peer("flatnb session.load, filling its cache")
def load_filling(task: Task) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return _load(task, cache=folder)


@peer("flatnb session.load, by proved ranges")
def load_proved(task: Task) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return _load(task, cache=folder, ranges="proved")


@peer("flatnb session.load, other symbols cached before")
def load_other_symbols(task: Task) -> Any:
    return _load(task, cache=task.cache, revalidate="never")


@peer("flatnb session.load, cache filled before")
def load_cached(task: Task) -> Any:
    return _load(task, cache=task.cache)


@peer("flatnb session.load, cache filled before, each day compared")
def load_compared(task: Task) -> Any:
    return _load(task, cache=task.cache, revalidate="always")


def _contents(task: Task) -> list[bytes]:
    return [(task.folder / key).read_bytes() for key in task.keys]


@peer("floor: unpacking in one shot, on all cores")
def unpack_floor(task: Task) -> Any:
    import polars as pl
    from isal import isal_zlib

    with ThreadPoolExecutor() as pool:
        sizes = list(pool.map(lambda c: len(isal_zlib.decompress(c, 31)), _contents(task)))
    return pl.DataFrame({"size": sizes})


@peer("floor: unpacking and parsing, on all cores")
def parse_floor(task: Task) -> Any:
    import os

    import polars as pl
    from isal import isal_zlib

    def one(content: bytes) -> Any:
        return pl.read_csv(isal_zlib.decompress(content, 31), schema=_schema())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return pl.concat(pool.map(one, _contents(task)))
