"""The responses of a healthy S3 to GET, HEAD and ListObjectsV2, without I/O."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape

from .wire import HttpRequest, Response

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LAST_MODIFIED = 1_704_300_000  # 2024-01-03T16:40:00Z, a constant, so that responses do not vary
_LAST_MODIFIED_ISO = "2024-01-03T16:40:00.000Z"
_MAX_KEYS = 1000

ERROR_STATUS: Mapping[str, int] = {
    "PermanentRedirect": 301,
    "BadDigest": 400,
    "ExpiredToken": 400,
    "InvalidArgument": 400,
    "RequestTimeout": 400,
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "PreconditionFailed": 412,
    "InvalidRange": 416,
    "TooManyRequests": 429,
    "InternalError": 500,
    "NotImplemented": 501,
    "BadGateway": 502,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "GatewayTimeout": 504,
}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object; ``etag`` has its quotes, and None sends no ETag."""

    body: bytes
    etag: str | None
    range_support: bool = True
    if_match_support: bool = True
    headers: Mapping[str, str] | None = None


def make_etag(body: bytes, kind: str | None) -> str | None:
    """The ETag of a body: ``None`` a multipart one, ``"md5"``, ``"absent"``, or a given one."""
    digest = hashlib.md5(body).hexdigest()
    if kind == "absent":
        return None
    if kind == "md5":
        return f'"{digest}"'
    if kind is None:
        return f'"{hashlib.md5(digest.encode()).hexdigest()}-3"'
    return kind if kind.startswith('"') else f'"{kind}"'


class UnsatisfiableRangeError(ValueError):
    """No byte of the object is in the range."""


def requested_span(header: str | None, size: int) -> tuple[int, int] | None:
    """The ``[start, stop)`` of a Range header; None for the whole object.

    S3 ignores a malformed range and one of several spans.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(size, int(found[2] or size) + 1)
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        raise UnsatisfiableRangeError(header)
    return start, stop


def object_response(request: HttpRequest, stored: StoredObject | None) -> Response:
    """The response to GET or HEAD of an object."""
    if stored is None:
        return error_response(request, "NoSuchKey", f"<Key>{escape(request.key)}</Key>")
    if not _matches(request.headers.get("if-match"), stored):
        return error_response(request, "PreconditionFailed", "<Condition>If-Match</Condition>")
    size = len(stored.body)
    try:
        span = requested_span(request.headers.get("range") if stored.range_support else None, size)
    except UnsatisfiableRangeError:
        details = f"<ActualObjectSize>{size}</ActualObjectSize>"
        return error_response(request, "InvalidRange", details)
    start, stop = span or (0, size)
    headers = {**amazon_headers(request), "Last-Modified": formatdate(_LAST_MODIFIED, usegmt=True)}
    if stored.etag is not None:
        headers["ETag"] = stored.etag
    if stored.range_support:
        headers["Accept-Ranges"] = "bytes"
    if span:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["Content-Type"] = "application/gzip"
    headers.update(stored.headers or {})
    # The length is one of the last headers, as of S3, so a header block cut in half lacks it.
    headers |= {"Content-Length": str(stop - start), "Server": "AmazonS3"}
    return Response(206 if span else 200, headers, stored.body[start:stop])


def _matches(if_match: str | None, stored: StoredObject) -> bool:
    if if_match is None or if_match == "*" or not stored.if_match_support or stored.etag is None:
        return True
    wanted = (tag.strip().strip('"') for tag in if_match.split(","))
    return stored.etag.strip('"') in wanted


def bucket_head_response(request: HttpRequest) -> Response:
    """The response to HEAD of the bucket, which botocore sends to find the region."""
    return Response(200, {**amazon_headers(request), "x-amz-bucket-region": "us-east-1"})


def amazon_headers(request: HttpRequest) -> dict[str, str]:
    """The headers of every response."""
    return {
        "x-amz-id-2": "flatnb/fault-server/" + request.request_id,
        "x-amz-request-id": request.request_id,
        "Date": formatdate(usegmt=True),
    }


def error_document(request: HttpRequest, code: str, details: str = "") -> bytes:
    """S3's XML of an error."""
    return (
        f"{_XML}<Error><Code>{code}</Code><Message>{code} by the fault server</Message>{details}"
        f"<Resource>/{escape(request.bucket)}/{escape(request.key)}</Resource>"
        f"<RequestId>{request.request_id}</RequestId></Error>"
    ).encode()


def error_response(
    request: HttpRequest, code: str, details: str = "", status: int | None = None
) -> Response:
    """An error with S3's XML; for a HEAD without it, as of S3."""
    headers = {**amazon_headers(request), "Content-Type": "application/xml"}
    status = status or ERROR_STATUS[code]
    if request.method == "HEAD":
        return Response(status, headers)
    body = error_document(request, code, details)
    return Response(status, {**headers, "Content-Length": str(len(body))}, body)


def listing_response(request: HttpRequest, objects: Mapping[str, StoredObject]) -> Response:
    """The response to ListObjectsV2."""
    query = request.query
    after = query.get("start-after", "")
    if token := query.get("continuation-token"):
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except (binascii.Error, UnicodeDecodeError):
            return error_response(request, "InvalidArgument")
    limit = min(int(query.get("max-keys", _MAX_KEYS)), _MAX_KEYS)
    entries = _entries(objects, request.key, query.get("delimiter", ""), after)
    shown, rest = entries[:limit], entries[limit:]
    truncated = bool(shown and rest)
    body = _listing_document(request, shown, objects, limit=limit, truncated=truncated).encode()
    headers = {
        **amazon_headers(request),
        "Content-Type": "application/xml",
        "Content-Length": str(len(body)),
        "Server": "AmazonS3",
    }
    return Response(200, headers, body)


def _entries(keys: Iterable[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """Keys, and common prefixes (ending with the delimiter), in order, after a position."""
    found: dict[str, None] = {}
    for key in sorted(keys):
        if not key.startswith(prefix):
            continue
        head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        entry = prefix + head + cut if cut else key
        if entry > after:
            found[entry] = None
    return list(found)


def _listing_document(
    request: HttpRequest,
    shown: list[str],
    objects: Mapping[str, StoredObject],
    *,
    limit: int,
    truncated: bool,
) -> str:
    encoded = request.query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="/") if encoded else escape(value)

    parts = [
        f'{_XML}<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        f"<Name>{escape(request.bucket)}</Name><Prefix>{text(request.key)}</Prefix>",
        f"<KeyCount>{len(shown)}</KeyCount><MaxKeys>{limit}</MaxKeys>",
        "<EncodingType>url</EncodingType>" if encoded else "",
        f"<IsTruncated>{str(truncated).lower()}</IsTruncated>",
    ]
    if truncated:
        token = base64.urlsafe_b64encode(shown[-1].encode()).decode()
        parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
    delimiter = request.query.get("delimiter")
    for entry in shown:
        if delimiter and delimiter in entry[len(request.key) :]:
            parts.append(f"<CommonPrefixes><Prefix>{text(entry)}</Prefix></CommonPrefixes>")
        else:
            parts.append(_contents(text(entry), objects[entry]))
    return "".join([*parts, "</ListBucketResult>"])


def _contents(key: str, stored: StoredObject) -> str:
    etag = f"<ETag>{escape(stored.etag)}</ETag>" if stored.etag else ""
    return (
        f"<Contents><Key>{key}</Key><LastModified>{_LAST_MODIFIED_ISO}</LastModified>"
        f"{etag}<Size>{len(stored.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
