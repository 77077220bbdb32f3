"""HTTP requests over a socket, as HTTP libraries do not show the bytes that were sent."""

from __future__ import annotations

import socket
from typing import TypeAlias

Wire: TypeAlias = tuple[bytes, dict[str, str], bytes, str]
"""Status line, headers, body as received, and state of the connection: open, closed or reset."""


def raw_request(port: int, path: str, headers: str = "", method: str = "GET") -> Wire:
    r"""Send one request, and receive until no more bytes are sent.

    ``headers`` are complete lines, each with its ``\r\n``.
    """
    with socket.create_connection(("127.0.0.1", port)) as sock:
        request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        sock.sendall(request.encode())
        data, end = b"", "open"
        try:
            while True:
                sock.settimeout(0.02 if _is_whole(data, method) else 0.3)
                if not (piece := sock.recv(65536)):
                    end = "closed"
                    break
                data += piece
        except TimeoutError:
            pass
        except ConnectionResetError:
            end = "reset"
    return *_split_response(data), end


def _split_response(data: bytes) -> tuple[bytes, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = (line.decode().partition(": ") for line in lines)
    return status, {name: value for name, _, value in fields}, body


def _is_whole(data: bytes, method: str) -> bool:
    """Whether the response is complete, so that only the end of the connection can follow."""
    _, headers, body = _split_response(data)
    length = 0 if method == "HEAD" else int(headers.get("Content-Length", 1 << 60))
    return b"\r\n\r\n" in data and len(body) >= length
