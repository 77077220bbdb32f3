"""An S3 server with fault injection, in a thread of its own.

::

    with FaultServer() as server:
        server.put("a.csv.gz", body)
        server.script("a.csv.gz", [faults.reset_after(100), faults.s3_error("SlowDown")])
        ...                            # the third request is served normally
        assert [r.fault for r in server.requests] == ["reset in mid-body", "SlowDown", None]

Healthy responses are those of S3 with path-style addresses. Signatures are not verified.
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
from .wire import HttpRequest, Kind, Response, read_request, reset, send

_HOST = "127.0.0.1"
# Clients of these tests open up to 128 connections at once.
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Request:
    """One received request, and the response to it.

    ``status`` is None if no byte of a response was sent, ``fault`` is None for a healthy response,
    ``time`` is of the monotonic clock, ``connection`` numbers the client's connections from 1.
    """

    method: str
    kind: Kind
    key: str
    range: str | None
    if_match: str | None
    user_agent: str | None
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
        Response 403 to requests without an Authorization header or a presigned query.
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
        self._running.run(self._disconnect_all())
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

    # Objects

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
            Whether those request headers have an effect; not so in `rclone serve s3`.
        headers
            Additional headers of its responses, or other values of the usual ones.
        """
        self._objects[key] = StoredObject(
            body, healthy_s3.make_etag(body, etag), range_support, if_match_support, headers
        )

    def replace(
        self, key: str, body: bytes, *, etag: str | None = None, from_request: int = 2
    ) -> None:
        """Replace a stored object at the n-th request for it (GET or HEAD), counted from now.

        The next request has the number 1. Several replacements are made one after the other.
        """
        new = replace(self._objects[key], body=body, etag=healthy_s3.make_etag(body, etag))
        self._replacements.setdefault(key, []).append(_Replacement(new, from_request - 1))

    def delete(self, key: str) -> None:
        """Remove an object."""
        del self._objects[key]

    # Faults

    def script(
        self,
        key: str,
        faults: Iterable[Fault | None],
        when: When = "any",
        offset: int | None = None,
    ) -> None:
        """Apply these faults to the next requests for a key, one each in order of arrival.

        Parameters
        ----------
        key
            For a listing, its prefix.
        faults
            None is a healthy response. A fault waits for a request to which it is applicable: a
            fault of the body is not applied to a HEAD.
        when
            Count only requests of this kind.
        offset
            Count only GETs whose range (all, without one) contains this byte of the object.
        """
        self._plan.script(key, faults, when=when, offset=offset)

    def always(self, key: str, fault: Fault, when: When = "any", offset: int | None = None) -> None:
        """Apply this fault to all requests for a key without a scripted fault."""
        self._plan.script(key, [fault], when=when, offset=offset, forever=True)

    def set_random(self, rng: random.Random, rate: float, faults: Sequence[Fault]) -> None:
        """Apply a random fault with this probability to requests without another fault."""
        self._plan.set_random(rng, rate, faults)

    def heal(self) -> None:
        """Remove all faults."""
        self._plan.clear()
        self._to_refuse = 0

    def pending_faults(self, key: str) -> int:
        """Number of scripted faults that have not been applied yet."""
        return self._plan.pending(key)

    def refuse(self, connections: int = 1) -> None:
        """Reset the next new connections as soon as they are accepted."""
        self._to_refuse = connections

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Within this context the system refuses connections; existing ones are reset."""
        self.stop_listening()
        try:
            yield
        finally:
            self.start_listening()

    def stop_listening(self) -> None:
        """Reset all connections and close the port."""
        self._running.run(self._disconnect_all())

    def start_listening(self) -> None:
        """Listen on the same port again."""
        self._running.run(self._listen())

    # Observations

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in order of arrival; each is added before its response is sent."""
        return list(self._requests)

    def requests_for(self, key: str) -> list[Request]:
        """The requests for one key."""
        return [request for request in self.requests if request.key == key]

    def forget_requests(self) -> None:
        """Clear the list of requests."""
        self._requests.clear()

    @property
    def open_connections(self) -> int:
        """Number of open connections; see `wait_closed`."""
        return len(self._open)

    def wait_closed(self, timeout_s: float = 2.0) -> bool:
        """Wait until all connections are closed on the server's side, too."""
        end = time.monotonic() + timeout_s
        while self._open and time.monotonic() < end:
            time.sleep(0.002)
        return not self._open

    # Serving

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._serve, _HOST, self._port, backlog=_BACKLOG
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _disconnect_all(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        conversations = [task for task in self._open.values() if task is not None]
        for writer in self._open:
            reset(writer)
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations)
        # Aborted transports close their sockets in the next iteration of the loop.
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        self._connections += 1
        connection = self._connections
        self.peak_connections = max(self.peak_connections, len(self._open))
        # drain() then waits until the kernel has all bytes, as those before a reset must be sent.
        writer.transport.set_write_buffer_limits(0)
        try:
            if self._to_refuse > 0:
                self._to_refuse -= 1
                self.refused_connections += 1
                reset(writer)
            elif self._listener is not None:
                await self._serve_requests(reader, writer, connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            # Before Python 3.12 asyncio would log the cancellation as an error.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            del self._open[writer]

    async def _serve_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while (request := await read_request(reader)) is not None:
            if not await send(self._respond(request, connection), request, reader, writer):
                return

    def _respond(self, request: HttpRequest, connection: int) -> Response:
        stored = self._current(request)
        healthy = response = self._healthy(request, stored)
        fault = self._plan.take(request, len(stored.body) if stored else 0)
        if fault is not None:
            response = fault.change(Exchange(request, stored, healthy))
        self._requests.append(
            Request(
                method=request.method,
                kind=request.kind,
                key=request.key,
                range=request.headers.get("range"),
                if_match=request.headers.get("if-match"),
                user_agent=request.headers.get("user-agent"),
                time=time.monotonic(),
                status=None if response.head_bytes == 0 else response.status,
                fault=None if fault is None or response == healthy else fault.name,
                request_id=request.request_id,
                connection=connection,
            )
        )
        return response

    def _current(self, request: HttpRequest) -> StoredObject | None:
        waiting = self._replacements.get(request.key)
        if waiting and request.kind in ("get", "head"):
            if waiting[0].requests_before <= 0:
                self._objects[request.key] = waiting.pop(0).stored
            for replacement in waiting:
                replacement.requests_before -= 1
        return self._objects.get(request.key)

    def _healthy(self, request: HttpRequest, stored: StoredObject | None) -> Response:
        signed = "authorization" in request.headers or "X-Amz-Signature" in request.query
        if self._require_authorization and not signed:
            return healthy_s3.error_response(request, "AccessDenied")
        if request.bucket != self.bucket:
            return healthy_s3.error_response(request, "NoSuchBucket")
        if request.kind == "list":
            return healthy_s3.listing_response(request, self._objects)
        if request.kind in ("get", "head"):
            return healthy_s3.object_response(request, stored)
        if request.method == "HEAD":
            return healthy_s3.bucket_head_response(request)
        return healthy_s3.error_response(request, "NotImplemented")
