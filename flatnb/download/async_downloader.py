"""`AsyncS3Downloader`: downloads with aioboto3 and asyncio tasks."""

from __future__ import annotations

import asyncio
import io
import os
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import TypeVar

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from ..errors import BucketNotFoundError
from .base_downloader import Downloader, LocalPath, check_at_least, keys_of
from .core.commands import Operation
from .core.listing import ObjectListing, exists, list_folders, list_summaries
from .core.transfer import ObjectVersion, download, download_ranges
from .drivers.aiobotocore_session import SessionWithoutRetries
from .drivers.async_driver import AsyncRun, Connection
from .drivers.botocore_client import (
    AsyncS3Client,
    client_arguments,
    config_arguments,
    disable_redirects,
    make_session,
)
from .events import Listener
from .object_names import check_bucket_name, check_flag, check_text, list_of, validate_name
from .statistics import Statistics
from .targets import RangesTarget, Target

T = TypeVar("T")


class BatchResult(list["io.BytesIO | None"]):
    """What `AsyncS3Downloader.download_batch` returns: a list in the order of the keys.

    Attributes
    ----------
    errors : dict of str to Exception
        Key → the exception, for each key whose item is None.
    """

    def __init__(self, items: Sequence[io.BytesIO | None], errors: Mapping[str, Exception]) -> None:
        super().__init__(items)
        self.errors = dict(errors)


class AsyncS3Downloader(Downloader):
    """Downloads from the flat files' bucket: many files, and many parts of each, concurrently.

    Works with and without ``async with``. There is one client and one pool of connections for each
    event loop; they are closed by `close`, at the end of ``async with``, or when ``asyncio.run``
    ends.

    Parameters
    ----------
    credentials
        ``{'access_key_id': …, 'secret_access_key': …}``: the S3 keys, not the API key.
    endpoint_url
        The service; since 2025-10-30 it is also named ``https://files.massive.com``.
    max_retries
        How often each request is repeated after a transient failure.
    timeout
        Longest time in seconds to wait for a connection, and for the next byte.
    max_pool_connections
        Maximum number of connections.
    max_concurrent
        Maximum number of files that are downloaded or processed at the same time.
    backoff_s
        Upper bound of the first retry's delay in seconds; it doubles with each retry.
    listener
        Called with each `flatnb.download.events.Event`.
    max_decompressed_bytes
        A file with more decompressed bytes is an error; None: 100 times its compressed size, or
        1 GB for small files.
    statistics
        Counts the events; None: a new object.

    Raises
    ------
    CredentialsError
        If one of the two keys is missing.
    ValueError
        If another argument is invalid.

    Examples
    --------
    >>> async with AsyncS3Downloader(credentials) as downloader:        # doctest: +SKIP
    ...     files = await downloader.download_batch("flatfiles", keys)
    """

    def __init__(
        self,
        credentials: Mapping[str, str],
        endpoint_url: str = "https://files.polygon.io",
        max_retries: int = 5,
        timeout: float = 60,
        max_pool_connections: int = 50,
        max_concurrent: int = 8,
        *,
        backoff_s: float = 0.5,
        listener: Listener | None = None,
        max_decompressed_bytes: int | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        super().__init__(
            credentials,
            endpoint_url,
            max_retries,
            timeout,
            max_pool_connections,
            backoff_s,
            listener,
            max_decompressed_bytes,
            asyncio.Event,
            statistics,
        )
        check_at_least("max_concurrent", max_concurrent, 1)
        self.max_concurrent = max_concurrent
        self._connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connection]
        # Weak, so that a closed event loop and its client can be garbage-collected.
        self._connections = weakref.WeakKeyDictionary()

    async def download_one(self, bucket: str, key: str, decompress: bool = True) -> io.BytesIO:
        """Download one object into memory.

        Parameters
        ----------
        bucket, key
            The object.
        decompress
            Decompress it if it is gzip (by its ending ``.gz`` or its first bytes).

        Returns
        -------
        BytesIO
            At position 0.

        Raises
        ------
        TransferError
            If the object could not be downloaded; the subclass gives the cause.
        """
        return await self._run_file(self._to_memory(bucket, key, decompress))

    async def download_batch(
        self, bucket: str, keys: Sequence[str], decompress: bool = True
    ) -> BatchResult:
        """Download many objects into memory, in parallel.

        Returns
        -------
        BatchResult
            A list in the order of ``keys``: a BytesIO, or None where the download failed; its
            ``errors`` has the exceptions. The statistics count each key.

        Raises
        ------
        ValueError
            If ``keys`` is a single string, or not a list, or another argument is wrong.
        BucketNotFoundError
            If the service has no such bucket: no key can be downloaded then.
        """
        keys = list_of("keys", keys)
        # What is wrong for all keys is an error, and no list of Nones.
        check_bucket_name(bucket)
        check_flag("decompress", decompress)
        for key in keys:
            check_text("keys", key)
        errors: dict[str, Exception] = {}

        async def attempt(key: str) -> io.BytesIO | None:
            try:
                return await self.download_one(bucket, key, decompress)
            except BucketNotFoundError:
                raise
            except Exception as error:
                errors[key] = error
                return None

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(attempt(key)) for key in keys]
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None  # `attempt` raises nothing else
        return BatchResult([task.result() for task in tasks], errors)

    async def download_to_file(
        self, bucket: str, key: str, local_path: LocalPath, decompress: bool = True
    ) -> None:
        """Download one object to a file, which appears only when it is complete.

        The bytes are first written to a temporary file in the same folder; memory use is small.

        Parameters
        ----------
        bucket, key
            The object.
        local_path
            The file; its folders are made if they do not exist, and ``~`` is the user's.
        decompress
            As for objects in memory.

        Raises
        ------
        TransferError
            If the object could not be downloaded; the subclass gives the cause.
        ValueError
            If ``local_path`` is not a path of this machine.
        OSError
            If the file cannot be written.
        """
        await self._run_file(self._to_file(bucket, key, local_path, decompress))

    async def list_objects(self, bucket: str, prefix: str, max_keys: int = 1000) -> list[str]:
        """The first ``max_keys`` keys with this prefix, in byte order, of as many pages as needed.

        Warns with `FlatnbWarning` if there are more.

        Raises
        ------
        TransferError
            If the listing failed; the subclass gives the cause.
        """
        return keys_of(await self.list_summaries(bucket, prefix, max_keys), max_keys)

    async def list_summaries(self, bucket: str, prefix: str, max_keys: int = 1000) -> ObjectListing:
        """As `list_objects`, with size, ETag and time of modification of each object.

        It does not warn: the list's ``is_cut`` says whether there are more.
        """
        return await self._run(list_summaries(self._context, bucket, prefix, max_keys))

    async def list_folders(self, bucket: str, prefix: str) -> list[str]:
        """The prefixes one level below ``prefix``, in byte order; the files in them are not listed.

        Raises
        ------
        TransferError
            If the listing failed; the subclass gives the cause.
        """
        return await self._run(list_folders(self._context, bucket, prefix))

    async def check_exists(self, bucket: str, key: str) -> bool:
        """Whether the object exists.

        Raises
        ------
        AccessDeniedError
            If the service denies access (403), which does not show whether the object exists.
        TransferError
            If the request failed otherwise.
        """
        return await self._run(exists(self._context, *validate_name(bucket, key)))

    async def fetch(
        self,
        bucket: str,
        key: str,
        target: Target,
        finish: Callable[[Target, ObjectVersion | None], T],
        known: ObjectVersion | None = None,
        listener: Listener | None = None,
    ) -> T:
        """Download one object into ``target`` and return ``finish(target, version)``.

        ``finish`` runs in a thread; see `flatnb.download.core.transfer.download`. ``listener``
        receives the events of this download only.
        """
        context = self._context_with(listener)
        operation = download(context, *validate_name(bucket, key), target, finish, known)
        return await self._run_file(operation)

    async def fetch_ranges(
        self,
        bucket: str,
        key: str,
        ranges: Sequence[tuple[int, int]],
        version: ObjectVersion,
        finish: Callable[[RangesTarget], T],
        listener: Listener | None = None,
    ) -> T:
        """Download byte ranges of one version of an object, return ``finish(target)``.

        ``finish`` runs in a thread. See `flatnb.download.core.transfer.download_ranges`;
        ``listener`` gets only the events of this download.
        """
        context = self._context_with(listener)
        target = RangesTarget(ranges)
        bucket, key = validate_name(bucket, key)
        return await self._run_file(download_ranges(context, bucket, key, target, finish, version))

    async def close(self) -> None:
        """Close this event loop's client; the downloader can be used again afterwards."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.close()

    async def __aenter__(self) -> AsyncS3Downloader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        # After a fork, parent and child share the sockets and would read each other's responses.
        if connection is None or connection.pid != os.getpid():
            lifetime = self._client_lifetime()
            connection = Connection(lifetime, self.max_pool_connections, self.max_concurrent)
            self._connections[loop] = connection
        return connection

    async def _client_lifetime(self) -> AsyncGenerator[AsyncS3Client, None]:
        # A generator, as asyncio.run closes the loop's asynchronous generators at its end (PEP 525,
        # shutdown_asyncgens): so the client is closed also if `close` was not called.
        session = aioboto3.Session(botocore_session=make_session(AioSession))
        config = AioConfig(
            http_session_cls=SessionWithoutRetries,
            **config_arguments(self.timeout, self.max_pool_connections),
        )
        arguments = client_arguments(self._credentials, self.endpoint_url)
        async with session.client(config=config, **arguments) as client:
            disable_redirects(client)
            yield client

    async def _run(self, operation: Operation[T]) -> T:
        connection = self._connection()
        run = AsyncRun(await connection.client(), connection.slots)
        try:
            return await run.drive(operation)
        finally:
            await run.wait_for_threads()

    async def _run_file(self, operation: Operation[T]) -> T:
        async with self._connection().files:
            return await self._run(operation)
