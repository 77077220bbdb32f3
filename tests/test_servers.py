"""The test servers send what their documentation says."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.faults import Fault
from tests.servers.raw_client import Wire, raw_request

KEY = "us_stocks_sip/day_aggs_v1/2024/01/2024-01-02.csv.gz"
BODY = random.Random(1).randbytes(10_000)
OTHER_BODY = random.Random(2).randbytes(9_000)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server with one object."""
    with FaultServer() as server:
        server.put(KEY, BODY)
        yield server


def s3_client(server: FaultServer) -> Any:
    """A boto3 client without retries."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            response_checksum_validation="when_required",
        ),
    )


def on_the_wire(server: FaultServer, headers: str = "", method: str = "GET") -> Wire:
    """Send one request for the object over a socket."""
    return raw_request(server.port, f"/flatfiles/{KEY}", headers, method)


def ranged(first: int, last: int) -> str:
    """A Range header line."""
    return f"Range: bytes={first}-{last}\r\n"


def test_healthy_object_through_boto3(server: FaultServer) -> None:
    """GET, ranged GET, suffix GET and HEAD match the stored object."""
    client = s3_client(server)
    whole = client.get_object(Bucket="flatfiles", Key=KEY)
    assert whole["Body"].read() == BODY
    assert whole["ETag"].endswith('-3"')
    part = client.get_object(
        Bucket="flatfiles", Key=KEY, Range="bytes=100-199", IfMatch=whole["ETag"]
    )
    assert part["Body"].read() == BODY[100:200]
    assert part["ContentRange"] == "bytes 100-199/10000"
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    tail = client.get_object(Bucket="flatfiles", Key=KEY, Range="bytes=-7")
    assert tail["Body"].read() == BODY[-7:]
    head = client.head_object(Bucket="flatfiles", Key=KEY)
    assert (head["ContentLength"], head["ETag"]) == (10_000, whole["ETag"])
    assert [r.status for r in server.requests] == [200, 206, 206, 200]
    assert {r.connection for r in server.requests} == {1}
    client.close()


def test_errors_of_a_healthy_server_through_boto3() -> None:
    """404, 412, 416, an unknown bucket and a missing signature are S3's own errors."""
    with FaultServer(require_authorization=True) as server:
        server.put(KEY, BODY)
        client = s3_client(server)
        for arguments, code, status in (
            ({"Key": "none"}, "NoSuchKey", 404),
            ({"Key": KEY, "IfMatch": '"other"'}, "PreconditionFailed", 412),
            ({"Key": KEY, "Range": "bytes=10000-"}, "InvalidRange", 416),
            ({"Key": KEY, "Bucket": "elsewhere"}, "NoSuchBucket", 404),
        ):
            with pytest.raises(ClientError) as caught:
                client.get_object(**{"Bucket": "flatfiles", **arguments})
            assert caught.value.response["Error"]["Code"] == code
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        with pytest.raises(ClientError, match="404"):
            client.head_object(Bucket="flatfiles", Key="none")
        assert b"403" in on_the_wire(server)[0]
        client.close()


def test_listing_through_boto3(server: FaultServer) -> None:
    """Pages, prefixes, delimiters and start-after give all keys once, with size and ETag."""
    keys = [f"a/{n:02}/x y&{m}.csv.gz" for n in range(5) for m in range(3)]
    for key in keys:
        server.put(key, b"12345", etag="md5")
    client = s3_client(server)
    pages = list(
        client.get_paginator("list_objects_v2").paginate(
            Bucket="flatfiles", Prefix="a/", PaginationConfig={"PageSize": 4}
        )
    )
    entries = [entry for page in pages for entry in page["Contents"]]
    assert [entry["Key"] for entry in entries] == keys
    assert {(e["Size"], e["ETag"]) for e in entries} == {(5, '"827ccb0eea8a706c4c34a16891f84e7b"')}
    assert [page["IsTruncated"] for page in pages] == [True, True, True, False]
    folders = client.list_objects_v2(Bucket="flatfiles", Prefix="a/", Delimiter="/", MaxKeys=3)
    assert [p["Prefix"] for p in folders["CommonPrefixes"]] == ["a/00/", "a/01/", "a/02/"]
    rest = client.list_objects_v2(
        Bucket="flatfiles",
        Prefix="a/",
        Delimiter="/",
        ContinuationToken=folders["NextContinuationToken"],
    )
    assert [p["Prefix"] for p in rest["CommonPrefixes"]] == ["a/03/", "a/04/"]
    after = client.list_objects_v2(Bucket="flatfiles", Prefix="a/", StartAfter=keys[-2])
    assert [entry["Key"] for entry in after["Contents"]] == keys[-1:]
    server.script("a/", [faults.listing_without_token()], when="list")
    truncated = client.list_objects_v2(Bucket="flatfiles", Prefix="a/")
    assert truncated["IsTruncated"]
    assert len(truncated["Contents"]) == 8
    assert "NextContinuationToken" not in truncated
    client.close()


WHOLE = "10000"
BODY_ENDS: list[tuple[Fault, str | None, bytes, str]] = [
    (faults.reset_after(100), WHOLE, BODY[:100], "reset"),
    (faults.reset_after(10**6), WHOLE, BODY[:-1], "reset"),
    (faults.close_after(), WHOLE, BODY[:5000], "closed"),
    (faults.stall_after(0), WHOLE, b"", "open"),
    (faults.drip(4000, 0.001), WHOLE, BODY, "open"),
    (faults.short_body(3), WHOLE, BODY[:-3], "closed"),
    (faults.short_body(3, length="none"), None, BODY[:-3], "closed"),
    (faults.short_body(3, length="own"), "9997", BODY[:-3], "open"),
    (faults.flipped_byte(0), WHOLE, bytes([BODY[0] ^ 0xFF]) + BODY[1:], "open"),
    (faults.html_page(), str(len(faults.HTML)), faults.HTML, "open"),
    (faults.html_page(disguised=True), WHOLE, (faults.HTML * 100)[:10_000], "open"),
]


@pytest.mark.parametrize(
    ("fault", "length", "body", "end"), BODY_ENDS, ids=[str(case[0]) for case in BODY_ENDS]
)
def test_fault_of_the_body(
    server: FaultServer, fault: Fault, length: str | None, body: bytes, end: str
) -> None:
    """A fault is applied once to length, bytes and end; a HEAD does not consume it."""
    server.script(KEY, [fault])
    healthy_head = on_the_wire(server, method="HEAD")[1]
    assert healthy_head["Content-Length"] == WHOLE
    status, headers, received, ended = on_the_wire(server)
    assert status == b"HTTP/1.1 200 OK"
    assert (headers.get("Content-Length"), received, ended) == (length, body, end)
    assert on_the_wire(server)[2:] == (BODY, "open")
    assert [request.fault for request in server.requests] == [None, fault.name, None]


def test_faults_of_the_head(server: FaultServer) -> None:
    """Reset, closed, stalled and truncated headers end where they should."""
    whole_head = b"HTTP/1.1 200 OK"
    server.script(
        KEY,
        [
            faults.reset_before_headers(),
            faults.close_before_headers(),
            faults.stall_before_headers(),
            None,
            faults.cut_headers(),
            faults.cut_headers(30, ending="reset"),
        ],
    )
    assert on_the_wire(server) == (b"", {}, b"", "reset")
    assert on_the_wire(server) == (b"", {}, b"", "closed")
    assert on_the_wire(server) == (b"", {}, b"", "open")
    assert on_the_wire(server)[2] == BODY
    status, headers, body, end = on_the_wire(server)
    assert (status, body, end) == (whole_head, b"", "closed")
    assert headers
    assert "Content-Length" not in headers
    status, headers, body, end = on_the_wire(server)
    assert (status, body, end) == (whole_head, b"", "reset")
    assert [r.status for r in server.requests] == [None, None, None, 200, 200, 200]


def test_chunked_faults(server: FaultServer) -> None:
    """http.client reads chunks, notices that the last one is missing, and accepts a short body."""
    server.script(KEY, [faults.chunked(), faults.chunked_cut(200), faults.chunked_short(5), None])
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    got: list[bytes] = []
    for _ in range(4):
        connection.request("GET", f"/flatfiles/{KEY}")
        response = connection.getresponse()
        try:
            got.append(response.read())
        except http.client.IncompleteRead as error:
            got.append(b"cut:" + error.partial)
            connection.close()
    connection.close()
    assert got == [BODY, b"cut:" + BODY[:200], BODY[:-5], BODY]


def test_faults_of_the_range(server: FaultServer) -> None:
    """Each is applied once to a ranged GET, and never to a GET of the whole object."""
    requested = BODY[100:200]
    for fault, status, content_range, body in (
        (faults.content_range_off(3), 206, "bytes 103-202/10000", requested),
        (faults.wrong_total(), 206, "bytes 100-199/10001", requested),
        (faults.shifted_range(3), 206, "bytes 103-202/10000", BODY[103:203]),
        (faults.shifted_bytes(), 206, "bytes 100-199/10000", BODY[101:201]),
        (faults.shorter_range(10), 206, "bytes 100-189/10000", requested[:-10]),
        (faults.no_content_range(), 206, None, requested),
        (faults.range_ignored(), 200, None, BODY),
    ):
        server.script(KEY, [fault])
        assert on_the_wire(server)[2] == BODY
        line, headers, received, end = on_the_wire(server, ranged(100, 199))
        assert int(line.split()[1]) == status, fault
        assert (headers.get("Content-Range"), received, end) == (content_range, body, "open"), fault
        assert headers["Content-Length"] == str(len(body))
        assert on_the_wire(server, ranged(100, 199))[2] == requested
    assert server.pending_faults(KEY) == 0


def test_faults_of_the_status(server: FaultServer) -> None:
    """Errors with and without a body and Retry-After, through boto3 and for a HEAD."""
    client = s3_client(server)
    for fault, status, code in (
        (faults.s3_error("SlowDown", retry_after="7"), 503, "SlowDown"),
        (faults.s3_error("RequestTimeout"), 400, "RequestTimeout"),
        (faults.s3_error("RequestTimeTooSkewed"), 403, "RequestTimeTooSkewed"),
        (faults.bare_status(429, retry_after="7"), 429, "429"),
        (faults.bare_status(500), 500, "500"),
        (faults.bare_status(403), 403, "403"),
    ):
        server.script(KEY, [fault])
        with pytest.raises(ClientError) as caught:
            client.get_object(Bucket="flatfiles", Key=KEY)["Body"].read()
        response = caught.value.response
        assert response["Error"]["Code"] == code
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
        retry_after = response["ResponseMetadata"]["HTTPHeaders"].get("retry-after")
        assert retry_after == ("7" if "Retry-After" in fault.name else None)
    server.script(KEY, [faults.xml_error_in_200("InternalError"), faults.permanent_redirect("/x")])
    status_line, _, body, _ = on_the_wire(server)
    assert status_line == b"HTTP/1.1 200 OK"
    assert b"<Error><Code>InternalError</Code>" in body
    status_line, headers, body, _ = on_the_wire(server)
    assert (status_line, headers["Location"]) == (b"HTTP/1.1 301 Moved Permanently", "/x")
    assert b"<Code>PermanentRedirect</Code>" in body
    server.script(KEY, [faults.s3_error("AccessDenied")], when="head")
    assert on_the_wire(server)[2] == BODY
    status_line, _, body, _ = on_the_wire(server, method="HEAD")
    assert (status_line, body) == (b"HTTP/1.1 403 Forbidden", b"")
    client.close()


def test_offset_selects_the_part(server: FaultServer) -> None:
    """A fault with an offset is applied to the range that contains it, once or always."""
    server.script(KEY, [faults.bare_status(500)], offset=5500)
    server.always(KEY, faults.bare_status(503), offset=9000)
    spans = [(0, 4999), (9000, 9999), (5000, 8999), (5000, 8999), (9000, 9999)]
    for first, last in spans:
        on_the_wire(server, ranged(first, last) + "Connection: close\r\n")
    assert [r.status for r in server.requests] == [206, 503, 500, 206, 503]
    server.heal()
    assert on_the_wire(server)[2] == BODY


def test_faults_of_the_etag(server: FaultServer) -> None:
    """An ETag is missing or replaced, once, and an MD5 is that of the body."""
    server.script(KEY, [faults.no_etag(), faults.other_etag('"abc-1"')], when="get")
    assert "ETag" in on_the_wire(server, method="HEAD")[1]
    assert "ETag" not in on_the_wire(server)[1]
    assert on_the_wire(server)[1]["ETag"] == '"abc-1"'
    server.put(KEY, BODY, etag="md5")
    assert on_the_wire(server)[1]["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    server.put(KEY, BODY, etag="absent")
    assert "ETag" not in on_the_wire(server)[1]


def test_replaced_in_mid_transfer(server: FaultServer) -> None:
    """From the n-th request body and ETag are new, and If-Match with the old one is 412."""
    server.replace(KEY, OTHER_BODY, from_request=3)
    etag = on_the_wire(server, ranged(0, 99))[1]["ETag"]
    match = f"If-Match: {etag}\r\n"
    assert on_the_wire(server, ranged(100, 199) + match)[2] == BODY[100:200]
    assert b" 412 " in on_the_wire(server, ranged(200, 299) + match)[0]
    _, headers, body, _ = on_the_wire(server)
    assert body == OTHER_BODY
    assert headers["ETag"] != etag
    server.put(KEY, BODY, range_support=False, if_match_support=False)
    assert on_the_wire(server, ranged(200, 299) + match)[2] == BODY


def test_refused_connections(server: FaultServer) -> None:
    """While down the system refuses them; `refuse` resets new ones; afterwards they work."""
    idle = http.client.HTTPConnection("127.0.0.1", server.port)
    idle.request("GET", f"/flatfiles/{KEY}")
    assert idle.getresponse().read() == BODY
    assert server.open_connections == 1
    with server.down():
        assert server.open_connections == 0
        with pytest.raises(ConnectionRefusedError):
            on_the_wire(server)
    idle.close()
    server.refuse(1)
    with (
        pytest.raises(ConnectionError),
        socket.create_connection(("127.0.0.1", server.port)) as sock,
    ):
        # One of these two calls fails after the reset.
        sock.sendall(b"GET / HTTP/1.1\r\n")
        if not sock.recv(1):
            raise ConnectionError
    assert on_the_wire(server)[2] == BODY
    assert server.refused_connections == 1


def test_server_cleans_up() -> None:
    """The end of the context ends stalled responses and threads, and closes the port."""
    before = set(threading.enumerate())
    with FaultServer() as server:
        server.put(KEY, BODY)
        server.always(KEY, faults.stall_after(10))
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.sendall(f"GET /flatfiles/{KEY} HTTP/1.1\r\n\r\n".encode())
        assert sock.recv(10) == b"HTTP/1.1 2"
    sock.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(ConnectionRefusedError):
        on_the_wire(server)


def test_random_faults(server: FaultServer) -> None:
    """The number of faults follows the rate, and the same seed gives the same faults."""

    def run() -> list[str | None]:
        server.forget_requests()
        server.set_random(random.Random(3), 0.3, (faults.bare_status(500), faults.no_etag()))
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(200):
            connection.request("GET", f"/flatfiles/{KEY}")
            connection.getresponse().read()
        connection.close()
        return [request.fault for request in server.requests]

    first = run()
    assert 40 <= sum(fault is not None for fault in first) <= 80
    assert set(first) == {None, "bare 500", "no ETag"}
    assert run() == first
