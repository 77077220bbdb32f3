"""Faults of the connection, the head and the body."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..healthy_s3 import amazon_headers, error_document
from ..wire import Answer, Ending
from .base import Exchange, Fault, healthy_but, with_body, without

HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Service notice</title></head>\n"
    b"<body><h1>We will be back soon</h1><p>Scheduled maintenance, please wait.</p></body></html>\n"
)


def _cut(answer: Answer, sent: int | None) -> int:
    size = len(answer.body)
    return max(0, min(size // 2 if sent is None else sent, size - 1))


def reset_before_headers() -> Fault:
    """RST instead of an answer."""
    return healthy_but("reset before headers", lambda a: replace(a, head_bytes=0, ending="reset"))


def close_before_headers() -> Fault:
    """FIN instead of an answer."""
    return healthy_but("close before headers", lambda a: replace(a, head_bytes=0, ending="close"))


def stall_before_headers() -> Fault:
    """No byte of an answer, until the client leaves."""
    return healthy_but("stall before headers", lambda a: replace(a, head_bytes=0, ending="stall"))


def cut_headers(sent: int | None = None, *, ending: Ending = "close") -> Fault:
    """Half of the head (or ``sent`` bytes), then the end; http.client takes it for the whole."""

    def change(answer: Answer) -> Answer:
        half = len(answer.head()) // 2
        return replace(answer, head_bytes=half if sent is None else sent, ending=ending)

    return healthy_but(f"headers cut ({ending})", change)


def _ends_after(sent: int | None, ending: Ending) -> Fault:
    def change(answer: Answer) -> Answer:
        return replace(answer, body_bytes=_cut(answer, sent), ending=ending)

    return healthy_but(f"{ending} in mid-body", change, "body")


def reset_after(sent: int | None = None) -> Fault:
    """RST after ``sent`` bytes of the body."""
    return _ends_after(sent, "reset")


def close_after(sent: int | None = None) -> Fault:
    """FIN after ``sent`` bytes of the body: shorter than its Content-Length."""
    return _ends_after(sent, "close")


def stall_after(sent: int | None = None) -> Fault:
    """Nothing more after ``sent`` bytes of the body, until the client leaves."""
    return _ends_after(sent, "stall")


def drip(piece_bytes: int = 1024, every_s: float = 0.01) -> Fault:
    """The right answer, a little at a time."""
    return healthy_but(
        "slow drip", lambda a: replace(a, piece_bytes=piece_bytes, every_s=every_s), "body"
    )


def short_body(missing: int = 1, *, length: Literal["right", "none", "own"] = "right") -> Fault:
    """A body that lacks its last bytes, and then FIN unless the length is its own.

    ``length``: the right Content-Length, none at all, or that of the short body. Only a
    Content-Range, a HEAD or the content itself tells of the last two.
    """

    def change(answer: Answer) -> Answer:
        body = answer.body[: max(0, len(answer.body) - missing)]
        if length == "right":
            return replace(answer, body_bytes=len(body), ending="close")
        if length == "own":
            return with_body(answer, body)
        headers = {**without(answer, "Content-Length"), "Connection": "close"}
        return replace(answer, headers=headers, body=body, ending="close")

    return healthy_but(f"short body, {length} length", change, "body")


def chunked() -> Fault:
    """The right body in chunks without a Content-Length: legal HTTP, unusual for S3."""

    def change(answer: Answer) -> Answer:
        return replace(answer, headers=_chunked_headers(answer), chunked=True)

    return healthy_but("chunked", change, "body")


def chunked_cut(sent: int | None = None, *, ending: Ending = "close") -> Fault:
    """In chunks, ended after ``sent`` bytes without the last chunk."""

    def change(answer: Answer) -> Answer:
        return replace(
            answer,
            headers=_chunked_headers(answer),
            chunked=True,
            body_bytes=_cut(answer, sent),
            ending=ending,
        )

    return healthy_but(f"chunked and cut ({ending})", change, "body")


def chunked_short(missing: int = 1) -> Fault:
    """In chunks that end as they should, but the body lacks its last bytes."""

    def change(answer: Answer) -> Answer:
        body = answer.body[: max(0, len(answer.body) - missing)]
        return replace(answer, headers=_chunked_headers(answer), chunked=True, body=body)

    return healthy_but("chunked and short", change, "body")


def flipped_byte(at: int | None = None) -> Fault:
    """One byte of the body inverted, in its middle or at an index of it."""

    def change(answer: Answer) -> Answer:
        if not answer.body:
            return answer
        body = bytearray(answer.body)
        body[len(body) // 2 if at is None else at] ^= 0xFF
        return replace(answer, body=bytes(body))

    return healthy_but("flipped byte", change, "body")


def html_page(*, disguised: bool = False) -> Fault:
    """An HTML page with status 200, as a captive portal sends.

    ``disguised``: with the object's own status, headers and length, so only the content tells.
    """

    def change(exchange: Exchange) -> Answer:
        healthy = exchange.healthy
        if disguised:
            size = len(healthy.body)
            return replace(healthy, body=(HTML * (size // len(HTML) + 1))[:size])
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(HTML))}
        return Answer(200, headers, HTML)

    return Fault("HTML page" + " in disguise" * disguised, change, "body")


def xml_error_in_200(code: str = "InternalError") -> Fault:
    """S3's error document with status 200."""

    def change(exchange: Exchange) -> Answer:
        body = error_document(exchange.asked, code)
        headers = {**amazon_headers(exchange.asked), "Content-Type": "application/xml"}
        return Answer(200, {**headers, "Content-Length": str(len(body))}, body)

    return Fault(f"{code} with status 200", change, "body")


def _chunked_headers(answer: Answer) -> dict[str, str]:
    return {**without(answer, "Content-Length"), "Transfer-Encoding": "chunked"}
