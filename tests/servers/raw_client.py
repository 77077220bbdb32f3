"""A bare socket, as no HTTP library shows what truly came over the wire."""

from __future__ import annotations

import socket
from typing import TypeAlias

Wire: TypeAlias = tuple[bytes, dict[str, str], bytes, str]
"""Status line, headers, body as it came, and how it ended: open, closed or reset."""


def raw_request(port: int, path: str, headers: str = "", method: str = "GET") -> Wire:
    r"""One request, and all that comes until nothing more does.

    ``headers`` are whole lines, each with its ``\r\n``.
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
    return *_split_answer(data), end


def _split_answer(data: bytes) -> tuple[bytes, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = (line.decode().partition(": ") for line in lines)
    return status, {name: value for name, _, value in fields}, body


def _is_whole(data: bytes, method: str) -> bool:
    """Whether the answer is all there, so that only an end can follow."""
    _, headers, body = _split_answer(data)
    length = 0 if method == "HEAD" else int(headers.get("Content-Length", 1 << 60))
    return b"\r\n\r\n" in data and len(body) >= length
