"""HTTP/1.1 as bytes: reading requests, and sending responses with or without faults."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import socket
import struct
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal["get", "head", "list", "other"]
Ending = Literal["keep", "close", "reset", "stall"]
"""What follows the last byte: the next request, FIN, RST, or nothing until the client's end."""

_CHUNK = 8192
# asyncio copies what the kernel does not accept into a buffer of its own.
_WRITE_BYTES = 256 * 1024
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_request_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are in lower case, and a listing's key is its prefix."""

    method: str
    kind: Kind
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str


@dataclass(frozen=True, slots=True)
class Response:
    """One response and how it is sent.

    Attributes
    ----------
    head_bytes
        Send only this number of bytes of the head, and no body; 0 sends nothing.
    body_bytes
        Send only this number of bytes of the body, whatever the headers say.
    piece_bytes, every_s
        Send pieces of this size, with a pause in seconds after each.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunked: bool = False
    head_bytes: int | None = None
    body_bytes: int | None = None
    ending: Ending = "keep"
    piece_bytes: int | None = None
    every_s: float = 0.0

    def head(self) -> bytes:
        """The status line and the header block."""
        lines = [f"HTTP/1.1 {self.status} {_PHRASES.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def encode(self, *, with_body: bool) -> tuple[bytes, bytes]:
        """All bytes that are sent, of the head and of the body."""
        if self.head_bytes is not None:
            return self.head()[: self.head_bytes], b""
        body = self.body[: self.body_bytes] if with_body else b""
        if self.chunked and with_body:
            body = _in_chunks(body, complete=self.body_bytes is None)
        return self.head(), body


def _in_chunks(body: bytes, *, complete: bool) -> bytes:
    pieces = (body[at : at + _CHUNK] for at in range(0, len(body), _CHUNK))
    encoded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return encoded + b"0\r\n\r\n" if complete else encoded


async def read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    """Read the next request; None if the client has disconnected."""
    try:
        block = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    request_line, *lines = block.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return _parse_request(method, target, headers)


def _parse_request(method: str, target: str, headers: Mapping[str, str]) -> HttpRequest:
    path, _, query_string = target.partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    query = dict(parse_qsl(query_string, keep_blank_values=True))
    kind: Kind = "other"
    if key and method in ("GET", "HEAD"):
        kind = "get" if method == "GET" else "head"
    elif method == "GET" and "list-type" in query:
        kind, key = "list", query.get("prefix", "")
    return HttpRequest(method, kind, bucket, key, query, headers, f"{next(_request_ids):016X}")


async def send(
    response: Response,
    request: HttpRequest,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Send the response; return whether the connection remains open for another request."""
    head, body = response.encode(with_body=request.method != "HEAD")
    if len(body) < _WRITE_BYTES and not response.piece_bytes:
        await _write(writer, head + body, response)
    else:
        # Separately, as joining them would copy a large body.
        await _write(writer, head, response)
        await _write(writer, body, response)
    if response.ending == "reset":
        await _delivered(writer)
        reset(writer)
    elif response.ending == "stall":
        while await reader.read(_CHUNK):
            pass
    return response.ending == "keep" and request.headers.get("connection", "").lower() != "close"


async def _write(writer: asyncio.StreamWriter, data: bytes, response: Response) -> None:
    size = response.piece_bytes or _WRITE_BYTES
    view = memoryview(data)
    for at in range(0, len(data), size):
        writer.write(view[at : at + size])
        await writer.drain()
        if response.piece_bytes:
            await asyncio.sleep(response.every_s)


async def _delivered(writer: asyncio.StreamWriter) -> None:
    # A reset discards what the kernel has not delivered. Waiting for that makes "reset after n
    # bytes" exact; the wait is limited, as a client may not read.
    sock = writer.get_extra_info("socket")
    for _ in range(500):
        try:
            queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except (OSError, ValueError):  # the client has disconnected, and the socket is closed
            return
        if struct.unpack("i", queued) == (0,):
            return
        await asyncio.sleep(0.002)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    # The client may be closing it at the same time.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
