"""`SyncS3Downloader`: the transfer core driven by boto3 and threads."""

from __future__ import annotations

import io
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config

from ._downloader import Downloader, LocalPath, checked_name
from .events import Listener
from .interrupt import Connections
from .listing import exists, list_summaries
from .protocol import Call, Command, Core, Gather, Get, Head, Sleep, Wait, Work
from .wire import (
    READ_BYTES,
    SESSION_VARIABLES,
    client_arguments,
    config_arguments,
    fault_of,
    never_redirect,
    parsing_the_answer,
)

T = TypeVar("T")

POLL_S = 0.1
"""How late a waiting thread may notice that its run was stopped."""


class SyncS3Downloader(Downloader):
    """Downloads from the flat files' bucket; each call blocks until it is done.

    One object is fetched over several connections at once. Transient faults are retried with
    exponential backoff and full jitter; a cut body goes on where it stopped.

    Parameters
    ----------
    credentials
        ``{'access_key_id': …, 'secret_access_key': …}``: the S3 keys, not the API key.
    endpoint_url
        The service. ``https://files.massive.com`` is its name since 2025-10-30.
    max_retries
        How often each request is made again after a transient fault.
    timeout
        Seconds to wait for a connection, and for the next byte.
    max_pool_connections
        Connections in all.
    backoff_s
        Upper bound of the first retry's delay in seconds; it doubles with each retry.
    listener
        Called with each `flatnb.download.events.Event`, from any thread.

    Raises
    ------
    CredentialsError
        If one of the two keys is missing.
    ValueError
        If another argument is wrong.

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
    ) -> None:
        super().__init__(
            credentials,
            endpoint_url,
            max_retries,
            timeout,
            max_pool_connections,
            backoff_s,
            listener,
            threading.Event,
        )
        self._slots = threading.Semaphore(max_pool_connections)
        self._lock = threading.Lock()
        self._client: Any = None
        self._client_pid = 0

    def download(self, bucket: str, key: str, decompress: bool = True) -> io.BytesIO:
        """Download one object into memory.

        Parameters
        ----------
        bucket, key
            The object.
        decompress
            Unpack it if it is gzip (by its ending ``.gz`` or its first bytes).

        Returns
        -------
        BytesIO
            At position 0.

        Raises
        ------
        TransferError
            One of its subclasses tells why the object could not be had.
        """
        return self._run(self._to_memory(bucket, key, decompress))

    def download_to_file(
        self, bucket: str, key: str, local_path: LocalPath, decompress: bool = True
    ) -> None:
        """Download one object to a file, which appears only when it is whole.

        The bytes go to a temporary file beside it first; memory use stays small.

        Raises
        ------
        TransferError
            One of its subclasses tells why the object could not be had.
        OSError
            If the file cannot be written.
        """
        self._run(self._to_file(bucket, key, local_path, decompress))

    def list_objects(self, bucket: str, prefix: str, max_keys: int = 1000) -> list[str]:
        """The first ``max_keys`` keys below ``prefix``, in byte order, over all pages needed.

        Raises
        ------
        TransferError
            One of its subclasses tells why the listing could not be had.
        """
        core = list_summaries(self._context, bucket, prefix, max_keys)
        return [summary.key for summary in self._run(core)]

    def check_exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object.

        Raises
        ------
        AccessDeniedError
            If the service forbids to know (403).
        TransferError
            If it could not be found out.
        """
        return self._run(exists(self._context, *checked_name(bucket, key)))

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

    def _run(self, core: Core[T]) -> T:
        client, connections = self._open()
        return _Run(client, connections, self._slots, self.max_pool_connections).drive(core)

    def _open(self) -> tuple[Any, Connections]:
        with self._lock:
            # Connections that a fork shares with its parent would mix up both processes' answers.
            if self._client is None or self._client_pid != os.getpid():
                session = botocore.session.Session(dict(SESSION_VARIABLES))
                config = Config(**config_arguments(self.timeout, self.max_pool_connections))
                self._client = boto3.session.Session(botocore_session=session).client(
                    config=config, **client_arguments(self._credentials, self.endpoint_url)
                )
                never_redirect(self._client)
                self._connections = Connections(self._client)
                self._client_pid = os.getpid()
            return self._client, self._connections


def _raise_cause(futures: Sequence[Future[None]]) -> None:
    """Raise the exception that stopped the others, if it is among these."""
    for future in futures:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, _Stopped):
            raise error


class _Stopped(Exception):  # noqa: N818 - a signal between the threads of a run
    """Another thread of this run failed."""


class _Run:
    """Drives a core in this thread, and the cores that it gathers in threads beside it."""

    def __init__(
        self,
        client: Any,
        connections: Connections,
        slots: threading.Semaphore,
        max_threads: int,
        parent: _Run | None = None,
    ) -> None:
        self._client = client
        self._connections = connections
        self._slots = slots
        self._max_threads = max_threads
        self._parent = parent
        self._stop = threading.Event()
        self._threads: set[int] = set()

    def drive(self, core: Core[T]) -> T:
        step: Any = core.send
        value: Any = None
        while True:
            try:
                command = step(value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step, value = core.send, self._answer(command)
            except BaseException as error:
                step, value = core.throw, error

    def _answer(self, command: Command) -> Any:
        self._check_stop()
        match command:
            case Get():
                return self._request(lambda: self._get(command))
            case Call():
                return self._request(lambda: self._call(command))
            case Work():
                return command.function()
            case Gather():
                return self._gather(command.cores)
            case Sleep():
                return self._wait(time.monotonic() + command.seconds)
            case Wait():
                return self._wait(math.inf, command.latch)

    def _request(self, request: Callable[[], Any]) -> Any:
        with self._slots:
            try:
                return request()
            except Exception as error:
                self._check_stop()  # or what another thread's failure broke off looks like a fault
                if fault := fault_of(error):
                    return fault
                raise

    def _call(self, command: Call) -> Any:
        with parsing_the_answer():
            return getattr(self._client, command.operation)(**command.parameters)

    def _get(self, command: Get) -> None:
        with parsing_the_answer():
            answer = self._client.get_object(**command.parameters)
        body, receiver = answer["Body"], command.receiver
        whole = False
        try:
            receiver.begin(Head.of(answer))
            while chunk := body.read(READ_BYTES):
                self._check_stop()
                receiver.feed(chunk)
            receiver.end()
            whole = True
        finally:
            if not whole:
                body.close()  # the connection must not be used again with a rest in it

    def _gather(self, cores: Sequence[Core[Any]]) -> None:
        """Drive the first core in this thread, as most files are one part, and the rest beside."""
        if not cores:
            return
        beside = _Run(self._client, self._connections, self._slots, self._max_threads, self)
        with ThreadPoolExecutor(min(self._max_threads, len(cores))) as pool:
            futures = [pool.submit(beside._drive_beside, core) for core in cores[1:]]
            try:
                beside.drive(cores[0])
                while wait(futures, timeout=POLL_S).not_done:
                    beside._check_stop()
            except BaseException as error:
                for future in futures:
                    future.cancel()
                # Again and again: a thread may have been about to send its request.
                beside._halt()
                while wait(futures, timeout=POLL_S).not_done:
                    beside._halt()
                if isinstance(error, _Stopped):
                    _raise_cause(futures)
                raise
        _raise_cause(futures)

    def _drive_beside(self, core: Core[Any]) -> None:
        self._threads.add(threading.get_ident())
        try:
            self.drive(core)
        except BaseException:
            self._halt()
            raise

    def _halt(self) -> None:
        self._stop.set()
        self._connections.break_off(self._threads)

    def _check_stop(self) -> None:
        run: _Run | None = self
        while run is not None:
            if run._stop.is_set():
                raise _Stopped
            run = run._parent

    def _wait(self, until: float, latch: Any = None) -> None:
        """Sleep until then or until the latch is set, and wake when this run is stopped."""
        pause = latch or threading.Event()
        while (left := until - time.monotonic()) > 0 and not pause.wait(min(left, POLL_S)):
            self._check_stop()
