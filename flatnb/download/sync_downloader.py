"""`SyncS3Downloader`: downloads with boto3 and threads."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping
from typing import TypeVar

import boto3
import botocore.session
from botocore.config import Config

from .base_downloader import Downloader, LocalPath, keys_of
from .core.commands import Operation
from .core.listing import exists, list_summaries
from .drivers.botocore_client import (
    S3Client,
    client_arguments,
    config_arguments,
    disable_redirects,
    make_session,
)
from .drivers.socket_shutdown import ConnectionRegistry
from .drivers.sync_driver import SyncRun
from .events import Listener
from .object_names import validate_name
from .statistics import Statistics

T = TypeVar("T")


class SyncS3Downloader(Downloader):
    """Downloads from the flat files' bucket; each call blocks until it is done.

    One object is downloaded over several connections concurrently. Transient failures are retried
    with exponential backoff and full jitter; an interrupted part resumes where it stopped.

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
    backoff_s
        Upper bound of the first retry's delay in seconds; it doubles with each retry.
    listener
        Called with each `flatnb.download.events.Event`, in any thread.
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
    >>> downloader = SyncS3Downloader(credentials)             # doctest: +SKIP
    >>> data = downloader.download("flatfiles", key)           # doctest: +SKIP
    """

    def __init__(
        self,
        credentials: Mapping[str, str],
        endpoint_url: str = "https://files.polygon.io",
        max_retries: int = 5,
        timeout: float = 60,
        max_pool_connections: int = 10,
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
            threading.Event,
            statistics,
        )
        # urllib3's pool does not limit connections: botocore leaves its option ``block`` at False,
        # where further ones are opened, used once and closed (urllib3's documentation).
        self._slots = threading.Semaphore(max_pool_connections)
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._client_pid = 0

    def download(self, bucket: str, key: str, decompress: bool = True) -> io.BytesIO:
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
        return self._run(self._to_memory(bucket, key, decompress))

    def download_to_file(
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
        self._run(self._to_file(bucket, key, local_path, decompress))

    def list_objects(self, bucket: str, prefix: str, max_keys: int = 1000) -> list[str]:
        """The first ``max_keys`` keys with this prefix, in byte order, of as many pages as needed.

        Warns with `FlatnbWarning` if there are more.

        Raises
        ------
        TransferError
            If the listing failed; the subclass gives the cause.
        """
        found = self._run(list_summaries(self._context, bucket, prefix, max_keys))
        return keys_of(found, max_keys)

    def check_exists(self, bucket: str, key: str) -> bool:
        """Whether the object exists.

        Raises
        ------
        AccessDeniedError
            If the service denies access (403), which does not show whether the object exists.
        TransferError
            If the request failed otherwise.
        """
        return self._run(exists(self._context, *validate_name(bucket, key)))

    def close(self) -> None:
        """Close the connections; the downloader can be used again afterwards."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> SyncS3Downloader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, operation: Operation[T]) -> T:
        client, connections = self._open()
        return SyncRun(client, connections, self._slots, self.max_pool_connections).drive(operation)

    def _open(self) -> tuple[S3Client, ConnectionRegistry]:
        with self._lock:
            # After a fork, parent and child share the sockets and would mix up their responses.
            if self._client is None or self._client_pid != os.getpid():
                session = make_session(botocore.session.Session)
                config = Config(**config_arguments(self.timeout, self.max_pool_connections))
                client: S3Client = boto3.session.Session(botocore_session=session).client(
                    config=config, **client_arguments(self._credentials, self.endpoint_url)
                )
                disable_redirects(client)
                self._client = client
                self._connections = ConnectionRegistry(client)
                self._client_pid = os.getpid()
            return self._client, self._connections
