"""A proxy that delays and throttles each connection, without bursts.

The first byte of each response is sent no sooner than ``first_byte_delay_s`` after its request, and
``t`` seconds later at most ``rate * t`` bytes have followed, except for one packet. nginx's
limit_rate passes the bytes of the first second at once, which favours small ranges.

One timer serves all connections, as 128 timers of 10 ms each would use a CPU core by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import cast

from .loop_thread import LoopThread

RATE = 1_150_000.0
FIRST_BYTE_DELAY_S = 0.060

_HOST = "127.0.0.1"
_BACKLOG = 512
_SLICE_S = 0.010
# After a late tick (on a busy machine) the rate may be exceeded, by at most this time.
_MAX_CREDIT_S = 0.1
_FIRST_PACKET = 1460
_HIGH_WATER = 256 * 1024
_LOW_WATER = 64 * 1024


class _Link:
    """One client's connection and its connection to the upstream server."""

    def __init__(self, pacer: _Pacer, client: asyncio.Transport) -> None:
        self._pacer = pacer
        self._client = client
        self._upstream: asyncio.Transport | None = None
        self._unsent_request = bytearray()
        self._pending: deque[memoryview] = deque()
        self._pending_bytes = 0
        self._hold_until = 0.0
        self._begun = False
        self._starter: asyncio.TimerHandle | None = None
        self._credit = 0.0
        self._credit_at = 0.0
        self._upstream_paused = False
        self._upstream_gone = False
        self.closed = False

    def connected(self, upstream: asyncio.Transport) -> None:
        self._upstream = upstream
        if self.closed:
            upstream.abort()
        elif self._unsent_request:
            upstream.write(bytes(self._unsent_request))

    def request_bytes(self, data: bytes) -> None:
        """Forward a request: the next bytes of the server are the beginning of a response."""
        self._begun = False
        self._hold_until = self._pacer.loop.time() + self._pacer.delay_s
        if self._upstream is None:
            self._unsent_request += data
        else:
            self._upstream.write(data)

    def response_bytes(self, data: bytes) -> None:
        self._pending.append(memoryview(data))
        self._pending_bytes += len(data)
        if self._pending_bytes > _HIGH_WATER and self._upstream is not None:
            self._upstream.pause_reading()
            self._upstream_paused = True
        if self._begun:
            self._wake()
        elif self._starter is None:
            self._starter = self._pacer.loop.call_at(self._hold_until, self._begin)

    def upstream_ended(self) -> None:
        self._upstream_gone = True
        self._end_if_done()

    def client_ended(self) -> None:
        self.closed = True
        self._pending.clear()
        self._pacer.active.discard(self)
        if self._starter is not None:
            self._starter.cancel()
        if self._upstream is not None:
            self._upstream.abort()

    def abort(self) -> None:
        self._client.abort()

    def _begin(self) -> None:
        self._starter = None
        self._begun = True
        self._credit = -float(self._send(_FIRST_PACKET))
        self._wake()
        self._end_if_done()

    def _wake(self) -> None:
        # Idle time does not count.
        if self._pending and self not in self._pacer.active:
            self._credit_at = self._pacer.loop.time()
            self._pacer.wake(self)

    def pump(self, now: float) -> None:
        """Send the bytes that the time since the last tick allows."""
        earned = (now - self._credit_at) * self._pacer.rate
        self._credit_at = now
        if self._client.get_write_buffer_size():
            # The client does not read: this time does not count either.
            return
        self._credit = min(self._credit + earned, _MAX_CREDIT_S * self._pacer.rate)
        if self._credit >= 1:
            self._credit -= self._send(int(self._credit))
        if not self._pending:
            self._pacer.active.discard(self)
            self._credit = min(self._credit, 0.0)
            self._end_if_done()

    def _send(self, allowed: int) -> int:
        sent = 0
        while self._pending and sent < allowed:
            piece = self._pending[0]
            part = piece[: allowed - sent]
            self._client.write(part)
            sent += len(part)
            if len(part) == len(piece):
                self._pending.popleft()
            else:
                self._pending[0] = piece[len(part) :]
        self._pending_bytes -= sent
        if self._upstream_paused and self._pending_bytes < _LOW_WATER and self._upstream:
            self._upstream_paused = False
            self._upstream.resume_reading()
        return sent

    def _end_if_done(self) -> None:
        if self._upstream_gone and not self._pending:
            self._client.close()


class _Pacer:
    """The timer of all links."""

    def __init__(self, upstream: tuple[str, int], rate: float, delay_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.upstream = upstream
        self.rate = rate
        self.delay_s = delay_s
        self.active: set[_Link] = set()
        self.open: set[_Link] = set()
        self._ticking = False
        self._due = 0.0

    def wake(self, link: _Link) -> None:
        self.active.add(link)
        if not self._ticking:
            self._ticking = True
            self._due = self.loop.time() + _SLICE_S
            self.loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        for link in tuple(self.active):
            link.pump(now)
        self._ticking = bool(self.active)
        if self._ticking:
            self._due = max(self._due + _SLICE_S, now + _SLICE_S / 2)
            self.loop.call_at(self._due, self._tick)

    async def connect(self, link: _Link) -> None:
        host, port = self.upstream
        try:
            transport, _ = await self.loop.create_connection(lambda: _Upstream(link), host, port)
        except OSError:
            link.abort()
        else:
            link.connected(transport)


class _Client(asyncio.Protocol):
    def __init__(self, pacer: _Pacer) -> None:
        self._pacer = pacer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link = _Link(self._pacer, cast(asyncio.Transport, transport))
        self._pacer.open.add(self._link)
        self._connecting = self._pacer.loop.create_task(self._pacer.connect(self._link))

    def data_received(self, data: bytes) -> None:
        self._link.request_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pacer.open.discard(self._link)
        self._link.client_ended()


class _Upstream(asyncio.Protocol):
    def __init__(self, link: _Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.response_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.upstream_ended()


class ThrottleProxy:
    """The proxy in a thread of its own; a context manager.

    Parameters
    ----------
    host, port
        The upstream server.
    rate
        Bytes per second and connection.
    first_byte_delay_s
        Seconds from a request to the first byte of its response.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        rate: float = RATE,
        first_byte_delay_s: float = FIRST_BYTE_DELAY_S,
    ) -> None:
        self._upstream = (host, port)
        self._rate = rate
        self._delay_s = first_byte_delay_s
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        """What clients take as ``endpoint_url``."""
        return f"http://{_HOST}:{self.port}"

    @property
    def open_connections(self) -> int:
        """Number of open client connections."""
        return len(self._pacer.open)

    def __enter__(self) -> ThrottleProxy:
        self._thread = LoopThread("throttle")
        self._thread.run(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.run(self._stop())
        self._thread.close()

    async def _start(self) -> None:
        self._pacer = _Pacer(self._upstream, self._rate, self._delay_s)
        self._listener = await self._pacer.loop.create_server(
            lambda: _Client(self._pacer), _HOST, self.port, backlog=_BACKLOG
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._listener.close()
        for link in tuple(self._pacer.open):
            link.abort()
        await asyncio.sleep(0)


@contextlib.contextmanager
def throttle_process(
    host: str,
    port: int,
    *,
    rate: float = RATE,
    first_byte_delay_s: float = FIRST_BYTE_DELAY_S,
) -> Iterator[str]:
    """The proxy in a process of its own, so that it does not slow the client; yields its URL."""
    command = [sys.executable, "-m", "tests.servers.throttle", "--upstream", f"{host}:{port}"]
    command += ["--rate", str(rate), "--first-byte-delay", str(first_byte_delay_s)]
    command += ["--until-stdin-closes"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://{_HOST}:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def main() -> None:
    """Run the proxy until it is interrupted, or its parent has ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--rate", type=float, default=RATE, help="bytes/s of each connection")
    parser.add_argument("--first-byte-delay", type=float, default=FIRST_BYTE_DELAY_S, help="s")
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    proxy = ThrottleProxy(
        host, int(port), rate=options.rate, first_byte_delay_s=options.first_byte_delay
    )
    proxy.port = options.port
    with proxy, contextlib.suppress(KeyboardInterrupt):
        print(proxy.port, flush=True)
        if options.until_stdin_closes:
            sys.stdin.read()
        else:
            threading.Event().wait()


if __name__ == "__main__":
    main()
