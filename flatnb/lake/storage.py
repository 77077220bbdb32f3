"""Where a lake is: in a folder, or in a bucket of S3."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..download.targets import local_path, sync_folder, write_whole

# Readers of Parquet leave out what begins with an underscore.
_SCRATCH = "_scratch"


class Storage(Protocol):
    """Stores files under names that are paths with slashes.

    Attributes
    ----------
    address
        As users write it.
    """

    address: str

    def at(self, name: str) -> str:
        """The address of a file, for other tools."""

    def scratch(self, owner: str) -> str:
        """The folder of unfinished files; empty for each machine's temporary folder."""

    def exclusive(self, owner: str) -> AbstractContextManager[None]:
        """Exclude other writers, where the storage has locks; see also `append`."""

    def read(self, name: str) -> str:
        """The text of a file; empty if there is no such file."""

    def append(self, name: str, line: str) -> None:
        """Append a line to a text that was read before; it fails if another process wrote it."""

    def replace(self, name: str, text: str) -> None:
        """Write a text, whole or not at all."""

    def parquet_files(self, name: str) -> list[str]:
        """The Parquet files below a folder, by their names in it."""

    def put_day(self, folder: Path, name: str) -> None:
        """Replace the files of a day by those of a local folder, which may be moved."""

    def remove_day(self, name: str) -> None:
        """Remove the files of a day."""


def storage_at(address: str | os.PathLike[str]) -> Storage:
    """The storage with this address.

    Raises
    ------
    ValueError
        If it is neither a path nor an address like ``s3://bucket/folder``.
    """
    if not isinstance(address, (str, os.PathLike)):
        raise ValueError(f"path={address!r} is not a path; give a folder, or s3://bucket/folder")
    text = os.fspath(address)
    if "://" not in text:
        return Folder(local_path(address, "path").absolute())
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"path={text!r} is unknown; give a folder, or s3://bucket/folder")
    return Bucket(parts.netloc, parts.path.strip("/"))


class Folder:
    """A folder of a file system; with a cluster, one that all workers reach by this name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.address = str(root)

    def at(self, name: str) -> str:
        return str(self._root / name)

    def scratch(self, owner: str) -> str:
        # In the same file system, so that a rename moves a day into the lake.
        return self.at(f"{_SCRATCH}/{owner}")

    @contextlib.contextmanager
    def exclusive(self, owner: str) -> Iterator[None]:
        """Exclude other processes, with an empty folder for unfinished files.

        Raises
        ------
        RuntimeError
            If another process is writing.
        """
        import filelock

        path = self._root / "_flatnb" / f"{owner}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise _is_written(owner, self.address) from None
        scratch = Path(self.scratch(owner))
        try:
            shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
            scratch.mkdir(parents=True)
            yield
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            with contextlib.suppress(OSError):  # another data type's is there
                scratch.parent.rmdir()
            lock.release()

    def read(self, name: str) -> str:
        try:
            return (self._root / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def append(self, name: str, line: str) -> None:
        with (self._root / name).open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def replace(self, name: str, text: str) -> None:
        write_whole(self._root / name, [text.encode()])

    def parquet_files(self, name: str) -> list[str]:
        folder = self._root / name
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")]

    def put_day(self, folder: Path, name: str) -> None:
        """Rename the folder; an older one is renamed first, as a rename replaces no full folder.

        Two processes that run the same task write the same files: the later one wins.
        """
        place = self._root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        old = folder.with_name(f"{folder.name}-old")
        while True:
            with contextlib.suppress(FileNotFoundError):
                place.rename(old)
            try:
                folder.rename(place)
            except OSError:
                if not place.exists():
                    raise
                continue
            break
        sync_folder(place.parent)
        shutil.rmtree(old, ignore_errors=True)

    def remove_day(self, name: str) -> None:
        shutil.rmtree(self._root / name, ignore_errors=True)


class Bucket:
    """Below an address like ``s3://bucket/folder``.

    Credentials, region and endpoint are the machine's own for AWS, as boto3 and polars find them
    (``AWS_PROFILE``, ``AWS_ENDPOINT_URL_S3``, an instance's role …); the keys of the
    market data are never used. An object appears whole; a day of several objects appears one by
    one to readers that ignore the manifest. There is no lock; another writer is noticed by the
    manifest's ETag, so that no process's days are lost.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._texts: dict[str, tuple[str, str]] = {}  # with their ETags
        self.address = f"s3://{bucket}/{prefix}".rstrip("/")

    def at(self, name: str) -> str:
        return f"{self.address}/{name}"

    def scratch(self, owner: str) -> str:
        return ""

    @contextlib.contextmanager
    def exclusive(self, owner: str) -> Iterator[None]:
        yield

    def read(self, name: str) -> str:
        with self._client_for(name) as client:
            try:
                response = client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except client.exceptions.NoSuchKey:
                return ""
            text: str = response["Body"].read().decode()
        self._texts[name] = text, response["ETag"]
        return text

    def append(self, name: str, line: str) -> None:
        self.replace(name, self._texts.get(name, ("", ""))[0] + line)

    def replace(self, name: str, text: str) -> None:
        """Write a text.

        Raises
        ------
        RuntimeError
            If another process wrote it since it was read here.
        """
        _, etag = self._texts.get(name, ("", ""))
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        with self._client_for(name) as client:
            try:
                response = client.put_object(
                    Bucket=self._bucket, Key=self._prefix + name, Body=text.encode(), **condition
                )
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode") in (409, 412):
                    raise _is_written(name, self.address) from None
                raise
        self._texts[name] = text, response["ETag"]

    def parquet_files(self, name: str) -> list[str]:
        folder = f"{self._prefix}{name}/"
        with self._client_for(name) as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=folder
            )
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key.removeprefix(folder) for key in keys if key.endswith(".parquet")]

    def put_day(self, folder: Path, name: str) -> None:
        """Upload the files; then delete those of an older version that remain."""
        files = sorted(folder.iterdir())
        left_over = set(self.parquet_files(name)) - {file.name for file in files}
        with self._client_for(name) as client:
            for file in files:
                client.upload_file(str(file), self._bucket, f"{self._prefix}{name}/{file.name}")
            for old in left_over:
                client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}{name}/{old}")

    def remove_day(self, name: str) -> None:
        files = self.parquet_files(name)
        with self._client_for(name) as client:
            for file in files:
                client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}{name}/{file}")

    @contextlib.contextmanager
    def _client_for(self, name: str) -> Iterator[Any]:
        """A client whose errors are raised as OSError.

        Raises
        ------
        OSError
            If the bucket cannot be read or written.
        """
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield _client(os.getpid())
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise OSError(f"{self.at(name)}: {error}") from error


@functools.cache
def _client(process: int) -> Any:
    """One for each process: connections are not inherited."""
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    return boto3.session.Session().client("s3", config=config)


def _is_written(what: str, address: str) -> RuntimeError:
    return RuntimeError(f"another process is writing {what} in {address}; wait for it")
