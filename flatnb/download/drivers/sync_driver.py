"""Executes the commands of the transfer core with boto3 and threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from ..core.commands import (
    Call,
    Command,
    Gather,
    Get,
    Latch,
    Operation,
    ResponseHead,
    RunInThread,
    Sleep,
    Wait,
)
from .botocore_client import READ_BYTES, S3Client, failure_of, parse_errors_rejected
from .socket_shutdown import ConnectionRegistry

T = TypeVar("T")

POLL_S = 0.1
"""Interval in seconds at which a waiting thread checks whether its run was stopped."""


class _Stopped(Exception):  # noqa: N818 - a signal between the threads of a run
    """Another thread of this run has failed."""


class SyncRun:
    """Runs an operation in this thread, and the operations that it gathers in further threads."""

    def __init__(
        self,
        client: S3Client,
        connections: ConnectionRegistry,
        slots: threading.Semaphore,
        max_threads: int,
        parent: SyncRun | None = None,
    ) -> None:
        self._client = client
        self._connections = connections
        self._slots = slots
        self._max_threads = max_threads
        self._parent = parent
        self._stop = threading.Event()
        self._threads: set[int] = set()

    def drive(self, operation: Operation[T]) -> T:
        """Run the operation to its end and return its value."""
        resume: Callable[[Any], Command] = operation.send
        result: Any = None
        while True:
            try:
                command = resume(result)
            except StopIteration as end:
                value: T = end.value
                return value
            try:
                resume, result = operation.send, self._execute(command)
            except BaseException as error:  # also KeyboardInterrupt, as the operation cleans up
                resume, result = operation.throw, error

    def _execute(self, command: Command) -> Any:
        self._check_stop()
        match command:
            case Get():
                return self._request(lambda: self._get(command))
            case Call():
                return self._request(lambda: self._call(command))
            case RunInThread():
                return command.function()
            case Gather():
                return self._gather(command.operations)
            case Sleep():
                return self._wait(time.monotonic() + command.seconds)
            case Wait():
                return self._wait(math.inf, command.latch)

    def _request(self, request: Callable[[], object]) -> object:
        with self._slots:
            try:
                return request()
            except Exception as error:
                # A connection that was shut down because another thread failed is not a failure.
                self._check_stop()
                if failure := failure_of(error):
                    return failure
                raise

    def _call(self, command: Call) -> object:
        with parse_errors_rejected():
            return getattr(self._client, command.operation)(**command.parameters)

    def _get(self, command: Get) -> None:
        with parse_errors_rejected():
            response = self._client.get_object(**command.parameters)
        body, receiver = response["Body"], command.receiver
        is_complete = False
        try:
            receiver.begin(ResponseHead.of(response))
            while chunk := body.read(READ_BYTES):
                self._check_stop()
                receiver.feed(chunk)
            receiver.end()
            is_complete = True
        finally:
            if not is_complete:
                # Unread bytes would be taken for the next response on this connection.
                body.close()

    def _gather(self, operations: Sequence[Operation[object]]) -> None:
        """Run the first operation in this thread, and the others in a pool."""
        # Most files are a single part, and then need no further thread.
        if not operations:
            return
        group = SyncRun(self._client, self._connections, self._slots, self._max_threads, self)
        with ThreadPoolExecutor(min(self._max_threads, len(operations))) as pool:
            futures = [pool.submit(group._drive_in_pool, operation) for operation in operations[1:]]
            # Else a failure in the pool would be noticed only after this thread's read time-out.
            group._threads.add(threading.get_ident())
            try:
                group.drive(operations[0])
                while wait(futures, timeout=POLL_S).not_done:
                    group._check_stop()
            except BaseException as error:
                for future in futures:
                    future.cancel()
                # Repeated: a thread may have opened its connection only after the first call.
                group._halt()
                while wait(futures, timeout=POLL_S).not_done:
                    group._halt()
                if isinstance(error, _Stopped):
                    _raise_cause(futures)
                raise
        _raise_cause(futures)

    def _drive_in_pool(self, operation: Operation[object]) -> None:
        self._threads.add(threading.get_ident())
        try:
            self.drive(operation)
        except BaseException:
            self._halt()
            raise

    def _halt(self) -> None:
        self._stop.set()
        self._connections.shut_down(self._threads)

    def _check_stop(self) -> None:
        run: SyncRun | None = self
        while run is not None:
            if run._stop.is_set():
                raise _Stopped
            run = run._parent

    def _wait(self, until: float, latch: Latch | None = None) -> None:
        """Wait until a time or until the latch is set; raise `_Stopped` if this run is stopped."""
        event = latch if isinstance(latch, threading.Event) else threading.Event()
        while (left := until - time.monotonic()) > 0 and not event.wait(min(left, POLL_S)):
            self._check_stop()


def _raise_cause(futures: Sequence[Future[None]]) -> None:
    """Raise the exception that stopped the other threads, if it is that of a future."""
    for future in futures:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, _Stopped):
            raise error
