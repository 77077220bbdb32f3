"""A common blocking interface of both downloaders, so that tests run with each of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from flatnb import AsyncS3Downloader, SyncS3Downloader
from flatnb.download.statistics import StatisticsDict

CREDENTIALS = {"access_key_id": "test-access-key", "secret_access_key": "test-secret-key"}


class Twin(Protocol):
    """The common interface of both downloaders."""

    def download(self, bucket: str, key: str, decompress: bool = True) -> io.BytesIO: ...
    def download_to_file(
        self, bucket: str, key: str, path: Path, decompress: bool = True
    ) -> None: ...
    def list_objects(self, bucket: str, prefix: str, max_keys: int = 1000) -> list[str]: ...
    def check_exists(self, bucket: str, key: str) -> bool: ...
    def get_statistics(self) -> StatisticsDict: ...
    def reset_statistics(self) -> None: ...
    def close(self) -> None: ...


class AsyncTwin:
    """`AsyncS3Downloader` on an event loop of its own."""

    def __init__(self, **arguments: Any) -> None:
        self.runner = asyncio.Runner()
        self.downloader = AsyncS3Downloader(**arguments)

    def download(self, bucket: str, key: str, decompress: bool = True) -> io.BytesIO:
        return self.runner.run(self.downloader.download_one(bucket, key, decompress))

    def download_to_file(self, bucket: str, key: str, path: Path, decompress: bool = True) -> None:
        self.runner.run(self.downloader.download_to_file(bucket, key, path, decompress))

    def list_objects(self, bucket: str, prefix: str, max_keys: int = 1000) -> list[str]:
        return self.runner.run(self.downloader.list_objects(bucket, prefix, max_keys))

    def check_exists(self, bucket: str, key: str) -> bool:
        return self.runner.run(self.downloader.check_exists(bucket, key))

    def get_statistics(self) -> StatisticsDict:
        return self.downloader.get_statistics()

    def reset_statistics(self) -> None:
        self.downloader.reset_statistics()

    def close(self) -> None:
        self.runner.run(self.downloader.close())
        self.runner.close()


MakeTwin = Callable[..., Twin]

TWINS: dict[str, MakeTwin] = {"sync": SyncS3Downloader, "async": AsyncTwin}
