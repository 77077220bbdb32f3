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

from ..download.targets import PartFile, sync_folder

# Readers of Parquet leave out what begins with an underscore.
_SCRATCH = "_scratch"


class Storage(Protocol):
    """Holds files by names that are paths with slashes.

    Attributes
    ----------
    address
        As users write it.
    """

    address: str

    def at(self, name: str) -> str:
        """Where other tools find a file."""

    def scratch(self, owner: str) -> str:
        """A folder for unfinished files; empty for each machine's own temporary one."""

    def exclusive(self, owner: str) -> AbstractContextManager[None]:
        """Keep other writers out, where that can be had; see also `append`."""

    def read(self, name: str) -> str:
        """A text; empty if it is not there."""

    def append(self, name: str, line: str) -> None:
        """Add to a text that was read before; another's writing is an error, or kept out."""

    def replace(self, name: str, text: str) -> None:
        """Write a text, whole or not at all."""

    def parquet_files(self, name: str) -> list[str]:
        """The Parquet files below a folder, by their names in it."""

    def put_day(self, folder: Path, name: str) -> None:
        """Make the files of a local folder those of a day; they may be moved."""


def storage_at(address: str | os.PathLike[str]) -> Storage:
    """The place with this address.

    Raises
    ------
    ValueError
        If it is no path, and no address like ``s3://bucket/folder``.
    """
    if not isinstance(address, (str, os.PathLike)):
        raise ValueError(f"path={address!r} is no path; give a folder, or s3://bucket/folder")
    text = os.fspath(address)
    if "://" not in text:
        return Folder(Path(text).expanduser().absolute())
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
        # In the same file system, so that a rename puts a day in its place.
        return self.at(f"{_SCRATCH}/{owner}")

    @contextlib.contextmanager
    def exclusive(self, owner: str) -> Iterator[None]:
        """Keep other processes out, with an empty scratch folder.

        Raises
        ------
        RuntimeError
            If another process is in.
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
        part = PartFile(self._root / name)
        try:
            part.write(0, text.encode())
            part.commit()
        finally:
            part.abort()

    def parquet_files(self, name: str) -> list[str]:
        folder = self._root / name
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")]

    def put_day(self, folder: Path, name: str) -> None:
        """Rename the folder; an older one makes room, as none with files can be replaced.

        Two who do the same task put the same there: the later one wins.
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


class Bucket:
    """Below an address like ``s3://bucket/folder``.

    Keys, region and endpoint are the machine's own for AWS, as boto3 and polars find them
    (``AWS_PROFILE``, ``AWS_ENDPOINT_URL_S3``, an instance's role …); flatnb's keys for the market
    data are never used. An object appears whole; a day of several appears one by one for those who
    do not go by the manifest. No lock keeps other writers out; that one wrote the manifest is told
    by its ETag, so nobody's days are forgotten.
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
        with self._reached(name) as client:
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
        with self._reached(name) as client:
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
        with self._reached(name) as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=folder
            )
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key.removeprefix(folder) for key in keys if key.endswith(".parquet")]

    def put_day(self, folder: Path, name: str) -> None:
        """Upload the files; those of an older day that are left over go last."""
        files = sorted(folder.iterdir())
        left_over = set(self.parquet_files(name)) - {file.name for file in files}
        with self._reached(name) as client:
            for file in files:
                client.upload_file(str(file), self._bucket, f"{self._prefix}{name}/{file.name}")
            for old in left_over:
                client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}{name}/{old}")

    @contextlib.contextmanager
    def _reached(self, name: str) -> Iterator[Any]:
        """A client, whose faults become those of a file system.

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
