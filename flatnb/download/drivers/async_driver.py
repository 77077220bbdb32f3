"""Drives the transfer core with aioboto3 and tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from aiobotocore.httpsession import AIOHTTPSession

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

T = TypeVar("T")


class PlainSession(AIOHTTPSession):  # type: ignore[misc]
    """aiohttp without its own retry, which would neither wait nor be counted.

    aiohttp makes a GET again when a connection that it kept was closed; only its own tests can
    ask it not to. Where the attribute is gone, such a retry is merely not counted.
    """

    async def _get_session(self, proxy_url: Any) -> Any:
        session = await super()._get_session(proxy_url)
        session._retry_connection = False
        return session


class Connection:
    """One event loop's client, with the bounds on its connections and files."""

    def __init__(
        self, lifetime: AsyncGenerator[Any, None], max_connections: int, max_files: int
    ) -> None:
        self.pid = os.getpid()
        self.slots = asyncio.Semaphore(max_connections)
        self.files = asyncio.Semaphore(max_files)
        self._lifetime = lifetime
        self._opening = asyncio.Lock()
        self._client: Any = None

    async def client(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await anext(self._lifetime)
            return self._client

    async def close(self) -> None:
        await self._lifetime.aclose()


class AsyncRun:
    """Drives a core, and the cores that it gathers, as tasks."""

    def __init__(self, client: Any, slots: asyncio.Semaphore) -> None:
        self._client = client
        self._slots = slots
        self._work: set[asyncio.Future[Any]] = set()

    async def drive(self, operation: Operation[T]) -> T:
        step: Any = operation.send
        value: Any = None
        while True:
            try:
                command = step(value)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step, value = operation.send, await self._answer(command)
            except BaseException as error:
                step, value = operation.throw, error

    async def _answer(self, command: Command) -> Any:
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

    async def _request(self, request: Callable[[Any], Awaitable[Any]], command: Any) -> Any:
        async with self._slots:
            try:
                return await request(command)
            except Exception as error:
                if failure := fault_of(error):
                    return failure
                raise

    async def _call(self, command: Call) -> Any:
        with parsing_the_answer():
            return await getattr(self._client, command.operation)(**command.parameters)

    async def _get(self, command: Get) -> None:
        with parsing_the_answer():
            response = await self._client.get_object(**command.parameters)
        body, receiver = response["Body"], command.receiver
        whole = False
        try:
            receiver.begin(ResponseHead.of(response))
            while chunk := await body.read(READ_BYTES):
                receiver.feed(chunk)
            receiver.end()
            whole = True
        finally:
            if not whole:
                body.close()  # the connection must not be used again with a rest in it

    async def _compute(self, function: Callable[[], T]) -> T:
        work = asyncio.get_running_loop().run_in_executor(None, function)
        self._work.add(work)
        # A thread cannot be cancelled: the core aborts the target, and the work then ends.
        value = await asyncio.shield(work)
        self._work.discard(work)
        return value

    async def wait_for_work(self) -> None:
        """Wait for what a cancellation left computing."""
        if self._work:
            await asyncio.gather(*self._work, return_exceptions=True)

    async def _gather(self, operations: Sequence[Operation[Any]]) -> None:
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
