"""Faults of the connection, the headers and the body."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..healthy_s3 import amazon_headers, error_document
from ..wire import Ending, Response
from .base import Exchange, Fault, healthy_but, with_body, without

HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Service notice</title></head>\n"
    b"<body><h1>We will be back soon</h1><p>Scheduled maintenance, please wait.</p></body></html>\n"
)


def _cut(response: Response, sent: int | None) -> int:
    size = len(response.body)
    return max(0, min(size // 2 if sent is None else sent, size - 1))


def reset_before_headers() -> Fault:
    """RST instead of a response."""
    return healthy_but("reset before headers", lambda a: replace(a, head_bytes=0, ending="reset"))


def close_before_headers() -> Fault:
    """FIN instead of a response."""
    return healthy_but("close before headers", lambda a: replace(a, head_bytes=0, ending="close"))


def stall_before_headers() -> Fault:
    """No byte of a response, until the client disconnects."""
    return healthy_but("stall before headers", lambda a: replace(a, head_bytes=0, ending="stall"))


def cut_headers(sent: int | None = None, *, ending: Ending = "close") -> Fault:
    """Half of the headers (or ``sent`` bytes), then the end; http.client accepts them."""

    def change(response: Response) -> Response:
        half = len(response.head()) // 2
        return replace(response, head_bytes=half if sent is None else sent, ending=ending)

    return healthy_but(f"headers cut ({ending})", change)


def _ends_after(sent: int | None, ending: Ending) -> Fault:
    def change(response: Response) -> Response:
        return replace(response, body_bytes=_cut(response, sent), ending=ending)

    return healthy_but(f"{ending} in mid-body", change, "body")


def reset_after(sent: int | None = None) -> Fault:
    """RST after ``sent`` bytes of the body."""
    return _ends_after(sent, "reset")


def close_after(sent: int | None = None) -> Fault:
    """FIN after ``sent`` bytes of the body: shorter than its Content-Length."""
    return _ends_after(sent, "close")


def stall_after(sent: int | None = None) -> Fault:
    """No byte after the first ``sent`` bytes of the body, until the client disconnects."""
    return _ends_after(sent, "stall")


def drip(piece_bytes: int = 1024, every_s: float = 0.01) -> Fault:
    """The right response, in small pieces with pauses."""
    return healthy_but(
        "slow drip", lambda a: replace(a, piece_bytes=piece_bytes, every_s=every_s), "body"
    )


def short_body(missing: int = 1, *, length: Literal["right", "none", "own"] = "right") -> Fault:
    """A body that lacks its last bytes, and then FIN unless the length is its own.

    ``length``: the right Content-Length, none, or that of the short body. The last two show only in
    a Content-Range, a HEAD or the content itself.
    """

    def change(response: Response) -> Response:
        body = response.body[: max(0, len(response.body) - missing)]
        if length == "right":
            return replace(response, body_bytes=len(body), ending="close")
        if length == "own":
            return with_body(response, body)
        headers = {**without(response, "Content-Length"), "Connection": "close"}
        return replace(response, headers=headers, body=body, ending="close")

    return healthy_but(f"short body, {length} length", change, "body")


def chunked() -> Fault:
    """The right body in chunks without a Content-Length: valid HTTP, unusual for S3."""

    def change(response: Response) -> Response:
        return replace(response, headers=_chunked_headers(response), chunked=True)

    return healthy_but("chunked", change, "body")


def chunked_cut(sent: int | None = None, *, ending: Ending = "close") -> Fault:
    """In chunks, ended after ``sent`` bytes without the last chunk."""

    def change(response: Response) -> Response:
        return replace(
            response,
            headers=_chunked_headers(response),
            chunked=True,
            body_bytes=_cut(response, sent),
            ending=ending,
        )

    return healthy_but(f"chunked and cut ({ending})", change, "body")


def chunked_short(missing: int = 1) -> Fault:
    """In complete chunks, but the body lacks its last bytes."""

    def change(response: Response) -> Response:
        body = response.body[: max(0, len(response.body) - missing)]
        return replace(response, headers=_chunked_headers(response), chunked=True, body=body)

    return healthy_but("chunked and short", change, "body")


def flipped_byte(at: int | None = None) -> Fault:
    """One byte of the body inverted, in the middle or at an index."""

    def change(response: Response) -> Response:
        if not response.body:
            return response
        body = bytearray(response.body)
        body[len(body) // 2 if at is None else at] ^= 0xFF
        return replace(response, body=bytes(body))

    return healthy_but("flipped byte", change, "body")


def html_page(*, disguised: bool = False) -> Fault:
    """An HTML page with status 200, as from a captive portal.

    ``disguised``: with the object's own status, headers and length, so only the content shows it.
    """

    def change(exchange: Exchange) -> Response:
        healthy = exchange.healthy
        if disguised:
            size = len(healthy.body)
            return replace(healthy, body=(HTML * (size // len(HTML) + 1))[:size])
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(HTML))}
        return Response(200, headers, HTML)

    return Fault("HTML page" + " in disguise" * disguised, change, "body")


def xml_error_in_200(code: str = "InternalError") -> Fault:
    """S3's error document with status 200."""

    def change(exchange: Exchange) -> Response:
        body = error_document(exchange.request, code)
        headers = {**amazon_headers(exchange.request), "Content-Type": "application/xml"}
        return Response(200, {**headers, "Content-Length": str(len(body))}, body)

    return Fault(f"{code} with status 200", change, "body")


def _chunked_headers(response: Response) -> dict[str, str]:
    return {**without(response, "Content-Length"), "Transfer-Encoding": "chunked"}
