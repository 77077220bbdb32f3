"""An S3 server that fails on demand, in a thread of its own.

::

    with FaultServer() as server:
        server.put("a.csv.gz", body)
        server.script("a.csv.gz", [faults.reset_after(100), faults.s3_error("SlowDown")])
        ...                            # the third request is answered healthily
        assert [r.fault for r in server.requests] == ["reset in mid-body", "SlowDown", None]

Healthy answers are those of S3 with path-style addresses. Signatures are not verified.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

from . import healthy_s3
from .fault_plan import FaultPlan, When
from .faults import Exchange, Fault
from .healthy_s3 import StoredObject
from .loop_thread import LoopThread
from .wire import Answer, Asked, Kind, read_request, reset, send

_HOST = "127.0.0.1"
# Clients of these tests open up to 128 connections at once.
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came, and what was sent.

    ``status`` is None if no byte of an answer was sent, ``fault`` is None for a healthy answer,
    ``time`` is of the monotonic clock, ``connection`` counts the client's connections from 1.
    """

    method: str
    kind: Kind
    key: str
    range: str | None
    if_match: str | None
    time: float
    status: int | None
    fault: str | None
    request_id: str
    connection: int


@dataclass(slots=True)
class _Replacement:
    stored: StoredObject
    requests_before: int


class FaultServer:
    """The server; a context manager.

    Parameters
    ----------
    require_authorization
        Answer 403 to requests without an Authorization header or a presigned query.
    """

    def __init__(self, *, bucket: str = "flatfiles", require_authorization: bool = False) -> None:
        self.bucket = bucket
        self.refused_connections = 0
        self.peak_connections = 0
        self._require_authorization = require_authorization
        self._plan = FaultPlan()
        self._objects: dict[str, StoredObject] = {}
        self._replacements: dict[str, list[_Replacement]] = {}
        self._requests: list[Request] = []
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._connections = 0
        self._to_refuse = 0
        self._port = 0
        self._listener: asyncio.Server | None = None
        self._thread: LoopThread | None = None

    def __enter__(self) -> FaultServer:
        self._thread = LoopThread("fault-s3")
        self._thread.run(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.run(self._hang_up())
        self._running.close()
        self._thread = None

    @property
    def _running(self) -> LoopThread:
        if self._thread is None:
            raise RuntimeError("the server does not run: use it in a with statement")
        return self._thread

    @property
    def port(self) -> int:
        """The port, the same for the server's lifetime."""
        return self._port

    @property
    def endpoint_url(self) -> str:
        """What clients take as ``endpoint_url``."""
        return f"http://{_HOST}:{self._port}"

    # What it holds

    def put(
        self,
        key: str,
        body: bytes,
        *,
        etag: str | None = None,
        range_support: bool = True,
        if_match_support: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Store an object.

        Parameters
        ----------
        etag
            None makes a multipart one (``"<32 hex digits>-3"``), ``"md5"`` the body's MD5,
            ``"absent"`` sends none; anything else is the ETag itself.
        range_support, if_match_support
            Whether those request headers are heeded; `rclone serve s3` heeds neither.
        headers
            More headers for its answers, or other values of the usual ones.
        """
        self._objects[key] = StoredObject(
            body, healthy_s3.make_etag(body, etag), range_support, if_match_support, headers
        )

    def replace(
        self, key: str, body: bytes, *, etag: str | None = None, from_request: int = 2
    ) -> None:
        """Replace a stored object from the n-th request for it (GET or HEAD) from now on.

        The next request is the first. Several replacements are made one after the other.
        """
        new = replace(self._objects[key], body=body, etag=healthy_s3.make_etag(body, etag))
        self._replacements.setdefault(key, []).append(_Replacement(new, from_request - 1))

    def delete(self, key: str) -> None:
        """Remove an object."""
        del self._objects[key]

    # What goes wrong

    def script(
        self,
        key: str,
        faults: Iterable[Fault | None],
        when: When = "any",
        offset: int | None = None,
    ) -> None:
        """Let the next requests for a key meet these faults, one each in order of arrival.

        Parameters
        ----------
        key
            For a listing, its prefix.
        faults
            None is a healthy answer. A fault waits for a request that it fits: one of the body
            does not meet a HEAD.
        when
            Count only requests of this kind.
        offset
            Count only GETs whose range (all, without one) contains this byte of the object.
        """
        self._plan.script(key, faults, when=when, offset=offset)

    def always(self, key: str, fault: Fault, when: When = "any", offset: int | None = None) -> None:
        """Let every request for a key that meets no scripted fault meet this one."""
        self._plan.script(key, [fault], when=when, offset=offset, forever=True)

    def set_random(self, rng: random.Random, rate: float, faults: Sequence[Fault]) -> None:
        """Let every request that meets no other fault draw one with this probability."""
        self._plan.set_random(rng, rate, faults)

    def heal(self) -> None:
        """Forget all faults to come."""
        self._plan.clear()
        self._to_refuse = 0

    def pending_faults(self, key: str) -> int:
        """How many scripted faults no request has met yet."""
        return self._plan.pending(key)

    def refuse(self, connections: int = 1) -> None:
        """Reset the next new connections as soon as they are accepted."""
        self._to_refuse = connections

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Within this, connections are refused by the system; those there were are reset."""
        self.stop_listening()
        try:
            yield
        finally:
            self.start_listening()

    def stop_listening(self) -> None:
        """Go down: reset all connections and close the port."""
        self._running.run(self._hang_up())

    def start_listening(self) -> None:
        """Come up again on the same port."""
        self._running.run(self._listen())

    # What was seen

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in order of arrival; each is there before its answer is sent."""
        return list(self._requests)

    def requests_for(self, key: str) -> list[Request]:
        """The requests for one key."""
        return [request for request in self.requests if request.key == key]

    def forget_requests(self) -> None:
        """Start the list of requests anew."""
        self._requests.clear()

    @property
    def open_connections(self) -> int:
        """How many clients' connections are open; see `wait_closed`."""
        return len(self._open)

    def wait_closed(self, timeout_s: float = 2.0) -> bool:
        """Wait until the server, too, has seen that all connections are closed."""
        end = time.monotonic() + timeout_s
        while self._open and time.monotonic() < end:
            time.sleep(0.002)
        return not self._open

    # How it works

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._serve, _HOST, self._port, backlog=_BACKLOG
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        conversations = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            reset(writer)
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations)
        # Aborted transports close their sockets in the loop's next turn.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        self._connections += 1
        connection = self._connections
        self.peak_connections = max(self.peak_connections, len(self._open))
        # Drained means handed to the kernel: what precedes a reset must have gone out.
        writer.transport.set_write_buffer_limits(0)
        try:
            if self._to_refuse > 0:
                self._to_refuse -= 1
                self.refused_connections += 1
                reset(writer)
            elif self._listener is not None:
                await self._converse(reader, writer, connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            # A cancellation ends here: asyncio before 3.12 would log it as an error.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            del self._open[writer]

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while (asked := await read_request(reader)) is not None:
            if not await send(self._answer(asked, connection), asked, reader, writer):
                return

    def _answer(self, asked: Asked, connection: int) -> Answer:
        stored = self._current(asked)
        healthy = answer = self._healthy(asked, stored)
        fault = self._plan.take(asked, len(stored.body) if stored else 0)
        if fault is not None:
            answer = fault.change(Exchange(asked, stored, healthy))
        self._requests.append(
            Request(
                method=asked.method,
                kind=asked.kind,
                key=asked.key,
                range=asked.headers.get("range"),
                if_match=asked.headers.get("if-match"),
                time=time.monotonic(),
                status=None if answer.head_bytes == 0 else answer.status,
                fault=None if fault is None or answer == healthy else fault.name,
                request_id=asked.request_id,
                connection=connection,
            )
        )
        return answer

    def _current(self, asked: Asked) -> StoredObject | None:
        waiting = self._replacements.get(asked.key)
        if waiting and asked.kind in ("get", "head"):
            if waiting[0].requests_before <= 0:
                self._objects[asked.key] = waiting.pop(0).stored
            for replacement in waiting:
                replacement.requests_before -= 1
        return self._objects.get(asked.key)

    def _healthy(self, asked: Asked, stored: StoredObject | None) -> Answer:
        signed = "authorization" in asked.headers or "X-Amz-Signature" in asked.query
        if self._require_authorization and not signed:
            return healthy_s3.error_answer(asked, "AccessDenied")
        if asked.bucket != self.bucket:
            return healthy_s3.error_answer(asked, "NoSuchBucket")
        if asked.kind == "list":
            return healthy_s3.answer_listing(asked, self._objects)
        if asked.kind in ("get", "head"):
            return healthy_s3.answer_object(asked, stored)
        if asked.method == "HEAD":
            return healthy_s3.answer_bucket_head(asked)
        return healthy_s3.error_answer(asked, "NotImplemented")
