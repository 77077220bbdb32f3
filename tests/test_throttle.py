"""The throttling proxy of the benchmarks has the configured delay and rate."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.throttle import ThrottleProxy, throttle_process

KEY = "a.csv.gz"
BODY = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server with one object."""
    with FaultServer() as server:
        server.put(KEY, BODY)
        yield server


def timed_get(port: int, size: int) -> tuple[float, list[tuple[float, int]]]:
    """Seconds to the first byte, and (seconds after it, bytes so far) of one ranged GET."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        range_line = f"Range: bytes=0-{size - 1}\r\n"
        begin = time.perf_counter()
        sock.sendall(
            f"GET /flatfiles/big HTTP/1.1\r\n{range_line}Connection: close\r\n\r\n".encode()
        )
        total, first, seen = 0, 0.0, []
        while piece := sock.recv(65536):
            now = time.perf_counter()
            first = first or now
            total += len(piece)
            seen.append((now - first, total))
    return first - begin, seen


def test_throttle_delays_and_limits_without_bursts(server: FaultServer) -> None:
    """The first byte is delayed, the rate is the configured one, and is never exceeded."""
    server.put("big", bytes(500_000))
    with ThrottleProxy("127.0.0.1", server.port) as proxy:
        first, seen = timed_get(proxy.port, 300_000)
        elapsed, total = seen[-1]
        assert 0.060 <= first < 0.200
        assert total > 300_000
        assert 0.8 < total / elapsed / 1_150_000 < 1.05
        # One packet at the start, and one slice by which two clock readings may differ.
        assert all(sent <= 1460 + 1_150_000 * (at + 0.012) for at, sent in seen)
        with ThreadPoolExecutor(4) as pool:
            begin = time.perf_counter()
            list(pool.map(lambda _: timed_get(proxy.port, 300_000), range(4)))
            together = 4 * total / (time.perf_counter() - begin - first)
        assert 2.8 < together / 1_150_000 < 4.2


def test_throttle_in_its_own_process(server: FaultServer) -> None:
    """It reuses connections, forwards bytes unchanged, and ends with its parent."""
    with throttle_process("127.0.0.1", server.port, rate=1e7, first_byte_delay_s=0.02) as url:
        port = int(url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(3):
            connection.request("GET", f"/flatfiles/{KEY}")
            assert connection.getresponse().read() == BODY
        assert {r.connection for r in server.requests} == {1}
        server.script(KEY, [faults.close_after(100)])
        connection.request("GET", f"/flatfiles/{KEY}")
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert server.wait_closed()
