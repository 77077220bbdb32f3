"""Faults of the status, the range, the version and the listing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from ..healthy_s3 import amazon_headers, error_response
from ..wire import Response
from .base import Exchange, Fault, healthy_but, with_body, without


def s3_error(code: str, *, status: int | None = None, retry_after: str | None = None) -> Fault:
    """An error with S3's XML and the status that belongs to its code."""

    def change(exchange: Exchange) -> Response:
        response = error_response(exchange.request, code, status=status)
        return _retry_after(response, retry_after)

    return Fault(f"{code}{_suffix(retry_after)}", change)


def bare_status(status: int, *, retry_after: str | None = None) -> Fault:
    """A status without a body."""

    def change(exchange: Exchange) -> Response:
        response = Response(status, {**amazon_headers(exchange.request), "Content-Length": "0"})
        return _retry_after(response, retry_after)

    return Fault(f"bare {status}{_suffix(retry_after)}", change)


def permanent_redirect(location: str | None = None) -> Fault:
    """301 PermanentRedirect; S3 sends no Location, other servers do."""

    def change(exchange: Exchange) -> Response:
        endpoint = "<Endpoint>s3.elsewhere.invalid</Endpoint>"
        response = error_response(exchange.request, "PermanentRedirect", endpoint)
        if location is None:
            return response
        return replace(response, headers={**response.headers, "Location": location})

    return Fault("PermanentRedirect", change)


def content_range_off(by: int = 1) -> Fault:
    """The right bytes with a Content-Range that starts and ends ``by`` bytes later."""
    return _ranged("Content-Range off", lambda start, stop, size: (start + by, stop + by, size))


def wrong_total(by: int = 1) -> Fault:
    """The right bytes with a Content-Range whose total size is not the object's."""
    return _ranged("wrong total", lambda start, stop, size: (start, stop, size + by))


def _ranged(name: str, shift: Callable[[int, int, int], tuple[int, int, int]]) -> Fault:
    def change(response: Response) -> Response:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        if found is None:
            return response
        start, stop, size = shift(int(found[1]), int(found[2]) + 1, int(found[3]))
        content_range = f"bytes {start}-{stop - 1}/{size}"
        return replace(response, headers={**response.headers, "Content-Range": content_range})

    return healthy_but(name, change, "range")


def shifted_range(by: int = 1) -> Fault:
    """A consistent 206 of other bytes than those requested, ``by`` bytes later."""
    label = content_range_off(by)

    def change(exchange: Exchange) -> Response:
        return replace(label.change(exchange), body=_bytes_later(exchange, by))

    return Fault("shifted range", change, "range")


def shifted_bytes(by: int = 1) -> Fault:
    """A 206 with right headers and other bytes; only the content shows it."""
    return Fault("shifted bytes", lambda e: replace(e.healthy, body=_bytes_later(e, by)), "range")


def _bytes_later(exchange: Exchange, by: int) -> bytes:
    found = re.match(r"bytes (\d+)-", exchange.healthy.headers.get("Content-Range", ""))
    if found is None or exchange.stored is None:
        return exchange.healthy.body
    # Padded with zeros beyond the end of the object, so that the length is right.
    start, size = int(found[1]) + by, len(exchange.healthy.body)
    return exchange.stored.body[start : start + size].ljust(size, b"\0")


def shorter_range(missing: int = 1) -> Fault:
    """A valid, consistent 206 of a shorter range than the one requested."""
    label = _ranged("", lambda start, stop, size: (start, max(start + 1, stop - missing), size))

    def change(exchange: Exchange) -> Response:
        body = exchange.healthy.body
        return with_body(label.change(exchange), body[: max(1, len(body) - missing)])

    return Fault("shorter range", change, "range")


def no_content_range() -> Fault:
    """A 206 without Content-Range."""
    return healthy_but(
        "no Content-Range", lambda a: replace(a, headers=without(a, "Content-Range")), "range"
    )


def range_ignored() -> Fault:
    """200 with the whole body."""

    def change(exchange: Exchange) -> Response:
        if exchange.stored is None or exchange.healthy.status != 206:
            return exchange.healthy
        headers = without(exchange.healthy, "Content-Range")
        response = replace(exchange.healthy, status=200, headers=headers)
        return with_body(response, exchange.stored.body)

    return Fault("range ignored", change, "range")


def part_as_200() -> Fault:
    """The right part with its Content-Range and status 200, as of ``rclone serve s3``."""
    return healthy_but(
        "part as 200", lambda a: replace(a, status=200) if a.status == 206 else a, "range"
    )


def no_etag() -> Fault:
    """The right response without an ETag."""
    return healthy_but("no ETag", lambda a: replace(a, headers=without(a, "ETag")))


def other_etag(etag: str = '"0123456789abcdef0123456789abcdef-9"') -> Fault:
    """The right bytes with another ETag; for a replaced object see `FaultServer.replace`."""
    return healthy_but("other ETag", lambda a: replace(a, headers={**a.headers, "ETag": etag}))


def listing_without_token() -> Fault:
    """A listing marked as truncated, without half of its keys and without a continuation token."""

    def change(response: Response) -> Response:
        text = response.body.decode()
        text = re.sub("<NextContinuationToken>.*?</NextContinuationToken>", "", text)
        text = text.replace("<IsTruncated>false", "<IsTruncated>true")
        contents = re.findall("<Contents>.*?</Contents>", text)
        for entry in contents[(len(contents) + 1) // 2 :]:
            text = text.replace(entry, "")
        return with_body(response, text.encode())

    return healthy_but("listing without token", change, "listing")


def _retry_after(response: Response, retry_after: str | None) -> Response:
    if retry_after is None:
        return response
    return replace(response, headers={**response.headers, "Retry-After": retry_after})


def _suffix(retry_after: str | None) -> str:
    return "" if retry_after is None else f", Retry-After {retry_after}"
