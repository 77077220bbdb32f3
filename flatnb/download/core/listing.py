"""Listings and existence checks, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ...errors import IntegrityError, ObjectNotFoundError
from .commands import Call, Operation
from .retry import TransferContext, with_retries

PAGE_KEYS = 1000
"""Most keys in one response (S3 API reference, ListObjectsV2, MaxKeys)."""


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """The entry of one object in a listing; ``last_modified`` is in UTC."""

    key: str
    size_bytes: int
    etag: str
    last_modified: datetime


def list_summaries(
    context: TransferContext, bucket: str, prefix: str, max_keys: int
) -> Operation[list[ObjectSummary]]:
    """The first ``max_keys`` objects below ``prefix`` in byte order, over as many pages as needed.

    Raises
    ------
    ValueError
        If ``max_keys`` is not a positive integer.
    IntegrityError
        If a page is marked as truncated but has no continuation token. boto3's own paginator
        would end there, without an error.
    """
    if isinstance(max_keys, bool) or not isinstance(max_keys, int) or max_keys < 1:
        raise ValueError(f"max_keys={max_keys!r} must be a positive integer")
    summaries: list[ObjectSummary] = []
    parameters: dict[str, object] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        # The last page has only the missing keys.
        parameters["MaxKeys"] = min(PAGE_KEYS, max_keys - len(summaries))
        request = partial(Call, "list_objects_v2", dict(parameters))
        page = yield from with_retries(context, bucket, prefix, request)
        # Without any keys S3 omits the element, and boto3 the entry.
        summaries += [
            ObjectSummary(item["Key"], item["Size"], item["ETag"], item["LastModified"])
            for item in page.get("Contents", [])
        ]
        # S3 sorts by the UTF-8 bytes of the keys (API reference), so these are the first ones.
        if not page.get("IsTruncated") or len(summaries) >= max_keys:
            return summaries[:max_keys]
        token = page.get("NextContinuationToken")
        if not token:
            reason = (
                f"the listing is truncated after {len(summaries)} keys and has no token for the "
                "next page"
            )
            raise IntegrityError(reason, bucket=bucket, key=prefix)
        parameters["ContinuationToken"] = token


def list_folders(context: TransferContext, bucket: str, prefix: str) -> Operation[list[str]]:
    """The prefixes one level below ``prefix``, each with a trailing ``/``; at most 1000."""
    parameters = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    request = partial(Call, "list_objects_v2", parameters)
    page = yield from with_retries(context, bucket, prefix or "/", request)
    return sorted(item["Prefix"] for item in page.get("CommonPrefixes", []))


def head(context: TransferContext, bucket: str, key: str) -> Operation[dict[str, Any]]:
    """The response to a HEAD."""
    call = Call("head_object", {"Bucket": bucket, "Key": key})
    response: dict[str, Any] = yield from with_retries(context, bucket, key, lambda: call)
    return response


def exists(context: TransferContext, bucket: str, key: str) -> Operation[bool]:
    """Whether the object exists; any error but a 404 raises."""
    try:
        yield from head(context, bucket, key)
    except ObjectNotFoundError:
        return False
    return True
