"""Executes the commands of the transfer core with aioboto3 and tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
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
from .botocore_client import READ_BYTES, AsyncS3Client, failure_of, parse_errors_rejected

T = TypeVar("T")
C = TypeVar("C", Call, Get)


class Connection:
    """The client of one event loop, with the limits on its connections and files.

    ``lifetime`` yields the client once, and closes it when it is closed itself.
    """

    def __init__(
        self, lifetime: AsyncGenerator[AsyncS3Client, None], max_connections: int, max_files: int
    ) -> None:
        self.pid = os.getpid()
        self.slots = asyncio.Semaphore(max_connections)
        self.files = asyncio.Semaphore(max_files)
        self._lifetime = lifetime
        self._opening = asyncio.Lock()
        self._client: AsyncS3Client | None = None

    async def client(self) -> AsyncS3Client:
        """The client, which the first call opens."""
        async with self._opening:
            if self._client is None:
                self._client = await anext(self._lifetime)
            return self._client

    async def close(self) -> None:
        """Close the client."""
        await self._lifetime.aclose()


class AsyncRun:
    """Runs an operation in this task, and the operations that it gathers in further tasks."""

    def __init__(self, client: AsyncS3Client, slots: asyncio.Semaphore) -> None:
        self._client = client
        self._slots = slots
        self._computations: set[asyncio.Future[object]] = set()

    async def drive(self, operation: Operation[T]) -> T:
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
                resume, result = operation.send, await self._execute(command)
            except BaseException as error:  # also CancelledError, as the operation cleans up
                resume, result = operation.throw, error

    async def _execute(self, command: Command) -> Any:
        match command:
            case Get():
                return await self._request(self._get, command)
            case Call():
                return await self._request(self._call, command)
            case RunInThread():
                return await self._compute(command.function)
            case Gather():
                return await self._gather(command.operations)
            case Sleep():
                return await asyncio.sleep(command.seconds)
            case Wait():
                return await command.latch.wait()

    async def _request(self, request: Callable[[C], Awaitable[object]], command: C) -> object:
        async with self._slots:
            try:
                return await request(command)
            except Exception as error:
                if failure := failure_of(error):
                    return failure
                raise

    async def _call(self, command: Call) -> object:
        with parse_errors_rejected():
            return await getattr(self._client, command.operation)(**command.parameters)

    async def _get(self, command: Get) -> None:
        with parse_errors_rejected():
            response = await self._client.get_object(**command.parameters)
        body, receiver = response["Body"], command.receiver
        is_complete = False
        try:
            receiver.begin(ResponseHead.of(response))
            while chunk := await body.read(READ_BYTES):
                receiver.feed(chunk)
            receiver.end()
            is_complete = True
        finally:
            if not is_complete:
                # Unread bytes would be taken for the next response on this connection.
                body.close()

    async def _compute(self, function: Callable[[], object]) -> object:
        computation = asyncio.get_running_loop().run_in_executor(None, function)
        self._computations.add(computation)
        # A thread cannot be cancelled. After a cancellation the core aborts the target, and the
        # function then ends with `Aborted` at its next read.
        value = await asyncio.shield(computation)
        self._computations.discard(computation)
        return value

    async def wait_for_threads(self) -> None:
        """Wait for the functions that still run after a cancellation."""
        if self._computations:
            await asyncio.gather(*self._computations, return_exceptions=True)

    async def _gather(self, operations: Sequence[Operation[object]]) -> None:
        # Not a TaskGroup, which raises an ExceptionGroup: operations expect the exception itself.
        tasks = [asyncio.ensure_future(self.drive(operation)) for operation in operations]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
