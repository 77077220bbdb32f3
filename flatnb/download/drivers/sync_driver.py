"""Drives the transfer core with boto3 and threads."""

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
    Operation,
    ResponseHead,
    RunInThread,
    Sleep,
    Wait,
)
from .botocore_client import READ_BYTES, fault_of, parsing_the_answer
from .socket_shutdown import ConnectionRegistry

T = TypeVar("T")

POLL_S = 0.1
"""How late a waiting thread may notice that its run was stopped."""


class _Stopped(Exception):  # noqa: N818 - a signal between the threads of a run
    """Another thread of this run failed."""


class SyncRun:
    """Drives a core in this thread, and the cores that it gathers in threads beside it."""

    def __init__(
        self,
        client: Any,
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
        step: Any = operation.send
        value: Any = None
        while True:
            try:
                command = step(value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step, value = operation.send, self._answer(command)
            except BaseException as error:
                step, value = operation.throw, error

    def _answer(self, command: Command) -> Any:
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

    def _request(self, request: Callable[[], Any]) -> Any:
        with self._slots:
            try:
                return request()
            except Exception as error:
                self._check_stop()  # or what another thread's failure broke off looks like a fault
                if failure := fault_of(error):
                    return failure
                raise

    def _call(self, command: Call) -> Any:
        with parsing_the_answer():
            return getattr(self._client, command.operation)(**command.parameters)

    def _get(self, command: Get) -> None:
        with parsing_the_answer():
            response = self._client.get_object(**command.parameters)
        body, receiver = response["Body"], command.receiver
        whole = False
        try:
            receiver.begin(ResponseHead.of(response))
            while chunk := body.read(READ_BYTES):
                self._check_stop()
                receiver.feed(chunk)
            receiver.end()
            whole = True
        finally:
            if not whole:
                body.close()  # the connection must not be used again with a rest in it

    def _gather(self, operations: Sequence[Operation[Any]]) -> None:
        """Drive the first core in this thread, as most files are one part, and the rest beside."""
        if not operations:
            return
        beside = SyncRun(self._client, self._connections, self._slots, self._max_threads, self)
        with ThreadPoolExecutor(min(self._max_threads, len(operations))) as pool:
            futures = [pool.submit(beside._drive_beside, operation) for operation in operations[1:]]
            try:
                beside.drive(operations[0])
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

    def _drive_beside(self, operation: Operation[Any]) -> None:
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

    def _wait(self, until: float, latch: Any = None) -> None:
        """Sleep until then or until the latch is set, and wake when this run is stopped."""
        pause = latch or threading.Event()
        while (left := until - time.monotonic()) > 0 and not pause.wait(min(left, POLL_S)):
            self._check_stop()


def _raise_cause(futures: Sequence[Future[None]]) -> None:
    """Raise the exception that stopped the others, if it is among these."""
    for future in futures:
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, _Stopped):
            raise error
