"""The faults: each changes a healthy answer, or how it goes over the wire.

A fault of the body waits for a request whose answer has one (no HEAD), a fault of the range for a
ranged GET, a fault of the listing for a listing: other requests are answered healthily meanwhile
and do not use it up. Bodies are cut in their middle unless a place is given, and always before
their last byte.
"""

from __future__ import annotations

from .answers import (
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
"""The connection ends too early; trying again helps."""

STATUSES: tuple[Fault, ...] = (
    *(bare_status(status) for status in (429, 500, 502, 503, 504, 507, 520)),
    *(bare_status(status, retry_after="0") for status in (429, 503)),
    *(s3_error(code) for code in ("SlowDown", "InternalError", "ServiceUnavailable")),
    *(s3_error(code) for code in ("TooManyRequests", "BadGateway", "GatewayTimeout")),
    s3_error("SlowDown", retry_after="0"),
    s3_error("RequestTimeout"),
)
"""Answers after which trying again helps."""

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
"""The head shows that the body is not what was asked for, to who looks; trying again helps.

An unranged GET needs the size from elsewhere to see through the first three.
"""

SILENT: tuple[Fault, ...] = (flipped_byte(), html_page(disguised=True), shifted_bytes())
"""Only the content tells: gzip's CRC, or an ETag that is an MD5."""

STALLS: tuple[Fault, ...] = (stall_before_headers(), stall_after())
"""Nothing more comes until the client leaves."""

HARMLESS: tuple[Fault, ...] = (chunked(), range_ignored(), part_as_200(), no_etag())
"""Unusual answers with the right bytes."""

PERMANENT: tuple[Fault, ...] = (
    *(bare_status(status) for status in (301, 401, 403, 404)),
    *(s3_error(code) for code in ("AccessDenied", "SignatureDoesNotMatch", "ExpiredToken")),
    *(s3_error(code) for code in ("RequestTimeTooSkewed", "InvalidAccessKeyId", "NoSuchKey")),
    permanent_redirect(),
)
"""Trying again does not help, and must not be tried."""
