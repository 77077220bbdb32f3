"""The faults: each changes a healthy response, or how it is sent.

A fault of the body waits for a request whose response has one (no HEAD), a fault of the range for a
ranged GET, a fault of the listing for a listing: other requests are served normally meanwhile and
do not consume it. Bodies are cut in the middle unless a position is given, and always before their
last byte.
"""

from __future__ import annotations

from .base import Exchange, Fault, healthy
from .body import (
    HTML,
    chunked,
    chunked_cut,
    chunked_short,
    close_after,
    close_before_headers,
    cut_headers,
    drip,
    flipped_byte,
    html_page,
    reset_after,
    reset_before_headers,
    short_body,
    stall_after,
    stall_before_headers,
    xml_error_in_200,
)
from .responses import (
    bare_status,
    content_range_off,
    listing_without_token,
    no_content_range,
    no_etag,
    other_etag,
    part_as_200,
    permanent_redirect,
    range_ignored,
    s3_error,
    shifted_bytes,
    shifted_range,
    shorter_range,
    wrong_total,
)

__all__ = [
    "CUTS",
    "HARMLESS",
    "HTML",
    "LIES",
    "PERMANENT",
    "SILENT",
    "STALLS",
    "STATUSES",
    "Exchange",
    "Fault",
    "bare_status",
    "chunked",
    "chunked_cut",
    "chunked_short",
    "close_after",
    "close_before_headers",
    "content_range_off",
    "cut_headers",
    "drip",
    "flipped_byte",
    "healthy",
    "html_page",
    "listing_without_token",
    "no_content_range",
    "no_etag",
    "other_etag",
    "part_as_200",
    "permanent_redirect",
    "range_ignored",
    "reset_after",
    "reset_before_headers",
    "s3_error",
    "shifted_bytes",
    "shifted_range",
    "short_body",
    "shorter_range",
    "stall_after",
    "stall_before_headers",
    "wrong_total",
    "xml_error_in_200",
]

CUTS: tuple[Fault, ...] = (
    reset_before_headers(),
    close_before_headers(),
    cut_headers(),
    cut_headers(ending="reset"),
    reset_after(),
    close_after(),
    chunked_cut(),
    chunked_cut(ending="reset"),
    short_body(),
)
"""The connection ends too early; a retry succeeds."""

STATUSES: tuple[Fault, ...] = (
    *(bare_status(status) for status in (429, 500, 502, 503, 504, 507, 520)),
    *(bare_status(status, retry_after="0") for status in (429, 503)),
    *(s3_error(code) for code in ("SlowDown", "InternalError", "ServiceUnavailable")),
    *(s3_error(code) for code in ("TooManyRequests", "BadGateway", "GatewayTimeout")),
    s3_error("SlowDown", retry_after="0"),
    s3_error("RequestTimeout"),
)
"""Error responses after which a retry succeeds."""

LIES: tuple[Fault, ...] = (
    short_body(length="none"),
    short_body(length="own"),
    chunked_short(),
    html_page(),
    xml_error_in_200(),
    content_range_off(),
    shifted_range(),
    shorter_range(),
    no_content_range(),
)
"""The headers show that the body is not what was requested; a retry succeeds.

With the first three, an unranged GET shows it only if the size is known from elsewhere.
"""

SILENT: tuple[Fault, ...] = (flipped_byte(), html_page(disguised=True), shifted_bytes())
"""Only the content shows the fault: gzip's CRC, or an ETag that is an MD5."""

STALLS: tuple[Fault, ...] = (stall_before_headers(), stall_after())
"""No further byte is sent until the client disconnects."""

HARMLESS: tuple[Fault, ...] = (chunked(), range_ignored(), part_as_200(), no_etag())
"""Unusual responses with the right bytes."""

PERMANENT: tuple[Fault, ...] = (
    *(bare_status(status) for status in (301, 401, 403, 404)),
    *(s3_error(code) for code in ("AccessDenied", "SignatureDoesNotMatch", "ExpiredToken")),
    *(s3_error(code) for code in ("RequestTimeTooSkewed", "InvalidAccessKeyId", "NoSuchKey")),
    permanent_redirect(),
)
"""A retry does not succeed, and must not be made."""
